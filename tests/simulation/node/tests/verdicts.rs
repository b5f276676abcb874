//! Rows and truth fit: the engine, told the rows, says of packets what the truth says.

use analyzer::engine::Engine;
use analyzer::engine::fact::EvidenceKind;
use analyzer::engine::observation::Observation;
use analyzer::engine::settings::Settings;
use analyzer::engine::verdict::{Undetermined, Verdict, Violating};
use analyzer::ovn::follow::{self, Database, Follower};
use analyzer_ebpf::abi::{Direction, LinkTags};

use super::*;

/// Who follows all databases of a node, and hears nothing of what passes its NICs but what it is asked about.
struct Watcher {
    engine: Engine,
    followers: BTreeMap<Which, Follower>,
}

impl Watcher {
    fn new(node: &Node) -> Self {
        let database = |which| match which {
            Which::Northbound => Database::Northbound,
            Which::Southbound => Database::Southbound { with_northbound: true },
            Which::OpenVswitch => Database::OpenVswitch,
        };
        let follower = |which| (which, Follower::new(database(which), "unix:db.sock".into()));
        let mut engine = Engine::new(Settings::default());
        let kinds = [EvidenceKind::WholeRoutes, EvidenceKind::Policies, EvidenceKind::Bfd, EvidenceKind::Bindings];
        engine.set_given(kinds.into_iter().collect());
        let mut watcher = Self { engine, followers: Which::ALL.map(follower).into() };
        for which in Which::ALL {
            let follow::Followed { delta, .. } = watcher.follow(which, &node.rows(which));
            delta.begun.into_iter().for_each(|fact| watcher.engine.begin(fact, None));
        }
        watcher.engine.epochs();
        watcher
    }

    fn follow(&mut self, which: Which, changes: &[Change]) -> follow::Followed {
        let followed = self.followers.get_mut(&which).expect("one of them").apply(changes);
        assert_eq!(followed.warnings, []);
        followed
    }

    fn verdict(&mut self, out: &Out, at: Timestamp) -> Verdict {
        let seen = Observation {
            nic: 0,
            tags: LinkTags::NONE.with_direction(Direction::Outbound),
            eth_src: out.eth_src,
            eth_dst: out.eth_dst,
            tuple: out.tuple,
            packets: out.packets,
            bytes: out.bytes,
            first: at,
            last: at,
        };
        // A look-up in the table finds the entry that OVN went by.
        self.engine.clear_connections();
        self.engine.note_connections_told();
        self.engine.set_connections(out.tuple, out.by_label.iter().cloned().collect());
        self.engine.assess(&seen, &[]).verdict
    }
}

/// What is to be said by who knows the databases and no more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Word {
    NotCovered,
    Conforming,
    Grace,
    Unresolved,
    Violating,
}

fn expected(truth: Truth, at: Ns) -> Word {
    let grace = u64::try_from(Settings::default().grace.as_nanos()).expect("seconds");
    match truth {
        Truth { is_covered: false, .. } => Word::NotCovered,
        Truth { is_legal: true, .. } => Word::Conforming,
        Truth { legal_until: Some(until), .. } if at - until < grace => Word::Grace,
        Truth { are_all_known: false, .. } => Word::Unresolved,
        _ => Word::Violating,
    }
}

fn word(verdict: Verdict) -> Option<Word> {
    Some(match verdict {
        Verdict::NotCovered(_) => Word::NotCovered,
        Verdict::Conforming => Word::Conforming,
        Verdict::Grace => Word::Grace,
        Verdict::Undetermined(Undetermined::NexthopUnresolved) => Word::Unresolved,
        Verdict::Violating(_) => Word::Violating,
        Verdict::Info(_) | Verdict::Undetermined(_) => return None,
    })
}

#[test]
fn the_engine_says_what_the_truth_says() {
    let mut counts: BTreeMap<Word, usize> = BTreeMap::new();
    for seed in 0..20 {
        let mut node = Node::new(seed);
        let mut watcher = Watcher::new(&node);
        let mut runs = 0;
        for (at, happening) in happenings(&mut node, HOUR) {
            let wall = node.wall(at);
            match happening {
                Happening::Rows { which, changes } => {
                    let follow::Followed { delta, .. } = watcher.follow(which, &changes);
                    assert_eq!(watcher.engine.apply(delta, wall), 0, "seed {seed}: facts end that nobody told");
                }
                Happening::Out(out) => {
                    runs += 1;
                    // The minute after a change is the one in which something may be wrong.
                    if runs % 10 == 0 || at - out.truth.since < 60 * SECOND {
                        let (verdict, expected) = (watcher.verdict(&out, wall), expected(out.truth, at));
                        assert_eq!(word(verdict), Some(expected), "seed {seed} at {at}: {verdict:?} of {out:?}");
                        if expected == Word::Violating && at - out.truth.since > SECOND {
                            // Nothing but a label leads to a wrong MAC once ovn-controller has caught up.
                            let explained = [Violating::StaleConntrack, Violating::NexthopDown].map(Verdict::from);
                            assert!(explained.contains(&verdict), "seed {seed} at {at}: {verdict:?} of {out:?}");
                        }
                        *counts.entry(expected).or_default() += 1;
                    }
                }
                _ => {}
            }
        }
    }
    println!("{counts:?}");
    // A packet that no route covers leaves in the moment in which ovn-controller is behind, if ever.
    let rare = usize::from(counts.contains_key(&Word::NotCovered));
    assert!(counts.len() - rare == 4, "each of the others happens: {counts:?}");
}
