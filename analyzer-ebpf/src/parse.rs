//! The one header walk.

use crate::abi::LinkTags;

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
    pub nw_proto: u8,
    /// As [`crate::abi::FlowKey::tp_src`].
    pub tp_src: u16,
    /// As [`crate::abi::FlowKey::tp_dst`].
    pub tp_dst: u16,
    /// Place of the packet in a fragmented datagram.
    pub fragment: Fragment,
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
    /// The frame ends inside a header that starts at the offset.
    Truncated {
        /// Offset of the header that is cut.
        offset: usize,
    },
    /// A header contradicts itself: an IP version or header length that no RFC allows.
    Malformed {
        /// Offset of the header.
        offset: usize,
    },
}
