//! How long each part of the tests took.

use std::fmt;
use std::time::{Duration, Instant};

/// The parts so far, in their order.
///
/// Displays as a line a part, and one for all of them.
#[derive(Default)]
pub(super) struct Stages(Vec<(String, Duration)>);

impl Stages {
    /// Carries out a part, and keeps how long it took.
    #[expect(clippy::disallowed_methods, reason = "how long tests take is measured, and nothing depends on it")]
    pub(super) fn time<T>(&mut self, name: &str, part: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = part();
        self.0.push((name.to_owned(), start.elapsed()));
        result
    }
}

impl fmt::Display for Stages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, took) in &self.0 {
            writeln!(f, "{:>6.0} s  {name}", took.as_secs_f64())?;
        }
        writeln!(f, "{:>6.0} s  in all", self.0.iter().map(|(_, took)| took).sum::<Duration>().as_secs_f64())
    }
}

#[test]
fn parts_are_told_in_their_order() {
    let mut stages = Stages::default();
    assert_eq!(stages.time("what is computed", || 7), 7);
    stages.time("what comes next", || ());
    assert_eq!(stages.to_string(), "     0 s  what is computed\n     0 s  what comes next\n     0 s  in all\n");
}
