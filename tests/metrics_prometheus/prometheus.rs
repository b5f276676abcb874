//! What Prometheus makes of it.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::process::Stdio;

use analyzer::metrics;
use serde_json::Value;

use crate::common::{self, Process, TempDir, command};
use crate::dashboard;
use crate::lab::{Lab, METRICS, snapshot, wait_for};
use crate::netns::run;

const PROMETHEUS: &str = "127.0.0.1:9090";

const CONFIG: &str = "
global: {scrape_interval: 500ms}
scrape_configs:
  - job_name: analyzer
    static_configs: [{targets: ['127.0.0.1:9479']}]
";

/// Starts it in the namespace of the lab.
fn start(lab: &Lab, folder: &TempDir) -> Process {
    let config = folder.path().join("prometheus.yml");
    fs::write(&config, CONFIG).unwrap();
    let mut prometheus = lab.netns.command("prometheus");
    prometheus.arg(format!("--config.file={}", config.display()));
    prometheus.arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()));
    prometheus.args([&format!("--web.listen-address={PROMETHEUS}"), "--log.level=error"]);
    let process = Process::start(&mut prometheus);
    wait_for("Prometheus listens", || {
        let address = PROMETHEUS.parse().unwrap();
        lab.netns.inside(|| std::net::TcpStream::connect_timeout(&address, std::time::Duration::from_secs(1)).ok())
    });
    process
}

/// The answer of the query API: labels without name, job and instance, and the value, sorted. What the query is refused
/// for otherwise.
fn query(lab: &Lab, expression: &str) -> Result<Vec<(String, String)>, String> {
    let encoded: String = expression.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let (_, body) = lab.ask(PROMETHEUS, &format!("GET /api/v1/query?query={encoded} HTTP/1.0\r\n\r\n"));
    let answer: Value = serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))?;
    if answer["status"] != "success" {
        return Err(answer["error"].to_string());
    }
    let sample = |sample: &Value| {
        let labels = sample["metric"].as_object().unwrap().iter();
        let own = labels.filter(|(name, _)| !["__name__", "job", "instance"].contains(&name.as_str()));
        let labels: Vec<String> = own.map(|(name, value)| format!("{name}={}", value.as_str().unwrap())).collect();
        (labels.join(" "), sample["value"][1].as_str().unwrap().to_owned())
    };
    let mut samples: Vec<_> = answer["data"]["result"].as_array().unwrap().iter().map(sample).collect();
    samples.sort_unstable();
    Ok(samples)
}

/// Waits until Prometheus has scraped the snapshot of this scale.
fn wait_until_scraped(lab: &Lab, scale: u64) {
    let expected = vec![(String::new(), (2 * scale).to_string())];
    wait_for("a scrape", || query(lab, "analyzer_set_switches_total").ok().filter(|samples| *samples == expected));
}

#[test]
fn values_arrive_as_they_were_published() {
    if !common::require(&["prometheus"]) {
        return;
    }
    run(|| {
        let folder = TempDir::new();
        let lab = Lab::new("prometheus", &["9479"])?;
        lab.publish(snapshot(1));
        let _prometheus = start(&lab, &folder);
        wait_until_scraped(&lab, 1);
        lab.publish(snapshot(3));
        wait_until_scraped(&lab, 3);

        let sink = "syslog udp:[2001:db8::1]:514 \"quoted\\\"";
        let nb = "place=unix:/run/ovn/ovnnb_db.sock source=nb";
        let sb = "place=unix:/run/ovn/ovnsb_db.sock source=sb";
        let kernel = "place=rtnetlink source=kernel";
        let version = env!("CARGO_PKG_VERSION");
        let expected: &[(&str, &[(&str, &str)])] = &[
            ("up", &[("", "1")]),
            ("analyzer_build_info", &[(&format!("kernel_program=6bb68f44 version={version}"), "1")]),
            (
                "analyzer_judged_packets_total",
                &[
                    ("reason=no-nexthop-data verdict=undetermined", "12"),
                    ("reason=stale-conntrack verdict=violating", "15"),
                    ("reason=unknown-mac verdict=violating", "0"),
                    ("verdict=conforming", "3000"),
                    ("verdict=grace", "9"),
                ],
            ),
            ("sum(analyzer_judged_bytes_total)", &[("", "303600")]),
            ("analyzer_judged_flows{verdict='violating'} > 0", &[("reason=stale-conntrack verdict=violating", "5")]),
            (
                "analyzer_nexthop_packets_total",
                &[
                    ("lladdr=02:00:00:00:01:0f nexthop=198.19.3.15", "1800"),
                    ("lladdr=02:00:00:00:01:10 nexthop=198.19.3.16", "1200"),
                ],
            ),
            ("sum(analyzer_nexthop_bytes_total)", &[("", "300000")]),
            ("sum(analyzer_nexthop_flows)", &[("", "100")]),
            ("analyzer_nexthops_known", &[("", "1")]),
            ("analyzer_latent_entries", &[("state=armed", "3"), ("state=unused", "1")]),
            ("analyzer_labelled_entries", &[("", "17")]),
            ("analyzer_open_causes", &[("", "2")]),
            ("analyzer_alerts_total > 0", &[("kind=LATENT", "3"), ("kind=VIOLATION", "6")]),
            ("count(analyzer_alerts_total)", &[("", "7")]),
            (
                "analyzer_alert_deliveries_total",
                &[
                    (&format!("outcome=dropped sink={sink}"), "3"),
                    (&format!("outcome=failed sink={sink}"), "3"),
                    (&format!("outcome=resent sink={sink}"), "3"),
                    (&format!("outcome=sent sink={sink}"), "21"),
                ],
            ),
            ("analyzer_alert_queue_length", &[(&format!("sink={sink}"), "9")]),
            ("analyzer_alert_latency_seconds_count", &[("", "9")]),
            ("analyzer_alert_latency_seconds_sum", &[("", "1.815")]),
            ("analyzer_alert_latency_seconds_bucket{le='0.0005'}", &[("le=0.0005", "0")]),
            ("analyzer_alert_latency_seconds_bucket{le='0.005'}", &[("le=0.005", "6")]),
            ("analyzer_alert_latency_seconds_bucket{le='+Inf'}", &[("le=+Inf", "9")]),
            ("analyzer_losses_total", &[("cause=events_lost", "24"), ("cause=netlink_overruns", "0")]),
            ("analyzer_repairs_total", &[("outcome=deleted", "3")]),
            (
                "analyzer_source_state == 1",
                &[
                    (&format!("{kernel} state=connecting"), "1"),
                    (&format!("{nb} state=synchronised"), "1"),
                    (&format!("{sb} state=lost"), "1"),
                ],
            ),
            ("count(analyzer_source_state)", &[("", "9")]),
            ("analyzer_source_age_seconds", &[(nb, "0"), (sb, "2.5")]),
            (
                "analyzer_nic_attached",
                &[("hook=egress mode=tcx nic=ens1", "1"), ("hook=ingress mode=none nic=ens1", "0")],
            ),
            ("analyzer_map_max_entries", &[("map=SUSPECTS_V4", "262144")]),
            ("analyzer_map_memory_bytes", &[("map=SUSPECTS_V4", "50331648")]),
            ("process_resident_memory_bytes > bool 1e6", &[("", "1")]),
            ("process_cpu_seconds_total > bool 0", &[("", "1")]),
            // This process is younger than a day and started before now, by the clock of Prometheus.
            (
                "(time() - process_start_time_seconds > bool -1) * (time() - process_start_time_seconds < bool 86400)",
                &[("", "1")],
            ),
            ("analyzer_snapshot_age_seconds < bool 120", &[("", "1")]),
            ("analyzer_http_connections_displaced_total", &[("", "0")]),
        ];
        for (expression, expected) in expected {
            let samples = query(&lab, expression);
            let expected: Vec<_> = expected.iter().map(|(labels, value)| ((*labels).into(), (*value).into())).collect();
            assert_eq!(samples, Ok(expected), "{expression}");
        }
        every_metric_is_there(&lab);
        for (title, expression) in dashboard::expressions() {
            let samples = query(&lab, &expression).unwrap_or_else(|error| panic!("{title}: {expression}: {error}"));
            assert!(!samples.is_empty(), "the panel {title} stays empty: {expression}");
        }
        Ok(())
    });
}

/// Prometheus knows each metric, with the type and the words that we give it, and no other of ours.
fn every_metric_is_there(lab: &Lab) {
    let (_, body) = lab.ask(PROMETHEUS, "GET /api/v1/targets/metadata HTTP/1.0\r\n\r\n");
    let answer: Value = serde_json::from_str(&body).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let told: BTreeSet<(String, String, String)> = answer["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|metric| (text(&metric["metric"]), text(&metric["type"]), text(&metric["help"])))
        .collect();
    // OpenMetrics names a family without the suffix of its samples.
    let name = |name: String| {
        let bare = name.strip_suffix("_total").or_else(|| name.strip_suffix("_info"));
        bare.map_or(name.clone(), str::to_owned)
    };
    let expected = metrics::families();
    let expected = expected.into_iter().map(|family| (name(family.name), family.kind.into(), family.help.into()));
    assert_eq!(told, expected.collect::<BTreeSet<_>>());
}

/// The format for readers without OpenMetrics has no fault that promtool finds, and names and units as it likes them.
#[test]
fn promtool_likes_the_older_format() {
    if !common::require(&["promtool"]) {
        return;
    }
    run(|| {
        let lab = Lab::new("promtool", &["9479"])?;
        lab.publish(snapshot(1));
        let (status, body) = lab.get("/metrics");
        assert_eq!(status, 200);
        let mut promtool = command("promtool");
        promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = promtool.spawn().unwrap();
        child.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let complaints = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), complaints.as_str()), (Some(0), ""));

        let accept = "Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let (head, body) = lab.ask(METRICS, &format!("GET /metrics HTTP/1.1\r\nHost: a\r\n{accept}\r\n\r\n"));
        assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{head}");
        assert!(body.ends_with("# EOF\n"));
        Ok(())
    });
}
