//! Reads pcapng as a stream (draft-ietf-opsawg-pcapng).
//!
//! The blocks themselves are decoded by the `pcap_file` crate. What it leaves to its caller is here: bounded
//! buffers, offsets for messages, and going on behind a block that makes no sense.

use analyzer_ebpf::abi::Direction;
use pcap_file::Endianness;
use pcap_file::pcapng::blocks::block_common::{
    ENHANCED_PACKET_BLOCK, INTERFACE_DESCRIPTION_BLOCK, PACKET_BLOCK, SECTION_HEADER_BLOCK, SIMPLE_PACKET_BLOCK,
};
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
use pcap_file::pcapng::blocks::interface_description::InterfaceDescriptionOption;
use pcap_file::pcapng::blocks::packet::PacketOption;
use pcap_file::pcapng::{Block, PcapNgParser, RawBlock};

use super::link::{LinkType, UnsupportedLinkType};
use super::nics::{MAX_INTERFACES, Nics};
use super::source::{Meter, Source};
use super::stream::ByteStream;
use super::warnings::Warnings;
use super::{CaptureError, CaptureReader, FrameRef, Interface, Item, Progress, Skipped};
use crate::types::{Position, Timestamp, Warning};

/// The octets that start a section header block, the same in either byte order.
pub(super) const MAGIC: [u8; 4] = SECTION_HEADER_BLOCK.to_be_bytes();

/// Bytes around the body of a block: type and length before it, the length again behind it.
const BLOCK_OVERHEAD: usize = 12;
/// Bytes of a block before its body.
const BLOCK_HEADER_LEN: usize = 8;
/// Longest block accepted, as in libpcap (`INITIAL_MAX_BLOCKSIZE` in its sf-pcapng.c).
const MAX_BLOCK_LEN: usize = 16 << 20;
/// Longest section header or interface description accepted: these are kept in memory.
const MAX_KEPT_BLOCK_LEN: usize = 256 << 10;
/// Offset of the frame in the body of an enhanced packet block and of the obsolete packet block.
const FRAME_IN_PACKET: usize = 20;
/// Offset of the frame in the body of a simple packet block.
const FRAME_IN_SIMPLE_PACKET: usize = 4;

/// A pcapng file that is being read.
pub(super) struct PcapngReader {
    stream: ByteStream,
    meter: Meter,
    warnings: Warnings,
    nics: Nics,
    parser: PcapNgParser,
    /// The current section's interfaces, by the number that the section gives them.
    section: Vec<SectionInterface>,
    frame: Option<FrameMeta>,
    /// Bytes of the current block, which stay in the stream until the next step.
    block_len: usize,
    last_time: Timestamp,
    frames: u64,
    skipped: Skipped,
    unsupported: Option<UnsupportedLinkType>,
    simple_packets_told: bool,
    ended: bool,
}

#[derive(Clone, Copy)]
struct SectionInterface {
    nic: u8,
    link_type: Option<LinkType>,
}

/// A frame that lies in the stream's buffer.
#[derive(Clone, Copy)]
struct FrameMeta {
    at: Timestamp,
    interface: SectionInterface,
    link_type: LinkType,
    orig_len: u32,
    direction: Direction,
    /// Offset of the frame from the start of its block.
    offset: usize,
    len: usize,
}

/// A packet block as read, whatever its kind.
struct Packet {
    interface: usize,
    at: Option<Timestamp>,
    orig_len: u32,
    flags: u32,
    offset_in_body: usize,
    len: usize,
}

impl PcapngReader {
    /// Reads the first section header.
    pub(super) fn new(source: Source) -> Result<Self, CaptureError> {
        let Source { file, mut stream, meter } = source;
        let first = |reason: String| CaptureError::FirstHeader { file: file.clone(), reason };
        let len = block_len(stream.peek(BLOCK_OVERHEAD), Endianness::Big).map_err(&first)?;
        let block = stream.peek(len).get(..len).ok_or_else(|| first("the section header is cut".to_owned()))?;
        let (_, parser) = PcapNgParser::new(block).map_err(|error| first(error.to_string()))?;
        Ok(Self {
            stream,
            meter,
            warnings: Warnings::new(file),
            nics: Nics::default(),
            parser,
            section: Vec::new(),
            frame: None,
            block_len: len,
            last_time: Timestamp::default(),
            frames: 0,
            skipped: Skipped::default(),
            unsupported: None,
            simple_packets_told: false,
            ended: false,
        })
    }

    /// Steps to the next block; `false` where there is none.
    fn next_block(&mut self) -> Result<bool, CaptureError> {
        self.stream.drop_front(std::mem::take(&mut self.block_len));
        let head = self.stream.peek(BLOCK_OVERHEAD);
        if head.len() < BLOCK_OVERHEAD {
            self.end(self.stream.early_end());
            return Ok(false);
        }
        let len = match block_len(head, self.parser.section().endianness) {
            Ok(len) => len,
            Err(reason) => {
                self.end(Some(damaged(&reason)));
                return Ok(false);
            }
        };
        let Some(block) = self.stream.peek(len).get(..len) else {
            self.end(self.stream.early_end());
            return Ok(false);
        };
        match self.parser.next_raw_block(block) {
            Ok((_, raw)) => {
                self.block_len = len;
                match raw.type_ {
                    SECTION_HEADER_BLOCK => self.section.clear(),
                    INTERFACE_DESCRIPTION_BLOCK => self.add_interface()?,
                    _ => {
                        let packet = packet(raw, &self.parser);
                        self.take_packet(packet);
                    }
                }
                Ok(true)
            }
            Err(error) => {
                let reason = damaged(&error.to_string());
                self.end(Some(reason));
                Ok(false)
            }
        }
    }

    fn add_interface(&mut self) -> Result<(), CaptureError> {
        let Some(description) = self.parser.interfaces().last() else { return Ok(()) };
        let name = description.options.iter().find_map(|option| match option {
            InterfaceDescriptionOption::IfName(name) if !name.is_empty() => Some(&**name),
            _ => None,
        });
        let too_many = || CaptureError::TooManyInterfaces { file: self.warnings.file() };
        if self.section.len() == MAX_INTERFACES {
            return Err(too_many());
        }
        let nic = self.nics.intern(name).ok_or_else(too_many)?;
        // The block's field has 16 bits.
        let number = u16::try_from(u32::from(description.linktype)).unwrap_or(u16::MAX);
        let link_type = LinkType::from_number(number);
        if let Err(unsupported) = link_type {
            let name = name.unwrap_or("without name").to_owned();
            self.unsupported = Some(unsupported);
            self.warnings.push(Position::Offset(self.stream.offset()), || format!("interface {name}: {unsupported}"));
        }
        self.section.push(SectionInterface { nic, link_type: link_type.ok() });
        Ok(())
    }

    fn take_packet(&mut self, packet: Result<Option<Packet>, String>) {
        let position = Position::Offset(self.stream.offset());
        let packet = match packet {
            Ok(Some(packet)) => packet,
            Ok(None) => return,
            Err(reason) => {
                self.skipped.frames += 1;
                self.warnings.push(position, || format!("{reason}; the block is passed over"));
                return;
            }
        };
        let Some(&interface) = self.section.get(packet.interface) else { return };
        let Some(link_type) = interface.link_type else {
            self.skipped.frames += 1;
            return;
        };
        if packet.at.is_none() && !self.simple_packets_told {
            self.simple_packets_told = true;
            self.warnings.push(position, || {
                "simple packet blocks hold no time; the time of the frame before is taken for theirs".to_owned()
            });
        }
        self.last_time = packet.at.unwrap_or(self.last_time);
        self.frames += 1;
        self.frame = Some(FrameMeta {
            at: self.last_time,
            interface,
            link_type,
            orig_len: packet.orig_len,
            direction: direction(packet.flags),
            offset: BLOCK_HEADER_LEN + packet.offset_in_body,
            len: packet.len,
        });
    }

    fn end(&mut self, reason: Option<String>) {
        self.ended = true;
        if let Some(reason) = reason {
            self.skipped.ends += 1;
            self.warnings.push(Position::Offset(self.stream.offset()), || reason);
        }
    }
}

impl CaptureReader for PcapngReader {
    fn advance(&mut self) -> Result<bool, CaptureError> {
        self.frame = None;
        while !self.ended && self.next_block()? {
            if self.frame.is_some() {
                return Ok(true);
            }
        }
        match self.unsupported {
            Some(source) if self.frames == 0 && self.skipped.frames > 0 => {
                Err(CaptureError::LinkType { file: self.warnings.file(), source })
            }
            _ => Ok(false),
        }
    }

    fn item(&self) -> Option<Item<'_>> {
        let frame = self.frame?;
        let data = self.stream.buffered().get(frame.offset..)?.get(..frame.len)?;
        let direction = match frame.direction {
            Direction::Unknown => frame.link_type.direction(data),
            told => told,
        };
        Some(Item::Frame(FrameRef {
            at: frame.at,
            interface: frame.interface.nic,
            link_type: frame.link_type,
            data,
            orig_len: frame.orig_len,
            direction,
        }))
    }

    fn interfaces(&self) -> &[Interface] {
        self.nics.as_slice()
    }

    fn take_warnings(&mut self) -> Vec<Warning> {
        self.warnings.take()
    }

    fn skipped(&self) -> Skipped {
        self.skipped
    }

    fn progress(&self) -> Progress {
        self.meter.progress()
    }
}

/// The length of the block that `head` starts, where it is one to believe. A section header tells its byte order
/// itself, other blocks have that of their section.
fn block_len(head: &[u8], order: Endianness) -> Result<usize, String> {
    let raw = |offset: usize| head.get(offset..)?.first_chunk::<4>().copied();
    let (Some(kind), Some(len), Some(byte_order_magic)) = (raw(0), raw(4), raw(8)) else {
        return Err(format!("a block has {BLOCK_OVERHEAD} bytes or more, here are {}", head.len()));
    };
    let big = match byte_order_magic {
        [0x1a, 0x2b, 0x3c, 0x4d] if kind == MAGIC => true,
        [0x4d, 0x3c, 0x2b, 0x1a] if kind == MAGIC => false,
        _ if kind == MAGIC => return Err("a section header without byte order magic".to_owned()),
        _ => order == Endianness::Big,
    };
    let number = |bytes| if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) };
    let kept = kind == MAGIC || number(kind) == INTERFACE_DESCRIPTION_BLOCK;
    let most = if kept { MAX_KEPT_BLOCK_LEN } else { MAX_BLOCK_LEN };
    let len = number(len) as usize;
    if (BLOCK_OVERHEAD..=most).contains(&len) && len.is_multiple_of(4) {
        Ok(len)
    } else {
        Err(format!("block length {len} is no multiple of 4 between {BLOCK_OVERHEAD} and {most}"))
    }
}

/// The packet that a block holds, if it holds any.
fn packet(raw: RawBlock<'_>, parser: &PcapNgParser) -> Result<Option<Packet>, String> {
    let in_range = |time: std::time::Duration| {
        let nanos =
            u64::try_from(time.as_nanos()).map_err(|_| "the frame's time is beyond the year 2554".to_owned())?;
        Ok::<_, String>(Timestamp::from_nanos(nanos))
    };
    if !matches!(raw.type_, ENHANCED_PACKET_BLOCK | PACKET_BLOCK | SIMPLE_PACKET_BLOCK) {
        return Ok(None);
    }
    let block = raw.try_into_block(parser.state()).map_err(|error| whole_message(&error))?;
    let packet = match block {
        Block::EnhancedPacket(block) => Packet {
            interface: block.interface_id as usize,
            at: Some(in_range(block.timestamp)?),
            orig_len: block.original_len,
            flags: block
                .options
                .iter()
                .find_map(|option| match option {
                    EnhancedPacketOption::Flags(flags) => Some(*flags),
                    _ => None,
                })
                .unwrap_or(0),
            offset_in_body: FRAME_IN_PACKET,
            len: block.data.len(),
        },
        Block::Packet(block) => Packet {
            interface: usize::from(block.interface_id),
            at: Some(in_range(block.timestamp)?),
            orig_len: block.original_len,
            flags: block
                .options
                .iter()
                .find_map(|option| match option {
                    PacketOption::Flags(flags) => Some(*flags),
                    _ => None,
                })
                .unwrap_or(0),
            offset_in_body: FRAME_IN_PACKET,
            len: block.data.len(),
        },
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

/// The direction in a packet's flags (option `epb_flags`, bits 0 and 1).
fn direction(flags: u32) -> Direction {
    match flags & 3 {
        1 => Direction::Inbound,
        2 => Direction::Outbound,
        _ => Direction::Unknown,
    }
}

fn damaged(reason: &str) -> String {
    format!("{reason}: the file is damaged here; what came before is judged")
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
