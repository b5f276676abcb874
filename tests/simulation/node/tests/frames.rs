//! Frames hold what is said of them.

use analyzer::types::tuple::proto;
use analyzer_ebpf::neighbour::{self, Neighbour};
use analyzer_ebpf::parse::parse;
use etherparse::LaxSlicedPacket;

use super::*;
use crate::frames::tuple;

#[test]
fn frames_hold_what_is_said_of_them() {
    let mut protocols = BTreeSet::new();
    for seed in 0..20 {
        let mut node = Node::new(seed);
        for (_, happening) in happenings(&mut node, HOUR / 4) {
            let frame = match &happening {
                Happening::Out(out) => {
                    assert_eq!(tuple(&out.frame), Some(out.tuple));
                    assert_eq!(out.frame[..6], out.eth_dst.0);
                    assert_eq!(out.frame[6..12], out.eth_src.0);
                    protocols.insert(out.tuple.nw_proto);
                    &out.frame
                }
                Happening::In { frame, .. } | Happening::Aside { frame, .. } => frame,
                _ => continue,
            };
            let packet = LaxSlicedPacket::from_ethernet(frame).expect("a frame");
            assert!(packet.net.is_some());
            assert_eq!(packet.vlan_ids().first().map(|id| id.value()), node.vlan);
        }
    }
    assert_eq!(protocols, BTreeSet::from([proto::ICMP, proto::TCP, proto::UDP, proto::ICMPV6]));
}

/// The neighbour that a frame vouches for, as the analyzer hears it.
fn heard(frame: &[u8]) -> Option<Neighbour> {
    let parsed = parse(frame).expect("a whole frame");
    neighbour::heard(frame, &parsed)
}

#[test]
fn what_gateways_say_of_themselves_is_heard() {
    for seed in 0..20 {
        let mut node = Node::new(seed);
        let mut senders = BTreeSet::new();
        for (_, happening) in happenings(&mut node, HOUR / 4) {
            let Happening::In { frame, .. } = happening else { continue };
            let Some(neighbour) = heard(&frame) else {
                let dst = tuple(&frame).expect("a packet of a flow").dst;
                assert!(node.pods.iter().any(|pod| pod.address == dst), "what else comes in is for pods: {dst}");
                continue;
            };
            assert_eq!(neighbour.mac, frame[6..12]);
            assert!(node.standing.routers.iter().any(|router| router.network.contains(neighbour.ip)));
            senders.insert(neighbour.ip);
        }
        assert!(!senders.is_empty());
    }
}
