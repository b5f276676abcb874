//! Several routers.

use super::*;

#[test]
fn several_routers() {
    const BLUE: &str = "02:00:00:00:00:b1";
    /// The same pod address on two gateway routers.
    fn world() -> World {
        incident(|w| {
            w.each_route(|r| r.router = router(ROUTER));
            w.routes([Route {
                router: router("GR_blue"),
                output_port: Some("rtoe-GR_blue".into()),
                ..route(POD, "203.0.113.1")
            }]);
            w.bindings([Binding { logical_port: Some("rtoe-GR_blue".into()), ..binding("203.0.113.1", BLUE) }]);
        })
    }
    check(&[
        ("a hop of the one", || changed(world(), to(GW15)), &["conforming"]),
        ("a hop of the other", || changed(world(), to(BLUE)), &["conforming"]),
        ("outside both", world, &[STALE]),
        (
            "the zone names the router",
            || {
                changed(world(), |w| {
                    w.facts.push(zone(35, "GR_worker-08_dnat"));
                    w.seen[0].eth_dst = mac(BLUE);
                })
            },
            &[UNKNOWN],
        ),
        (
            "the sender's MAC names the router",
            || {
                changed(world(), |w| {
                    w.facts.push(Fact::RouterPort(RouterPort { router: router(ROUTER), ..port() }));
                    w.facts.push(Fact::RouterPort(RouterPort {
                        router: router("GR_blue"),
                        name: "rtoe-GR_blue".into(),
                        mac: Some(mac("02:00:00:00:00:b0")),
                        networks: vec!["203.0.113.0/24".parse().unwrap()],
                        ..port()
                    }));
                    w.seen[0].eth_dst = mac(BLUE);
                })
            },
            &[UNKNOWN],
        ),
    ]);
}

#[test]
fn routers_of_all_nodes() {
    const OTHER_NODE: &str = "02:00:00:00:00:09";
    fn other_port() -> RouterPort {
        RouterPort {
            router: router("GR_worker-09"),
            name: "rtoe-GR_worker-09".into(),
            mac: Some(mac(OTHER_NODE)),
            addresses: vec![ip("198.19.3.9")],
            ..port()
        }
    }
    fn world() -> World {
        incident(|w| {
            w.facts.push(Fact::RouterPort(RouterPort { router: router(ROUTER), ..port() }));
            w.facts.push(Fact::RouterPort(other_port()));
        })
    }
    check(&[
        (
            "another node is the gateway",
            || {
                changed(world(), |w| {
                    w.routes([route(POD, "198.19.3.9")]);
                    w.bindings([binding("198.19.3.9", OTHER_NODE)]);
                    w.seen[0].eth_dst = mac(OTHER_NODE);
                })
            },
            &["conforming"],
        ),
        (
            "another node was the gateway",
            || {
                changed(world(), |w| {
                    w.each_connection(|c| c.label = label(OTHER_NODE, 2));
                    w.seen[0].eth_dst = mac(OTHER_NODE);
                })
            },
            &[STALE],
        ),
        (
            "its requests come in from the other node's router",
            || changed(world(), |w| w.seen[0] = packet(100, flow(59943).reversed(), OTHER_NODE, NODE)),
            &["not-covered inbound"],
        ),
        (
            "told as outbound, to a router's MAC",
            || {
                changed(world(), |w| {
                    w.seen[0].eth_dst = mac(OTHER_NODE);
                    w.seen[0].tags = LinkTags::NONE.with_direction(Direction::Outbound);
                    w.each_connection(|c| c.label = label(OTHER_NODE, 2));
                })
            },
            &[STALE],
        ),
        (
            "nothing names router and port of the routes",
            || changed(world(), |w| w.each_route(|r| r.output_port = None)),
            &[STALE],
        ),
        (
            "the same, from the other node",
            || {
                changed(world(), |w| {
                    w.each_route(|r| r.output_port = None);
                    w.seen[0].eth_src = mac(OTHER_NODE);
                })
            },
            &[STALE],
        ),
        (
            "the same, from a stranger",
            || {
                changed(world(), |w| {
                    w.each_route(|r| r.output_port = None);
                    w.seen[0].eth_src = mac("02:00:00:00:00:77");
                })
            },
            &["not-covered other-sender"],
        ),
    ]);
}
