//! Requests that failed: each kind is counted, and each reason said once.

use std::collections::HashSet;

/// Reasons that are remembered as said. Of more than these nothing is said; all are counted.
const MAX_SAID: usize = 1024;

/// What was asked for in vain.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Request {
    /// Something of the kernel program or its maps.
    KernelProgram,
    /// All labelled conntrack entries, of the kernel or of ovs-vswitchd.
    ConntrackReading,
    /// To be told of conntrack entries as they change.
    ConntrackEvents,
    /// Conntrack entries of single flows. These are counted where they are asked for.
    ConntrackEntry,
}

/// Requests that failed.
#[derive(Debug, Default)]
pub(super) struct Failures {
    counts: [u64; 4],
    said: HashSet<(Request, String)>,
}

impl Request {
    /// What messages call it.
    fn name(self) -> &'static str {
        match self {
            Self::KernelProgram => "kernel program",
            Self::ConntrackReading | Self::ConntrackEntry => "conntrack",
            Self::ConntrackEvents => "conntrack events",
        }
    }
}

impl Failures {
    /// Counts one. Returns what is to be said of it: nothing where it was said before.
    pub(super) fn note(&mut self, request: Request, error: &str) -> Option<String> {
        self.counts[request as usize] += 1;
        let is_new = self.said.len() < MAX_SAID && self.said.insert((request, error.to_owned()));
        is_new.then(|| format!("{}: {error}", request.name()))
    }

    /// How many of this kind failed so far.
    pub(super) fn of(&self, request: Request) -> u64 {
        self.counts[request as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_counted_by_itself_and_each_reason_said_once() {
        let mut failures = Failures::default();
        let said = failures.note(Request::ConntrackReading, "no such file");
        assert_eq!(said.as_deref(), Some("conntrack: no such file"));
        assert_eq!(failures.note(Request::ConntrackReading, "no such file"), None);
        assert_eq!(failures.note(Request::KernelProgram, "no memory").as_deref(), Some("kernel program: no memory"));
        assert_eq!((failures.of(Request::ConntrackReading), failures.of(Request::KernelProgram)), (2, 1));
        for number in 0..2 * MAX_SAID {
            failures.note(Request::ConntrackEvents, &number.to_string());
        }
        assert!(failures.said.len() <= MAX_SAID);
        assert_eq!(failures.of(Request::ConntrackEvents), 2 * MAX_SAID as u64);
    }
}
