//! Which way packets go, where neither the capture nor a dump of the routers' ports tells.
//!
//! A dump of ports tells it of the frames that go to a router's MAC in it or come from one; it may lack the router in
//! question. Routes by source tell it where one end alone is a pod's. Else the MACs do: who sends to a next hop, in whatever
//! flow, is the node; what goes to the node's MAC was received, and what comes from it was sent.

use analyzer_ebpf::abi::Direction;
use hashbrown::HashSet;

use super::Observations;
use super::knowledge::Knowledge;
use super::observation::Observation;
use crate::types::{MacAddr, Tuple};

/// Flows that are noted at most. Of more it is not known whether their other direction was seen.
const MAX_OPEN: usize = 1 << 18;

/// What the packets themselves tell of their ways.
#[derive(Debug, Default)]
pub(super) struct Directions {
    /// MACs that send to next hops, are none themselves, and are no router's as a dump tells it.
    senders: HashSet<MacAddr>,
    /// Flows of which nothing tells the way.
    open: HashSet<Tuple>,
}

impl Directions {
    /// What all packets together tell, but for the frames of which a dump of the routers' ports tells.
    pub(super) fn new<O: Observations + ?Sized>(knowledge: &Knowledge, observations: &O) -> Self {
        let mut directions = Self::default();
        let nexthops: HashSet<MacAddr> = knowledge.nexthop_bindings().filter_map(|binding| binding.mac).collect();
        observations.for_each_unordered(&mut |seen| {
            if nexthops.contains(&seen.eth_dst)
                && !nexthops.contains(&seen.eth_src)
                && !knowledge.ports.has_mac(seen.eth_src)
                && !directions.senders.contains(&seen.eth_src)
            {
                directions.senders.insert(seen.eth_src);
            }
        });
        observations.for_each_unordered(&mut |seen| {
            let may_be_wrong = !nexthops.contains(&seen.eth_dst) && !seen.tags.is_later_fragment();
            if may_be_wrong && directions.open.len() < MAX_OPEN && directions.is_open(knowledge, seen) {
                directions.open.insert(seen.tuple);
            }
        });
        directions
    }

    /// Whether the MAC is seen sending to next hops, where nothing else tells who does.
    pub(super) fn is_sender(&self, mac: MacAddr) -> bool {
        self.senders.contains(&mac)
    }

    /// Whether the MACs tell that the packets were received.
    pub(super) fn is_received(&self, knowledge: &Knowledge, seen: &Observation) -> bool {
        seen.direction() != Direction::Outbound
            && !knowledge.ports.has_mac(seen.eth_src)
            && self.senders.contains(&seen.eth_dst)
            && !self.senders.contains(&seen.eth_src)
    }

    /// Whether both directions of the flow were seen, and nothing tells which is which. What is seen in one direction alone
    /// counts as sent.
    pub(super) fn is_unknown(&self, knowledge: &Knowledge, seen: &Observation) -> bool {
        let is_seen_both_ways = || self.open.contains(&seen.tuple.reversed()) || self.open.len() >= MAX_OPEN;
        !self.open.is_empty() && is_seen_both_ways() && self.is_open(knowledge, seen)
    }

    fn is_open(&self, knowledge: &Knowledge, seen: &Observation) -> bool {
        let routed = |addr| knowledge.routes.is_routed_source(addr);
        let is_router = |mac| knowledge.ports.has_mac(mac);
        seen.direction() == Direction::Unknown
            && !is_router(seen.eth_src)
            && !is_router(seen.eth_dst)
            && !self.senders.contains(&seen.eth_src)
            && !self.senders.contains(&seen.eth_dst)
            && routed(seen.tuple.src) == routed(seen.tuple.dst)
    }
}

/// Whether the node received the packets: told by the capture; else sent to a router's own MAC by none, or sent to an
/// address that routes by source know as one of the pods behind the node.
///
/// A central database tells the routers of all nodes. What goes from one node's router to another node's has left, and
/// the other may be the gateway.
pub(super) fn is_inbound(knowledge: &Knowledge, seen: &Observation) -> bool {
    let is_routed_source = |addr| knowledge.routes.is_routed_source(addr);
    match seen.direction() {
        Direction::Inbound => true,
        Direction::Outbound => false,
        Direction::Unknown => {
            is_for_router(knowledge, seen) || (is_routed_source(seen.tuple.dst) && !is_routed_source(seen.tuple.src))
        }
    }
}

/// Whether the packets go to a router's own MAC and come from none.
pub(super) fn is_for_router(knowledge: &Knowledge, seen: &Observation) -> bool {
    let is_router = |mac| knowledge.ports.has_mac(mac);
    seen.eth_dst().is_some_and(is_router) && !is_router(seen.eth_src)
}
