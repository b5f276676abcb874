//! Packets at the hook of XDP.
#![expect(unsafe_code, reason = "the kernel hands over the bounds of the packet")]

use analyzer_ebpf::abi::Direction;
use analyzer_ebpf::maps::PacketCount;
use analyzer_ebpf::parse::Bytes;
use aya_ebpf::programs::XdpContext;

use super::cpu;
use super::linear::{Head, Linear};
use super::packet::{L4, Packet};

/// A packet at the hook of XDP.
pub(crate) struct Buffer {
    linear: Linear,
    ifindex: u32,
    /// A word of the CPU's own.
    offset: *mut usize,
}

impl Buffer {
    /// `None` never comes.
    #[inline(always)]
    pub(crate) fn new(ctx: &XdpContext) -> Option<Self> {
        // SAFETY: The kernel hands over a context that lives as long as the program runs.
        let md = unsafe { &*ctx.ctx };
        let linear = Linear::new(md.data, md.data_end);
        Some(Self { linear, ifindex: md.ingress_ifindex, offset: cpu::offset()? })
    }
}

impl Bytes for Buffer {
    /// The offset is written to memory that others might write to, and read again. With that the verifier forgets all
    /// that it knows of it. Else it would go each way through the IPv6 extension headers apart, of which there are more
    /// than it has patience for.
    #[inline(always)]
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        // SAFETY: A pointer to a map value is valid while the program runs, and this one belongs to the CPU.
        let offset = unsafe {
            self.offset.write_volatile(offset);
            self.offset.read_volatile()
        };
        self.linear.load(offset)
    }
}

impl Packet for Buffer {
    type Head = Head;
    const DIRECTION: Direction = Direction::Unknown;

    #[inline(always)]
    fn head(&self) -> Head {
        Head(self.linear)
    }

    /// A tag that the NIC took out of the frame is not told here.
    #[inline(always)]
    fn tag_beside(&self) -> Option<u16> {
        None
    }

    #[inline(always)]
    fn on_wire(&self, _: Option<L4>) -> PacketCount {
        PacketCount { packets: 1, bytes: self.linear.len() as u64 }
    }

    #[inline(always)]
    fn ifindex(&self) -> u32 {
        self.ifindex
    }
}
