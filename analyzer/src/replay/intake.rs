//! Frames that are counted as they come in, and given away batch by batch.
//!
//! A capture has an end, behind which everything is told. A running NIC has none: its frames are counted by the same
//! counter as those of a capture, and what it has counted is taken out from time to time.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use analyzer_ebpf::abi::{FlowKey4, FlowKey6};
use analyzer_ebpf::neighbour;
use analyzer_ebpf::parse::Frame;

use super::counted::{Tables, Totals};
use super::counter::{Counter, Record};
use super::fragment::Fragments;
use super::hash::Seed;
use super::key::Words;
use super::link::parse_frame;
use super::newcomers::Newcomers;
use super::ordered::is_fragment;
use super::short::{Usual, parse_usual};
use super::sink::OrderedSink;
use super::table::Entry;
use crate::capture::FrameRef;
use crate::engine::epoch::Epochs;
use crate::engine::observation::{Counts, HeardNeighbour, Observation};
use crate::types::{MacAddr, Timestamp};

/// Neighbours that a batch holds at most.
const MAX_HEARD: usize = 1024;

/// Counts the frames of one queue of a NIC.
pub struct Intake {
    counter: Counter,
    fragments: Fragments,
    unattributed_fragments: u64,
    heard: HashMap<(IpAddr, MacAddr), Timestamp>,
    heard_omitted: u64,
}

/// What was counted since the last batch.
pub struct Batch {
    /// Totals over all frames.
    pub totals: Totals,
    /// Neighbours that were heard, each with each of its MACs, as of the last time.
    pub heard: Vec<HeardNeighbour>,
    /// Neighbours that found no room in it.
    pub heard_omitted: u64,
    tables: Tables,
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("totals", &self.totals).field("heard", &self.heard).finish_non_exhaustive()
    }
}

/// A flow of a batch, by its key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Flow {
    /// IPv4.
    V4(FlowKey4),
    /// IPv6.
    V6(FlowKey6),
}

/// What a full table offers is not taken over: it is counted as lost.
struct Nobody;

impl OrderedSink for Nobody {
    fn heard(&mut self, _: HeardNeighbour) -> [Option<Timestamp>; 2] {
        [None; 2]
    }

    fn retire(&mut self, _: &Observation) -> bool {
        false
    }
}

/// Counts a usual frame that is no control packet. Tells whether it was one that is counted.
struct Counting<'a> {
    counter: &'a mut Counter,
    record: Record,
}

impl Usual for Counting<'_> {
    type Output = bool;

    #[inline(always)]
    fn take(self, parsed: Frame) -> bool {
        let is_routed = parsed.control().is_none();
        if is_routed {
            self.counter.count_parsed(&Ok(parsed), self.record);
        }
        is_routed
    }
}

/// The same, and tells the flow of one of its first frames.
struct Noting<'a> {
    counter: &'a mut Counter,
    newcomers: &'a mut Newcomers,
    record: Record,
}

impl Usual for Noting<'_> {
    type Output = Option<Option<Flow>>;

    #[inline(always)]
    fn take(self, parsed: Frame) -> Self::Output {
        if parsed.control().is_some() {
            return None;
        }
        let flow = self.counter.newcomer(&parsed, self.record, self.newcomers);
        self.counter.count_parsed(&Ok(parsed), self.record);
        Some(flow)
    }
}

impl Intake {
    /// Counts at most `max_flows` flows a batch, and all frames in the epoch with this id until [`Intake::enter`].
    pub fn new(max_flows: usize, epoch: u16) -> Self {
        Self {
            counter: Counter::new(&Seed::random(), max_flows, Arc::new(Epochs::single(epoch))),
            fragments: Fragments::default(),
            unattributed_fragments: 0,
            heard: HashMap::new(),
            heard_omitted: 0,
        }
    }

    /// Counts the frames from here on in the epoch with this id.
    pub fn enter(&mut self, epoch: u16) {
        self.counter.enter(&Arc::new(Epochs::single(epoch)));
    }

    /// Counts a frame.
    #[inline(always)]
    pub fn count(&mut self, frame: &FrameRef<'_>) {
        let record = Record::of(frame);
        if parse_usual(frame, Counting { counter: &mut self.counter, record }) != Some(true) {
            self.count_unusual(frame, record, None);
        }
        self.settle();
    }

    /// Counts a frame. Returns its flow where it is one of the first of that.
    #[inline(always)]
    pub fn count_noting(&mut self, frame: &FrameRef<'_>, newcomers: &mut Newcomers) -> Option<Flow> {
        let record = Record::of(frame);
        let usual = parse_usual(frame, Noting { counter: &mut self.counter, newcomers: &mut *newcomers, record });
        let flow = match usual.flatten() {
            Some(flow) => flow,
            None => self.count_unusual(frame, record, Some(newcomers)),
        };
        self.settle();
        flow
    }

    #[inline(always)]
    fn settle(&mut self) {
        if self.counter.must_settle() {
            self.counter.settle(&mut Nobody);
        }
    }

    #[cold]
    fn count_unusual(
        &mut self,
        frame: &FrameRef<'_>,
        record: Record,
        newcomers: Option<&mut Newcomers>,
    ) -> Option<Flow> {
        let mut parsed = parse_frame(frame);
        if let Ok(parsed) = &mut parsed {
            if is_fragment(parsed) {
                let is_attributed = self.fragments.attribute(parsed, record.nic, record.at);
                self.unattributed_fragments += u64::from(!is_attributed);
            } else if let Some(heard) = neighbour::heard(frame.data, parsed) {
                self.hear((heard.ip, MacAddr(heard.mac)), record.at);
            }
        }
        let flow = match (&parsed, newcomers) {
            (Ok(parsed), Some(newcomers)) => self.counter.newcomer(parsed, record, newcomers),
            _ => None,
        };
        self.counter.count_parsed(&parsed, record);
        flow
    }

    fn hear(&mut self, heard: (IpAddr, MacAddr), at: Timestamp) {
        if self.heard.len() < MAX_HEARD || self.heard.contains_key(&heard) {
            self.heard.insert(heard, at);
        } else {
            self.heard_omitted += 1;
        }
    }

    /// Whether there were frames since the last batch.
    pub fn has_counted(&self) -> bool {
        self.counter.packets() > 0
    }

    /// Flows that were counted since the last batch.
    pub fn flows(&self) -> usize {
        self.counter.flows()
    }

    /// Takes out what was counted since the last batch.
    pub fn take(&mut self) -> Batch {
        self.counter.finish(&mut Nobody);
        let (mut totals, tables) = self.counter.take();
        totals.unattributed_fragments += std::mem::take(&mut self.unattributed_fragments);
        let mut heard: Vec<HeardNeighbour> =
            self.heard.drain().map(|((ip, mac), at)| HeardNeighbour { ip, mac, at }).collect();
        heard.sort_unstable_by_key(|heard| (heard.at, heard.ip, heard.mac));
        Batch { totals, heard, heard_omitted: std::mem::take(&mut self.heard_omitted), tables }
    }
}

impl Batch {
    /// Its flows with what was counted of them, in the order in which they came.
    pub fn flows(&self) -> impl Iterator<Item = (Flow, Counts)> {
        let v4 = self.tables.v4.entries().map(|&Entry { words, counts, .. }| (Flow::V4(words.unpack()), counts));
        let v6 = self.tables.v6.entries().map(|&Entry { words, counts, .. }| (Flow::V6(words.unpack()), counts));
        v4.chain(v6)
    }
}
