//! How the daemon comes up: programs loaded, sources asked, and only then NICs watched.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use caps::Capability;
use hashbrown::DefaultHashBuilder;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::claim::Claims;
use super::clock::Clock;
use super::config::Config;
use super::conntrack::Conntrack;
use super::console::Console;
use super::exporting::Exporting;
use super::hooks::Attachments;
use super::messages::Messages;
use super::news::News;
use super::nexthop_files::NexthopFiles;
use super::packets::{Maps, Sockets};
use super::recording::{Recording, Recordings};
use super::remembering::Remembering;
use super::run::{Inbox, Run};
use super::signals::Signals;
use super::tracing::Tracing;
use super::{databases, guard, namespace, privileges, repairing};
use crate::bpf::attach::XdpMode;
use crate::bpf::counted::Axis;
use crate::bpf::programs::{self, Parts};
use crate::bpf::sizes::Sizes;
use crate::cli::{ConntrackSource, Ingress, Interface, KernelRoutes};
use crate::daemon::connections::Way;
use crate::daemon::databases::Role;
use crate::daemon::event::Event;
use crate::daemon::mirrored::Mirrored;
use crate::daemon::record::Record;
use crate::daemon::settings::Settings;
use crate::daemon::{Asked, Beginning, Daemon, Machine};
use crate::engine::fact::{EvidenceKind, EvidenceKinds};
use crate::inputs::{self, Paths};
use crate::mirror::{self, Copied, Taken};
use crate::net::backoff::random_seed;
use crate::netlink::route;
use crate::output::Report;
use crate::unixctl::conntrack::Pacing;

/// Events of all sources that wait for us.
const QUEUE: usize = 1024;
/// Batches of mirror ports that wait for us; the rest is counted on meanwhile.
const BATCHES: usize = 4;
/// Flows that one of these holds at least, where fewer are kept: what violates among them is to be found.
const FLOWS: usize = 65_536;
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
    let (sender, events) = mpsc::channel(QUEUE);
    let (mut run, mut inbox) = start(config, sender, events)?;
    let reason = match run.run(&mut inbox).await {
        Ok(reason) => reason,
        Err(error) => {
            run.recordings.iter().for_each(Recordings::discard);
            return Err(error);
        }
    };
    run.console.say(&format!("ending: {reason}"));
    let (outcome, news) = run.finish(&mut inbox).await;
    news.end().context("cannot write to standard output")?;
    Ok(outcome)
}

/// Loads programs, opens what needs rights, drops these, and has the sources asked.
fn start(config: Config, sender: mpsc::Sender<Event>, events: mpsc::Receiver<Event>) -> anyhow::Result<(Run, Inbox)> {
    let clock = Clock::new();
    let started = clock.now();
    privileges::require()?;
    let Claims { alerts, history, is_second, said } = Claims::take(&config);
    let (remembering, history, warnings) = Remembering::load(&config, history, started);
    config.repair.as_ref().map(repairing::Settings::check).transpose().context("--repair")?;
    let Parts { programs, table, readings, events: ring } = programs::load(&sizes(&config))?;
    let trace = |pattern| Tracing::load(pattern, config.trace_rate, &programs, &table);
    let tracing = config.trace.map(trace).transpose().context("--trace")?;
    let (batches, taken) = mpsc::channel(BATCHES);
    let hasher = DefaultHashBuilder::default();
    let record = |recorded| Recording::open(recorded, clock);
    let (mut recording, copied) = config.record.as_ref().map(record).transpose().context("--write")?.unzip();
    let maps = Maps::new(table, readings);
    let sockets = sockets(&config, batches, copied);
    let is_by_sockets = sockets.is_some();
    let attachments = Attachments::new(programs, &config, sockets);
    let listeners = Exporting::bind(&config.metrics)?;
    let reached = config.reached();
    let reached: Vec<_> = reached.iter().map(|(path, access)| (path.as_path(), *access)).collect();
    let kept = privileges::drop_unneeded(&reached, &for_sockets(&config))?;
    recording.as_mut().map(Recording::start).transpose().context("--write")?;
    let recordings = recording.map(Recordings::new);
    let frame = Report { node: config.output.node().map(str::to_owned), time_digits: 6, ..Report::default() };
    let console = Console::new(config.quiet);
    let news = News::start(config.output.format, frame).context("cannot start the writer of news")?;
    let exporting = Exporting::start(listeners)?;
    let mut messages = Messages::start(&config, alerts, is_second, clock).context("cannot send alerts")?;

    maps.set_sample(config.sample)?;
    let (following, connected) = databases::start(&config.sources, &sender);
    let by_kernel = match config.sources.kernel_routes {
        KernelRoutes::Yes => true,
        KernelRoutes::No => false,
        KernelRoutes::Auto => {
            !following.iter().any(|following| following.role == Role::Northbound) && config.nexthops.is_empty()
        }
    };
    let machine = Machine {
        packets: match is_by_sockets {
            true => {
                let mirrored = Mirrored::new(most_flows(&config), hasher.clone());
                Box::new(Sockets::new(maps.clone(), attachments.clone(), mirrored))
            }
            false => Box::new(maps.clone()),
        },
        entries: Box::new(Conntrack::new(&config.sources, Pacing::default(), clock, Some(sender.clone()))),
        hooks: Box::new(attachments.clone()),
        record: recordings.clone().map(|recordings| Box::new(recordings) as Box<dyn Record>),
    };
    let beginning = Beginning {
        axis: Axis { offset_ns: clock.offset() },
        started,
        // The verifier of an old kernel may have taken its time.
        asked: clock.now(),
        history,
        namespace: namespace::own(),
        hasher,
        seed: random_seed(),
    };
    let asked = Asked {
        databases: following,
        files: config.nexthops.iter().map(|path| path.display().to_string()).collect(),
        kernel_routes: by_kernel,
    };
    let mut daemon = Daemon::new(settings(&config), machine, beginning, &asked);
    let unread = messages.restore(&mut daemon);
    let paths = Paths { mac_owners: config.mac_owners.clone(), ..Paths::default() };
    let loaded = inputs::load(&paths, &mut |fact| daemon.add(fact))?;
    daemon.ask_sources(clock.now());
    for warning in warnings.iter().chain(&unread).chain(&loaded.warnings) {
        console.say(&warning.to_string());
    }
    said.iter().for_each(|refused| console.complain(refused));
    console.say(&format!("running with {kept}"));
    let guard = config.consumes.then(|| guard::start(&config, sender.clone()));
    let (devices, watched) = watch::channel(Some(HashSet::new()));
    follow_kernel(by_kernel, watched, clock, &sender);
    let mut inbox = Inbox {
        events,
        stream: ring.listen()?,
        batches: taken,
        signals: Signals::listen().context("cannot listen to signals")?,
        ticks: interval(SWEEP),
        end: config.duration.map(|duration| Instant::now() + duration),
    };
    inbox.ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let run = Run {
        daemon,
        files: NexthopFiles::new(&config.nexthops),
        config,
        clock,
        console,
        news,
        messages,
        exporting,
        remembering,
        connected,
        maps,
        attachments,
        devices,
        guard,
        tracing,
        recordings,
        not_written: 0,
        sender,
        ticks: 0,
    };
    Ok((run, inbox))
}

/// What the daemon is to do.
fn settings(config: &Config) -> Settings {
    let name = |interface: &Interface| match interface {
        Interface::Named(name) => Some(Arc::from(name.as_str())),
        Interface::Auto => None,
    };
    Settings {
        nics: config.interfaces.iter().filter_map(name).collect(),
        is_auto: config.interfaces.contains(&Interface::Auto),
        is_consuming: config.consumes,
        conntrack: way(config.conntrack),
        judging: config.judging.clone(),
        seen: seen_by(config),
        alerts: config.alerts,
        repair: config.repair.as_ref().map(|repair| (repair.rules, repair.per_minute)),
        max_suspects: config.max_suspects,
        end_within: config.end_within,
        node: config.output.node().map(str::to_owned),
        changing: config.changing(),
    }
}

/// Where conntrack entries are, where that is not left to the Open_vSwitch database.
pub(super) fn way(source: ConntrackSource) -> Option<Way> {
    match source {
        ConntrackSource::Auto => None,
        ConntrackSource::Kernel => Some(Way::Kernel),
        ConntrackSource::Userspace => Some(Way::Userspace),
        ConntrackSource::None => Some(Way::None),
    }
}

/// Follows links and neighbours, and routes where these tell next hops.
pub(super) fn follow_kernel(
    routes: bool,
    devices: watch::Receiver<Option<HashSet<Arc<str>>>>,
    clock: Clock,
    sender: &mpsc::Sender<Event>,
) {
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
            let _ = lost.send(Event::KernelLost(error.to_string())).await;
        }
    });
    tokio::spawn(async move {
        while let Some(event) = telling.recv().await {
            if forward.send(Event::Kernel(event)).await.is_err() {
                return;
            }
        }
    });
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

/// How AF_XDP sockets are made, where these are asked for.
fn sockets(config: &Config, batches: mpsc::Sender<Taken>, copied: Option<Copied>) -> Option<mirror::Settings> {
    let how = match config.ingress {
        Ingress::Afxdp => XdpMode::Native,
        Ingress::AfxdpGeneric => XdpMode::Generic,
        Ingress::Tc | Ingress::Xdp | Ingress::XdpGeneric | Ingress::None => return None,
    };
    let mut settings = mirror::Settings::new(how, config.ring, most_flows(config).max(FLOWS), batches);
    if let (Some(copied), Some(recorded)) = (copied, &config.record) {
        settings = settings.copying(copied, recorded.files.clone());
    }
    Some(settings)
}

/// Flows of each IP version that are kept of mirror ports.
fn most_flows(config: &Config) -> usize {
    usize::try_from(config.max_suspects).unwrap_or(usize::MAX)
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
