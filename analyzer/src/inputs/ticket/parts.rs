//! A ticket in parts: what stands between fences and commands.

use std::ops::Range;

use super::MAX_PARTS;
use super::command::{self, Said};
use super::lines::{Line, Lines};
use crate::inputs::load::MAY_BE_EMPTY;
use crate::paste::{self, Fence, Kind};

/// Lines that stand together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Part {
    pub(super) lines: Range<usize>,
    /// Whether they stand in a fence, which holds no prose.
    pub(super) is_fenced: bool,
    /// The command above them.
    pub(super) command: Option<String>,
}

/// The parts of a ticket.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) parts: Vec<Part>,
    /// The line of the first part that is one too many.
    pub(super) too_many_at: Option<usize>,
}

/// Most fences and commands: between two of them may be nothing.
const MAX_ENDS: usize = 4 * MAX_PARTS;

struct Splitter {
    found: Parts,
    start: usize,
    has_data: bool,
    command: Option<String>,
    /// The fence that is open.
    open: Option<Fence>,
    /// Marks of quotation before the last line.
    depth: usize,
    /// Fences and commands so far.
    ends: usize,
}

/// Takes a text apart. What is left of it by [`MAX_PARTS`] is not looked at.
pub(super) fn parts(text: &Lines<'_>) -> Parts {
    let mut splitter =
        Splitter { found: Parts::default(), start: 0, has_data: false, command: None, open: None, depth: 0, ends: 0 };
    text.each(&(0..text.len()), |at, line| {
        splitter.line(at, &line);
        splitter.found.too_many_at.is_none()
    });
    if splitter.found.too_many_at.is_none() {
        splitter.end(text.len(), true);
    }
    splitter.found
}

impl Splitter {
    fn line(&mut self, at: usize, line: &Line) {
        let (depth, bare) = unquoted(&line.text);
        let (fence, kind) = match depth {
            0 => (line.fence, line.kind),
            _ => (paste::fence(bare), paste::kind(bare)),
        };
        if let Some(fence) = fence {
            let closes = self.closes(fence);
            self.end(at, closes);
            self.open = if closes { None } else { Some(fence) };
            // What stands behind the mark is of what it opens.
            self.start = if kind == Kind::Data { at } else { at + 1 };
            self.has_data = kind == Kind::Data;
        } else if kind == Kind::Command && !command::is_comment(bare) {
            self.end(at, true);
            (self.start, self.command) = (at + 1, Some(bare.to_owned()));
        } else if kind == Kind::Data {
            if depth > self.depth {
                self.end(at, false);
                self.start = at;
            }
            (self.depth, self.has_data) = (depth, true);
        }
    }

    /// Whether a mark closes the fence that is open.
    fn closes(&self, fence: Fence) -> bool {
        match fence {
            Fence::Either(_) => self.open == Some(fence),
            Fence::Opens => false,
            Fence::Closes => true,
        }
    }

    /// Ends the part at work before this line. Where it holds nothing, the command goes with what a fence opens next,
    /// unless it `is_over`.
    fn end(&mut self, at: usize, is_over: bool) {
        self.ends += 1;
        let is_empty_table =
            || is_over && self.command.as_deref().is_some_and(|command| prints_nothing(command, self.open.is_some()));
        if self.has_data || is_empty_table() {
            let (lines, is_fenced) = (self.start..at.max(self.start), self.open.is_some());
            self.found.parts.push(Part { lines, is_fenced, command: self.command.take() });
        } else if is_over {
            self.command = None;
        }
        self.has_data = false;
        if self.ends > MAX_ENDS || self.found.parts.len() > MAX_PARTS {
            self.found.too_many_at = Some(at);
        }
    }
}

/// Whether it tells something that a command printed nothing: of tables that may well be empty.
fn prints_nothing(command: &str, is_fenced: bool) -> bool {
    let is_typed = is_fenced || command.contains(['$', '#']);
    // What is sought may be in no row of a table that has some, and what goes elsewhere is not seen.
    let is_whole = !command.contains(['|', '>']) && !command.split_whitespace().any(|word| word == "find");
    is_typed && is_whole && matches!(command::said(command), Said::Table(table) if MAY_BE_EMPTY.contains(&table))
}

/// How many marks of quotation a line begins with, and what stands behind them.
fn unquoted(line: &str) -> (usize, &str) {
    let (mut depth, mut rest) = (0, line);
    while let Some(behind) = rest.trim_start_matches(' ').strip_prefix(['>', '|']) {
        depth += 1;
        rest = behind.strip_prefix(' ').unwrap_or(behind);
    }
    (depth, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First and last line of each part, whether it is fenced, and its command.
    fn split(text: &str) -> Vec<(usize, usize, bool, Option<String>)> {
        let parts = parts(&Lines::new(text.as_bytes()));
        assert_eq!(parts.too_many_at, None);
        let told = |part: Part| (part.lines.start + 1, part.lines.end, part.is_fenced, part.command);
        parts.parts.into_iter().map(told).collect()
    }

    #[test]
    fn fences_and_commands() {
        let text = "Hello\n\n```\nrow\n```\nbye\n{noformat}\n$ ls x\nrow\nrow\n{noformat}\n";
        let expected =
            [(1, 2, false, None), (4, 4, true, None), (6, 6, false, None), (9, 10, true, Some("$ ls x".to_owned()))];
        assert_eq!(split(text), expected);
    }

    #[test]
    fn a_command_goes_with_the_fence_below_it() {
        let command = Some("$ ovn-nbctl lr-route-list GR_w".to_owned());
        let text = "$ ovn-nbctl lr-route-list GR_w\n\n```\nrow\n```\nbye\n";
        assert_eq!(split(text), [(4, 4, true, command), (6, 6, false, None)]);
    }

    #[test]
    fn quoted_parts() {
        let text = "Hello\n> ```\n> row\n> ```\nand\n> row\n";
        assert_eq!(split(text), [(1, 1, false, None), (3, 3, true, None), (5, 5, false, None), (6, 6, false, None)]);
    }

    #[test]
    fn a_table_without_rows_is_told() {
        let command = Some("$ ovn-nbctl list BFD".to_owned());
        assert_eq!(
            split("$ ovn-nbctl list BFD\n$ ls\n"),
            [(2, 1, false, command)].map(|(_, _, fenced, command)| (2, 1, fenced, command))
        );
        assert_eq!(split("$ ovn-nbctl list MAC_Binding\n$ ls\n"), []);
        assert_eq!(split("ovn-nbctl list BFD shows nothing\n"), []);
    }

    #[test]
    fn marks_of_quotation() {
        assert_eq!(unquoted("> > a > b"), (2, "a > b"));
        assert_eq!(unquoted(">>a"), (2, "a"));
        assert_eq!(unquoted("a"), (0, "a"));
    }
}
