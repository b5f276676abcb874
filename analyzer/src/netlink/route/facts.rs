//! Routes, links and neighbours as facts of the engine.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::message::Key;
use super::table::Chosen;
use crate::engine::fact::{
    BfdRef, BfdStatus, Binding, BindingKind, Fact, Policy, Route, RouteOrigin, RouterPort, Source,
};
use crate::netlink::address::Address;
use crate::netlink::link::{Link, Links};
use crate::types::{IpPrefix, MacAddr, Timestamp, Validity};

/// Links by whose devices facts are told.
#[derive(Debug)]
pub(super) struct Devices<'a> {
    pub(super) links: &'a Links,
    pub(super) watched: &'a HashSet<u32>,
}

impl Devices<'_> {
    /// The link, where it is a watched one.
    pub(super) fn watched(&self, ifindex: u32) -> Option<&Link> {
        self.watched.contains(&ifindex).then(|| self.links.get(ifindex)).flatten()
    }
}

/// The facts of the routes to some destinations.
pub(super) fn routes(
    router: &Arc<str>,
    table: &Arc<str>,
    key: Key,
    chosen: &Chosen,
    devices: &Devices<'_>,
) -> Vec<Fact> {
    let mut told: Vec<Route> = Vec::new();
    let mut is_elsewhere = chosen.nowhere;
    let route = |nexthop, output_port, bfd| Route {
        router: Some(Arc::clone(router)),
        route_table: Arc::clone(table),
        policy: Policy::DstIp,
        prefix: key.prefix,
        nexthop,
        output_port,
        symmetric_reply: false,
        override_connected: false,
        origin: RouteOrigin::Static,
        bfd,
        port_key: None,
        source: Source::Kernel,
        validity: Validity::ALWAYS,
    };
    for hop in &chosen.hops {
        let Some(link) = devices.watched(hop.ifindex) else {
            is_elsewhere |= !hop.is_down;
            continue;
        };
        let bfd = if hop.is_down { BfdRef::Status(BfdStatus::Down) } else { BfdRef::None };
        let new = route(hop.gateway, Some(Arc::clone(&link.name)), bfd);
        // One gateway may be the next hop of several routes: it is up if one of them has it so.
        match told.iter_mut().find(|told| told.nexthop == new.nexthop && told.output_port == new.output_port) {
            Some(_) if hop.is_down => {}
            Some(told) => *told = new,
            None => told.push(new),
        }
    }
    if is_elsewhere && told.iter().all(|route| route.bfd != BfdRef::None) {
        told.push(route(None, None, BfdRef::None));
    }
    told.into_iter().map(Fact::Route).collect()
}

/// The fact of a watched device.
pub(super) fn port(
    router: &Arc<str>,
    link: &Link,
    addresses: &HashSet<Address>,
    is_on_link: impl Fn(IpPrefix) -> bool,
) -> RouterPort {
    let mut own: Vec<&Address> = addresses.iter().filter(|address| address.ifindex == link.ifindex).collect();
    own.sort_by_key(|address| (address.own, address.network));
    let mut networks: Vec<IpPrefix> = own.iter().map(|address| address.network).filter(|&it| is_on_link(it)).collect();
    networks.sort_unstable();
    networks.dedup();
    RouterPort {
        router: Some(Arc::clone(router)),
        datapath: None,
        name: Arc::clone(&link.name),
        mac: link.mac,
        addresses: own.iter().map(|address| address.own).collect(),
        networks,
        port_key: None,
        route_table: None,
        validity: Validity::ALWAYS,
    }
}

/// The fact of a neighbour; `port` where it counts on that device alone.
pub(super) fn binding(
    port: Option<Arc<str>>,
    ip: IpAddr,
    mac: Option<MacAddr>,
    confirmed: Option<Timestamp>,
) -> Binding {
    Binding { logical_port: port, ip, mac, kind: BindingKind::Neighbour, confirmed, validity: Validity::ALWAYS }
}
