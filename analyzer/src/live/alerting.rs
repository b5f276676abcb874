//! Who is told of what the daemon finds.
//!
//! [`Alerts`] decides what is told and when. Here it is told what happened, asked what is due, and what has become of
//! flows that no longer leave to their MAC is found out: once a flow is healed, the kernel program knows its outcome, and
//! nobody hears of it but by samples.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::claim::Claimed;
use super::clock::Clock;
use super::config::Config;
use super::daemon::Daemon;
use super::kept::{self, Job, SaveError, Saving};
use super::ledger::{Booked, Cited};
use super::namespace;
use super::sources::Phase;
use crate::alerts::{Alerts, Counts, End, Kind, Member, Namespace, Silent};
use crate::engine::finding::{Finding, Latent};
use crate::engine::observation::Observation;
use crate::engine::verdict::Verdict;
use crate::metrics::Latency;
use crate::output::Report;
use crate::output::remedy::Datapath;
use crate::sinks::saved::Unsent;
use crate::sinks::status::{Happening, SinkStatus};
use crate::sinks::target::Target;
use crate::sinks::{self, Hooks, Sinks, Written};
use crate::types::{Place, Position, Timestamp, Warning};

/// A flow that was silent for so long may be healed.
const SILENT: Duration = Duration::from_secs(2);
/// Ticks between two looks at flows that are silent.
const LOOK: u64 = 5;
/// Flows whose conntrack entries are asked for each time at most.
const MAX_ASKED: usize = 500;
/// Of these so many before others have their turn.
const TURN: usize = 32;
/// Longest file of open causes that is read.
const MAX_FILE: u64 = 64 << 20;
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
/// How long the last messages are waited for at the end.
const LAST: Duration = Duration::from_secs(5);
/// What messages call the file.
const WHAT: &str = "open alerts";

/// What is to be told, and what was.
pub(super) struct Alerting {
    alerts: Alerts,
    sinks: Sinks,
    /// Time from packets to messages about them.
    latency: Arc<Mutex<Latency>>,
    /// Names of the node and of NICs, and how times look.
    frame: Report,
    /// Messages so far, by kind.
    told: BTreeMap<Kind, u64>,
    /// The file that open alerts are kept in, which is ours alone.
    claimed: Option<Claimed>,
    namespace: Option<Namespace>,
    saving: Saving,
    saved: Option<State>,
    is_failing: bool,
}

impl Alerting {
    /// Opens again what was open at the end of the last run, and starts the sinks.
    ///
    /// # Errors
    /// The sinks' settings cannot be used.
    pub(super) fn start(
        config: &Config,
        claimed: Option<Claimed>,
        is_second: bool,
        frame: Report,
        clock: Clock,
    ) -> Result<(Self, Vec<Warning>), sinks::config::ConfigError> {
        let latency = Arc::new(Mutex::new(Latency::default()));
        let mut messages = config.messages();
        if is_second {
            messages.targets = vec![Target::None];
        }
        let mut alerting = Self {
            alerts: Alerts::new(config.alerts),
            sinks: Sinks::start(&messages, &hooks(clock, Arc::clone(&latency)))?,
            latency,
            frame,
            told: BTreeMap::new(),
            claimed,
            namespace: namespace::own(),
            saving: Saving::default(),
            saved: None,
            is_failing: false,
        };
        alerting.alerts.watch(alerting.namespace.as_ref(), BTreeSet::new(), clock.now());
        let mut warnings = Vec::new();
        if let Some(path) = alerting.path().map(Path::to_path_buf)
            && let Err(message) = alerting.restore(&path, clock.now())
        {
            let place = Place { file: path.display().to_string().into(), position: Position::Whole };
            warnings.push(Warning { place, message });
        }
        alerting.saved = Some(alerting.state());
        Ok((alerting, warnings))
    }

    fn path(&self) -> Option<&Path> {
        self.claimed.as_ref().map(|claimed| claimed.path.as_path())
    }

    /// Names of NICs by their index, from now on.
    pub(super) fn nics(&mut self, names: Vec<Option<String>>) {
        self.frame.nic_names = names;
    }

    /// Where conntrack entries live, once it is known: remedies are for there.
    pub(super) fn set_datapath(&mut self, datapath: Option<Datapath>) {
        self.frame.datapath = datapath;
    }

    /// The NICs that are watched from now on. Returns what is to be said of alerts that stay as they were.
    pub(super) fn watch(&mut self, nics: BTreeSet<String>, now: Timestamp) -> Option<String> {
        self.alerts.watch(self.namespace.as_ref(), nics, now);
        match self.alerts.elsewhere() {
            0 => None,
            count => Some(format!(
                "{count} alerts of an earlier run stay open and untold: they are of NICs that are not watched here"
            )),
        }
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
            Verdict::Conforming if booked.packets > 0 => self.alerts.conforms(&member(seen), seen.last),
            Verdict::Undetermined(_) | Verdict::Grace if booked.packets > 0 => {
                self.alerts.goes_on(&member(seen), seen.eth_dst, seen.last);
            }
            Verdict::Info(_) if booked.packets > 0 => self.alerts.end(&member(seen), seen.eth_dst, End::Excused),
            _ => {}
        }
    }

    /// The latent entries as they are now, and those that findings cite.
    pub(super) fn latent(&mut self, latent: &[Latent], cited: &Cited, at: Timestamp) {
        let is_cited = |member: &Member, mac| match member {
            Member::Entry { zone, orig } => cited.contains_key(&(*orig, *zone, mac)),
            Member::Flow { .. } => false,
        };
        self.alerts.latent(latent, is_cited, &self.frame, at);
    }

    /// Whether latent entries were told and are open.
    pub(super) fn has_latent(&self) -> bool {
        self.alerts.open()[1] > 0
    }

    /// Messages so far, by kind, and causes that are open.
    pub(super) fn counts(&self) -> (&BTreeMap<Kind, u64>, u64) {
        (&self.told, self.alerts.open().iter().sum::<usize>() as u64)
    }

    /// Time from packets to messages about them, and what became of messages.
    pub(super) fn delivered(&self) -> (Latency, Vec<SinkStatus>) {
        let latency = *self.latency.lock().unwrap_or_else(PoisonError::into_inner);
        (latency, self.sinks.status())
    }

    /// Messages that no sink will get.
    pub(super) fn dropped(&self) -> u64 {
        self.sinks.status().iter().map(|sink| sink.counts.dropped + sink.counts.too_long).sum()
    }

    /// Grows or changes with what is worth saving: open causes, messages that were sent and that wait.
    fn state(&self) -> State {
        let sinks = self.sinks.status();
        let sent = sinks.iter().map(|sink| sink.counts.sent + sink.counts.dropped).sum();
        (self.alerts.changes(), sent, sinks.iter().map(|sink| sink.queued).sum())
    }

    fn job(&mut self) -> Option<Job> {
        let unsent = self.sinks.unsent();
        self.saved = Some(self.state());
        self.job_with(&unsent)
    }

    fn job_with(&self, unsent: &[Unsent]) -> Option<Job> {
        let open = RawValue::from_string(self.alerts.save()).expect("it is JSON");
        let kept = Kept { open, unsent: Cow::Borrowed(unsent) };
        let text = serde_json::to_vec(&kept).expect("strings and numbers can be written as JSON");
        Some(Job { what: WHAT, path: self.path()?.to_owned(), text })
    }

    /// Reads what was open and what was not sent. That there is no file is nothing to speak of.
    fn restore(&mut self, path: &Path, now: Timestamp) -> Result<(), String> {
        let read = || {
            let mut text = String::new();
            kept::open(path)?.take(MAX_FILE).read_to_string(&mut text)?;
            Ok::<_, io::Error>(text)
        };
        let failed = |error: &dyn Display| {
            format!("cannot read {WHAT}: {error}; what was told before may be told again, and not be cleared")
        };
        let text = match read() {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(&error)),
        };
        let kept: Kept<'_> = serde_json::from_str(&text).map_err(|error| failed(&error))?;
        self.alerts.restore(kept.open.get(), now).map_err(|error| failed(&error))?;
        match self.sinks.resume(&kept.unsent) {
            0 => Ok(()),
            left => {
                Err(format!("{left} messages that an earlier run did not send are left: no such receiver is named now"))
            }
        }
    }
}

/// What the file holds.
#[derive(Serialize, Deserialize)]
struct Kept<'a> {
    open: Box<RawValue>,
    unsent: Cow<'a, [Unsent]>,
}

/// What is compared to know whether to save: changes of causes, messages sent, messages that wait.
type State = (u64, u64, usize);

/// What the sinks need of us.
fn hooks(clock: Clock, latency: Arc<Mutex<Latency>>) -> Hooks {
    let written = move |written: &Written<'_>| {
        if let Some(seen) = written.alert.seen {
            let took = written.alert.at.since(seen) + written.took;
            latency.lock().unwrap_or_else(PoisonError::into_inner).observe(took);
        }
    };
    Hooks { now: Arc::new(move || clock.now()), written: Arc::new(written) }
}

impl Daemon {
    /// Tells what is due.
    pub(super) fn tell_alerts(&mut self) {
        let now = self.clock.now();
        for alert in self.alerting.alerts.poll(&self.alerting.frame, now) {
            *self.alerting.told.entry(alert.kind).or_default() += 1;
            self.alerting.sinks.send(&Arc::new(alert));
        }
    }

    /// What is to be done for alerts each second.
    pub(super) async fn tick_alerts(&mut self) {
        let now = self.clock.now();
        self.note_states(now);
        if self.ticks.is_multiple_of(LOOK) {
            self.look_at_silent(now).await;
        }
        let is_watching = self.is_sighted && !self.kernel.has_refused() && self.watching.is_whole();
        self.alerting.alerts.tick(is_watching, now);
        self.tell_alerts();
        for news in self.alerting.sinks.take_news() {
            match news.what {
                Happening::Connected | Happening::Nobody => self.voice.say(&news.to_string()),
                Happening::Failed(_) | Happening::Full | Happening::TooLong(_) => {
                    self.voice.complain(&news.to_string());
                }
            }
        }
        self.save_alerts().await;
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

    /// Finds out what has become of flows that no longer leave to their MAC.
    async fn look_at_silent(&mut self, now: Timestamp) {
        let silent = self.alerting.alerts.silent(now.saturating_sub(SILENT));
        if silent.is_empty() {
            return;
        }
        let conforming = self.last_conforming();
        let mut asked = 0;
        for Silent { member, mac, last, by_entry } in silent {
            let Member::Flow { tuple, .. } = member else { continue };
            if let Some(&seen) = conforming.get(&member).filter(|&&seen| seen > last) {
                self.alerting.alerts.conforms(&member, seen);
            } else if by_entry && asked < MAX_ASKED {
                asked += 1;
                self.alerting.alerts.looked(&member, mac, now);
                if self.evidence.holds(tuple, mac, last) == Some(false) {
                    self.alerting.alerts.end(&member, mac, End::EntryGone);
                }
                if asked % TURN == 0 {
                    tokio::task::yield_now().await;
                }
            }
        }
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

    async fn save_alerts(&mut self) {
        if let Some(outcome) = self.alerting.saving.outcome().await {
            self.saved(outcome);
        }
        if self.alerting.saving.is_busy() || self.alerting.saved == Some(self.alerting.state()) {
            return;
        }
        if let Some(job) = self.alerting.job() {
            self.alerting.saving.start(job);
        }
    }

    /// Sends what waits at the end of the run, and keeps what is open and what could not be sent.
    pub(super) async fn end_alerts(&mut self) {
        self.tell_alerts();
        let unsent = std::mem::take(&mut self.alerting.sinks).end(LAST).await;
        let count: usize = unsent.iter().map(|unsent| unsent.alerts.len()).sum();
        if count > 0 {
            let then = match self.alerting.path() {
                Some(_) => "they are sent at the next start",
                None => "they are lost, as open alerts are not kept",
            };
            self.voice.complain(&format!("{count} messages were not delivered: {then}"));
        }
        if let Some(outcome) = self.alerting.saving.wait().await {
            self.saved(outcome);
        }
        if let Some(job) = self.alerting.job_with(&unsent) {
            let outcome = job.run();
            self.saved(outcome);
        }
    }

    fn saved(&mut self, outcome: Result<(), SaveError>) {
        let was_failing = std::mem::replace(&mut self.alerting.is_failing, outcome.is_err());
        match outcome {
            Err(error) => {
                self.alerting.saved = None;
                if !was_failing {
                    self.voice.complain(&format!("{error}; it is tried again"));
                }
            }
            Ok(()) if was_failing => self.voice.say("open alerts are saved again"),
            Ok(()) => {}
        }
    }
}

/// The flow that was observed.
fn member(seen: &Observation) -> Member {
    Member::Flow { vlan: [seen.tags.outer(), seen.tags.inner()], tuple: seen.tuple }
}
