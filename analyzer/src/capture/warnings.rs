//! Warnings of one file, bounded in number.

use std::sync::Arc;

use crate::types::{Place, Position, Warning};

/// Warnings kept of one file; a damaged file of gigabytes must not fill the memory with them.
const MAX_WARNINGS: u64 = 100;

/// Collects the warnings of one file.
#[derive(Debug)]
pub(super) struct Warnings {
    file: Arc<str>,
    kept: Vec<Warning>,
    total: u64,
}

impl Warnings {
    pub(super) fn new(file: Arc<str>) -> Self {
        Self { file, kept: Vec::new(), total: 0 }
    }

    /// The file that the warnings are of.
    pub(super) fn file(&self) -> Arc<str> {
        Arc::clone(&self.file)
    }

    /// Adds a warning. `message` is not called once there are too many.
    pub(super) fn push(&mut self, position: Position, message: impl FnOnce() -> String) {
        self.total += 1;
        let place = |position| Place { file: Arc::clone(&self.file), position };
        if self.total <= MAX_WARNINGS {
            self.kept.push(Warning { place: place(position), message: message() });
        } else if self.total == MAX_WARNINGS + 1 {
            let message = format!("more than {MAX_WARNINGS} warnings; the rest is counted and not shown");
            self.kept.push(Warning { place: place(Position::Whole), message });
        }
    }

    /// The warnings since the last call.
    pub(super) fn take(&mut self) -> Vec<Warning> {
        std::mem::take(&mut self.kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut() {
        let mut warnings = Warnings::new("x".into());
        for line in 1..=1000 {
            warnings.push(Position::Line(line), || "bad".to_owned());
        }
        let taken = warnings.take();
        assert_eq!(taken.len(), 101);
        assert_eq!(taken[0].to_string(), "x:1: bad");
        assert!(taken[100].message.contains("more than 100"));
        warnings.push(Position::Line(1001), || "bad".to_owned());
        assert!(warnings.take().is_empty());
    }
}
