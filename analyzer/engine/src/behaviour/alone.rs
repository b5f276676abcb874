//! Whether one next hop alone gets a flow's symmetric replies.

use core::net::IpAddr;

use hashbrown::{HashMap, HashSet};

use crate::bfd::Liveness;
use crate::finding::RouteId;
use crate::knowledge::Knowledge;
use crate::routes::Group;
use crate::types::{Timestamp, Tuple};

/// Whether some router may be left with one next hop for the flow that gets symmetric replies. northd leaves out those that
/// are down before it counts, and counts next hops without symmetric reply, too.
pub(super) fn may_be_alone(knowledge: &Knowledge, symmetric: &[Group<'_>], leaving: Tuple, at: Timestamp) -> bool {
    let mut nexthops: HashMap<RouteId, HashSet<IpAddr>> =
        symmetric.iter().map(|group| (group.id(), HashSet::new())).collect();
    for route in knowledge.routes.matching(leaving.src, leaving.dst, at) {
        if let Some(nexthop) = route.nexthop
            && let Some(known) = nexthops.get_mut(&RouteId::of(route))
            && knowledge.bfd.liveness(route, at) == Liveness::Up
        {
            known.insert(nexthop);
        }
    }
    let several: HashSet<_> = nexthops.iter().filter(|(_, hops)| hops.len() > 1).map(|(id, _)| &id.router).collect();
    nexthops.keys().any(|id| !several.contains(&id.router))
}
