//! Which route decides.

use super::*;

#[test]
fn which_route_decides() {
    fn world() -> World {
        incident(|w| {
            w.routes([route_to("0.0.0.0/0", "198.19.3.1")]);
            w.bindings([binding("198.19.3.1", GW1)]);
            w.facts.push(Fact::RouterPort(port()));
        })
    }
    check(&[
        (
            "a /32 by source beats the connected /24",
            || {
                changed(world(), |w| {
                    w.seen[0].tuple.dst = ip("198.19.3.77");
                    w.seen[0].eth_dst = mac("02:00:00:00:00:77");
                })
            },
            &[UNKNOWN],
        ),
        (
            "a connected /24 beats a /16 by source",
            || {
                changed(world(), |w| {
                    w.each_route(|r| {
                        if r.symmetric_reply {
                            r.prefix = "192.168.0.0/16".parse().unwrap();
                        }
                    });
                    w.seen[0].tuple.dst = ip("198.19.3.77");
                    w.seen[0].eth_dst = mac("02:00:00:00:00:77");
                })
            },
            &["not-covered on-link"],
        ),
        (
            "a default-route pod beside the pod",
            || {
                changed(world(), |w| {
                    w.seen[0].tuple.src = ip("192.168.16.231");
                    w.seen[0].eth_dst = mac(GW1);
                })
            },
            &["conforming"],
        ),
        (
            "a default-route pod to the dead MAC",
            || {
                changed(world(), |w| {
                    w.seen[0].tuple.src = ip("192.168.16.231");
                })
            },
            &[UNKNOWN],
        ),
        (
            "a longer route by destination",
            || {
                changed(world(), |w| {
                    w.routes([route_to("172.27.0.13/32", "198.19.3.1")]);
                    w.seen[0].eth_dst = mac(GW1);
                })
            },
            &["conforming"],
        ),
        (
            "an equal length: by destination wins",
            || {
                changed(world(), |w| {
                    w.routes([route_to("172.27.0.13/32", "198.19.3.1")]);
                    w.seen[0].tuple.tp_src = 1;
                    w.seen[0].eth_dst = mac(GW15);
                })
            },
            &[UNKNOWN],
        ),
        (
            "static beats learned",
            || {
                changed(world(), |w| {
                    w.routes([
                        Route { origin: RouteOrigin::Learned, ..route_to("172.27.0.0/16", "198.19.3.15") },
                        route_to("172.27.0.0/16", "198.19.3.1"),
                    ]);
                    w.seen[0].tuple.src = ip("192.168.16.231");
                    w.seen[0].eth_dst = mac(GW15);
                })
            },
            &[UNKNOWN],
        ),
        (
            "a static route that overrides connected",
            || {
                changed(world(), |w| {
                    w.routes([Route { override_connected: true, ..route_to("198.19.3.0/24", "198.19.3.1") }]);
                    w.seen[0].tuple = Tuple { src: ip("192.168.16.231"), dst: ip("198.19.3.77"), ..flow(1) };
                    w.seen[0].eth_dst = mac(GW1);
                })
            },
            &["conforming"],
        ),
        (
            "a route into the cluster",
            || {
                changed(world(), |w| {
                    w.routes([Route {
                        output_port: Some("rtoj-GR_worker-08".into()),
                        ..route_to("10.168.0.0/16", "100.64.0.1")
                    }]);
                    w.seen[0].tuple = Tuple { src: ip("172.27.0.13"), dst: ip("10.168.16.9"), ..flow(1) };
                })
            },
            &["not-covered no-route"],
        ),
        (
            "the distributed router's route by source, no router named",
            || {
                changed(world(), |w| {
                    w.routes([Route {
                        output_port: None,
                        symmetric_reply: false,
                        ..route("192.168.16.0/23", "100.64.0.9")
                    }]);
                    w.seen[0].tuple.src = ip("192.168.16.231");
                    w.seen[0].eth_dst = mac(GW1);
                })
            },
            &["conforming"],
        ),
        (
            "a table that no port enters",
            || {
                changed(world(), |w| {
                    w.routes([Route { route_table: "blue".into(), ..route(POD, "198.19.3.1") }]);
                    w.seen[0].eth_dst = mac(GW1);
                })
            },
            &[UNKNOWN],
        ),
        (
            "a table that may be entered",
            || {
                incident(|w| {
                    w.routes([Route { route_table: "blue".into(), ..route(POD, "198.19.3.1") }]);
                    w.bindings([binding("198.19.3.1", GW1)]);
                    w.seen[0].eth_dst = mac(GW1);
                })
            },
            &["conforming"],
        ),
        (
            "the table of the port outwards, which no pod's packet enters",
            || {
                changed(world(), |w| {
                    w.facts.push(Fact::RouterPort(RouterPort {
                        name: "rtoj-GR_worker-08".into(),
                        mac: Some(mac("02:00:00:00:64:01")),
                        networks: vec!["100.64.0.0/16".parse().unwrap()],
                        port_key: Some(1),
                        route_table: Some("blue".into()),
                        ..port()
                    }));
                    w.routes([Route { route_table: "blue".into(), ..route(POD, "198.19.3.1") }]);
                    w.bindings([binding("198.19.3.1", GW1)]);
                    w.seen[0].eth_dst = mac(GW15);
                })
            },
            &[UNKNOWN],
        ),
        (
            "a policy may reroute, no entry",
            || {
                changed(world(), |w| {
                    w.facts.retain(|f| !matches!(f, Fact::Connection(_)));
                    w.facts.push(reroute("ip4.src == 192.168.16.230"));
                })
            },
            &[NO_DATA],
        ),
        (
            "a policy may reroute, pinned",
            || changed(world(), |w| w.facts.push(reroute("ip4.src == 192.168.16.230"))),
            &[STALE],
        ),
        (
            "a policy for others",
            || {
                changed(world(), |w| {
                    w.facts.retain(|f| !matches!(f, Fact::Connection(_)));
                    w.facts.push(reroute("ip4.src == 192.168.16.7"));
                })
            },
            &[UNKNOWN],
        ),
        (
            "all hops removed: the default gateway",
            || {
                changed(world(), |w| {
                    w.facts.retain(|f| !matches!(f, Fact::Route(r) if r.symmetric_reply));
                    w.seen[0].eth_dst = mac(GW1);
                })
            },
            &["conforming"],
        ),
        (
            "a label's port that is not the route's",
            || {
                changed(world(), |w| {
                    w.each_connection(|c| c.label = label(DEAD, 3));
                })
            },
            &[UNKNOWN],
        ),
    ]);
}

#[test]
fn another_route_decided_before() {
    /// The pod's own routes come and go, beside a default route.
    fn world(validity: Validity) -> World {
        let mut world = World::with_history();
        world.each_route(|r| r.validity = validity);
        world.routes([Route { validity: from(0), ..route_to("0.0.0.0/0", "198.19.3.1") }]);
        world.bindings([Binding { validity: from(0), ..binding("198.19.3.1", GW1) }]);
        world.facts.push(Fact::RouterPort(port()));
        world
    }
    fn sent(mut world: World, lladdr: &str) -> World {
        for seconds in [99, 101, 110] {
            world.seen.push(packet(seconds, flow(7), NODE, lladdr));
        }
        world
    }
    check(&[
        ("the pod gets gateways", || sent(world(from(100)), GW1), &["conforming", "grace", FORMER]),
        ("the pod's last gateway goes", || sent(world(between(0, 100)), GW15), &["conforming", "grace", FORMER]),
        (
            "its gateways come up",
            || {
                changed(sent(world(from(0)), GW1), |w| {
                    w.each_route(|r| {
                        if r.symmetric_reply {
                            r.bfd = session(&r.nexthop.unwrap().to_string());
                        }
                    });
                    for peer in ["198.19.3.15", "198.19.3.16"] {
                        w.facts.push(Fact::Bfd(Bfd { validity: between(0, 100), ..bfd(peer, BfdStatus::Down) }));
                        w.facts.push(Fact::Bfd(Bfd { validity: from(100), ..bfd(peer, BfdStatus::Up) }));
                    }
                })
            },
            &["conforming", "grace", FORMER],
        ),
    ]);
}

#[test]
fn a_pin_and_another_route() {
    fn world() -> World {
        incident(|w| {
            w.routes([route_to("172.27.0.13/32", "198.19.3.1")]);
            w.bindings([binding("198.19.3.1", GW1)]);
            w.facts.push(Fact::RouterPort(port()));
            w.each_connection(|c| c.label = label(GW15, 2));
        })
    }
    check(&[
        ("pinned to a next hop of the route that lost", || changed(world(), to(GW15)), &["conforming"]),
        ("by the route that won", || changed(world(), to(GW1)), &["conforming"]),
        ("neither", world, &[UNKNOWN]),
        (
            "the label's port is another",
            || {
                changed(world(), |w| {
                    w.each_connection(|c| c.label = label(GW15, 3));
                    w.seen[0].eth_dst = mac(GW15);
                })
            },
            &[UNKNOWN],
        ),
        (
            "a table that may be entered, where only the other has a route by source",
            || {
                incident(|w| {
                    w.each_route(|r| r.route_table = "blue".into());
                    w.routes([route_to("0.0.0.0/0", "198.19.3.1")]);
                    w.bindings([binding("198.19.3.1", GW1)]);
                    w.seen[0].eth_dst = mac(GW1);
                })
            },
            &["conforming"],
        ),
    ]);
}

#[test]
fn sources_outside_the_cluster() {
    /// The gateway router with its route to the pods.
    fn world(src: &str) -> World {
        let mut world = incident(|w| {
            w.routes([
                route_to("0.0.0.0/0", "198.19.3.1"),
                Route { output_port: Some("rtoj-GR_worker-08".into()), ..route_to("192.168.0.0/16", "100.64.0.1") },
            ]);
            w.bindings([binding("198.19.3.1", GW1)]);
            w.facts.push(Fact::RouterPort(port()));
        });
        world.seen[0].tuple.src = ip(src);
        world
    }
    check(&[
        ("a host address on another VLAN of the same bond", || world("10.200.0.8"), &[TRANSLATED]),
        ("a pod", || world("192.168.16.231"), &[UNKNOWN]),
    ]);
}

#[test]
fn plain_flows_of_different_sources() {
    /// To a MAC that is legal for the pod's route: from the node's own address, and from another pod.
    fn world(order: [&str; 2]) -> World {
        incident(|w| {
            w.routes([route_to("0.0.0.0/0", "198.19.3.1")]);
            w.bindings([binding("198.19.3.1", GW1)]);
            w.facts.push(Fact::RouterPort(port()));
            w.seen.clear();
            for (seconds, src) in (100..).zip(order) {
                w.seen.push(packet(seconds, Tuple { src: ip(src), ..flow(7) }, NODE, GW15));
            }
        })
    }
    check(&[
        ("the node first", || world(["198.19.3.8", "192.168.16.231"]), &["conforming", UNKNOWN]),
        ("the pod first", || world(["192.168.16.231", "198.19.3.8"]), &[UNKNOWN, "conforming"]),
    ]);
}
