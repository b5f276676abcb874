//! Reads classic pcap as a stream.

use analyzer_ebpf::abi::Direction;

use super::{GLOBAL_HEADER_LEN, GlobalHeader, RECORD_HEADER_LEN, RecordHeader};
use crate::capture::link::{LinkType, direction_of_packet_type};
use crate::capture::nics::Nics;
use crate::capture::source::{Meter, Source};
use crate::capture::stream::ByteStream;
use crate::capture::warnings::Warnings;
use crate::capture::{CaptureError, CaptureReader, EarlyEnd, FrameRef, Interface, Item, Progress, Skipped};
use crate::types::{Position, Warning};

/// Offset of the packet type in what follows the record header in a Kuznetzov file, behind the interface index
/// and the protocol.
const KUZNETZOV_PACKET_TYPE: usize = 6;

/// A classic pcap file that is being read.
pub(in crate::capture) struct PcapReader {
    stream: ByteStream,
    meter: Meter,
    warnings: Warnings,
    nics: Nics,
    global: GlobalHeader,
    link_type: LinkType,
    record: Option<RecordHeader>,
    /// Bytes of the current record, which stay in the stream until the next step.
    record_len: usize,
    ended: bool,
    skipped: Skipped,
}

impl PcapReader {
    /// Reads the file's header.
    pub(in crate::capture) fn new(source: Source) -> Result<Self, CaptureError> {
        let Source { file, mut stream, meter } = source;
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
        let mut nics = Nics::default();
        // The format has no place for the NIC's name.
        nics.intern(None);
        let warnings = Warnings::new(file);
        Ok(Self {
            stream,
            meter,
            warnings,
            nics,
            global,
            link_type,
            record: None,
            record_len: 0,
            ended: false,
            skipped: Skipped::default(),
        })
    }

    fn end(&mut self, reason: Option<String>) {
        self.ended = true;
        if let Some(reason) = reason {
            self.skipped.ends += 1;
            self.warnings.push(Position::Offset(self.stream.offset()), || reason);
        }
    }

    fn header_len(&self) -> usize {
        RECORD_HEADER_LEN + self.global.record_extra_len
    }

    fn direction(&self, header_extra: &[u8], data: &[u8]) -> Direction {
        match header_extra.get(KUZNETZOV_PACKET_TYPE) {
            Some(&packet_type) => direction_of_packet_type(u16::from(packet_type)),
            None => self.link_type.direction(data),
        }
    }
}

impl CaptureReader for PcapReader {
    fn advance(&mut self) -> Result<bool, CaptureError> {
        self.stream.drop_front(std::mem::take(&mut self.record_len));
        self.record = None;
        if self.ended {
            return Ok(false);
        }
        let header_len = self.header_len();
        let head = self.stream.peek(header_len);
        let (Some(header), true) = (head.first_chunk(), head.len() >= header_len) else {
            self.end(self.stream.early_end());
            return Ok(false);
        };
        let record = RecordHeader::parse(header, &self.global);
        let most = self.global.max_incl_len();
        if record.incl_len > most {
            let reason = EarlyEnd::RecordTooLong { len: record.incl_len, most };
            self.end(Some(reason.to_string()));
            return Ok(false);
        }
        let record_len = header_len + record.incl_len as usize;
        if self.stream.peek(record_len).len() < record_len {
            self.end(self.stream.early_end());
            return Ok(false);
        }
        self.record_len = record_len;
        self.record = Some(record);
        Ok(true)
    }

    fn item(&self) -> Option<Item<'_>> {
        let record = self.record?;
        let (header, data) = self.stream.buffered().get(..self.record_len)?.split_at_checked(self.header_len())?;
        Some(Item::Frame(FrameRef {
            at: record.at,
            interface: 0,
            link_type: self.link_type,
            data,
            orig_len: record.orig_len,
            direction: self.direction(header.get(RECORD_HEADER_LEN..)?, data),
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
