//! What the daemon says on standard error: what it does, what went wrong, and requests that failed, each kind of which is
//! counted, and each reason said once.

use std::collections::HashSet;
use std::fmt::Display;

use crate::output::say;

/// Messages and reasons that are remembered as said. Of more than these nothing is said; failures are counted all the same.
const MAX_SAID: usize = 1024;

/// What was asked for in vain.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Trouble {
    /// Something of the kernel program or its maps.
    KernelProgram,
    /// All labelled conntrack entries, of the kernel or of ovs-vswitchd.
    ConntrackReading,
    /// To be told of conntrack entries as they change.
    ConntrackEvents,
    /// Conntrack entries of single flows. These are counted where they are asked for.
    ConntrackEntry,
}

/// The one who says it.
#[derive(Debug, Default)]
pub(super) struct Voice {
    quiet: bool,
    failures: Failures,
    /// What is said once.
    said: HashSet<String>,
}

/// Requests that failed.
#[derive(Debug, Default)]
struct Failures {
    counts: [u64; 4],
    said: HashSet<(Trouble, String)>,
}

impl Trouble {
    /// What messages call it.
    fn name(self) -> &'static str {
        match self {
            Self::KernelProgram => "kernel program",
            Self::ConntrackReading | Self::ConntrackEntry => "conntrack",
            Self::ConntrackEvents => "conntrack events",
        }
    }
}

impl Voice {
    /// `quiet` is what the user wants of standard error.
    pub(super) fn new(quiet: bool) -> Self {
        Self { quiet, ..Self::default() }
    }

    /// Sets whether the user wants standard error quiet.
    pub(super) fn set_quiet(&mut self, quiet: bool) {
        self.quiet = quiet;
    }

    /// Says something, unless the user wants it quiet.
    pub(super) fn say(&self, message: &str) {
        if !self.quiet {
            self.complain(message);
        }
    }

    /// Says what went wrong, always.
    pub(super) fn complain(&self, message: &str) {
        // A full disk behind standard error, or nobody at its other end, is no reason to stop.
        say(message);
    }

    /// Says something unless the user wants it quiet, and not again.
    pub(super) fn say_once(&mut self, message: &str) {
        if self.said.len() < MAX_SAID && self.said.insert(message.to_owned()) {
            self.say(message);
        }
    }

    /// Says what went wrong, and not again.
    pub(super) fn complain_once(&mut self, message: &str) {
        if self.said.len() < MAX_SAID && self.said.insert(message.to_owned()) {
            self.complain(message);
        }
    }

    /// Says that a request failed, once for each reason; each counts.
    pub(super) fn failed(&mut self, request: Trouble, error: &impl Display) {
        if let Some(message) = self.failures.note(request, &error.to_string()) {
            self.complain(&message);
        }
    }

    /// How many requests of this kind failed so far.
    pub(super) fn failures(&self, request: Trouble) -> u64 {
        self.failures.of(request)
    }
}

impl Failures {
    /// Counts one. Returns what is to be said of it: nothing where it was said before.
    fn note(&mut self, request: Trouble, error: &str) -> Option<String> {
        self.counts[request as usize] += 1;
        let is_new = self.said.len() < MAX_SAID && self.said.insert((request, error.to_owned()));
        is_new.then(|| format!("{}: {error}", request.name()))
    }

    /// How many of this kind failed so far.
    fn of(&self, request: Trouble) -> u64 {
        self.counts[request as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_counted_by_itself_and_each_reason_said_once() {
        let mut failures = Failures::default();
        let said = failures.note(Trouble::ConntrackReading, "no such file");
        assert_eq!(said.as_deref(), Some("conntrack: no such file"));
        assert_eq!(failures.note(Trouble::ConntrackReading, "no such file"), None);
        assert_eq!(failures.note(Trouble::KernelProgram, "no memory").as_deref(), Some("kernel program: no memory"));
        assert_eq!((failures.of(Trouble::ConntrackReading), failures.of(Trouble::KernelProgram)), (2, 1));
        for number in 0..2 * MAX_SAID {
            failures.note(Trouble::ConntrackEvents, &number.to_string());
        }
        assert!(failures.said.len() <= MAX_SAID);
        assert_eq!(failures.of(Trouble::ConntrackEvents), 2 * MAX_SAID as u64);
    }
}
