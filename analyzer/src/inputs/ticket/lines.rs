//! The lines of a ticket.

use std::ops::Range;

use super::sight::AnyRows;
use crate::paste::{self, Fence, Kind, Next};

/// Lines in which what they share must show.
const DECIDING: usize = 1000;

/// A text, line by line.
pub(super) struct Lines<'a> {
    bytes: &'a [u8],
    /// Where each line begins, and where the last one ends.
    starts: Vec<usize>,
}

/// A line without what was put around it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) kind: Kind,
    pub(super) fence: Option<Fence>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let mut starts = vec![0];
        starts.extend(bytes.iter().enumerate().filter(|&(_, &byte)| byte == b'\n').map(|(at, _)| at + 1));
        if starts.last() != Some(&bytes.len()) {
            starts.push(bytes.len());
        }
        Self { bytes, starts }
    }

    /// How many lines there are.
    pub(super) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// The bytes of lines.
    pub(super) fn bytes(&self, lines: &Range<usize>) -> &'a [u8] {
        let at = |line: usize| self.starts.get(line).copied().unwrap_or(self.bytes.len());
        self.bytes.get(at(lines.start)..at(lines.end)).unwrap_or_default()
    }

    /// Lines without prefixes, colours and frames: what they share is looked for in these lines alone. Lines that are not
    /// given, such as blank ones behind each, are silent.
    pub(super) fn undecorated(&self, lines: &Range<usize>) -> Vec<Line> {
        let mut found = vec![Line::default(); lines.len()];
        self.each(lines, |at, line| {
            if let Some(place) = found.get_mut(at - lines.start) {
                *place = line;
            }
            true
        });
        found
    }

    /// The same, one by one with its number, as long as they are wanted.
    pub(super) fn each(&self, lines: &Range<usize>, mut take: impl FnMut(usize, Line) -> bool) {
        let bytes = self.bytes(lines);
        let mut reader = paste::Lines::new(bytes, AnyRows, bytes.len()).deciding_within(DECIDING);
        // Memory can be read, and no line is longer than it.
        while let Ok(Next::Line) = reader.advance() {
            let line = reader.line();
            let at = lines.start + line.number() - 1;
            if !take(at, Line { text: line.text.to_owned(), kind: line.kind, fence: line.fence }) {
                return;
            }
        }
    }
}

impl Line {
    /// Whether it may be a row, a heading or prose.
    pub(super) fn is_data(&self) -> bool {
        self.kind == Kind::Data
    }
}
