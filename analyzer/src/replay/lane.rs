//! Flow entries of one IP version.

use analyzer_ebpf::abi::FlowKey;

use super::hash::Seed;
use super::key::Words;
use super::pipeline::{Pipeline, Refused};
use super::sink::OrderedSink;
use super::table::{Candidate, Entry, FlowTable};
use crate::engine::observation::{Counts, Observation};
use crate::types::Timestamp;

/// Refused keys that may gather before they have to be settled.
const MAX_REFUSED: usize = 4096;

/// A flow table and what is on its way into it.
pub(super) struct Lane<W: Words> {
    table: FlowTable<W>,
    packets: Pipeline<W, Packet>,
    /// New keys that found the table full.
    refused: Vec<Refused<W>>,
}

/// One packet.
#[derive(Clone, Copy, Default)]
struct Packet {
    at: Timestamp,
    wire_len: u32,
}

/// What became of refused keys.
#[derive(Default)]
pub(super) struct Settled {
    /// Observations that the sink took over.
    pub(super) retired: u64,
    /// Packets that nobody took.
    pub(super) untracked: u64,
}

impl From<Packet> for Counts {
    #[inline(always)]
    fn from(Packet { at, wire_len }: Packet) -> Self {
        Self { packets: 1, bytes: u64::from(wire_len), first: at, last: at }
    }
}

impl<W: Words> Lane<W> {
    pub(super) fn new(seed: Seed) -> Self {
        Self { table: FlowTable::new(seed), packets: Pipeline::new(), refused: Vec::new() }
    }

    /// Number of entries in the table.
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Counts one packet. The table takes new keys while it has fewer than `limit` entries.
    #[inline(always)]
    pub(super) fn push(&mut self, key: &FlowKey<W::Addr>, at: Timestamp, wire_len: u32, limit: usize) {
        if self.packets.push(&self.table, W::pack(key), Packet { at, wire_len }) {
            self.packets.advance(&mut self.table, limit, &mut self.refused);
        }
    }

    /// Takes the packets on their way into the table.
    pub(super) fn drain(&mut self, limit: usize) {
        self.packets.drain(&mut self.table, limit, &mut self.refused);
    }

    /// Adds the counts of another table's entries. Stops when refused keys have to be settled before it goes on; the
    /// iterator is empty when all is done.
    pub(super) fn merge(&mut self, entries: &mut impl Iterator<Item = Entry<W>>, limit: usize) {
        let mut pipeline = Pipeline::<W, Counts>::new();
        while !self.must_settle()
            && let Some(entry) = entries.next()
        {
            if pipeline.push(&self.table, entry.words, entry.counts) {
                pipeline.advance(&mut self.table, limit, &mut self.refused);
            }
        }
        pipeline.drain(&mut self.table, limit, &mut self.refused);
    }

    /// Whether keys were refused.
    pub(super) fn has_refused(&self) -> bool {
        !self.refused.is_empty()
    }

    /// Whether so many keys were refused that [`Lane::settle`] is due.
    pub(super) fn must_settle(&self) -> bool {
        self.refused.len() >= MAX_REFUSED
    }

    /// Offers every entry to the sink. Returns how many it took over.
    pub(super) fn sweep(&mut self, sink: &mut dyn OrderedSink) -> u64 {
        let before = self.table.len();
        self.table.retain(|entry| !sink.retire(&Observation::new(&entry.words.unpack(), entry.counts)));
        (before - self.table.len()) as u64
    }

    /// Finds a place for refused keys: in the table, else with the sink.
    pub(super) fn settle(&mut self, limit: usize, sink: &mut dyn OrderedSink) -> Settled {
        let mut settled = Settled::default();
        for Refused { words, hash, counts } in self.refused.drain(..) {
            if self.table.add(&words, hash, Candidate::NONE, &counts, limit).is_ok() {
                continue;
            }
            if sink.retire(&Observation::new(&words.unpack(), counts)) {
                settled.retired += 1;
            } else {
                settled.untracked += counts.packets;
            }
        }
        settled
    }

    /// Takes the table, once all packets are in it, and goes on with an empty one that has as many slots.
    pub(super) fn take(&mut self) -> FlowTable<W> {
        let empty = self.table.emptied();
        std::mem::replace(&mut self.table, empty)
    }

    /// The table, once all packets are in it.
    pub(super) fn into_table(self) -> FlowTable<W> {
        self.table
    }
}
