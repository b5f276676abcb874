//! The loop: what happens on the node is told to the daemon, and what the daemon asks for is done.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Interval, sleep_until};

use super::clock::Clock;
use super::config::Config;
use super::console::Console;
use super::databases::Connected;
use super::exporting::Exporting;
use super::flows;
use super::hooks::Attachments;
use super::messages::Messages;
use super::news::News;
use super::nexthop_files::NexthopFiles;
use super::packets::Maps;
use super::recording::Recordings;
use super::reload::reload;
use super::remembering::Remembering;
use super::repairing::Work;
use super::signals::Signals;
use super::tracing::{Told, Tracing};
use crate::bpf::events::EventStream;
use crate::daemon::effect::Effect;
use crate::daemon::event::Event;
use crate::daemon::guarded::Device;
use crate::daemon::{Daemon, LostOutside};
use crate::mirror::Taken;
use crate::output::Report;

/// Events that are taken before what they tell takes effect: what comes together takes effect together.
const BATCH: usize = 256;
/// Flows of a socket's batch that are taken over before others have their turn.
const FLOWS: usize = 4096;
/// Ticks between two times that metrics are published: to count the flows of each next hop takes time.
const PUBLISH: u64 = 5;
/// Ticks between two looks at what is rarely needed.
const RARELY: u64 = 60;

/// What the loop wakes up for.
#[derive(Debug)]
pub(super) enum Wake {
    /// Something happened.
    Event(Event),
    /// A socket of a mirror port has counted frames.
    Mirrored(Box<Taken>),
    /// A second has passed.
    Tick,
    /// Nothing else is to be done, and flows wait to be judged.
    Idle,
    /// A moment has come at which a verdict changes by itself.
    Due,
    /// The user wants the configuration read again.
    Reload,
    /// The user wants an end, or the time is over.
    Stop(&'static str),
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

/// The daemon, and what does what it asks for.
pub(super) struct Run {
    pub(super) daemon: Daemon,
    pub(super) config: Config,
    pub(super) clock: Clock,
    pub(super) console: Console,
    pub(super) news: News,
    pub(super) messages: Messages,
    pub(super) exporting: Exporting,
    pub(super) remembering: Remembering,
    pub(super) connected: Connected,
    pub(super) files: NexthopFiles,
    pub(super) maps: Maps,
    pub(super) attachments: Attachments,
    /// Devices whose neighbours are followed.
    pub(super) devices: watch::Sender<Option<HashSet<Arc<str>>>>,
    /// Devices of which it is looked whether anybody else uses them.
    pub(super) guard: Option<watch::Sender<Vec<Device>>>,
    pub(super) tracing: Option<Tracing>,
    pub(super) recordings: Option<Recordings>,
    /// Frames that the recording lacked when it ended.
    pub(super) not_written: u64,
    /// Where what was begun tells its end.
    pub(super) sender: mpsc::Sender<Event>,
    pub(super) ticks: u64,
}

impl Run {
    /// Runs until told to stop, and says why it did.
    ///
    /// # Errors
    /// There is nothing to watch, or nothing can be attached.
    pub(super) async fn run(&mut self, inbox: &mut Inbox) -> anyhow::Result<&'static str> {
        loop {
            let wake = self.next(inbox).await;
            if let ControlFlow::Break(reason) = self.handle(wake).await {
                return Ok(reason);
            }
            for _ in 0..BATCH {
                let Some(event) = inbox.waiting() else { break };
                self.tell(event);
            }
            let settled = self.daemon.settle(self.clock.now());
            if settled.is_ok() {
                self.daemon.tell(self.clock.now());
            }
            self.do_effects();
            settled?;
            self.trace();
            // Under a flood of packets the sources have to be read too.
            tokio::task::yield_now().await;
            if self.news.has_failed() {
                return Ok("nobody reads what is found");
            }
        }
    }

    /// What comes next. The end first, then packets: somebody waits for the alert.
    async fn next(&self, inbox: &mut Inbox) -> Wake {
        let due = self.daemon.due().map(|due| Instant::now() + due.since(self.clock.now()));
        tokio::select! {
            biased;
            wake = inbox.signals.next() => wake,
            () = at(inbox.end) => Wake::Stop("its time is over"),
            // Each second, whatever else there is: it sweeps, and tells that we are alive.
            _ = inbox.ticks.tick() => Wake::Tick,
            noticed = inbox.stream.next() => match noticed {
                Ok(event) => Wake::Event(Event::Noticed(event)),
                // The sweep finds what events tell, only later.
                Err(_) => Wake::Tick,
            },
            Some(taken) = inbox.batches.recv() => Wake::Mirrored(Box::new(taken)),
            Some(event) = inbox.events.recv() => Wake::Event(event),
            () = at(due) => Wake::Due,
            () = std::future::ready(()), if self.daemon.has_waiting() => Wake::Idle,
        }
    }

    async fn handle(&mut self, wake: Wake) -> ControlFlow<&'static str> {
        match wake {
            Wake::Event(event) => self.tell(event),
            Wake::Mirrored(taken) => self.take_mirrored(*taken).await,
            Wake::Tick => self.tick().await,
            Wake::Idle => self.daemon.judge_some(self.clock.now()),
            // What is due takes effect once it is settled.
            Wake::Due => {}
            Wake::Reload => reload(&mut self.config, &mut self.daemon, &self.maps, &mut self.console),
            Wake::Stop(reason) => return ControlFlow::Break(reason),
        }
        ControlFlow::Continue(())
    }

    fn tell(&mut self, event: Event) {
        self.daemon.handle(event, self.clock.now());
        self.do_effects();
    }

    /// Gives the daemon time for what is long. Others have their turn in between.
    async fn go_on(&mut self) {
        while self.daemon.go_on(self.clock.now()) {
            self.do_effects();
            tokio::task::yield_now().await;
        }
        self.do_effects();
    }

    /// Takes over what a socket counted.
    async fn take_mirrored(&mut self, mut taken: Taken) {
        let first = taken.first.take();
        if let Some(recordings) = &self.recordings {
            recordings.take_first(first);
        }
        self.daemon.take_mirrored(&taken, self.clock.now());
        for (number, flow) in taken.batch.flows().enumerate() {
            self.daemon.take_mirrored_flow(flow);
            if number % FLOWS == FLOWS - 1 {
                tokio::task::yield_now().await;
            }
        }
    }

    async fn tick(&mut self) {
        self.ticks += 1;
        for event in self.files.poll() {
            self.tell(event);
        }
        self.daemon.lost_outside(self.lost());
        self.tell(Event::Tick);
        self.go_on().await;
        self.remembering.tick(self.daemon.history(), &self.console, self.clock.now()).await;
        self.messages.tick(&self.daemon, &self.console).await;
        if self.ticks.is_multiple_of(PUBLISH) {
            self.exporting.publish(&mut self.daemon, &self.messages);
        }
        if let Some(recordings) = &self.recordings {
            recordings.tick(&mut self.console);
        }
        if self.ticks.is_multiple_of(RARELY)
            && let Some(seconds) = self.clock.jump()
        {
            self.console.complain(&format!(
                "the wall clock was set by {seconds:+.1} s: times go on as they were when the daemon started; start it \
                 again for times of the new clock"
            ));
        }
    }

    /// What was lost beside the daemon.
    fn lost(&self) -> LostOutside {
        LostOutside {
            news: self.news.omitted(),
            alerts: self.messages.dropped(),
            frames: self.recordings.as_ref().map_or(0, Recordings::lost) + self.not_written,
        }
    }

    fn trace(&mut self) {
        if let Some(tracing) = &mut self.tracing {
            let by = &mut Told { daemon: &mut self.daemon, console: &mut self.console, clock: self.clock };
            tracing.trace(self.ticks, self.attachments.nics(), &self.attachments.options(), by);
        }
    }

    /// Does what the daemon asks for.
    fn do_effects(&mut self) {
        let mut is_to_publish = false;
        for effect in self.daemon.effects() {
            match effect {
                Effect::Publish => is_to_publish = true,
                effect => self.do_effect(effect),
            }
        }
        if is_to_publish {
            self.exporting.publish(&mut self.daemon, &self.messages);
        }
    }

    fn do_effect(&mut self, effect: Effect) {
        match effect {
            Effect::Say(message) => self.console.say(&message),
            Effect::Complain(message) => self.console.complain(&message),
            Effect::Finding(finding) => self.news.finding(&finding),
            Effect::Withdrawn(finding) => self.news.withdrawn(&finding),
            Effect::Latent(latent) => self.news.latent(&latent),
            Effect::Status(status) => self.news.status(*status),
            Effect::NicNames(names) => self.news.nics(names),
            Effect::Alert(alert) => self.messages.send(*alert),
            // One will do for all.
            Effect::Publish => {}
            Effect::Repair(steps, rules) => {
                let Some(settings) = &self.config.repair else { return };
                let work = Work::new(settings, steps, rules, self.clock, self.sender.clone());
                work.start(self.daemon.conntrack(), &self.config);
            }
            Effect::AskFlows(question) => {
                let (events, tls) = (self.sender.clone(), self.config.sources.tls());
                // The daemon ends where nobody takes it.
                tokio::spawn(async move {
                    let answer = flows::ask(question, tls).await;
                    drop(events.send(Event::LogicalFlows(answer)).await);
                });
            }
            Effect::SetConditions { database, table, conditions } => {
                self.connected.set_conditions(database, table, conditions);
            }
            Effect::FollowNeighbours(devices) => {
                self.devices.send_replace(Some(devices));
            }
            Effect::Guard(devices) => {
                if let Some(guard) = &self.guard {
                    guard.send_replace(devices);
                }
            }
        }
    }

    /// Detaches, reads what was counted to the last packet, and says what the run amounts to.
    pub(super) async fn finish(mut self, inbox: &mut Inbox) -> (Report, News) {
        if let Some(tracing) = &mut self.tracing {
            tracing.end(&mut Told { daemon: &mut self.daemon, console: &mut self.console, clock: self.clock });
        }
        // What was begun and tells its end now tells nobody, and waits for nobody.
        inbox.events.close();
        let nics = self.daemon.detach(self.clock.now());
        // Then nobody is left to send more once the queues have ended.
        self.attachments.close_sockets();
        while let Some(taken) = inbox.batches.recv().await {
            self.take_mirrored(taken).await;
        }
        self.remembering.end(self.daemon.history(), &self.console, self.clock.now()).await;
        self.daemon.begin_the_end(self.clock.now());
        self.go_on().await;
        self.daemon.conclude_run(self.clock.now());
        self.do_effects();
        self.messages.end(&self.daemon, &self.console).await;
        if let Some(recordings) = &self.recordings {
            self.not_written = recordings.end(&mut self.console);
        }
        self.daemon.lost_outside(self.lost());
        let (report, effects) = self.daemon.into_report(nics, self.clock.now());
        for effect in effects {
            match effect {
                Effect::Say(message) => self.console.say(&message),
                Effect::Complain(message) => self.console.complain(&message),
                _ => {}
            }
        }
        (report, self.news)
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
