//! What the engine knows, laid out for listings: next hops, conntrack entries, and the whole story of one flow.

mod explanation;

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;

pub use self::explanation::{Explanation, NewFlow, SetView, UnlabelledView};
pub use super::standing::Standing;

use super::Engine;
use super::assumes::{self, Assumes};
use super::bfd::Liveness;
use super::context::Remembered;
use super::epoch::Epochs;
use super::evidence;
use super::fact::{BfdRef, BfdStatus, BindingKind, Source};
use super::finding::{CitedConnection, ExpectedNexthop, KnownAs, LastLegal, Listed, RouteId};
use super::knowledge::Knowledge;
use super::routes::{self, Group};
use super::standing::{Pinned, Standings};
use crate::types::{MacAddr, Timestamp, Validity};

/// A next hop of a route with all that is known of it.
#[derive(Clone, PartialEq, Debug)]
pub struct NexthopView {
    /// The route.
    pub route: RouteId,
    /// Whether replies leave by the gateway that the request came from.
    pub symmetric_reply: bool,
    /// The next hop; `None` for a route that discards.
    pub nexthop: Option<IpAddr>,
    /// The port by which the route leaves.
    pub output_port: Option<Arc<str>>,
    /// The port's tunnel key, the number that labels and marks carry.
    pub port_key: Option<u16>,
    /// State of the BFD session that watches it: a name of RFC 5880, `unknown` where nothing tells it, `None` without
    /// session.
    pub bfd: Option<&'static str>,
    /// Who told the route.
    pub source: Source,
    /// When the route holds.
    pub validity: Validity,
    /// State and MACs.
    pub expected: Vec<ExpectedNexthop>,
    /// All evidence for its MAC.
    pub evidence: Vec<BindingView>,
}

/// Evidence for the MAC of a next hop.
#[derive(Clone, PartialEq, Debug)]
pub struct BindingView {
    /// `ovn-port`, `MAC_Binding`, `Static_MAC_Binding`, `nexthops.toml`, `neighbour` or `heard`.
    pub source: &'static str,
    /// The MAC; `None` where the source says that it is not resolved.
    pub mac: Option<MacAddr>,
    /// The port on which it is.
    pub logical_port: Option<Arc<str>>,
    /// When it was last confirmed.
    pub confirmed: Option<Timestamp>,
    /// When it holds.
    pub validity: Validity,
}

/// A labelled conntrack entry, decoded and compared with the set.
#[derive(Clone, PartialEq, Debug)]
pub struct ConnectionView {
    /// The entry.
    pub connection: CitedConnection,
    /// How it stands.
    pub standing: Standing,
    /// When the MAC was last legal for the flow's route.
    pub last_legal: Option<LastLegal>,
    /// What the standing takes for granted, where it is [`Standing::Stale`].
    pub assumes: Assumes,
    /// What else knows the MAC.
    pub known_as: Listed<KnownAs>,
}

impl Engine {
    /// All next hops of all routes at `at`, [`Timestamp::MAX`] for the latest known.
    pub fn nexthops(&self, at: Timestamp) -> Vec<NexthopView> {
        let knowledge = &self.knowledge;
        let holding = knowledge.routes.all().filter(|route| route.validity.holds(at));
        let mut views: Vec<NexthopView> = holding
            .map(|route| {
                let group = Group { routes: vec![route] };
                let port = routes::output_port(&knowledge.ports, route, at);
                let bindings = route.nexthop.into_iter().flat_map(|ip| knowledge.neighbours.of(ip, port));
                let told = bindings.map(|binding| BindingView {
                    source: evidence::binding_source(binding.kind),
                    mac: binding.mac,
                    logical_port: binding.logical_port.clone(),
                    confirmed: binding.confirmed,
                    validity: binding.validity,
                });
                let heard = route.nexthop.into_iter().flat_map(|ip| knowledge.neighbours.heard(ip));
                let heard = heard.map(|(mac, first, last)| BindingView {
                    source: evidence::binding_source(BindingKind::Heard),
                    mac: Some(mac),
                    logical_port: None,
                    confirmed: Some(last),
                    validity: Validity { from: Some(first), until: None },
                });
                let own = route.nexthop.into_iter().flat_map(|ip| knowledge.own_ports(route, ip, port, at));
                let own = own.map(|own| BindingView {
                    source: evidence::OWN_PORT,
                    mac: Some(own.mac),
                    logical_port: Some(own.name.clone()),
                    confirmed: None,
                    validity: own.validity,
                });
                NexthopView {
                    route: group.id(),
                    symmetric_reply: route.symmetric_reply,
                    nexthop: route.nexthop,
                    output_port: port.cloned(),
                    port_key: routes::port_key(&knowledge.ports, route, at),
                    bfd: bfd_name(knowledge, route, at),
                    source: route.source,
                    validity: route.validity,
                    expected: evidence::all_expected(&knowledge.hops(&group, at)),
                    evidence: own.chain(told).chain(heard).collect(),
                }
            })
            .collect();
        views.sort_by(|a, b| (&a.route, a.nexthop).cmp(&(&b.route, b.nexthop)));
        views
    }

    /// All labelled conntrack entries, compared with the set at `at`.
    pub fn connections(&self, at: Timestamp) -> Vec<ConnectionView> {
        let knowledge = &self.knowledge;
        let epochs = Epochs::default();
        let mut views: Vec<ConnectionView> = Vec::new();
        Standings::new(knowledge, &epochs, at)
            .each(|remembered, pinned| views.push(connection_view(knowledge, remembered, pinned, at)));
        views.sort_by_key(|view| (view.standing.rank(), view.connection.zone, view.connection.orig));
        views
    }
}

fn bfd_name(knowledge: &Knowledge, route: &super::fact::Route, at: Timestamp) -> Option<&'static str> {
    if let BfdRef::Status(status) = route.bfd {
        return Some(match status {
            BfdStatus::Up => "up",
            BfdStatus::Init => "init",
            BfdStatus::Down => "down",
            BfdStatus::AdminDown => "admin_down",
        });
    }
    match (&route.bfd, knowledge.bfd.liveness(route, at)) {
        (BfdRef::None, _) => None,
        (_, Liveness::Up) => Some("up"),
        (_, Liveness::Down) => Some("down"),
        (_, Liveness::Unknown) => Some("unknown"),
    }
}

fn connection_view(
    knowledge: &Knowledge,
    remembered: &mut Remembered,
    pinned: Pinned<'_>,
    at: Timestamp,
) -> ConnectionView {
    let mac = pinned.mac();
    let last_legal = match pinned.standing {
        Standing::Nexthop(_) => None,
        _ => pinned.symmetric.last_legal(knowledge, remembered, mac, at),
    };
    let assumes = match pinned.standing {
        Standing::Stale => assumes::of_entry(knowledge, &pinned, pinned.rests_on_version),
        _ => Assumes::default(),
    };
    ConnectionView {
        connection: pinned.cite(),
        last_legal,
        assumes,
        known_as: remembered.known_as(knowledge, mac),
        standing: pinned.standing,
    }
}
