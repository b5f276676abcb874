//! What stands in the databases of where packets go.

use std::collections::BTreeMap;
use std::net::IpAddr;

use analyzer::types::MacAddr;

use super::happening::{Neighbour, Ns};
use super::parts::{Router, Version};

/// `BFD.status`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Status {
    /// The row is new, northd has not written yet.
    Unset,
    AdminDown,
    Down,
    Init,
    Up,
}

/// A row of `Logical_Router_Static_Route`.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Route {
    pub(super) router: usize,
    /// The pod whose packets it is for; `None` for the default route.
    pub(super) source: Option<IpAddr>,
    pub(super) nexthop: IpAddr,
    pub(super) has_bfd: bool,
}

impl Route {
    pub(super) fn hop(&self) -> Neighbour {
        (self.router, self.nexthop)
    }
}

/// A row of `BFD`.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Session {
    pub(super) serial: u32,
    pub(super) status: Status,
}

/// A row of `MAC_Binding`.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Binding {
    pub(super) serial: u32,
    pub(super) mac: MacAddr,
    /// `timestamp`.
    pub(super) confirmed: Ns,
}

/// All of it.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Standing {
    pub(super) routers: Vec<Router>,
    /// By serial number.
    pub(super) routes: BTreeMap<u32, Route>,
    pub(super) sessions: BTreeMap<Neighbour, Session>,
    pub(super) bindings: BTreeMap<Neighbour, Binding>,
    /// Rows of `Static_MAC_Binding` that override others, by address.
    pub(super) statics: BTreeMap<Neighbour, MacAddr>,
    /// The last MAC of each address, of rows that were deleted too.
    last_macs: BTreeMap<Neighbour, MacAddr>,
}

impl Standing {
    /// Whether northd uses the route.
    fn is_active(&self, route: &Route) -> bool {
        let status = self.sessions.get(&route.hop()).map(|session| session.status);
        !route.has_bfd || matches!(status, Some(Status::Up | Status::Init))
    }

    /// The routes of a pod.
    pub(super) fn routes_of(&self, router: usize, source: IpAddr) -> impl Iterator<Item = &Route> {
        self.routes.values().filter(move |route| route.router == router && route.source == Some(source))
    }

    /// The next hops of a pod's routes that are up, all symmetric ones.
    pub(super) fn symmetric(&self, router: usize, source: IpAddr) -> Vec<Neighbour> {
        self.routes_of(router, source).filter(|route| self.is_active(route)).map(Route::hop).collect()
    }

    /// The next hops between which the packets of a pod are spread, none where no route has one that is up.
    pub(super) fn deciding(&self, router: usize, source: IpAddr) -> Vec<Neighbour> {
        let of_source = self.symmetric(router, source);
        let of_default = self.routes.values().filter(|route| route.router == router && route.source.is_none());
        if of_source.is_empty() { of_default.map(Route::hop).collect() } else { of_source }
    }

    /// Whether any route is for the source, be it up or down.
    pub(super) fn covers(&self, router: usize, source: IpAddr) -> bool {
        let is_for = |route: &Route| route.router == router && route.source.is_none_or(|of| of == source);
        self.routes.values().any(is_for)
    }

    /// Whether northd has flows by which packets of the pod's go back to where the client's came from.
    pub(super) fn has_reply_flows(&self, version: Version, router: usize, source: IpAddr) -> bool {
        let count = self.symmetric(router, source).len();
        count >= 2 || (count == 1 && version.pins_single_route)
    }

    /// The MAC that OVN sends to for a next hop; none where it has to ask first.
    pub(super) fn resolved(&self, hop: Neighbour) -> Option<MacAddr> {
        self.statics.get(&hop).copied().or_else(|| self.bindings.get(&hop).map(|row| row.mac))
    }

    /// The MAC that the databases tell, or told, of a next hop.
    pub(super) fn last_mac(&self, hop: Neighbour) -> Option<MacAddr> {
        self.resolved(hop).or_else(|| self.last_macs.get(&hop).copied())
    }

    /// Learns the MAC of an address: in the row that there is, or in a new one.
    pub(super) fn bind(&mut self, hop: Neighbour, mac: MacAddr, serial: u32, confirmed: Ns) {
        self.bindings.entry(hop).and_modify(|row| (row.mac, row.confirmed) = (mac, confirmed)).or_insert(Binding {
            serial,
            mac,
            confirmed,
        });
        self.last_macs.insert(hop, mac);
    }

    /// Takes routes away, and the sessions that no route refers to any more.
    pub(super) fn unroute(&mut self, is_gone: impl Fn(&Route) -> bool) {
        self.routes.retain(|_, route| !is_gone(route));
        let routes = &self.routes;
        self.sessions.retain(|hop, _| routes.values().any(|route| route.has_bfd && route.hop() == *hop));
    }
}
