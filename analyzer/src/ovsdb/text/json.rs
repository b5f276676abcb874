//! `--format=json`: `{"headings": [...], "data": [[...], ...]}`, one object for each table.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::datum;
use super::Rows;
use super::line::{caption, is_identifier, is_passed_over, lines};
use super::value::LOST;
use crate::types::Position;

#[derive(Deserialize)]
struct Table<'a> {
    caption: Option<String>,
    headings: Vec<String>,
    #[serde(borrow)]
    data: Vec<Vec<&'a RawValue>>,
}

/// Whether a line by itself shows that it is of this format.
pub(super) fn shows(line: &str) -> bool {
    let line = line.trim_ascii();
    ["{\"", "\"headings\"", "\"data\"", "\"caption\""].iter().any(|start| line.starts_with(start)) || line == "{"
}

/// How many objects begin a text that can be read: one or none.
pub(super) fn readable(text: &str) -> usize {
    let table = serde_json::Deserializer::from_str(text).into_iter::<Table<'_>>().next();
    usize::from(matches!(table, Some(Ok(_))))
}

/// Reads the objects from offset `start` on.
pub(super) fn read(text: &str, start: usize, rows: &mut Rows) {
    let position = Positions::new(text);
    let mut start = start;
    while let Some(at) = next_object(text, start) {
        let mut tables =
            serde_json::Deserializer::from_str(text.get(at..).unwrap_or_default()).into_iter::<Table<'_>>();
        match tables.next() {
            Some(Ok(table)) => read_table(&table, &position, rows),
            Some(Err(error)) => {
                // The error counts lines and columns from the object on.
                let (line, column) = position.line_column(at);
                let before = if error.line() <= 1 { column - 1 } else { 0 };
                let place = Position::LineColumn(line + error.line().saturating_sub(1), before + error.column());
                let reason = error.to_string();
                let reason = reason.split(" at line ").next().unwrap_or_default();
                rows.lose(place, format!("the text is used up to here: {reason}"));
                return;
            }
            None => return,
        }
        start = at + tables.byte_offset();
    }
}

/// Offset of what comes after `start` and is no blank line or caption.
fn next_object(text: &str, start: usize) -> Option<usize> {
    let rest = text.get(start..)?;
    let line = lines(rest).find(|line| !is_passed_over(line.text))?;
    Some(start + line.offset + (line.text.len() - line.text.trim_ascii_start().len()))
}

fn read_table(table: &Table<'_>, position: &Positions<'_>, rows: &mut Rows) {
    if let Some(name) = table.caption.as_deref().and_then(caption) {
        rows.caption(name);
    }
    if let Some(heading) = table.headings.iter().find(|heading| !is_identifier(heading)) {
        rows.lose(Position::Whole, format!("{heading:?} is no name of a column"));
    }
    for cells in &table.data {
        let place = |cell: &&RawValue| {
            let (line, column) = position.line_column(position.offset_of(cell.get()));
            Position::LineColumn(line, column)
        };
        if cells.len() != table.headings.len() {
            let message =
                format!("{} cells under {} headings; the row is passed over", cells.len(), table.headings.len());
            rows.lose(cells.first().map_or(Position::Whole, place), message);
            continue;
        }
        for (name, cell) in table.headings.iter().zip(cells) {
            let is_damaged = cell.get().contains(char::REPLACEMENT_CHARACTER);
            let value = serde_json::from_str(cell.get()).map_err(|error| error.to_string());
            let value = value.and_then(|json| if is_damaged { Err(LOST.to_owned()) } else { Ok(json) });
            let value = value.and_then(|json| datum::from_json(&json).map_err(|error| error.to_string()));
            rows.column(name, value, place(cell));
        }
        rows.end_row();
    }
}

/// Lines of a text, to say where something in it stands.
struct Positions<'a> {
    text: &'a str,
    line_starts: Vec<usize>,
}

impl<'a> Positions<'a> {
    fn new(text: &'a str) -> Self {
        let starts = text.match_indices('\n').map(|(at, _)| at + 1);
        Self { text, line_starts: std::iter::once(0).chain(starts).collect() }
    }

    /// Offset of a part of the text.
    fn offset_of(&self, part: &str) -> usize {
        part.as_ptr().addr().saturating_sub(self.text.as_ptr().addr())
    }

    fn line_column(&self, offset: usize) -> (usize, usize) {
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = line.checked_sub(1).and_then(|at| self.line_starts.get(at)).copied().unwrap_or(0);
        (line, offset - start + 1)
    }
}
