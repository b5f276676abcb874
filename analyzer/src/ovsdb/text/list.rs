//! `--format=list`: a line `column : value` for each column, a blank line after each row.

use super::line::{caption, is_identifier, is_passed_over, lines};
use super::{Rows, value};
use crate::types::Position;

/// Column name and value of a line, and the offset of the value in it.
pub(super) fn field(line: &str) -> Option<(&str, &str, usize)> {
    let colon = line.find(':')?;
    let (name, value) = (line.get(..colon)?.trim_ascii(), line.get(colon + 1..)?);
    let separated = value.is_empty() || value.starts_with([' ', '\t']);
    (is_identifier(name) && separated).then_some((name, value, colon + 1))
}

pub(super) fn read(text: &str, rows: &mut Rows) {
    for line in lines(text) {
        if let Some((name, value, start)) = field(line.text) {
            // Without anything between the rows, a column that comes again begins the next.
            if rows.has(name) {
                rows.end_row();
            }
            let value = value::parse(value);
            let at = start + value.as_ref().map_or_else(|error| error.at, |_| 0);
            let position = Position::LineColumn(line.number, at + 1);
            rows.column(name, value.map_err(|error| error.message), position);
        } else if is_passed_over(line.text) {
            rows.end_row();
            caption(line.text).into_iter().for_each(|table| rows.caption(table));
        } else {
            rows.warnings.push(Position::Line(line.number), "expected a line `column : value`; it is passed over");
        }
    }
}
