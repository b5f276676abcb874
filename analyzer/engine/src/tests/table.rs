//! The decision table: a situation a row, and the verdict on each of its packets.

use analyzer_ebpf::abi::{Direction, LinkTags};

use super::world::*;
use crate::fact::{Bfd, BfdRef, BfdStatus, Binding, BindingKind, Fact, Route, RouteOrigin, RouterPort};
use crate::types::{Tuple, Validity, tuple::proto};

/// Name, situation, verdicts.
pub(super) type Row = (&'static str, fn() -> World, &'static [&'static str]);

const STALE: &str = "violating stale-conntrack";
const FORMER: &str = "violating former-nexthop";
const UNKNOWN: &str = "violating unknown-mac";
const NO_DATA: &str = "undetermined no-nexthop-data";
const UNRESOLVED: &str = "undetermined nexthop-unresolved";
const TRANSLATED: &str = "undetermined translated-source";

pub(super) fn check(rows: &[Row]) {
    for (name, world, expected) in rows {
        assert_eq!(world().verdicts(), *expected, "{name}");
        assert_eq!(world().live_verdicts(), *expected, "{name}, told live");
    }
}

pub(super) fn changed(mut world: World, change: impl FnOnce(&mut World)) -> World {
    change(&mut world);
    world
}

fn incident(change: impl FnOnce(&mut World)) -> World {
    changed(World::incident(), change)
}

fn to(mac: &str) -> impl Fn(&mut World) + '_ {
    move |world| world.seen[0].eth_dst = self::mac(mac)
}

/// The same with flows of SCTP, as the userspace datapath tracks them.
fn without_ports(world: World) -> World {
    changed(world, |w| {
        w.seen[0].tuple.nw_proto = proto::SCTP;
        w.each_connection(|c| {
            for tuple in [&mut c.orig, &mut c.reply] {
                *tuple = Tuple { nw_proto: proto::SCTP, tp_src: 0, tp_dst: 0, ..*tuple };
            }
        });
    })
}

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
                    w.each_connection(|c| std::mem::swap(&mut c.orig, &mut c.reply));
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

#[test]
fn bfd_sessions() {
    fn world(status: Option<BfdStatus>) -> World {
        incident(|w| {
            w.each_route(|r| {
                if r.nexthop == Some(ip("198.19.3.16")) {
                    r.bfd = session("198.19.3.16");
                }
            });
            w.facts.extend(status.map(|status| Fact::Bfd(bfd("198.19.3.16", status))));
            w.seen[0].eth_dst = mac(GW16);
        })
    }
    check(&[
        ("up", || world(Some(BfdStatus::Up)), &["conforming"]),
        ("init", || world(Some(BfdStatus::Init)), &["conforming"]),
        ("down", || world(Some(BfdStatus::Down)), &["violating nexthop-down"]),
        ("admin_down", || world(Some(BfdStatus::AdminDown)), &["violating nexthop-down"]),
        ("attached, no table", || world(None), &[NO_DATA]),
        (
            "the word bfd of lr-route-list, no table",
            || {
                incident(|w| {
                    w.each_route(|r| r.bfd = BfdRef::Attached);
                    w.seen[0].eth_dst = mac(GW16);
                })
            },
            &[NO_DATA],
        ),
        (
            "the word bfd, and the table",
            || {
                incident(|w| {
                    w.each_route(|r| r.bfd = BfdRef::Attached);
                    w.facts.push(Fact::Bfd(bfd("198.19.3.15", BfdStatus::Up)));
                    w.facts.push(Fact::Bfd(bfd("198.19.3.16", BfdStatus::Down)));
                    w.seen[0].eth_dst = mac(GW16);
                })
            },
            &["violating nexthop-down"],
        ),
        (
            "a row that was cut, and the table: down, if it is watched",
            || {
                incident(|w| {
                    w.each_route(|r| r.bfd = BfdRef::Unread);
                    w.facts.push(Fact::Bfd(bfd("198.19.3.15", BfdStatus::Up)));
                    w.facts.push(Fact::Bfd(bfd("198.19.3.16", BfdStatus::Down)));
                    w.seen[0].eth_dst = mac(GW16);
                })
            },
            &[NO_DATA],
        ),
        (
            "a row that was cut, and the table: up, watched or not",
            || {
                incident(|w| {
                    w.each_route(|r| r.bfd = BfdRef::Unread);
                    w.facts.push(Fact::Bfd(bfd("198.19.3.15", BfdStatus::Up)));
                    w.facts.push(Fact::Bfd(bfd("198.19.3.16", BfdStatus::Down)));
                    w.seen[0].eth_dst = mac(GW15);
                })
            },
            &["conforming"],
        ),
        (
            "a row that was cut, and no table",
            || {
                incident(|w| {
                    w.each_route(|r| r.bfd = BfdRef::Unread);
                    w.seen[0].eth_dst = mac(GW16);
                })
            },
            &[NO_DATA],
        ),
        (
            "all states unknown: the next route may decide",
            || {
                incident(|w| {
                    w.each_route(|r| r.bfd = BfdRef::Attached);
                    w.routes([route_to("0.0.0.0/0", "198.19.3.1")]);
                    w.bindings([binding("198.19.3.1", GW1)]);
                    w.seen[0].eth_dst = mac(GW1);
                })
            },
            &[NO_DATA],
        ),
        (
            "all states unknown, outside either route",
            || {
                incident(|w| {
                    w.each_route(|r| r.bfd = BfdRef::Attached);
                    w.routes([route_to("0.0.0.0/0", "198.19.3.1")]);
                    w.bindings([binding("198.19.3.1", GW1)]);
                })
            },
            &[STALE],
        ),
        ("a MAC of none, while a state is unknown", || changed(world(None), to(DEAD)), &[STALE]),
        (
            "a MAC shared by an up and a down hop",
            || {
                changed(world(Some(BfdStatus::Down)), |w| {
                    w.unbind("198.19.3.15");
                    w.bindings([binding("198.19.3.15", GW16)]);
                })
            },
            &["conforming"],
        ),
        (
            "all down: the default route decides",
            || {
                changed(world(Some(BfdStatus::Down)), |w| {
                    w.each_route(|r| r.bfd = session(&r.nexthop.unwrap().to_string()));
                    w.facts.push(Fact::Bfd(bfd("198.19.3.15", BfdStatus::Down)));
                    w.routes([route_to("0.0.0.0/0", "198.19.3.1")]);
                    w.bindings([binding("198.19.3.1", GW1)]);
                    w.seen[0].eth_dst = mac(GW1);
                })
            },
            &["conforming"],
        ),
        (
            "all down, still to one of them",
            || {
                changed(world(Some(BfdStatus::Down)), |w| {
                    w.each_route(|r| r.bfd = session(&r.nexthop.unwrap().to_string()));
                    w.facts.push(Fact::Bfd(bfd("198.19.3.15", BfdStatus::Down)));
                })
            },
            &["violating nexthop-down"],
        ),
        (
            "down since less than the grace",
            || {
                changed(World::with_history(), |w| {
                    w.each_route(|r| r.bfd = session(&r.nexthop.unwrap().to_string()));
                    w.facts.push(Fact::Bfd(Bfd { validity: from(0), ..bfd("198.19.3.15", BfdStatus::Up) }));
                    w.facts.push(Fact::Bfd(Bfd { validity: between(0, 80), ..bfd("198.19.3.16", BfdStatus::Up) }));
                    w.facts.push(Fact::Bfd(Bfd { validity: from(80), ..bfd("198.19.3.16", BfdStatus::Down) }));
                    for seconds in [79, 81, 90] {
                        w.seen.push(packet(seconds, flow(9), NODE, GW16));
                    }
                })
            },
            &["conforming", "grace", "violating nexthop-down"],
        ),
    ]);
}

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
fn neighbours() {
    check(&[
        (
            "a newer ARP names another MAC",
            || {
                incident(|w| {
                    w.facts.retain(|f| !matches!(f, Fact::Connection(_)));
                    w.hear(80, "198.19.3.15", "02:00:00:00:03:15");
                    w.seen[0].eth_dst = mac(GW15);
                })
            },
            &["violating stale-neighbour"],
        ),
        (
            "the same, within the grace",
            || {
                incident(|w| {
                    w.facts.retain(|f| !matches!(f, Fact::Connection(_)));
                    w.hear(97, "198.19.3.15", "02:00:00:00:03:15");
                    w.seen[0].eth_dst = mac(GW15);
                })
            },
            &["grace"],
        ),
        (
            "to the MAC heard",
            || {
                incident(|w| {
                    w.hear(80, "198.19.3.15", "02:00:00:00:03:15");
                    w.seen[0].eth_dst = mac("02:00:00:00:03:15");
                })
            },
            &["conforming"],
        ),
        (
            "older evidence that a label carries",
            || {
                incident(|w| {
                    w.hear(80, "198.19.3.15", "02:00:00:00:03:15");
                    w.each_connection(|c| c.label = label(GW15, 2));
                    w.seen[0].eth_dst = mac(GW15);
                })
            },
            &[STALE],
        ),
        (
            "ARP resolves a hop",
            || {
                incident(|w| {
                    w.unbind("198.19.3.15");
                    w.hear(80, "198.19.3.15", GW15);
                })
            },
            &[STALE],
        ),
        (
            "a static binding that overrides",
            || {
                incident(|w| {
                    w.bindings([Binding {
                        kind: BindingKind::StaticMacBinding { override_dynamic_mac: true },
                        ..binding("198.19.3.15", "02:00:00:00:03:15")
                    }]);
                    w.seen[0].eth_dst = mac("02:00:00:00:03:15");
                })
            },
            &["conforming"],
        ),
        (
            "the binding that a static one overrides",
            || {
                incident(|w| {
                    w.facts.retain(|f| !matches!(f, Fact::Connection(_)));
                    w.bindings([Binding {
                        kind: BindingKind::StaticMacBinding { override_dynamic_mac: true },
                        ..binding("198.19.3.15", "02:00:00:00:03:15")
                    }]);
                    w.seen[0].eth_dst = mac(GW15);
                })
            },
            &["violating stale-neighbour"],
        ),
        (
            "the binding that a static one overrides, until it was withdrawn",
            || {
                incident(|w| {
                    w.facts.retain(|f| !matches!(f, Fact::Connection(_)));
                    w.unbind("198.19.3.15");
                    w.bindings([
                        Binding {
                            kind: BindingKind::StaticMacBinding { override_dynamic_mac: true },
                            ..binding("198.19.3.15", GW15)
                        },
                        Binding { validity: between(0, 98), ..binding("198.19.3.15", DEAD) },
                    ]);
                })
            },
            &[UNKNOWN],
        ),
        (
            "next hops with link-local addresses, by port",
            || {
                incident(|w| {
                    w.each_route(|r| r.nexthop = Some(ip("fe80::1")));
                    w.bindings([
                        binding("fe80::1", GW15),
                        Binding { logical_port: Some("rtoe-other".into()), ..binding("fe80::1", DEAD) },
                    ]);
                })
            },
            &[STALE],
        ),
        (
            "a new gateway's label before its binding",
            || {
                incident(|w| {
                    w.unbind("198.19.3.15");
                    w.each_connection(|c| c.label = label("02:00:00:00:03:15", 2));
                    w.seen[0].eth_dst = mac("02:00:00:00:03:15");
                })
            },
            &[UNRESOLVED],
        ),
        (
            "the MAC of another route's next hop while one is unresolved: both may be one gateway's",
            || {
                incident(|w| {
                    w.unbind("198.19.3.15");
                    w.routes([route("192.168.16.7", "198.19.3.40")]);
                    w.bindings([binding("198.19.3.40", DEAD)]);
                })
            },
            &[UNRESOLVED],
        ),
        ("to no MAC at all", || incident(to("00:00:00:00:00:00")), &[UNRESOLVED]),
        (
            "to no MAC at all, by a route that does not decide",
            || {
                incident(|w| {
                    w.seen[0].tuple.src = ip("192.168.16.231");
                    w.seen[0].eth_dst = mac("00:00:00:00:00:00");
                })
            },
            &["not-covered no-route"],
        ),
    ]);
}

/// Rows 6 and 7 stand back where an active next hop, or one that may be active, has no known MAC.
#[test]
fn a_next_hop_without_mac_may_have_this_one() {
    fn unresolved(world: World) -> World {
        changed(world, |w| w.unbind("198.19.3.15"))
    }
    /// The state of the session with the one next hop is not known, nor is its MAC.
    fn unknown() -> World {
        unresolved(incident(|w| {
            w.each_route(|r| {
                if r.nexthop == Some(ip("198.19.3.15")) {
                    r.bfd = BfdRef::Attached;
                }
            });
        }))
    }
    check(&[
        ("neither state nor MAC known, beside a good next hop", unknown, &[UNRESOLVED]),
        ("the same, to the good one", || changed(unknown(), to(GW16)), &["conforming"]),
        (
            "neither state nor MAC of the only one known",
            || {
                changed(unknown(), |w| {
                    w.facts.retain(|f| !matches!(f, Fact::Route(r) if r.nexthop == Some(ip("198.19.3.16"))));
                })
            },
            &[UNRESOLVED],
        ),
        (
            "down, without MAC: it has no say",
            || changed(unknown(), |w| w.facts.push(Fact::Bfd(bfd("198.19.3.15", BfdStatus::Down)))),
            &[STALE],
        ),
        (
            "all states unknown, and the next hop of the next route has no MAC",
            || {
                incident(|w| {
                    w.each_route(|r| r.bfd = BfdRef::Attached);
                    w.routes([route_to("0.0.0.0/0", "198.19.3.1")]);
                })
            },
            &[NO_DATA],
        ),
        (
            "the MAC of one that is down",
            || {
                unresolved(incident(|w| {
                    w.each_route(|r| {
                        if r.nexthop == Some(ip("198.19.3.16")) {
                            r.bfd = session("198.19.3.16");
                        }
                    });
                    w.facts.push(Fact::Bfd(bfd("198.19.3.16", BfdStatus::Down)));
                    w.seen[0].eth_dst = mac(GW16);
                }))
            },
            &[UNRESOLVED],
        ),
        (
            "a former MAC, and another next hop has none",
            || {
                changed(World::with_history(), |w| {
                    w.unbind("198.19.3.16");
                    w.seen.extend([40, 51, 60].map(|seconds| packet(seconds, flow(59943), NODE, DEAD)));
                })
            },
            &["conforming", "grace", UNRESOLVED],
        ),
        (
            "a former MAC, and another next hop's has aged out",
            || {
                changed(World::with_history(), |w| {
                    w.unbind("198.19.3.16");
                    w.bindings([Binding { validity: between(0, 30), ..binding("198.19.3.16", GW16) }]);
                    w.seen.push(packet(60, flow(59943), NODE, DEAD));
                })
            },
            &[STALE],
        ),
    ]);
    let world = changed(World::with_history(), |w| {
        w.unbind("198.19.3.16");
        w.seen.push(packet(60, flow(59943), NODE, DEAD));
    });
    let findings = world.conclude().findings;
    assert!(findings[0].evidence.iter().any(|remark| remark.ends_with("violating, stale-conntrack")), "{findings:?}");
    assert!(findings[0].last_legal.is_some());
}

#[test]
fn zones() {
    check(&[
        (
            "the zone is the router's by name",
            || {
                incident(|w| {
                    w.each_route(|r| r.router = router(ROUTER));
                    w.facts.push(zone(35, "GR_worker-08_dnat"));
                })
            },
            &[STALE],
        ),
        (
            "by the UUID of its datapath",
            || {
                incident(|w| {
                    w.each_route(|r| r.router = router(ROUTER));
                    w.facts.push(datapath("e1b9f486-2bf0-4631-82ab-4d8d8bb1d569", ROUTER));
                    w.facts.push(zone(35, "e1b9f486-2bf0-4631-82ab-4d8d8bb1d569_dnat"));
                })
            },
            &[STALE],
        ),
        ("the zone is a pod's", || incident(|w| w.facts.push(zone(35, "default_pod-230"))), &[UNKNOWN]),
        (
            "the zone is the router's SNAT zone",
            || incident(|w| w.facts.push(zone(35, "GR_worker-08_snat"))),
            &[UNKNOWN],
        ),
        (
            "the zone is another router's",
            || {
                incident(|w| {
                    w.each_route(|r| r.router = router(ROUTER));
                    w.facts.push(zone(35, "GR_blue_dnat"));
                })
            },
            &[UNKNOWN],
        ),
        (
            "zone 0 holds the MAC, the router's zone another",
            || {
                incident(|w| {
                    w.each_connection(|c| c.zone = 0);
                    w.facts.push(zone(8, "GR_worker-08_dnat"));
                    w.connections([entry(8, flow(59943), label(GW16, 2))]);
                })
            },
            &[UNKNOWN],
        ),
        (
            "zone 0 holds another, the router's zone the MAC",
            || {
                incident(|w| {
                    w.facts.push(zone(35, "GR_worker-08_dnat"));
                    w.connections([entry(0, flow(59943), label(GW16, 2))]);
                })
            },
            &[STALE],
        ),
        (
            "a nameless zone beside the router's own",
            || {
                incident(|w| {
                    w.facts.push(zone(8, "GR_worker-08_dnat"));
                    w.connections([entry(8, flow(59943), label(GW16, 2))]);
                })
            },
            &[UNKNOWN],
        ),
    ]);
}

#[test]
fn translated_sources() {
    const NODE_IP: &str = "198.19.3.8";
    fn wire() -> Tuple {
        Tuple { src: ip(NODE_IP), dst: ip(CLIENT), nw_proto: proto::UDP, tp_src: 40_000, tp_dst: 5005 }
    }
    /// The pod's flow, translated to the node's address; zone 0 tells how.
    fn world() -> World {
        incident(|w| {
            w.routes([route_to("0.0.0.0/0", "198.19.3.1")]);
            w.bindings([binding("198.19.3.1", GW1)]);
            w.facts.push(Fact::RouterPort(port()));
            let mut snat = entry(0, flow(59943), 0);
            snat.orig = flow(59943);
            snat.reply = wire().reversed();
            w.connections([snat]);
            w.seen[0].tuple = wire();
        })
    }
    fn without_snat() -> World {
        changed(world(), |w| w.facts.retain(|f| !matches!(f, Fact::Connection(c) if c.zone == 0)))
    }
    /// The host's own flow, as br-ex tracks it.
    fn of_host() -> World {
        changed(without_snat(), |w| {
            let mut own = entry(64000, wire(), 0);
            (own.orig, own.reply, own.mark) = (wire(), wire().reversed(), 2);
            w.connections([own]);
        })
    }
    check(&[
        ("by way of zone 0", world, &[STALE]),
        ("by way of zone 0, to a next hop", || changed(world(), to(GW15)), &["conforming"]),
        ("SCTP by way of zone 0, tracked without its ports", || without_ports(world()), &[STALE]),
        ("by way of zone 0, to the default gateway", || changed(world(), to(GW1)), &[UNKNOWN]),
        ("nothing tells whose it is", without_snat, &[TRANSLATED]),
        ("nothing tells, to some pod's next hop", || changed(without_snat(), to(GW15)), &["conforming"]),
        ("nothing tells, to the default gateway", || changed(without_snat(), to(GW1)), &["conforming"]),
        ("the host's own, by zone 64000", of_host, &["not-covered other-sender"]),
        ("the host's own SCTP, without ports", || without_ports(of_host()), &["not-covered other-sender"]),
        (
            "a pod's, by zone 64000",
            || {
                changed(world(), |w| {
                    let mut own = entry(64000, wire(), 0);
                    (own.orig, own.reply, own.mark) = (wire(), wire().reversed(), 1);
                    w.connections([own]);
                })
            },
            &[STALE],
        ),
        (
            "an address that a NAT rule gives",
            || {
                changed(without_snat(), |w| {
                    w.facts.push(nat("203.0.113.7", POD));
                    w.seen[0].tuple.src = ip("203.0.113.7");
                })
            },
            &[TRANSLATED],
        ),
        (
            "an address that a NAT rule gives, and no pod with routes of its own",
            || {
                changed(without_snat(), |w| {
                    w.facts.push(nat("203.0.113.7", "192.168.16.7"));
                    w.seen[0].tuple.src = ip("203.0.113.7");
                })
            },
            &[UNKNOWN],
        ),
        (
            "the same, and the next hop has no MAC",
            || {
                changed(without_snat(), |w| {
                    w.unbind("198.19.3.1");
                    w.facts.push(nat("203.0.113.7", "192.168.16.7"));
                    w.seen[0].tuple.src = ip("203.0.113.7");
                })
            },
            &[TRANSLATED],
        ),
        (
            "the same, and a policy may reroute",
            || {
                changed(without_snat(), |w| {
                    w.facts.extend([nat("203.0.113.7", "192.168.16.7"), reroute("ip4.src == 192.168.16.7")]);
                    w.seen[0].tuple.src = ip("203.0.113.7");
                })
            },
            &[TRANSLATED],
        ),
        (
            "the pods' routes and the default route have the same next hops",
            || {
                changed(without_snat(), |w| {
                    w.each_route(|r| r.nexthop = Some(ip("198.19.3.1")));
                    w.facts.push(nat("203.0.113.7", "192.168.0.0/16"));
                    w.seen[0].tuple.src = ip("203.0.113.7");
                })
            },
            &[UNKNOWN],
        ),
        (
            "the same from the node's address: the host may have sent it, which has routes of its own",
            || changed(without_snat(), |w| w.each_route(|r| r.nexthop = Some(ip("198.19.3.1")))),
            &[TRANSLATED],
        ),
        (
            "the same, and zone 64000 says that it was no host's",
            || {
                changed(without_snat(), |w| {
                    w.each_route(|r| r.nexthop = Some(ip("198.19.3.1")));
                    let mut own = entry(64000, wire(), 0);
                    (own.orig, own.reply, own.mark) = (wire(), wire().reversed(), 1);
                    w.connections([own]);
                })
            },
            &[UNKNOWN],
        ),
        (
            "the MAC of some pod's next hop, for the node's address and for another source",
            || {
                changed(without_snat(), |w| {
                    w.seen[0].eth_dst = mac(GW15);
                    let mut other = packet(101, wire(), NODE, GW15);
                    other.tuple.src = ip("10.9.9.9");
                    w.seen.push(other);
                })
            },
            &["conforming", UNKNOWN],
        ),
        (
            "no ports told, source near the next hops",
            || {
                changed(without_snat(), |w| {
                    w.facts.retain(|f| !matches!(f, Fact::RouterPort(_)));
                })
            },
            &[TRANSLATED],
        ),
        (
            "no ports told, destination near the next hops",
            || {
                changed(without_snat(), |w| {
                    w.facts.retain(|f| !matches!(f, Fact::RouterPort(_)));
                    w.seen[0].tuple = Tuple { src: ip("10.9.9.9"), dst: ip("198.19.3.77"), ..wire() };
                })
            },
            &[NO_DATA],
        ),
    ]);
}

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
fn the_other_direction() {
    check(&[
        (
            "requests by the same next hop",
            || {
                incident(|w| {
                    w.seen[0].eth_dst = mac(GW15);
                    w.seen.push(packet(99, flow(59943).reversed(), GW15, NODE));
                })
            },
            &["not-covered inbound", "conforming"],
        ),
        (
            "requests by the other next hop",
            || {
                incident(|w| {
                    w.seen[0].eth_dst = mac(GW15);
                    w.seen.push(packet(99, flow(59943).reversed(), GW16, NODE));
                })
            },
            &["not-covered inbound", "info asymmetric-reply"],
        ),
        (
            "the same without symmetric reply",
            || {
                incident(|w| {
                    w.each_route(|r| r.symmetric_reply = false);
                    w.seen[0].eth_dst = mac(GW15);
                    w.seen.push(packet(99, flow(59943).reversed(), GW16, NODE));
                })
            },
            &["not-covered inbound", "conforming"],
        ),
        (
            "heard, but before it left the set",
            || {
                changed(World::with_history(), |w| {
                    w.seen.push(packet(49, flow(59943).reversed(), DEAD, NODE));
                    w.seen.push(packet(60, flow(59943), NODE, DEAD));
                })
            },
            &["not-covered inbound", STALE],
        ),
    ]);
}

/// A capture of both directions, a default route alone, and no dump of ports.
#[test]
fn which_way_packets_go() {
    const CLIENT_MAC: &str = "02:00:00:00:00:77";
    const UNDIRECTED: &str = "undetermined direction-unknown";
    fn world(seen: impl IntoIterator<Item = (u64, Tuple, &'static str, &'static str)>) -> World {
        let mut world = World::empty();
        world.routes([route_to("0.0.0.0/0", "198.19.3.1")]);
        world.bindings([binding("198.19.3.1", GW1)]);
        world.seen = seen.into_iter().map(|(seconds, tuple, src, dst)| packet(seconds, tuple, src, dst)).collect();
        world
    }
    check(&[
        (
            "received, and an answer goes to the next hop",
            || world([(100, flow(1).reversed(), GW1, NODE), (101, flow(1), NODE, GW1)]),
            &["not-covered inbound", "conforming"],
        ),
        (
            "received, and another flow goes to the next hop",
            || world([(100, flow(1).reversed(), CLIENT_MAC, NODE), (101, flow(2), NODE, GW1)]),
            &["not-covered inbound", "conforming"],
        ),
        (
            "sent to a stranger that answers, and another flow goes to the next hop",
            || world([(100, flow(1).reversed(), DEAD, NODE), (101, flow(1), NODE, DEAD), (102, flow(2), NODE, GW1)]),
            &["not-covered inbound", "info asymmetric-gateway", "conforming"],
        ),
        (
            "sent to a MAC that sends to the next hop as well",
            || world([(100, flow(9), DEAD, GW1), (101, flow(1), NODE, DEAD), (102, flow(2), NODE, GW1)]),
            &["conforming", UNKNOWN, "conforming"],
        ),
        (
            "both directions, and nothing goes to the next hop",
            || world([(100, flow(1).reversed(), DEAD, NODE), (101, flow(1), NODE, DEAD)]),
            &[UNDIRECTED, UNDIRECTED],
        ),
        (
            "one direction counts as sent",
            || world([(101, flow(1), NODE, DEAD), (102, flow(2), NODE, DEAD)]),
            &[UNKNOWN; 2],
        ),
        (
            "a route by source tells",
            || {
                changed(world([(100, flow(1).reversed(), DEAD, NODE), (101, flow(1), NODE, DEAD)]), |w| {
                    w.routes([route(POD, "198.19.3.1")]);
                })
            },
            &["not-covered inbound", "info asymmetric-gateway"],
        ),
        (
            "a dump of ports tells",
            || {
                changed(world([(100, flow(1).reversed(), DEAD, NODE), (101, flow(1), NODE, DEAD)]), |w| {
                    w.facts.push(Fact::RouterPort(port()));
                })
            },
            &["not-covered inbound", "info asymmetric-gateway"],
        ),
    ]);
}

#[test]
fn ipv6_and_other_protocols() {
    fn world(nw_proto: u8, tp_src: u16, tp_dst: u16) -> World {
        let mut world = World::empty();
        world.routes([route("fd00:16::230", "fd00:3::15"), route("fd00:16::230", "fd00:3::16")]);
        world.bindings([binding("fd00:3::15", GW15), binding("fd00:3::16", GW16)]);
        let tuple = Tuple { src: ip("fd00:16::230"), dst: ip("fd00:27::13"), nw_proto, tp_src, tp_dst };
        world.connections([entry(35, tuple, label(DEAD, 2))]);
        world.seen.push(packet(100, tuple, NODE, DEAD));
        world
    }
    check(&[
        ("TCP over IPv6", || world(proto::TCP, 80, 40_000), &[STALE]),
        ("SCTP over IPv6", || world(proto::SCTP, 80, 40_000), &[STALE]),
        ("an echo reply", || world(proto::ICMPV6, 77, 129 << 8), &[STALE]),
        ("IPv6, to a next hop", || changed(world(proto::TCP, 80, 40_000), to(GW16)), &["conforming"]),
        (
            "an IPv6 prefix with an IPv4 next hop",
            || {
                changed(world(proto::TCP, 80, 1), |w| {
                    w.routes([route("fd00:16::230", "198.19.3.99")]);
                    w.bindings([binding("198.19.3.99", DEAD)]);
                })
            },
            &["conforming"],
        ),
    ]);
}

#[test]
fn fragments_are_judged_without_their_entry() {
    let world = incident(|w| {
        w.seen[0].tags = LinkTags::NONE.with_later_fragment();
        w.seen[0].tuple = flow(0);
    });
    assert_eq!(world.verdicts(), [UNKNOWN]);
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
fn all_next_hops_down_and_another_way() {
    fn world() -> World {
        incident(|w| {
            w.facts.push(Fact::RouterPort(port()));
            w.each_route(|r| r.bfd = session(&r.nexthop.unwrap().to_string()));
            for peer in ["198.19.3.15", "198.19.3.16"] {
                w.facts.push(Fact::Bfd(bfd(peer, BfdStatus::Down)));
            }
            w.seen[0].tuple.dst = ip("198.19.3.77");
            w.seen[0].eth_dst = mac("02:00:00:00:00:77");
        })
    }
    check(&[
        ("to a neighbour on the link", world, &["not-covered on-link"]),
        ("to one of the next hops", || changed(world(), to(GW15)), &["violating nexthop-down"]),
        ("labelled, to a neighbour on the link", || changed(world(), labelled), &["not-covered on-link"]),
        (
            "labelled, to one of the next hops",
            || changed(changed(world(), labelled), to(GW15)),
            &["violating nexthop-down"],
        ),
        (
            "to what a static binding overrides for one of the next hops",
            || changed(changed(world(), overridden), to(GW15)),
            &["not-covered on-link"],
        ),
    ]);
    fn overridden(w: &mut World) {
        w.bindings([Binding {
            kind: BindingKind::StaticMacBinding { override_dynamic_mac: true },
            ..binding("198.19.3.15", "02:00:00:00:03:15")
        }]);
    }
    /// The flow's own entry: with all next hops of its symmetric route down nothing pins it. A route by destination of the
    /// network's length stands behind the connected one.
    fn labelled(w: &mut World) {
        w.each_connection(|c| (c.orig, c.reply) = (w_tuple().reversed(), w_tuple()));
        w.routes([route_to("198.19.3.0/24", "198.19.3.1")]);
    }
    fn w_tuple() -> Tuple {
        Tuple { dst: ip("198.19.3.77"), ..flow(59943) }
    }
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

#[test]
fn a_link_local_next_hop_is_heard_on_one_port_of_several() {
    check(&[(
        "its namesake on another port is heard",
        || {
            incident(|w| {
                w.each_route(|r| r.nexthop = Some(ip("fe80::1")));
                w.bindings([
                    binding("fe80::1", GW15),
                    Binding { logical_port: Some("rtoe-other".into()), ..binding("fe80::1", DEAD) },
                ]);
                w.hear(50, "fe80::1", DEAD);
                w.seen[0].eth_dst = mac(GW15);
            })
        },
        &["conforming"],
    )]);
}

#[test]
fn requests_that_come_later_do_not_count() {
    check(&[(
        "the client moves to the other gateway later",
        || {
            changed(World::with_history(), |w| {
                w.seen.push(packet(60, flow(9), NODE, GW15));
                w.seen.push(packet(59, flow(9).reversed(), GW15, NODE));
                w.seen.push(packet(90, flow(9).reversed(), GW16, NODE));
            })
        },
        &["not-covered inbound", "conforming", "not-covered inbound"],
    )]);
}
