//! Who is told of what the daemon finds.
//!
//! [`Alerts`] decides what is told and when. Here it is told what happened, asked what is due, and what has become of
//! flows that no longer leave to their MAC is found out: once a flow is healed, the kernel program knows its outcome, and
//! nobody hears of it but by samples.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::config::Config;
use super::daemon::Daemon;
use super::kept::{Job, SaveError, Saving};
use super::ledger::Booked;
use super::sources::Phase;
use crate::alerts::{Alerts, Counts, End, Kind, Member, Silent};
use crate::engine::finding::{Finding, Latent};
use crate::engine::observation::Observation;
use crate::engine::verdict::Verdict;
use crate::output::Report;
use crate::types::{Place, Position, Timestamp, Warning};

/// A flow that was silent for so long may be healed.
const SILENT: Duration = Duration::from_secs(2);
/// Ticks between two looks at flows that are silent.
const LOOK: u64 = 5;
/// Flows looked at each time at most.
const MAX_LOOKED: usize = 1_000;
/// Longest file of open causes that is read.
const MAX_FILE: u64 = 64 << 20;
/// Losses that cost time, or the precision of an estimate: metrics and the summary tell them, and nobody is woken.
const UNALARMING: [&str; 5] =
    ["events_limited", "events_lost", "samples_evicted", "samples_untracked", "requests_evicted"];
/// What messages call the file.
const WHAT: &str = "open alerts";

/// What is to be told, and what was.
#[derive(Debug)]
pub(super) struct Alerting {
    alerts: Alerts,
    /// Names of the node and of NICs, and how times look.
    frame: Report,
    /// Messages so far, by kind.
    told: BTreeMap<Kind, u64>,
    path: Option<PathBuf>,
    saving: Saving,
    saved_changes: u64,
    is_failing: bool,
}

impl Alerting {
    /// Opens again what was open at the end of the last run.
    pub(super) fn load(config: &Config, frame: Report, now: Timestamp) -> (Self, Vec<Warning>) {
        let mut alerts = Alerts::new(config.alerts);
        let mut warnings = Vec::new();
        if let Some(path) = &config.alert_state
            && let Err(message) = restore(&mut alerts, path, now)
        {
            let place = Place { file: path.display().to_string().into(), position: Position::Whole };
            warnings.push(Warning { place, message: format!("{message}; what was told before may be told again") });
        }
        let saved_changes = alerts.changes();
        let path = config.alert_state.clone();
        (
            Self {
                alerts,
                frame,
                told: BTreeMap::new(),
                path,
                saving: Saving::default(),
                saved_changes,
                is_failing: false,
            },
            warnings,
        )
    }

    /// Names of NICs by their index, from now on.
    pub(super) fn nics(&mut self, names: Vec<Option<String>>) {
        self.frame.nic_names = names;
    }

    /// A flow was judged and makes a finding.
    pub(super) fn violating(&mut self, finding: &Finding, at: Timestamp) {
        self.alerts.violating(finding, &self.frame, at);
    }

    /// Packets were booked.
    pub(super) fn booked(&mut self, seen: &Observation, booked: Booked) {
        match booked.verdict {
            Verdict::Violating(_) if booked.packets > 0 => {
                let counts = Counts { packets: booked.packets, bytes: booked.bytes };
                self.alerts.count(&member(seen), seen.eth_dst, counts, seen.last);
            }
            Verdict::Conforming if booked.packets > 0 => self.alerts.conforms(&member(seen)),
            _ => {}
        }
    }

    /// The latent entries as they are now.
    pub(super) fn latent(&mut self, latent: &[Latent], at: Timestamp) {
        self.alerts.latent(latent, &self.frame, at);
    }

    /// Messages so far, by kind, and causes that are open.
    pub(super) fn counts(&self) -> (&BTreeMap<Kind, u64>, u64) {
        (&self.told, self.alerts.open().iter().sum::<usize>() as u64)
    }

    fn job(&mut self) -> Option<Job> {
        let path = self.path.clone()?;
        self.saved_changes = self.alerts.changes();
        Some(Job { what: WHAT, path, text: self.alerts.save().into_bytes() })
    }
}

impl Daemon {
    /// Tells what is due.
    pub(super) fn tell_alerts(&mut self) {
        let now = self.clock.now();
        for alert in self.alerting.alerts.poll(&self.alerting.frame, now) {
            *self.alerting.told.entry(alert.kind).or_default() += 1;
            drop(alert);
        }
    }

    /// What is to be done for alerts each second.
    pub(super) async fn tick_alerts(&mut self) {
        let now = self.clock.now();
        self.note_states(now);
        if self.ticks.is_multiple_of(LOOK) {
            self.look_at_silent(now);
        }
        self.alerting.alerts.tick(now);
        self.tell_alerts();
        self.save_alerts().await;
    }

    /// Takes note of the sources and of what was lost.
    fn note_states(&mut self, now: Timestamp) {
        for source in self.sources.all() {
            let error = source.error.as_deref().filter(|_| source.phase != Phase::Synchronised);
            self.alerting.alerts.source(source.name, &source.place, error, now);
        }
        if now.since(self.started) > super::start::PATIENCE {
            const UNKNOWN: &str = "no source tells them, or none has for too long; packets are undetermined";
            let error = (!self.is_sighted).then_some(UNKNOWN);
            self.alerting.alerts.source("nexthops", "", error, now);
        }
        for loss in self.losses().iter().filter(|loss| !UNALARMING.contains(&loss.name)) {
            self.alerting.alerts.loss(loss.name, loss.count);
        }
    }

    /// Finds out what has become of flows that no longer leave to their MAC.
    fn look_at_silent(&mut self, now: Timestamp) {
        let silent = self.alerting.alerts.quiet(now.saturating_sub(SILENT), MAX_LOOKED, now);
        if silent.is_empty() {
            return;
        }
        let conforming = self.conforming_samples();
        for Silent { member, mac, last, by_entry } in silent {
            let Member::Flow { tuple, .. } = member else { continue };
            if conforming.get(&member).is_some_and(|&seen| seen > last) {
                self.alerting.alerts.conforms(&member);
            } else if by_entry && self.evidence.holds(tuple, mac, last) == Some(false) {
                self.alerting.alerts.end(&member, mac, End::EntryGone);
            }
        }
    }

    /// When flows that conform were sampled last.
    fn conforming_samples(&mut self) -> HashMap<Member, Timestamp> {
        let samples = match self.readings.samples() {
            Ok(samples) => samples,
            Err(error) => {
                self.failed(&error);
                return HashMap::new();
            }
        };
        let mut last: HashMap<Member, Timestamp> = HashMap::new();
        // Those that were sampled while no set was loaded were judged by nobody.
        for sample in samples.iter().filter(|sample| sample.key.epoch() != 0) {
            let seen = self.observation(sample);
            let known = last.entry(member(&seen)).or_default();
            *known = (*known).max(seen.last);
        }
        last
    }

    async fn save_alerts(&mut self) {
        if let Some(outcome) = self.alerting.saving.outcome().await {
            self.saved(outcome);
        }
        if self.alerting.saving.is_busy() || self.alerting.saved_changes == self.alerting.alerts.changes() {
            return;
        }
        if let Some(job) = self.alerting.job() {
            self.alerting.saving.start(job);
        }
    }

    /// Saves what is open at the end of the run.
    pub(super) fn save_alerts_now(&mut self) {
        if let Some(job) = self.alerting.job() {
            let outcome = job.run();
            self.saved(outcome);
        }
    }

    fn saved(&mut self, outcome: Result<(), SaveError>) {
        let was_failing = std::mem::replace(&mut self.alerting.is_failing, outcome.is_err());
        match outcome {
            Err(error) => {
                // It is tried again with the next change.
                if !was_failing {
                    self.news.complain(&format!("{error}; it is tried again"));
                }
            }
            Ok(()) if was_failing => self.news.say("open alerts are saved again"),
            Ok(()) => {}
        }
    }
}

/// The flow that was observed.
fn member(seen: &Observation) -> Member {
    Member::Flow { vlan: [seen.tags.outer(), seen.tags.inner()], tuple: seen.tuple }
}

/// Reads what was open. That there is no file is nothing to speak of.
fn restore(alerts: &mut Alerts, path: &Path, now: Timestamp) -> Result<(), String> {
    let read = || {
        // A pipe in its place would block for ever.
        if !fs::metadata(path)?.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        let mut text = String::new();
        File::open(path)?.take(MAX_FILE).read_to_string(&mut text)?;
        Ok(text)
    };
    let text = match read() {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("cannot read {WHAT}: {error}")),
    };
    alerts.restore(&text, now).map(drop).map_err(|error| format!("cannot read {WHAT}: {error}"))
}
