//! The daemon: what it knows, and what it does when something happens.

use std::collections::HashMap;
use std::ops::ControlFlow;

use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, sleep_until};

use super::alerting::Alerting;
use super::clock::Clock;
use super::config::Config;
use super::connections::{Connections, Way};
use super::databases::{Databases, Role, Told};
use super::event::{Event, Reading};
use super::evidence::Evidence;
use super::exporting::Exporting;
use super::kernel::Kernel;
use super::latent::Latents;
use super::ledger::Ledger;
use super::news::News;
use super::nexthop_files::NexthopFiles;
use super::recording::Recording;
use super::remembering::Remembering;
use super::repairing::Repairing;
use super::signals::Signals;
use super::sources::{SourceId, Sources};
use super::sweeping::Line;
use super::tracing::Tracing;
use super::voice::{Trouble, Voice};
use super::watching::Watching;
use crate::bpf::counted::{self, Heard, Key};
use crate::bpf::events::EventStream;
use crate::cli::ConntrackSource;
use crate::engine::Engine;
use crate::engine::fact::Delta;
use crate::mirror::Taken;
use crate::netlink::route;
use crate::types::{Timestamp, Tuple};
use crate::unixctl::conntrack::Pacing;

/// Events that are taken before what they tell takes effect: what comes together takes effect together.
const BATCH: usize = 256;
/// Ticks between two looks at what is rarely needed.
pub(super) const RARELY: u64 = 60;

/// What the daemon knows.
pub(super) struct Daemon {
    pub(super) config: Config,
    pub(super) clock: Clock,
    pub(super) started: Timestamp,
    /// When the sources were asked first.
    pub(super) asked: Timestamp,
    pub(super) engine: Engine,
    pub(super) ledger: Ledger<Key>,
    pub(super) alerting: Alerting,
    pub(super) exporting: Exporting,
    pub(super) evidence: Evidence,
    pub(super) connections: Connections,
    pub(super) news: News,
    pub(super) voice: Voice,
    pub(super) kernel: Kernel,
    pub(super) sources: Sources,
    pub(super) databases: Databases,
    /// The source that rtnetlink is.
    pub(super) rtnetlink: SourceId,
    pub(super) files: NexthopFiles,
    pub(super) watching: Watching,
    /// Where packets are told of one by one.
    pub(super) tracing: Option<Tracing>,
    /// Where frames are recorded.
    pub(super) recording: Option<Recording>,
    /// Frames that the recording lacked when it ended.
    pub(super) not_written: u64,
    pub(super) remembering: Remembering,
    /// Where stale entries are healed without being asked.
    pub(super) repairing: Option<Repairing>,
    /// What was told and has not taken effect yet.
    pub(super) pending: Vec<Delta>,
    /// When a verdict changes by itself.
    pub(super) due: Option<Timestamp>,
    /// Whether the next hops are known.
    pub(super) is_sighted: bool,
    /// Since when.
    pub(super) sighted: Timestamp,
    /// Whether a neighbour was heard with a new MAC since the last commit.
    pub(super) has_heard: bool,
    /// Tuples under which conntrack entries of a flow were told to the engine, by the flow's tuple on the wire.
    pub(super) told_connections: HashMap<Tuple, Vec<Tuple>>,
    pub(super) latents: Latents,
    /// How often programs of ours were removed by others.
    pub(super) lost_places: u64,
    /// Suspects that wait to be judged.
    pub(super) waiting: Line,
    /// Flows that wait to be judged again with what the last reading of conntrack entries tells.
    pub(super) uncited: Line,
    pub(super) ticks: u64,
}

/// Where events come from.
pub(super) struct Inbox {
    pub(super) events: mpsc::Receiver<Event>,
    pub(super) stream: EventStream,
    pub(super) batches: mpsc::Receiver<Taken>,
    pub(super) signals: Signals,
    pub(super) ticks: Interval,
    pub(super) end: Option<Instant>,
}

impl Daemon {
    /// Runs until told to stop, and says why it did.
    ///
    /// # Errors
    /// There is nothing to watch, or nothing can be attached.
    pub(super) async fn run(&mut self, inbox: &mut Inbox) -> anyhow::Result<&'static str> {
        loop {
            let event = self.next(inbox).await;
            if let ControlFlow::Break(reason) = self.handle(event).await {
                return Ok(reason);
            }
            for _ in 0..BATCH {
                let Some(event) = inbox.waiting() else { break };
                if let ControlFlow::Break(reason) = self.handle(event).await {
                    return Ok(reason);
                }
            }
            self.commit();
            self.open_nics()?;
            self.tell_alerts();
            self.trace();
            // Under a flood of packets the sources have to be read too.
            tokio::task::yield_now().await;
            if self.news.has_failed() {
                return Ok("nobody reads what is found");
            }
        }
    }

    /// The next event. The end first, then packets: somebody waits for the alert.
    async fn next(&self, inbox: &mut Inbox) -> Event {
        let due = self.due.map(|due| Instant::now() + due.since(self.clock.now()));
        tokio::select! {
            biased;
            event = inbox.signals.next() => event,
            () = at(inbox.end) => Event::Stop("its time is over"),
            // Each second, whatever else there is: it sweeps, and tells that we are alive.
            _ = inbox.ticks.tick() => Event::Tick,
            noticed = inbox.stream.next() => match noticed {
                Ok(event) => Event::Noticed(event),
                // The sweep finds what events tell, only later.
                Err(_) => Event::Tick,
            },
            Some(taken) = inbox.batches.recv() => Event::Mirrored(Box::new(taken)),
            Some(event) = inbox.events.recv() => event,
            () = at(due) => Event::Due,
            () = std::future::ready(()), if !(self.waiting.is_empty() && self.uncited.is_empty()) => Event::Idle,
        }
    }

    async fn handle(&mut self, event: Event) -> ControlFlow<&'static str> {
        match event {
            Event::Noticed(counted::Event::Suspect { key, .. }) => self.noticed(key),
            Event::Noticed(counted::Event::Heard(heard)) => self.heard(&heard),
            Event::Database(role, event) => {
                let told = self.databases.take(role, event, &mut self.sources, self.clock.now());
                self.take(told);
            }
            Event::LogicalFlows(answer) => {
                let told = self.databases.answered(answer, self.clock.now());
                self.take(told);
            }
            Event::Kernel(event) => self.kernel_tells(event),
            Event::KernelLost(error) => self.kernel_lost(error.to_string()),
            Event::Guarded(findings) => self.guarded(findings),
            Event::Mirrored(taken) => self.take_mirrored(*taken).await,
            Event::Conntrack(event) => self.connections.note(event, &mut self.evidence),
            Event::ConntrackLost(error) => self.voice.failed(Trouble::ConntrackEvents, &error),
            Event::Labelled(reading) => self.take_reading(*reading),
            Event::Tick => self.tick().await,
            Event::Idle if self.waiting.is_empty() => self.judge_uncited(),
            Event::Idle => self.judge_waiting(),
            // What is due takes effect with the commit behind every event.
            Event::Due => {}
            Event::Reload => self.reload(),
            Event::Stop(reason) => return ControlFlow::Break(reason),
        }
        ControlFlow::Continue(())
    }

    fn take(&mut self, told: Told) {
        let Told { delta, warnings, message, is_synchronised, is_own } = told;
        self.told(delta);
        for warning in warnings {
            self.voice.say(&warning.to_string());
        }
        if let Some(message) = message {
            self.voice.say(&message);
            self.tell_status();
        }
        if is_synchronised || is_own {
            self.choose_conntrack();
            self.find_nics();
        }
    }

    /// Takes over a reading of all labelled entries.
    fn take_reading(&mut self, reading: Result<Reading, String>) {
        let meanwhile = self.connections.done(&reading);
        match reading {
            Ok(reading) => {
                self.note_release(reading.ovs);
                self.evidence.replace(reading.index, reading.senders, reading.begun);
                meanwhile.into_iter().for_each(|event| self.evidence.note(event));
                if let Some(failure) = &reading.failure {
                    self.voice.failed(Trouble::ConntrackReading, failure);
                }
                self.engine.set_mark_zones(reading.mark_zones);
                self.engine.note_connections_told();
                self.await_uncited();
                self.look_for_latent(self.clock.now());
            }
            Err(error) => self.voice.failed(Trouble::ConntrackReading, &error),
        }
    }

    /// Chooses where conntrack entries are read, once it can be told.
    pub(super) fn choose_conntrack(&mut self) {
        let node = self.databases.node();
        let is_told = node.is_some() || self.is_late() || !self.databases.has(Role::OpenVswitch);
        if self.connections.is_chosen() || self.config.conntrack == ConntrackSource::Auto && !is_told {
            return;
        }
        let way = Way::choose(self.config.conntrack, &self.config.sources, node.as_ref(), Pacing::default());
        let gone = way.and_then(|way| self.connections.go(way, &mut self.evidence));
        if let Err(error) = gone {
            self.voice.failed(Trouble::ConntrackReading, &error);
        }
        self.alerting.set_datapath(self.connections.way().datapath());
    }

    fn kernel_tells(&mut self, event: route::Event) {
        match event {
            route::Event::Facts(delta) => self.told(delta),
            route::Event::Links(changes) => {
                self.watching.take(changes);
                self.find_nics();
            }
            route::Event::Synchronised(losses) => {
                self.watching.losses = losses;
                let now = self.clock.now();
                if self.sources.synchronised(self.rtnetlink, now).is_some() {
                    self.tell_status();
                }
            }
            route::Event::Warning(message) => self.voice.say(&message),
        }
    }

    pub(super) fn heard(&mut self, heard: &Heard) {
        self.has_heard |= self.engine.hear(self.kernel.neighbour(heard)).iter().any(Option::is_some);
    }

    fn kernel_lost(&mut self, error: String) {
        let now = self.clock.now();
        let Some(source) = self.sources.lost(self.rtnetlink, error, now) else { return };
        let message = format!("{} is lost: {}", source.name, source.error.as_deref().unwrap_or_default());
        self.voice.complain(&message);
        self.tell_status();
    }

    /// Listens to the neighbours of whom frames came since the last time: an event tells only of a MAC that is new, not
    /// of one that comes back, and may be lost.
    fn hear_all(&mut self) {
        for heard in self.kernel.heard_since(&mut self.voice) {
            self.heard(&heard);
        }
    }

    async fn tick(&mut self) {
        self.ticks += 1;
        self.sweep().await;
        self.hear_all();
        self.check_nics();
        for (delta, message) in self.files.poll(&mut self.sources, self.clock.now()) {
            self.told(delta);
            message.iter().for_each(|message| self.voice.complain(message));
        }
        self.choose_conntrack();
        self.databases.ask(&self.sources, self.clock.now());
        // A reading from before the set is known tells nothing of it.
        if self.is_sighted || self.is_late() {
            self.connections.tick(&self.config, self.evidence.zones());
        }
        self.repair_stale();
        self.save_history().await;
        self.tick_alerts().await;
        self.tick_export();
        self.tick_recording();
        if let Some(failure) = self.evidence.take_failure() {
            self.voice.failed(Trouble::ConntrackEntry, &failure);
        }
        if self.ticks.is_multiple_of(RARELY) {
            self.kernel.count_evicted(&mut self.voice);
            if self.alerting.has_latent() {
                // What was deleted since the last reading is told.
                self.look_for_latent(self.clock.now());
            }
            self.look_at_replies();
            self.forget_requests();
            self.forget();
            if let Some(seconds) = self.clock.jump() {
                self.voice.complain(&format!(
                    "the wall clock was set by {seconds:+.1} s: times go on as they were when the daemon started; start \
                     it again for times of the new clock"
                ));
            }
        }
    }
}

impl Inbox {
    /// An event that is there already.
    fn waiting(&mut self) -> Option<Event> {
        self.events.try_recv().ok().or_else(|| self.stream.taken().map(Event::Noticed))
    }
}

/// Comes back at the instant; never without one.
async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
