//! `--format=list`: a line `column : value` for each column, a blank line after each row.

use super::Rows;
use super::line::{caption, is_identifier, is_passed_over, lines};
use crate::types::Position;

/// Width to which column names are filled up, so that a shorter one has a blank before the colon.
const NAME_WIDTH: usize = 20;

/// Column name and value of a line, and the offset of the value in it. The blank before the colon tells it from
/// messages as `error: no such table`.
pub(super) fn field(line: &str) -> Option<(&str, &str, usize)> {
    let colon = line.find(':')?;
    let (filled, value) = (line.get(..colon)?.trim_ascii_start(), line.get(colon + 1..)?);
    let name = filled.trim_ascii_end();
    let separated = value.is_empty() || value.starts_with([' ', '\t']);
    let filled_up = name.len() < filled.len() || name.len() >= NAME_WIDTH;
    (is_identifier(name) && separated && filled_up).then_some((name, value, colon + 1))
}

pub(super) fn read(text: &str, rows: &mut Rows) {
    for line in lines(text) {
        if let Some((name, value, start)) = field(line.text) {
            // Without anything between the rows, a column that comes again begins the next.
            if rows.has(name) {
                rows.end_row();
            }
            rows.cell(name, value, |at| Position::LineColumn(line.number, start + at + 1));
        } else if is_passed_over(line.text) {
            rows.end_row();
            caption(line.text).into_iter().for_each(|table| rows.caption(table));
        } else {
            rows.pass_over(line.number, line.text, "expected a line `column : value`; it is passed over");
        }
    }
}
