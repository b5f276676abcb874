//! Lines of a text, one by one, as they were before they were pasted.

use std::collections::VecDeque;
use std::io::{self, BufRead, Read};
use std::mem;

use super::Shape;
use super::chars::{self, Glance};
use super::comments;
use super::frames::{self, Fence, Kind, kind};
use super::mapped::{Mapped, Places};
use super::plan::Plan;
use super::width::columns;
use crate::types::Position;

/// Lines that are looked at together to find how a text is decorated, and the most bytes of them.
const HEAD_LINES: usize = 1000;
const HEAD_BYTES: usize = 256 * 1024;

/// Most lines that a row was wrapped into.
const MAX_PARTS: usize = 24;

/// The lines of a text.
///
/// Memory is bounded by the longest line: what is looked at ahead is its first thousand lines until the first row is met,
/// and then the lines that one row may be wrapped into.
pub struct Lines<R, F> {
    reader: R,
    rows: F,
    /// Longest line in bytes, and longest row of several.
    max: usize,
    plan: Plan,
    /// Whether the lines so far told how the text is decorated.
    is_decided: bool,
    /// Lines after which what they told counts, if no row was met.
    decides_within: usize,
    /// Lines read ahead, the next one first.
    ahead: VecDeque<Cleaned>,
    current: Cleaned,
    /// A buffer to use again.
    spare: Vec<u8>,
    /// Whether the line before the next is no blank one.
    is_behind_text: bool,
    /// Lines read.
    number: usize,
    failure: Option<io::Error>,
}

/// A line read ahead.
#[derive(Debug, Default)]
pub(super) struct Cleaned {
    pub(super) mapped: Mapped,
    pub(super) kind: Kind,
    pub(super) begins: bool,
    /// Whether nothing but blanks stood in it.
    pub(super) is_blank: bool,
    state: State,
    /// Columns of the last of its parts on the screen.
    columns: usize,
    /// Whether it was printable ASCII from the start.
    is_plain: bool,
    may_hold_comment: bool,
    has_comment: bool,
    /// The fence that stood in it.
    fence: Option<Fence>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum State {
    #[default]
    Whole,
    /// Without an end: the text may be cut here.
    Cut,
    TooLong,
}

/// A line as it was read.
struct Raw {
    bytes: Vec<u8>,
    number: usize,
    state: State,
}

/// What comes next in a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// A line: [`Lines::line`].
    Line,
    /// A line of more bytes than a line may have, which was passed over.
    TooLong,
    /// The end.
    End,
}

/// A line without decoration.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Its text: empty where it is [`Kind::Silent`].
    pub text: &'a str,
    /// What it is.
    pub kind: Kind,
    /// Whether it has an end. The last line of a text that is cut has none.
    pub is_whole: bool,
    /// Whether a comment stood behind the row.
    pub has_comment: bool,
    /// Columns of its last part on the screen.
    pub columns: usize,
    /// The fence that stood in it.
    pub fence: Option<Fence>,
    mapped: &'a Mapped,
}

impl Line<'_> {
    /// Its number in the user's file, counted from 1: that of its first part where it was wrapped.
    pub fn number(&self) -> usize {
        self.mapped.places.line
    }

    pub(super) fn places(&self) -> &Places {
        &self.mapped.places
    }

    /// The place in the user's file of what stands at an offset of [`Line::text`].
    pub fn position(&self, offset: usize) -> Position {
        self.mapped.places.position(offset)
    }
}

impl<R: BufRead, F: Shape> Lines<R, F> {
    /// The lines of `reader`. `max` is the most bytes of a line, and of a row that was wrapped.
    pub fn new(reader: R, rows: F, max: usize) -> Self {
        Self {
            reader,
            rows,
            max,
            plan: Plan::default(),
            is_decided: false,
            decides_within: usize::MAX,
            ahead: VecDeque::new(),
            current: Cleaned::default(),
            spare: Vec::new(),
            is_behind_text: false,
            number: 0,
            failure: None,
        }
    }

    /// The same where it is found in so many lines at most how the text is decorated: a text without any row is not looked
    /// at again and again.
    #[must_use]
    pub fn deciding_within(mut self, lines: usize) -> Self {
        self.decides_within = lines;
        self
    }

    /// The same where so many lines of the file stand before the text.
    #[must_use]
    pub fn below(mut self, lines: usize) -> Self {
        self.number = lines;
        self
    }

    /// Lines read so far.
    pub fn number(&self) -> usize {
        self.number
    }

    /// What the lines are read of. Some of the lines that follow are read already.
    pub fn reader(&self) -> &R {
        &self.reader
    }

    /// Steps to the next line.
    ///
    /// # Errors
    /// When the reader fails, after the lines before were given.
    pub fn advance(&mut self) -> io::Result<Next> {
        let Some(next) = self.take()? else { return Ok(Next::End) };
        let last = mem::replace(&mut self.current, next);
        self.spare = last.mapped.text.into_bytes();
        if self.current.state == State::TooLong {
            return Ok(Next::TooLong);
        }
        if self.current.begins {
            while self.current.state == State::Whole && self.join()? {}
            self.cut_comment();
        }
        Ok(Next::Line)
    }

    /// The line that the last [`Lines::advance`] reached.
    pub fn line(&self) -> Line<'_> {
        let Cleaned { mapped, kind, state, has_comment, columns, fence, .. } = &self.current;
        Line {
            text: &mapped.text,
            kind: *kind,
            is_whole: *state == State::Whole,
            has_comment: *has_comment,
            columns: *columns,
            fence: *fence,
            mapped,
        }
    }

    /// The next line as it stands.
    fn take(&mut self) -> io::Result<Option<Cleaned>> {
        if self.ahead.is_empty() && !self.look(0)? {
            return Ok(None);
        }
        Ok(self.ahead.pop_front())
    }

    /// Reads ahead until the line of this index is there; `false` where the text ends before.
    fn look(&mut self, index: usize) -> io::Result<bool> {
        while self.ahead.len() <= index {
            if !self.is_decided {
                if !self.read_head()? {
                    return Ok(false);
                }
                continue;
            }
            let spare = mem::take(&mut self.spare);
            let Some(raw) = self.read_raw(spare)? else { return Ok(false) };
            let cleaned = self.undecorate(chars_off(raw));
            self.keep(cleaned);
        }
        Ok(true)
    }

    /// Puts a line behind those read ahead, unless it is the blank one that stands behind each.
    fn keep(&mut self, cleaned: Cleaned) {
        let is_extra = self.plan.is_doubled && cleaned.is_blank && self.is_behind_text;
        self.is_behind_text = !cleaned.is_blank;
        if !is_extra {
            self.ahead.push_back(cleaned);
        }
    }

    /// Reads the next lines and finds how they are decorated; `false` at the end of the text.
    fn read_head(&mut self) -> io::Result<bool> {
        let mut head = Vec::new();
        let mut bytes = 0;
        while head.len() < HEAD_LINES && bytes < HEAD_BYTES {
            match self.read_raw(Vec::new()) {
                Ok(Some(raw)) => {
                    bytes += raw.bytes.len();
                    head.push(chars_off(raw));
                }
                Ok(None) => break,
                // What was read before is given first.
                Err(error) if !head.is_empty() => {
                    self.failure = Some(error);
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        let texts: Vec<&str> =
            head.iter().map(|line| line.mapped.text.trim_end()).filter(|text| !text.is_empty()).collect();
        self.plan = Plan::default();
        let rows = &self.rows;
        self.plan.find_prefixes(&texts, &|line| rows.begins(line));
        let lines: Vec<Cleaned> = head.into_iter().map(|line| self.undecorate(line)).collect();
        self.is_decided = lines.iter().any(|line| line.begins) || self.number >= self.decides_within;
        self.plan.find_layout(&lines);
        let is_any = !lines.is_empty();
        lines.into_iter().for_each(|line| self.keep(line));
        Ok(is_any)
    }

    /// Reads a line into `bytes`, without its end.
    fn read_raw(&mut self, mut bytes: Vec<u8>) -> io::Result<Option<Raw>> {
        bytes.clear();
        if let Some(error) = self.failure.take() {
            return Err(error);
        }
        let limit = self.max as u64 + 1;
        match self.reader.by_ref().take(limit).read_until(b'\n', &mut bytes) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) if !bytes.is_empty() => self.failure = Some(error),
            Err(error) => return Err(error),
        }
        self.number += 1;
        let mut state = State::Cut;
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
            bytes.pop_if(|last| *last == b'\r');
            state = State::Whole;
        } else if bytes.len() > self.max {
            bytes.clear();
            self.reader.skip_until(b'\n')?;
            state = State::TooLong;
        }
        Ok(Some(Raw { bytes, number: self.number, state }))
    }

    /// Takes prefixes and frames off a line, and finds out what it is.
    fn undecorate(&self, mut line: Cleaned) -> Cleaned {
        let rows = &self.rows;
        let mapped = &mut line.mapped;
        for prefix in &self.plan.prefixes {
            let Some(end) = prefix.end(&mapped.text, &|line| rows.begins(line)) else { break };
            mapped.cut_front(end);
        }
        if !line.is_plain {
            chars::untab(mapped, F::STOPS);
        }
        line.begins = rows.begins(&mapped.text);
        if !line.begins {
            line.fence = frames::fence(&mapped.text);
            frames::unframe(mapped);
            line.begins = rows.begins(&mapped.text);
        } else if mapped.text.ends_with(['}', ']', '>']) {
            frames::unframe_end(mapped);
        }
        line.is_blank = !line.begins && line.state != State::TooLong && mapped.text.bytes().all(|byte| byte == b' ');
        line.kind = if line.begins { Kind::Data } else { kind(&mapped.text) };
        if line.kind == Kind::Silent {
            mapped.text.clear();
        }
        line.columns = columns(&mapped.text);
        line
    }

    /// Puts the lines that follow behind the current row where they are the rest of it; `false` where they are not.
    ///
    /// A joined row must read to its end. Where the row does so by itself too, the next line is its rest only if the
    /// row ends at the width at which the text is wrapped.
    fn join(&mut self) -> io::Result<bool> {
        if !self.look(0)? || !self.may_follow(0) {
            return Ok(false);
        }
        let is_whole = self.rows.is_whole(&self.current.mapped.text);
        if is_whole && !self.is_wrapped() && !self.rows.is_surely_rest(self.ahead[0].mapped.text.trim()) {
            return Ok(false);
        }
        let mut joined = self.current.mapped.clone();
        let mut columns = self.current.columns;
        let mut index = 0;
        while index < MAX_PARTS && self.look(index)? && self.may_follow(index) {
            let rest = &self.ahead[index];
            if joined.text.len() + rest.mapped.text.len() >= self.max {
                break;
            }
            let glues = self.glues(columns);
            let whole = glues.into_iter().find_map(|glue| {
                let mut whole = joined.clone();
                whole.append(&rest.mapped, glue);
                self.rows.is_whole(&whole.text).then_some(whole)
            });
            if let Some(whole) = whole {
                self.put_together(whole, index);
                return Ok(true);
            }
            if is_whole {
                return Ok(false);
            }
            columns = rest.columns;
            joined.append(&rest.mapped, glues[0]);
            index += 1;
        }
        self.join_lost(index);
        Ok(false)
    }

    /// Puts the lines that can be nothing else than the rest of the current row behind it, though nothing makes it read to
    /// its end: it is one row that is lost. `count` lines are read ahead.
    fn join_lost(&mut self, count: usize) {
        let is_rest = |rest: &&Cleaned| self.rows.is_surely_rest(rest.mapped.text.trim());
        let parts: Vec<&Cleaned> = self.ahead.iter().take(count).take_while(is_rest).collect();
        let Some(last) = parts.len().checked_sub(1) else { return };
        let mut joined = self.current.mapped.clone();
        let mut columns = self.current.columns;
        for part in parts {
            joined.append(&part.mapped, self.glues(columns)[0]);
            columns = part.columns;
        }
        self.put_together(joined, last);
    }

    /// Makes the current row of what it was and the lines read ahead up to this index.
    fn put_together(&mut self, mapped: Mapped, last: usize) {
        self.current.mapped = mapped;
        self.current.may_hold_comment = true;
        if let Some(part) = self.ahead.drain(..=last).next_back() {
            self.current.columns = part.columns;
            self.current.state = part.state;
        }
    }

    /// Whether a line read ahead may be the rest of the current row.
    fn may_follow(&self, index: usize) -> bool {
        self.ahead.get(index).is_some_and(|rest| {
            rest.kind == Kind::Data
                && !rest.begins
                && rest.state != State::TooLong
                && self.rows.may_follow(&self.current.mapped.text, &rest.mapped.text)
        })
    }

    /// Whether the current row ends where rows of this text go on in the next line.
    fn is_wrapped(&self) -> bool {
        self.plan.width.is_some_and(|width| width.is_sure && self.current.columns == width.columns)
    }

    /// What may have stood between a part of so many columns and the next, the likeliest first. A terminal puts nothing
    /// there; a blank that ended the part may have been lost.
    fn glues(&self, columns: usize) -> [&'static str; 2] {
        match self.plan.width.filter(|width| columns == width.columns) {
            _ if !F::BLANKS => ["", ""],
            Some(_) if !F::BLANK_FIRST => ["", " "],
            _ => [" ", ""],
        }
    }

    /// Takes off the comment behind the current row.
    fn cut_comment(&mut self) {
        if !self.current.may_hold_comment {
            return;
        }
        let text = &self.current.mapped.text;
        let end = comments::starts(text)
            .map(|start| text[..start].trim_end_matches(' ').len())
            .find(|&end| self.rows.is_whole(&text[..end]));
        if let Some(end) = end {
            self.current.mapped.text.truncate(end);
            self.current.has_comment = true;
        }
    }
}

/// Takes off what stands in single characters.
fn chars_off(raw: Raw) -> Cleaned {
    let Raw { bytes, number, state } = raw;
    let Glance { is_plain, may_hold_comment } = chars::glance(&bytes);
    let mapped = match if is_plain { String::from_utf8(bytes).map_err(|error| error.into_bytes()) } else { Err(bytes) }
    {
        Ok(text) => Mapped::plain(text, number),
        Err(bytes) => chars::clean(&bytes, number),
    };
    Cleaned { mapped, state, is_plain, may_hold_comment, ..Cleaned::default() }
}
