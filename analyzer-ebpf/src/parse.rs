//! The one header walk.
//!
//! [`parse`] reads an Ethernet frame. Nearly all traffic is IPv4 without tags, options or fragments, and takes one
//! bounds check; everything else takes the walk, header by header. Both give the same answer for the same frame.
//!
//! The walk takes headers with `let ... else`, not with `ok_or` and `?`: an array that has been wrapped in a `Result`
//! stands at an odd offset in it, and is then copied in pieces that the processor cannot forward from store to load,
//! which doubles the time of the whole walk.
//!
//! Every loop has a fixed bound and no header is trusted: the kernel's verifier and hostile frames ask for the same.

mod common;
mod ipv4;
mod ipv6;
mod link;
mod transport;

pub use common::parse_common;

#[cfg(test)]
mod tests;

use crate::abi::{FlowKey, LinkTags};
use crate::proto::ether_type;

/// Bytes of a frame, loaded by offset. A slice in user space, an skb in the kernel.
pub trait Bytes {
    /// Loads `N` bytes from `offset`; `None` where the frame ends before.
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]>;
}

impl Bytes for [u8] {
    #[inline(always)]
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.get(offset..)?.first_chunk().copied()
    }
}

/// A parsed frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Destination MAC.
    pub eth_dst: [u8; 6],
    /// Source MAC.
    pub eth_src: [u8; 6],
    /// VLAN tags found in the frame, and the fragment flag.
    pub tags: LinkTags,
    /// What the frame carries.
    pub payload: Payload,
}

/// The link header of a frame, with its tags.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link {
    /// Destination MAC.
    pub eth_dst: [u8; 6],
    /// Source MAC.
    pub eth_src: [u8; 6],
    /// VLAN tags found in the frame.
    pub tags: LinkTags,
    /// EtherType behind the tags, or the length of an IEEE 802.3 frame.
    pub eth_type: u16,
    /// Offset in the frame of what it announces.
    pub offset: usize,
}

/// What a frame carries, as far as the analyzer reads it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Payload {
    /// An IPv4 packet.
    Ipv4(Ip<[u8; 4]>),
    /// An IPv6 packet.
    Ipv6(Ip<[u8; 16]>),
    /// An ARP packet that starts at the offset.
    Arp {
        /// Offset of the ARP header in the frame.
        offset: usize,
    },
    /// Anything else.
    Other {
        /// EtherType, or the length of an IEEE 802.3 frame.
        eth_type: u16,
    },
}

/// The parts of an IP packet that identify its flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ip<A> {
    /// Source address, in wire order.
    pub src: A,
    /// Destination address, in wire order.
    pub dst: A,
    /// Protocol of the payload, behind all IPv6 extension headers.
    ///
    /// It is the number of an extension header where the walk ends before the last one: in a later fragment, whose
    /// fragment header names what the datagram's own data begins with, and behind more headers than the walk's bound.
    pub nw_proto: u8,
    /// As [`crate::abi::FlowKey::tp_src`].
    pub tp_src: u16,
    /// As [`crate::abi::FlowKey::tp_dst`].
    pub tp_dst: u16,
    /// Place of the packet in a fragmented datagram.
    pub fragment: Fragment,
    /// Offset of the IP header in the frame.
    pub offset: usize,
    /// Offset of the L4 header (of the fragment's data for a later fragment) in the frame.
    pub l4_offset: usize,
}

/// Place of a packet in a fragmented datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fragment {
    /// The whole datagram.
    Whole,
    /// The first fragment, which holds the L4 header. The number is the datagram's identification.
    First(u32),
    /// A later fragment. The number is the datagram's identification.
    Later(u32),
}

/// Why a frame has no flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParseError {
    /// The frame ends inside a header that starts at the offset, or before it.
    Truncated {
        /// Offset of the header that is cut.
        offset: usize,
    },
    /// A header contradicts itself: an IP version or header length that no RFC allows, or one that reaches beyond the
    /// end of its own datagram.
    Malformed {
        /// Offset of the header.
        offset: usize,
    },
}

/// Parses an Ethernet frame, from its destination MAC on.
///
/// # Errors
/// A frame cut inside a header that the flow key is made of is [`ParseError::Truncated`]; a cut behind it, in the rest
/// of a TCP header or in the payload, is not.
#[inline]
pub fn parse<B: Bytes + ?Sized>(frame: &B) -> Result<Frame, ParseError> {
    match parse_common(frame) {
        Some(parsed) => Ok(parsed),
        None => link::walk(frame),
    }
}

/// Parses the link header of an Ethernet frame.
///
/// With [`parse_ipv4`] and [`parse_ipv6`] this is [`parse`] in steps, for the kernel program: a [`Frame`] that may be
/// anything takes more than its stack has.
///
/// # Errors
/// As [`parse`].
#[inline(always)]
pub fn parse_link<B: Bytes + ?Sized>(frame: &B) -> Result<Link, ParseError> {
    link::link(frame)
}

/// Parses an IPv4 packet at `offset`. In a later fragment the link's tags are still to be marked as such.
///
/// # Errors
/// As [`parse`].
#[inline(always)]
pub fn parse_ipv4<B: Bytes + ?Sized>(packet: &B, offset: usize) -> Result<Ip<[u8; 4]>, ParseError> {
    ipv4::walk(packet, offset)
}

/// Parses an IPv6 packet at `offset`. In a later fragment the link's tags are still to be marked as such.
///
/// # Errors
/// As [`parse`].
#[inline(always)]
pub fn parse_ipv6<B: Bytes + ?Sized>(packet: &B, offset: usize) -> Result<Ip<[u8; 16]>, ParseError> {
    ipv6::walk(packet, offset)
}

/// Parses what an EtherType announces, from `offset` on, for link headers that are not Ethernet (Linux cooked capture).
///
/// The MACs are 0 and the tags say that there is no destination MAC; a caller that knows the source MAC fills it in.
///
/// # Errors
/// As [`parse`].
pub fn parse_eth_type<B: Bytes + ?Sized>(packet: &B, offset: usize, eth_type: u16) -> Result<Frame, ParseError> {
    let link = Link { eth_dst: [0; 6], eth_src: [0; 6], tags: LinkTags::NONE.without_eth_dst(), eth_type, offset };
    link::walk_from(packet, link)
}

/// Parses an IP packet of either version at `offset`, for captures without link header.
///
/// The MACs are 0 and the tags say that there is no destination MAC.
///
/// # Errors
/// As [`parse`]; also [`ParseError::Malformed`] where the packet is of neither version.
pub fn parse_ip<B: Bytes + ?Sized>(packet: &B, offset: usize) -> Result<Frame, ParseError> {
    let Some([version_and_more]) = packet.load(offset) else { return Err(ParseError::Truncated { offset }) };
    match version_and_more >> 4 {
        4 => parse_eth_type(packet, offset, ether_type::IPV4),
        6 => parse_eth_type(packet, offset, ether_type::IPV6),
        _ => Err(ParseError::Malformed { offset }),
    }
}

impl<A: Copy> Ip<A> {
    /// The link's tags, marked if the packet is a later fragment.
    #[inline(always)]
    pub fn mark(&self, tags: LinkTags) -> LinkTags {
        if self.fragment.is_later() { tags.with_later_fragment() } else { tags }
    }
}

impl<A: Copy> FlowKey<A> {
    /// The key that a packet of a frame is counted under.
    #[inline(always)]
    pub fn new(frame: &Frame, ip: &Ip<A>, epoch: u16, nic: u8) -> Self {
        Self::of(frame.eth_dst, frame.eth_src, frame.tags, ip, epoch, nic)
    }

    /// The same, of the parts of the link header that are in a key.
    #[inline(always)]
    pub fn of(eth_dst: [u8; 6], eth_src: [u8; 6], tags: LinkTags, ip: &Ip<A>, epoch: u16, nic: u8) -> Self {
        Self {
            src: ip.src,
            dst: ip.dst,
            eth_dst,
            eth_src,
            tags,
            tp_src: ip.tp_src,
            tp_dst: ip.tp_dst,
            epoch,
            nw_proto: ip.nw_proto,
            nic,
        }
    }
}

/// Copies the field that starts at byte `at` of a header. All offsets are constants within the header.
///
/// A field that no register holds, an IPv6 address, is copied in one go: picked byte by byte, its bytes would all be put
/// on the stack, of which the kernel program has too little.
#[inline(always)]
pub(crate) fn field<const LEN: usize, const N: usize>(header: &[u8; LEN], at: usize) -> [u8; N] {
    match header[at..].first_chunk() {
        Some(field) if N > size_of::<u64>() => *field,
        _ => core::array::from_fn(|index| header[at + index]),
    }
}

/// The 16-bit field, in host order, that starts at byte `at` of a header.
#[inline(always)]
pub(crate) fn be16<const LEN: usize>(header: &[u8; LEN], at: usize) -> u16 {
    u16::from_be_bytes(field(header, at))
}

/// Checks that a header of variable length is in the frame to its last byte.
#[inline(always)]
fn require_whole<B: Bytes + ?Sized>(packet: &B, offset: usize, header_len: usize) -> Result<(), ParseError> {
    match packet.load::<1>(offset + header_len - 1) {
        Some(_) => Ok(()),
        None => Err(ParseError::Truncated { offset }),
    }
}
