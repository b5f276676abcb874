//! Small worlds of OVN, on which the engine must say what a plain model says. They are a test of `tests/soundness.rs`; here
//! there may be as many as one likes.

use std::process::{Command, ExitCode};

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
    /// How many worlds to try, instead of the 100,000 for which the lists of what is known hold.
    #[arg(long, value_name = "N")]
    worlds: Option<u64>,
    /// The seed of the first world; each further one has the next number.
    #[arg(long, default_value_t = 0, value_name = "S")]
    seed: u64,
    /// Also show the smallest world of a known difference, of `all` of them, or of a flip such as `Bfd/FalseCommand`.
    #[arg(long, value_name = "NAME", conflicts_with = "texts")]
    known: Option<String>,
    /// Print the worlds as texts and damage these, instead of facts: `tests/texts.rs`.
    #[arg(long)]
    texts: bool,
}

/// Tries the worlds. What differs and is not known is made small, printed and written as a case.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let mut command = if args.texts { texts() } else { test() };
    command.arg("--nocapture");
    command.env(SEED, args.seed.to_string());
    match args.worlds {
        Some(worlds) => command.env(WORLDS, worlds.to_string()),
        None => command.env_remove(WORLDS),
    };
    match &args.known {
        Some(known) => command.env(KNOWN, known),
        None => command.env_remove(KNOWN),
    };
    project::announce(&command);
    let status = command.status().context("cannot start cargo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The test with the engine optimised, which is built for it alone.
pub(crate) fn test() -> Command {
    optimised("analyzer-engine", "soundness", "run::the_engine_says_what_the_model_says")
}

/// The test of texts with the readers optimised. CI runs fewer worlds of it beside the other tests.
fn texts() -> Command {
    optimised("analyzer", "texts", "run::damaged_texts_make_nobody_guilty")
}

fn optimised(package: &str, test: &str, name: &str) -> Command {
    let mut command = project::cargo();
    command.args(["test", "--profile", "worlds", "--package", package, "--test", test, "--", "--exact", name]);
    command
}
