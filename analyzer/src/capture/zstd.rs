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
    state: State,
}

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
        Self { source, decoder, state: State::Between }
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
        let (mut input, mut output) = (InBuffer::around(at_hand), OutBuffer::around(target));
        let hint = there(&mut self.decoder)?.run(&mut input, &mut output);
        let (consumed, unpacked) = (input.pos(), output.pos());
        self.source.drop_front(consumed);
        match hint {
            Ok(0) => self.state = State::Between,
            Ok(_) if is_end && unpacked == 0 => return Err(failure.unwrap_or_else(cut)),
            Ok(_) => {}
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
