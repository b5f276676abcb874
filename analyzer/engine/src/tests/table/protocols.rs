//! IPv6, other protocols, fragments.

use super::*;

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
