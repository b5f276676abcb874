//! What was counted.

use super::key::{Words, Words4, Words6};
use super::lane::Settled;
use super::table::{Entry, FlowTable};
use crate::capture::{self, FileRead, Interface};
use crate::engine::epoch::Epochs;
use crate::engine::observation::Observation;
use crate::types::{Timestamp, Warning};

/// What was counted of the captures.
pub struct Counted {
    /// Totals over all frames.
    pub totals: Totals,
    /// NICs by their index.
    pub interfaces: Vec<Interface>,
    /// The epochs that the frames were counted in, those included that heard neighbours started.
    pub epochs: Epochs,
    /// What the readers passed over before there was a frame.
    pub skipped_by_reader: capture::Skipped,
    /// What became of each capture.
    pub files: Vec<FileRead>,
    /// Where a capture is cut or damaged.
    pub warnings: Vec<Warning>,
    /// Whether frames have no times: those given tell their order, and no more.
    pub lacks_times: bool,
    pub(super) tables: Tables,
}

/// Totals over all frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// Number of frames, skipped ones included.
    pub packets: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// Times of the earliest and of the latest frame; `None` where there is no frame.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Frames without flow.
    pub skipped: Skipped,
    /// Later fragments whose first fragment was not seen before them. They are counted under ports 0, and their tags
    /// hold the fragment flag.
    pub unattributed_fragments: u64,
    /// Observations that the sink took over because the flow table was full.
    pub retired_observations: u64,
    /// Packets of flows that found the flow table full and that the sink did not take over. Nothing but
    /// [`Totals::packets`] and [`Totals::bytes`] counts them.
    pub untracked_packets: u64,
}

/// Frames without flow, by reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Skipped {
    /// Cut by the snaplen inside a header that the flow key needs.
    pub truncated: u64,
    /// Neither IPv4 nor IPv6.
    pub not_ip: u64,
    /// A header contradicts itself, or the frame ends inside one although it was captured whole.
    pub unparsed: u64,
}

/// Flow entries of both IP versions.
pub(super) struct Tables {
    pub(super) v4: FlowTable<Words4>,
    pub(super) v6: FlowTable<Words6>,
}

impl Counted {
    /// Number of observations.
    pub fn observations(&self) -> usize {
        self.tables.v4.len() + self.tables.v6.len()
    }

    /// Visits every observation: in the order of the first packets, for first packets of the same time in that of the
    /// flow keys, IPv4 first.
    pub fn for_each_observation(&self, mut visit: impl FnMut(&Observation)) {
        let Tables { v4, v6 } = &self.tables;
        let (mut next4, mut next6) = (by_first(v4).into_iter().peekable(), by_first(v6).into_iter().peekable());
        loop {
            let is_v4_next = match (next4.peek(), next6.peek()) {
                (Some((first4, _)), Some((first6, _))) => first4 <= first6,
                (next4, _) => next4.is_some(),
            };
            if let Some((_, index)) = next4.next_if(|_| is_v4_next) {
                visit(&observation(v4.entry(index)));
            } else if let Some((_, index)) = next6.next() {
                visit(&observation(v6.entry(index)));
            } else {
                break;
            }
        }
    }

    /// Fractional digits of a second that the observations' times need: 9 where one of them has nanoseconds, else 6.
    pub fn time_digits(&self) -> u8 {
        let Tables { v4, v6 } = &self.tables;
        let has_nanos = |time: Timestamp| !time.as_nanos().is_multiple_of(1000);
        let mut counts = v4.entries().map(|entry| entry.counts).chain(v6.entries().map(|entry| entry.counts));
        if counts.any(|counts| has_nanos(counts.first) || has_nanos(counts.last)) { 9 } else { 6 }
    }
}

/// Time of the first packet and index of every entry, in the order of visits.
fn by_first<W: Words>(table: &FlowTable<W>) -> Vec<(Timestamp, u32)> {
    let mut order: Vec<_> = table.entries().map(|entry| entry.counts.first).zip(0..).collect();
    order.sort_unstable_by_key(|&(first, _)| first);
    // Sorting by the times alone reads no entry; few share theirs.
    for same_time in order.chunk_by_mut(|(left, _), (right, _)| left == right) {
        same_time.sort_unstable_by_key(|&(_, index)| table.entry(index).words);
    }
    order
}

pub(super) fn observation<W: Words>(entry: &Entry<W>) -> Observation {
    Observation::new(&entry.words.unpack(), entry.counts)
}

impl Totals {
    #[inline(always)]
    pub(super) fn add(&mut self, at: Timestamp, wire_len: u32) {
        self.packets += 1;
        self.bytes += u64::from(wire_len);
        self.span = Some(match self.span {
            Some((first, last)) => (first.min(at), last.max(at)),
            None => (at, at),
        });
    }

    pub(super) fn add_settled(&mut self, settled: &Settled) {
        self.retired_observations += settled.retired;
        self.untracked_packets += settled.untracked;
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.span = match (self.span, other.span) {
            (Some((first, last)), Some((other_first, other_last))) => {
                Some((first.min(other_first), last.max(other_last)))
            }
            (one, other) => one.or(other),
        };
        self.skipped.truncated += other.skipped.truncated;
        self.skipped.not_ip += other.skipped.not_ip;
        self.skipped.unparsed += other.skipped.unparsed;
        self.unattributed_fragments += other.unattributed_fragments;
        self.retired_observations += other.retired_observations;
        self.untracked_packets += other.untracked_packets;
    }
}
