//! What a repair looks like, for text and JSON.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::engine::finding::{CitedConnection, ExpectedNexthop, KnownAs, LastLegal, Listed};
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
    /// Codes of what is taken for granted.
    pub assumes: Vec<Cow<'static, str>>,
    /// The next hops of the flow.
    pub expected: Listed<ExpectedNexthop>,
    /// When the MAC was last legal.
    pub last_legal: Option<LastLegal>,
    /// What else knows the MAC.
    pub known_as: Listed<KnownAs>,
}

impl RepairRow {
    /// Whether a command that does the same is shown: where the entry is, or was, to be deleted. Bits of marks and labels
    /// no tool changes in one zone alone.
    pub(super) fn has_remedy(&self) -> bool {
        self.method == "delete" && matches!(self.outcome, "would" | "failed")
    }
}
