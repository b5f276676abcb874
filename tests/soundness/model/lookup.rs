//! Which route decides (`lr_in_ip_routing`; DESIGN 4.1, ovn-facts 3.1 and 8b).

use std::net::IpAddr;

use crate::world::{Kind, Route, Router, Secs, Session, Status, World};

/// Where the lookup leads.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Way<'a> {
    /// No route matches.
    Nowhere,
    /// The destination is on the link of the outer port.
    OnLink,
    /// Back to the pods.
    Inside,
    /// To one of these next hops, all active.
    Hops(Vec<&'a Route>),
}

/// State of the BFD session of a next hop, if there is one.
fn session(world: &World, router: usize, peer: IpAddr, t: Secs) -> Option<&Session> {
    world.sessions.iter().find(|row| row.router == router && row.peer == peer && row.life.holds(t))
}

/// Whether northd uses the row: no session, or one that is neither down nor admin_down (`parsed_routes_add_static`).
pub(crate) fn is_active(world: &World, route: &Route, t: Secs) -> bool {
    let status = session(world, route.router, route.nexthop, t).map(|row| row.status);
    !route.has_bfd || !matches!(status, Some(Status::Down | Status::AdminDown))
}

/// Whether the row stands in the table, for these addresses.
fn matches(world: &World, route: &Route, router: usize, ends: (IpAddr, IpAddr), t: Secs) -> bool {
    let address = if matches!(route.kind, Kind::Source { .. }) { ends.0 } else { ends.1 };
    route.router == router
        && route.life.holds(t)
        && route.prefix.contains(address)
        && route.table == world.routers[router].table
}

/// Order of northd's priorities: by length, and between equal lengths by kind (ovn-facts 8b, 8d).
fn rank(route: &Route) -> (u8, u8) {
    let kind = match route.kind {
        Kind::Destination { overrides_connected: true } => 4,
        Kind::Destination { .. } => 2,
        Kind::Learned => 1,
        Kind::Source { .. } => 0,
    };
    (route.prefix.prefix_len(), kind)
}

/// The same for the connected route of the outer port.
fn rank_of_link(router: &Router) -> (u8, u8) {
    (router.network.prefix_len(), 3)
}

/// What the lookup gives for a packet from `ends.0` to `ends.1`.
pub(crate) fn decide<'a>(world: &'a World, router: usize, ends: (IpAddr, IpAddr), t: Secs) -> Way<'a> {
    let mut best = None;
    for route in &world.routes {
        if matches(world, route, router, ends, t) && is_active(world, route, t) {
            best = best.max(Some(rank(route)));
        }
    }
    let link = &world.routers[router];
    if link.network.contains(ends.1) && best < Some(rank_of_link(link)) {
        return Way::OnLink;
    }
    let Some(best) = best else { return Way::Nowhere };
    let mut hops = Vec::new();
    for route in &world.routes {
        if matches(world, route, router, ends, t) && is_active(world, route, t) && rank(route) == best {
            hops.push(route);
        }
    }
    if hops.iter().any(|route| route.is_inner) { Way::Inside } else { Way::Hops(hops) }
}

/// The rows of the deciding route and of those that it was chosen over only because none of their next hops is up.
pub(crate) fn configured(world: &World, router: usize, ends: (IpAddr, IpAddr), t: Secs) -> Vec<&Route> {
    let decides = match decide(world, router, ends, t) {
        Way::Nowhere | Way::Inside => None,
        Way::OnLink => Some(rank_of_link(&world.routers[router])),
        Way::Hops(hops) => Some(rank(hops[0])),
    };
    let mut rows = Vec::new();
    for route in &world.routes {
        if matches(world, route, router, ends, t) && Some(rank(route)) >= decides && !route.is_inner {
            rows.push(route);
        }
    }
    rows
}

/// The rows of the pod's symmetric route that are up: the group for which northd writes reply flows (ovn-facts 1.4).
pub(crate) fn symmetric(world: &World, router: usize, pod: IpAddr, t: Secs) -> Vec<&Route> {
    let ends = (pod, pod);
    let mut longest = None;
    for route in &world.routes {
        if is_symmetric(route) && matches(world, route, router, ends, t) && is_active(world, route, t) {
            longest = longest.max(Some(route.prefix.prefix_len()));
        }
    }
    let mut rows = Vec::new();
    for route in &world.routes {
        if is_symmetric(route)
            && matches(world, route, router, ends, t)
            && is_active(world, route, t)
            && Some(route.prefix.prefix_len()) == longest
        {
            rows.push(route);
        }
    }
    rows
}

/// Those and the ones that are down.
pub(crate) fn configured_symmetric(world: &World, router: usize, pod: IpAddr, t: Secs) -> Vec<&Route> {
    let mut rows = Vec::new();
    for route in &world.routes {
        if is_symmetric(route) && matches(world, route, router, (pod, pod), t) {
            rows.push(route);
        }
    }
    rows
}

fn is_symmetric(route: &Route) -> bool {
    route.kind == Kind::Source { is_symmetric: true }
}
