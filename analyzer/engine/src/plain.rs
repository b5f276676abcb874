//! Verdicts on plain flows, remembered.
//!
//! A capture may hold a million flows that conform. Most are plain: no conntrack entry is theirs and no request of
//! theirs came in from elsewhere, so the verdict follows from the MACs, the time, and the prefixes that hold the two addresses. Flows
//! that agree in these share their verdict, and thousands do.

use core::net::IpAddr;

use analyzer_ebpf::abi::Direction;
use hashbrown::HashMap;

use super::assumes::Assumes;
use super::epoch::Epochs;
use super::inbound::Inbound;
use super::knowledge::Knowledge;
use super::observation::Observation;
use super::prefixes::FoundBy;
use super::verdict::Verdict;
use crate::types::{IpPrefix, MacAddr, Timestamp};

/// Prefixes of one flow that are kept apart. A flow within more is not plain.
const MAX_PREFIXES: usize = 6;
/// Verdicts remembered at most.
const MAX_VERDICTS: usize = 1 << 16;

/// Prefixes of routes and connected networks that hold an address of a flow, by what they were looked up for.
pub(super) type Prefixes = [Option<(FoundBy, IpPrefix)>; MAX_PREFIXES];

/// The prefixes that hold an address of a flow; `None` where they are too many.
pub(super) fn prefixes(knowledge: &Knowledge, src: IpAddr, dst: IpAddr) -> Option<Prefixes> {
    let mut prefixes = [None; MAX_PREFIXES];
    let mut free = prefixes.iter_mut();
    let routes = knowledge.routes.prefixes_around(src, dst);
    for found in routes.chain(knowledge.ports.networks_around(dst).map(|prefix| (FoundBy::Connected, prefix))) {
        *free.next()? = Some(found);
    }
    Some(prefixes)
}

/// What the verdict on a plain flow follows from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct PlainKey {
    prefixes: Prefixes,
    eth_src: MacAddr,
    eth_dst: MacAddr,
    epoch: u16,
    is_ipv4: bool,
    /// Whether the source is known as a translated one: of those a MAC is legal that is legal for any pod's route.
    is_translated: bool,
    in_gaps: Option<InGaps>,
}

/// What gaps ask of a flow beyond that.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct InGaps {
    nw_proto: u8,
    /// Whether the receiver was heard: then it matters what ever was.
    is_heard: bool,
    /// Whether the packets may have come in.
    may_be_received: bool,
}

impl InGaps {
    fn new(knowledge: &Knowledge, inbound: &Inbound, seen: &Observation) -> Self {
        let Observation { tuple, eth_dst, .. } = *seen;
        Self {
            nw_proto: tuple.nw_proto,
            is_heard: inbound.heard(tuple, eth_dst, Timestamp::default(), Timestamp::MAX).is_some(),
            may_be_received: seen.direction() == Direction::Unknown && knowledge.routes.is_routed_source(tuple.dst),
        }
    }
}

/// Verdicts on plain flows.
#[derive(Debug, Default)]
pub(super) struct PlainVerdicts {
    verdicts: HashMap<PlainKey, (Verdict, Assumes)>,
}

impl PlainKey {
    /// The key of a flow that no conntrack entry touches; `None` where one does, or where too many prefixes match.
    pub(super) fn new(knowledge: &Knowledge, epochs: &Epochs, inbound: &Inbound, seen: &Observation) -> Option<Self> {
        let eth_dst = seen.eth_dst()?;
        if knowledge.connections.touch(seen.tuple) {
            return None;
        }
        let (src, dst) = (seen.tuple.src, seen.tuple.dst);
        let prefixes = prefixes(knowledge, src, dst)?;
        let epoch = epochs.at(seen.first).id;
        let is_translated = knowledge.may_be_translated(src, seen.first);
        let in_gaps = (!knowledge.gaps.is_empty()).then(|| InGaps::new(knowledge, inbound, seen));
        Some(Self { prefixes, eth_src: seen.eth_src, eth_dst, epoch, is_ipv4: dst.is_ipv4(), is_translated, in_gaps })
    }
}

impl PlainVerdicts {
    /// The verdict, and what it takes for granted.
    pub(super) fn get(&self, key: &PlainKey) -> Option<(Verdict, Assumes)> {
        self.verdicts.get(key).cloned()
    }

    /// Remembers a verdict that says nothing of the flow itself: conforming, or not covered.
    pub(super) fn remember(&mut self, key: PlainKey, verdict: Verdict, assumes: &Assumes) {
        if matches!(verdict, Verdict::Conforming | Verdict::NotCovered(_)) && self.verdicts.len() < MAX_VERDICTS {
            self.verdicts.insert(key, (verdict, assumes.clone()));
        }
    }
}
