//! The command line, as typed.

mod alerts;
mod file;
mod live;
mod metrics;
mod read;
mod reading;
mod repair;
mod sources;
mod syslog;
mod values;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use self::alerts::{AlertArgs, DEFAULT_STATE};
pub use self::file::FileError;
pub use self::live::{
    AskingArgs, ConntrackSource, HookArgs, Ingress, LiveArgs, LiveRunArgs, MemoryArgs, RepairingArgs, TcHook,
    TcxPosition,
};
pub use self::metrics::MetricsArgs;
pub use self::read::ReadError;
pub use self::reading::ReadingArgs;
pub use self::repair::{ActingArgs, RepairArgs, RulingArgs, SelectingArgs, TableChoice};
pub use self::sources::{KernelRoutes, SourceArgs};
pub use self::syslog::{HalfIdentity, SyslogArgs, SyslogFormat};
use self::values::parse_seconds;
pub use self::values::{Interface, PathOrNone, RemoteOrNone};
use crate::inputs::Paths;
use crate::live::history::file::DEFAULT_PATH;
use crate::types::{MacAddr, Timestamp, Tuple};

/// Finds flows that leave an OVN-Kubernetes worker to the MAC of a gateway that is no current next hop
#[derive(Parser, Debug)]
#[command(version, propagate_version = true, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  analyzer replay pcaps/bz2095444
      The verdict on a capture and the dumps beside it, from one folder
  analyzer replay --nb-db ovnnb_db.db --sb-db ovnsb_db.db --conntrack ct.txt egress.pcap
      The same from files of your own; the databases tell next hops with their history
  analyzer conntrack --stale pcaps/bz2095444
      Conntrack entries that would send packets to a MAC that is no next hop
  analyzer explain 'udp 192.168.16.230:59943 -> 172.27.0.13:5005' pcaps/bz2095444
      Everything known of one flow
  analyzer repair --all
      What would heal the stale entries of this node; --apply does it
  analyzer doctor
      What this machine lets the analyzer do live, what is missing, and what to do about it
  analyzer live -i auto
      The verdict on a running worker, continuously

Exit status: 0 no violation, 1 at least one violation, 2 could not run, 3 no violation but something could not be
judged or read.";

const REPLAY_EXAMPLES: &str = "\
Examples:
  analyzer replay pcaps/bz2095444
  analyzer replay --lr-routes GR_worker-08=routes.txt --mac-bindings mb.txt --conntrack ct.txt egress.pcap.gz
  tcpdump -i ens1 -w - | analyzer replay --nexthops nexthops.toml -
  analyzer replay --date 2022-06-09 --nexthops nexthops.toml pasted-tcpdump.txt
  analyzer replay --format jsonl must-gather/ | jq 'select(.type == \"finding\")'
  analyzer replay --syslog udp:192.0.2.1 --syslog tls:log.example:6514 pcaps/bz2095444
      Sends what the daemon would have sent, with the captures' own times

A CASE_DIR holds captures and dumps under well-known names: nexthops.toml, lr-route-list.txt, lr-route-list.ROUTER.txt,
mac_binding.txt, static_mac_binding.txt, bfd.txt, static_routes.txt, port_binding*.txt, datapath_binding.txt, ovnnb.db,
ovnsb.db, conf.db, lflow-list.txt, conntrack.txt, ct-zones.txt, ct-zone-list.txt, mac-owners*.txt; each may end in .gz
or .zst.

Exit status: 0 judged, no violation; 1 at least one violation; 2 could not run; 3 no violation, but something could not
be judged or read, nothing was covered by a route, or no next hops were given.";

/// Commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Judge captures
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(ReplayArgs),
    /// Judge what leaves this machine, continuously
    #[command(after_help = live::EXAMPLES)]
    Live(Box<LiveArgs>),
    /// List conntrack entries that hold a gateway's MAC, decoded and compared with the next hops
    #[command(after_help = "\
Examples:
  analyzer conntrack --stale
      Of the running system
  analyzer conntrack pcaps/bz2095444
      Of dumps in a folder
  analyzer conntrack --stale --conntrack ct.txt --nb-db ovnnb_db.db --sb-db ovnsb_db.db

Exit status: 0 no stale entry, 1 at least one, 2 could not run, 3 none, but the next hops are not fully known,
or something could not be read.")]
    Conntrack(ConntrackArgs),
    /// List next hops: route, MAC, BFD state, who tells each, and since when
    #[command(after_help = "\
Examples:
  analyzer nexthops
      Of the running system
  analyzer nexthops pcaps/bz2095444
      Of dumps in a folder
  analyzer nexthops --nb-db ovnnb_db.db --sb-db ovnsb_db.db --at 2022-06-07T20:13:00Z")]
    Nexthops(ListingArgs),
    /// Tell everything known of one flow, as evidence for a ticket
    #[command(after_help = "\
Examples:
  analyzer explain 'udp 192.168.16.230:59943 -> 172.27.0.13:5005'
      What the running system knows of it
  analyzer explain 'udp 192.168.16.230:59943 -> 172.27.0.13:5005' pcaps/bz2095444
      What a capture and the dumps beside it know of it
  analyzer explain 'icmp 10.244.0.5 -> 8.8.8.8 type 0 code 0 id 77' case/")]
    Explain(ExplainArgs),
    /// Heal conntrack entries that keep flows at a gateway that is gone; a dry run unless --apply is given
    #[command(after_help = repair::EXAMPLES)]
    Repair(Box<RepairArgs>),
    /// Tell what this machine lets the analyzer do live, what is missing, and what to do about it
    #[command(after_help = "\
It tries what live will need: it loads programs that do nothing, attaches them in a network namespace of its own, and
asks databases and the conntrack table. Nothing on the machine's own interfaces is changed.

Examples:
  analyzer doctor
  analyzer doctor --format json | jq '.checks[] | select(.state != \"ok\")'

Exit status: 0 all that live needs is there, 2 live cannot run, 3 it runs with limits.")]
    Doctor(DoctorArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print a manual page
    Man {
        /// The command whose page it is, with all its options; that of the whole unless given
        #[arg(value_parser = ["replay", "live", "conntrack", "nexthops", "explain", "repair", "doctor", "completions", "man"])]
        command: Option<String>,
    },
}

/// Arguments of `replay`.
#[derive(Args, Debug)]
pub struct ReplayArgs {
    /// Captures, folders that hold captures and dumps, or - for standard input
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
    /// Folders that hold dumps under well-known names; the running system is asked where no dump is given
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
    /// Captures, and folders that hold captures and dumps; the running system is asked where nothing is given
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
    /// Name of the node that the capture is of, for the output
    #[arg(long, value_name = "NAME")]
    pub node: Option<String>,
}

/// How packets are judged.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Judging")]
pub struct JudgingArgs {
    /// How long a MAC that left the set still counts as legal
    #[arg(long, default_value = "5", value_name = "SECONDS", value_parser = parse_seconds)]
    pub grace: Duration,
    /// How old a flow's last packet from a MAC may be for that router to count as alive
    #[arg(long, default_value = "60", value_name = "SECONDS", value_parser = parse_seconds)]
    pub heard_window: Duration,
    /// A MAC that is never a violation, such as the physical MAC of a VRRP router; may be given several times
    #[arg(long, value_name = "MAC")]
    pub allow_mac: Vec<MacAddr>,
    /// Most findings kept; violations push out others
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    pub max_findings: usize,
}
