//! zstd streams of any number of frames (RFC 8878).

use std::io::{self, BufRead, Read};

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::stream::ByteStream;

/// Magic number of a frame (RFC 8878 section 3.1.1).
const MAGIC: u32 = 0xfd2f_b528;
/// Magic numbers of skippable frames, but for the low four bits (RFC 8878 section 3.1.2).
const SKIPPABLE: u32 = 0x184d_2a50;
/// Largest window accepted, as by the zstd command without `--long`.
const MAX_WINDOW: u64 = 128 << 20;
/// An empty last block (RFC 8878 section 3.1.1.2), and four octets where the frame ends with a checksum.
const EMPTY_LAST_BLOCK: [u8; 7] = [1, 0, 0, 0, 0, 0, 0];

/// Unpacks frame after frame.
pub(super) struct ZstdFrames {
    source: ByteStream,
    decoder: FrameDecoder,
    state: State,
}

enum State {
    /// A frame header, a skippable frame or the end comes next.
    Between,
    /// A block comes next, or bytes that are unpacked already.
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
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(MAX_WINDOW);
        Self { source, decoder, state: State::Between }
    }

    /// Starts the next frame; `false` at the end of the stream.
    fn start_frame(&mut self) -> io::Result<bool> {
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
                (Some(MAGIC), _) => break,
                (None, _) => return Err(cut()),
                (Some(magic), _) if magic & !0xf == SKIPPABLE => return Err(cut()),
                (Some(_), _) => return Err(damaged("what follows its last frame is no frame")),
            }
        }
        match self.decoder.reset(&mut self.source) {
            Ok(()) => Ok(true),
            Err(error) => Err(self.failure(&error)),
        }
    }

    fn decode_block(&mut self) {
        if let Err(error) = self.decoder.decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1)) {
            self.state = State::Failed(Some(self.failure(&error)));
            // The decoder holds back a window of bytes until it sees the last block, so it is shown one. If that
            // fails too, only what was held back is lost.
            let _ = self.decoder.decode_blocks(&EMPTY_LAST_BLOCK[..], BlockDecodingStrategy::UptoBlocks(1));
        }
    }

    fn failure(&mut self, error: &dyn std::error::Error) -> io::Error {
        if !self.source.peek(1).is_empty() {
            return damaged(&error.to_string());
        }
        self.source.failure().map_or_else(cut, |failure| io::Error::new(failure.kind(), failure.to_string()))
    }
}

impl Read for ZstdFrames {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        if target.is_empty() {
            return Ok(0);
        }
        loop {
            if !matches!(self.state, State::Between) && self.decoder.can_collect() > 0 {
                return self.decoder.read(target);
            }
            match &mut self.state {
                State::Failed(error) => return error.take().map_or(Ok(0), Err),
                State::Between => {
                    if !self.start_frame()? {
                        return Ok(0);
                    }
                    self.state = State::InFrame;
                }
                State::InFrame if self.decoder.is_finished() => {
                    let told = self.decoder.get_checksum_from_data();
                    if told.is_some() && told != self.decoder.get_calculated_checksum() {
                        return Err(damaged("the checksum of a frame is wrong"));
                    }
                    self.state = State::Between;
                }
                State::InFrame => self.decode_block(),
            }
        }
    }
}

fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the zstd stream ends in the middle of a frame")
}

fn damaged(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the zstd stream is damaged: {reason}"))
}
