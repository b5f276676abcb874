//! The incident, and each change of it that turns the verdict.

use super::*;

#[test]
fn the_incident_and_its_mutations() {
    check(&[
        ("the incident", World::incident, &[STALE]),
        ("to a next hop", || incident(to(GW15)), &["conforming"]),
        ("symmetric reply off", || incident(|w| w.each_route(|r| r.symmetric_reply = false)), &[UNKNOWN]),
        ("port 0", || incident(|w| w.each_connection(|c| c.label = label(DEAD, 0))), &[UNKNOWN]),
        (
            "port in the mark",
            || {
                incident(|w| {
                    w.each_connection(|c| {
                        c.label = label(DEAD, 0);
                        c.mark = 2 << 16;
                    })
                })
            },
            &[STALE],
        ),
        ("a hop unresolved", || incident(|w| w.unbind("198.19.3.15")), &[UNRESOLVED]),
        (
            "a hop bound to nothing",
            || {
                incident(|w| {
                    w.unbind("198.19.3.15");
                    w.bindings([Binding { mac: None, ..binding("198.19.3.15", GW15) }]);
                })
            },
            &[UNRESOLVED],
        ),
        ("another label", || incident(|w| w.each_connection(|c| c.label = label(GW16, 2))), &[UNKNOWN]),
        ("no entry", || incident(|w| w.facts.retain(|f| !matches!(f, Fact::Connection(_)))), &[UNKNOWN]),
        (
            "the gateway heard",
            || {
                incident(|w| {
                    w.seen.push(packet(99, flow(59943).reversed(), DEAD, NODE));
                })
            },
            &["not-covered inbound", "info asymmetric-gateway"],
        ),
        (
            "heard before and after",
            || {
                incident(|w| {
                    w.seen.extend([90, 110].map(|at| packet(at, flow(59943).reversed(), DEAD, NODE)));
                })
            },
            &["not-covered inbound", "info asymmetric-gateway", "not-covered inbound"],
        ),
        (
            "heard until a while before, and nothing dates its end as a next hop",
            || {
                incident(|w| {
                    w.seen.push(packet(90, flow(59943).reversed(), DEAD, NODE));
                })
            },
            &["not-covered inbound", "undetermined heard-undated"],
        ),
        (
            "heard too long ago",
            || {
                incident(|w| {
                    w.seen.push(packet(39, flow(59943).reversed(), DEAD, NODE));
                })
            },
            &["not-covered inbound", STALE],
        ),
        (
            "heard in another flow",
            || {
                incident(|w| {
                    w.seen.push(packet(90, flow(1).reversed(), DEAD, NODE));
                })
            },
            &["not-covered inbound", STALE],
        ),
        ("heard by ARP alone", || incident(|w| w.hear(90, "198.19.3.99", DEAD)), &[STALE]),
        ("on the allow-list", || incident(|w| w.settings.allowed.push(mac(DEAD))), &["info asymmetric-gateway"]),
        ("a VRRP router's MAC", || incident(to("00:00:5e:00:01:07")), &["info asymmetric-gateway"]),
        (
            "the pod opened the flow",
            || {
                incident(|w| {
                    w.each_connection(|c| core::mem::swap(&mut c.orig, &mut c.reply));
                })
            },
            &[STALE],
        ),
        ("SCTP, tracked without its ports", || without_ports(incident(|_| {})), &[STALE]),
        (
            "UDP with an entry without ports",
            || {
                incident(|w| {
                    w.each_connection(|c| {
                        for tuple in [&mut c.orig, &mut c.reply] {
                            *tuple = Tuple { tp_src: 0, tp_dst: 0, ..*tuple };
                        }
                    });
                })
            },
            &[UNKNOWN],
        ),
        ("no routes at all", || incident(|w| w.facts.retain(|f| !matches!(f, Fact::Route(_)))), &[NO_DATA]),
        ("another source", || incident(|w| w.seen[0].tuple.src = ip("192.168.16.231")), &["not-covered no-route"]),
        (
            "no destination MAC in the capture",
            || {
                incident(|w| {
                    w.seen[0].tags = LinkTags::NONE.without_eth_dst();
                })
            },
            &["undetermined not-observable"],
        ),
    ]);
}

#[test]
fn look_alikes() {
    check(&[
        ("broadcast", || incident(to("ff:ff:ff:ff:ff:ff")), &["not-covered group-address"]),
        ("multicast IP", || incident(|w| w.seen[0].tuple.dst = ip("224.0.0.18")), &["not-covered group-address"]),
        ("BFD", || incident(|w| w.seen[0].tuple.tp_dst = 3784), &["not-covered control"]),
        ("multihop BFD", || incident(|w| w.seen[0].tuple.tp_dst = 4784), &["not-covered control"]),
        (
            "neighbour solicitation",
            || {
                incident(|w| {
                    w.seen[0].tuple = Tuple {
                        src: ip("fd00::1"),
                        dst: ip("fd00::2"),
                        nw_proto: proto::ICMPV6,
                        tp_src: 0,
                        tp_dst: 135 << 8,
                    };
                })
            },
            &["not-covered control"],
        ),
        (
            "Geneve between nodes",
            || {
                incident(|w| {
                    w.routes([route_to("0.0.0.0/0", "198.19.3.1")]);
                    w.seen[0].tuple = Tuple { src: ip("198.19.3.8"), dst: ip("198.19.3.9"), tp_dst: 6081, ..flow(1) };
                })
            },
            &["not-covered tunnel"],
        ),
        ("a pod that speaks Geneve itself", || incident(|w| w.seen[0].tuple.tp_dst = 6081), &[UNKNOWN]),
        (
            "told as inbound",
            || {
                incident(|w| {
                    w.seen[0].tags = LinkTags::NONE.with_direction(Direction::Inbound);
                })
            },
            &["not-covered inbound"],
        ),
        (
            "to the router's own MAC",
            || {
                incident(|w| {
                    w.facts.push(Fact::RouterPort(port()));
                    w.seen[0] = packet(100, flow(59943), GW15, NODE);
                })
            },
            &["not-covered inbound"],
        ),
        (
            "from another sender",
            || {
                incident(|w| {
                    w.facts.push(Fact::RouterPort(port()));
                    w.seen[0].eth_src = mac("02:00:00:00:00:77");
                })
            },
            &["not-covered other-sender"],
        ),
        ("link-local destination", || incident(|w| w.seen[0].tuple.dst = ip("169.254.1.1")), &["not-covered on-link"]),
    ]);
}

#[test]
fn time() {
    fn world(seconds: u64, mac: &str) -> World {
        changed(World::with_history(), |w| w.seen.push(packet(seconds, flow(59943), NODE, mac)))
    }
    check(&[
        (
            "before the history",
            || {
                changed(World::with_history(), |w| {
                    w.history = Some(at(10));
                    w.seen.push(packet(9, flow(59943), NODE, DEAD));
                })
            },
            &[NO_DATA],
        ),
        ("before the change, to the MAC of that time", || world(49, DEAD), &["conforming"]),
        ("before the change, to the MAC of later", || world(49, GW15), &[UNKNOWN]),
        ("at the change", || world(50, DEAD), &["grace"]),
        ("1 s after the change", || world(51, DEAD), &["grace"]),
        ("as the grace ends", || world(55, DEAD), &[STALE]),
        ("long after", || world(500, DEAD), &[STALE]),
        (
            "long after, without entry",
            || {
                changed(world(500, DEAD), |w| {
                    w.facts.retain(|f| !matches!(f, Fact::Connection(_)));
                })
            },
            &[FORMER],
        ),
        (
            "violating, then healed, then violating",
            || {
                changed(World::with_history(), |w| {
                    for (seconds, mac) in [(60, DEAD), (61, GW15), (62, DEAD)] {
                        w.seen.push(packet(seconds, flow(59943), NODE, mac));
                    }
                })
            },
            &[STALE, "conforming", STALE],
        ),
        (
            "the route goes, two are left",
            || {
                changed(World::with_history(), |w| {
                    w.routes([Route { validity: between(0, 50), ..route(POD, "198.19.3.17") }]);
                    w.bindings([Binding { validity: from(0), ..binding("198.19.3.17", "02:00:00:00:03:17") }]);
                    w.connections([entry(35, flow(7), label("02:00:00:00:03:17", 2))]);
                    for seconds in [49, 52, 60] {
                        w.seen.push(packet(seconds, flow(7), NODE, "02:00:00:00:03:17"));
                    }
                })
            },
            &["conforming", "grace", STALE],
        ),
        (
            "the grace starts at the transaction's date, not at the first ARP",
            || {
                changed(world(54, DEAD), |w| {
                    w.hear(48, "198.19.3.15", GW15);
                })
            },
            &["grace"],
        ),
        ("a dead gateway's last ARP", || changed(world(100, DEAD), |w| w.hear(60, "198.19.3.15", DEAD)), &[STALE]),
        (
            "its dump dated later",
            || {
                incident(|w| {
                    w.unbind("198.19.3.15");
                    w.bindings([Binding { confirmed: Some(at(200)), ..binding("198.19.3.15", GW15) }]);
                })
            },
            &[STALE],
        ),
        (
            "the MAC heard before the dump's date",
            || {
                incident(|w| {
                    w.unbind("198.19.3.15");
                    w.bindings([Binding { confirmed: Some(at(200)), ..binding("198.19.3.15", GW15) }]);
                    w.hear(90, "198.19.3.15", DEAD);
                })
            },
            &["conforming"],
        ),
        (
            "a binding aged out",
            || {
                changed(World::with_history(), |w| {
                    w.unbind("198.19.3.16");
                    w.bindings([Binding { validity: between(0, 30), ..binding("198.19.3.16", GW16) }]);
                    w.seen.push(packet(400, flow(8), NODE, GW16));
                })
            },
            &["conforming"],
        ),
    ]);
}
