//! Next hops that are ports of OVN's own.

use super::table::{changed, check};
use super::world::*;
use crate::fact::{Binding, BindingKind, Fact, Route, RouterPort, Source, SwitchPort};

/// MAC of the other router's port, which is the next hop 198.19.3.15.
const OTHER: &str = "02:00:00:10:01:02";
const OTHER_PORT: &str = "rtoe-R2";
const UNKNOWN: &str = "violating unknown-mac";
const NO_DATA: &str = "undetermined no-nexthop-data";

fn other_port() -> RouterPort {
    RouterPort {
        router: router("R2"),
        name: OTHER_PORT.into(),
        mac: Some(mac(OTHER)),
        addresses: vec![ip("198.19.3.15")],
        ..port()
    }
}

/// Two next hops, of which the one is another router's port on the same switch; an older binding of it.
fn world(eth_dst: &str) -> World {
    let mut world = World::empty();
    world.routes(["198.19.3.15", "198.19.3.16"].map(|hop| Route { router: router(ROUTER), ..route(POD, hop) }));
    world.bindings([binding("198.19.3.15", GW15), binding("198.19.3.16", GW16)]);
    world.facts.extend([RouterPort { router: router(ROUTER), ..port() }, other_port()].map(Fact::RouterPort));
    world.facts.extend([peer("ext", PORT), peer("ext", OTHER_PORT)].map(Fact::SwitchPort));
    world.facts.push(options(false));
    world.seen.push(packet(100, flow(1), NODE, eth_dst));
    world
}

fn without_options(world: World) -> World {
    changed(world, |w| w.facts.retain(|fact| !matches!(fact, Fact::Router(_))))
}

fn without_switches(world: World) -> World {
    changed(world, |w| w.facts.retain(|fact| !matches!(fact, Fact::SwitchPort(_))))
}

fn learning(world: World) -> World {
    changed(without_options(world), |w| w.facts.push(options(true)))
}

fn on_other_switch(world: World) -> World {
    changed(without_switches(world), |w| {
        w.facts.extend([peer("ext", PORT), peer("ext2", OTHER_PORT)].map(Fact::SwitchPort));
    })
}

fn unbound(world: World) -> World {
    changed(world, |w| w.unbind("198.19.3.15"))
}

#[test]
fn ports_of_other_routers() {
    check(&[
        ("to the port", || world(OTHER), &["conforming"]),
        ("to what a binding says", || world(GW15), &["violating stale-neighbour"]),
        ("without binding, to the port", || unbound(world(OTHER)), &["conforming"]),
        ("without binding, to a stranger: the next hop has a MAC", || unbound(world(DEAD)), &[UNKNOWN]),
        ("the router learns, to the port", || learning(world(OTHER)), &[UNKNOWN]),
        ("the router learns, to what a binding says", || learning(world(GW15)), &["conforming"]),
        (
            "the router learns, without binding",
            || unbound(learning(world(OTHER))),
            &["undetermined nexthop-unresolved"],
        ),
        ("nothing tells the option, to the port", || without_options(world(OTHER)), &["conforming"]),
        ("nothing tells the option, to what a binding says", || without_options(world(GW15)), &[NO_DATA]),
        ("nothing tells the option, to a stranger", || without_options(world(DEAD)), &[UNKNOWN]),
        ("on another switch, to the port", || on_other_switch(world(OTHER)), &[UNKNOWN]),
        ("on another switch, to what a binding says", || on_other_switch(world(GW15)), &["conforming"]),
        ("nothing tells the switch, to the port", || without_switches(world(OTHER)), &[NO_DATA]),
        ("nothing tells the switch, to what a binding says", || without_switches(world(GW15)), &["conforming"]),
        (
            "nothing tells the switch, no binding, to the port",
            || unbound(without_switches(world(OTHER))),
            &["conforming"],
        ),
        (
            "a static binding that overrides others",
            || {
                changed(world(OTHER), |w| {
                    let kind = BindingKind::StaticMacBinding { override_dynamic_mac: true };
                    w.bindings([Binding { kind, ..binding("198.19.3.15", GW15) }]);
                })
            },
            &["conforming"],
        ),
        (
            "what the user wrote down",
            || {
                changed(world(OTHER), |w| {
                    w.bindings([Binding { kind: BindingKind::NexthopsToml, ..binding("198.19.3.15", GW15) }]);
                })
            },
            &[UNKNOWN],
        ),
        (
            "a route of the kernel",
            || changed(world(OTHER), |w| w.each_route(|r| r.source = Source::Kernel)),
            &[UNKNOWN],
        ),
        (
            "by the link-local address",
            || {
                changed(unbound(world(OTHER)), |w| {
                    w.routes([Route { router: router(ROUTER), ..route(POD, "fe80::ff:fe10:102") }])
                })
            },
            &["conforming"],
        ),
    ]);
}

#[test]
fn machines_on_the_switch() {
    const VM: &str = "0a:00:00:00:00:01";
    fn with(port: SwitchPort) -> World {
        changed(world(VM), |w| {
            w.facts.retain(|fact| !matches!(fact, Fact::RouterPort(port) if *port.name == *OTHER_PORT));
            w.facts.push(Fact::SwitchPort(port));
        })
    }
    check(&[
        ("a machine", || with(machine("ext", "198.19.3.15", VM)), &["conforming"]),
        ("a machine, and the router learns", || learning(with(machine("ext", "198.19.3.15", VM))), &["conforming"]),
        (
            "what a binding says of it",
            || changed(without_options(with(machine("ext", "198.19.3.15", VM))), |w| w.seen[0].eth_dst = mac(GW15)),
            &["violating stale-neighbour"],
        ),
        (
            "a virtual port, or a disabled one",
            || with(SwitchPort { is_withheld: true, ..machine("ext", "198.19.3.15", VM) }),
            &[UNKNOWN],
        ),
        (
            "disabled, as another source tells",
            || {
                changed(with(machine("ext", "198.19.3.15", VM)), |w| {
                    let own = machine("ext", "198.19.3.15", VM);
                    w.facts.push(Fact::SwitchPort(SwitchPort {
                        switch: None,
                        addresses: Vec::new(),
                        is_withheld: true,
                        ..own
                    }));
                })
            },
            &[UNKNOWN],
        ),
        (
            "nothing tells its switch, no binding",
            || unbound(with(SwitchPort { switch: None, ..machine("ext", "198.19.3.15", VM) })),
            &["conforming"],
        ),
        (
            "nothing tells its switch, no binding, to a stranger: that may be the next hop's all the same",
            || {
                let own = SwitchPort { switch: None, ..machine("ext", "198.19.3.15", VM) };
                changed(unbound(with(own)), |w| w.seen[0].eth_dst = mac(DEAD))
            },
            &["undetermined nexthop-unresolved"],
        ),
        ("on another switch", || with(machine("ext2", "198.19.3.15", VM)), &[UNKNOWN]),
        ("with another address", || with(machine("ext", "198.19.3.17", VM)), &[UNKNOWN]),
        (
            "outside the port's networks",
            || {
                changed(with(machine("ext", "198.19.4.15", VM)), |w| {
                    w.routes([Route { router: router(ROUTER), ..route(POD, "198.19.4.15") }]);
                    w.bindings([binding("198.19.4.15", GW1)]);
                })
            },
            &[UNKNOWN],
        ),
    ]);
}

#[test]
fn ports_that_come_go_and_change() {
    const NEW: &str = "02:00:00:10:01:03";
    fn sent(mut world: World, lladdr: &str) -> World {
        world.seen = [40, 51, 60].map(|seconds| packet(seconds, flow(1), NODE, lladdr)).into();
        world
    }
    fn with(port: RouterPort) -> World {
        changed(unbound(world(OTHER)), |w| {
            w.facts.retain(|fact| !matches!(fact, Fact::RouterPort(port) if *port.name == *OTHER_PORT));
            w.facts.push(Fact::RouterPort(RouterPort { validity: between(0, 50), ..other_port() }));
            w.facts.push(Fact::RouterPort(RouterPort { validity: from(50), ..port }));
        })
    }
    check(&[
        (
            "it gets another MAC: to the former",
            || sent(with(RouterPort { mac: Some(mac(NEW)), ..other_port() }), OTHER),
            &["conforming", "grace", "violating former-nexthop"],
        ),
        (
            "it gets another MAC: to the new one",
            || sent(with(RouterPort { mac: Some(mac(NEW)), ..other_port() }), NEW),
            &[UNKNOWN, "conforming", "conforming"],
        ),
        (
            "it leaves the switch, and a binding tells another MAC",
            || {
                changed(sent(world(OTHER), OTHER), |w| {
                    w.facts.retain(|fact| !matches!(fact, Fact::SwitchPort(port) if *port.name == *"to-rtoe-R2"));
                    let [on, off] = [("ext", between(0, 50)), ("ext2", from(50))];
                    for (switch, validity) in [on, off] {
                        w.facts.push(Fact::SwitchPort(SwitchPort { validity, ..peer(switch, OTHER_PORT) }));
                    }
                })
            },
            &["conforming", "grace", "violating former-nexthop"],
        ),
        (
            "the router comes to learn",
            || {
                changed(sent(without_options(world(OTHER)), OTHER), |w| {
                    for (learns, validity) in [(false, between(0, 50)), (true, from(50))] {
                        let Fact::Router(told) = options(learns) else { unreachable!() };
                        w.facts.push(Fact::Router(crate::fact::Router { validity, ..told }));
                    }
                })
            },
            &["conforming", "grace", "violating former-nexthop"],
        ),
    ]);
}

#[test]
fn listed_as_evidence() {
    let views = world(OTHER).engine().nexthops(at(100));
    let evidence: Vec<_> = views[0].evidence.iter().map(|told| (told.source, told.mac)).collect();
    assert_eq!(evidence, [("ovn-port", Some(mac(OTHER))), ("MAC_Binding", Some(mac(GW15)))]);
    assert_eq!(views[0].evidence[0].logical_port.as_deref(), Some(OTHER_PORT));
}
