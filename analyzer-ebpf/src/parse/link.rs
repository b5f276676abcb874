//! Ethernet and VLAN tags.

use super::{Bytes, Frame, ParseError, Payload, be16, field, ipv4, ipv6};
use crate::abi::LinkTags;
use crate::proto::ether_type;

const HEADER_LEN: usize = 14;
/// Tag control information and the next EtherType. The tag's own TPID stands where the EtherType was expected.
const TAG_LEN: usize = 4;
/// How many tags the walk steps over. Two are in use; a frame with more than the bound is told by its next TPID.
const MAX_TAGS: usize = 8;

/// Walks an Ethernet frame of any kind.
pub(super) fn walk<B: Bytes + ?Sized>(frame: &B) -> Result<Frame, ParseError> {
    let Some(header) = frame.load::<HEADER_LEN>(0) else { return Err(ParseError::Truncated { offset: 0 }) };
    let eth_type = be16(&header, 12);
    let link = Frame {
        eth_dst: field(&header, 0),
        eth_src: field(&header, 6),
        tags: LinkTags::NONE,
        payload: Payload::Other { eth_type },
    };
    walk_from(frame, HEADER_LEN, eth_type, link)
}

/// Walks on from the byte behind an EtherType, and fills in tags and payload.
///
/// A number below 0x600 is the length of an IEEE 802.3 frame and matches no EtherType.
pub(super) fn walk_from<B: Bytes + ?Sized>(
    packet: &B,
    mut offset: usize,
    mut eth_type: u16,
    mut frame: Frame,
) -> Result<Frame, ParseError> {
    for _ in 0..MAX_TAGS {
        if !matches!(eth_type, ether_type::VLAN | ether_type::SERVICE_VLAN | ether_type::QINQ1) {
            break;
        }
        let Some(tag) = packet.load::<TAG_LEN>(offset) else { return Err(ParseError::Truncated { offset }) };
        frame.tags = frame.tags.push(be16(&tag, 0));
        eth_type = be16(&tag, 2);
        offset += TAG_LEN;
    }
    frame.payload = match eth_type {
        ether_type::IPV4 => Payload::Ipv4(ipv4::walk(packet, offset)?),
        ether_type::IPV6 => Payload::Ipv6(ipv6::walk(packet, offset)?),
        ether_type::ARP => Payload::Arp { offset },
        _ => Payload::Other { eth_type },
    };
    if frame.payload.is_later_fragment() {
        frame.tags = frame.tags.with_later_fragment();
    }
    Ok(frame)
}

impl Payload {
    fn is_later_fragment(&self) -> bool {
        match self {
            Self::Ipv4(ip) => ip.fragment.is_later(),
            Self::Ipv6(ip) => ip.fragment.is_later(),
            Self::Arp { .. } | Self::Other { .. } => false,
        }
    }
}
