//! Every metric that is exported.
//!
//! Names follow the conventions of Prometheus: base units, `_total` behind counters, `process_` for what every process
//! has. docs/metrics.md is held against this list by a test.

use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

/// A metric with `N` labels.
pub(super) struct Family<const N: usize> {
    /// Its name without unit and suffix.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) unit: Option<Unit>,
    pub(super) labels: [&'static str; N],
    /// What it means, in a sentence without a full stop or characters that the format escapes.
    pub(super) help: &'static str,
}

/// Types of metrics that there are here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
    Info,
}

impl Kind {
    pub(super) fn metric_type(self) -> MetricType {
        match self {
            Self::Counter => MetricType::Counter,
            Self::Gauge => MetricType::Gauge,
            Self::Histogram => MetricType::Histogram,
            Self::Info => MetricType::Info,
        }
    }

    /// What stands behind the name of each sample.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Counter => "_total",
            Self::Info => "_info",
            // Those of a histogram are added to a name that is none of a sample.
            Self::Gauge | Self::Histogram => "",
        }
    }
}

/// A metric, as the documentation tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Described {
    /// Its name as queries have it; that of a histogram without `_bucket`, `_sum` and `_count`.
    pub name: String,
    /// `counter`, `gauge`, `histogram` or `info`.
    pub kind: &'static str,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it means.
    pub help: &'static str,
}

impl<const N: usize> Family<N> {
    fn describe(&'static self) -> Described {
        let unit = self.unit.as_ref().map_or(String::new(), |unit| format!("_{}", unit.as_str()));
        let kind = match self.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Info => "info",
        };
        let name = format!("{}{unit}{}", self.name, self.kind.suffix());
        Described { name, kind, labels: &self.labels, help: self.help }
    }
}

/// Makes the statics, and the list of them all.
macro_rules! families {
    ($($variable:ident: $labels:literal = $name:literal, $kind:ident, $unit:expr, $names:expr, $help:literal;)*) => {
        $(pub(super) static $variable: Family<$labels> =
            Family { name: $name, kind: Kind::$kind, unit: $unit, labels: $names, help: $help };)*

        /// All metrics, in the order in which they are exported.
        pub fn all() -> Vec<Described> {
            vec![$($variable.describe()),*]
        }
    };
}

families! {
    BUILD: 2 = "analyzer_build", Info, None, ["version", "kernel_program"],
        "Version of the analyzer, and digest of the sources of the kernel program that is loaded";
    JUDGED_PACKETS: 2 = "analyzer_judged_packets", Counter, None, ["verdict", "reason"],
        "Packets by what was said of them";
    JUDGED_BYTES: 2 = "analyzer_judged", Counter, Some(Unit::Bytes), ["verdict", "reason"],
        "Bytes on the wire of these packets";
    JUDGED_FLOWS: 2 = "analyzer_judged_flows", Gauge, None, ["verdict", "reason"],
        "Flows on the books whose worst verdict it is; conforming ones are an estimate from samples";
    NEXTHOP_PACKETS: 2 = "analyzer_nexthop_packets", Counter, None, ["nexthop", "lladdr"],
        "Conforming packets by next hop";
    NEXTHOP_BYTES: 2 = "analyzer_nexthop", Counter, Some(Unit::Bytes), ["nexthop", "lladdr"],
        "Bytes on the wire of these packets";
    NEXTHOP_FLOWS: 2 = "analyzer_nexthop_flows", Gauge, None, ["nexthop", "lladdr"],
        "Conforming flows by next hop, an estimate from samples";
    NEXTHOPS_KNOWN: 0 = "analyzer_nexthops_known", Gauge, None, [],
        "Whether the next hops are known; while they are not, no packet conforms or violates";
    SWITCHES: 0 = "analyzer_set_switches", Counter, None, [],
        "Switches of the kernel program to another set of next hops";
    LATENT: 1 = "analyzer_latent_entries", Gauge, None, ["state"],
        "Conntrack entries labelled with a MAC outside the set to which no packet was seen; armed where the pin can apply";
    LABELLED: 0 = "analyzer_labelled_entries", Gauge, None, [],
        "Labelled conntrack entries that are kept";
    CAUSES: 0 = "analyzer_open_causes", Gauge, None, [],
        "Causes of violations that were told and are not cleared";
    ALERTS: 1 = "analyzer_alerts", Counter, None, ["kind"],
        "Alerts made";
    DELIVERIES: 2 = "analyzer_alert_deliveries", Counter, None, ["sink", "outcome"],
        "Alerts by what became of them at each sink: sent, resent, dropped (the queue was full), failed (is tried again)";
    QUEUE: 1 = "analyzer_alert_queue_length", Gauge, None, ["sink"],
        "Alerts that wait for a sink";
    LATENCY: 0 = "analyzer_alert_latency", Histogram, Some(Unit::Seconds), [],
        "Time from the event of a violating packet to the alert in the hands of its sinks";
    LOSSES: 1 = "analyzer_losses", Counter, None, ["cause"],
        "What was lost, by cause; docs/output.md tells each";
    REPAIRS: 1 = "analyzer_repairs", Counter, None, ["outcome"],
        "Conntrack entries that were to be healed, by outcome";
    SOURCE_STATE: 3 = "analyzer_source_state", Gauge, None, ["source", "place", "state"],
        "State of a source of facts: 1 for the state that it is in, 0 for the others";
    SOURCE_AGE: 2 = "analyzer_source_age", Gauge, Some(Unit::Seconds), ["source", "place"],
        "Age of what a source told: 0 while it is there, absent before it told anything";
    NIC_ATTACHED: 3 = "analyzer_nic_attached", Gauge, None, ["nic", "hook", "mode"],
        "Whether the program is attached to the NIC, and how; at the hook egress stands the one that judges";
    MAP_ENTRIES: 1 = "analyzer_map_max_entries", Gauge, None, ["map"],
        "Entries that a map of the kernel program has room for";
    MAP_BYTES: 1 = "analyzer_map_memory", Gauge, Some(Unit::Bytes), ["map"],
        "Kernel memory of a map of the kernel program";
    SNAPSHOT_AGE: 0 = "analyzer_snapshot_age", Gauge, Some(Unit::Seconds), [],
        "Time since the daemon published these values; more than a few seconds mean that it hangs";
    DISPLACED: 0 = "analyzer_http_connections_displaced", Counter, None, [],
        "Connections that the server of metrics closed in favour of newer ones";
    PROCESS_CPU: 0 = "process_cpu", Counter, Some(Unit::Seconds), [],
        "CPU time in user space and in the kernel";
    PROCESS_MEMORY: 0 = "process_resident_memory", Gauge, Some(Unit::Bytes), [],
        "Resident memory, that of kernel maps not included";
    PROCESS_START: 0 = "process_start_time", Gauge, Some(Unit::Seconds), [],
        "When the process started, as seconds since the Unix epoch";
}
