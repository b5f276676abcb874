//! Aligned columns.

use std::io;

/// Writes rows with each column as wide as its widest cell. The last column is not padded.
pub(in crate::output) fn write_columns<const N: usize>(
    out: &mut impl io::Write,
    rows: &[[String; N]],
) -> io::Result<()> {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line.push_str(cell);
            let padding = width - cell.chars().count() + 2;
            line.extend(std::iter::repeat_n(' ', padding));
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alignment() {
        let row = |a: &str, b: &str, c: &str| [a.to_owned(), b.to_owned(), c.to_owned()];
        let mut out = Vec::new();
        write_columns(&mut out, &[row("a", "bb", "c"), row("aaa", "", "cc"), row("ä", "b", "")]).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "a    bb  c\naaa      cc\nä    b\n");
    }
}
