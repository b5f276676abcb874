//! What this OVN does with labels.

use super::fact::Connection;
use super::knowledge::Knowledge;
use super::label::{self, PortForm};
use super::zones::Owner;
use crate::types::Timestamp;

/// What OVN does with labels, as far as it is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Behaviour {
    /// Ports are read in the mark. northd matches the port in one place at a time, and moves to the mark for good.
    pub(super) ports_are_in_marks: bool,
}

impl Behaviour {
    /// What the entries that are known tell of it.
    pub(super) fn new(knowledge: &Knowledge, at: Timestamp) -> Self {
        let may_be_router = |zone: u16| !matches!(knowledge.zones.owner(zone, at), Owner::Other { .. });
        let in_mark = |connection: &Connection| {
            label::decode(connection.label, connection.mark).is_some_and(|reply| reply.form == PortForm::Mark)
        };
        let mut entries = knowledge.connections.all().iter();
        let ports_are_in_marks = entries.any(|connection| in_mark(connection) && may_be_router(connection.zone))
            || knowledge.mark_zones.iter().any(|&zone| may_be_router(zone));
        Self { ports_are_in_marks }
    }
}
