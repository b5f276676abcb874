//! Pauses between attempts.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// Within this the first retry follows, so that a server's restart is hardly noticed and yet not all clients that it
/// lost come back in the same moment.
pub(crate) const AT_ONCE: Duration = Duration::from_millis(200);

/// Bounds of the back-off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Backoff {
    /// Pause after the second failure; each further one doubles it.
    pub min: Duration,
    /// The longest pause.
    pub max: Duration,
}

impl Backoff {
    /// The pause before the attempt that follows on `failures` failures in a row: the first comes at once. Half of a
    /// longer pause is chance, so that clients that lost a server together come back apart.
    pub(crate) fn pause(&self, failures: u32, random: &mut SplitMix64) -> Duration {
        let Some(doublings) = failures.checked_sub(2) else { return random.up_to(AT_ONCE) };
        let doubled = self.min.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX));
        let pause = doubled.min(self.max);
        pause / 2 + random.up_to(pause / 2)
    }
}

/// Random numbers that a seed determines (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators").
#[derive(Debug)]
pub(crate) struct SplitMix64(pub(crate) u64);

/// A seed that nobody knows.
pub(crate) fn random_seed() -> u64 {
    // The keys are random; nothing is hashed.
    RandomState::new().build_hasher().finish()
}

impl SplitMix64 {
    /// Numbers that nobody knows.
    pub(crate) fn random() -> Self {
        Self(random_seed())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// Any time up to this one.
    pub(crate) fn up_to(&mut self, bound: Duration) -> Duration {
        let nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.below(nanos.saturating_add(1)))
    }
}
