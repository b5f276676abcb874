//! The blocks of pcapng (draft-ietf-opsawg-pcapng).
//!
//! Nearly all blocks are enhanced packet blocks that hold a frame and little else; `plain` reads them, as it is in their
//! number that the time goes. All other blocks, and each one that is unusual in any way, are decoded by the `pcap_file`
//! crate. What it leaves to its caller is here: bounded buffers, offsets for messages, and going on behind a block that
//! makes no sense.

mod packet;
mod plain;

use std::sync::Arc;

use analyzer_ebpf::abi::Direction;
use pcap_file::Endianness;
use pcap_file::pcapng::PcapNgParser;
use pcap_file::pcapng::blocks::block_common::{INTERFACE_DESCRIPTION_BLOCK, SECTION_HEADER_BLOCK};
use pcap_file::pcapng::blocks::interface_description::InterfaceDescriptionOption;

use self::packet::{Packet, packet};
use self::plain::{Clock, Plain};
use super::chain::{Chain, Located, Notes, Step};
use super::link::{LinkType, UnsupportedLinkType};
use super::nics::{MAX_INTERFACES, Nics};
use super::stream::ByteStream;
use super::warnings::Warnings;
use super::{CaptureError, Interface, Skipped};
use crate::types::{Position, Timestamp};

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

/// The blocks of a pcapng file.
pub(crate) struct PcapngBlocks {
    nics: Nics,
    parser: PcapNgParser,
    /// The current section's interfaces, by the number that the section gives them.
    section: Vec<SectionInterface>,
    last_time: Timestamp,
    frames: u64,
    unsupported: Option<UnsupportedLinkType>,
    simple_packets_told: bool,
    notes: Notes,
}

#[derive(Clone, Copy)]
struct SectionInterface {
    nic: u8,
    link_type: Option<LinkType>,
    /// How its times are read, where it is simple.
    clock: Option<Clock>,
}

impl PcapngBlocks {
    /// Reads the first section header off the stream.
    pub(super) fn new(file: Arc<str>, stream: &mut ByteStream) -> Result<Self, CaptureError> {
        let first = |reason: String| CaptureError::FirstHeader { file: file.clone(), reason };
        let len = block_len(stream.peek(BLOCK_OVERHEAD), Endianness::Big).map_err(&first)?;
        let block = stream.peek(len).get(..len).ok_or_else(|| first("the section header is cut".to_owned()))?;
        let (_, parser) = PcapNgParser::new(block).map_err(|error| first(error.to_string()))?;
        stream.drop_front(len);
        Ok(Self {
            nics: Nics::default(),
            parser,
            section: Vec::new(),
            last_time: Timestamp::default(),
            frames: 0,
            unsupported: None,
            simple_packets_told: false,
            notes: Notes::new(Warnings::new(file)),
        })
    }

    /// Looks at a block of any kind.
    #[cold]
    #[inline(never)]
    pub(super) fn any_block(&mut self, bytes: &[u8], offset: u64) -> Step {
        let Some(head) = bytes.get(..BLOCK_OVERHEAD) else { return Step::More(BLOCK_OVERHEAD) };
        let len = match block_len(head, self.parser.section().endianness) {
            Ok(len) => len,
            Err(reason) => return Step::Damaged(damaged(&reason)),
        };
        let Some(block) = bytes.get(..len) else { return Step::More(len) };
        match self.parser.next_raw_block(block) {
            Ok((_, raw)) => match raw.type_ {
                SECTION_HEADER_BLOCK => {
                    self.section.clear();
                    Step::Other(len)
                }
                INTERFACE_DESCRIPTION_BLOCK => match self.add_interface(offset) {
                    Ok(()) => Step::Other(len),
                    Err(error) => Step::Unusable(error),
                },
                _ => match packet(raw, &self.parser) {
                    Ok(Some(packet)) => {
                        self.take_packet(&packet, block, offset).map_or(Step::Other(len), |it| Step::Frame(it, len))
                    }
                    Ok(None) => Step::Other(len),
                    Err(reason) => {
                        self.notes.skipped.frames += 1;
                        let position = Position::Offset(offset);
                        self.notes.warnings.push(position, || format!("{reason}; the block is passed over"));
                        Step::Other(len)
                    }
                },
            },
            Err(error) => Step::Damaged(damaged(&error.to_string())),
        }
    }

    fn add_interface(&mut self, offset: u64) -> Result<(), CaptureError> {
        let Some(description) = self.parser.interfaces().last() else { return Ok(()) };
        let name = description.options.iter().find_map(|option| match option {
            InterfaceDescriptionOption::IfName(name) if !name.is_empty() => Some(&**name),
            _ => None,
        });
        let Notes { warnings, .. } = &mut self.notes;
        let too_many = |warnings: &Warnings| CaptureError::TooManyInterfaces { file: warnings.file() };
        if self.section.len() == MAX_INTERFACES {
            return Err(too_many(warnings));
        }
        let nic = self.nics.intern(name).ok_or_else(|| too_many(warnings))?;
        // The block's field has 16 bits.
        let number = u16::try_from(u32::from(description.linktype)).unwrap_or(u16::MAX);
        let link_type = LinkType::from_number(number);
        if let Err(unsupported) = link_type {
            let name = name.unwrap_or("without name").to_owned();
            self.unsupported = Some(unsupported);
            warnings.push(Position::Offset(offset), || format!("interface {name}: {unsupported}"));
        }
        let clock = Clock::new(description.ts_resolution(), description.ts_offset());
        self.section.push(SectionInterface { nic, link_type: link_type.ok(), clock });
        Ok(())
    }

    /// The frame of a packet block, where it is one of an interface whose frames are read.
    fn take_packet(&mut self, packet: &Packet, block: &[u8], offset: u64) -> Option<Located> {
        let &interface = self.section.get(packet.interface)?;
        let Some(link_type) = interface.link_type else {
            self.notes.skipped.frames += 1;
            return None;
        };
        if packet.at.is_none() && !self.simple_packets_told {
            self.simple_packets_told = true;
            self.notes.warnings.push(Position::Offset(offset), || {
                "simple packet blocks hold no time; the time of the frame before is taken for theirs".to_owned()
            });
        }
        self.last_time = packet.at.unwrap_or(self.last_time);
        self.frames += 1;
        let frame_offset = BLOCK_HEADER_LEN + packet.offset_in_body;
        let direction = match direction(packet.flags) {
            Direction::Unknown => link_type.direction(block.get(frame_offset..)?.get(..packet.len)?),
            told => told,
        };
        Some(Located {
            at: self.last_time,
            // A block has less than 2^32 bytes.
            offset: frame_offset as u32,
            len: packet.len as u32,
            orig_len: packet.orig_len,
            interface: interface.nic,
            link_type,
            direction,
        })
    }
}

impl Chain for PcapngBlocks {
    #[inline(always)]
    fn step(&mut self, bytes: &[u8], offset: u64) -> Step {
        let is_big = self.parser.section().endianness == Endianness::Big;
        match Plain::read(bytes, is_big, &self.section) {
            Some(Plain { frame, block_len }) => {
                self.last_time = frame.at;
                self.frames += 1;
                Step::Frame(frame, block_len)
            }
            None => self.any_block(bytes, offset),
        }
    }

    fn interfaces(&self) -> &[Interface] {
        self.nics.as_slice()
    }

    fn notes(&mut self) -> &mut Notes {
        &mut self.notes
    }

    fn skipped(&self) -> Skipped {
        self.notes.skipped
    }

    fn finish(&self) -> Result<(), CaptureError> {
        match self.unsupported {
            Some(source) if self.frames == 0 && self.notes.skipped.frames > 0 => {
                Err(CaptureError::LinkType { file: self.notes.warnings.file(), source })
            }
            _ => Ok(()),
        }
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
