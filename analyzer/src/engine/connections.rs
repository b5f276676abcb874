//! Conntrack entries, by tuple.

use hashbrown::HashMap;

use super::fact::Connection;
use super::finding::CtDirection;
use super::label;
use crate::types::Tuple;

/// Zone of br-ex whose entries bear [`HOST_MARK`] where the host itself is the sender.
pub(super) const BR_EX_ZONE: u16 = 64000;
/// `ct_mark` of the host's own traffic in [`BR_EX_ZONE`] (OVN-Kubernetes, gateway_shared_intf.go).
const HOST_MARK: u32 = 2;

/// The entries that bear on verdicts: labelled ones, translated ones, and br-ex's.
#[derive(Debug, Default)]
pub(super) struct Connections {
    entries: Vec<Connection>,
    by_tuple: HashMap<Tuple, Vec<u32>>,
    told: bool,
}

impl Connections {
    pub(super) fn add(&mut self, connection: Connection) {
        self.told = true;
        let bears = label::decode(connection.label, connection.mark).is_some()
            || connection.orig != connection.reply.reversed()
            || connection.zone == BR_EX_ZONE;
        let Ok(index) = u32::try_from(self.entries.len()) else { return };
        if !bears || connection.dying {
            return;
        }
        // An entry is found by the tuples of both directions, before and after translation.
        let mut tuples =
            [connection.orig, connection.reply, connection.orig.reversed(), connection.reply.reversed()].to_vec();
        tuples.sort_unstable();
        tuples.dedup();
        for tuple in tuples {
            self.by_tuple.entry(tuple).or_default().push(index);
        }
        self.entries.push(connection);
    }

    /// Whether any dump of entries was given.
    pub(super) fn are_told(&self) -> bool {
        self.told
    }

    pub(super) fn all(&self) -> &[Connection] {
        &self.entries
    }

    fn of(&self, tuple: Tuple) -> impl Iterator<Item = &Connection> {
        let indices = self.by_tuple.get(&tuple).map_or(&[][..], Vec::as_slice);
        indices.iter().map(|&index| &self.entries[index as usize])
    }

    /// Whether some entry is found by the tuple.
    pub(super) fn touch(&self, tuple: Tuple) -> bool {
        !self.by_tuple.is_empty() && self.by_tuple.contains_key(&tuple)
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
        let mirror = wire.reversed();
        self.of(wire).any(|connection| {
            let is_flow = [wire, mirror].contains(&connection.orig) || [wire, mirror].contains(&connection.reply);
            connection.zone == BR_EX_ZONE && connection.mark == HOST_MARK && is_flow
        })
    }
}
