//! Suspect packets: what the kernel counted, what the engine says of it, and who is told.

use std::time::Duration;

use hashbrown::HashSet;

use super::Daemon;
use super::effect::Effect;
use super::ledger::Known;
use crate::bpf::counted::{Counted, Key};
use crate::engine::Assessment;
use crate::engine::observation::Observation;
use crate::engine::verdict::Verdict;
use crate::types::Timestamp;

/// How long a verdict stands while packets go on: an entry may be relabelled, a gateway may be heard.
const REJUDGE: Duration = Duration::from_secs(5);
/// The same where something is not known, which is mostly soon.
const REJUDGE_OPEN: Duration = Duration::from_secs(1);
/// Flows that are judged again with a new reading of conntrack entries at most. The rest has its turn in the next ones.
const MAX_UNCITED: usize = 500;
/// Flows judged before others have their turn.
pub(crate) const TURN: usize = 64;

/// When a suspect is to be judged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Due {
    /// Nobody has judged it.
    First,
    /// It goes on, and what was said of it may have changed.
    Again,
    /// It goes on, and what was said of it holds.
    Later,
}

impl Daemon {
    /// Judges a flow of which the kernel has counted packets, if it is time to.
    pub(crate) fn noticed(&mut self, key: Key) {
        if let Some(suspect) = self.kernel.new_suspect(key, &mut self.voice) {
            self.look(&suspect);
        }
    }

    /// Takes suspects off the kernel's books and ours of which no packet has come since they were read. Returns them.
    pub(crate) fn close(&mut self, suspects: &[Counted]) -> HashSet<Key> {
        let removed = self.kernel.remove(suspects, &mut self.voice);
        for counted in &removed {
            if let Some(record) = &mut self.record {
                record.counted(counted.key, counted.counts.packets);
                record.close(&counted.key);
            }
            let seen = self.kernel.observation(counted);
            if let Some(booked) = self.ledger.close(&counted.key, &seen) {
                self.alerting.booked(&seen, booked);
            }
            for tuple in self.told_connections.remove(&seen.tuple).unwrap_or_default() {
                self.engine.set_connections(tuple, Vec::new());
            }
        }
        removed.into_iter().map(|counted| counted.key).collect()
    }

    /// When a suspect is to be judged; `None` where no packet has come since it was booked.
    pub(crate) fn due_of(&self, suspect: &Counted) -> Option<Due> {
        let (verdict, judged) = match self.ledger.known(&suspect.key, suspect.counts.packets) {
            Known::Unchanged => return None,
            Known::New => return Some(Due::First),
            Known::More(verdict, judged) => (verdict, judged),
        };
        let since = self.now.since(judged);
        let is_settled = match verdict {
            Verdict::Conforming | Verdict::NotCovered(_) => true,
            Verdict::Undetermined(_) => since < REJUDGE_OPEN,
            _ => since < REJUDGE,
        };
        // What was counted under an earlier set was judged by that set.
        Some(if is_settled || !self.kernel.is_present(&suspect.key) { Due::Later } else { Due::Again })
    }

    /// Books what was counted, and judges it if it was not, or if it is time to again.
    pub(crate) fn look(&mut self, suspect: &Counted) {
        match self.due_of(suspect) {
            None => {}
            Some(Due::Later) => self.book_suspect(suspect),
            Some(Due::First | Due::Again) => {
                let seen = self.kernel.observation(suspect);
                self.judge(suspect.key, &seen, self.now);
            }
        }
    }

    /// Books what was counted since, under what was said of the suspect last; nothing where nobody has judged it.
    pub(crate) fn book_suspect(&mut self, suspect: &Counted) {
        let seen = self.kernel.observation(suspect);
        if let Some(booked) = self.ledger.count(&suspect.key, &seen) {
            self.alerting.booked(&seen, booked);
            if let (Verdict::Violating(_), Some(record)) = (booked.verdict, &mut self.record) {
                record.counted(suspect.key, suspect.counts.packets);
            }
        }
    }

    fn judge(&mut self, key: Key, seen: &Observation, now: Timestamp) {
        let assessment = self.assess_suspect(&key, seen);
        if assessment.finding.is_some() && self.evidence.needs_reading() {
            self.connections.want();
        }
        self.conclude(key, seen, assessment, now);
    }

    /// Has flows wait to be judged again of which a new reading of conntrack entries may tell more than was known when
    /// their packets came, also those that are silent since.
    pub(crate) fn await_uncited(&mut self) {
        let mut uncited: Vec<_> = self.ledger.uncited().collect();
        let held = self.evidence.held(&uncited.iter().map(|&(_, _, mac, _)| mac).collect());
        uncited.retain(|(_, _, mac, _)| held.contains(mac) || self.evidence.needs_reading());
        // Those that the reading names by their own tuple first, then whoever was looked at longest ago.
        uncited.sort_by_cached_key(|&(_, tuple, mac, judged)| (!self.evidence.is_indexed(tuple, mac), judged));
        self.uncited = uncited.into_iter().take(MAX_UNCITED).map(|(key, ..)| key).collect();
    }

    /// Judges some of these.
    pub(crate) fn judge_uncited(&mut self) {
        let now = self.now;
        for key in self.uncited.drain(..self.uncited.len().min(TURN)).collect::<Vec<Key>>() {
            let Some(suspect) = self.kernel.suspect(key, &mut self.voice) else { continue };
            let (key, seen) = (suspect.key, self.kernel.observation(&suspect));
            let assessment = self.assess_suspect(&key, &seen);
            if self.ledger.is_better(&key, &assessment, now) {
                self.conclude(key, &seen, assessment, now);
            }
        }
    }

    fn assess_suspect(&mut self, key: &Key, seen: &Observation) -> Assessment {
        let plain = self.kernel.plain(&mut self.engine, key, seen, &mut self.voice);
        match plain {
            Some(verdict) => Assessment { verdict, finding: None, legal_for: Vec::new() },
            None => {
                let told = self.evidence.tell(seen.tuple, &mut self.engine);
                if !told.is_empty() {
                    let before = self.told_connections.insert(seen.tuple, told.clone()).unwrap_or_default();
                    for gone in before.into_iter().filter(|tuple| !told.contains(tuple)) {
                        self.engine.set_connections(gone, Vec::new());
                    }
                }
                let requests = self.requests(seen);
                self.engine.assess(seen, &requests)
            }
        }
    }

    fn conclude(&mut self, key: Key, seen: &Observation, assessment: Assessment, now: Timestamp) {
        if let Some(finding) = &assessment.finding {
            self.note_stale(finding, now);
            self.alerting.violating(finding, now);
        }
        if let Some(record) = &mut self.record {
            let before = self.ledger.verdict(&key);
            record.judged(key, seen.packets, before, (assessment.verdict, assessment.finding.as_ref()));
        }
        let told = self.ledger.judge(key, seen, assessment, now);
        self.alerting.booked(seen, told.booked);
        // Whoever adds up what is told has each packet once.
        if let Some(finding) = told.withdrawn {
            self.voice.ask(Effect::Withdrawn(Box::new(finding)));
        }
        if let Some(finding) = told.news {
            self.voice.ask(Effect::Finding(Box::new(finding)));
        }
    }

    /// Packets of the flow's other direction that came from the MAC that it leaves to.
    pub(crate) fn requests(&mut self, seen: &Observation) -> Vec<Observation> {
        let request = self.kernel.request(seen.tuple.reversed(), seen.eth_dst, &mut self.voice);
        request.iter().map(|request| self.came_in(seen, request)).collect()
    }
}
