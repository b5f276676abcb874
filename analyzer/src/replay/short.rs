//! The short way for the frames that nearly all frames are: whole IP packets with TCP or UDP, with one tag
//! or none.
//!
//! It is put together of the steps of the one parser, inlined here. What a step gives stays in registers, where the result
//! of [`parse`](analyzer_ebpf::parse::parse), which may be anything, goes through memory.

use analyzer_ebpf::abi::LinkTags;
use analyzer_ebpf::parse::{Bytes, Fragment, Frame, Ip, Payload, parse_common, parse_ipv4, parse_ipv6};
use analyzer_ebpf::proto::{ether_type, ip};

use crate::capture::{FrameRef, LinkType};

/// Bytes of an Ethernet header without a tag, and with one.
const UNTAGGED_LEN: usize = 14;
const TAGGED_LEN: usize = 18;

/// What is done with a usual frame.
///
/// It is a trait, because a closure that is called in several places is not inlined, and the frame then goes through memory.
pub(super) trait Usual {
    /// What comes of it.
    type Output;

    /// Called with a frame as [`super::link::parse_frame`] parses it. To be inlined: it is compiled once for each kind of
    /// frame, for what is known of the kind.
    fn take(self, parsed: Frame) -> Self::Output;
}

/// Hands a frame of the usual kinds to `usual`. `None` for all others.
#[inline(always)]
pub(super) fn parse_usual<U: Usual>(frame: &FrameRef<'_>, usual: U) -> Option<U::Output> {
    let &FrameRef { data, direction, link_type: LinkType::Ethernet, .. } = frame else { return None };
    if let Some(parsed) = parse_common(data) {
        return Some(usual.take(Frame { tags: parsed.tags.with_direction(direction), ..parsed }));
    }
    let header: [u8; TAGGED_LEN] = data.load(0)?;
    let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, type0, type1, tag0, tag1, inner0, inner1] = header;
    let (eth_dst, eth_src) = ([d0, d1, d2, d3, d4, d5], [s0, s1, s2, s3, s4, s5]);
    let none = LinkTags::NONE.with_direction(direction);
    let frame = |tags, payload| Frame { eth_dst, eth_src, tags, payload };
    match u16::from_be_bytes([type0, type1]) {
        ether_type::IPV6 => {
            let packet = ipv6(data, UNTAGGED_LEN)?;
            Some(usual.take(frame(none, Payload::Ipv6(packet))))
        }
        ether_type::VLAN | ether_type::SERVICE_VLAN | ether_type::QINQ1 => {
            let tags = none.push(u16::from_be_bytes([tag0, tag1]));
            match u16::from_be_bytes([inner0, inner1]) {
                ether_type::IPV4 => {
                    let packet = ipv4(data, TAGGED_LEN)?;
                    Some(usual.take(frame(tags, Payload::Ipv4(packet))))
                }
                ether_type::IPV6 => {
                    let packet = ipv6(data, TAGGED_LEN)?;
                    Some(usual.take(frame(tags, Payload::Ipv6(packet))))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

#[inline(always)]
fn ipv4(data: &[u8], offset: usize) -> Option<Ip<[u8; 4]>> {
    match parse_ipv4(data, offset) {
        Ok(packet) if is_plain(&packet) => Some(packet),
        _ => None,
    }
}

#[inline(always)]
fn ipv6(data: &[u8], offset: usize) -> Option<Ip<[u8; 16]>> {
    match parse_ipv6(data, offset) {
        Ok(packet) if is_plain(&packet) => Some(packet),
        _ => None,
    }
}

/// Whether a packet is a whole one that carries TCP or UDP.
#[inline(always)]
fn is_plain<A>(packet: &Ip<A>) -> bool {
    packet.fragment == Fragment::Whole && matches!(packet.nw_proto, ip::TCP | ip::UDP)
}
