//! All that a run has to say.

use std::collections::BTreeSet;

use crate::engine::finding::{Assumption, CitedConnection, CtDirection, Finding, Latent, Summary};
use crate::engine::verdict::Verdict;
use crate::output::provenance::Provenance;
use crate::output::remedy::Datapath;
use crate::output::status::Status;
use crate::types::{MacAddr, Timestamp, Tuple, Warning};

/// All that a run has to say.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Report {
    /// Findings, in the order in which JSON shows them.
    pub findings: Vec<Finding>,
    /// Labelled conntrack entries whose MAC is outside the set while no packet to it was seen.
    pub latent: Vec<Latent>,
    /// Whether reading was interrupted, so that this is the verdict on what was read until then.
    pub interrupted: bool,
    /// Counts over the whole run.
    pub summary: Summary,
    /// Whether anything told next hops.
    pub tells_nexthops: bool,
    /// What was passed over.
    pub skipped: Skipped,
    /// Why, as far as it is kept.
    pub warnings: Vec<Warning>,
    /// Inputs that were read, as the user named them.
    pub files: Vec<String>,
    /// Name of each NIC by its index, where known.
    pub nic_names: Vec<Option<String>>,
    /// Fractional digits of the capture's times: 6 or 9.
    pub time_digits: u8,
    /// Whether the capture has no times, so that those of packets tell their order only.
    pub lacks_times: bool,
    /// Name of the node, where known.
    pub node: Option<String>,
    /// How the daemon was doing at the end; `None` where there was none.
    pub status: Option<Status>,
    /// Where all this comes from.
    pub provenance: Provenance,
    /// Where conntrack entries live, where the running system was asked: text shows commands for that alone.
    pub datapath: Option<Datapath>,
}

/// Counts of what was passed over.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Skipped {
    /// Frames cut before the end of the headers that a verdict needs.
    pub truncated: u64,
    /// Frames that carry no IP packet.
    pub not_ip: u64,
    /// Frames whose headers contradict themselves.
    pub unparsed: u64,
    /// Lines or records of other inputs that could not be read.
    pub lines: u64,
    /// Captures that end in the middle of a record, or are damaged from somewhere on.
    pub ends: u64,
}

impl Report {
    /// A packet's time as text; `None` where the capture has no times.
    pub fn packet_time(&self, at: Timestamp) -> Option<String> {
        (!self.lacks_times).then(|| at.to_rfc3339(self.time_digits))
    }

    /// Findings that violate.
    pub fn violating(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| matches!(finding.verdict, Verdict::Violating(_)))
    }

    /// Where packets of findings that violate went to.
    pub fn wrong_macs(&self) -> BTreeSet<MacAddr> {
        self.violating().filter_map(|finding| finding.eth_dst).collect()
    }

    /// When the first packet of a finding that violates was seen; `None` where findings were not kept, of which one may be
    /// older.
    pub fn violating_since(&self) -> Option<Timestamp> {
        let first = self.violating().map(|finding| finding.first_seen).min();
        first.filter(|_| self.summary.omitted_findings == 0)
    }

    /// Name of the NIC with an index.
    pub fn nic_name(&self, nic: u8) -> Option<&str> {
        self.nic_names.get(usize::from(nic))?.as_deref()
    }
}

/// The entries of a finding that are to be deleted: those that hold the MAC, where that MAC is wrong.
///
/// A router that is alive and no next hop is pinned to by design, and where a verdict is missing nothing is deleted.
pub fn to_heal(finding: &Finding) -> impl Iterator<Item = &CitedConnection> {
    let wrong = matches!(finding.verdict, Verdict::Violating(_));
    finding.conntrack.iter().filter(move |entry| wrong && Some(entry.reply_eth) == finding.eth_dst)
}

/// Whether packets of the time before a change may be among those that violate: nothing dates the next hops, so neither the
/// change nor its grace period is known.
pub fn may_be_older(finding: &Finding) -> bool {
    matches!(finding.verdict, Verdict::Violating(_)) && finding.assumes.contains(Assumption::NoHistory)
}

/// The tuple of an entry whose packets leave the node.
pub fn leaving(entry: &CitedConnection) -> &Tuple {
    match entry.direction {
        CtDirection::Orig => &entry.orig,
        CtDirection::Reply => &entry.reply,
    }
}
