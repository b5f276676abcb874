//! The syslog protocol (RFC 5424).

use std::fmt::Write as _;

use super::fit::Parts;
use super::{Encoded, Origin, printable_ascii};
use crate::alerts::Alert;
use crate::output::escape::Escaped;

/// Tells a receiver that the text is UTF-8 (section 6.4).
const BOM: &str = "\u{feff}";

/// The text bears the byte order mark that the RFC asks for only where it is not ASCII: ASCII is the same in every
/// encoding, and receivers that do not know the mark print it.
pub(super) fn encode(origin: &Origin, alert: &Alert, sequence: Option<u32>, max_bytes: usize) -> Encoded {
    let mut head = format!(
        "{}1 {} {} {} {} {} ",
        origin.pri(alert),
        alert.at,
        printable_ascii(&origin.hostname, 255),
        printable_ascii(&origin.app_name, 48),
        origin.process_id,
        alert.kind.name(),
    );
    if let Some(sequence) = sequence {
        write!(head, "[meta sequenceId=\"{sequence}\"]").expect("writing to a String does not fail");
    }
    let has_fields = !alert.fields.is_empty();
    if has_fields {
        write!(head, "[{}", origin.sd_id).expect("writing to a String does not fail");
    }
    // What follows on the fields.
    let behind = match (has_fields, sequence) {
        (true, _) => "] ",
        (false, Some(_)) => " ",
        (false, None) => "- ",
    };
    let fields = alert.fields.iter().map(|field| parameter(field.name, &field.value)).collect();
    let parts = Parts {
        fixed: head.len() + behind.len(),
        mark: BOM.len(),
        text: Escaped(&alert.text).to_string(),
        fields,
        omitted: |count| parameter("omitted", &count.to_string()),
    };
    let fitting = parts.fit(max_bytes);
    let mark = if fitting.text.is_ascii() { "" } else { BOM };
    let bytes = [&head, fitting.fields.as_str(), behind, mark, &fitting.text].concat().into_bytes();
    Encoded { bytes, left_out: fitting.left_out, is_cut: fitting.is_cut }
}

/// SD-PARAM with the space before it. Characters that must not reach a log as they are are shown by [`Escaped`] first.
fn parameter(name: &str, value: &str) -> String {
    let shown = Escaped(value).to_string();
    let mut parameter = String::with_capacity(name.len() + shown.len() + 5);
    parameter.push(' ');
    parameter.push_str(name);
    parameter.push_str("=\"");
    for c in shown.chars() {
        if matches!(c, '"' | '\\' | ']') {
            parameter.push('\\');
        }
        parameter.push(c);
    }
    parameter.push('"');
    parameter
}
