//! What the daemon publishes.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Latency;
use crate::alerts::Kind;
use crate::types::MacAddr;

/// All that is exported of the daemon, at some moment. Counts are those since its start.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Snapshot {
    /// Digest of the kernel program's sources, as analyzer/ebpf/analyzer.bpf.toml has it. Nothing where none is loaded.
    pub kernel_program: Arc<str>,
    /// Whether the next hops are known.
    pub nexthops_known: bool,
    /// How often the kernel program was switched to another set of next hops.
    pub switches: u64,
    /// Packets by what was said of them: an element for each verdict with each of its reasons, also where nothing was
    /// counted. Prometheus sees the first packet of a kind only where there was a 0 before it.
    pub judged: Vec<Judged>,
    /// Conforming packets by next hop. Text has at most 1024 of them, the rest as one.
    pub conformed: Vec<Conformed>,
    /// Latent conntrack entries whose pin can still apply.
    pub latent_armed: u64,
    /// Latent entries whose pin cannot.
    pub latent_unused: u64,
    /// Labelled conntrack entries that are kept.
    pub labelled_entries: u64,
    /// Causes that were told and are not cleared.
    pub open_causes: u64,
    /// Alerts made, by kind. Kinds that are not in it were not made.
    pub alerts: BTreeMap<Kind, u64>,
    /// What became of alerts, by sink.
    pub sinks: Vec<SinkCounts>,
    /// Time from the event that told of a violating packet to the alert in the hands of its sinks.
    pub latency: Latency,
    /// What was lost, by cause. Causes without loss are in it too.
    pub losses: Vec<Count>,
    /// Conntrack entries that were to be healed, by outcome. Outcomes that never were are in it too.
    pub repairs: Vec<Count>,
    /// The sources of facts.
    pub sources: Vec<Source>,
    /// The NICs that are watched.
    pub nics: Vec<Nic>,
    /// The maps of the kernel program.
    pub maps: Vec<Map>,
}

/// Packets of one verdict.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Judged {
    /// The verdict's stable name.
    pub verdict: &'static str,
    /// The stable name of its reason, where it has one.
    pub reason: Option<&'static str>,
    /// Packets.
    pub packets: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// Flows on the books whose worst verdict it is; an estimate for conforming flows, which are sampled.
    pub flows: u64,
}

/// Conforming packets to one MAC.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Conformed {
    /// The MAC.
    pub lladdr: MacAddr,
    /// Next hops that have it, sorted.
    pub nexthops: Vec<IpAddr>,
    /// Packets.
    pub packets: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// Flows, as far as samples show them.
    pub flows: u64,
}

/// A count under a stable name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Count {
    /// The name.
    pub name: &'static str,
    /// How often.
    pub count: u64,
}

/// What became of the alerts for one sink.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SinkCounts {
    /// The sink, as the user named it.
    pub sink: Arc<str>,
    /// Handed over.
    pub sent: u64,
    /// Handed over again, as the connection broke and nobody knows what had arrived.
    pub resent: u64,
    /// Given up because the queue was full.
    pub dropped: u64,
    /// Attempts that failed and were, or will be, repeated.
    pub failed: u64,
    /// Waiting now.
    pub queued: u64,
}

/// A source of facts.
#[derive(Clone, PartialEq, Debug)]
pub struct Source {
    /// What it is: `nb`, `sb`, `ovs`, `kernel`, `nexthops.toml`, `conntrack`.
    pub name: &'static str,
    /// Its address or path.
    pub place: Arc<str>,
    /// Its state.
    pub state: SourceState,
    /// How old what it told is; `None` where it has told nothing yet.
    pub age: Option<Duration>,
}

/// Whether a source is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SourceState {
    /// It has not told all it has yet.
    Connecting,
    /// All that it has is known, and changes are told.
    Synchronised,
    /// It is lost; what it told last is used for a while.
    Lost,
}

impl SourceState {
    /// All states.
    pub const ALL: [Self; 3] = [Self::Connecting, Self::Synchronised, Self::Lost];

    /// The state's stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Synchronised => "synchronised",
            Self::Lost => "lost",
        }
    }
}

/// A NIC that is watched.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Nic {
    /// Its name.
    pub name: Arc<str>,
    /// How the program that judges is attached, by the name of its mode, such as `tcx`; `None` while it is not.
    pub egress: Option<&'static str>,
    /// How the program that hears is. `None` also where nobody wants one.
    pub ingress: Option<&'static str>,
}

/// A map of the kernel program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Map {
    /// Its name.
    pub name: Arc<str>,
    /// Entries it has room for.
    pub capacity: u64,
    /// Bytes of kernel memory that it takes.
    pub bytes: u64,
}
