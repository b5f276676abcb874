//! Standard error: what the daemon and those around it say to the user.

use std::collections::HashSet;

use crate::output::say;

/// Messages that are remembered as said. Of more than these nothing is said.
const MAX_SAID: usize = 1024;

/// Standard error, as quiet as the user wants it.
#[derive(Debug)]
pub(super) struct Console {
    quiet: bool,
    /// What is said once.
    said: HashSet<String>,
}

impl Console {
    pub(super) fn new(quiet: bool) -> Self {
        Self { quiet, said: HashSet::new() }
    }

    /// Sets whether the user wants it quiet.
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

    /// Says what went wrong, and not again.
    pub(super) fn complain_once(&mut self, message: &str) {
        if self.said.len() < MAX_SAID && self.said.insert(message.to_owned()) {
            self.complain(message);
        }
    }
}
