//! Packets at the hooks of TC.
#![expect(unsafe_code, reason = "the kernel hands over raw pointers: the context, and the packet's linear part")]

use core::marker::PhantomData;
use core::mem::MaybeUninit;

use analyzer_ebpf::abi::Direction;
use analyzer_ebpf::maps::PacketCount;
use analyzer_ebpf::parse::Bytes;
use analyzer_ebpf::proto::ip;
use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::bpf_skb_load_bytes;
use aya_ebpf::programs::TcContext;

use super::linear::{Head, Linear};
use super::packet::{L4, Packet};

/// Bytes of a VLAN tag.
const TAG_LEN: u32 = 4;

/// Which hook an skb is at.
pub(crate) trait Hook {
    /// Whether `wire_len` tells the bytes on the wire. On the way out the kernel reckons them for the qdisc.
    const HAS_WIRE_LEN: bool;
    /// Which way the packets that are judged here go. What comes in at a mirror port left elsewhere, or came in there.
    const DIRECTION: Direction;
}

/// The egress hook.
pub(crate) struct Egress;
/// The ingress hook.
pub(crate) struct Ingress;

impl Hook for Egress {
    const HAS_WIRE_LEN: bool = true;
    const DIRECTION: Direction = Direction::Outbound;
}

impl Hook for Ingress {
    const HAS_WIRE_LEN: bool = false;
    const DIRECTION: Direction = Direction::Unknown;
}

/// A packet at a hook of TC.
pub(crate) struct Skb<H> {
    ctx: *mut __sk_buff,
    hook: PhantomData<H>,
}

impl<H> Skb<H> {
    #[inline(always)]
    pub(crate) fn new(ctx: &TcContext) -> Self {
        Self { ctx: ctx.skb.skb, hook: PhantomData }
    }

    #[inline(always)]
    fn field<T>(&self, field: impl FnOnce(&__sk_buff) -> T) -> T {
        // SAFETY: The kernel hands over a context that lives as long as the program runs; the verifier checks each
        // field that is read.
        field(unsafe { &*self.ctx })
    }
}

impl<H> Bytes for Skb<H> {
    /// By a helper: it reads behind the linear part too, which may hold no more than the Ethernet header.
    #[inline(always)]
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let mut bytes = MaybeUninit::<[u8; N]>::uninit();
        // SAFETY: The buffer has room for `N` bytes. The helper fills all of it, also when it fails.
        unsafe {
            match bpf_skb_load_bytes(self.ctx.cast(), offset as u32, bytes.as_mut_ptr().cast(), N as u32) {
                0 => Some(bytes.assume_init()),
                _ => None,
            }
        }
    }
}

impl<H: Hook> Packet for Skb<H> {
    type Head = Head;
    const DIRECTION: Direction = H::DIRECTION;

    #[inline(always)]
    fn head(&self) -> Head {
        self.field(|skb| Head(Linear::new(skb.data, skb.data_end)))
    }

    #[inline(always)]
    fn tag_beside(&self) -> Option<u16> {
        self.field(|skb| (skb.vlan_present != 0).then_some(skb.vlan_tci as u16))
    }

    #[inline(always)]
    fn on_wire(&self, l4: Option<L4>) -> PacketCount {
        let (len, tag_len) = self.field(|skb| (skb.len, if skb.vlan_present != 0 { TAG_LEN } else { 0 }));
        let gso_size = self.field(|skb| skb.gso_size);
        if gso_size == 0 {
            return PacketCount { packets: 1, bytes: u64::from(len + tag_len) };
        }
        let headers = l4.map_or(0, |l4| headers_len(self, l4));
        let segments = match self.field(|skb| skb.gso_segs) {
            // A sender that the kernel does not trust leaves the number to whoever needs it first (SKB_GSO_DODGY).
            0 => len.saturating_sub(headers).div_ceil(gso_size.max(1)).max(1),
            segments => segments,
        };
        let bytes = match H::HAS_WIRE_LEN {
            true => self.field(|skb| skb.wire_len),
            false => len + (segments - 1) * headers,
        };
        PacketCount { packets: u64::from(segments), bytes: u64::from(bytes + segments * tag_len) }
    }

    #[inline(always)]
    fn ifindex(&self) -> u32 {
        self.field(|skb| skb.ifindex)
    }
}

/// Length of the headers that each segment of a super-packet starts with.
#[inline(always)]
fn headers_len<H>(packet: &Skb<H>, l4: L4) -> u32 {
    let l4_len = match l4.nw_proto {
        ip::TCP => packet.load::<1>(l4.offset + 12).map_or(20, |[data_offset]| u32::from(data_offset >> 4) * 4),
        ip::UDP => 8,
        _ => 0,
    };
    l4.offset as u32 + l4_len
}
