//! Suspect packets: what the kernel counted, what the engine says of it, and who is told.

use std::time::Duration;

use super::daemon::Daemon;
use super::ledger::Known;
use crate::bpf::readings::{Axis, Counted, Key, Request};
use crate::engine::Assessment;
use crate::engine::observation::Observation;
use crate::engine::verdict::Verdict;
use crate::types::Timestamp;

/// How long a verdict stands while packets go on: an entry may be relabelled, a gateway may be heard.
const REJUDGE: Duration = Duration::from_secs(5);
/// The same where something is not known, which is mostly soon.
const REJUDGE_OPEN: Duration = Duration::from_secs(1);
/// Flows judged in one sweep at most. The rest has its turn in the next ones.
const MAX_JUDGED: usize = 5_000;
/// Flows looked at before others have their turn.
const TURN: usize = 256;
/// Flows that are judged again with a new reading of conntrack entries at most. The rest has its turn in the next ones.
const MAX_UNCITED: usize = 500;
/// A flow that was silent for so long is taken off the books; should it go on, it is counted anew.
const IDLE: Duration = Duration::from_secs(120);
/// The same where the kernel's map is nearly full.
const IDLE_WHEN_FULL: Duration = Duration::from_secs(10);

/// The same of a generation that is over, where the kernel's map is nearly full.
const SETTLED: Duration = Duration::from_secs(1);

impl Daemon {
    /// Judges a flow of which the kernel has just counted the first packet.
    pub(super) fn noticed(&mut self, key: Key) {
        match self.readings.suspect(&key) {
            Ok(Some(counts)) => self.look(&Counted { key, counts }, &mut { MAX_JUDGED }),
            // It was taken away meanwhile, or the sweep will find it.
            Ok(None) => {}
            Err(error) => self.failed(&error),
        }
    }

    /// Looks at all that the kernel holds suspect. Where there is much to judge, others have their turn in between; what
    /// is more than can be judged in one sweep is left for the next.
    pub(super) async fn sweep(&mut self) {
        let suspects = match self.readings.suspects() {
            Ok(suspects) => suspects,
            Err(error) => return self.failed(&error),
        };
        let now = self.clock.now();
        let mut budget = MAX_JUDGED;
        for (number, suspect) in suspects.iter().enumerate() {
            self.look(suspect, &mut budget);
            if number % TURN == TURN - 1 {
                tokio::task::yield_now().await;
            }
        }
        let is_full = suspects.len() * 5 > usize::try_from(self.config.max_suspects).unwrap_or(usize::MAX) * 4;
        let idle = if is_full { IDLE_WHEN_FULL } else { IDLE };
        if is_full {
            // Of earlier generations no packet comes any more.
            let past = |suspect: &&Counted| !self.is_present(&suspect.key);
            let past: Vec<Key> = suspects.iter().filter(past).map(|suspect| suspect.key).collect();
            self.close(&past, self.clock.to_monotonic(now.saturating_sub(SETTLED)));
        }
        let since_ns = self.clock.to_monotonic(now.saturating_sub(idle));
        let silent = suspects.iter().filter(|suspect| suspect.counts.last_ns < since_ns);
        let silent: Vec<Key> = silent.map(|suspect| suspect.key).collect();
        self.close(&silent, since_ns);
    }

    /// Takes flows off the kernel's books and ours.
    fn close(&mut self, silent: &[Key], since_ns: u64) {
        match self.readings.remove_idle(silent, since_ns) {
            Ok(removed) => {
                for counted in removed {
                    let seen = self.observation(&counted);
                    self.book(&counted.key, &seen);
                    self.ledger.close(&counted.key);
                    for tuple in self.told_connections.remove(&seen.tuple).unwrap_or_default() {
                        self.engine.set_connections(tuple, Vec::new());
                    }
                }
            }
            Err(error) => self.failed(&error),
        }
    }

    /// Books what was counted, and judges it if it was not, or if it is time to again.
    pub(super) fn look(&mut self, suspect: &Counted, budget: &mut usize) {
        let seen = self.observation(suspect);
        let key = &suspect.key;
        let now = self.clock.now();
        match self.ledger.known(key, seen.packets) {
            Known::Unchanged => {}
            Known::New if *budget == 0 => {}
            Known::New => {
                *budget -= 1;
                self.judge(*key, &seen, now);
            }
            Known::More(verdict, judged) => {
                let is_settled = match verdict {
                    Verdict::Conforming | Verdict::NotCovered(_) => true,
                    Verdict::Undetermined(_) => now.since(judged) < REJUDGE_OPEN,
                    _ => now.since(judged) < REJUDGE,
                };
                // What was counted under an earlier set was judged by that set.
                if is_settled || !self.is_present(key) || *budget == 0 {
                    self.book(key, &seen);
                } else {
                    *budget -= 1;
                    self.judge(*key, &seen, now);
                }
            }
        }
    }

    fn judge(&mut self, key: Key, seen: &Observation, now: Timestamp) {
        let assessment = self.assess(&key, seen);
        self.conclude(key, seen, assessment, now);
    }

    /// Judges flows again of which a new reading of conntrack entries may tell more than was known when their packets
    /// came, also those that are silent since.
    pub(super) fn judge_uncited(&mut self) {
        let now = self.clock.now();
        let mut uncited: Vec<_> = self.ledger.uncited().collect();
        let held = self.evidence.held(&uncited.iter().map(|&(_, _, mac, _)| mac).collect());
        uncited.retain(|(_, _, mac, _)| held.contains(mac) || self.evidence.needs_reading());
        // Those that the reading names by their own tuple first, then whoever was looked at longest ago.
        uncited.sort_by_cached_key(|&(_, tuple, mac, judged)| (!self.evidence.is_indexed(tuple, mac), judged));
        for (key, ..) in uncited.into_iter().take(MAX_UNCITED) {
            let counts = match self.readings.suspect(&key) {
                Ok(Some(counts)) => counts,
                Ok(None) => continue,
                Err(error) => return self.failed(&error),
            };
            let seen = self.observation(&Counted { key, counts });
            let assessment = self.assess(&key, &seen);
            if self.ledger.is_better(&key, &assessment, now) {
                self.conclude(key, &seen, assessment, now);
            }
        }
    }

    fn assess(&mut self, key: &Key, seen: &Observation) -> Assessment {
        let is_present = self.is_present(key);
        let (plain, told) = self.set.plain(&mut self.engine, &mut self.table, seen, is_present);
        if let Err(error) = told {
            self.failed(&error);
        }
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
                if self.evidence.needs_reading() {
                    self.connections.want();
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
        let told = self.ledger.judge(key, seen, assessment, now);
        self.alerting.booked(seen, told.booked);
        // Whoever adds up what is told has each packet once.
        if let Some(finding) = told.withdrawn {
            self.news.withdrawn(&finding);
        }
        if let Some(finding) = told.news {
            self.news.finding(&finding);
        }
    }

    /// Books what was counted since, under what was said of the key last.
    fn book(&mut self, key: &Key, seen: &Observation) {
        if let Some(booked) = self.ledger.count(key, seen) {
            self.alerting.booked(seen, booked);
        }
    }

    /// Packets of the flow's other direction that came from the MAC that it leaves to.
    fn requests(&mut self, seen: &Observation) -> Vec<Observation> {
        let tuple = seen.tuple.reversed();
        match self.readings.request(&tuple, seen.eth_dst) {
            Ok(Some(counts)) => vec![self.came_in(seen, &Request { tuple, eth_src: seen.eth_dst, counts })],
            Ok(None) => Vec::new(),
            Err(error) => {
                self.failed(&error);
                Vec::new()
            }
        }
    }

    /// What was counted under a key, on the run's axis of time, as of the time in which its generation was in force.
    pub(super) fn observation(&self, counted: &Counted) -> Observation {
        let seen = counted.observation(Axis { offset_ns: self.clock.offset() });
        self.set.span(counted.key.epoch()).map_or(seen, |span| span.place(seen))
    }

    pub(super) fn is_present(&self, key: &Key) -> bool {
        self.set.present().is_some_and(|(generation, _)| generation as u16 == key.epoch())
    }
}
