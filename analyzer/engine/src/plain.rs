//! Verdicts on plain flows, remembered.
//!
//! A capture may hold a million flows that conform. Most are plain: no conntrack entry is theirs and no request of
//! theirs came in from elsewhere, so the verdict follows from the MACs, the time, and the prefixes that hold the two addresses. Flows
//! that agree in these share their verdict, and thousands do.

use std::net::IpAddr;

use hashbrown::HashMap;

use super::epoch::Epochs;
use super::knowledge::Knowledge;
use super::observation::Observation;
use super::prefixes::FoundBy;
use super::verdict::Verdict;
use crate::types::{IpPrefix, MacAddr};

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
}

/// Verdicts on plain flows.
#[derive(Debug, Default)]
pub(super) struct PlainVerdicts {
    verdicts: HashMap<PlainKey, Verdict>,
}

impl PlainKey {
    /// The key of a flow that no conntrack entry touches; `None` where one does, or where too many prefixes match.
    pub(super) fn new(knowledge: &Knowledge, epochs: &Epochs, seen: &Observation) -> Option<Self> {
        let eth_dst = seen.eth_dst()?;
        if knowledge.connections.touch(seen.tuple) {
            return None;
        }
        let (src, dst) = (seen.tuple.src, seen.tuple.dst);
        let prefixes = prefixes(knowledge, src, dst)?;
        let epoch = epochs.at(seen.first).id;
        let is_translated = knowledge.may_be_translated(src, seen.first);
        Some(Self { prefixes, eth_src: seen.eth_src, eth_dst, epoch, is_ipv4: dst.is_ipv4(), is_translated })
    }
}

impl PlainVerdicts {
    pub(super) fn get(&self, key: &PlainKey) -> Option<Verdict> {
        self.verdicts.get(key).copied()
    }

    /// Remembers a verdict that says nothing of the flow itself: conforming, or not covered.
    pub(super) fn remember(&mut self, key: PlainKey, verdict: Verdict) {
        if matches!(verdict, Verdict::Conforming | Verdict::NotCovered(_)) && self.verdicts.len() < MAX_VERDICTS {
            self.verdicts.insert(key, verdict);
        }
    }
}
