//! The `analyzer` command.

use std::process::ExitCode;

use analyzer::cli::Cli;
use analyzer::commands::{self, Status};
use clap::Parser;

fn main() -> ExitCode {
    match commands::run(Cli::parse()) {
        Ok(status) => status.into(),
        // Whoever read the output has gone, and so has the place to say so.
        Err(error) if commands::is_broken_pipe(&error) => Status::Failed.into(),
        Err(error) => {
            eprintln!("analyzer: {}", commands::message(&error));
            Status::Failed.into()
        }
    }
}
