//! The classes as they are now, and what changed of them.

use alloc::vec::Vec;
use core::net::IpAddr;

use hashbrown::HashSet;

use super::ids::Ids;
use super::signature::{DestinationSignature, Networks, Outside, SourceSignature};
use super::{Classes, SourceClass};
use crate::Engine;
use crate::journal::Change;
use crate::knowledge::Knowledge;
use crate::types::{IpPrefix, Timestamp, Validity};

/// The classes as [`Engine::classify`] left them. A class keeps its id as long as any prefix is of it; an id that became
/// free is given to another class as late as possible.
#[derive(Debug, Default)]
pub struct Classifier {
    classes: Classes,
    sources: [Ids<SourceSignature>; 2],
    destinations: [Ids<DestinationSignature>; 2],
    /// Addresses that sources may be translated to.
    translated: HashSet<IpAddr>,
    outside: [Outside; 2],
    /// How much of what was told has been looked at.
    read: Option<Read>,
}

/// What the classes stand for.
#[derive(Clone, Copy, Debug)]
struct Read {
    /// Changes of routes, ports and NAT rules.
    journal: u64,
    /// Changes of all facts, and the time looked at.
    changes: u64,
    at: Timestamp,
    /// The time around the last look in which none of the routes, ports and NAT rules told begins or ends.
    time: Validity,
}

/// What changed of the classes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ClassChange {
    /// Prefixes of sources with their new class; `None` where the prefix is gone.
    pub sources: Vec<(IpPrefix, Option<SourceClass>)>,
    /// Prefixes of destinations, likewise.
    pub destinations: Vec<(IpPrefix, Option<u16>)>,
}

impl ClassChange {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty() && self.destinations.is_empty()
    }
}

impl Classifier {
    /// The classes.
    pub fn classes(&self) -> &Classes {
        &self.classes
    }

    /// As if nothing had been looked at: another engine is classified next.
    #[cfg(test)]
    pub(crate) fn forget_what_was_read(&mut self) {
        self.read = None;
    }

    /// Number of classes of sources and of destinations.
    pub fn count(&self) -> (usize, usize) {
        (self.sources.iter().map(Ids::count).sum(), self.destinations.iter().map(Ids::count).sum())
    }

    /// Number of prefixes that found no id: of class [`super::NO_OUTCOMES`].
    pub fn without_id(&self) -> usize {
        let sources: usize = self.sources.iter().map(Ids::without_id).sum();
        sources + self.destinations.iter().map(Ids::without_id).sum::<usize>()
    }
}

impl Engine {
    /// Brings the classes up to `at` and returns what changed. Bindings change none; a BFD session at most whether a
    /// class is final. Where little changed since the last time, little is looked at.
    ///
    /// Outcomes are to be asked for anew after any change of facts, whether or not classes changed.
    pub fn classify(&self, classifier: &mut Classifier, at: Timestamp) -> ClassChange {
        classifier.update(&self.knowledge, at)
    }
}

/// Prefixes to be looked at.
#[derive(Debug, Default)]
struct Touched {
    sources: HashSet<IpPrefix>,
    destinations: HashSet<IpPrefix>,
}

impl Classifier {
    pub(crate) fn update(&mut self, knowledge: &Knowledge, at: Timestamp) -> ClassChange {
        let read = self.read.filter(|read| read.time.holds(at));
        if read.is_some_and(|read| (read.changes, read.at) == (knowledge.changes, at)) {
            return ClassChange::default();
        }
        let mut touched = Touched::default();
        let is_changed = read.is_none_or(|read| read.journal != knowledge.journal.len());
        if is_changed {
            let networks = networks(knowledge, at);
            let changes = read.and_then(|read| knowledge.journal.since(read.journal));
            touched = self.touched(knowledge, &networks, changes, at);
            for &prefix in &touched.sources {
                self.sources[family(prefix)].set(prefix, SourceSignature::new(knowledge, prefix, at));
            }
            for &prefix in &touched.destinations {
                let signature = DestinationSignature::new(knowledge, &networks, prefix, at);
                self.destinations[family(prefix)].set(prefix, signature);
            }
            self.sources.iter_mut().for_each(Ids::sweep);
            self.destinations.iter_mut().for_each(Ids::sweep);
            self.outside = [false, true].map(|is_ipv4| Outside::new(knowledge, &networks, is_ipv4, at));
        }
        let time = match read {
            Some(read) if !is_changed => read.time,
            _ => unchanged_around(knowledge, at),
        };
        self.read = Some(Read { journal: knowledge.journal.len(), changes: knowledge.changes, at, time });
        for (ids, outside) in self.sources.iter_mut().zip(&self.outside) {
            touched.sources.extend(ids.judge_final(|signature| signature.is_final(knowledge, outside, at)));
        }
        self.publish(touched)
    }

    /// The prefixes whose class may have changed; all where it is not known what did.
    fn touched(
        &mut self,
        knowledge: &Knowledge,
        networks: &Networks<'_>,
        changes: Option<impl Iterator<Item = Change>>,
        at: Timestamp,
    ) -> Touched {
        let mut touched = Touched::default();
        let mut wider_sources = HashSet::new();
        let mut wider_destinations = HashSet::new();
        let mut is_all = changes.is_none();
        for change in changes.into_iter().flatten() {
            match change {
                Change::Source(prefix) => {
                    touched.sources.insert(prefix);
                    wider_sources.extend(Some(prefix).filter(|prefix| !prefix.is_host()));
                }
                Change::Destination(prefix) => {
                    touched.destinations.insert(prefix);
                    wider_destinations.extend(Some(prefix).filter(|prefix| !prefix.is_host()));
                }
                Change::Translation(_) => {}
                Change::All => is_all = true,
            }
        }
        // An address inside a prefix is of another class when the prefix has other routes.
        let is_inside = |wider: &HashSet<IpPrefix>, prefix: IpPrefix| {
            wider.iter().any(|wider| wider.prefix_len() < prefix.prefix_len() && wider.contains(prefix.addr()))
        };
        let own = self.sources.iter().flat_map(Ids::prefixes);
        touched.sources.extend(own.filter(|&prefix| is_all || is_inside(&wider_sources, prefix)));
        let own = self.destinations.iter().flat_map(Ids::prefixes);
        touched.destinations.extend(own.filter(|&prefix| is_all || is_inside(&wider_destinations, prefix)));
        if is_all {
            touched.sources.extend(knowledge.routes.source_prefixes());
            touched.destinations.extend(knowledge.routes.destination_prefixes().chain(networks.keys().copied()));
        }
        let ports_and_rules = knowledge.ports.addresses().chain(knowledge.nats.keys().copied());
        let translated: HashSet<IpAddr> =
            ports_and_rules.filter(|&addr| knowledge.may_be_translated(addr, at)).collect();
        let before = core::mem::replace(&mut self.translated, translated);
        touched.sources.extend(self.translated.iter().chain(&before).map(|&addr| IpPrefix::host(addr)));
        touched
    }

    /// Takes over what is known of these prefixes now, and tells what of it is new.
    fn publish(&mut self, touched: Touched) -> ClassChange {
        let mut change = ClassChange::default();
        for prefix in touched.sources {
            let class = self.sources[family(prefix)].of(prefix).map(|(slot, signature)| SourceClass {
                id: slot.id,
                is_final: slot.is_final,
                is_routed: signature.is_routed,
            });
            let before = match class {
                Some(class) => self.classes.sources.insert(prefix, class),
                None => self.classes.sources.remove(&prefix),
            };
            change.sources.extend((before != class).then_some((prefix, class)));
        }
        for prefix in touched.destinations {
            let class = self.destinations[family(prefix)].of(prefix).map(|(slot, _)| slot.id);
            let before = match class {
                Some(class) => self.classes.destinations.insert(prefix, class),
                None => self.classes.destinations.remove(&prefix),
            };
            change.destinations.extend((before != class).then_some((prefix, class)));
        }
        change
    }
}

/// Index of the ids of a prefix's family.
fn family(prefix: IpPrefix) -> usize {
    usize::from(prefix.addr().is_ipv4())
}

fn networks(knowledge: &Knowledge, at: Timestamp) -> Networks<'_> {
    let mut networks = Networks::new();
    for (network, router) in knowledge.ports.connected(at) {
        networks.entry(network).or_default().push(router);
    }
    networks
}

/// The time around `at` in which none of the facts begins or ends that classes follow from.
fn unchanged_around(knowledge: &Knowledge, at: Timestamp) -> Validity {
    let validities = (knowledge.routes.all().map(|route| route.validity))
        .chain(knowledge.ports.all().map(|port| port.validity))
        .chain(knowledge.all_nats().map(|nat| nat.validity));
    let mut time = Validity::ALWAYS;
    for moment in validities.flat_map(|Validity { from, until }| from.into_iter().chain(until)) {
        if moment <= at {
            time.from = time.from.max(Some(moment));
        } else {
            time.until = Some(time.until.map_or(moment, |until| until.min(moment)));
        }
    }
    time
}
