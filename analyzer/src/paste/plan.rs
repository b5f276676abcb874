//! How a text is decorated as a whole, by its first lines.

use super::frames::Kind;
use super::lines::Cleaned;
use super::prefixes::{self, Prefix};
use super::width::{Width, columns};

/// Fewest lines of text that show that a blank line stands behind each.
const MIN_DOUBLED: usize = 3;

/// What is taken off all lines alike.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    pub(super) prefixes: Vec<Prefix>,
    /// Whether a blank line stands behind each line.
    pub(super) is_doubled: bool,
    /// The width at which rows go on in the next line.
    pub(super) width: Option<Width>,
}

impl Plan {
    /// Finds the prefixes of lines.
    pub(super) fn find_prefixes(&mut self, lines: &[&str], begins: &dyn Fn(&str) -> bool) {
        self.prefixes = prefixes::detect(lines, begins);
    }

    /// Finds what shows once the prefixes are off.
    pub(super) fn find_layout(&mut self, lines: &[Cleaned]) {
        let is_data = |line: &Cleaned| line.kind == Kind::Data;
        let texts = lines.iter().filter(|line| is_data(line)).count();
        let adjacent = lines.windows(2).any(|pair| pair.iter().all(is_data));
        self.is_doubled = texts >= MIN_DOUBLED && !adjacent;
        let step = if self.is_doubled { 2 } else { 1 };
        let pairs = lines.iter().zip(lines.iter().skip(step));
        let wrapped = pairs.filter(|(row, rest)| row.begins && rest.kind == Kind::Data && !rest.begins);
        self.width = Width::of(wrapped.map(|(row, _)| columns(&row.mapped.text)));
    }
}
