//! Text of `ovn-nbctl lr-route-list ROUTER`, of every era (`print_route` in OVN's utilities/ovn-nbctl.c).
//!
//! ```text
//! IPv4 Routes
//! Route Table <main>:
//!             10.168.16.230               198.19.3.15 src-ip rtoe-GR_worker-08 ecmp ecmp-symmetric-reply bfd
//! ```
//!
//! Prefix and next hop (an address, `discard`, or nothing) are padded to 25 columns; policy, output port, `(learned)`
//! and the words of ECMP and BFD follow. `Route Table` headings came with 21.12. Before 21.03 the words `ecmp`,
//! `ecmp-symmetric-reply` and `bfd` were not printed.
//!
//! People hand over excerpts: rows without headings, several listings in one file. Shell prompts tell the router then.

mod lost;

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::Facts;
use super::lines::{each_line, words};
use super::moments::{self, Asked, Listings};
use crate::engine::fact::{BfdRef, Fact, Policy, Route, RouteOrigin, Scope, Source};
use crate::ovsdb::is_uuid;
use crate::paste::{self, Kind, Line, Looks, Shape};
use crate::types::{IpPrefix, Place, Position, Validity};

/// Longest line that is read, in bytes. A row of OVN has less than 200.
const MAX_LINE: usize = 4096;

/// Columns of a next hop.
const NEXTHOP_COLUMNS: usize = 25;

/// Words that follow a route's port, or its policy.
const FLAGS: [&str; 5] = ["ecmp", "ecmp-symmetric-reply", "(learned)", "override-connected", "bfd"];

/// The routes of a listing. `router` is the router that the rows belong to, where the caller knows it; a prompt in
/// the text (`# ovn-nbctl lr-route-list GR_worker-08`) overrides it for the rows below.
pub fn parse(text: &[u8], router: Option<&str>, file: &Arc<str>) -> Facts {
    let mut listing = Listing {
        file,
        given: router,
        router: router.map(Arc::from),
        route_table: "".into(),
        tells_ecmp: false,
        longest: 0,
        routes: Vec::new(),
        known: HashSet::new(),
        sections: Vec::new(),
        facts: Facts::default(),
    };
    each_line(text, RouteRows, MAX_LINE, |line| match line {
        Ok(line) => listing.line(&line),
        Err(bad) => {
            let any = Scope::Routes { router: None, policy: None, prefix: None };
            listing.facts.lose(file, bad.position(), any, bad.to_string());
        }
    });
    listing.finish()
}

/// What rows of lr-route-list look like.
struct RouteRows;

impl Shape for RouteRows {
    const BLANKS: bool = true;
    const BLANK_FIRST: bool = true;

    fn begins(&self, line: &str) -> bool {
        words(line).next().is_some_and(|(_, word)| word.parse::<IpPrefix>().is_ok() || lost::is_masked(word))
    }

    fn is_whole(&self, line: &str) -> bool {
        let Some((_, _, mut rest)) = destination(line) else { return false };
        let has_policy = rest.next().is_some_and(|(_, word)| policy(word).is_some());
        let is_known = |(nth, (_, word)): (usize, (usize, &str))| FLAGS.contains(&word) || nth == 0 && is_port(word);
        has_policy && rest.enumerate().all(is_known)
    }

    fn may_follow(&self, _: &str, rest: &str) -> bool {
        !is_heading(rest.trim())
    }

    fn is_surely_rest(&self, rest: &str) -> bool {
        rest.split(' ').all(|word| FLAGS.contains(&word))
    }
}

/// What a line is likely to be that may be of any text. A sentence may name two addresses; a row begins with one, or names
/// its policy.
pub fn looks(line: &str) -> Option<Looks> {
    if is_heading(line.trim()) {
        return Some(Looks::Heading);
    }
    let has_policy = line.contains("-ip") && words(line).any(|(_, word)| policy(word).is_some());
    match (RouteRows.begins(line), has_policy) {
        (true, true) => Some(Looks::Row),
        (false, true) => lost::row(line, None).map(|_| Looks::Possible),
        (true, false) => {
            let second = words(line).nth(1).map(|(_, word)| word);
            let is_nexthop =
                |word: &str| word.parse::<IpPrefix>().is_ok() || lost::is_masked(word) || word == "discard";
            second.is_none_or(is_nexthop).then_some(Looks::Possible)
        }
        (false, false) => None,
    }
}

/// The router that the command in a line of prose lists the routes of: what follows it there may be any word.
pub fn router_of(line: &str) -> Option<&str> {
    let router = command(line).and_then(router_argument)?.trim_end_matches(['`', '"', '\'', ':', ',', '.', ')']);
    let is_name = router.bytes().any(|byte| byte.is_ascii_digit() || byte == b'_');
    is_name.then_some(router)
}

/// A row that was understood.
struct Row {
    route: Route,
    /// Whether the row has a word of those that came with 21.03.
    has_new_words: bool,
    has_ecmp: bool,
    /// Whether its port has lost characters, or goes on behind a blank.
    has_broken_port: bool,
    /// Words that no version of OVN known to us prints.
    unknown: Vec<(usize, String)>,
}

/// Why a line is no row, and the offset at which it shows.
struct NoRow {
    offset: usize,
    message: String,
}

/// A route, and the line that told it.
struct Told {
    number: usize,
    route: Route,
    /// Columns of its last line on the screen.
    columns: usize,
    /// Whether more words may have followed.
    may_go_on: bool,
    /// Whether it ends in part of a word.
    is_cut: bool,
    /// Whether it ends in a blank, behind which a word may have stood.
    ends_in_blank: bool,
    has_ecmp: bool,
}

struct Listing<'a> {
    file: &'a Arc<str>,
    /// The router that the caller names.
    given: Option<&'a str>,
    router: Option<Arc<str>>,
    route_table: Arc<str>,
    /// Whether anything shows that the format has the words of ECMP.
    tells_ecmp: bool,
    /// Columns of the longest line on the screen.
    longest: usize,
    routes: Vec<Told>,
    known: HashSet<Route>,
    /// Listings, by the commands above them and by their headings.
    sections: Vec<Section>,
    facts: Facts,
}

/// A listing among several.
struct Section {
    command: Option<Arc<str>>,
    position: Position,
    routes: Vec<Fact>,
    /// Whether the headings of IPv4 and of IPv6 were there.
    has: [bool; 2],
    /// Whether something stands for rows that were left out.
    is_trimmed: bool,
}

impl Section {
    fn new(command: Option<Arc<str>>, position: Position) -> Self {
        Self { command, position, routes: Vec::new(), has: [false; 2], is_trimmed: false }
    }
}

impl Listing<'_> {
    fn line(&mut self, line: &Line<'_>) {
        self.longest = self.longest.max(line.columns);
        let trimmed = line.text.trim();
        match line.kind {
            Kind::Command => self.command(trimmed, line.position(0)),
            Kind::Silent => {}
            Kind::Data => self.data(line, trimmed),
        }
    }

    fn command(&mut self, line: &str, position: Position) {
        if let Some(arguments) = command(line) {
            self.router = router_argument(arguments).or(self.given).map(Arc::from);
            self.route_table = "".into();
            self.sections.push(Section::new(Some(arguments.trim().into()), position));
        }
    }

    fn data(&mut self, line: &Line<'_>, trimmed: &str) {
        if let Some(family) = family(trimmed) {
            self.route_table = "".into();
            self.begin(family, line.position(0));
        } else if let Some(table) = route_table(trimmed) {
            self.tells_ecmp = true;
            self.route_table = if table == "<main>" { "".into() } else { table.into() };
        } else {
            match self.row(line.text) {
                Ok(row) => self.take(line, row),
                // Words of the row above that a terminal put here and that do not make it whole.
                Err(NoRow { offset, message }) if is_torn_off(trimmed) => {
                    if let Some(told) = self.routes.last_mut() {
                        told.is_cut = true;
                    }
                    self.facts.warn(self.file, line.position(offset), message);
                }
                Err(NoRow { offset, message }) => {
                    let position = line.position(offset);
                    if let Some(section) = self.sections.last_mut() {
                        section.is_trimmed |= moments::is_trimmed(trimmed.as_bytes());
                    }
                    match lost::row_or_heading(line.text, self.router.clone()) {
                        Some(scope) => self.facts.lose(self.file, position, scope, message),
                        None => self.facts.warn(self.file, position, message),
                    }
                }
            }
        }
    }

    fn take(&mut self, line: &Line<'_>, row: Row) {
        let is_part = row.unknown.last().is_some_and(|(offset, word)| {
            line.text.trim_end().len() == offset + word.len()
                && FLAGS.iter().any(|flag| flag.starts_with(word.as_str()))
        });
        let unknown = if is_part { &row.unknown[..row.unknown.len() - 1] } else { &row.unknown[..] };
        // Behind a blank another word stood.
        let is_cut = is_part || row.has_broken_port || unknown.iter().any(|(_, word)| lost::may_be_flag(word));
        if let Some(&(offset, _)) = unknown.first() {
            self.behind(line, offset);
        }
        for (offset, word) in unknown {
            let message = format!("the word {word:?} is not known and was passed over; the rest of the row was read");
            self.facts.warn(self.file, line.position(*offset), message);
        }
        if line.has_comment {
            let message = "the comment behind this row was not read".to_owned();
            self.facts.assume(self.file, Position::Line(line.number()), message);
        }
        self.tells_ecmp |= row.has_new_words;
        if self.sections.is_empty() {
            self.sections.push(Section::new(None, line.position(0)));
        }
        if let Some(section) = self.sections.last_mut() {
            section.routes.push(Fact::Route(row.route.clone()));
        }
        // The same row in two excerpts is one route.
        if self.known.insert(row.route.clone()) {
            let (number, columns) = (line.number(), line.columns);
            let may_go_on = !line.has_comment && row.route.bfd == BfdRef::None;
            let (has_ecmp, ends_in_blank) = (row.has_ecmp, ends_in_one_blank(line.text));
            self.routes.push(Told { number, route: row.route, columns, may_go_on, is_cut, ends_in_blank, has_ecmp });
        }
    }

    /// What stands behind a row, from the offset on, where the ends of lines were lost: it may be another row, or a heading.
    fn behind(&mut self, line: &Line<'_>, offset: usize) {
        let rest = &line.text[offset..];
        let scope = match lost::row(rest, self.router.clone()) {
            Some(Scope::Routes { router, policy, .. }) => Scope::Routes { router, policy, prefix: None },
            _ if lost::may_hold_heading(line.text) => {
                Scope::Routes { router: self.router.clone(), policy: None, prefix: None }
            }
            _ => return,
        };
        let message = "another row may stand behind this one, which was not read".to_owned();
        self.facts.lose(self.file, line.position(offset), scope, message);
    }

    /// Begins the routes of a family; where the listing has some already, another listing.
    fn begin(&mut self, family: usize, position: Position) {
        if self.sections.last().is_none_or(|section| section.has[family]) {
            let command = self.sections.last().and_then(|section| section.command.clone());
            self.sections.push(Section::new(command, position));
        }
        if let Some(section) = self.sections.last_mut() {
            section.has[family] = true;
        }
    }

    fn row(&self, line: &str) -> Result<Row, NoRow> {
        match destination(line) {
            Some((prefix, nexthop, rest)) => self.route(prefix, nexthop, rest),
            None => Err(no_destination(line)),
        }
    }

    /// Reads what follows prefix and next hop.
    fn route<'l>(
        &self,
        prefix: IpPrefix,
        nexthop: Option<IpAddr>,
        mut rest: impl Iterator<Item = (usize, &'l str)>,
    ) -> Result<Row, NoRow> {
        let (offset, word) = rest.next().unwrap_or((0, ""));
        let Some(policy) = policy(word) else {
            let message = format!("{word:?} is no policy: expected src-ip or dst-ip after the next hop");
            return Err(NoRow { offset, message });
        };
        let mut route = Route {
            router: self.router.clone(),
            route_table: Arc::clone(&self.route_table),
            policy,
            prefix,
            nexthop,
            output_port: None,
            symmetric_reply: false,
            override_connected: false,
            origin: RouteOrigin::Static,
            bfd: BfdRef::None,
            port_key: None,
            source: Source::LrRouteList,
            validity: Validity::ALWAYS,
        };
        let (mut has_new_words, mut has_ecmp) = (false, false);
        let mut unknown = Vec::new();
        let mut last_flag = 0;
        for (nth, (offset, word)) in rest.enumerate() {
            last_flag = if FLAGS.contains(&word) { offset } else { last_flag };
            has_new_words |= matches!(word, "ecmp" | "ecmp-symmetric-reply" | "bfd");
            match word {
                "ecmp" => has_ecmp = true,
                "ecmp-symmetric-reply" => route.symmetric_reply = true,
                "(learned)" => route.origin = RouteOrigin::Learned,
                "override-connected" => route.override_connected = true,
                "bfd" => route.bfd = BfdRef::Attached,
                port if nth == 0 && is_port(port) => route.output_port = Some(port.into()),
                other => unknown.push((offset, other.to_owned())),
            }
        }
        let port = route.output_port.as_deref().unwrap_or_default();
        let goes_on = port.ends_with(['-', '_', '.']) && !unknown.is_empty();
        let has_broken_port =
            paste::is_damaged(port) || goes_on || unknown.iter().any(|&(offset, _)| offset < last_flag);
        Ok(Row { route, has_new_words, has_ecmp, has_broken_port, unknown })
    }

    /// Turns the rows into facts. Where a route has several next hops and no row tells it, the listing is older than
    /// 21.03; where the listing is not, the row was cut.
    fn finish(mut self) -> Facts {
        let key = |route: &Route| {
            let Route { router, route_table, policy, prefix, .. } = route;
            (router.clone(), Arc::clone(route_table), *policy, *prefix)
        };
        let mut nexthops = HashMap::new();
        // The words of ECMP stand with static routes; before there were any, all rows count.
        let counts = |route: &Route| !self.tells_ecmp || route.origin == RouteOrigin::Static;
        for told in self.routes.iter().filter(|told| counts(&told.route)) {
            *nexthops.entry(key(&told.route)).or_insert(0) += 1;
        }
        // What pads each row with a blank cuts none.
        let are_padded = self.routes.len() > 1 && self.routes.iter().all(|told| told.ends_in_blank);
        // Where a word is cut in the longest row, as long ones are cut behind a word.
        let is_torn = self.routes.iter().any(|told| told.is_cut && told.columns == self.longest);
        let (mut first_old, mut first_cut) = (None, None);
        for Told { number, mut route, columns, may_go_on, is_cut, ends_in_blank, has_ecmp } in self.routes {
            let is_one_of_several = nexthops.get(&key(&route)).is_some_and(|&nexthops| nexthops > 1);
            if is_one_of_several && !self.tells_ecmp {
                route.symmetric_reply = true;
                first_old.get_or_insert(number);
            }
            let lacks_ecmp = is_one_of_several && self.tells_ecmp && !has_ecmp && route.origin == RouteOrigin::Static;
            let lost_words = ends_in_blank && (!are_padded || route.output_port.is_none());
            let is_damaged = is_cut || lost_words || lacks_ecmp || may_go_on && is_torn && columns == self.longest;
            if is_damaged {
                let Route { router, policy, prefix, .. } = route.clone();
                let scope = Scope::Routes { router, policy: Some(policy), prefix: Some(prefix) };
                let message = "words of this row are lost: whether BFD watches its next hop is not known".to_owned();
                self.facts.lose(self.file, Position::Line(number), scope, message);
            }
            let may_be_cut = may_go_on && paste::is_cut(columns, self.longest);
            if is_damaged || may_be_cut {
                route.symmetric_reply = true;
                route.bfd = BfdRef::Unread;
            }
            if may_be_cut && !is_damaged {
                first_cut.get_or_insert(number);
            }
            self.facts.facts.push(Fact::Route(route));
        }
        let mut listings = Listings::default();
        for Section { command, position, routes, is_trimmed, .. } in self.sections {
            let asked = Asked { what: "lr-route-list", command, is_trimmed };
            let place = Place { file: Arc::clone(self.file), position };
            self.facts.contradict(listings.compare(asked, place, &routes));
        }
        if let Some(number) = first_old {
            let message = "this format does not tell whether replies are symmetric; taken as symmetric";
            self.facts.assume(self.file, Position::Line(number), message.to_owned());
        }
        if let Some(number) = first_cut {
            let message = "rows end where this text seems to be cut: whether BFD watches their next hops is not known";
            self.facts.assume(self.file, Position::Line(number), message.to_owned());
        }
        self.facts
    }
}

/// Whether a row ends in a blank. The program prints none, and what pads lines to a width leaves more.
fn ends_in_one_blank(row: &str) -> bool {
    row.strip_suffix(' ').is_some_and(|row| !row.ends_with(' '))
}

/// What follows `lr-route-list` in a shell command.
fn command(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("lr-route-list")?;
    let is_word = (before.is_empty() || before.ends_with(' ')) && (after.is_empty() || after.starts_with(' '));
    is_word.then_some(after)
}

/// The router among the arguments of `lr-route-list`. One given by UUID has no name to join by.
fn router_argument(arguments: &str) -> Option<&str> {
    let command_end = arguments.find(['|', '>', '<', ';', '&', '#']).unwrap_or(arguments.len());
    let router = arguments[..command_end].split_ascii_whitespace().find(|word| !word.starts_with('-'))?;
    let router = router.trim_matches(['"', '\'']);
    (!router.is_empty() && !router.starts_with('$') && !is_uuid(router.as_bytes())).then_some(router)
}

/// The table that a heading names.
fn route_table(line: &str) -> Option<&str> {
    line.strip_prefix("Route Table ")?.strip_suffix(':').map(str::trim)
}

fn is_heading(line: &str) -> bool {
    family(line).is_some() || route_table(line).is_some()
}

/// Of which family the routes below a heading are: 0 for IPv4, 1 for IPv6.
fn family(line: &str) -> Option<usize> {
    ["IPv4 Routes", "IPv6 Routes"].iter().position(|heading| line == *heading)
}

/// Whether a word may be the name of a port: what begins a comment is none.
fn is_port(word: &str) -> bool {
    !word.starts_with(['#', '<', '(']) && !word.starts_with("//")
}

/// Whether a line holds nothing but flags of a row and parts of them.
fn is_torn_off(line: &str) -> bool {
    line.split_ascii_whitespace().all(|word| word.len() > 1 && FLAGS.iter().any(|flag| flag.contains(word)))
}

fn policy(word: &str) -> Option<Policy> {
    match word {
        "src-ip" => Some(Policy::SrcIp),
        "dst-ip" => Some(Policy::DstIp),
        _ => None,
    }
}

/// Prefix and next hop, and the words from the policy on.
fn destination(line: &str) -> Option<(IpPrefix, Option<IpAddr>, impl Iterator<Item = (usize, &str)>)> {
    let mut rest = words(line).peekable();
    let (start, word) = rest.next()?;
    let (prefix, end) = (word.parse().ok()?, start + word.len());
    let nexthop = match rest.next_if(|(_, word)| policy(word).is_none()) {
        Some((_, "discard")) => None,
        Some((_, word)) => Some(word.parse().ok()?),
        // A route without a next hop leaves its column blank; the second half of a row that was broken does not.
        None if rest.peek().is_some_and(|&(policy, _)| policy < end + NEXTHOP_COLUMNS) => return None,
        None => None,
    };
    Some((prefix, nexthop, rest))
}

/// What keeps the first words from being prefix and next hop.
fn no_destination(line: &str) -> NoRow {
    let mut found = words(line);
    let (offset, prefix) = found.next().unwrap_or((0, ""));
    let is_row = words(line).any(|(_, word)| policy(word).is_some());
    if !is_row {
        let message = "this is no row, heading or command of lr-route-list".to_owned();
        return NoRow { offset, message };
    }
    let (offset, word, problem) = match prefix.parse::<IpPrefix>() {
        Err(error) => (offset, prefix, error.to_string()),
        Ok(_) => {
            let (offset, word) = found.next().unwrap_or((offset, ""));
            (offset, word, format!("{word:?} is no next hop: expected an IP address or the word discard"))
        }
    };
    let hint = if word.contains(['x', 'X', '*']) { "; where addresses were masked, put the real ones in" } else { "" };
    NoRow { offset, message: problem + hint }
}

#[cfg(test)]
mod tests;
