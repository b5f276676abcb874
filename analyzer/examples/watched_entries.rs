//! What `cargo xtask bench standing` runs: the labelled entries of a node held against the routes of their own flows, all of
//! them after a reading of the table, and those that a change of one next hop bears on.

#![expect(clippy::disallowed_methods, reason = "it measures time")]

use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::time::Instant;

use analyzer::conntrack::index::LabelledIndex;
use analyzer::engine::Engine;
use analyzer::engine::fact::{
    BfdRef, Binding, BindingKind, Connection, Fact, Policy, Route, RouteOrigin, RouterPort, Source, Zone,
};
use analyzer::engine::settings::Settings;
use analyzer::engine::watch::{Place, Watch};
use analyzer::types::tuple::proto;
use analyzer::types::{IpPrefix, MacAddr, Timestamp, Tuple, Validity};

const ROUTER: &str = "GR_worker";
const PORT: &str = "rtoe-GR_worker";
const ZONE: u16 = 35;
const PORT_KEY: u16 = 2;

fn main() -> ExitCode {
    let args: Vec<u32> = std::env::args().skip(1).filter_map(|arg| arg.parse().ok()).collect();
    let &[entries, routes, gateways, per_pod] = args.as_slice() else {
        eprintln!("usage: watched_entries ENTRIES ROUTES GATEWAYS NEXTHOPS_OF_A_POD");
        return ExitCode::from(2);
    };
    let node = Node { gateways, per_pod, pods: (routes / per_pod).max(1) };
    let mut engine = node.engine();
    let mut kept = Kept { index: node.index(entries), watch: Watch::default() };
    let at = |seconds: u64| Timestamp::from_millis(1_000_000_000_000 + seconds * 1000);

    let reading = kept.timed(&engine, at(0));
    let binding = |mac| Fact::Binding(node.binding(7 % gateways, mac));
    engine.end(&binding(node.mac(7 % gateways)), at(10));
    engine.begin(binding(MacAddr([2, 0, 0, 0, 9, 9])), at(10));
    let mac = kept.timed(&engine, at(10));
    // The gateway is taken away.
    let own: Vec<Fact> =
        node.routes().filter(|route| route.nexthop == Some(node.address(7 % gateways))).map(Fact::Route).collect();
    assert!(own.iter().all(|route| engine.end(route, at(20))), "the routes were told");
    let gone = kept.timed(&engine, at(20));
    for (what, (micros, outside)) in [("reading", reading), ("mac", mac), ("gone", gone)] {
        println!("{what} {micros} {outside}");
    }
    ExitCode::SUCCESS
}

/// Entries as the daemon keeps them.
struct Kept {
    index: LabelledIndex,
    watch: Watch,
}

impl Kept {
    /// Microseconds of a look, and the entries that are outside then.
    fn timed(&mut self, engine: &Engine, at: Timestamp) -> (u128, usize) {
        let started = Instant::now();
        let Self { index, watch } = self;
        engine.watch(watch, at);
        index.tag(watch.are_any_moved(), |entry, tag, is_shared| {
            watch.place_anew(entry, Place::of(tag), is_shared).number()
        });
        watch.settle();
        engine.watch(watch, at);
        let outside = index.tagged(|tag| watch.is_outside(Place::of(tag))).count();
        (started.elapsed().as_micros(), outside)
    }
}

/// A node with pods, each of which has some of the gateways as next hops.
struct Node {
    gateways: u32,
    per_pod: u32,
    pods: u32,
}

impl Node {
    fn pod(number: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(0x0a80_0000 + number)
    }

    fn address(&self, gateway: u32) -> std::net::IpAddr {
        Ipv4Addr::from_bits(0xc613_0300 + 10 + gateway).into()
    }

    fn mac(&self, gateway: u32) -> MacAddr {
        MacAddr::from_bits(0x0200_0000_0100 + u64::from(gateway))
    }

    fn gateway_of(&self, pod: u32, number: u32) -> u32 {
        (pod + number) % self.gateways
    }

    fn binding(&self, gateway: u32, mac: MacAddr) -> Binding {
        Binding {
            logical_port: Some(PORT.into()),
            ip: self.address(gateway),
            mac: Some(mac),
            kind: BindingKind::MacBinding,
            confirmed: None,
            validity: Validity::ALWAYS,
        }
    }

    fn routes(&self) -> impl Iterator<Item = Route> {
        let of_pod = move |pod| (0..self.per_pod).map(move |number| (pod, self.gateway_of(pod, number)));
        (0..self.pods).flat_map(of_pod).map(|(pod, gateway)| Route {
            router: Some(ROUTER.into()),
            route_table: "".into(),
            policy: Policy::SrcIp,
            prefix: IpPrefix::host(Self::pod(pod).into()),
            nexthop: Some(self.address(gateway)),
            output_port: Some(PORT.into()),
            symmetric_reply: true,
            override_connected: false,
            origin: RouteOrigin::Static,
            bfd: BfdRef::None,
            port_key: None,
            source: Source::Ovn,
            validity: Validity::ALWAYS,
        })
    }

    fn engine(&self) -> Engine {
        let mut engine = Engine::new(Settings::default());
        let port = RouterPort {
            router: Some(ROUTER.into()),
            datapath: None,
            name: PORT.into(),
            mac: Some(MacAddr([2, 0, 0, 0, 0, 1])),
            addresses: vec![Ipv4Addr::new(198, 19, 3, 8).into()],
            networks: vec!["198.19.3.0/24".parse().expect("it is a prefix")],
            port_key: Some(PORT_KEY),
            route_table: Some("".into()),
            validity: Validity::ALWAYS,
        };
        let zone = Zone { zone: ZONE, name: format!("{ROUTER}_dnat").into(), validity: Validity::ALWAYS };
        let bindings = (0..self.gateways).map(|gateway| Fact::Binding(self.binding(gateway, self.mac(gateway))));
        let facts = [Fact::RouterPort(port), Fact::Zone(zone)].into_iter().chain(bindings);
        facts.chain(self.routes().map(Fact::Route)).for_each(|fact| engine.begin(fact, None));
        engine
    }

    fn index(&self, entries: u32) -> LabelledIndex {
        let mut index = LabelledIndex::new(usize::MAX);
        for number in 0..entries {
            let pod = number % self.pods;
            let reply = Tuple {
                src: Self::pod(pod).into(),
                dst: Ipv4Addr::from_bits(0xac1b_0000 + number).into(),
                nw_proto: proto::UDP,
                tp_src: 5005,
                tp_dst: 40_000,
            };
            let mac = self.mac(self.gateway_of(pod, number / self.pods % self.per_pod));
            let label = u128::from(mac.to_bits()) << 32;
            let (orig, mark) = (reply.reversed(), u32::from(PORT_KEY) << 16);
            index.insert(&Connection {
                orig,
                reply,
                zone: ZONE,
                mark,
                label,
                id: Some(number),
                offloaded: false,
                dying: false,
            });
        }
        index
    }
}
