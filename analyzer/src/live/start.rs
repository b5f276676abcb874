//! How the daemon comes up: programs loaded, sources asked, and only then NICs watched.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use caps::Capability;
use hashbrown::DefaultHashBuilder;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::alerting::Alerting;
use super::claim::Claims;
use super::clock::Clock;
use super::config::Config;
use super::connections::Connections;
use super::daemon::{Daemon, Inbox};
use super::databases::{Databases, Role};
use super::event::Event;
use super::evidence::Evidence;
use super::exporting::Exporting;
use super::guard;
use super::kernel::{Kernel, Sockets};
use super::latent::Latents;
use super::ledger::Ledger;
use super::news::News;
use super::nexthop_files::NexthopFiles;
use super::privileges;
use super::recording::Recording;
use super::remembering::Remembering;
use super::repairing::Repairing;
use super::signals::Signals;
use super::sources::{SourceId, Sources};
use super::sweeping::Line;
use super::tracing::Tracing;
use super::voice::Voice;
use super::watching::Watching;
use crate::bpf::attach::XdpMode;
use crate::bpf::programs::{self, Parts};
use crate::bpf::sizes::Sizes;
use crate::cli::{Ingress, KernelRoutes};
use crate::engine::Engine;
use crate::engine::fact::{EvidenceKind, EvidenceKinds};
use crate::inputs::{self, Paths};
use crate::mirror::{self, Copied, Taken};
use crate::netlink::route;
use crate::output::Report;
use crate::types::Timestamp;

/// Events of all sources that wait for us.
const QUEUE: usize = 1024;
/// Batches of mirror ports that wait for us; the rest is counted on meanwhile.
const BATCHES: usize = 4;
/// Flows that one of these holds at least, where fewer are kept: what violates among them is to be found.
const FLOWS: usize = 65_536;
/// How long sources may take before packets are watched all the same: nobody judges them until they tell.
const PATIENCE: Duration = Duration::from_secs(5);
/// Time between two sweeps of what the kernel program counted.
const SWEEP: Duration = Duration::from_secs(1);
/// Room in the kernel for messages of rtnetlink that were not read yet, in bytes.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Time between two dumps of all that rtnetlink tells, as a safety.
const RECONCILE: Duration = Duration::from_secs(300);

/// Runs the daemon to its end.
///
/// # Errors
/// What keeps it from watching at all.
pub(super) async fn run(config: Config) -> anyhow::Result<Report> {
    let clock = Clock::new();
    let started = clock.now();
    let mut engine = Engine::new(config.judging.clone());
    privileges::require()?;
    let Claims { alerts, history, is_second, said } = Claims::take(&config);
    let (remembering, warnings) = Remembering::load(&config, history, &mut engine, started);
    let repairing = config.repair.as_ref().map(Repairing::new).transpose().context("--repair")?;
    let Parts { programs, table, readings, events: ring } = programs::load(&sizes(&config))?;
    let trace = |pattern| Tracing::load(pattern, config.trace_rate, &programs, &table);
    let tracing = config.trace.map(trace).transpose().context("--trace")?;
    let (batches, taken) = mpsc::channel(BATCHES);
    let hasher = DefaultHashBuilder::default();
    let record = |recorded| Recording::open(recorded, clock);
    let (mut recording, copied) = config.record.as_ref().map(record).transpose().context("--write")?.unzip();
    let sockets = sockets(&config, batches, copied, hasher.clone());
    let mut kernel = Kernel::new(programs, table, readings, sockets, clock);
    let listeners = Exporting::bind(&config.metrics)?;
    let reached = config.reached();
    let reached: Vec<_> = reached.iter().map(|(path, access)| (path.as_path(), *access)).collect();
    let kept = privileges::drop_unneeded(&reached, &for_sockets(&config))?;
    recording.as_mut().map(Recording::start).transpose().context("--write")?;
    let frame = Report { node: config.output.node().map(str::to_owned), time_digits: 6, ..Report::default() };
    let voice = Voice::new(config.quiet);
    let news = News::start(config.output.format, frame.clone()).context("cannot start the writer of news")?;
    let exporting = Exporting::start(listeners)?;
    let (alerting, unread) = Alerting::start(&config, alerts, is_second, frame, clock).context("cannot send alerts")?;
    let paths = Paths { mac_owners: config.mac_owners.clone(), ..Paths::default() };
    let loaded = inputs::load(&paths, &mut |fact| engine.add(fact))?;
    for warning in warnings.iter().chain(&unread).chain(&loaded.warnings) {
        voice.say(&warning.to_string());
    }
    said.iter().for_each(|refused| voice.complain(refused));
    voice.say(&format!("running with {kept}"));
    // Until a source has told all it has.
    engine.set_blind(started);

    kernel.set_sample(config.sample)?;
    let (sender, events) = mpsc::channel(QUEUE);
    let mut sources = Sources::default();
    // The verifier of an old kernel may have taken its time.
    let asked = clock.now();
    let databases = Databases::start(&config.sources, &mut sources, &sender, asked);
    engine.set_given(databases.kinds());
    engine.set_given(seen_by(&config));
    let files = NexthopFiles::new(&config.nexthops, &mut sources, asked);
    let by_kernel = match config.sources.kernel_routes {
        KernelRoutes::Yes => true,
        KernelRoutes::No => false,
        KernelRoutes::Auto => !databases.has(Role::Northbound) && config.nexthops.is_empty(),
    };
    let guarded = config.consumes.then(|| guard::start(&config, sender.clone()));
    let (devices, watched) = watch::channel(Some(HashSet::new()));
    let rtnetlink = follow_kernel(by_kernel, watched, clock, &mut sources, &sender);
    let mut inbox = Inbox {
        events,
        stream: ring.listen()?,
        batches: taken,
        signals: Signals::listen().context("cannot listen to signals")?,
        ticks: interval(SWEEP),
        end: config.duration.map(|duration| Instant::now() + duration),
    };
    inbox.ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut daemon = Daemon {
        clock,
        started,
        asked,
        engine,
        ledger: Ledger::new(config.judging.max_findings, hasher),
        evidence: Evidence::default(),
        alerting,
        exporting,
        connections: Connections::new(sender, clock),
        news,
        voice,
        kernel,
        sources,
        databases,
        rtnetlink,
        files,
        watching: Watching::new(&config, devices, guarded),
        tracing,
        recording,
        not_written: 0,
        remembering,
        repairing,
        pending: Vec::new(),
        due: None,
        is_sighted: false,
        sighted: Timestamp::default(),
        has_heard: false,
        told_connections: HashMap::new(),
        latents: Latents::default(),
        lost_places: 0,
        waiting: Line::new(),
        uncited: Line::new(),
        ticks: 0,
        config,
    };
    daemon.choose_conntrack();
    let reason = match daemon.run(&mut inbox).await {
        Ok(reason) => reason,
        Err(error) => {
            daemon.discard_recording();
            return Err(error);
        }
    };
    daemon.voice.say(&format!("ending: {reason}"));
    let (outcome, news) = daemon.finish(&mut inbox).await;
    news.end().context("cannot write to standard output")?;
    Ok(outcome)
}

/// Follows links and neighbours, and routes where these tell next hops.
pub(super) fn follow_kernel(
    routes: bool,
    devices: watch::Receiver<Option<HashSet<Arc<str>>>>,
    clock: Clock,
    sources: &mut Sources,
    sender: &mpsc::Sender<Event>,
) -> SourceId {
    let id = sources.add("kernel", "rtnetlink".to_owned(), routes, clock.now());
    let options = route::Options {
        routes,
        neighbours: true,
        tables: Vec::new(),
        devices,
        clock: Arc::new(move || clock.now()),
        receive_buffer: RECEIVE_BUFFER,
        reconcile: RECONCILE,
    };
    let (told, mut telling) = mpsc::channel(QUEUE);
    let (forward, lost) = (sender.clone(), sender.clone());
    tokio::spawn(async move {
        if let Err(error) = route::follow(options, told).await {
            // Nobody listens any more where this fails.
            let _ = lost.send(Event::KernelLost(error)).await;
        }
    });
    tokio::spawn(async move {
        while let Some(event) = telling.recv().await {
            if forward.send(Event::Kernel(event)).await.is_err() {
                return;
            }
        }
    });
    id
}

/// Kinds of evidence that the daemon's own looking gives. Whether a mirror has both directions nobody knows.
fn seen_by(config: &Config) -> EvidenceKinds {
    let is_heard = config.ingress != Ingress::None && !config.mirror;
    let on_ingress = [EvidenceKind::BothDirections, EvidenceKind::Neighbours].into_iter().filter(|_| is_heard);
    std::iter::once(EvidenceKind::History).chain(on_ingress).collect()
}

/// Rights to open AF_XDP sockets again when a NIC comes back. Their memory is locked, of which there is a limit.
fn for_sockets(config: &Config) -> Vec<Capability> {
    if !config.ingress.is_afxdp() {
        return Vec::new();
    }
    let lock = Some(Capability::CAP_IPC_LOCK).filter(|_| !programs::raise_memlock());
    std::iter::once(Capability::CAP_NET_RAW).chain(lock).collect()
}

/// AF_XDP sockets, where these are asked for.
fn sockets(
    config: &Config,
    batches: mpsc::Sender<Taken>,
    copied: Option<Copied>,
    hasher: DefaultHashBuilder,
) -> Option<Sockets> {
    let how = match config.ingress {
        Ingress::Afxdp => XdpMode::Native,
        Ingress::AfxdpGeneric => XdpMode::Generic,
        Ingress::Tc | Ingress::Xdp | Ingress::XdpGeneric | Ingress::None => return None,
    };
    let most = usize::try_from(config.max_suspects).unwrap_or(usize::MAX);
    let mut settings = mirror::Settings::new(how, config.ring, most.max(FLOWS), batches);
    if let (Some(copied), Some(recorded)) = (copied, &config.record) {
        settings = settings.copying(copied, recorded.files.clone());
    }
    Some(Sockets::new(settings, most, hasher))
}

fn sizes(config: &Config) -> Sizes {
    Sizes {
        hosts: config.max_routes,
        prefixes: config.max_routes,
        suspects: config.max_suspects,
        samples: config.max_samples,
        ..Sizes::default()
    }
}

impl Daemon {
    /// Whether the sources have had the time that is left to them at the start.
    pub(super) fn is_late(&self) -> bool {
        self.clock.now().since(self.asked) > PATIENCE
    }

    /// Attaches once the next hops are known, or when it has been waited for them long enough.
    ///
    /// # Errors
    /// There is nothing to watch, or nothing can be attached.
    pub(super) fn open_nics(&mut self) -> anyhow::Result<()> {
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
        if let Some(error) = self.settle_nics().into_iter().next() {
            return Err(error.into());
        }
        Ok(())
    }
}
