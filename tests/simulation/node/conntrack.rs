//! The kernel's conntrack table, and what OVN writes into it and reads of it.

use std::collections::BTreeMap;

use analyzer::engine::fact::{BR_EX_ZONE, Connection};
use analyzer::netlink::conntrack::events::Event;
use analyzer::types::{MacAddr, Tuple, tuple::proto};

use super::happening::Ns;
use super::parts::{Era, OUTER_KEY, SECOND, Version};

/// An entry, and what the kernel and OVN know beside it.
#[derive(Clone, PartialEq, Debug)]
struct Held {
    connection: Connection,
    /// When its last packet came.
    used: Ns,
    /// Era B: when the learned flow was made, and when it was last used.
    learned: Option<(Ns, Ns)>,
}

/// The entries of all zones.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    entries: BTreeMap<u32, Held>,
    /// By zone and tuple of either direction.
    ids: BTreeMap<(u16, Tuple), u32>,
}

/// Whether the era labels entries of a protocol.
fn labels_protocol(era: Era, nw_proto: u8) -> bool {
    matches!(nw_proto, proto::TCP | proto::UDP) || !matches!(era, Era::B | Era::C)
}

/// The MAC in a label, and a port key that is set.
fn labelled_mac(connection: &Connection, version: Version) -> Option<MacAddr> {
    let port = if version.is_mark_form { connection.mark >> 16 } else { (connection.label >> 80) as u32 & 0xffff };
    (port == u32::from(OUTER_KEY)).then(|| MacAddr::from_bits((connection.label >> 32) as u64))
}

/// Mark and label of an entry that leads back to a MAC.
fn mark_and_label(version: Version, mac: MacAddr) -> (u32, u128) {
    let eth = u128::from(mac.to_bits()) << 32;
    match version.is_mark_form {
        true => (u32::from(OUTER_KEY) << 16, eth),
        false => (0, eth | u128::from(OUTER_KEY) << 80),
    }
}

/// What the kernel tells of an entry that is new or has changed: labels that are zero are not told.
fn told(connection: &Connection) -> Event {
    let Connection { orig, zone, id, label, .. } = *connection;
    if label == 0 { Event::Touched { orig, zone, id } } else { Event::Changed(connection.clone()) }
}

/// How long an entry lives without packets.
fn timeout(nw_proto: u8) -> Ns {
    match nw_proto {
        proto::TCP => 300 * SECOND,
        proto::UDP => 120 * SECOND,
        _ => 30 * SECOND,
    }
}

impl Table {
    /// The entry one of whose tuples this is.
    pub(super) fn get(&self, tuple: Tuple, zone: u16) -> Option<&Connection> {
        self.held(tuple, zone).map(|held| &held.connection)
    }

    fn held(&self, tuple: Tuple, zone: u16) -> Option<&Held> {
        self.entries.get(self.ids.get(&(zone, tuple))?)
    }

    /// All entries.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.entries.values().map(|held| &held.connection)
    }

    /// Makes an entry.
    pub(super) fn insert(&mut self, connection: Connection, now: Ns) -> Event {
        let (id, zone) = (connection.id.expect("each entry has one"), connection.zone);
        self.ids.insert((zone, connection.orig), id);
        self.ids.insert((zone, connection.reply), id);
        let event = told(&connection);
        self.entries.insert(id, Held { connection, used: now, learned: None });
        event
    }

    /// Removes an entry.
    pub(super) fn remove(&mut self, id: u32) -> Option<(Connection, Event)> {
        let Connection { orig, reply, zone, .. } = self.entries.get(&id)?.connection;
        self.ids.remove(&(zone, orig));
        self.ids.remove(&(zone, reply));
        let removed = self.entries.remove(&id)?.connection;
        Some((removed, Event::Destroyed { orig, zone, id: Some(id) }))
    }

    /// When the entry goes if no packet comes.
    pub(super) fn due(&self, id: u32) -> Option<Ns> {
        self.entries.get(&id).map(|held| held.used + timeout(held.connection.orig.nw_proto))
    }

    /// What the kernel tells of an entry whose state changed, of which the label is no part.
    pub(super) fn change_state(&self, tuple: Tuple, zone: u16) -> Option<Event> {
        let Connection { orig, zone, id, .. } = *self.get(tuple, zone)?;
        Some(Event::Touched { orig, zone, id })
    }

    /// A packet of a flow passed all zones but its router's.
    pub(super) fn touch(&mut self, tuple: Tuple, now: Ns) {
        for zone in [0, BR_EX_ZONE] {
            self.use_entry(tuple, zone, now);
        }
    }

    fn use_entry(&mut self, tuple: Tuple, zone: u16, now: Ns) -> Option<&mut Held> {
        let held = self.entries.get_mut(self.ids.get(&(zone, tuple))?)?;
        held.used = now;
        Some(held)
    }

    /// A packet of the client's came from a MAC, where the pod has reply flows: the entry is written anew, by the rules of
    /// the era. Nothing asks whose MAC it is. `id` is for an entry that is to be made.
    pub(super) fn request(&mut self, version: Version, to: Key, mac: MacAddr, id: u32, now: Ns) -> Option<Event> {
        let labels = labels_protocol(version.era, to.tuple.nw_proto);
        let (mark, label) = if labels { mark_and_label(version, mac) } else { (0, 0) };
        if let Some(held) = self.use_entry(to.tuple, to.zone, now) {
            // Only `ct.new` is committed: the first MAC stays for the entry's life.
            if version.era == Era::A || !labels {
                return None;
            }
            held.learned = Some((now, now));
            let connection = &mut held.connection;
            if (connection.mark, connection.label) == (mark, label) {
                return None;
            }
            (connection.mark, connection.label) = (mark, label);
            return Some(told(connection));
        }
        let event = self.insert(entry(to.tuple.reversed(), to.zone, (mark, label), id), now);
        if let Some(held) = self.entries.get_mut(&id) {
            held.learned = labels.then_some((now, now));
        }
        Some(event)
    }

    /// The MAC that OVN forces on a packet of the pod's, and the entry. Whether it is still a next hop's is not asked.
    pub(super) fn pin(&self, version: Version, of: Key, now: Ns) -> Option<(MacAddr, Connection)> {
        let held = self.held(of.tuple, of.zone)?;
        let lives = |(made, used): (Ns, Ns)| now < made + 30 * SECOND && now < used + 20 * SECOND;
        if version.era == Era::B && !held.learned.is_some_and(lives) {
            return None;
        }
        Some((labelled_mac(&held.connection, version)?, held.connection.clone()))
    }

    /// A packet of the pod's left to a MAC, where the pod has reply flows: E tracks it, F labels it, and B's learned flow was
    /// used.
    pub(super) fn reply(&mut self, version: Version, of: Key, mac: MacAddr, id: u32, now: Ns) -> Option<Event> {
        if let Some(held) = self.use_entry(of.tuple, of.zone, now) {
            if let Some((made, used)) = &mut held.learned
                && now < *made + 30 * SECOND
                && now < *used + 20 * SECOND
            {
                *used = now;
            }
            return None;
        }
        let bits = match version.era {
            Era::E => (0, 0),
            Era::F => mark_and_label(version, mac),
            _ => return None,
        };
        Some(self.insert(entry(of.tuple, of.zone, bits, id), now))
    }
}

/// A flow, as packets from the pod leave, in the zone of its router.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Key {
    pub(super) tuple: Tuple,
    pub(super) zone: u16,
}

/// An entry without translation.
pub(super) fn entry(orig: Tuple, zone: u16, (mark, label): (u32, u128), id: u32) -> Connection {
    Connection { orig, reply: orig.reversed(), zone, mark, label, id: Some(id), offloaded: false, dying: false }
}
