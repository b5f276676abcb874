//! Time.

use std::thread;
use std::time::{Duration, Instant};

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "traffic has gaps")]
pub(crate) fn pause(duration: Duration) {
    thread::sleep(duration);
}
