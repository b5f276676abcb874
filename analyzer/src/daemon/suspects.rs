//! Suspect packets: what the kernel counted, what the engine says of it, and who is told.

use std::collections::VecDeque;
use std::time::Duration;

use hashbrown::{DefaultHashBuilder, HashMap, HashSet};

use super::around::Around;
use super::effect::Effect;
use super::evidence::Evidence;
use super::kernel::Kernel;
use super::ledger::{Known, Ledger};
use super::mirrored::Added;
use super::voice::Voice;
use crate::bpf::counted::{Counted, Key};
use crate::engine::Assessment;
use crate::engine::finding::Finding;
use crate::engine::observation::Observation;
use crate::engine::verdict::{Info, Verdict};
use crate::types::{MacAddr, Timestamp, Tuple};

/// How long a verdict stands while packets go on: an entry may be relabelled, a gateway may be heard.
const REJUDGE: Duration = Duration::from_secs(5);
/// The same where something is not known, which is mostly soon.
const REJUDGE_OPEN: Duration = Duration::from_secs(1);
/// Flows that are judged again with a new reading of conntrack entries at most. The rest has its turn in the next ones.
const MAX_UNCITED: usize = 500;
/// Flows judged before others have their turn.
pub(super) const TURN: usize = 64;

/// When a suspect is to be judged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Due {
    /// Nobody has judged it.
    First,
    /// It goes on, and what was said of it may have changed.
    Again,
    /// It goes on, and what was said of it holds.
    Later,
}

/// Keys that wait to be judged, in order.
type Line = VecDeque<Key>;

/// The suspects, as far as the kernel told of them.
#[derive(Debug)]
pub(super) struct Suspects {
    ledger: Ledger<Key>,
    /// Tuples under which conntrack entries of a flow were told to the engine, by the flow's tuple on the wire.
    told_connections: HashMap<Tuple, Vec<Tuple>>,
    /// Those that wait to be judged.
    waiting: Line,
    /// Those that wait to be judged again with what the last reading of conntrack entries tells.
    uncited: Line,
}

impl Suspects {
    /// Nobody is suspect yet. So many findings are kept; `hasher` is that of [`Ledger::new`].
    pub(super) fn new(max_findings: usize, hasher: DefaultHashBuilder) -> Self {
        Self {
            ledger: Ledger::new(max_findings, hasher),
            told_connections: HashMap::new(),
            waiting: Line::new(),
            uncited: Line::new(),
        }
    }

    /// What was counted and said of them.
    pub(super) fn books(&self) -> &Ledger<Key> {
        &self.ledger
    }

    /// The books, at the end of the run.
    pub(super) fn into_books(self) -> Ledger<Key> {
        self.ledger
    }

    /// Whether any wait to be judged when nothing else is to be done.
    pub(super) fn has_waiting(&self) -> bool {
        !(self.waiting.is_empty() && self.uncited.is_empty())
    }

    /// Whether any wait that are not to be judged for the sake of a reading alone.
    pub(super) fn is_line_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Has these wait to be judged, in this order, and no others.
    pub(super) fn line_up(&mut self, keys: impl Iterator<Item = Key>) {
        self.waiting = keys.collect();
    }

    /// Judges some of those that wait for it.
    pub(super) fn judge_some(&mut self, around: &mut Around<'_>) {
        if self.waiting.is_empty() { self.judge_uncited(around) } else { self.judge_waiting(around) }
    }

    /// Judges some of the flows that wait for it, as they are by now.
    pub(super) fn judge_waiting(&mut self, around: &mut Around<'_>) {
        for key in self.waiting.drain(..self.waiting.len().min(TURN)).collect::<Vec<Key>>() {
            self.noticed(key, around);
        }
    }

    /// Judges a flow of which the kernel has counted packets, if it is time to.
    pub(super) fn noticed(&mut self, key: Key, around: &mut Around<'_>) {
        if let Some(suspect) = around.kernel.new_suspect(key, around.voice) {
            self.look(&suspect, around);
        }
    }

    /// Takes over what a socket counted of a flow. One that is new waits to be judged.
    pub(super) fn take_flow(&mut self, flow: &Counted, around: &mut Around<'_>) {
        match around.kernel.add_mirrored(flow) {
            Added::Known => {}
            Added::New => self.waiting.push_back(flow.key),
            Added::Crowded { is_request } => self.find_room(flow, is_request, around),
        }
    }

    /// Books packets of a harmless flow at once, and keeps no other thing of it; of others it is kept as long as there is
    /// any room.
    fn find_room(&mut self, flow: &Counted, is_request: bool, around: &mut Around<'_>) {
        let seen = around.kernel.observation(flow);
        let plain = around.kernel.plain(around.engine, &flow.key, &seen, around.voice);
        let Some(mirrored) = around.kernel.mirrored_mut() else { return };
        match plain {
            Some(verdict) => {
                mirrored.pass(flow);
                let booked = self.ledger.pass(verdict, &seen);
                around.alerting.booked(&seen, booked);
            }
            None => {
                if mirrored.squeeze(flow, is_request) {
                    self.waiting.push_back(flow.key);
                }
            }
        }
    }

    /// Takes suspects off the kernel's books and ours of which no packet has come since they were read. Returns them.
    pub(super) fn close(&mut self, suspects: &[Counted], around: &mut Around<'_>) -> HashSet<Key> {
        let removed = around.kernel.remove(suspects, around.voice);
        for counted in &removed {
            if let Some(record) = &mut around.record {
                record.counted(counted.key, counted.counts.packets);
                record.close(&counted.key);
            }
            let seen = around.kernel.observation(counted);
            if let Some(booked) = self.ledger.close(&counted.key, &seen) {
                around.alerting.booked(&seen, booked);
            }
            for tuple in self.told_connections.remove(&seen.tuple).unwrap_or_default() {
                around.engine.set_connections(tuple, Vec::new());
            }
        }
        removed.into_iter().map(|counted| counted.key).collect()
    }

    /// Closes the books on all packets that the kernel has counted as suspect. Returns those that nobody judged.
    pub(super) fn settle(&mut self, suspect_packets: u64) -> u64 {
        self.ledger.settle(suspect_packets);
        self.ledger.unjudged()
    }

    /// When a suspect is to be judged; `None` where no packet has come since it was booked.
    pub(super) fn due_of(&self, suspect: &Counted, kernel: &Kernel, now: Timestamp) -> Option<Due> {
        let (verdict, judged) = match self.ledger.known(&suspect.key, suspect.counts.packets) {
            Known::Unchanged => return None,
            Known::New => return Some(Due::First),
            Known::More(verdict, judged) => (verdict, judged),
        };
        let since = now.since(judged);
        let is_settled = match verdict {
            Verdict::Conforming | Verdict::NotCovered(_) => true,
            Verdict::Undetermined(_) => since < REJUDGE_OPEN,
            _ => since < REJUDGE,
        };
        // What was counted under an earlier set was judged by that set, unless time alone makes it another verdict.
        let is_timed = matches!(verdict, Verdict::Grace | Verdict::Info(Info::AsymmetricGateway));
        let stands = is_settled || !is_timed && !kernel.is_present(&suspect.key);
        Some(if stands { Due::Later } else { Due::Again })
    }

    /// Books what was counted, and judges it if it was not, or if it is time to again.
    pub(super) fn look(&mut self, suspect: &Counted, around: &mut Around<'_>) {
        match self.due_of(suspect, around.kernel, around.now) {
            None => {}
            Some(Due::Later) => self.book(suspect, around),
            Some(Due::First | Due::Again) => self.judge(suspect, around),
        }
    }

    /// Books what was counted since, under what was said of the suspect last; nothing where nobody has judged it.
    pub(super) fn book(&mut self, suspect: &Counted, around: &mut Around<'_>) {
        let seen = around.kernel.observation(suspect);
        if let Some(booked) = self.ledger.count(&suspect.key, &seen) {
            around.alerting.booked(&seen, booked);
            if let (Verdict::Violating(_), Some(record)) = (booked.verdict, &mut around.record) {
                record.counted(suspect.key, suspect.counts.packets);
            }
        }
    }

    fn judge(&mut self, suspect: &Counted, around: &mut Around<'_>) {
        let seen = around.kernel.observation(suspect);
        let assessment = self.assess(&suspect.key, &seen, around);
        if assessment.finding.is_some() && around.evidence.needs_reading() {
            around.connections.want();
        }
        self.conclude(suspect.key, &seen, assessment, around);
    }

    /// Has flows wait to be judged again of which a new reading of conntrack entries may tell more than was known when
    /// their packets came, also those that are silent since.
    pub(super) fn await_uncited(&mut self, evidence: &Evidence) {
        let mut uncited: Vec<_> = self.ledger.uncited().collect();
        let held = evidence.held(&uncited.iter().map(|&(_, _, mac, _)| mac).collect());
        uncited.retain(|(_, _, mac, _)| held.contains(mac) || evidence.needs_reading());
        // Those that the reading names by their own tuple first, then whoever was looked at longest ago.
        uncited.sort_by_cached_key(|&(_, tuple, mac, judged)| (!evidence.is_indexed(tuple, mac), judged));
        self.uncited = uncited.into_iter().take(MAX_UNCITED).map(|(key, ..)| key).collect();
    }

    /// Judges some of these.
    fn judge_uncited(&mut self, around: &mut Around<'_>) {
        for key in self.uncited.drain(..self.uncited.len().min(TURN)).collect::<Vec<Key>>() {
            let Some(suspect) = around.kernel.suspect(key, around.voice) else { continue };
            let (key, seen) = (suspect.key, around.kernel.observation(&suspect));
            let assessment = self.assess(&key, &seen, around);
            if self.ledger.is_better(&key, &assessment, around.now) {
                self.conclude(key, &seen, assessment, around);
            }
        }
    }

    fn assess(&mut self, key: &Key, seen: &Observation, around: &mut Around<'_>) -> Assessment {
        let Around { kernel, engine, evidence, voice, .. } = around;
        if let Some(verdict) = kernel.plain(engine, key, seen, voice) {
            return Assessment { verdict, finding: None, legal_for: Vec::new() };
        }
        let told = evidence.tell(seen.tuple, engine);
        if !told.is_empty() {
            let before = self.told_connections.insert(seen.tuple, told.clone()).unwrap_or_default();
            for gone in before.into_iter().filter(|tuple| !told.contains(tuple)) {
                engine.set_connections(gone, Vec::new());
            }
        }
        let requests = kernel.requests_of(seen, voice);
        engine.assess(seen, &requests)
    }

    fn conclude(&mut self, key: Key, seen: &Observation, assessment: Assessment, around: &mut Around<'_>) {
        let now = around.now;
        if let Some(finding) = &assessment.finding {
            if let Some(repairing) = &mut around.repairing {
                repairing.note_finding(finding, now);
            }
            around.alerting.violating(finding, now);
        }
        if let Some(record) = &mut around.record {
            let before = self.ledger.verdict(&key);
            record.judged(key, seen.packets, before, (assessment.verdict, assessment.finding.as_ref()));
        }
        let told = self.ledger.judge(key, seen, assessment, now);
        around.alerting.booked(seen, told.booked);
        // Whoever adds up what is told has each packet once.
        if let Some(finding) = told.withdrawn {
            around.voice.ask(Effect::Withdrawn(Box::new(finding)));
        }
        if let Some(finding) = told.news {
            around.voice.ask(Effect::Finding(Box::new(finding)));
        }
    }

    /// Tells what samples show of a flow that conforms, where that is news.
    pub(super) fn remark(&mut self, seen: &Observation, finding: Finding, voice: &mut Voice) {
        if let Some(news) = self.ledger.remark(seen, finding) {
            voice.ask(Effect::Finding(Box::new(news)));
        }
    }

    /// What was sampled of flows that conform, and what of them was suspect until it was judged: the first packets of their
    /// kind, which may be all of a flow's.
    pub(super) fn conforming(&self, kernel: &Kernel, voice: &mut Voice) -> Vec<Counted> {
        let mut conforming = kernel.samples(voice);
        let is_conforming = |suspect: &Counted| match self.ledger.verdict(&suspect.key) {
            Some(verdict) => matches!(verdict, Verdict::Conforming | Verdict::Info(Info::AsymmetricReply)),
            None => false,
        };
        let suspects = kernel.suspects(voice).unwrap_or_default();
        conforming.extend(suspects.into_iter().filter(is_conforming));
        conforming
    }

    /// Flows that left to a legal next hop since the set is what it is, and not to another MAC since, as far as samples
    /// and what was suspect at first show it. A label whose MAC is outside the set is older than they are.
    pub(super) fn conforming_now(&self, kernel: &Kernel, voice: &mut Voice) -> Vec<(Tuple, Timestamp, MacAddr)> {
        let conforming = self.conforming(kernel, voice);
        let violations = self.ledger.last_violations();
        let present =
            conforming.iter().filter(|seen| kernel.is_present(&seen.key)).map(|seen| kernel.observation(seen));
        present
            .filter(|seen| violations.get(&seen.tuple).is_none_or(|&last| last < seen.last))
            .map(|seen| (seen.tuple, seen.last, seen.eth_dst))
            .collect()
    }
}
