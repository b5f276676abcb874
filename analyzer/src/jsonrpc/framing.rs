//! Where messages begin and end in the bytes of a connection.
//!
//! RFC 7047 messages follow each other without a delimiter or a length; each is a JSON object. They are told apart by
//! counting brackets outside of strings. Each byte is looked at once, so a message that arrives in many pieces costs no
//! more than one that arrives whole. Whether an object is valid JSON is for [`super::Message`] to say.

/// Brackets that may be open at once: what the JSON reader takes.
const MAX_DEPTH: u32 = 128;

/// Memory that is kept for the next message; what a larger one took is given back.
const KEPT: usize = 1 << 20;

/// Bytes that are no message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FramingError {
    /// A byte between messages that begins none.
    #[error("at byte {offset}: expected the `{{` of a JSON-RPC message, found {}", shown(*.byte))]
    Garbage {
        /// Its offset in the bytes of the connection.
        offset: u64,
        /// The byte.
        byte: u8,
    },
    /// A message that is larger than the caller takes.
    #[error("at byte {offset}: a message of more than {limit} bytes")]
    TooLarge {
        /// The offset of its first byte.
        offset: u64,
        /// Bytes that a message may have.
        limit: usize,
    },
    /// More brackets open at once than any message has.
    #[error("at byte {offset}: more than {MAX_DEPTH} brackets are open")]
    TooDeep {
        /// The offset of the bracket that is too many.
        offset: u64,
    },
}

fn shown(byte: u8) -> String {
    if byte.is_ascii_graphic() { format!("`{}`", char::from(byte)) } else { format!("the byte {byte:#04x}") }
}

/// One message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame<'a> {
    /// Offset of its first byte in the bytes of the connection.
    pub offset: u64,
    /// The object, from `{` to `}`.
    pub json: &'a [u8],
}

/// Finds messages in bytes that arrive in pieces.
///
/// After an error nothing more can be told apart: the same error comes again.
#[derive(Debug)]
pub struct Framer {
    limit: usize,
    buffer: Vec<u8>,
    /// Offset of the buffer's first byte in the bytes of the connection.
    offset: u64,
    /// Where in the buffer the next message starts; what is before it was taken.
    start: usize,
    /// How far the buffer was looked at.
    scanned: usize,
    depth: u32,
    in_string: bool,
    escaped: bool,
}

impl Framer {
    /// For messages of at most `limit` bytes. That bounds the memory, but for what is pushed at once.
    pub fn new(limit: usize) -> Self {
        Self { limit, buffer: Vec::new(), offset: 0, start: 0, scanned: 0, depth: 0, in_string: false, escaped: false }
    }

    /// Adds bytes that arrived. Call [`Self::take`] until it has no more before adding others.
    pub fn push(&mut self, bytes: &[u8]) {
        self.offset = self.offset.saturating_add(self.start as u64);
        self.scanned -= self.start;
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.buffer.shrink_to(KEPT);
        } else {
            self.buffer.drain(..self.start);
        }
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Takes the next message; `None` where it has not arrived in full.
    ///
    /// # Errors
    /// [`FramingError`].
    pub fn take(&mut self) -> Result<Option<Frame<'_>>, FramingError> {
        Ok(match self.look()? {
            true => {
                let (start, end) = (std::mem::replace(&mut self.start, self.scanned), self.scanned);
                let json = self.buffer.get(start..end).unwrap_or_default();
                Some(Frame { offset: self.offset.saturating_add(start as u64), json })
            }
            false => None,
        })
    }

    /// The message that is under way, as far as it has arrived.
    pub fn unfinished(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Whether [`Self::take`] has a message.
    ///
    /// # Errors
    /// [`FramingError`].
    pub fn look(&mut self) -> Result<bool, FramingError> {
        if self.depth == 0 && self.scanned > self.start {
            return Ok(true);
        }
        while let Some(&byte) = self.buffer.get(self.scanned) {
            if self.depth == 0 && byte != b'{' {
                if !byte.is_ascii_whitespace() {
                    return Err(FramingError::Garbage { offset: self.position(self.scanned), byte });
                }
                self.scanned += 1;
                self.start = self.scanned;
                continue;
            }
            if self.is_end(byte)? {
                self.scanned += 1;
                self.check_size()?;
                return Ok(true);
            }
            self.scanned += 1;
        }
        self.check_size()?;
        Ok(false)
    }

    /// Whether a message has begun to arrive.
    pub fn is_in_message(&self) -> bool {
        self.start < self.buffer.len()
    }

    /// Number of bytes that arrived.
    pub fn received(&self) -> u64 {
        self.position(self.buffer.len())
    }

    /// Takes a byte of a message into account and tells whether it is the last.
    fn is_end(&mut self, byte: u8) -> Result<bool, FramingError> {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return Ok(false);
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' if self.depth == MAX_DEPTH => {
                return Err(FramingError::TooDeep { offset: self.position(self.scanned) });
            }
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.depth -= 1;
                return Ok(self.depth == 0);
            }
            _ => {}
        }
        Ok(false)
    }

    fn check_size(&self) -> Result<(), FramingError> {
        if self.scanned - self.start > self.limit {
            return Err(FramingError::TooLarge { offset: self.position(self.start), limit: self.limit });
        }
        Ok(())
    }

    fn position(&self, at: usize) -> u64 {
        self.offset.saturating_add(at as u64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Messages that arrive in pieces of the given size, with their offsets.
    fn taken(bytes: &[u8], piece: usize, limit: usize) -> Result<Vec<(u64, String)>, FramingError> {
        let mut framer = Framer::new(limit);
        let mut messages = Vec::new();
        for piece in bytes.chunks(piece) {
            framer.push(piece);
            while let Some(frame) = framer.take()? {
                messages.push((frame.offset, String::from_utf8(frame.json.to_vec()).unwrap()));
            }
        }
        assert_eq!(framer.received(), bytes.len() as u64);
        Ok(messages)
    }

    #[test]
    fn messages_follow_each_other() {
        let bytes = br#" {"a":"}\"{\\"}{}
            {"b":[{"c":"]"}]} {"half":"#;
        for piece in 1..bytes.len() {
            let messages = taken(bytes, piece, 100).unwrap();
            let expected =
                [(1, r#"{"a":"}\"{\\"}"#.to_owned()), (15, "{}".to_owned()), (30, r#"{"b":[{"c":"]"}]}"#.to_owned())];
            assert_eq!(messages, expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn what_is_no_message() {
        for piece in [1, 7, 1000] {
            let error = |bytes: &[u8]| taken(bytes, piece, 20).unwrap_err();
            assert_eq!(error(b"{} HTTP/1.1"), FramingError::Garbage { offset: 3, byte: b'H' });
            assert_eq!(error(b"\x16\x03\x01"), FramingError::Garbage { offset: 0, byte: 0x16 });
            assert_eq!(error(b"{}]"), FramingError::Garbage { offset: 2, byte: b']' });
            let long = format!("{{}}{{\"a\":\"{}", "x".repeat(40));
            assert_eq!(error(long.as_bytes()), FramingError::TooLarge { offset: 2, limit: 20 });
            let whole = format!("{{}}{{\"a\":\"{}\"}}", "x".repeat(40));
            assert_eq!(error(whole.as_bytes()), FramingError::TooLarge { offset: 2, limit: 20 });
            let deep = format!("{{\"a\":{}", "[".repeat(200));
            let error = taken(deep.as_bytes(), piece, 1000).unwrap_err();
            assert_eq!(error, FramingError::TooDeep { offset: 132 });
        }
        let garbage = FramingError::Garbage { offset: 0, byte: 0x16 }.to_string();
        assert_eq!(garbage, "at byte 0: expected the `{` of a JSON-RPC message, found the byte 0x16");
    }

    #[test]
    fn an_error_stays_and_memory_is_given_back() {
        let mut framer = Framer::new(usize::MAX);
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(4 << 20));
        framer.push(large.as_bytes());
        assert_eq!(framer.take().unwrap().unwrap().json.len(), large.len());
        assert!(!framer.is_in_message());
        framer.push(b"?");
        assert!(framer.buffer.capacity() <= KEPT);
        let error = framer.take().unwrap_err();
        framer.push(b"{}");
        assert_eq!(framer.take().unwrap_err(), error);
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(bytes in prop::collection::vec(prop::sample::select(b"{}[]\"\\a ".to_vec()), 0..200),
            piece in 1..50_usize)
        {
            let whole = taken(&bytes, usize::MAX, 64);
            if let Ok(whole) = whole {
                prop_assert_eq!(taken(&bytes, piece, 64), Ok(whole));
            }
        }
    }
}
