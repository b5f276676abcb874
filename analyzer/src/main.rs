//! The `analyzer` command.

use std::ffi::OsString;
use std::process::ExitCode;

use analyzer::cli::{Cli, ReadError};
use analyzer::commands::{self, Status};
use analyzer::output::say;

fn main() -> ExitCode {
    let typed: Vec<OsString> = std::env::args_os().collect();
    let result = match Cli::read(&typed) {
        Ok(cli) => commands::run(cli),
        Err(ReadError::Usage(error)) => error.exit(),
        Err(error) => Err(error.into()),
    };
    match result {
        Ok(status) => status.into(),
        // Whoever read the output has gone, and so has the place to say so.
        Err(error) if commands::is_broken_pipe(&error) => Status::Failed.into(),
        Err(error) => {
            say(commands::message(&error));
            Status::Failed.into()
        }
    }
}
