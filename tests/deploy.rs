//! What stands under deploy/ does what it says, with the tools of those who will use it.

#[path = "common/mod.rs"]
mod common;
#[path = "common/dashboard.rs"]
mod dashboard;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use analyzer::cli::Cli;
use analyzer::metrics;
use common::{TempDir, command, require, run};
use serde_json::Value;

fn deploy(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(file).canonicalize().unwrap()
}

fn read(file: &str) -> String {
    fs::read_to_string(deploy(file)).unwrap()
}

/// Names of samples that we export.
fn exported() -> BTreeSet<String> {
    let suffixes = |kind| if kind == "histogram" { &["_bucket", "_sum", "_count"][..] } else { &[""] };
    let names = metrics::families().into_iter();
    names
        .flat_map(|family| suffixes(family.kind).iter().map(move |suffix| format!("{}{suffix}", family.name)))
        .collect()
}

/// Words of a text that can only be names of metrics of ours.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("analyzer_") || word.starts_with("process_")).collect()
}

#[test]
fn rules_fire_when_they_should() {
    if !require(&["promtool"]) {
        return;
    }
    run(command("promtool").args(["check", "rules"]).arg(deploy("prometheus/analyzer.rules.yml")));
    run(command("promtool").args(["test", "rules"]).arg(deploy("prometheus/analyzer.rules.test.yml")));
}

#[test]
fn rules_and_dashboard_name_metrics_that_there_are() {
    let exported = exported();
    let texts =
        ["prometheus/analyzer.rules.yml", "prometheus/analyzer.rules.test.yml", "grafana/analyzer.json"].map(read);
    for name in texts.iter().flat_map(|text| names(text)) {
        assert!(exported.contains(name), "{name} is not exported");
    }
    let in_panels: String = dashboard::expressions().into_iter().map(|(_, expression)| expression + " ").collect();
    let in_panels = names(&in_panels);
    // The clients that the server turned away are no question of the dashboard's.
    let unused = exported.iter().filter(|name| !in_panels.contains(name.as_str()));
    assert_eq!(unused.collect::<Vec<_>>(), ["analyzer_http_connections_displaced_total"]);
}

#[test]
fn each_alert_is_tried_and_documented() {
    let rules = read("prometheus/analyzer.rules.yml");
    let (tests, readme) = (read("prometheus/analyzer.rules.test.yml"), read("README.md"));
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() >= 12);
    for alert in alerts {
        assert!(tests.contains(&format!("- alertname: {alert}\n")), "{alert} is tried nowhere");
        assert!(readme.contains(alert), "{alert} is not in the README");
    }
}

#[test]
fn the_documentation_lists_what_is_exported() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
    let text = fs::read_to_string(path).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `analyzer_") || line.starts_with("| `process_"));
    let expected: Vec<String> = metrics::families()
        .into_iter()
        .map(|family| {
            let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
            format!("| `{}` | {} | {} | {} |", family.name, family.kind, labels.join(", "), family.help)
        })
        .collect();
    assert_eq!(rows.collect::<Vec<_>>().join("\n"), expected.join("\n"));
}

/// The parser of the command line takes the arguments; there are metrics among what they ask for.
fn parses(arguments: Vec<String>) {
    assert!(arguments.iter().any(|argument| argument.starts_with("--metrics=")), "{arguments:?}");
    let typed: Vec<OsString> = ["analyzer".to_owned()].into_iter().chain(arguments).map(OsString::from).collect();
    Cli::read(&typed).unwrap_or_else(|error| panic!("{typed:?}: {error:?}"));
}

#[test]
fn options_of_the_service_are_options() {
    let options: toml::Table = read("systemd/live.toml").parse().unwrap();
    let values = |value: &toml::Value| match value {
        toml::Value::Array(values) => values.iter().map(|value| value.as_str().unwrap().to_owned()).collect(),
        value => vec![value.as_str().unwrap().to_owned()],
    };
    let typed = options.iter().flat_map(|(name, value)| {
        values(value).into_iter().map(move |value| format!("--{name}={value}")).collect::<Vec<_>>()
    });
    parses(["live".to_owned()].into_iter().chain(typed).collect());
}

#[test]
fn systemd_likes_the_unit() {
    if !require(&["systemd-analyze"]) {
        return;
    }
    // The program of this build in the place of the installed one, which need not be there.
    let folder = TempDir::new();
    let unit = folder.path().join("analyzer.service");
    let text = read("systemd/analyzer.service").replace("/usr/local/bin/analyzer", env!("CARGO_BIN_EXE_analyzer"));
    fs::write(&unit, text).unwrap();
    let mut verify = command("systemd-analyze");
    let output = verify.args(["verify", "--man=no"]).arg(&unit).stdin(Stdio::null()).output().unwrap();
    let complaints = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && !complaints.contains("analyzer.service"), "{complaints}");
    // Tenths of the exposure: 10 would be a service of root without any protection.
    run(command("systemd-analyze").args(["security", "--offline=true", "--threshold=40"]).arg(&unit));
}

#[test]
fn the_daemon_set_fits_together() {
    if !require(&["python3"]) {
        return;
    }
    let script = "import json, sys, yaml; json.dump(list(yaml.safe_load_all(open(sys.argv[1]))), sys.stdout)";
    let json = run(command("python3").args(["-c", script]).arg(deploy("kubernetes/daemonset.yaml")));
    let documents: Vec<Value> = serde_json::from_str(&json).unwrap();
    let set = documents.iter().find(|document| document["kind"] == "DaemonSet").unwrap();
    let pod = &set["spec"]["template"]["spec"];
    assert_eq!(set["spec"]["selector"]["matchLabels"], set["spec"]["template"]["metadata"]["labels"]);
    assert_eq!(pod["hostNetwork"], true);
    let container = &pod["containers"][0];
    let arguments = container["args"].as_array().unwrap().iter().map(|argument| {
        argument.as_str().unwrap().replace("$(NODE_IP)", "192.0.2.1").replace("$(NODE_NAME)", "worker-08")
    });
    let arguments: Vec<String> = arguments.collect();
    assert!(arguments.contains(&"--metrics=192.0.2.1:9479".to_owned()));
    assert_eq!(container["ports"][0]["containerPort"], 9479);
    assert_eq!(set["spec"]["template"]["metadata"]["annotations"]["prometheus.io/port"], "9479");
    parses(arguments);
    for (probe, path) in [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")] {
        assert_eq!(container[probe]["httpGet"]["path"], path);
        assert_eq!(container[probe]["httpGet"]["port"], container["ports"][0]["name"]);
    }
    let names = |list: &Value| -> BTreeSet<String> {
        list.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&container["volumeMounts"]), names(&pod["volumes"]));
}
