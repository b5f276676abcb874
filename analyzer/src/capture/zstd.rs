//! zstd streams of any number of frames (RFC 8878).

use std::io::{self, BufRead, Read};

use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use super::stream::ByteStream;

/// Magic number of a frame (RFC 8878 section 3.1.1).
const MAGIC: u32 = 0xfd2f_b528;
/// Magic numbers of skippable frames, but for the low four bits (RFC 8878 section 3.1.2).
const SKIPPABLE: u32 = 0x184d_2a50;
/// Largest window accepted, as by the zstd command without `--long`: 128 MiB, as a power of two.
const MAX_WINDOW_LOG: u32 = 27;

/// Unpacks frame after frame.
pub(super) struct ZstdFrames {
    source: ByteStream,
    /// An error where there was no memory for it.
    decoder: io::Result<Decoder<'static>>,
    /// Most bytes that it is given at once: of a call that fails all is lost that it has unpacked, so it is given no more than one
    /// block.
    most: usize,
    /// Whether it may hold bytes for which there was no room.
    is_full: bool,
    state: State,
}

/// Bytes by which a frame tells how long its header is (`ZSTD_FRAMEHEADERSIZE_PREFIX`).
const HEADER_START: usize = 5;
/// Bytes of the next block's header, for which the decoder asks together with a block (RFC 8878 section 3.1.1.2).
const BLOCK_HEADER: usize = 3;

enum State {
    /// A frame header, a skippable frame or the end comes next.
    Between,
    /// More of a frame comes next, or bytes that are unpacked already.
    InFrame,
    /// The frame failed. What was unpacked of it is given out before the error.
    Failed(Option<io::Error>),
}

/// Whether the octets start a zstd stream.
pub(super) fn is_magic(head: [u8; 4]) -> bool {
    let magic = u32::from_le_bytes(head);
    magic == MAGIC || magic & !0xf == SKIPPABLE
}

impl ZstdFrames {
    pub(super) fn new(source: ByteStream) -> Self {
        let decoder = Decoder::new().and_then(|mut decoder| {
            decoder.set_parameter(DParameter::WindowLogMax(MAX_WINDOW_LOG))?;
            Ok(decoder)
        });
        Self { source, decoder, most: HEADER_START, is_full: false, state: State::Between }
    }

    /// Comes to the next frame; `false` at the end of the stream.
    fn find_frame(&mut self) -> io::Result<bool> {
        loop {
            if self.source.fill_buf()?.is_empty() {
                return Ok(false);
            }
            let head = self.source.peek(8);
            let word = |offset: usize| head.get(offset..)?.first_chunk().map(|&bytes| u32::from_le_bytes(bytes));
            match (word(0), word(4)) {
                (Some(magic), Some(size)) if magic & !0xf == SKIPPABLE => {
                    self.source.drop_front(8);
                    io::copy(&mut (&mut self.source).take(u64::from(size)), &mut io::sink())?;
                }
                (Some(MAGIC), _) => return Ok(true),
                (None, _) => return Err(cut()),
                (Some(magic), _) if magic & !0xf == SKIPPABLE => return Err(cut()),
                (Some(_), _) => return Err(damaged("what follows its last frame is no frame")),
            }
        }
    }

    /// Unpacks more of a frame into `target`. Returns how many bytes.
    fn decode(&mut self, target: &mut [u8]) -> io::Result<usize> {
        // The decoder may hold bytes for which there was no room before, so it is asked also at the end.
        let (at_hand, failure) = match self.source.fill_buf() {
            Ok(at_hand) => (at_hand, None),
            Err(error) => (&[][..], Some(error)),
        };
        let is_end = at_hand.is_empty();
        let most = if self.is_full { 0 } else { self.most.min(at_hand.len()) };
        let (mut input, mut output) = (InBuffer::around(&at_hand[..most]), OutBuffer::around(target));
        let hint = there(&mut self.decoder)?.run(&mut input, &mut output);
        let (consumed, unpacked) = (input.pos(), output.pos());
        self.source.drop_front(consumed);
        let was_full = std::mem::replace(&mut self.is_full, unpacked == target.len());
        match hint {
            Ok(0) => self.state = State::Between,
            Ok(_) if is_end && unpacked == 0 && !was_full => return Err(failure.unwrap_or_else(cut)),
            Ok(hint) => self.most = if hint > BLOCK_HEADER { hint - BLOCK_HEADER } else { hint },
            Err(error) => self.state = State::Failed(Some(damaged(&error.to_string()))),
        }
        Ok(unpacked)
    }
}

impl Read for ZstdFrames {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        if target.is_empty() {
            return Ok(0);
        }
        loop {
            match &mut self.state {
                State::Failed(error) => return error.take().map_or(Ok(0), Err),
                State::Between => {
                    if !self.find_frame()? {
                        return Ok(0);
                    }
                    there(&mut self.decoder)?.reinit()?;
                    (self.most, self.is_full) = (HEADER_START, false);
                    self.state = State::InFrame;
                }
                State::InFrame => match self.decode(target)? {
                    0 => {}
                    unpacked => return Ok(unpacked),
                },
            }
        }
    }
}

fn there<'a>(decoder: &'a mut io::Result<Decoder<'static>>) -> io::Result<&'a mut Decoder<'static>> {
    decoder.as_mut().map_err(|error| io::Error::new(error.kind(), error.to_string()))
}

fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the zstd stream ends in the middle of a frame")
}

fn damaged(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the zstd stream is damaged: {reason}"))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::capture::tests::zstd;

    /// Bytes that each block unpacks to, but for the last (RFC 8878 section 3.1.1.2.4).
    const BLOCK: usize = 128 * 1024;

    /// What is unpacked before an error, read with so much room at a time.
    fn unpacked(packed: &[u8], room: usize) -> Vec<u8> {
        let mut frames = ZstdFrames::new(ByteStream::new(Box::new(Cursor::new(packed.to_vec()))));
        let (mut all, mut target) = (Vec::new(), vec![0; room]);
        while let Ok(count @ 1..) = frames.read(&mut target) {
            all.extend_from_slice(&target[..count]);
        }
        all
    }

    /// Offsets of the headers of a frame's blocks; the frame has no content size and no dictionary.
    fn blocks(packed: &[u8]) -> Vec<usize> {
        let (mut at, mut found) = (6, Vec::new());
        loop {
            let header = u32::from_le_bytes([packed[at], packed[at + 1], packed[at + 2], 0]);
            found.push(at);
            let len = if header >> 1 & 3 == 1 { 1 } else { (header >> 3) as usize };
            at += 3 + len;
            if header & 1 == 1 {
                return found;
            }
        }
    }

    /// A block that is broken costs nothing of those before it.
    #[test]
    fn all_before_a_broken_block_is_given_out() {
        let plain: Vec<u8> = (0..1_500_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 26) as u8).collect();
        let whole = zstd(&plain);
        let blocks = blocks(&whole);
        assert!(blocks.len() > 9, "{blocks:?}");
        for room in [512 * 1024, BLOCK, 1000] {
            assert!(unpacked(&whole, room) == plain);
            for (nth, &at) in blocks.iter().enumerate() {
                let mut broken = whole.clone();
                broken[at] |= 6;
                assert_eq!(unpacked(&broken, room).len(), nth * BLOCK, "block {nth}, room {room}");
            }
            let mut broken = whole.clone();
            *broken.last_mut().expect("a checksum") ^= 1;
            assert!(unpacked(&broken, room) == plain, "room {room}");
        }
    }
}
