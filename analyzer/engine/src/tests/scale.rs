//! How the work grows with what is told: twice as much takes hardly more than twice the steps.

use super::world::*;
use crate::Engine;
use crate::fact::{BindingKind, Connection, Fact, Policy, Route, Router, RouterPort, SwitchPort};
use crate::observation::Observation;
use crate::types::work::steps_of;
use crate::types::{Timestamp, Tuple, Validity};

/// Size of the smaller world.
const SIZE: u32 = 1 << 10;

/// Checks that what is twice as large takes at most 2.3 times the steps.
fn grows_evenly(what: &str, work: impl Fn(u32)) {
    let small = steps_of(|| work(SIZE));
    let large = steps_of(|| work(2 * SIZE));
    assert!(large * 10 <= small * 23, "{what}: {small} steps for {SIZE}, {large} for twice as much");
}

fn judged(facts: impl IntoIterator<Item = Fact>, seen: &[Observation]) -> usize {
    let mut engine = Engine::new(World::empty().settings);
    facts.into_iter().for_each(|fact| engine.add(fact));
    engine.conclude(seen).findings.len()
}

fn address(number: u32) -> String {
    core::net::Ipv4Addr::from_bits(0xc612_0000 + number).to_string()
}

fn lladdr(number: u32) -> String {
    let [_, a, b, c] = number.to_be_bytes();
    format!("02:00:00:{a:02x}:{b:02x}:{c:02x}")
}

/// Packets of as many flows, each at another time, to whatever MAC is asked for.
fn packets(count: u32, to: impl Fn(u32) -> String) -> Vec<Observation> {
    let packet = |number: u32| {
        let tuple = Tuple { src: ip("10.0.0.1"), ..flow(number as u16) };
        packet(55 + u64::from(number) * 20, tuple, NODE, &to(number))
    };
    (0..count).map(packet).collect()
}

/// Ten seconds of every twenty.
fn turn(number: u32) -> Validity {
    let start = 50 + u64::from(number) * 20;
    between(start, start + 10)
}

#[test]
fn one_tuple_labelled_in_many_zones() {
    grows_evenly("many zones", |size| {
        let entries = (0..size).map(|zone| Connection { zone: zone as u16, ..entry(0, flow(1), label(DEAD, 2)) });
        let facts = [Fact::Route(route(POD, "198.19.3.15")), Fact::Binding(binding("198.19.3.15", GW15))];
        let mut engine = Engine::new(World::empty().settings);
        facts.into_iter().chain(entries.map(Fact::Connection)).for_each(|fact| engine.add(fact));
        let latent = engine.conclude([packet(60, flow(2), NODE, GW15)].as_slice()).latent;
        assert_eq!(latent.len(), size as usize - 1, "zone 0 is the host's");
        assert_eq!(engine.connections(at(60)).len(), size as usize);
        let conclusion = engine.conclude([packet(60, flow(1), NODE, DEAD)].as_slice());
        let entries = &conclusion.findings[0].conntrack;
        assert_eq!(entries.len() as u64 + entries.left_out(), u64::from(size) - 1);
    });
}

#[test]
fn an_entry_that_is_looked_up_in_many_zones() {
    grows_evenly("many zones", |size| {
        let mut engine = Engine::new(World::empty().settings);
        let entries = |label| (0..size).map(move |zone| Connection { zone: zone as u16, ..entry(0, flow(1), label) });
        engine.set_connections(flow(1), entries(label(DEAD, 2)).collect());
        engine.set_connections(flow(1), entries(label(GW15, 2)).collect());
        entries(label(DEAD, 2)).for_each(|entry| engine.set_connections(flow(9), vec![entry]));
        assert_eq!(engine.connection_count(), size as usize);
    });
}

fn timed_nexthops(size: u32, address: impl Fn(u32) -> String) -> impl Iterator<Item = Fact> {
    (0..size).flat_map(move |number| {
        let (validity, addr) = (turn(number), address(number));
        let kind = BindingKind::NexthopsToml;
        let binding = crate::fact::Binding { validity, kind, ..binding(&addr, &lladdr(number)) };
        [Fact::Route(Route { validity, ..route("10.0.0.0/8", &addr) }), Fact::Binding(binding)]
    })
}

#[test]
fn one_route_with_many_timed_next_hops() {
    grows_evenly("each another address", |size| {
        let seen = packets(size, |number| lladdr(number.saturating_sub(number % 7)));
        assert!(judged(timed_nexthops(size, address), &seen) > 0);
    });
    grows_evenly("one address with MACs in turn", |size| {
        let seen = packets(size, |number| lladdr(number.saturating_sub(number % 7)));
        assert!(judged(timed_nexthops(size, |_| "198.19.3.15".to_owned()), &seen) > 0);
    });
    grows_evenly("a MAC that never was one", |size| {
        let seen = packets(size, |_| DEAD.to_owned());
        assert_eq!(judged(timed_nexthops(size, address), &seen), size as usize);
    });
}

#[test]
fn many_routers_with_one_prefix() {
    let facts = |size: u32, policy: Policy| {
        (0..size).flat_map(move |number| {
            let addr = address(number);
            let route = Route {
                router: router(&format!("GR_{number}")),
                output_port: None,
                policy,
                ..route("0.0.0.0/0", &addr)
            };
            let binding = crate::fact::Binding { logical_port: None, ..binding(&addr, &lladdr(number)) };
            [Fact::Route(route), Fact::Binding(binding)]
        })
    };
    let packets = |size: u32| -> Vec<Observation> {
        let tuple = |number: u32| Tuple { src: ip("10.0.0.1"), ..flow(number as u16) };
        (0..size).map(|number| packet(60, tuple(number), NODE, if number % 2 == 0 { DEAD } else { GW15 })).collect()
    };
    for policy in [Policy::SrcIp, Policy::DstIp] {
        grows_evenly("unlabelled flows", |size| {
            assert_eq!(judged(facts(size, policy), &packets(size)), size as usize);
        });
    }
    grows_evenly("labelled flows", |size| {
        let entries = packets(size).into_iter().map(|seen| Fact::Connection(entry(35, seen.tuple, label(DEAD, 2))));
        assert_eq!(judged(facts(size, Policy::SrcIp).chain(entries), &packets(size)), size as usize);
    });
}

#[test]
fn a_thing_that_changes_many_times() {
    let moment = |number: u32| at(100 + u64::from(number));
    grows_evenly("a next hop that comes and goes", |size| {
        let mut engine = Engine::new(World::empty().settings);
        let facts = [Fact::Route(route(POD, "198.19.3.15")), Fact::Binding(binding("198.19.3.15", GW15))];
        for number in 0..size {
            facts.iter().for_each(|fact| engine.begin(fact.clone(), moment(2 * number)));
            assert!(facts.iter().all(|fact| engine.end(fact, moment(2 * number + 1))));
        }
        assert_eq!(engine.past().count(), 2 * size as usize);
    });
    grows_evenly("zones, sessions, policies and ports", |size| {
        let mut engine = Engine::new(World::empty().settings);
        let facts = [
            zone(35, "GR_worker-08_dnat"),
            Fact::Bfd(bfd("198.19.3.15", crate::fact::BfdStatus::Down)),
            reroute("ip4.src == 10.0.0.1"),
            nat("198.19.3.8", "10.0.0.1"),
            datapath("3f5e2a8a-1111-4c7e-9d26-5f2b7f6c0a01", "GR_worker-08"),
            Fact::RouterPort(port()),
            Fact::SwitchPort(machine("ext", "198.19.3.15", GW15)),
            Fact::SwitchPort(peer("ext", PORT)),
            options(false),
        ];
        for number in 0..size {
            facts.iter().for_each(|fact| engine.begin(fact.clone(), moment(2 * number)));
            assert!(facts.iter().all(|fact| engine.end(fact, moment(2 * number + 1))));
        }
        for fact in &facts {
            engine.begin(fact.clone(), Timestamp::MAX);
        }
    });
    grows_evenly("many routers' routes of one prefix", |size| {
        let mut engine = Engine::new(World::empty().settings);
        let routes = |size: u32| {
            (0..size).map(|number| Route { router: router(&number.to_string()), ..route(POD, "198.19.3.15") })
        };
        routes(size).for_each(|route| engine.begin(Fact::Route(route), at(0)));
        assert!(routes(size).all(|route| engine.end(&Fact::Route(route), at(10))));
    });
}

#[test]
fn many_policies_and_many_flows() {
    grows_evenly("policies", |size| {
        let policies = (0..size).map(|number| reroute(&format!("ip4.src == {}", address(number))));
        let facts = [Fact::Route(route("10.0.0.0/8", "198.19.3.15")), Fact::Binding(binding("198.19.3.15", GW15))];
        assert_eq!(judged(facts.into_iter().chain(policies), &packets(size, |_| DEAD.to_owned())), size as usize);
    });
}

#[test]
fn many_rows_of_one_mac_and_many_flows() {
    grows_evenly("rows", |size| {
        let rows = (0..size).map(|number| Fact::Binding(binding(&address(number + 1000), DEAD)));
        let facts = [Fact::Route(route("10.0.0.0/8", "198.19.3.15")), Fact::Binding(binding("198.19.3.15", GW15))];
        assert_eq!(judged(facts.into_iter().chain(rows), &packets(size, |_| DEAD.to_owned())), size as usize);
    });
}

/// A node's address, and an address that NAT rules give to as many pods, each with a route of its own.
fn pods(size: u32) -> impl Iterator<Item = Fact> {
    let of_pod = |number: u32| {
        let pod = Fact::Route(route(&address(number), "198.19.3.1"));
        [pod, nat("203.0.113.7", &address(number)), nat(&outside(number), &address(number))]
    };
    let routes = [route_to("0.0.0.0/0", "198.19.3.1")].map(Fact::Route);
    let others = [Fact::Binding(binding("198.19.3.1", GW1)), Fact::RouterPort(port())];
    routes.into_iter().chain(others).chain((0..size).flat_map(of_pod))
}

fn outside(number: u32) -> String {
    core::net::Ipv4Addr::from_bits(0xcb00_8000 + number).to_string()
}

#[test]
fn many_flows_from_translated_sources() {
    let from = |size: u32, src: fn(u32) -> String| -> Vec<Observation> {
        let tuple = |number: u32| Tuple { src: ip(&src(number)), dst: ip(CLIENT), ..flow(number as u16) };
        (0..size).map(|number| packet(60, tuple(number), NODE, DEAD)).collect()
    };
    let unknown = |facts: &mut dyn Iterator<Item = Fact>, seen: Vec<Observation>| {
        let mut engine = Engine::new(World::empty().settings);
        facts.for_each(|fact| engine.add(fact));
        let findings = engine.conclude(seen.as_slice()).findings;
        findings.iter().filter(|finding| finding.verdict.reason() == Some("unknown-mac")).count()
    };
    grows_evenly("one address outside for all pods", |size| {
        assert_eq!(unknown(&mut pods(size), from(size, |_| "203.0.113.7".to_owned())), size as usize);
    });
    grows_evenly("an address outside for each pod", |size| {
        assert_eq!(unknown(&mut pods(size), from(size, outside)), size as usize);
    });
    grows_evenly("one address outside for all pods, and a route to each destination", |size| {
        let routes = (0..size).map(|number| Fact::Route(route_to(&outside(number), "198.19.3.1")));
        let seen = from(size, |_| "203.0.113.7".to_owned()).into_iter().zip(0..).map(|(mut seen, number)| {
            seen.tuple.dst = ip(&outside(number));
            seen
        });
        assert_eq!(unknown(&mut pods(size).chain(routes), seen.collect()), size as usize);
    });
}

#[test]
fn many_ports_of_switches() {
    let facts = || {
        let other = RouterPort {
            name: "rtoe-R2".into(),
            router: router("R2"),
            mac: Some(mac(GW15)),
            addresses: vec![ip("198.19.3.15")],
            ..port()
        };
        let ports = [RouterPort { router: router(ROUTER), ..port() }, other].map(Fact::RouterPort);
        let peers = [peer("ext", PORT), peer("ext", "rtoe-R2")].map(Fact::SwitchPort);
        let routes =
            ["198.19.3.15", "198.19.3.16"].map(|nexthop| Route { router: router(ROUTER), ..route(POD, nexthop) });
        routes.map(Fact::Route).into_iter().chain(ports).chain(peers).chain([options(false)])
    };
    let flows = |size: u32, to: &str| -> Vec<Observation> {
        (0..size).map(|number| packet(60 + u64::from(number) * 20, flow(number as u16), NODE, to)).collect()
    };
    grows_evenly("machines", |size| {
        let machines = (0..size).map(|number| Fact::SwitchPort(machine("ext", &address(number), &lladdr(number))));
        assert_eq!(judged(facts().chain(machines), &flows(size, DEAD)), size as usize);
    });
    grows_evenly("a next hop that is another machine in turn", |size| {
        let machines = (0..size).map(|number| {
            let name = lladdr(number).into();
            SwitchPort { name, validity: turn(number), ..machine("ext", "198.19.3.16", &lladdr(number)) }
        });
        assert_eq!(judged(facts().chain(machines.map(Fact::SwitchPort)), &flows(size, DEAD)), size as usize);
    });
    grows_evenly("a next hop that is another router's port in turn", |size| {
        let ports = (0..size).map(|number| RouterPort {
            name: lladdr(number).into(),
            mac: Some(mac(&lladdr(number))),
            addresses: vec![ip("198.19.3.16")],
            validity: turn(number),
            ..port()
        });
        assert_eq!(judged(facts().chain(ports.map(Fact::RouterPort)), &flows(size, DEAD)), size as usize);
    });
    grows_evenly("a next hop whose port changes", |size| {
        let ports = (0..size).map(|number| SwitchPort {
            name: "vm".into(),
            validity: turn(number),
            ..machine("ext", "198.19.3.16", &lladdr(number))
        });
        assert_eq!(judged(facts().chain(ports.map(Fact::SwitchPort)), &flows(size, DEAD)), size as usize);
    });
    grows_evenly("a router whose option changes", |size| {
        let options = (0..size).flat_map(|number| {
            [false, true].map(|learns_routers| Router {
                name: ROUTER.into(),
                learns_routers,
                validity: if learns_routers {
                    turn(number)
                } else {
                    between(60 + 20 * u64::from(number), 70 + 20 * u64::from(number))
                },
            })
        });
        let told = facts().filter(|fact| !matches!(fact, Fact::Router(_)));
        assert_eq!(judged(told.chain(options.map(Fact::Router)), &flows(size, DEAD)), size as usize);
    });
}
