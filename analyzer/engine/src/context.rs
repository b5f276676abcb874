//! What observations are judged with, beside the facts, and the answers that are kept from one to the next.

use alloc::vec::Vec;
use core::net::IpAddr;

use hashbrown::HashMap;

use super::decided::{Decisions, Time};
use super::direction::Directions;
use super::epoch::Epochs;
use super::evidence::Lists;
use super::finding::{KnownAs, Listed};
use super::inbound::Inbound;
use super::knowledge::{Inward, Knowledge};
use super::last_legal::LastLegals;
use super::observation::Observation;
use super::plain::{PlainKey, PlainVerdicts};
use super::translated::Candidates;
use crate::types::MacAddr;

/// What is known beyond the facts: who is heard, and which way packets go.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) epochs: &'a Epochs,
    pub(super) inbound: Inbound,
    pub(super) directions: Directions,
    pub(super) remembered: Remembered,
    /// Verdicts that many flows share. A judgement by one of them names no next hops: the first did.
    pub(super) plain: PlainVerdicts,
    /// What decides flows that are decided alike.
    pub(super) decisions: Decisions<'a>,
    /// Destinations that routers reach inside the cluster.
    pub(super) inward: HashMap<Time, Inward<'a>>,
    /// Whether every judgement must name its next hops.
    pub(super) in_full: bool,
}

/// Answers that hold as long as no fact is told.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    pub(super) last_legal: LastLegals,
    pub(super) known_as: HashMap<MacAddr, Listed<KnownAs>>,
    pub(super) lists: Lists,
    /// MACs that are legal for some route by source, by epoch.
    pub(super) legal_by_source: HashMap<u16, HashMap<MacAddr, Vec<IpAddr>>>,
    /// What routes by source say of packets from translated sources.
    pub(super) candidates: HashMap<Time, Candidates>,
}

impl Remembered {
    pub(super) fn clear(&mut self) {
        self.last_legal.clear();
        self.known_as.clear();
        self.legal_by_source.clear();
        self.candidates.clear();
    }
}

impl<'a> Context<'a> {
    pub(super) fn new(epochs: &'a Epochs) -> Self {
        Self {
            epochs,
            inbound: Inbound::default(),
            directions: Directions::default(),
            remembered: Remembered::default(),
            plain: PlainVerdicts::default(),
            decisions: Decisions::default(),
            inward: HashMap::new(),
            in_full: false,
        }
    }

    /// The same for single flows: each is judged in full, with the answers to earlier ones at hand.
    pub(super) fn with(self, remembered: Remembered) -> Self {
        Self { remembered, in_full: true, ..self }
    }

    /// The key under which the verdict on a plain flow is remembered; `None` for a flow that is not plain. One is not that
    /// something which could not be read may single out.
    pub(super) fn plain_key(&self, knowledge: &Knowledge, seen: &Observation) -> Option<PlainKey> {
        let is_shared = !self.in_full && !knowledge.gaps.may_single_out(seen.tuple);
        let is_plain = is_shared && !self.inbound.has_requests_from_others(seen.tuple, seen.eth_dst);
        if is_plain { PlainKey::new(knowledge, self.epochs, &self.inbound, seen) } else { None }
    }
}
