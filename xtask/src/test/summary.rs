//! Adds up the result lines that `cargo test` prints, one per test program.

use std::fmt;

/// How the test programs were told to print.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verbosity {
    /// Output of failed tests only.
    Plain,
    /// `--show-output`: that of passed tests too.
    ShowOutput,
}

/// Counts of all test programs so far.
///
/// Displays as the skipped tests with their reasons, what else is to be told, and last the line `N passed, N failed, N skipped`.
pub(crate) struct Summary {
    verbosity: Verbosity,
    passed: usize,
    failed: usize,
    ignored: usize,
    skipped: Vec<Skipped>,
    /// Tests that no program counts.
    left_out: Vec<Skipped>,
    /// Lines above the sum.
    told: Vec<String>,
    /// Inside the section in which libtest repeats the output of passed tests: the name of the test.
    passed_test: Option<String>,
}

struct Skipped {
    test: String,
    reason: String,
}

impl Summary {
    pub(crate) fn new(verbosity: Verbosity) -> Self {
        Self {
            verbosity,
            passed: 0,
            failed: 0,
            ignored: 0,
            skipped: Vec::new(),
            left_out: Vec::new(),
            told: Vec::new(),
            passed_test: None,
        }
    }

    /// Takes in one line, and says whether it is worth passing on: output of passed tests is not.
    pub(crate) fn read(&mut self, line: &str) -> bool {
        if let Some(result) = line.strip_prefix("test result: ") {
            self.passed_test = None;
            self.add(result);
            return true;
        }
        if self.verbosity == Verbosity::ShowOutput && line == "successes:" {
            self.passed_test = Some(String::new());
        } else if line == "failures:" {
            self.passed_test = None;
        }
        let Some(test) = &mut self.passed_test else { return true };
        if let Some(name) = line.strip_prefix("---- ").and_then(|line| line.strip_suffix(" stdout ----")) {
            name.clone_into(test);
        } else if let Some(reason) = line.strip_prefix("SKIPPED: ") {
            self.skipped.push(Skipped { test: test.clone(), reason: reason.to_owned() });
        }
        false
    }

    /// To be told when cargo failed: a program that does not build, or that a signal ended, has no result line.
    pub(crate) fn failure_without_result(&mut self) {
        self.failed = self.failed.max(1);
    }

    /// Tells of a test that was not even started.
    pub(crate) fn left_out(&mut self, test: &str, reason: &str) {
        self.left_out.push(Skipped { test: test.to_owned(), reason: reason.to_owned() });
    }

    /// Tells of something that could not be tried and had to be: a failure.
    pub(crate) fn fail(&mut self, why: &str) {
        self.failed += 1;
        self.told.push(format!("failed: {why}"));
    }

    /// Tells of something beside the tests.
    pub(crate) fn tell(&mut self, what: String) {
        self.told.push(what);
    }

    /// Whether tests ran and none failed.
    pub(crate) fn passed_all(&self) -> bool {
        self.failed == 0 && self.passed > 0
    }

    /// Adds `ok. 3 passed; 0 failed; 1 ignored; ...`.
    fn add(&mut self, result: &str) {
        for count in result.split_once(". ").map_or("", |(_, counts)| counts).split("; ") {
            let Some((number, what)) = count.split_once(' ') else { continue };
            let Ok(number) = number.parse::<usize>() else { continue };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Skipped { test, reason } in self.skipped.iter().chain(&self.left_out) {
            writeln!(f, "skipped {test}: {reason}")?;
        }
        for told in &self.told {
            writeln!(f, "{told}")?;
        }
        // A test may give several reasons, and is skipped once.
        let mut tests: Vec<_> = self.skipped.iter().map(|skipped| &skipped.test).collect();
        tests.dedup();
        let passed = self.passed.saturating_sub(tests.len());
        writeln!(
            f,
            "{passed} passed, {} failed, {} skipped",
            self.failed,
            self.ignored + tests.len() + self.left_out.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two test programs of `cargo test -- --show-output`, shortened.
    const OUTPUT: &str = "
running 3 tests
test needs_root ... ok
test reads ... ok
test wrong ... FAILED

successes:

---- needs_root stdout ----
SKIPPED: not root
SKIPPED: no conntrack
chatter

successes:
    needs_root
    reads

failures:

---- wrong stdout ----
SKIPPED: is what a failed test says in vain

failures:
    wrong

test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

running 1 test
test result: ok. 4 passed; 0 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.01s
";

    fn read(verbosity: Verbosity) -> (Summary, Vec<&'static str>) {
        let mut summary = Summary::new(verbosity);
        let shown = OUTPUT.lines().filter(|line| summary.read(line)).collect();
        (summary, shown)
    }

    #[test]
    fn skipped_tests_are_no_passed_tests() {
        let (summary, shown) = read(Verbosity::ShowOutput);
        assert_eq!(
            summary.to_string(),
            "skipped needs_root: not root\nskipped needs_root: no conntrack\n5 passed, 1 failed, 2 skipped\n"
        );
        assert!(!shown.contains(&"chatter"));
        assert!(shown.contains(&"---- wrong stdout ----"));
        assert!(!summary.passed_all());
    }

    #[test]
    fn plain_output_is_passed_on_whole() {
        let (summary, shown) = read(Verbosity::Plain);
        assert_eq!(shown.len(), OUTPUT.lines().count());
        assert_eq!(summary.to_string(), "6 passed, 1 failed, 1 skipped\n");
    }

    #[test]
    fn test_program_without_a_result_is_a_failure() {
        let mut summary = Summary::new(Verbosity::Plain);
        summary.read("test result: ok. 4 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s");
        assert!(summary.passed_all());
        summary.failure_without_result();
        assert_eq!(summary.to_string(), "4 passed, 1 failed, 0 skipped\n");
        assert!(!summary.passed_all());
    }

    #[test]
    fn tests_that_were_left_out_are_told() {
        let mut summary = Summary::new(Verbosity::ShowOutput);
        summary.read("test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s");
        summary.left_out("lab::slow", "too slow");
        assert_eq!(summary.to_string(), "skipped lab::slow: too slow\n1 passed, 0 failed, 1 skipped\n");
    }

    #[test]
    fn what_could_not_be_tried_is_a_failure() {
        let mut summary = Summary::new(Verbosity::Plain);
        summary.read("test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s");
        summary.tell("OVN 1.2: all".to_owned());
        assert!(summary.passed_all());
        summary.fail("OVN 1.3: no network");
        assert_eq!(summary.to_string(), "OVN 1.2: all\nfailed: OVN 1.3: no network\n1 passed, 1 failed, 0 skipped\n");
        assert!(!summary.passed_all());
    }

    #[test]
    fn no_test_at_all_is_no_success() {
        assert!(!Summary::new(Verbosity::Plain).passed_all());
    }
}
