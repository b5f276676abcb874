//! `cargo xtask bench conntrack`: how fast the labelled entries of the kernel's table are read and indexed, in turns with
//! `conntrack -L`, which reads the same table and prints it.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};

use super::lab::{self, Limit, Netns};
use super::measure;
use crate::project;

/// Arguments of `cargo xtask bench conntrack`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Entries of the table.
    #[arg(long, default_value_t = 240_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    entries: u32,
    /// How many of a hundred are labelled.
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=100))]
    labelled: u32,
    /// Turns; the medians are printed.
    #[arg(long, default_value_t = 7, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

/// Fills, measures, prints.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    lab::require(&["ip", "nft", "conntrack"])?;
    let program = project::release_example("conntrack_table")?;
    let _limit = Limit::raise(u64::from(args.entries) + 100_000)?;
    let netns = Netns::new()?;
    netns.enable_labels()?;
    let numbers = [args.entries, args.labelled].map(|number| number.to_string());
    project::run(netns.command(&program).arg("fill").args(numbers))?;
    let counted = String::from_utf8(project::capture(netns.command(&program).arg("read"))?)?;
    let (told, labelled, bytes) = parse_counts(&counted)?;
    if told != u64::from(args.entries) {
        bail!("{told} entries are in the table, not {}: something else writes to it", args.entries);
    }

    let names = ["conntrack -L", "read and index"];
    let mut times = [const { Vec::new() }; 2];
    for round in 1..=args.rounds {
        eprintln!("round {round} of {}", args.rounds);
        let mut list = netns.command(Path::new("conntrack"));
        list.arg("-L");
        let mut read = netns.command(&program);
        read.arg("read");
        for (command, times) in [list, read].into_iter().zip(&mut times) {
            times.push(measure::wall(command, 0)?);
        }
    }
    print(&names, &times, told);
    let each = bytes.checked_div(labelled).unwrap_or(0);
    println!("\n{labelled} labelled entries kept in {bytes} bytes: {each} each");
    Ok(ExitCode::SUCCESS)
}

fn print(names: &[&str; 2], times: &[Vec<Duration>; 2], entries: u64) {
    let [list, _] = times.each_ref().map(|times| measure::median(times));
    println!("\n{entries} entries; medians of {}, each with the start of its process\n", times[0].len());
    println!(
        "{:<18} {:>9} {:>9} {:>9} {:>16} {:>9}",
        "program", "median s", "min s", "max s", "x conntrack -L", "ns/entry"
    );
    for (name, times) in names.iter().zip(times) {
        let median = measure::median(times).as_secs_f64();
        let [min, max] = [times.iter().min(), times.iter().max()].map(|time| time.copied().unwrap_or_default());
        println!(
            "{name:<18} {median:>9.3} {:>9.3} {:>9.3} {:>16.2} {:>9.0}",
            min.as_secs_f64(),
            max.as_secs_f64(),
            median / list.as_secs_f64(),
            median * 1e9 / entries as f64
        );
    }
}

/// Reads `ENTRIES LABELLED BYTES`.
fn parse_counts(text: &str) -> Result<(u64, u64, u64)> {
    let numbers: Vec<u64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    match numbers.as_slice() {
        &[told, labelled, bytes] => Ok((told, labelled, bytes)),
        _ => bail!("three numbers were expected, not {text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        assert_eq!(parse_counts("240000 120000 7340032\n").unwrap(), (240_000, 120_000, 7_340_032));
        assert!(parse_counts("1 2").is_err());
        assert!(parse_counts("1 2 x").is_err());
    }
}
