//! Records that stand one behind the other: what the formats of packets share.
//!
//! Only a record tells where the next one starts. Whoever holds bytes of a capture steps through them with a [`Chain`]:
//! the reader of one frame after the other ([`super::chain_reader`]), and replay's threads, chunk by chunk.

use analyzer_ebpf::abi::Direction;

use super::warnings::Warnings;
use super::{CaptureError, FrameRef, Interface, LinkType, Skipped};
use crate::types::{Position, Timestamp, Warning};

/// The records of one capture, from the first on. What stands before the first record is read already.
pub(crate) trait Chain: Send {
    /// Looks at the record that `bytes` begin with. `offset` is its place in the capture, for messages.
    ///
    /// A record is given once: the next call is about the one behind it, or about the same with more bytes where
    /// [`Step::More`] asked for them.
    fn step(&mut self, bytes: &[u8], offset: u64) -> Step;

    /// NICs met so far.
    fn interfaces(&self) -> &[Interface];

    /// What was passed over, and what is to be said of it.
    fn notes(&mut self) -> &mut Notes;

    /// What was passed over so far.
    fn skipped(&self) -> Skipped;

    /// Whether the capture could be used at all, asked at its end.
    ///
    /// # Errors
    /// No frame of it can be judged.
    fn finish(&self) -> Result<(), CaptureError> {
        Ok(())
    }
}

/// What stands at a place of the chain.
pub(crate) enum Step {
    /// A frame, in a record of so many bytes.
    Frame(Located, usize),
    /// A record of so many bytes that holds no frame, or none that is read.
    Other(usize),
    /// The record is longer than what is at hand. It takes this many bytes to tell more.
    More(usize),
    /// The chain ends here, because it is damaged. What came before is judged.
    Damaged(String),
    /// The capture as a whole cannot be used.
    Unusable(CaptureError),
}

/// A frame that lies in a buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Located {
    /// When it was captured.
    pub(crate) at: Timestamp,
    /// Where its first byte lies, counted from the start of the record.
    pub(crate) offset: u32,
    /// Bytes of the frame that were kept.
    pub(crate) len: u32,
    /// Bytes of the frame on the wire.
    pub(crate) orig_len: u32,
    /// Index of the NIC in [`Chain::interfaces`].
    pub(crate) interface: u8,
    /// What the frame begins with.
    pub(crate) link_type: LinkType,
    /// Which way it went, where the capture tells it.
    pub(crate) direction: Direction,
}

impl Located {
    /// The frame's bytes.
    #[inline(always)]
    fn data<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.offset as usize..][..self.len as usize]
    }

    /// The frame. `bytes` begin with the record.
    #[inline(always)]
    pub(crate) fn frame<'a>(&self, bytes: &'a [u8]) -> FrameRef<'a> {
        FrameRef {
            at: self.at,
            interface: self.interface,
            link_type: self.link_type,
            data: self.data(bytes),
            orig_len: self.orig_len,
            direction: self.direction,
        }
    }
}

/// What is said of a capture beside its frames.
pub(crate) struct Notes {
    /// Warnings, bounded in number.
    pub(super) warnings: Warnings,
    /// What was passed over.
    pub(super) skipped: Skipped,
}

impl Notes {
    /// Nothing to say yet of the file.
    pub(super) fn new(warnings: Warnings) -> Self {
        Self { warnings, skipped: Skipped::default() }
    }

    /// Notes that the capture is read up to `offset` and no further.
    pub(crate) fn end(&mut self, offset: u64, reason: String) {
        self.skipped.ends += 1;
        self.warnings.push(Position::Offset(offset), || reason);
    }

    /// The warnings since the last call.
    pub(crate) fn take_warnings(&mut self) -> Vec<Warning> {
        self.warnings.take()
    }
}
