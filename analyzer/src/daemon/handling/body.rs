//! The parts that the daemon is made of, and what concerns several of them at once.

use std::time::Duration;

use crate::bpf::counted::Heard;
use crate::daemon::accounts::{Accounts, LostOutside};
use crate::daemon::alerting::Alerting;
use crate::daemon::around::Around;
use crate::daemon::beginning::{Asked, Beginning, Machine};
use crate::daemon::connections::{Connections, Way};
use crate::daemon::databases::{Conditions, Role, Told};
use crate::daemon::effect::Effect;
use crate::daemon::event::Reading;
use crate::daemon::evidence::Evidence;
use crate::daemon::facts::{Committed, Facts};
use crate::daemon::kernel::Kernel;
use crate::daemon::latent::Latents;
use crate::daemon::record::Record;
use crate::daemon::repairing::Repairing;
use crate::daemon::settings::Settings;
use crate::daemon::suspects::Suspects;
use crate::daemon::tellers::Tellers;
use crate::daemon::voice::{Trouble, Voice};
use crate::daemon::watching::{Readiness, Watching};
use crate::engine::Engine;
use crate::engine::fact::Delta;
use crate::netlink::route;
use crate::output::Report;
use crate::repair::{Outcome, Repair};
use crate::types::Timestamp;

/// How long sources may take before packets are watched all the same: nobody judges them until they tell.
const PATIENCE: Duration = Duration::from_secs(5);

/// All parts.
pub(super) struct Body {
    pub(super) settings: Settings,
    pub(super) now: Timestamp,
    /// Seconds since the start.
    pub(super) tick: u64,
    pub(super) started: Timestamp,
    /// When the sources were asked first.
    asked: Timestamp,
    pub(super) facts: Facts,
    pub(super) tellers: Tellers,
    pub(super) suspects: Suspects,
    pub(super) latents: Latents,
    pub(super) evidence: Evidence,
    pub(super) connections: Connections,
    pub(super) kernel: Kernel,
    pub(super) watching: Watching,
    pub(super) alerting: Alerting,
    /// Where stale entries are healed without being asked.
    pub(super) repairing: Option<Repairing>,
    /// Where frames are recorded.
    record: Option<Box<dyn Record>>,
    pub(super) voice: Voice,
    pub(super) lost_outside: LostOutside,
}

impl Body {
    /// The parts of a daemon that was told nothing yet.
    pub(super) fn new(settings: Settings, machine: Machine, beginning: Beginning, asked: &Asked) -> Self {
        let Beginning { axis, started, asked: at, history, namespace, hasher, seed } = beginning;
        let Machine { packets, entries, hooks, record } = machine;
        let tellers = Tellers::new(asked, seed, at);
        let mut facts = Facts::new(Engine::new(settings.judging.clone()), history, started);
        facts.engine().set_given(tellers.databases().kinds());
        facts.engine().set_given(settings.seen);
        let frame = Report { node: settings.node.clone(), time_digits: 6, ..Report::default() };
        Self {
            now: at,
            tick: 0,
            started,
            asked: at,
            facts,
            tellers,
            suspects: Suspects::new(settings.judging.max_findings, hasher),
            latents: Latents::default(),
            evidence: Evidence::new(entries),
            connections: Connections::default(),
            kernel: Kernel::new(packets, axis),
            watching: Watching::new(hooks, settings.nics.clone(), settings.is_auto, settings.is_consuming),
            alerting: Alerting::new(settings.alerts, frame, namespace, at),
            repairing: settings.repair.map(|(rules, per_minute)| Repairing::new(rules, per_minute)),
            record,
            voice: Voice::default(),
            lost_outside: LostOutside::default(),
            settings,
        }
    }

    /// The suspects, latent entries, and what stands around both.
    pub(super) fn lend(&mut self) -> (&mut Suspects, &mut Latents, Around<'_>) {
        let around = Around {
            now: self.now,
            kernel: &mut self.kernel,
            engine: self.facts.engine(),
            evidence: &mut self.evidence,
            connections: &mut self.connections,
            alerting: &mut self.alerting,
            repairing: self.repairing.as_mut(),
            record: self.record.as_mut(),
            voice: &mut self.voice,
        };
        (&mut self.suspects, &mut self.latents, around)
    }

    /// All that the accounts read.
    pub(super) fn accounts(&mut self) -> Accounts<'_> {
        Accounts {
            now: self.now,
            sample: self.settings.changing.sample,
            lost_outside: self.lost_outside,
            facts: &self.facts,
            tellers: &self.tellers,
            suspects: &self.suspects,
            latents: &self.latents,
            evidence: &self.evidence,
            connections: &self.connections,
            watching: &self.watching,
            alerting: &self.alerting,
            repairing: self.repairing.as_ref(),
            kernel: &mut self.kernel,
            voice: &mut self.voice,
        }
    }

    /// Tells programs how the daemon is doing.
    fn tell_status(&mut self) {
        let status = self.accounts().status();
        self.voice.status(status);
    }

    /// The sources are asked from here on.
    pub(super) fn ask_sources(&mut self, now: Timestamp) {
        (self.now, self.asked) = (now, now);
    }

    /// Whether the sources have had the time that is left to them at the start.
    pub(super) fn is_late(&self) -> bool {
        self.now.since(self.asked) > PATIENCE
    }

    /// Takes over what follows of what a database tells.
    pub(super) fn take(&mut self, told: Told) {
        let Told { delta, warnings, message, is_synchronised, is_own, conditions } = told;
        for Conditions { role, table, json } in conditions {
            self.voice.ask(Effect::SetConditions { database: role, table, conditions: json });
        }
        self.told(delta);
        for warning in warnings {
            self.voice.say(warning.to_string());
        }
        if let Some(message) = message {
            self.voice.say(message);
            self.tell_status();
        }
        if is_synchronised || is_own {
            self.choose_conntrack();
            self.find_nics();
        }
    }

    /// Takes over what a file of next hops tells.
    pub(super) fn take_file(&mut self, number: usize, read: Result<Delta, String>) {
        if let Some(delta) = self.tellers.take_file(number, read, self.now, &mut self.voice) {
            self.told(delta);
        }
    }

    fn told(&mut self, delta: Delta) {
        self.facts.told(delta, &mut self.evidence);
    }

    /// Takes over what the kernel tells of links, routes and neighbours.
    pub(super) fn kernel_tells(&mut self, event: route::Event) {
        match event {
            route::Event::Facts(delta) => self.told(delta),
            route::Event::Links(changes) => {
                self.watching.take(changes, &mut self.voice);
                self.find_nics();
            }
            route::Event::Synchronised(losses) => {
                self.watching.note_losses(losses);
                if self.tellers.kernel_told(self.now) {
                    self.tell_status();
                }
            }
            route::Event::Warning(message) => self.voice.say(message),
        }
    }

    /// The kernel tells them no more.
    pub(super) fn kernel_lost(&mut self, error: String) {
        if self.tellers.kernel_lost(error, self.now, &mut self.voice) {
            self.tell_status();
        }
    }

    /// Takes note of neighbours that were heard.
    pub(super) fn heard(&mut self, heard: impl IntoIterator<Item = Heard>) {
        for heard in heard {
            self.facts.hear(self.kernel.neighbour(&heard));
        }
    }

    /// Takes over a reading of all labelled entries.
    pub(super) fn take_reading(&mut self, reading: Result<Reading, String>) {
        let meanwhile = self.connections.done(&reading, self.now);
        match reading {
            Ok(reading) => {
                if let Some(repairing) = &mut self.repairing {
                    repairing.note_release(reading.ovs);
                }
                self.evidence.replace(reading.index, reading.senders, reading.begun);
                meanwhile.into_iter().for_each(|event| self.evidence.note(event));
                if let Some(failure) = &reading.failure {
                    self.voice.failed(Trouble::ConntrackReading, failure);
                }
                let engine = self.facts.engine();
                engine.set_mark_zones(reading.mark_zones);
                engine.note_connections_told();
                self.suspects.await_uncited(&self.evidence);
                self.look_for_latent();
            }
            Err(error) => self.voice.failed(Trouble::ConntrackReading, &error),
        }
    }

    /// Chooses where conntrack entries are read, once it can be told.
    pub(super) fn choose_conntrack(&mut self) {
        let databases = self.tellers.databases();
        let node = databases.node();
        let is_told = node.is_some() || self.is_late() || !databases.has(Role::OpenVswitch);
        if self.connections.is_chosen() || self.settings.conntrack.is_none() && !is_told {
            return;
        }
        let way = self.settings.conntrack.unwrap_or_else(|| Way::of(node.as_ref()));
        self.connections.go(way, &mut self.evidence, &mut self.voice);
        self.alerting.set_datapath(self.connections.way().datapath());
    }

    /// Looks in the last reading for entries that are latent, once the next hops are known.
    pub(super) fn look_for_latent(&mut self) {
        let grace = self.settings.judging.grace;
        if let Some(sighted) = self.facts.sighted() {
            let (suspects, latents, mut around) = self.lend();
            latents.look(suspects, &mut around, sighted, grace);
        }
    }

    /// Makes what was told take effect: in the engine, then in the kernel, at one moment.
    pub(super) fn commit(&mut self) {
        let (now, max_age) = ((self.now, self.tick), self.settings.changing.max_age);
        let sources = self.tellers.sources();
        let committed = self.facts.commit(sources, max_age, &mut self.kernel, now, &mut self.voice);
        if committed == Committed::Nothing {
            return;
        }
        if committed == Committed::Sight {
            // Whoever waits for it may send packets at once.
            self.tell_status();
            self.voice.ask(Effect::Publish);
        }
        let grace = self.settings.judging.grace;
        if let Some(sighted) = self.facts.sighted() {
            let (_, latents, mut around) = self.lend();
            latents.note_departures(&mut around, sighted, grace);
        }
    }

    /// Attaches once the next hops are known, or when it has been waited for them long enough.
    ///
    /// # Errors
    /// There is nothing to watch, or nothing can be attached.
    pub(super) fn open_nics(&mut self) -> anyhow::Result<()> {
        let databases = self.tellers.databases();
        let readiness = Readiness {
            is_sighted: self.facts.sighted().is_some(),
            is_untold: databases.has(Role::OpenVswitch) && databases.node().is_none(),
            is_late: self.is_late(),
        };
        if !self.watching.open(readiness, &mut self.voice)? {
            return Ok(());
        }
        match self.settle_nics().into_iter().next() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Looks which NICs are to be watched, and attaches to those that came.
    fn find_nics(&mut self) {
        self.watching.find(self.tellers.databases(), &mut self.voice);
        self.settle_nics();
    }

    /// Attaches to NICs that came, lets go of those that went. Returns what failed, which was said.
    pub(super) fn settle_nics(&mut self) -> Vec<anyhow::Error> {
        let (done, failed) = self.watching.settle();
        let has_news = !done.is_empty() || !failed.is_empty();
        if !done.is_empty() {
            self.voice.ask(Effect::NicNames(self.watching.names()));
            self.alerting.nics(self.watching.names());
            let elsewhere = self.alerting.watch(self.watching.attached(), self.now);
            elsewhere.iter().for_each(|elsewhere| self.voice.say_once(elsewhere));
        }
        done.into_iter().for_each(|done| self.voice.say(done));
        failed.iter().for_each(|error| self.voice.failed(Trouble::KernelProgram, error));
        if has_news {
            self.voice.ask(Effect::Publish);
            self.tell_status();
        }
        failed
    }

    /// Heals what can be healed now, and tells what came of what was begun before.
    pub(super) fn repair_stale(&mut self) {
        let Some(repairing) = &mut self.repairing else { return };
        let mut over = repairing.take_ended(&mut self.voice);
        let is_healed = |repair: &&Repair| matches!(repair.outcome, Outcome::Done { .. });
        for healed in over.iter().filter(is_healed).map(|repair| &repair.pin.connection) {
            self.latents.leave_out_healed(healed);
        }
        if let Some(datapath) = self.connections.way().datapath()
            && repairing.is_ready(self.latents.entries(), self.now)
            // Without them it is not known who forwards to us.
            && let Some(senders) = self.kernel.senders(&mut self.voice)
        {
            let engine = self.facts.engine();
            engine.set_senders(senders);
            let elsewhere = self.suspects.conforming_now(&self.kernel, &mut self.voice);
            repairing.note_elsewhere(elsewhere.into_iter().map(|(flow, last, _)| (flow, last)));
            let are_current = self.tellers.sources().are_current();
            over.extend(repairing.begin(engine, datapath, are_current, self.now, &mut self.voice));
        }
        repairing.tell(&over, self.now, &mut self.voice);
    }
}
