//! What the program asks of a packet, wherever it is.

use analyzer_ebpf::abi::{Direction, LinkTags};
use analyzer_ebpf::maps::PacketCount;
use analyzer_ebpf::parse::{self, Bytes, Ip, ParseError};

use super::family::Family;

/// A packet at a hook.
pub(crate) trait Packet: Bytes {
    /// Its first bytes, for the short way of the parser.
    type Head: Bytes;
    /// Which way the packets of the hook go, where the hook tells.
    const DIRECTION: Direction;

    fn head(&self) -> Self::Head;

    /// VLAN id of the tag that stands beside the frame, not in it. It is the outermost.
    fn tag_beside(&self) -> Option<u16>;

    /// Packets and bytes on the wire. Where the hook does not know the headers of each segment of a super-packet,
    /// they are told by the place of the L4 header, if it has one.
    fn on_wire(&self, l4: Option<L4>) -> PacketCount;

    /// Index of the interface.
    fn ifindex(&self) -> u32;

    /// The tags of a frame behind the tag beside it.
    #[inline(always)]
    fn all_tags(&self, tags: LinkTags) -> LinkTags {
        match self.tag_beside() {
            Some(vid) => tags.behind(vid),
            None => tags,
        }
    }
}

/// What of the link header is in a flow key.
#[derive(Clone, Copy)]
pub(super) struct Link {
    pub(super) eth_dst: [u8; 6],
    pub(super) eth_src: [u8; 6],
    /// With the tag beside the frame.
    pub(super) tags: LinkTags,
}

impl Link {
    /// From what the parser made of the link header and of the packet that it carries.
    #[inline(always)]
    pub(super) fn of<P: Packet, A: Copy>(packet: &P, link: &parse::Link, ip: &Ip<A>) -> Self {
        let tags = ip.mark(packet.all_tags(link.tags));
        Self { eth_dst: link.eth_dst, eth_src: link.eth_src, tags }
    }
}

/// The L4 header of a packet.
#[derive(Clone, Copy)]
pub(crate) struct L4 {
    pub(super) nw_proto: u8,
    pub(super) offset: usize,
}

impl L4 {
    #[inline(always)]
    pub(super) fn of<A>(ip: &Ip<A>) -> Option<Self> {
        Some(Self { nw_proto: ip.nw_proto, offset: ip.l4_offset })
    }
}

/// Walks an IP packet at `offset`.
///
/// What comes of it is kept by the CPU up to its next packet: the stack has no room for it and for all that is done with
/// it. `None` never comes.
#[inline(never)]
pub(super) fn walk<P: Packet, A: Family>(packet: &P, offset: usize) -> Result<Option<&'static Ip<A>>, ParseError> {
    match A::parse(packet, offset) {
        Ok(ip) => Ok(A::keep(ip)),
        Err(error) => Err(error),
    }
}
