//! Routes, and which of them decides a packet.
//!
//! northd turns a route into a flow whose priority grows with the prefix length first and the kind of route second
//! (`build_route_match`, northd.c). The factors changed over versions: `plen * 2` in 20.12, `plen * 3` in 22.03 and
//! 24.03, `plen * 8` in 26.03. In all of them a longer prefix wins whatever its policy, so that a /32 by source beats a
//! connected /24; between equal lengths connected beats static by destination, then learned, then by source. 20.12
//! alone lets connected and static routes of one length tie, which is left undecided by northd itself.

mod live;
mod told;

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::net::IpAddr;

use hashbrown::HashMap;

use self::told::OfPrefix;
use super::bfd::Liveness;
use super::fact::{Policy, Route, RouteOrigin, RouterPort, is_inner_port};
use super::finding::RouteId;
use super::ports::Ports;
use super::prefixes::{FoundBy, PrefixSet};
use crate::types::{IpPrefix, Timestamp};

/// All routes that were told, past ones included.
#[derive(Debug, Default)]
pub(super) struct Routes {
    by_prefix: HashMap<(Policy, IpPrefix), OfPrefix>,
    by_source: PrefixSet,
    by_destination: PrefixSet,
    /// Whether any route was ever told, be it forgotten.
    told: bool,
}

/// All next hops of one route.
#[derive(Clone, Debug)]
pub(super) struct Group<'a> {
    /// Its rows, at least one.
    pub(super) routes: Vec<&'a Route>,
}

/// What decides a packet on one router, in one route table.
#[derive(Clone, Debug, Default)]
pub(super) struct Lookup<'a> {
    /// What decides.
    pub(super) decision: Decision<'a>,
    /// Groups that match better but have no active next hop, best first.
    pub(super) inactive: Vec<Group<'a>>,
    /// Groups that decide if all next hops of those before them are down, where nothing tells whether they are.
    pub(super) alternatives: Vec<Group<'a>>,
    /// Whether the packet goes elsewhere if they are.
    pub(super) may_be_elsewhere: bool,
}

/// What decides a packet.
#[derive(Clone, Debug, Default)]
pub(super) enum Decision<'a> {
    /// A route with next hops.
    Route(Group<'a>),
    /// A connected network: the packet goes to its destination's own MAC.
    Connected,
    /// A route whose next hop is inside the cluster, or that discards: the packet does not leave by the NIC.
    Elsewhere,
    /// Nothing.
    #[default]
    Nothing,
}

/// Rank between routes of equal prefix length, best last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    SrcIp,
    Learned,
    Static,
    Connected,
    OverrideConnected,
}

impl Routes {
    pub(super) fn add(&mut self, route: Route) {
        let (policy, prefix) = (route.policy, route.prefix);
        self.told = true;
        // Two dumps of one router tell the same route.
        if self.by_prefix.entry((policy, prefix)).or_default().add(route) {
            self.prefixes_mut(policy).insert(prefix);
        }
    }

    fn prefixes(&self, policy: Policy) -> &PrefixSet {
        match policy {
            Policy::SrcIp => &self.by_source,
            Policy::DstIp => &self.by_destination,
        }
    }

    fn prefixes_mut(&mut self, policy: Policy) -> &mut PrefixSet {
        match policy {
            Policy::SrcIp => &mut self.by_source,
            Policy::DstIp => &mut self.by_destination,
        }
    }

    /// Whether no route was ever told.
    pub(super) fn is_empty(&self) -> bool {
        !self.told
    }

    /// All routes, past ones included.
    pub(super) fn all(&self) -> impl Iterator<Item = &Route> {
        self.by_prefix.values().flat_map(|of_prefix| of_prefix.told.iter()).map(|told| &told.route)
    }

    /// The rows of the route `id`, past ones included.
    pub(super) fn versions<'a>(&'a self, id: &'a RouteId) -> impl Iterator<Item = &'a Route> {
        let of_prefix = self.by_prefix.get(&(id.policy, id.prefix)).into_iter();
        let told = of_prefix.flat_map(|of_prefix| of_prefix.told.iter()).map(|told| &told.route);
        told.filter(|route| route.router == id.router && route.route_table == id.route_table)
    }

    /// Whether a route by source, of any time, is for `addr` as the source of a packet.
    pub(super) fn is_routed_source(&self, addr: IpAddr) -> bool {
        self.by_source.around(addr).next().is_some()
    }

    /// Prefixes of routes, past ones included, that a packet from `src` to `dst` may match.
    pub(super) fn prefixes_around(&self, src: IpAddr, dst: IpAddr) -> impl Iterator<Item = (FoundBy, IpPrefix)> + '_ {
        let by_source = self.by_source.around(src).map(|prefix| (FoundBy::SrcIp, prefix));
        by_source.chain(self.by_destination.around(dst).map(|prefix| (FoundBy::DstIp, prefix)))
    }

    /// Routes with a symmetric reply that a packet from `src` to `dst` matches at `at`.
    pub(super) fn symmetric(&self, src: IpAddr, dst: IpAddr, at: Timestamp) -> Vec<&Route> {
        self.matching(src, dst, at).filter(|route| route.symmetric_reply).collect()
    }

    /// Routes by source at `at`.
    pub(super) fn sourced(&self, at: Timestamp) -> impl Iterator<Item = &Route> {
        let by_source = self.by_prefix.iter().filter(|((policy, _), _)| *policy == Policy::SrcIp);
        by_source.flat_map(move |(_, of_prefix)| of_prefix.told.holding(at)).map(|told| &told.route)
    }

    /// Routes by source at `at` that are for packets from `src`.
    pub(super) fn sourced_from(&self, src: IpAddr, at: Timestamp) -> impl Iterator<Item = &Route> {
        let around = self.by_source.around(src).filter_map(|prefix| self.by_prefix.get(&(Policy::SrcIp, prefix)));
        around.flat_map(move |of_prefix| of_prefix.told.holding(at)).map(|told| &told.route)
    }

    /// Routes by destination that lead inside the cluster.
    pub(super) fn inward<'a>(&'a self, ports: &'a Ports, at: Timestamp) -> impl Iterator<Item = &'a Route> {
        let by_destination = self.by_prefix.iter().filter(|((policy, _), _)| *policy == Policy::DstIp);
        let holding = by_destination.flat_map(move |(_, of_prefix)| of_prefix.told.holding(at)).map(|told| &told.route);
        holding.filter(move |route| route.nexthop.is_some() && leaves_elsewhere(ports, route, at))
    }

    /// The routes of each prefix that a packet from `src` to `dst` matches.
    fn around(&self, src: IpAddr, dst: IpAddr) -> impl Iterator<Item = &OfPrefix> {
        let by_source = self.by_source.around(src).map(|prefix| (Policy::SrcIp, prefix));
        let by_destination = self.by_destination.around(dst).map(|prefix| (Policy::DstIp, prefix));
        by_source.chain(by_destination).filter_map(|key| self.by_prefix.get(&key))
    }

    /// The rows of all routes that a packet from `src` to `dst` matches, past ones included.
    pub(super) fn versions_for(&self, src: IpAddr, dst: IpAddr) -> impl Iterator<Item = &Route> {
        self.around(src, dst).flat_map(|of_prefix| of_prefix.told.iter()).map(|told| &told.route)
    }

    /// Routes that a packet from `src` to `dst` matches at `at`, whatever decides in the end.
    pub(super) fn matching(&self, src: IpAddr, dst: IpAddr, at: Timestamp) -> impl Iterator<Item = &Route> {
        self.around(src, dst).flat_map(move |of_prefix| of_prefix.told.holding(at)).map(|told| &told.route)
    }

    /// What decides a packet from `src` to `dst` at `at`, for each router and route table that has a word in it.
    ///
    /// northd leaves out next hops whose BFD session is down.
    pub(super) fn decide(
        &self,
        ports: &Ports,
        src: IpAddr,
        dst: IpAddr,
        at: Timestamp,
        liveness: impl Fn(&Route) -> Liveness,
    ) -> Vec<Lookup<'_>> {
        // A central database has a default route for every node, so the tables are found by sorting.
        let mut matching: Vec<&Route> = self.matching(src, dst, at).collect();
        matching.sort_by(|a, b| (&a.router, &a.route_table).cmp(&(&b.router, &b.route_table)));
        let mut lookups = Vec::new();
        for own in matching.chunk_by(|a, b| a.router == b.router && a.route_table == b.route_table) {
            let router = own[0].router.as_ref();
            if is_entered(ports, router, &own[0].route_table, at) {
                let connected = connected_len(ports, router, dst, at);
                lookups.push(decide_in_table(own.to_vec(), router.is_some(), connected, ports, at, &liveness));
            }
        }
        lookups
    }
}

/// What decides a packet that matches these routes of one router's table, and a connected network of that length.
pub(super) fn decide_in_table<'a>(
    matching: Vec<&'a Route>,
    router_is_known: bool,
    connected: Option<u8>,
    ports: &Ports,
    at: Timestamp,
    liveness: impl Fn(&Route) -> Liveness,
) -> Lookup<'a> {
    let mut groups = group(matching);
    groups.sort_by_key(|group| Reverse(group.order()));
    let mut lookup = Lookup::default();
    for group in groups {
        if connected.is_some_and(|len| group.order() < (len, Rank::Connected)) {
            return lookup.end(Decision::Connected);
        }
        if group.routes.iter().all(|route| liveness(route) == Liveness::Down) {
            lookup.inactive.push(group);
            continue;
        }
        // Without next hop but with a port the destination itself is the neighbour.
        if group.routes.iter().all(|route| route.nexthop.is_none() && route.output_port.is_some()) {
            return lookup.end(Decision::Connected);
        }
        if group.routes.iter().all(|route| leaves_elsewhere(ports, route, at)) {
            // Without router names the distributed router's route by source, to the gateway router, lies in the same
            // heap as the gateway router's own routes. It decides nothing on the gateway router.
            if !router_is_known && group.policy() == Policy::SrcIp {
                continue;
            }
            return lookup.end(Decision::Elsewhere);
        }
        let is_certain = group.routes.iter().any(|route| liveness(route) == Liveness::Up);
        match lookup.decision {
            Decision::Route(_) => lookup.alternatives.push(group),
            _ => lookup.decision = Decision::Route(group),
        }
        if is_certain {
            return lookup;
        }
    }
    lookup.end(if connected.is_some() { Decision::Connected } else { Decision::Nothing })
}

impl<'a> Lookup<'a> {
    /// Ends the lookup with a decision that is no route. Where a route may decide, it is only what comes if not.
    fn end(self, decision: Decision<'a>) -> Self {
        match self.decision {
            Decision::Route(_) => Self { may_be_elsewhere: !matches!(decision, Decision::Nothing), ..self },
            _ => Self { decision, ..self },
        }
    }
}

/// Whether packets that leave the node may be looked up in `table`: they enter the router from inside the cluster, and the
/// option of the port by which they do names the table. Where no inner port is known with its options, any port's table
/// may be meant; where no port is, any table.
pub(super) fn is_entered(ports: &Ports, router: Option<&Arc<str>>, table: &Arc<str>, at: Timestamp) -> bool {
    let mut inner = ports.inner_of(router, at).filter_map(|port| port.route_table.as_ref()).peekable();
    if inner.peek().is_some() {
        return inner.any(|entered| entered == table);
    }
    let mut entered = ports.of(router, at).filter_map(|port| port.route_table.as_ref()).peekable();
    entered.peek().is_none() || entered.any(|entered| entered == table)
}

/// Length of the longest connected network of the router that holds `dst`.
fn connected_len(ports: &Ports, router: Option<&Arc<str>>, dst: IpAddr, at: Timestamp) -> Option<u8> {
    let around = ports.networks_around(dst);
    let own = around.filter(|network| ports.of(router, at).any(|port| port.networks.contains(network)));
    own.map(IpPrefix::prefix_len).max()
}

/// The ports by which a route may leave its router: the one told, or those whose networks hold the next hop. These are
/// several where nothing tells the router, as the nodes' gateway routers share a network.
pub(super) fn output_ports<'a>(ports: &'a Ports, route: &'a Route, at: Timestamp) -> Vec<&'a Arc<str>> {
    if let Some(port) = &route.output_port {
        return vec![port];
    }
    let Some(nexthop) = route.nexthop else { return Vec::new() };
    let holds = |port: &&RouterPort| port.networks.iter().any(|network| network.contains(nexthop));
    let mut names: Vec<_> = ports.of(route.router.as_ref(), at).filter(holds).map(|port| &port.name).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The port by which a route leaves its router, where it is known which.
pub(super) fn output_port<'a>(ports: &'a Ports, route: &'a Route, at: Timestamp) -> Option<&'a Arc<str>> {
    match output_ports(ports, route, at)[..] {
        [port] => Some(port),
        _ => None,
    }
}

/// Tunnel key of the port by which a route leaves.
pub(super) fn port_key(ports: &Ports, route: &Route, at: Timestamp) -> Option<u16> {
    route.port_key.or_else(|| ports.key_of(output_port(ports, route, at)?, at))
}

/// Whether a route leads to the inside of the cluster, or nowhere.
pub(super) fn leaves_elsewhere(ports: &Ports, route: &Route, at: Timestamp) -> bool {
    let Some(nexthop) = route.nexthop else { return true };
    match &output_ports(ports, route, at)[..] {
        [] => is_inner_nexthop(nexthop),
        names => names.iter().all(|port| is_inner_port(port)),
    }
}

/// Whether the address is in a network of one of the router's ports towards the inside of the cluster.
pub(super) fn is_behind_inner_port(ports: &Ports, router: Option<&Arc<str>>, addr: IpAddr, at: Timestamp) -> bool {
    let mut inner = ports.of(router, at).filter(|port| is_inner_port(&port.name));
    inner.any(|port| port.networks.iter().any(|network| network.contains(addr)))
}

/// Networks inside the cluster that OVN-Kubernetes takes by default: join, join of user-defined networks, transit.
/// Asked only where nothing tells the port.
fn is_inner_nexthop(nexthop: IpAddr) -> bool {
    match nexthop {
        IpAddr::V4(v4) => matches!(v4.octets(), [100, 64 | 65 | 88, ..]),
        IpAddr::V6(v6) => matches!(v6.segments(), [0xfd97..=0xfd99, 0, 0, 0, ..]),
    }
}

fn group(matching: Vec<&Route>) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for route in matching {
        let same = |group: &&mut Group<'_>| {
            let head = group.routes[0];
            head.policy == route.policy && head.prefix == route.prefix && head.origin == route.origin
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.routes.push(route),
            None => groups.push(Group { routes: vec![route] }),
        }
    }
    groups
}

impl Group<'_> {
    fn policy(&self) -> Policy {
        self.routes[0].policy
    }

    /// Prefix length and rank: the order of northd's priorities.
    fn order(&self) -> (u8, Rank) {
        let head = self.routes[0];
        let rank = match (head.policy, head.origin) {
            (Policy::SrcIp, _) => Rank::SrcIp,
            (Policy::DstIp, RouteOrigin::Learned) => Rank::Learned,
            (Policy::DstIp, RouteOrigin::Static) if self.routes.iter().any(|route| route.override_connected) => {
                Rank::OverrideConnected
            }
            (Policy::DstIp, RouteOrigin::Static) => Rank::Static,
        };
        (head.prefix.prefix_len(), rank)
    }

    /// Name of the route.
    pub(super) fn id(&self) -> RouteId {
        RouteId::of(self.routes[0])
    }
}

impl RouteId {
    /// Name of the route that the row is of.
    pub(super) fn of(row: &Route) -> Self {
        Self {
            router: row.router.clone(),
            route_table: row.route_table.clone(),
            policy: row.policy,
            prefix: row.prefix,
        }
    }
}
