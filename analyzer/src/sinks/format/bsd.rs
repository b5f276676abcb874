//! The BSD syslog protocol (RFC 3164), and what syslog(3) writes to local sockets.
//!
//! Its times tell neither year nor zone. Receivers take them for local time, and so they are in this machine's zone.

use super::fit::Parts;
use super::{Encoded, Origin, printable_ascii};
use crate::alerts::Alert;
use crate::output::escape::Escaped;
use crate::types::Timestamp;

/// Whether the message tells whose it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Hostname {
    /// It does.
    Told,
    /// It does not: the receiver is on this machine.
    Absent,
}

/// Behind the text come `msgid`, `sequenceId` where asked for, and the fields.
pub(super) fn encode(
    origin: &Origin,
    alert: &Alert,
    sequence: Option<u32>,
    max_bytes: usize,
    hostname: Hostname,
) -> Encoded {
    let hostname = match hostname {
        Hostname::Told => short(&origin.hostname) + " ",
        Hostname::Absent => String::new(),
    };
    let head = format!(
        "{}{} {hostname}{}[{}]: ",
        origin.pri(alert),
        date(alert.at, origin),
        tag(&origin.app_name),
        origin.process_id
    );
    let mut ids = pair("msgid", alert.kind.name());
    if let Some(sequence) = sequence {
        ids += &pair("sequenceId", &sequence.to_string());
    }
    let parts = Parts {
        fixed: head.len() + ids.len(),
        mark: 0,
        text: Escaped(&alert.text).to_string(),
        fields: alert.fields.iter().map(|field| pair(field.name, &field.value)).collect(),
        omitted: |count| pair("omitted", &count.to_string()),
    };
    let fitting = parts.fit(max_bytes);
    let bytes = [&head, &fitting.text, &ids, &fitting.fields].map(String::as_str).concat().into_bytes();
    Encoded { bytes, left_out: fitting.left_out, is_cut: fitting.is_cut }
}

/// `Mmm dd hh:mm:ss`, the day with a space in front of a single digit (RFC 3164 section 4.1.2).
pub(super) fn date(at: Timestamp, origin: &Origin) -> String {
    let at = jiff::Timestamp::from_nanosecond(i128::from(at.as_nanos())).unwrap_or(jiff::Timestamp::MAX);
    at.to_zoned(origin.zone.clone()).strftime("%b %e %H:%M:%S").to_string()
}

/// The hostname without its domain (RFC 3164 section 4.1.2); an address as it is.
fn short(hostname: &str) -> String {
    let is_address = hostname.parse::<std::net::IpAddr>().is_ok();
    let name = if is_address { hostname } else { hostname.split('.').next().unwrap_or_default() };
    printable_ascii(name, 255)
}

/// At most 32 characters, none of which ends the tag (RFC 3164 section 4.1.3).
fn tag(app_name: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/') { c } else { '_' };
    let tag: String = app_name.chars().map(safe).take(32).collect();
    if tag.is_empty() { "-".to_owned() } else { tag }
}

/// ` key=value`, the value in quotes where it is more than one plain word: in quotes, `"` and `\` have a `\` in front.
fn pair(name: &str, value: &str) -> String {
    let shown = Escaped(value).to_string();
    let is_plain = |c: char| !(c.is_whitespace() || matches!(c, '"' | '\\' | '='));
    if !shown.is_empty() && shown.chars().all(is_plain) {
        return format!(" {name}={shown}");
    }
    format!(" {name}=\"{}\"", shown.replace('\\', "\\\\").replace('"', "\\\""))
}
