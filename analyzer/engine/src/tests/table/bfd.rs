//! BFD sessions: next hops that are down, or may be.

use super::*;

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
