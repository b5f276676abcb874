//! Which MAC a next hop has: as OVN resolves it (`lr_in_arp_resolve`), and as all the evidence together says.

use std::net::IpAddr;

use analyzer_engine::types::MacAddr;

use crate::world::{Secs, World};

/// The MAC of a next hop that is another router's port: northd writes `Port_Binding.mac` (ovn-facts 8d).
fn own_port(world: &World, router: usize, ip: IpAddr) -> Option<MacAddr> {
    for (index, other) in world.routers.iter().enumerate() {
        if index != router && other.address == ip {
            return Some(other.mac);
        }
    }
    None
}

/// The static binding of the address.
fn static_mac(world: &World, router: usize, ip: IpAddr, overrides: bool) -> Option<MacAddr> {
    let of_address = |row: &&crate::world::StaticBinding| row.router == router && row.ip == ip;
    world.statics.iter().filter(of_address).find(|row| row.overrides == overrides).map(|row| row.mac)
}

/// Where OVN sends a packet for this next hop; nowhere while it waits for an ARP reply. `MAC_Binding` as it stands, be it
/// stale, unless a static one overrides it (ovn-facts 3.4).
pub(crate) fn resolved(world: &World, router: usize, ip: IpAddr, t: Secs) -> Option<MacAddr> {
    if let Some(mac) = own_port(world, router, ip).or(static_mac(world, router, ip, true)) {
        return Some(mac);
    }
    for row in &world.bindings {
        if row.router == router && row.ip == ip && row.life.holds(t) {
            return Some(row.mac);
        }
    }
    static_mac(world, router, ip, false)
}

/// Evidence of the address's MAC up to `t`: since when, and which. Newest last.
fn evidence(world: &World, router: usize, ip: IpAddr, t: Secs) -> Vec<(Secs, MacAddr)> {
    let mut evidence: Vec<(Secs, MacAddr)> = Vec::new();
    for row in &world.statics {
        if row.router == router && row.ip == ip && !row.overrides {
            evidence.push((0, row.mac));
        }
    }
    for row in &world.bindings {
        if row.router == router && row.ip == ip && row.life.from <= t {
            evidence.push((row.life.from, row.mac));
        }
    }
    evidence.sort_by_key(|&(since, _)| since);
    for heard in &world.heard {
        // A MAC that the address no longer has does not come back by a frame heard.
        if heard.ip == ip && heard.at <= t && !has_ended(world, router, ip, heard.mac, heard.at) {
            evidence.push((heard.at, heard.mac));
            evidence.sort_by_key(|&(since, _)| since);
        }
    }
    evidence
}

/// Whether a row that bound the address to the MAC has ended.
fn has_ended(world: &World, router: usize, ip: IpAddr, mac: MacAddr, t: Secs) -> bool {
    world.bindings.iter().any(|row| {
        row.router == router && row.ip == ip && row.mac == mac && row.life.until.is_some_and(|until| until <= t)
    })
}

/// The MAC of a next hop by all evidence (DESIGN 7): OVN's own port's; a static binding that overrides; else the newest
/// of bindings and neighbours heard. A binding that ended and has no successor stays (`aged`).
pub(crate) fn lladdr(world: &World, router: usize, ip: IpAddr, t: Secs) -> Option<MacAddr> {
    own_port(world, router, ip)
        .or(static_mac(world, router, ip, true))
        .or_else(|| evidence(world, router, ip, t).last().map(|&(_, mac)| mac))
}

/// Whether a row that still stands gives the address this MAC, and better evidence another.
pub(crate) fn is_superseded(world: &World, router: usize, ip: IpAddr, mac: MacAddr, t: Secs) -> bool {
    if lladdr(world, router, ip, t).is_none_or(|best| best == mac) {
        return false;
    }
    let bindings = world.bindings.iter().filter(|row| row.life.holds(t)).map(|row| (row.router, row.ip, row.mac));
    let statics = world.statics.iter().map(|row| (row.router, row.ip, row.mac));
    bindings.chain(statics).any(|row| row == (router, ip, mac))
}
