//! How long tests wait for something that has to come.

use std::env;
use std::time::Duration;

/// What is enough on a machine of one's own, times `ANALYZER_TEST_PATIENCE` where that is set: by `cargo xtask vm`, whose
/// machines are emulated.
pub(crate) fn patience(usual: Duration) -> Duration {
    let factor = env::var("ANALYZER_TEST_PATIENCE").map_or(1, |factor| factor.parse().expect("a whole number"));
    usual * factor
}
