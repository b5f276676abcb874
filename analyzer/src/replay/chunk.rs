//! Pieces of a capture in memory.

use std::io;

/// Bytes kept free before what a chunk reads, as long as that is enough: there goes what the chunk before has left of a
/// record. Pages that are not written take no memory.
const ROOM: usize = 128 * 1024;

/// A piece of a capture.
pub(super) struct Chunk {
    buffer: Vec<u8>,
    /// Bytes kept free before what is read: those that the longest record has needed so far.
    room: usize,
    /// Where the bytes lie in the buffer.
    start: usize,
    end: usize,
    /// Whether the capture ends behind these bytes, and how.
    ending: Option<Ending>,
}

/// How a capture ends.
pub(super) enum Ending {
    /// There are no more bytes.
    Whole,
    /// The file has fewer bytes than it had when it was opened.
    Shrunk,
    /// What follows cannot be read.
    Failed(io::Error),
}

impl Chunk {
    /// A chunk that reads `len` bytes at a time.
    pub(super) fn new(len: usize) -> Self {
        Self { buffer: vec![0; ROOM.saturating_add(len)], room: ROOM, start: ROOM, end: ROOM, ending: None }
    }

    /// Reads up to `len` bytes in place of those that it holds, until `read` gives no more. Returns how many there were.
    pub(super) fn fill(&mut self, len: usize, read: impl FnMut(&mut [u8]) -> io::Result<usize>) -> usize {
        self.fill_until(len, |_| false, read)
    }

    /// The same, but no more once `is_enough` says so of the number of bytes.
    pub(super) fn fill_until(
        &mut self,
        len: usize,
        is_enough: impl Fn(usize) -> bool,
        mut read: impl FnMut(&mut [u8]) -> io::Result<usize>,
    ) -> usize {
        (self.start, self.end, self.ending) = (self.room, self.room, None);
        let end = self.room + len;
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
        while self.end < end && self.ending.is_none() && !is_enough(self.end - self.room) {
            match read(&mut self.buffer[self.end..end]) {
                Ok(0) => self.ending = Some(Ending::Whole),
                Ok(count) => self.end += count.min(end - self.end),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.ending = Some(Ending::Failed(error)),
            }
        }
        self.end - self.room
    }

    /// Says how the capture ends.
    pub(super) fn set_ending(&mut self, ending: Ending) {
        self.ending = Some(ending);
    }

    /// Whether the capture ends behind the bytes, and how.
    pub(super) fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    /// Puts bytes before those that were read.
    pub(super) fn prepend(&mut self, bytes: &[u8]) {
        if bytes.len() > self.start {
            let more = bytes.len() - self.start;
            self.buffer.splice(..0, std::iter::repeat_n(0, more));
            (self.start, self.end, self.room) = (self.start + more, self.end + more, self.room + more);
        }
        let start = self.start - bytes.len();
        self.buffer[start..self.start].copy_from_slice(bytes);
        self.start = start;
    }

    /// The bytes at hand.
    #[inline(always)]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(from: &[u8], len: usize) -> Chunk {
        let (mut chunk, mut from) = (Chunk::new(4), from);
        chunk.fill(len, |target| io::Read::read(&mut from, target));
        chunk
    }

    #[test]
    fn bytes_come_before_however_many() {
        let mut chunk = filled(b"behind", 6);
        assert!(chunk.bytes() == b"behind" && chunk.ending().is_none());
        chunk.prepend(b"close ");
        let many = vec![7; 3 * ROOM];
        chunk.prepend(&many);
        assert!(chunk.bytes().starts_with(&many) && chunk.bytes().ends_with(b"close behind"));
        assert_eq!(chunk.bytes().len(), 3 * ROOM + 12);
        assert_eq!(chunk.fill(9, |_| Ok(0)), 0);
        assert!(chunk.bytes().is_empty() && matches!(chunk.ending(), Some(Ending::Whole)));
    }

    /// A long record behind another needs no more room than the first.
    #[test]
    fn the_buffer_stays_as_long_as_the_longest_record_needs() {
        let mut chunk = Chunk::new(4);
        for _ in 0..100 {
            chunk.fill(4, |target| io::Read::read(&mut &b"last"[..], target));
            chunk.prepend(&[7; 2 * ROOM]);
            assert!(chunk.bytes().ends_with(b"\x07last"));
        }
        assert!(chunk.buffer.len() <= 2 * ROOM + 4, "{}", chunk.buffer.len());
    }

    #[test]
    fn a_failure_leaves_what_came_before() {
        let (mut chunk, mut calls) = (Chunk::new(9), 0..);
        let count = chunk.fill(9, |target| match calls.next() {
            Some(0) => Err(io::ErrorKind::Interrupted.into()),
            Some(1) => io::Read::read(&mut &b"so far"[..], target),
            _ => Err(io::Error::other("gone")),
        });
        assert_eq!((count, chunk.bytes()), (6, &b"so far"[..]));
        assert!(matches!(chunk.ending(), Some(Ending::Failed(error)) if error.to_string() == "gone"));
    }
}
