//! Who owns a MAC, in the words of a node's or a cluster's own listing. Told apart by content:
//!
//! - text of `ip link` or `ip -d link`: interfaces, and the VFs of SR-IOV interfaces; `ip -j -d link` is the same as JSON;
//! - `oc get pods -A -o json` or `-o yaml`, `oc describe pods`: the interfaces of each pod in its annotations (`pods`);
//! - text of `ip neigh`, `ip -j neigh`, `arp -n`, `arp -an`: which address had the MAC.
//!
//! All of it only says whose MAC it was. A neighbour's entry is no proof that the neighbour lives, nor that it is a next hop.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::lines::each_line;
use super::{Facts, Unreadable};
use crate::engine::fact::{Fact, MacOwner};
use crate::paste::{Kind, Looks, Shape, Text};
use crate::types::{MacAddr, Position};

mod described;
mod json;
mod links;
mod neighbours;
mod pods;
mod yaml;

/// Longest line of `ip link` and `ip neigh` that is read, in bytes.
const MAX_LINE: usize = 64 << 10;

/// The owners that a listing names. `file` is their origin.
///
/// Of JSON and YAML only what names an owner is kept, so that a large listing of pods takes little memory.
///
/// # Errors
/// [`Unreadable`] for JSON that is broken, or that is neither a list of links or neighbours nor pods.
pub fn parse(text: &[u8], file: &Arc<str>) -> Result<Facts, Unreadable> {
    let mut owners = Owners { file, known: HashSet::new(), facts: Facts::default() };
    if json::is_json(text) {
        json::read(text, &|position| position, &mut owners)?;
        return Ok(owners.facts);
    }
    let pasted = Text::new(text, Rows);
    let mut lines = pasted.as_str().lines().enumerate();
    match lines.find_map(|(before, line)| Some((before, Form::of(line)?))) {
        Some((before, Form::Json)) => {
            let json: String = pasted.as_str().split_inclusive('\n').skip(before).collect();
            json::read(json.as_bytes(), &|position| pasted.origin(position.below(before)), &mut owners)?;
        }
        Some((before, Form::Yaml)) => yaml::read(&pasted, before, &mut owners),
        Some((before, Form::Described)) => described::read(&pasted, before, &mut owners),
        Some((_, Form::Lines)) => owners.lines(text),
        None => {}
    }
    Ok(owners.facts)
}

/// What a listing is written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    Json,
    Yaml,
    /// `oc describe pod`.
    Described,
    /// A line for each interface, VF or neighbour.
    Lines,
}

impl Form {
    /// The form that a line shows by itself.
    fn of(line: &str) -> Option<Self> {
        if json::shows(line) {
            Some(Self::Json)
        } else if links::shows(line) || neighbours::shows(line) {
            Some(Self::Lines)
        } else if described::shows(line) {
            Some(Self::Described)
        } else {
            yaml::shows(line).then_some(Self::Yaml)
        }
    }
}

/// What the rows of these listings look like. Lines that a terminal wrapped have what matters in front.
struct Rows;

impl Shape for Rows {
    fn begins(&self, line: &str) -> bool {
        Form::of(line).is_some() || yaml::begins_document(line)
    }

    /// A number sign in JSON or YAML may be within a text: what stands behind it is no comment.
    fn is_whole(&self, line: &str) -> bool {
        Form::of(line) == Some(Form::Lines)
    }

    fn may_follow(&self, _: &str, _: &str) -> bool {
        false
    }
}

/// What a line of `ip link`, `ip neigh` or `arp` is likely to be that may be of any text.
pub fn looks(line: &str) -> Option<Looks> {
    (links::shows(line) || neighbours::is_likely(line)).then_some(Looks::Row)
}

/// What a line of pods in YAML, or of their descriptions, is likely to be that may be of any text. Only annotations are rows:
/// all else may be of anything.
pub fn looks_like_pods(line: &str) -> Option<Looks> {
    if pods::has_annotation(line) {
        return Some(Looks::Row);
    }
    (yaml::begins_pods(line) || described::shows(line)).then_some(Looks::Heading)
}

/// The owners found so far.
struct Owners<'a> {
    file: &'a Arc<str>,
    known: HashSet<MacOwner>,
    facts: Facts,
}

impl Owners<'_> {
    /// Notes an owner. Loopbacks, and VFs to which no MAC was given, have a MAC of zeros, which nobody owns.
    fn add(&mut self, position: Position, mac: &str, owner: String, ips: Vec<IpAddr>) {
        let mac: MacAddr = match mac.parse() {
            Ok(mac) => mac,
            Err(error) => return self.warn(position, format!("{owner}: {error}")),
        };
        let owner = MacOwner { mac, origin: Arc::clone(self.file), owner: owner.into(), ips };
        if !mac.is_zero() && !mac.is_group() && self.known.insert(owner.clone()) {
            self.facts.facts.push(Fact::MacOwner(owner));
        }
    }

    fn warn(&mut self, position: Position, message: String) {
        self.facts.warn(self.file, position, message);
    }

    /// Text of lines. Only those that name a MAC matter; the rest, such as statistics, is no concern of ours.
    fn lines(&mut self, text: &[u8]) {
        let mut interface: Option<String> = None;
        each_line(text, Rows, MAX_LINE, |line| match line {
            Ok(line) if line.kind == Kind::Data => match neighbours::shows(line.text) {
                true => neighbours::read(&line, self),
                false => links::read(&line, &mut interface, self),
            },
            Ok(_) => {}
            Err(bad) => self.warn(bad.position(), bad.to_string()),
        });
    }
}

#[cfg(test)]
mod tests;
