//! Pieces of a pcap file, and the records in them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::capture::pcap::{GlobalHeader, RECORD_HEADER_LEN, RecordHeader};

/// Bytes read behind a chunk's end, so that the record across it seldom takes a read of its own.
const SLACK: usize = 2048;

/// A pcap file whose records have nothing between header and frame.
pub(super) struct Records<'a> {
    pub(super) file: &'a File,
    pub(super) header: GlobalHeader,
    /// Bytes of the file that are read. What is appended later is not.
    pub(super) len: u64,
}

/// A piece of the file in memory.
pub(super) struct Chunk {
    /// Offset in the file of the first byte.
    start: u64,
    buffer: Vec<u8>,
    /// Bytes of the buffer that hold the file's.
    filled: usize,
}

/// What stands at a place of the file.
pub(super) enum Found {
    /// A record and all of its frame.
    Record(RecordHeader),
    /// The file ends within the record, which has this many bytes.
    Cut(usize),
    /// A length that no record of the file can have.
    TooLong(u32),
}

impl Chunk {
    /// A chunk of `len` bytes.
    pub(super) fn new(len: usize) -> Self {
        Self { start: 0, buffer: vec![0; len.saturating_add(SLACK)], filled: 0 }
    }

    /// Reads what stands from `start` on.
    pub(super) fn read(&mut self, records: &Records<'_>, start: u64) -> io::Result<()> {
        self.start = start;
        self.filled = 0;
        self.extend(records, self.buffer.len())
    }

    /// Reads on until the chunk holds `len` bytes, or the file has no more.
    #[cold]
    fn extend(&mut self, records: &Records<'_>, len: usize) -> io::Result<()> {
        let left = usize::try_from(records.len.saturating_sub(self.start)).unwrap_or(usize::MAX);
        let len = len.min(left);
        if self.buffer.len() < len {
            self.buffer.resize(len, 0);
        }
        while self.filled < len {
            match records.file.read_at(&mut self.buffer[self.filled..len], self.start + self.filled as u64) {
                Ok(0) => break,
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What stands `offset` bytes from the start. Reads on where a record reaches beyond the chunk.
    #[inline(always)]
    pub(super) fn find(&mut self, records: &Records<'_>, offset: usize) -> io::Result<Found> {
        let frame = offset + RECORD_HEADER_LEN;
        if frame > self.filled {
            self.extend(records, frame)?;
            if frame > self.filled {
                return Ok(Found::Cut(self.filled.saturating_sub(offset)));
            }
        }
        let header = self.header(records, offset);
        if header.incl_len > records.header.max_incl_len() {
            return Ok(Found::TooLong(header.incl_len));
        }
        let next = frame + header.incl_len as usize;
        if next > self.filled {
            self.extend(records, next)?;
            if next > self.filled {
                return Ok(Found::Cut(self.filled - offset));
            }
        }
        Ok(Found::Record(header))
    }

    /// Header and frame of a record that was found.
    #[inline(always)]
    pub(super) fn record(&self, records: &Records<'_>, offset: usize) -> (RecordHeader, &[u8]) {
        let header = self.header(records, offset);
        (header, &self.buffer[offset + RECORD_HEADER_LEN..][..header.incl_len as usize])
    }

    #[inline(always)]
    fn header(&self, records: &Records<'_>, offset: usize) -> RecordHeader {
        let bytes = self.buffer[offset..].first_chunk().expect("the caller has found a header there");
        RecordHeader::parse(bytes, &records.header)
    }
}
