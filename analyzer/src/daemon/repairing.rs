//! `live --repair`: stale entries healed as they are found, as fast as the user allows.
//!
//! What is to be done is decided here, by what the engine knows now; it is done elsewhere, as the journal waits for the disk
//! and ovs-vswitchd for its main loop.

use std::time::Duration;

use super::effect::Effect;
use super::voice::Voice;
use crate::engine::Engine;
use crate::engine::finding::{Finding, Latent};
use crate::output::remedy::Datapath;
use crate::repair::automatic::Automatic;
use crate::repair::plan::Step;
use crate::repair::rules::Rules;
use crate::repair::{Outcome, Repair};
use crate::types::{Release, Timestamp, Tuple};

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

    /// Takes note that packets were found astray at `now`, again or for the first time: what makes them go there is to be
    /// healed.
    pub(super) fn note_finding(&mut self, finding: &Finding, now: Timestamp) {
        self.automatic.note_finding(finding, now);
    }

    /// Takes note of the release of ovs-vswitchd, by which it can be told to delete more or fewer entries.
    pub(super) fn note_release(&mut self, ovs: Option<Release>) {
        self.automatic.set_release(ovs);
    }

    /// Takes note of what came of a repair.
    pub(super) fn note_repair(&mut self, repair: Repair) {
        self.handed_back.push(repair);
    }

    /// Repairs that came to an end since this was asked last.
    pub(super) fn take_ended(&mut self, voice: &mut Voice) -> Vec<Repair> {
        if self.automatic.displaced() > 0 {
            voice.complain_once("more entries are to be repaired than can wait: some wait until they are found again");
        }
        let ended = std::mem::take(&mut self.handed_back);
        self.under_way = self.under_way.saturating_sub(ended.len());
        ended
    }

    /// Whether some are to be begun, of these entries or of what was found before: never while others are under way.
    pub(super) fn is_ready(&mut self, latent: &[Latent], now: Timestamp) -> bool {
        if self.under_way > 0 {
            return false;
        }
        latent.iter().for_each(|latent| self.automatic.note_latent(latent, now));
        !self.automatic.is_idle(now)
    }

    /// Takes note of flows that leave elsewhere by now, and when each was seen last.
    pub(super) fn note_elsewhere(&mut self, elsewhere: impl Iterator<Item = (Tuple, Timestamp)>) {
        self.automatic.note_elsewhere(elsewhere);
    }

    /// Begins repairs that are due, in entries of this datapath. Returns those that are refused for a new reason.
    pub(super) fn begin(
        &mut self,
        engine: &Engine,
        datapath: Datapath,
        are_sources_current: bool,
        now: Timestamp,
        voice: &mut Voice,
    ) -> Vec<Repair> {
        let steps = self.automatic.steps(engine, Some(datapath), are_sources_current, now);
        let (begun, refused): (Vec<Step>, Vec<Step>) = steps.into_iter().partition(|step| step.verdict.is_ok());
        let rules = *self.automatic.rules();
        if !begun.is_empty() {
            self.under_way = begun.len();
            voice.ask(Effect::Repair(begun, rules));
        }
        let refused = refused.into_iter().filter_map(|step| {
            let refusal = step.verdict.clone().err()?;
            Some(step.into_repair(&rules, Some(datapath), now, Outcome::Refused(refusal)))
        });
        refused.collect()
    }

    /// Tells what came of these.
    pub(super) fn tell(&mut self, over: &[Repair], now: Timestamp, voice: &mut Voice) {
        for repair in over {
            self.count(&repair.outcome);
            match &repair.outcome {
                Outcome::Failed { .. } => voice.complain(repair.to_string()),
                Outcome::Refused(_) if !self.may_say_refusal() => {}
                _ => voice.say(repair.to_string()),
            }
        }
        if now.since(self.counted_since) >= MINUTE {
            let unsaid = std::mem::take(&mut self.unsaid);
            (self.counted_since, self.said) = (now, 0);
            if unsaid > 0 {
                voice.say(format!("repair: {unsaid} more entries were refused, and are looked at again"));
            }
        }
    }

    /// Whether one more refusal may be said; counts it.
    fn may_say_refusal(&mut self) -> bool {
        let may = self.said < MAX_SAID;
        if may {
            self.said += 1;
        } else {
            self.unsaid += 1;
        }
        may
    }
}
