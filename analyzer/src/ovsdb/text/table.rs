//! `--format=table`: headings, a line of dashes under each, rows in columns of that width.

use super::Rows;
use super::line::{caption, is_identifier, is_passed_over, lines};
use crate::types::Position;

/// A column: its name, and where it begins and ends in each line, in bytes.
pub(super) type Column<'a> = (&'a str, usize, usize);

/// The columns that a line of headings and one of dashes under it make.
pub(super) fn columns<'a>(headings: &'a str, dashes: &str) -> Option<Vec<Column<'a>>> {
    let mut columns = Vec::new();
    let mut start = dashes.len() - dashes.trim_ascii_start().len();
    for run in dashes.trim_ascii().split(' ') {
        let end = start + run.len();
        let name = headings.get(start..end.min(headings.len()))?.trim_ascii_end();
        if run.is_empty() || run.bytes().any(|byte| byte != b'-') || !is_identifier(name) {
            return None;
        }
        columns.push((name, start, end));
        start = end + 1;
    }
    let last_end = columns.last().map_or(0, |column| column.2);
    headings.get(last_end..).unwrap_or_default().is_empty().then_some(columns)
}

/// Whether a line may stand under headings.
pub(super) fn is_underline(line: &str) -> bool {
    let line = line.trim_ascii();
    line.len() > 2 && line.bytes().all(|byte| matches!(byte, b'-' | b' '))
}

pub(super) fn read(text: &str, rows: &mut Rows) {
    let mut table: Option<Vec<Column<'_>>> = None;
    let mut lines = lines(text).peekable();
    while let Some(line) = lines.next() {
        if let Some(columns) = lines.peek().and_then(|next| columns(line.text, next.text)) {
            table = Some(columns);
            lines.next();
        } else if let Some(name) = caption(line.text) {
            table = None;
            rows.caption(name);
        } else if is_passed_over(line.text) {
            table = None;
        } else if let Some(columns) = &table {
            if !row(line.text, line.number, columns, rows) {
                rows.lose(Position::Line(line.number), "the row does not fit the headings; it is passed over");
            }
        } else {
            rows.pass_over(line.number, line.text, "no headings before this line; it is passed over");
        }
    }
}

/// Reads a row; false where text stands between the columns or after them, or where a character spans two.
fn row(line: &str, number: usize, columns: &[Column<'_>], rows: &mut Rows) -> bool {
    let end = columns.last().map_or(0, |column| column.2);
    let cell = |&(_, start, end): &Column<'_>| match line.len() {
        length if length <= start => Some(""),
        length => line.get(start..end.min(length)),
    };
    let between_blank = columns.iter().all(|&(_, start, _)| {
        let before = start.checked_sub(1).and_then(|at| line.as_bytes().get(at));
        before.is_none_or(|byte| *byte == b' ')
    });
    let Some(cells) = columns.iter().map(cell).collect::<Option<Vec<&str>>>() else {
        return false;
    };
    if !between_blank || line.len() > end {
        return false;
    }
    for (&(name, start, _), cell) in columns.iter().zip(cells) {
        rows.cell(name, cell, |at| Position::LineColumn(number, start + at + 1));
    }
    rows.end_row();
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_and_dashes() {
        let cases: &[(&str, &str, Option<&[Column<'_>]>)] = &[
            ("_uuid ip  mac", "----- --- ---", Some(&[("_uuid", 0, 5), ("ip", 6, 9), ("mac", 10, 13)])),
            ("  ip  mac", "  --- ---", Some(&[("ip", 2, 5), ("mac", 6, 9)])),
            ("mac", "---------", Some(&[("mac", 0, 9)])),
            ("a longer line", "-----", None),
            ("ip mac", "-----", None),
            ("ip : mac", "-- - ---", None),
            ("ip mac", "-- ==-", None),
            ("ip", "--  --", None),
            ("ip", "", None),
            ("\u{e4}p", "- --", None),
        ];
        for (headings, dashes, expected) in cases {
            assert_eq!(columns(headings, dashes).as_deref(), *expected, "{headings}");
        }
    }
}
