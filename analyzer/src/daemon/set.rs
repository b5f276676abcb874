//! What the kernel program is told: classes, outcomes, and the switch from one generation to the next.
//!
//! The engine is asked once for each combination of classes and MACs, with a flow that was seen as its example. Before a
//! switch all examples are asked again under the new facts, so that traffic which conforms before and after is never
//! suspect in between.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;

use analyzer_ebpf::maps::{Counter, Outcome};
use hashbrown::{HashMap, HashSet};

use super::packets::{Packets, Refused};
use crate::engine::Engine;
use crate::engine::classes::{Classifier, Combination};
use crate::engine::observation::Observation;
use crate::engine::verdict::{NotCovered, Verdict};
use crate::types::{MacAddr, Timestamp};

/// Next hops that the kernel counts apart. Packets to more of them are counted flow by flow.
const MAX_NEXTHOPS: usize = 1024;
/// Combinations that are kept. Flows of more of them are judged one by one.
const MAX_COMBINATIONS: usize = 16_384;
/// Generations that are remembered: of a packet that was counted longer ago nobody asks.
const MAX_GENERATIONS: usize = 1024;

/// What the kernel program is told.
#[derive(Debug, Default)]
pub(crate) struct Set {
    classifier: Classifier,
    /// A flow that stands for all of its combination, and what was said of it.
    examples: HashMap<Combination, (Observation, Verdict)>,
    /// MACs by their index in the kernel's counts, with the next hops whose they were at first.
    nexthops: Vec<(MacAddr, Vec<IpAddr>)>,
    index: HashMap<MacAddr, u32>,
    /// Generations and when they began, the present one last; empty while no set is loaded.
    generations: VecDeque<(u32, Timestamp)>,
    is_loaded: bool,
    switches: u64,
    /// MACs that are legal in some route.
    legal: HashSet<MacAddr>,
}

/// The time that a generation was in force: from the moment as of which the engine was asked for it to that of the next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Span {
    from: Timestamp,
    until: Timestamp,
}

impl Span {
    /// Places what was counted under the generation: its first packet, by which the engine chooses the set, into the time
    /// of the generation. While a switch is written packets still go by the old set, some tens of milliseconds.
    ///
    /// The last packet keeps its time. Who was heard is asked as of that one, and requests keep theirs too: one that came
    /// before the packet stays before it, and one that came behind it stays behind.
    pub(crate) fn place(self, seen: Observation) -> Observation {
        let latest = Timestamp::from_nanos(self.until.as_nanos().saturating_sub(1)).max(self.from);
        let first = seen.first.clamp(self.from, latest);
        Observation { first, last: seen.last.max(first), ..seen }
    }
}

impl Set {
    /// Switches to what the engine knows at `at`.
    ///
    /// # Errors
    /// As [`Packets::install`]; what was in force stays so.
    pub(crate) fn switch(
        &mut self,
        engine: &mut Engine,
        packets: &mut dyn Packets,
        at: Timestamp,
    ) -> Result<(), Refused> {
        engine.classify(&mut self.classifier, at);
        let examples = std::mem::take(&mut self.examples);
        let mut outcomes = Vec::with_capacity(examples.len());
        for (example, _) in examples.into_values() {
            let example = Observation { first: at, last: at, ..example };
            if let Some((combination, verdict, outcome)) = self.outcome(engine, &example) {
                outcomes.push((combination, outcome));
                self.examples.insert(combination, (example, verdict));
            }
        }
        let legal = legal_macs(engine, at);
        let generation = packets.install(self.classifier.classes(), outcomes, &legal)?;
        self.legal = legal;
        if self.generations.len() == MAX_GENERATIONS {
            self.generations.pop_front();
        }
        self.generations.push_back((generation, at));
        self.is_loaded = true;
        self.switches += 1;
        Ok(())
    }

    /// Tells the kernel that next hops are not known.
    ///
    /// # Errors
    /// When the map cannot be written.
    pub(crate) fn unload(&mut self, packets: &mut dyn Packets) -> Result<(), Refused> {
        if self.is_loaded {
            packets.unload()?;
            self.is_loaded = false;
        }
        Ok(())
    }

    /// The verdict that the flow shares with all of its combination, where there is one; the kernel is told it if the
    /// packets were counted in the present generation.
    ///
    /// # Errors
    /// When the map cannot be written. The verdict stands all the same.
    pub(crate) fn plain(
        &mut self,
        engine: &mut Engine,
        packets: &mut dyn Packets,
        seen: &Observation,
        is_present: bool,
    ) -> (Option<Verdict>, Result<(), Refused>) {
        let is_present = is_present && self.is_loaded;
        if is_present && let Some(verdict) = self.said_before(seen) {
            return (Some(verdict), Ok(()));
        }
        let Some(verdict) = engine.plain_verdict(seen) else { return (None, Ok(())) };
        if !is_present || self.examples.len() >= MAX_COMBINATIONS {
            return (Some(verdict), Ok(()));
        }
        let Some((combination, verdict, outcome)) = self.outcome(engine, seen) else { return (Some(verdict), Ok(())) };
        if self.examples.contains_key(&combination) {
            return (Some(verdict), Ok(()));
        }
        self.examples.insert(combination, (*seen, verdict));
        (Some(verdict), packets.add_outcome(&combination, outcome))
    }

    /// The generation that the kernel counts in, and since when.
    pub(crate) fn present(&self) -> Option<(u32, Timestamp)> {
        self.generations.back().copied().filter(|_| self.is_loaded)
    }

    /// The time that a generation lasted, by the bits of it that flow keys hold. `None` for one long gone.
    pub(crate) fn span(&self, epoch: u16) -> Option<Span> {
        let index = self.generations.iter().rposition(|&(generation, _)| generation as u16 == epoch)?;
        let until = self.generations.get(index + 1).map_or(Timestamp::MAX, |&(_, from)| from);
        Some(Span { from: self.generations[index].1, until })
    }

    /// How often the kernel program was switched.
    pub(crate) fn switches(&self) -> u64 {
        self.switches
    }

    /// MACs by their index in the kernel's counts, with the next hops whose they were at first.
    pub(crate) fn nexthops(&self) -> &[(MacAddr, Vec<IpAddr>)] {
        &self.nexthops
    }

    /// Whether a route knows the address as a source, or sources may be translated to it.
    pub(crate) fn knows_source(&self, addr: IpAddr) -> bool {
        self.classifier.classes().knows_source(addr)
    }

    /// Whether a MAC is legal in some route.
    pub(crate) fn is_legal(&self, mac: MacAddr) -> bool {
        self.legal.contains(&mac)
    }

    /// What was said of another flow of the combination.
    fn said_before(&self, seen: &Observation) -> Option<Verdict> {
        let classes = self.classifier.classes();
        if !classes.tell_all_of(seen) {
            return None;
        }
        let combination = classes.combination(&seen.tuple, seen.eth_src, seen.eth_dst);
        self.examples.get(&combination).map(|&(_, verdict)| verdict)
    }

    /// The combination of a flow of which nothing else matters, what is said of it, and what the kernel is to do with it.
    fn outcome(&mut self, engine: &mut Engine, example: &Observation) -> Option<(Combination, Verdict, Outcome)> {
        let verdict = engine.plain_verdict(example)?;
        let outcome = match verdict {
            Verdict::Conforming => Outcome::conforming(self.index_of(engine, example)?),
            Verdict::NotCovered(reason) => uncovered(reason)?,
            _ => return None,
        };
        let classes = self.classifier.classes();
        let combination = classes.combination(&example.tuple, example.eth_src, example.eth_dst);
        combination.may_have_outcome().then_some((combination, verdict, outcome))
    }

    fn index_of(&mut self, engine: &mut Engine, example: &Observation) -> Option<u32> {
        let mac = example.eth_dst;
        if let Some(&index) = self.index.get(&mac) {
            return Some(index);
        }
        let index = u32::try_from(self.nexthops.len()).ok().filter(|_| self.nexthops.len() < MAX_NEXTHOPS)?;
        self.nexthops.push((mac, engine.assess(example, &[]).legal_for));
        self.index.insert(mac, index);
        Some(index)
    }
}

/// What the kernel program is told of packets that no route of ours decides; `None` where it tells them by itself.
fn uncovered(reason: NotCovered) -> Option<Outcome> {
    match reason {
        NotCovered::NoRoute => Some(Outcome::NO_ROUTE),
        NotCovered::OtherSender => Some(Outcome::OTHER_SENDER),
        NotCovered::OnLink => Some(Outcome::ON_LINK),
        NotCovered::Inbound => Some(Outcome::INBOUND),
        NotCovered::Group | NotCovered::Control | NotCovered::Tunnel => None,
    }
}

/// What the kernel program counts packets under that no route of ours decides.
pub(crate) fn counters_of(reason: NotCovered) -> &'static [Counter] {
    match reason {
        NotCovered::NoRoute => &[Counter::NoRoute],
        NotCovered::OtherSender => &[Counter::OtherSender],
        NotCovered::OnLink => &[Counter::OnLink, Counter::LinkLocal],
        NotCovered::Inbound => &[Counter::Inbound],
        NotCovered::Group => &[Counter::Group],
        NotCovered::Control => &[Counter::Control, Counter::NotIp],
        NotCovered::Tunnel => &[Counter::Tunnel],
    }
}

/// MACs whose packets need not be noted as they come in, as many as the kernel has room for: those of others are noted.
fn legal_macs(engine: &Engine, at: Timestamp) -> HashSet<MacAddr> {
    let all = engine.legal_macs(at);
    if all.len() <= MAX_NEXTHOPS {
        return all;
    }
    let all: BTreeSet<MacAddr> = all.into_iter().collect();
    all.into_iter().take(MAX_NEXTHOPS).collect()
}

#[cfg(test)]
mod tests;
