//! Small worlds of OVN, on which the engine must say what a plain model says. They are a test of `tests/soundness.rs`; here
//! there may be as many as one likes.

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::project;

/// The test reads it: how many worlds.
const WORLDS: &str = "ANALYZER_SOUNDNESS_WORLDS";
/// The test reads it: the seed of the first.
const SEED: &str = "ANALYZER_SOUNDNESS_SEED";
/// The test reads it: the known difference whose smallest world is shown, or `all`.
const KNOWN: &str = "ANALYZER_SOUNDNESS_KNOWN";

/// Arguments of `cargo xtask soundness`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many worlds to try. The test itself tries 2,500.
    #[arg(long, default_value_t = 20_000, value_name = "N")]
    worlds: u64,
    /// The seed of the first world; each further one has the next number.
    #[arg(long, default_value_t = 0, value_name = "S")]
    seed: u64,
    /// Also show the smallest world of a known difference, of `all` of them, or of a flip such as `Bfd/FalseCommand`.
    #[arg(long, value_name = "NAME")]
    known: Option<String>,
    /// Use the release profile: slow to build, five times as fast. Worth it from some 100,000 worlds on.
    #[arg(long)]
    release: bool,
}

/// Tries the worlds. What differs and is not known is made small, printed and written as a case.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let mut command = project::cargo();
    command.args(["test", "--package", "analyzer-engine", "--test", "soundness"]);
    if args.release {
        command.arg("--release");
    }
    command.args(["--", "--exact", "run::the_engine_says_what_the_model_says", "--nocapture"]);
    command.env(WORLDS, args.worlds.to_string()).env(SEED, args.seed.to_string());
    match &args.known {
        Some(known) => command.env(KNOWN, known),
        None => command.env_remove(KNOWN),
    };
    project::announce(&command);
    let status = command.status().context("cannot start cargo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
