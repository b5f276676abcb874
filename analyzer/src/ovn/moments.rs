//! Listings of the same rows that were made at different moments.
//!
//! Where one text holds what a command printed before something changed and after it, both together are no set of next hops
//! that there ever was, and nothing tells which of them is of the packets' time. What they say differently is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use crate::engine::fact::{BfdStatus, Binding, BindingKind, Fact, Gap, Policy, Scope};
use crate::types::{IpPrefix, MacAddr, Place, Validity, Warning};

/// Listings that others are held against. Whoever has more of them has a script that asks again and again.
const MAX_HELD: usize = 64;

/// Words of commands that leave rows out.
const FILTERS: [&str; 7] = ["find", "grep", "egrep", "head", "tail", "awk", "sed"];

/// Lines that stand for others that were left out.
const TRIMMED: [&str; 6] = ["...", "[...]", "(...)", "\u{2026}", "[snip]", "<snip>"];

/// What a text lists.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    /// The kind of text.
    pub what: &'static str,
    /// The command that printed it, where it is seen.
    pub command: Option<Arc<str>>,
    /// Whether lines of it were left out, and something stands for them.
    pub is_trimmed: bool,
}

impl Asked {
    /// Whether it is, or may well be, a part of what there is.
    fn is_part(&self, rows: usize) -> bool {
        let is_filtered = |command: &str| {
            let words: Vec<&str> =
                command.split(|found: char| found.is_whitespace() || "`'\"".contains(found)).collect();
            let has_record = words.iter().position(|word| *word == "list").is_some_and(|list| {
                words[list + 1..].iter().filter(|word| !word.is_empty() && !word.starts_with('-')).count() > 1
            });
            command.contains('|') || has_record || words.iter().any(|word| FILTERS.contains(word))
        };
        // A row by itself may be what somebody speaks of.
        self.is_trimmed || self.command.as_deref().map_or(rows == 1, is_filtered)
    }
}

/// Whether something in a text stands for lines that were left out.
pub fn is_trimmed(text: &[u8]) -> bool {
    let bare = |line: &[u8]| {
        String::from_utf8_lossy(line).trim_matches(|mark: char| mark.is_whitespace() || mark == '>').to_owned()
    };
    text.split(|&byte| byte == b'\n').any(|line| line.len() < 16 && TRIMMED.contains(&bare(line).as_str()))
}

/// What decides a verdict and has one answer at a time.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Key {
    Route { router: Option<Arc<str>>, table: Arc<str>, policy: Policy, prefix: IpPrefix },
    Session { port: Arc<str>, peer: IpAddr },
    StaticBinding { port: Option<Arc<str>>, ip: IpAddr },
    ZoneOf { name: Arc<str> },
}

impl Key {
    fn scope(&self) -> Scope {
        match self.clone() {
            Self::Route { router, policy, prefix, .. } => {
                Scope::Routes { router, policy: Some(policy), prefix: Some(prefix) }
            }
            Self::Session { peer, .. } => Scope::Bfd { peer: Some(peer) },
            Self::StaticBinding { ip, .. } => Scope::StaticBindings { ip: Some(ip) },
            Self::ZoneOf { .. } => Scope::Zones,
        }
    }

    /// Whether rows of two routers may be meant: each has its default route.
    fn may_be_of_others(&self) -> bool {
        matches!(self, Self::Route { router: None, policy: Policy::DstIp, .. })
    }

    /// Whether there is but one answer to it at a time.
    fn is_single(&self) -> bool {
        !matches!(self, Self::Route { .. })
    }

    /// The same without the router, which a listing may not name.
    fn of_any_router(&self) -> Self {
        match self.clone() {
            Self::Route { table, policy, prefix, .. } => Self::Route { router: None, table, policy, prefix },
            other => other,
        }
    }

    fn router(&self) -> Option<&Arc<str>> {
        match self {
            Self::Route { router, .. } => router.as_ref(),
            _ => None,
        }
    }

    /// Whether it is of IPv4; `None` where that is not asked.
    fn is_ipv4(&self) -> Option<bool> {
        match self {
            Self::Route { prefix, .. } => Some(prefix.addr().is_ipv4()),
            Self::Session { peer: ip, .. } | Self::StaticBinding { ip, .. } => Some(ip.is_ipv4()),
            Self::ZoneOf { .. } => None,
        }
    }
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Answer {
    Nexthop(Option<IpAddr>),
    Status(BfdStatus),
    Mac(Option<MacAddr>),
    Zone(u16),
}

type Answers = BTreeMap<Key, BTreeSet<Answer>>;

/// What two listings say differently.
#[derive(Debug)]
pub struct Contradiction {
    /// Where they do.
    pub warning: Warning,
    /// What of it may decide something.
    pub gaps: Vec<Gap>,
}

/// A listing that others are held against.
#[derive(Debug)]
struct Held {
    asked: Asked,
    place: Place,
    is_part: bool,
    answers: Answers,
    /// Those of its keys that name a router, by the same without.
    named: BTreeMap<Key, Vec<Key>>,
}

/// Listings so far.
#[derive(Debug, Default)]
pub struct Listings {
    held: Vec<Held>,
    /// What is lost already.
    lost: BTreeSet<Key>,
}

impl Listings {
    /// What this listing and one before it say differently, where they do. Where both are answers to the same command, what
    /// stands in one alone differs, too.
    pub fn compare<'a>(
        &mut self,
        asked: Asked,
        place: Place,
        listed: impl IntoIterator<Item = &'a Fact>,
    ) -> Option<Contradiction> {
        let answers = answers(listed);
        let is_part = asked.is_part(answers.values().map(BTreeSet::len).sum());
        let mut named: BTreeMap<Key, Vec<Key>> = BTreeMap::new();
        for key in answers.keys().filter(|key| key.router().is_some()) {
            named.entry(key.of_any_router()).or_default().push(key.clone());
        }
        let listing = Held { asked, place, is_part, answers, named };
        let of_itself = listing.answers.iter().filter(|(key, answers)| key.is_single() && answers.len() > 1);
        let mut differing: BTreeMap<Key, Place> =
            of_itself.map(|(key, _)| (key.clone(), listing.place.clone())).collect();
        let held = self.held.iter().filter(|held| held.asked.what == listing.asked.what);
        let mut is_known = false;
        for held in held {
            is_known |= held.asked == listing.asked && held.answers == listing.answers;
            for key in listing.differing(held) {
                differing.entry(key).or_insert_with(|| held.place.clone());
            }
        }
        differing.retain(|key, _| self.lost.insert(key.clone()));
        let contradiction = differing.values().next().map(|first| {
            let rows = match differing.len() {
                1 => "one row is".to_owned(),
                rows => format!("{rows} rows are"),
            };
            let message = format!(
                "{rows} not as at {first}: nothing tells which of the two is of the packets' time; leave out the other"
            );
            let place = &listing.place;
            let gap = |key: &Key| Gap { scope: key.scope(), place: place.clone(), validity: Validity::ALWAYS };
            let gaps = differing.keys().map(gap).collect();
            Contradiction { warning: Warning { place: place.clone(), message }, gaps }
        });
        if !is_known && self.held.len() < MAX_HELD {
            self.held.push(listing);
        }
        contradiction
    }
}

impl Held {
    /// What this listing says otherwise than another.
    fn differing(&self, other: &Self) -> Vec<Key> {
        let is_same_command = self.asked.command.is_some() && self.asked.command == other.asked.command;
        let is_whole = !self.asked.is_trimmed && !other.asked.is_trimmed;
        let mut differing = Vec::new();
        for (key, now) in self.answers.iter().filter(|(key, _)| is_same_command || !key.may_be_of_others()) {
            for then in other.answers_to(key) {
                let differs = match (self.is_part, other.is_part) {
                    _ if is_same_command && is_whole => now != then,
                    (false, false) => now != then,
                    (true, false) => !now.is_subset(then),
                    (false, true) => !then.is_subset(now),
                    (true, true) => key.is_single() && now != then,
                };
                differing.extend(differs.then(|| key.clone()));
            }
        }
        // Of a listing that shares no row with the other it is not known that it lists the same.
        let shared = self.answers.keys().filter(|key| other.answers.contains_key(*key));
        let shared: BTreeSet<Option<bool>> = shared.map(Key::is_ipv4).collect();
        if is_same_command && is_whole {
            let gone = other.answers.keys().filter(|key| !self.answers.contains_key(*key));
            let come = self.answers.keys().filter(|key| !other.answers.contains_key(*key));
            differing.extend(gone.chain(come).filter(|key| shared.contains(&key.is_ipv4())).cloned());
        }
        differing
    }

    /// What it says to a question. Where either names no router, that may be the other's.
    fn answers_to(&self, key: &Key) -> Vec<&BTreeSet<Answer>> {
        let exact = self.answers.get(key);
        if exact.is_some() || key.is_single() {
            return exact.into_iter().collect();
        }
        match key.router() {
            Some(_) => self.answers.get(&key.of_any_router()).into_iter().collect(),
            None => self.named.get(key).into_iter().flatten().filter_map(|named| self.answers.get(named)).collect(),
        }
    }
}

fn answers<'a>(facts: impl IntoIterator<Item = &'a Fact>) -> Answers {
    let mut answers = Answers::new();
    let undated = facts.into_iter().filter(|fact| fact.validity() == Some(Validity::ALWAYS));
    for (key, answer) in undated.filter_map(answer) {
        answers.entry(key).or_default().insert(answer);
    }
    answers
}

fn answer(fact: &Fact) -> Option<(Key, Answer)> {
    Some(match fact {
        Fact::Route(route) => (
            Key::Route {
                router: route.router.clone(),
                table: Arc::clone(&route.route_table),
                policy: route.policy,
                prefix: route.prefix,
            },
            Answer::Nexthop(route.nexthop),
        ),
        Fact::Bfd(bfd) => {
            (Key::Session { port: Arc::clone(&bfd.logical_port), peer: bfd.dst_ip }, Answer::Status(bfd.status))
        }
        Fact::Binding(Binding { logical_port, ip, mac, kind: BindingKind::StaticMacBinding { .. }, .. }) => {
            (Key::StaticBinding { port: logical_port.clone(), ip: *ip }, Answer::Mac(*mac))
        }
        Fact::Zone(zone) => (Key::ZoneOf { name: Arc::clone(&zone.name) }, Answer::Zone(zone.zone)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ovn::{lr_route_list, zones};
    use crate::types::Position;

    /// What is lost once a listing follows another: each with its command.
    fn lost(first: (&str, &str), second: (&str, &str)) -> usize {
        let (mut listings, file) = (Listings::default(), Arc::from("list"));
        let mut lost = 0;
        for (command, rows) in [first, second] {
            let mut facts = lr_route_list::parse(rows.as_bytes(), Some("GR_w"), &file);
            let command = (!command.is_empty()).then(|| command.into());
            let asked = Asked { what: "routes", command, is_trimmed: is_trimmed(rows.as_bytes()) };
            let place = Place { file: Arc::clone(&file), position: Position::Whole };
            facts.contradict(listings.compare(asked, place, &facts.facts));
            lost = facts.gaps.len();
        }
        lost
    }

    const A: &str = "10.0.0.5 198.51.100.1 src-ip\n";
    const A2: &str = "10.0.0.5 198.51.100.2 src-ip\n";
    const B: &str = "10.0.0.6 198.51.100.1 src-ip\n";

    #[test]
    fn what_differs_is_lost() {
        let list = "lr-route-list GR_w";
        let both = format!("{A}{B}");
        assert_eq!(lost((list, A), (list, A)), 0);
        assert_eq!(lost((list, A), (list, A2)), 1);
        assert_eq!(lost((list, &both), (list, A2)), 2, "one is another, one is there no more");
        assert_eq!(lost(("", &both), ("", &format!("{A2}{B}"))), 1);
        assert_eq!(lost(("", A), ("", A2)), 0, "each may be an excerpt of one");
        assert_eq!(lost(("", A), ("", B)), 0, "each may be a part");
        assert_eq!(lost((list, A), ("", A2)), 1);
        let sought = "lr-route-list GR_w | grep 198.51.100.1";
        assert_eq!(lost((list, &format!("{A}{A2}")), (sought, A)), 0);
        assert_eq!(lost((sought, A), (sought, A2)), 1);
        assert_eq!(lost((list, A), (sought, A2)), 1, "a part that the whole lacks");
        assert_eq!(lost((list, &both), (list, &format!("{A}[...]\n"))), 0, "trimmed");
    }

    /// The name of a zone has one number at a time.
    #[test]
    fn zones_that_were_numbered_anew() {
        let (mut listings, file) = (Listings::default(), Arc::from("zones"));
        let lost = ["GR_w_dnat 35\nGR_w_snat 8\n", "GR_w_snat 8\n", "GR_w_dnat 36\nGR_w_snat 8\n"].map(|text| {
            let mut facts = zones::parse(text.as_bytes(), &file);
            let asked = Asked { what: "ct-zones", command: None, is_trimmed: false };
            let place = Place { file: Arc::clone(&file), position: Position::Whole };
            facts.contradict(listings.compare(asked, place, &facts.facts));
            facts.gaps.len()
        });
        assert_eq!(lost, [0, 0, 1]);
    }

    /// A file may hold several listings.
    #[test]
    fn in_one_file() {
        let file = Arc::from("list");
        let of = |first: &str, second: &str| {
            let text = format!("# ovn-nbctl lr-route-list GR_w\n{first}# ovn-nbctl lr-route-list GR_w\n{second}");
            let facts = lr_route_list::parse(text.as_bytes(), None, &file);
            facts.gaps.iter().map(|gap| gap.place.position).collect::<Vec<_>>()
        };
        assert_eq!(of(A, A), []);
        assert_eq!(of(A, A2).len(), 1);
        let without = |first: &str, second: &str| {
            let text = format!("IPv4 Routes\n{B}{first}IPv4 Routes\n{B}{second}");
            lr_route_list::parse(text.as_bytes(), None, &file).gaps.len()
        };
        assert_eq!((without(A, A), without(A, A2)), (0, 1), "headings begin listings, too");
        let two = format!("# ovn-nbctl lr-route-list GR_v\n{A}# ovn-nbctl lr-route-list GR_w\n{A2}");
        assert!(lr_route_list::parse(two.as_bytes(), None, &file).gaps.is_empty());
    }
}
