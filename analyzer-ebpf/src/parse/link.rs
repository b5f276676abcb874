//! Ethernet and VLAN tags.

use super::{Bytes, Frame, Link, ParseError, Payload, be16, field, ipv4, ipv6};
use crate::abi::LinkTags;
use crate::proto::ether_type;

const HEADER_LEN: usize = 14;
/// Tag control information and the next EtherType. The tag's own TPID stands where the EtherType was expected.
const TAG_LEN: usize = 4;
/// How many tags the walk steps over. Two are in use; a frame with more than the bound is told by its next TPID.
const MAX_TAGS: usize = 8;

/// Walks the Ethernet header of a frame and its tags.
#[inline(always)]
pub(super) fn link<B: Bytes + ?Sized>(frame: &B) -> Result<Link, ParseError> {
    let Some(header) = frame.load::<HEADER_LEN>(0) else { return Err(ParseError::Truncated { offset: 0 }) };
    let link = Link {
        eth_dst: field(&header, 0),
        eth_src: field(&header, 6),
        tags: LinkTags::NONE,
        eth_type: be16(&header, 12),
        offset: HEADER_LEN,
    };
    tags(frame, link)
}

/// Steps over tags.
#[inline(always)]
fn tags<B: Bytes + ?Sized>(packet: &B, mut link: Link) -> Result<Link, ParseError> {
    for _ in 0..MAX_TAGS {
        if !matches!(link.eth_type, ether_type::VLAN | ether_type::SERVICE_VLAN | ether_type::QINQ1) {
            break;
        }
        let Some(tag) = packet.load::<TAG_LEN>(link.offset) else {
            return Err(ParseError::Truncated { offset: link.offset });
        };
        link.tags = link.tags.push(be16(&tag, 0));
        link.eth_type = be16(&tag, 2);
        link.offset += TAG_LEN;
    }
    Ok(link)
}

/// Walks an Ethernet frame of any kind.
pub(super) fn walk<B: Bytes + ?Sized>(frame: &B) -> Result<Frame, ParseError> {
    carried(frame, link(frame)?)
}

/// Walks on from the byte behind an EtherType, whose link header is `link`.
pub(super) fn walk_from<B: Bytes + ?Sized>(packet: &B, link: Link) -> Result<Frame, ParseError> {
    carried(packet, tags(packet, link)?)
}

/// Walks what the link header carries.
///
/// A number below 0x600 is the length of an IEEE 802.3 frame and matches no EtherType.
#[inline(always)]
fn carried<B: Bytes + ?Sized>(packet: &B, link: Link) -> Result<Frame, ParseError> {
    let Link { eth_dst, eth_src, tags, eth_type, offset } = link;
    let payload = match eth_type {
        ether_type::IPV4 => Payload::Ipv4(ipv4::walk(packet, offset)?),
        ether_type::IPV6 => Payload::Ipv6(ipv6::walk(packet, offset)?),
        ether_type::ARP => Payload::Arp { offset },
        _ => Payload::Other { eth_type },
    };
    let tags = if payload.is_later_fragment() { tags.with_later_fragment() } else { tags };
    Ok(Frame { eth_dst, eth_src, tags, payload })
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
