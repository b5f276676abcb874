//! Columns of OVN's rows as values of the field.

use std::net::IpAddr;
use std::sync::Arc;

use crate::engine::fact::BfdStatus;
use crate::ovsdb::row::Row;
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
    let text = row.text(column).filter(|text| !text.is_empty());
    text.ok_or_else(|| BadColumn::new(column, "it is empty or was not printed; list the table with all its columns"))
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

/// A MAC address in a column that every row has.
pub(super) fn mac(row: &Row, column: &'static str) -> Result<MacAddr, BadColumn> {
    text(row, column)?.parse().map_err(|error| BadColumn::new(column, error))
}

/// The truth value that a map holds as text. OVN takes `true` in any case for true (`smap_get_bool`).
pub(super) fn flag(row: &Row, column: &str, key: &str) -> bool {
    row.map_text(column, key).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// A router port's own address and the network it lies in, as `198.19.3.8/24`.
pub(super) fn own_network(text: &str) -> Option<(IpAddr, IpPrefix)> {
    let own = text.split_once('/').map_or(text, |(own, _)| own).parse().ok()?;
    Some((own, text.parse().ok()?))
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
