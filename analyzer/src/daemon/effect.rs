//! What the daemon has the machine do: all that it tells, and all that it asks for without waiting.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;

use super::databases::Role;
use super::flows::Question;
use super::guarded::Device;
use crate::alerts::Alert;
use crate::engine::finding::{Finding, Latent};
use crate::output::status::Status;
use crate::repair::plan::Step;
use crate::repair::rules::Rules;

/// Something to be done, in the order in which they are given.
#[derive(Debug)]
pub enum Effect {
    /// A message for the user, unless the user wants it quiet.
    Say(String),
    /// The same of what went wrong, always.
    Complain(String),
    /// A finding is told for the first time.
    Finding(Box<Finding>),
    /// A finding holds no packets any more: another took its place.
    Withdrawn(Box<Finding>),
    /// A latent entry is told for the first time.
    Latent(Box<Latent>),
    /// How the daemon is doing, for programs.
    Status(Box<Status>),
    /// Names of NICs by their index, for what is told from here on.
    NicNames(Vec<Option<String>>),
    /// A message for the sinks.
    Alert(Box<Alert>),
    /// Metrics are to be published anew.
    Publish,
    /// Entries are to be healed. What comes of each comes as an event.
    Repair(Vec<Step>, Rules),
    /// Logical flows are to be asked for. The answer comes as an event.
    AskFlows(Question),
    /// A central database is to tell these rows of a table.
    SetConditions {
        /// Which database.
        database: Role,
        /// The table.
        table: &'static str,
        /// The conditions, as the protocol has them.
        conditions: Vec<Value>,
    },
    /// Devices whose neighbours are to be followed.
    FollowNeighbours(HashSet<Arc<str>>),
    /// Devices of which it is to be looked whether somebody else uses them.
    Guard(Vec<Device>),
}
