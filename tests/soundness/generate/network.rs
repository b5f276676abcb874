//! Routers, routes and next hops, and how they change.

use std::net::IpAddr;

use analyzer_engine::types::{IpPrefix, MacAddr};

use crate::addresses;
use crate::numbers::Numbers;
use crate::world::{Binding, Heard, Kind, Life, Route, Router, Secs, Session, StaticBinding, Status, World};

/// A pod as the generator knows it.
pub(super) struct Pod {
    pub(super) router: usize,
    pub(super) ip: IpAddr,
}

/// What traffic can be made of.
pub(super) struct Network {
    pub(super) pods: Vec<Pod>,
    /// MACs of next hops, former ones and those of other routers on the link, by router.
    pub(super) macs: Vec<Vec<MacAddr>>,
    /// When things change.
    pub(super) change: Secs,
}

/// Adds routers with their routes and next hops.
pub(super) fn add(world: &mut World, numbers: &mut Numbers) -> Network {
    let mut network = Network { pods: Vec::new(), macs: Vec::new(), change: numbers.between(40, 90) };
    let names = ["GR_a", "GR_b", "GR_c"];
    for name in &names[..numbers.one(&[1, 1, 1, 2, 2, 3])] {
        add_router(world, numbers, name);
        let router = world.routers.len() - 1;
        network.macs.push(Vec::new());
        ways(world, numbers, &mut network, router);
        for number in 0..numbers.between(1, 2) {
            // The same address behind two routers happens where networks of users overlap.
            let group = if router > 0 && numbers.percent(15) { 0 } else { router };
            let ip = addresses::pod(world.is_v6, group as u8, 5 + number as u8);
            network.pods.push(Pod { router, ip });
            by_source(world, numbers, &mut network, router, ip);
        }
        others(world, numbers, &mut network, router);
    }
    network
}

fn add_router(world: &mut World, numbers: &mut Numbers, name: &'static str) {
    let index = world.routers.len() as u8;
    let link = if index > 0 && numbers.percent(30) { 3 } else { 3 + index };
    world.routers.push(Router {
        name,
        key: numbers.one(&[2, 2, 2, 3]),
        mac: addresses::mac(link, 0x80 + index),
        address: addresses::outside(world.is_v6, link, 8 + index),
        network: addresses::link_network(world.is_v6, link),
        zone: 30 + u16::from(index),
        table: if numbers.percent(8) { "blue" } else { "" },
    });
}

/// The link of a router, the number in its addresses.
fn link(world: &World, router: usize) -> u8 {
    world.routers[router].mac.0[4]
}

fn route(world: &World, router: usize, kind: Kind, prefix: IpPrefix, nexthop: IpAddr) -> Route {
    let table = world.routers[router].table;
    Route { router, table, kind, prefix, nexthop, is_inner: false, has_bfd: false, life: Life::ALL }
}

/// The default route, and the way to the pods.
fn ways(world: &mut World, numbers: &mut Numbers, network: &mut Network, router: usize) {
    let destination = Kind::Destination { overrides_connected: false };
    let gateway = addresses::outside(world.is_v6, link(world, router), 1);
    let default = route(world, router, destination, addresses::everywhere(world.is_v6), gateway);
    world.routes.push(default);
    hop(world, numbers, network, router, gateway, false);
    let pods = addresses::pod_network(world.is_v6, None);
    let inner = route(world, router, destination, pods, addresses::inside(world.is_v6));
    world.routes.push(Route { is_inner: true, ..inner });
}

/// The routes of a pod by its source.
fn by_source(world: &mut World, numbers: &mut Numbers, network: &mut Network, router: usize, pod: IpAddr) {
    if numbers.percent(15) {
        return;
    }
    let is_symmetric = numbers.percent(85);
    let hops: Vec<u8> = (11..17).filter(|_| numbers.percent(40)).take(3).collect();
    let changed = numbers.below(4) as usize;
    let change = network.change;
    for (index, &host) in hops.iter().enumerate() {
        let ip = addresses::outside(world.is_v6, link(world, router), host);
        let mut row = route(world, router, Kind::Source { is_symmetric }, IpPrefix::host(pod), ip);
        row.has_bfd = numbers.percent(40);
        if index == changed && numbers.percent(35) {
            row.life = match numbers.percent(70) {
                true => Life { from: 0, until: Some(change) },
                false => Life { from: change, until: None },
            };
        }
        let already = world.routes.iter().any(|other| other.router == router && other.nexthop == ip);
        world.routes.push(row.clone());
        if row.has_bfd && !world.sessions.iter().any(|other| other.router == router && other.peer == ip) {
            sessions(world, numbers, router, ip, change);
        }
        if !already {
            hop(world, numbers, network, router, ip, true);
        }
    }
    // A port of another router's as next hop.
    let other = (0..router).find(|&other| link(world, other) == link(world, router));
    if let Some(other) = other.filter(|_| numbers.percent(15)) {
        let ip = world.routers[other].address;
        let row = route(world, router, Kind::Source { is_symmetric }, IpPrefix::host(pod), ip);
        world.routes.push(row);
        network.macs[router].push(world.routers[other].mac);
    }
}

/// States of a session over time.
fn sessions(world: &mut World, numbers: &mut Numbers, router: usize, peer: IpAddr, change: Secs) {
    let states: &[(Secs, Status)] = match numbers.below(8) {
        0 => &[(0, Status::Up), (change, Status::Down)],
        1 => &[(0, Status::Up), (change, Status::AdminDown)],
        2 => &[(0, Status::Up), (change, Status::Down), (change + 40, Status::Init), (change + 50, Status::Up)],
        3 => &[(0, Status::AdminDown), (10, Status::Down), (15, Status::Init), (20, Status::Up)],
        4 => &[(0, Status::Down)],
        5 => &[(0, Status::Init)],
        _ => &[(0, Status::Up)],
    };
    for (index, &(from, status)) in states.iter().enumerate() {
        let until = states.get(index + 1).map(|&(next, _)| next);
        world.sessions.push(Session { router, peer, status, life: Life { from, until } });
    }
}

/// How the MAC of a next hop is known, and becomes another's.
fn hop(world: &mut World, numbers: &mut Numbers, network: &mut Network, router: usize, ip: IpAddr, may_change: bool) {
    let host = match ip {
        IpAddr::V4(ip) => ip.octets()[3],
        IpAddr::V6(ip) => ip.octets()[15],
    };
    let link = link(world, router);
    let (first, second) = (addresses::mac(link, host), addresses::mac(link, 0x40 + host));
    let change = network.change;
    network.macs[router].push(first);
    let mut bind = |mac, from, until| world.bindings.push(Binding { router, ip, mac, life: Life { from, until } });
    match if may_change { numbers.below(16) } else { 15 } {
        // Replaced by another box.
        0..=2 => {
            bind(first, 0, Some(change));
            bind(second, change, None);
            network.macs[router].push(second);
        }
        // The same, after a while in which nobody resolved the address.
        3 => {
            bind(first, 0, Some(change));
            bind(second, change + 30, None);
            network.macs[router].push(second);
        }
        // Replaced, and OVN missed it: only the capture has the new one.
        4 => {
            bind(first, 0, None);
            world.heard.push(Heard { ip, mac: second, at: change });
            network.macs[router].push(second);
        }
        // Aged out.
        5 => bind(first, 0, Some(change)),
        // Never resolved.
        6 => {}
        // Resolved by what the capture hears alone.
        7 => world.heard.push(Heard { ip, mac: first, at: 0 }),
        // A static binding alone, and one that overrides.
        8 => world.statics.push(StaticBinding { router, ip, mac: first, overrides: false }),
        9 => {
            bind(second, 0, None);
            world.statics.push(StaticBinding { router, ip, mac: first, overrides: true });
            network.macs[router].push(second);
        }
        // Heard as it is known; a box that was replaced is heard once more.
        10 => {
            bind(first, 0, None);
            world.heard.push(Heard { ip, mac: first, at: change });
        }
        11 => {
            bind(first, 0, Some(change));
            bind(second, change, None);
            world.heard.push(Heard { ip, mac: first, at: change + 20 });
            network.macs[router].push(second);
        }
        _ => bind(first, 0, None),
    }
}

/// Routes that get in the way of the pods' own.
fn others(world: &mut World, numbers: &mut Numbers, network: &mut Network, router: usize) {
    let is_v6 = world.is_v6;
    let other = addresses::outside(is_v6, link(world, router), 20);
    let mut rows = Vec::new();
    if numbers.percent(15) {
        let prefix = numbers.one(&[addresses::client_network(is_v6), IpPrefix::host(addresses::client(is_v6, 13))]);
        rows.push(route(world, router, Kind::Destination { overrides_connected: false }, prefix, other));
    }
    if numbers.percent(10) {
        let prefix = numbers.one(&[addresses::client_network(is_v6), IpPrefix::host(addresses::client(is_v6, 13))]);
        rows.push(route(world, router, Kind::Learned, prefix, other));
    }
    if numbers.percent(8) {
        let prefix = world.routers[router].network;
        rows.push(route(world, router, Kind::Destination { overrides_connected: true }, prefix, other));
    }
    if numbers.percent(10) {
        let prefix = addresses::pod_network(is_v6, Some(router as u8));
        rows.push(route(world, router, Kind::Source { is_symmetric: false }, prefix, other));
    }
    // A table that packets of pods are not looked up in.
    if numbers.percent(8) {
        let table = if world.routers[router].table.is_empty() { "green" } else { "" };
        let prefix = IpPrefix::host(addresses::pod(is_v6, router as u8, 5));
        rows.push(Route { table, ..route(world, router, Kind::Source { is_symmetric: false }, prefix, other) });
    }
    for row in &mut rows {
        if numbers.percent(25) {
            row.life = Life { from: network.change, until: None };
        }
    }
    if !rows.is_empty() {
        hop(world, numbers, network, router, other, false);
    }
    world.routes.extend(rows);
}
