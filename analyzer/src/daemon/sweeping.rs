//! The sweep: each second all that the kernel holds suspect is looked at.
//!
//! What is to be judged waits in a line in which no MAC stands behind the flood of another. Where the kernel's map is nearly
//! full, room is made: by what was judged harmless, which goes on as a new key if it sends again, before anything that
//! violates. What nobody has judged stays.

use std::collections::VecDeque;
use std::time::Duration;

use hashbrown::{HashMap, HashSet};

use super::Daemon;
use super::judging::{Due, TURN};
use crate::bpf::counted::{Counted, Key};
use crate::engine::verdict::Verdict;
use crate::types::{MacAddr, Timestamp};

/// Flows judged between two sweeps at most. The rest has its turn in the next ones.
const MAX_JUDGED: usize = 20_000;
/// Flows of these that are judged with the sweep, as on a busy machine nothing may be left of the second behind it.
const JUDGED_AT_ONCE: usize = 5_000;
/// A flow that was silent for so long is taken off the books; should it go on, it is counted anew.
const IDLE: Duration = Duration::from_secs(120);
/// The same where the kernel's map is nearly full.
const IDLE_WHEN_FULL: Duration = Duration::from_secs(10);
/// The same of a generation that is over, where the kernel's map is nearly full: no packet of it comes any more.
const SETTLED: Duration = Duration::from_secs(1);
/// The same of a harmless flow, where the kernel's map is nearly full. It may well go on, so it must not be on its way just
/// now.
const PAUSE: Duration = Duration::from_millis(100);

/// Sweeps between two at which room is made for flows of a mirror port that have room.
const LEISURE: u64 = 10;

/// A suspect that is to be judged.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    due: Due,
    /// How many of its MAC come before it.
    turn: u32,
    suspect: Counted,
}

/// A suspect of one of the kernel's maps.
#[derive(Clone, Copy, Debug)]
struct Held {
    suspect: Counted,
    /// What was said of it; `None` while nobody has judged it.
    verdict: Option<Verdict>,
    /// Whether its generation is over.
    is_past: bool,
}

/// A sweep, as far as it has come.
#[derive(Debug)]
pub(super) struct Sweep {
    suspects: Vec<Counted>,
    /// Those of them that were looked at.
    looked_at: usize,
    /// Those of these that are to be judged; in order once all were looked at.
    waiting: Vec<Waiting>,
    /// Turns of judging that are left to this sweep; `None` while not all were looked at.
    turns: Option<usize>,
}

/// The last look, as far as it has come.
#[derive(Debug)]
pub(super) struct LastLook {
    sweep: Sweep,
    begun: Timestamp,
    judged: usize,
}

impl Sweep {
    fn new(suspects: Vec<Counted>) -> Self {
        Self { suspects, looked_at: 0, waiting: Vec::new(), turns: None }
    }
}

impl Daemon {
    /// Begins to look at all that the kernel holds suspect.
    pub(super) fn begin_sweep(&mut self) -> Option<Sweep> {
        self.kernel.suspects(&mut self.voice).map(Sweep::new)
    }

    /// Goes on with a sweep: suspects are booked or wait to be judged, some of these are judged, and room is made. Returns
    /// whether anything is left of it.
    pub(super) fn go_on_sweeping(&mut self, sweep: &mut Sweep) -> bool {
        let Some(turns) = &mut sweep.turns else {
            if !self.look_at_some(sweep) {
                for beyond in sweep.waiting.split_off(sweep.waiting.len().min(MAX_JUDGED)) {
                    self.book_suspect(&beyond.suspect);
                }
                self.waiting = sweep.waiting.drain(..).map(|waiting| waiting.suspect.key).collect();
                sweep.turns = Some(JUDGED_AT_ONCE.div_ceil(TURN));
            }
            return true;
        };
        if *turns > 0 && !self.waiting.is_empty() {
            *turns -= 1;
            self.judge_waiting();
            return true;
        }
        let removed = self.make_room(&sweep.suspects);
        self.clear_reserve(&sweep.suspects, &removed);
        false
    }

    /// Judges some of the flows that wait for it, as they are by now.
    pub(super) fn judge_waiting(&mut self) {
        for key in self.waiting.drain(..self.waiting.len().min(TURN)).collect::<Vec<Key>>() {
            self.noticed(key);
        }
    }

    /// Begins to read what was counted until the programs were detached, and to judge it as long as there is time: whoever
    /// ended us waits. The rest is lost.
    pub(super) fn begin_last_look(&mut self) -> LastLook {
        // What was detached may still be running on another CPU.
        self.kernel.settle(&mut self.voice);
        let suspects = self.kernel.suspects(&mut self.voice).unwrap_or_default();
        LastLook { sweep: Sweep::new(suspects), begun: self.now, judged: 0 }
    }

    /// Goes on with the last look. Returns whether anything is left of it.
    pub(super) fn go_on_with_last_look(&mut self, look: &mut LastLook) -> bool {
        let LastLook { sweep, begun, judged } = look;
        if sweep.looked_at < sweep.suspects.len() {
            self.look_at_some(sweep);
            return true;
        }
        let is_in_time = self.now.since(*begun) < self.settings.end_within;
        for waiting in sweep.waiting.iter().skip(*judged).take(TURN) {
            match is_in_time {
                true => self.look(&waiting.suspect),
                false => self.book_suspect(&waiting.suspect),
            }
        }
        *judged += TURN;
        if *judged < sweep.waiting.len() {
            return true;
        }
        let counted = self.suspect_packets();
        self.ledger.settle(counted);
        if self.ledger.unjudged() > 0 {
            self.voice.complain(format!(
                "{} packets of flows under suspicion were judged by nobody: there were too many, and at the end they are \
                 judged for {} s (--end-within) and no longer",
                self.ledger.unjudged(),
                self.settings.end_within.as_secs_f64()
            ));
        }
        false
    }

    /// Books some suspects that have not to be judged, and has the others wait. Returns whether any are left.
    fn look_at_some(&mut self, sweep: &mut Sweep) -> bool {
        let Sweep { suspects, looked_at, waiting, .. } = sweep;
        for suspect in suspects.iter().skip(*looked_at).take(TURN) {
            match self.due_of(suspect) {
                None => {}
                Some(Due::Later) => self.book_suspect(suspect),
                Some(due) => waiting.push(Waiting { due, turn: 0, suspect: *suspect }),
            }
        }
        *looked_at += TURN;
        let is_left = *looked_at < suspects.len();
        if !is_left {
            take_turns(waiting);
        }
        is_left
    }

    /// Takes suspects off the kernel's books and ours that are silent, or that give way. Returns them.
    fn make_room(&mut self, suspects: &[Counted]) -> HashSet<Key> {
        let capacity = usize::try_from(self.settings.max_suspects).unwrap_or(usize::MAX);
        // Of a mirror port all flows stand here. To look at each is dear, and while there is room there is no hurry.
        let is_roomy = suspects.len() * 5 <= capacity * 4;
        if is_roomy && self.kernel.is_mirrored() && !self.ticks.is_multiple_of(LEISURE) {
            return HashSet::new();
        }
        let now = self.now;
        let before = |idle| self.kernel.axis().monotonic(now.saturating_sub(idle));
        let idle = Idle {
            silent_ns: before(IDLE),
            violating_ns: before(IDLE_WHEN_FULL),
            past_ns: before(SETTLED),
            harmless_ns: before(PAUSE),
        };
        let mut maps: [Vec<Held>; 4] = Default::default();
        for suspect in suspects {
            let map = match suspect.key {
                Key::V4(_) => 0,
                Key::V6(_) => 1,
                Key::Reserve4(_) => 2,
                Key::Reserve6(_) => 3,
            };
            let (verdict, is_past) = (self.ledger.verdict(&suspect.key), !self.kernel.is_present(&suspect.key));
            maps[map].push(Held { suspect: *suspect, verdict, is_past });
        }
        // The reserve is for those that come: whatever can leave it does.
        let leaving = maps.into_iter().zip([capacity, capacity, 0, 0]);
        let leaving: Vec<Counted> = leaving.flat_map(|(held, capacity)| leaving_of(held, capacity, &idle)).collect();
        self.close(&leaving)
    }

    /// Tells the kernel program how many flows the reserve holds for each MAC.
    fn clear_reserve(&mut self, suspects: &[Counted], removed: &HashSet<Key>) {
        let mut held: HashMap<MacAddr, u64> = HashMap::new();
        let keys = suspects.iter().map(|suspect| suspect.key);
        for key in keys.filter(|key| key.is_in_reserve() && !removed.contains(key)) {
            *held.entry(key.eth_dst()).or_default() += 1;
        }
        self.kernel.clear_reserve(&held, &mut self.voice);
    }
}

/// Times of last packets before which suspects are taken away, in nanoseconds of CLOCK_MONOTONIC: of any, and where there
/// is little room of those that violate, of an earlier generation, and of those that are harmless.
#[derive(Clone, Copy, Debug)]
struct Idle {
    silent_ns: u64,
    violating_ns: u64,
    past_ns: u64,
    harmless_ns: u64,
}

/// Puts those first that nobody has judged, and has MACs take turns.
fn take_turns(waiting: &mut [Waiting]) {
    let mut turns: HashMap<(Due, MacAddr), u32> = HashMap::new();
    for waiting in waiting.iter_mut() {
        let next = turns.entry((waiting.due, waiting.suspect.key.eth_dst())).or_default();
        waiting.turn = *next;
        *next += 1;
    }
    waiting.sort_unstable_by_key(|waiting| (waiting.due, waiting.turn));
}

/// Those of one map's suspects that leave it: none that nobody has judged. Where more than four fifths of the map are taken,
/// harmless ones leave it, those first that were silent for longest, until a quarter is free.
fn leaving_of(held: Vec<Held>, capacity: usize, idle: &Idle) -> Vec<Counted> {
    let is_full = held.len() * 5 > capacity * 4;
    let count = held.len();
    let mut leaving = Vec::new();
    let mut harmless = Vec::new();
    for Held { suspect, verdict, is_past } in held {
        let Some(verdict) = verdict else { continue };
        let is_violating = matches!(verdict, Verdict::Violating(_));
        let last_ns = suspect.counts.last_ns;
        let is_silent = match is_full {
            true if is_past => last_ns < idle.past_ns,
            true if is_violating => last_ns < idle.violating_ns,
            _ => last_ns < idle.silent_ns,
        };
        if is_silent {
            leaving.push(suspect);
        } else if is_full && !is_violating && last_ns < idle.harmless_ns {
            harmless.push(suspect);
        }
    }
    let too_many = (count - leaving.len()).saturating_sub(capacity / 4 * 3);
    harmless.sort_unstable_by_key(|suspect| suspect.counts.last_ns);
    leaving.extend(harmless.into_iter().take(too_many));
    leaving
}

/// Keys that wait to be judged, in order.
pub(crate) type Line = VecDeque<Key>;

#[cfg(test)]
mod tests;
