//! What a repair looks like, for text and JSON.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::engine::finding::{CitedConnection, ExpectedNexthop, KnownAs, LastLegal, Listed};
use crate::engine::verdict::Verdict;
use crate::output::remedy::Datapath;
use crate::types::{MacAddr, Timestamp};

/// What was, or would be, done about one entry.
#[derive(Clone, PartialEq, Debug)]
pub struct RepairRow {
    /// When; `None` where a dump tells of the entry.
    pub at: Option<Timestamp>,
    /// Stable name of the method.
    pub method: &'static str,
    /// Where the entry lives; `None` where a dump tells of it.
    pub datapath: Option<Datapath>,
    /// Stable name of the outcome.
    pub outcome: &'static str,
    /// Stable name of the reason why nothing was done, where that is the outcome.
    pub reason: Option<&'static str>,
    /// The outcome in words.
    pub message: String,
    /// The entry as it was before.
    pub connection: CitedConnection,
    /// Its id, where the datapath has one.
    pub id: Option<u32>,
    /// The next hop and the MAC that a relabelled entry gets.
    pub relabel: Option<(IpAddr, MacAddr)>,
    /// What was seen of the flow after it was healed, where that was watched.
    pub afterwards: Option<Afterwards>,
    /// Codes of what is taken for granted.
    pub assumes: Vec<Cow<'static, str>>,
    /// The next hops of the flow.
    pub expected: Listed<ExpectedNexthop>,
    /// When the MAC was last legal.
    pub last_legal: Option<LastLegal>,
    /// What else knows the MAC.
    pub known_as: Listed<KnownAs>,
}

/// Which way a flow goes after it was healed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Afterwards {
    /// Its next packet left to this MAC, with this verdict.
    Seen {
        /// The MAC.
        eth_dst: MacAddr,
        /// The verdict.
        verdict: Verdict,
    },
    /// No packet of it was seen for so long.
    NoPacket {
        /// How long.
        watched: Duration,
    },
}

impl Afterwards {
    /// The stable name of what that means. What is info leaves by design.
    pub fn name(self) -> &'static str {
        match self {
            Self::Seen { verdict: Verdict::Conforming | Verdict::Info(_), .. } => "conforms",
            Self::Seen { verdict: Verdict::Violating(_), .. } => "violating",
            Self::Seen { .. } => "undetermined",
            Self::NoPacket { .. } => "no-packet",
        }
    }
}

impl fmt::Display for Afterwards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mac, reason) = match self {
            Self::NoPacket { watched } => {
                return write!(
                    f,
                    "no packet of it was seen in {} s: whether it is healed is not known",
                    watched.as_secs_f64()
                );
            }
            Self::Seen { eth_dst, verdict } => (eth_dst, verdict.reason().unwrap_or(verdict.name())),
        };
        match self.name() {
            "conforms" => write!(f, "its next packet left to {mac}, and conforms"),
            "violating" => write!(f, "its next packet left to {mac}: still violating ({reason})"),
            _ => write!(f, "its next packet left to {mac}, which cannot be judged ({reason})"),
        }
    }
}

impl RepairRow {
    /// Whether a command that does the same is shown: where the entry is, or was, to be deleted. Bits of marks and labels
    /// no tool changes in one zone alone.
    pub(super) fn has_remedy(&self) -> bool {
        self.method == "delete" && matches!(self.outcome, "would" | "failed")
    }
}
