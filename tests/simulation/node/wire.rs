//! Frames as they are on the wire.

use std::net::{IpAddr, Ipv6Addr};

use analyzer::types::{MacAddr, Tuple, tuple::proto};
use etherparse::{IpHeaders, PacketBuilder, PacketBuilderStep};

const BROADCAST: MacAddr = MacAddr([0xff; 6]);
const ETHERTYPE_ARP: [u8; 2] = [0x08, 0x06];
const ARP_REQUEST: u8 = 1;
const ARP_REPLY: u8 = 2;
/// `ff02::1:ff00:0/104`: groups of those that may have an address (RFC 4291 section 2.7.1).
const SOLICITED_NODE: u128 = 0xff02_0000_0000_0000_0000_0001_ff00_0000;
const ND_SOLICITATION: u8 = 135;
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
        (IpAddr::V4(address), IpAddr::V4(asker)) => {
            arp(ends, ARP_REPLY, address.octets(), ends.eth_dst, asker.octets())
        }
        _ => advertisement(ends, address, asker),
    };
    tagged(frame, ends.vlan)
}

/// A gratuitous announcement of a box that took an address.
pub(super) fn announcement(eth_src: MacAddr, vlan: Option<u16>, address: IpAddr) -> Vec<u8> {
    let frame = match address {
        IpAddr::V4(own) => {
            let ends = Ends { eth_src, eth_dst: BROADCAST, vlan };
            arp(ends, ARP_REPLY, own.octets(), MacAddr([0; 6]), own.octets())
        }
        IpAddr::V6(_) => {
            let all_nodes = "ff02::1".parse().expect("an address");
            let ends = Ends { eth_src, eth_dst: MacAddr([0x33, 0x33, 0, 0, 0, 1]), vlan };
            advertisement(ends, address, all_nodes)
        }
    };
    tagged(frame, vlan)
}

/// Asks for the MAC of an address, by ARP or neighbour discovery.
pub(super) fn neighbour_request(eth_src: MacAddr, vlan: Option<u16>, asker: IpAddr, address: IpAddr) -> Vec<u8> {
    let frame = match (asker, address) {
        (IpAddr::V4(asker), IpAddr::V4(address)) => {
            let ends = Ends { eth_src, eth_dst: BROADCAST, vlan };
            arp(ends, ARP_REQUEST, asker.octets(), MacAddr([0; 6]), address.octets())
        }
        _ => solicitation(eth_src, asker, address),
    };
    tagged(frame, vlan)
}

/// A neighbour solicitation with the option of the asker's MAC (RFC 4861 section 4.3).
fn solicitation(eth_src: MacAddr, asker: IpAddr, address: IpAddr) -> Vec<u8> {
    let IpAddr::V6(target) = address else { panic!("IPv6: {address}") };
    let [.., a, b, c] = target.octets();
    let group = Ipv6Addr::from_bits(SOLICITED_NODE | u128::from(u32::from_be_bytes([0, a, b, c])));
    let ends = Ends { eth_src, eth_dst: MacAddr([0x33, 0x33, 0xff, a, b, c]), vlan: None };
    let payload = [&target.octets()[..], &[1, 1], &eth_src.0].concat();
    let mut frame = Vec::new();
    let ip = builder(ends, asker, group.into(), 255);
    ip.icmpv6_raw(ND_SOLICITATION, 0, [0; 4]).write(&mut frame, &payload).expect("a frame fits into memory");
    frame
}

/// A message of ARP (RFC 826).
fn arp(ends: Ends, operation: u8, sender: [u8; 4], target_mac: MacAddr, target: [u8; 4]) -> Vec<u8> {
    let ethernet_ipv4 = [0, 1, 0x08, 0, 6, 4, 0, operation];
    let Ends { eth_src, eth_dst, .. } = ends;
    let parts: [&[u8]; 8] =
        [&eth_dst.0, &eth_src.0, &ETHERTYPE_ARP, &ethernet_ipv4, &eth_src.0, &sender, &target_mac.0, &target];
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
