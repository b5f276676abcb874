//! Who is told of what the daemon finds.
//!
//! [`Alerts`] decides what is told and when. Here it is told what happened, asked what is due, and what has become of
//! flows that no longer leave to their MAC is found out: once a flow is healed, the kernel program knows its outcome, and
//! nobody hears of it but by samples.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hashbrown::HashMap;

use super::effect::Effect;
use super::evidence::Evidence;
use super::ledger::{Booked, Cited};
use super::sources::{Phase, Source};
use super::voice::Voice;
use crate::alerts::saved::NotSaved;
use crate::alerts::{self, Alerts, Counts, End, Kind, Member, Namespace, Silent};
use crate::engine::finding::{Finding, Latent};
use crate::engine::observation::Observation;
use crate::engine::verdict::Verdict;
use crate::output::Report;
use crate::output::remedy::Datapath;
use crate::output::status::Loss;
use crate::types::Timestamp;

/// A flow that was silent for so long may be healed.
const SILENT: Duration = Duration::from_secs(2);
/// Ticks between two looks at flows that are silent.
const LOOK: u64 = 5;
/// Flows whose conntrack entries are asked for each time at most.
const MAX_ASKED: usize = 500;
/// Of these so many before others have their turn.
const TURN: usize = 32;
/// Losses that cost time, or the precision of an estimate: metrics and the summary tell them, and nobody is woken. Of
/// messages that were dropped each sink tells its own receiver, and of a database that is too large SOURCE-LOST tells.
const UNALARMING: [&str; 8] = [
    "databases_too_large",
    "alerts_dropped",
    "events_limited",
    "events_lost",
    "samples_evicted",
    "samples_untracked",
    "requests_evicted",
    "neighbours_evicted",
];

/// What is to be told, and what was.
pub(crate) struct Alerting {
    alerts: Alerts,
    /// Names of the node and of NICs, and how times look.
    frame: Report,
    /// Messages so far, by kind.
    told: BTreeMap<Kind, u64>,
    namespace: Option<Namespace>,
}

/// A look at flows that are silent, as far as it has come.
#[derive(Debug)]
pub(super) struct Look {
    silent: std::vec::IntoIter<Silent>,
    /// When flows that conform were seen last.
    conforming: HashMap<Member, Timestamp>,
    asked: usize,
}

impl Alerting {
    /// No alert is open. `frame` tells the node and how times look.
    pub(super) fn new(settings: alerts::Settings, frame: Report, namespace: Option<Namespace>, now: Timestamp) -> Self {
        let mut alerting = Self { alerts: Alerts::new(settings), frame, told: BTreeMap::new(), namespace };
        alerting.alerts.watch(alerting.namespace.as_ref(), BTreeSet::new(), now);
        alerting
    }

    /// Opens again what was open when [`Alerting::save`] was asked.
    ///
    /// # Errors
    /// [`NotSaved`]: the text is none of ours. Nothing is opened.
    pub(super) fn restore(&mut self, text: &str, now: Timestamp) -> Result<(), NotSaved> {
        self.alerts.restore(text, now)
    }

    /// Open alerts, as JSON.
    pub(super) fn save(&self) -> String {
        self.alerts.save()
    }

    /// Changes whenever [`Alerting::save`] does.
    pub(super) fn changes(&self) -> u64 {
        self.alerts.changes()
    }

    /// Names of NICs by their index, from now on.
    pub(crate) fn nics(&mut self, names: Vec<Option<String>>) {
        self.frame.nic_names = names;
    }

    /// Where conntrack entries live, once it is known: remedies are for there.
    pub(crate) fn set_datapath(&mut self, datapath: Option<Datapath>) {
        self.frame.datapath = datapath;
    }

    /// The NICs that are watched from now on. Returns what is to be said of alerts that stay as they were.
    pub(crate) fn watch(&mut self, nics: BTreeSet<String>, now: Timestamp) -> Option<String> {
        self.alerts.watch(self.namespace.as_ref(), nics, now);
        match self.alerts.elsewhere() {
            0 => None,
            count => Some(format!(
                "{count} alerts of an earlier run stay open and untold: they are of NICs that are not watched here"
            )),
        }
    }

    /// A flow was judged and makes a finding.
    pub(crate) fn violating(&mut self, finding: &Finding, at: Timestamp) {
        self.alerts.violating(finding, &self.frame, at);
    }

    /// Packets were booked.
    pub(crate) fn booked(&mut self, seen: &Observation, booked: Booked) {
        match booked.verdict {
            Verdict::Violating(_) if booked.packets > 0 => {
                let counts = Counts { packets: booked.packets, bytes: booked.bytes };
                self.alerts.count(&member(seen), seen.eth_dst, counts, seen.last);
            }
            Verdict::Conforming if booked.packets > 0 => self.alerts.conforms(&member(seen), seen.last),
            Verdict::Undetermined(_) | Verdict::Grace if booked.packets > 0 => {
                self.alerts.goes_on(&member(seen), seen.eth_dst, seen.last);
            }
            Verdict::Info(_) if booked.packets > 0 => self.alerts.excused(&member(seen), seen.eth_dst, seen.last),
            _ => {}
        }
    }

    /// The latent entries as they are now, and those that findings cite.
    pub(crate) fn latent(&mut self, latent: &[Latent], cited: &Cited, at: Timestamp) {
        let is_cited = |member: &Member, mac| match member {
            Member::Entry { zone, orig } => cited.contains_key(&(*orig, *zone, mac)),
            Member::Flow { .. } => false,
        };
        self.alerts.latent(latent, is_cited, &self.frame, at);
    }

    /// Whether latent entries were told and are open.
    pub(crate) fn has_latent(&self) -> bool {
        self.alerts.open()[1] > 0
    }

    /// Messages so far, by kind, and causes that are open.
    pub(crate) fn counts(&self) -> (&BTreeMap<Kind, u64>, u64) {
        (&self.told, self.alerts.open().iter().sum::<usize>() as u64)
    }

    /// Tells what is due.
    pub(super) fn tell(&mut self, now: Timestamp, voice: &mut Voice) {
        for alert in self.alerts.poll(&self.frame, now) {
            *self.told.entry(alert.kind).or_default() += 1;
            voice.ask(Effect::Alert(Box::new(alert)));
        }
    }

    /// A second has passed, in which packets were watched or not.
    pub(super) fn tick(&mut self, is_watching: bool, now: Timestamp) {
        self.alerts.tick(is_watching, now);
    }

    /// Takes note of how the sources are.
    pub(super) fn note_sources(&mut self, sources: &[Source], now: Timestamp) {
        for source in sources {
            let error = source.error.as_deref().filter(|_| source.phase != Phase::Synchronised);
            // One that is only on its way is neither lost nor back.
            if error.is_some() || source.phase == Phase::Synchronised {
                self.alerts.source(source.name, &source.place, error, now);
            }
        }
    }

    /// Takes note of whether next hops are known, once sources have had the time to tell them.
    pub(super) fn note_sight(&mut self, is_sighted: bool, now: Timestamp) {
        const UNKNOWN: &str = "no source tells them, or none has for too long; packets are undetermined";
        self.alerts.source("nexthops", "", (!is_sighted).then_some(UNKNOWN), now);
    }

    /// Takes note of what was lost since the start.
    pub(super) fn note_losses(&mut self, losses: &[Loss]) {
        for loss in losses.iter().filter(|loss| !UNALARMING.contains(&loss.name)) {
            self.alerts.loss(loss.name, loss.count);
        }
    }

    /// Begins to find out, every few ticks, what has become of flows that no longer leave to their MAC. `conforming` gives
    /// what is known of flows that conform.
    pub(super) fn look(
        &self,
        tick: u64,
        now: Timestamp,
        conforming: impl FnOnce() -> Vec<Observation>,
    ) -> Option<Look> {
        if !tick.is_multiple_of(LOOK) {
            return None;
        }
        let silent = self.alerts.silent(now.saturating_sub(SILENT));
        if silent.is_empty() {
            return None;
        }
        let mut last: HashMap<Member, Timestamp> = HashMap::new();
        for seen in conforming() {
            let known = last.entry(member(&seen)).or_default();
            *known = (*known).max(seen.last);
        }
        Some(Look { silent: silent.into_iter(), conforming: last, asked: 0 })
    }
}

impl Look {
    /// Goes on with it, for some flows. Returns whether any are left.
    pub(super) fn go_on(&mut self, alerting: &mut Alerting, evidence: &mut Evidence, now: Timestamp) -> bool {
        let alerts = &mut alerting.alerts;
        for Silent { member, mac, last, by_entry } in self.silent.by_ref() {
            let Member::Flow { tuple, .. } = member else { continue };
            if let Some(&seen) = self.conforming.get(&member).filter(|&&seen| seen > last) {
                alerts.conforms(&member, seen);
            } else if by_entry && self.asked < MAX_ASKED {
                self.asked += 1;
                alerts.looked(&member, mac, now);
                if evidence.holds(tuple, mac, last) == Some(false) {
                    alerts.end(&member, mac, End::EntryGone);
                }
                if self.asked.is_multiple_of(TURN) {
                    return true;
                }
            }
        }
        false
    }
}

/// The flow that was observed.
fn member(seen: &Observation) -> Member {
    Member::Flow { vlan: [seen.tags.outer(), seen.tags.inner()], tuple: seen.tuple }
}
