//! Parts in blocks: lines of one kind each.

use std::ops::Range;
use std::sync::Arc;

use super::command::{Said, said};
use super::json::{self, Json};
use super::lines::{Line, Lines};
use super::parts::Part;
use super::sight::{Claimant, begins_alone, claim};
use super::{Block, Kind, MAX_BLOCKS, tables};
use crate::ovn::lr_route_list;
use crate::paste::Looks;

/// The table that rows are of that are damaged so that nothing tells: that which people paste most.
const LIKELIEST: &str = "MAC_Binding";

/// What parts hold.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) blocks: Vec<Block>,
    /// Lines that are no part of any block.
    pub(super) prose: usize,
}

/// The blocks of all parts, one more than are read at most.
pub(super) fn blocks(text: &Lines<'_>, parts: &[Part]) -> Found {
    let mut found = Found::default();
    for part in parts {
        if found.blocks.len() > MAX_BLOCKS {
            break;
        }
        let lines = text.undecorated(&part.lines);
        let said = part.command.as_deref().map_or(Said::Unknown, said);
        let router = part.command.as_deref().and_then(lr_route_list::router_of).map(str::to_owned);
        let claims = claims(&lines, said, part.is_fenced);
        let walk =
            Walk { text, part, said, router, lines: &lines, claims, open: None, taken: Vec::new(), found: &mut found };
        let taken = walk.walk();
        let taken: usize = taken.into_iter().map(|taken| data(&lines[taken])).sum();
        found.prose += data(&lines) - taken;
    }
    found
}

/// Blanks before a line.
fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// Whether a line plainly is no row of names and numbers: two words or more are of letters alone, and no number ends it that
/// could be a zone's.
fn is_prose(line: &str) -> bool {
    let of_letters = |word: &&str| {
        let word = word.trim_matches(|mark: char| mark.is_ascii_punctuation() && mark != '_');
        word.len() > 1 && word.chars().all(char::is_alphabetic)
    };
    let last = line.split_whitespace().last().unwrap_or_default();
    line.split_whitespace().filter(of_letters).nth(1).is_some() && last.parse::<u16>().is_err()
}

/// How many lines may be rows or prose.
fn data(lines: &[Line]) -> usize {
    lines.iter().filter(|line| line.is_data()).count()
}

/// Who claims a line.
#[derive(Clone, Copy)]
struct Claim {
    claimant: Claimant,
    looks: Looks,
    /// Whether a row of this kind follows before a blank line or something else.
    is_followed: bool,
}

/// Who claims each line, as far as what the command says leaves it to be a row. What the command printed ends in prose.
fn claims(lines: &[Line], mut said: Said, is_fenced: bool) -> Vec<Option<Claim>> {
    let mut is_apart = false;
    let mut claims: Vec<Option<Claim>> = Vec::with_capacity(lines.len());
    for (at, line) in lines.iter().enumerate() {
        let next = lines.get(at + 1).map_or("", |next| next.text.as_str());
        let claim = if line.is_data() { claim(&line.text, next) } else { None };
        if line.is_data() {
            if is_apart && claim.is_none() && !is_fenced {
                said = Said::Unknown;
            }
            is_apart = false;
        } else {
            is_apart |= line.text.trim().is_empty();
        }
        let claim = claim.filter(|&(claimant, looks)| match said {
            Said::OtherTable => claimant != Claimant::Table,
            Said::Foreign | Said::Owners => looks != Looks::Possible,
            Said::Table(_) | Said::Unknown => true,
        });
        claims.push(claim.map(|(claimant, looks)| Claim { claimant, looks, is_followed: false }));
    }
    for at in (1..claims.len()).rev() {
        let (before, behind) = claims.split_at_mut(at);
        if let (Some(Some(claim)), Some(Some(next))) = (before.last_mut(), behind.first()) {
            claim.is_followed = claim.claimant == next.claimant && (next.looks == Looks::Row || next.is_followed);
        }
    }
    claims
}

/// Lines that one reader claims, so far.
struct Open {
    claimant: Claimant,
    lines: Range<usize>,
    has_rows: bool,
    /// Whether any line is more than a heading.
    has_any: bool,
}

struct Walk<'a> {
    text: &'a Lines<'a>,
    part: &'a Part,
    said: Said,
    router: Option<String>,
    lines: &'a [Line],
    claims: Vec<Option<Claim>>,
    open: Option<Open>,
    taken: Vec<Range<usize>>,
    found: &'a mut Found,
}

impl Walk<'_> {
    /// Takes what is read, and returns which lines that are.
    fn walk(mut self) -> Vec<Range<usize>> {
        if let (Said::Table(table), 0) = (self.said, data(self.lines)) {
            self.take(Kind::Rows(table), 0..0, true);
            return Vec::new();
        }
        let mut json = json::Reader::new(self.lines, self.table());
        let (mut at, mut is_apart) = (0, false);
        while let Some(line) = self.lines.get(at) {
            if !line.is_data() {
                is_apart |= line.text.trim().is_empty();
                at += 1;
                continue;
            }
            if self.is_of_pods(at) {
                self.line(at, false);
                (at, is_apart) = (at + 1, false);
                continue;
            }
            match json.read(at) {
                Some(Json::Whole(lines, kind)) => {
                    self.close();
                    at = lines.end;
                    if let Some(kind) = kind {
                        self.take(kind, lines, true);
                    }
                }
                Some(Json::BrokenTable) => {
                    self.close();
                    self.take(Kind::Rows(self.table().unwrap_or(LIKELIEST)), at..self.lines.len(), false);
                    return self.taken;
                }
                None => {
                    self.line(at, is_apart && !self.part.is_fenced);
                    at += 1;
                }
            }
            is_apart = false;
        }
        self.close();
        self.taken
    }

    /// The table that the command above lists.
    fn table(&self) -> Option<&'static str> {
        match self.said {
            Said::Table(table) => Some(table),
            _ => None,
        }
    }

    /// Whether a line is part of the pods above it, whatever it looks like: their annotations hold JSON, and long keys look
    /// like columns.
    fn is_of_pods(&self, at: usize) -> bool {
        let Some(open) = self.open.as_ref().filter(|open| open.claimant == Claimant::Pods) else { return false };
        let is_any = self.claims[at].is_none_or(|claim| matches!(claim.claimant, Claimant::Pods | Claimant::Table));
        let (first, line) = (&self.lines[open.lines.start], &self.lines[at]);
        is_any && indent(&line.text) > indent(&first.text)
    }

    /// Takes in a line. `is_apart` tells that prose may begin here.
    fn line(&mut self, at: usize, is_apart: bool) {
        let claim = self.claims[at].filter(|claim| claim.claimant == Claimant::Pods || !self.is_of_pods(at));
        let is_apart = is_apart && claim.is_none_or(|claim| claim.looks == Looks::Possible);
        let goes_on = |open: &Open| match claim {
            None => !is_apart,
            Some(claim) if claim.claimant == open.claimant => !is_apart || claim.claimant == Claimant::Nexthops,
            // Headings of pods may be of anything else.
            Some(claim) => {
                claim.looks == Looks::Possible && !is_apart && (open.has_any || open.claimant != Claimant::Pods)
            }
        };
        let is_prose = claim.is_none() && !self.part.is_fenced && is_prose(&self.lines[at].text);
        match &mut self.open {
            // It is part of the text only where more of it follows.
            Some(open) if goes_on(open) && is_prose && open.claimant == Claimant::Zones => {}
            Some(open) if goes_on(open) => {
                open.lines.end = at + 1;
                open.has_rows |=
                    claim.is_some_and(|claim| claim.claimant == open.claimant && claim.looks == Looks::Row);
                open.has_any |= claim.is_some_and(|claim| claim.looks != Looks::Heading);
            }
            _ => {
                self.close();
                match claim {
                    Some(claim) => self.begin(claim, at),
                    // What follows prose is of no router that was named before it.
                    None if is_apart => self.router = None,
                    None => {}
                }
            }
        }
    }

    fn begin(&mut self, Claim { claimant, looks, is_followed }: Claim, at: usize) {
        let is_fenced = self.part.is_fenced;
        if looks == Looks::Possible && !is_followed && !begins_alone(claimant, is_fenced) {
            return;
        }
        // A fence holds what was printed: what stands above its rows may be a damaged one.
        let start = if is_fenced && self.taken.is_empty() { self.first_line(at) } else { at };
        let (has_rows, has_any) = (looks == Looks::Row, looks != Looks::Heading);
        self.open = Some(Open { claimant, lines: start..at + 1, has_rows, has_any });
    }

    fn first_line(&self, at: usize) -> usize {
        self.lines[..at].iter().position(Line::is_data).unwrap_or(at)
    }

    fn close(&mut self) {
        let Some(Open { claimant, lines, has_rows, has_any }) = self.open.take() else { return };
        if !has_any {
            return;
        }
        let kind = match claimant {
            Claimant::Capture => Kind::Capture,
            Claimant::Connections => Kind::Connections,
            Claimant::Routes => Kind::Routes { router: self.router.clone() },
            Claimant::LogicalFlows => Kind::LogicalFlows,
            Claimant::Zones => Kind::Zones,
            Claimant::Owners | Claimant::Pods => Kind::Owners,
            Claimant::Nexthops => Kind::Nexthops,
            Claimant::Table => return self.rows(lines, has_rows),
        };
        self.take(kind, lines, has_rows);
    }

    /// Takes rows of tables, table by table.
    fn rows(&mut self, lines: Range<usize>, has_rows: bool) {
        for (run, table) in tables::runs(&self.lines[lines.clone()], self.table()) {
            let run = lines.start + run.start..lines.start + run.end;
            match table {
                Some(table) => self.take(Kind::Rows(table), run, has_rows),
                None if !has_rows => self.take(Kind::Rows(LIKELIEST), run, false),
                None => {}
            }
        }
    }

    fn take(&mut self, kind: Kind, lines: Range<usize>, has_rows: bool) {
        let first = self.part.lines.start;
        let in_ticket = first + lines.start..first + lines.end;
        let bytes = match kind {
            // The reader of the one takes nothing off by itself; the rows of the other are too short to tell from what
            // stands around them.
            Kind::Nexthops | Kind::Zones => {
                let text = self.lines[lines.clone()].iter().flat_map(|line| [line.text.as_bytes(), b"\n"]);
                text.flatten().copied().collect()
            }
            _ => self.text.bytes(&in_ticket).into(),
        };
        self.taken.push(lines);
        let command = self.part.command.as_deref().map(Arc::from);
        self.found.blocks.push(Block { kind, lines: in_ticket, bytes, has_rows, command });
    }
}
