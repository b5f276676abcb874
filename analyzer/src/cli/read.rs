//! From what was typed to a command line, with the file of options that it names.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::{CommandFactory, FromArgMatches};
use thiserror::Error;

use super::file::{self, FileError};
use super::{Cli, Command};

/// Why there is no command line.
#[derive(Error, Debug)]
pub enum ReadError {
    /// What was typed is wrong, or asks for help.
    #[error(transparent)]
    Usage(#[from] clap::Error),
    /// The file of options cannot be read.
    #[error("cannot read {path} for --config", path = path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file of options is wrong.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Most bytes that a file of options has: what is larger is something else.
const MAX_FILE: u64 = 1 << 20;

/// The command that reads options from a file.
const LIVE: &str = "live";

impl Cli {
    /// Reads what was typed, the program's name first, and the file of options where one is named.
    ///
    /// # Errors
    /// [`ReadError`]; [`ReadError::Usage`] also where help was asked for.
    pub fn read(typed: &[OsString]) -> Result<Self, ReadError> {
        let mut command = Self::command();
        command.build();
        let matches = command.clone().try_get_matches_from(typed)?;
        let mut cli = match (matches.subcommand(), command.find_subcommand(LIVE)) {
            (Some((LIVE, live)), Some(options)) if live.contains_id("config") => {
                let path = live.get_one::<PathBuf>("config").map_or(Path::new(""), PathBuf::as_path);
                let text = text(path)?;
                let arguments = file::arguments(options, live, &text, &path.to_string_lossy().into())?;
                Self::from_arg_matches(&command.clone().try_get_matches_from(joined(typed, arguments))?)?
            }
            _ => Self::from_arg_matches(&matches)?,
        };
        if let Command::Live(args) = &mut cli.command {
            args.typed = typed.to_vec();
        }
        Ok(cli)
    }
}

/// What was typed, with the arguments of the file behind the name of the command.
fn joined(typed: &[OsString], from_file: Vec<OsString>) -> Vec<OsString> {
    let split = typed.iter().skip(1).position(|word| word == LIVE).map_or(typed.len(), |at| at + 2);
    let (before, behind) = typed.split_at(split);
    before.iter().cloned().chain(from_file).chain(behind.iter().cloned()).collect()
}

fn text(path: &Path) -> Result<String, ReadError> {
    let read = || {
        let mut text = String::new();
        File::open(path)?.take(MAX_FILE + 1).read_to_string(&mut text)?;
        if text.len() as u64 > MAX_FILE {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 1 MiB"));
        }
        Ok(text)
    };
    read().map_err(|source| ReadError::Open { path: path.to_owned(), source })
}
