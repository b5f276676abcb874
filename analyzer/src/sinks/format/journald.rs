//! journald's native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): a datagram of fields, each its own line, or behind
//! its length where the value holds a line break.

use super::{Encoded, Origin, bsd};
use crate::alerts::{Alert, Kind};
use crate::output::escape::Escaped;

/// Nothing is left out: a message that no datagram can hold is passed as a file. Values are not escaped, as journald
/// takes any byte and its readers know what not to print.
pub(super) fn encode(origin: &Origin, alert: &Alert) -> Encoded {
    let mut bytes = Vec::new();
    put(&mut bytes, "MESSAGE", &Escaped(&alert.text).to_string());
    put(&mut bytes, "MESSAGE_ID", message_id(alert.kind));
    put(&mut bytes, "PRIORITY", &origin.severities.of(alert).number().to_string());
    put(&mut bytes, "SYSLOG_FACILITY", &origin.facility.number().to_string());
    put(&mut bytes, "SYSLOG_IDENTIFIER", &origin.app_name);
    put(&mut bytes, "SYSLOG_PID", &origin.process_id.to_string());
    put(&mut bytes, "SYSLOG_TIMESTAMP", &bsd::date(alert.at, origin));
    put(&mut bytes, "ANALYZER_KIND", alert.kind.name());
    put(&mut bytes, "ANALYZER_TIME", &alert.at.to_string());
    for field in &alert.fields {
        put(&mut bytes, &format!("ANALYZER_{}", field.name.to_ascii_uppercase()), &field.value);
    }
    Encoded { bytes, left_out: 0, is_cut: false }
}

fn put(bytes: &mut Vec<u8>, name: &str, value: &str) {
    bytes.extend_from_slice(name.as_bytes());
    if value.contains('\n') {
        bytes.push(b'\n');
        bytes.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        bytes.push(b'=');
    }
    bytes.extend_from_slice(value.as_bytes());
    bytes.push(b'\n');
}

/// The kind as sd-id128(3) has it: made up once, never to be changed, as catalogs and filters go by it.
fn message_id(kind: Kind) -> &'static str {
    match kind {
        Kind::Violation => "0f35b30bf034427a96ee69300f7e5a2b",
        Kind::Repeated => "e8f2750c1c434ed9a9d0939e237f70c8",
        Kind::Cleared => "322f97c0f1ca4d759e9d80ce6ac79a3b",
        Kind::Latent => "5da4273820ea4429a12bec67d0e00890",
        Kind::SourceLost => "010034ce958745e3a0f97b55b1532147",
        Kind::SourceBack => "c0bffcaa43964c4f9bc4fba71d67a91c",
        Kind::Loss => "89e6ebd8c43f4cb8908fba57a9b663f5",
    }
}
