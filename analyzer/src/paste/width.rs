//! The width at which a terminal wraps rows, or cuts them.

use std::collections::HashMap;

/// Widths of terminals and mails.
const USUAL: [usize; 14] = [72, 76, 78, 79, 80, 99, 100, 119, 120, 131, 132, 160, 200, 240];

/// Widths at which terminals and pagers cut what is longer.
const CUTS: [usize; 2] = [80, 120];

/// Columns by which a cut row may be shorter than the terminal is wide: a blank at its end, and a letter behind it.
const MOST_LOST: usize = 2;

/// The width at which rows go on in the next line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Width {
    pub(super) columns: usize,
    /// Whether more speaks for it than one row.
    pub(super) is_sure: bool,
}

impl Width {
    /// The width that most of these rows share, which are followed by lines that begin no row.
    pub(super) fn of(rows: impl Iterator<Item = usize>) -> Option<Self> {
        let mut counts: HashMap<usize, usize> = HashMap::new();
        rows.for_each(|columns| *counts.entry(columns).or_default() += 1);
        let (columns, count) = counts.into_iter().max_by_key(|&(columns, count)| (count, columns))?;
        Some(Self { columns, is_sure: count > 1 || USUAL.contains(&columns) })
    }
}

/// The columns of a line on the screen.
pub(super) fn columns(line: &str) -> usize {
    if line.is_ascii() { line.len() } else { line.chars().count() }
}

/// Whether a row of `columns` may have been cut where no line of its text has more than `longest`.
pub fn is_cut(columns: usize, longest: usize) -> bool {
    CUTS.iter().any(|&cut| longest <= cut && columns + MOST_LOST >= cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths() {
        assert_eq!(Width::of([80, 80, 190].into_iter()), Some(Width { columns: 80, is_sure: true }));
        assert_eq!(Width::of([57].into_iter()), Some(Width { columns: 57, is_sure: false }));
        assert_eq!(Width::of([120].into_iter()), Some(Width { columns: 120, is_sure: true }));
        assert_eq!(Width::of([].into_iter()), None);
    }

    #[test]
    fn rows_that_may_be_cut() {
        for (columns, longest, expected) in
            [(78, 80, true), (80, 80, true), (78, 81, false), (77, 80, false), (119, 120, true)]
        {
            assert_eq!(is_cut(columns, longest), expected, "{columns} {longest}");
        }
    }
}
