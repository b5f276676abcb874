//! When a silent server is asked for a sign of life, and when it is given up.
//!
//! Times are since the connection began.

use std::time::Duration;

/// What silence calls for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Due {
    /// Ask for a sign of life.
    Ask,
    /// Give up: it was asked for, and none came.
    GiveUp,
}

/// Silence of a server.
#[derive(Debug)]
pub(super) struct Probe {
    /// Zero: silence is fine.
    interval: Duration,
    /// When it was last heard, or asked.
    since: Duration,
    was_asked: bool,
}

impl Probe {
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, since: Duration::ZERO, was_asked: false }
    }

    /// Bytes arrived, or could not have been noticed before.
    pub(super) fn heard(&mut self, now: Duration) {
        (self.since, self.was_asked) = (now, false);
    }

    /// When to look again.
    pub(super) fn deadline(&self) -> Option<Duration> {
        (!self.interval.is_zero()).then(|| self.since.saturating_add(self.interval))
    }

    /// What is due.
    pub(super) fn check(&mut self, now: Duration) -> Option<Due> {
        if now < self.deadline()? {
            return None;
        }
        if self.was_asked {
            return Some(Due::GiveUp);
        }
        (self.since, self.was_asked) = (now, true);
        Some(Due::Ask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence() {
        let seconds = Duration::from_secs;
        let mut probe = Probe::new(seconds(5));
        assert_eq!((probe.check(seconds(4)), probe.deadline()), (None, Some(seconds(5))));
        assert_eq!((probe.check(seconds(6)), probe.deadline()), (Some(Due::Ask), Some(seconds(11))));
        assert_eq!(probe.check(seconds(10)), None);
        probe.heard(seconds(10));
        assert_eq!((probe.check(seconds(14)), probe.check(seconds(15))), (None, Some(Due::Ask)));
        assert_eq!(probe.check(seconds(20)), Some(Due::GiveUp));
        let mut never = Probe::new(Duration::ZERO);
        assert_eq!((never.deadline(), never.check(Duration::MAX)), (None, None));
    }
}
