//! What people paste, without what was put around it on the way: the one step before every reader of text.
//!
//! Outputs of programs come by mail, out of tickets, terminals and logs. [`encoding`] makes UTF-8 of a file's bytes;
//! [`Lines`] gives the lines of it, one by one, without colours, marks of quotation, prefixes of log and grep, fences
//! and other decoration, and with the rows whole that a terminal had wrapped; [`Text`] gives them all at once. What a
//! row looks like is for the reader to say: [`Shape`]. docs/inputs.md lists what is taken off.
//!
//! Places stay those of the user's file: [`Line::position`], [`Text::origin`].

mod chars;
mod comments;
pub mod encoding;
mod frames;
mod lines;
mod mapped;
mod plan;
mod prefixes;
mod prompts;
mod text;
mod width;

pub use chars::is_damaged;
pub use frames::{Fence, Kind, fence, kind};
pub use lines::{Line, Lines, Next};
pub use text::Text;
pub use width::is_cut;

/// What a line by itself is likely to be for a reader, where it may be anything.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Looks {
    /// A row that was damaged, or something else that holds what such a row holds.
    Possible,
    /// What stands above rows, and is none itself.
    Heading,
    /// A row.
    Row,
}

/// What the rows of a text look like.
pub trait Shape {
    /// Whether tabs lead to the next of the stops that stand every eight columns; else each is a blank.
    const STOPS: bool = false;
    /// Whether words are told apart by blanks alone, so that one may be lost where a row was wrapped.
    const BLANKS: bool = false;

    /// Whether a blank is tried first where two parts of a row meet: no word that is cut in two reads as two.
    const BLANK_FIRST: bool = false;

    /// Whether a line begins as a row does, without anything in front but blanks.
    fn begins(&self, line: &str) -> bool;

    /// Whether a line is a row that reads to its end.
    fn is_whole(&self, line: &str) -> bool;

    /// Whether `rest` may be what a terminal put on the line behind `row`, which begins as a row does.
    fn may_follow(&self, row: &str, rest: &str) -> bool;

    /// Whether a line can be nothing else than the rest of a row, whatever the row's width.
    fn is_surely_rest(&self, _rest: &str) -> bool {
        false
    }
}

#[cfg(test)]
mod tests;
