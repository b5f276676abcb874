//! Labelled conntrack entries of a flow.

use alloc::vec::Vec;

use hashbrown::HashMap;

use super::fact::Connection;
use super::finding::CtDirection;
use super::knowledge::Knowledge;
use super::label::{self, EcmpReply};
use super::plain::{self, Prefixes};
use super::zones::Owner;
use crate::types::{Timestamp, Tuple};

/// A conntrack entry of the flow that holds a MAC.
#[derive(Clone, Debug)]
pub(super) struct Labelled<'a> {
    pub(super) connection: &'a Connection,
    pub(super) direction: CtDirection,
    pub(super) reply: EcmpReply,
    pub(super) owner: Owner,
    /// Whether OVN would honour the label: it lies in a router's DNAT zone, or in one that nobody names.
    pub(super) believed: bool,
}

impl<'a> Labelled<'a> {
    /// The entry of the flow that leaves with `tuple`; `None` where it holds no MAC.
    pub(super) fn new(
        knowledge: &Knowledge,
        connection: &'a Connection,
        direction: CtDirection,
        tuple: Tuple,
        at: Timestamp,
    ) -> Option<Self> {
        let reply = label::decode(connection.label, connection.mark)?;
        let owner = knowledge.zones.owner(connection.zone, at);
        let believed = reply.port != 0 && knowledge.may_track(&owner, tuple, at);
        Some(Self { connection, direction, reply, owner, believed })
    }
}

/// Labelled entries of the flow `tuple`, the believed ones first.
pub(super) fn labelled<'a>(knowledge: &'a Knowledge, tuple: Tuple, at: Timestamp) -> Vec<Labelled<'a>> {
    let mut found: Vec<Labelled<'a>> = tuple
        .tracked_as()
        .flat_map(|tuple| knowledge.connections.matching(tuple))
        .filter_map(|(connection, direction)| Labelled::new(knowledge, connection, direction, tuple, at))
        .collect();
    // Where dumps name zones, an entry in a router's own zone is the one that OVN honours.
    if found.iter().any(|entry| entry.believed && matches!(entry.owner, Owner::RouterDnat { .. })) {
        found.iter_mut().for_each(|entry| entry.believed &= matches!(entry.owner, Owner::RouterDnat { .. }));
    }
    found.sort_by_key(|entry| (!entry.believed, entry.connection.zone));
    found
}

/// Which tuples of entries leave the node at one time.
pub(super) struct Leaving<'a> {
    knowledge: &'a Knowledge,
    at: Timestamp,
    /// Whether flows have a symmetric route, by the prefixes that hold their addresses.
    known: HashMap<Prefixes, bool>,
}

impl<'a> Leaving<'a> {
    pub(super) fn new(knowledge: &'a Knowledge, at: Timestamp) -> Self {
        Self { knowledge, at, known: HashMap::new() }
    }

    /// The tuple of the direction that leaves the node: the one whose source a route by source knows, else the answer.
    pub(super) fn of(&mut self, connection: &Connection) -> Tuple {
        match !self.is_routed(connection.reply) && self.is_routed(connection.orig) {
            true => connection.orig,
            false => connection.reply,
        }
    }

    fn is_routed(&mut self, Tuple { src, dst, .. }: Tuple) -> bool {
        let Self { knowledge, at, known } = self;
        let look = || !knowledge.symmetric(src, dst, *at).is_empty();
        match plain::prefixes(knowledge, src, dst) {
            Some(prefixes) => *known.entry(prefixes).or_insert_with(look),
            None => look(),
        }
    }
}
