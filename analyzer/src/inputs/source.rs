//! What was read, file by file.

use std::sync::Arc;

use crate::types::{Place, Position};

/// A file that was read, or a part of one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// The file, and where the part begins.
    pub place: Place,
    /// The name of the option that says so.
    pub taken_for: &'static str,
    /// Rows, entries or facts that were read.
    pub rows: u64,
    /// Lines, rows and entries that could not be read.
    pub lost: u64,
}

impl Source {
    /// A whole file.
    pub(super) fn whole(file: &Arc<str>, taken_for: &'static str, rows: usize, lost: usize) -> Self {
        let place = Place { file: Arc::clone(file), position: Position::Whole };
        Self { place, taken_for, rows: rows as u64, lost: lost as u64 }
    }
}
