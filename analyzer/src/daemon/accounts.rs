//! How the daemon is doing: what it counts, what it lost, and what of both is told to programs.

use std::collections::BTreeSet;
use std::net::IpAddr;

use analyzer_ebpf::maps::{Counter, PacketCount};
use hashbrown::{HashMap, HashSet};

use super::Daemon;
use super::packets::Counters;
use super::repairing::Repairing;
use super::set::counters_of;
use super::sources::Phase;
use super::voice::Trouble;
use crate::bpf::counted::Counted;
use crate::engine::finding::{LatentState, NexthopCount};
use crate::engine::verdict::{Info, Verdict};
use crate::metrics::{Conformed, Count, Judged, Map, Nic, Snapshot, Source, SourceState};
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

/// What was lost outside of the daemon's core.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct LostOutside {
    /// News that found no room in the queue to standard output.
    pub news: u64,
    /// Messages that no sink will get.
    pub alerts: u64,
    /// Frames that were to be recorded and are in no file.
    pub frames: u64,
}

impl Daemon {
    /// What was sampled of flows that conform, and what of them was suspect until it was judged: the first packets of their
    /// kind, which may be all of a flow's.
    pub(crate) fn conforming(&mut self) -> Vec<Counted> {
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
    pub(super) fn is_estimated(&mut self) -> bool {
        match self.kernel.mirrored() {
            Some(mirrored) => mirrored.is_estimated(),
            None => self.settings.changing.sample != 1,
        }
    }

    /// Frames of mirror ports that no socket got.
    pub(super) fn unread_frames(&self) -> u64 {
        let (frames, _) = self.kernel.mirrored_losses();
        let (passed, missed) = self.watching.passed_by();
        frames.dropped + frames.ring_full + passed + missed
    }

    /// Flows that conformed and were never suspect, as far as samples show them.
    pub(super) fn conforming_flows(&mut self) -> u64 {
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
    pub(crate) fn nexthop_counts(&mut self) -> Vec<NexthopCount> {
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
    pub(crate) fn suspect_packets(&mut self) -> u64 {
        self.counters()[Counter::Suspect as usize].packets
    }

    pub(crate) fn counters(&mut self) -> Counters {
        self.kernel.counters(&mut self.voice)
    }

    /// Tells programs how the daemon is doing.
    pub(crate) fn tell_status(&mut self) {
        let status = self.status();
        self.voice.status(status);
    }

    /// How the daemon is doing.
    pub(crate) fn status(&mut self) -> Status {
        let at = self.now;
        let sources = self.sources.all().iter().map(|source| SourceStatus {
            name: source.name,
            place: source.place.clone(),
            state: source.phase.name(),
            since: source.since,
            age: source.age(at),
            error: source.error.clone(),
        });
        let maps = self.kernel.map_uses().into_iter().map(|map| MapStatus {
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
    pub(crate) fn losses(&mut self) -> Vec<Loss> {
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
            ("frames_not_written", self.lost_outside.frames),
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
            ("news_omitted", self.lost_outside.news),
            ("alerts_dropped", self.lost_outside.alerts),
            ("conntrack_readings_failed", self.voice.failures(Trouble::ConntrackReading)),
            ("conntrack_events_failed", self.voice.failures(Trouble::ConntrackEvents)),
            ("kernel_requests_failed", self.voice.failures(Trouble::KernelProgram)),
        ];
        kernel.into_iter().chain(own.map(|(name, count)| Loss { name, count })).collect()
    }

    /// What is published for Prometheus, without what became of messages.
    pub fn snapshot(&mut self) -> Snapshot {
        let status = self.status();
        let flows = self.flows_by_mac();
        let conformed = self.nexthop_counts().into_iter().map(|count| Conformed {
            lladdr: count.lladdr,
            nexthops: count.nexthops,
            packets: count.packets,
            bytes: count.bytes,
            flows: flows.get(&count.lladdr).copied().unwrap_or(0),
        });
        let conformed: Vec<Conformed> = conformed.collect();
        // The status has just read them.
        let counters = self.kernel.counted();
        let (alerts, open_causes) = self.alerting.counts();
        let repairs = self.repairing.as_ref().map(Repairing::counts).unwrap_or_default();
        let count = |name, count| Count { name, count };
        let sources = status.sources.into_iter().zip(self.sources.all()).map(|(status, source)| Source {
            name: status.name,
            place: status.place.into(),
            state: state(source.phase),
            age: status.age,
        });
        let nics =
            status.nics.into_iter().map(|nic| Nic { name: nic.name.into(), egress: nic.egress, ingress: nic.ingress });
        let maps =
            status.maps.into_iter().map(|map| Map { name: map.name.into(), capacity: map.capacity, bytes: map.bytes });
        Snapshot {
            nexthops_known: status.nexthops_known,
            switches: self.kernel.switches(),
            judged: Verdict::ALL.map(|verdict| self.judged(verdict, &counters, &conformed)).to_vec(),
            latent_armed: self.latents.count(LatentState::Armed),
            latent_unused: self.latents.count(LatentState::Unused),
            labelled_entries: self.evidence.kept() as u64,
            open_causes,
            alerts: alerts.clone(),
            losses: status.losses.iter().map(|loss| count(loss.name, loss.count)).collect(),
            repairs: repairs.by_name().map(|(name, number)| count(name, number)).to_vec(),
            sources: sources.collect(),
            nics: nics.collect(),
            maps: maps.collect(),
            conformed,
            ..Snapshot::default()
        }
    }

    /// What was said of packets, by the kernel program or by us.
    fn judged(&self, verdict: Verdict, counters: &Counters, conformed: &[Conformed]) -> Judged {
        let own = self.ledger.first_said(verdict);
        let of = |counter: Counter| counters[counter as usize];
        let kernel: &[Counter] = match verdict {
            Verdict::NotCovered(reason) => counters_of(reason),
            _ => &[],
        };
        let kernel = kernel.iter().map(|counter| of(*counter));
        let (packets, bytes) = kernel
            .fold((own.packets, own.bytes), |(packets, bytes), count| (packets + count.packets, bytes + count.bytes));
        let mut judged = Judged { verdict: verdict.name(), reason: verdict.reason(), packets, bytes, flows: own.flows };
        if verdict == Verdict::Conforming {
            // These have what the books say of flows that were suspect at first.
            judged.packets = conformed.iter().map(|count| count.packets).sum();
            judged.bytes = conformed.iter().map(|count| count.bytes).sum();
            judged.flows = judged.flows.max(conformed.iter().map(|count| count.flows).sum());
        }
        judged
    }

    /// Flows that were sampled, by the MAC that they leave to.
    fn flows_by_mac(&mut self) -> HashMap<MacAddr, u64> {
        let mut flows = HashMap::new();
        for sample in &self.kernel.samples(&mut self.voice) {
            *flows.entry(self.kernel.observation(sample).eth_dst).or_default() += 1;
        }
        flows
    }
}

fn state(phase: Phase) -> SourceState {
    match phase {
        Phase::Connecting => SourceState::Connecting,
        Phase::Synchronised => SourceState::Synchronised,
        Phase::Lost => SourceState::Lost,
    }
}
