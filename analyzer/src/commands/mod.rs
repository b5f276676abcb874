//! The commands: each puts inputs, engine and output together.

mod conntrack;
mod counting;
mod engine;
mod explain;
mod nexthops;
mod printing;
mod replay;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;

use crate::cli::{Cli, Command};
use crate::output::escape::Escaped;
use crate::types::Warning;

/// How a run ended. The numbers are the exit status and stable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// Judged, and nothing is wrong.
    Fine = 0,
    /// At least one violation.
    Violation = 1,
    /// Could not run.
    Failed = 2,
    /// No violation, but something could not be judged.
    Undetermined = 3,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status as u8)
    }
}

/// Runs a command.
///
/// # Errors
/// When it could not run: an input cannot be read, or the output cannot be written.
pub fn run(cli: Cli) -> anyhow::Result<Status> {
    match cli.command {
        Command::Replay(args) => replay::run(args),
        Command::Conntrack(args) => conntrack::run(args),
        Command::Nexthops(args) => nexthops::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "analyzer", &mut io::stdout());
            Ok(Status::Fine)
        }
        Command::Man => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page).context("cannot render the manual page")?;
            io::stdout().write_all(&page).context("cannot write to standard output")?;
            Ok(Status::Fine)
        }
    }
}

/// Most warnings that are printed one by one.
const MAX_WARNINGS: usize = 20;

/// Says on standard error what was passed over.
fn warn(warnings: &[Warning]) {
    for warning in warnings.iter().take(MAX_WARNINGS) {
        eprintln!("analyzer: {}", Escaped(&warning.to_string()));
    }
    if warnings.len() > MAX_WARNINGS {
        eprintln!("analyzer: ... and {} more warnings", warnings.len() - MAX_WARNINGS);
    }
}

/// Whether an error is that the reader of our output has gone, as in `analyzer ... | head`.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}
