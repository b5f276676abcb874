//! Packets of the simulation.

use analyzer_ebpf::abi::Direction;
use analyzer_ebpf::maps::PacketCount;
use analyzer_ebpf::parse::Bytes;

use super::packet::{L4, Packet};

/// A frame at a hook: where the NIC sends, or where something comes in.
pub(crate) struct Frame<'a, const LEAVES: bool> {
    pub(crate) bytes: &'a [u8],
    pub(crate) ifindex: u32,
    /// Of a super-packet, all that it becomes on the wire.
    pub(crate) wire: PacketCount,
}

/// The first bytes of a frame.
pub(crate) struct Head<'a>(&'a [u8]);

impl Bytes for Head<'_> {
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.0.load(offset)
    }
}

impl<const LEAVES: bool> Bytes for Frame<'_, LEAVES> {
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.bytes.load(offset)
    }
}

impl<'a, const LEAVES: bool> Packet for Frame<'a, LEAVES> {
    type Head = Head<'a>;
    const DIRECTION: Direction = if LEAVES { Direction::Outbound } else { Direction::Unknown };

    fn head(&self) -> Head<'a> {
        Head(self.bytes)
    }

    /// Tags stand in the frame here.
    fn tag_beside(&self) -> Option<u16> {
        None
    }

    fn on_wire(&self, _: Option<L4>) -> PacketCount {
        self.wire
    }

    fn ifindex(&self) -> u32 {
        self.ifindex
    }
}
