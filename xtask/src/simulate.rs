//! The daemon's core against simulated nodes. It is a test of `tests/simulation.rs`; here it may watch as many hours as one
//! likes.

mod bar;

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::project;

/// The test reads these.
const SEED: &str = "ANALYZER_SIMULATION_SEED";
const HOURS: &str = "ANALYZER_SIMULATION_HOURS";
const MINUTES: &str = "ANALYZER_SIMULATION_MINUTES";
const WITHOUT: &str = "ANALYZER_SIMULATION_WITHOUT";
const TELLS: &str = "ANALYZER_SIMULATION_TELLS";

/// Arguments of `cargo xtask simulate`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The seed of the first node; each further one has the next number.
    #[arg(long, default_value_t = 0, value_name = "S")]
    seed: u64,
    /// How many nodes are watched, each for an hour.
    #[arg(long, default_value_t = 300, value_name = "H")]
    hours: u64,
    /// For how long each is watched instead.
    #[arg(long, value_name = "M")]
    minutes: Option<u64>,
    /// Kinds of faults that do not come, by commas; a name that does not exist shows all.
    #[arg(long, value_name = "FAULTS")]
    without: Option<String>,
    /// Take back each mend under `tests/simulation/bar/` in a copy of the last commit, and see that this is found.
    #[arg(long, conflicts_with_all = ["minutes", "without", "tell"])]
    bar: bool,
    /// Print each packet that leaves and all that the daemon tells. For one node.
    #[arg(long)]
    tell: bool,
}

/// Watches nodes. What fails is made small and printed as a command.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if args.bar {
        return bar::run();
    }
    let mut command = test();
    command.arg("--nocapture");
    command.env(SEED, args.seed.to_string()).env(HOURS, args.hours.to_string());
    match args.minutes {
        Some(minutes) => command.env(MINUTES, minutes.to_string()),
        None => command.env_remove(MINUTES),
    };
    match &args.without {
        Some(without) => command.env(WITHOUT, without),
        None => command.env_remove(WITHOUT),
    };
    match args.tell {
        true => command.env(TELLS, "1"),
        false => command.env_remove(TELLS),
    };
    project::announce(&command);
    let status = command.status().context("cannot start cargo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The test with core and engine optimised. CI watches fewer hours beside the other tests.
fn test() -> Command {
    let mut command = project::cargo();
    let test = "run::the_daemon_says_what_the_observer_knows";
    command.args([
        "test",
        "--profile",
        "worlds",
        "--package",
        "analyzer",
        "--test",
        "simulation",
        "--",
        "--exact",
        test,
    ]);
    command
}
