//! Entries of one packed form, found by either tuple.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::UNTAGGED;
use super::packed::Packed;
use crate::engine::fact::Connection;
use crate::types::Tuple;

/// Entries allocated at once, so that growing never doubles what is held.
const CHUNK: usize = 512;

/// Entries without gaps, and the hash table that finds them.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    /// All chunks but the last are full.
    chunks: Vec<Vec<Kept<T>>>,
    by_tuple: HashTable<Ref>,
}

/// An entry with its tag.
#[derive(Clone, Copy, Debug)]
struct Kept<T> {
    entry: T,
    tag: u32,
}

/// A slot, and which of the entry's tuples is meant: the number of the slot times two, plus one for the reply's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Ref(u32);

impl Ref {
    /// The largest slot that can be written down.
    const MAX_SLOT: usize = (u32::MAX / 2) as usize;

    fn new(slot: usize, is_reply: bool) -> Self {
        let slot = u32::try_from(slot).expect("a shelf takes no more than MAX_SLOT entries");
        Self(slot << 1 | u32::from(is_reply))
    }

    fn slot(self) -> usize {
        (self.0 >> 1) as usize
    }

    fn is_reply(self) -> bool {
        self.0 & 1 == 1
    }
}

/// The smaller of the tuple and its mirror: both directions of a connection without translation have the same.
fn canonical(tuple: Tuple) -> Tuple {
    tuple.min(tuple.reversed())
}

fn hash_of(tuple: Tuple, hash: &RandomState) -> u64 {
    hash.hash_one(canonical(tuple))
}

/// What the entry stands under in the hash table: once where both tuples have the same canonical form.
fn keys<T: Packed>(entry: &T) -> impl Iterator<Item = (Tuple, bool)> + use<T> {
    let (orig, reply) = (entry.orig(), entry.reply());
    let is_mirror = canonical(orig) == canonical(reply);
    [Some((orig, false)), (!is_mirror).then_some((reply, true))].into_iter().flatten()
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), by_tuple: HashTable::new() }
    }
}

impl<T: Packed> Shelf<T> {
    /// Takes an entry that is not there yet. Returns false where the shelf is full.
    pub(super) fn insert(&mut self, entry: T, hash: &RandomState) -> bool {
        let slot = self.len();
        if slot > Ref::MAX_SLOT {
            return false;
        }
        let kept = Kept { entry, tag: UNTAGGED };
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK => chunk.push(kept),
            _ => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(kept);
                self.chunks.push(chunk);
            }
        }
        let Self { chunks, by_tuple } = self;
        for (tuple, is_reply) in keys(&entry) {
            by_tuple.insert_unique(hash_of(tuple, hash), Ref::new(slot, is_reply), |known| {
                rehash(at(chunks, known.slot()), *known, hash)
            });
        }
        true
    }

    /// Takes the entry with this original tuple in this zone out, unless its id is known to be another.
    pub(super) fn remove(&mut self, orig: Tuple, zone: u16, id: Option<u32>, hash: &RandomState) -> bool {
        let is_it = |known: &Ref| {
            let entry = at(&self.chunks, known.slot());
            !known.is_reply() && entry.common().zone() == zone && entry.orig() == orig
        };
        let Some(slot) = self.by_tuple.find(hash_of(orig, hash), is_it).map(|known| known.slot()) else {
            return false;
        };
        let other_id = id.zip(at(&self.chunks, slot).common().id()).is_some_and(|(told, known)| told != known);
        if !other_id {
            self.take_out(slot, hash);
        }
        !other_id
    }

    /// Entries one of whose tuples is `tuple`.
    pub(super) fn of(&self, tuple: Tuple, hash: &RandomState) -> impl Iterator<Item = Connection> {
        let entries =
            self.by_tuple.iter_hash(hash_of(tuple, hash)).map(|known| (*known, at(&self.chunks, known.slot())));
        entries.filter_map(move |(known, entry)| {
            let (orig, reply) = (entry.orig(), entry.reply());
            // One that stands here under both its tuples is given once.
            let is_under_orig = canonical(orig) == canonical(tuple);
            let is_it = tuple == orig || tuple == reply;
            (is_it && known.is_reply() != is_under_orig).then(|| entry.connection())
        })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Connection> {
        self.chunks.iter().flatten().map(|kept| kept.entry.connection())
    }

    /// Entries with a tag that is meant.
    pub(super) fn tagged(&self, is_meant: impl Fn(u32) -> bool) -> impl Iterator<Item = Connection> {
        let meant = self.chunks.iter().flatten().filter(move |kept| is_meant(kept.tag));
        meant.map(|kept| kept.entry.connection())
    }

    /// The tag in a slot.
    pub(super) fn tag(&self, slot: usize) -> u32 {
        self.chunks[slot / CHUNK][slot % CHUNK].tag
    }

    /// The entry in a slot.
    pub(super) fn entry(&self, slot: usize) -> Connection {
        at(&self.chunks, slot).connection()
    }

    pub(super) fn set_tag(&mut self, slot: usize, tag: u32) {
        self.chunks[slot / CHUNK][slot % CHUNK].tag = tag;
    }

    /// Takes the tags of all entries away one of whose tuples is this one, in either direction.
    pub(super) fn untag(&mut self, tuple: Tuple, hash: &RandomState) {
        let Self { chunks, by_tuple } = self;
        let meant = canonical(tuple);
        // A bucket holds entries of other tuples too.
        for known in by_tuple.iter_hash(hash_of(tuple, hash)) {
            let kept = &mut chunks[known.slot() / CHUNK][known.slot() % CHUNK];
            if [kept.entry.orig(), kept.entry.reply()].map(canonical).contains(&meant) {
                kept.tag = UNTAGGED;
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        let full = self.chunks.len().saturating_sub(1) * CHUNK;
        full + self.chunks.last().map_or(0, Vec::len)
    }

    /// Memory beside the shelf itself.
    pub(super) fn heap_bytes(&self) -> usize {
        let entries: usize = self.chunks.iter().map(|chunk| chunk.capacity() * size_of::<Kept<T>>()).sum();
        entries + self.chunks.capacity() * size_of::<Vec<Kept<T>>>() + self.by_tuple.allocation_size()
    }

    /// Empties a slot and moves the last entry into it.
    fn take_out(&mut self, slot: usize, hash: &RandomState) {
        let last = self.len() - 1;
        let (gone, moved) = (*at(&self.chunks, slot), *at(&self.chunks, last));
        for (tuple, is_reply) in keys(&gone) {
            let stands = Ref::new(slot, is_reply);
            if let Ok(found) = self.by_tuple.find_entry(hash_of(tuple, hash), |known| *known == stands) {
                found.remove();
            }
        }
        if slot != last {
            for (tuple, is_reply) in keys(&moved) {
                let stood = Ref::new(last, is_reply);
                if let Some(known) = self.by_tuple.find_mut(hash_of(tuple, hash), |known| *known == stood) {
                    *known = Ref::new(slot, is_reply);
                }
            }
            self.chunks[slot / CHUNK][slot % CHUNK] = Kept { entry: moved, tag: self.tag(last) };
        }
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.pop();
            if chunk.is_empty() {
                self.chunks.pop();
            }
        }
        let Self { chunks, by_tuple } = self;
        // A quarter full: half of it is room enough to grow again.
        if by_tuple.capacity() > 4 * by_tuple.len() + 64 {
            by_tuple.shrink_to(2 * by_tuple.len(), |known| rehash(at(chunks, known.slot()), *known, hash));
        }
    }
}

fn at<T>(chunks: &[Vec<Kept<T>>], slot: usize) -> &T {
    &chunks[slot / CHUNK][slot % CHUNK].entry
}

fn rehash(entry: &impl Packed, known: Ref, hash: &RandomState) -> u64 {
    hash_of(if known.is_reply() { entry.reply() } else { entry.orig() }, hash)
}
