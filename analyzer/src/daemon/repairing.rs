//! `live --repair`: stale entries healed as they are found, as fast as the user allows.
//!
//! What is to be done is decided here, by what the engine knows now; it is done elsewhere, as the journal waits for the disk
//! and ovs-vswitchd for its main loop.

use std::time::Duration;

use hashbrown::HashMap;

use super::Daemon;
use super::effect::Effect;
use crate::bpf::counted::{Axis, Request};
use crate::engine::finding::Finding;
use crate::repair::automatic::Automatic;
use crate::repair::plan::Step;
use crate::repair::rules::Rules;
use crate::repair::{Outcome, Repair};
use crate::types::{MacAddr, Release, Timestamp};

/// Refusals that are said in a minute at most: a dead gateway may have thousands of entries.
const MAX_SAID: u32 = 30;
/// The time that this is for.
const MINUTE: Duration = Duration::from_secs(60);

/// Repairs that wait, and those under way.
#[derive(Debug)]
pub(crate) struct Repairing {
    automatic: Automatic,
    /// Steps that were handed over and have not come back.
    under_way: usize,
    /// Those that came back since the last tick.
    handed_back: Vec<Repair>,
    /// Since when refusals are counted, how many were said since, and how many were not.
    counted_since: Timestamp,
    said: u32,
    unsaid: u64,
    counts: Counts,
}

/// Entries by what came of them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Counts {
    done: u64,
    refused: u64,
    failed: u64,
}

impl Counts {
    /// Each with its stable name.
    pub(crate) fn by_name(self) -> [(&'static str, u64); 3] {
        [("done", self.done), ("refused", self.refused), ("failed", self.failed)]
    }
}

impl Repairing {
    /// Nothing is repaired yet. Of all repairs so many are begun in a minute at most.
    pub(crate) fn new(rules: Rules, per_minute: u32) -> Self {
        Self {
            automatic: Automatic::new(rules, per_minute),
            under_way: 0,
            handed_back: Vec::new(),
            counts: Counts::default(),
            counted_since: Timestamp::default(),
            said: 0,
            unsaid: 0,
        }
    }

    /// What came of entries so far. One that is refused counts once for each reason.
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    fn count(&mut self, outcome: &Outcome) {
        let Counts { done, refused, failed } = &mut self.counts;
        match outcome {
            // The daemon makes no dry runs.
            Outcome::Would(_) => {}
            Outcome::Done { .. } => *done += 1,
            Outcome::Refused(_) => *refused += 1,
            Outcome::Failed { .. } => *failed += 1,
        }
    }
}

impl Daemon {
    /// Takes note that packets were found astray at `now`, again or for the first time: what makes them go there is to be
    /// healed.
    pub(super) fn note_stale(&mut self, finding: &Finding, now: Timestamp) {
        if let Some(repairing) = &mut self.repairing {
            repairing.automatic.note_finding(finding, now);
        }
    }

    /// Takes note of the release of ovs-vswitchd, by which it can be told to delete more or fewer entries.
    pub(super) fn note_release(&mut self, ovs: Option<Release>) {
        if let Some(repairing) = &mut self.repairing {
            repairing.automatic.set_release(ovs);
        }
    }

    /// Takes note of what came of a repair.
    pub(super) fn note_repair(&mut self, repair: Repair) {
        if let Some(repairing) = &mut self.repairing {
            repairing.handed_back.push(repair);
        }
    }

    /// Heals what can be healed now, and tells what came of what was begun before.
    pub(super) fn repair_stale(&mut self) {
        for repair in self.repairs() {
            if let Some(repairing) = &mut self.repairing {
                repairing.count(&repair.outcome);
            }
            match &repair.outcome {
                Outcome::Failed { .. } => self.voice.complain(repair.to_string()),
                Outcome::Refused(_) if !self.may_say_refusal() => {}
                _ => self.voice.say(repair.to_string()),
            }
        }
        let Some(repairing) = &mut self.repairing else { return };
        if self.now.since(repairing.counted_since) >= MINUTE {
            let unsaid = std::mem::take(&mut repairing.unsaid);
            (repairing.counted_since, repairing.said) = (self.now, 0);
            if unsaid > 0 {
                self.voice.say(format!("repair: {unsaid} more entries were refused, and are looked at again"));
            }
        }
    }

    /// Whether one more refusal may be said; counts it.
    fn may_say_refusal(&mut self) -> bool {
        let Some(repairing) = &mut self.repairing else { return false };
        let may = repairing.said < MAX_SAID;
        if may {
            repairing.said += 1;
        } else {
            repairing.unsaid += 1;
        }
        may
    }

    /// Begins repairs that are due. Returns those that came to an end, and those that are refused for a new reason.
    fn repairs(&mut self) -> Vec<Repair> {
        let Some(repairing) = &mut self.repairing else { return Vec::new() };
        let displaced = repairing.automatic.displaced();
        if displaced > 0 {
            self.voice
                .complain_once("more entries are to be repaired than can wait: some wait until they are found again");
        }
        let mut ended = std::mem::take(&mut repairing.handed_back);
        repairing.under_way = repairing.under_way.saturating_sub(ended.len());
        let is_healed = |repair: &&Repair| matches!(repair.outcome, Outcome::Done { .. });
        for healed in ended.iter().filter(is_healed).map(|repair| &repair.pin.connection) {
            self.latents.leave_out_healed(healed);
        }
        let Some(datapath) = self.connections.way().datapath() else { return ended };
        if repairing.under_way > 0 {
            return ended;
        }
        let now = self.now;
        self.latents.entries().iter().for_each(|latent| repairing.automatic.note_latent(latent, now));
        if repairing.automatic.is_idle(now) {
            return ended;
        }
        // Without them it is not known who forwards to us.
        let Some(requests) = self.kernel.requests(&mut self.voice) else { return ended };
        self.engine.set_senders(senders(&requests, self.kernel.axis()));
        let elsewhere = self.conforming_now();
        let Some(repairing) = &mut self.repairing else { return ended };
        repairing.automatic.note_elsewhere(elsewhere.into_iter().map(|(flow, last, _)| (flow, last)));
        let steps = repairing.automatic.steps(&self.engine, Some(datapath), self.sources.are_current(), now);
        let (begun, refused): (Vec<Step>, Vec<Step>) = steps.into_iter().partition(|step| step.verdict.is_ok());
        let rules = *repairing.automatic.rules();
        for step in refused {
            if let Err(refusal) = step.verdict.clone() {
                ended.push(step.into_repair(&rules, Some(datapath), now, Outcome::Refused(refusal)));
            }
        }
        if !begun.is_empty() {
            repairing.under_way = begun.len();
            self.voice.ask(Effect::Repair(begun, rules));
        }
        ended
    }
}

/// MACs that packets came in from, and when the last one did.
fn senders(requests: &[Request], axis: Axis) -> HashMap<MacAddr, Timestamp> {
    let mut senders: HashMap<MacAddr, Timestamp> = HashMap::new();
    for request in requests {
        let last = axis.at(request.counts.last_ns);
        senders.entry(request.eth_src).and_modify(|known| *known = last.max(*known)).or_insert(last);
    }
    senders
}
