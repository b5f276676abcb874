//! Where a report comes from: what was read, what was not, and the run that did it.

use crate::types::{Place, Timestamp};

/// What a report rests on.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Provenance {
    /// What was read.
    pub sources: Vec<Source>,
    /// Files of the folders given that were not read.
    pub passed_over: Vec<String>,
    /// The run; `None` where runs are to be compared.
    pub run: Option<Run>,
}

/// A file, or a part of one, or a part of the running system that was asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// The file as the user named it, and where a part of it begins; else where the running system was asked.
    pub place: Place,
    /// What it was taken for: `capture`, or the name of the option that says so.
    pub taken_for: &'static str,
    /// Size of the file in bytes, as it lies on the disk; `None` where it is none.
    pub size: Option<u64>,
    /// Frames, rows, entries or facts that were read; `None` where nobody counts them.
    pub rows: Option<u64>,
    /// Those that could not be read.
    pub lost: Option<u64>,
    /// When the file was last changed. It depends on the run, as copies have times of their own.
    pub modified: Option<Timestamp>,
}

/// What differs from run to run.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Run {
    /// Release of the program.
    pub version: &'static str,
    /// Commit that it was built from.
    pub commit: &'static str,
    /// What was typed, the program's name first.
    pub command: Vec<String>,
    /// Name of the machine.
    pub host: String,
    /// Working directory, from which names of files start.
    pub directory: Option<String>,
    /// When it began.
    pub at: Timestamp,
}

impl Run {
    /// What was typed, for a shell.
    pub fn command_line(&self) -> String {
        self.command.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
    }
}

/// A word as a shell reads it back.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:=,@%+".contains(&byte);
    match !word.is_empty() && word.bytes().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_it_back() {
        let command = ["analyzer", "explain", "udp a -> b", "", "it's", "--nb=unix:/run/x.sock", "$(x)"];
        let run = Run { command: command.map(str::to_owned).to_vec(), ..Run::default() };
        let script = format!("for word in {}; do printf '%s\\n' \"$word\"; done", run.command_line());
        let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap().lines().collect::<Vec<_>>(), command);
    }
}
