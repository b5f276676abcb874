//! Conntrack entries, by tuple.

mod by_flow;

use alloc::vec::Vec;

use self::by_flow::{ByFlow, MAX_ENTRIES, Place, flow};
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
    by_flow: ByFlow,
    told: bool,
    /// A flow whose entries are all kept.
    followed: Option<Tuple>,
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
        self.note(index);
    }

    /// Puts `connections` in the place of all entries that are found by `tuple`, in either direction, before or after
    /// translation, and of those that one of `connections` is a new version of: the same zone and original tuple.
    pub(super) fn set(&mut self, tuple: Tuple, connections: Vec<Connection>) {
        // From the end on, so that no index still to be removed moves.
        let mut old: Vec<usize> = self.places(tuple).map(Place::index).collect();
        old.sort_unstable();
        old.into_iter().rev().for_each(|index| self.remove(index));
        for connection in connections {
            if let Some(old) = self.version_of(&connection) {
                self.remove(old);
            }
            self.add(connection);
        }
        self.told = true;
    }

    /// Index of the entry that `connection` is a new version of.
    fn version_of(&self, connection: &Connection) -> Option<usize> {
        let mut own = self.by_flow.in_zone(flow(connection.orig), connection.zone, &self.entries).map(Place::index);
        own.find(|&index| self.entries[index].orig == connection.orig)
    }

    /// Forgets all entries, and that any were told.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.followed);
    }

    /// Notes that the table was read, whether or not it held entries.
    pub(super) fn note_told(&mut self) {
        self.told = true;
    }

    /// Makes the entry at `index` be found.
    fn note(&mut self, index: usize) {
        for (direction, flow) in flows(&self.entries[index]) {
            self.by_flow.insert(flow, Place::new(index, direction), &self.entries);
        }
    }

    /// Makes the entry at `index` be found no longer.
    fn hide(&mut self, index: usize) {
        for (direction, flow) in flows(&self.entries[index]) {
            self.by_flow.remove(flow, Place::new(index, direction), &self.entries);
        }
    }

    /// Takes an entry out. The last one takes its index.
    fn remove(&mut self, index: usize) {
        let Some(last) = self.entries.len().checked_sub(1) else { return };
        self.hide(index);
        if index != last {
            self.hide(last);
        }
        self.entries.swap_remove(index);
        if index != last {
            self.note(index);
        }
    }

    /// Whether any dump of entries was given.
    pub(super) fn are_told(&self) -> bool {
        self.told
    }

    pub(super) fn all(&self) -> &[Connection] {
        &self.entries
    }

    /// Places of the entries one of whose tuples is `tuple` or its mirror.
    fn places(&self, tuple: Tuple) -> impl Iterator<Item = Place> {
        self.by_flow.of(flow(tuple), &self.entries)
    }

    fn of(&self, tuple: Tuple) -> impl Iterator<Item = &Connection> {
        self.places(tuple).map(|place| &self.entries[place.index()])
    }

    /// Whether some entry is found by the tuple, or by what it is without its ports.
    pub(super) fn touch(&self, tuple: Tuple) -> bool {
        if self.by_flow.is_empty() {
            return false;
        }
        tuple.tracked_as().any(|tuple| self.by_flow.has(flow(tuple), &self.entries))
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
        let before = |connection: &Connection| {
            if connection.reply == mirror && connection.orig != wire {
                Some(connection.orig)
            } else if connection.orig == mirror && connection.reply != wire {
                Some(connection.reply)
            } else {
                None
            }
        };
        // Where zones disagree, the entry that was told first counts.
        let told = self.places(wire).filter_map(|place| Some((place, before(&self.entries[place.index()])?)));
        told.min_by_key(|&(place, _)| place).map(|(_, tuple)| tuple)
    }

    /// Whether br-ex tracks the packet as the host's own.
    pub(super) fn is_host_traffic(&self, wire: Tuple) -> bool {
        self.is_tracked_as(wire, Connection::is_of_host)
    }

    /// Whether br-ex tracks the packet as one that OVN sent.
    pub(super) fn is_ovn_traffic(&self, wire: Tuple) -> bool {
        self.is_tracked_as(wire, Connection::is_of_ovn)
    }

    fn is_tracked_as(&self, wire: Tuple, is_meant: impl Fn(&Connection) -> bool) -> bool {
        wire.tracked_as().any(|wire| {
            let mirror = wire.reversed();
            self.of(wire).any(|connection| {
                let is_flow = [wire, mirror].contains(&connection.orig) || [wire, mirror].contains(&connection.reply);
                is_meant(connection) && is_flow
            })
        })
    }
}
