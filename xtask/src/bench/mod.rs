//! Benchmarks. They print; no test asserts a time.

mod measure;
mod replay;
mod scratch;
mod traffic;

use std::process::ExitCode;

use anyhow::Result;

/// `cargo xtask bench`.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Judge a generated capture, side by side with other readers of the same file.
    Replay(replay::Args),
}

/// Runs one benchmark.
pub(crate) fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Replay(args) => replay::run(args),
    }
}
