//! A gateway that comes back with another MAC, on real OVN: every count against a script that shares nothing with the
//! analyzer.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

#[path = "common/mod.rs"]
mod common;

const CASE: &str = "pcaps/ovn-22.03-nexthop-mac-change";

/// Conforming, grace and violating packets of a flow.
type Counts = [u64; 3];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn run(program: &str, args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(program).args(args).current_dir(root()).output().expect("the program starts");
    assert!(output.stderr.is_empty(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    (output.status.code(), String::from_utf8(output.stdout).expect("output is UTF-8"))
}

/// What the script counts, by flow.
fn oracle(grace: &str) -> BTreeMap<String, Counts> {
    let (status, text) = run("python3", &["tests/oracle/failover.py", CASE, grace]);
    assert_eq!(status, Some(0));
    let flow = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let [src, sport, dst, dport, counts @ ..] = words.as_slice() else { panic!("{line}") };
        let counts: Vec<u64> = counts.iter().map(|count| count.parse().expect("a count")).collect();
        let counts: Counts = counts.try_into().expect("three counts");
        (format!("udp {src}:{sport} -> {dst}:{dport}"), counts)
    };
    text.lines().map(flow).collect()
}

/// What `explain` counts of a flow.
fn explained(flow: &str, grace: &str) -> Counts {
    let (_, text) = run(env!("CARGO_BIN_EXE_analyzer"), &["explain", flow, CASE, "--grace", grace, "--format", "json"]);
    let explanation: Value = serde_json::from_str(&text).expect("JSON");
    let mut counts = [0; 3];
    for seen in explanation["seen"].as_array().expect("a list") {
        let verdict = seen["verdict"].as_str().expect("a verdict");
        let index = ["conforming", "grace", "violating"].iter().position(|&name| name == verdict);
        counts[index.unwrap_or_else(|| panic!("{flow}: {verdict}"))] += seen["packets"].as_u64().expect("a count");
    }
    counts
}

#[test]
fn packets_by_flow_and_verdict() {
    if !common::require(&["python3"]) {
        return;
    }
    for grace in ["0", "1", "5", "12.5", "60"] {
        let expected = oracle(grace);
        assert_eq!(expected.len(), 20, "flows.txt lists as many");
        for (flow, counts) in &expected {
            assert_eq!(explained(flow, grace), *counts, "{flow}, grace {grace} s");
        }
        let (status, text) =
            run(env!("CARGO_BIN_EXE_analyzer"), &["replay", CASE, "--grace", grace, "--format", "jsonl"]);
        let objects: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let summary = objects.last().expect("a summary");
        let total = |index: usize| expected.values().map(|counts| counts[index]).sum::<u64>();
        assert_eq!(summary["grace_packets"], total(1), "grace {grace} s");
        assert_eq!(summary["violating_packets"], total(2), "grace {grace} s");
        let conforming: u64 =
            summary["nexthops"].as_array().unwrap().iter().map(|hop| hop["packets"].as_u64().unwrap()).sum();
        assert_eq!(conforming, total(0), "grace {grace} s");
        assert_eq!(status, Some(if total(2) > 0 { 1 } else { 3 }), "of each grace there are packets within it");
        assert!(total(2) > 0 || total(1) > 0, "grace {grace} s");
        for finding in objects.iter().filter(|object| object["verdict"] == "violating") {
            assert_eq!(finding["reason"], "stale-conntrack");
            assert_eq!(finding["conntrack"][0]["zone_name"], "GR_worker-08_dnat");
            assert_eq!(finding["last_legal"]["nexthop"], "198.19.3.15");
        }
    }
}
