//! A flow under judgement: its tuples, its labelled entries, and which routes decide it.

mod deciding;

use alloc::vec::Vec;

use super::knowledge::Knowledge;
use super::labelled::{Labelled, labelled};
use super::observation::Observation;
use crate::types::{Timestamp, Tuple};

/// A flow under judgement.
#[derive(Debug)]
pub(super) struct Flow<'a> {
    pub(super) knowledge: &'a Knowledge,
    pub(super) at: Timestamp,
    /// The 5-tuple on the wire.
    pub(super) wire: Tuple,
    /// The 5-tuple that the router saw: before source translation, where that is known.
    pub(super) inner: Tuple,
    pub(super) labelled: Vec<Labelled<'a>>,
}

impl<'a> Flow<'a> {
    pub(super) fn new(knowledge: &'a Knowledge, observation: &Observation) -> Self {
        let at = observation.first;
        let wire = observation.tuple;
        let inner = knowledge.before_translation(wire);
        let labelled = match observation.tags.is_later_fragment() {
            true => Vec::new(),
            false => labelled(knowledge, inner, at),
        };
        Self { knowledge, at, wire, inner, labelled }
    }

    /// The flow that labelled entries tell of, as the router sees it.
    pub(super) fn labelled(
        knowledge: &'a Knowledge,
        at: Timestamp,
        leaving: Tuple,
        labelled: Vec<Labelled<'a>>,
    ) -> Self {
        Self { labelled, ..Self::without_entries(knowledge, at, leaving) }
    }

    /// The flow of that tuple as if no labelled entry of it were known.
    pub(super) fn without_entries(knowledge: &'a Knowledge, at: Timestamp, tuple: Tuple) -> Self {
        Self { knowledge, at, wire: tuple, inner: tuple, labelled: Vec::new() }
    }
}
