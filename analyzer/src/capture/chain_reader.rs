//! Reads the records of a chain as a stream.

use super::chain::{Chain, Located, Step};
use super::source::Meter;
use super::stream::ByteStream;
use super::{CaptureError, CaptureReader, Interface, Item, Progress, Skipped};
use crate::types::Warning;

/// A capture of chained records that is being read.
pub(super) struct ChainReader<C> {
    stream: ByteStream,
    meter: Meter,
    chain: C,
    frame: Option<Located>,
    /// Bytes of the current record, which stay in the stream until the next step.
    record_len: usize,
    ended: bool,
}

impl<C: Chain> ChainReader<C> {
    /// A reader that stands before the first record.
    pub(super) fn new(stream: ByteStream, meter: Meter, chain: C) -> Self {
        Self { stream, meter, chain, frame: None, record_len: 0, ended: false }
    }

    /// Looks at the next record, with as many bytes at hand as it takes. [`Step::More`] means that the stream has ended.
    fn step(&mut self) -> Step {
        self.stream.drop_front(std::mem::take(&mut self.record_len));
        let offset = self.stream.offset();
        let mut wanted = 1;
        loop {
            let bytes = self.stream.peek(wanted);
            let is_all = bytes.len() < wanted;
            match self.chain.step(bytes, offset) {
                Step::More(more) if !is_all => wanted = more,
                step => return step,
            }
        }
    }

    fn end(&mut self, reason: Option<String>) {
        self.ended = true;
        if let Some(reason) = reason {
            self.chain.notes().end(self.stream.offset(), reason);
        }
    }
}

impl<C: Chain> CaptureReader for ChainReader<C> {
    fn advance(&mut self) -> Result<bool, CaptureError> {
        self.frame = None;
        while !self.ended {
            match self.step() {
                Step::Frame(frame, len) => {
                    self.record_len = len;
                    self.frame = Some(frame);
                    return Ok(true);
                }
                Step::Other(len) => self.record_len = len,
                Step::More(_) => self.end(self.stream.early_end()),
                Step::Damaged(reason) => self.end(Some(reason)),
                Step::Unusable(error) => return Err(error),
            }
        }
        self.chain.finish()?;
        Ok(false)
    }

    fn item(&self) -> Option<Item<'_>> {
        self.frame.map(|frame| Item::Frame(frame.frame(self.stream.buffered())))
    }

    fn interfaces(&self) -> &[Interface] {
        self.chain.interfaces()
    }

    fn take_warnings(&mut self) -> Vec<Warning> {
        self.chain.notes().take_warnings()
    }

    fn skipped(&self) -> Skipped {
        self.chain.skipped()
    }

    fn progress(&self) -> Progress {
        self.meter.progress()
    }
}
