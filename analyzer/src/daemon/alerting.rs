//! Who is told of what the daemon finds.
//!
//! [`Alerts`] decides what is told and when. Here it is told what happened, asked what is due, and what has become of
//! flows that no longer leave to their MAC is found out: once a flow is healed, the kernel program knows its outcome, and
//! nobody hears of it but by samples.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hashbrown::HashMap;

use super::Daemon;
use super::effect::Effect;
use super::ledger::{Booked, Cited};
use super::sources::Phase;
use crate::alerts::saved::NotSaved;
use crate::alerts::{self, Alerts, Counts, End, Kind, Member, Namespace, Silent};
use crate::engine::finding::{Finding, Latent};
use crate::engine::observation::Observation;
use crate::engine::verdict::Verdict;
use crate::output::Report;
use crate::output::remedy::Datapath;
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
}

impl Daemon {
    /// Tells what is due.
    pub(super) fn tell_alerts(&mut self) {
        for alert in self.alerting.alerts.poll(&self.alerting.frame, self.now) {
            *self.alerting.told.entry(alert.kind).or_default() += 1;
            self.voice.ask(Effect::Alert(Box::new(alert)));
        }
    }

    /// What is to be done for alerts each second, before flows that are silent are looked at.
    pub(super) fn tick_alerts(&mut self) -> Option<Look> {
        self.note_states(self.now);
        if self.ticks.is_multiple_of(LOOK) { self.look_at_silent(self.now) } else { None }
    }

    /// The rest of it.
    pub(super) fn finish_alerts(&mut self) {
        let is_watching = self.is_sighted && !self.kernel.has_refused() && self.watching.is_whole();
        self.alerting.alerts.tick(is_watching, self.now);
        self.tell_alerts();
    }

    /// Takes note of the sources and of what was lost.
    fn note_states(&mut self, now: Timestamp) {
        for source in self.sources.all() {
            let error = source.error.as_deref().filter(|_| source.phase != Phase::Synchronised);
            // One that is only on its way is neither lost nor back.
            if error.is_some() || source.phase == Phase::Synchronised {
                self.alerting.alerts.source(source.name, &source.place, error, now);
            }
        }
        if self.is_late() {
            const UNKNOWN: &str = "no source tells them, or none has for too long; packets are undetermined";
            let error = (!self.is_sighted).then_some(UNKNOWN);
            self.alerting.alerts.source("nexthops", "", error, now);
        }
        for loss in self.losses().iter().filter(|loss| !UNALARMING.contains(&loss.name)) {
            self.alerting.alerts.loss(loss.name, loss.count);
        }
    }

    /// Begins to find out what has become of flows that no longer leave to their MAC.
    fn look_at_silent(&mut self, now: Timestamp) -> Option<Look> {
        let silent = self.alerting.alerts.silent(now.saturating_sub(SILENT));
        if silent.is_empty() {
            return None;
        }
        Some(Look { silent: silent.into_iter(), conforming: self.last_conforming(), asked: 0 })
    }

    /// Goes on with it, for some flows. Returns whether any are left.
    pub(super) fn go_on_looking(&mut self, look: &mut Look) -> bool {
        for Silent { member, mac, last, by_entry } in look.silent.by_ref() {
            let Member::Flow { tuple, .. } = member else { continue };
            if let Some(&seen) = look.conforming.get(&member).filter(|&&seen| seen > last) {
                self.alerting.alerts.conforms(&member, seen);
            } else if by_entry && look.asked < MAX_ASKED {
                look.asked += 1;
                self.alerting.alerts.looked(&member, mac, self.now);
                if self.evidence.holds(tuple, mac, last) == Some(false) {
                    self.alerting.alerts.end(&member, mac, End::EntryGone);
                }
                if look.asked.is_multiple_of(TURN) {
                    return true;
                }
            }
        }
        false
    }

    /// When flows that conform were seen last.
    fn last_conforming(&mut self) -> HashMap<Member, Timestamp> {
        let mut last: HashMap<Member, Timestamp> = HashMap::new();
        for counted in &self.conforming() {
            let seen = self.kernel.observation(counted);
            let known = last.entry(member(&seen)).or_default();
            *known = (*known).max(seen.last);
        }
        last
    }
}

/// The flow that was observed.
fn member(seen: &Observation) -> Member {
    Member::Flow { vlan: [seen.tags.outer(), seen.tags.inner()], tuple: seen.tuple }
}
