//! Direct access to a packet.
#![expect(unsafe_code, reason = "the kernel hands over the bounds of the packet")]

use core::arch::asm;
use core::mem::transmute_copy;

use analyzer_ebpf::parse::Bytes;

/// Offsets beyond are not followed. No driver puts so much into one buffer, and the verifier wants a bound.
const MAX_OFFSET: usize = 0x3fff;

/// The part of a packet that lies in one piece.
#[derive(Clone, Copy)]
pub(crate) struct Linear {
    data: usize,
    data_end: usize,
}

impl Linear {
    /// From the two fields of a context, which the verifier takes for pointers.
    #[inline(always)]
    pub(super) fn new(data: u32, data_end: u32) -> Self {
        Self { data: data as usize, data_end: data_end as usize }
    }

    #[inline(always)]
    pub(super) fn len(self) -> usize {
        self.data_end - self.data
    }

    /// Where `len` bytes from `offset` on start, if they are there.
    #[inline(always)]
    fn start(self, offset: usize, len: usize) -> Option<usize> {
        if offset > MAX_OFFSET {
            return None;
        }
        // The compiler must not see through the sums: it would compare with `data_end - len`, and the verifier knows the
        // bounds of those pointers only that stand as they are written here.
        let start = opaque(self.data + offset);
        (opaque(start + len) <= self.data_end).then_some(start)
    }
}

impl Bytes for Linear {
    #[inline(always)]
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let start = self.start(offset, N)?;
        // SAFETY: The bytes lie before the end of the packet. Nothing is assumed of their alignment.
        Some(unsafe { (start as *const [u8; N]).read() })
    }
}

/// The first bytes of a frame, for the short way of the parser.
///
/// They are loaded field by field: the compiler takes nothing for granted about the alignment of a packet, and would
/// load byte by byte. The verifier allows any alignment on processors that do.
#[derive(Clone, Copy)]
pub(crate) struct Head(pub(super) Linear);

/// The fields of an Ethernet header, an IPv4 header without options, and two ports, or parts of them that have the size
/// of a register.
#[repr(C, packed)]
struct Fields {
    eth_dst_start: u32,
    eth_dst_end: u16,
    eth_src_start: u32,
    eth_src_end: u16,
    eth_type: u16,
    version_and_tos: u16,
    total_length: u16,
    identification_and_fragment: u32,
    ttl_and_protocol: u16,
    checksum: u16,
    src: u32,
    dst: u32,
    tp_src: u16,
    tp_dst: u16,
}

impl Bytes for Head {
    #[inline(always)]
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        if offset != 0 || N != size_of::<Fields>() {
            return self.0.load(offset);
        }
        let start = self.0.start(0, N)?;
        // SAFETY: The first 38 bytes lie before the end of the packet.
        let fields = unsafe {
            Fields {
                eth_dst_start: load_u32::<0>(start),
                eth_dst_end: load_u16::<4>(start),
                eth_src_start: load_u32::<6>(start),
                eth_src_end: load_u16::<10>(start),
                eth_type: load_u16::<12>(start),
                version_and_tos: load_u16::<14>(start),
                total_length: load_u16::<16>(start),
                identification_and_fragment: load_u32::<18>(start),
                ttl_and_protocol: load_u16::<22>(start),
                checksum: load_u16::<24>(start),
                src: load_u32::<26>(start),
                dst: load_u32::<30>(start),
                tp_src: load_u16::<34>(start),
                tp_dst: load_u16::<36>(start),
            }
        };
        // SAFETY: Both are `N` bytes without padding.
        Some(unsafe { transmute_copy(&fields) })
    }
}

/// Loads 4 bytes of any alignment, `AT` bytes behind `start`.
///
/// # Safety
/// They lie in the packet.
#[inline(always)]
unsafe fn load_u32<const AT: usize>(start: usize) -> u32 {
    let word: u64;
    // SAFETY: The caller says that the bytes lie in the packet.
    unsafe {
        asm!("{} = *(u32 *)({} + {})", out(reg) word, in(reg) start, const AT, options(pure, readonly, nostack, preserves_flags));
    }
    word as u32
}

/// Loads 2 bytes of any alignment, `AT` bytes behind `start`.
///
/// # Safety
/// They lie in the packet.
#[inline(always)]
unsafe fn load_u16<const AT: usize>(start: usize) -> u16 {
    let word: u64;
    // SAFETY: The caller says that the bytes lie in the packet.
    unsafe {
        asm!("{} = *(u16 *)({} + {})", out(reg) word, in(reg) start, const AT, options(pure, readonly, nostack, preserves_flags));
    }
    word as u16
}

/// The same number, of which the compiler knows nothing.
///
/// It takes an instruction: an empty one would share its place with the next, and a program with two lines for one
/// instruction is not loaded.
#[inline(always)]
fn opaque(number: usize) -> usize {
    let same;
    // SAFETY: Copies a register.
    unsafe { asm!("{} = {}", out(reg) same, in(reg) number, options(pure, nomem, nostack, preserves_flags)) };
    same
}
