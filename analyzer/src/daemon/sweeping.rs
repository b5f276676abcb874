//! The sweep: each second all that the kernel holds suspect is looked at.
//!
//! What is to be judged waits in a line in which no MAC stands behind the flood of another. Where the kernel's map is nearly
//! full, room is made: by what was judged harmless, which goes on as a new key if it sends again, before anything that
//! violates. What nobody has judged stays.

use std::time::Duration;

use hashbrown::{HashMap, HashSet};

use super::around::Around;
use super::kernel::Kernel;
use super::suspects::{Due, Suspects, TURN};
use super::voice::Voice;
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

/// What it depends on how much room is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Entries of the kernel's map, for each IP version.
    pub(super) max_suspects: u32,
    /// The tick that the sweep belongs to.
    pub(super) tick: u64,
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
    /// When it went on first.
    begun: Option<Timestamp>,
    judged: usize,
}

impl Sweep {
    fn new(suspects: Vec<Counted>) -> Self {
        Self { suspects, looked_at: 0, waiting: Vec::new(), turns: None }
    }

    /// Begins to look at all that the kernel holds suspect; `None` where that cannot be read.
    pub(super) fn begin(kernel: &Kernel, voice: &mut Voice) -> Option<Self> {
        kernel.suspects(voice).map(Self::new)
    }

    /// Goes on: suspects are booked or wait to be judged, some of these are judged, and `room` is made. Returns whether
    /// anything is left.
    pub(super) fn go_on(&mut self, suspects: &mut Suspects, around: &mut Around<'_>, room: Room) -> bool {
        let Some(turns) = &mut self.turns else {
            if !self.look_at_some(suspects, around) {
                for beyond in self.waiting.split_off(self.waiting.len().min(MAX_JUDGED)) {
                    suspects.book(&beyond.suspect, around);
                }
                suspects.line_up(self.waiting.drain(..).map(|waiting| waiting.suspect.key));
                self.turns = Some(JUDGED_AT_ONCE.div_ceil(TURN));
            }
            return true;
        };
        if *turns > 0 && !suspects.is_line_empty() {
            *turns -= 1;
            suspects.judge_waiting(around);
            return true;
        }
        let removed = self.make_room(suspects, around, room);
        self.clear_reserve(&removed, around);
        false
    }

    /// Books some suspects that have not to be judged, and has the others wait. Returns whether any are left.
    fn look_at_some(&mut self, suspects: &mut Suspects, around: &mut Around<'_>) -> bool {
        for suspect in self.suspects.iter().skip(self.looked_at).take(TURN) {
            match suspects.due_of(suspect, around.kernel, around.now) {
                None => {}
                Some(Due::Later) => suspects.book(suspect, around),
                Some(due) => self.waiting.push(Waiting { due, turn: 0, suspect: *suspect }),
            }
        }
        self.looked_at += TURN;
        let is_left = self.looked_at < self.suspects.len();
        if !is_left {
            take_turns(&mut self.waiting);
        }
        is_left
    }

    /// Takes suspects off the kernel's books and ours that are silent, or that give way. Returns them.
    fn make_room(&self, suspects: &mut Suspects, around: &mut Around<'_>, room: Room) -> HashSet<Key> {
        let capacity = usize::try_from(room.max_suspects).unwrap_or(usize::MAX);
        // Of a mirror port all flows stand here. To look at each is dear, and while there is room there is no hurry.
        let is_roomy = self.suspects.len() * 5 <= capacity * 4;
        if is_roomy && around.kernel.mirrored().is_some() && !room.tick.is_multiple_of(LEISURE) {
            return HashSet::new();
        }
        let now = around.now;
        let before = |idle| around.kernel.axis().monotonic(now.saturating_sub(idle));
        let idle = Idle {
            silent_ns: before(IDLE),
            violating_ns: before(IDLE_WHEN_FULL),
            past_ns: before(SETTLED),
            harmless_ns: before(PAUSE),
        };
        let mut maps: [Vec<Held>; 4] = Default::default();
        for suspect in &self.suspects {
            let map = match suspect.key {
                Key::V4(_) => 0,
                Key::V6(_) => 1,
                Key::Reserve4(_) => 2,
                Key::Reserve6(_) => 3,
            };
            let verdict = suspects.books().verdict(&suspect.key);
            maps[map].push(Held { suspect: *suspect, verdict, is_past: !around.kernel.is_present(&suspect.key) });
        }
        // The reserve is for those that come: whatever can leave it does.
        let leaving = maps.into_iter().zip([capacity, capacity, 0, 0]);
        let leaving: Vec<Counted> = leaving.flat_map(|(held, capacity)| leaving_of(held, capacity, &idle)).collect();
        suspects.close(&leaving, around)
    }

    /// Tells the kernel program how many flows the reserve holds for each MAC.
    fn clear_reserve(&self, removed: &HashSet<Key>, around: &mut Around<'_>) {
        let mut held: HashMap<MacAddr, u64> = HashMap::new();
        let keys = self.suspects.iter().map(|suspect| suspect.key);
        for key in keys.filter(|key| key.is_in_reserve() && !removed.contains(key)) {
            *held.entry(key.eth_dst()).or_default() += 1;
        }
        around.kernel.clear_reserve(&held, around.voice);
    }
}

impl LastLook {
    /// Begins to read what was counted until the programs were detached, and to judge it as long as there is time: whoever
    /// ended us waits. The rest is lost.
    pub(super) fn begin(kernel: &Kernel, voice: &mut Voice) -> Self {
        // What was detached may still be running on another CPU.
        kernel.settle(voice);
        let suspects = kernel.suspects(voice).unwrap_or_default();
        Self { sweep: Sweep::new(suspects), begun: None, judged: 0 }
    }

    /// Goes on with the last look, in which flows are judged for so long. Returns whether anything is left of it.
    pub(super) fn go_on(&mut self, suspects: &mut Suspects, around: &mut Around<'_>, end_within: Duration) -> bool {
        let Self { sweep, begun, judged } = self;
        let begun = *begun.get_or_insert(around.now);
        if sweep.looked_at < sweep.suspects.len() {
            sweep.look_at_some(suspects, around);
            return true;
        }
        let is_in_time = around.now.since(begun) < end_within;
        for waiting in sweep.waiting.iter().skip(*judged).take(TURN) {
            match is_in_time {
                true => suspects.look(&waiting.suspect, around),
                false => suspects.book(&waiting.suspect, around),
            }
        }
        *judged += TURN;
        if *judged < sweep.waiting.len() {
            return true;
        }
        let unjudged = suspects.settle(around.kernel.suspect_packets(around.voice));
        if unjudged > 0 {
            around.voice.complain(format!(
                "{unjudged} packets of flows under suspicion were judged by nobody: there were too many, and at the end \
                 they are judged for {} s (--end-within) and no longer",
                end_within.as_secs_f64()
            ));
        }
        false
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

#[cfg(test)]
mod tests;
