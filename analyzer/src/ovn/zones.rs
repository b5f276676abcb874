//! Names of conntrack zones.
//!
//! ovn-controller keeps the zone of each of its users in `external_ids:ct-zone-<user>` of the integration bridge
//! (controller/ct-zone.c). The zones come from the rows of conf.db, or from text, told apart by content:
//!
//! - `ovs-vsctl list bridge br-int` or `get bridge br-int external_ids`: a map in braces;
//! - lines `ct-zone-<user>=<zone>`;
//! - `ovn-appctl -t ovn-controller ct-zone-list`: lines `<user> <zone>`.

use std::collections::HashSet;
use std::sync::Arc;

use super::history::History;
use super::lines::{lines, words};
use super::rows::versions;
use super::{Facts, gaps};
use crate::engine::fact::{Fact, Scope, Zone};
use crate::ovsdb::row::{RowVersion, Tables};
use crate::types::{Position, Validity};

/// Longest line that is read, in bytes: a map of all 65,536 zones with names of 100 bytes.
const MAX_LINE: usize = 8 << 20;

const PREFIX: &str = "ct-zone-";

/// A key of the same form that names no zone but limits their numbers.
const RANGE: &str = "ct-zone-range";

/// Tables that facts come from.
pub const TABLES: &[&str] = &["Bridge"];

/// The zones that the bridges of an Open_vSwitch database name. `file` names the source in warnings.
///
/// Only the integration bridge has such keys, so its name, which is configurable, does not matter.
pub fn facts(tables: &Tables, file: &Arc<str>) -> Facts {
    let gaps = gaps::of_zones(tables, file);
    let mut facts = Facts { since: tables.since, gaps, ..Facts::default() };
    let mut unreadable = HashSet::new();
    // The row changes with every configuration that ovn-controller acknowledges; a zone's span goes on.
    let mut zones = History::default();
    for RowVersion { row, validity } in versions(tables, "Bridge") {
        for (key, value) in row.map_texts("external_ids") {
            let Some(name) = zone_key(key) else { continue };
            match value.parse::<u16>() {
                Ok(zone) => zones.add(name, zone, *validity),
                Err(_) if unreadable.insert((name, value)) => {
                    let message = format!("row {} of Bridge: {}", row.uuid, NotAZone(name, value));
                    facts.warn(file, Position::Whole, message);
                    facts.lose_during(file, Position::Whole, Scope::Zones, *validity);
                }
                Err(_) => {}
            }
        }
    }
    let zones = zones.spans().map(|(name, zone, validity)| Zone { zone: *zone, name: (*name).into(), validity });
    facts.facts.extend(zones.map(Fact::Zone));
    facts
}

/// The zones that a text names.
pub fn parse(text: &[u8], file: &Arc<str>) -> Facts {
    let mut facts = Facts::default();
    let mut known = HashSet::new();
    for (number, line) in lines(text, MAX_LINE) {
        let mut found = |column: usize, name: &str, value: &str| match value.parse() {
            Ok(zone) => {
                let zone = Zone { zone, name: name.into(), validity: Validity::ALWAYS };
                if known.insert(zone.clone()) {
                    facts.facts.push(Fact::Zone(zone));
                }
            }
            Err(_) => {
                facts.warn(file, Position::LineColumn(number, column), NotAZone(name, value).to_string());
                facts.lose(file, Position::Line(number), Scope::Zones);
            }
        };
        match line {
            Ok(line) if line.contains(PREFIX) => {
                for pair in pairs(line) {
                    if let Some(name) = zone_key(&pair.key) {
                        found(pair.column, name, &pair.value);
                    }
                }
            }
            Ok(line) => match words(line).collect::<Vec<_>>()[..] {
                [(_, name), (column, zone)] if !is_column(name) && zone.bytes().all(|byte| byte.is_ascii_digit()) => {
                    found(column, name, zone);
                }
                [(_, first), ..] if !is_column_of(line, first) && !is_command(line) => {
                    let message =
                        "this line names no zone: expected NAME ZONE, as ct-zone-list prints, or ct-zone-NAME=ZONE";
                    facts.warn(file, Position::Line(number), message.to_owned());
                }
                _ => {}
            },
            Err(bad) => facts.warn(file, Position::Line(number), bad.to_string()),
        }
    }
    facts
}

/// A value that is no zone.
#[derive(Debug, thiserror::Error)]
#[error("{1:?} is no zone of {PREFIX}{0}: expected 0 to 65535")]
struct NotAZone<'a>(&'a str, &'a str);

/// The user that a key of `external_ids` gives a zone to.
fn zone_key(key: &str) -> Option<&str> {
    key.strip_prefix(PREFIX).filter(|name| !name.is_empty() && key != RANGE)
}

/// Whether a word is the name of a column, with its colon, in the output of `list`.
fn is_column(word: &str) -> bool {
    word.ends_with(':')
}

/// Whether a line is another column in the output of `list`: `name                : br-int`.
fn is_column_of(line: &str, first: &str) -> bool {
    is_column(first) || words(line).nth(1).is_some_and(|(_, word)| word == ":")
}

/// Whether a line is the command that printed the rest.
fn is_command(line: &str) -> bool {
    ["ovs-vsctl", "ovn-appctl", "ovs-appctl"].iter().any(|command| line.contains(command))
}

/// A pair of a map as OVS prints it.
struct Pair {
    column: usize,
    key: String,
    value: String,
}

/// The pairs `key=value` of a line, wherever in it they stand. Keys and values are bare or quoted.
fn pairs(line: &str) -> Vec<Pair> {
    let mut pairs = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let column = line.len() - rest.len() + 1;
        let (key, after) = token(rest);
        let value = after.strip_prefix('=').map(token);
        rest = match (key, value) {
            (Some(key), Some((Some(value), after))) => {
                pairs.push(Pair { column, key, value });
                after
            }
            (Some(_), _) => after,
            // A separator.
            (None, _) => {
                let mut chars = rest.chars();
                chars.next();
                chars.as_str()
            }
        };
    }
    pairs
}

/// The token at the start of a text, and what follows it. A quoted token has the escapes of JSON.
fn token(text: &str) -> (Option<String>, &str) {
    if text.starts_with('"') {
        let mut strings = serde_json::Deserializer::from_str(text).into_iter::<String>();
        return match strings.next() {
            Some(Ok(token)) => (Some(token), text.get(strings.byte_offset()..).unwrap_or_default()),
            _ => (None, text),
        };
    }
    let end = text.find(|c: char| c.is_whitespace() || "{},=\"".contains(c)).unwrap_or(text.len());
    let (token, rest) = text.split_at(end);
    ((!token.is_empty()).then(|| token.to_owned()), rest)
}

#[cfg(test)]
mod tests;
