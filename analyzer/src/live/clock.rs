//! The daemon's only clock.
//!
//! The axis of time is that of CLOCK_MONOTONIC, which the kernel program stamps its counts with, laid onto the wall
//! clock once at the start. When somebody sets the wall clock, nothing on the axis moves: a fact that began before a
//! packet stays before it. How far the two have come apart since is told.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::types::Timestamp;

/// How far the wall clock may drift from the axis before a word is said of it. NTP slews by less than this in a day.
const TOLERANCE: Duration = Duration::from_secs(2);

/// Time of the run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// Wall-clock nanoseconds at the zero of CLOCK_MONOTONIC.
    offset: u64,
    /// The difference that was told last, in nanoseconds.
    told: i128,
}

impl Clock {
    /// Lays the axis.
    pub(super) fn new() -> Self {
        Self { offset: wall().saturating_sub(monotonic()), told: 0 }
    }

    /// Now.
    pub(super) fn now(&self) -> Timestamp {
        self.of_monotonic(monotonic())
    }

    /// The time of a CLOCK_MONOTONIC reading, in nanoseconds.
    pub(super) fn of_monotonic(&self, nanos: u64) -> Timestamp {
        Timestamp::from_nanos(self.offset.saturating_add(nanos))
    }

    /// Wall-clock nanoseconds at the zero of CLOCK_MONOTONIC, as taken at the start.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// How many seconds the wall clock is ahead of the axis, where that has jumped since it was last asked.
    pub(super) fn jump(&mut self) -> Option<f64> {
        let difference = i128::from(wall()) - i128::from(self.now().as_nanos());
        let is_jump = (difference - self.told).unsigned_abs() > TOLERANCE.as_nanos();
        is_jump.then(|| {
            self.told = difference;
            difference as f64 / 1e9
        })
    }
}

fn monotonic() -> u64 {
    nanos(ClockId::Monotonic)
}

fn wall() -> u64 {
    nanos(ClockId::Realtime)
}

fn nanos(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    // Negative only before 1970, or before the machine was started.
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_that_is_set_moves_nothing_and_is_told_once() {
        let mut clock = Clock::new();
        assert_eq!(clock.jump(), None);
        // As if the wall clock had been set forward by an hour since the start.
        clock.offset -= 3_600_000_000_000;
        let before = clock.now();
        let jump = clock.jump().expect("an hour is told");
        assert!((3_599.0..3_601.0).contains(&jump), "{jump}");
        assert_eq!(clock.jump(), None);
        assert!(clock.now() >= before);
    }

    #[test]
    fn readings_of_the_kernel_lie_on_the_axis() {
        let clock = Clock::new();
        let before = clock.now();
        let reading = clock.of_monotonic(monotonic());
        assert!(before <= reading && reading <= clock.now());
    }
}
