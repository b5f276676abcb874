//! The node as it is at the start.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use analyzer::types::MacAddr;

use super::addresses::{self, Owner};
use super::conntrack::Table;
use super::happening::{Neighbour, Ns, Which};
use super::parts::{Era, Gateway, Nic, Pod, Router, SECOND, Version};
use super::rows::{Rows, Setting};
use super::standing::{Route, Session, Standing, Status};
use super::truth::Observer;
use super::{Node, Step};
use crate::numbers::Numbers;

/// When the simulation starts.
const START: Ns = 1_000 * SECOND;

/// 2026-01-01T00:00:00Z: when the node was booted.
const BOOT: u64 = 1_767_225_600 * SECOND;

/// Last octet of a link's default gateway, and of the first next hop; there are so many.
pub(super) const DEFAULT_GATEWAY: u8 = 1;
pub(super) const FIRST_HOP: u8 = 10;
pub(super) const HOPS: u8 = 12;

/// Next hops of a pod at most.
pub(super) const MOST_HOPS: u32 = 4;

impl Node {
    /// The node of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        let mut numbers = Numbers::new(seed);
        let setting = Setting { version: numbers.one(&Version::ALL), is_v6: numbers.percent(40), boot: BOOT };
        let routers = 1 + usize::from(numbers.percent(30));
        let nics = if routers == 2 && numbers.percent(50) { 2 } else { 1 };
        let vlan = numbers.percent(20).then(|| numbers.between(2, 4000) as u16);
        let mut node = Self {
            setting,
            vlan,
            numbers,
            now: START,
            standing: Standing::default(),
            seen: Standing::default(),
            late: VecDeque::new(),
            told: Which::ALL.map(|which| (which, Rows::new())).into(),
            observer: Observer::default(),
            gateways: BTreeMap::new(),
            strangers: BTreeSet::new(),
            gone: Vec::new(),
            pods: Vec::new(),
            nics: (0..nics).map(nic).collect(),
            flows: BTreeMap::new(),
            ended: VecDeque::new(),
            table: Table::default(),
            queue: BTreeMap::new(),
            ready: VecDeque::new(),
            serial: 0,
        };
        (0..routers).for_each(|router| node.make_router(router));
        let pods = node.numbers.between(1, 5) as u8;
        (0..pods).for_each(|number| node.make_pod(number, routers));
        let sessions = node.standing.sessions.values_mut();
        sessions.for_each(|session| session.status = Status::Up);
        node.publish();
        // It stood so before anybody watched.
        node.ready.clear();
        node.queue.clear();
        node.late.clear();
        node.seen = node.standing.clone();
        for step in [Step::Change, Step::Confirm, Step::Bfd, Step::Host] {
            node.plan((5_000, 30_000), step);
        }
        for _ in 0..node.numbers.between(5, 16) {
            node.plan((0, 20_000), Step::Open);
        }
        node
    }

    fn make_router(&mut self, router: usize) {
        let is_v6 = self.setting.is_v6;
        self.standing.routers.push(Router {
            name: ["GR_node1", "GR_node1_b"][router],
            mac: addresses::mac(Owner::Port, router as u8 + 1),
            address: addresses::outside(is_v6, router, 2),
            network: addresses::link_network(is_v6, router),
            zone: self.numbers.between(8, 40) as u16 + 50 * router as u16,
            made: 0,
        });
        let hops = self.numbers.between(2, 6) as u8;
        for host in std::iter::once(DEFAULT_GATEWAY).chain((FIRST_HOP..).take(hops.into())) {
            let hop = (router, addresses::outside(is_v6, router, host));
            let gateway = self.new_gateway(host != DEFAULT_GATEWAY);
            let (mac, serial) = (gateway.mac, self.next_serial());
            self.gateways.insert(hop, Gateway { is_alive: true, is_busy: false, ..gateway });
            self.standing.bind(hop, mac, serial, self.now);
        }
        // The oldest releases have no static bindings.
        let default = (router, addresses::outside(is_v6, router, DEFAULT_GATEWAY));
        if self.setting.version.era > Era::A && self.numbers.percent(20) {
            self.standing.statics.insert(default, self.gateways[&default].mac);
        }
        // Some nodes have no way for pods without routes of their own.
        if self.numbers.percent(85) {
            let serial = self.next_serial();
            self.standing.routes.insert(serial, Route { router, source: None, nexthop: default.1, has_bfd: false });
        }
    }

    fn make_pod(&mut self, number: u8, routers: usize) {
        let router = usize::from(number) % routers;
        let address = addresses::pod(self.setting.is_v6, number);
        let pod = self.pods.len();
        self.pods.push(Pod { router, address, is_there: true, is_busy: false, hops: Vec::new() });
        self.route_to_some(pod);
    }

    /// Gives a pod routes to some of the next hops.
    pub(super) fn route_to_some(&mut self, pod: usize) {
        let router = self.pods[pod].router;
        let mut hops = self.hops_of(router);
        for _ in 0..self.numbers.between(1, MOST_HOPS) {
            if !hops.is_empty() {
                let index = self.numbers.below(hops.len() as u32) as usize;
                self.add_route(pod, hops.swap_remove(index));
            }
        }
    }

    /// A box with a MAC of its own. Some get the MAC of one that is gone, as a pod does that gets the same VF.
    pub(super) fn new_gateway(&mut self, may_have_bfd: bool) -> Gateway {
        let mac = match self.numbers.percent(15) && !self.gone.is_empty() {
            true => {
                let index = self.numbers.below(self.gone.len() as u32) as usize;
                self.gone.swap_remove(index)
            }
            false => addresses::box_mac(self.next_serial()),
        };
        let forwards = self.numbers.percent(85);
        let has_bfd = may_have_bfd && self.numbers.percent(40);
        Gateway { mac, is_alive: false, forwards, has_bfd, is_busy: true }
    }

    /// Writes a route, and the session that watches its next hop.
    pub(super) fn add_route(&mut self, pod: usize, hop: Neighbour) {
        let (router, nexthop) = hop;
        let has_bfd = self.gateways[&hop].has_bfd;
        let source = Some(self.pods[pod].address);
        let serial = self.next_serial();
        self.standing.routes.insert(serial, Route { router, source, nexthop, has_bfd });
        if has_bfd && !self.standing.sessions.contains_key(&hop) {
            let serial = self.next_serial();
            self.standing.sessions.insert(hop, Session { serial, status: Status::Unset });
            self.begin_session(hop);
        }
    }
}

fn nic(number: u32) -> Nic {
    let mac: MacAddr = addresses::mac(Owner::Nic, number as u8);
    Nic { name: ["eno1", "eno2"][number as usize], ifindex: 5 + number, mac, exists: true, is_up: true }
}
