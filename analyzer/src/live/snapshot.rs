//! The running system, asked once.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout_at};

use super::clock::Clock;
use super::config::Sources as Asked;
use super::conntrack::Conntrack;
use super::databases::{self, Connected};
use super::hooks::lower_devices;
use super::start::{follow_kernel, way};
use super::{flows, history};
use crate::cli::{ConntrackSource, KernelRoutes};
use crate::daemon::connections::Way;
use crate::daemon::databases::{Conditions, Databases, Role, Told};
use crate::daemon::entries::Entries;
use crate::daemon::event::{Event, Reading};
use crate::daemon::history::Bounds;
use crate::daemon::{Evidence, SourceId, Sources};
use crate::engine::Engine;
use crate::engine::fact::{Delta, Fact};
use crate::engine::settings::Settings;
use crate::net::backoff::random_seed;
use crate::netlink::{owners, route};
use crate::output::remedy::Datapath;
use crate::output::say;
use crate::ovn::local::Uplinks;
use crate::types::{Place, Position, Timestamp, Tuple, Warning};
use crate::unixctl::conntrack::Pacing;

/// How long sources may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why nothing is read of ovs-vswitchd, which only shows whole zones.
const NO_ZONE: &str = "nothing tells which zones are routers' own, and ovs-vswitchd can only be asked for whole zones: give \
                       their names (--ovs, --ct-zones)";

/// What a [`snapshot`] is to hold beside next hops.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// Nothing.
    Nexthops,
    /// All labelled conntrack entries.
    Connections,
    /// All that is known of one flow.
    Flow {
        /// The flow.
        tuple: Tuple,
        /// The file in which a daemon keeps the history of the next hops, where it is to be read.
        history: Option<PathBuf>,
    },
    /// All labelled conntrack entries, to be changed.
    Repair(ForRepair),
}

/// What is asked for a repair.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ForRepair {
    /// The next hops are watched until they have stood for so long; `None` to take them as they are, however young.
    pub settle: Option<Duration>,
    /// Where conntrack entries are.
    pub conntrack: ConntrackSource,
    /// A zone that is read whoever its owner is.
    pub zone: Option<u16>,
    /// What files of the user's tell beside the sources.
    pub facts: Vec<Fact>,
    /// Files of next hops among them, and when each was last changed.
    pub files: Vec<(PathBuf, Timestamp)>,
}

/// Where a snapshot's conntrack entries live.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Table {
    /// In the kernel.
    Kernel,
    /// In the ovs-vswitchd with this control socket.
    Userspace(PathBuf),
}

impl Table {
    /// The datapath whose entries these are.
    pub fn datapath(&self) -> Datapath {
        match self {
            Self::Kernel => Datapath::Kernel,
            Self::Userspace(_) => Datapath::Userspace,
        }
    }
}

/// The running system at one moment.
pub struct Snapshot {
    /// Told all facts.
    pub engine: Engine,
    /// What was passed over, and sources that did not answer.
    pub warnings: Vec<Warning>,
    /// Whether anything told next hops.
    pub tells_nexthops: bool,
    /// Whether anything told conntrack entries.
    pub tells_connections: bool,
    /// Whether conntrack entries may be missing. A warning says why.
    pub is_partial: bool,
    /// Where these live; `None` where they were not read.
    pub table: Option<Table>,
    /// Since when it is known that the next hops are what they are; `None` where nothing tells. Only for a repair.
    pub stands_since: Option<Timestamp>,
    /// The NICs by which packets leave for the physical networks; `None` where no database tells.
    pub uplinks: Option<Uplinks>,
    /// What answered: the source's name, and where it was asked.
    pub asked: Vec<(&'static str, String)>,
    clock: Clock,
}

/// Asks the running system once.
///
/// # Errors
/// When no source can be asked.
pub fn snapshot(asked: &Asked, wanted: &Wanted, settings: Settings) -> anyhow::Result<Snapshot> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(take(asked, wanted, settings))
}

async fn take(asked: &Asked, wanted: &Wanted, settings: Settings) -> anyhow::Result<Snapshot> {
    let clock = Clock::new();
    let (sender, mut events) = mpsc::channel(64);
    let mut sources = Sources::default();
    let (following, connected) = databases::start(asked, &sender);
    let mut databases = Databases::new(&following, &mut sources, random_seed(), clock.now());
    let by_kernel = match asked.kernel_routes {
        KernelRoutes::Yes => true,
        KernelRoutes::No => false,
        KernelRoutes::Auto => !databases.has(Role::Northbound),
    };
    // Neighbours of every device: which NIC is meant is not asked here.
    let (_devices, watched) = watch::channel(None);
    let kernel = sources.add("kernel", "rtnetlink".to_owned(), by_kernel, clock.now());
    follow_kernel(by_kernel, watched, clock, &sender);
    // Asked once, by somebody who waits.
    let pacing = Pacing { zone_interval: Duration::ZERO, share: 1 };
    let table = || Box::new(Conntrack::new(asked, pacing, clock, None));

    let mut snapshot = Snapshot {
        engine: Engine::new(settings),
        warnings: Vec::new(),
        tells_nexthops: false,
        tells_connections: false,
        is_partial: false,
        table: None,
        stands_since: None,
        uplinks: None,
        asked: Vec::new(),
        clock,
    };
    snapshot.engine.set_given(databases.kinds());
    snapshot.history(wanted, clock.now());
    let mut evidence = match wanted {
        Wanted::Flow { .. } => Evidence::of_all_zones(table()),
        _ => Evidence::new(table()),
    };
    if let Wanted::Repair(asked) = wanted {
        snapshot.read_files(asked, &mut sources, &mut evidence);
    }
    let mut deadline = Instant::now() + PATIENCE;
    // While the next hops are watched, what is told is dated.
    let mut is_watching = false;
    let mut is_late = false;
    loop {
        if !is_watching && (is_late || sources.are_settled()) {
            let Wanted::Repair(asked) = wanted else { break };
            let Some(watch) = snapshot.settle(asked, &sources) else { break };
            (is_watching, deadline) = (true, Instant::now() + watch);
        }
        let event = match timeout_at(deadline, events.recv()).await {
            Ok(Some(event)) => event,
            _ if is_watching => break,
            // What has not answered by now is done without. The rules hold all the same.
            _ => {
                is_late = true;
                continue;
            }
        };
        let told = told(event, &mut databases, &connected, &mut sources, kernel, clock);
        snapshot.take(told, &mut evidence, is_watching);
    }
    for source in sources.all().iter().filter(|source| !source.is_whole() || source.error.is_some()) {
        let error = source.error.as_deref().unwrap_or("it does not answer");
        let place = Place { file: source.place.as_str().into(), position: Position::Whole };
        snapshot.warnings.push(Warning { place, message: error.to_owned() });
    }
    if !snapshot.tells_nexthops && sources.all().iter().all(|source| !source.is_whole()) {
        bail!("no source could be asked: {}", reasons(&snapshot.warnings));
    }
    let whole = sources.all().iter().filter(|source| source.is_whole());
    snapshot.asked.extend(whole.map(|source| (source.name, source.place.clone())));
    snapshot.uplinks = databases.uplinks(lower_devices);
    if *wanted != Wanted::Nexthops {
        snapshot.logical_flows(asked, &mut databases, &sources, &mut evidence).await;
        snapshot.owners().await;
        snapshot.connections(asked, wanted, &databases, &mut evidence, *table()).await;
    }
    if matches!(wanted, Wanted::Repair(_)) {
        // What was told while entries were read, which may take long, bears on them.
        while let Ok(event) = events.try_recv() {
            let told = told(event, &mut databases, &connected, &mut sources, kernel, clock);
            snapshot.take(told, &mut evidence, true);
        }
        if !sources.are_current() {
            snapshot.engine.set_blind(clock.now());
        }
    }
    Ok(snapshot)
}

/// What an event of a source tells.
fn told(
    event: Event,
    databases: &mut Databases,
    connected: &Connected,
    sources: &mut Sources,
    kernel: SourceId,
    clock: Clock,
) -> Told {
    match event {
        Event::Database(role, event) => {
            let mut told = databases.take(role, event, sources, clock.now());
            for Conditions { role, table, json } in told.conditions.drain(..) {
                connected.set_conditions(role, table, json);
            }
            return told;
        }
        Event::Kernel(route::Event::Facts(delta)) => return Told { delta, ..Told::default() },
        Event::Kernel(route::Event::Synchronised(_)) => drop(sources.synchronised(kernel, clock.now())),
        Event::KernelLost(error) => drop(sources.lost(kernel, error, clock.now())),
        _ => {}
    }
    Told::default()
}

fn reasons(warnings: &[Warning]) -> String {
    warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl Snapshot {
    /// Now, on the same axis as all times of the snapshot.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Takes over what a source tells, with the date where `is_dated`.
    fn take(&mut self, told: Told, evidence: &mut Evidence, is_dated: bool) {
        let Told { delta, warnings, .. } = told;
        self.warnings.extend(warnings);
        evidence.follow(&delta);
        for fact in &delta.ended {
            self.engine.end(fact, self.clock.now());
        }
        for fact in delta.begun {
            self.tells_nexthops |= matches!(fact, Fact::Route(_));
            self.engine.begin(fact, is_dated.then(|| self.clock.now()));
        }
    }

    /// Takes over what files tell.
    fn read_files(&mut self, asked: &ForRepair, sources: &mut Sources, evidence: &mut Evidence) {
        for (file, _) in &asked.files {
            let now = self.clock.now();
            let source = sources.add("nexthops.toml", file.display().to_string(), true, now);
            sources.synchronised(source, now);
        }
        evidence.follow(&Delta { ended: Vec::new(), begun: asked.facts.clone() });
        for fact in &asked.facts {
            self.tells_nexthops |= matches!(fact, Fact::Route(_));
            self.engine.add(fact.clone());
        }
    }

    /// Tells the engine since when the next hops are known to be what they are, and says for how long they are to be
    /// watched until that is long enough; `None` for not at all.
    fn settle(&mut self, asked: &ForRepair, sources: &Sources) -> Option<Duration> {
        let now = self.clock.now();
        let is_by_files = sources.are_all_needed("nexthops.toml");
        let changed = asked.files.iter().map(|(_, changed)| *changed).max();
        self.stands_since = match (is_by_files, asked.settle) {
            (true, _) => Some(changed.unwrap_or(now).min(now)),
            // Servers tell what is, not since when.
            (false, Some(_)) => Some(now),
            (false, None) => None,
        };
        let since = self.stands_since?;
        self.engine.set_blind(Timestamp::default());
        self.engine.set_sighted(since);
        let missing = asked.settle?.saturating_sub(now.since(since));
        if missing.is_zero() || !sources.are_current() {
            return None;
        }
        say(format_args!(
            "watching for {:.0} s whether the next hops stay as they are (--settle)",
            missing.as_secs_f64()
        ));
        // What stands for just so long is settled.
        Some(missing + Duration::from_millis(1))
    }

    /// Tells what a daemon on this node remembers of next hops that are none any more. Where none has run there is none.
    fn history(&mut self, wanted: &Wanted, now: Timestamp) {
        if let Wanted::Flow { history: Some(path), .. } = wanted {
            let history::Loaded { history, warnings } = history::load(path, Bounds::default(), now);
            history.ended().for_each(|fact| self.engine.add(fact));
            self.warnings.extend(warnings);
        }
    }

    /// Asks what the routers do with labelled entries. Where they do not tell, the next kind of evidence counts.
    async fn logical_flows(
        &mut self,
        asked: &Asked,
        databases: &mut Databases,
        sources: &Sources,
        evidence: &mut Evidence,
    ) {
        let Some(question) = databases.question(sources, false, self.clock.now()) else { return };
        let answer = flows::ask(question, asked.tls()).await;
        let told = databases.answered(answer, self.clock.now());
        if let Some(message) = &told.message {
            self.warn("sb", message.clone());
        }
        self.take(told, evidence, false);
    }

    /// Tells which interfaces and virtual functions of this machine have which MAC.
    async fn owners(&mut self) {
        match owners::owners().await {
            Ok(owners) => owners.into_iter().for_each(|owner| self.engine.add(Fact::MacOwner(owner))),
            Err(error) => self.warn(owners::ORIGIN, error.to_string()),
        }
    }

    /// Reads the conntrack entries that are wanted.
    async fn connections(
        &mut self,
        asked: &Asked,
        wanted: &Wanted,
        databases: &Databases,
        evidence: &mut Evidence,
        mut table: Conntrack,
    ) {
        let node = databases.node();
        let (source, zone) = match wanted {
            Wanted::Repair(repair) => (repair.conntrack, repair.zone),
            _ => (ConntrackSource::Auto, None),
        };
        let way = way(source).unwrap_or_else(|| Way::of(node.as_ref()));
        if let Err(error) = table.open(way).and_then(|()| evidence.ask(way)) {
            return self.warn("conntrack", error);
        }
        self.table = match way {
            Way::Kernel => Some(Table::Kernel),
            Way::Userspace => asked.vswitchd_socket().ok().map(Table::Userspace),
            Way::Open | Way::None => None,
        };
        let mut zones = evidence.zones();
        zones.routers.extend(zone.filter(|zone| !zones.routers.contains(zone)));
        if !matches!(wanted, Wanted::Flow { .. }) {
            zones.senders.clear();
        }
        if way == Way::Userspace && zones.routers.is_empty() {
            return self.warn("conntrack", NO_ZONE.to_owned());
        }
        match table.all(zones).await {
            Ok(reading) => {
                self.tells_connections = true;
                let place = match &self.table {
                    Some(Table::Userspace(socket)) => socket.display().to_string(),
                    _ => "kernel".to_owned(),
                };
                self.asked.push(("conntrack", place));
                self.note_missing(&reading);
                evidence.replace(reading.index, reading.senders, reading.begun);
            }
            Err(error) => return self.warn("conntrack", error),
        }
        match wanted {
            Wanted::Flow { tuple, .. } => drop(evidence.tell(*tuple, &mut self.engine)),
            _ => evidence.index().iter().for_each(|entry| self.engine.add(Fact::Connection(entry))),
        }
        if let Some(error) = evidence.take_failure() {
            self.warn("conntrack", error);
        }
        self.engine.note_connections_told();
    }

    /// Says which entries a reading may lack.
    fn note_missing(&mut self, reading: &Reading) {
        let Reading { index, senders, is_interrupted, unreadable, failure, .. } = reading;
        let missing = [
            (
                *is_interrupted,
                "the table changed while it was read, so entries may be missing: read it again".to_owned(),
            ),
            (*unreadable > 0, format!("{unreadable} entries could not be read")),
            (senders.refused() > 0, format!("{} translated entries are more than can be kept", senders.refused())),
            (failure.is_some(), failure.clone().unwrap_or_default()),
            (index.refused() > 0, format!("{} labelled entries are more than can be kept", index.refused())),
        ];
        for (_, message) in missing.into_iter().filter(|(is_so, _)| *is_so) {
            self.is_partial = true;
            self.warn("conntrack", message);
        }
    }

    fn warn(&mut self, file: &str, message: String) {
        let place = Place { file: Arc::from(file), position: Position::Whole };
        self.warnings.push(Warning { place, message });
    }
}
