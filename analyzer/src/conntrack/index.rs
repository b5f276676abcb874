//! The labelled entries of a table, kept small: at most 96 bytes an entry, everything included.
//!
//! Only entries whose label holds a MAC are kept. They lie in three shelves, so that none pays for what it does not
//! have: IPv4 (56 bytes), IPv6 (68 bytes, the reply tuple being the mirror of the original one), and translated IPv6
//! (104 bytes, the one form that is over the 96, and rare: OVN labels in the zone before load balancing and SNAT). A
//! hash table finds an entry by either of its tuples in 6 to 12 bytes more; a translated entry stands in it twice.

mod packed;
mod shelf;

use std::collections::BTreeSet;
use std::hash::RandomState;

use crate::engine::fact::Connection;
use crate::engine::label;
use crate::types::Tuple;
use packed::{Packed, V4, V6, V6Translated};
use shelf::Shelf;

/// The tag of an entry that is new, or beside which one of the same flow came.
pub const UNTAGGED: u32 = u32::MAX;

/// Entries whose label holds a MAC, found by tuple. Each has a tag, by which its owner finds those that it means.
///
/// An entry is known by its zone and the tuple of its original direction, as in the kernel's table.
#[derive(Debug)]
pub struct LabelledIndex {
    v4: Shelf<V4>,
    v6: Shelf<V6>,
    v6_translated: Shelf<V6Translated>,
    // Who sends the packets chooses the tuples, so the hash is keyed.
    hash: RandomState,
    limit: usize,
    refused: u64,
}

impl LabelledIndex {
    /// An empty index that takes at most `limit` entries.
    pub fn new(limit: usize) -> Self {
        Self {
            v4: Shelf::default(),
            v6: Shelf::default(),
            v6_translated: Shelf::default(),
            hash: RandomState::new(),
            limit,
            refused: 0,
        }
    }

    /// Takes a new entry, or what is now known of one. One that is not labelled, or is going away, is not kept, and
    /// neither is what was known of it before. Returns whether it is kept.
    pub fn insert(&mut self, connection: &Connection) -> bool {
        let known = self.remove(connection.orig, connection.zone, None);
        let wanted = !connection.dying && label::decode(connection.label, connection.mark).is_some();
        if !wanted {
            return false;
        }
        if !known && self.len() >= self.limit {
            self.refused += 1;
            return false;
        }
        // What is said of an entry may rest on there being no other of its flow.
        for tuple in [connection.orig, connection.reply] {
            self.v4.untag(tuple, &self.hash);
            self.v6.untag(tuple, &self.hash);
            self.v6_translated.untag(tuple, &self.hash);
        }
        if let Some(entry) = V4::pack(connection) {
            self.v4.insert(entry, &self.hash)
        } else if let Some(entry) = V6::pack(connection) {
            self.v6.insert(entry, &self.hash)
        } else if let Some(entry) = V6Translated::pack(connection) {
            self.v6_translated.insert(entry, &self.hash)
        } else {
            false
        }
    }

    /// Forgets the entry with this original tuple in this zone. Where both its id and `id` are known they must be
    /// equal: an event may tell of an entry in whose place another one stands by now. Returns whether there was one.
    pub fn remove(&mut self, orig: Tuple, zone: u16, id: Option<u32>) -> bool {
        let Self { v4, v6, v6_translated, hash, .. } = self;
        if orig.src.is_ipv4() {
            v4.remove(orig, zone, id, hash)
        } else {
            v6.remove(orig, zone, id, hash) || v6_translated.remove(orig, zone, id, hash)
        }
    }

    /// Entries of any zone one of whose tuples is `tuple`.
    pub fn of(&self, tuple: Tuple) -> impl Iterator<Item = Connection> {
        let Self { v4, v6, v6_translated, hash, .. } = self;
        v4.of(tuple, hash).chain(v6.of(tuple, hash)).chain(v6_translated.of(tuple, hash))
    }

    /// Entries with a tag that is meant.
    pub fn tagged(&self, is_meant: impl Fn(u32) -> bool + Copy) -> impl Iterator<Item = Connection> {
        self.v4.tagged(is_meant).chain(self.v6.tagged(is_meant)).chain(self.v6_translated.tagged(is_meant))
    }

    /// Gives tags anew: `tag` is told an entry, its tag, and whether another entry may be of the same flow. Where `all` is
    /// not so, only those that have none are looked at.
    pub fn tag(&mut self, all: bool, mut tag: impl FnMut(&Connection, u32, bool) -> u32) {
        for slot in 0..self.v4.len() {
            if let Some(new) = self.new_tag(&self.v4, slot, all, &mut tag) {
                self.v4.set_tag(slot, new);
            }
        }
        for slot in 0..self.v6.len() {
            if let Some(new) = self.new_tag(&self.v6, slot, all, &mut tag) {
                self.v6.set_tag(slot, new);
            }
        }
        for slot in 0..self.v6_translated.len() {
            if let Some(new) = self.new_tag(&self.v6_translated, slot, all, &mut tag) {
                self.v6_translated.set_tag(slot, new);
            }
        }
    }

    fn new_tag<T: Packed>(
        &self,
        shelf: &Shelf<T>,
        slot: usize,
        all: bool,
        tag: &mut impl FnMut(&Connection, u32, bool) -> u32,
    ) -> Option<u32> {
        let known = shelf.tag(slot);
        if known != UNTAGGED && !all {
            return None;
        }
        let entry = shelf.entry(slot);
        let is_other = |other: Connection| (other.zone, other.orig) != (entry.zone, entry.orig);
        let is_shared = known == UNTAGGED && self.of(entry.orig).chain(self.of(entry.reply)).any(is_other);
        Some(tag(&entry, known, is_shared))
    }

    /// Entries of one zone.
    pub fn by_zone(&self, zone: u16) -> impl Iterator<Item = Connection> {
        self.iter().filter(move |connection| connection.zone == zone)
    }

    /// Zones that have entries, in order.
    pub fn zones(&self) -> BTreeSet<u16> {
        self.iter().map(|connection| connection.zone).collect()
    }

    /// All entries, in no order.
    pub fn iter(&self) -> impl Iterator<Item = Connection> {
        self.v4.iter().chain(self.v6.iter()).chain(self.v6_translated.iter())
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len() + self.v6_translated.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Entries that the limit kept out.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Memory that the index holds, in bytes.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.v4.heap_bytes() + self.v6.heap_bytes() + self.v6_translated.heap_bytes()
    }
}

#[cfg(test)]
mod tests;
