//! Frames hold what is said of them.

use std::net::IpAddr;

use analyzer::types::{Tuple, tuple::proto};
use analyzer_ebpf::neighbour::{self, Neighbour};
use analyzer_ebpf::parse::parse;
use etherparse::{LaxSlicedPacket, NetSlice, SlicedPacket, TransportSlice};

use super::*;

/// The 5-tuple of a frame, read by other code than wrote it.
fn read(frame: &[u8]) -> Tuple {
    let packet = SlicedPacket::from_ethernet(frame).expect("a whole frame");
    let (src, dst): (IpAddr, IpAddr) = match packet.net {
        Some(NetSlice::Ipv4(ip)) => (ip.header().source_addr().into(), ip.header().destination_addr().into()),
        Some(NetSlice::Ipv6(ip)) => (ip.header().source_addr().into(), ip.header().destination_addr().into()),
        other => panic!("{other:?}"),
    };
    let icmp =
        |bytes: [u8; 4], kind, code| (u16::from_be_bytes([bytes[0], bytes[1]]), u16::from_be_bytes([kind, code]));
    let (nw_proto, (tp_src, tp_dst)) = match packet.transport {
        Some(TransportSlice::Udp(udp)) => (proto::UDP, (udp.source_port(), udp.destination_port())),
        Some(TransportSlice::Tcp(tcp)) => (proto::TCP, (tcp.source_port(), tcp.destination_port())),
        Some(TransportSlice::Icmpv4(message)) => {
            (proto::ICMP, icmp(message.bytes5to8(), message.type_u8(), message.code_u8()))
        }
        Some(TransportSlice::Icmpv6(message)) => {
            (proto::ICMPV6, icmp(message.bytes5to8(), message.type_u8(), message.code_u8()))
        }
        other => panic!("{other:?}"),
    };
    Tuple { src, dst, nw_proto, tp_src, tp_dst }
}

#[test]
fn frames_hold_what_is_said_of_them() {
    let mut protocols = BTreeSet::new();
    for seed in 0..20 {
        let mut node = Node::new(seed);
        for (_, happening) in happenings(&mut node, HOUR / 4) {
            let frame = match &happening {
                Happening::Out(out) => {
                    assert_eq!(read(&out.frame), out.tuple);
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
                let dst = read(&frame).dst;
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
