//! `cargo xtask bench ebpf`: what the kernel program costs a packet, in turns with an empty program.

use std::process::ExitCode;

use anyhow::Result;

use super::figures::{Figures, grouped, percentile};
use super::lab::{self, Netns};
use crate::project;

/// What NetObserv's flow program costs beyond an empty one, in ns: measured on another day on 65,536 flows in random
/// order (clang 19, default features), as its agent can only be had where it can be downloaded.
const NETOBSERV_NET: [f64; 2] = [441.0, 555.0];

/// Arguments of `cargo xtask bench ebpf`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Turns of each row; medians and maxima are printed.
    #[arg(long, default_value_t = 7, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Packets of a row to each of the two programs, in each turn.
    #[arg(long, default_value_t = 500_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1000..))]
    packets: u32,
    /// Three turns of 100,000 packets.
    #[arg(long)]
    quick: bool,
    /// Measure with real-time priority (`chrt -f 10`), for machines that are busy.
    #[arg(long)]
    realtime: bool,
}

/// Measures and prints.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    lab::require(&["ip", "sysctl"])?;
    let program = project::release_example("live_bench")?;
    let netns = Netns::with_nics(&["e0", "s0"])?;
    let (rounds, packets) = if args.quick { (3, 100_000) } else { (args.rounds, args.packets) };
    let mut cost = netns.command_at(args.realtime, &program);
    print_cost(&Figures::of(cost.arg("cost").args([rounds, packets].map(|number| number.to_string())))?, rounds)?;
    let mut install = netns.command_at(args.realtime, &program);
    let figures = Figures::of(install.arg("install").arg(rounds.to_string()))?;
    print_install(&figures)?;
    print_memory(&figures)?;
    Ok(ExitCode::SUCCESS)
}

fn print_cost(figures: &Figures, rounds: u32) -> Result<()> {
    let mut rows = Vec::new();
    for line in figures.of_kind("cost") {
        let [name, empty, ours] = line?;
        rows.push((name.to_owned(), (empty.parse::<f64>()?, ours.parse::<f64>()?)));
    }
    println!("\nns a packet at TC egress, means of a turn as the kernel counts them; {rounds} turns\n");
    println!(
        "{:<42} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>12}",
        "64 routes, 1 in 64 sampled", "empty", "ours", "net", "net min", "net max", "x empty", "x NetObserv"
    );
    for (name, values) in grouped(rows) {
        let medians = [0, 1].map(|which| {
            let values: Vec<f64> = values.iter().map(|(empty, ours)| [*empty, *ours][which]).collect();
            percentile(&values, 50)
        });
        let nets: Vec<f64> = values.iter().map(|(empty, ours)| ours - empty).collect();
        let [net, min, max] = [50, 0, 100].map(|percent| percentile(&nets, percent));
        let [low, high] = NETOBSERV_NET.map(|reference| net / reference);
        println!(
            "{name:<42} {:>8.1} {:>8.1} {net:>8.1} {min:>8.1} {max:>8.1} {:>8.2} {:>12}",
            medians[0],
            medians[1],
            medians[1] / medians[0],
            format!("{high:.2}-{low:.2}")
        );
    }
    println!(
        "\nnet: beyond the empty program in the same turn. x NetObserv: net, as a multiple of the net cost of its flow \
         program, {} to {} ns\n(a figure of another run; its agent is not here).",
        NETOBSERV_NET[0], NETOBSERV_NET[1]
    );
    Ok(())
}

fn print_install(figures: &Figures) -> Result<()> {
    let mut rows = Vec::new();
    for line in figures.of_kind("install") {
        let [what, routes, nanos] = line?;
        rows.push((format!("{routes} routes, {what}"), nanos.parse::<f64>()? / 1e6));
    }
    println!("\n{:<48} {:>9} {:>9}", "a new set comes into force", "median ms", "max ms");
    for (name, times) in grouped(rows) {
        println!("{name:<48} {:>9.2} {:>9.2}", percentile(&times, 50), percentile(&times, 100));
    }
    Ok(())
}

fn print_memory(figures: &Figures) -> Result<()> {
    println!("\n{:<20} {:>12} {:>12}", "map", "max entries", "kernel KiB");
    let mut sum = 0;
    for line in figures.of_kind("memory") {
        let [name, max_entries, bytes] = line?;
        let bytes: u64 = bytes.parse()?;
        sum += bytes;
        println!("{name:<20} {max_entries:>12} {:>12}", bytes / 1024);
    }
    println!("{:<20} {:>12} {:>12}", "all", "", sum / 1024);
    Ok(())
}
