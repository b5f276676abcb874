//! Frames of the simulated node, read by other code than wrote them, and many flows made of one.

use std::net::IpAddr;

use analyzer::types::Tuple;
use analyzer::types::tuple::proto;
use etherparse::{NetSlice, SlicedPacket, TransportSlice};

/// Neighbour advertisement (RFC 4861 section 4.4).
const ADVERTISEMENT: u8 = 136;
/// UDP port of BFD (RFC 5881 section 4).
const BFD_PORT: u16 = 3784;

/// The 5-tuple of a frame; `None` of what is no packet of a flow.
pub(crate) fn tuple(frame: &[u8]) -> Option<Tuple> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let (src, dst): (IpAddr, IpAddr) = match packet.net? {
        NetSlice::Ipv4(ip) => (ip.header().source_addr().into(), ip.header().destination_addr().into()),
        NetSlice::Ipv6(ip) => (ip.header().source_addr().into(), ip.header().destination_addr().into()),
        NetSlice::Arp(_) => return None,
    };
    let icmp =
        |[high, low, ..]: [u8; 4], kind, code| (u16::from_be_bytes([high, low]), u16::from_be_bytes([kind, code]));
    let (nw_proto, (tp_src, tp_dst)) = match packet.transport? {
        TransportSlice::Udp(udp) => (proto::UDP, (udp.source_port(), udp.destination_port())),
        TransportSlice::Tcp(tcp) => (proto::TCP, (tcp.source_port(), tcp.destination_port())),
        TransportSlice::Icmpv4(message) => {
            (proto::ICMP, icmp(message.bytes5to8(), message.type_u8(), message.code_u8()))
        }
        TransportSlice::Icmpv6(message) => {
            (proto::ICMPV6, icmp(message.bytes5to8(), message.type_u8(), message.code_u8()))
        }
        TransportSlice::Igmp(_) => return None,
    };
    Some(Tuple { src, dst, nw_proto, tp_src, tp_dst })
}

/// Whether a frame tells whose an address is: one of ARP, a neighbour advertisement, or one of BFD.
pub(crate) fn announces(frame: &[u8]) -> bool {
    let Ok(packet) = SlicedPacket::from_ethernet(frame) else { return false };
    match packet.transport {
        Some(TransportSlice::Udp(udp)) => udp.destination_port() == BFD_PORT,
        Some(TransportSlice::Icmpv6(message)) => message.type_u8() == ADVERTISEMENT,
        _ => matches!(packet.net, Some(NetSlice::Arp(_))),
    }
}

/// Whether flows of a protocol have ports.
pub(crate) fn has_ports(tuple: &Tuple) -> bool {
    matches!(tuple.nw_proto, proto::TCP | proto::UDP)
}

/// A frame whose ports can be others.
pub(crate) struct Pattern {
    frame: Vec<u8>,
    tuple: Tuple,
    /// Where the ports stand.
    ports: usize,
}

impl Pattern {
    /// The frame of a flow; `None` where it has no ports.
    pub(crate) fn of(frame: &[u8]) -> Option<Self> {
        let transport = match SlicedPacket::from_ethernet(frame).ok()?.transport? {
            TransportSlice::Udp(udp) => udp.slice(),
            TransportSlice::Tcp(tcp) => tcp.slice(),
            _ => return None,
        };
        // No frame here is padded.
        Some(Self { frame: frame.to_vec(), tuple: tuple(frame)?, ports: frame.len() - transport.len() })
    }

    /// A flow like it, with other ports.
    pub(crate) fn flow(&self, number: u16) -> (Vec<u8>, Tuple) {
        let (tp_src, tp_dst) = (20_000 + number % 30_000, 7_000 + number / 30_000);
        let mut frame = self.frame.clone();
        frame[self.ports..self.ports + 2].copy_from_slice(&tp_src.to_be_bytes());
        frame[self.ports + 2..self.ports + 4].copy_from_slice(&tp_dst.to_be_bytes());
        (frame, Tuple { tp_src, tp_dst, ..self.tuple })
    }
}
