//! What leaves by the NICs and is no pod's.

use analyzer::engine::fact::BR_EX_ZONE;
use analyzer::types::{Tuple, tuple::proto};

use super::conntrack::entry;
use super::happening::{Happening, Neighbour};
use super::make::DEFAULT_GATEWAY;
use super::wire::{self, Ends};
use super::{Node, Step, addresses};

/// Mark of the host's own traffic in br-ex's zone.
const HOST_MARK: u32 = 2;

impl Node {
    /// OVN asks for the MAC of a next hop that it does not know. The packet that asked for it does not leave.
    pub(super) fn ask_for(&mut self, hop: Neighbour) {
        let router = &self.standing.routers[hop.0];
        let frame = wire::neighbour_request(router.mac, self.vlan, router.address, hop.1);
        self.send_aside(hop.0, frame);
    }

    /// The host sends from the router's address and MAC, which are its own too. It has a table of neighbours of its own, in
    /// which the default gateway's MAC is never out of date.
    pub(super) fn send_as_host(&mut self) {
        self.plan((2_000, 20_000), Step::Host);
        let router = self.numbers.below(self.standing.routers.len() as u32) as usize;
        let hop = (router, self.outside(router, DEFAULT_GATEWAY));
        if self.nic_of(router).is_none() || !self.gateways[&hop].is_alive {
            return;
        }
        let dst = addresses::client(self.setting.is_v6, self.numbers.between(1, 20) as u8);
        let src = self.standing.routers[router].address;
        let tp_src = self.numbers.between(32_768, 32_800) as u16;
        let tuple = Tuple { src, dst, nw_proto: proto::UDP, tp_src, tp_dst: 123 };
        self.table.touch(tuple, self.now);
        if self.table.get(tuple, BR_EX_ZONE).is_none() {
            let id = self.entry_id();
            let event = self.table.insert(entry(tuple, BR_EX_ZONE, (HOST_MARK, 0), id), self.now);
            self.ready.push_back(Happening::Entry(event));
            self.watch_over(id);
        }
        let (eth_src, eth_dst) = (self.standing.routers[router].mac, self.gateways[&hop].mac);
        let frame = wire::packet(Ends { eth_src, eth_dst, vlan: self.vlan }, tuple, &[0x17; 48]);
        self.send_aside(router, frame);
    }

    fn send_aside(&mut self, router: usize, frame: Vec<u8>) {
        let sent = self.nic_of(router).map(|ifindex| Happening::Aside { ifindex, frame });
        self.ready.extend(sent);
    }
}
