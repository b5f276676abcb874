//! How the daemon is doing: what it counts, what it lost, and what of both is told to programs.

use std::collections::BTreeSet;
use std::net::IpAddr;

use analyzer_ebpf::maps::{Counter, PacketCount};
use hashbrown::{HashMap, HashSet};

use super::alerting::Alerting;
use super::connections::Connections;
use super::evidence::Evidence;
use super::facts::Facts;
use super::kernel::Kernel;
use super::latent::Latents;
use super::mirrored::Mirrored;
use super::packets::Counters;
use super::repairing::Repairing;
use super::set::counters_of;
use super::sources::Phase;
use super::suspects::Suspects;
use super::tellers::Tellers;
use super::voice::{Trouble, Voice};
use super::watching::Watching;
use crate::engine::finding::{LatentState, NexthopCount};
use crate::engine::verdict::Verdict;
use crate::metrics::{Conformed, Count, Judged, Map, Nic, Snapshot, Source, SourceState};
use crate::output::status::{Loss, MapStatus, SourceStatus, Status};
use crate::types::{MacAddr, Timestamp};

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

/// The parts, as the accounts read them.
pub(super) struct Accounts<'a> {
    pub(super) now: Timestamp,
    /// One in so many conforming packets is sampled.
    pub(super) sample: u32,
    pub(super) lost_outside: LostOutside,
    pub(super) facts: &'a Facts,
    pub(super) tellers: &'a Tellers,
    pub(super) suspects: &'a Suspects,
    pub(super) latents: &'a Latents,
    pub(super) evidence: &'a Evidence,
    pub(super) connections: &'a Connections,
    pub(super) watching: &'a Watching,
    pub(super) alerting: &'a Alerting,
    pub(super) repairing: Option<&'a Repairing>,
    /// What is asked for its counts, and may refuse.
    pub(super) kernel: &'a mut Kernel,
    pub(super) voice: &'a mut Voice,
}

impl Accounts<'_> {
    /// Whether numbers of flows that conform are estimates.
    pub(super) fn is_estimated(&self) -> bool {
        self.kernel.mirrored().map_or(self.sample != 1, Mirrored::is_estimated)
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
        for sample in &self.kernel.samples(self.voice) {
            let seen = self.kernel.observation(sample);
            if !self.suspects.books().has_flow(&seen) {
                flows.insert((seen.nic, seen.tags.outer(), seen.tags.inner(), seen.tuple));
            }
        }
        flows.len() as u64
    }

    /// Conforming packets by next hop: those that the kernel counted by an outcome, and those of flows that were
    /// suspect until the engine knew better.
    pub(super) fn nexthop_counts(&mut self) -> Vec<NexthopCount> {
        let mut counts: HashMap<MacAddr, NexthopCount> = HashMap::new();
        for count in self.suspects.books().conforming() {
            counts.insert(count.lladdr, count);
        }
        for ((lladdr, nexthops), PacketCount { packets, bytes }) in self.kernel.nexthops(self.voice) {
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

    /// What was counted.
    pub(super) fn counters(&mut self) -> Counters {
        self.kernel.counters(self.voice)
    }

    /// How the daemon is doing.
    pub(super) fn status(&mut self) -> Status {
        let at = self.now;
        let sources = self.tellers.sources().all().iter().map(|source| SourceStatus {
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
            nexthops_known: self.facts.sighted().is_some() && !self.kernel.has_refused(),
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
        let route = self.watching.losses();
        let [overrun, interrupted, unreadable] = self.connections.losses();
        let (frames, unlisted) = self.kernel.mirrored_losses();
        let (passed, missed) = self.watching.passed_by();
        let own = [
            ("suspect_packets_unjudged", self.suspects.books().unjudged()),
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
            ("conntrack_events_overrun", overrun),
            ("conntrack_readings_interrupted", interrupted),
            ("conntrack_entries_unreadable", unreadable),
            ("netlink_messages_malformed", route.malformed),
            ("netlink_overruns", route.overruns),
            ("netlink_objects_dropped", route.dropped),
            ("databases_too_large", self.tellers.databases().too_much()),
            ("history_facts_displaced", self.facts.displaced()),
            ("programs_removed_by_others", self.watching.removed()),
            ("latent_entries_not_looked_at", self.evidence.latent_beyond()),
            ("findings_not_kept", self.suspects.books().omitted()),
            ("news_omitted", self.lost_outside.news),
            ("alerts_dropped", self.lost_outside.alerts),
            ("conntrack_readings_failed", self.voice.failures(Trouble::ConntrackReading)),
            ("conntrack_events_failed", self.voice.failures(Trouble::ConntrackEvents)),
            ("kernel_requests_failed", self.voice.failures(Trouble::KernelProgram)),
        ];
        kernel.into_iter().chain(own.map(|(name, count)| Loss { name, count })).collect()
    }

    /// What is published for Prometheus, without what became of messages.
    pub(super) fn snapshot(&mut self) -> Snapshot {
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
        let repairs = self.repairing.map(Repairing::counts).unwrap_or_default();
        let count = |name, count| Count { name, count };
        let sources = status.sources.into_iter().zip(self.tellers.sources().all()).map(|(status, source)| Source {
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
        let own = self.suspects.books().first_said(verdict);
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
        for sample in &self.kernel.samples(self.voice) {
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
