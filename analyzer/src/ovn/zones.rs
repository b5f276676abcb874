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
use super::lines::{each_line, words};
use super::rows::versions;
use super::{Facts, gaps};
use crate::engine::fact::{Fact, Scope, Zone};
use crate::ovsdb::is_uuid;
use crate::ovsdb::row::{RowVersion, Tables};
use crate::paste::{Kind, Looks, Shape, is_damaged};
use crate::types::{Position, Validity};

/// Longest line that is read, in bytes: a map of all 65,536 zones with names of 100 bytes.
const MAX_LINE: usize = 8 << 20;

const PREFIX: &str = "ct-zone-";

/// A key of the same form that names no zone but limits their numbers.
const RANGE: &str = "ct-zone-range";

/// Words of a line that a terminal broke and that was joined again.
const MOST_WORDS: usize = 4;

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
    // A word by itself, and how far it is indented: it may be the beginning of a name whose line was broken.
    let mut lone: Option<(usize, Position)> = None;
    each_line(text, ZoneRows, MAX_LINE, |line| {
        let line = match line {
            Ok(line) if line.kind == Kind::Data => line,
            Ok(_) => return,
            Err(bad) => return facts.lose(file, bad.position(), Scope::Zones, bad.to_string()),
        };
        let indent = line.text.len() - line.text.trim_start().len();
        if let Some((_, position)) = lone.take().filter(|&(before, _)| before < indent) {
            let message = "this word may be the beginning of the name below it".to_owned();
            facts.lose(file, position, Scope::Zones, message);
        }
        let mut found = |offset: usize, name: &str, value: &str| match value.parse() {
            Ok(zone) => {
                let zone = Zone { zone, name: name.into(), validity: Validity::ALWAYS };
                if known.insert(zone.clone()) {
                    facts.facts.push(Fact::Zone(zone));
                }
            }
            Err(_) => facts.lose(file, line.position(offset), Scope::Zones, NotAZone(name, value).to_string()),
        };
        if line.text.contains(PREFIX) {
            for pair in pairs(line.text) {
                if let Some(name) = zone_key(&pair.key) {
                    found(pair.offset, name, &pair.value);
                }
            }
        } else if let Some((name, offset, zone)) =
            named_zone(line.text).filter(|(name, ..)| !is_damaged(name) && !is_half(name))
        {
            found(offset, name, zone);
        } else if !is_column(line.text) {
            let message = "this line names no zone: expected NAME ZONE, as ct-zone-list prints, or ct-zone-NAME=ZONE";
            let place = Position::Line(line.number());
            if words(line.text).count() == 1 {
                lone = Some((indent, place));
            }
            match may_name_zone(line.text) {
                true => facts.lose(file, place, Scope::Zones, message.to_owned()),
                false => facts.warn(file, place, message.to_owned()),
            }
        }
    });
    facts
}

/// What lines that name zones look like.
struct ZoneRows;

impl Shape for ZoneRows {
    const BLANKS: bool = true;

    fn begins(&self, line: &str) -> bool {
        let trimmed = line.trim_start();
        let is_map = trimmed.starts_with(['{', '"']) || trimmed.starts_with(PREFIX) || is_column(line);
        is_map && has_key(line) || named_zone(line).is_some_and(|(name, ..)| !name.contains([':', '|', '>']))
    }

    fn is_whole(&self, line: &str) -> bool {
        !line.contains('{') || line.trim_end().ends_with('}')
    }

    fn may_follow(&self, row: &str, rest: &str) -> bool {
        row.contains('{') && !is_column(rest)
    }
}

/// Whether a line holds the key of a zone. The name of a command, or of a file that it wrote, begins as one does.
fn has_key(line: &str) -> bool {
    let is_key = |rest: &str| rest.strip_prefix("list").is_none_or(|rest| rest.starts_with(['_', '-', '=', '"']));
    line.match_indices(PREFIX).any(|(at, prefix)| is_key(&line[at + prefix.len()..]))
}

/// Name and zone of a line of ct-zone-list, and the offset of the zone.
fn named_zone(line: &str) -> Option<(&str, usize, &str)> {
    match words(line).collect::<Vec<_>>()[..] {
        [(_, name), (offset, zone)] if !name.ends_with(':') && zone.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some((name, offset, zone))
        }
        _ => None,
    }
}

/// What a line is likely to be that may be of any text. A name with a number may be anything, but for the names of routers'
/// zones.
pub fn looks(line: &str) -> Option<Looks> {
    if has_key(line) {
        return ZoneRows.begins(line).then_some(Looks::Row);
    }
    let (name, ..) = named_zone(line)?;
    let is_of_router = name.ends_with("_dnat") || name.ends_with("_snat");
    Some(if is_of_router { Looks::Row } else { Looks::Possible })
}

/// Whether a line may be what is left of one that named a zone, or half of it: a few words with the name of a router's zone or of
/// a port, or a name and what was a number.
fn may_name_zone(line: &str) -> bool {
    let words: Vec<&str> = words(line).map(|(_, word)| word).collect();
    let is_of_name = |word: &&str| word.contains('_') || word.contains("nat");
    let is_number = |word: &str| {
        word.bytes().any(|byte| byte.is_ascii_digit())
            && word.chars().all(|letter| letter.is_ascii_alphanumeric() || is_damaged(letter.encode_utf8(&mut [0; 4])))
    };
    let has = |word: &str, is: fn(&u8) -> bool| word.as_bytes().iter().any(is);
    let is_mixed =
        |word: &&str| has(word, u8::is_ascii_alphabetic) && (word.contains('-') || has(word, u8::is_ascii_digit));
    let is_broken = match words.split_last() {
        Some((number, front)) => number.bytes().all(|byte| byte.is_ascii_digit()) && front.iter().any(is_mixed),
        None => false,
    };
    let is_torn = matches!(words[..], [word] if word.len() >= SHORTEST_HALF && is_of_uuid(word));
    let is_caption = line.trim_end().ends_with(':');
    let is_named = matches!(words[..], [name, number] if is_number(number) && !name.contains(':'));
    !is_caption && words.len() <= MOST_WORDS && (is_torn || is_named || is_broken || words.iter().any(is_of_name))
}

/// Letters of what may be the first half of a UUID. A date is longer, and is none.
const SHORTEST_HALF: usize = 6;

/// Whether a word is a part of a UUID.
fn is_of_uuid(word: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
    let is_date = word.len() == 10 && word.bytes().filter(|&byte| byte == b'-').count() == 2;
    word.bytes().any(|byte| byte.is_ascii_digit()) && word.bytes().all(is_digit) && !is_date
}

/// Whether the name of a router's zone begins in the middle of a UUID.
fn is_half(name: &str) -> bool {
    let stem = name.strip_suffix("_dnat").or_else(|| name.strip_suffix("_snat")).unwrap_or_default();
    is_of_uuid(stem) && !is_uuid(stem.as_bytes()) && (stem.contains('-') || stem.len() > SHORTEST_HALF)
}

/// A value that is no zone.
#[derive(Debug, thiserror::Error)]
#[error("{1:?} is no zone of {PREFIX}{0}: expected 0 to 65535")]
struct NotAZone<'a>(&'a str, &'a str);

/// The user that a key of `external_ids` gives a zone to.
fn zone_key(key: &str) -> Option<&str> {
    key.strip_prefix(PREFIX).filter(|name| !name.is_empty() && key != RANGE)
}

/// Whether a line is a column in the output of `list`: `name                : br-int`.
fn is_column(line: &str) -> bool {
    let mut words = words(line);
    let first = words.next().map_or("", |(_, word)| word);
    first.is_empty() || first.ends_with(':') || words.next().is_some_and(|(_, word)| word == ":")
}

/// A pair of a map as OVS prints it.
struct Pair {
    offset: usize,
    key: String,
    value: String,
}

/// The pairs `key=value` of a line, wherever in it they stand. Keys and values are bare or quoted.
fn pairs(line: &str) -> Vec<Pair> {
    let mut pairs = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let offset = line.len() - rest.len();
        let (key, after) = token(rest);
        let value = after.strip_prefix('=').map(token);
        rest = match (key, value) {
            (Some(key), Some((Some(value), after))) => {
                pairs.push(Pair { offset, key, value });
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
