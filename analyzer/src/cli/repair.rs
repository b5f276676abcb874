//! Arguments of `repair`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, ValueEnum, ValueHint};

use super::OutputArgs;
use super::live::ConntrackSource;
use super::sources::SourceArgs;
use super::values::{DURATION, Interface, parse_duration, parse_positive_duration};
use crate::inputs::Paths;
use crate::repair::journal::DEFAULT_PATH;
use crate::repair::rules::Method;
use crate::types::{MacAddr, Tuple};

pub(super) const USAGE: &str = "analyzer repair [OPTIONS] SELECTION [CASE_DIR]...";

/// Arguments of `repair`.
#[derive(Args, Clone, Debug)]
#[command(group = ArgGroup::new("selection").args(["flow", "mac", "zone", "all"]).required(true).multiple(true))]
pub struct RepairArgs {
    /// Folders that hold dumps under well-known names, for a dry run; the running system is asked where no dump of
    /// conntrack is given. --nexthops, --ct-zones and --mac-owners go with the running system, too
    #[arg(value_name = "CASE_DIR")]
    pub inputs: Vec<PathBuf>,
    /// Which entries
    #[command(flatten)]
    pub selecting: SelectingArgs,
    /// What is done about them
    #[command(flatten)]
    pub acting: ActingArgs,
    /// What forbids it
    #[command(flatten)]
    pub ruling: RulingArgs,
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

/// Which entries are meant; those that fit all that is given.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "SELECTION: which entries (at least one of these)")]
pub struct SelectingArgs {
    /// Those of one flow: 'udp 192.168.16.230:59943 -> 172.27.0.13:5005'
    #[arg(long, value_name = "TUPLE")]
    pub flow: Option<Tuple>,
    /// Those that hold this MAC
    #[arg(long, value_name = "MAC")]
    pub mac: Option<MacAddr>,
    /// Those of this zone, also where nothing tells who tracks there
    #[arg(long, value_name = "ZONE")]
    pub zone: Option<u16>,
    /// All that are stale
    #[arg(long, conflicts_with_all = ["flow", "mac", "zone"])]
    pub all: bool,
}

/// What is done about an entry.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "What is done")]
pub struct ActingArgs {
    /// Do it; a dry run unless given
    #[arg(long)]
    pub apply: bool,
    /// After healing, watch for so long whether each flow's next packet conforms, at the NICs of --interface
    #[arg(long, value_name = DURATION, value_parser = parse_positive_duration, requires_all = ["apply", "interface"])]
    pub watch: Option<Duration>,
    /// A NIC that the flows leave by, for --watch, best the physical one; auto for those that the Open_vSwitch database
    /// names; may be given several times
    #[arg(long, short, value_name = "NIC", requires = "watch", value_hint = ValueHint::Other)]
    pub interface: Vec<Interface>,
    /// How an entry is healed
    #[arg(long, value_enum, default_value_t, value_name = "METHOD")]
    pub method: Method,
    /// Where the entries are
    #[arg(long, value_enum, default_value_t, value_name = "WHERE")]
    pub datapath: TableChoice,
    /// File that each entry is written into before it is changed, and what came of it
    #[arg(long, default_value = DEFAULT_PATH, value_name = "FILE")]
    pub journal: PathBuf,
}

/// Where entries are.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum TableChoice {
    /// By the datapath that the Open_vSwitch database names; the kernel where it names none
    #[default]
    Auto,
    /// In the kernel
    Kernel,
    /// In ovs-vswitchd
    Userspace,
}

impl From<TableChoice> for ConntrackSource {
    fn from(choice: TableChoice) -> Self {
        match choice {
            TableChoice::Auto => Self::Auto,
            TableChoice::Kernel => Self::Kernel,
            TableChoice::Userspace => Self::Userspace,
        }
    }
}

/// What forbids a repair.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Rules")]
pub struct RulingArgs {
    /// Most entries that may be changed; if there are more, none is
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub max: usize,
    /// How long the next hops must have been what they are. Where nothing tells, --apply watches them for so long
    #[arg(long, default_value = "1m", value_name = DURATION, value_parser = parse_duration)]
    pub settle: Duration,
    /// Delete entries of TCP connections, too: a firewall may not let them go on
    #[arg(long)]
    pub tcp: bool,
    /// Also entries that OVN does not apply
    #[arg(long)]
    pub unused: bool,
    /// A MAC that is never stale, such as the physical MAC of a VRRP router; may be given several times
    #[arg(long, value_name = "MAC")]
    pub allow_mac: Vec<MacAddr>,
    /// How old the last frame from a MAC may be for its router to count as alive
    #[arg(long, default_value = "1m", value_name = DURATION, value_parser = parse_duration)]
    pub heard_window: Duration,
}
