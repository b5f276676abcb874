//! Outcomes that a CPU met lately, so that most packets need no look-up in a hash map.
//!
//! Two look-ups there, of the source and of the outcome, take longer than all the rest of a packet's way. An outcome
//! holds for all packets of one source between two MACs where no destination can change it, so that is what it is
//! remembered by, together with the generation: within one generation an outcome never changes, and the next one finds
//! nothing remembered.
#![expect(unsafe_code, reason = "values of per-CPU maps are reached by pointers")]

use analyzer_ebpf::maps::Outcome;

use super::packet::Link;
use super::tables::RECENT;

/// How many outcomes are remembered; a power of two. Each source and pair of MACs has one place, and takes it from
/// whoever had it.
pub(super) const PLACES: usize = 1 << PLACES_BITS;
const PLACES_BITS: u32 = 11;

/// Multiplier of Fibonacci hashing: 2^64 divided by the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// An outcome, and what it is remembered by.
#[repr(C)]
pub(super) struct Remembered {
    /// Generation and source address; 0 where nothing is remembered.
    source: u64,
    /// Source MAC, and the first two bytes of the destination MAC.
    macs: u64,
    /// The rest of the destination MAC.
    eth_dst: u32,
    outcome: Outcome,
}

/// What an outcome is remembered by.
#[derive(Clone, Copy)]
pub(super) struct Key {
    source: u64,
    macs: u64,
    eth_dst: u32,
}

impl Key {
    #[inline(always)]
    pub(super) fn new(generation: u32, src: [u8; 4], link: &Link) -> Self {
        let [s0, s1, s2, s3, s4, s5] = link.eth_src;
        let [d0, d1, d2, d3, d4, d5] = link.eth_dst;
        Self {
            source: u64::from(generation) << 32 | u64::from(u32::from_le_bytes(src)),
            macs: u64::from_le_bytes([s0, s1, s2, s3, s4, s5, d0, d1]),
            eth_dst: u32::from_le_bytes([d2, d3, d4, d5]),
        }
    }

    #[inline(always)]
    fn place(&self) -> Option<*mut Remembered> {
        // Shifted apart, so that a MAC with the number of its address in it does not cancel the address.
        let mixed = self.source ^ u64::from(self.eth_dst) << 32 ^ self.macs.rotate_left(17);
        let mixed = mixed.wrapping_mul(GOLDEN);
        RECENT.get_ptr_mut((mixed >> (u64::BITS - PLACES_BITS)) as u32)
    }

    /// The outcome, if it is remembered.
    #[inline(always)]
    pub(super) fn recall(&self) -> Option<Outcome> {
        let place = self.place()?;
        // SAFETY: The value belongs to this CPU, and programs of one CPU do not interrupt each other here.
        let found = unsafe { &*place };
        let is_it = found.source == self.source && found.macs == self.macs && found.eth_dst == self.eth_dst;
        is_it.then_some(found.outcome)
    }

    /// Remembers the outcome.
    #[inline(always)]
    pub(super) fn remember(&self, outcome: Outcome) {
        let Some(place) = self.place() else { return };
        let Self { source, macs, eth_dst } = *self;
        // SAFETY: As in `recall`.
        unsafe { place.write(Remembered { source, macs, eth_dst, outcome }) };
    }
}
