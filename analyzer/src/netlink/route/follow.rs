//! Reads rtnetlink and tells what follows. The only I/O of this module.
//!
//! Notifications are subscribed to before the first dump is asked for, and both come by one socket in the order in which
//! the kernel made them, so that what is applied last is what holds. Where the kernel says nothing of a change (IPv4
//! routes that go with their link), drops notifications, or was interrupted while it listed, dumps are repeated and the
//! difference is told: what is known stays told meanwhile.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io, mem};

use rustix::io::Errno;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::state::{Losses, Origin, Settings, State};
use super::tables::Table;
use crate::engine::fact::Delta;
use crate::netlink::link::LinkChange;
use crate::netlink::rtnetlink::{Control, Dump, Group, messages};
use crate::netlink::socket::{Read, RouteSocket};
use crate::types::Timestamp;

/// Datagrams that are read before others have their turn.
const BATCH: usize = 64;
/// Least time between two deltas, so that a flapping neighbour costs little: what changes meanwhile is told as one.
const BETWEEN_DELTAS: Duration = Duration::from_millis(10);
/// Least time between two rounds of repeated dumps; longer after a round that took long.
const BETWEEN_ROUNDS: Duration = Duration::from_millis(100);
/// A round is not followed by another before this many times what it took, so that repeating takes a tenth of a core.
const ROUND_SHARE: u32 = 10;
/// How long the kernel may take for the next piece of a dump.
const SILENCE: Duration = Duration::from_secs(10);
/// How often a dump is repeated at once because it was interrupted. After that, what it listed is taken.
const ATTEMPTS: u32 = 5;
/// Changes that may wait to be told. While the receiver is behind, nothing more is read, and what the kernel then drops
/// is dumped later.
const MAX_PENDING: usize = 1 << 16;

/// What to follow, and how.
#[derive(Clone)]
pub struct Options {
    /// Whether routes are the source of next hops: routes and router ports are told.
    pub routes: bool,
    /// Whether neighbours are told.
    pub neighbours: bool,
    /// Routing tables that are followed beside the main table.
    pub tables: Vec<Table>,
    /// See [`Settings::devices`]. A change is followed by a delta.
    pub devices: watch::Receiver<Option<HashSet<Arc<str>>>>,
    /// The time now, on the engine's axis.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Room in the kernel for what was not read yet, in bytes.
    pub receive_buffer: usize,
    /// Time between two dumps of everything, as a safety.
    pub reconcile: Duration,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("routes", &self.routes)
            .field("neighbours", &self.neighbours)
            .field("tables", &self.tables)
            .field("receive_buffer", &self.receive_buffer)
            .field("reconcile", &self.reconcile)
            .finish_non_exhaustive()
    }
}

/// What is told.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// Links came, changed or went.
    Links(Vec<LinkChange>),
    /// Facts ended and began. The first delta holds all facts at once.
    Facts(Delta),
    /// All that the kernel knows has been told: after the start, each reconciliation, and each loss that was healed.
    Synchronised(Losses),
    /// A word to the user.
    Warning(String),
}

/// rtnetlink cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the kernel's routes cannot be followed: no rtnetlink socket: {0}")]
pub struct Error(#[source] io::Error);

/// Follows the kernel until nobody receives events any more. Must run in the network namespace that is meant.
///
/// # Errors
/// No socket can be had at the start. Later failures are told as warnings, and it is tried again.
pub async fn follow(options: Options, events: mpsc::Sender<Event>) -> Result<(), Error> {
    let mut follower = Follower::open(options, events).map_err(Error)?;
    loop {
        let Err(error) = follower.run().await else { return Ok(()) };
        let warning = format!("rtnetlink failed, what it told last is kept and it is opened anew: {error}");
        follower.outbox.push_back(Event::Warning(warning));
        loop {
            tokio::select! {
                () = follower.events.closed() => return Ok(()),
                () = sleep(SILENCE) => {}
            }
            if follower.reopen().is_ok() {
                break;
            }
        }
    }
}

struct Follower {
    options: Options,
    events: mpsc::Sender<Event>,
    socket: RouteSocket,
    state: State,
    buffer: Vec<u8>,
    sequence: u32,
    running: Option<Running>,
    /// Dumps of this round that were not asked for yet.
    queue: BTreeSet<Dump>,
    round: Round,
    attempts: HashMap<Dump, u32>,
    /// Whether notifications were lost: what is left of them has to be read before anything is dumped anew, as the
    /// kernel goes on dropping until then.
    lost: bool,
    /// Whether everything was listed once: before that nothing is told, as a set that lacks a part misleads.
    is_complete: bool,
    /// Whether it is to be told that everything has been told.
    announce: bool,
    outbox: VecDeque<Event>,
    next_delta: Instant,
    next_round: Instant,
    next_reconciliation: Instant,
}

/// A dump that was asked for.
struct Running {
    dump: Dump,
    sequence: u32,
    interrupted: bool,
    last_heard: Instant,
}

/// The dumps that are asked for together.
struct Round {
    /// Whether these are all dumps.
    is_full: bool,
    /// Whether nothing was lost since it began.
    is_clean: bool,
    began: Instant,
}

impl Follower {
    fn open(options: Options, events: mpsc::Sender<Event>) -> io::Result<Self> {
        let settings = Settings {
            routes: options.routes,
            neighbours: options.neighbours,
            tables: options.tables.clone(),
            devices: options.devices.borrow().clone(),
        };
        let now = Instant::now();
        let mut follower = Self {
            socket: RouteSocket::open(&groups(&settings), options.receive_buffer)?,
            state: State::new(settings),
            events,
            buffer: Vec::new(),
            sequence: 0,
            running: None,
            queue: BTreeSet::new(),
            round: Round { is_full: false, is_clean: true, began: now },
            attempts: HashMap::new(),
            lost: false,
            is_complete: false,
            announce: false,
            outbox: VecDeque::new(),
            next_delta: now,
            next_round: now,
            next_reconciliation: now + options.reconcile,
            options,
        };
        follower.begin_round(Dump::ALL.into(), now);
        Ok(follower)
    }

    fn reopen(&mut self) -> io::Result<()> {
        self.socket = RouteSocket::open(&groups(self.state.settings()), self.options.receive_buffer)?;
        self.running = None;
        self.lost = false;
        self.begin_round(Dump::ALL.into(), Instant::now());
        Ok(())
    }

    async fn run(&mut self) -> io::Result<()> {
        let events = self.events.clone();
        let mut devices_may_change = true;
        loop {
            if self.lost && self.running.is_none() {
                let read = self.socket.try_receive(&mut self.buffer)?;
                self.read(read)?;
            }
            let now = Instant::now();
            self.schedule(now)?;
            self.fill_outbox(now);
            let may_read = self.running.is_some() || self.state.pending() < MAX_PENDING;
            let timer = self.next_timer(now);
            tokio::select! {
                permit = events.reserve(), if !self.outbox.is_empty() => {
                    let Ok(permit) = permit else { return Ok(()) };
                    if let Some(event) = self.outbox.pop_front() {
                        permit.send(event);
                    }
                }
                first = self.socket.receive(&mut self.buffer), if may_read => {
                    self.read(first?)?;
                    tokio::task::yield_now().await;
                }
                changed = self.options.devices.changed(), if devices_may_change => {
                    devices_may_change = changed.is_ok();
                    let devices = self.options.devices.borrow_and_update().clone();
                    self.state.watch(devices);
                }
                () = sleep_until(timer) => {}
                () = events.closed() => return Ok(()),
            }
        }
    }

    /// Begins a round where one is due, and asks for its next dump.
    fn schedule(&mut self, now: Instant) -> io::Result<()> {
        if let Some(running) = &self.running {
            return match now < running.last_heard + SILENCE {
                true => Ok(()),
                false => Err(io::Error::new(io::ErrorKind::TimedOut, format!("no {} are told", running.dump.what()))),
            };
        }
        if self.queue.is_empty() && !self.lost {
            if now >= self.next_reconciliation {
                self.begin_round(Dump::ALL.into(), now);
            } else if self.state.is_stale() && now >= self.next_round {
                let stale = self.state.take_stale();
                self.begin_round(stale, now);
            }
        }
        if let Some(dump) = self.queue.pop_first() {
            self.sequence = self.sequence.wrapping_add(1).max(1);
            self.state.dump_begins(dump);
            self.socket.request(dump, self.sequence)?;
            self.running = Some(Running { dump, sequence: self.sequence, interrupted: false, last_heard: now });
        }
        Ok(())
    }

    fn begin_round(&mut self, dumps: BTreeSet<Dump>, now: Instant) {
        let is_full = dumps.len() == Dump::ALL.len();
        self.queue = dumps.into_iter().filter(|&dump| self.state.needs(dump)).collect();
        self.round = Round { is_full, is_clean: true, began: now };
        self.attempts.clear();
        if is_full {
            self.state.take_stale();
            self.next_reconciliation = now + self.options.reconcile;
        }
    }

    /// Takes what was read, and what else there is, up to a batch.
    fn read(&mut self, mut read: Read) -> io::Result<()> {
        let at = (self.options.clock)();
        for left in (0..BATCH).rev() {
            match read {
                Read::Datagram => {
                    let datagram = mem::take(&mut self.buffer);
                    self.take(&datagram, at);
                    self.buffer = datagram;
                }
                Read::Foreign => {}
                Read::Overrun => self.overrun(),
                Read::Nothing => {
                    self.lost = false;
                    break;
                }
            }
            if left > 0 {
                read = self.socket.try_receive(&mut self.buffer)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, datagram: &[u8], at: Timestamp) {
        for message in messages(datagram) {
            let Ok(message) = message else {
                // What else stood in it is not known.
                self.state.losses.malformed = self.state.losses.malformed.saturating_add(1);
                self.overrun();
                break;
            };
            let asked = self.running.as_mut().filter(|running| running.sequence == message.sequence);
            let asked = asked.filter(|_| message.port == self.socket.port);
            let origin = match asked {
                Some(running) => {
                    running.last_heard = Instant::now();
                    running.interrupted |= message.is_interrupted();
                    Origin::Dump
                }
                None => Origin::Notification,
            };
            match message.control() {
                Control::Object => self.state.apply(&message, origin, at),
                Control::End(error) if origin == Origin::Dump => self.end_dump(error),
                Control::Overrun => self.overrun(),
                Control::End(_) | Control::Noop => {}
            }
        }
    }

    /// Notifications are lost: all has to be dumped anew, a dump that is running too.
    fn overrun(&mut self) {
        self.state.losses.overruns = self.state.losses.overruns.saturating_add(1);
        self.lost = true;
        self.round.is_clean = false;
        self.running.iter_mut().for_each(|running| running.interrupted = true);
        self.next_reconciliation = self.next_round;
    }

    fn end_dump(&mut self, error: i32) {
        let Some(Running { dump, interrupted, .. }) = self.running.take() else { return };
        // Before Linux 5.3 there are no nexthop objects, without IPv6 none of its rules.
        let is_unknown = [Errno::OPNOTSUPP, Errno::AFNOSUPPORT].iter().any(|errno| errno.raw_os_error() == error);
        let is_complete = !interrupted && (error == 0 || is_unknown);
        self.state.dump_ends(dump, is_complete);
        if !is_complete {
            self.state.losses.interrupted = self.state.losses.interrupted.saturating_add(1);
            let attempts = self.attempts.entry(dump).or_default();
            *attempts += 1;
            if *attempts < ATTEMPTS {
                self.queue.insert(dump);
                return;
            }
            self.round.is_clean = false;
            if error != 0 {
                let error = io::Error::from_raw_os_error(error);
                self.outbox.push_back(Event::Warning(format!("the kernel does not list its {}: {error}", dump.what())));
            }
        }
        if self.queue.is_empty() {
            self.end_round();
        }
    }

    fn end_round(&mut self) {
        let now = Instant::now();
        let took = now.saturating_duration_since(self.round.began);
        self.next_round = now + BETWEEN_ROUNDS.max(took.saturating_mul(ROUND_SHARE));
        self.is_complete |= self.round.is_full;
        self.announce |= self.round.is_full && self.round.is_clean;
        if !self.round.is_clean {
            self.next_reconciliation = self.next_round;
        }
    }

    /// Puts news into the outbox, where it is time for that.
    fn fill_outbox(&mut self, now: Instant) {
        // While IPv4 routes are listed, the order of those that differ in nothing but their next hop is in the making.
        let is_settled = self.running.as_ref().is_none_or(|running| running.dump != Dump::Ipv4Routes);
        if !self.is_complete || !is_settled || !self.outbox.is_empty() || now < self.next_delta {
            return;
        }
        if self.state.pending() > 0 {
            self.outbox.extend(self.state.take_warnings().into_iter().map(Event::Warning));
            let links = self.state.take_link_changes();
            if !links.is_empty() {
                self.outbox.push_back(Event::Links(links));
            }
            let delta = self.state.delta();
            if delta != Delta::default() {
                self.outbox.push_back(Event::Facts(delta));
            }
            self.next_delta = now + BETWEEN_DELTAS;
        }
        if mem::take(&mut self.announce) {
            self.outbox.push_back(Event::Synchronised(self.state.losses));
        }
    }

    /// When something is due that no message brings about.
    fn next_timer(&self, now: Instant) -> Instant {
        let mut timer = self.next_reconciliation;
        if let Some(running) = &self.running {
            return (running.last_heard + SILENCE).min(self.next_delta.max(now + BETWEEN_DELTAS));
        }
        if self.state.is_stale() {
            timer = timer.min(self.next_round);
        }
        if self.lost {
            timer = now;
        }
        if (self.state.pending() > 0 || self.announce) && self.is_complete && self.outbox.is_empty() {
            timer = timer.min(self.next_delta);
        }
        timer.max(now + Duration::from_millis(1))
    }
}

fn groups(settings: &Settings) -> Vec<Group> {
    let mut groups = vec![Group::Link];
    if settings.neighbours {
        groups.push(Group::Neighbour);
    }
    if settings.routes {
        groups.extend([
            Group::Ipv4Address,
            Group::Ipv6Address,
            Group::Ipv4Route,
            Group::Ipv6Route,
            Group::Ipv4Rule,
            Group::Ipv6Rule,
            Group::Nexthop,
        ]);
    }
    groups
}
