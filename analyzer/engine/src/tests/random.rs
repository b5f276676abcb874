//! Random worlds: routers, next hops and flows that get in each other's way.

use analyzer_ebpf::abi::{Direction, LinkTags};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use super::world::*;
use crate::fact::{
    Bfd, BfdRef, BfdStatus, Binding, BindingKind, Fact, Nat, Policy, Route, RouteOrigin, Router, RouterPort, SwitchPort,
};
use crate::observation::Observation;
use crate::types::{Tuple, Validity};

/// MAC of the second router.
const NODE2: &str = "94:42:c9:c3:f7:93";
const OTHER_PORT: &str = "rtoe-GR_other";

const SOURCES: [&str; 8] = [
    "10.0.0.1/32",
    "10.0.0.2/32",
    "10.0.0.3/32",
    "10.0.0.4/32",
    "10.0.0.0/24",
    "10.0.0.0/8",
    "198.19.3.8/32",
    "fd00::1/128",
];
const DESTINATIONS: [&str; 8] = [
    "0.0.0.0/0",
    "172.27.0.0/16",
    "172.28.0.0/16",
    "172.27.0.13/32",
    "198.19.3.0/24",
    "10.0.0.0/24",
    "::/0",
    "fd01::/16",
];

fn validity() -> impl Strategy<Value = Validity> {
    prop_oneof![
        4 => Just(Validity::ALWAYS),
        2 => select(vec![10, 30, 50, 60]).prop_map(from),
        2 => select(vec![(0, 30), (10, 50), (30, 50), (50, 60)]).prop_map(|(first, end)| between(first, end)),
    ]
}

fn bfd_ref() -> impl Strategy<Value = BfdRef> {
    prop_oneof![
        4 => Just(BfdRef::None),
        2 => select(vec!["198.19.3.15", "198.19.3.16"]).prop_map(session),
        1 => Just(BfdRef::Attached),
        1 => select(vec![BfdStatus::Up, BfdStatus::Down]).prop_map(BfdRef::Status),
    ]
}

fn nexthop() -> impl Strategy<Value = Option<&'static str>> {
    select(vec![Some("198.19.3.15"), Some("198.19.3.16"), Some("198.19.3.1"), Some("100.64.0.1"), None])
}

/// A route of several prefixes: pods of one kind.
fn routes() -> impl Strategy<Value = Vec<Route>> {
    let kind = (
        any::<bool>(),
        any::<u8>(),
        any::<u8>(),
        prop_oneof![6 => Just(RouteOrigin::Static), 1 => Just(RouteOrigin::Learned)],
    );
    let place =
        (select(vec![None, Some("GR_a"), Some("GR_a"), Some("GR_b")]), prop_oneof![6 => Just(""), 1 => Just("t")]);
    let way = (nexthop(), select(vec![None, Some(PORT), Some(OTHER_PORT), Some("rtoj-GR_a")]), bfd_ref());
    let flags = (any::<bool>(), prop_oneof![6 => Just(false), 1 => Just(true)]);
    (kind, place, way, flags, validity()).prop_map(|(kind, place, way, flags, validity)| {
        let (is_by_source, some, others, origin) = kind;
        let (policy, prefixes) = if is_by_source { (Policy::SrcIp, SOURCES) } else { (Policy::DstIp, DESTINATIONS) };
        // A quarter of the prefixes at a time.
        let mask = some & others;
        let chosen = prefixes.into_iter().enumerate().filter(|(bit, _)| mask >> bit & 1 == 1).map(|(_, prefix)| prefix);
        let route = |prefix: &str| Route {
            router: place.0.map(Into::into),
            route_table: place.1.into(),
            policy,
            nexthop: way.0.map(ip),
            output_port: way.1.map(Into::into),
            symmetric_reply: flags.0,
            override_connected: flags.1,
            origin,
            bfd: way.2.clone(),
            validity,
            ..route(prefix, "198.19.3.15")
        };
        chosen.map(route).collect()
    })
}

fn router_port() -> impl Strategy<Value = Fact> {
    let network = select(vec!["198.19.3.0/24", "172.28.0.0/16", "172.27.0.13/32", "10.0.0.0/24"]);
    let name = select(vec![(Some("GR_a"), PORT, NODE), (Some("GR_b"), OTHER_PORT, NODE2), (None, "stray", NODE2)]);
    let table = select(vec![None, None, Some(""), Some("t")]);
    let own = select(vec!["198.19.3.8", "198.19.3.8", "198.19.3.15", "198.19.3.16"]);
    (name, network, table, of(Just(())), own, validity()).prop_map(
        |((router, name, lladdr), network, table, mac_told, own, validity)| {
            Fact::RouterPort(RouterPort {
                router: router.map(Into::into),
                name: name.into(),
                mac: mac_told.map(|()| mac(lladdr)),
                addresses: vec![ip(own)],
                networks: vec![network.parse().unwrap()],
                route_table: table.map(Into::into),
                validity,
                ..port()
            })
        },
    )
}

fn binding_fact() -> impl Strategy<Value = Fact> {
    let kind = select(vec![
        BindingKind::MacBinding,
        BindingKind::StaticMacBinding { override_dynamic_mac: true },
        BindingKind::StaticMacBinding { override_dynamic_mac: false },
    ]);
    let addr = select(vec!["198.19.3.15", "198.19.3.16", "198.19.3.1"]);
    let lladdr = of(select(vec![DEAD, GW15, GW16, GW1]));
    let port = select(vec![None, Some(PORT), Some(PORT), Some(OTHER_PORT)]);
    (addr, lladdr, port, kind, of(select(vec![20_u64, 45])), validity()).prop_map(
        |(addr, lladdr, port, kind, confirmed, validity)| {
            Fact::Binding(Binding {
                logical_port: port.map(Into::into),
                mac: lladdr.map(mac),
                kind,
                confirmed: confirmed.map(at),
                validity,
                ..binding(addr, GW15)
            })
        },
    )
}

fn other_fact() -> impl Strategy<Value = Fact> {
    let status = select(vec![BfdStatus::Up, BfdStatus::Init, BfdStatus::Down]);
    let peer = select(vec!["198.19.3.15", "198.19.3.16"]);
    prop_oneof![
        4 => (peer, status, validity()).prop_map(|(peer, status, validity)| Fact::Bfd(Bfd { validity, ..bfd(peer, status) })),
        2 => (select(vec!["198.19.3.8", "10.9.9.9"]), select(vec!["10.0.0.1", "10.0.0.0/24", "10.7.0.1"]), validity()).prop_map(
            |(external, logical, validity)| match nat(external, logical) {
                Fact::Nat(nat) => Fact::Nat(Nat { validity, ..nat }),
                fact => fact,
            }
        ),
        1 => Just(reroute("ip4.src == 10.0.0.1")),
        1 => (1_u16..4).prop_map(|port| Fact::Connection(entry(35, flow_of(port), label(DEAD, 2)))),
        1 => select(vec!["GR_a_dnat", "GR_b_dnat", "other"]).prop_map(|name| zone(35, name)),
    ]
}

fn flow_of(port: u16) -> Tuple {
    Tuple { src: ip("10.0.0.1"), ..flow(port) }
}

/// Ports of switches, and the option by which they count for a router or do not.
fn switch_fact() -> impl Strategy<Value = Fact> {
    let switch = || select(vec!["a", "b"]);
    let ends = (switch(), select(vec![PORT, OTHER_PORT])).prop_map(|(switch, port)| peer(switch, port));
    let machines = (switch(), select(vec!["198.19.3.15", "198.19.3.1"]), select(vec![GW1, GW15]), any::<bool>());
    let machines = machines
        .prop_map(|(switch, addr, lladdr, is_withheld)| SwitchPort { is_withheld, ..machine(switch, addr, lladdr) });
    let ports = prop_oneof![2 => ends, 1 => machines];
    prop_oneof![
        3 => (ports, validity()).prop_map(|(port, validity)| Fact::SwitchPort(SwitchPort { validity, ..port })),
        1 => (any::<bool>(), validity()).prop_map(|(learns_routers, validity)| {
            Fact::Router(Router { name: "GR_a".into(), learns_routers, validity })
        }),
    ]
}

/// A world of two routers.
pub(super) fn world() -> impl Strategy<Value = World> {
    let heard = (0_u64..80, select(vec!["198.19.3.15", "198.19.3.16"]), select(vec![DEAD, GW15, GW16]));
    let told = (
        vec(routes(), 1..7),
        vec(router_port(), 0..4),
        vec(switch_fact(), 0..4),
        vec(binding_fact(), 0..8),
        vec(other_fact(), 0..6),
    );
    (told, vec(heard, 0..3)).prop_map(|((routes, ports, switches, bindings, others), mut heard)| {
        let routes = routes.into_iter().flatten().map(Fact::Route);
        let mut facts: Vec<Fact> = Vec::new();
        for fact in routes.chain(ports).chain(switches).chain(bindings).chain(others) {
            if !facts.iter().any(|other| overlap(other, &fact)) {
                facts.push(fact);
            }
        }
        facts.sort_by_key(|fact| fact.validity().and_then(|validity| validity.from));
        let mut world = World { facts, ..World::empty() };
        heard.sort_unstable();
        heard.into_iter().for_each(|(seconds, addr, lladdr)| world.hear(seconds, addr, lladdr));
        world
    })
}

/// Whether two facts say the same at some time, so that dumps would put them together.
fn overlap(a: &Fact, b: &Fact) -> bool {
    let (Some(at_a), Some(at_b)) = (a.validity(), b.validity()) else { return a == b };
    let ends_before = |a: Validity, b: Validity| a.until.is_some_and(|until| b.from.is_some_and(|from| until <= from));
    if ends_before(at_a, at_b) || ends_before(at_b, at_a) {
        return false;
    }
    match (a, b) {
        (Fact::Route(a), Fact::Route(b)) => {
            let key =
                |route: &Route| (route.policy, route.prefix, route.nexthop, route.route_table.clone(), route.origin);
            key(a) == key(b) && (a.router == b.router || a.router.is_none() || b.router.is_none())
        }
        (Fact::Binding(a), Fact::Binding(b)) => {
            (&a.logical_port, a.ip, a.mac, a.kind) == (&b.logical_port, b.ip, b.mac, b.kind)
        }
        _ => {
            let mut same_time = b.clone();
            same_time.validity_mut().into_iter().for_each(|validity| *validity = at_a);
            *a == same_time
        }
    }
}

/// A flow as it leaves, in seconds from 0 to 80.
pub(super) fn leaving() -> impl Strategy<Value = Observation> {
    let src = select(vec![
        "10.0.0.1",
        "10.0.0.2",
        "10.0.0.3",
        "10.0.0.4",
        "10.0.0.77",
        "10.9.9.9",
        "198.19.3.8",
        "192.0.2.1",
    ]);
    let dst =
        select(vec!["172.27.0.13", "172.27.0.14", "172.28.0.1", "198.19.3.77", "10.0.0.78", "8.8.8.8", "9.9.9.9"]);
    let v4 = (src, dst);
    let v6 = (select(vec!["fd00::1", "fd00::2"]), select(vec!["fd01::1", "fd02::1"]));
    let ends = prop_oneof![9 => v4, 1 => v6];
    let eth_dst = select(vec![DEAD, GW15, GW16, GW1]);
    let eth_src = select(vec![NODE, NODE, NODE2, DEAD]);
    (ends, eth_src, eth_dst, 0_u64..80, 1_u16..4).prop_map(|((src, dst), eth_src, eth_dst, seconds, port)| {
        let tuple = Tuple { src: ip(src), dst: ip(dst), ..flow(port) };
        let tags = LinkTags::NONE.with_direction(Direction::Outbound);
        Observation { tags, ..packet(seconds, tuple, eth_src, eth_dst) }
    })
}

/// Packets of a few flows, requests among them.
pub(super) fn packets() -> impl Strategy<Value = Vec<Observation>> {
    let seen = (leaving(), any::<bool>(), 0..5_u8).prop_map(|(seen, is_told, kind)| {
        let tags = if is_told { seen.tags } else { LinkTags::NONE };
        match kind {
            0 => Observation {
                tuple: seen.tuple.reversed(),
                eth_src: seen.eth_dst,
                eth_dst: seen.eth_src,
                tags: LinkTags::NONE,
                ..seen
            },
            _ => Observation { tags, ..seen },
        }
    });
    vec(seen, 0..12)
}
