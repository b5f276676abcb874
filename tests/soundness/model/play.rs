//! The packets of a world, as they pass the node's NIC.

use analyzer_engine::types::{MacAddr, Tuple};

use super::conntrack::{self, Entry};
use super::lookup::{Way, decide};
use super::neighbours;
use crate::addresses;
use crate::numbers::mix;
use crate::world::{Flow, Secs, What, World};

/// Why a frame went where it went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Why {
    /// It came in.
    Received,
    /// Another box sent it.
    Foreign,
    /// The label of the flow's entry pinned it.
    Pinned,
    /// It was hashed to a next hop of the deciding route, and OVN's own binding named the MAC.
    Hashed,
    /// The destination is on the link.
    Neighbour,
    /// A fault that no table of OVN explains.
    Stray,
}

/// A frame on the NIC.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Frame {
    pub(crate) at: Secs,
    pub(crate) flow: usize,
    /// As in the frame.
    pub(crate) tuple: Tuple,
    pub(crate) eth_src: MacAddr,
    pub(crate) eth_dst: MacAddr,
    pub(crate) why: Why,
    /// MAC in the label of the flow's entry when the frame passed.
    pub(crate) label: Option<MacAddr>,
}

impl Frame {
    /// Whether the node sent it.
    pub(crate) fn is_sent(&self) -> bool {
        !matches!(self.why, Why::Received | Why::Foreign)
    }
}

/// What passed the NIC, and the entry of each flow in its router's zone at the end.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Played {
    pub(crate) frames: Vec<Frame>,
    pub(crate) entries: Vec<Option<Entry>>,
}

/// Which of several next hops the datapath's hash takes for a flow.
fn hashed<T>(tuple: &Tuple, several: &[T]) -> usize {
    let number = u64::from(tuple.tp_src) << 16 | u64::from(tuple.tp_dst) << 8 | u64::from(tuple.nw_proto);
    usize::try_from(mix(number) % several.len() as u64).expect("fewer than that")
}

/// Where OVN sends a packet of the pod's. Nowhere: no route, or the next hop does not answer.
fn ovn_sends(world: &World, entry: Option<&Entry>, flow: &Flow, t: Secs) -> Option<(MacAddr, Why)> {
    if !flow.is_of_host
        && let Some(mac) = conntrack::pin(world, entry, flow, t)
    {
        return Some((mac, Why::Pinned));
    }
    match decide(world, flow.router, (flow.tuple.src, flow.tuple.dst), t) {
        Way::Nowhere | Way::Inside => None,
        Way::OnLink => Some((addresses::mac(0, 0x77), Why::Neighbour)),
        Way::Hops(hops) => {
            let hop = hops[hashed(&flow.tuple, &hops)];
            neighbours::resolved(world, flow.router, hop.nexthop, t).map(|mac| (mac, Why::Hashed))
        }
    }
}

/// Plays a world.
pub(crate) fn play(world: &World) -> Played {
    let mut frames = Vec::new();
    let mut entries: Vec<Option<Entry>> = vec![None; world.flows.len()];
    for event in &world.events {
        let (flow, t) = (&world.flows[event.flow], event.at);
        let (node, entry) = (world.routers[flow.router].mac, entries[event.flow]);
        let (eth_src, eth_dst, why) = match event.what {
            What::Request(mac) => {
                if !flow.is_of_host {
                    entries[event.flow] = conntrack::after_request(world, entry, flow, mac, t);
                }
                (mac, node, Why::Received)
            }
            What::Reply => {
                let Some((mac, why)) = ovn_sends(world, entry.as_ref(), flow, t) else { continue };
                if !flow.is_of_host {
                    entries[event.flow] = conntrack::after_reply(world, entry, flow, mac, t);
                }
                (node, mac, why)
            }
            What::Stray(mac) => (node, mac, Why::Stray),
            What::Foreign(mac) => (addresses::mac(0, 0x66), mac, Why::Foreign),
        };
        let tuple = if why == Why::Received { flow.tuple.reversed() } else { flow.tuple };
        let label = entries[event.flow].and_then(|entry| entry.mac);
        frames.push(Frame { at: t, flow: event.flow, tuple, eth_src, eth_dst, why, label });
    }
    Played { frames, entries }
}
