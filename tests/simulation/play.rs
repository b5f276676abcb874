//! The play: a node on its clock, a daemon that watches it, and what goes wrong between the two.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use analyzer::alerts;
use analyzer::bpf::counted::Axis;
use analyzer::bpf::sizes::Sizes;
use analyzer::conntrack::index::LabelledIndex;
use analyzer::daemon::effect::Effect;
use analyzer::daemon::event::{Event, Reading};
use analyzer::daemon::flows::Answer;
use analyzer::daemon::history::{Bounds, History, format};
use analyzer::daemon::packets::Packets;
use analyzer::daemon::senders::Senders;
use analyzer::daemon::settings::{Changing, Settings};
use analyzer::daemon::{Asked as Sources, Beginning, Daemon, Machine};
use analyzer::engine::fact::{Delta, EvidenceKind};
use analyzer::engine::settings::Settings as Judging;
use analyzer::netlink::conntrack::events;
use analyzer::netlink::link::LinkChange;
use analyzer::netlink::route;
use analyzer::repair::plan::Step;
use analyzer::repair::rules::{Method, Rules};
use analyzer::repair::{Outcome, Repair};
use analyzer::types::Timestamp;
use analyzer_ebpf::maps::Counter;

use crate::faults::{Fault, Faults, SECOND};
use crate::frames::Pattern;
use crate::kernel::{Kernel, Rates};
use crate::machine::{Asked, Nics, Table};
use crate::node::{Era, Happening, Node, Ns, Out, Which};
use crate::numbers::{Numbers, mix};
use crate::observer::{LAG, Observer};
use crate::servers::Server;

const MILLISECOND: Ns = SECOND / 1000;
/// Labelled entries that a reading holds.
const MAX_ENTRIES: usize = 100_000;
/// Flows that are judged behind one event when nothing else is to be done.
const IDLE_TURNS: usize = 64;

/// Something that comes to the daemon, or is to be done, at its time.
enum Coming {
    /// An event.
    Event(Event),
    /// A second has passed for the daemon.
    Tick,
    /// The ring of events is read.
    Ring,
    /// The client of a database connects anew.
    Connect(usize),
    /// The labelled entries are read.
    Read { begun: Ns },
    /// What was wrong is right again.
    Over(Fault),
    /// The daemon starts.
    Start,
}

/// A run of the daemon.
struct Run {
    daemon: Daemon,
    kernel: Kernel,
    nics: Nics,
    asked: Rc<Asked>,
    /// The run's axis: wall-clock nanoseconds at the zero of the node's clock.
    offset: u64,
    /// Packets that its kernel program was given.
    seen: u64,
}

/// The files of the daemon.
#[derive(Default)]
struct Files {
    history: Option<Vec<u8>>,
    alerts: Option<Vec<u8>>,
    /// When the alerts in it were saved.
    saved: Ns,
    changes: u64,
}

/// What came of a play.
pub(crate) struct Played {
    pub(crate) failures: Vec<(Ns, String)>,
    pub(crate) checks: BTreeMap<&'static str, u64>,
    pub(crate) faults: BTreeMap<Fault, u64>,
    /// Events, ticks and happenings.
    pub(crate) steps: u64,
    pub(crate) packets: u64,
    /// The digest of all that the daemon told.
    pub(crate) digest: u64,
}

/// The play.
pub(crate) struct Play {
    node: Rc<RefCell<Node>>,
    upcoming: (Ns, Happening),
    numbers: Numbers,
    faults: Faults,
    hits: BTreeMap<Fault, u64>,
    queue: BTreeMap<(Ns, u64), (u32, Coming)>,
    serial: u64,
    /// Which run of the daemon what comes is for.
    number: u32,
    run: Option<Run>,
    files: Files,
    servers: Vec<Server>,
    observer: Observer,
    now: Ns,
    start: Ns,
    /// Faults that last.
    lasting: BTreeSet<Fault>,
    /// Until when a source is late.
    slow: BTreeMap<usize, Ns>,
    /// Until when the daemon does not run.
    stalled_until: Ns,
    /// Whether events of conntrack are lost.
    is_overrunning: bool,
    last_out: Option<Out>,
    /// How far the wall clock was set since the start.
    clock_set: i64,
    /// How many of the NICs are watched, from the first.
    watched_nics: usize,
    repairs: bool,
    sizes: Sizes,
    steps: u64,
    packets: u64,
    digest: DefaultHasher,
    /// Whether all that the daemon tells is printed.
    is_told: bool,
}

impl Play {
    pub(crate) fn new(seed: u64, without: &[Fault]) -> Self {
        let mut node = Node::new(seed);
        let mut numbers = Numbers::new(mix(seed ^ 0x5eed));
        let upcoming = node.next();
        let start = upcoming.0;
        let small = numbers.percent(40);
        let sizes = match small {
            true => Sizes {
                suspects: 256,
                reserve: 64,
                samples: 128,
                requests: 256,
                heard: 64,
                event_bytes: 4096,
                ..Sizes::default()
            },
            false => {
                Sizes { suspects: 4096, reserve: 512, samples: 4096, requests: 4096, heard: 1024, ..Sizes::default() }
            }
        };
        let judging = Judging::default();
        let learns = node.version().era == Era::B;
        let servers = Which::ALL.into_iter().map(Server::new).collect();
        Self {
            node: Rc::new(RefCell::new(node)),
            upcoming,
            faults: Faults::new(seed, without, start),
            hits: BTreeMap::new(),
            queue: BTreeMap::new(),
            serial: 0,
            number: 0,
            run: None,
            files: Files::default(),
            servers,
            observer: Observer::new(judging.grace, learns),
            now: start,
            start,
            lasting: BTreeSet::new(),
            slow: BTreeMap::new(),
            stalled_until: 0,
            is_overrunning: false,
            last_out: None,
            clock_set: 0,
            watched_nics: usize::MAX,
            repairs: numbers.percent(30),
            sizes,
            numbers,
            steps: 0,
            packets: 0,
            digest: DefaultHasher::new(),
            is_told: std::env::var_os("ANALYZER_SIMULATION_TELLS").is_some(),
        }
    }

    /// Plays for so long, or until something fails.
    pub(crate) fn play(mut self, lasts: Ns) -> Played {
        let end = self.start + lasts;
        self.start_daemon();
        while self.now < end && self.observer.failures.is_empty() {
            self.step();
        }
        if self.observer.failures.is_empty() {
            self.end_daemon();
        }
        let failures = self.observer.failures.into_iter().map(|failure| (failure.at - self.start, failure.what));
        Played {
            failures: failures.collect(),
            checks: self.observer.checks,
            faults: self.hits,
            steps: self.steps,
            packets: self.packets,
            digest: self.digest.finish(),
        }
    }

    /// Whatever comes next.
    fn step(&mut self) {
        self.steps += 1;
        let coming = self.queue.first_key_value().map(|((at, _), _)| *at);
        let fault = self.faults.next();
        let next = [Some(self.upcoming.0), coming, fault].into_iter().flatten().min().expect("the node goes on");
        self.now = self.now.max(next);
        if fault == Some(next) {
            let (fault, lasts, choice) = self.faults.take().expect("there is one");
            *self.hits.entry(fault).or_default() += 1;
            self.begin(fault, lasts, choice);
        } else if coming == Some(next) {
            let (_, (number, coming)) = self.queue.pop_first().expect("there is one");
            if number == self.number || matches!(coming, Coming::Start | Coming::Over(_)) {
                self.come(coming);
            }
        } else {
            let next = self.node.borrow_mut().next();
            let (_, happening) = std::mem::replace(&mut self.upcoming, next);
            self.happen(happening);
        }
    }

    fn put(&mut self, at: Ns, coming: Coming) {
        self.serial += 1;
        self.queue.insert((at, self.serial), (self.number, coming));
    }

    /// A time of so many milliseconds.
    fn after(&mut self, first: u32, last: u32) -> Ns {
        self.now + Ns::from(self.numbers.between(first, last)) * MILLISECOND
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            // It was on its way when its entry was healed.
            Happening::Out(out) if self.is_healed(&out) => {}
            Happening::Out(out) => {
                self.send(&out);
                self.last_out = Some(out);
            }
            Happening::Aside { ifindex, frame } => {
                if let Some(run) = self.run.as_mut().filter(|run| run.nics.is_watched(ifindex)) {
                    run.kernel.set_clock(self.now);
                    run.kernel.egress(ifindex, &frame, 1, frame.len() as u64);
                    run.seen += 1;
                    self.packets += 1;
                }
            }
            Happening::In { ifindex, frame } => {
                let is_watched = self.run.as_ref().is_some_and(|run| run.nics.is_watched(ifindex));
                self.observer.heard(&frame, is_watched, self.now);
                if let Some(run) = self.run.as_ref().filter(|run| run.nics.is_watched(ifindex)) {
                    run.kernel.set_clock(self.now);
                    run.kernel.ingress(ifindex, &frame, 1, frame.len() as u64);
                }
            }
            Happening::Rows { which, changes } => {
                let number = self.servers.iter().position(|server| server.which == which).expect("all are there");
                let at = self.late(number);
                let server = &mut self.servers[number];
                let role = server.role();
                if let Some((at, event)) = server.changed(changes, at) {
                    self.put(at, Coming::Event(Event::Database(role, event)));
                }
            }
            Happening::Entry(event) => {
                if !self.is_overrunning {
                    let at = self.after(0, 5);
                    self.put(at, Coming::Event(Event::Conntrack(event)));
                }
            }
            Happening::Links(changes) => {
                for change in &changes {
                    let gone = match change {
                        LinkChange::Gone { ifindex } => Some(*ifindex),
                        LinkChange::Present(_) => None,
                    };
                    if let (Some(ifindex), Some(run)) = (gone, &self.run) {
                        run.nics.gone(ifindex);
                    }
                }
                // A NIC that comes and goes costs packets, and time until it is watched again.
                self.observer.disturb(self.now + 5 * SECOND);
                let at = self.after(0, 50);
                self.put(at, Coming::Event(Event::Kernel(route::Event::Links(changes))));
            }
        }
        self.look_at_ring();
    }

    /// Whether the entry that sends packets where they go is not there any more.
    fn is_healed(&self, out: &Out) -> bool {
        let by = out.by_label.as_ref();
        by.is_some_and(|by| self.node.borrow().entry(by.orig, by.zone).is_none_or(|entry| entry.id != by.id))
    }

    /// Packets leave, if the NIC is watched past the kernel program.
    fn send(&mut self, out: &Out) {
        let Out { ifindex, frame, packets, bytes, tuple, eth_dst, truth, .. } = out;
        if self.is_told {
            let by = out.by_label.as_ref().map(|entry| (entry.orig, entry.zone, entry.id));
            println!("{:.3} s: OUT {tuple} to {eth_dst}: {packets} packets, {truth:?}, {by:?}", self.now as f64 / 1e9);
        }
        let is_watched = self.run.as_ref().is_some_and(|run| run.nics.is_watched(*ifindex));
        if let (true, Some(run)) = (is_watched, &mut self.run) {
            run.kernel.set_clock(self.now);
            run.kernel.egress(*ifindex, frame, *packets, *bytes);
            run.seen += packets;
            self.packets += packets;
        }
        self.observer.sent((*tuple, *eth_dst), *packets, Some(*truth), is_watched, self.now);
    }

    /// When what a source tells now comes.
    fn late(&mut self, server: usize) -> Ns {
        let at = self.after(1, 600);
        match self.slow.get(&server) {
            Some(&until) if until > self.now => at.max(until),
            _ => at,
        }
    }

    /// Has the daemon read the ring of events, unless it is already to.
    fn look_at_ring(&mut self) {
        if !self.lasting.contains(&Fault::RingFull) {
            let at = self.now + MILLISECOND;
            self.put(at, Coming::Ring);
        }
    }

    fn come(&mut self, coming: Coming) {
        if self.now < self.stalled_until && !matches!(coming, Coming::Over(_) | Coming::Start) {
            let at = self.stalled_until;
            self.put(at, coming);
            return;
        }
        match coming {
            Coming::Event(event) => self.tell(event),
            Coming::Tick => self.tick(),
            Coming::Ring => {
                let noticed = self.run.as_ref().map(|run| run.kernel.take_events(256)).unwrap_or_default();
                if !noticed.is_empty() {
                    noticed.into_iter().for_each(|event| self.handle(Event::Noticed(event)));
                    self.settle();
                }
            }
            Coming::Connect(server) => self.connect(server),
            Coming::Read { begun } => self.read(begun),
            Coming::Over(fault) => self.over(fault),
            Coming::Start => self.start_daemon(),
        }
    }

    fn handle(&mut self, event: Event) {
        let Some(run) = &mut self.run else { return };
        run.daemon.handle(event, Timestamp::from_nanos(run.offset + self.now));
    }

    fn tell(&mut self, event: Event) {
        self.handle(event);
        self.settle();
    }

    /// What the daemon's loop does behind events.
    fn settle(&mut self) {
        let Some(run) = &mut self.run else { return };
        let at = Timestamp::from_nanos(run.offset + self.now);
        if let Err(error) = run.daemon.settle(at) {
            // As on a real node, where it is started again.
            let what = error.to_string();
            if !what.contains("there is no NIC") {
                self.observer.fail(self.now, format!("the daemon ends: {what}"));
                return;
            }
            self.crash(5 * SECOND);
            return;
        }
        run.daemon.tell(at);
        for _ in 0..IDLE_TURNS {
            if !run.daemon.has_waiting() {
                break;
            }
            run.daemon.judge_some(at);
        }
        if run.asked.is_to_be_read.take() {
            let slow = if self.lasting.contains(&Fault::ReadingsSlow) { 40_000 } else { 200 };
            let (begun, at) = (self.now, self.after(1, slow));
            self.put(at, Coming::Read { begun });
        }
        self.do_effects();
    }

    fn tick(&mut self) {
        let at = self.after(1000, 1020);
        self.put(at, Coming::Tick);
        self.handle(Event::Tick);
        let Some(run) = &mut self.run else { return };
        while run.daemon.go_on(Timestamp::from_nanos(run.offset + self.now)) {}
        self.settle();
        self.save();
        self.observer.check(self.now);
    }

    /// Saves what is worth it.
    fn save(&mut self) {
        let Some(run) = &self.run else { return };
        let changes = run.daemon.alert_changes();
        if self.files.changes != changes || self.files.alerts.is_none() {
            self.files.alerts = Some(run.daemon.open_alerts().into_bytes());
            (self.files.changes, self.files.saved) = (changes, self.now);
        }
        if self.numbers.percent(3) {
            let now = Timestamp::from_nanos(run.offset + self.now);
            self.files.history = Some(format::encode(run.daemon.history(), now, format::MAX_TEXT).text);
        }
    }

    fn do_effects(&mut self) {
        let Some(run) = &mut self.run else { return };
        let (effects, offset) = (run.daemon.effects(), run.offset);
        if self.is_told {
            effects.iter().for_each(|effect| println!("{:.3} s: {effect:?}", self.now as f64 / 1e9));
        }
        let ns = |time: Timestamp| time.as_nanos().saturating_sub(offset);
        for effect in effects {
            match effect {
                Effect::Finding(finding) => {
                    format!("{finding:?}").hash(&mut self.digest);
                    self.observer.finding(&finding, ns(finding.first_seen), ns(finding.last_seen), self.now);
                }
                Effect::Alert(alert) => {
                    format!("{:?} {:?}", alert.kind, alert.text).hash(&mut self.digest);
                    self.observer.alert(&alert, self.now);
                }
                Effect::Status(status) => self.observer.sighted(status.nexthops_known, self.now),
                Effect::AskFlows(question) => {
                    let answer = Answer { flows: Err("the answer is too large".to_owned()), asked: question.asked };
                    let at = self.after(1, 500);
                    self.put(at, Coming::Event(Event::LogicalFlows(answer)));
                }
                Effect::Repair(steps, rules) => self.repair(steps, &rules, offset),
                Effect::Say(message) | Effect::Complain(message) => message.hash(&mut self.digest),
                Effect::Latent(_)
                | Effect::Withdrawn(_)
                | Effect::NicNames(_)
                | Effect::Publish
                | Effect::SetConditions { .. }
                | Effect::FollowNeighbours(_)
                | Effect::Guard(_) => {}
            }
        }
    }

    /// Heals entries, as `repair` would.
    fn repair(&mut self, steps: Vec<Step>, rules: &Rules, offset: u64) {
        let at = self.after(1, 50);
        for step in steps {
            let Ok(action) = step.verdict.clone() else { continue };
            let entry = &step.pin.connection;
            let mac = step.pin.reply.eth;
            let pod = [entry.orig, entry.reply].into_iter().flat_map(|tuple| [tuple.src, tuple.dst]);
            let of_routers = pod.flat_map(|address| (0..2).map(move |router| (router, address)));
            let node = self.node.borrow();
            let truths = of_routers.map(|(router, address)| node.truth(router, address, mac));
            let truths: Vec<_> = truths.filter(|truth| truth.is_covered).collect();
            drop(node);
            let what = format!("{} in zone {}: {mac}", entry.orig, entry.zone);
            self.observer.repaired(&truths, &what, self.now);
            let gone = self.node.borrow_mut().delete(entry.orig, entry.zone);
            let outcome = match gone {
                Some(_) => Outcome::Done { action, seen: "it is gone".to_owned() },
                None => Outcome::Failed { action, reason: "it was gone already".to_owned() },
            };
            let time = Timestamp::from_nanos(offset + self.now);
            let repair: Repair = step.into_repair(rules, None, time, outcome);
            self.put(at, Coming::Event(Event::Repaired(Box::new(repair))));
        }
    }

    /// The labelled entries are read, as they are in the middle of the reading.
    fn read(&mut self, begun: Ns) {
        let Some(run) = &self.run else { return };
        let begun = Timestamp::from_nanos(run.offset + begun);
        let mut index = LabelledIndex::new(MAX_ENTRIES);
        for entry in self.node.borrow().labelled() {
            index.insert(entry);
        }
        let reading = match self.lasting.contains(&Fault::EntriesRefused) {
            true => Err("no buffer space available".to_owned()),
            false => Ok(Reading::new(begun.into(), index, Senders::default())),
        };
        let at = self.after(0, 100);
        self.put(at, Coming::Event(Event::Labelled(Box::new(reading))));
    }

    fn connect(&mut self, number: usize) {
        let at = self.late(number);
        let server = &mut self.servers[number];
        let rows = self.node.borrow().rows(server.which);
        let role = server.role();
        let told = server.connected(rows, at);
        for (at, event) in told {
            self.put(at, Coming::Event(Event::Database(role, event)));
        }
    }

    /// Something goes wrong.
    fn begin(&mut self, fault: Fault, lasts: Ns, choice: u64) {
        let until = self.now + lasts;
        let server = (choice % 3) as usize;
        match fault {
            Fault::DatabaseLost | Fault::DatabaseConverted => {
                self.observer.is_behind(until + 2 * SECOND);
                let noticed = self.after(0, 5_000);
                let server_lost = &mut self.servers[server];
                let role = server_lost.role();
                let (at, event) = server_lost.lost(noticed);
                self.put(at, Coming::Event(Event::Database(role, event)));
                self.put(until.max(at), Coming::Connect(server));
            }
            Fault::DatabaseSlow => {
                self.observer.is_behind(until + 2 * SECOND);
                self.slow.insert(server, until);
            }
            Fault::EntriesOverrun => {
                self.observer.disturb(until + 60 * SECOND);
                self.is_overrunning = true;
                self.put_over(fault, until);
            }
            Fault::EntriesRefused | Fault::ReadingsSlow | Fault::RingFull => {
                self.observer.disturb(until + 60 * SECOND);
                self.lasting.insert(fault);
                self.refuse();
                self.put_over(fault, until);
            }
            Fault::ReadingFails => {
                let failed = Event::Labelled(Box::new(Err("the dump was interrupted".to_owned())));
                self.tell(failed);
            }
            Fault::MapsRefused | Fault::SetRefused => {
                self.observer.is_behind(until + 2 * SECOND);
                self.lasting.insert(fault);
                self.refuse();
                self.put_over(fault, until);
            }
            Fault::TornOff => {
                self.observer.disturb(self.now + 3 * SECOND);
                self.run.iter().for_each(|run| run.nics.tear_off());
            }
            Fault::Stall => {
                self.observer.is_behind(until);
                self.stalled_until = until;
            }
            Fault::Flood => self.flood(choice),
            Fault::Restart => {
                self.end_daemon();
                self.restart(until);
            }
            Fault::Kill => self.crash(lasts),
            Fault::KillInSave => {
                for file in [&mut self.files.history, &mut self.files.alerts].into_iter().flatten() {
                    let length = choice as usize % (file.len() + 1);
                    file.truncate(length);
                }
                self.crash(lasts);
            }
            Fault::OtherNics => {
                self.end_daemon();
                self.watched_nics = if self.watched_nics == usize::MAX { 1 } else { usize::MAX };
                self.observer.is_partial = self.watched_nics == 1;
                self.restart(until);
            }
            Fault::ClockSet => {
                self.end_daemon();
                let seconds = [-3600, -30, -2, 2, 30, 3600][choice as usize % 6];
                self.clock_set += seconds * 1_000_000_000;
                self.restart(until);
            }
        }
    }

    fn put_over(&mut self, fault: Fault, until: Ns) {
        self.put(until, Coming::Over(fault));
    }

    /// What was wrong is right again.
    fn over(&mut self, fault: Fault) {
        self.lasting.remove(&fault);
        self.refuse();
        if fault == Fault::EntriesOverrun {
            self.is_overrunning = false;
            self.tell(Event::Conntrack(events::Event::Overrun));
        }
        if fault == Fault::RingFull {
            self.look_at_ring();
        }
    }

    /// Has the present kernel refuse what lasting faults have it refuse.
    fn refuse(&mut self) {
        if let Some(run) = &self.run {
            run.kernel.refuse_reads(self.lasting.contains(&Fault::MapsRefused));
            run.kernel.refuse_installs(self.lasting.contains(&Fault::SetRefused));
            run.asked.is_refused.set(self.lasting.contains(&Fault::EntriesRefused));
        }
    }

    /// Many flows come at once, of the kind of the last that was seen.
    fn flood(&mut self, choice: u64) {
        let Some(out) = self.last_out.clone() else { return };
        let Some(pattern) = Pattern::of(&out.frame) else { return };
        self.observer.disturb(self.now + 60 * SECOND);
        let mac = out.eth_dst;
        let truth = self.node.borrow().truth(out.router, out.tuple.src, mac);
        for number in 0..(choice % 3000) as u16 {
            let (frame, tuple) = pattern.flow(number);
            let bytes = frame.len() as u64;
            self.send(&Out { frame, tuple, packets: 1, bytes, truth, ..out.clone() });
        }
        self.look_at_ring();
    }

    fn start_daemon(&mut self) {
        self.number += 1;
        let boot = self.node.borrow().wall(0).as_nanos();
        let offset = boot.saturating_add_signed(self.clock_set);
        let now = Timestamp::from_nanos(offset + self.now);
        let seed = self.numbers.next();
        let kernel = Kernel::new(&self.sizes, Rates { sample_every: 1, events_per_second: 10_000 }, seed);
        kernel.set_clock(self.now);
        let (node, asked) = (Rc::clone(&self.node), Rc::<Asked>::default());
        let attached = Rc::default();
        let nics = Nics { node: Rc::clone(&node), kernel: kernel.clone(), attached };
        let name: Arc<str> = "history.jsonl".into();
        let history = match &self.files.history {
            Some(text) => {
                format::decode(text.as_slice(), &name, Bounds::default(), now, false).expect("memory is read").0
            }
            None => History::new(Bounds::default()),
        };
        let machine = Machine {
            packets: Box::new(kernel.clone()),
            entries: Box::new(Table { node: Rc::clone(&node), asked: Rc::clone(&asked) }),
            hooks: Box::new(nics.clone()),
            record: None,
        };
        let beginning = Beginning {
            axis: Axis { offset_ns: offset },
            started: now,
            asked: now,
            history,
            namespace: None,
            hasher: Default::default(),
            seed,
        };
        let databases = self.servers.iter().map(Server::following).collect();
        let sources = Sources { databases, files: Vec::new(), kernel_routes: false };
        let mut daemon = Daemon::new(self.settings(), machine, beginning, &sources);
        self.observer.begins();
        if let Some(text) = &self.files.alerts {
            let text = String::from_utf8_lossy(text).into_owned();
            match daemon.restore_alerts(&text) {
                Ok(()) => self.observer.forgets_alerts_since(self.files.saved + 1),
                Err(_) => self.observer.forgets_alerts_since(0),
            }
        }
        self.run = Some(Run { daemon, kernel, nics, asked, offset, seen: 0 });
        self.refuse();
        for number in 0..self.servers.len() {
            self.servers[number].forgets();
            let at = self.after(1, 300);
            self.put(at, Coming::Connect(number));
        }
        self.stalled_until = self.now;
        let links = self.node.borrow().links();
        let at = self.after(1, 100);
        self.put(at, Coming::Event(Event::Kernel(route::Event::Links(links))));
        self.put(at, Coming::Event(Event::Kernel(route::Event::Facts(Delta::default()))));
        self.put(at, Coming::Event(Event::Kernel(route::Event::Synchronised(Default::default()))));
        let at = self.after(900, 1000);
        self.put(at, Coming::Tick);
        self.observer.disturb(self.now + 10 * SECOND);
    }

    fn settings(&self) -> Settings {
        let links = self.node.borrow().links();
        let is_nic = |change: &LinkChange| match change {
            LinkChange::Present(link) if link.master == Some(2) => Some(Arc::clone(&link.name)),
            _ => None,
        };
        let nics = links.iter().filter_map(is_nic).take(self.watched_nics).collect();
        let rules = Rules {
            method: Method::Delete,
            settle: Duration::from_secs(60),
            tcp: true,
            unused: false,
            zone: None,
            ovs: None,
        };
        let seen = [EvidenceKind::History, EvidenceKind::BothDirections, EvidenceKind::Neighbours];
        Settings {
            nics,
            is_auto: false,
            is_consuming: false,
            conntrack: None,
            judging: Judging::default(),
            seen: seen.into_iter().collect(),
            alerts: alerts::Settings { per_minute: 0, ..alerts::Settings::default() },
            repair: self.repairs.then_some((rules, 60)),
            max_suspects: self.sizes.suspects,
            end_within: Duration::from_secs(5),
            node: None,
            changing: Changing {
                sample: 1,
                conntrack_interval: Some(Duration::from_secs(60)),
                max_age: Duration::from_secs(300),
                history_age: Duration::from_secs(30 * 24 * 3600),
            },
        }
    }

    /// The daemon is ended as a user ends it, and its books are closed.
    fn end_daemon(&mut self) {
        let Some(run) = &mut self.run else { return };
        let now = Timestamp::from_nanos(run.offset + self.now);
        let nics = run.daemon.detach(now);
        self.files.history = Some(format::encode(run.daemon.history(), now, format::MAX_TEXT).text);
        run.daemon.begin_the_end(now);
        while run.daemon.go_on(now) {}
        run.daemon.conclude_run(now);
        self.do_effects();
        let Some(mut run) = self.run.take() else { return };
        self.files.alerts = Some(run.daemon.open_alerts().into_bytes());
        self.files.saved = self.now;
        if !self.lasting.contains(&Fault::MapsRefused) {
            self.check_books(&mut run);
            let (report, _) = run.daemon.into_report(nics, now);
            if report.summary.packets != run.seen {
                let what = format!("{} packets are told, {} were seen", report.summary.packets, run.seen);
                self.observer.fail(self.now, what);
            }
            self.observer.report(&report.findings, self.now);
        }
    }

    /// Each packet is in one verdict or one counted loss.
    fn check_books(&mut self, run: &mut Run) {
        let counters = run.kernel.counters().expect("nothing is refused");
        let of = |counter: Counter| counters[counter as usize].packets;
        let snapshot = run.daemon.snapshot();
        let judged: u64 = snapshot.judged.iter().map(|judged| judged.packets).sum();
        let unjudged = snapshot.losses.iter().find(|loss| loss.name == "suspect_packets_unjudged");
        let lost = unjudged.map_or(0, |loss| loss.count) + of(Counter::SuspectsFull) + of(Counter::Unloaded);
        let lost = lost + of(Counter::Truncated) + of(Counter::Malformed);
        self.observer.count("books closed");
        if judged + lost != run.seen {
            let what = format!("{judged} packets judged and {lost} lost are not the {} that were seen", run.seen);
            self.observer.fail(self.now, what);
        }
    }

    /// The daemon is killed, and comes back.
    fn crash(&mut self, lasts: Ns) {
        self.run = None;
        self.restart(self.now + lasts);
    }

    fn restart(&mut self, at: Ns) {
        self.run = None;
        self.number += 1;
        self.observer.is_behind(at + LAG);
        self.put(at, Coming::Start);
    }
}
