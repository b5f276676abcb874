//! The commands: each puts inputs, engine and output together.

mod conntrack;
mod counting;
mod doctor;
mod engine;
mod explain;
mod interrupting;
mod live;
mod manual;
mod nexthops;
mod nodes;
mod printing;
mod provenance;
mod repair;
mod replay;
mod running;
mod telling;
mod watching;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::CommandFactory;

use crate::cli::{Cli, Command};
use crate::output::Answer;
use crate::output::escape::Escaped;
use crate::output::say;
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
    /// No violation, but something could not be judged, or may be one if it goes on.
    Undetermined = 3,
}

impl Status {
    /// The one that counts of two nodes'.
    #[must_use]
    fn worse(self, other: Self) -> Self {
        let rank = |status: &Self| match status {
            Self::Fine => 0,
            Self::Undetermined => 1,
            Self::Failed => 2,
            Self::Violation => 3,
        };
        std::cmp::max_by_key(self, other, rank)
    }
}

impl From<Answer> for Status {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Violating => Self::Violation,
            Answer::Grace | Answer::Undetermined => Self::Undetermined,
            Answer::Ok => Self::Fine,
        }
    }
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
        Command::Live(args) => live::run(*args),
        Command::Conntrack(args) => conntrack::run(args),
        Command::Nexthops(args) => nexthops::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Repair(args) => repair::run(*args),
        Command::Doctor(args) => doctor::run(args),
        Command::Completions { shell } => {
            // clap_complete panics where the stream that it is given fails.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "analyzer", &mut script);
            printing::print(|out| out.write_all(&script))?;
            Ok(Status::Fine)
        }
        Command::Man { all: Some(folder), .. } => {
            let written = manual::write_all(&folder)?;
            printing::print(|out| written.iter().try_for_each(|path| writeln!(out, "wrote {}", path.display())))?;
            Ok(Status::Fine)
        }
        Command::Man { command, all: None } => {
            let page = manual::page(command.as_deref().unwrap_or_default())?;
            printing::print(|out| out.write_all(&page))?;
            Ok(Status::Fine)
        }
    }
}

/// Most warnings that are printed one by one.
const MAX_WARNINGS: usize = 20;

/// Says on standard error what was passed over.
fn warn(warnings: &[Warning]) {
    let mut lines: Vec<String> = warnings.iter().take(MAX_WARNINGS).map(ToString::to_string).collect();
    if warnings.len() > MAX_WARNINGS {
        lines.push(format!("... and {} more warnings", warnings.len() - MAX_WARNINGS));
    }
    lines.iter().for_each(say);
}

/// An error with its causes, for people. A cause that the message in front of it ends with already is not told again.
pub fn message(error: &anyhow::Error) -> String {
    let mut message = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !message.ends_with(&cause) {
            message.push_str(": ");
            message.push_str(&cause);
        }
    }
    Escaped(&message).to_string()
}

/// Whether an error is that the reader of our output has gone, as in `analyzer ... | head`.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}
