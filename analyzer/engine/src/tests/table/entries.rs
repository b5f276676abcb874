//! Conntrack entries: whose zone, whose source.

use super::*;

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
