//! What tells classes of addresses apart.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hashbrown::{HashMap, HashSet};

use crate::bfd::Liveness;
use crate::fact::{BfdRef, Policy, Route, RouteOrigin, Source};
use crate::knowledge::Knowledge;
use crate::routes::{self, Decision};
use crate::types::{IpPrefix, Timestamp, Validity};

/// What the verdict on a plain flow follows from on the side of its source.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct SourceSignature {
    /// Whether a route by source knows the address, or knew it.
    pub(super) is_routed: bool,
    /// Whether sources may be translated to the address.
    is_translated: bool,
    /// Whether sources with routes of their own may be.
    hides_routed: bool,
    /// The routes by source that hold.
    routes: Vec<Route>,
}

/// What it follows from on the side of its destination.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct DestinationSignature {
    /// The routes by destination that hold.
    routes: Vec<Route>,
    /// Lengths of the connected networks, and the router of each.
    networks: Vec<(u8, Option<Arc<str>>)>,
}

/// The connected networks that hold at some time, and their routers.
pub(super) type Networks<'a> = HashMap<IpPrefix, Vec<&'a Option<Arc<str>>>>;

impl SourceSignature {
    /// The signature of a prefix of a route by source, or of an address that sources may be translated to; `None` where
    /// it is neither.
    pub(super) fn new(knowledge: &Knowledge, prefix: IpPrefix, at: Timestamp) -> Option<Self> {
        let is_translated = prefix.is_host() && knowledge.may_be_translated(prefix.addr(), at);
        if !is_translated && !knowledge.routes.has_source_prefix(prefix) {
            return None;
        }
        Some(Self {
            is_routed: knowledge.routes.holds_source(prefix),
            is_translated,
            hides_routed: is_translated && knowledge.hides_routed(prefix.addr(), at),
            routes: shared(knowledge.routes.holding_around(Policy::SrcIp, prefix, at)),
        })
    }

    /// Whether no destination changes what is said of plain flows.
    ///
    /// A route for the address alone decides, and a next hop of it is known to be up: only a route or a network of full
    /// length would win against it. No other router and no other table leads out, so that there is nothing to choose
    /// between, whoever the sender; and no route by destination has a symmetric reply, to which a label may pin.
    pub(super) fn is_final(&self, knowledge: &Knowledge, outside: &Outside, at: Timestamp) -> bool {
        let Some(first) = self.routes.first() else { return false };
        let table = (first.router.clone(), first.route_table.clone());
        let is_alone = self.routes.iter().all(|route| (&route.router, &route.route_table) == (&table.0, &table.1));
        if self.is_translated || !is_alone || outside.may_change(&table) {
            return false;
        }
        let (ports, bfd) = (&knowledge.ports, &knowledge.bfd);
        let liveness = |route: &Route| bfd.liveness(route, at);
        let router = table.0.as_ref();
        let matching = self.routes.iter().collect();
        let lookup = routes::decide_in_table(matching, router.is_some(), None, ports, at, liveness);
        let Decision::Route(group) = lookup.decision else { return false };
        routes::is_entered(ports, router, &table.1, at)
            && group.routes[0].prefix.is_host()
            && group.routes.iter().any(|route| liveness(route) == Liveness::Up)
    }
}

impl DestinationSignature {
    /// The signature of a prefix of a route by destination or of a connected network; `None` where neither holds.
    pub(super) fn new(knowledge: &Knowledge, networks: &Networks<'_>, prefix: IpPrefix, at: Timestamp) -> Option<Self> {
        let around: Vec<&Route> = knowledge.routes.holding_around(Policy::DstIp, prefix, at).collect();
        if !networks.contains_key(&prefix) && !around.iter().any(|route| route.prefix == prefix) {
            return None;
        }
        let lengths = knowledge.ports.networks_around(prefix.addr());
        let lengths = lengths.filter(|network| network.prefix_len() <= prefix.prefix_len());
        let mut connected: Vec<(u8, Option<Arc<str>>)> = lengths
            .flat_map(|network| {
                let routers = networks.get(&network).into_iter().flatten();
                routers.map(move |&router| (network.prefix_len(), router.clone()))
            })
            .collect();
        connected.sort_unstable();
        connected.dedup();
        Some(Self { routes: shared(around.into_iter()), networks: connected })
    }
}

/// What of all routes by destination and networks of one family bears on whether a class of sources is final.
#[derive(Debug, Default)]
pub(super) struct Outside {
    /// Whether a route or a network holds a single address.
    has_host: bool,
    /// Whether a route has a symmetric reply.
    is_symmetric: bool,
    /// Routers and tables with routes that may lead out, or leave something open. Of more than two it does not matter
    /// which they are.
    leading_out: HashSet<(Option<Arc<str>>, Arc<str>)>,
}

impl Outside {
    pub(super) fn new(knowledge: &Knowledge, networks: &Networks<'_>, is_ipv4: bool, at: Timestamp) -> Self {
        let mut outside = Self::default();
        let is_own = |prefix: IpPrefix| prefix.addr().is_ipv4() == is_ipv4;
        outside.has_host = networks.keys().any(|&network| is_own(network) && network.is_host());
        // Routes into the cluster are many, and their next hops few.
        let mut inward = HashSet::new();
        for route in knowledge.routes.all() {
            if route.policy != Policy::DstIp || !is_own(route.prefix) || !route.validity.holds(at) {
                continue;
            }
            outside.has_host |= route.prefix.is_host();
            outside.is_symmetric |= route.symmetric_reply;
            let way = (&route.router, route.nexthop, &route.output_port);
            if inward.contains(&way) && route.bfd == BfdRef::None || outside.leading_out.len() > 1 {
                continue;
            }
            if route.bfd == BfdRef::None && routes::leaves_elsewhere(&knowledge.ports, route, at) {
                inward.insert(way);
            } else {
                outside.leading_out.insert((route.router.clone(), route.route_table.clone()));
            }
        }
        outside
    }

    /// Whether they may change what is said of a source that a host route in `table` decides.
    fn may_change(&self, table: &(Option<Arc<str>>, Arc<str>)) -> bool {
        self.has_host || self.is_symmetric || self.leading_out.iter().any(|other| other != table)
    }
}

/// Routes without what thousands of addresses do not share: the bits of the prefix, and who told it when, unless the
/// kernel did, whose routes know no ports of OVN's. In an order that does not depend on that in which they were told.
fn shared<'a>(routes: impl Iterator<Item = &'a Route>) -> Vec<Route> {
    let mut shared: Vec<Route> = routes
        .map(|route| {
            let any: IpAddr = match route.prefix.addr() {
                IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            };
            let prefix = IpPrefix::new(any, route.prefix.prefix_len()).unwrap_or(route.prefix);
            let source = if route.source == Source::Kernel { Source::Kernel } else { Source::Ovn };
            Route { prefix, source, validity: Validity::ALWAYS, port_key: None, ..route.clone() }
        })
        .collect();
    let table = |route: &Route| (route.prefix.prefix_len(), route.router.clone(), route.route_table.clone());
    let is_same_table =
        |a: &Route, b: &Route| a.prefix == b.prefix && a.router == b.router && a.route_table == b.route_table;
    if shared.len() > 1 {
        shared.sort_by_cached_key(table);
        for own in shared.chunk_by_mut(is_same_table) {
            // Static and learned routes by source have one rank: the one told first decides.
            let first = own[0].origin;
            own.sort_by(|a, b| rest(first, a).cmp(&rest(first, b)));
        }
        shared.dedup();
    }
    shared
}

/// What orders the routes of one prefix in one table.
fn rest(first: RouteOrigin, route: &Route) -> impl Ord + '_ {
    (
        route.origin != first,
        route.nexthop,
        &route.output_port,
        &route.bfd,
        route.symmetric_reply,
        route.override_connected,
        route.source,
    )
}
