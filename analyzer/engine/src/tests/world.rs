//! Builders for the decision table: facts and packets in the words of the incident.

use alloc::sync::Arc;
use core::net::IpAddr;
use core::time::Duration;

use analyzer_ebpf::abi::LinkTags;

use crate::fact::{
    Bfd, BfdRef, BfdStatus, Binding, BindingKind, Connection, Datapath, Fact, Nat, Policy, ReroutePolicy, Route,
    RouteOrigin, Router, RouterPort, Source, SwitchPort, Zone,
};
use crate::finding::Finding;
use crate::observation::{HeardNeighbour, Observation};
use crate::settings::Settings;
use crate::types::{MacAddr, Timestamp, Tuple, Validity, tuple::proto};
use crate::verdict::Verdict;
use crate::{Conclusion, Engine};

/// The dead gateway's MAC.
pub(super) const DEAD: &str = "ce:73:29:66:39:a4";
/// MAC of the next hop 198.19.3.15.
pub(super) const GW15: &str = "ee:8d:82:db:f9:c4";
/// MAC of the next hop 198.19.3.16.
pub(super) const GW16: &str = "76:9c:19:34:50:26";
/// MAC of the default gateway 198.19.3.1.
pub(super) const GW1: &str = "02:00:00:00:03:01";
/// MAC of the worker's NIC.
pub(super) const NODE: &str = "94:42:c9:c3:f7:92";
/// The pod.
pub(super) const POD: &str = "192.168.16.230";
/// The client.
pub(super) const CLIENT: &str = "172.27.0.13";
/// The external port of the gateway router.
pub(super) const PORT: &str = "rtoe-GR_worker-08";
/// The gateway router.
pub(super) const ROUTER: &str = "GR_worker-08";

pub(super) fn mac(text: &str) -> MacAddr {
    text.parse().unwrap()
}

pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Seconds on the axis of the tests.
pub(super) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000_000_000 + seconds * 1000)
}

pub(super) fn from(seconds: u64) -> Validity {
    Validity { from: Some(at(seconds)), until: None }
}

pub(super) fn between(first: u64, end: u64) -> Validity {
    Validity { from: Some(at(first)), until: Some(at(end)) }
}

/// A route by source with symmetric reply, as OVN-Kubernetes makes them.
pub(super) fn route(prefix: &str, nexthop: &str) -> Route {
    Route {
        router: None,
        route_table: "".into(),
        policy: Policy::SrcIp,
        prefix: prefix.parse().unwrap(),
        nexthop: Some(ip(nexthop)),
        output_port: Some(PORT.into()),
        symmetric_reply: true,
        override_connected: false,
        origin: RouteOrigin::Static,
        bfd: BfdRef::None,
        port_key: None,
        source: Source::Ovn,
        validity: Validity::ALWAYS,
    }
}

/// A route by destination without symmetric reply.
pub(super) fn route_to(prefix: &str, nexthop: &str) -> Route {
    Route { policy: Policy::DstIp, symmetric_reply: false, ..route(prefix, nexthop) }
}

pub(super) fn binding(addr: &str, lladdr: &str) -> Binding {
    Binding {
        logical_port: Some(PORT.into()),
        ip: ip(addr),
        mac: Some(mac(lladdr)),
        kind: BindingKind::MacBinding,
        confirmed: None,
        validity: Validity::ALWAYS,
    }
}

pub(super) fn bfd(peer: &str, status: BfdStatus) -> Bfd {
    Bfd { logical_port: PORT.into(), dst_ip: ip(peer), status, validity: Validity::ALWAYS }
}

pub(super) fn session(peer: &str) -> BfdRef {
    BfdRef::Session { logical_port: PORT.into(), dst_ip: ip(peer) }
}

/// The gateway router's external port.
pub(super) fn port() -> RouterPort {
    RouterPort {
        router: None,
        datapath: None,
        name: PORT.into(),
        mac: Some(mac(NODE)),
        addresses: vec![ip("198.19.3.8")],
        networks: vec!["198.19.3.0/24".parse().unwrap()],
        port_key: Some(2),
        route_table: Some("".into()),
        validity: Validity::ALWAYS,
    }
}

/// The switch's end of a router's port.
pub(super) fn peer(switch: &str, router_port: &str) -> SwitchPort {
    SwitchPort {
        switch: Some(switch.into()),
        name: format!("to-{router_port}").into(),
        router_port: Some(router_port.into()),
        addresses: Vec::new(),
        is_withheld: false,
        validity: Validity::ALWAYS,
    }
}

/// A machine on a switch.
pub(super) fn machine(switch: &str, addr: &str, lladdr: &str) -> SwitchPort {
    let addresses = vec![(ip(addr), mac(lladdr))];
    SwitchPort { name: format!("vm-{addr}").into(), router_port: None, addresses, ..peer(switch, "") }
}

/// The gateway router's options.
pub(super) fn options(learns_routers: bool) -> Fact {
    Fact::Router(Router { name: ROUTER.into(), learns_routers, validity: Validity::ALWAYS })
}

pub(super) fn zone(id: u16, name: &str) -> Fact {
    Fact::Zone(Zone { zone: id, name: name.into(), validity: Validity::ALWAYS })
}

pub(super) fn datapath(uuid: &str, name: &str) -> Fact {
    Fact::Datapath(Datapath { uuid: uuid.into(), name: name.into(), is_router: true, validity: Validity::ALWAYS })
}

pub(super) fn nat(external: &str, logical: &str) -> Fact {
    Fact::Nat(Nat {
        router: None,
        external_ip: ip(external),
        logical_ip: logical.parse().unwrap(),
        translates_source: true,
        validity: Validity::ALWAYS,
    })
}

pub(super) fn reroute(expression: &str) -> Fact {
    Fact::ReroutePolicy(ReroutePolicy {
        router: None,
        priority: 501,
        expression: expression.into(),
        nexthops: vec![ip("198.19.3.9")],
        validity: Validity::ALWAYS,
    })
}

/// The tuple of a packet from the pod's port to the client's port 5005.
pub(super) fn flow(port: u16) -> Tuple {
    Tuple { src: ip(POD), dst: ip(CLIENT), nw_proto: proto::UDP, tp_src: port, tp_dst: 5005 }
}

/// The label of a MAC with the port in it: the old form.
pub(super) fn label(lladdr: &str, port: u16) -> u128 {
    u128::from(mac(lladdr).to_bits()) << 32 | u128::from(port) << 80
}

/// The entry of a flow that the client opened.
pub(super) fn entry(zone: u16, leaving: Tuple, label: u128) -> Connection {
    let orig = leaving.reversed();
    Connection { orig, reply: leaving, zone, mark: 0, label, id: None, offloaded: false, dying: false }
}

/// One packet.
pub(super) fn packet(seconds: u64, tuple: Tuple, eth_src: &str, eth_dst: &str) -> Observation {
    Observation {
        nic: 0,
        tags: LinkTags::NONE,
        eth_src: mac(eth_src),
        eth_dst: mac(eth_dst),
        tuple,
        packets: 1,
        bytes: 94,
        first: at(seconds),
        last: at(seconds),
    }
}

/// A situation: what is told, and what is seen.
#[derive(Debug)]
pub(super) struct World {
    pub(super) settings: Settings,
    pub(super) facts: Vec<Fact>,
    pub(super) history: Option<Timestamp>,
    pub(super) seen: Vec<Observation>,
    pub(super) heard: Vec<HeardNeighbour>,
}

impl World {
    /// Nothing told, nothing seen. The grace period is five seconds, the window a minute.
    pub(super) fn empty() -> Self {
        let settings =
            Settings { grace: Duration::from_secs(5), heard_window: Duration::from_secs(60), ..Settings::default() };
        Self { settings, facts: Vec::new(), history: None, seen: Vec::new(), heard: Vec::new() }
    }

    /// The incident: two routes, three bindings, one labelled entry, one packet to the dead gateway's MAC at 100 s.
    pub(super) fn incident() -> Self {
        let mut world = Self::empty();
        world.routes([route(POD, "198.19.3.15"), route(POD, "198.19.3.16")]);
        world.bindings([
            binding("198.19.3.15", GW15),
            binding("198.19.3.16", GW16),
            binding("fe80::cc73:29ff:fe6b:39a4", DEAD),
        ]);
        world.connections([entry(35, flow(59943), label(DEAD, 2))]);
        world.seen.push(packet(100, flow(59943), NODE, DEAD));
        world
    }

    /// The same with the gateway's replacement at 50 s in the databases' history, which starts at 0 s.
    pub(super) fn with_history() -> Self {
        let mut world = Self::empty();
        world.history = Some(at(0));
        world.routes([route(POD, "198.19.3.15"), route(POD, "198.19.3.16")].map(|r| Route { validity: from(0), ..r }));
        world.bindings([
            Binding { validity: between(0, 50), ..binding("198.19.3.15", DEAD) },
            Binding { validity: from(50), ..binding("198.19.3.15", GW15) },
            Binding { validity: from(0), ..binding("198.19.3.16", GW16) },
        ]);
        world.connections([entry(35, flow(59943), label(DEAD, 2))]);
        world
    }

    pub(super) fn routes(&mut self, routes: impl IntoIterator<Item = Route>) {
        self.facts.extend(routes.into_iter().map(Fact::Route));
    }

    pub(super) fn bindings(&mut self, bindings: impl IntoIterator<Item = Binding>) {
        self.facts.extend(bindings.into_iter().map(Fact::Binding));
    }

    pub(super) fn connections(&mut self, connections: impl IntoIterator<Item = Connection>) {
        self.facts.extend(connections.into_iter().map(Fact::Connection));
    }

    /// Changes every route told.
    pub(super) fn each_route(&mut self, change: impl Fn(&mut Route)) {
        for fact in &mut self.facts {
            if let Fact::Route(route) = fact {
                change(route);
            }
        }
    }

    /// Changes every entry told.
    pub(super) fn each_connection(&mut self, change: impl Fn(&mut Connection)) {
        for fact in &mut self.facts {
            if let Fact::Connection(connection) = fact {
                change(connection);
            }
        }
    }

    /// Forgets the bindings of an address.
    pub(super) fn unbind(&mut self, addr: &str) {
        self.facts.retain(|fact| !matches!(fact, Fact::Binding(binding) if binding.ip == ip(addr)));
    }

    pub(super) fn hear(&mut self, seconds: u64, addr: &str, lladdr: &str) {
        self.heard.push(HeardNeighbour { ip: ip(addr), mac: mac(lladdr), at: at(seconds) });
    }

    pub(super) fn engine(&self) -> Engine {
        let mut engine = Engine::new(self.settings.clone());
        self.facts.iter().cloned().for_each(|fact| engine.add(fact));
        self.history.into_iter().for_each(|start| engine.set_history_start(start));
        engine.epochs();
        for &heard in &self.heard {
            engine.hear(heard);
        }
        engine
    }

    pub(super) fn conclude(&self) -> Conclusion {
        self.engine().conclude(self.seen.as_slice())
    }

    /// The verdict on each packet seen, by time: `violating stale-conntrack`.
    pub(super) fn verdicts(&self) -> Vec<String> {
        let engine = self.engine();
        engine.verdicts(self.seen.as_slice()).into_iter().map(text).collect()
    }

    /// Verdicts that `explain` gives otherwise than all packets together: none. Flows of which it means the other direction
    /// are left out.
    pub(super) fn explained_otherwise(&self) -> Vec<(Observation, Verdict, Verdict)> {
        let mut engine = self.engine();
        let mut seen: Vec<&Observation> = self.seen.iter().collect();
        seen.sort_by_key(|seen| seen.first);
        let verdicts = engine.verdicts(self.seen.as_slice());
        let mut otherwise = Vec::new();
        for (seen, verdict) in seen.into_iter().zip(verdicts) {
            let explained = engine.explain(seen.tuple, self.seen.as_slice());
            let is_it = |finding: &&Finding| {
                let (mac, first) = (finding.eth_dst, finding.first_seen);
                finding.tuple == seen.tuple && mac == Some(seen.eth_dst) && first == seen.first
            };
            let told = explained.seen.iter().find(is_it).map(|finding| finding.verdict);
            otherwise.extend(told.filter(|&told| told != verdict).map(|told| (*seen, verdict, told)));
        }
        otherwise
    }

    /// The same, where the facts begin and end while the engine runs.
    pub(super) fn live_verdicts(&self) -> Vec<String> {
        let engine = super::live::live(self);
        engine.verdicts(self.seen.as_slice()).into_iter().map(text).collect()
    }
}

fn text(verdict: Verdict) -> String {
    match verdict.reason() {
        Some(reason) => format!("{} {reason}", verdict.name()),
        None => verdict.name().to_owned(),
    }
}

/// A router's name as facts hold it.
pub(super) fn router(name: &str) -> Option<Arc<str>> {
    Some(name.into())
}
