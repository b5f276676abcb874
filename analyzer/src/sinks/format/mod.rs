//! An alert as bytes, in each form that receivers read. No I/O, no clock.
//!
//! | form | where | what |
//! |---|---|---|
//! | [`Form::Rfc5424`] | UDP, TCP, TLS | fields as structured data |
//! | [`Form::Rfc3164`] | old receivers | fields as `key=value` behind the text |
//! | [`Form::Local`] | `/dev/log` | as RFC 3164, without hostname |
//! | [`Form::Journald`] | journald's own socket | a journal field for each of ours |

mod bsd;
mod fit;
mod journald;
mod rfc5424;

use jiff::tz::TimeZone;

use super::severity::{Facility, Severities};
use crate::alerts::Alert;

/// The least that a message may be limited to: what every receiver takes (RFC 5424 section 6.1). Header, structured data
/// without fields and a text of one letter fit in it.
pub const LEAST_MAX_BYTES: usize = 480;

/// A form of messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// The syslog protocol.
    Rfc5424,
    /// The BSD syslog protocol.
    Rfc3164,
    /// What syslog(3) writes to a local socket: the BSD form without hostname.
    Local,
    /// systemd's journal export form, as its native protocol takes it.
    Journald,
}

impl Form {
    /// Most bytes of a message unless told otherwise; none where nothing limits them.
    pub fn default_max_bytes(self) -> Option<usize> {
        match self {
            // What receivers SHOULD take (RFC 5424 section 6.1).
            Self::Rfc5424 => Some(2048),
            // RFC 3164 section 4.1.
            Self::Rfc3164 | Self::Local => Some(1024),
            Self::Journald => None,
        }
    }
}

/// What is the same in all messages of a process.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Name of this machine, with or without domain.
    pub hostname: String,
    /// APP-NAME, and the tag of the BSD form.
    pub app_name: String,
    /// PROCID.
    pub process_id: u32,
    /// SD-ID of our structured data.
    pub sd_id: String,
    /// Facility.
    pub facility: Facility,
    /// How much each message matters.
    pub severities: Severities,
    /// The zone that times of the BSD form are in, which do not tell it.
    pub zone: TimeZone,
}

/// Turns alerts into messages of one form.
#[derive(Clone, Debug)]
pub struct Encoder {
    form: Form,
    origin: Origin,
    max_bytes: usize,
}

/// A message, and what did not fit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Encoded {
    /// The message.
    pub bytes: Vec<u8>,
    /// Fields that were left out, from the end of the alert's.
    pub left_out: usize,
    /// Whether the text was cut.
    pub is_cut: bool,
}

impl Encoder {
    /// Messages have at most `max_bytes` bytes, but are not limited to less than [`LEAST_MAX_BYTES`].
    pub fn new(form: Form, origin: Origin, max_bytes: Option<usize>) -> Self {
        let max_bytes = max_bytes.or(form.default_max_bytes()).unwrap_or(usize::MAX).max(LEAST_MAX_BYTES);
        Self { form, origin, max_bytes }
    }

    /// The message for an alert. `sequence` is told where the receiver can see by it what came twice or not at all: 1
    /// to 2147483647 (RFC 5424 section 7.3.1).
    pub fn encode(&self, alert: &Alert, sequence: Option<u32>) -> Encoded {
        match self.form {
            Form::Rfc5424 => rfc5424::encode(&self.origin, alert, sequence, self.max_bytes),
            Form::Rfc3164 => bsd::encode(&self.origin, alert, sequence, self.max_bytes, bsd::Hostname::Told),
            Form::Local => bsd::encode(&self.origin, alert, sequence, self.max_bytes, bsd::Hostname::Absent),
            Form::Journald => journald::encode(&self.origin, alert),
        }
    }
}

impl Origin {
    /// PRI, with its brackets (RFC 5424 section 6.2.1).
    fn pri(&self, alert: &Alert) -> String {
        let number = u16::from(self.facility.number()) * 8 + u16::from(self.severities.of(alert).number());
        format!("<{number}>")
    }
}

/// A text in PRINTUSASCII of at most `max` bytes (RFC 5424 section 6): what is not of it becomes `_`; an empty text
/// becomes the NILVALUE.
fn printable_ascii(text: &str, max: usize) -> String {
    let printable = |c: char| if c.is_ascii_graphic() { c } else { '_' };
    let shown: String = text.chars().map(printable).take(max).collect();
    if shown.is_empty() { "-".to_owned() } else { shown }
}

#[cfg(test)]
mod tests;
