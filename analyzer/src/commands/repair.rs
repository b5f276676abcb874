//! `analyzer repair`: stale entries healed.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};

use super::engine::prepare;
use super::interrupting::Reading;
use super::nodes;
use super::printing::{frame, print};
use super::provenance::Origins;
use super::watching::Watch;
use super::{Status, warn};
use crate::cli::{ActingArgs, Format, Interface, KernelRoutes, RepairArgs, RulingArgs, SelectingArgs};
use crate::engine::settings::Settings;
use crate::inputs::{self, Paths};
use crate::live::config::Sources;
use crate::live::snapshot::{ForRepair, Snapshot, Table, Wanted, snapshot};
use crate::netlink::conntrack;
use crate::output::provenance::Provenance;
use crate::output::repair::{Afterwards, RepairRow};
use crate::output::{Report, json, listing, say, write_provenance};
use crate::ovn::local::Uplinks;
use crate::repair::journal::{By, Journal};
use crate::repair::plan::{Selection, Step, plan};
use crate::repair::rules::Rules;
use crate::repair::{Outcome, Repair, kernel, userspace};
use crate::types::Timestamp;
use crate::unixctl;
use crate::unixctl::conntrack::{Pacing, UserspaceTable};

/// What follows a first signal, while entries are changed or flows are watched.
const LEFT_ALONE: &str = "what is begun is finished, all else is left alone, and watching ends";

/// No capture is read.
const NO_FILES: &[PathBuf] = &[];

pub(super) fn run(args: RepairArgs) -> anyhow::Result<Status> {
    let output = args.output.clone();
    nodes::is_one(&output.node)?;
    let Ended { repairs, afterwards, is_partial, is_whole, provenance } = match is_running(&args.inputs, &args.paths) {
        true => on_running(args)?,
        false => on_dumps(args)?,
    };
    let mut rows: Vec<RepairRow> = repairs.iter().map(Repair::row).collect();
    rows.iter_mut().zip(&afterwards).for_each(|(row, seen)| row.afterwards = *seen);
    let frame = Report { provenance, ..frame(output.node().map(str::to_owned)) };
    print(|out| match output.format {
        Format::Text => {
            listing::write_repairs(out, &rows)?;
            write_provenance(out, &frame.provenance)
        }
        format => json::write_repairs(out, &frame, &rows, format == Format::Jsonl),
    })?;
    let is_done = !is_partial && repairs.iter().all(|repair| repair.outcome.is_fine());
    let seen = |answer: &str| afterwards.iter().flatten().all(|seen| seen.name() != answer);
    Ok(match is_done && seen("violating") {
        true if is_whole && seen("undetermined") && seen("no-packet") => Status::Fine,
        true => Status::Undetermined,
        false => Status::Violation,
    })
}

/// How a run ended.
struct Ended {
    repairs: Vec<Repair>,
    /// What was seen of each flow that was healed, where that was watched.
    afterwards: Vec<Option<Afterwards>>,
    /// Whether there may be entries that nobody has seen.
    is_partial: bool,
    /// Whether all that was given, or told, could be read.
    is_whole: bool,
    /// Where all this comes from.
    provenance: Provenance,
}

/// Whether the entries are those of the running system: no dump of them is given, and nothing of what changes with each pod.
fn is_running(inputs: &[PathBuf], paths: &Paths) -> bool {
    let Paths { nexthops, ct_zones, mac_owners, logical_flows, .. } = paths.clone();
    inputs.is_empty() && Paths { nexthops, ct_zones, mac_owners, logical_flows, ..Paths::default() } == *paths
}

fn rules(acting: &ActingArgs, ruling: &RulingArgs, selecting: &SelectingArgs) -> Rules {
    Rules {
        method: acting.method,
        settle: ruling.settle,
        tcp: ruling.tcp,
        unused: ruling.unused,
        zone: selecting.zone,
        ovs: None,
    }
}

fn selection(selecting: &SelectingArgs) -> Selection {
    Selection { flow: selecting.flow, mac: selecting.mac, zone: selecting.zone }
}

fn settings(ruling: &RulingArgs) -> Settings {
    Settings { allowed: ruling.allow_mac.clone(), heard_window: ruling.heard_window, ..Settings::default() }
}

/// What would be done about entries of dumps.
fn on_dumps(args: RepairArgs) -> anyhow::Result<Ended> {
    let RepairArgs { inputs, selecting, acting, ruling, output, sources, paths } = args;
    if acting.apply {
        bail!("--apply changes the running system, and dumps were given: leave out the one or the other");
    }
    if !sources.is_default() {
        bail!("options such as --nb ask the running system, and files were given too: give one or the other");
    }
    if let Some(file) = inputs.iter().find(|input| !input.is_dir()) {
        bail!("{} is no folder: name dumps with options such as --conntrack FILE; --help lists them", file.display());
    }
    if inputs.len() > 1 {
        bail!("each folder is a node of its own, and a command of one deletes another's entry: give one folder");
    }
    let prepared = prepare(&inputs, paths, settings(&ruling))?;
    warn(&prepared.loaded.warnings);
    if !prepared.tells_connections {
        bail!(
            "no conntrack entries: name a dump with --conntrack FILE, or leave out all dumps to ask the running system"
        );
    }
    let at = Timestamp::MAX;
    let rules = rules(&acting, &ruling, &selecting);
    let steps = plan(prepared.engine.pins(at), &selection(&selecting), &rules, ruling.max, None, at);
    let rehearsed = steps.into_iter().map(|step| {
        let outcome = step.verdict.clone().map_or_else(Outcome::Refused, Outcome::Would);
        step.into_repair(&rules, None, at, outcome)
    });
    let is_whole = prepared.engine.gaps(at).next().is_none();
    let provenance = prepared.provenance(&[], &output);
    let afterwards = Vec::new();
    Ok(Ended { repairs: rehearsed.collect(), afterwards, is_partial: false, is_whole, provenance })
}

/// What would be, or is, done about entries of the running system.
fn on_running(args: RepairArgs) -> anyhow::Result<Ended> {
    let RepairArgs { selecting, acting, ruling, output, sources, paths, .. } = args;
    let mut journal = Journal::new(acting.journal.clone(), By::Command);
    if acting.apply {
        // Before anybody waits for the next hops to settle.
        journal.check().context("nothing is changed without a journal (--journal FILE)")?;
    }
    let mut asked = Sources::try_from(sources)?;
    if asked.kernel_routes == KernelRoutes::Auto && !paths.nexthops.is_empty() {
        asked.kernel_routes = KernelRoutes::No;
    }
    // Before they are read, so that none can change unseen in between.
    let stamps = paths.nexthops.iter().map(|file| Stamp::of(file)).collect::<anyhow::Result<Vec<_>>>()?;
    let origins = Origins::of(paths.files(), &[]);
    let mut facts = Vec::new();
    let loaded = inputs::load(&paths, &mut |fact| facts.push(fact))?;
    warn(&loaded.warnings);
    let files = paths.nexthops.iter().zip(&stamps).map(|(file, stamp)| (file.clone(), stamp.since()));
    let wanted = Wanted::Repair(ForRepair {
        settle: acting.apply.then_some(ruling.settle),
        conntrack: acting.datapath.into(),
        zone: selecting.zone,
        facts,
        files: files.collect(),
    });
    let mut snapshot = snapshot(&asked, &wanted, settings(&ruling))?;
    warn(&snapshot.warnings);
    for (file, stamp) in paths.nexthops.iter().zip(&stamps) {
        if Stamp::of(file)? != *stamp {
            bail!("{} has changed since it was read, so nothing was done: run this again", file.display());
        }
    }
    let Some(table) = snapshot.table.clone().filter(|_| snapshot.tells_connections) else {
        bail!("the conntrack table cannot be read: see what `analyzer doctor` says of it");
    };
    if snapshot.stands_since.is_none() && !ruling.settle.is_zero() {
        let seconds = ruling.settle.as_secs_f64();
        say(format_args!(
            "nothing tells how long the next hops have been what they are: --apply watches them for {seconds} s before it \
             changes anything (--settle)"
        ));
    }
    if !acting.apply {
        say(
            "packets are not listened to here, so a router that is no next hop may be alive unheard, and a flow may go \
             elsewhere than its label says; `analyzer live` sees both",
        );
    }
    let ovs = match &table {
        Table::Kernel => None,
        // The program itself tells, not a database that may be older.
        Table::Userspace(socket) => runtime()?.block_on(unixctl::release(socket)),
    };
    let rules = Rules { ovs, ..rules(&acting, &ruling, &selecting) };
    // From here on a signal ends what is done between two entries, and lets go of the NICs.
    let signals = acting.apply.then(|| Reading::listen(NO_FILES, Some(LEFT_ALONE))).transpose()?;
    let is_over = || signals.as_ref().is_some_and(Reading::is_over);
    // Before anything is changed: what cannot be watched is said first.
    let nics = nics(&acting.interface, snapshot.uplinks.as_ref())?;
    let watch = acting.watch.map(|patience| Watch::start(&nics, patience)).transpose()?;
    let at = snapshot.now();
    let pins = snapshot.engine.pins(at);
    let steps = plan(pins, &selection(&selecting), &rules, ruling.max, Some(table.datapath()), at);
    let clock = || snapshot.now();
    let repairs = match (table, acting.apply) {
        (Table::Kernel, false) => kernel::rehearse(&conntrack::Table::open()?, steps, &rules, at)?,
        (Table::Kernel, true) => {
            let table = conntrack::Table::open()?;
            steps.into_iter().map(|step| kernel::repair(&table, &mut journal, step, &rules, clock, is_over())).collect()
        }
        (Table::Userspace(_), false) => userspace::rehearse(steps, &rules, at),
        (Table::Userspace(socket), true) => in_userspace(socket, &mut journal, steps, &rules, &snapshot, is_over)?,
    };
    let is_whole = snapshot.engine.gaps(at).next().is_none();
    let afterwards =
        watch.map(|watch| watch.see(&repairs, &mut snapshot.engine, is_over)).transpose()?.unwrap_or_default();
    let provenance = origins.told(&loaded.sources, &snapshot.asked, &[], &output);
    Ok(Ended { repairs, afterwards, is_partial: snapshot.is_partial, is_whole, provenance })
}

fn in_userspace(
    socket: PathBuf,
    journal: &mut Journal,
    steps: Vec<Step>,
    rules: &Rules,
    snapshot: &Snapshot,
    is_over: impl Fn() -> bool,
) -> anyhow::Result<Vec<Repair>> {
    // A repair is rare, and the dumps around it are what makes it safe.
    let pacing = Pacing { zone_interval: Duration::ZERO, share: 1 };
    let mut table = UserspaceTable::new(socket, None, pacing);
    Ok(runtime()?.block_on(userspace::repair(&mut table, journal, steps, rules, || snapshot.now(), is_over)))
}

/// The names of the NICs to watch.
fn nics(asked: &[Interface], uplinks: Option<&Uplinks>) -> anyhow::Result<Vec<String>> {
    let mut nics = BTreeSet::new();
    for interface in asked {
        match (interface, uplinks) {
            (Interface::Named(name), _) => drop(nics.insert(name.clone())),
            (Interface::Auto, None) => {
                bail!("-i auto: no Open_vSwitch database tells the NICs; name them, or the database with --ovs")
            }
            (Interface::Auto, Some(uplinks)) => {
                uplinks.problems.iter().for_each(|problem| say(format_args!("-i auto: {problem}")));
                if uplinks.nics.is_empty() {
                    bail!("-i auto: there is no NIC to watch: name one");
                }
                nics.extend(uplinks.nics.iter().map(|nic| nic.to_string()));
            }
        }
    }
    Ok(nics.into_iter().collect())
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// What tells one state of a file from another.
#[derive(PartialEq, Eq)]
struct Stamp {
    place: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(file: &Path) -> anyhow::Result<Self> {
        let metadata = fs::metadata(file);
        let metadata = metadata.with_context(|| format!("cannot tell when {} was changed", file.display()))?;
        Ok(Self {
            place: (metadata.dev(), metadata.ino()),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    /// When its text became what it is.
    fn since(&self) -> Timestamp {
        let (seconds, nanos) = self.modified;
        let [seconds, nanos] = [seconds, nanos].map(|time| u64::try_from(time).unwrap_or_default());
        Timestamp::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
    }
}
