//! How many messages a minute: the last resort, behind gathering.

use std::time::Duration;

use super::settings::Settings;
use crate::types::Timestamp;

/// A token bucket that holds a minute's messages and fills evenly.
#[derive(Debug)]
pub(super) struct Limiter {
    per_minute: u32,
    /// Nanoseconds of filling that are in the bucket.
    level: u64,
    filled: Timestamp,
    /// Messages that have waited since the limit was reached, and since when.
    held: Option<(Timestamp, u64)>,
}

const MINUTE: u64 = 60_000_000_000;

impl Limiter {
    pub(super) fn new(settings: &Settings) -> Self {
        Self { per_minute: settings.per_minute, level: MINUTE, filled: Timestamp::default(), held: None }
    }

    /// Whether a message may go at `at`; if so, it counts.
    pub(super) fn take(&mut self, at: Timestamp) -> bool {
        let Some(cost) = MINUTE.checked_div(u64::from(self.per_minute)) else { return true };
        let gained = at.since(self.filled).min(Duration::from_nanos(MINUTE));
        self.level = (self.level + u64::try_from(gained.as_nanos()).unwrap_or(MINUTE)).min(MINUTE);
        self.filled = self.filled.max(at);
        let may = self.level >= cost;
        if may {
            self.level -= cost;
        }
        may
    }

    /// Notes that one more message has to wait.
    pub(super) fn hold(&mut self, at: Timestamp) {
        let (_, count) = self.held.get_or_insert((at, 0));
        *count += 1;
    }

    /// Since when messages wait, and how many had to.
    pub(super) fn held(&self) -> Option<(Timestamp, u64)> {
        self.held
    }

    /// Notes that none waits any more.
    pub(super) fn release(&mut self) {
        self.held = None;
    }

    pub(super) fn per_minute(&self) -> u32 {
        self.per_minute
    }
}
