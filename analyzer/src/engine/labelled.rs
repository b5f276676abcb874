//! Labelled conntrack entries of a flow.

use hashbrown::HashSet;

use super::fact::Connection;
use super::finding::CtDirection;
use super::knowledge::Knowledge;
use super::label::{self, EcmpReply};
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

/// Labelled entries of the flow `tuple`, the believed ones first.
pub(super) fn labelled<'a>(knowledge: &'a Knowledge, tuple: Tuple, at: Timestamp) -> Vec<Labelled<'a>> {
    let mut found: Vec<Labelled<'a>> = tuple
        .tracked_as()
        .flat_map(|tuple| knowledge.connections.matching(tuple))
        .filter_map(|(connection, direction)| {
            let reply = label::decode(connection.label, connection.mark)?;
            let owner = knowledge.zones.owner(connection.zone, at);
            let believed = reply.port != 0 && knowledge.may_track(&owner, tuple, at);
            Some(Labelled { connection, direction, reply, owner, believed })
        })
        .collect();
    // Where dumps name zones, an entry in a router's own zone is the one that OVN honours.
    if found.iter().any(|entry| entry.believed && matches!(entry.owner, Owner::RouterDnat { .. })) {
        found.iter_mut().for_each(|entry| entry.believed &= matches!(entry.owner, Owner::RouterDnat { .. }));
    }
    found.sort_by_key(|entry| (!entry.believed, entry.connection.zone));
    found
}

/// All labelled entries, each with the tuple that leaves: flow by flow, as what one zone holds bears on what is believed
/// of another.
pub(super) fn all_labelled<'a>(knowledge: &'a Knowledge, at: Timestamp) -> impl Iterator<Item = (Tuple, Labelled<'a>)> {
    let mut seen = HashSet::new();
    let flows = knowledge.connections.all().iter().map(move |connection| leaving(knowledge, connection, at));
    flows.filter(move |&tuple| seen.insert(tuple)).flat_map(move |tuple| {
        // An entry without ports stands for several flows, and has a tuple of its own.
        let own = move |entry: &Labelled<'_>| leaving(knowledge, entry.connection, at) == tuple;
        labelled(knowledge, tuple, at).into_iter().filter(own).map(move |entry| (tuple, entry))
    })
}

/// The tuple of the direction that leaves the node: the one whose source a route by source knows, else the answer.
pub(super) fn leaving(knowledge: &Knowledge, connection: &Connection, at: Timestamp) -> Tuple {
    let is_routed = |tuple: Tuple| !knowledge.routes.symmetric(tuple.src, tuple.dst, at).is_empty();
    match !is_routed(connection.reply) && is_routed(connection.orig) {
        true => connection.orig,
        false => connection.reply,
    }
}
