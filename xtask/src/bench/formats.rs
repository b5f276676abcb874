//! `cargo xtask bench formats`: how fast captures of other formats than classic pcap are judged, in turns with classic pcap
//! and with the programs that only unpack or copy them.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, Result, bail};

use super::measure;
use super::scratch::Scratch;
use super::traffic::{self, Headers, Sizes, Traffic};
use crate::project;

/// Arguments of `cargo xtask bench formats`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Frames of each capture.
    #[arg(long, default_value_t = 5_000_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    frames: u64,
    /// Flows of each capture.
    #[arg(long, default_value_t = 65_536, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=i64::from(traffic::MAX_FLOWS)))]
    flows: u32,
    /// Turns; the medians are printed.
    #[arg(long, default_value_t = 7, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// A binary to measure, in place of a release that is built first.
    #[arg(long, value_name = "FILE")]
    analyzer: Option<PathBuf>,
    /// Where the captures are written. They are removed afterwards.
    #[arg(long, value_name = "DIR", default_value_os_t = env::temp_dir())]
    folder: PathBuf,
}

/// A command, what it is compared with, and what it may take.
struct Row {
    name: &'static str,
    command: fn(&Bench) -> Command,
    /// The analyzer ends with 1, because some flows are violating.
    status: i32,
    /// Name of another row, and how many times its time this one may take.
    limit: Option<(&'static str, f64)>,
}

/// Rows of the table, in the order of each turn.
const ROWS: [Row; 10] = [
    Row { name: "pcap", command: |bench| bench.replay("plain.pcap"), status: 1, limit: None },
    Row { name: "pcapng", command: |bench| bench.replay("plain.pcapng"), status: 1, limit: Some(("pcap", 1.3)) },
    Row { name: "VLAN", command: |bench| bench.replay("vlan.pcap"), status: 1, limit: Some(("pcap", 1.3)) },
    Row { name: "IPv6", command: Bench::replay_ipv6, status: 1, limit: Some(("pcap", 1.3)) },
    Row { name: "zstd -dc", command: |bench| bench.unpack("zstd", "plain.pcap.zst"), status: 0, limit: None },
    Row { name: "zst", command: |bench| bench.replay("plain.pcap.zst"), status: 1, limit: Some(("zstd -dc", 1.2)) },
    Row { name: "gzip -dc", command: |bench| bench.unpack("gzip", "plain.pcap.gz"), status: 0, limit: None },
    Row { name: "gz", command: |bench| bench.replay("plain.pcap.gz"), status: 1, limit: Some(("gzip -dc", 0.38)) },
    Row { name: "cat | cat", command: Bench::pipe_to_cat, status: 0, limit: None },
    Row { name: "pipe", command: Bench::pipe_to_replay, status: 1, limit: Some(("cat | cat", 1.6)) },
];

/// Generates, measures, prints.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    for program in ["zstd", "gzip"] {
        if project::find_program(program).is_none() {
            bail!("{program} is not installed");
        }
    }
    let analyzer = match &args.analyzer {
        Some(analyzer) => analyzer.clone(),
        None => project::release_analyzer()?,
    };
    let traffic = Traffic { frames: args.frames, flows: args.flows, sizes: Sizes::Fixed, headers: Headers::Ipv4 };
    // pcap three times, pcapng, and what the packed ones take.
    let scratch = Scratch::new(&args.folder, traffic.bytes() * 5)?;
    let bench = Bench { analyzer, folder: scratch.path().to_owned() };
    bench.write_captures(traffic)?;

    let mut times: [Vec<Duration>; ROWS.len()] = Default::default();
    for round in 1..=args.rounds {
        eprintln!("round {round} of {}", args.rounds);
        for (row, times) in ROWS.iter().zip(&mut times) {
            times.push(measure::wall((row.command)(&bench), row.status).context(row.name)?);
        }
    }
    println!("\n{} frames, {} flows, page-cached; medians of {}\n", args.frames, args.flows, args.rounds);
    println!("{:<12} {:>9} {:>9} {:>9} {:>20} {:>7}", "", "median s", "min s", "max s", "times", "limit");
    let medians: Vec<_> = times.iter().map(|times| measure::median(times)).collect();
    for ((row, times), median) in ROWS.iter().zip(&times).zip(&medians) {
        let (min, max) = (times.iter().min().copied(), times.iter().max().copied());
        let [median, min, max] = [Some(*median), min, max].map(|time| time.unwrap_or_default().as_secs_f64());
        print!("{:<12} {median:>9.3} {min:>9.3} {max:>9.3}", row.name);
        if let Some((other, limit)) = row.limit {
            let index = ROWS.iter().position(|row| row.name == other).context("a row is compared with one of them")?;
            print!(" {:>9.2} {other:>10} {limit:>7.2}", median / medians[index].as_secs_f64());
        }
        println!();
    }
    Ok(ExitCode::SUCCESS)
}

/// What is measured, and where the captures are.
struct Bench {
    analyzer: PathBuf,
    folder: PathBuf,
}

impl Bench {
    fn write_captures(&self, traffic: Traffic) -> Result<()> {
        eprintln!("generating six captures of {} frames of {} flows", traffic.frames, traffic.flows);
        traffic.write_capture(&self.path("plain.pcap"))?;
        traffic.write_pcapng(&self.path("plain.pcapng"))?;
        Traffic { headers: Headers::Vlan, ..traffic }.write_capture(&self.path("vlan.pcap"))?;
        Traffic { headers: Headers::Ipv6, ..traffic }.write_capture(&self.path("ipv6.pcap"))?;
        for headers in [Headers::Ipv4, Headers::Ipv6] {
            let path = self.nexthops(headers);
            fs::write(&path, traffic::nexthops_toml(headers))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        for program in ["zstd", "gzip"] {
            let mut command = Command::new(program);
            project::run(command.args(["--quiet", "--keep"]).arg(self.path("plain.pcap")))?;
        }
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn nexthops(&self, headers: Headers) -> PathBuf {
        self.path(if headers == Headers::Ipv6 { "ipv6.toml" } else { "ipv4.toml" })
    }

    fn replay(&self, capture: &str) -> Command {
        self.replay_with(&self.path(capture), Headers::Ipv4)
    }

    fn replay_ipv6(&self) -> Command {
        self.replay_with(&self.path("ipv6.pcap"), Headers::Ipv6)
    }

    fn replay_with(&self, capture: &Path, headers: Headers) -> Command {
        let mut command = Command::new(&self.analyzer);
        command.args(["replay", "--format", "jsonl", "--nexthops"]).arg(self.nexthops(headers)).arg(capture);
        command
    }

    fn unpack(&self, program: &str, capture: &str) -> Command {
        let mut command = Command::new(program);
        command.arg("-dc").arg(self.path(capture));
        command
    }

    fn pipe_to_cat(&self) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", "cat \"$0\" | cat"]).arg(self.path("plain.pcap"));
        command
    }

    fn pipe_to_replay(&self) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", "capture=\"$0\"; cat \"$capture\" | \"$@\""]).arg(self.path("plain.pcap"));
        let replay = self.replay_with(Path::new("-"), Headers::Ipv4);
        command.arg(replay.get_program()).args(replay.get_args()).stdin(Stdio::null());
        command
    }
}
