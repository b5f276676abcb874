//! The flow table: counts by key, made for 65,536 to some millions of flows in random order.
//!
//! Entries lie densely in the order of their arrival, one cache line each for IPv4. Slots hold a tag from the hash and
//! the entry's index, so a probe touches the slots, which mostly fit the L2 cache, and then one entry. Both loads miss
//! the cache when there are many flows; [`FlowTable::prefetch`], [`FlowTable::candidate`] and [`FlowTable::add`] are
//! the three stages of an update, and a caller that takes a batch of keys through one stage after the other waits for
//! many misses at once.

use super::hash::Seed;
use super::key::Words;
use super::prefetch::prefetch;
use crate::engine::observation::Counts;

#[cfg(test)]
mod tests;

/// Slots of an empty table. A power of two.
const MIN_SLOTS: usize = 1024;
/// Bytes that one prefetch loads.
const CACHE_LINE: usize = 64;
/// Entries that are allocated together: growth copies no entry and holds at most this many too many.
const SEGMENT: usize = 4096;

/// Most entries that a table can hold: slots are addressed by 31 bits, and a quarter of them stays free.
pub(super) const MAX_ENTRIES: usize = 1 << 30;

/// Counts by flow key.
pub(super) struct FlowTable<W: Words> {
    seed: Seed,
    /// Zero where free. Else the low bits, as many as it takes to address the slots, are the index of the entry, counted
    /// from 1; the bits above are the tag, from the upper half of the hash. Their number is a power of two.
    slots: Vec<u32>,
    /// All segments but the last are full.
    segments: Vec<Vec<Entry<W>>>,
    len: usize,
}

/// A key and its counts.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Entry<W: Words> {
    align: [W::Align; 0],
    /// The key.
    pub(super) words: W,
    /// What is counted under it.
    pub(super) counts: Counts,
}

/// Index of the entry that a key has if the tag does not deceive; may point at none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate(u32);

impl Candidate {
    /// No entry.
    pub(super) const NONE: Self = Self(u32::MAX);
}

/// The table may not take another key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl<W: Words> FlowTable<W> {
    /// An empty table.
    pub(super) fn new(seed: Seed) -> Self {
        Self { seed, slots: vec![0; MIN_SLOTS], segments: Vec::new(), len: 0 }
    }

    /// An empty table for as many entries as this one has.
    pub(super) fn emptied(&self) -> Self {
        let slots = (self.len * 2).next_power_of_two().max(MIN_SLOTS);
        Self { seed: self.seed.clone(), slots: vec![0; slots], segments: Vec::new(), len: 0 }
    }

    /// Number of entries.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// First stage: hashes a key and asks for its slot.
    #[inline(always)]
    pub(super) fn prefetch(&self, words: &W) -> u64 {
        let hash = words.hash(&self.seed);
        if let Some(slot) = self.slots.get(home(hash, self.slots.len())) {
            prefetch(slot);
        }
        hash
    }

    /// Second stage: finds the first slot with the key's tag and asks for its entry.
    #[inline(always)]
    pub(super) fn candidate(&self, hash: u64) -> Candidate {
        let mask = self.slots.len() - 1;
        let mut position = home(hash, self.slots.len());
        loop {
            match self.slots[position] {
                0 => return Candidate::NONE,
                slot if (slot ^ tag(hash)) as usize <= mask => {
                    let index = (slot as usize & mask) - 1;
                    if let Some(entry) = self.segments.get(index / SEGMENT).and_then(|it| it.get(index % SEGMENT)) {
                        prefetch(entry);
                        if size_of::<Entry<W>>() > CACHE_LINE {
                            prefetch(&entry.counts.last);
                        }
                    }
                    return Candidate(index as u32);
                }
                _ => position = (position + 1) & mask,
            }
        }
    }

    /// Third stage: adds `counts` to those of the key. A new key is taken while the table has fewer than `limit` entries.
    ///
    /// # Errors
    /// The key is new and the table holds `limit` entries. Nothing has changed.
    #[inline(always)]
    pub(super) fn add(
        &mut self,
        words: &W,
        hash: u64,
        candidate: Candidate,
        counts: &Counts,
        limit: usize,
    ) -> Result<(), Full> {
        let index = candidate.0 as usize;
        match self.segments.get_mut(index / SEGMENT).and_then(|it| it.get_mut(index % SEGMENT)) {
            Some(entry) if entry.words.is(words) => {
                absorb(&mut entry.counts, counts);
                Ok(())
            }
            _ => self.probe(words, hash, counts, limit),
        }
    }

    /// [`FlowTable::add`] where the candidate was none, or that of another key with the same tag, or has been overtaken
    /// by an insertion.
    #[cold]
    fn probe(&mut self, words: &W, hash: u64, counts: &Counts, limit: usize) -> Result<(), Full> {
        let mask = self.slots.len() - 1;
        let mut position = home(hash, self.slots.len());
        loop {
            match self.slots[position] {
                0 => break,
                slot if (slot ^ tag(hash)) as usize <= mask => {
                    let index = (slot as usize & mask) - 1;
                    let entry = &mut self.segments[index / SEGMENT][index % SEGMENT];
                    if entry.words.is(words) {
                        absorb(&mut entry.counts, counts);
                        return Ok(());
                    }
                }
                _ => {}
            }
            position = (position + 1) & mask;
        }
        if self.len >= limit.min(MAX_ENTRIES) {
            return Err(Full);
        }
        self.push(Entry { align: [], words: *words, counts: *counts });
        // Probe sequences stay short up to three quarters.
        if self.len > self.slots.len() / 4 * 3 {
            self.resize(self.slots.len() * 2);
        } else {
            self.slots[position] = slot(hash, self.len, mask);
        }
        Ok(())
    }

    /// The entry with an index below [`FlowTable::len`].
    pub(super) fn entry(&self, index: u32) -> &Entry<W> {
        let index = index as usize;
        &self.segments[index / SEGMENT][index % SEGMENT]
    }

    /// All entries, in the order of the indexes.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry<W>> {
        self.segments.iter().flatten()
    }

    /// All entries, in the order of the indexes. Their memory is freed as they pass.
    pub(super) fn into_entries(self) -> impl Iterator<Item = Entry<W>> {
        drop(self.slots);
        self.segments.into_iter().flatten()
    }

    /// Keeps the entries that `keep` says yes to. It is asked about each once, in the order of the indexes.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Entry<W>) -> bool) {
        let before = std::mem::take(&mut self.segments);
        self.len = 0;
        for entry in before.into_iter().flatten() {
            if keep(&entry) {
                self.push(entry);
            }
        }
        self.resize(self.slots.len());
    }

    fn push(&mut self, entry: Entry<W>) {
        match self.segments.last_mut() {
            Some(segment) if segment.len() < SEGMENT => segment.push(entry),
            _ => {
                let mut segment = Vec::with_capacity(SEGMENT);
                segment.push(entry);
                self.segments.push(segment);
            }
        }
        self.len += 1;
    }

    /// Lays the slots out anew, `slots` in number. The old ones are freed first.
    fn resize(&mut self, slots: usize) {
        self.slots = Vec::new();
        let mask = slots - 1;
        let mut fresh = vec![0; slots];
        for (index, entry) in self.entries().enumerate() {
            let hash = entry.words.hash(&self.seed);
            let mut position = home(hash, slots);
            while fresh[position] != 0 {
                position = (position + 1) & mask;
            }
            fresh[position] = slot(hash, index + 1, mask);
        }
        self.slots = fresh;
    }
}

/// Where the probe sequence of a hash starts among `slots` slots. Uses the lower half of the hash, the tag the upper.
#[inline(always)]
fn home(hash: u64, slots: usize) -> usize {
    hash as usize & (slots - 1)
}

#[inline(always)]
fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

#[inline(always)]
fn slot(hash: u64, index_from_1: usize, mask: usize) -> u32 {
    tag(hash) & !(mask as u32) | index_from_1 as u32
}

#[inline(always)]
fn absorb(total: &mut Counts, counts: &Counts) {
    total.packets += counts.packets;
    total.bytes += counts.bytes;
    total.first = total.first.min(counts.first);
    total.last = total.last.max(counts.last);
}
