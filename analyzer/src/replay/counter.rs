//! Counting frames into flow entries.

use std::sync::Arc;

use analyzer_ebpf::abi::FlowKey;
use analyzer_ebpf::parse::{Frame, Ip, ParseError, Payload};

use super::counted::{Tables, Totals};
use super::hash::Seed;
use super::intake::Flow;
use super::key::{Words, Words4, Words6};
use super::lane::Lane;
use super::link::parse_frame;
use super::newcomers::Newcomers;
use super::short::{Usual, parse_usual};
use super::sink::OrderedSink;
use crate::capture::FrameRef;
use crate::engine::epoch::{Epoch, Epochs};
use crate::types::Timestamp;

/// What is told of a frame from outside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    /// When the frame was captured.
    pub(super) at: Timestamp,
    /// Bytes on the wire.
    pub(super) wire_len: u32,
    /// Whether the capture holds fewer bytes than were on the wire.
    pub(super) is_cut: bool,
    /// Index of the NIC.
    pub(super) nic: u8,
}

impl Record {
    /// What the capture tells of a frame.
    #[inline(always)]
    pub(super) fn of(frame: &FrameRef<'_>) -> Self {
        Self {
            at: frame.at,
            wire_len: frame.orig_len,
            is_cut: frame.data.len() < frame.orig_len as usize,
            nic: frame.interface,
        }
    }
}

/// The flow entries and totals of one thread.
pub(super) struct Counter {
    epochs: Arc<Epochs>,
    /// The epoch of the packet before.
    epoch: Epoch,
    v4: Lane<Words4>,
    v6: Lane<Words6>,
    max_flows: usize,
    /// Frames there were when the entries were last offered to the sink.
    swept_at: Option<u64>,
    totals: Totals,
}

/// Counts a usual frame.
struct Counting<'a> {
    counter: &'a mut Counter,
    record: Record,
}

impl Usual for Counting<'_> {
    type Output = ();

    #[inline(always)]
    fn take(self, parsed: Frame) {
        self.counter.count_parsed(&Ok(parsed), self.record);
    }
}

impl Counter {
    /// A counter that keeps at most `max_flows` entries.
    pub(super) fn new(seed: &Seed, max_flows: usize, epochs: Arc<Epochs>) -> Self {
        Self {
            epoch: epochs.at(Timestamp::default()),
            epochs,
            v4: Lane::new(seed.clone()),
            v6: Lane::new(seed.clone()),
            max_flows,
            swept_at: None,
            totals: Totals::default(),
        }
    }

    /// Counts the frames from here on in these epochs.
    pub(super) fn enter(&mut self, epochs: &Arc<Epochs>) {
        if !Arc::ptr_eq(&self.epochs, epochs) {
            self.epochs = Arc::clone(epochs);
            self.epoch = self.epochs.at(self.epoch.start);
        }
    }

    /// Counts a frame that is no fragment.
    #[inline(always)]
    pub(super) fn count(&mut self, frame: &FrameRef<'_>) {
        // The usual frames are matched apart, so that what is known of them never leaves the registers.
        let record = Record::of(frame);
        if parse_usual(frame, Counting { counter: self, record }).is_none() {
            self.count_unusual(frame);
        }
    }

    #[cold]
    fn count_unusual(&mut self, frame: &FrameRef<'_>) {
        self.count_parsed(&parse_frame(frame), Record::of(frame));
    }

    /// Counts a frame of which its parser made `parsed`.
    #[inline(always)]
    pub(super) fn count_parsed(&mut self, parsed: &Result<Frame, ParseError>, record: Record) {
        self.totals.add(record.at, record.wire_len);
        match parsed {
            Ok(frame) => match &frame.payload {
                Payload::Ipv4(ip) => {
                    let key = self.key(frame, ip, record);
                    self.push4(&key, record);
                }
                Payload::Ipv6(ip) => {
                    let key = self.key(frame, ip, record);
                    self.push6(&key, record);
                }
                Payload::Arp { .. } | Payload::Other { .. } => self.totals.skipped.not_ip += 1,
            },
            Err(ParseError::Truncated { .. }) if record.is_cut => self.totals.skipped.truncated += 1,
            Err(_) => self.totals.skipped.unparsed += 1,
        }
    }

    /// The flow that a frame is counted under, if the frame is one of its first.
    #[inline(always)]
    pub(super) fn newcomer(&mut self, frame: &Frame, record: Record, newcomers: &mut Newcomers) -> Option<Flow> {
        match &frame.payload {
            Payload::Ipv4(ip) => {
                let key = self.key(frame, ip, record);
                let hash = Words4::pack(&key).hash(&newcomers.seed);
                newcomers.admit(hash).then_some(Flow::V4(key))
            }
            Payload::Ipv6(ip) => {
                let key = self.key(frame, ip, record);
                let hash = Words6::pack(&key).hash(&newcomers.seed);
                newcomers.admit(hash).then_some(Flow::V6(key))
            }
            Payload::Arp { .. } | Payload::Other { .. } => None,
        }
    }

    #[inline(always)]
    fn key<A: Copy>(&mut self, frame: &Frame, ip: &Ip<A>, record: Record) -> FlowKey<A> {
        FlowKey::new(frame, ip, self.epoch_at(record.at), record.nic)
    }

    #[inline(always)]
    fn epoch_at(&mut self, at: Timestamp) -> u16 {
        if !self.epoch.contains(at) {
            self.epoch = self.epochs.at(at);
        }
        self.epoch.id
    }

    #[inline(always)]
    fn push4(&mut self, key: &FlowKey<[u8; 4]>, record: Record) {
        self.v4.push(key, record.at, record.wire_len, self.limit4());
    }

    #[inline(always)]
    fn push6(&mut self, key: &FlowKey<[u8; 16]>, record: Record) {
        self.v6.push(key, record.at, record.wire_len, self.limit6());
    }

    /// Entries that the IPv4 table may have.
    #[inline(always)]
    fn limit4(&self) -> usize {
        self.max_flows.saturating_sub(self.v6.len())
    }

    /// Entries that the IPv6 table may have.
    #[inline(always)]
    fn limit6(&self) -> usize {
        self.max_flows.saturating_sub(self.v4.len())
    }

    /// Whether new keys found no room and wait.
    pub(super) fn has_refused(&self) -> bool {
        self.v4.has_refused() || self.v6.has_refused()
    }

    /// Whether so many keys wait that [`Counter::settle`] is due.
    pub(super) fn must_settle(&self) -> bool {
        self.v4.must_settle() || self.v6.must_settle()
    }

    /// Makes room for refused keys by letting the sink take entries over. Keys that find no room even so are offered
    /// themselves, and what the sink does not take either is counted as untracked.
    pub(super) fn settle(&mut self, sink: &mut dyn OrderedSink) {
        // A sweep looks at every entry, so as many frames must have come as there can be entries.
        let packets = self.totals.packets;
        if self.swept_at.is_none_or(|at| packets - at >= self.max_flows as u64) {
            self.swept_at = Some(packets);
            self.totals.retired_observations += self.v4.sweep(sink) + self.v6.sweep(sink);
        }
        let limit = self.limit4();
        let settled = self.v4.settle(limit, sink);
        self.totals.add_settled(&settled);
        let limit = self.limit6();
        let settled = self.v6.settle(limit, sink);
        self.totals.add_settled(&settled);
    }

    /// Takes what is on its way into the tables.
    pub(super) fn finish(&mut self, sink: &mut dyn OrderedSink) {
        self.v4.drain(self.limit4());
        self.v6.drain(self.limit6());
        if self.has_refused() {
            self.settle(sink);
        }
    }

    /// Adds what another counter has counted. The other's memory is freed on the way.
    pub(super) fn merge(&mut self, mut other: Self, sink: &mut dyn OrderedSink) {
        other.finish(sink);
        self.totals.merge(&other.totals);
        let mut entries = other.v4.into_table().into_entries().peekable();
        while entries.peek().is_some() {
            self.v4.merge(&mut entries, self.limit4());
            if self.has_refused() {
                self.settle(sink);
            }
        }
        let mut entries = other.v6.into_table().into_entries().peekable();
        while entries.peek().is_some() {
            self.v6.merge(&mut entries, self.limit6());
            if self.has_refused() {
                self.settle(sink);
            }
        }
    }

    /// Number of frames.
    pub(super) fn packets(&self) -> u64 {
        self.totals.packets
    }

    /// Number of flow entries.
    pub(super) fn flows(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Takes totals and tables out of a counter that is finished so far. It goes on with empty ones, as large as these.
    pub(super) fn take(&mut self) -> (Totals, Tables) {
        self.swept_at = None;
        (std::mem::take(&mut self.totals), Tables { v4: self.v4.take(), v6: self.v6.take() })
    }

    /// Totals and tables of a finished counter.
    pub(super) fn into_parts(self) -> (Totals, Tables) {
        (self.totals, Tables { v4: self.v4.into_table(), v6: self.v6.into_table() })
    }
}
