//! The daemon's one voice: what it tells people and programs, and what it asks for. Requests that failed are counted by
//! kind, and each reason is said once.

use std::collections::HashSet;
use std::fmt::Display;

use super::effect::Effect;
use crate::output::status::Status;

/// Messages and reasons that are remembered as said. Of more than these nothing is said; failures are counted all the same.
const MAX_SAID: usize = 1024;

/// What was asked for in vain.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Trouble {
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
pub(crate) struct Voice {
    effects: Vec<Effect>,
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
    /// Has something done.
    pub(crate) fn ask(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// What was said and asked for since this was taken last, in order.
    pub(crate) fn take(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Says something, unless the user wants it quiet.
    pub(crate) fn say(&mut self, message: impl Into<String>) {
        self.effects.push(Effect::Say(message.into()));
    }

    /// Says what went wrong, always.
    pub(crate) fn complain(&mut self, message: impl Into<String>) {
        self.effects.push(Effect::Complain(message.into()));
    }

    /// Tells programs how the daemon is doing.
    pub(crate) fn status(&mut self, status: Status) {
        self.effects.push(Effect::Status(Box::new(status)));
    }

    /// Says something unless the user wants it quiet, and not again.
    pub(crate) fn say_once(&mut self, message: &str) {
        if self.said.len() < MAX_SAID && self.said.insert(message.to_owned()) {
            self.say(message);
        }
    }

    /// Says what went wrong, and not again.
    pub(crate) fn complain_once(&mut self, message: &str) {
        if self.said.len() < MAX_SAID && self.said.insert(message.to_owned()) {
            self.complain(message);
        }
    }

    /// Says that a request failed, once for each reason; each counts.
    pub(crate) fn failed(&mut self, request: Trouble, error: &impl Display) {
        if let Some(message) = self.failures.note(request, &error.to_string()) {
            self.complain(&message);
        }
    }

    /// How many requests of this kind failed so far.
    pub(crate) fn failures(&self, request: Trouble) -> u64 {
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
