//! What has to be done in the order of the capture.

use std::sync::Arc;

use analyzer_ebpf::abi::{Direction, LinkTags};
use analyzer_ebpf::neighbour;
use analyzer_ebpf::parse::{Fragment, Frame, ParseError, Payload};

use super::counted::Counted;
use super::counter::{Counter, Record};
use super::fragment::Fragments;
use super::sink::OrderedSink;
use crate::capture::{self, TextPayload, TextRecord};
use crate::engine::epoch::Epochs;
use crate::engine::observation::HeardNeighbour;
use crate::types::MacAddr;

/// State that frames change in the order in which they stand in the capture.
pub(super) struct Ordered<'a> {
    sink: &'a mut dyn OrderedSink,
    epochs: Arc<Epochs>,
    fragments: Fragments,
    unattributed_fragments: u64,
}

/// What a frame does to the counting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Effect {
    /// Nothing: the frame can be counted at any time.
    None,
    /// Frames from this one on are counted in [`Ordered::epochs`] as they are now, those before it as they were.
    EpochsChanged,
    /// The frame is a fragment, and has been given the ports of its first fragment if these are known.
    Fragment,
}

impl<'a> Ordered<'a> {
    pub(super) fn new(sink: &'a mut dyn OrderedSink, epochs: Epochs) -> Self {
        Self { sink, epochs: Arc::new(epochs), fragments: Fragments::default(), unattributed_fragments: 0 }
    }

    /// The epochs as they are for the frames that follow.
    pub(super) fn epochs(&self) -> &Arc<Epochs> {
        &self.epochs
    }

    pub(super) fn sink(&mut self) -> &mut dyn OrderedSink {
        self.sink
    }

    /// Takes notice of a frame of which its parser made `parsed`.
    pub(super) fn observe(&mut self, data: &[u8], parsed: &mut Result<Frame, ParseError>, record: Record) -> Effect {
        let Ok(frame) = parsed else { return Effect::None };
        if is_fragment(frame) {
            let is_attributed = self.fragments.attribute(frame, record.nic, record.at);
            self.unattributed_fragments += u64::from(!is_attributed);
            return Effect::Fragment;
        }
        match neighbour::heard(data, frame) {
            Some(heard) => {
                self.hear(frame.tags, HeardNeighbour { ip: heard.ip, mac: MacAddr(heard.mac), at: record.at })
            }
            None => Effect::None,
        }
    }

    /// Takes notice of a frame told as text.
    pub(super) fn observe_text(&mut self, text: &TextRecord) -> Effect {
        self.unattributed_fragments += u64::from(text.tags.is_later_fragment());
        match text.payload {
            TextPayload::Arp { ip, mac } => self.hear(text.tags, HeardNeighbour { ip, mac, at: text.at }),
            TextPayload::Ip(_) | TextPayload::Other => Effect::None,
        }
    }

    fn hear(&mut self, tags: LinkTags, heard: HeardNeighbour) -> Effect {
        // What the host itself sends tells of no neighbour.
        if tags.direction() == Direction::Outbound {
            return Effect::None;
        }
        let mut effect = Effect::None;
        for moment in self.sink.heard(heard).into_iter().flatten() {
            if self.epochs.at(moment).start != moment {
                Arc::make_mut(&mut self.epochs).split(moment);
                effect = Effect::EpochsChanged;
            }
        }
        effect
    }

    /// What was counted, once all frames are in `counter`.
    pub(super) fn finish(self, mut counter: Counter) -> Counted {
        counter.finish(self.sink);
        let (mut totals, tables) = counter.into_parts();
        totals.unattributed_fragments += self.unattributed_fragments;
        Counted {
            totals,
            interfaces: Vec::new(),
            epochs: Arc::unwrap_or_clone(self.epochs),
            skipped_by_reader: capture::Skipped::default(),
            files: Vec::new(),
            warnings: Vec::new(),
            lacks_times: false,
            tables,
        }
    }
}

/// Whether a frame carries a fragment.
pub(super) fn is_fragment(frame: &Frame) -> bool {
    match &frame.payload {
        Payload::Ipv4(ip) => ip.fragment != Fragment::Whole,
        Payload::Ipv6(ip) => ip.fragment != Fragment::Whole,
        Payload::Arp { .. } | Payload::Other { .. } => false,
    }
}
