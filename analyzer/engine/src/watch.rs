//! Labelled entries that are watched: which of them hold a MAC outside the set, by the routes of their own flow.
//!
//! A daemon keeps millions of entries in a form of its own, and a change must not have each of them judged. Entries whose
//! addresses are of the same classes and that have one zone and one label stand alike: they lie in one *bundle*. It is judged
//! once for all of them, and again only where something changed that it rests on: next hops, by their addresses; classes, by
//! the prefixes that moved; anything else, which is rare. What lies outside is then told to the engine, and judged entry by
//! entry ([`super::standing`]).

mod bundles;

use alloc::vec::Vec;
use core::net::IpAddr;

use hashbrown::HashSet;

pub(super) use self::bundles::Watched;

use self::bundles::{Bundles, Ends, Key};
use super::Engine;
use super::classes::{ClassChange, Classifier, NO_OUTCOMES};
use super::epoch::Epochs;
use super::fact::Connection;
use super::journal::HopChange;
use super::knowledge::Knowledge;
use super::label;
use super::prefixes::PrefixSet;
use super::standing::Standings;
use crate::types::{Timestamp, Tuple, Validity};

/// Bundles that may stay without entries, whatever there are of these.
const CROWD: usize = 1024;

/// The bundles of entries that are watched. The entries themselves lie elsewhere, each with its place.
#[derive(Debug, Default)]
pub struct Watch {
    classifier: Classifier,
    /// Prefixes of sources and of destinations that have a class.
    prefixes: Prefixes,
    /// Those whose class changed since places were given anew.
    moved: Prefixes,
    bundles: Bundles,
    read: Option<Read>,
}

/// Where an entry lies.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Place(u32);

/// Prefixes of sources and of destinations.
#[derive(Debug, Default)]
struct Prefixes {
    sources: PrefixSet,
    destinations: PrefixSet,
}

/// What the bundles were judged by.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Read {
    /// Changes of next hops.
    hops: u64,
    /// Changes of all facts.
    changes: u64,
    /// The time around the last look in which nothing that was told begins or ends.
    time: Validity,
    whole: Whole,
}

/// What every bundle rests on.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Whole {
    is_blind: bool,
    has_routes: bool,
}

impl Place {
    /// The place of an entry that has none yet.
    pub const NONE: Self = Self(u32::MAX);
    /// The place of an entry that no other may stand for: it is always outside.
    pub const ALONE: Self = Self(u32::MAX - 1);

    /// The place as a number.
    pub fn number(self) -> u32 {
        self.0
    }

    /// The place of that number.
    pub fn of(number: u32) -> Self {
        Self(number)
    }
}

impl Engine {
    /// Brings the bundles up to `at`: judges those that are new, and those that a change bears on. Returns whether one lies
    /// outside that did not.
    ///
    /// After a change of classes entries have to be given places anew ([`Watch::place_anew`]).
    pub fn watch(&self, watch: &mut Watch, at: Timestamp) -> bool {
        watch.update(&self.knowledge, at)
    }
}

impl Watch {
    /// Where an entry lies that lay at `place`. One that `is_shared`, which is not its flow's only one, lies alone: no other may
    /// stand for it. A bundle that is new is judged at the next [`Engine::watch`].
    pub fn place_anew(&mut self, entry: &Connection, place: Place, is_shared: bool) -> Place {
        if is_shared || place == Place::ALONE {
            Place::ALONE
        } else if self.has_moved(entry, place) {
            self.place(entry)
        } else {
            place
        }
    }

    fn place(&mut self, entry: &Connection) -> Place {
        let Some(reply) = label::decode(entry.label, entry.mark) else { return Place::ALONE };
        let (Some(orig), Some(back)) = (self.ends(entry.orig), self.ends(entry.reply)) else { return Place::ALONE };
        let key = Key { is_ipv4: entry.orig.src.is_ipv4(), ends: [orig, back], zone: entry.zone, reply };
        self.bundles.of(key, entry).map_or(Place::ALONE, Place)
    }

    /// Whether the entry has no place, or may have another one since the classes changed.
    fn has_moved(&self, entry: &Connection, place: Place) -> bool {
        place == Place::NONE || self.bundles.is_gone(place.0) || self.moved.hold(entry)
    }

    /// Whether classes changed since places were given anew.
    pub fn are_any_moved(&self) -> bool {
        !self.moved.sources.is_empty() || !self.moved.destinations.is_empty() || self.bundles.are_any_gone()
    }

    /// All entries that had moved have new places.
    pub fn settle(&mut self) {
        self.moved = Prefixes::default();
        self.bundles.recycle();
    }

    /// Drops all bundles where there are many more than `entries`, as those of entries that went stay: all are to be given
    /// places anew ([`Watch::are_any_moved`]).
    pub fn make_room(&mut self, entries: usize) {
        if self.bundles.len() > 2 * entries + CROWD {
            // Their numbers are not given again before all have new places.
            self.bundles.drop_where(|_| true);
        }
    }

    /// Forgets the bundles: all entries are to be given places anew.
    pub fn clear(&mut self) {
        self.bundles = Bundles::default();
    }

    #[cfg(test)]
    pub(super) fn bundle_count(&self) -> usize {
        self.bundles.len()
    }

    /// Whether an entry of that place may hold a MAC outside the set.
    pub fn is_outside(&self, place: Place) -> bool {
        place == Place::ALONE || self.bundles.is_outside(place.0)
    }

    /// Whether any entry may.
    pub fn is_any_outside(&self) -> bool {
        self.bundles.is_any_outside()
    }

    /// The classes of a tuple's addresses; `None` where ids have run out.
    fn ends(&self, tuple: Tuple) -> Option<Ends> {
        let classes = self.classifier.classes();
        let source = longest(&self.prefixes.sources, tuple.src).and_then(|prefix| classes.sources.get(&prefix));
        let destination = match source.is_some_and(|source| source.is_final) {
            true => 0,
            false => {
                let prefix = longest(&self.prefixes.destinations, tuple.dst);
                prefix.and_then(|prefix| classes.destinations.get(&prefix)).copied().unwrap_or(0)
            }
        };
        let ends = Ends { source: source.map_or(0, |source| source.id), destination };
        (ends.source != NO_OUTCOMES && ends.destination != NO_OUTCOMES).then_some(ends)
    }

    fn update(&mut self, knowledge: &Knowledge, at: Timestamp) -> bool {
        let (hops, changes) = (knowledge.hops_journal.len(), knowledge.changes);
        let whole = Whole { is_blind: knowledge.blind.holds(at), has_routes: !knowledge.routes.is_empty() };
        let read = self.read.filter(|read| read.time.holds(at));
        let is_same = |read: &Read| (read.hops, read.changes, read.whole) == (hops, changes, whole);
        let is_unchanged = read.as_ref().is_some_and(is_same);
        if !is_unchanged {
            let change = self.classifier.update(knowledge, at);
            self.note_moved(&change);
            let since = read.filter(|read| read.whole == whole);
            let since = since.and_then(|read| knowledge.hops_journal.since(read.hops));
            match since.and_then(touched) {
                Some(touched) => touched.into_iter().for_each(|ip| self.bundles.touch(ip)),
                None => self.bundles.touch_all(),
            }
        }
        let time = match read {
            Some(read) if is_unchanged => read.time,
            _ => knowledge.unchanged_around(at),
        };
        self.read = Some(Read { hops, changes, time, whole });
        let epochs = Epochs::default();
        let due = self.bundles.take_due();
        if due.is_empty() {
            return false;
        }
        let judged: Vec<_> = {
            let mut standings = Standings::new(knowledge, &epochs, at);
            let judge = |number: u32| Some((number, standings.watched(self.bundles.sample(number)?)));
            due.into_iter().filter_map(judge).collect()
        };
        let mut has_left = false;
        for (number, watched) in judged {
            has_left |= self.bundles.set(number, watched);
        }
        has_left
    }

    fn note_moved(&mut self, change: &ClassChange) {
        for (prefix, class) in &change.sources {
            set(&mut self.prefixes.sources, *prefix, class.is_some());
            self.moved.sources.insert(*prefix);
        }
        for (prefix, class) in &change.destinations {
            set(&mut self.prefixes.destinations, *prefix, class.is_some());
            self.moved.destinations.insert(*prefix);
        }
        if !change.is_empty() {
            let moved = &self.moved;
            self.bundles.drop_where(|sample| moved.hold(sample));
        }
    }
}

impl Prefixes {
    /// Whether one of them holds an address of the entry.
    fn hold(&self, entry: &Connection) -> bool {
        let holds = |tuple: Tuple| {
            self.sources.around(tuple.src).next().is_some() || self.destinations.around(tuple.dst).next().is_some()
        };
        holds(entry.orig) || holds(entry.reply)
    }
}

fn set(prefixes: &mut PrefixSet, prefix: crate::types::IpPrefix, is_in: bool) {
    match (is_in, prefixes.contains(prefix)) {
        (true, false) => prefixes.insert(prefix),
        (false, true) => prefixes.remove(prefix),
        _ => {}
    }
}

/// The longest of the prefixes that hold `addr`.
fn longest(prefixes: &PrefixSet, addr: IpAddr) -> Option<crate::types::IpPrefix> {
    prefixes.around(addr).max_by_key(|prefix| prefix.prefix_len())
}

/// The addresses of the next hops that changed; `None` where anything may have.
fn touched(changes: impl Iterator<Item = HopChange>) -> Option<HashSet<IpAddr>> {
    let of = |change| match change {
        HopChange::Of(ip) => Some(ip),
        HopChange::Any => None,
    };
    changes.map(of).collect()
}
