//! One message to whoever is on call.

use crate::types::Timestamp;

/// A message, in no format yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Alert {
    /// What happened: the MSGID of RFC 5424.
    pub kind: Kind,
    /// The stable name of the verdict's reason (`stale-conntrack`), where the message is about packets; that of the
    /// state (`armed`), where it is about a latent entry. The severity goes by it.
    pub reason: Option<&'static str>,
    /// When it happened.
    pub at: Timestamp,
    /// One sentence for people, without a full stop or a line break. Foreign names in it are escaped already.
    pub text: String,
    /// What programs read, the most important first: where a format has a limit, fields are left out from the end.
    pub fields: Vec<Field>,
}

/// A named value of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Field {
    /// Its stable name: lower-case letters, digits and `_`, at most 32 of them (`SD-NAME` of RFC 5424 section 6.3.2). A
    /// name may come several times, as the RFC allows (`flow`).
    pub name: &'static str,
    /// Its value, as it is: any text, escaped by nobody yet. Never empty.
    pub value: String,
}

/// What a message is about. The names are stable.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// Packets leave to a MAC that is no current next hop: a cause is new, or has more flows.
    Violation,
    /// They still do.
    Repeated,
    /// They do no more.
    Cleared,
    /// A conntrack entry holds such a MAC and no packet was seen.
    Latent,
    /// A source of facts is lost.
    SourceLost,
    /// It is back.
    SourceBack,
    /// Something was lost: packets that nobody judged, messages that nobody took.
    Loss,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 7] =
        [Self::Violation, Self::Repeated, Self::Cleared, Self::Latent, Self::SourceLost, Self::SourceBack, Self::Loss];

    /// The kind's stable name, as MSGID has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Violation => "VIOLATION",
            Self::Repeated => "REPEATED",
            Self::Cleared => "CLEARED",
            Self::Latent => "LATENT",
            Self::SourceLost => "SOURCE-LOST",
            Self::SourceBack => "SOURCE-BACK",
            Self::Loss => "LOSS",
        }
    }
}
