//! Which way packets go, and who is heard.

use super::*;

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

fn port_of_another() -> RouterPort {
    RouterPort {
        name: "rtoe-GR_worker-09".into(),
        router: router("GR_worker-09"),
        mac: Some(mac("02:00:00:00:00:99")),
        ..port()
    }
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
        (
            "a dump of ports that lacks the router's does not tell",
            || {
                changed(world([(100, flow(1).reversed(), DEAD, NODE), (101, flow(1), NODE, DEAD)]), |w| {
                    w.facts.push(Fact::RouterPort(port_of_another()));
                })
            },
            &[UNDIRECTED, UNDIRECTED],
        ),
        (
            "what a router of the dump sends is sent, whatever else its receiver does",
            || {
                let seen = [(100, flow(9), DEAD, GW1), (101, flow(1), NODE, DEAD), (102, flow(2), NODE, GW1)];
                changed(world(seen), |w| w.facts.push(Fact::RouterPort(port())))
            },
            &["not-covered other-sender", UNKNOWN, "conforming"],
        ),
        (
            "nor keeps the MACs from telling",
            || {
                let seen =
                    [(100, flow(1).reversed(), DEAD, NODE), (101, flow(1), NODE, DEAD), (102, flow(2), NODE, GW1)];
                changed(world(seen), |w| w.facts.push(Fact::RouterPort(port_of_another())))
            },
            &["not-covered inbound", "info asymmetric-gateway", "conforming"],
        ),
    ]);
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
