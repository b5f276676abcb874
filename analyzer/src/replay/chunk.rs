//! Pieces of a pcap file, and the chain of records through them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::capture::pcap::{GlobalHeader, RECORD_HEADER_LEN, RecordHeader};

/// Bytes read behind a chunk's end, so that the record across it seldom takes a read of its own.
const SLACK: usize = 2048;

/// A piece of the file in memory, and its place.
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
    /// The file ends within the record.
    Cut,
    /// A length that no record of the file can have.
    Corrupt(RecordHeader),
}

impl Chunk {
    pub(super) fn new(len: usize) -> Self {
        Self { start: 0, buffer: vec![0; len + SLACK], filled: 0 }
    }

    /// Reads the chunk that starts at `start`, of a file of which nothing from `end` on is read.
    pub(super) fn read(&mut self, file: &File, start: u64, end: u64) -> io::Result<()> {
        self.start = start;
        self.filled = 0;
        self.extend(file, self.buffer.len(), end)
    }

    /// Reads on until the chunk holds `len` bytes, or the file has no more.
    fn extend(&mut self, file: &File, len: usize, end: u64) -> io::Result<()> {
        let left = usize::try_from(end.saturating_sub(self.start)).unwrap_or(usize::MAX);
        let len = len.min(left);
        if self.buffer.len() < len {
            self.buffer.resize(len, 0);
        }
        while self.filled < len {
            match file.read_at(&mut self.buffer[self.filled..len], self.start + self.filled as u64) {
                Ok(0) => break,
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What stands at `offset` in the chunk. Reads on where the record reaches beyond the chunk.
    #[inline(always)]
    pub(super) fn find(&mut self, offset: usize, global: &GlobalHeader, file: &File, end: u64) -> io::Result<Found> {
        let frame = offset + RECORD_HEADER_LEN + global.record_extra_len;
        if frame > self.filled {
            self.extend(file, frame, end)?;
            if frame > self.filled {
                return Ok(Found::Cut);
            }
        }
        let header = self.header(offset, global);
        if header.incl_len > global.max_incl_len() {
            return Ok(Found::Corrupt(header));
        }
        let next = frame + header.incl_len as usize;
        if next > self.filled {
            self.extend(file, next, end)?;
            if next > self.filled {
                return Ok(Found::Cut);
            }
        }
        Ok(Found::Record(header))
    }

    /// The header of the record at `offset`, which has been found before.
    #[inline(always)]
    pub(super) fn header(&self, offset: usize, global: &GlobalHeader) -> RecordHeader {
        let bytes = self.buffer[offset..].first_chunk().expect("a found record is in the buffer");
        RecordHeader::parse(bytes, global)
    }

    /// The frame of the record at `offset`, which has been found before.
    #[inline(always)]
    pub(super) fn frame(&self, offset: usize, header: &RecordHeader, global: &GlobalHeader) -> &[u8] {
        let start = offset + RECORD_HEADER_LEN + global.record_extra_len;
        &self.buffer[start..start + header.incl_len as usize]
    }
}
