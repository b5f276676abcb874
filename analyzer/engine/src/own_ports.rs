//! Next hops that are ports of OVN's own.
//!
//! northd writes the MAC of such a port into the routers that reach it over a switch, where it counts before all bindings
//! (`build_arp_resolve_flows_for_lsp`, northd.c, priority 100 of `lr_in_arp_resolve`; bindings are looked up at a lower
//! one).

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use hashbrown::HashSet;

use super::fact::{BindingKind, Route, RouterPort, Source};
use super::knowledge::Knowledge;
use super::neighbours::Lladdrs;
use super::ports::Own;
use super::versions::Versions;
use crate::types::{MacAddr, Timestamp, Validity};

/// A port of OVN's own that has the address of a next hop.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct OwnPort<'a> {
    pub(super) name: &'a Arc<str>,
    pub(super) mac: MacAddr,
    pub(super) validity: Validity,
    certainty: Certainty,
    /// Whether it is a router's: that is there to be a next hop. The address of a machine may be used on another network too.
    is_router: bool,
}

/// Whether northd writes the port's MAC into the router.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Certainty {
    /// It does.
    Written,
    /// It does unless the router has `options:dynamic_neigh_routers`, which no source tells.
    UnlessLearned,
    /// It does if both are on one switch, which no source tells.
    IfConnected,
}

/// The MACs of a next hop.
#[derive(Clone, Debug, Default)]
pub(super) struct Resolved {
    pub(super) lladdrs: Lladdrs,
    /// Other MACs that it has if something holds that no source tells.
    pub(super) maybe: Vec<MacAddr>,
    /// Whether what stands as its MAC is that only if something holds that no source tells.
    pub(super) is_guess: bool,
}

impl Knowledge {
    /// Whether the MAC is, or was, that of a neighbour or of a port of OVN's own.
    pub(super) fn knows(&self, mac: MacAddr) -> bool {
        self.neighbours.knows(mac) || self.ports.has_mac(mac) || self.switch_ports.has_mac(mac)
    }

    /// The MACs of a route's next hop at `at`.
    pub(super) fn resolve(&self, route: &Route, ip: IpAddr, port: Option<&Arc<str>>, at: Timestamp) -> Resolved {
        let learned = self.neighbours.lladdrs(ip, port, at);
        let own = self.own_ports(route, ip, port, at);
        if own.is_empty() || self.is_written_down(ip, port, at) {
            return Resolved { lladdrs: learned, ..Resolved::default() };
        }
        let is_open = |own: &&OwnPort<'_>| own.certainty == Certainty::IfConnected;
        let macs = |own: &mut dyn Iterator<Item = &OwnPort<'_>>| {
            let mut macs: Vec<MacAddr> = own.map(|own| own.mac).collect();
            macs.sort_unstable();
            macs.dedup();
            macs
        };
        let written = macs(&mut own.iter().filter(|own| !is_open(own)));
        let mut maybe = macs(&mut own.iter().filter(is_open));
        if written.is_empty() && learned.current.is_empty() {
            // A packet to a machine's MAC is explained; one to another may be right all the same.
            let lladdrs = Lladdrs { current: maybe, ..learned };
            let is_guess = !own.iter().any(|own| own.is_router);
            return Resolved { lladdrs, is_guess, ..Resolved::default() };
        }
        if written.is_empty() {
            maybe.retain(|mac| !learned.current.contains(mac));
            return Resolved { lladdrs: learned, maybe, is_guess: false };
        }
        let Lladdrs { current, aged, mut older, mut overruled } = learned;
        if own.iter().all(|own| own.certainty != Certainty::Written) {
            maybe.extend(current);
        } else {
            older.extend(current.into_iter().filter(|_| !aged));
            overruled.clone_from(&older);
        }
        older.retain(|mac| !written.contains(mac));
        maybe.retain(|mac| !written.contains(mac));
        Resolved { lladdrs: Lladdrs { current: written, aged: false, older, overruled }, maybe, is_guess: false }
    }

    /// Whether nexthops.toml tells the MAC, which counts before all else.
    fn is_written_down(&self, ip: IpAddr, port: Option<&Arc<str>>, at: Timestamp) -> bool {
        let mut told = self.neighbours.holding(ip, port, at);
        told.any(|told| told.kind == BindingKind::NexthopsToml && told.mac.is_some())
    }

    /// Ports of OVN's own that a route's next hop is at `at`, where the route leaves by `port`.
    pub(super) fn own_ports<'a>(
        &'a self,
        route: &Route,
        ip: IpAddr,
        port: Option<&'a Arc<str>>,
        at: Timestamp,
    ) -> Vec<OwnPort<'a>> {
        if !self.is_own_address(route, ip) {
            return Vec::new();
        }
        let switches = port.map(|port| self.switch_ports.switches_of(port, at)).unwrap_or_default();
        let mut own = self.router_ports(route, ip, port, &switches, at);
        own.extend(self.machines(ip, port, &switches, at));
        own.sort_by(|a, b| (a.name, a.mac).cmp(&(b.name, b.mac)));
        own.dedup_by(|a, b| (a.name, a.mac) == (b.name, b.mac));
        own
    }

    /// Whether a port of OVN's own has, or had, the address of the next hop. The kernel's routes know no ports of OVN's.
    fn is_own_address(&self, route: &Route, ip: IpAddr) -> bool {
        route.source != Source::Kernel
            && (self.ports.ever_with(ip).next().is_some() || self.switch_ports.has_address(ip))
    }

    /// Ports of other routers that have the address.
    fn router_ports<'a>(
        &'a self,
        route: &Route,
        ip: IpAddr,
        port: Option<&Arc<str>>,
        switches: &[&Arc<str>],
        at: Timestamp,
    ) -> Vec<OwnPort<'a>> {
        let learns = self.learns_routers(route, port, at);
        if learns == Some(true) {
            return Vec::new();
        }
        let others = self.ports.with(ip, at).filter(|own| Some(&own.port) != port);
        let mut own = Vec::new();
        for Own { port: name, mac, validity } in others {
            let certainty = match share(switches, &self.switch_ports.switches_of(name, at)) {
                Some(true) if learns.is_some() => Certainty::Written,
                Some(true) => Certainty::UnlessLearned,
                Some(false) => continue,
                None => Certainty::IfConnected,
            };
            own.push(OwnPort { name, mac: *mac, validity: *validity, certainty, is_router: true });
        }
        own
    }

    /// Machines and containers that have the address, on a switch of the port and within a network of it.
    fn machines<'a>(
        &'a self,
        ip: IpAddr,
        port: Option<&Arc<str>>,
        switches: &[&Arc<str>],
        at: Timestamp,
    ) -> Vec<OwnPort<'a>> {
        let told = || port.into_iter().flat_map(|port| self.ports.named(port, at)).flat_map(|port| &port.networks);
        if told().next().is_some() && !told().any(|network| network.contains(ip)) {
            return Vec::new();
        }
        let mut own = Vec::new();
        for machine in self.switch_ports.holders(ip, at) {
            let certainty = match share(switches, machine.switch.as_ref().as_slice()) {
                Some(true) => Certainty::Written,
                Some(false) => continue,
                None => Certainty::IfConnected,
            };
            own.push(OwnPort {
                name: &machine.port,
                mac: machine.mac,
                validity: machine.validity,
                certainty,
                is_router: false,
            });
        }
        own
    }

    /// Whether the router that holds the route learns the MACs of other routers' ports; `None` where no source tells.
    fn learns_routers(&self, route: &Route, port: Option<&Arc<str>>, at: Timestamp) -> Option<bool> {
        let of_port = || port.and_then(|port| self.ports.named(port, at).find_map(|port| port.router.as_ref()));
        let router = route.router.as_ref().or_else(of_port)?;
        self.routers.get(router)?.holding(at).last().map(|router| router.learns_routers)
    }

    /// Moments at which the ports of OVN's own change that the route's next hop is, or was.
    pub(super) fn own_port_moments(&self, route: &Route, ip: IpAddr) -> impl Iterator<Item = Timestamp> {
        let validities = match self.is_own_address(route, ip) {
            true => self.validities_of_own_ports(route, ip),
            false => Vec::new(),
        };
        validities.into_iter().flat_map(|Validity { from, until }| from.into_iter().chain(until))
    }

    fn validities_of_own_ports(&self, route: &Route, ip: IpAddr) -> Vec<Validity> {
        // Where the route names no port, it follows from the ports' networks.
        let holds = |port: &&RouterPort| port.networks.iter().any(|network| network.contains(ip));
        let leaving: HashSet<&Arc<str>> = match &route.output_port {
            Some(port) => [port].into(),
            None => self.ports.ever_of(route.router.as_ref()).filter(holds).map(|port| &port.name).collect(),
        };
        let left = || leaving.iter().flat_map(|port| self.ports.versions(port));
        let routers: HashSet<&Arc<str>> = match &route.router {
            Some(router) => [router].into(),
            None => left().filter_map(|port| port.router.as_ref()).collect(),
        };
        let mut validities: Vec<Validity> = left().map(|port| port.validity).collect();
        validities.extend(self.ports.ever_with(ip).map(|own| own.validity));
        validities.extend(self.switch_ports.versions_with(ip).map(|machine| machine.validity));
        let options = routers.into_iter().filter_map(|router| self.routers.get(router)).flat_map(Versions::iter);
        validities.extend(options.map(|router| router.validity));
        let own: HashSet<&Arc<str>> = self.ports.ever_with(ip).map(|own| &own.port).chain(leaving).collect();
        validities.extend(own.into_iter().flat_map(|port| self.switch_ports.changes_of(port)));
        let machines: HashSet<&Arc<str>> = self.switch_ports.versions_with(ip).map(|machine| &machine.port).collect();
        validities.extend(machines.into_iter().flat_map(|port| self.switch_ports.withheld(port)));
        validities
    }

    /// When those facts hold by which ports of OVN's own may come to be, or cease to be, next hops: a switch has thousands
    /// of other ports.
    pub(super) fn own_port_validities(&self) -> impl Iterator<Item = Validity> {
        let machines = self.nexthop_ips().flat_map(|ip| self.switch_ports.versions_with(ip));
        let options = self.routers.values().flat_map(Versions::iter).map(|router| router.validity);
        machines.map(|machine| machine.validity).chain(self.switch_ports.of_any()).chain(options)
    }
}

/// Whether two ports are on one switch; `None` where no source tells that of one of them.
fn share(a: &[&Arc<str>], b: &[&Arc<str>]) -> Option<bool> {
    (!a.is_empty() && !b.is_empty()).then(|| a.iter().any(|switch| b.contains(switch)))
}
