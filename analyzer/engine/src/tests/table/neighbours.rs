//! Which MAC a next hop has.

use super::*;

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
