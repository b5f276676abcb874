//! The text of a history: lines of JSON, of which the first is a header.
//!
//! A line that is damaged is passed over; the others count. The header has the number of lines, so that a file cut at
//! the end of a line is noticed, too.

use std::io::{self, BufRead, Read};
use std::mem;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use self::dto::FactDto;
use super::told::Told;
use super::{Bounds, Ended, History, MAX_HOLDING, Pending};
use crate::engine::fact::Fact;
use crate::types::{Place, Position, Timestamp, Validity, Warning};

mod dto;

/// Version of the format.
const VERSION: u32 = 1;

/// Room for the header, in bytes.
const MAX_HEADER: usize = 200;

/// Longest line that is read, in bytes. Names in OVN are not bounded, but no one types such.
const MAX_LINE: usize = 64 << 10;

/// Warnings told of one file; what exceeds them is counted.
const MAX_WARNINGS: usize = 20;

#[derive(Serialize, Deserialize)]
struct Header {
    analyzer_history: u32,
    /// When it was saved.
    #[serde(with = "dto::time")]
    saved: Timestamp,
    /// Lines that follow.
    facts: usize,
}

/// What every version of the header has.
#[derive(Deserialize)]
struct AnyHeader {
    analyzer_history: u32,
}

#[derive(Serialize, Deserialize)]
struct Line {
    fact: FactDto,
    /// When a pending fact was last known to hold, if that was before the file was saved.
    #[serde(default, with = "dto::option_time", skip_serializing_if = "Option::is_none")]
    seen: Option<Timestamp>,
}

/// Longest text of a history, in bytes: what is read of one, and written.
pub const MAX_TEXT: usize = 32 << 20;

/// The text of a history.
#[derive(Debug)]
pub struct Encoded {
    /// Lines of JSON.
    pub text: Vec<u8>,
    /// Facts that found no room in it.
    pub left_out: usize,
}

/// The text of a history as it is at `saved`, at most `most` bytes: what ended last comes first, up to half of it, then
/// what holds, then the rest.
pub fn encode(history: &History, saved: Timestamp, most: usize) -> Encoded {
    let since = |from| Validity { from: Some(from), until: None };
    let is_useful = |told: &Told| match told {
        Told::Binding(binding) => history.nexthops.contains_key(&binding.ip),
        _ => true,
    };
    let holding = history.holding.iter().filter(|(told, _)| is_useful(told));
    let holding = holding.map(|(told, held)| (told.fact(held.confirmed, since(held.from)), None));
    let pending = history.pending.iter();
    let pending = pending.map(|(told, held)| (told.fact(held.confirmed, since(held.from)), Some(held.seen)));
    let mut ended = history.ended_last_first().map(|fact| (fact, None));
    let mut lines = Lines { text: Vec::new(), facts: 0, left_out: 0, most: most.saturating_sub(MAX_HEADER) };
    let half = lines.most / 2;
    while lines.text.len() < half
        && let Some((fact, seen)) = ended.next()
    {
        lines.add(fact, seen);
    }
    for (fact, seen) in holding.chain(pending).chain(ended) {
        lines.add(fact, seen);
    }
    let Lines { text: mut lines, facts, left_out, .. } = lines;
    let mut text = Vec::with_capacity(lines.len() + MAX_HEADER);
    write_line(&mut text, &Header { analyzer_history: VERSION, saved, facts });
    text.append(&mut lines);
    Encoded { text, left_out }
}

/// Lines of a text that is bounded.
struct Lines {
    text: Vec<u8>,
    facts: usize,
    left_out: usize,
    most: usize,
}

impl Lines {
    fn add(&mut self, fact: Fact, seen: Option<Timestamp>) {
        let Some(fact) = FactDto::of(fact) else { return };
        let length = self.text.len();
        write_line(&mut self.text, &Line { fact, seen });
        if self.text.len() > self.most {
            self.text.truncate(length);
            self.left_out += 1;
        } else {
            self.facts += 1;
        }
    }
}

fn write_line(text: &mut Vec<u8>, line: &impl Serialize) {
    serde_json::to_writer(&mut *text, line).expect("writing to memory does not fail, and all keys are strings");
    text.push(b'\n');
}

/// Reads the text of a history, or of the tail of one, which begins with a whole line. `now` bounds its times: after the
/// clock was set back, what ended must not go on.
///
/// # Errors
/// When reading fails; a text that is damaged is no error.
pub fn decode(
    reader: impl BufRead,
    file: &Arc<str>,
    bounds: Bounds,
    now: Timestamp,
    is_tail: bool,
) -> io::Result<(History, Vec<Warning>)> {
    let mut decoder = Decoder {
        file,
        now,
        max_lines: MAX_HOLDING.saturating_add(bounds.facts).saturating_add(1),
        saved: None,
        latest: None,
        held: Vec::new(),
        ended: Vec::new(),
        warnings: Vec::new(),
        left_out: 0,
    };
    decoder.read(reader, usize::from(is_tail))?;
    Ok(decoder.finish(bounds))
}

/// A fact that held when the file was saved.
struct Held {
    told: Told,
    confirmed: Option<Timestamp>,
    from: Timestamp,
    seen: Option<Timestamp>,
}

struct Decoder<'a> {
    file: &'a Arc<str>,
    now: Timestamp,
    /// Lines that a history of these bounds can have, with its header.
    max_lines: usize,
    saved: Option<Timestamp>,
    /// The latest time that any line tells.
    latest: Option<Timestamp>,
    held: Vec<Held>,
    ended: Vec<Ended>,
    warnings: Vec<Warning>,
    /// Warnings that were too many.
    left_out: usize,
}

impl Decoder<'_> {
    /// Reads all lines behind those that were passed over, of which the first was the header.
    fn read(&mut self, mut reader: impl BufRead, passed_over: usize) -> io::Result<()> {
        let mut line = Vec::new();
        let mut number = passed_over;
        let mut expected = None;
        loop {
            line.clear();
            let length = reader.by_ref().take(MAX_LINE as u64 + 1).read_until(b'\n', &mut line)?;
            if length == 0 {
                break;
            }
            number += 1;
            if number > self.max_lines {
                let message = format!("the file has more than {} lines; the rest is left out", self.max_lines);
                self.warn(Position::Line(number), message);
                return Ok(());
            }
            let is_whole = line.pop_if(|byte| *byte == b'\n').is_some();
            if !is_whole && length > MAX_LINE {
                self.warn(Position::Line(number), format!("the line is longer than {} KiB", MAX_LINE >> 10));
                reader.skip_until(b'\n')?;
                continue;
            }
            if number == 1 {
                match self.header(&line) {
                    Ok(lines) => expected = lines,
                    Err(OtherVersion) => return Ok(()),
                }
                // A line that is no header may be a fact, where the head of the file is lost.
                if self.saved.is_some() {
                    continue;
                }
            }
            self.line(number, &line, is_whole);
        }
        if let Some(expected) = expected.filter(|expected| number <= *expected) {
            let missing = expected + 1 - number;
            self.warn(Position::Line(number), format!("the file ends here, but {missing} further lines were written"));
        }
        Ok(())
    }

    /// The number of lines that follow; `None` where the line is damaged or no header.
    fn header(&mut self, line: &[u8]) -> Result<Option<usize>, OtherVersion> {
        if let Ok(AnyHeader { analyzer_history }) = serde_json::from_slice(line)
            && analyzer_history != VERSION
        {
            let message = format!(
                "the history is in version {analyzer_history} of the format, this program reads version {VERSION}: it \
                 starts with none and will write over the file"
            );
            self.warn(Position::Line(1), message);
            return Err(OtherVersion);
        }
        match serde_json::from_slice(line) {
            Ok(Header { saved, facts, .. }) => {
                self.saved = Some(saved);
                Ok(Some(facts))
            }
            Err(_) => {
                let message = "expected the header of a history; what held when it was saved is taken to have ended at \
                               the latest time in the file";
                self.warn(Position::Line(1), message.to_owned());
                Ok(None)
            }
        }
    }

    fn line(&mut self, number: usize, text: &[u8], is_whole: bool) {
        let line: Line = match serde_json::from_slice(text) {
            Ok(line) => line,
            // Said of the header already.
            Err(_) if number == 1 => return,
            Err(error) if !is_whole && error.is_eof() => {
                return self.warn(Position::Line(number), "the line is cut; its fact is lost".to_owned());
            }
            Err(error) => {
                let column = error.column();
                return self
                    .warn(Position::LineColumn(number, column), format!("this is no fact of a history: {error}"));
            }
        };
        let Line { fact, seen } = line;
        let Validity { from, until } = fact.validity();
        let (Some((told, confirmed)), Some(from)) = (Told::of(&fact.into()), from) else {
            return self.warn(Position::Line(number), "the fact has no beginning".to_owned());
        };
        self.latest = self.latest.max(Some(from)).max(until);
        match until {
            Some(until) => self.ended.push(Ended { told, confirmed, from, until }),
            None => self.held.push(Held { told, confirmed, from, seen }),
        }
    }

    fn finish(mut self, bounds: Bounds) -> (History, Vec<Warning>) {
        let saved = self.saved.or(self.latest).unwrap_or(self.now);
        if saved > self.now {
            let message = format!("it was saved at {saved}, which is in the future: the clock was set back");
            self.warn(Position::Whole, message);
        }
        let mut history = History::new(bounds);
        for Held { told, confirmed, from, seen } in mem::take(&mut self.held) {
            let seen = seen.unwrap_or(saved).min(self.now);
            if history.pending.contains_key(&told) {
                continue;
            }
            history.refer(&told);
            history.pending.insert(told, Pending { from: from.min(seen), confirmed, seen });
        }
        self.ended.sort_by_key(|ended| ended.until);
        // Routes first: they tell which bindings are of use.
        let (bindings, routes): (Vec<_>, Vec<_>) =
            mem::take(&mut self.ended).into_iter().partition(|ended| matches!(ended.told, Told::Binding(_)));
        for ended in routes.into_iter().chain(bindings) {
            history.refer(&ended.told);
            history.keep(Ended { until: ended.until.min(self.now), ..ended });
        }
        history.forget(self.now);
        history.changes = 0;
        (history, self.told_warnings())
    }

    fn warn(&mut self, position: Position, message: String) {
        if self.warnings.len() < MAX_WARNINGS {
            self.warnings.push(Warning { place: Place { file: Arc::clone(self.file), position }, message });
        } else {
            self.left_out += 1;
        }
    }

    fn told_warnings(mut self) -> Vec<Warning> {
        if self.left_out > 0 {
            let message = format!("{} further warnings are left out", self.left_out);
            let place = Place { file: Arc::clone(self.file), position: Position::Whole };
            self.warnings.push(Warning { place, message });
        }
        self.warnings
    }
}

/// The file is in another version of the format.
struct OtherVersion;
