//! Files of conntrack entries, entry by entry.
//!
//! What was put around the entries where they were pasted is taken off, and entries that a terminal has wrapped are put
//! together again ([`crate::paste`]). Memory is bounded by [`MAX_ENTRY`].

use std::io::{self, BufRead};
use std::sync::Arc;

use super::lost::{self, MAX_GAPS};
use super::text::{EntryRows, LineError, parse_line};
use crate::engine::fact::{Connection, Gap, LostEntry, Scope};
use crate::paste::{Kind, Line, Lines, Next};
use crate::types::{Place, Position, Validity, Warning};

/// Longest entry in bytes, all its lines together. OVS prints less than 1 KiB.
pub const MAX_ENTRY: usize = 64 * 1024;

/// Warnings kept of one file. What exceeds them is only counted.
pub const MAX_WARNINGS: usize = 100;

/// What became of a file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reading {
    /// Lines read.
    pub lines: usize,
    /// Entries given to the sink.
    pub entries: usize,
    /// Lines that could not be read.
    pub unreadable: usize,
    /// Why, for the first [`MAX_WARNINGS`] of them.
    pub warnings: Vec<Warning>,
    /// Those of them that may be entries.
    pub gaps: Vec<Gap>,
}

/// The file could not be read on.
#[derive(Debug, thiserror::Error)]
#[error("{file}:{line}: cannot read conntrack entries: {source}")]
pub struct ReadError {
    /// The file.
    pub file: Arc<str>,
    /// The line after the last that was read.
    pub line: usize,
    /// Why.
    pub source: io::Error,
}

/// Reads entries and gives each to `sink`, with the number of its first line.
///
/// Lines that are no entries become warnings, and reading goes on.
///
/// # Errors
/// When `reader` fails. What was given to `sink` before stays given.
pub fn read(
    reader: impl BufRead,
    file_name: impl Into<Arc<str>>,
    mut sink: impl FnMut(Connection, usize),
) -> Result<Reading, ReadError> {
    let file: Arc<str> = file_name.into();
    let mut reading = Reading::default();
    let mut lines = Lines::new(reader, EntryRows, MAX_ENTRY);
    loop {
        let next =
            lines.advance().map_err(|source| ReadError { file: file.clone(), line: lines.number() + 1, source })?;
        let line = lines.line();
        match next {
            Next::End => break,
            Next::TooLong => {
                let position = Position::Line(line.number());
                reading.pass_over(&file, position, format!("the line is longer than {MAX_ENTRY} bytes"));
                // What it holds was not kept.
                reading.lose(&file, position, lost::any());
            }
            Next::Line if line.kind != Kind::Data => {}
            Next::Line => match parse_line(line.text) {
                Ok(Some(connection)) => {
                    reading.entries += 1;
                    sink(connection, line.number());
                }
                Ok(None) => {}
                Err(error) => reading.unread(&file, &line, error),
            },
        }
    }
    reading.lines = lines.number();
    Ok(reading)
}

impl Reading {
    /// Takes note of a line that cannot be read, and of what it may have been.
    fn unread(&mut self, file: &Arc<str>, line: &Line<'_>, LineError { column, message }: LineError) {
        let position = line.position(column - 1);
        self.pass_over(file, position, message);
        lost::entries(line.text).for_each(|entry| self.lose(file, position, entry));
    }

    /// Takes note of an entry that cannot be read: what it told is missing.
    fn lose(&mut self, file: &Arc<str>, position: Position, entry: LostEntry) {
        // The last stands for all further ones.
        let entry = match self.gaps.len() {
            MAX_GAPS => lost::any(),
            kept if kept > MAX_GAPS => return,
            _ => entry,
        };
        let place = Place { file: Arc::clone(file), position: position.whole_line() };
        self.gaps.push(Gap { scope: Scope::Connections(entry), place, validity: Validity::ALWAYS });
    }

    /// Takes note of a line that cannot be read.
    fn pass_over(&mut self, file: &Arc<str>, position: Position, message: String) {
        self.unreadable += 1;
        if self.warnings.len() < MAX_WARNINGS {
            let place = Place { file: Arc::clone(file), position };
            self.warnings.push(Warning { place, message });
        }
    }
}

#[cfg(test)]
mod tests;
