//! Updates of a flow table, many at a time.

use super::key::Words;
use super::table::{Candidate, FlowTable, Full};
use crate::engine::observation::Counts;

/// Keys that go through a stage together: enough to keep the CPU's miss buffers busy, few enough to stay in its first
/// cache. 16 and 64 were no faster.
const BATCH: usize = 32;

/// Keys between the three stages of an update.
///
/// Each half takes a batch through a stage at a time. The halves alternate: while one batch comes in, what the second
/// stage has asked for on behalf of the other has time to arrive.
pub(super) struct Pipeline<W, C> {
    halves: [[Pending<W, C>; BATCH]; 2],
    /// The half that keys come into, and how many there are in it.
    fresh: usize,
    entered: usize,
    /// How many keys of the other half wait for the third stage.
    looked_up: usize,
}

#[derive(Clone, Copy)]
struct Pending<W, C> {
    words: W,
    hash: u64,
    counts: C,
    candidate: Candidate,
}

/// A new key that found the table full.
pub(super) struct Refused<W> {
    pub(super) words: W,
    pub(super) hash: u64,
    pub(super) counts: Counts,
}

impl<W: Words, C: Copy + Default + Into<Counts>> Pipeline<W, C> {
    pub(super) fn new() -> Self {
        let free = Pending { words: W::ZERO, hash: 0, counts: C::default(), candidate: Candidate::NONE };
        Self { halves: [[free; BATCH]; 2], fresh: 0, entered: 0, looked_up: 0 }
    }

    /// Takes a key through the first stage. Returns whether [`Pipeline::advance`] is due.
    #[inline(always)]
    pub(super) fn push(&mut self, table: &FlowTable<W>, words: W, counts: C) -> bool {
        let hash = table.prefetch(&words);
        self.halves[self.fresh][self.entered] = Pending { words, hash, counts, candidate: Candidate::NONE };
        self.entered += 1;
        self.entered >= BATCH
    }

    /// Takes the keys of one half through the third stage, and those of the other through the second. The table takes
    /// new keys while it has fewer than `limit` entries.
    pub(super) fn advance(&mut self, table: &mut FlowTable<W>, limit: usize, refused: &mut Vec<Refused<W>>) {
        let [first, second] = &mut self.halves;
        let (fresh, other) = if self.fresh == 0 { (first, second) } else { (second, first) };
        for pending in &other[..self.looked_up] {
            let Pending { words, hash, counts, candidate } = pending;
            let counts = (*counts).into();
            if table.add(words, *hash, *candidate, &counts, limit) == Err(Full) {
                refused.push(Refused { words: *words, hash: *hash, counts });
            }
        }
        for pending in &mut fresh[..self.entered] {
            pending.candidate = table.candidate(pending.hash);
        }
        self.looked_up = std::mem::take(&mut self.entered);
        self.fresh ^= 1;
    }

    /// Takes all keys through the rest of their stages.
    pub(super) fn drain(&mut self, table: &mut FlowTable<W>, limit: usize, refused: &mut Vec<Refused<W>>) {
        self.advance(table, limit, refused);
        self.advance(table, limit, refused);
    }
}
