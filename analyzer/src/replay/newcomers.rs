//! Which frames are the first of their flow, told without a table of flows.
//!
//! Each flow has four of the 64 counters of a cache line, chosen by its hash, as in a blocked Bloom filter that counts
//! (Putze, Sanders and Singler, "Cache-, Hash- and Space-Efficient Bloom Filters"): what all four have counted is what the flow has
//! had at most. A flow may be taken for a known one, seldom, and never the other way round. Epochs are part of a key, so
//! with each change of the next hops all flows are new again.
//!
//! Flows that have had their first frames are, besides, in a plain blocked Bloom filter that is small enough for the
//! cache of a core: once they are, the counters are not looked at.

use super::hash::Seed;
use super::intake::Flow;
use super::key::{Words, Words4, Words6};

/// Frames of a flow that are among its first.
pub const FIRST: u8 = 16;
/// Lines of counters, which take a megabyte.
const LINES: usize = 1 << 14;
/// Words of bits, which take 128 KiB.
const WORDS: usize = 1 << 14;
/// Flows after which all are new again: with eight to a line, one of forty is taken for a known one.
const MOST: usize = 8 * LINES;

/// Counters on a cache line.
#[repr(align(64))]
#[derive(Clone, Copy)]
struct Line([u8; 64]);

/// How often flows were seen.
pub struct Newcomers {
    /// Bits of flows that have had their first frames.
    settled: Box<[u64]>,
    lines: Box<[Line]>,
    flows: usize,
    pub(super) seed: Seed,
}

impl Newcomers {
    /// All flows are new.
    pub fn new() -> Self {
        let settled = vec![0; WORDS].into_boxed_slice();
        Self { settled, lines: vec![Line([0; 64]); LINES].into_boxed_slice(), flows: 0, seed: Seed::random() }
    }

    /// Whether a frame of the flow with this hash is one of the first, and counts it then.
    #[inline(always)]
    pub(super) fn admit(&mut self, hash: u64) -> bool {
        let (word, bits) = bits(hash);
        self.settled[word] & bits != bits && self.count(hash)
    }

    #[inline(never)]
    fn count(&mut self, hash: u64) -> bool {
        let (line, places) = places(hash);
        let Line(counters) = &self.lines[line];
        let least = places.iter().fold(FIRST, |least, &place| least.min(counters[place]));
        if least + 1 >= FIRST {
            let (word, bits) = bits(hash);
            self.settled[word] |= bits;
        }
        if least >= FIRST {
            return false;
        }
        if least == 0 {
            if self.flows >= MOST {
                self.lines.fill(Line([0; 64]));
                self.settled.fill(0);
                self.flows = 0;
            }
            self.flows += 1;
        }
        let Line(counters) = &mut self.lines[line];
        for place in places {
            // The others have counted for other flows as well.
            counters[place] = counters[place].max(least + 1);
        }
        true
    }

    /// Takes a flow for a new one, and perhaps some others with it.
    pub fn forget(&mut self, flow: &Flow) {
        let hash = match flow {
            Flow::V4(key) => Words4::pack(key).hash(&self.seed),
            Flow::V6(key) => Words6::pack(key).hash(&self.seed),
        };
        let (word, bits) = bits(hash);
        self.settled[word] &= !bits;
        let (line, places) = places(hash);
        places.iter().for_each(|&place| self.lines[line].0[place] = 0);
    }
}

impl Default for Newcomers {
    fn default() -> Self {
        Self::new()
    }
}

/// The line of a hash, and the counters on it.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the low bits are what is asked for")]
fn places(hash: u64) -> (usize, [usize; 4]) {
    let line = (hash >> 24) as usize % LINES;
    (line, [0, 6, 12, 18].map(|shift| (hash >> shift) as usize % 64))
}

/// The word of a hash, and its bits in that.
#[inline(always)]
fn bits(hash: u64) -> (usize, u64) {
    let bit = |shift: u32| 1 << (hash >> shift & 63);
    ((hash >> 40) as usize % WORDS, bit(0) | bit(6) | bit(12))
}

#[cfg(test)]
mod tests {
    use analyzer_ebpf::abi::{FlowKey, LinkTags};

    use super::*;

    fn hash(seed: &Seed, flow: u64) -> u64 {
        seed.hash(&[flow, 0, 0, 0])
    }

    #[test]
    fn the_first_frames_of_a_flow_are_told() {
        let mut newcomers = Newcomers::new();
        let key = FlowKey {
            src: [10, 0, 0, 1],
            dst: [10, 0, 1, 1],
            eth_dst: [2; 6],
            eth_src: [4; 6],
            tags: LinkTags::NONE,
            tp_src: 1,
            tp_dst: 2,
            epoch: 1,
            nw_proto: 17,
            nic: 0,
        };
        let hash = Words4::pack(&key).hash(&newcomers.seed);
        let mut admitted = || (0..100).filter(|_| newcomers.admit(hash)).count();
        assert_eq!((admitted(), admitted()), (usize::from(FIRST), 0));
        newcomers.forget(&Flow::V4(key));
        assert_eq!((0..100).filter(|_| newcomers.admit(hash)).count(), usize::from(FIRST));
    }

    #[test]
    fn few_new_flows_are_taken_for_known_ones() {
        let mut newcomers = Newcomers::new();
        let seed = newcomers.seed.clone();
        let flows = 0..65_536_u64;
        for flow in flows.clone() {
            (0..FIRST).for_each(|_| _ = newcomers.admit(hash(&seed, flow)));
        }
        // Of those that came, none is new.
        assert!(flows.clone().all(|flow| !newcomers.admit(hash(&seed, flow))));
        let others = 100_000..110_000;
        let known = others.filter(|&flow| !newcomers.admit(hash(&seed, flow))).count();
        assert!(known < 200, "{known} of 10,000");
    }
}
