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
//! People hand over excerpts: rows without headings, what `grep -n`, `-H` or `-A` printed, several listings in one
//! file. Shell prompts tell the router then.

mod lost;

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::Facts;
use super::lines::{lines, words};
use crate::engine::fact::{BfdRef, Fact, Policy, Route, RouteOrigin, Source};
use crate::types::{IpPrefix, Place, Position, Validity, Warning};

/// Longest line that is read, in bytes. A row of OVN has less than 200.
const MAX_LINE: usize = 4096;

/// Most separators in front of a row that may end what grep printed before it.
const MAX_GREP_PREFIXES: usize = 24;

/// The routes of a listing. `router` is the router that the rows belong to, where the caller knows it; a prompt in
/// the text (`# ovn-nbctl lr-route-list GR_worker-08`) overrides it for the rows below.
pub fn parse(text: &[u8], router: Option<&str>, file: &Arc<str>) -> Facts {
    let mut listing = Listing {
        file,
        given: router,
        router: router.map(Arc::from),
        route_table: "".into(),
        numbered: false,
        tells_ecmp: false,
        routes: Vec::new(),
        known: HashSet::new(),
        facts: Facts::default(),
    };
    let raw = text.split(|&byte| byte == b'\n');
    for ((number, line), raw) in lines(text, MAX_LINE).zip(raw) {
        match line {
            Ok(line) => listing.line(number, line),
            Err(bad) => {
                listing.facts.warn(file, Position::Line(number), bad.to_string());
                listing.lose(number, &String::from_utf8_lossy(raw));
            }
        }
    }
    listing.finish()
}

/// A row that was understood.
struct Row {
    route: Route,
    /// Whether the row has a word of those that came with 21.03.
    has_new_words: bool,
    /// Words that no version of OVN known to us prints.
    unknown: Vec<(usize, String)>,
}

/// Why a line is no row, and the column at which it shows.
struct NoRow {
    column: usize,
    message: String,
}

struct Listing<'a> {
    file: &'a Arc<str>,
    /// The router that the caller names.
    given: Option<&'a str>,
    router: Option<Arc<str>>,
    route_table: Arc<str>,
    /// Whether lines carry the numbers of `grep -n`. Then `23:fd00::/64` is line 23, not an address.
    numbered: bool,
    /// Whether anything shows that the format has the words of ECMP.
    tells_ecmp: bool,
    /// The routes and their lines.
    routes: Vec<(usize, Route)>,
    known: HashSet<Route>,
    facts: Facts,
}

impl Listing<'_> {
    fn line(&mut self, number: usize, line: &str) {
        let trimmed = line.trim();
        // Rules between excerpts, and what grep printed before an empty line.
        let is_rule = trimmed.bytes().all(|byte| matches!(byte, b'-' | b'='));
        if is_rule || trimmed.ends_with([':', '-']) && !trimmed.contains(' ') {
            return;
        }
        self.numbered |= after_line_number(line).is_some_and(|rest| rest.starts_with([' ', 'I', 'R']));
        if let Some(arguments) = command(trimmed) {
            self.router = router_argument(arguments).or(self.given).map(Arc::from);
            self.route_table = "".into();
        } else if heads(trimmed, "IPv4 Routes") == Some("") || heads(trimmed, "IPv6 Routes") == Some("") {
            self.route_table = "".into();
        } else if let Some(table) = heads(trimmed, "Route Table").and_then(|rest| rest.strip_suffix(':')) {
            self.tells_ecmp = true;
            let table = table.trim();
            self.route_table = if table == "<main>" { "".into() } else { table.into() };
        } else {
            match self.row(line) {
                Ok(row) => {
                    for (column, word) in &row.unknown {
                        let message =
                            format!("the word {word:?} is not known and was passed over; the rest of the row was read");
                        self.facts.warn(self.file, Position::LineColumn(number, *column), message);
                    }
                    self.tells_ecmp |= row.has_new_words;
                    // The same row in two excerpts is one route.
                    if self.known.insert(row.route.clone()) {
                        self.routes.push((number, row.route));
                    }
                }
                Err(NoRow { column, message }) => {
                    self.facts.warn(self.file, Position::LineColumn(number, column), message);
                    self.lose(number, line);
                }
            }
        }
    }

    /// Notes a line that cannot be read, if it may be a row.
    fn lose(&mut self, number: usize, line: &str) {
        if let Some(scope) = lost::row(line, self.router.clone()) {
            self.facts.lose(self.file, Position::Line(number), scope);
        }
    }

    /// Reads a row, with or without what grep printed before it.
    fn row(&self, line: &str) -> Result<Row, NoRow> {
        let first_word = line.split_ascii_whitespace().next().unwrap_or_default();
        // grep prints nothing before a row but file and number, without spaces in front.
        let separators = if line.starts_with(first_word) { first_word } else { "" };
        let ends: Vec<usize> = separators.match_indices([':', '-']).map(|(at, _)| at + 1).collect();
        let ends = &ends[ends.len().saturating_sub(MAX_GREP_PREFIXES)..];
        let whole = (!self.numbered || after_line_number(line).is_none()).then_some(0);
        for start in whole.into_iter().chain(ends.iter().copied()) {
            if let Some((prefix, nexthop, rest)) = destination(line, start) {
                return self.route(prefix, nexthop, rest);
            }
        }
        let start = if separators.ends_with([':', '-']) { separators.len() } else { 0 };
        Err(no_destination(line, start))
    }

    /// Reads what follows prefix and next hop.
    fn route<'l>(
        &self,
        prefix: IpPrefix,
        nexthop: Option<IpAddr>,
        mut rest: impl Iterator<Item = (usize, &'l str)>,
    ) -> Result<Row, NoRow> {
        let (column, word) = rest.next().unwrap_or((1, ""));
        let Some(policy) = policy(word) else {
            let message = format!("{word:?} is no policy: expected src-ip or dst-ip after the next hop");
            return Err(NoRow { column, message });
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
        let mut has_new_words = false;
        let mut unknown = Vec::new();
        for (nth, (column, word)) in rest.enumerate() {
            has_new_words |= matches!(word, "ecmp" | "ecmp-symmetric-reply" | "bfd");
            match word {
                "ecmp" => {}
                "ecmp-symmetric-reply" => route.symmetric_reply = true,
                "(learned)" => route.origin = RouteOrigin::Learned,
                "override-connected" => route.override_connected = true,
                "bfd" => route.bfd = BfdRef::Attached,
                port if nth == 0 => route.output_port = Some(port.into()),
                other => unknown.push((column, other.to_owned())),
            }
        }
        Ok(Row { route, has_new_words, unknown })
    }

    /// Turns the rows into facts. Where a route has several next hops and no row tells it, the listing is older than
    /// 21.03.
    fn finish(mut self) -> Facts {
        let key = |route: &Route| {
            let Route { router, route_table, policy, prefix, .. } = route;
            (router.clone(), Arc::clone(route_table), *policy, *prefix)
        };
        let mut nexthops = HashMap::new();
        for (_, route) in self.routes.iter().filter(|_| !self.tells_ecmp) {
            *nexthops.entry(key(route)).or_insert(0) += 1;
        }
        let mut first = None;
        for (number, mut route) in self.routes {
            if nexthops.get(&key(&route)).is_some_and(|&nexthops| nexthops > 1) {
                route.symmetric_reply = true;
                first.get_or_insert(number);
            }
            self.facts.facts.push(Fact::Route(route));
        }
        if let Some(number) = first {
            let message = "this format does not tell whether replies are symmetric; taken as symmetric";
            let place = Place { file: Arc::clone(self.file), position: Position::Line(number) };
            self.facts.assumptions.push(Warning { place, message: message.into() });
        }
        self.facts
    }
}

/// What follows the number that `grep -n` prints before a line (`23:` of a match, `23-` of context).
fn after_line_number(line: &str) -> Option<&str> {
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
    if rest.len() == line.len() { None } else { rest.strip_prefix([':', '-']) }
}

/// What follows `lr-route-list` in a shell command.
fn command(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("lr-route-list")?;
    // A file name that grep prints in front of a row may hold the word too, but not as a word of its own.
    let is_word = (before.is_empty() || before.ends_with(' ')) && (after.is_empty() || after.starts_with(' '));
    is_word.then_some(after)
}

/// The router among the arguments of `lr-route-list`. One given by UUID has no name to join by.
fn router_argument(arguments: &str) -> Option<&str> {
    let command_end = arguments.find(['|', '>', '<', ';', '&', '#']).unwrap_or(arguments.len());
    let router = arguments[..command_end].split_ascii_whitespace().find(|word| !word.starts_with('-'))?;
    let router = router.trim_matches(['"', '\'']);
    let is_uuid = router.len() == 36
        && router.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    (!router.is_empty() && !router.starts_with('$') && !is_uuid).then_some(router)
}

/// What follows the words of a heading, before which grep may have printed file and number.
fn heads<'l>(line: &'l str, heading: &str) -> Option<&'l str> {
    let (before, after) = line.split_once(heading)?;
    (before.is_empty() || before.ends_with([':', '-'])).then_some(after)
}

fn policy(word: &str) -> Option<Policy> {
    match word {
        "src-ip" => Some(Policy::SrcIp),
        "dst-ip" => Some(Policy::DstIp),
        _ => None,
    }
}

/// Prefix and next hop at `start`, and the words from the policy on.
fn destination(line: &str, start: usize) -> Option<(IpPrefix, Option<IpAddr>, impl Iterator<Item = (usize, &str)>)> {
    let mut rest = words(line.get(start..)?).map(move |(column, word)| (start + column, word)).peekable();
    let prefix = rest.next()?.1.parse().ok()?;
    // A route without a next hop leaves its column blank.
    let nexthop = match rest.next_if(|(_, word)| policy(word).is_none()) {
        None | Some((_, "discard")) => None,
        Some((_, word)) => Some(word.parse().ok()?),
    };
    Some((prefix, nexthop, rest))
}

/// What keeps the words at `start` from being prefix and next hop.
fn no_destination(line: &str, start: usize) -> NoRow {
    let mut found = words(line.get(start..).unwrap_or_default()).map(|(column, word)| (start + column, word));
    let (column, prefix) = found.next().unwrap_or((1, ""));
    let is_row = words(line).any(|(_, word)| policy(word).is_some());
    if !is_row {
        let message = "this is no row, heading or command of lr-route-list".to_owned();
        return NoRow { column, message };
    }
    let (column, word, problem) = match prefix.parse::<IpPrefix>() {
        Err(error) => (column, prefix, error.to_string()),
        Ok(_) => {
            let (column, word) = found.next().unwrap_or((column, ""));
            (column, word, format!("{word:?} is no next hop: expected an IP address or the word discard"))
        }
    };
    let hint = if word.contains(['x', 'X', '*']) { "; where addresses were masked, put the real ones in" } else { "" };
    NoRow { column, message: problem + hint }
}

#[cfg(test)]
mod tests;
