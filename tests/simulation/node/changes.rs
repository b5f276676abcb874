//! What becomes of gateways, routes, bindings, pods, routers and NICs.

use std::net::IpAddr;

use super::happening::Neighbour;
use super::make::{FIRST_HOP, HOPS, MOST_HOPS};
use super::parts::{Pod, Through};
use super::standing::Status;
use super::wire::{self, Ends};
use super::{Node, Step, addresses};

/// The rest of a change that goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part {
    /// A new box has the address of one that is gone.
    NewBox(Neighbour),
    /// ovn-controller learns the MAC of an address.
    Bind(Neighbour),
    /// A binding ages out.
    Unbind(Neighbour),
    /// OVN-Kubernetes takes the routes to a gateway away.
    Unroute(Neighbour),
    /// It writes routes to a new gateway.
    AddHop(usize),
    /// A session changes its state.
    Status(Neighbour, Status),
    /// A pod's routes are as they were.
    Restore(usize),
    /// A new pod has the address of one that is gone.
    NewPod(usize),
    /// A NIC is up, under the index that it has by now.
    LinkUp(usize),
    /// ovn-controller chooses a zone for a router that was made anew.
    Zone(usize),
}

impl Node {
    /// Something changes.
    pub(super) fn change(&mut self) {
        self.plan((20_000, 120_000), Step::Change);
        match self.numbers.below(100) {
            0..25 => self.replace_box(),
            25..45 => self.lose_hop(),
            45..56 => self.shrink(),
            56..70 => self.lower(),
            70..78 => self.replace_pod(),
            78..90 => self.age(),
            90..94 => self.remake_router(),
            _ => self.take_link_down(),
        }
    }

    /// Goes on with a change.
    pub(super) fn go_on(&mut self, part: Part) {
        match part {
            Part::NewBox(hop) => self.new_box(hop),
            Part::Bind(hop) => self.bind(hop),
            Part::Unbind(hop) => self.unbind(hop),
            Part::Unroute(hop) => self.unroute(hop),
            Part::AddHop(router) => self.add_hop(router),
            Part::Status(hop, status) => self.set_status(hop, status),
            Part::Restore(pod) => self.restore(pod),
            Part::NewPod(pod) => self.new_pod(pod),
            Part::LinkUp(nic) => self.bring_link_up(nic),
            Part::Zone(router) => self.choose_zone(router),
        }
    }

    pub(super) fn then(&mut self, milliseconds: (u32, u32), part: Part) {
        self.plan(milliseconds, Step::Part(part));
    }

    /// The next hops of a router that routes by source may have.
    pub(super) fn hops_of(&self, router: usize) -> Vec<Neighbour> {
        let hops = (FIRST_HOP..FIRST_HOP + HOPS).map(|host| (router, self.outside(router, host)));
        hops.filter(|hop| self.gateways.contains_key(hop)).collect()
    }

    pub(super) fn outside(&self, router: usize, host: u8) -> IpAddr {
        addresses::outside(self.setting.is_v6, router, host)
    }

    /// A next hop of some route that nothing happens to just now.
    pub(super) fn idle_hop(&mut self, is_it: impl Fn(&Self, Neighbour) -> bool) -> Option<Neighbour> {
        let is_idle = |hop: &Neighbour| !self.gateways[hop].is_busy && is_it(self, *hop);
        let is_routed = |hop: &Neighbour| self.standing.routes.values().any(|route| route.hop() == *hop);
        let hops: Vec<Neighbour> = self.gateways.keys().copied().filter(is_routed).filter(is_idle).collect();
        (!hops.is_empty()).then(|| self.numbers.one(&hops))
    }

    pub(super) fn set_busy(&mut self, hop: Neighbour, is_busy: bool) {
        if let Some(gateway) = self.gateways.get_mut(&hop) {
            gateway.is_busy = is_busy;
        }
    }

    /// A gateway dies; BFD sees it after a while.
    fn kill(&mut self, hop: Neighbour) {
        if let Some(gateway) = self.gateways.get_mut(&hop) {
            (gateway.is_alive, gateway.is_busy) = (false, true);
            let mac = gateway.mac;
            self.gone.push(mac);
        }
        self.then((1_000, 5_000), Part::Status(hop, Status::Down));
    }

    fn replace_box(&mut self) {
        // Who has a static binding keeps its MAC.
        if let Some(hop) = self.idle_hop(|node, hop| !node.standing.statics.contains_key(&hop)) {
            self.kill(hop);
            self.then((200, 4_000), Part::NewBox(hop));
        }
    }

    fn new_box(&mut self, hop: Neighbour) {
        let has_bfd = self.gateways[&hop].has_bfd;
        let mut gateway = self.new_gateway(false);
        (gateway.is_alive, gateway.has_bfd) = (true, has_bfd);
        let mac = gateway.mac;
        self.gateways.insert(hop, gateway);
        match self.numbers.below(10) {
            0..6 => {
                self.receive(hop.0, wire::announcement(mac, self.vlan, hop.1));
                self.then((100, 3_000), Part::Bind(hop));
            }
            6..8 => self.then((100, 3_000), Part::Bind(hop)),
            // It keeps still, and the old binding stands until it ages out.
            _ => self.then((5_000, 60_000), Part::Unbind(hop)),
        }
    }

    fn bind(&mut self, hop: Neighbour) {
        let Some(gateway) = self.gateways.get(&hop).filter(|gateway| gateway.is_alive) else { return };
        let (router, mac) = (&self.standing.routers[hop.0], gateway.mac);
        let ends = Ends { eth_src: mac, eth_dst: router.mac, vlan: self.vlan };
        let answer = wire::neighbour_answer(ends, hop.1, router.address);
        self.receive(hop.0, answer);
        let serial = self.next_serial();
        self.standing.bind(hop, mac, serial, self.now);
        self.publish();
        match self.standing.sessions.get(&hop).map(|session| session.status) {
            None | Some(Status::Up) => self.set_busy(hop, false),
            Some(_) => self.begin_session(hop),
        }
    }

    fn age(&mut self) {
        if let Some(hop) = self.idle_hop(|node, hop| node.standing.bindings.contains_key(&hop)) {
            self.set_busy(hop, true);
            self.unbind(hop);
        }
    }

    /// A row of `MAC_Binding` ages out, and OVN asks again when it needs to.
    fn unbind(&mut self, hop: Neighbour) {
        self.standing.bindings.remove(&hop);
        self.publish();
        self.then((200, 30_000), Part::Bind(hop));
    }

    fn lose_hop(&mut self) {
        let is_no_default = |node: &Self, hop: Neighbour| node.hops_of(hop.0).contains(&hop);
        if let Some(hop) = self.idle_hop(is_no_default) {
            if self.numbers.percent(25) {
                self.release(hop);
            } else {
                self.kill(hop);
            }
            self.then((0, 5_000), Part::Unroute(hop));
            self.then((0, 15_000), Part::AddHop(hop.0));
        }
    }

    /// A gateway leaves the routes and lives on: its clients still send through it.
    fn release(&mut self, hop: Neighbour) {
        self.set_busy(hop, true);
        let mac = self.gateways[&hop].mac;
        self.strangers.insert(mac);
        for flow in self.flows.values_mut() {
            if self.pods[flow.pod].router == hop.0 && flow.through == Through::Gateway(hop.1) {
                flow.through = Through::Stranger(mac);
            }
        }
    }

    fn unroute(&mut self, hop: Neighbour) {
        self.gateways.remove(&hop);
        self.standing.unroute(|route| route.hop() == hop);
        self.publish();
        self.then((100_000, 300_000), Part::Unbind(hop));
    }

    fn add_hop(&mut self, router: usize) {
        let hosts: Vec<u8> = (FIRST_HOP..FIRST_HOP + HOPS)
            .filter(|&host| !self.gateways.contains_key(&(router, self.outside(router, host))))
            .collect();
        if hosts.is_empty() {
            return;
        }
        let host = self.numbers.one(&hosts);
        let hop = (router, self.outside(router, host));
        let mut gateway = self.new_gateway(true);
        gateway.is_alive = true;
        self.gateways.insert(hop, gateway);
        for pod in 0..self.pods.len() {
            let Pod { is_there, address, router: of_pod, .. } = self.pods[pod];
            let count = self.standing.routes_of(router, address).count() as u32;
            let has_room = is_there && of_pod == router && count < MOST_HOPS;
            if has_room && (count == 0 || self.numbers.percent(85)) {
                self.add_route(pod, hop);
            }
        }
        self.publish();
        self.then((100, 3_000), Part::Bind(hop));
    }

    /// A pod is left with one route or with none.
    fn shrink(&mut self) {
        let Some(pod) = self.idle_pod() else { return };
        let (router, address) = (self.pods[pod].router, self.pods[pod].address);
        let hops: Vec<IpAddr> = self.standing.routes_of(router, address).map(|route| route.nexthop).collect();
        let kept = if self.numbers.percent(60) { hops.first().copied() } else { None };
        self.standing.unroute(|route| route.source == Some(address) && Some(route.nexthop) != kept);
        (self.pods[pod].is_busy, self.pods[pod].hops) = (true, hops);
        self.publish();
        self.then((30_000, 120_000), Part::Restore(pod));
    }

    fn restore(&mut self, pod: usize) {
        let (router, address) = (self.pods[pod].router, self.pods[pod].address);
        for nexthop in std::mem::take(&mut self.pods[pod].hops) {
            let hop = (router, nexthop);
            let stands = self.standing.routes_of(router, address).any(|route| route.nexthop == nexthop);
            if self.gateways.contains_key(&hop) && !stands {
                self.add_route(pod, hop);
            }
        }
        self.pods[pod].is_busy = false;
        self.publish();
    }

    fn idle_pod(&mut self) -> Option<usize> {
        let pods: Vec<usize> = (0..self.pods.len()).filter(|&pod| !self.pods[pod].is_busy).collect();
        (!pods.is_empty()).then(|| self.numbers.one(&pods))
    }

    fn replace_pod(&mut self) {
        let Some(pod) = self.idle_pod() else { return };
        let address = self.pods[pod].address;
        (self.pods[pod].is_there, self.pods[pod].is_busy) = (false, true);
        self.standing.unroute(|route| route.source == Some(address));
        self.publish();
        self.then((1_000, 10_000), Part::NewPod(pod));
    }

    fn new_pod(&mut self, pod: usize) {
        (self.pods[pod].is_there, self.pods[pod].is_busy) = (true, false);
        self.route_to_some(pod);
        self.publish();
    }
}
