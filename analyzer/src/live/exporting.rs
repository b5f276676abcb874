//! What is published for Prometheus.

use std::sync::Arc;

use analyzer_ebpf::maps::Counter;
use hashbrown::HashMap;
use tokio::sync::watch;

use super::daemon::Daemon;
use super::kernel::Counters;
use super::repairing::Repairing;
use super::set::counters_of;
use super::sources::Phase;
use crate::bpf::programs;
use crate::engine::finding::LatentState;
use crate::engine::verdict::Verdict;
use crate::metrics::address::ListenAddress;
use crate::metrics::{
    Conformed, Count, Judged, Listeners, Map, MetricsError, Nic, Server, SinkCounts, Snapshot, Source, SourceState,
    bind,
};
use crate::sinks::status::SinkStatus;
use crate::types::MacAddr;

/// Ticks between two times that something is published: to count the flows of each next hop takes time.
const PUBLISH: u64 = 5;

/// Where it is published.
#[derive(Debug)]
pub(super) struct Exporting {
    server: Option<(Server, watch::Sender<Arc<Snapshot>>)>,
}

impl Exporting {
    /// Listens, as long as there are the rights to.
    ///
    /// # Errors
    /// [`MetricsError`]: an address cannot be listened at.
    pub(super) fn bind(addresses: &[ListenAddress]) -> Result<Option<Listeners>, MetricsError> {
        if addresses.is_empty() { Ok(None) } else { bind(addresses).map(Some) }
    }

    /// Serves from now on, once rights were dropped.
    ///
    /// # Errors
    /// [`MetricsError`]: there is no thread to serve.
    pub(super) fn start(listeners: Option<Listeners>) -> Result<Self, MetricsError> {
        let serve = |listeners: Listeners| {
            let (sender, receiver) = watch::channel(Arc::new(Snapshot::default()));
            Ok((listeners.serve(receiver)?, sender))
        };
        Ok(Self { server: listeners.map(serve).transpose()? })
    }
}

impl Daemon {
    /// Publishes when it is time to.
    pub(super) fn tick_export(&mut self) {
        if self.ticks.is_multiple_of(PUBLISH) {
            self.publish();
        }
    }

    /// Publishes how the daemon is doing.
    pub(super) fn publish(&mut self) {
        if self.exporting.server.is_some() {
            let snapshot = Arc::new(self.exported());
            if let Some((_, sender)) = &self.exporting.server {
                sender.send_replace(snapshot);
            }
        }
    }

    fn exported(&mut self) -> Snapshot {
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
        let (latency, sinks) = self.alerting.delivered();
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
            kernel_program: programs::sources_digest().into(),
            nexthops_known: status.nexthops_known,
            switches: self.kernel.switches(),
            judged: Verdict::ALL.map(|verdict| self.judged(verdict, &counters, &conformed)).to_vec(),
            latent_armed: self.latents.count(LatentState::Armed),
            latent_unused: self.latents.count(LatentState::Unused),
            labelled_entries: self.evidence.kept() as u64,
            open_causes,
            alerts: alerts.clone(),
            sinks: sinks.into_iter().map(sink).collect(),
            latency,
            losses: status.losses.iter().map(|loss| count(loss.name, loss.count)).collect(),
            repairs: repairs.by_name().map(|(name, number)| count(name, number)).to_vec(),
            sources: sources.collect(),
            nics: nics.collect(),
            maps: maps.collect(),
            conformed,
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

fn sink(status: SinkStatus) -> SinkCounts {
    let SinkStatus { name, counts, queued, .. } = status;
    SinkCounts {
        sink: name.into(),
        sent: counts.sent,
        resent: counts.resent,
        dropped: counts.dropped + counts.too_long,
        failed: counts.failures,
        queued: queued as u64,
    }
}
