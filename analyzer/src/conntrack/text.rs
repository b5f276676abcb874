//! One line of `ovs-appctl dpctl/dump-conntrack [-m] [-s]` or `ovs-dpctl dump-conntrack`.
//!
//! The order and the names of the fields are those of lib/ct-dpif.c, unchanged from OVS 2.13 to 3.5:
//!
//! ```text
//! PROTO,orig=(TUPLE),reply=(TUPLE)[,start=..[,stop=..]][,id=N][,zone=N][,status=A|B][,timeout=N][,mark=N][,labels=0xN]
//!     [,protoinfo=(..)][,helper=..][,parent=(TUPLE)]
//! ```
//!
//! An absent zone, mark or label is 0. Beside what OVS prints, lines are read with white space around the commas, and
//! without the parenthesis that opens a tuple.

use std::net::IpAddr;

use super::cursor::Cursor;
use crate::engine::fact::Connection;
use crate::paste::{self, Kind, Looks, Shape};
use crate::types::Tuple;
use crate::types::tuple::{proto, proto_number};

/// `IPS_DYING` (include/uapi/linux/netfilter/nf_conntrack_common.h).
const IPS_DYING: u64 = 1 << 9;
/// `IPS_OFFLOAD` and `IPS_HW_OFFLOAD`. OVS has no words for them and prints their bits.
const IPS_OFFLOADED: u64 = 1 << 14 | 1 << 15;

/// Why a line is no conntrack entry.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("column {column}: {message}")]
pub struct LineError {
    /// Where it stops making sense: a column in bytes, from 1.
    pub column: usize,
    /// What is wrong there. No full stop at the end.
    pub message: String,
}

/// Reads one line. `None` for a line that is no row, whatever it holds: blank, a rule, a shell's prompt or a command.
///
/// # Errors
/// When the line is neither that nor an entry, with the place at which reading ended.
pub fn parse_line(line: &str) -> Result<Option<Connection>, LineError> {
    match Start::find(line) {
        Some(start) => parse_entry(line, start).map(Some),
        None if paste::kind(line) == Kind::Data => Err(not_an_entry(line)),
        None => Ok(None),
    }
}

/// What entries look like.
pub(super) struct EntryRows;

impl Shape for EntryRows {
    fn begins(&self, line: &str) -> bool {
        Start::find(line).is_some()
    }

    fn is_whole(&self, line: &str) -> bool {
        Start::find(line).is_some_and(|start| parse_entry(line, start).is_ok())
    }

    fn may_follow(&self, _: &str, rest: &str) -> bool {
        looks_like_a_rest(rest.trim_ascii())
    }

    fn is_surely_rest(&self, rest: &str) -> bool {
        rest.starts_with(',') || rest.contains('=')
    }
}

/// Whether a line may be the rest of a wrapped entry: only what entries are made of, and white space only behind a
/// comma.
fn looks_like_a_rest(text: &str) -> bool {
    let mut after_comma = true;
    text.bytes().all(|byte| {
        let fits = match byte {
            b' ' | b'\t' => after_comma,
            b',' | b'=' | b'(' | b')' | b':' | b'.' | b'|' | b'_' | b'-' | b'/' => true,
            _ => byte.is_ascii_alphanumeric(),
        };
        after_comma = matches!(byte, b' ' | b'\t' | b',');
        fits
    })
}

/// The error for a line without an entry.
pub(super) fn not_an_entry(line: &str) -> LineError {
    let message = if line.contains(" src=") {
        "this is text of conntrack(8), which holds no labels; `ovs-appctl dpctl/dump-conntrack` prints them"
    } else {
        "no conntrack entry; expected text of `ovs-appctl dpctl/dump-conntrack`: udp,orig=(src=...),reply=(...)"
    };
    LineError { column: 1, message: message.to_owned() }
}

/// What a line is likely to be that may be of any text: fields of flows, such as `nw_src=`, are none of an entry.
pub fn looks(line: &str) -> Option<Looks> {
    // Markup and remarks have fields of these names, too, but no addresses and numbers in them.
    let is_field = |(at, field): (usize, &str)| {
        let before = line[..at].chars().next_back();
        let behind = line[at + field.len()..].chars().next();
        before.is_none_or(|before| matches!(before, ' ' | '\t' | ',' | '(' | '='))
            && behind.is_none_or(|behind| behind.is_ascii_hexdigit() || matches!(behind, ':' | 'x' | 'X' | '*'))
    };
    let has = |field: &str| line.match_indices(field).any(is_field);
    if Start::find(line).is_some() {
        Some(Looks::Row)
    } else {
        (has("src=") || has("labels=")).then_some(Looks::Possible)
    }
}

/// Where an entry starts in a line.
#[derive(Clone, Copy)]
pub(super) struct Start {
    /// Offset of the protocol's name.
    proto: usize,
    /// Offset of the end of the protocol's name.
    proto_end: usize,
    /// Offset of the original tuple, behind `orig=`.
    orig: usize,
}

impl Start {
    /// Finds `PROTO,orig=` at the start of a line.
    pub(super) fn find(line: &str) -> Option<Self> {
        let bytes = line.as_bytes();
        let skip = |from: usize, passes: fn(&u8) -> bool| {
            bytes[from..].iter().position(|byte| !passes(byte)).map_or(bytes.len(), |count| from + count)
        };
        let proto = skip(0, u8::is_ascii_whitespace);
        let proto_end = skip(proto, u8::is_ascii_alphanumeric);
        let comma = skip(proto_end, u8::is_ascii_whitespace);
        let word = skip((comma + 1).min(bytes.len()), u8::is_ascii_whitespace);
        let equals = skip((word + 4).min(bytes.len()), u8::is_ascii_whitespace);
        let is_start = proto < proto_end
            && bytes.get(comma) == Some(&b',')
            && bytes[word..].starts_with(b"orig")
            && bytes.get(equals) == Some(&b'=');
        is_start.then_some(Self { proto, proto_end, orig: equals + 1 })
    }

    /// The protocol, where its name is one.
    pub(super) fn nw_proto(self, line: &str) -> Option<u8> {
        known_proto(line.get(self.proto..self.proto_end)?)
    }
}

/// Reads the entry that starts at `start`.
pub(super) fn parse_entry(line: &str, start: Start) -> Result<Connection, LineError> {
    let name = &line[start.proto..start.proto_end];
    let Some(nw_proto) = known_proto(name) else {
        return Err(LineError { column: start.proto + 1, message: format!("{name:?} is no IP protocol") });
    };
    let mut cursor = Cursor::new(line, start.orig);
    let orig = tuple(&mut cursor, nw_proto)?;
    cursor.expect(b',')?;
    let at = cursor.position();
    if cursor.key()? != "reply" {
        return Err(cursor.error_at(at, "expected reply="));
    }
    let reply = tuple(&mut cursor, nw_proto)?;
    if orig.src.is_ipv4() != reply.src.is_ipv4() {
        return Err(cursor.error_at(at, "the reply tuple is of another address family than the original one"));
    }
    let mut fields = Fields::default();
    while !cursor.at_end() {
        cursor.expect(b',')?;
        fields.read(&mut cursor)?;
    }
    Ok(Connection {
        orig,
        reply,
        zone: fields.zone.unwrap_or(0),
        mark: fields.mark.unwrap_or(0),
        label: fields.label.unwrap_or(0),
        id: fields.id,
        offloaded: fields.offloaded,
        dying: fields.dying,
    })
}

fn known_proto(name: &str) -> Option<u8> {
    match name {
        "udp" => Some(proto::UDP),
        "tcp" => Some(proto::TCP),
        "icmp" => Some(proto::ICMP),
        other => proto_number(other),
    }
}

/// The fields behind the tuples, as far as they are kept.
#[derive(Default)]
struct Fields {
    id: Option<u32>,
    zone: Option<u16>,
    mark: Option<u32>,
    label: Option<u128>,
    offloaded: bool,
    dying: bool,
}

impl Fields {
    fn read(&mut self, cursor: &mut Cursor<'_>) -> Result<(), LineError> {
        let at = cursor.position();
        let fresh = match cursor.key()? {
            "id" => self.id.replace(cursor.number("a conntrack id")?).is_none(),
            "zone" => self.zone.replace(cursor.number("a zone")?).is_none(),
            "mark" => self.mark.replace(cursor.masked_number("a mark")?).is_none(),
            "labels" | "label" => self.label.replace(cursor.masked_number("a label")?).is_none(),
            "status" => {
                for word in cursor.value().split('|') {
                    self.status(word.trim_ascii());
                }
                true
            }
            _ => {
                cursor.skip_value();
                true
            }
        };
        if fresh { Ok(()) } else { Err(cursor.error_at(at, "the field is given twice")) }
    }

    fn status(&mut self, word: &str) {
        let bits = match word.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).unwrap_or(0),
            None => word.parse().unwrap_or(0),
        };
        self.dying |= word == "DYING" || bits & IPS_DYING != 0;
        self.offloaded |= matches!(word, "OFFLOAD" | "HW_OFFLOAD") || bits & IPS_OFFLOADED != 0;
    }
}

/// Reads `(src=..,dst=..,..)`. The opening parenthesis may be missing; the tuple then ends as well before the first
/// field that is none of a tuple.
fn tuple(cursor: &mut Cursor<'_>, nw_proto: u8) -> Result<Tuple, LineError> {
    let start = cursor.position();
    cursor.eat(b'(');
    let mut fields = TupleFields::default();
    if !fields.read(cursor, nw_proto)? {
        return Err(cursor.error_at(start, "expected src="));
    }
    while !cursor.eat(b')') {
        if cursor.at_end() {
            return Err(cursor.error("the line ends inside a tuple"));
        }
        let before = cursor.mark();
        cursor.expect(b',')?;
        if !fields.read(cursor, nw_proto)? {
            cursor.reset(before);
            break;
        }
    }
    fields.finish(nw_proto).map_err(|missing| cursor.error_at(start, &format!("the tuple has no {missing}=")))
}

#[derive(Default)]
struct TupleFields {
    src: Option<IpAddr>,
    dst: Option<IpAddr>,
    sport: Option<u16>,
    dport: Option<u16>,
    icmp_type: Option<u8>,
    icmp_code: Option<u8>,
}

impl TupleFields {
    /// Reads one field; `false` where the field is none of a tuple.
    fn read(&mut self, cursor: &mut Cursor<'_>, nw_proto: u8) -> Result<bool, LineError> {
        let is_icmp = matches!(nw_proto, proto::ICMP | proto::ICMPV6);
        let at = cursor.position();
        let fresh = match cursor.key()? {
            "src" => self.src.replace(cursor.address(None)?).is_none(),
            "dst" => self.dst.replace(cursor.address(self.src)?).is_none(),
            "sport" if !is_icmp => self.sport.replace(cursor.number("a port")?).is_none(),
            "dport" if !is_icmp => self.dport.replace(cursor.number("a port")?).is_none(),
            "id" if is_icmp => self.sport.replace(cursor.number("an ICMP identifier")?).is_none(),
            "type" if is_icmp => self.icmp_type.replace(cursor.number("an ICMP type")?).is_none(),
            "code" if is_icmp => self.icmp_code.replace(cursor.number("an ICMP code")?).is_none(),
            "packets" | "bytes" => {
                cursor.skip_value();
                true
            }
            _ => return Ok(false),
        };
        if fresh { Ok(true) } else { Err(cursor.error_at(at, "the field is given twice")) }
    }

    /// The tuple, or the name of the field that is missing.
    fn finish(self, nw_proto: u8) -> Result<Tuple, &'static str> {
        let src = self.src.ok_or("src")?;
        let dst = self.dst.ok_or("dst")?;
        let mut tuple = Tuple { src, dst, nw_proto, tp_src: 0, tp_dst: 0 };
        if tuple.is_icmp() {
            tuple.tp_src = self.sport.ok_or("id")?;
            tuple.tp_dst = u16::from_be_bytes([self.icmp_type.ok_or("type")?, self.icmp_code.ok_or("code")?]);
        } else if tuple.has_ports() {
            tuple.tp_src = self.sport.ok_or("sport")?;
            tuple.tp_dst = self.dport.ok_or("dport")?;
        } else {
            tuple.tp_src = self.sport.unwrap_or(0);
            tuple.tp_dst = self.dport.unwrap_or(0);
        }
        Ok(tuple)
    }
}

#[cfg(test)]
mod tests;
