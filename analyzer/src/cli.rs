//! The command line, as typed.

mod alerts;
mod epilogue;
mod epilogues;
mod file;
mod live;
mod metrics;
mod read;
mod reading;
mod record;
mod repair;
mod sources;
mod syslog;
mod trace;
mod values;
pub(crate) mod version;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use self::alerts::{AlertArgs, DEFAULT_STATE};
pub use self::epilogue::Epilogue;
pub use self::epilogues::epilogue;
pub use self::file::FileError;
pub use self::live::{
    AskingArgs, ConntrackSource, HookArgs, Ingress, LiveArgs, LiveRunArgs, MemoryArgs, RepairingArgs, TcHook,
    TcxPosition,
};
pub use self::metrics::MetricsArgs;
pub use self::read::ReadError;
pub use self::reading::ReadingArgs;
pub use self::record::{Only, RecordArgs};
pub use self::repair::{ActingArgs, RepairArgs, RulingArgs, SelectingArgs, TableChoice};
pub use self::sources::{KernelRoutes, SourceArgs};
pub use self::syslog::{HalfIdentity, SyslogArgs, SyslogFormat};
pub use self::trace::{NotAPattern, Pattern, TraceArgs};
use self::values::{DURATION, parse_duration};
pub use self::values::{Interface, NodeName, PathOrNone, RemoteOrNone};
use crate::inputs::Paths;
use crate::live::history::DEFAULT_PATH;
use crate::types::{MacAddr, Timestamp, Tuple};

/// Finds flows that leave an OVN-Kubernetes worker to the MAC of a gateway that is no current next hop
#[derive(Parser, Debug)]
#[command(version = version::SHORT, long_version = version::LONG, propagate_version = true, max_term_width = WIDTH, after_help = epilogues::WHOLE.help())]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Judge captures
    #[command(after_help = epilogues::REPLAY.help())]
    Replay(ReplayArgs),
    /// Judge what leaves this machine, continuously
    #[command(after_help = epilogues::LIVE.help())]
    Live(Box<LiveArgs>),
    /// List conntrack entries that hold a gateway's MAC, decoded and compared with the next hops
    #[command(after_help = epilogues::CONNTRACK.help())]
    Conntrack(ConntrackArgs),
    /// List next hops: route, MAC, BFD state, who tells each, and since when
    #[command(after_help = epilogues::NEXTHOPS.help())]
    Nexthops(ListingArgs),
    /// Tell everything known of one flow, as evidence for a ticket
    #[command(after_help = epilogues::EXPLAIN.help())]
    Explain(ExplainArgs),
    /// Heal conntrack entries that keep flows at a gateway that is gone; a dry run unless --apply is given
    #[command(after_help = epilogues::REPAIR.help(), override_usage = repair::USAGE)]
    Repair(Box<RepairArgs>),
    /// Tell what this machine lets the analyzer do live, what is missing, and what to do about it
    #[command(after_help = epilogues::DOCTOR.help())]
    Doctor(DoctorArgs),
    /// Print a completion script for a shell
    #[command(after_help = epilogues::COMPLETIONS.help())]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print a manual page, or write all of them
    #[command(after_help = epilogues::MAN.help())]
    Man {
        /// The command whose page it is, with all its options; that of the whole unless given
        #[arg(value_parser = ["replay", "live", "conntrack", "nexthops", "explain", "repair", "doctor", "completions", "man"])]
        command: Option<String>,
        /// Write all pages into this folder, analyzer.1 and one for each command
        #[arg(long, value_name = "DIR", conflicts_with = "command")]
        all: Option<PathBuf>,
    },
}

/// Columns that help texts take at most.
const WIDTH: usize = 80;

/// Arguments of `replay`.
#[derive(Args, Debug)]
pub struct ReplayArgs {
    /// Captures, tickets, folders that hold captures and dumps, or - for standard input
    #[arg(required = true, value_name = "CAPTURE|CASE_DIR")]
    pub inputs: Vec<PathBuf>,
    /// Where messages go, and how they look
    #[command(flatten)]
    pub syslog: SyslogArgs,
    /// What goes with captures
    #[command(flatten)]
    pub run: RunArgs,
}

/// Arguments of `conntrack`.
#[derive(Args, Debug)]
pub struct ConntrackArgs {
    /// Only entries whose MAC is no current next hop's and that OVN would honour
    #[arg(long)]
    pub stale: bool,
    /// A MAC that is never a violation, such as a virtual router's; repeatable
    #[arg(long, value_name = "MAC")]
    pub allow_mac: Vec<MacAddr>,
    /// What goes with dumps alone
    #[command(flatten)]
    pub listing: ListingArgs,
}

/// Arguments of commands that list what dumps tell.
#[derive(Args, Debug)]
pub struct ListingArgs {
    /// Folders that hold dumps under well-known names, and tickets; the running system is asked where no dump is given
    #[arg(value_name = "CASE_DIR")]
    pub inputs: Vec<PathBuf>,
    /// The next hops of that time (RFC 3339), which takes dumps; the latest known unless given
    #[arg(long, value_name = "TIME")]
    pub at: Option<Timestamp>,
    /// What the output looks like
    #[command(flatten)]
    pub output: OutputArgs,
    /// Where the running system is asked
    #[command(flatten)]
    pub sources: SourceArgs,
    /// Dumps
    #[command(flatten)]
    pub paths: Paths,
}

/// Arguments of `explain`.
#[derive(Args, Debug)]
pub struct ExplainArgs {
    /// The flow: 'udp 192.168.16.230:59943 -> 172.27.0.13:5005'
    pub tuple: Tuple,
    /// Captures, tickets, and folders that hold captures and dumps; the running system is asked where nothing is given
    #[arg(value_name = "CAPTURE|CASE_DIR")]
    pub inputs: Vec<PathBuf>,
    /// Where the running system is asked
    #[command(flatten)]
    pub sources: SourceArgs,
    /// File in which `live` keeps the history of the next hops, which tells of the running system whose a MAC was until
    /// when; none for no file
    #[arg(
        long,
        default_value = DEFAULT_PATH,
        value_name = "FILE|none",
        value_parser = str::parse::<PathOrNone>,
        help_heading = "Asking the running system"
    )]
    pub history: PathOrNone,
    /// What goes with captures
    #[command(flatten)]
    pub run: RunArgs,
}

/// Arguments of `doctor`.
#[derive(Args, Debug)]
pub struct DoctorArgs {
    /// Form of the output (docs/live.md)
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub format: DocumentFormat,
    /// When to colour text
    #[arg(long, value_enum, default_value = "auto", value_name = "WHEN")]
    pub color: Colour,
}

/// Forms of output of commands that have no lists to stream.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum DocumentFormat {
    /// For people
    Text,
    /// One document
    Json,
}

/// Arguments of commands that judge captures.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// What the output looks like
    #[command(flatten)]
    pub output: OutputArgs,
    /// How captures are read
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// How packets are judged
    #[command(flatten)]
    pub judging: JudgingArgs,
    /// Dumps
    #[command(flatten)]
    pub paths: Paths,
}

/// Forms of output.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// For people
    Text,
    /// One document
    Json,
    /// One object a line
    Jsonl,
}

/// When to colour.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Colour {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// What output looks like.
#[derive(Args, Clone, PartialEq, Eq, Debug)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Form of the output (docs/output.md)
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
    /// When to colour text
    #[arg(long, value_enum, default_value = "auto", value_name = "WHEN")]
    pub color: Colour,
    /// Most flows of one kind that text lists; 0 for all
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub limit: usize,
    /// Name of the node, for the output; of several folders, of which each is a node, that of one. Given several times
    #[arg(long, value_name = "NAME[=DIR]")]
    pub node: Vec<NodeName>,
    /// Leave out what differs from run to run, so that outputs can be compared: version, command line, host, and when the
    /// run was and files were changed
    #[arg(long)]
    pub reproducible: bool,
}

impl OutputArgs {
    /// The name of the only node.
    pub fn node(&self) -> Option<&str> {
        self.node.iter().find(|name| name.folder.is_none()).map(|name| name.name.as_str())
    }
}

/// How packets are judged.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Judging")]
pub struct JudgingArgs {
    /// How long a MAC that left the set still counts as legal
    #[arg(long, default_value = "5s", value_name = DURATION, value_parser = parse_duration)]
    pub grace: Duration,
    /// How old a flow's last packet from a MAC may be for that router to count as alive
    #[arg(long, default_value = "1m", value_name = DURATION, value_parser = parse_duration)]
    pub heard_window: Duration,
    /// A MAC that is never a violation, such as the physical MAC of a VRRP router; may be given several times
    #[arg(long, value_name = "MAC")]
    pub allow_mac: Vec<MacAddr>,
    /// Most findings kept; violations push out others
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    pub max_findings: usize,
}
