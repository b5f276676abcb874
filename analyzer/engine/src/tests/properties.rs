//! Properties of the engine as a whole.

use analyzer_ebpf::abi::{Direction, LinkTags};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::random;
use super::world::*;
use crate::finding::{CtDirection, Finding, LatentState};
use crate::observation::Observation;
use crate::standing::Standing;
use crate::verdict::{Verdict, Violating};
use crate::{Conclusion, Engine};

/// A packet of one of a few flows, to one of a few MACs, at some time around the change at 50 s.
fn packets() -> impl Strategy<Value = Vec<Observation>> {
    let packet = (30_u64..90, 1_u16..5, select(vec![DEAD, GW15, GW16, GW1]))
        .prop_map(|(seconds, port, mac)| packet(seconds, flow(port), NODE, mac));
    vec(packet, 0..60)
}

fn engine() -> Engine {
    let mut world = World::with_history();
    world.connections((1..5).map(|port| entry(35, flow(port), label(DEAD, 2))));
    world.engine()
}

/// Packets of one flow to one MAC within one epoch, put together as a flow table does.
fn batched(engine: &mut Engine, packets: &[Observation], size: usize) -> Vec<Observation> {
    let epochs = engine.epochs().clone();
    let mut batches: Vec<Observation> = Vec::new();
    for batch in packets.chunks(size.max(1)) {
        let start = batches.len();
        for seen in batch {
            let same = |other: &&mut Observation| {
                other.tuple == seen.tuple
                    && other.eth_dst == seen.eth_dst
                    && epochs.at(other.first).id == epochs.at(seen.first).id
            };
            match batches[start..].iter_mut().find(same) {
                Some(run) => {
                    run.packets += seen.packets;
                    run.bytes += seen.bytes;
                    run.first = run.first.min(seen.first);
                    run.last = run.last.max(seen.last);
                }
                None => batches.push(*seen),
            }
        }
    }
    batches
}

/// What the history of [`World::with_history`] says, in three lines.
fn naive(seen: &Observation) -> &'static str {
    let change = at(50);
    let dead = if seen.first < change { "conforming" } else { "grace or violating" };
    match seen.eth_dst {
        mac if mac == self::mac(DEAD) && dead == "conforming" => "conforming",
        mac if mac == self::mac(DEAD) && seen.first < at(55) => "grace",
        mac if mac == self::mac(GW16) => "conforming",
        mac if mac == self::mac(GW15) && seen.first >= change => "conforming",
        _ => "violating",
    }
}

proptest! {
    #[test]
    fn batching_changes_nothing(packets in packets(), size in 1_usize..70) {
        let one_by_one: Conclusion = engine().conclude(packets.as_slice());
        let mut engine = engine();
        let batches = batched(&mut engine, &packets, size);
        let in_batches = engine.conclude(batches.as_slice());
        prop_assert_eq!(one_by_one.findings, in_batches.findings);
        prop_assert_eq!(one_by_one.latent, in_batches.latent);
        prop_assert_eq!(one_by_one.summary, in_batches.summary);
    }

    #[test]
    fn a_naive_model_agrees(packets in packets()) {
        let conclusion = engine().conclude(packets.as_slice());
        let count = |name| packets.iter().filter(|seen| naive(seen) == name).count() as u64;
        prop_assert_eq!(conclusion.summary.violating_packets, count("violating"));
        prop_assert_eq!(conclusion.summary.grace_packets, count("grace"));
        let conforming: u64 = conclusion.summary.nexthops.iter().map(|nexthop| nexthop.packets).sum();
        prop_assert_eq!(conforming, count("conforming"));
    }

    #[test]
    fn findings_are_bounded_and_violations_kept(packets in packets(), most in 1_usize..6) {
        let mut world = World::with_history();
        world.settings.max_findings = most;
        let conclusion = world.engine().conclude(packets.as_slice());
        prop_assert!(conclusion.findings.len() <= most);
        let all = engine().conclude(packets.as_slice());
        prop_assert_eq!(conclusion.summary.violating_packets, all.summary.violating_packets);
        let violating = conclusion.findings.iter().filter(|f| matches!(f.verdict, Verdict::Violating(_))).count();
        prop_assert_eq!(violating, conclusion.findings.len());
    }

    #[test]
    fn retiring_changes_no_packet_count(packets in packets(), retired in any::<u64>()) {
        let all = engine().conclude(packets.as_slice()).summary;
        let mut engine = engine();
        let mut bits = retired;
        let mut kept = packets.clone();
        kept.retain(|seen| {
            bits = bits.rotate_left(1);
            bits & 1 == 0 || !engine.retire(seen)
        });
        let evicted = (packets.len() - kept.len()) as u64;
        let some = engine.conclude(kept.as_slice()).summary;
        prop_assert_eq!(some.evicted_flows, evicted);
        prop_assert_eq!(some.violating_packets, all.violating_packets);
        prop_assert_eq!(some.nexthops, all.nexthops);
        prop_assert_eq!(some.grace_packets, all.grace_packets);
    }

    #[test]
    fn whoever_is_asked_of_an_entry_says_the_same(
        mut world in random::world(),
        flows in vec((random::leaving(), select(vec![DEAD, GW15, GW16, GW1]), 1_u16..3), 1..8),
    ) {
        let mut tuples = hashbrown::HashSet::new();
        for (seen, lladdr, port) in flows.into_iter().filter(|(seen, ..)| tuples.insert(seen.tuple)) {
            world.connections([entry(35, seen.tuple.reversed(), label(lladdr, port))]);
            world.seen.push(Observation { first: at(90), last: at(90), ..seen });
        }
        let conclusion = world.conclude();
        let mut engine = world.engine();
        let views = engine.connections(at(90));
        let pins = engine.pins(at(90));
        prop_assert_eq!(views.len(), pins.len());
        let standing = |zone, orig| views.iter().find(|view| (view.connection.zone, view.connection.orig) == (zone, orig));
        for pin in &pins {
            let view = standing(pin.connection.zone, pin.connection.orig).expect("what is a pin is listed");
            prop_assert_eq!(&view.standing, &pin.standing);
        }
        for latent in &conclusion.latent {
            let view = standing(latent.connection.zone, latent.connection.orig).expect("what is latent is listed");
            let is_unused = matches!(view.standing, Standing::Unused(_));
            prop_assert!(view.standing.is_stale() || latent.state == LatentState::Unused && is_unused, "{:?}", view);
        }
        for pin in pins.iter().filter(|pin| pin.standing.is_stale()) {
            let tuple = if pin.cited.direction == CtDirection::Orig { pin.cited.orig } else { pin.cited.reply };
            let tags = LinkTags::NONE.with_direction(Direction::Outbound);
            let to_label = Observation { tags, ..packet(90, tuple, "00:00:00:00:00:00", GW1) };
            let verdict = engine.verdict(&Observation { eth_dst: pin.reply.eth, ..to_label });
            prop_assert!(matches!(verdict, Verdict::Violating(_) | Verdict::Grace), "{:?}: {:?}", pin, verdict);
        }
        let is_own = |finding: &Finding| finding.verdict == Violating::StaleConntrack.into();
        for finding in conclusion.findings.iter().filter(|finding| is_own(finding)) {
            let explained = engine.explain(finding.tuple, world.seen.as_slice());
            // Of a flow between two pods the other direction may be meant.
            if explained.tuple != finding.tuple {
                continue;
            }
            let carriers = explained.connections.iter().filter(|view| Some(view.connection.reply_eth) == finding.eth_dst);
            let standings: Vec<&Standing> = carriers.map(|view| &view.standing).collect();
            let is_admitted = |standing: &&Standing| standing.is_stale() || standing.is_undetermined();
            prop_assert!(standings.iter().any(is_admitted), "{:?}", standings);
        }
    }
}
