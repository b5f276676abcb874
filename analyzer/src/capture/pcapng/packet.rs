//! Packet blocks of every kind, decoded by the `pcap_file` crate.

use std::time::Duration;

use pcap_file::pcapng::blocks::block_common::{ENHANCED_PACKET_BLOCK, PACKET_BLOCK, SIMPLE_PACKET_BLOCK};
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
use pcap_file::pcapng::blocks::packet::PacketOption;
use pcap_file::pcapng::{Block, PcapNgParser, RawBlock};

use crate::types::Timestamp;

/// Offset of the frame in the body of an enhanced packet block and of the obsolete packet block.
const FRAME_IN_PACKET: usize = 20;
/// Offset of the frame in the body of a simple packet block.
const FRAME_IN_SIMPLE_PACKET: usize = 4;

/// A packet block as read, whatever its kind.
pub(super) struct Packet {
    /// Number of the interface in the section.
    pub(super) interface: usize,
    /// When the frame was captured, where the block tells it.
    pub(super) at: Option<Timestamp>,
    /// Bytes of the frame on the wire.
    pub(super) orig_len: u32,
    /// The option `epb_flags`, 0 where it is not there.
    pub(super) flags: u32,
    /// Where the frame stands in the block's body.
    pub(super) offset_in_body: usize,
    /// Bytes of the frame that were kept.
    pub(super) len: usize,
}

impl Packet {
    /// Of a block that tells the time: the enhanced packet block and the obsolete packet block.
    fn with_time(interface: usize, at: Timestamp, orig_len: u32, flags: Option<u32>, len: usize) -> Self {
        Self { interface, at: Some(at), orig_len, flags: flags.unwrap_or(0), offset_in_body: FRAME_IN_PACKET, len }
    }
}

/// A time of the crate's, counted from 1970.
fn in_range(time: Duration) -> Result<Timestamp, String> {
    let nanos = u64::try_from(time.as_nanos()).map_err(|_| "the frame's time is beyond the year 2554".to_owned())?;
    Ok(Timestamp::from_nanos(nanos))
}

/// The packet that a block holds, if it holds any.
pub(super) fn packet(raw: RawBlock<'_>, parser: &PcapNgParser) -> Result<Option<Packet>, String> {
    if !matches!(raw.type_, ENHANCED_PACKET_BLOCK | PACKET_BLOCK | SIMPLE_PACKET_BLOCK) {
        return Ok(None);
    }
    let block = raw.try_into_block(parser.state()).map_err(|error| whole_message(&error))?;
    let packet = match block {
        Block::EnhancedPacket(block) => {
            let flags = block.options.iter().find_map(|option| match option {
                EnhancedPacketOption::Flags(flags) => Some(*flags),
                _ => None,
            });
            let (interface, at) = (block.interface_id as usize, in_range(block.timestamp)?);
            Packet::with_time(interface, at, block.original_len, flags, block.data.len())
        }
        Block::Packet(block) => {
            let flags = block.options.iter().find_map(|option| match option {
                PacketOption::Flags(flags) => Some(*flags),
                _ => None,
            });
            let (interface, at) = (usize::from(block.interface_id), in_range(block.timestamp)?);
            Packet::with_time(interface, at, block.original_len, flags, block.data.len())
        }
        Block::SimplePacket(block) => Packet {
            interface: 0,
            at: None,
            orig_len: block.original_len,
            flags: 0,
            offset_in_body: FRAME_IN_SIMPLE_PACKET,
            len: block.data.len(),
        },
        _ => return Ok(None),
    };
    Ok(Some(packet))
}

/// The message of an error and of what caused it.
fn whole_message(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    message
}
