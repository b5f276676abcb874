//! UTF-8 out of what editors and shells on Windows write: byte order marks and UTF-16.

use std::io::{self, Read};

/// U+FEFF in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Bytes that tell an encoding.
pub const PROBE_LEN: usize = 64;

/// Fewest characters that tell UTF-16 without a byte order mark.
const MIN_UNITS: usize = 4;

/// How text is written down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    /// UTF-8, or anything that is no text, behind a byte order mark of this length.
    Bytes {
        /// Bytes of the mark.
        mark: usize,
    },
    /// UTF-16, as PowerShell's `>` writes it.
    Utf16 {
        /// Whether the more significant byte comes first.
        big_endian: bool,
        /// Bytes of the mark.
        mark: usize,
    },
}

/// Tells the encoding by the first bytes of a file, [`PROBE_LEN`] of them where it has as many.
pub fn of(head: &[u8]) -> Encoding {
    match head {
        [0xff, 0xfe, ..] => Encoding::Utf16 { big_endian: false, mark: 2 },
        [0xfe, 0xff, ..] => Encoding::Utf16 { big_endian: true, mark: 2 },
        _ if head.starts_with(BYTE_ORDER_MARK) => Encoding::Bytes { mark: BYTE_ORDER_MARK.len() },
        _ => match unmarked_utf16(&head[..head.len().min(PROBE_LEN)]) {
            Some(big_endian) => Encoding::Utf16 { big_endian, mark: 0 },
            None => Encoding::Bytes { mark: 0 },
        },
    }
}

/// Whether the more significant byte comes first in what can be nothing but ASCII in UTF-16.
fn unmarked_utf16(head: &[u8]) -> Option<bool> {
    let units = head.chunks_exact(2);
    let is_char = |byte: u8| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n' | 0x1b);
    let is = |low: usize| units.clone().all(|unit| is_char(unit[low]) && unit[1 - low] == 0);
    if units.len() < MIN_UNITS {
        return None;
    }
    [0, 1].into_iter().find(|&low| is(low)).map(|low| low == 1)
}

/// Whether the first bytes of a file may be text in UTF-8 or Latin-1, as a terminal wrote it.
pub fn is_text(probe: &[u8]) -> bool {
    let may_be = |byte: u8| byte >= b' ' || matches!(byte, 0x07 | 0x08 | b'\t' | b'\n' | b'\r' | 0x0c | 0x1b);
    !probe.is_empty() && probe.iter().copied().all(may_be)
}

/// UTF-8 of a stream of UTF-16. What is no text becomes U+FFFD.
pub struct Utf16<R> {
    inner: R,
    big_endian: bool,
    /// Bytes read that make no whole unit yet, at most one.
    odd: Option<u8>,
    /// The first half of a pair of surrogates.
    surrogate: Option<u16>,
    /// UTF-8 that was not asked for yet.
    ready: Vec<u8>,
    given: usize,
    ended: bool,
}

impl<R: Read> Utf16<R> {
    /// A stream of the units behind the byte order mark.
    pub fn new(inner: R, big_endian: bool) -> Self {
        Self { inner, big_endian, odd: None, surrogate: None, ready: Vec::new(), given: 0, ended: false }
    }

    fn unit(&mut self, unit: u16) {
        let mut push = |character: char| {
            let mut bytes = [0; 4];
            self.ready.extend_from_slice(character.encode_utf8(&mut bytes).as_bytes());
        };
        let pending = self.surrogate.take().into_iter().chain([unit]);
        for decoded in char::decode_utf16(pending) {
            match decoded {
                Ok(character) => push(character),
                Err(error) if error.unpaired_surrogate() == unit && (0xd800..0xdc00).contains(&unit) => {
                    self.surrogate = Some(unit);
                }
                Err(_) => push(char::REPLACEMENT_CHARACTER),
            }
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        self.ready.clear();
        self.given = 0;
        let mut bytes = [0; 8192];
        let count = self.inner.read(&mut bytes)?;
        for &byte in &bytes[..count] {
            match self.odd.take() {
                Some(first) if self.big_endian => self.unit(u16::from_be_bytes([first, byte])),
                Some(first) => self.unit(u16::from_le_bytes([first, byte])),
                None => self.odd = Some(byte),
            }
        }
        if count == 0 {
            self.ended = true;
            if self.odd.take().is_some() || self.surrogate.take().is_some() {
                self.ready.extend_from_slice("\u{fffd}".as_bytes());
            }
        }
        Ok(())
    }
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        while self.given == self.ready.len() && !self.ended {
            self.fill()?;
        }
        let ready = &self.ready[self.given..];
        let count = ready.len().min(target.len());
        target[..count].copy_from_slice(&ready[..count]);
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn encodings() {
        let utf16 = |big_endian, mark| Encoding::Utf16 { big_endian, mark };
        for (head, expected) in [
            (&b"\xff\xfea\0"[..], utf16(false, 2)),
            (b"\xfe\xff\0a", utf16(true, 2)),
            (b"a\0b\0c\0d\0e", utf16(false, 0)),
            (b"\0a\0b\0\r\0\n", utf16(true, 0)),
            (b"a\0b\0", Encoding::Bytes { mark: 0 }),
            (b"\xef\xbb\xbfa", Encoding::Bytes { mark: 3 }),
            (b"\xd4\xc3\xb2\xa1\x02\0\x04\0", Encoding::Bytes { mark: 0 }),
            (b"", Encoding::Bytes { mark: 0 }),
        ] {
            assert_eq!(of(head), expected, "{head:?}");
        }
    }

    #[test]
    fn halves_are_marked() {
        let mut text = String::new();
        Utf16::new(&[0xd8, 0x00, 0x00, b'a', 0xdc, 0x00, 0xd8, 0x01][..], true).read_to_string(&mut text).unwrap();
        assert_eq!(text, "\u{fffd}a\u{fffd}\u{fffd}");
        text.clear();
        Utf16::new(&b"a\0b"[..], false).read_to_string(&mut text).unwrap();
        assert_eq!(text, "a\u{fffd}");
    }

    proptest! {
        #[test]
        fn text_comes_back(text: String, big_endian: bool) {
            let bytes: Vec<u8> = text.encode_utf16().flat_map(|unit| if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect();
            let mut read = String::new();
            Utf16::new(&bytes[..], big_endian).read_to_string(&mut read).unwrap();
            prop_assert_eq!(read, text);
        }
    }
}
