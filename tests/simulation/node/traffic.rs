//! Flows between clients and pods, and what OVN does with their packets.

use analyzer::engine::fact::BR_EX_ZONE;
use analyzer::types::{MacAddr, Tuple, tuple::proto};

use super::conntrack::{Key, entry};
use super::happening::{Happening, Neighbour, Out};
use super::parts::{Flow, Through};
use super::wire::{self, Ends};
use super::{Node, Step, addresses};
use crate::numbers::mix;

/// Mark of OVN's traffic in br-ex's zone.
const OVN_MARK: u32 = 1;

/// Flows that ended and may be opened again.
const REMEMBERED: usize = 8;

/// Which of so many a flow's hash takes.
fn hashed(tuple: &Tuple, count: usize) -> usize {
    let number = u64::from(tuple.tp_src) << 24 | u64::from(tuple.tp_dst) << 8 | u64::from(tuple.nw_proto);
    usize::try_from(mix(number) % count as u64).expect("fewer than that")
}

impl Node {
    /// A client, or a pod, opens a flow.
    pub(super) fn open(&mut self) {
        let pods: Vec<usize> = (0..self.pods.len()).filter(|&pod| self.pods[pod].is_there).collect();
        if pods.is_empty() {
            return self.plan((1_000, 5_000), Step::Open);
        }
        let pod = self.numbers.one(&pods);
        let is_by_pod = self.numbers.percent(25);
        let tuple = self.tuple(pod, is_by_pod);
        let through = self.a_way_in(pod);
        let lasts = if self.numbers.percent(30) { (3_600_000, 36_000_000) } else { (20_000, 600_000) };
        let end = self.now + self.after(lasts.0, lasts.1);
        let period = self.after(1_000, 16_000);
        let id = self.next_serial();
        self.flows.insert(id, Flow { pod, tuple, through, period, end });
        if is_by_pod {
            self.reply(id);
        } else {
            self.request(id);
        }
        self.plan((5, 100), Step::Run(id));
    }

    /// The addresses of a new flow. Some have those of one that ended: its entry may live on.
    fn tuple(&mut self, pod: usize, is_by_pod: bool) -> Tuple {
        let is_open = |tuple: &Tuple| self.flows.values().any(|flow| flow.tuple == *tuple);
        let again = self.ended.iter().find(|(of, tuple)| *of == pod && !is_open(tuple)).map(|(_, tuple)| *tuple);
        if let Some(tuple) = again.filter(|_| self.numbers.percent(40)) {
            return tuple;
        }
        let (is_v6, number) = (self.setting.is_v6, self.numbers.between(1, 20) as u8);
        let (src, dst) = (self.pods[pod].address, addresses::client(is_v6, number));
        let (icmp, request, answer) = if is_v6 { (proto::ICMPV6, 128, 129) } else { (proto::ICMP, 8, 0) };
        let (nw_proto, tp_dst) = match self.numbers.below(10) {
            0 => (icmp, u16::from_be_bytes([if is_by_pod { request } else { answer }, 0])),
            1..4 => (proto::TCP, 5005),
            _ => (proto::UDP, 5005),
        };
        Tuple { src, dst, nw_proto, tp_src: self.numbers.between(32_768, 60_999) as u16, tp_dst }
    }

    /// By which way a client's packets come in: a next hop of the pod's, or any other box.
    fn a_way_in(&mut self, pod: usize) -> Through {
        if self.numbers.percent(6) {
            let mac = addresses::mac(addresses::Owner::Stranger, self.numbers.between(1, 250) as u8);
            self.strangers.insert(mac);
            return Through::Stranger(mac);
        }
        let router = self.pods[pod].router;
        let is_routed =
            |hop: &Neighbour| self.standing.routes_of(router, self.pods[pod].address).any(|route| route.hop() == *hop);
        let forwards = |hop: &Neighbour| self.gateways[hop].forwards && self.gateways[hop].is_alive;
        let mut hops: Vec<Neighbour> = self.hops_of(router).into_iter().filter(forwards).collect();
        if hops.iter().any(is_routed) {
            hops.retain(is_routed);
        }
        if hops.is_empty() { Through::Nobody } else { Through::Gateway(self.numbers.one(&hops).1) }
    }

    /// Packets of a flow: some of the client's, then some of the pod's.
    pub(super) fn run(&mut self, id: u32) {
        let Some(Flow { pod, tuple, period, end, .. }) = self.flows.get(&id).cloned() else { return };
        if self.now >= end || !self.pods[pod].is_there {
            self.flows.remove(&id);
            self.ended.push_front((pod, tuple));
            self.ended.truncate(REMEMBERED);
            return self.plan((1_000, 20_000), Step::Open);
        }
        self.look_for_another_way_in(id);
        if self.numbers.percent(60) {
            self.request(id);
        }
        if self.numbers.percent(92) {
            self.reply(id);
        }
        if tuple.nw_proto == proto::TCP && self.numbers.percent(3) {
            let event = self.table.change_state(tuple, self.key(id).1.zone);
            self.ready.extend(event.map(Happening::Entry));
        }
        let next = self.now + period / 100 * u64::from(self.numbers.between(50, 150));
        self.plan_at(next, Step::Run(id));
    }

    /// A client whose gateway is gone finds another one sooner or later, or never; others change it now and then.
    fn look_for_another_way_in(&mut self, id: u32) {
        let Flow { pod, through, .. } = self.flows[&id];
        let another = match through {
            Through::Gateway(_) if self.sender(id).is_some() => self.numbers.percent(2).then(|| self.a_way_in(pod)),
            Through::Gateway(_) if self.numbers.percent(40) => Some(Through::Nobody),
            Through::Gateway(_) => self.numbers.percent(20).then(|| self.a_way_in(pod)),
            Through::Nobody => self.numbers.percent(2).then(|| self.a_way_in(pod)),
            Through::Stranger(mac) if self.numbers.percent(1) => {
                self.strangers.remove(&mac);
                Some(Through::Nobody)
            }
            Through::Stranger(_) => None,
        };
        if let (Some(another), Some(flow)) = (another, self.flows.get_mut(&id)) {
            flow.through = another;
        }
    }

    /// The MAC that the client's packets come from.
    fn sender(&self, id: u32) -> Option<MacAddr> {
        let flow = &self.flows[&id];
        match flow.through {
            Through::Gateway(address) => {
                let gateway = self.gateways.get(&(self.pods[flow.pod].router, address));
                gateway.filter(|gateway| gateway.is_alive && gateway.forwards).map(|gateway| gateway.mac)
            }
            Through::Stranger(mac) => self.strangers.contains(&mac).then_some(mac),
            Through::Nobody => None,
        }
    }

    fn key(&self, id: u32) -> (usize, Key) {
        let Flow { pod, tuple, .. } = self.flows[&id];
        let router = self.pods[pod].router;
        (router, Key { tuple, zone: self.standing.routers[router].zone })
    }

    /// A packet of the client's comes in. Whose MAC it has is asked by nobody.
    fn request(&mut self, id: u32) {
        let ((router, key), sender) = (self.key(id), self.sender(id));
        let Some(mac) = sender.filter(|_| self.nic_of(router).is_some()) else { return };
        let ends = Ends { eth_src: mac, eth_dst: self.standing.routers[router].mac, vlan: self.vlan };
        let payload = vec![0x5a; self.numbers.between(40, 300) as usize];
        self.receive(router, wire::packet(ends, key.tuple.reversed(), &payload));
        self.track_elsewhere(key.tuple.reversed());
        if self.seen.has_reply_flows(self.setting.version, router, key.tuple.src) {
            let id = self.entry_id();
            let event = self.table.request(self.setting.version, key, mac, id, self.now);
            self.ready.extend(event.map(Happening::Entry));
            self.watch_over(id);
        }
    }

    /// A packet of the pod's leaves to the MAC in the label where OVN honours it, else to a next hop by the hash. It does not
    /// leave where no route leads on, or while the next hop has no MAC.
    fn reply(&mut self, id: u32) {
        let (router, key) = self.key(id);
        let Some(ifindex) = self.nic_of(router) else { return };
        let (version, source) = (self.setting.version, key.tuple.src);
        let has_reply_flows = self.seen.has_reply_flows(version, router, source);
        let pin = self.table.pin(version, key, self.now).filter(|_| has_reply_flows);
        let (eth_dst, by_label) = match pin {
            Some((mac, entry)) => (mac, Some(entry)),
            None => {
                let hops = self.seen.deciding(router, source);
                let hop = (!hops.is_empty()).then(|| hops[hashed(&key.tuple, hops.len())]);
                let Some(hop) = hop else { return };
                let Some(mac) = self.seen.resolved(hop) else { return self.ask_for(hop) };
                (mac, None)
            }
        };
        self.track_elsewhere(key.tuple);
        if has_reply_flows {
            let id = self.entry_id();
            let event = self.table.reply(version, key, eth_dst, id, self.now);
            self.ready.extend(event.map(Happening::Entry));
            self.watch_over(id);
        }
        let ends = Ends { eth_src: self.standing.routers[router].mac, eth_dst, vlan: self.vlan };
        let payload = vec![0xa5; self.numbers.between(40, 1_200) as usize];
        let frame = wire::packet(ends, key.tuple, &payload);
        let packets = u64::from(self.numbers.between(1, 20));
        let truth = self.truth(router, source, eth_dst);
        let (eth_src, bytes) = (ends.eth_src, packets * frame.len() as u64);
        let Key { tuple, .. } = key;
        let out = Out { ifindex, frame, packets, bytes, router, tuple, eth_src, eth_dst, truth, by_label };
        self.ready.push_back(Happening::Out(out));
    }

    /// What zones that are no router's keep of a flow: br-ex's always, the host's of some flows, with whatever in its label.
    fn track_elsewhere(&mut self, tuple: Tuple) {
        self.table.touch(tuple, self.now);
        let number = mix(u64::from(tuple.tp_src ^ tuple.tp_dst));
        let decoys = [
            (BR_EX_ZONE, true, (OVN_MARK, 0)),
            (0, number.is_multiple_of(3), (0, if number.is_multiple_of(2) { u128::from(number) << 32 } else { 0 })),
        ];
        for (zone, is_tracked, bits) in decoys {
            if is_tracked && self.table.get(tuple, zone).is_none() {
                let id = self.entry_id();
                let event = self.table.insert(entry(tuple, zone, bits, id), self.now);
                self.ready.push_back(Happening::Entry(event));
                self.watch_over(id);
            }
        }
    }

    /// `CTA_ID` of a new entry: each another one.
    pub(super) fn entry_id(&mut self) -> u32 {
        self.next_serial().wrapping_mul(0x9e37_79b1)
    }

    /// Looks after an entry's timeout, if it is there.
    pub(super) fn watch_over(&mut self, id: u32) {
        if let Some(due) = self.table.due(id) {
            self.plan_at(due, Step::Expire(id));
        }
    }

    /// An entry goes, unless packets came meanwhile.
    pub(super) fn expire(&mut self, id: u32) {
        match self.table.due(id) {
            Some(due) if due > self.now => self.plan_at(due, Step::Expire(id)),
            Some(_) => {
                let removed = self.table.remove(id);
                self.ready.extend(removed.map(|(_, event)| Happening::Entry(event)));
            }
            None => {}
        }
    }
}
