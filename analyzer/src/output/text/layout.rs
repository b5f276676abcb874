//! Lines, indents, columns and colours.

use std::io;

/// How text is laid out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Style {
    /// Whether to mark what matters by colour, with the escape sequences of ECMA-48 section 8.3.117 (SGR).
    pub colour: bool,
    /// Columns that prose is wrapped at. Commands are not wrapped, so that they can be copied.
    pub width: usize,
    /// Flows shown of each group (`--limit`).
    pub limit: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self { colour: false, width: 100, limit: 20 }
    }
}

/// Columns of a label such as `last legal`, with the space behind it.
const LABEL: usize = 12;

/// Where text is written to.
pub(super) struct Page<'a> {
    out: &'a mut dyn io::Write,
    style: Style,
}

impl<'a> Page<'a> {
    pub(super) fn new(out: &'a mut dyn io::Write, style: Style) -> Self {
        Self { out, style }
    }

    pub(super) fn limit(&self) -> usize {
        self.style.limit
    }

    pub(super) fn blank(&mut self) -> io::Result<()> {
        writeln!(self.out)
    }

    /// The verdict on the run, or the heading of a group: bold, and red for what is wrong.
    pub(super) fn head(&mut self, text: &str, wrong: bool) -> io::Result<()> {
        let (start, end) = match (self.style.colour, wrong) {
            (false, _) => ("", ""),
            (true, true) => ("\x1b[1;31m", "\x1b[0m"),
            (true, false) => ("\x1b[1m", "\x1b[0m"),
        };
        for line in wrap(text, self.style.width) {
            writeln!(self.out, "{start}{line}{end}")?;
        }
        Ok(())
    }

    /// The heading of a section, behind a blank line.
    pub(super) fn section(&mut self, title: &str) -> io::Result<()> {
        self.blank()?;
        self.head(title, false)
    }

    /// A line that is not wrapped.
    pub(super) fn line(&mut self, indent: usize, text: &str) -> io::Result<()> {
        writeln!(self.out, "{:indent$}{text}", "")
    }

    /// Prose.
    pub(super) fn prose(&mut self, indent: usize, text: &str) -> io::Result<()> {
        self.hanging(indent, "", 0, text)
    }

    /// Prose behind a dash.
    pub(super) fn bullet(&mut self, text: &str) -> io::Result<()> {
        self.hanging(2, "-", 2, text)
    }

    /// Prose behind a label.
    pub(super) fn labelled(&mut self, indent: usize, label: &str, text: &str) -> io::Result<()> {
        self.hanging(indent, label, LABEL, text)
    }

    /// Rows behind a label, in columns.
    pub(super) fn labelled_table<const N: usize>(
        &mut self,
        indent: usize,
        label: &str,
        rows: &[[String; N]],
    ) -> io::Result<()> {
        for (index, row) in columns(rows).iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            writeln!(self.out, "{:indent$}{label:LABEL$}{row}", "")?;
        }
        Ok(())
    }

    /// Rows in columns.
    pub(super) fn table<const N: usize>(&mut self, indent: usize, rows: &[[String; N]]) -> io::Result<()> {
        columns(rows).iter().try_for_each(|row| self.line(indent, row))
    }

    fn hanging(&mut self, indent: usize, label: &str, hang: usize, text: &str) -> io::Result<()> {
        let width = self.style.width.saturating_sub(indent + hang);
        for (index, line) in wrap(text, width).iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            writeln!(self.out, "{:indent$}{label:hang$}{line}", "")?;
        }
        Ok(())
    }
}

/// Lines of at most `width` characters, broken at spaces. A longer word has a line of its own.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let len = word.chars().count();
        if used > 0 && used + 1 + len > width {
            lines.push(String::new());
            used = 0;
        }
        if let Some(line) = lines.last_mut() {
            if used > 0 {
                line.push(' ');
                used += 1;
            }
            line.push_str(word);
            used += len;
        }
    }
    lines
}

/// Rows with their cells padded to columns, two spaces apart. Cells that start with a digit and hold a unit line up at
/// the right, as numbers do.
fn columns<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    rows.iter()
        .map(|row| {
            let cells: Vec<_> = row
                .iter()
                .zip(widths)
                .filter(|(_, width)| *width > 0)
                .map(|(cell, width)| match is_count(cell) {
                    true => format!("{cell:>width$}"),
                    false => format!("{cell:<width$}"),
                })
                .collect();
            cells.join("  ").trim_end().to_owned()
        })
        .collect()
}

fn is_count(cell: &str) -> bool {
    cell.split_once(' ').is_some_and(|(number, _)| number.bytes().all(|byte| byte.is_ascii_digit() || byte == b','))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapping() {
        assert_eq!(wrap("", 10), [""]);
        assert_eq!(wrap("to be or not", 5), ["to be", "or", "not"]);
        assert_eq!(wrap("a longestword b", 4), ["a", "longestword", "b"]);
        assert_eq!(wrap("äö üß", 5), ["äö üß"]);
    }

    #[test]
    fn columns_line_up() {
        let rows = [["a".to_owned(), "1 packet".to_owned()], ["bcd".to_owned(), "1,000 packets".to_owned()]];
        assert_eq!(columns(&rows), ["a         1 packet", "bcd  1,000 packets"]);
        assert_eq!(columns::<2>(&[]), Vec::<String>::new());
    }
}
