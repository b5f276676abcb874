//! `cargo xtask bench standing`: how fast labelled entries are held against the routes of their own flows.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::project;

/// Arguments of `cargo xtask bench standing`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Labelled entries.
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    entries: u32,
    /// Rows of routes.
    #[arg(long, default_value_t = 20_000, value_name = "N")]
    routes: u32,
    /// Gateways.
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=200))]
    gateways: u32,
    /// Turns; the medians are printed.
    #[arg(long, default_value_t = 7, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

/// What is timed: its name in the program's output, and in words.
const TIMED: [(&str, &str); 3] = [
    ("reading", "all entries, after a reading"),
    ("mac", "one gateway's MAC changes"),
    ("gone", "one gateway is taken away"),
];

/// Measures, and prints.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let program = project::release_example("watched_entries")?;
    println!(
        "{} entries, {} routes, {} gateways; medians of {}\n",
        args.entries, args.routes, args.gateways, args.rounds
    );
    println!("{:<32} {:>14} {:>10} {:>10}", "what", "next hops/pod", "median ms", "outside");
    for per_pod in [2, args.gateways] {
        let numbers = [args.entries, args.routes, args.gateways, per_pod].map(|number| number.to_string());
        let mut texts = Vec::new();
        for _ in 0..args.rounds {
            texts.push(String::from_utf8(project::capture(Command::new(&program).args(&numbers))?)?);
        }
        for (name, what) in TIMED {
            let mut told = texts.iter().map(|text| of_line(text, name)).collect::<Result<Vec<_>>>()?;
            told.sort_unstable();
            let (micros, outside) = told[told.len() / 2];
            println!("{what:<32} {per_pod:>14} {:>10.1} {outside:>10}", micros as f64 / 1000.0);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Microseconds and entries of a line: `NAME MICROS OUTSIDE`.
fn of_line(text: &str, name: &str) -> Result<(u64, u64)> {
    let of_name = |line: &str| {
        let mut words = line.strip_prefix(name)?.split_whitespace();
        Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    };
    text.lines().find_map(of_name).with_context(|| format!("no line of {name} in {text:?}"))
}

#[test]
fn lines_are_read() {
    assert_eq!(of_line("reading 5 0\nmac 7 400\n", "mac").unwrap(), (7, 400));
    assert!(of_line("mac x\n", "mac").is_err());
}
