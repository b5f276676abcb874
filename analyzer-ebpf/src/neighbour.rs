//! Who is heard on the link: the IP address and MAC that a frame vouches for.
//!
//! A plain IP packet proves nothing about its sender's MAC, since any router may have passed it on. The frames read
//! here come from a neighbour itself.

use core::net::IpAddr;

use crate::control::{bfd_port, is_bfd, is_neighbour_discovery, nd_type};
use crate::parse::{Bytes, Fragment, Frame, Ip, Payload, be16, field};
use crate::proto::ether_type;

#[cfg(test)]
mod tests;

/// How many options of a neighbour discovery message are looked at.
const MAX_ND_OPTIONS: usize = 32;
/// Hop limit of a packet that no router has passed on.
const SENT_ON_LINK: u8 = 255;

/// An IP address and the MAC that it answers to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Neighbour {
    /// Unicast address.
    pub ip: IpAddr,
    /// Unicast MAC, in wire order.
    pub mac: [u8; 6],
}

/// The neighbour that sent a frame, where the frame is one that tells.
///
/// These are ARP requests and replies, neighbour discovery messages with a link-layer address option, and BFD control
/// packets. `parsed` is what [`crate::parse::parse`] made of the same `frame`. A message that its receivers have to
/// discard, or that is cut before what it tells, gives `None`. Checksums are not looked at: a frame captured on its way
/// out may not have one yet.
#[inline(always)]
pub fn heard<B: Bytes + ?Sized>(frame: &B, parsed: &Frame) -> Option<Neighbour> {
    match parsed.payload {
        Payload::Arp { offset } => heard_by_arp(frame, offset),
        Payload::Ipv4(packet) => heard_by_ipv4(frame, packet, parsed.eth_src),
        Payload::Ipv6(packet) => heard_by_ipv6(frame, packet, parsed.eth_src),
        Payload::Other { .. } => None,
    }
}

/// As [`heard`], of a frame that carries ARP at `offset`.
#[inline(always)]
pub fn heard_by_arp<B: Bytes + ?Sized>(frame: &B, offset: usize) -> Option<Neighbour> {
    arp_sender(frame, offset).filter(Neighbour::is_unicast)
}

/// As [`heard`], of a frame that carries an IPv4 packet.
///
/// The packet is handed on by value: a reference would keep the caller's frame in memory for the sake of one packet in
/// thousands.
#[inline(always)]
pub fn heard_by_ipv4<B: Bytes + ?Sized>(frame: &B, packet: Ip<[u8; 4]>, eth_src: [u8; 6]) -> Option<Neighbour> {
    if !is_bfd(&packet) {
        return None;
    }
    let [.., ttl] = frame.load::<9>(packet.offset)?;
    bfd_sender(frame, packet, ttl, eth_src).filter(Neighbour::is_unicast)
}

/// As [`heard`], of a frame that carries an IPv6 packet.
#[inline(always)]
pub fn heard_by_ipv6<B: Bytes + ?Sized>(frame: &B, packet: Ip<[u8; 16]>, eth_src: [u8; 6]) -> Option<Neighbour> {
    let neighbour = if is_bfd(&packet) {
        let [.., hop_limit] = frame.load::<8>(packet.offset)?;
        bfd_sender(frame, packet, hop_limit, eth_src)
    } else if is_neighbour_discovery(&packet) {
        nd_sender(frame, packet)
    } else {
        None
    };
    neighbour.filter(Neighbour::is_unicast)
}

impl Neighbour {
    /// Whether both addresses can belong to one station. An ARP probe has the address 0.0.0.0 (RFC 5227 section 2.1.1).
    fn is_unicast(&self) -> bool {
        let is_unicast_ip = match self.ip {
            IpAddr::V4(ip) => !ip.is_unspecified() && !ip.is_multicast() && !ip.is_broadcast(),
            IpAddr::V6(ip) => !ip.is_unspecified() && !ip.is_multicast(),
        };
        is_unicast_ip && self.mac[0] & 1 == 0 && self.mac != [0; 6]
    }
}

/// Sender of an ARP request or reply (RFC 826), a gratuitous one or not.
fn arp_sender<B: Bytes + ?Sized>(frame: &B, offset: usize) -> Option<Neighbour> {
    const ETHERNET: u16 = 1;
    const REQUEST: u16 = 1;
    const REPLY: u16 = 2;

    let header: [u8; 18] = frame.load(offset)?;
    let is_ethernet_ipv4 =
        be16(&header, 0) == ETHERNET && be16(&header, 2) == ether_type::IPV4 && header[4] == 6 && header[5] == 4;
    if !is_ethernet_ipv4 || !matches!(be16(&header, 6), REQUEST | REPLY) {
        return None;
    }
    Some(Neighbour { ip: field::<18, 4>(&header, 14).into(), mac: field(&header, 8) })
}

/// Sender of a neighbour discovery message (RFC 4861), if the message holds its link-layer address.
fn nd_sender<B: Bytes + ?Sized>(frame: &B, packet: Ip<[u8; 16]>) -> Option<Neighbour> {
    const SOURCE_LINK_LAYER_ADDRESS: u8 = 1;
    const TARGET_LINK_LAYER_ADDRESS: u8 = 2;

    let [icmp_type, code] = packet.tp_dst.to_be_bytes();
    let (fixed_len, option_type) = match icmp_type {
        nd_type::ROUTER_SOLICITATION => (8, SOURCE_LINK_LAYER_ADDRESS),
        nd_type::ROUTER_ADVERTISEMENT => (16, SOURCE_LINK_LAYER_ADDRESS),
        nd_type::NEIGHBOUR_SOLICITATION => (24, SOURCE_LINK_LAYER_ADDRESS),
        nd_type::NEIGHBOUR_ADVERTISEMENT => (24, TARGET_LINK_LAYER_ADDRESS),
        _ => return None,
    };
    let ip_header: [u8; 8] = frame.load(packet.offset)?;
    let (payload_length, hop_limit) = (be16(&ip_header, 4), ip_header[7]);
    // Receivers discard fragmented messages (RFC 6980 section 5).
    if hop_limit != SENT_ON_LINK || code != 0 || packet.fragment != Fragment::Whole {
        return None;
    }
    let ip = match icmp_type {
        nd_type::NEIGHBOUR_ADVERTISEMENT => {
            let message: [u8; 24] = frame.load(packet.l4_offset)?;
            field(&message, 8)
        }
        _ => packet.src,
    };
    let end = packet.offset.checked_add(40 + usize::from(payload_length))?;
    let mac = nd_option(frame, packet.l4_offset.checked_add(fixed_len)?, end, option_type)?;
    Some(Neighbour { ip: ip.into(), mac })
}

/// The MAC in the first option of a type (RFC 4861 section 4.6) between `offset` and `end`.
fn nd_option<B: Bytes + ?Sized>(frame: &B, mut offset: usize, end: usize, option_type: u8) -> Option<[u8; 6]> {
    for _ in 0..MAX_ND_OPTIONS {
        let [found_type, length, mac @ ..] = frame.load::<8>(offset)?;
        // In units of 8 bytes; a length of 0 voids the message.
        let next = offset.checked_add(usize::from(length) * 8)?;
        if length == 0 || next > end {
            return None;
        }
        if found_type == option_type {
            return (length == 1).then_some(mac);
        }
        offset = next;
    }
    None
}

/// Sender of a BFD control packet (RFC 5880 section 4.1).
///
/// Over a single hop the hop limit proves that the sender is a neighbour (RFC 5881 section 5). Over several hops
/// nothing does: the MAC is that of the last router, which is the sender's own where the sender is on the link.
fn bfd_sender<B: Bytes + ?Sized, A: Copy + Into<IpAddr>>(
    frame: &B,
    packet: Ip<A>,
    hop_limit: u8,
    eth_src: [u8; 6],
) -> Option<Neighbour> {
    const VERSION: u8 = 1;
    const UDP_HEADER_LEN: u16 = 8;
    const MIN_CONTROL_LEN: u8 = 24;

    let is_on_link = match packet.tp_dst {
        bfd_port::SINGLE_HOP => hop_limit == SENT_ON_LINK,
        bfd_port::MULTIHOP => true,
        _ => return None,
    };
    let headers: [u8; 12] = frame.load(packet.l4_offset)?;
    let (udp_length, version, control_len) = (be16(&headers, 4), headers[8] >> 5, headers[11]);
    let is_control_packet =
        version == VERSION && control_len >= MIN_CONTROL_LEN && UDP_HEADER_LEN + u16::from(control_len) <= udp_length;
    let is_sender = is_on_link && is_control_packet && packet.fragment == Fragment::Whole;
    is_sender.then(|| Neighbour { ip: packet.src.into(), mac: eth_src })
}
