//! Frames of the link and of its neighbours, which no route decides.

use crate::parse::{Frame, Ip, Payload};
use crate::proto::{ether_type, ip};

/// UDP destination ports of Bidirectional Forwarding Detection.
pub(crate) mod bfd_port {
    /// Control packets over one hop (RFC 5881 section 4).
    pub(crate) const SINGLE_HOP: u16 = 3784;
    /// Echo packets (RFC 5881 section 4).
    pub(crate) const ECHO: u16 = 3785;
    /// Control packets over several hops (RFC 5883 section 5).
    pub(crate) const MULTIHOP: u16 = 4784;
}

/// ICMPv6 types of neighbour discovery (RFC 4861 section 4).
pub(crate) mod nd_type {
    pub(crate) const ROUTER_SOLICITATION: u8 = 133;
    pub(crate) const ROUTER_ADVERTISEMENT: u8 = 134;
    pub(crate) const NEIGHBOUR_SOLICITATION: u8 = 135;
    pub(crate) const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
    pub(crate) const REDIRECT: u8 = 137;
}

/// What a frame keeps running, if it carries nobody's traffic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Control {
    /// Address resolution of IPv4.
    Arp,
    /// Neighbour discovery of IPv6: solicitations, advertisements, redirects.
    NeighbourDiscovery,
    /// Bidirectional Forwarding Detection, control and echo packets.
    Bfd,
    /// Link Layer Discovery Protocol.
    Lldp,
    /// LACP and the other slow protocols of IEEE 802.3.
    SlowProtocol,
}

impl Frame {
    /// The control protocol of the frame; `None` for traffic that a route decides.
    #[inline]
    pub fn control(&self) -> Option<Control> {
        match &self.payload {
            Payload::Arp { .. } => Control::of_eth_type(ether_type::ARP),
            Payload::Ipv4(ip) => is_bfd(ip).then_some(Control::Bfd),
            Payload::Ipv6(ip) if is_neighbour_discovery(ip) => Some(Control::NeighbourDiscovery),
            Payload::Ipv6(ip) => is_bfd(ip).then_some(Control::Bfd),
            Payload::Other { eth_type } => Control::of_eth_type(*eth_type),
        }
    }
}

impl Control {
    /// The control protocol that is a protocol of the link itself.
    #[inline]
    pub fn of_eth_type(eth_type: u16) -> Option<Self> {
        match eth_type {
            ether_type::ARP => Some(Self::Arp),
            ether_type::LLDP => Some(Self::Lldp),
            ether_type::SLOW_PROTOCOLS => Some(Self::SlowProtocol),
            _ => None,
        }
    }
}

/// Whether a packet is that of Bidirectional Forwarding Detection.
#[inline(always)]
pub fn is_bfd<A>(packet: &Ip<A>) -> bool {
    packet.nw_proto == ip::UDP && matches!(packet.tp_dst, bfd_port::SINGLE_HOP | bfd_port::ECHO | bfd_port::MULTIHOP)
}

/// Whether a packet is a message of neighbour discovery.
#[inline(always)]
pub fn is_neighbour_discovery(packet: &Ip<[u8; 16]>) -> bool {
    let [icmp_type, _] = packet.tp_dst.to_be_bytes();
    packet.nw_proto == ip::ICMPV6 && (nd_type::ROUTER_SOLICITATION..=nd_type::REDIRECT).contains(&icmp_type)
}
