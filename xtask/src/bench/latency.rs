//! `cargo xtask bench latency`: how soon the daemon tells of a violating packet, on standard output and to syslog, and what it takes while legal ones pass.

use std::env;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

use super::figures::{Figures, grouped, percentile};
use super::lab::{self, Limit, Netns};
use super::scratch::Scratch;
use crate::project;

/// How many of a hundred conntrack entries have the label of a gateway.
const LABELLED_PERCENT: u32 = 50;
/// Labelled entries that the daemon keeps in the run that its memory is told of.
const KEPT: u32 = 100_000;

/// Arguments of `cargo xtask bench latency`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Violating packets, each of a flow and to a MAC of its own.
    #[arg(long, default_value_t = 500, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4_000))]
    packets: u32,
    /// Mean time between two of them, in milliseconds. By default they span a whole reading of the conntrack table,
    /// which comes each minute.
    #[arg(long, default_value_t = 130, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    gap: u64,
    /// Entries of the full conntrack table.
    #[arg(long, default_value_t = 1_000_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=2_000_000))]
    entries: u32,
    /// Legal packets a second.
    #[arg(long, default_value_t = 1_000_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    rate: u64,
    /// For how long they pass.
    #[arg(long, default_value_t = 20, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// A hundred packets with gaps of 20 ms, a fifth of the entries, five seconds.
    #[arg(long)]
    quick: bool,
    /// Measure with real-time priority (`chrt -f 10`), for machines that are busy.
    #[arg(long)]
    realtime: bool,
}

/// Measures and prints.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    lab::require(&["ip", "nft", "sysctl"])?;
    let analyzer = project::release_analyzer()?;
    let program = project::release_example("live_bench")?;
    let scratch = Scratch::new(&env::temp_dir(), 1 << 20)?;
    let bench = Bench::new(args, &analyzer, &program, scratch.path());
    let _limit = Limit::raise(u64::from(bench.entries) + 100_000)?;

    let mut latencies = Vec::new();
    let mut loads = Vec::new();
    let empty = bench.namespace(0, 0)?;
    latencies.push(("no conntrack entry".to_owned(), bench.latency(&empty, 64, false)?));
    for routes in [64, 20_000] {
        latencies
            .push((format!("the same, {routes} routes, a change each second"), bench.latency(&empty, routes, true)?));
    }
    loads.push(("no conntrack entry".to_owned(), bench.load(&empty)?));
    drop(empty);
    let kept = bench.namespace(KEPT, 100)?;
    loads.push((format!("{KEPT} entries, all labelled"), bench.load(&kept)?));
    drop(kept);
    let full = bench.namespace(bench.entries, LABELLED_PERCENT)?;
    let name = format!("{} entries, {LABELLED_PERCENT} % labelled", bench.entries);
    latencies.push((name.clone(), bench.latency(&full, 64, false)?));
    loads.push((name, bench.load(&full)?));

    print_latencies(&latencies)?;
    print_loads(&loads)?;
    Ok(ExitCode::SUCCESS)
}

struct Bench<'a> {
    analyzer: &'a Path,
    program: &'a Path,
    folder: &'a Path,
    packets: u32,
    gap: u64,
    entries: u32,
    rate: u64,
    seconds: u64,
    realtime: bool,
}

impl<'a> Bench<'a> {
    fn new(args: &Args, analyzer: &'a Path, program: &'a Path, folder: &'a Path) -> Self {
        let &Args { packets, gap, entries, rate, seconds, quick, realtime } = args;
        let (packets, gap) = if quick { (100, 20) } else { (packets, gap) };
        let (entries, seconds) = if quick { (entries / 5, 5) } else { (entries, seconds) };
        Self { analyzer, program, folder, packets, gap, entries, rate, seconds, realtime }
    }

    /// A namespace with so many conntrack entries.
    fn namespace(&self, entries: u32, labelled_percent: u32) -> Result<Netns> {
        let netns = Netns::with_nics(&["s0"])?;
        netns.enable_labels()?;
        if entries > 0 {
            let numbers = [entries, labelled_percent, self.packets].map(|number| number.to_string());
            project::run(netns.command(self.program).arg("fill").args(numbers))?;
        }
        Ok(netns)
    }

    fn latency(&self, netns: &Netns, routes: u32, is_changing: bool) -> Result<Figures> {
        let mut command = netns.command_at(self.realtime, self.program);
        command.arg("latency").arg(self.analyzer).arg(self.folder);
        command.args([self.packets.to_string(), self.gap.to_string(), routes.to_string()]);
        if is_changing {
            command.arg("--changing");
        }
        Figures::of(&mut command)
    }

    fn load(&self, netns: &Netns) -> Result<Figures> {
        let mut command = netns.command_at(self.realtime, self.program);
        command.arg("load").arg(self.analyzer).arg(self.folder);
        Figures::of(command.arg(self.rate.to_string()).arg(self.seconds.to_string()))
    }
}

fn print_latencies(runs: &[(String, Figures)]) -> Result<()> {
    println!("\nfrom a violating packet to the finding on standard output, and to the alert at a syslog socket, ms\n");
    println!(
        "{:<44} {:>7} {:>24} {:>24}  verdicts",
        "conntrack", "packets", "finding p50, p99, max", "alert p50, p99, max"
    );
    for (name, figures) in runs {
        let (mut findings, mut alerts, mut verdicts) = (Vec::new(), Vec::new(), Vec::new());
        for line in figures.of_kind("latency") {
            let [finding, alert, verdict] = line?;
            findings.push(finding.parse::<f64>()? / 1e6);
            alerts.push(alert.parse::<f64>()? / 1e6);
            verdicts.push((verdict.to_owned(), ()));
        }
        if findings.is_empty() {
            continue;
        }
        let spread =
            |times: &[f64]| [50, 99, 100].map(|percent| format!("{:>7.2}", percentile(times, percent))).join(" ");
        let verdicts: Vec<String> =
            grouped(verdicts).into_iter().map(|(verdict, times)| format!("{} {verdict}", times.len())).collect();
        let (count, verdicts) = (findings.len(), verdicts.join(", "));
        println!("{name:<44} {count:>7} {:>24} {:>24}  {verdicts}", spread(&findings), spread(&alerts));
    }
    println!("\n{:<44} {:>10} {:>12} {:>12}", "the daemon meanwhile", "CPU %", "resident MiB", "peak MiB");
    for (name, figures) in runs {
        let [wall_ns, cpu_ms, resident, peak] =
            figures.of_kind("daemon").next().context("the daemon's use is told at the end")??;
        let percent = 100.0 * cpu_ms.parse::<f64>()? * 1e6 / wall_ns.parse::<f64>()?;
        println!("{name:<44} {percent:>10.2} {:>12.1} {:>12.1}", mib(resident)?, mib(peak)?);
    }
    Ok(())
}

fn print_loads(runs: &[(String, Figures)]) -> Result<()> {
    println!("\nthe daemon while legal packets of 65,536 flows pass; percent of one core\n");
    println!(
        "{:<44} {:>10} {:>7} {:>7} {:>12} {:>10} {:>14}",
        "conntrack", "packets/s", "user %", "sys %", "resident MiB", "peak MiB", "anonymous MiB"
    );
    for (name, figures) in runs {
        let fields = figures.of_kind("load").next().context("the load is told at the end")??;
        let [sent, wall_ns, user_ms, system_ms, resident, peak, anonymous] = fields;
        let wall_ns: f64 = wall_ns.parse()?;
        let [user, system] = [user_ms.parse::<f64>()?, system_ms.parse()?].map(|ms| 100.0 * ms * 1e6 / wall_ns);
        println!(
            "{name:<44} {:>10.0} {user:>7.2} {system:>7.2} {:>12.1} {:>10.1} {:>14.1}",
            sent.parse::<f64>()? / wall_ns * 1e9,
            mib(resident)?,
            mib(peak)?,
            mib(anonymous)?
        );
    }
    Ok(())
}

/// MiB of the KiB that proc_pid_status(5) tells.
fn mib(kib: &str) -> Result<f64> {
    Ok(kib.parse::<f64>()? / 1024.0)
}
