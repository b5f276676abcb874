//! Files of conntrack entries, line by line.
//!
//! An entry that a terminal or a mail has wrapped over several lines is put together again: a line directly behind an
//! entry that looks like nothing but more of it is taken as its rest. Memory is bounded by [`MAX_ENTRY`].

use std::io::{self, BufRead, Read};
use std::mem;
use std::sync::Arc;

use super::lost::{self, MAX_GAPS};
use super::text::{Line, LineError, Start, not_an_entry, parse_entry, parse_line};
use crate::engine::fact::{Connection, Gap, Scope};
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
    sink: impl FnMut(Connection, usize),
) -> Result<Reading, ReadError> {
    let mut entries =
        Entries { sink, file: file_name.into(), pending: Pending::default(), reading: Reading::default() };
    let mut lines = Lines { reader };
    let mut line = Vec::with_capacity(512);
    loop {
        let next = lines.next(&mut line).map_err(|source| ReadError {
            file: entries.file.clone(),
            line: entries.reading.lines + 1,
            source,
        })?;
        match next {
            Next::End => break,
            Next::Line => entries.line(&mut line),
            Next::TooLong => entries.too_long(),
        }
    }
    entries.flush();
    Ok(entries.reading)
}

/// What the reader holds next.
enum Next {
    Line,
    TooLong,
    End,
}

struct Lines<R> {
    reader: R,
}

impl<R: BufRead> Lines<R> {
    /// Reads the next line without its end into `line`, which is overwritten. Passes over a line that is too long.
    fn next(&mut self, line: &mut Vec<u8>) -> io::Result<Next> {
        line.clear();
        let limit = MAX_ENTRY as u64 + 1;
        if self.reader.by_ref().take(limit).read_until(b'\n', line)? == 0 {
            return Ok(Next::End);
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if line.len() > MAX_ENTRY {
            self.reader.skip_until(b'\n')?;
            return Ok(Next::TooLong);
        }
        Ok(Next::Line)
    }
}

/// An entry that may go on in the next line.
#[derive(Default)]
struct Pending {
    /// The entry's lines, one behind the other without white space at the seams. Empty where nothing is pending.
    text: String,
    /// Where the entry starts in `text`.
    start: Option<Start>,
    /// Number of its first line.
    line: usize,
    /// Where in `text` each further line starts.
    seams: Vec<Seam>,
}

struct Seam {
    offset: usize,
    /// Length of the white space that was cut off at the line's start.
    indent: usize,
}

struct Entries<S> {
    sink: S,
    file: Arc<str>,
    pending: Pending,
    reading: Reading,
}

impl<S: FnMut(Connection, usize)> Entries<S> {
    /// Takes the next line, and leaves a buffer to use again.
    fn line(&mut self, line: &mut Vec<u8>) {
        self.reading.lines += 1;
        match String::from_utf8(mem::take(line)) {
            Ok(text) => *line = self.text(text).into_bytes(),
            Err(error) => {
                self.flush();
                let column = error.utf8_error().valid_up_to() + 1;
                *line = error.into_bytes();
                let text = String::from_utf8_lossy(line);
                self.unreadable(self.reading.lines, LineError { column, message: "no UTF-8 text".to_owned() }, &text);
            }
        }
    }

    /// Takes the next line, and gives back a string that is no longer needed.
    fn text(&mut self, text: String) -> String {
        match Line::classify(&text) {
            Line::Silent => self.flush(),
            Line::Other if self.append(&text) => {}
            Line::Other => {
                self.flush();
                self.unreadable(self.reading.lines, not_an_entry(&text), &text);
            }
            Line::Entry(start) => {
                self.flush();
                self.pending.start = Some(start);
                self.pending.line = self.reading.lines;
                return mem::replace(&mut self.pending.text, text);
            }
        }
        text
    }

    /// Adds `text` to the pending entry where it looks like the rest of it.
    fn append(&mut self, text: &str) -> bool {
        let rest = text.trim_ascii();
        let pending = &mut self.pending;
        let kept = pending.text.trim_ascii_end().len();
        if pending.start.is_none() || !looks_like_a_rest(rest) || kept + rest.len() > MAX_ENTRY {
            return false;
        }
        pending.text.truncate(kept);
        pending.seams.push(Seam { offset: kept, indent: text.len() - text.trim_ascii_start().len() });
        pending.text.push_str(rest);
        true
    }

    fn too_long(&mut self) {
        self.flush();
        self.reading.lines += 1;
        let message = format!("the line is longer than {MAX_ENTRY} bytes");
        // What it holds was not kept.
        self.unreadable(self.reading.lines, LineError { column: 1, message }, lost::ANY);
    }

    /// Reads the pending entry.
    fn flush(&mut self) {
        let Some(start) = self.pending.start.take() else { return };
        match parse_entry(&self.pending.text, start) {
            Ok(connection) => self.give(connection, self.pending.line),
            Err(error) if self.pending.seams.is_empty() => {
                let text = mem::take(&mut self.pending.text);
                self.unreadable(self.pending.line, error, &text);
                self.pending.text = text;
            }
            Err(error) => self.without_rest(error),
        }
        self.pending.seams.clear();
    }

    /// Several lines do not make an entry. Where the first does alone, the others are what cannot be read.
    fn without_rest(&mut self, error: LineError) {
        let Pending { text, line, seams, .. } = mem::take(&mut self.pending);
        if let Ok(Some(connection)) = parse_line(&text[..seams[0].offset]) {
            self.give(connection, line);
            for (index, seam) in seams.iter().enumerate() {
                let end = seams.get(index + 1).map_or(text.len(), |next| next.offset);
                let rest = &text[seam.offset..end];
                self.unreadable(line + index + 1, not_an_entry(rest), rest);
            }
            return;
        }
        let offset = error.column - 1;
        let index = seams.partition_point(|seam| seam.offset <= offset);
        let column = match index.checked_sub(1) {
            Some(last) => offset - seams[last].offset + seams[last].indent + 1,
            None => error.column,
        };
        self.unreadable(line + index, LineError { column, ..error }, &text);
    }

    fn give(&mut self, connection: Connection, line: usize) {
        self.reading.entries += 1;
        (self.sink)(connection, line);
    }

    /// Notes lines that cannot be read, of which `text` is what is there.
    fn unreadable(&mut self, line: usize, error: LineError, text: &str) {
        self.reading.unreadable += 1;
        let scope = lost::entry(text).filter(|_| self.reading.gaps.len() <= MAX_GAPS).map(Scope::Connections);
        if let Some(scope) = scope {
            // The last stands for all further ones.
            let is_last = self.reading.gaps.len() == MAX_GAPS;
            let scope = if is_last { scope.widest() } else { scope };
            let place = Place { file: self.file.clone(), position: Position::Line(line) };
            self.reading.gaps.push(Gap { scope, place, validity: Validity::ALWAYS });
        }
        if self.reading.warnings.len() < MAX_WARNINGS {
            let position = Position::LineColumn(line, error.column);
            let place = Place { file: self.file.clone(), position };
            self.reading.warnings.push(Warning { place, message: error.message });
        }
    }
}

/// Whether a line may be the rest of a wrapped entry: only what entries are made of, and white space only behind a
/// comma.
fn looks_like_a_rest(text: &str) -> bool {
    let mut after_comma = true;
    text.bytes().all(|byte| {
        let fits = match byte {
            b' ' | b'\t' => after_comma,
            b',' | b'=' | b'(' | b')' | b':' | b'.' | b'|' | b'_' | b'-' | b'/' => true,
            _ => byte.is_ascii_alphanumeric(),
        };
        after_comma = matches!(byte, b' ' | b'\t' | b',');
        fits
    })
}

#[cfg(test)]
mod tests;
