//! How long alerts took.

use std::time::Duration;

/// Upper bounds of the buckets, inclusive, in seconds: from half a millisecond to a second.
pub(super) const BOUNDS: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0];

/// A histogram of times.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Latency {
    /// Times in each bucket, and those beyond the last bound.
    buckets: [u64; BOUNDS.len() + 1],
    /// Their sum.
    sum: Duration,
}

impl Latency {
    /// Adds a time.
    pub fn observe(&mut self, time: Duration) {
        let seconds = time.as_secs_f64();
        let bucket = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        self.buckets[bucket] += 1;
        self.sum = self.sum.saturating_add(time);
    }

    /// How many times there are.
    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Their sum, in seconds.
    pub(super) fn sum(&self) -> f64 {
        self.sum.as_secs_f64()
    }

    /// Each bucket: its upper bound, and the times in it alone.
    pub(super) fn buckets(&self) -> [(f64, u64); BOUNDS.len() + 1] {
        std::array::from_fn(|index| (BOUNDS.get(index).copied().unwrap_or(f64::INFINITY), self.buckets[index]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_is_in_one_bucket_and_bounds_belong_to_theirs() {
        let mut latency = Latency::default();
        for micros in [0, 500, 501, 1_000_000, 1_000_001, 86_400_000_000] {
            latency.observe(Duration::from_micros(micros));
        }
        let filled: Vec<_> = latency.buckets().into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(filled, [(0.0005, 2), (0.001, 1), (1.0, 1), (f64::INFINITY, 2)]);
        assert_eq!(latency.count(), 6);
        assert_eq!(latency.sum(), 86_402.001_002);
        latency.observe(Duration::MAX);
        assert_eq!(latency.count(), 7, "no sum is too large");
    }
}
