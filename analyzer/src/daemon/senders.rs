//! Entries of ovs-vswitchd's table that tell whose packets those are that leave with an address of the node.
//!
//! A pod's packet that leaves with the node's address is found by the entry that translated it, and by that the entry
//! with its label, in another zone. The host's own packets bear a mark in br-ex's zone. The kernel is asked for such
//! entries flow by flow; ovs-vswitchd only tells whole zones, so they are kept as a reading found them.

use hashbrown::HashMap;

use crate::engine::fact::Connection;
use crate::types::Tuple;

/// Entries that are kept, some 450 bytes each. A node translates as many sessions as its pods have with the outside.
const MAX_ENTRIES: usize = 65_536;

/// What the tuples of both directions of a flow have in common.
fn flow(tuple: Tuple) -> Tuple {
    tuple.min(tuple.reversed())
}

/// Entries of one reading, by their tuples.
#[derive(Debug, Default)]
pub struct Senders {
    entries: Vec<Connection>,
    /// Indices of entries, before and after translation.
    by_flow: HashMap<Tuple, Vec<u32>>,
    refused: u64,
}

impl Senders {
    /// Keeps an entry that tells who sends.
    pub(crate) fn insert(&mut self, connection: &Connection) {
        let (orig, reply) = (flow(connection.orig), flow(connection.reply));
        if connection.dying || !(orig != reply || connection.is_of_host()) {
            return;
        }
        if self.entries.len() >= MAX_ENTRIES {
            self.refused += 1;
            return;
        }
        // `MAX_ENTRIES` entries have indices that fit.
        let index = self.entries.len() as u32;
        self.entries.push(connection.clone());
        for flow in [Some(orig), Some(reply).filter(|reply| *reply != orig)].into_iter().flatten() {
            self.by_flow.entry(flow).or_default().push(index);
        }
    }

    /// Entries one of whose tuples is this one, or its mirror.
    pub(crate) fn of(&self, tuple: Tuple) -> impl Iterator<Item = &Connection> {
        let indices = self.by_flow.get(&flow(tuple)).into_iter().flatten();
        indices.map(|&index| &self.entries[index as usize])
    }

    /// Entries that found no room.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(orig: &str, reply: &str, zone: u16, mark: u32) -> Connection {
        let [orig, reply] = [orig, reply].map(|text| text.parse().unwrap());
        Connection { orig, reply, zone, mark, label: 0, id: None, offloaded: false, dying: false }
    }

    #[test]
    fn who_sends_what_leaves_with_an_address_of_the_node() {
        let translated = connection("udp 10.0.0.5:1 -> 8.8.8.8:53", "udp 8.8.8.8:53 -> 192.0.2.13:1025", 0, 0);
        let host = connection("udp 192.0.2.13:7 -> 8.8.8.8:53", "udp 8.8.8.8:53 -> 192.0.2.13:7", 64000, 2);
        let pod = connection("udp 192.0.2.13:1025 -> 8.8.8.8:53", "udp 8.8.8.8:53 -> 192.0.2.13:1025", 64000, 1);
        let mut senders = Senders::default();
        for entry in [&translated, &host, &pod] {
            senders.insert(entry);
        }
        let of = |wire: &str| senders.of(wire.parse().unwrap()).cloned().collect::<Vec<_>>();
        assert_eq!(of("udp 192.0.2.13:1025 -> 8.8.8.8:53"), std::slice::from_ref(&translated));
        assert_eq!(of("udp 8.8.8.8:53 -> 10.0.0.5:1"), [translated]);
        assert_eq!(of("udp 8.8.8.8:53 -> 192.0.2.13:7"), [host]);
        assert_eq!(of("udp 10.0.0.6:1 -> 8.8.8.8:53"), []);
    }
}
