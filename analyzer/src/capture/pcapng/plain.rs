//! The short way for the block that nearly all blocks are.

use analyzer_ebpf::abi::Direction;
use pcap_file::pcapng::blocks::block_common::ENHANCED_PACKET_BLOCK;
use pcap_file::pcapng::blocks::interface_description::InterfaceTsResolution;

use super::{MAX_BLOCK_LEN, SectionInterface, direction};
use crate::capture::chain::Located;
use crate::capture::link::LinkType;
use crate::types::Timestamp;

/// Bytes of an enhanced packet block before its frame: type and length, interface, time in two words, both lengths.
const FRAME_OFFSET: usize = 28;
/// Bytes of the length that ends a block.
const TRAILER_LEN: usize = 4;
/// Code and length of the option `epb_flags`.
const FLAGS_OPTION: [u16; 2] = [2, 4];

/// An enhanced packet block of an Ethernet frame, with no option or with its flags alone.
pub(super) struct Plain {
    /// The frame.
    pub(super) frame: Located,
    /// Bytes of the block.
    pub(super) block_len: usize,
}

/// How the times of an interface are read: in units of a decimal fraction of a second.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    /// Nanoseconds in a unit.
    tick_ns: u64,
    /// What is added to all times, in nanoseconds.
    offset_ns: i64,
}

impl Clock {
    /// `None` where a unit is no whole number of nanoseconds, or the offset, in seconds, is out of range.
    pub(super) fn new(resolution: InterfaceTsResolution, offset_secs: i64) -> Option<Self> {
        let digits = u32::from(resolution.resolution());
        if resolution.is_bin() || digits > 9 {
            return None;
        }
        Some(Self { tick_ns: 10_u64.pow(9 - digits), offset_ns: offset_secs.checked_mul(1_000_000_000)? })
    }

    /// The time of so many units. `None` where it takes numbers of more than 64 bits to tell.
    #[inline(always)]
    fn at(self, ticks: u64) -> Option<Timestamp> {
        let nanos = ticks.checked_mul(self.tick_ns)?.checked_add_signed(self.offset_ns)?;
        Some(Timestamp::from_nanos(nanos))
    }
}

impl Plain {
    /// Reads the block that `bytes` begin with, in the section of these interfaces.
    ///
    /// `None` says nothing about the block, which may also be cut or damaged, but that the long way has to read it;
    /// otherwise both read the same.
    #[inline(always)]
    pub(super) fn read(bytes: &[u8], is_big: bool, section: &[SectionInterface]) -> Option<Self> {
        let head: &[u8; FRAME_OFFSET] = bytes.first_chunk()?;
        let word = |at: usize| order32([head[at], head[at + 1], head[at + 2], head[at + 3]], is_big);
        let [kind, block_len, interface] = [word(0), word(4), word(8)];
        let [high, low, len, orig_len] = [word(12), word(16), word(20), word(24)];
        let block_len = block_len as usize;
        if kind != ENHANCED_PACKET_BLOCK || block_len > MAX_BLOCK_LEN || len as usize > block_len || len > orig_len {
            return None;
        }
        let end = block_len.checked_sub(TRAILER_LEN)?;
        let trailer = bytes.get(end..block_len)?.first_chunk()?;
        let options = bytes.get(FRAME_OFFSET + (len as usize).next_multiple_of(4)..end)?;
        let interface = section.get(interface as usize)?;
        let is_plain = order32(*trailer, is_big) as usize == block_len
            && block_len.is_multiple_of(4)
            && interface.link_type == Some(LinkType::Ethernet);
        let direction = if options.is_empty() { Some(Direction::Unknown) } else { told_by(options, is_big) };
        let frame = Located {
            at: interface.clock?.at(u64::from(high) << 32 | u64::from(low))?,
            offset: FRAME_OFFSET as u32,
            len,
            orig_len,
            interface: interface.nic,
            link_type: LinkType::Ethernet,
            direction: direction?,
        };
        is_plain.then_some(Self { frame, block_len })
    }
}

/// The direction that the options tell, where the flags are the only one.
fn told_by(options: &[u8], is_big: bool) -> Option<Direction> {
    let (&[c0, c1, l0, l1, f0, f1, f2, f3], end) = options.split_first_chunk()?;
    let option = [order16([c0, c1], is_big), order16([l0, l1], is_big)];
    let is_alone = option == FLAGS_OPTION && matches!(end, [] | [0, 0, 0, 0]);
    is_alone.then(|| direction(order32([f0, f1, f2, f3], is_big)))
}

#[inline(always)]
fn order32(bytes: [u8; 4], is_big: bool) -> u32 {
    if is_big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
}

fn order16(bytes: [u8; 2], is_big: bool) -> u16 {
    if is_big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
}
