//! What a run amounts to, in the form in which replay tells it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use analyzer_ebpf::maps::{Counter, PacketCount};
use hashbrown::{HashMap, HashSet};

use super::daemon::{Daemon, Inbox};
use super::kernel::Counters;
use super::set::counters_of;
use super::voice::Trouble;
use crate::bpf::counted::Counted;
use crate::engine::finding::{LatentState, NexthopCount, Summary};
use crate::engine::verdict::{Info, Verdict};
use crate::output::provenance::Provenance;
use crate::output::report::{Report, Skipped};
use crate::output::status::{Loss, MapStatus, SourceStatus, Status};
use crate::types::MacAddr;

/// Losses that the kernel program counts, and what they are called.
const KERNEL_LOSSES: [(Counter, &str); 10] = [
    (Counter::Unloaded, "packets_before_nexthops_were_known"),
    (Counter::Truncated, "packets_truncated"),
    (Counter::Malformed, "packets_malformed"),
    (Counter::SuspectsFull, "suspect_packets_untracked"),
    (Counter::SamplesFull, "samples_untracked"),
    (Counter::RequestsFull, "requests_untracked"),
    (Counter::HeardFull, "neighbours_untracked"),
    (Counter::EventsLost, "events_lost"),
    (Counter::EventsLimited, "events_limited"),
    (Counter::ReceivedUnparsed, "received_packets_unparsed"),
];

impl Daemon {
    /// Detaches, reads what was counted to the last packet, and says what the run amounts to.
    pub(super) async fn finish(mut self, inbox: &mut Inbox) -> (Report, super::news::News) {
        let nics = self.watching.status();
        self.end_trace();
        self.watching.close();
        self.take_the_last_mirrored(inbox).await;
        self.save_history_now().await;
        self.judge_the_last().await;
        self.latents.leave_out_cited(&self.ledger.cited());
        self.kernel.count_evicted(&mut self.voice);
        self.look_at_replies();
        self.end_alerts().await;
        self.end_recording();
        let status = Status { nics, ..self.status() };
        let counters = self.counters();
        let conforming = self.conforming_flows();
        let nexthops = self.nexthop_counts();
        let tells_nexthops = self.is_sighted;
        let is_estimated = self.is_estimated();
        let unread = self.unread_frames();
        let now = self.clock.now();
        let gaps = self.engine.gaps_between(self.started, now).cloned().collect();
        let datapath = self.connections.way().datapath();
        let Self { ledger, latents, config, watching, news, started, .. } = self;
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
        let report = Report {
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
            node: config.output.node().map(str::to_owned),
            status: Some(status),
            provenance: Provenance::default(),
            datapath,
        };
        (report, news)
    }

    /// What was sampled of flows that conform, and what of them was suspect until it was judged: the first packets of their
    /// kind, which may be all of a flow's.
    pub(super) fn conforming(&mut self) -> Vec<Counted> {
        let mut conforming = self.kernel.samples(&mut self.voice);
        let is_conforming = |suspect: &Counted| match self.ledger.verdict(&suspect.key) {
            Some(verdict) => matches!(verdict, Verdict::Conforming | Verdict::Info(Info::AsymmetricReply)),
            None => false,
        };
        let suspects = self.kernel.suspects(&mut self.voice).unwrap_or_default();
        conforming.extend(suspects.into_iter().filter(is_conforming));
        conforming
    }

    /// Whether numbers of flows that conform are estimates.
    fn is_estimated(&mut self) -> bool {
        match self.kernel.mirrored() {
            Some(mirrored) => mirrored.is_estimated(),
            None => self.config.sample != 1,
        }
    }

    /// Frames of mirror ports that no socket got.
    fn unread_frames(&self) -> u64 {
        let (frames, _) = self.kernel.mirrored_losses();
        let (passed, missed) = self.watching.passed_by();
        frames.dropped + frames.ring_full + passed + missed
    }

    /// Flows that conformed and were never suspect, as far as samples show them.
    fn conforming_flows(&mut self) -> u64 {
        let mut flows = HashSet::new();
        for sample in &self.kernel.samples(&mut self.voice) {
            let seen = self.kernel.observation(sample);
            if !self.ledger.has_flow(&seen) {
                flows.insert((seen.nic, seen.tags.outer(), seen.tags.inner(), seen.tuple));
            }
        }
        flows.len() as u64
    }

    /// Conforming packets by next hop: those that the kernel counted by an outcome, and those of flows that were
    /// suspect until the engine knew better.
    pub(super) fn nexthop_counts(&mut self) -> Vec<NexthopCount> {
        let mut counts: HashMap<MacAddr, NexthopCount> = HashMap::new();
        for count in self.ledger.conforming() {
            counts.insert(count.lladdr, count);
        }
        for ((lladdr, nexthops), PacketCount { packets, bytes }) in self.kernel.nexthops(&mut self.voice) {
            let count = counts.entry(*lladdr).or_insert_with(|| NexthopCount {
                lladdr: *lladdr,
                nexthops: Vec::new(),
                packets: 0,
                bytes: 0,
            });
            count.packets += packets;
            count.bytes += bytes;
            let all: BTreeSet<IpAddr> = count.nexthops.iter().chain(nexthops).copied().collect();
            count.nexthops = all.into_iter().collect();
        }
        let mut counts: Vec<NexthopCount> = counts.into_values().filter(|count| count.packets > 0).collect();
        counts.sort_by(|a, b| (&a.nexthops, a.lladdr).cmp(&(&b.nexthops, b.lladdr)));
        counts
    }

    /// Packets that the kernel program has counted as suspect.
    pub(super) fn suspect_packets(&mut self) -> u64 {
        self.counters()[Counter::Suspect as usize].packets
    }

    pub(super) fn counters(&mut self) -> Counters {
        self.kernel.counters(&mut self.voice)
    }

    /// Tells programs how the daemon is doing.
    pub(super) fn tell_status(&mut self) {
        let status = self.status();
        self.news.status(status);
    }

    /// How the daemon is doing.
    pub(super) fn status(&mut self) -> Status {
        let at = self.clock.now();
        let sources = self.sources.all().iter().map(|source| SourceStatus {
            name: source.name,
            place: source.place.clone(),
            state: source.phase.name(),
            since: source.since,
            age: source.age(at),
            error: source.error.clone(),
        });
        let maps = self.kernel.map_uses().map(|map| MapStatus {
            name: map.name.to_owned(),
            capacity: u64::from(map.max_entries),
            bytes: map.memory_bytes.unwrap_or(0),
        });
        let (sources, maps) = (sources.collect(), maps.collect());
        Status {
            at,
            nexthops_known: self.is_sighted && !self.kernel.has_refused(),
            sources,
            nics: self.watching.status(),
            losses: self.losses(),
            maps,
        }
    }

    /// What was lost since the start, by cause.
    pub(super) fn losses(&mut self) -> Vec<Loss> {
        let (counters, evicted) = (self.counters(), self.kernel.evicted());
        let kernel = KERNEL_LOSSES.map(|(counter, name)| Loss { name, count: counters[counter as usize].packets });
        let route = self.watching.losses;
        let (frames, unlisted) = self.kernel.mirrored_losses();
        let (passed, missed) = self.watching.passed_by();
        let own = [
            ("suspect_packets_unjudged", self.ledger.unjudged()),
            ("samples_evicted", evicted.samples),
            ("requests_evicted", evicted.requests),
            ("neighbours_evicted", evicted.neighbours),
            ("afxdp_frames_dropped", frames.dropped),
            ("afxdp_frames_beyond_the_ring", frames.ring_full),
            ("afxdp_frames_passed_on", passed),
            ("afxdp_frames_missed_by_nic", missed),
            ("afxdp_buffers_used_up", frames.fill_empty),
            ("packets_of_unlisted_flows", unlisted),
            ("frames_not_written", self.frames_not_written()),
            ("conntrack_requests_failed", self.evidence.failures()),
            ("conntrack_entries_refused", self.evidence.refused()),
            ("conntrack_events_overrun", self.connections.overruns),
            ("conntrack_readings_interrupted", self.connections.interrupted),
            ("conntrack_entries_unreadable", self.connections.unreadable),
            ("netlink_messages_malformed", route.malformed),
            ("netlink_overruns", route.overruns),
            ("netlink_objects_dropped", route.dropped),
            ("databases_too_large", self.databases.too_much()),
            ("history_facts_displaced", self.remembering.displaced()),
            ("programs_removed_by_others", self.lost_places),
            ("latent_entries_not_looked_at", self.evidence.latent_beyond()),
            ("findings_not_kept", self.ledger.omitted()),
            ("news_omitted", self.news.omitted()),
            ("alerts_dropped", self.alerting.dropped()),
            ("conntrack_readings_failed", self.voice.failures(Trouble::ConntrackReading)),
            ("conntrack_events_failed", self.voice.failures(Trouble::ConntrackEvents)),
            ("kernel_requests_failed", self.voice.failures(Trouble::KernelProgram)),
        ];
        kernel.into_iter().chain(own.map(|(name, count)| Loss { name, count })).collect()
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
