//! What a run amounts to, in the form in which replay tells it.

use analyzer_ebpf::maps::Counter;

use super::accounts::Accounts;
use super::latent::Latents;
use super::ledger::Ledger;
use super::packets::Counters;
use super::set::counters_of;
use crate::bpf::counted::Key;
use crate::engine::fact::Gap;
use crate::engine::finding::{LatentState, NexthopCount, Summary};
use crate::engine::verdict::Verdict;
use crate::output::provenance::Provenance;
use crate::output::remedy::Datapath;
use crate::output::report::{Report, Skipped};
use crate::output::status::{NicStatus, Status};
use crate::types::Timestamp;

/// What is counted beside the books, once nothing is counted any more.
pub(super) struct Totals {
    status: Status,
    counters: Counters,
    /// Flows that conformed and were never suspect.
    conforming: u64,
    nexthops: Vec<NexthopCount>,
    is_estimated: bool,
    /// Frames that nobody read.
    unread: u64,
    tells_nexthops: bool,
    datapath: Option<Datapath>,
    nic_names: Vec<Option<String>>,
}

/// The time of a run, and what lacks in it.
pub(super) struct Span {
    pub(super) started: Timestamp,
    pub(super) ended: Timestamp,
    pub(super) gaps: Vec<Gap>,
}

impl Totals {
    /// As they are now. `nics` is how NICs were watched.
    pub(super) fn of(accounts: &mut Accounts<'_>, nics: Vec<NicStatus>) -> Self {
        Self {
            status: Status { nics, ..accounts.status() },
            counters: accounts.counters(),
            conforming: accounts.conforming_flows(),
            nexthops: accounts.nexthop_counts(),
            is_estimated: accounts.is_estimated(),
            unread: accounts.unread_frames(),
            tells_nexthops: accounts.facts.sighted().is_some(),
            datapath: accounts.connections.way().datapath(),
            nic_names: accounts.watching.names(),
        }
    }

    /// What the run amounts to, with what is on the books and the latent entries that are left.
    pub(super) fn into_report(self, span: Span, books: Ledger<Key>, latents: Latents, node: Option<String>) -> Report {
        let Self { counters, conforming, .. } = self;
        let (remarks, unjudged) = (books.remarks(), books.unjudged());
        let (findings, mut summary) = books.close_all();
        add_kernel_counts(&mut summary, &counters);
        summary.untracked_packets += unjudged + self.unread;
        summary.flows += conforming;
        summary.covered_flows += conforming;
        summary.conforming_flows += conforming.saturating_sub(remarks);
        summary.info_flows += remarks;
        summary.nexthops = self.nexthops;
        summary.estimated = self.is_estimated;
        summary.latent_armed = latents.count(LatentState::Armed);
        summary.latent_unused = latents.count(LatentState::Unused);
        summary.history = Some(span.started);
        summary.gaps = span.gaps;
        summary.first_seen = Some(span.started);
        summary.last_seen = Some(span.ended);
        let of = |counter: Counter| counters[counter as usize].packets;
        let skipped = Skipped {
            truncated: of(Counter::Truncated),
            not_ip: of(Counter::NotIp),
            unparsed: of(Counter::Malformed),
            lines: 0,
            ends: 0,
        };
        Report {
            findings,
            latent: latents.into_entries(),
            interrupted: false,
            summary,
            tells_nexthops: self.tells_nexthops,
            skipped,
            warnings: Vec::new(),
            files: Vec::new(),
            nic_names: self.nic_names,
            time_digits: 6,
            lacks_times: false,
            node,
            status: Some(self.status),
            provenance: Provenance::default(),
            datapath: self.datapath,
        }
    }
}

/// Adds what the kernel program decided by itself, and the packets of all.
fn add_kernel_counts(summary: &mut Summary, counters: &Counters) {
    let of = |counter: Counter| counters[counter as usize].packets;
    summary.packets = of(Counter::Seen);
    summary.bytes = counters[Counter::Seen as usize].bytes;
    let uncovered = Verdict::ALL.into_iter().filter_map(|verdict| match verdict {
        Verdict::NotCovered(reason) => Some(counters_of(reason)),
        _ => None,
    });
    summary.uncovered_packets += uncovered.flatten().copied().map(of).sum::<u64>();
    // Nobody judged these.
    summary.untracked_packets += of(Counter::SuspectsFull) + of(Counter::Unloaded);
}
