//! Settings of a live run, resolved and checked once.

mod change;
mod error;
mod recording;
mod sources;

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use self::change::Changes;
pub use self::error::ConfigError;
pub use self::recording::Recorded;
pub use self::sources::{Database, Sources, Tls, Vswitchd, well_known};
use crate::alerts;
use crate::cli::{
    Cli, Command, ConntrackSource, DEFAULT_STATE, Ingress, Interface, LiveArgs, LiveRunArgs, OutputArgs, PathOrNone,
    Pattern, RepairingArgs, SyslogArgs, TcHook, TcxPosition,
};
use crate::daemon::settings::Changing;
use crate::engine::settings::Settings;
use crate::live::{history, repairing};
use crate::metrics::address::ListenAddress;
use crate::owned::folder_of;
use crate::repair::rules::Rules;
use crate::sinks;
use crate::sinks::target::Target;
use rustix::fs::Access;

/// Settings of a live run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// NICs to watch; at least one.
    pub interfaces: Vec<Interface>,
    /// How packets that come in are heard.
    pub ingress: Ingress,
    /// Whether the NICs are mirror ports, whose incoming frames are judged.
    pub mirror: bool,
    /// Whether frames of a mirror port go no further than to us.
    pub consumes: bool,
    /// Whether that may be so of a NIC that sends frames.
    pub force: bool,
    /// Frames that the AF_XDP ring of each queue holds.
    pub ring: u32,
    /// Place among TCX programs.
    pub tcx_position: TcxPosition,
    /// Form of the TC hooks.
    pub tc: TcHook,
    /// One in so many conforming packets is sampled; 0 for none.
    pub sample: u32,
    /// Where the running system is asked.
    pub sources: Sources,
    /// nexthops.toml files, followed.
    pub nexthops: Vec<PathBuf>,
    /// Files that tell whose MAC it was.
    pub mac_owners: Vec<PathBuf>,
    /// Where conntrack entries are.
    pub conntrack: ConntrackSource,
    /// Time between two readings of all labelled entries; `None` for none but at the start and after a loss.
    pub conntrack_interval: Option<Duration>,
    /// Facts of a source that was lost longer ago are unknown.
    pub max_age: Duration,
    /// File that keeps the history of the next hops.
    pub history: Option<PathBuf>,
    /// How long the end of a next hop is remembered.
    pub history_age: Duration,
    /// Entries of the map of suspects, for each IP version.
    pub max_suspects: u32,
    /// Entries of the map of samples, for each IP version.
    pub max_samples: u32,
    /// Entries of each map of addresses and prefixes.
    pub max_routes: u32,
    /// How packets are judged.
    pub judging: Settings,
    /// When and how often people are told.
    pub alerts: alerts::Settings,
    /// File that keeps open alerts.
    pub alert_state: Option<PathBuf>,
    /// Where messages go, and how they look.
    pub syslog: SyslogArgs,
    /// Where metrics are served.
    pub metrics: Vec<ListenAddress>,
    /// How stale entries are healed; `None` for not at all.
    pub repair: Option<repairing::Settings>,
    /// Packets that are told of one by one.
    pub trace: Option<Pattern>,
    /// How many of them in a second at most.
    pub trace_rate: u32,
    /// Frames that are recorded.
    pub record: Option<Recorded>,
    /// When to end.
    pub duration: Option<Duration>,
    /// How long flows are judged at the end.
    pub end_within: Duration,
    /// What the output looks like.
    pub output: OutputArgs,
    /// Whether standard error is for errors only.
    pub quiet: bool,
    /// The file of options.
    file: Option<PathBuf>,
    /// What was typed: [`Config::reread`] starts from there.
    typed: Vec<OsString>,
}

impl TryFrom<LiveArgs> for Config {
    type Error = ConfigError;

    /// Resolves and checks what was typed.
    ///
    /// # Errors
    /// [`ConfigError`] where options contradict each other, or a file that they name cannot be read.
    fn try_from(args: LiveArgs) -> Result<Self, ConfigError> {
        let LiveArgs {
            hooks,
            sources,
            asking,
            judging,
            repairing,
            memory,
            alerts,
            syslog,
            tracing,
            recording,
            metrics,
            output,
            run,
            typed,
        } = args;
        let LiveRunArgs { config, duration, end_within, quiet } = run;
        if hooks.interface.is_empty() {
            return Err(ConfigError::NoInterface { file: config });
        }
        let mirror = hooks.mirror.unwrap_or(false);
        if mirror && hooks.ingress == Ingress::None {
            return Err(ConfigError::MirrorWithoutIngress);
        }
        let is_afxdp = hooks.ingress.is_afxdp();
        let (consume, force) = (hooks.mirror_consume.unwrap_or(false), hooks.force.unwrap_or(false));
        if is_afxdp && !mirror {
            return Err(ConfigError::AfxdpWithoutMirror);
        }
        if consume && !(mirror && matches!(hooks.ingress, Ingress::Xdp | Ingress::XdpGeneric)) {
            return Err(ConfigError::ConsumeWithoutXdp);
        }
        if force && !is_afxdp && !consume {
            return Err(ConfigError::NothingToForce);
        }
        if tracing.trace.is_some() && (is_afxdp || consume) {
            return Err(ConfigError::NothingToTrace);
        }
        if mirror && hooks.interface.contains(&Interface::Auto) {
            return Err(ConfigError::MirrorAuto);
        }
        let record = Recorded::of(recording, is_afxdp)?;
        let sources = Sources::try_from(sources)?;
        for (option, files) in [("--nexthops", &asking.nexthops), ("--mac-owners", &asking.mac_owners)] {
            files.iter().try_for_each(|file| readable(option, file))?;
        }
        syslog.config(Target::Auto)?;
        // A run that is to end soon is a look beside the daemon that keeps these.
        let kept = |given, default: &str| match given {
            Some(PathOrNone::Path(path)) => Some(path),
            Some(PathOrNone::None) => None,
            None => duration.is_none().then(|| PathBuf::from(default)),
        };
        Ok(Self {
            interfaces: distinct(hooks.interface),
            ingress: hooks.ingress,
            consumes: is_afxdp || consume,
            force,
            ring: hooks.ring,
            mirror,
            tcx_position: hooks.tcx_position,
            tc: hooks.tc,
            sample: hooks.sample,
            sources,
            nexthops: distinct(asking.nexthops),
            mac_owners: distinct(asking.mac_owners),
            conntrack: asking.conntrack,
            conntrack_interval: Some(asking.conntrack_interval).filter(|interval| !interval.is_zero()),
            max_age: asking.max_age,
            history: kept(memory.history, history::DEFAULT_PATH),
            history_age: memory.history_age,
            max_suspects: memory.max_suspects,
            max_samples: memory.max_samples,
            max_routes: memory.max_routes,
            judging: Settings::from(&judging),
            alerts: alerts::Settings::from(&alerts),
            alert_state: kept(alerts.alert_state, DEFAULT_STATE),
            syslog,
            metrics: distinct(metrics.metrics),
            repair: repair(repairing),
            trace: tracing.trace,
            trace_rate: tracing.trace_rate,
            record,
            duration,
            end_within,
            output,
            quiet: quiet.unwrap_or(false),
            file: config,
            typed,
        })
    }
}

impl Config {
    /// Sockets, files and folders that may have to be opened again while the daemon runs, and for what.
    pub fn reached(&self) -> Vec<(PathBuf, Access)> {
        let read = self.nexthops.iter().chain(&self.mac_owners).cloned();
        let identity = self.sources.tls.identity.iter().flat_map(|(key, certificate)| [key, certificate]).cloned();
        let read = read.chain(identity).chain(self.sources.tls.ca_cert.clone()).chain(self.file.clone());
        // A file that is replaced is made anew in its folder.
        let folder = |path: &PathBuf| path.ancestors().skip(1).find(|folder| folder.exists()).map(Path::to_path_buf);
        // So are the files of a recording, one after the other.
        let files = self.record.iter().map(|record| &record.files).filter(|files| files.rotation.is_some());
        let recorded = files.map(|files| folder_of(files.name.path()).to_path_buf());
        let folders = self.history.iter().chain(&self.alert_state).filter_map(folder).chain(recorded);
        let folders = folders.map(|folder| (folder, Access::WRITE_OK | Access::EXEC_OK));
        let sockets = self.sources.sockets().into_iter().map(|socket| (socket, Access::WRITE_OK));
        let messages = self.messages();
        let sockets = sockets.chain(messages.sockets().into_iter().map(|socket| (socket, Access::WRITE_OK)));
        let read = read.chain(messages.files());
        // The journal was made already.
        let journal = self.repair.iter().map(|repair| (repair.journal.clone(), Access::WRITE_OK));
        sockets.chain(read.map(|file| (file, Access::READ_OK))).chain(folders).chain(journal).collect()
    }

    /// What may change while the daemon runs.
    pub fn changing(&self) -> Changing {
        Changing {
            sample: self.sample,
            conntrack_interval: self.conntrack_interval,
            max_age: self.max_age,
            history_age: self.history_age,
        }
    }

    /// Where messages go: to journald or /dev/log, whichever is there, unless told.
    pub fn messages(&self) -> sinks::config::Config {
        self.syslog.config(Target::Auto).expect("it was checked as these settings were made")
    }

    /// The settings as they are now: the file that `--config` names is read again, what was typed wins over it as
    /// before. [`Config::changes`] tells what is different.
    ///
    /// # Errors
    /// [`ConfigError`]; this configuration stays as it is.
    pub fn reread(&self) -> Result<Self, ConfigError> {
        match Cli::read(&self.typed)?.command {
            Command::Live(args) => Self::try_from(*args),
            _ => Err(ConfigError::NotTyped),
        }
    }
}

/// How stale entries are healed, where that is asked for.
fn repair(args: RepairingArgs) -> Option<repairing::Settings> {
    let rules = Rules {
        method: args.repair?,
        settle: args.repair_settle,
        tcp: args.repair_tcp.unwrap_or(false),
        unused: false,
        zone: None,
        ovs: None,
    };
    Some(repairing::Settings { rules, per_minute: args.repair_rate, journal: args.repair_journal })
}

/// Without what is there twice, in the order given.
fn distinct<T: PartialEq>(values: Vec<T>) -> Vec<T> {
    values.into_iter().fold(Vec::new(), |mut known, value| {
        if !known.contains(&value) {
            known.push(value);
        }
        known
    })
}

/// Checks that a file can be opened, so that a run fails at its start and not when the file is needed.
fn readable(option: &'static str, path: &Path) -> Result<(), ConfigError> {
    match File::open(path) {
        Ok(_) => Ok(()),
        Err(source) => Err(ConfigError::File { option, path: path.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests;
