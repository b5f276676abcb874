//! The records of a classic pcap file.

use std::sync::Arc;

use analyzer_ebpf::abi::Direction;

use super::{GLOBAL_HEADER_LEN, GlobalHeader, RECORD_HEADER_LEN, RecordHeader};
use crate::capture::chain::{Chain, Located, Notes, Step};
use crate::capture::link::{LinkType, direction_of_packet_type};
use crate::capture::stream::ByteStream;
use crate::capture::warnings::Warnings;
use crate::capture::{CaptureError, EarlyEnd, Interface, Skipped};

/// Offset of the packet type in a record of a Kuznetzov file, behind the header, the interface index and the protocol.
const KUZNETZOV_PACKET_TYPE: usize = RECORD_HEADER_LEN + 6;

/// The records of a classic pcap file.
pub(crate) struct PcapRecords {
    global: GlobalHeader,
    link_type: LinkType,
    /// The format has no place for the NIC's name.
    nic: [Interface; 1],
    notes: Notes,
}

impl PcapRecords {
    /// Reads the file's header off the stream.
    pub(in crate::capture) fn new(file: Arc<str>, stream: &mut ByteStream) -> Result<Self, CaptureError> {
        let Some(header) = stream.peek(GLOBAL_HEADER_LEN).first_chunk() else {
            let reason =
                format!("a pcap file begins with {GLOBAL_HEADER_LEN} bytes, here are {}", stream.buffered().len());
            return Err(CaptureError::FirstHeader { file, reason });
        };
        let global = match GlobalHeader::parse(header) {
            Ok(global) => global,
            Err(source) => return Err(CaptureError::PcapHeader { file, source }),
        };
        let link_type = match LinkType::from_number(global.link_type) {
            Ok(link_type) => link_type,
            Err(source) => return Err(CaptureError::LinkType { file, source }),
        };
        stream.drop_front(GLOBAL_HEADER_LEN);
        let notes = Notes::new(Warnings::new(file));
        Ok(Self { global, link_type, nic: [Interface::default()], notes })
    }

    #[cold]
    fn too_long(&self, len: u32) -> Step {
        Step::Damaged(EarlyEnd::RecordTooLong { len, most: self.global.max_incl_len() }.to_string())
    }

    /// The direction of a frame whose record is longer than those of classic pcap, or whose link header tells it.
    #[cold]
    fn direction(&self, record: &[u8], header_len: usize) -> Direction {
        match record.get(KUZNETZOV_PACKET_TYPE) {
            Some(&packet_type) if header_len > RECORD_HEADER_LEN => direction_of_packet_type(u16::from(packet_type)),
            _ => self.link_type.direction(&record[header_len..]),
        }
    }
}

impl Chain for PcapRecords {
    #[inline(always)]
    fn step(&mut self, bytes: &[u8], _: u64) -> Step {
        let header_len = RECORD_HEADER_LEN + self.global.record_extra_len;
        let (Some(header), true) = (bytes.first_chunk(), bytes.len() >= header_len) else {
            return Step::More(header_len);
        };
        let header = RecordHeader::parse(header, &self.global);
        if header.incl_len > self.global.max_incl_len() {
            return self.too_long(header.incl_len);
        }
        let record_len = header_len + header.incl_len as usize;
        let Some(record) = bytes.get(..record_len) else { return Step::More(record_len) };
        let direction = match self.link_type {
            LinkType::Ethernet if header_len == RECORD_HEADER_LEN => Direction::Unknown,
            _ => self.direction(record, header_len),
        };
        let frame = Located {
            at: header.at,
            offset: header_len as u32,
            len: header.incl_len,
            orig_len: header.orig_len,
            interface: 0,
            link_type: self.link_type,
            direction,
        };
        Step::Frame(frame, record_len)
    }

    fn interfaces(&self) -> &[Interface] {
        &self.nic
    }

    fn notes(&mut self) -> &mut Notes {
        &mut self.notes
    }

    fn skipped(&self) -> Skipped {
        self.notes.skipped
    }
}
