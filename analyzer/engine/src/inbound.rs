//! Packets that the node received: which MAC each flow's requests come from.

use alloc::vec::Vec;

use analyzer_ebpf::abi::Direction;

use super::finding::Heard;
use super::observation::Observation;
use crate::types::{MacAddr, Timestamp, Tuple};

/// The senders of inbound flows. Filled first, then sorted, then asked.
#[derive(Debug, Default)]
pub(super) struct Inbound {
    runs: Vec<Run>,
    /// Whether the capture tells of any packets that they came in.
    is_marked: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Run {
    tuple: Tuple,
    eth_src: MacAddr,
    first: Timestamp,
    last: Timestamp,
    packets: u64,
}

impl Inbound {
    pub(super) fn add(&mut self, seen: &Observation) {
        let Observation { tuple, eth_src, first, last, packets, .. } = *seen;
        self.is_marked |= seen.direction() == Direction::Inbound;
        self.runs.push(Run { tuple, eth_src, first, last, packets });
    }

    pub(super) fn sort(&mut self) {
        self.runs.sort_unstable();
    }

    /// Runs of the other direction of `tuple`.
    fn of_requests(&self, tuple: Tuple) -> impl Iterator<Item = &Run> {
        let mirror = tuple.reversed();
        let start = self.runs.partition_point(|run| run.tuple < mirror);
        self.runs[start..].iter().take_while(move |run| run.tuple == mirror)
    }

    /// Whether packets of the other direction of `tuple` were seen, or would have been, as far as the capture tells.
    pub(super) fn is_complete(&self, tuple: Tuple) -> bool {
        self.is_marked || self.of_requests(tuple).next().is_some()
    }

    /// Whether requests of the flow `tuple` came in from another MAC than `mac`.
    pub(super) fn has_requests_from_others(&self, tuple: Tuple, mac: MacAddr) -> bool {
        !self.runs.is_empty() && self.of_requests(tuple).any(|run| run.eth_src != mac)
    }

    /// Packets of the other direction of `tuple` that came from `mac` after `since`, up to `until`.
    pub(super) fn heard(&self, tuple: Tuple, mac: MacAddr, since: Timestamp, until: Timestamp) -> Option<Heard> {
        let runs =
            || self.of_requests(tuple).filter(|run| run.eth_src == mac && run.last >= since && run.first <= until);
        let last = runs().map(|run| run.last).max()?;
        Some(Heard { last, packets: runs().map(|run| run.packets).sum() })
    }

    /// The MAC that the flow's latest request up to `until` came from.
    pub(super) fn requester(&self, tuple: Tuple, until: Timestamp) -> Option<MacAddr> {
        let earlier = self.of_requests(tuple).filter(|run| run.first <= until);
        earlier.max_by_key(|run| run.last).map(|run| run.eth_src)
    }
}
