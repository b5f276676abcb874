//! The command line, as typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::inputs::Paths;
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

Exit status: 0 no violation, 1 at least one violation, 2 could not run, 3 no violation but something could not be
judged.";

const REPLAY_EXAMPLES: &str = "\
Examples:
  analyzer replay pcaps/bz2095444
  analyzer replay --lr-routes GR_worker-08=routes.txt --mac-bindings mb.txt --conntrack ct.txt egress.pcap.gz
  tcpdump -i ens1 -w - | analyzer replay --nexthops nexthops.toml -
  analyzer replay --date 2022-06-09 --nexthops nexthops.toml pasted-tcpdump.txt
  analyzer replay --format jsonl must-gather/ | jq 'select(.type == \"finding\")'

A CASE_DIR holds captures and dumps under well-known names: nexthops.toml, lr-route-list.txt, lr-route-list.ROUTER.txt,
mac_binding.txt, static_mac_binding.txt, bfd.txt, static_routes.txt, port_binding*.txt, datapath_binding.txt, ovnnb.db,
ovnsb.db, conf.db, conntrack.txt, ct-zones.txt, ct-zone-list.txt, mac-owners*.txt; each may end in .gz or .zst.

Exit status: 0 judged, no violation; 1 at least one violation; 2 could not run; 3 no violation, but something could not
be judged, nothing was covered by a route, or no next hops were given.";

/// Commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Judge captures
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(ReplayArgs),
    /// List conntrack entries that hold a gateway's MAC, decoded and compared with the next hops
    #[command(after_help = "\
Examples:
  analyzer conntrack pcaps/bz2095444
  analyzer conntrack --stale --conntrack ct.txt --nb-db ovnnb_db.db --sb-db ovnsb_db.db

Exit status: 0 no stale entry, 1 at least one, 2 could not run, 3 none, but the next hops are not fully known.")]
    Conntrack(ConntrackArgs),
    /// List next hops: route, MAC, BFD state, who tells each, and since when
    #[command(after_help = "\
Examples:
  analyzer nexthops pcaps/bz2095444
  analyzer nexthops --nb-db ovnnb_db.db --sb-db ovnsb_db.db --at 2022-06-07T20:13:00Z")]
    Nexthops(ListingArgs),
    /// Tell everything known of one flow, as evidence for a ticket
    #[command(after_help = "\
Examples:
  analyzer explain 'udp 192.168.16.230:59943 -> 172.27.0.13:5005' pcaps/bz2095444
  analyzer explain 'icmp 10.244.0.5 -> 8.8.8.8 type 0 code 0 id 77' case/")]
    Explain(ExplainArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print a manual page
    Man {
        /// The command whose page it is, with all its options; that of the whole unless given
        #[arg(value_parser = ["replay", "conntrack", "nexthops", "explain", "completions", "man"])]
        command: Option<String>,
    },
}

/// Arguments of `replay`.
#[derive(Args, Debug)]
pub struct ReplayArgs {
    /// Captures, folders that hold captures and dumps, or - for standard input
    #[arg(required = true, value_name = "CAPTURE|CASE_DIR")]
    pub inputs: Vec<PathBuf>,
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
    /// What goes with dumps alone
    #[command(flatten)]
    pub listing: ListingArgs,
}

/// Arguments of commands that list what dumps tell.
#[derive(Args, Debug)]
pub struct ListingArgs {
    /// Folders that hold dumps under well-known names
    #[arg(value_name = "CASE_DIR")]
    pub inputs: Vec<PathBuf>,
    /// The next hops of that time (RFC 3339); the latest known unless given
    #[arg(long, value_name = "TIME")]
    pub at: Option<Timestamp>,
    /// What the output looks like
    #[command(flatten)]
    pub output: OutputArgs,
    /// Dumps
    #[command(flatten)]
    pub paths: Paths,
}

/// Arguments of `explain`.
#[derive(Args, Debug)]
pub struct ExplainArgs {
    /// The flow: 'udp 192.168.16.230:59943 -> 172.27.0.13:5005'
    pub tuple: Tuple,
    /// Captures, and folders that hold captures and dumps
    #[arg(value_name = "CAPTURE|CASE_DIR")]
    pub inputs: Vec<PathBuf>,
    /// What goes with captures
    #[command(flatten)]
    pub run: RunArgs,
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
#[derive(Args, Debug)]
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

/// How captures are read.
#[derive(Args, Debug)]
#[command(next_help_heading = "Reading captures")]
pub struct ReadingArgs {
    /// Day of the first line of a `tcpdump -e` text that prints no dates
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = parse_date)]
    pub date: Option<jiff::civil::Date>,
    /// Threads; all processors unless given
    #[arg(long, value_name = "N")]
    pub threads: Option<std::num::NonZeroUsize>,
    /// Most flows kept at a time. Conforming flows make room for violating ones, and what was given up is told
    #[arg(long, default_value_t = 2_000_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=500_000_000))]
    pub max_flows: u64,
    /// No progress bar
    #[arg(long, short)]
    pub quiet: bool,
}

/// How packets are judged.
#[derive(Args, Debug)]
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

/// Reads a day that packets can have: times are counted in 64 bits of nanoseconds from 1970 on.
fn parse_date(text: &str) -> Result<jiff::civil::Date, String> {
    let date: jiff::civil::Date = text.parse().map_err(|_| "expected a day such as 2022-06-09".to_owned())?;
    if (1970..2554).contains(&date.year()) { Ok(date) } else { Err("expected a day from 1970 to 2553".to_owned()) }
}

/// Reads a number of seconds, fractions included.
fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected a number of seconds, such as 5 or 0.5".to_owned())?;
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| "expected a number of seconds from 0 on that is not beyond all measure".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_that_packets_can_have() {
        for text in ["1970-01-01", "2022-06-09", "2553-12-31"] {
            assert_eq!(parse_date(text).map(|date| date.to_string()), Ok(text.to_owned()));
        }
        for text in ["1969-12-31", "2554-01-01", "9999-12-31", "-000001-01-01", "2022-02-30", "yesterday", ""] {
            assert!(parse_date(text).is_err(), "{text}");
        }
    }

    #[test]
    fn seconds() {
        for (text, seconds) in [("0", 0.0), ("0.5", 0.5), ("1e10", 1e10)] {
            assert_eq!(parse_seconds(text), Ok(Duration::from_secs_f64(seconds)));
        }
        for text in ["-1", "NaN", "inf", "1e300", "5s", ""] {
            assert!(
                parse_seconds(text).is_err_and(|error| error.starts_with("expected a number of seconds")),
                "{text}"
            );
        }
    }
}
