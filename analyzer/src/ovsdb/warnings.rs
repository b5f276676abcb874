//! The warnings of one input, bounded in number.

use std::sync::Arc;

use crate::types::{Place, Position, Warning};

/// Warnings kept of one input. A file broken throughout would fill memory and the screen with the same sentence.
const MAX_WARNINGS: usize = 1000;

/// Warnings of one input, in the order they came up.
pub(super) struct Warnings {
    file: Arc<str>,
    kept: Vec<Warning>,
    left_out: usize,
}

impl Warnings {
    /// No warnings yet of the input named `file`.
    pub(super) fn new(file: &str) -> Self {
        Self { file: file.into(), kept: Vec::new(), left_out: 0 }
    }

    /// A place in this input.
    pub(super) fn place(&self, position: Position) -> Place {
        Place { file: Arc::clone(&self.file), position }
    }

    /// Adds a warning.
    pub(super) fn push(&mut self, position: Position, message: impl Into<String>) {
        if self.kept.len() < MAX_WARNINGS {
            let place = self.place(position);
            self.kept.push(Warning { place, message: message.into() });
        } else {
            self.left_out += 1;
        }
    }

    /// The warnings, and as the last one how many there were besides.
    pub(super) fn finish(mut self) -> Vec<Warning> {
        if self.left_out > 0 {
            let place = self.place(Position::Whole);
            self.kept.push(Warning { place, message: format!("{} further warnings are left out", self.left_out) });
        }
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_bounded_and_says_so() {
        let mut warnings = Warnings::new("a.db");
        for offset in 0..MAX_WARNINGS as u64 + 2 {
            warnings.push(Position::Offset(offset), "odd");
        }
        let list = warnings.finish();
        assert_eq!(list.len(), MAX_WARNINGS + 1);
        assert_eq!(list.first().unwrap().to_string(), "a.db at offset 0: odd");
        assert_eq!(list.last().unwrap().to_string(), "a.db: 2 further warnings are left out");
    }
}
