//! The walk along the chain of records, chunk by chunk in the order of the file.

use analyzer_ebpf::parse::{parse, parse_common};

use super::chunk::{Chunk, Found, Records};
use super::counter::{Counter, Record};
use super::ordered::{Effect, Ordered};
use crate::capture::EarlyEnd;
use crate::capture::pcap::{GLOBAL_HEADER_LEN, RECORD_HEADER_LEN, RecordHeader};

/// Where the walk is, and what depends on its order.
pub(super) struct Walk<'a> {
    /// Number of the chunk that it has come to.
    pub(super) chunk: u64,
    /// Offset of the next record in the file.
    pub(super) position: u64,
    /// What frames change in the order of the file.
    pub(super) ordered: Ordered<'a>,
    /// Why it goes no further than [`Walk::position`].
    pub(super) stopped: Option<String>,
}

/// Offsets of records in a chunk whose frames can be counted without regard to the order.
#[derive(Default)]
pub(super) struct Unordered(Vec<u32>);

impl<'a> Walk<'a> {
    /// A walk that stands before the first record.
    pub(super) fn new(ordered: Ordered<'a>) -> Self {
        Self { chunk: 0, position: GLOBAL_HEADER_LEN as u64, ordered, stopped: None }
    }

    /// Goes on to the first record at or behind `end`. Fragments are counted on the way, all other frames are left in
    /// `unordered`. `start` is the offset of the chunk in the file.
    pub(super) fn go(
        &mut self,
        records: &Records<'_>,
        chunk: &mut Chunk,
        (start, end): (u64, u64),
        unordered: &mut Unordered,
        counter: &mut Counter,
    ) {
        counter.enter(self.ordered.epochs());
        while self.position < end {
            let offset = (self.position - start) as usize;
            let found = match chunk.find(records, offset) {
                Ok(Found::Record(header)) => header,
                Ok(Found::Cut(left)) => return self.stop(&EarlyEnd::CutRecord { left }),
                Ok(Found::TooLong(len)) => {
                    let most = records.header.max_incl_len();
                    return self.stop(&EarlyEnd::RecordTooLong { len, most });
                }
                Err(error) => return self.stop(&EarlyEnd::Failed(&error)),
            };
            self.position += RECORD_HEADER_LEN as u64 + u64::from(found.incl_len);
            let (header, data) = chunk.record(records, offset);
            // Nearly all frames pass by this test, which is a few loads.
            let is_unordered = parse_common(data).is_some_and(|frame| frame.control().is_none());
            if is_unordered || !self.observe(records, chunk, data, &header, unordered, counter) {
                unordered.0.push(offset as u32);
            }
        }
    }

    /// Takes notice of a frame that may depend on the order. Returns whether it is counted.
    #[cold]
    fn observe(
        &mut self,
        records: &Records<'_>,
        chunk: &Chunk,
        data: &[u8],
        header: &RecordHeader,
        unordered: &mut Unordered,
        counter: &mut Counter,
    ) -> bool {
        let record = record_of(header);
        let mut parsed = parse(data);
        match self.ordered.observe(data, &mut parsed, record) {
            Effect::None => false,
            Effect::EpochsChanged => {
                // The frames before this one belong to the epochs as they were.
                unordered.count(records, chunk, counter);
                counter.enter(self.ordered.epochs());
                false
            }
            Effect::Fragment => {
                counter.count_parsed(&parsed, record);
                true
            }
        }
    }

    /// Goes no further.
    pub(super) fn stop(&mut self, why: &EarlyEnd<'_>) {
        self.stopped = Some(why.to_string());
    }
}

impl Unordered {
    /// Counts the frames, and forgets them.
    pub(super) fn count(&mut self, records: &Records<'_>, chunk: &Chunk, counter: &mut Counter) {
        for offset in self.0.drain(..) {
            let (header, data) = chunk.record(records, offset as usize);
            counter.count(data, record_of(&header));
        }
    }
}

#[inline(always)]
fn record_of(header: &RecordHeader) -> Record {
    Record { at: header.at, wire_len: header.orig_len, is_cut: header.incl_len < header.orig_len, nic: 0 }
}
