//! Columns of OVN's rows as values of the field.

use std::net::IpAddr;
use std::sync::Arc;

use crate::engine::fact::{BfdStatus, Policy};
use crate::ovsdb::row::{Atom, Datum, Row};
use crate::types::{IpPrefix, MacAddr};

/// A column that does not hold what it should.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("column {column}: {message}")]
pub(super) struct BadColumn {
    column: &'static str,
    message: String,
}

impl BadColumn {
    pub(super) fn new(column: &'static str, message: impl ToString) -> Self {
        Self { column, message: message.to_string() }
    }
}

/// The text of a column that every row has.
pub(super) fn text<'a>(row: &'a Row, column: &'static str) -> Result<&'a str, BadColumn> {
    row.text(column).filter(|text| !text.is_empty()).ok_or_else(|| absent(column))
}

/// The text of a column that every row has, where the text has several words. Printed with `--data=bare` it cannot be
/// told from a set, and comes as the set of its words.
pub(super) fn words(row: &Row, column: &'static str) -> Result<String, BadColumn> {
    let text = row.texts(column).collect::<Vec<_>>().join(" ");
    if text.is_empty() { Err(absent(column)) } else { Ok(text) }
}

fn absent(column: &'static str) -> BadColumn {
    BadColumn::new(column, "it is empty or was not printed; list the table with all its columns")
}

/// The text of an optional column, to be kept; an empty text is none.
pub(super) fn name(row: &Row, column: &str) -> Option<Arc<str>> {
    row.text(column).filter(|text| !text.is_empty()).map(Arc::from)
}

/// An IP address in a text. The length of a host prefix, which northd accepts on next hops, is accepted.
pub(super) fn parse_ip(text: &str) -> Option<IpAddr> {
    text.parse::<IpPrefix>().ok().filter(|prefix| prefix.is_host()).map(IpPrefix::addr)
}

/// An IP address in a column that every row has.
pub(super) fn ip(row: &Row, column: &'static str) -> Result<IpAddr, BadColumn> {
    let text = text(row, column)?;
    parse_ip(text).ok_or_else(|| BadColumn::new(column, format_args!("{text:?} is no IP address")))
}

/// An IP prefix, which may lack the length, in a column that every row has.
pub(super) fn prefix(row: &Row, column: &'static str) -> Result<IpPrefix, BadColumn> {
    text(row, column)?.parse().map_err(|error| BadColumn::new(column, error))
}

/// The policy of a route, by destination unless the row says otherwise.
pub(super) fn policy(row: &Row) -> Result<Policy, BadColumn> {
    match row.text("policy") {
        None | Some("" | "dst-ip") => Ok(Policy::DstIp),
        Some("src-ip") => Ok(Policy::SrcIp),
        Some(other) => Err(BadColumn::new("policy", format_args!("{other:?} is neither src-ip nor dst-ip"))),
    }
}

/// A MAC address in a column that every row has.
pub(super) fn mac(row: &Row, column: &'static str) -> Result<MacAddr, BadColumn> {
    text(row, column)?.parse().map_err(|error| BadColumn::new(column, error))
}

/// The truth value that a map holds as text. OVN takes `true` in any case for true (`smap_get_bool`); a printed table
/// may lack the quotes that make a text of it.
pub(super) fn flag(row: &Row, column: &str, key: &str) -> bool {
    let Some(Datum::Map(pairs)) = row.columns.get(column) else { return false };
    pairs.iter().filter(|(name, _)| name.as_str() == Some(key)).any(|(_, value)| match value {
        Atom::Boolean(value) => *value,
        value => value.as_str().is_some_and(|text| text.eq_ignore_ascii_case("true")),
    })
}

/// A router port's own address and the network it lies in, as `198.19.3.8/24`.
pub(super) fn own_network(text: &str) -> Option<(IpAddr, IpPrefix)> {
    let own = text.split_once('/').map_or(text, |(own, _)| own).parse().ok()?;
    Some((own, text.parse().ok()?))
}

/// The addresses in a switch port's `addresses` or `mac`, each with its MAC: `0a:58:0a:a8:10:e6 10.168.16.230 fd00::e6` once
/// or several times. Other words (`unknown`, `router`, `dynamic`) are none; so are words that northd cannot read either.
pub(super) fn machines(row: &Row, column: &str) -> Vec<(IpAddr, MacAddr)> {
    let mut machines = Vec::new();
    let mut mac: Option<MacAddr> = None;
    // A set of such texts cannot be told from its words where it was printed with `--data=bare`.
    for word in row.texts(column).flat_map(str::split_ascii_whitespace) {
        // northd takes an address with a length too.
        let address = word.split_once('/').map_or(word, |(address, _)| address);
        match address.parse() {
            Ok(ip) => machines.extend(mac.map(|mac| (ip, mac))),
            Err(_) => mac = word.parse().ok(),
        }
    }
    machines
}

/// The status of a BFD session by OVN's word.
pub(super) fn bfd_status(word: &str) -> Option<BfdStatus> {
    let status = match word {
        "up" => BfdStatus::Up,
        "init" => BfdStatus::Init,
        "down" => BfdStatus::Down,
        "admin_down" => BfdStatus::AdminDown,
        _ => return None,
    };
    Some(status)
}
