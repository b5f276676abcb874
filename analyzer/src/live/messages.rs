//! Alerts on their way to sinks, and the file of those that are open.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::claim::Claimed;
use super::clock::Clock;
use super::config::Config;
use super::console::Console;
use super::kept::{self, Job, SaveError, Saving};
use crate::alerts::Alert;
use crate::daemon::Daemon;
use crate::metrics::Latency;
use crate::sinks::saved::Unsent;
use crate::sinks::status::{Happening, SinkStatus};
use crate::sinks::target::Target;
use crate::sinks::{self, Hooks, Sinks, Written};
use crate::types::{Place, Position, Warning};

/// Longest file of open causes that is read.
const MAX_FILE: u64 = 64 << 20;
/// How long the last messages are waited for at the end.
const LAST: Duration = Duration::from_secs(5);
/// What messages call the file.
const WHAT: &str = "open alerts";

/// The sinks, and what is kept over a restart.
pub(super) struct Messages {
    sinks: Sinks,
    /// Time from packets to messages about them.
    latency: Arc<Mutex<Latency>>,
    /// The file that open alerts are kept in, which is ours alone.
    claimed: Option<Claimed>,
    saving: Saving,
    saved: Option<State>,
    is_failing: bool,
}

/// What is compared to know whether to save: changes of causes, messages sent, messages that wait.
type State = (u64, u64, usize);

/// What the file holds.
#[derive(Serialize, Deserialize)]
struct Kept<'a> {
    open: Box<RawValue>,
    unsent: Cow<'a, [Unsent]>,
}

impl Messages {
    /// Starts the sinks; of a second daemon, none.
    ///
    /// # Errors
    /// The sinks' settings cannot be used.
    pub(super) fn start(
        config: &Config,
        claimed: Option<Claimed>,
        is_second: bool,
        clock: Clock,
    ) -> Result<Self, sinks::config::ConfigError> {
        let latency = Arc::new(Mutex::new(Latency::default()));
        let mut messages = config.messages();
        if is_second {
            messages.targets = vec![Target::None];
        }
        let sinks = Sinks::start(&messages, &hooks(clock, Arc::clone(&latency)))?;
        Ok(Self { sinks, latency, claimed, saving: Saving::default(), saved: None, is_failing: false })
    }

    /// Opens again what was open at the end of the last run. Returns what is to be said of it.
    pub(super) fn restore(&mut self, daemon: &mut Daemon) -> Option<Warning> {
        let path = self.path().map(Path::to_path_buf);
        let warning = path.and_then(|path| {
            let message = self.read(&path, daemon).err()?;
            let place = Place { file: path.display().to_string().into(), position: Position::Whole };
            Some(Warning { place, message })
        });
        self.saved = Some(self.state(daemon));
        warning
    }

    fn path(&self) -> Option<&Path> {
        self.claimed.as_ref().map(|claimed| claimed.path.as_path())
    }

    /// Sends a message.
    pub(super) fn send(&mut self, alert: Alert) {
        self.sinks.send(&Arc::new(alert));
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

    /// What is to be done each second: it says what became of sinks, and saves what is worth it.
    pub(super) async fn tick(&mut self, daemon: &Daemon, console: &Console) {
        for news in self.sinks.take_news() {
            match news.what {
                Happening::Connected | Happening::Nobody => console.say(&news.to_string()),
                Happening::Failed(_) | Happening::Full | Happening::TooLong(_) => console.complain(&news.to_string()),
            }
        }
        if let Some(outcome) = self.saving.outcome().await {
            self.note(outcome, console);
        }
        let state = self.state(daemon);
        if self.saving.is_busy() || self.saved == Some(state) {
            return;
        }
        let unsent = self.sinks.unsent();
        self.saved = Some(state);
        if let Some(job) = self.job(daemon, &unsent) {
            self.saving.start(job);
        }
    }

    /// Sends what waits at the end of the run, and keeps what is open and what could not be sent.
    pub(super) async fn end(&mut self, daemon: &Daemon, console: &Console) {
        let unsent = std::mem::take(&mut self.sinks).end(LAST).await;
        let count: usize = unsent.iter().map(|unsent| unsent.alerts.len()).sum();
        if count > 0 {
            let then = match self.path() {
                Some(_) => "they are sent at the next start",
                None => "they are lost, as open alerts are not kept",
            };
            console.complain(&format!("{count} messages were not delivered: {then}"));
        }
        if let Some(outcome) = self.saving.wait().await {
            self.note(outcome, console);
        }
        if let Some(job) = self.job(daemon, &unsent) {
            let outcome = job.run();
            self.note(outcome, console);
        }
    }

    /// Grows or changes with what is worth saving: open causes, messages that were sent and that wait.
    fn state(&self, daemon: &Daemon) -> State {
        let sinks = self.sinks.status();
        let sent = sinks.iter().map(|sink| sink.counts.sent + sink.counts.dropped).sum();
        (daemon.alert_changes(), sent, sinks.iter().map(|sink| sink.queued).sum())
    }

    fn job(&self, daemon: &Daemon, unsent: &[Unsent]) -> Option<Job> {
        let open = RawValue::from_string(daemon.open_alerts()).expect("it is JSON");
        let kept = Kept { open, unsent: Cow::Borrowed(unsent) };
        let text = serde_json::to_vec(&kept).expect("strings and numbers can be written as JSON");
        Some(Job { what: WHAT, path: self.path()?.to_owned(), text })
    }

    /// Reads what was open and what was not sent. That there is no file is nothing to speak of.
    fn read(&mut self, path: &Path, daemon: &mut Daemon) -> Result<(), String> {
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
        daemon.restore_alerts(kept.open.get()).map_err(|error| failed(&error))?;
        match self.sinks.resume(&kept.unsent) {
            0 => Ok(()),
            left => {
                Err(format!("{left} messages that an earlier run did not send are left: no such receiver is named now"))
            }
        }
    }

    fn note(&mut self, outcome: Result<(), SaveError>, console: &Console) {
        let was_failing = std::mem::replace(&mut self.is_failing, outcome.is_err());
        match outcome {
            Err(error) => {
                self.saved = None;
                if !was_failing {
                    console.complain(&format!("{error}; it is tried again"));
                }
            }
            Ok(()) if was_failing => console.say("open alerts are saved again"),
            Ok(()) => {}
        }
    }
}

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
