//! `--format=csv`: a line of headings, then rows; cells with commas, quotes or new-lines are quoted as in RFC 4180.

use std::borrow::Cow;

use super::super::datum;
use super::Rows;
use super::line::{caption, is_identifier, is_passed_over};
use crate::types::Position;

/// Whether a line names columns.
fn is_heading(line: &str) -> bool {
    line.split(',').all(is_identifier)
}

/// Whether a line by itself shows that it is of this format: several columns, or a row that its UUID begins.
pub(super) fn shows(line: &str) -> bool {
    let first = line.split(',').next().unwrap_or_default();
    first.len() < line.len() && (is_heading(line.trim_ascii_end()) || datum::uuid(first).is_some())
}

/// How many lines below a heading are rows of it.
pub(super) fn readable(text: &str) -> usize {
    let mut lines = text.lines().map(str::trim_ascii_end);
    let columns = lines.next().unwrap_or_default().split(',').count();
    let is_row = |line: &&str| {
        !line.is_empty() && (columns > 1 || !line.contains([' ', '\t']) || line.starts_with(['"', '[', '{']))
    };
    lines.take_while(is_row).filter(|line| columns == 1 || line.split(',').count() >= columns).count()
}

/// Whether a table begins with `line`. A word alone may begin any text; it is a heading if no sentence follows, for a
/// cell with blanks is quoted or bracketed.
pub(super) fn begins(line: &str, next: &str) -> bool {
    let one_column = !line.contains(',');
    let cell = next.starts_with(['"', '[', '{']) || !next.trim_ascii().contains([' ', '\t']);
    is_heading(line) && (cell || !one_column)
}

pub(super) fn read(text: &str, rows: &mut Rows) {
    let mut headings: Vec<&str> = Vec::new();
    let mut cursor = Cursor { text, at: 0, line: 1, line_start: 0 };
    while !cursor.rest().is_empty() {
        let number = cursor.line;
        let line = cursor.peek_line();
        // A blank line ends a table; the next has headings of its own.
        let between = headings.is_empty();
        if let Some(table) = caption(line) {
            headings.clear();
            rows.caption(table);
        } else if is_passed_over(line) {
            headings.clear();
        } else if between && is_heading(line) {
            headings = line.split(',').collect();
        } else if between {
            rows.pass_over(number, line, "expected column names; the line is passed over");
        } else {
            record(&mut cursor, &headings, rows);
            continue;
        }
        cursor.skip_line();
    }
}

/// Reads a row.
fn record(cursor: &mut Cursor<'_>, headings: &[&str], rows: &mut Rows) {
    let line = cursor.line;
    let mut cells = Vec::new();
    loop {
        let position = cursor.position();
        let Some(cell) = cursor.cell() else {
            rows.lose(position, "a quoted cell does not end, or text follows its quote; the row is passed over");
            cursor.skip_line();
            return;
        };
        cells.push((cell, position));
        if !cursor.take(',') {
            break;
        }
    }
    cursor.skip_line();
    if cells.len() != headings.len() {
        let message = format!("{} cells under {} headings; the row is passed over", cells.len(), headings.len());
        rows.lose(Position::Line(line), message);
        return;
    }
    for (name, (cell, position)) in headings.iter().zip(cells) {
        // A quoted cell is not printed as it is.
        rows.cell(name, &cell, |_| position);
    }
    rows.end_row();
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
    /// Counted from 1.
    line: usize,
    line_start: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn position(&self) -> Position {
        Position::LineColumn(self.line, self.at - self.line_start + 1)
    }

    /// What is left of this line, without blanks at its end.
    fn peek_line(&self) -> &'a str {
        self.rest().split('\n').next().unwrap_or_default().trim_ascii_end()
    }

    fn skip_line(&mut self) {
        let length = self.rest().find('\n').map_or(self.rest().len(), |end| end + 1);
        self.advance(length);
    }

    fn advance(&mut self, length: usize) {
        let passed = self.rest().get(..length).unwrap_or_default();
        if let Some(last) = passed.rfind('\n') {
            self.line += passed.matches('\n').count();
            self.line_start = self.at + last + 1;
        }
        self.at += length;
    }

    fn take(&mut self, token: char) -> bool {
        let comes = self.rest().starts_with(token);
        if comes {
            self.advance(token.len_utf8());
        }
        comes
    }

    /// A cell, up to the comma or the end of the line.
    fn cell(&mut self) -> Option<Cow<'a, str>> {
        if !self.rest().starts_with('"') {
            let cell = self.peek_line().split(',').next().unwrap_or_default();
            self.advance(cell.len());
            return Some(Cow::Borrowed(cell));
        }
        let start = self.at + 1;
        let mut end = start;
        loop {
            end += self.text.get(end..)?.find('"')?;
            if !self.text.get(end + 1..)?.starts_with('"') {
                break;
            }
            end += 2;
        }
        let quoted = self.text.get(start..end)?;
        let followed = self.text.get(end + 1..)?.split('\n').next()?.trim_ascii_end();
        if !followed.is_empty() && !followed.starts_with(',') {
            return None;
        }
        self.advance(end + 1 - self.at);
        Some(Cow::Owned(quoted.replace("\"\"", "\"")))
    }
}
