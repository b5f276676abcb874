//! The judge: facts and observations in, findings out.
//!
//! Pure: nothing here reads a clock, a file or a socket, starts a thread or keeps a global. The same facts and
//! observations give the same findings, live and in replay. Without the standard library there is none of it to be had.

#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod assess;
pub mod assumes;
mod behaviour;
mod bfd;
mod blind;
pub mod bounded;
mod case;
pub mod classes;
mod connections;
mod context;
mod decided;
mod direction;
pub mod epoch;
mod evidence;
pub mod fact;
pub mod finding;
mod flow;
mod gaps;
mod inbound;
mod journal;
mod judgement;
mod knowledge;
pub mod label;
mod labelled;
mod last_legal;
mod latent;
mod listed;
mod live;
mod lookalike;
mod neighbours;
pub mod observation;
mod own_ports;
pub mod pins;
mod plain;
mod ports;
mod prefixes;
mod reroute;
mod routes;
pub mod settings;
mod single;
pub mod standing;
mod switch_ports;
mod symmetric;
mod table;
mod tally;
mod timeline;
mod translated;
pub mod types;
pub mod verdict;
mod versions;
pub mod view;
pub mod watch;
mod zones;

#[cfg(test)]
mod tests;

use alloc::vec::Vec;

use hashbrown::{HashMap, HashSet};

pub use self::assess::Assessment;

use self::context::{Context, Remembered};
use self::direction::Directions;
use self::epoch::Epochs;
use self::fact::{EvidenceKind, EvidenceKinds, Fact, Gap};
use self::finding::{Finding, Latent, LatentState, Summary};
use self::journal::HopChange;
use self::knowledge::Knowledge;
use self::observation::{HeardNeighbour, Observation};
use self::settings::Settings;
use self::tally::Tally;
use self::verdict::{Info, Verdict};
use crate::types::{MacAddr, Timestamp, Tuple};

/// The engine: what it was told, and what it concludes.
#[derive(Debug, Default)]
pub struct Engine {
    knowledge: Knowledge,
    epochs: Option<Epochs>,
    retired: Tally,
    ignored_neighbours: u64,
    /// Answers that single flows share, until something changes.
    remembered: Remembered,
}

/// What a run amounts to.
#[derive(Debug, Default)]
pub struct Conclusion {
    /// Violations, then what is undetermined, then information; each by time.
    pub findings: Vec<Finding>,
    /// Labelled entries that no packet was seen to follow.
    pub latent: Vec<Latent>,
    /// Counts.
    pub summary: Summary,
}

/// Observations that can be gone through more than once.
pub trait Observations {
    /// Visits all observations. Those of one flow (NIC, VLANs, 5-tuple) come one after another, by first time.
    fn for_each(&self, visit: &mut dyn FnMut(&Observation));

    /// Visits all observations in whatever order is quickest.
    fn for_each_unordered(&self, visit: &mut dyn FnMut(&Observation));
}

impl Observations for [Observation] {
    fn for_each(&self, visit: &mut dyn FnMut(&Observation)) {
        let mut sorted: Vec<&Observation> = self.iter().collect();
        sorted.sort_by_key(|seen| (seen.nic, seen.tags.outer(), seen.tags.inner(), seen.tuple, seen.first));
        sorted.into_iter().for_each(visit);
    }

    fn for_each_unordered(&self, visit: &mut dyn FnMut(&Observation)) {
        self.iter().for_each(visit);
    }
}

/// Most changes of one address's MAC that are kept from frames heard.
const MAX_HEARD_CHANGES: usize = 1024;

impl Engine {
    /// An engine that knows nothing.
    pub fn new(settings: Settings) -> Self {
        Self { knowledge: Knowledge::new(settings), ..Self::default() }
    }

    /// Tells a fact.
    pub fn add(&mut self, fact: Fact) {
        self.knowledge.add(fact);
        self.epochs = None;
        self.remembered.clear();
    }

    /// Tells where the next-hop history starts. Earlier packets cannot be judged. Of several sources the one that
    /// starts last counts.
    pub fn set_history_start(&mut self, start: Timestamp) {
        self.knowledge.history = self.knowledge.history.max(Some(start));
        self.epochs = None;
        self.remembered.clear();
    }

    /// Tells that the packets' times are made up and their order alone is known. Who was heard before a packet left need
    /// not have been alive then.
    pub fn set_order_only(&mut self) {
        self.knowledge.settings.still = core::time::Duration::ZERO;
    }

    /// Tells that all there is of these kinds of evidence was told, or will be: findings do not take it for granted.
    pub fn set_given(&mut self, kinds: EvidenceKinds) {
        self.knowledge.given.insert_all(kinds);
    }

    /// What was told of the time `at` and could not be read.
    pub fn gaps(&self, at: Timestamp) -> impl Iterator<Item = &Gap> {
        self.knowledge.gaps.holding(at)
    }

    /// What was told of the time from `since` to `at` and could not be read, whether it was forgotten since or not.
    pub fn gaps_between(&self, since: Timestamp, at: Timestamp) -> impl Iterator<Item = &Gap> {
        self.knowledge.gaps.ever_within(since, at)
    }

    /// The epochs that follow from the facts told so far and the neighbours heard.
    pub fn epochs(&mut self) -> &Epochs {
        self.epochs.get_or_insert_with(|| self.knowledge.epochs())
    }

    /// Tells a neighbour that was heard on the wire. Returns the moments at which new epochs start, because the
    /// neighbour is a next hop and has another MAC than before.
    pub fn hear(&mut self, heard: HeardNeighbour) -> [Option<Timestamp>; 2] {
        self.knowledge.given.insert(EvidenceKind::Neighbours);
        if !self.knowledge.is_nexthop(heard.ip) || heard.mac.is_group() || heard.mac.is_zero() {
            return [None; 2];
        }
        if self.knowledge.neighbours.heard_changes(heard.ip) >= MAX_HEARD_CHANGES {
            self.ignored_neighbours += 1;
            return [None; 2];
        }
        if !self.knowledge.neighbours.hear(heard) {
            self.remembered.known_as.remove(&heard.mac);
            return [None; 2];
        }
        self.remembered.clear();
        self.knowledge.hops_journal.note(HopChange::Of(heard.ip));
        let moments = [heard.at, heard.at.saturating_add(self.knowledge.settings.grace)];
        if let Some(epochs) = &mut self.epochs {
            moments.into_iter().for_each(|moment| epochs.split(moment));
        }
        moments.map(Some)
    }

    /// Takes an observation over for good, if it conforms or is not covered: it is counted now and can be forgotten.
    /// Its flow is counted anew should it go on.
    pub fn retire(&mut self, observation: &Observation) -> bool {
        self.epochs();
        let Some(epochs) = &self.epochs else { return false };
        let mut context = Context::new(epochs);
        let judgement = table::judge(&self.knowledge, &mut context, observation);
        if !matches!(judgement.verdict, Verdict::Conforming | Verdict::NotCovered(_)) {
            return false;
        }
        self.retired.count(&self.knowledge, &mut context.remembered, observation, judgement);
        self.retired.end_flow();
        self.retired.summary.evicted_flows += 1;
        true
    }

    /// The context in which observations are judged together: what came in, and which way they go.
    fn context<'a, O: Observations + ?Sized>(&'a self, epochs: &'a Epochs, observations: &O) -> Context<'a> {
        let knowledge = &self.knowledge;
        let mut context = Context::new(epochs);
        context.directions = Directions::new(knowledge, observations);
        observations.for_each_unordered(&mut |seen| {
            let received = direction::is_inbound(knowledge, seen) || context.directions.is_received(knowledge, seen);
            if received && !seen.tags.is_later_fragment() && !seen.eth_dst.is_group() {
                context.inbound.add(seen);
            }
        });
        context.inbound.sort();
        context
    }

    /// The verdict on each observation, by time.
    #[cfg(test)]
    fn verdicts(&self, observations: &[Observation]) -> Vec<Verdict> {
        self.judged(observations).into_iter().map(|(_, verdict, _)| verdict).collect()
    }

    /// Of each observation its flow, the verdict and what that takes for granted, by time.
    #[cfg(test)]
    fn judged(&self, observations: &[Observation]) -> Vec<(Tuple, Verdict, assumes::Assumes)> {
        let epochs = self.epochs.clone().unwrap_or_else(|| self.knowledge.epochs());
        let mut context = self.context(&epochs, observations);
        let mut seen: Vec<&Observation> = observations.iter().collect();
        seen.sort_by_key(|seen| seen.first);
        let judged = seen.into_iter().map(|seen| {
            let judgement = table::judge(&self.knowledge, &mut context, seen);
            (seen.tuple, judgement.verdict, judgement.assumes)
        });
        judged.collect()
    }

    /// Judges all observations.
    pub fn conclude<O: Observations + ?Sized>(&mut self, observations: &O) -> Conclusion {
        self.epochs();
        let knowledge = &self.knowledge;
        let Some(epochs) = &self.epochs else { return Conclusion::default() };
        let mut context = self.context(epochs, observations);
        let labelled: HashSet<Tuple> =
            knowledge.connections.all().iter().flat_map(|entry| [entry.orig, entry.reply]).collect();
        // When each labelled flow was last seen, and to which MAC if that was legal.
        let mut last_seen: HashMap<Tuple, (Timestamp, Option<MacAddr>)> = HashMap::new();
        let mut tally = Tally::default();
        let (mut start, mut end) = (None, Timestamp::default());
        observations.for_each(&mut |seen| {
            start = Some(start.map_or(seen.first, |start: Timestamp| start.min(seen.first)));
            end = end.max(seen.last);
            let judgement = table::judge(knowledge, &mut context, seen);
            let tuple = if labelled.is_empty() { seen.tuple } else { knowledge.before_translation(seen.tuple) };
            let of_entry = tuple.tracked_as().find(|own| labelled.contains(own));
            if let Some(tuple) = of_entry.filter(|_| !matches!(judgement.verdict, Verdict::NotCovered(_))) {
                let is_legal = matches!(judgement.verdict, Verdict::Conforming | Verdict::Info(Info::AsymmetricReply));
                let legal = is_legal.then_some(seen.eth_dst);
                let last = last_seen.entry(tuple).or_insert((seen.last, legal));
                // Of packets at one moment an illegal one counts, and the order in which they came does not.
                *last = core::cmp::max_by_key(*last, (seen.last, legal), |&(at, legal)| (at, legal.is_none(), legal));
            }
            tally.count(knowledge, &mut context.remembered, seen, judgement);
        });
        let since = start.unwrap_or_default().saturating_sub(knowledge.settings.grace);
        let last = if start.is_some() { end } else { Timestamp::MAX };
        let tallies = [&tally, &self.retired];
        // Of some packets it matters what ever was.
        let gaps = knowledge.gaps.within(Timestamp::default(), last).filter(|gap| {
            let is_of_run = gap.validity.overlaps(since, last);
            tallies.iter().any(|tally| tally.is_named(gap) || is_of_run && tally.is_in_question(gap))
        });
        let gaps = gaps.cloned().collect();
        let (findings, mut summary) = tally.finish(&self.retired);
        summary.gaps = gaps;
        let at = if end == Timestamp::default() { Timestamp::MAX } else { end };
        let latent = latent::latent(knowledge, epochs, &findings, &last_seen, at);
        let count = |state| latent.iter().filter(|latent| latent.state == state).count() as u64;
        summary.latent_armed = count(LatentState::Armed);
        summary.latent_unused = count(LatentState::Unused);
        summary.history = knowledge.history;
        summary.ignored_neighbours = self.ignored_neighbours;
        summary.unsplit_epochs = epochs.unsplit();
        Conclusion { findings, latent, summary }
    }
}
