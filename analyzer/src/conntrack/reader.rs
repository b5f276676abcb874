//! Files of conntrack entries, entry by entry.
//!
//! What was put around the entries where they were pasted is taken off, and entries that a terminal has wrapped are put
//! together again ([`crate::paste`]). Memory is bounded by [`MAX_ENTRY`].

use std::io::{self, BufRead};
use std::sync::Arc;

use super::lost::{self, MAX_GAPS};
use super::text::{EntryRows, LineError, parse_line};
use crate::engine::fact::{Connection, Gap, LostEntry, Scope};
use crate::paste::{self, Kind, Line, Lines, Next};
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
    let (mut longest, mut last) = (Longest::default(), None);
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
            Next::Line if line.kind != Kind::Data => last = None,
            Next::Line => match parse_line(line.text) {
                Ok(Some(connection)) => {
                    reading.entries += 1;
                    longest.whole(&line, &connection);
                    let position = Position::Line(line.number());
                    last = ends_in_label(line.text).then(|| (position, lost::of(&connection)));
                    sink(connection, line.number());
                }
                Ok(None) => last = None,
                Err(error) => {
                    longest.unread(&line, &error);
                    reading.unread(&file, &line, error);
                    // Digits that its label was broken before.
                    if let Some((position, entry)) = last.take().filter(|_| lost::is_end_of_label(line.text)) {
                        reading.lose(&file, position, entry);
                    }
                }
            },
        }
    }
    reading.lines = lines.number();
    for (position, entry) in longest.cut() {
        reading.pass_over(
            &file,
            position,
            "the text is cut at the width of this line, which may have gone on".to_owned(),
        );
        reading.lose(&file, position, entry);
    }
    Ok(reading)
}

/// Whether the last field of an entry is its label.
fn ends_in_label(line: &str) -> bool {
    line.rsplit(',').next().is_some_and(|field| field.starts_with("label"))
}

/// The longest lines of a text. Where one of them is torn, all are cut at the width of a terminal.
#[derive(Default)]
struct Longest {
    columns: usize,
    is_torn: bool,
    /// Of the entries in them as many as there may be gaps, and one.
    entries: Vec<(Position, LostEntry)>,
}

impl Longest {
    fn reach(&mut self, columns: usize) -> bool {
        if columns > self.columns {
            *self = Self { columns, ..Self::default() };
        }
        columns == self.columns
    }

    fn whole(&mut self, line: &Line<'_>, entry: &Connection) {
        if self.reach(line.columns) && self.entries.len() <= MAX_GAPS {
            self.entries.push((Position::Line(line.number()), lost::of(entry)));
        }
    }

    /// A line of an entry is torn if it cannot be read in its last field, and no letters of that are masked.
    fn unread(&mut self, line: &Line<'_>, error: &LineError) {
        if lost::entries(line.text).next().is_none() {
            return;
        }
        let is_masked = |rest: &str| paste::is_damaged(rest) || rest.contains("xx");
        let is_torn = line.text.get(error.column - 1..).is_none_or(|rest| !rest.contains(',') && !is_masked(rest));
        self.is_torn |= self.reach(line.columns) && is_torn;
    }

    /// The entries that may have gone on.
    fn cut(self) -> Vec<(Position, LostEntry)> {
        if self.is_torn { self.entries } else { Vec::new() }
    }
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
