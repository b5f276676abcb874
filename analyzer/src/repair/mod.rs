//! Stale entries, healed one by one.
//!
//! [`rules`] says of a labelled entry what would be done about it, or why nothing is; [`plan`] applies it to those that were
//! selected. [`kernel`] and [`userspace`] do it, each with a look at the entry before and after, and write into the
//! [`journal`] what the entry was before they touch it. [`automatic`] does the same for a daemon, with a limit.
//!
//! What is stale the engine says ([`crate::engine::pins`]). Nothing here names more than one entry at a time, and nothing
//! that cannot be checked beforehand is changed. docs/repair.md tells users of it.

pub mod automatic;
pub mod journal;
pub mod kernel;
pub mod plan;
pub mod rules;
pub mod userspace;

use std::fmt;

use crate::engine::pins::Pin;
use crate::output::remedy::Datapath;
use crate::output::repair::RepairRow;
use crate::types::Timestamp;
use rules::{Action, Method, Refusal};

/// What was done about an entry, or why nothing was.
#[derive(Clone, PartialEq, Debug)]
pub struct Repair {
    /// When.
    pub at: Timestamp,
    /// How it was to be healed.
    pub method: Method,
    /// Where the entry lives; `None` where a dump tells of it.
    pub datapath: Option<Datapath>,
    /// The entry as it was when the repair was decided, and what bears on it.
    pub pin: Pin,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a repair.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It was a dry run, and this would have been done.
    Would(Action),
    /// It was done, and reads back so.
    Done {
        /// What was done.
        action: Action,
        /// What the table shows afterwards, in words.
        seen: String,
    },
    /// Nothing was done.
    Refused(Refusal),
    /// It was tried and failed, in words. Whether anything was changed is said there.
    Failed {
        /// What was tried.
        action: Action,
        /// How it failed.
        reason: String,
    },
}

impl Repair {
    /// The repair as output shows it.
    pub fn row(&self) -> RepairRow {
        let Self { at, method, datapath, pin, outcome } = self;
        RepairRow {
            at: datapath.is_some().then_some(*at),
            method: method.name(),
            datapath: *datapath,
            outcome: outcome.name(),
            reason: match outcome {
                Outcome::Refused(refusal) => Some(refusal.name()),
                _ => None,
            },
            message: outcome.to_string(),
            connection: pin.cited.clone(),
            id: pin.connection.id,
            relabel: match outcome.action() {
                Some(&Action::Relabel { nexthop, lladdr }) => Some((nexthop, lladdr)),
                _ => None,
            },
            afterwards: None,
            assumes: pin.assumes.codes().collect(),
            expected: pin.expected.clone(),
            last_legal: pin.last_legal.clone(),
            known_as: pin.known_as.clone(),
        }
    }
}

impl Outcome {
    /// The outcome's stable name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Would(_) => "would",
            Self::Done { .. } => "done",
            Self::Refused(_) => "refused",
            Self::Failed { .. } => "failed",
        }
    }

    /// Whether nothing is left to be worried about.
    pub fn is_fine(&self) -> bool {
        matches!(self, Self::Would(_) | Self::Done { .. })
    }

    /// What is or was to be done; `None` where it was refused before that was clear.
    pub fn action(&self) -> Option<&Action> {
        match self {
            Self::Would(action) | Self::Done { action, .. } | Self::Failed { action, .. } => Some(action),
            Self::Refused(_) => None,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Would(action) => write!(f, "would {action}"),
            Self::Done { action, seen } => write!(f, "done: {action}; {seen}"),
            Self::Refused(refusal) => write!(f, "refused ({}): {refusal}", refusal.name()),
            Self::Failed { action, reason } => write!(f, "failed: {action}: {reason}"),
        }
    }
}

impl fmt::Display for Repair {
    /// One line: `repair of udp 10.0.0.1:1 -> 10.0.0.2:2 in zone 35: done: delete the entry; it is gone`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let connection = &self.pin.connection;
        write!(f, "repair of {} in zone {}: {}", connection.orig, connection.zone, self.outcome)
    }
}
