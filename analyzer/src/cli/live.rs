//! Arguments of `live`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::TypedValueParser;
use clap::{Args, ValueEnum, ValueHint};

use super::alerts::AlertArgs;
use super::metrics::MetricsArgs;
use super::record::RecordArgs;
use super::sources::SourceArgs;
use super::syslog::SyslogArgs;
use super::trace::TraceArgs;
use super::values::{DURATION, Interface, PathOrNone, parse_duration, parse_positive_duration};
use super::{JudgingArgs, OutputArgs};
use crate::repair::journal::DEFAULT_PATH as JOURNAL_PATH;
use crate::repair::rules::Method;

/// Arguments of `live`.
#[derive(Args, Clone, Debug)]
pub struct LiveArgs {
    /// Packets
    #[command(flatten)]
    pub hooks: HookArgs,
    /// Where the running system is asked
    #[command(flatten)]
    pub sources: SourceArgs,
    /// What is asked, and how often
    #[command(flatten)]
    pub asking: AskingArgs,
    /// How packets are judged
    #[command(flatten)]
    pub judging: JudgingArgs,
    /// How stale entries are healed
    #[command(flatten)]
    pub repairing: RepairingArgs,
    /// What is remembered
    #[command(flatten)]
    pub memory: MemoryArgs,
    /// When and how often people are told
    #[command(flatten)]
    pub alerts: AlertArgs,
    /// Where messages go, and how they look
    #[command(flatten)]
    pub syslog: SyslogArgs,
    /// Which packets are told of one by one
    #[command(flatten)]
    pub tracing: TraceArgs,
    /// Which frames are recorded, and where
    #[command(flatten)]
    pub recording: RecordArgs,
    /// What is exported for Prometheus
    #[command(flatten)]
    pub metrics: MetricsArgs,
    /// What the output looks like
    #[command(flatten)]
    pub output: OutputArgs,
    /// The run
    #[command(flatten)]
    pub run: LiveRunArgs,
    /// All that was typed, the program's name included: what a file of options is read for again.
    #[arg(skip)]
    pub typed: Vec<OsString>,
}

/// Which packets are seen, and how.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Packets")]
pub struct HookArgs {
    /// A NIC that packets leave by, best the physical one; auto for those that the Open_vSwitch database names; may be
    /// given several times
    #[arg(
        long,
        short,
        value_name = "NIC|auto",
        value_parser = str::parse::<Interface>,
        value_hint = ValueHint::Other
    )]
    pub interface: Vec<Interface>,
    /// How packets that come in are heard, which tells who is alive
    #[arg(long, value_enum, default_value_t, value_name = "HOOK")]
    pub ingress: Ingress,
    /// The NIC is a mirror port: frames that left elsewhere come in by it, and are judged
    #[arg(
        long,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        hide_possible_values = true,
        value_name = "true|false"
    )]
    pub mirror: Option<bool>,
    /// Frames of the mirror port go no further than to us (--ingress afxdp does so anyway); refused on a NIC that is used
    /// for anything else
    #[arg(
        long,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        hide_possible_values = true,
        value_name = "true|false"
    )]
    pub mirror_consume: Option<bool>,
    /// Take the frames of a mirror port away although it sends frames by itself
    #[arg(
        long,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        hide_possible_values = true,
        value_name = "true|false"
    )]
    pub force: Option<bool>,
    /// Frames that the AF_XDP ring of each queue holds, a power of two; each takes half a page of memory, or a page where
    /// the MTU is larger
    #[arg(long, default_value_t = 16_384, value_name = "N", value_parser = ring())]
    pub ring: u32,
    /// Place among the programs on the NIC, where the kernel has TCX. A program behind ours can still change a MAC
    #[arg(long, value_enum, default_value_t, value_name = "PLACE")]
    pub tcx_position: TcxPosition,
    /// Which TC hook is taken: TCX where the kernel has it, else filters of the clsact qdisc; or these in any case
    #[arg(long, value_enum, default_value_t, value_name = "HOOK")]
    pub tc: TcHook,
    /// Sample one in N conforming packets, which tells their flows; 0 for none. Violations are counted exactly at any
    /// rate
    #[arg(long, default_value_t = 64, value_name = "N")]
    pub sample: u32,
}

/// Where packets that come in are heard.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Ingress {
    /// At the TC hook
    #[default]
    Tc,
    /// By XDP in the driver. To attach it can interrupt the link for a moment, and a NIC has one place for it
    Xdp,
    /// By XDP behind the driver, slower
    XdpGeneric,
    /// By AF_XDP sockets: each frame of a mirror port (--mirror) is taken away and counted
    Afxdp,
    /// By AF_XDP sockets behind the driver, slower
    AfxdpGeneric,
    /// Not at all: no gateway counts as heard
    None,
}

impl Ingress {
    /// Whether frames are taken by AF_XDP sockets.
    pub fn is_afxdp(self) -> bool {
        matches!(self, Self::Afxdp | Self::AfxdpGeneric)
    }
}

/// Place among the TCX programs of a hook.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum TcxPosition {
    /// Before the programs that are there
    #[default]
    First,
    /// Behind the programs that are there
    Last,
}

/// Forms of the TC hook.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum TcHook {
    /// TCX, and clsact where the kernel has none
    #[default]
    Auto,
    /// Filters of the clsact qdisc, which tc(8) lists
    Clsact,
}

/// What is asked, and how often.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Facts")]
pub struct AskingArgs {
    /// Next hops as you write them down yourself (docs/nexthops.md), read again when the file changes; may be given
    /// several times
    #[arg(long, value_name = "FILE")]
    pub nexthops: Vec<PathBuf>,
    /// Whose MAC it was: text or JSON of `ip -d link` or `ip neigh`, `arp -n`, `oc get pods -A -o yaml` or `-o json`, or `oc
    /// describe pods`; may be given several times
    #[arg(long, value_name = "FILE")]
    pub mac_owners: Vec<PathBuf>,
    /// Where conntrack entries are
    #[arg(long, value_enum, default_value_t, value_name = "WHERE")]
    pub conntrack: ConntrackSource,
    /// Time between two readings of all labelled conntrack entries; 0 to read them at the start, after a
    /// loss, and when a MAC has been outside the set for the grace period only
    #[arg(long, default_value = "1m", value_name = DURATION, value_parser = parse_duration)]
    pub conntrack_interval: Duration,
    /// Facts of a source that was lost longer ago than this are unknown
    #[arg(long, default_value = "5m", value_name = DURATION, value_parser = parse_duration)]
    pub max_age: Duration,
}

/// Where conntrack entries are.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum ConntrackSource {
    /// By the datapath that the Open_vSwitch database names; the kernel where it names none
    #[default]
    Auto,
    /// In the kernel
    Kernel,
    /// In ovs-vswitchd
    Userspace,
    /// Not asked for
    None,
}

/// How stale entries are healed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Repairing")]
pub struct RepairingArgs {
    /// Heal stale conntrack entries as they are found, by this method and the rules of `analyzer repair`; nothing is
    /// changed unless given
    #[arg(long, value_enum, value_name = "METHOD")]
    pub repair: Option<Method>,
    /// Most entries that are changed in a minute
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub repair_rate: u32,
    /// Delete entries of TCP connections, too: a firewall may not let them go on
    #[arg(
        long,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        hide_possible_values = true,
        value_name = "true|false"
    )]
    pub repair_tcp: Option<bool>,
    /// How long the next hops of a flow must have been what they are
    #[arg(long, default_value = "1m", value_name = DURATION, value_parser = parse_duration)]
    pub repair_settle: Duration,
    /// File that each entry is written into before it is changed, and what came of it
    #[arg(long, default_value = JOURNAL_PATH, value_name = "FILE")]
    pub repair_journal: PathBuf,
}

/// What is remembered, and how much of it.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Memory")]
pub struct MemoryArgs {
    /// File that keeps the history of the next hops over a restart, which tells when a MAC was last legal; none for no
    /// file; /var/lib/analyzer/history.jsonl unless given, and with --duration none
    #[arg(long, value_name = "FILE|none", value_parser = str::parse::<PathOrNone>)]
    pub history: Option<PathOrNone>,
    /// How long the end of a next hop is remembered
    #[arg(long, default_value = "7d", value_name = DURATION, value_parser = parse_positive_duration)]
    pub history_age: Duration,
    /// Most flows under suspicion that the kernel program counts at a time, for each IP version; what finds no place is
    /// told
    #[arg(long, default_value_t = 262_144, value_name = "N", value_parser = entries())]
    pub max_suspects: u32,
    /// Most sampled flows kept at a time, for each IP version; new ones push out old ones
    #[arg(long, default_value_t = 65_536, value_name = "N", value_parser = entries())]
    pub max_samples: u32,
    /// Most addresses and prefixes of routes that the kernel program knows, for each IP version
    #[arg(long, default_value_t = 65_536, value_name = "N", value_parser = entries())]
    pub max_routes: u32,
}

/// Sizes that a map of the kernel may have: beyond 2^24 entries it would take gigabytes.
fn entries() -> impl TypedValueParser<Value = u32> {
    clap::value_parser!(u32).range(1..=1 << 24)
}

/// Sizes that a ring of AF_XDP may have: the kernel wants a power of two, and each frame has its memory.
fn ring() -> impl TypedValueParser<Value = u32> {
    let is_power = |frames: u32| match frames.is_power_of_two() {
        true => Ok(frames),
        false => Err(format!("not a power of two, as {} is", frames.next_power_of_two())),
    };
    clap::value_parser!(u32).range(64..=1 << 16).try_map(is_power)
}

/// The run.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Run")]
pub struct LiveRunArgs {
    /// File that holds any of these options by its long name, as sample = 64; what is typed wins over it
    #[arg(long, value_name = "FILE.toml")]
    pub config: Option<PathBuf>,
    /// End after this time; runs until SIGINT or SIGTERM unless given
    #[arg(long, value_name = DURATION, value_parser = parse_positive_duration)]
    pub duration: Option<Duration>,
    /// How long flows under suspicion that nobody has judged yet are judged at the end; packets of the rest are a loss
    #[arg(long, default_value = "15s", value_name = DURATION, value_parser = parse_positive_duration)]
    pub end_within: Duration,
    /// No messages on standard error but errors
    #[arg(
        long,
        short,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        hide_possible_values = true,
        value_name = "true|false"
    )]
    pub quiet: Option<bool>,
}
