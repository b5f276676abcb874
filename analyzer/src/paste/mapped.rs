//! A line of which each part knows where it stood.

use crate::types::Position;

/// A line as it is read, with the places of its parts in the user's file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Mapped {
    pub(super) text: String,
    pub(super) places: Places,
}

/// Where the parts of a line stood.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Places {
    /// The line, counted from 1.
    pub(super) line: usize,
    /// Parts that stood elsewhere than at their own offset in that line, in order.
    pub(super) parts: Vec<Part>,
}

/// The text from an offset on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Part {
    at: usize,
    line: usize,
    /// Offset in the line of the file.
    offset: usize,
}

impl Places {
    /// Line and offset in the file of what stands at `offset`.
    pub(super) fn origin(&self, offset: usize) -> (usize, usize) {
        let index = self.parts.partition_point(|part| part.at <= offset);
        match index.checked_sub(1).and_then(|index| self.parts.get(index)) {
            Some(part) => (part.line, part.offset + (offset - part.at)),
            None => (self.line, offset),
        }
    }

    /// The place in the file of what stands at `offset`.
    pub(super) fn position(&self, offset: usize) -> Position {
        let (line, offset) = self.origin(offset);
        Position::LineColumn(line, offset + 1)
    }
}

impl Mapped {
    /// A line as it stands in the file.
    pub(super) fn plain(text: String, line: usize) -> Self {
        Self { text, places: Places { line, parts: Vec::new() } }
    }

    /// Adds what stands at `offset` of `line`.
    pub(super) fn push(&mut self, line: usize, offset: usize, text: &str) {
        let at = self.text.len();
        if self.places.origin(at) != (line, offset) {
            self.places.parts.push(Part { at, line, offset });
        }
        self.text.push_str(text);
    }

    /// Takes off the last character.
    pub(super) fn pop(&mut self) {
        self.text.pop();
        let len = self.text.len();
        self.places.parts.retain(|part| part.at <= len);
    }

    /// Takes off the first `count` bytes.
    pub(super) fn cut_front(&mut self, count: usize) {
        if count == 0 {
            return;
        }
        let (line, offset) = self.places.origin(count);
        self.text.drain(..count);
        self.places.parts.retain(|part| part.at > count);
        self.places.parts.iter_mut().for_each(|part| part.at -= count);
        self.places.parts.insert(0, Part { at: 0, line, offset });
    }

    /// Adds another line behind this one, with `glue` between them.
    pub(super) fn append(&mut self, other: &Self, glue: &str) {
        self.text.push_str(glue);
        let seam = self.text.len();
        let (line, offset) = other.places.origin(0);
        self.places.parts.push(Part { at: seam, line, offset });
        let parts = other.places.parts.iter().filter(|part| part.at > 0);
        self.places.parts.extend(parts.map(|part| Part { at: part.at + seam, ..*part }));
        self.text.push_str(&other.text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_their_places() {
        let mut first = Mapped::plain("> one".to_owned(), 3);
        first.cut_front(2);
        assert_eq!((first.text.as_str(), first.places.position(1)), ("one", Position::LineColumn(3, 4)));
        let mut second = Mapped::default();
        second.places.line = 4;
        second.push(4, 7, "t");
        second.push(4, 8, "w");
        second.push(4, 11, "o");
        first.append(&second, " ");
        assert_eq!(first.text, "one two");
        let places: Vec<Position> = [2, 4, 5, 6].map(|offset| first.places.position(offset)).to_vec();
        let expected = [(3, 5), (4, 8), (4, 9), (4, 12)].map(|(line, column)| Position::LineColumn(line, column));
        assert_eq!(places, expected);
        first.pop();
        first.cut_front(5);
        assert_eq!((first.text.as_str(), first.places.position(0)), ("w", Position::LineColumn(4, 9)));
    }
}
