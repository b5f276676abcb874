//! Frames as they are on the wire.

use std::net::IpAddr;

use analyzer::types::{MacAddr, Tuple, tuple::proto};
use etherparse::{IpHeaders, PacketBuilder, PacketBuilderStep};

const BROADCAST: MacAddr = MacAddr([0xff; 6]);
const ETHERTYPE_ARP: [u8; 2] = [0x08, 0x06];
const ND_ADVERTISEMENT: u8 = 136;
const BFD_CONTROL: u16 = 3784;
/// A BFD control packet in state up (RFC 5880 section 4.1), with discriminators 1 and 2.
const BFD_UP: [u8; 24] =
    [0x20, 0xc0, 5, 24, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0x0f, 0x42, 0x40, 0, 0x0f, 0x42, 0x40, 0, 0, 0, 0];

/// From which MAC to which, and in which VLAN.
#[derive(Clone, Copy)]
pub(super) struct Ends {
    pub(super) eth_src: MacAddr,
    pub(super) eth_dst: MacAddr,
    pub(super) vlan: Option<u16>,
}

fn builder(ends: Ends, src: IpAddr, dst: IpAddr, hop_limit: u8) -> PacketBuilderStep<IpHeaders> {
    let ethernet = PacketBuilder::ethernet2(ends.eth_src.0, ends.eth_dst.0);
    match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => ethernet.ipv4(src.octets(), dst.octets(), hop_limit),
        (IpAddr::V6(src), IpAddr::V6(dst)) => ethernet.ipv6(src.octets(), dst.octets(), hop_limit),
        _ => panic!("one family: {src} {dst}"),
    }
}

/// Puts the tag between the addresses and what follows.
fn tagged(mut frame: Vec<u8>, vlan: Option<u16>) -> Vec<u8> {
    if let Some(vlan) = vlan {
        let [high, low] = vlan.to_be_bytes();
        frame.splice(12..12, [0x81, 0x00, high, low]);
    }
    frame
}

/// A packet of a flow.
pub(super) fn packet(ends: Ends, tuple: Tuple, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    let ip = builder(ends, tuple.src, tuple.dst, 63);
    let written = match (tuple.nw_proto, tuple.icmp_type_code()) {
        (proto::ICMP, Some((kind, code))) => ip.icmpv4_raw(kind, code, echo(tuple)).write(&mut frame, payload),
        (proto::ICMPV6, Some((kind, code))) => ip.icmpv6_raw(kind, code, echo(tuple)).write(&mut frame, payload),
        (proto::TCP, _) => ip.tcp(tuple.tp_src, tuple.tp_dst, 1, 1024).write(&mut frame, payload),
        _ => ip.udp(tuple.tp_src, tuple.tp_dst).write(&mut frame, payload),
    };
    written.expect("a frame fits into memory");
    tagged(frame, ends.vlan)
}

/// Identifier and sequence number of an echo message.
fn echo(tuple: Tuple) -> [u8; 4] {
    let [high, low] = tuple.tp_src.to_be_bytes();
    [high, low, 0, 1]
}

/// An answer by ARP or neighbour discovery: that `address` is at the frame's source MAC.
pub(super) fn neighbour_answer(ends: Ends, address: IpAddr, asker: IpAddr) -> Vec<u8> {
    let frame = match (address, asker) {
        (IpAddr::V4(address), IpAddr::V4(asker)) => arp(ends, address.octets(), ends.eth_dst, asker.octets()),
        _ => advertisement(ends, address, asker),
    };
    tagged(frame, ends.vlan)
}

/// A gratuitous announcement of a box that took an address.
pub(super) fn announcement(eth_src: MacAddr, vlan: Option<u16>, address: IpAddr) -> Vec<u8> {
    let frame = match address {
        IpAddr::V4(own) => {
            let ends = Ends { eth_src, eth_dst: BROADCAST, vlan };
            arp(ends, own.octets(), MacAddr([0; 6]), own.octets())
        }
        IpAddr::V6(_) => {
            let all_nodes = "ff02::1".parse().expect("an address");
            let ends = Ends { eth_src, eth_dst: MacAddr([0x33, 0x33, 0, 0, 0, 1]), vlan };
            advertisement(ends, address, all_nodes)
        }
    };
    tagged(frame, vlan)
}

/// A reply (RFC 826).
fn arp(ends: Ends, sender: [u8; 4], target_mac: MacAddr, target: [u8; 4]) -> Vec<u8> {
    const ETHERNET_IPV4_REPLY: [u8; 8] = [0, 1, 0x08, 0, 6, 4, 0, 2];
    let Ends { eth_src, eth_dst, .. } = ends;
    let parts: [&[u8]; 8] =
        [&eth_dst.0, &eth_src.0, &ETHERTYPE_ARP, &ETHERNET_IPV4_REPLY, &eth_src.0, &sender, &target_mac.0, &target];
    parts.concat()
}

/// A neighbour advertisement with the option of the target's MAC (RFC 4861 section 4.4).
fn advertisement(ends: Ends, address: IpAddr, to: IpAddr) -> Vec<u8> {
    const OVERRIDE: [u8; 4] = [0x20, 0, 0, 0];
    let IpAddr::V6(target) = address else { panic!("IPv6: {address}") };
    let payload = [&target.octets()[..], &[2, 1], &ends.eth_src.0].concat();
    let mut frame = Vec::new();
    let ip = builder(ends, address, to, 255);
    ip.icmpv6_raw(ND_ADVERTISEMENT, 0, OVERRIDE).write(&mut frame, &payload).expect("a frame fits into memory");
    frame
}

/// A BFD control packet.
pub(super) fn bfd(ends: Ends, from: IpAddr, to: IpAddr) -> Vec<u8> {
    let mut frame = Vec::new();
    let udp = builder(ends, from, to, 255).udp(49152, BFD_CONTROL);
    udp.write(&mut frame, &BFD_UP).expect("a frame fits into memory");
    tagged(frame, ends.vlan)
}
