//! What a run amounts to, in the form in which replay tells it.

use analyzer_ebpf::maps::Counter;

use super::Daemon;
use super::packets::Counters;
use super::set::counters_of;
use crate::engine::finding::{LatentState, Summary};
use crate::engine::verdict::Verdict;
use crate::output::provenance::Provenance;
use crate::output::report::{Report, Skipped};
use crate::output::status::{NicStatus, Status};
use crate::types::Timestamp;

impl Daemon {
    /// Detaches from all NICs. Returns how they were watched.
    pub fn detach(&mut self, now: Timestamp) -> Vec<NicStatus> {
        self.now = now;
        let nics = self.watching.status();
        self.watching.close();
        nics
    }

    /// Tells what is left to be told, once the last packets were judged.
    pub fn conclude_run(&mut self, now: Timestamp) {
        self.now = now;
        self.latents.leave_out_cited(&self.ledger.cited());
        self.kernel.count_evicted(&mut self.voice);
        self.look_at_replies();
        self.tell_alerts();
    }

    /// What the run amounts to. `nics` is how they were watched.
    pub fn into_report(mut self, nics: Vec<NicStatus>, now: Timestamp) -> Report {
        self.now = now;
        let status = Status { nics, ..self.status() };
        let counters = self.counters();
        let conforming = self.conforming_flows();
        let nexthops = self.nexthop_counts();
        let tells_nexthops = self.is_sighted;
        let is_estimated = self.is_estimated();
        let unread = self.unread_frames();
        let gaps = self.engine.gaps_between(self.started, now).cloned().collect();
        let datapath = self.connections.way().datapath();
        let Self { ledger, latents, settings, watching, started, .. } = self;
        let (remarks, unjudged) = (ledger.remarks(), ledger.unjudged());
        let (findings, mut summary) = ledger.close_all();
        add_kernel_counts(&mut summary, &counters);
        summary.untracked_packets += unjudged + unread;
        summary.flows += conforming;
        summary.covered_flows += conforming;
        summary.conforming_flows += conforming.saturating_sub(remarks);
        summary.info_flows += remarks;
        summary.nexthops = nexthops;
        summary.estimated = is_estimated;
        summary.latent_armed = latents.count(LatentState::Armed);
        summary.latent_unused = latents.count(LatentState::Unused);
        summary.history = Some(started);
        summary.gaps = gaps;
        summary.first_seen = Some(started);
        summary.last_seen = Some(now);
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
            tells_nexthops,
            skipped,
            warnings: Vec::new(),
            files: Vec::new(),
            nic_names: watching.names(),
            time_digits: 6,
            lacks_times: false,
            node: settings.node,
            status: Some(status),
            provenance: Provenance::default(),
            datapath,
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
