//! The daemon without the machine: what it knows, and what follows when something happens.
//!
//! Nothing here waits, reads a clock or a file, or knows the kernel. Whoever drives it tells what happened and when
//! ([`Daemon::handle`]), has what was told take effect ([`Daemon::commit`]), gives it time for what is long
//! ([`Daemon::go_on`]), and does what it asks for ([`Daemon::effects`]). What it has to know at once it asks of the
//! [`Machine`]. `live` drives it on a real node, the simulation on one that is made of a seed.
//!
//! | module | what it does |
//! |---|---|
//! | [`settings`], [`event`], [`effect`] | what it is told, and what it gives |
//! | [`packets`], [`entries`], [`hooks`], [`record`] | what it asks of the machine |
//! | `sources`, [`databases`], [`flows`], `connections` | the sources of facts: their state, and what they tell |
//! | `facts`, `set`, `kernel` | facts into the engine, the engine's set into the kernel |
//! | `sweeping` | suspect packets: in which order they are judged, and which give way to others |
//! | `judging`, `evidence`, [`senders`], `ledger` | the same: what is counted, asked and said |
//! | `latent`, `replies` | what is told of entries and of flows that conform |
//! | [`mirrored`], `mirroring` | flows that sockets counted, in the place of the kernel's maps |
//! | `watching`, [`nics`], [`guarded`] | the NICs that are watched |
//! | `repairing` | stale entries healed, where that is asked for |
//! | [`history`], `remembering` | what is kept over a restart |
//! | `voice`, `alerting` | who is told of it |
//! | `accounts`, `end` | how it is doing, and what a run amounts to |

mod accounts;
mod alerting;
pub mod connections;
pub mod databases;
pub mod effect;
mod end;
pub mod entries;
pub mod event;
mod evidence;
mod facts;
pub mod flows;
pub mod guarded;
pub mod history;
pub mod hooks;
mod judging;
mod kernel;
mod latent;
mod ledger;
pub mod mirrored;
mod mirroring;
pub mod nics;
pub mod packets;
pub mod record;
mod remembering;
mod repairing;
mod replies;
pub mod senders;
mod set;
pub mod settings;
mod sources;
mod sweeping;
mod voice;
mod watching;

use std::collections::HashMap;
use std::fmt::Display;
use std::time::Duration;

use hashbrown::DefaultHashBuilder;

pub use self::accounts::LostOutside;
use self::alerting::{Alerting, Look};
use self::connections::{Connections, Way};
use self::databases::{Databases, Following, Role, Told};
use self::effect::Effect;
use self::entries::Entries;
use self::event::{Event, Reading};
pub(crate) use self::evidence::Evidence;
use self::history::History;
use self::hooks::Hooks;
use self::kernel::Kernel;
use self::latent::Latents;
use self::ledger::Ledger;
use self::mirrored::counted;
use self::packets::Packets;
use self::record::Record;
use self::remembering::Remembering;
use self::repairing::Repairing;
use self::settings::{Changing, Settings};
pub(crate) use self::sources::{SourceId, Sources};
use self::sweeping::{LastLook, Line, Sweep};
use self::voice::{Trouble, Voice};
use self::watching::Watching;
use crate::alerts::Namespace;
use crate::alerts::saved::NotSaved;
use crate::bpf::counted::{self as noticed, Axis, Heard, Key};
use crate::engine::fact::{Delta, Fact};
use crate::engine::observation::Observation;
use crate::engine::{Assessment, Engine};
use crate::mirror::Taken;
use crate::netlink::route;
use crate::output::Report;
use crate::replay::Flow;
use crate::types::{Timestamp, Tuple};

/// Ticks between two looks at what is rarely needed.
const RARELY: u64 = 60;
/// How long sources may take before packets are watched all the same: nobody judges them until they tell.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the daemon asks of the machine, and is told at once.
pub struct Machine {
    /// Where packets are counted.
    pub packets: Box<dyn Packets>,
    /// The conntrack table.
    pub entries: Box<dyn Entries>,
    /// The NICs.
    pub hooks: Box<dyn Hooks>,
    /// Where frames are recorded, if they are.
    pub record: Option<Box<dyn Record>>,
}

/// What the daemon begins with.
#[derive(Debug)]
pub struct Beginning {
    /// The run's axis of time.
    pub axis: Axis,
    /// When the run began.
    pub started: Timestamp,
    /// When the sources are asked first.
    pub asked: Timestamp,
    /// The history that an earlier run kept.
    pub history: History,
    /// The network namespace.
    pub namespace: Option<Namespace>,
    /// What the keys of suspects are hashed by, where a table of ours holds them.
    pub hasher: DefaultHashBuilder,
    /// A number that is another on each node, for moments that are to be apart.
    pub seed: u64,
}

/// Who tells facts.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Databases.
    pub databases: Vec<Following>,
    /// Places of files of next hops.
    pub files: Vec<String>,
    /// Whether the kernel's routes tell next hops.
    pub kernel_routes: bool,
}

/// What the daemon knows.
pub struct Daemon {
    settings: Settings,
    now: Timestamp,
    started: Timestamp,
    asked: Timestamp,
    engine: Engine,
    ledger: Ledger<Key>,
    alerting: Alerting,
    evidence: Evidence,
    connections: Connections,
    voice: Voice,
    kernel: Kernel,
    sources: Sources,
    databases: Databases,
    /// The source that rtnetlink is.
    rtnetlink: SourceId,
    /// Those that files of next hops are.
    files: Vec<SourceId>,
    watching: Watching,
    /// Where frames are recorded.
    record: Option<Box<dyn Record>>,
    remembering: Remembering,
    /// Where stale entries are healed without being asked.
    repairing: Option<Repairing>,
    /// What was told and has not taken effect yet.
    pending: Vec<Delta>,
    /// When a verdict changes by itself.
    due: Option<Timestamp>,
    /// Whether the next hops are known.
    is_sighted: bool,
    /// Since when.
    sighted: Timestamp,
    /// Whether a neighbour was heard with a new MAC since the last commit.
    has_heard: bool,
    /// Tuples under which conntrack entries of a flow were told to the engine, by the flow's tuple on the wire.
    told_connections: HashMap<Tuple, Vec<Tuple>>,
    latents: Latents,
    /// How often programs of ours were removed by others.
    lost_places: u64,
    lost_outside: LostOutside,
    /// Suspects that wait to be judged.
    waiting: Line,
    /// Flows that wait to be judged again with what the last reading of conntrack entries tells.
    uncited: Line,
    ticks: u64,
    /// What is long and was begun.
    work: Option<Work>,
}

/// What is long, as far as it has come.
enum Work {
    Sweep(Sweep),
    Looking(Look),
    LastLook(LastLook),
}

impl Daemon {
    /// A daemon that was told nothing yet.
    pub fn new(settings: Settings, machine: Machine, beginning: Beginning, asked: &Asked) -> Self {
        let Beginning { axis, started, asked: at, history, namespace, hasher, seed } = beginning;
        let Machine { packets, entries, hooks, record } = machine;
        let mut engine = Engine::new(settings.judging.clone());
        let remembering = Remembering::new(history, &mut engine);
        // Until a source has told all it has.
        engine.set_blind(started);
        let mut sources = Sources::default();
        let databases = Databases::new(&asked.databases, &mut sources, seed, at);
        engine.set_given(databases.kinds());
        engine.set_given(settings.seen);
        let files = asked.files.iter().map(|place| sources.add("nexthops.toml", place.clone(), true, at)).collect();
        let rtnetlink = sources.add("kernel", "rtnetlink".to_owned(), asked.kernel_routes, at);
        let frame = Report { node: settings.node.clone(), time_digits: 6, ..Report::default() };
        let watching = Watching::new(hooks, settings.nics.clone(), settings.is_auto, settings.is_consuming);
        let mut daemon = Self {
            now: started,
            started,
            asked: at,
            engine,
            ledger: Ledger::new(settings.judging.max_findings, hasher),
            alerting: Alerting::new(settings.alerts, frame, namespace, started),
            evidence: Evidence::new(entries),
            connections: Connections::default(),
            voice: Voice::default(),
            kernel: Kernel::new(packets, axis),
            sources,
            databases,
            rtnetlink,
            files,
            watching,
            record,
            remembering,
            repairing: settings.repair.map(|(rules, per_minute)| Repairing::new(rules, per_minute)),
            pending: Vec::new(),
            due: None,
            is_sighted: false,
            sighted: Timestamp::default(),
            has_heard: false,
            told_connections: HashMap::new(),
            latents: Latents::default(),
            lost_places: 0,
            lost_outside: LostOutside::default(),
            waiting: Line::new(),
            uncited: Line::new(),
            ticks: 0,
            work: None,
            settings,
        };
        daemon.choose_conntrack();
        daemon
    }

    /// Adds a fact that holds for the whole run.
    pub fn add(&mut self, fact: Fact) {
        self.engine.add(fact);
    }

    /// Opens alerts again that an earlier run saved.
    ///
    /// # Errors
    /// [`NotSaved`]: the text is none of [`Daemon::open_alerts`]; nothing is opened.
    pub fn restore_alerts(&mut self, text: &str) -> Result<(), NotSaved> {
        self.alerting.restore(text, self.now)
    }

    /// Open alerts, as JSON.
    pub fn open_alerts(&self) -> String {
        self.alerting.save()
    }

    /// Another number whenever [`Daemon::open_alerts`] is another text.
    pub fn alert_changes(&self) -> u64 {
        self.alerting.changes()
    }

    /// The history of next hops, to be kept for the next run.
    pub fn history(&self) -> &History {
        self.remembering.history()
    }

    /// Changes what may change while the daemon runs.
    pub fn change(&mut self, changing: Changing) {
        self.settings.changing = changing;
    }

    /// Takes over what was lost elsewhere.
    pub fn lost_outside(&mut self, lost: LostOutside) {
        self.lost_outside = lost;
    }

    /// What is to be done, in order.
    pub fn effects(&mut self) -> Vec<Effect> {
        self.voice.take()
    }

    /// Takes note of what happened at `now`. What it tells takes effect with the next [`Daemon::commit`].
    pub fn handle(&mut self, event: Event, now: Timestamp) {
        self.now = now;
        match event {
            Event::Noticed(noticed::Event::Suspect { key, .. }) => self.noticed(key),
            Event::Noticed(noticed::Event::Heard(heard)) => self.heard(&heard),
            Event::Database(role, event) => {
                let told = self.databases.take(role, event, &mut self.sources, now);
                self.take(told);
            }
            Event::LogicalFlows(answer) => {
                let told = self.databases.answered(answer, now);
                self.take(told);
            }
            Event::File(number, read) => self.take_file(number, read),
            Event::Kernel(event) => self.kernel_tells(event),
            Event::KernelLost(error) => self.kernel_lost(error),
            Event::Guarded(findings) => self.guarded(findings),
            Event::Conntrack(event) => self.connections.note(event, &mut self.evidence),
            Event::ConntrackLost(error) => self.voice.failed(Trouble::ConntrackEvents, &error),
            Event::Labelled(reading) => self.take_reading(*reading),
            Event::Repaired(repair) => self.note_repair(*repair),
            Event::Tick => self.tick(),
        }
    }

    /// Makes what was told take effect, all at one moment, and tells what is due.
    ///
    /// # Errors
    /// There is nothing to watch, or nothing can be attached: the run cannot begin.
    pub fn settle(&mut self, now: Timestamp) -> anyhow::Result<()> {
        self.now = now;
        self.commit();
        self.open_nics()?;
        self.tell_alerts();
        Ok(())
    }

    /// When [`Daemon::settle`] is worth calling though nothing happens: a verdict changes by itself.
    pub fn due(&self) -> Option<Timestamp> {
        self.due
    }

    /// Goes on with what is long and was begun by an event. Returns whether anything is left of it; until then no other
    /// event is to be handled.
    pub fn go_on(&mut self, now: Timestamp) -> bool {
        self.now = now;
        match self.work.take() {
            None => return false,
            Some(Work::Sweep(mut sweep)) => match self.go_on_sweeping(&mut sweep) {
                true => self.work = Some(Work::Sweep(sweep)),
                false => self.work = self.tick_after_sweep().map(Work::Looking),
            },
            Some(Work::Looking(mut look)) => match self.go_on_looking(&mut look) {
                true => self.work = Some(Work::Looking(look)),
                false => self.end_tick(),
            },
            Some(Work::LastLook(mut look)) => {
                if self.go_on_with_last_look(&mut look) {
                    self.work = Some(Work::LastLook(look));
                }
            }
        }
        self.work.is_some()
    }

    /// Whether flows wait to be judged when nothing else is to be done.
    pub fn has_waiting(&self) -> bool {
        !(self.waiting.is_empty() && self.uncited.is_empty())
    }

    /// Judges some of the flows that wait for it.
    pub fn judge_some(&mut self, now: Timestamp) {
        self.now = now;
        if self.waiting.is_empty() { self.judge_uncited() } else { self.judge_waiting() }
    }

    /// Takes over all of a socket's batch but its flows.
    pub fn take_mirrored(&mut self, taken: &Taken, now: Timestamp) {
        self.now = now;
        self.take_batch(taken);
    }

    /// Takes over a flow of a socket's batch.
    pub fn take_mirrored_flow(&mut self, flow: (Flow, crate::engine::observation::Counts)) {
        self.take_flow(&counted(flow));
    }

    /// Begins the last look at what was counted: nothing is attached any more. [`Daemon::go_on`] goes on with it.
    pub fn begin_the_end(&mut self, now: Timestamp) {
        self.now = now;
        let look = self.begin_last_look();
        self.work = Some(Work::LastLook(look));
    }

    /// What the engine says of packets now. Nothing is noted of it.
    pub fn assess(&mut self, seen: &Observation) -> Assessment {
        let requests = self.requests(seen);
        self.engine.assess(seen, &requests)
    }

    /// Where conntrack entries are read.
    pub fn conntrack(&self) -> Way {
        self.connections.way()
    }

    /// Takes note that something of the kernel program failed elsewhere: it counts, and is said once for each reason.
    pub fn note_failure(&mut self, error: &impl Display) {
        self.voice.failed(Trouble::KernelProgram, error);
    }

    /// Whether the sources have had the time that is left to them at the start.
    fn is_late(&self) -> bool {
        self.now.since(self.asked) > PATIENCE
    }

    fn take(&mut self, told: Told) {
        let Told { delta, warnings, message, is_synchronised, is_own, conditions } = told;
        for databases::Conditions { role, table, json } in conditions {
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
    fn take_file(&mut self, number: usize, read: Result<Delta, String>) {
        let Some(&id) = self.files.get(number) else { return };
        match read {
            Ok(delta) => {
                let news = self.sources.synchronised(id, self.now);
                if let Some(source) = news {
                    self.voice.complain(format!("{} is read", source.place));
                }
                self.told(delta);
            }
            Err(error) => {
                // Its last facts go on to hold for verdicts: a file does not age. Repairs wait.
                self.sources.unusable(id, error.clone(), self.now);
                self.voice.complain(error);
            }
        }
    }

    /// Takes over a reading of all labelled entries.
    fn take_reading(&mut self, reading: Result<Reading, String>) {
        let meanwhile = self.connections.done(&reading, self.now);
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
                self.look_for_latent(self.now);
            }
            Err(error) => self.voice.failed(Trouble::ConntrackReading, &error),
        }
    }

    /// Chooses where conntrack entries are read, once it can be told.
    fn choose_conntrack(&mut self) {
        let node = self.databases.node();
        let is_told = node.is_some() || self.is_late() || !self.databases.has(Role::OpenVswitch);
        if self.connections.is_chosen() || self.settings.conntrack.is_none() && !is_told {
            return;
        }
        let way = self.settings.conntrack.unwrap_or_else(|| Way::of(node.as_ref()));
        match self.evidence.ask(way) {
            Ok(()) => self.connections.go(way),
            Err(error) => self.voice.failed(Trouble::ConntrackReading, &error),
        }
        self.alerting.set_datapath(self.connections.way().datapath());
    }

    fn kernel_tells(&mut self, event: route::Event) {
        match event {
            route::Event::Facts(delta) => self.told(delta),
            route::Event::Links(changes) => {
                self.watching.take(changes, &mut self.voice);
                self.find_nics();
            }
            route::Event::Synchronised(losses) => {
                self.watching.losses = losses;
                if self.sources.synchronised(self.rtnetlink, self.now).is_some() {
                    self.tell_status();
                }
            }
            route::Event::Warning(message) => self.voice.say(message),
        }
    }

    fn heard(&mut self, heard: &Heard) {
        self.has_heard |= self.engine.hear(self.kernel.neighbour(heard)).iter().any(Option::is_some);
    }

    fn kernel_lost(&mut self, error: String) {
        let Some(source) = self.sources.lost(self.rtnetlink, error, self.now) else { return };
        let message = format!("{} is lost: {}", source.name, source.error.as_deref().unwrap_or_default());
        self.voice.complain(message);
        self.tell_status();
    }

    /// Listens to the neighbours of whom frames came since the last time: an event tells only of a MAC that is new, not
    /// of one that comes back, and may be lost.
    fn hear_all(&mut self) {
        for heard in self.kernel.heard_since(&mut self.voice) {
            self.heard(&heard);
        }
    }

    fn tick(&mut self) {
        self.ticks += 1;
        self.work = match self.begin_sweep() {
            Some(sweep) => Some(Work::Sweep(sweep)),
            None => self.tick_after_sweep().map(Work::Looking),
        };
    }

    /// What a second brings once suspects were looked at. Returns the look at silent flows that is left of it.
    fn tick_after_sweep(&mut self) -> Option<Look> {
        self.hear_all();
        self.check_nics();
        self.choose_conntrack();
        if let Some(question) = self.databases.question(&self.sources, true, self.now) {
            self.voice.ask(Effect::AskFlows(question));
        }
        // A reading from before the set is known tells nothing of it.
        let is_time = self.is_sighted || self.is_late();
        if is_time && self.connections.begins(self.settings.changing.conntrack_interval, self.now) {
            self.evidence.begin_reading();
        }
        self.repair_stale();
        let look = self.tick_alerts();
        if look.is_none() {
            self.end_tick();
        }
        look
    }

    fn end_tick(&mut self) {
        self.finish_alerts();
        if let Some(failure) = self.evidence.take_failure() {
            self.voice.failed(Trouble::ConntrackEntry, &failure);
        }
        if self.ticks.is_multiple_of(RARELY) {
            self.kernel.count_evicted(&mut self.voice);
            if self.alerting.has_latent() {
                // What was deleted since the last reading is told.
                self.look_for_latent(self.now);
            }
            self.look_at_replies();
            self.forget_requests();
            self.forget();
        }
    }

    /// Attaches once the next hops are known, or when it has been waited for them long enough.
    ///
    /// # Errors
    /// There is nothing to watch, or nothing can be attached.
    fn open_nics(&mut self) -> anyhow::Result<()> {
        if self.watching.is_open() || !self.watching.has_links {
            return Ok(());
        }
        let is_late = self.is_late();
        let is_untold = self.databases.has(Role::OpenVswitch) && self.databases.node().is_none();
        if is_untold && self.watching.is_left_to_database() {
            // A daemon that is started with the machine may be there before the database.
            const MESSAGE: &str = "-i auto waits for the Open_vSwitch database, which has not told which NIC it is";
            if is_late {
                self.voice.complain_once(MESSAGE);
            }
            return Ok(());
        }
        let is_ready = self.watching.is_complete() && self.is_sighted;
        if !is_ready && !is_late && !self.watching.lacks_named() {
            return Ok(());
        }
        if !self.watching.is_decided() {
            return Ok(());
        }
        if let Some(refused) = self.watching.refused() {
            return Err(refused.into());
        }
        self.watching.open().map_err(anyhow::Error::msg)?;
        match self.settle_nics().into_iter().next() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}
