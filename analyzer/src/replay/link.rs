//! Frames of every link type to the one parser.

use std::net::IpAddr;

use analyzer_ebpf::parse::{Bytes, Fragment, Frame, Ip, ParseError, Payload, parse, parse_eth_type, parse_ip};

use crate::capture::{FrameRef, LinkType, TextPayload, TextRecord};
use crate::types::Tuple;

/// Parses a frame by its link type. The tags tell the direction, and whether there is a destination MAC.
pub(super) fn parse_frame(frame: &FrameRef<'_>) -> Result<Frame, ParseError> {
    let data = frame.data;
    let mut parsed = match frame.link_type {
        LinkType::Ethernet => parse(data),
        LinkType::LinuxSll => parse_sll(data),
        LinkType::LinuxSll2 => parse_sll2(data),
        LinkType::RawIp => parse_ip(data, 0),
    }?;
    parsed.tags = parsed.tags.with_direction(frame.direction);
    Ok(parsed)
}

/// Linux cooked capture: packet type, ARPHRD type, length of the address, address, protocol (LINKTYPE_LINUX_SLL).
fn parse_sll(data: &[u8]) -> Result<Frame, ParseError> {
    let header: [u8; 16] = data.load(0).ok_or(ParseError::Truncated { offset: 0 })?;
    let [_, _, _, _, len_high, len_low, m0, m1, m2, m3, m4, m5, _, _, type_high, type_low] = header;
    let parsed = parse_eth_type(data, header.len(), u16::from_be_bytes([type_high, type_low]))?;
    Ok(with_eth_src(parsed, u16::from_be_bytes([len_high, len_low]), [m0, m1, m2, m3, m4, m5]))
}

/// The second version: protocol, two reserved bytes, interface index, ARPHRD type, packet type, length of the address,
/// address (LINKTYPE_LINUX_SLL2).
fn parse_sll2(data: &[u8]) -> Result<Frame, ParseError> {
    let header: [u8; 20] = data.load(0).ok_or(ParseError::Truncated { offset: 0 })?;
    let [type_high, type_low, _, _, _, _, _, _, _, _, _, len, m0, m1, m2, m3, m4, m5, _, _] = header;
    let parsed = parse_eth_type(data, header.len(), u16::from_be_bytes([type_high, type_low]))?;
    Ok(with_eth_src(parsed, u16::from(len), [m0, m1, m2, m3, m4, m5]))
}

/// A device without address, such as a tunnel, has a length of 0; other lengths are those of no MAC.
fn with_eth_src(parsed: Frame, address_len: u16, eth_src: [u8; 6]) -> Frame {
    if address_len == 6 { Frame { eth_src, ..parsed } } else { parsed }
}

/// What the parser would have made of the frame that a line of text tells of, but for the offsets in the frame.
pub(super) fn frame_of_text(text: &TextRecord) -> Frame {
    let unknown = Payload::Other { eth_type: 0 };
    let payload = match text.payload {
        TextPayload::Ip(tuple) => match (tuple.src, tuple.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => Payload::Ipv4(packet_of_text(src.octets(), dst.octets(), &tuple)),
            (IpAddr::V6(src), IpAddr::V6(dst)) => Payload::Ipv6(packet_of_text(src.octets(), dst.octets(), &tuple)),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => unknown,
        },
        TextPayload::Arp { .. } => Payload::Arp { offset: 0 },
        TextPayload::Other => unknown,
    };
    Frame { eth_dst: text.eth_dst.0, eth_src: text.eth_src.0, tags: text.tags, payload }
}

/// Text names no identification, so a later fragment has its mark in the tags only.
fn packet_of_text<A>(src: A, dst: A, tuple: &Tuple) -> Ip<A> {
    let Tuple { nw_proto, tp_src, tp_dst, .. } = *tuple;
    Ip { src, dst, nw_proto, tp_src, tp_dst, fragment: Fragment::Whole, offset: 0, l4_offset: 0 }
}
