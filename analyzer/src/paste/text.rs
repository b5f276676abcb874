//! A whole text without decoration.

use super::Shape;
use super::frames::Kind;
use super::lines::{Lines, Next};
use super::mapped::Places;
use crate::types::Position;

/// A text of lines that end in LF. Commands and frames are blank lines in it.
#[derive(Debug, Default)]
pub struct Text {
    text: String,
    /// Where lines stood, from the first on that stood elsewhere than one line behind the line before.
    places: Vec<(usize, Places)>,
    lines: usize,
}

impl Text {
    /// The text of `bytes`.
    pub fn new(bytes: &[u8], rows: impl Shape) -> Self {
        let mut text = Self { text: String::with_capacity(bytes.len()), ..Self::default() };
        let mut lines = Lines::new(bytes, rows, bytes.len());
        // Memory can be read, and no line is longer than it.
        while let Ok(Next::Line) = lines.advance() {
            let line = lines.line();
            text.push(if line.kind == Kind::Data { line.text } else { "" }, line.places());
        }
        text
    }

    fn push(&mut self, line: &str, places: &Places) {
        self.lines += 1;
        let is_next = match self.places.last() {
            Some((first, before)) => before.parts.is_empty() && before.line + (self.lines - first) == places.line,
            None => self.lines == places.line,
        };
        if !is_next || !places.parts.is_empty() {
            self.places.push((self.lines, places.clone()));
        }
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The place in the user's file of a place in this text.
    pub fn origin(&self, position: Position) -> Position {
        let (line, column) = match position {
            Position::Line(line) => (line, None),
            Position::LineColumn(line, column) => (line, Some(column)),
            Position::Whole | Position::Lines(..) | Position::Offset(_) => return position,
        };
        let index = self.places.partition_point(|&(first, _)| first <= line);
        let before = index.checked_sub(1).and_then(|index| self.places.get(index));
        match (before, column) {
            (Some((first, places)), Some(column)) if *first == line => places.position(column.saturating_sub(1)),
            (Some((first, places)), _) => {
                let line = places.line + (line - first);
                column.map_or(Position::Line(line), |column| Position::LineColumn(line, column))
            }
            (None, _) => position,
        }
    }
}
