//! Listings of the same rows that were made at different moments.
//!
//! Where one text holds what a command printed before something changed and after it, both together are no set of next hops
//! that there ever was, and nothing tells which of them is of the packets' time. What they say differently is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::Facts;
use crate::engine::fact::{BfdStatus, Binding, BindingKind, Fact, Gap, Policy, Scope};
use crate::types::{IpPrefix, MacAddr, Place, Validity, Warning};

/// What a text lists.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    /// The kind of text.
    pub what: &'static str,
    /// The router, where the rows are those of one.
    pub router: Option<Arc<str>>,
    /// The command that printed it, where it is seen.
    pub command: Option<Arc<str>>,
}

impl Asked {
    /// Whether a row that both list is in both as it was.
    fn is_comparable(&self, other: &Self) -> bool {
        let is_whole = |asked: &Self| !asked.command.as_deref().is_some_and(is_part);
        (&self.what, &self.router) == (&other.what, &other.router)
            && (self.command == other.command || is_whole(self) && is_whole(other))
    }
}

/// Whether a command prints some of the rows, or of the next hops of a route.
fn is_part(command: &str) -> bool {
    command.contains('|') || command.split_whitespace().any(|word| word == "find")
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
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Answer {
    Nexthop(Option<IpAddr>, Option<Arc<str>>),
    Status(BfdStatus),
    Mac(Option<MacAddr>),
    Zone(u16),
}

type Answers = BTreeMap<Key, BTreeSet<Answer>>;

/// Listings so far.
#[derive(Debug, Default)]
pub struct Listings {
    told: Vec<(Asked, Place, Answers)>,
}

impl Listings {
    /// Adds what this listing and one before it say differently to what is lost of `facts`. Where both are answers to the
    /// same command, what stands in one alone differs, too.
    pub fn compare<'a>(
        &mut self,
        asked: Asked,
        place: Place,
        listed: impl IntoIterator<Item = &'a Fact>,
        facts: &mut Facts,
    ) {
        let answers = answers(listed);
        let (mut differing, mut first) = (BTreeSet::new(), None);
        for (earlier, where_, before) in self.told.iter().filter(|(earlier, ..)| earlier.is_comparable(&asked)) {
            let is_same_command = earlier.command.is_some() && earlier.command == asked.command;
            let keys = answers.keys().chain(before.keys().filter(|key| !answers.contains_key(*key)));
            for key in keys.filter(|key| is_same_command || !key.may_be_of_others()) {
                let differs = match (answers.get(key), before.get(key)) {
                    (Some(now), Some(then)) => now != then,
                    _ => is_same_command,
                };
                if differs {
                    first.get_or_insert(where_);
                    differing.insert(key.clone());
                }
            }
        }
        if let Some(first) = first {
            let rows =
                if differing.len() == 1 { "one row is".to_owned() } else { format!("{} rows are", differing.len()) };
            let message = format!(
                "{rows} not as at {first}: nothing tells which of the two is of the packets' time; leave out the other"
            );
            facts.assumptions.push(Warning { place: place.clone(), message });
            let gap = |key: &Key| Gap { scope: key.scope(), place: place.clone(), validity: Validity::ALWAYS };
            facts.gaps.extend(differing.iter().map(gap));
        }
        self.told.push((asked, place, answers));
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
            Answer::Nexthop(route.nexthop, route.output_port.clone()),
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
            let asked = Asked { what: "routes", router: Some("GR_w".into()), command };
            let place = Place { file: Arc::clone(&file), position: Position::Whole };
            listings.compare(asked, place, &facts.facts.clone(), &mut facts);
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
        assert_eq!(lost(("", A), ("", A2)), 1);
        assert_eq!(lost(("", A), ("", B)), 0, "each may be a part");
        assert_eq!(lost((list, A), ("", A2)), 1);
        let sought = "lr-route-list GR_w | grep 198.51.100.1";
        assert_eq!(lost((list, &format!("{A}{A2}")), (sought, A)), 0);
        assert_eq!(lost((sought, A), (sought, A2)), 1);
    }

    /// The name of a zone has one number at a time.
    #[test]
    fn zones_that_were_numbered_anew() {
        let (mut listings, file) = (Listings::default(), Arc::from("zones"));
        let lost = ["GR_w_dnat 35\nGR_w_snat 8\n", "GR_w_snat 8\n", "GR_w_dnat 36\nGR_w_snat 8\n"].map(|text| {
            let mut facts = zones::parse(text.as_bytes(), &file);
            let asked = Asked { what: "ct-zones", router: None, command: None };
            let place = Place { file: Arc::clone(&file), position: Position::Whole };
            listings.compare(asked, place, &facts.facts.clone(), &mut facts);
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
        let two = format!("# ovn-nbctl lr-route-list GR_v\n{A}# ovn-nbctl lr-route-list GR_w\n{A2}");
        assert!(lr_route_list::parse(two.as_bytes(), None, &file).gaps.is_empty());
    }
}
