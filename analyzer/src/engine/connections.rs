//! Conntrack entries, by tuple.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::fact::{BR_EX_ZONE, Connection};
use super::finding::CtDirection;
use super::label;
use crate::types::Tuple;

/// The entries that bear on verdicts: labelled ones, translated ones, and br-ex's.
///
/// A node may have a hundred thousand of them, so the index holds nothing but numbers: what they are found by is in the
/// entries themselves.
#[derive(Debug, Default)]
pub(super) struct Connections {
    entries: Vec<Connection>,
    by_flow: HashTable<Place>,
    hasher: DefaultHashBuilder,
    told: bool,
    /// A flow whose entries are all kept.
    followed: Option<Tuple>,
}

/// Where an entry stands, and which of its tuples it is found by: twice its index, and 1 for the reply.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Place(u32);

/// Entries kept at most.
const MAX_ENTRIES: usize = 1 << 31;

impl Place {
    fn new(index: usize, direction: CtDirection) -> Self {
        // `MAX_ENTRIES` entries have places that fit.
        Self((index as u32) << 1 | u32::from(direction == CtDirection::Reply))
    }

    fn index(self) -> usize {
        (self.0 >> 1) as usize
    }

    fn flow(self, entries: &[Connection]) -> Tuple {
        let connection = &entries[self.index()];
        flow(if self.0 & 1 == 0 { connection.orig } else { connection.reply })
    }
}

/// What the tuples of both directions of a flow have in common.
fn flow(tuple: Tuple) -> Tuple {
    tuple.min(tuple.reversed())
}

/// The flows that an entry is found by: before and after translation.
fn flows(connection: &Connection) -> impl Iterator<Item = (CtDirection, Tuple)> + use<> {
    let (orig, reply) = (flow(connection.orig), flow(connection.reply));
    let reply = (reply != orig).then_some((CtDirection::Reply, reply));
    [Some((CtDirection::Orig, orig)), reply].into_iter().flatten()
}

impl Connections {
    /// Keeps all entries of the flow, whatever they bear on.
    pub(super) fn new(followed: Option<Tuple>) -> Self {
        Self { followed: followed.map(flow), ..Self::default() }
    }

    pub(super) fn add(&mut self, connection: Connection) {
        self.told = true;
        let bears = label::decode(connection.label, connection.mark).is_some()
            || connection.orig != connection.reply.reversed()
            || connection.zone == BR_EX_ZONE
            || self.followed.is_some_and(|followed| {
                let mut tracked = followed.tracked_as().map(flow);
                tracked.any(|tracked| flows(&connection).any(|(_, flow)| flow == tracked))
            });
        if !bears || connection.dying || self.entries.len() >= MAX_ENTRIES {
            return;
        }
        let index = self.entries.len();
        self.entries.push(connection);
        let (hasher, entries) = (&self.hasher, &self.entries);
        for (direction, flow) in flows(&entries[index]) {
            let rehash = |place: &Place| hasher.hash_one(place.flow(entries));
            self.by_flow.insert_unique(hasher.hash_one(flow), Place::new(index, direction), rehash);
        }
    }

    /// Puts `connections` in the place of all entries that are found by `tuple`, in either direction, before or after
    /// translation, and of those that one of `connections` is a new version of: the same zone and original tuple.
    pub(super) fn set(&mut self, tuple: Tuple, connections: Vec<Connection>) {
        // From the end on, so that no index still to be removed moves.
        self.indices(tuple).into_iter().rev().for_each(|index| self.remove(index));
        for connection in connections {
            let is_old = |&index: &usize| {
                let old = &self.entries[index];
                old.zone == connection.zone && old.orig == connection.orig
            };
            if let Some(index) = self.indices(connection.orig).into_iter().find(is_old) {
                self.remove(index);
            }
            self.add(connection);
        }
        self.told = true;
    }

    /// Forgets all entries, and that any were told.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.followed);
    }

    /// Notes that the table was read, whether or not it held entries.
    pub(super) fn note_told(&mut self) {
        self.told = true;
    }

    /// Takes an entry out. The last one takes its index.
    fn remove(&mut self, index: usize) {
        let Some(last) = self.entries.len().checked_sub(1) else { return };
        for (direction, flow) in flows(&self.entries[index]) {
            let place = Place::new(index, direction);
            if let Ok(found) = self.by_flow.find_entry(self.hasher.hash_one(flow), |&other| other == place) {
                found.remove();
            }
        }
        if index != last {
            for (direction, flow) in flows(&self.entries[last]) {
                let place = Place::new(last, direction);
                if let Some(found) = self.by_flow.find_mut(self.hasher.hash_one(flow), |&other| other == place) {
                    *found = Place::new(index, direction);
                }
            }
        }
        self.entries.swap_remove(index);
    }

    /// Whether any dump of entries was given.
    pub(super) fn are_told(&self) -> bool {
        self.told
    }

    pub(super) fn all(&self) -> &[Connection] {
        &self.entries
    }

    /// Indices of the entries one of whose tuples is `tuple` or its mirror, in order.
    fn indices(&self, tuple: Tuple) -> Vec<usize> {
        let flow = flow(tuple);
        let places = self.by_flow.iter_hash(self.hasher.hash_one(flow));
        let mut indices: Vec<usize> =
            places.filter(|place| place.flow(&self.entries) == flow).map(|place| place.index()).collect();
        indices.sort_unstable();
        indices
    }

    fn of(&self, tuple: Tuple) -> impl Iterator<Item = &Connection> {
        self.indices(tuple).into_iter().map(|index| &self.entries[index])
    }

    /// Whether some entry is found by the tuple, or by what it is without its ports.
    pub(super) fn touch(&self, tuple: Tuple) -> bool {
        if self.by_flow.is_empty() {
            return false;
        }
        let mut flows = tuple.tracked_as().map(flow);
        flows.any(|flow| {
            self.by_flow.find(self.hasher.hash_one(flow), |place| place.flow(&self.entries) == flow).is_some()
        })
    }

    /// Entries one of whose tuples is `tuple`, and which one.
    pub(super) fn matching(&self, tuple: Tuple) -> impl Iterator<Item = (&Connection, CtDirection)> {
        self.of(tuple).filter_map(move |connection| {
            if connection.orig == tuple {
                Some((connection, CtDirection::Orig))
            } else if connection.reply == tuple {
                Some((connection, CtDirection::Reply))
            } else {
                None
            }
        })
    }

    /// The tuple that a packet had before translation, where an entry says that it was translated to `wire`.
    ///
    /// A packet of the original direction leaves as the mirror of the reply tuple, one of the reply direction as the
    /// mirror of the original tuple.
    pub(super) fn before_translation(&self, wire: Tuple) -> Option<Tuple> {
        if let Some(inner) = wire.without_ports().and_then(|coarse| self.before_translation(coarse)) {
            return Some(inner.with_ports_of(&wire));
        }
        let mirror = wire.reversed();
        self.of(wire).find_map(|connection| {
            if connection.reply == mirror && connection.orig != wire {
                Some(connection.orig)
            } else if connection.orig == mirror && connection.reply != wire {
                Some(connection.reply)
            } else {
                None
            }
        })
    }

    /// Whether br-ex tracks the packet as the host's own.
    pub(super) fn is_host_traffic(&self, wire: Tuple) -> bool {
        wire.tracked_as().any(|wire| {
            let mirror = wire.reversed();
            self.of(wire).any(|connection| {
                let is_flow = [wire, mirror].contains(&connection.orig) || [wire, mirror].contains(&connection.reply);
                connection.is_of_host() && is_flow
            })
        })
    }
}
