//! `cargo xtask bench afxdp`: what reads the frames of a mirror port, how many of them, and at what cost, in turns with
//! the programs that record captures.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::figures::{Figures, percentile};
use super::lab::{self, Netns};
use super::scratch::Scratch;
use crate::project;

/// Ticks of a second in /proc/PID/stat.
const TICKS: f64 = 100.0;

/// Arguments of `cargo xtask bench afxdp`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Turns; the medians are printed.
    #[arg(long, default_value_t = 7, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds that frames are sent for, in each turn to each reader.
    #[arg(long, default_value_t = 5, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Work for nothing that the sender does for each frame, which makes it slower.
    #[arg(long, default_value_t = 0, value_name = "N")]
    idle: u64,
    /// A binary to measure, in place of a release that is built first.
    #[arg(long, value_name = "FILE")]
    analyzer: Option<PathBuf>,
    /// The program that sends, in place of a release of the example `live_bench` that is built first.
    #[arg(long, value_name = "FILE")]
    sender: Option<PathBuf>,
}

/// What reads the port, and the first words by which it says that it does.
struct Reader {
    name: &'static str,
    arguments: &'static [&'static str],
    ready: &'static str,
}

const READERS: [Reader; 6] = [
    // The floor: what is left is what sending costs.
    Reader { name: "nobody", arguments: &["sink", "mirror"], ready: "dropping" },
    Reader { name: "live --ingress afxdp", arguments: &["--ingress", "afxdp"], ready: "watching mirror" },
    Reader { name: "live, with --write", arguments: &["--ingress", "afxdp", "--write"], ready: "watching mirror" },
    Reader { name: "live --ingress tc", arguments: &["--ingress", "tc"], ready: "watching mirror" },
    Reader { name: "tcpdump", arguments: &["-i", "mirror", "-w", "/dev/null"], ready: "listening on" },
    Reader { name: "dumpcap", arguments: &["-i", "mirror", "-w", "/dev/null"], ready: "Capturing on" },
];

/// The one that the others are held against.
const TCPDUMP: usize = 4;

/// One turn of a reader.
struct Turn {
    sent_a_second: f64,
    sent: f64,
    read: f64,
    cpu_seconds: f64,
}

struct Bench {
    analyzer: PathBuf,
    sender: PathBuf,
    nexthops: PathBuf,
}

/// Measures and prints.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    lab::require(&["ip", "sysctl", "ethtool", "tcpdump", "dumpcap", "kill"])?;
    let scratch = Scratch::new(&std::env::temp_dir(), 1 << 20)?;
    let nexthops = scratch.path().join("nexthops.toml");
    fs::write(&nexthops, NEXTHOPS).with_context(|| format!("cannot write {}", nexthops.display()))?;
    let analyzer = args.analyzer.clone().map_or_else(project::release_analyzer, Ok)?;
    let sender = args.sender.clone().map_or_else(|| project::release_example("live_bench"), Ok)?;
    let bench = Bench { analyzer, sender, nexthops };
    let mut turns: [Vec<Turn>; READERS.len()] = Default::default();
    for round in 1..=args.rounds {
        eprintln!("round {round} of {}", args.rounds);
        for (reader, turns) in READERS.iter().zip(&mut turns) {
            let file = scratch.path().join(format!("{round}.pcapng"));
            turns.push(bench.turn(reader, &file, args).with_context(|| reader.name.to_owned())?);
        }
    }
    print(&turns, args);
    Ok(ExitCode::SUCCESS)
}

const NEXTHOPS: &str = r#"
[[route]]
router = "GR_mirrored"
policy = "src-ip"
prefix = "10.0.0.0/16"
symmetric_reply = true
[[route.nexthop]]
ip = "192.0.2.1"
lladdr = "02:00:00:00:00:01"
"#;

impl Bench {
    /// One turn; a reader that writes writes this file.
    fn turn(&self, reader: &Reader, file: &Path, args: &Args) -> Result<Turn> {
        let netns = Netns::new()?;
        let script = "set -e; sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
            ip link add name sender type veth peer name mirror; ip link set sender up; ip link set mirror up
            # Without a program on it, a veth takes frames from XDP only with GRO.
            ethtool -K mirror gro on";
        project::run(netns.command(Path::new("sh")).arg("-c").arg(script))?;
        let running = Running::start(self.command(&netns, reader, file), reader.ready)?;
        let mut flood = netns.command(&self.sender);
        flood.args(["flood", "sender"]).args([u64::from(args.seconds), args.idle].map(|number| number.to_string()));
        let figures = Figures::of(&mut flood)?;
        let [sent, nanos] = figures.of_kind("sent").next().context("the sender tells nothing")??;
        let (sent, nanos) = (sent.parse::<f64>()?, nanos.parse::<f64>()?);
        let (read, cpu_seconds) = running.end()?;
        let read = read.unwrap_or(sent);
        Ok(Turn { sent_a_second: sent * 1e9 / nanos, sent, read, cpu_seconds })
    }

    fn command(&self, netns: &Netns, reader: &Reader, file: &Path) -> Command {
        if reader.name == "nobody" {
            let mut command = netns.command(&self.sender);
            command.args(reader.arguments);
            return command;
        }
        if !reader.name.starts_with("live") {
            let mut command = netns.command(Path::new(reader.name));
            command.args(reader.arguments);
            return command;
        }
        let mut command = netns.command(&self.analyzer);
        command.args(["live", "-i", "mirror", "--mirror", "--format", "jsonl"]).args(reader.arguments);
        if reader.arguments.ends_with(&["--write"]) {
            command.arg(file);
        }
        command.arg("--nexthops").arg(&self.nexthops);
        for nothing in ["--nb", "--sb", "--ovs", "--conntrack", "--syslog", "--history", "--alert-state"] {
            command.args([nothing, "none"]);
        }
        command
    }
}

/// A reader that runs. It is ended when it is dropped.
struct Running {
    child: Child,
    output: BufReader<ChildStdout>,
    errors: BufReader<ChildStderr>,
}

impl Running {
    /// Starts it, and waits until it says that it reads.
    fn start(mut command: Command, ready: &str) -> Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let output = BufReader::new(child.stdout.take().context("it was asked for as a pipe")?);
        let errors = BufReader::new(child.stderr.take().context("it was asked for as a pipe")?);
        let mut running = Self { child, output, errors };
        let mut said = String::new();
        loop {
            let before = said.len();
            running.errors.read_line(&mut said)?;
            if said[before..].contains(ready) {
                return Ok(running);
            }
            if said.len() == before {
                bail!("it ended before it was ready:\n{said}");
            }
        }
    }

    /// Ends it, and gives the frames that it read and the CPU time that it took.
    fn end(mut self) -> Result<(Option<f64>, f64)> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok());
        let cpu = ticks(11).zip(ticks(12)).context("its CPU time is not told")?;
        project::run(Command::new("kill").args(["-INT", &self.child.id().to_string()]))?;
        let (mut output, mut errors) = (String::new(), String::new());
        self.output.read_to_string(&mut output)?;
        self.errors.read_to_string(&mut errors)?;
        self.child.wait()?;
        Ok((read(&output, &errors), (cpu.0 + cpu.1) / TICKS))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The frames that a reader says it read. Nobody says nothing.
fn read(output: &str, errors: &str) -> Option<f64> {
    let mut summaries = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let summary = summaries.rfind(|object| object["type"] == "summary");
    let analyzer = || summary?["packets"].as_f64();
    // "123 packets captured", and "Packets received/dropped on interface 'mirror': 123/4 (...)".
    let tcpdump = || errors.lines().find_map(|line| line.strip_suffix(" packets captured")?.trim().parse().ok());
    let dumpcap = || {
        let line = errors.lines().find(|line| line.starts_with("Packets received/dropped"))?;
        line.rsplit("': ").next()?.split('/').next()?.parse().ok()
    };
    analyzer().or_else(tcpdump).or_else(dumpcap)
}

fn print(turns: &[Vec<Turn>; READERS.len()], args: &Args) {
    println!(
        "\nframes of 94 bytes in 65,536 flows, sent for {} s by one of the CPUs; medians of {} turns\n",
        args.seconds, args.rounds
    );
    println!(
        "{:<24} {:>10} {:>10} {:>10} {:>12} {:>12} {:>10}",
        "", "sent M/s", "read M/s", "not read", "its own ns", "beyond ns", "x tcpdump"
    );
    let median =
        |turns: &[Turn], figure: fn(&Turn) -> f64| percentile(&turns.iter().map(figure).collect::<Vec<_>>(), 50);
    // One CPU sends all the time, and does for the reader what the kernel does when a frame comes in.
    let all = |turn: &Turn| (turn.sent / turn.sent_a_second + turn.cpu_seconds) * 1e9 / turn.read;
    let own = |turn: &Turn| turn.cpu_seconds * 1e9 / turn.read;
    let floor = median(&turns[0], all);
    let tcpdump = median(&turns[TCPDUMP], all) - floor;
    for (reader, turns) in READERS.iter().zip(turns) {
        let sent = median(turns, |turn| turn.sent_a_second / 1e6);
        let lost = median(turns, |turn| (turn.sent - turn.read) / turn.sent);
        let (own, beyond) = (median(turns, own), median(turns, all) - floor);
        println!(
            "{:<24} {sent:>10.2} {:>10.2} {:>9.1}% {own:>12.0} {beyond:>12.0} {:>10.2}",
            reader.name,
            sent * (1.0 - lost),
            lost * 100.0,
            beyond / tcpdump
        );
    }
    println!(
        "\nOf a frame that was read: CPU time of the reader itself, and of both CPUs beyond what it takes when nobody reads and \
         each\nframe is dropped by XDP."
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_tell_what_they_read() {
        let dumpcap =
            "Capturing on 'mirror'\nPackets captured: 7\nPackets received/dropped on interface 'mirror': 5/2 (x)\n";
        let tcpdump = "tcpdump: listening on mirror\n12 packets captured\n14 packets received by filter\n";
        let analyzer = "{\"type\":\"status\"}\n{\"type\":\"summary\",\"packets\":3}\n";
        assert_eq!(read("", dumpcap), Some(5.0));
        assert_eq!(read("", tcpdump), Some(12.0));
        assert_eq!(read(analyzer, "analyzer: ending"), Some(3.0));
        assert_eq!(read("", ""), None);
    }
}
