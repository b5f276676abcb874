//! Buffered bytes with look-ahead.

use std::io::{self, BufRead, Read};

use super::EarlyEnd;

/// Bytes asked from the source at a time, at least.
const CHUNK: usize = 256 * 1024;

/// A stream whose next bytes can be looked at before they are consumed.
///
/// The buffer grows as bytes arrive, never ahead of them, so a length field that lies costs no memory.
pub(crate) struct ByteStream {
    source: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    /// Bytes of `buffer` before this index are consumed.
    start: usize,
    /// Bytes of `buffer` from this index on are not read yet.
    end: usize,
    /// Position of `start` in the stream.
    offset: u64,
    state: State,
}

enum State {
    Open,
    Ended,
    Failed(io::Error),
}

impl ByteStream {
    pub(super) fn new(source: Box<dyn Read + Send>) -> Self {
        Self { source, buffer: Vec::new(), start: 0, end: 0, offset: 0, state: State::Open }
    }

    /// The bytes at hand: `wanted` or more, fewer only at the end of the stream.
    #[inline]
    pub(super) fn peek(&mut self, wanted: usize) -> &[u8] {
        if self.end - self.start < wanted {
            self.fill(wanted);
        }
        self.buffered()
    }

    /// The bytes at hand.
    #[inline]
    pub(super) fn buffered(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Drops the next `count` bytes, which must be at hand.
    #[inline]
    pub(super) fn drop_front(&mut self, count: usize) {
        let count = count.min(self.end - self.start);
        self.start += count;
        self.offset += count as u64;
    }

    /// Position of the next byte in the stream; in that of the unpacked bytes where the file is packed.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Why the stream ended early, where it did.
    pub(super) fn failure(&self) -> Option<&io::Error> {
        match &self.state {
            State::Failed(error) => Some(error),
            State::Open | State::Ended => None,
        }
    }

    /// Why a reader that needs more than the bytes at hand has to stop; `None` where the stream ended with the last
    /// record.
    pub(super) fn early_end(&self) -> Option<String> {
        EarlyEnd::of(self.failure(), self.end - self.start).map(|reason| reason.to_string())
    }

    /// Reads into `target` what comes next, not by way of the buffer but for what is at hand. For those who read much.
    pub(crate) fn read_directly(&mut self, target: &mut [u8]) -> io::Result<usize> {
        if self.start < self.end || !matches!(self.state, State::Open) {
            return self.read(target);
        }
        loop {
            match self.source.read(target) {
                Ok(0) => {
                    self.state = State::Ended;
                    return Ok(0);
                }
                Ok(count) => {
                    self.offset += count as u64;
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.state = State::Failed(error);
                    return self.read(target);
                }
            }
        }
    }

    fn fill(&mut self, wanted: usize) {
        if self.start > 0 && self.start + wanted > self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        while self.end - self.start < wanted && matches!(self.state, State::Open) {
            if self.end == self.buffer.len() {
                let grown = (self.buffer.len() * 2).max(CHUNK);
                self.buffer.resize(grown, 0);
            }
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.state = State::Ended,
                Ok(count) => self.end += count.min(self.buffer.len() - self.end),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.state = State::Failed(error),
            }
        }
    }
}

impl Read for ByteStream {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let at_hand = self.fill_buf()?;
        let count = at_hand.len().min(target.len());
        target[..count].copy_from_slice(&at_hand[..count]);
        self.drop_front(count);
        Ok(count)
    }
}

impl BufRead for ByteStream {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.peek(1).is_empty()
            && let State::Failed(error) = &self.state
        {
            return Err(io::Error::new(error.kind(), error.to_string()));
        }
        Ok(self.buffered())
    }

    fn consume(&mut self, count: usize) {
        self.drop_front(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time and fails at the end.
    struct Trickle(u8);

    impl Read for Trickle {
        fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
            if self.0 == 200 {
                return Err(io::Error::other("gone"));
            }
            target[0] = self.0;
            self.0 += 1;
            Ok(1)
        }
    }

    #[test]
    fn look_ahead_and_drop() {
        let mut stream = ByteStream::new(Box::new(Trickle(0)));
        assert_eq!(stream.peek(3), [0, 1, 2]);
        stream.drop_front(2);
        assert_eq!((stream.offset(), stream.peek(2)), (2, &[2, 3][..]));
        assert_eq!(stream.peek(1000).len(), 198);
        assert_eq!(stream.failure().unwrap().to_string(), "gone");
        stream.drop_front(usize::MAX);
        assert_eq!(stream.offset(), 200);
        assert!(stream.peek(1).is_empty());
        assert!(stream.fill_buf().is_err());
    }

    #[test]
    fn what_is_at_hand_is_read_before_what_comes() {
        let mut stream = ByteStream::new(Box::new(Trickle(0)));
        assert_eq!(stream.peek(3), [0, 1, 2]);
        let mut target = [0; 9];
        assert_eq!((stream.read_directly(&mut target).unwrap(), &target[..3]), (3, &[0, 1, 2][..]));
        assert_eq!((stream.read_directly(&mut target).unwrap(), target[0], stream.offset()), (1, 3, 4));
        while stream.read_directly(&mut target).is_ok() {}
        assert_eq!((stream.offset(), stream.failure().unwrap().to_string()), (200, "gone".to_owned()));
        assert!(stream.read_directly(&mut target).is_err());
        let mut ended = ByteStream::new(Box::new(&b""[..]));
        assert_eq!((ended.read_directly(&mut target).unwrap(), ended.read_directly(&mut target).unwrap()), (0, 0));
    }

    #[test]
    fn the_buffer_follows_what_arrives() {
        let mut stream = ByteStream::new(Box::new(&b"abc"[..]));
        assert_eq!(stream.peek(1 << 30), b"abc");
        assert!(stream.buffer.len() <= CHUNK);
        assert!(stream.failure().is_none());
    }

    #[test]
    fn chunks_are_joined() {
        let bytes: Vec<u8> = (0..3 * CHUNK).map(|index| (index % 251) as u8).collect();
        let mut stream = ByteStream::new(Box::new(io::Cursor::new(bytes.clone())));
        let mut offset = 0;
        while offset < bytes.len() {
            let step = 1000.min(bytes.len() - offset);
            assert_eq!(stream.peek(step)[..step], bytes[offset..offset + step]);
            stream.drop_front(step);
            offset += step;
        }
        assert!(stream.peek(1).is_empty());
        assert!(stream.buffer.len() <= 2 * CHUNK);
    }
}
