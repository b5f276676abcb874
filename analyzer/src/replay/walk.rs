//! The walk along the chain of records, chunk by chunk in the order of the capture.

use analyzer_ebpf::parse::Frame;

use super::chunk::{Chunk, Ending};
use super::counter::{Counter, Record};
use super::link::parse_frame;
use super::ordered::{Effect, Ordered};
use super::short::{Usual, parse_usual};
use crate::capture::{CaptureError, Chain, EarlyEnd, FrameRef, Located, Step};

/// Where the walk is, and what depends on its order.
pub(super) struct Walk<'a, C> {
    /// Number of the chunk that it has come to.
    pub(super) chunk: u64,
    /// Offset of the next record in the capture.
    pub(super) position: u64,
    /// The records.
    pub(super) chain: C,
    /// What frames change in the order of the capture.
    pub(super) ordered: Ordered<'a>,
    /// Whether it goes no further than [`Walk::position`].
    pub(super) has_ended: bool,
    /// Why the capture as a whole cannot be used, if so.
    pub(super) unusable: Option<CaptureError>,
    /// What the last chunks have of the next record.
    left: Vec<u8>,
    /// Bytes of it that are needed to tell more.
    wanted: usize,
}

/// Frames in a chunk that can be counted without regard to the order.
#[derive(Default)]
pub(super) struct Unordered(Vec<Located>);

/// Whether a usual frame is traffic that routes decide, and no control packet.
struct Routed;

impl Usual for Routed {
    type Output = bool;

    #[inline(always)]
    fn take(self, parsed: Frame) -> bool {
        parsed.control().is_none()
    }
}

impl<'a, C: Chain> Walk<'a, C> {
    /// A walk that stands before the first record, which is at `position`.
    pub(super) fn new(chain: C, position: u64, ordered: Ordered<'a>) -> Self {
        Self { chunk: 0, position, chain, ordered, has_ended: false, unusable: None, left: Vec::new(), wanted: 0 }
    }

    /// Goes on to the last record that is whole in the chunk. Fragments are counted on the way, all other frames are left
    /// in `unordered`.
    pub(super) fn go(&mut self, chunk: &mut Chunk, unordered: &mut Unordered, counter: &mut Counter) {
        counter.enter(self.ordered.epochs());
        if self.left.len() + chunk.bytes().len() < self.wanted && chunk.ending().is_none() {
            // A record of many chunks is put together once.
            self.left.extend_from_slice(chunk.bytes());
            return;
        }
        self.wanted = 0;
        chunk.prepend(&self.left);
        self.left.clear();
        let bytes = chunk.bytes();
        let (start, mut offset) = (self.position, 0);
        let ended = loop {
            match self.chain.step(&bytes[offset..], start + offset as u64) {
                Step::Frame(found, len) => {
                    // A chunk has less than 2^32 bytes.
                    let found = Located { offset: found.offset + offset as u32, ..found };
                    let frame = found.frame(bytes);
                    // Nearly all frames pass by this test, which is a few loads.
                    let is_unordered = parse_usual(&frame, Routed) == Some(true);
                    if is_unordered || !self.observe(bytes, &frame, unordered, counter) {
                        unordered.0.push(found);
                    }
                    offset += len;
                }
                Step::Other(len) => offset += len,
                Step::More(wanted) => {
                    self.wanted = wanted;
                    break None;
                }
                Step::Damaged(reason) => break Some(Ok(reason)),
                Step::Unusable(error) => break Some(Err(error)),
            }
        };
        self.position = start + offset as u64;
        let left = &bytes[offset..];
        match (ended, chunk.ending()) {
            (Some(Ok(reason)), _) => self.stop(reason),
            (Some(Err(error)), _) => {
                self.has_ended = true;
                self.unusable = Some(error);
            }
            (None, None) => self.left.extend_from_slice(left),
            (None, Some(ending)) => {
                self.has_ended = true;
                let early = match ending {
                    Ending::Whole => EarlyEnd::of(None, left.len()),
                    Ending::Shrunk => Some(EarlyEnd::CutRecord { left: left.len() }),
                    Ending::Failed(error) => EarlyEnd::of(Some(error), left.len()),
                };
                if let Some(early) = early {
                    self.stop(early.to_string());
                }
            }
        }
    }

    /// Takes notice of a frame that may depend on the order. Returns whether it is counted.
    #[cold]
    fn observe(
        &mut self,
        bytes: &[u8],
        frame: &FrameRef<'_>,
        unordered: &mut Unordered,
        counter: &mut Counter,
    ) -> bool {
        let record = Record::of(frame);
        let mut parsed = parse_frame(frame);
        match self.ordered.observe(frame.data, &mut parsed, record) {
            Effect::None => false,
            Effect::EpochsChanged => {
                // The frames before this one belong to the epochs as they were.
                unordered.count(bytes, counter);
                counter.enter(self.ordered.epochs());
                false
            }
            Effect::Fragment => {
                counter.count_parsed(&parsed, record);
                true
            }
        }
    }

    /// Goes no further, and says why.
    pub(super) fn stop(&mut self, why: String) {
        self.has_ended = true;
        self.chain.notes().end(self.position, why);
    }
}

impl Unordered {
    /// Counts the frames, and forgets them.
    pub(super) fn count(&mut self, bytes: &[u8], counter: &mut Counter) {
        for found in self.0.drain(..) {
            counter.count(&found.frame(bytes));
        }
    }
}
