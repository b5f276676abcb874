//! Rows for what nothing tells and what may make the MAC legal.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;

use crate::bfd::Liveness;
use crate::case::Case;
use crate::judgement::Ruling;
use crate::verdict::Undetermined;

pub(super) fn direction(case: &Case<'_, '_>) -> Option<Ruling> {
    let is_unknown = case.context().directions.is_unknown(case.knowledge, case.seen);
    let remark = "both directions of the flow were captured, and neither the capture nor a dump of the routers' ports \
                  (--port-bindings FILE) tells which was sent";
    is_unknown.then(|| Ruling::of(Undetermined::DirectionUnknown).with_remark(remark))
}

pub(super) fn next_route(case: &Case<'_, '_>) -> Option<Ruling> {
    let routes = case.routes()?;
    let may_be = routes.may_be_elsewhere || routes.after.may_be(case.seen.eth_dst()?);
    may_be.then(|| {
        no_data(
            "BFD sessions watch all next hops, and no dump tells their state (--bfd FILE): if all are down, the next route \
             decides",
        )
    })
}

pub(super) fn session(case: &Case<'_, '_>) -> Option<Ruling> {
    let mut having = case.routes()?.all.having(case.seen.eth_dst()?);
    let is_open = having.any(|hop| hop.liveness == Liveness::Unknown);
    is_open.then(|| no_data("a BFD session watches the next hop, and no dump tells its state (--bfd FILE)"))
}

pub(super) fn own_port(case: &Case<'_, '_>) -> Option<Ruling> {
    let may_be = case.routes()?.all.maybe.contains(&case.seen.eth_dst()?);
    may_be.then(|| {
        no_data(
            "a next hop is a port of OVN's own: whether it has this MAC or another depends on the switch that it is on, or on \
             the router's option dynamic_neigh_routers, which nothing tells",
        )
    })
}

/// A policy that may send the packet elsewhere. A pinned flow bypasses policies (`lr_in_policy`, priority 65535).
pub(super) fn rerouted(case: &Case<'_, '_>) -> Option<Ruling> {
    let way = &case.routes()?.all;
    // A label that forces the flow out of a symmetric route's port.
    if !case.decided().applying.is_empty() {
        return None;
    }
    let of_router = |router: &Option<Arc<str>>| router.is_none() || way.routers.contains(router);
    let inner = case.flow().inner;
    let mut policies = case.knowledge.reroute_policies.matching(inner.src, inner.dst, case.at());
    let policy = policies.find(|policy| of_router(&policy.router))?;
    let remark = format!("a policy of priority {} may reroute the packets: {}", policy.priority, policy.expression);
    Some(no_data(remark))
}

fn no_data(remark: impl Into<String>) -> Ruling {
    Ruling::of(Undetermined::NoNexthopData).with_remark(remark)
}
