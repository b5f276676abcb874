use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::metrics::{self, Count, Judged, Map, Nic, SinkCounts, Source, text};
use crate::types::MacAddr;

/// A snapshot with something in every place.
pub(in crate::metrics) fn full() -> Snapshot {
    let mut latency = Latency::default();
    [1, 3, 30, 3000].into_iter().for_each(|millis| latency.observe(Duration::from_millis(millis)));
    Snapshot {
        kernel_program: "6bb68f4486f0".into(),
        nexthops_known: true,
        switches: 7,
        judged: vec![
            Judged { verdict: "conforming", reason: None, packets: 1_000, bytes: 94_000, flows: 64 },
            Judged { verdict: "violating", reason: Some("stale-conntrack"), packets: 5, bytes: 535, flows: 2 },
        ],
        conformed: vec![Conformed {
            lladdr: MacAddr([0xee, 0x8d, 0x82, 0xdb, 0xf9, 0xc4]),
            nexthops: vec![IpAddr::from([198, 19, 3, 15])],
            packets: 1_000,
            bytes: 94_000,
            flows: 64,
        }],
        latent_armed: 3,
        latent_unused: 4,
        labelled_entries: 100,
        open_causes: 1,
        alerts: BTreeMap::from([(Kind::Violation, 2), (Kind::SourceLost, 1)]),
        sinks: vec![SinkCounts {
            sink: "syslog udp:192.0.2.1:514".into(),
            sent: 3,
            resent: 1,
            dropped: 0,
            failed: 2,
            queued: 9,
        }],
        latency,
        losses: vec![Count { name: "events_lost", count: 0 }, Count { name: "packets_truncated", count: 8 }],
        repairs: vec![Count { name: "deleted", count: 1 }],
        sources: vec![
            Source {
                name: "nb",
                place: "unix:/run/ovn/ovnnb_db.sock".into(),
                state: SourceState::Lost,
                age: Some(Duration::from_millis(1_500)),
            },
            Source { name: "kernel", place: "rtnetlink".into(), state: SourceState::Connecting, age: None },
        ],
        nics: vec![Nic { name: "ens1".into(), egress: Some("tcx"), ingress: None }],
        maps: vec![Map { name: "SUSPECTS_V4".into(), capacity: 262_144, bytes: 50_331_648 }],
    }
}

pub(in crate::metrics) fn view(snapshot: Snapshot) -> View {
    let usage = Usage { cpu: 1.25, memory: 20_971_520, started: 1_700_000_000.5 };
    View { snapshot: Arc::new(snapshot), age: Duration::from_millis(250), displaced: 6, usage: Some(usage) }
}

/// Samples of a metric: label values and value.
fn samples<'t>(text: &'t str, name: &str) -> Vec<(&'t str, &'t str)> {
    let of_name = text.lines().filter_map(|line| line.strip_prefix(name));
    let split = |rest: &'t str| match rest.strip_prefix('{') {
        Some(rest) => rest.rsplit_once("} "),
        None => Some(("", rest.strip_prefix(' ')?)),
    };
    of_name.filter_map(split).collect()
}

#[test]
fn what_is_counted_is_told() {
    let text = text::open_metrics(view(full()));
    assert!(text.ends_with("# EOF\n"));
    for (name, expected) in [
        ("analyzer_nexthops_known", vec![("", "1")]),
        ("analyzer_set_switches_total", vec![("", "7")]),
        (
            "analyzer_judged_packets_total",
            vec![
                ("verdict=\"conforming\",reason=\"\"", "1000"),
                ("verdict=\"violating\",reason=\"stale-conntrack\"", "5"),
            ],
        ),
        ("analyzer_nexthop_bytes_total", vec![("nexthop=\"198.19.3.15\",lladdr=\"ee:8d:82:db:f9:c4\"", "94000")]),
        ("analyzer_latent_entries", vec![("state=\"armed\"", "3"), ("state=\"unused\"", "4")]),
        ("analyzer_alert_queue_length", vec![("sink=\"syslog udp:192.0.2.1:514\"", "9")]),
        ("analyzer_losses_total", vec![("cause=\"events_lost\"", "0"), ("cause=\"packets_truncated\"", "8")]),
        (
            "analyzer_source_state",
            vec![
                ("source=\"nb\",place=\"unix:/run/ovn/ovnnb_db.sock\",state=\"connecting\"", "0"),
                ("source=\"nb\",place=\"unix:/run/ovn/ovnnb_db.sock\",state=\"synchronised\"", "0"),
                ("source=\"nb\",place=\"unix:/run/ovn/ovnnb_db.sock\",state=\"lost\"", "1"),
                ("source=\"kernel\",place=\"rtnetlink\",state=\"connecting\"", "1"),
                ("source=\"kernel\",place=\"rtnetlink\",state=\"synchronised\"", "0"),
                ("source=\"kernel\",place=\"rtnetlink\",state=\"lost\"", "0"),
            ],
        ),
        ("analyzer_source_age_seconds", vec![("source=\"nb\",place=\"unix:/run/ovn/ovnnb_db.sock\"", "1.5")]),
        (
            "analyzer_nic_attached",
            vec![
                ("nic=\"ens1\",hook=\"egress\",mode=\"tcx\"", "1"),
                ("nic=\"ens1\",hook=\"ingress\",mode=\"none\"", "0"),
            ],
        ),
        ("analyzer_alert_latency_seconds_count", vec![("", "4")]),
        ("analyzer_snapshot_age_seconds", vec![("", "0.25")]),
        ("process_cpu_seconds_total", vec![("", "1.25")]),
        ("process_start_time_seconds", vec![("", "1700000000.5")]),
    ] {
        assert_eq!(samples(&text, name), expected, "{name}");
    }
    let kinds = samples(&text, "analyzer_alerts_total");
    assert_eq!(kinds.len(), Kind::ALL.len(), "also those that were never made");
    assert!(kinds.contains(&("kind=\"VIOLATION\"", "2")) && kinds.contains(&("kind=\"LOSS\"", "0")));
    let buckets = samples(&text, "analyzer_alert_latency_seconds_bucket");
    assert!(buckets.contains(&("le=\"0.005\"", "2")) && buckets.last() == Some(&("le=\"+Inf\"", "4")), "{buckets:?}");
}

/// The list of metrics is that of what is exported, labels included.
#[test]
fn described_is_what_is_exported() {
    let text = text::older(&text::open_metrics(view(full())));
    let exported: Vec<&str> =
        text.lines().filter_map(|line| Some(line.strip_prefix("# TYPE ")?.split_once(' ')?.0)).collect();
    let described = metrics::families();
    assert_eq!(exported, described.iter().map(|family| family.name.as_str()).collect::<Vec<_>>());
    for family in described {
        let sample = if family.kind == "histogram" { format!("{}_sum", family.name) } else { family.name.clone() };
        let labels: BTreeSet<Vec<&str>> = samples(&text, &sample)
            .into_iter()
            .map(|(labels, _)| {
                labels.split("\",").filter_map(|label| Some(label.split_once("=\"")?.0)).collect::<Vec<_>>()
            })
            .collect();
        assert_eq!(labels, BTreeSet::from([family.labels.to_vec()]), "{}", family.name);
        assert!(!family.help.contains(['\n', '\\', '"']) && !family.help.ends_with('.'), "{}", family.help);
    }
}

#[test]
fn next_hops_beyond_the_bound_are_summed() {
    let nexthop = |number: u32| Conformed {
        lladdr: MacAddr::from_bits(u64::from(number)),
        nexthops: vec![IpAddr::V4(Ipv4Addr::from(number))],
        packets: 1,
        bytes: 100,
        flows: 2,
    };
    let snapshot = Snapshot { conformed: (0..1_500).map(nexthop).collect(), ..Snapshot::default() };
    let text = text::open_metrics(view(snapshot));
    let packets = samples(&text, "analyzer_nexthop_packets_total");
    assert_eq!(packets.len(), 1_025);
    assert_eq!(packets.last(), Some(&("nexthop=\"other\",lladdr=\"\"", "476")));
    assert_eq!(
        samples(&text, "analyzer_nexthop_bytes_total").last(),
        Some(&("nexthop=\"other\",lladdr=\"\"", "47600"))
    );
    assert_eq!(samples(&text, "analyzer_nexthop_flows").last(), Some(&("nexthop=\"other\",lladdr=\"\"", "952")));
}

#[test]
fn a_mac_of_many_next_hops_has_a_short_label() {
    let nexthops: Vec<IpAddr> = (1..=9).map(|last| IpAddr::from([192, 0, 2, last])).collect();
    let of = |count: usize| {
        let nexthops = nexthops[..count].to_vec();
        let [label, _] = nexthop_labels(&Conformed { nexthops, ..full().conformed[0].clone() });
        label
    };
    assert_eq!(of(0), "");
    assert_eq!(of(4), "192.0.2.1,192.0.2.2,192.0.2.3,192.0.2.4");
    assert_eq!(of(9), "192.0.2.1,192.0.2.2,192.0.2.3,192.0.2.4,+5");
}

#[test]
fn values_from_outside_cannot_break_the_text() {
    let mut snapshot = full();
    snapshot.nics[0].name = "a\"b\\c\r\n# EOF\n\u{7f}".into();
    let text = text::open_metrics(view(snapshot));
    let attached = samples(&text, "analyzer_nic_attached");
    assert_eq!(attached[0].0, "nic=\"a\\\"b\\\\c\u{fffd}\u{fffd}# EOF\u{fffd}\u{fffd}\",hook=\"egress\",mode=\"tcx\"");
    assert_eq!(text.matches("\n# EOF").count(), 1);
}

#[test]
fn nothing_is_said_of_what_is_not_known() {
    let text = text::open_metrics(View { usage: None, ..view(Snapshot::default()) });
    assert!(!text.contains("process_"));
    assert_eq!(samples(&text, "analyzer_nexthops_known"), [("", "0")]);
    assert_eq!(samples(&text, "analyzer_nexthop_packets_total"), []);
}
