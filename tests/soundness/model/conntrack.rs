//! Labels: `lr_in_ecmp_stateful` and `lr_in_ecmp_stateful_egr`, and the reply flows of `lr_in_ip_routing` (ovn-facts 1.4).

use std::net::IpAddr;

use analyzer_engine::types::{MacAddr, tuple::proto};

use super::lookup::symmetric;
use crate::world::{Era, Flow, Secs, World};

/// An entry in the DNAT zone of the flow's router.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    /// Whether `orig.src` is the client.
    pub(crate) is_opened_by_client: bool,
    /// MAC in the label; without one there is no port key either.
    pub(crate) mac: Option<MacAddr>,
    /// Era B: when the learned flow was made, and when it was last used.
    learned: (Secs, Secs),
}

/// Whether northd has reply flows for the pod: a symmetric group of two next hops, or of one where the version pins it.
pub(crate) fn has_reply_flows(world: &World, router: usize, pod: IpAddr, t: Secs) -> bool {
    let mut hops: Vec<_> = symmetric(world, router, pod, t).iter().map(|route| route.nexthop).collect();
    hops.sort();
    hops.dedup();
    hops.len() >= 2 || (hops.len() == 1 && world.version.pins_single_route)
}

/// Whether this era labels entries of this protocol.
fn labels_protocol(era: Era, nw_proto: u8) -> bool {
    matches!(nw_proto, proto::TCP | proto::UDP | proto::SCTP) || !matches!(era, Era::B | Era::C)
}

/// Era B's learned flows: idle 20 s, hard 30 s.
fn is_learned(entry: &Entry, t: Secs) -> bool {
    t < entry.learned.0 + 30 && t < entry.learned.1 + 20
}

/// The entry after a packet of the client's came in from `mac`. Nothing checks who sent it (ovn-facts 0.4).
pub(crate) fn after_request(world: &World, entry: Option<Entry>, flow: &Flow, mac: MacAddr, t: Secs) -> Option<Entry> {
    if !has_reply_flows(world, flow.router, flow.tuple.src, t) {
        return entry;
    }
    let era = world.version.era;
    let labels = labels_protocol(era, flow.tuple.nw_proto);
    let labelled = |is_opened_by_client| Entry { is_opened_by_client, mac: labels.then_some(mac), learned: (t, t) };
    Some(match entry {
        None => labelled(true),
        // Only `ct.new` is committed: the first MAC stays for the entry's life.
        Some(entry) if era == Era::A || !labels => entry,
        Some(entry) => labelled(entry.is_opened_by_client),
    })
}

/// The MAC that OVN forces on a packet of the pod's: `ct_label.ecmp_reply_eth`, where the port key is that of a port with
/// reply flows. Whether the MAC is still a next hop's is not asked (ovn-facts 0.3).
pub(crate) fn pin(world: &World, entry: Option<&Entry>, flow: &Flow, t: Secs) -> Option<MacAddr> {
    let entry = entry?;
    let honoured = world.version.era != Era::B || is_learned(entry, t);
    entry.mac.filter(|_| honoured && has_reply_flows(world, flow.router, flow.tuple.src, t))
}

/// The entry after a packet of the pod's left to `mac`: E tracks it, F labels it, and B's learned flow was used.
pub(crate) fn after_reply(world: &World, entry: Option<Entry>, flow: &Flow, mac: MacAddr, t: Secs) -> Option<Entry> {
    let era = world.version.era;
    match entry {
        Some(mut entry) if is_learned(&entry, t) => {
            entry.learned.1 = t;
            Some(entry)
        }
        Some(entry) => Some(entry),
        None if era >= Era::E && has_reply_flows(world, flow.router, flow.tuple.src, t) => {
            let mac = (era == Era::F).then_some(mac);
            Some(Entry { is_opened_by_client: false, mac, learned: (0, 0) })
        }
        None => None,
    }
}
