//! How often people are told.

use std::time::Duration;

/// How often people are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// How long flows to a MAC are gathered after a message about it. The window doubles while flows keep coming, up to
    /// [`Settings::MAX_GATHER`].
    pub gather: Duration,
    /// Time to the first reminder. It doubles with each, up to [`Settings::MAX_REMIND`].
    pub remind: Duration,
    /// A flow that sent nothing to the MAC for so long no longer counts.
    pub hold: Duration,
    /// Messages a minute at most; 0 for no limit.
    pub per_minute: u32,
}

impl Settings {
    /// Longest time that flows are gathered.
    pub const MAX_GATHER: Duration = Duration::from_secs(300);
    /// Longest time between two reminders.
    pub const MAX_REMIND: Duration = Duration::from_secs(6 * 3600);
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            gather: Duration::from_secs(10),
            remind: Duration::from_secs(300),
            hold: Duration::from_secs(60),
            per_minute: 60,
        }
    }
}

/// Twice as long, at most `max`; never shorter than before.
pub(super) fn doubled(time: Duration, max: Duration) -> Duration {
    time.saturating_mul(2).min(max).max(time)
}
