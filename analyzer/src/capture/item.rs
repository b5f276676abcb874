//! What a capture yields.

use std::net::IpAddr;
use std::sync::Arc;

use analyzer_ebpf::abi::{Direction, LinkTags};

use super::{CaptureError, LinkType};
use crate::types::{MacAddr, Place, Timestamp, Tuple, Warning};

/// A captured frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameRef<'a> {
    /// When it was captured.
    pub at: Timestamp,
    /// Index of the NIC in [`CaptureReader::interfaces`].
    pub interface: u8,
    /// What `data` begins with.
    pub link_type: LinkType,
    /// The frame, as far as it was kept.
    pub data: &'a [u8],
    /// Bytes of the frame on the wire.
    pub orig_len: u32,
    /// Which way it went, where the capture tells it.
    pub direction: Direction,
}

/// A line of text that tells of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TextRecord {
    /// When the frame was captured.
    pub at: Timestamp,
    /// Index of the NIC in [`CaptureReader::interfaces`].
    pub interface: u8,
    /// VLAN tags, fragment flag, direction, and whether the line names a destination MAC.
    pub tags: LinkTags,
    /// Source MAC.
    pub eth_src: MacAddr,
    /// Destination MAC; meaningless where `tags` says that there is none.
    pub eth_dst: MacAddr,
    /// Bytes of the frame on the wire.
    pub length: u32,
    /// What the frame carries.
    pub payload: TextPayload,
}

/// What a frame told as text carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TextPayload {
    /// An IP packet. Ports are 0 for a later fragment, which the record's tags mark.
    Ip(Tuple),
    /// An ARP packet that tells its sender's binding.
    Arp {
        /// The sender's address.
        ip: IpAddr,
        /// The sender's MAC.
        mac: MacAddr,
    },
    /// Anything else, an IP packet without readable ports included.
    Other,
}

/// A frame, or a line that tells of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Item<'a> {
    /// A frame.
    Frame(FrameRef<'a>),
    /// A line of the text of `tcpdump -e`.
    Text(TextRecord),
}

impl Item<'_> {
    /// When the frame was captured.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Frame(frame) => frame.at,
            Self::Text(record) => record.at,
        }
    }

    /// Index of the NIC in [`CaptureReader::interfaces`].
    pub fn interface(&self) -> u8 {
        match self {
            Self::Frame(frame) => frame.interface,
            Self::Text(record) => record.interface,
        }
    }

    /// The same item with another index of its NIC.
    pub(super) fn with_interface(mut self, interface: u8) -> Self {
        match &mut self {
            Self::Frame(frame) => frame.interface = interface,
            Self::Text(record) => record.interface = interface,
        }
        self
    }
}

/// A NIC that frames were captured on.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Interface {
    /// Its name, where the capture tells it.
    pub name: Option<Arc<str>>,
}

/// What was passed over.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Skipped {
    /// Frames of a link type that is not read, or in a damaged block; lines of text that are frames, or may be, and cannot be
    /// read.
    pub frames: u64,
    /// Lines that look like none of `tcpdump -e`.
    pub lines: u64,
    /// Captures that are read only so far: cut, damaged, or ended from outside.
    pub ends: u64,
}

/// What became of one capture among several.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileRead {
    /// The file, as the user named it, and the lines of it that are the capture.
    pub place: Place,
    /// Frames read of it.
    pub frames: u64,
    /// What of it was passed over.
    pub skipped: Skipped,
}

/// How far a capture has been read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// Bytes read of the files as they lie on the disk, compressed or not.
    pub consumed: u64,
    /// Their size, where it is known.
    pub total: Option<u64>,
}

/// A source of captured frames, one at a time.
///
/// A reader keeps one record or block in memory, never the file.
pub trait CaptureReader {
    /// Steps to the next frame. `false` at the end, which may come early: a file that is cut or damaged is read up
    /// to there, and a warning says so.
    ///
    /// # Errors
    /// The input as a whole cannot be used.
    fn advance(&mut self) -> Result<bool, CaptureError>;

    /// The frame that the last [`CaptureReader::advance`] reached.
    fn item(&self) -> Option<Item<'_>>;

    /// NICs met so far. It grows while reading and never changes otherwise.
    fn interfaces(&self) -> &[Interface];

    /// Warnings since the last call.
    fn take_warnings(&mut self) -> Vec<Warning>;

    /// What was passed over so far.
    fn skipped(&self) -> Skipped;

    /// How far the file has been read.
    fn progress(&self) -> Progress;

    /// Whether frames have no times: those given tell their order, and no more.
    fn lacks_times(&self) -> bool {
        false
    }

    /// Steps to the next frame and gives it; `None` at the end.
    ///
    /// # Errors
    /// As [`CaptureReader::advance`].
    fn next(&mut self) -> Result<Option<Item<'_>>, CaptureError> {
        Ok(if self.advance()? { self.item() } else { None })
    }
}
