//! Places in inputs, for messages.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

/// A place in an input.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Place {
    /// The file's path as the user gave it, or `standard input`.
    pub file: Arc<str>,
    /// Where in the file.
    pub position: Position,
}

/// A position in a file.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Position {
    /// The file as a whole.
    Whole,
    /// A line, counted from 1.
    Line(usize),
    /// Lines from one to another, that one included, both counted from 1.
    Lines(usize, usize),
    /// A line and a column, both counted from 1; the column counts bytes.
    LineColumn(usize, usize),
    /// An offset in bytes.
    Offset(u64),
}

impl Position {
    /// Line and column of the byte at `offset` of a text, or of its end where the text is shorter.
    pub fn in_text(text: &str, offset: usize) -> Self {
        let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
        let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
        let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
        Self::LineColumn(line, before.len() - line_start + 1)
    }

    /// The line that it is on, where it is on one.
    #[must_use]
    pub fn whole_line(self) -> Self {
        match self {
            Self::LineColumn(line, _) => Self::Line(line),
            other => other,
        }
    }

    /// The place of this one in a file in which so many lines stand before the text that it is a place of.
    #[must_use]
    pub fn below(self, lines: usize) -> Self {
        match self {
            Self::Line(line) => Self::Line(line + lines),
            Self::Lines(first, last) => Self::Lines(first + lines, last + lines),
            Self::LineColumn(line, column) => Self::LineColumn(line + lines, column),
            Self::Whole | Self::Offset(_) => self,
        }
    }
}

/// Something in an input that was passed over. What surrounds it was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Warning {
    /// Where.
    pub place: Place,
    /// What is wrong and, where it helps, what was expected. No full stop at the end.
    pub message: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Position::Whole => write!(f, "{}", self.file),
            Position::Line(line) => write!(f, "{}:{line}", self.file),
            Position::Lines(first, last) => write!(f, "{}:{first}-{last}", self.file),
            Position::LineColumn(line, column) => write!(f, "{}:{line}:{column}", self.file),
            Position::Offset(offset) => write!(f, "{} at offset {offset}", self.file),
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}
