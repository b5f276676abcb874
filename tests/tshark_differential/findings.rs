//! The findings that `analyzer replay` prints: their flows are in the capture with these MACs, and with these counts.

use std::path::Path;
use std::process::Command;

use analyzer::types::tuple::{proto, proto_number};
use analyzer::types::{MacAddr, Timestamp, Tuple};
use serde_json::Value;

use crate::common::require;
use crate::files::cases;
use crate::flows::{Counts, Flows, Key, counted_by_tshark};

/// The objects that `replay` prints of a case.
fn replay(case: &Path) -> Vec<Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_analyzer"));
    let output = command.args(["replay", "--format", "jsonl"]).arg(case).output().expect("the analyzer starts");
    let text = String::from_utf8(output.stdout).expect("its output is UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn tuple(flow: &Value) -> Tuple {
    let text = |name: &str| flow[name].as_str().expect("a text");
    let number = |value: &Value| value.as_u64().unwrap_or(0) as u16;
    let nw_proto = proto_number(text("proto")).expect("a protocol");
    let (mut tp_src, mut tp_dst) = (number(&flow["sport"]), number(&flow["dport"]));
    if matches!(nw_proto, proto::ICMP | proto::ICMPV6) {
        let icmp = &flow["icmp"];
        (tp_src, tp_dst) = (number(&icmp["id"]), number(&icmp["type"]) << 8 | number(&icmp["code"]));
    }
    let [src, dst] = ["src", "dst"].map(|name| text(name).parse().expect("an address"));
    Tuple { src, dst, nw_proto, tp_src, tp_dst }
}

fn mac(value: &Value) -> MacAddr {
    value.as_str().and_then(|text| text.parse().ok()).expect("a MAC")
}

/// What tshark counts of the flow of a finding. Both ways of a flow are findings of their own, so the direction that
/// pcapng tells needs no comparison.
fn counts_of(finding: &Value, flows: &Flows) -> Counts {
    let vids: Vec<u16> = finding["vlan"].as_array().unwrap().iter().map(|vid| vid.as_u64().unwrap() as u16).collect();
    let is_of = |key: &&Key| {
        key.tuple == tuple(&finding["flow"])
            && key.eth_dst == mac(&finding["eth_dst"])
            && key.eth_src == mac(&finding["eth_src"])
            && key.vids == vids
            && key.nic.as_deref() == finding["nic"].as_str()
            && key.is_later_fragment == (finding["later_fragments"] == true)
    };
    let found: Vec<&Key> = flows.flows.keys().filter(is_of).collect();
    let [key] = found.as_slice() else { panic!("{found:?}: {finding:#}") };
    flows.flows[*key]
}

fn counts(finding: &Value) -> Counts {
    let time = |name: &str| finding[name].as_str().unwrap().parse::<Timestamp>().expect("a time");
    let number = |name: &str| finding[name].as_u64().expect("a count");
    Counts { packets: number("packets"), bytes: number("bytes"), first: time("first_seen"), last: time("last_seen") }
}

#[test]
fn findings_of_all_cases() {
    if !require(&["tshark"]) {
        return;
    }
    let (mut whole, mut partial) = (0, 0);
    for case in cases() {
        let (flows, objects, name) = (counted_by_tshark(case, ..), replay(&case.folder), case.folder.display());
        let summary = objects.iter().find(|object| object["type"] == "summary").expect("there is a summary");
        let told = |name: &str| summary[name].as_u64().unwrap_or_else(|| panic!("no {name}"));
        let skipped = |name: &str| summary["skipped"][name].as_u64().unwrap();
        assert_eq!((told("packets"), told("bytes")), (flows.frames, flows.bytes), "{name}");
        let unread = skipped("truncated") + skipped("unparsed");
        assert_eq!((skipped("not_ip"), unread), (flows.not_ip, flows.unread), "{name}");
        assert_eq!(told("unattributed_fragments"), flows.unattributed, "{name}");
        for finding in objects.iter().filter(|object| object["type"] == "finding") {
            let ours = counts(finding);
            let theirs = counts_of(finding, &counted_by_tshark(case, ours.first..=ours.last));
            assert_eq!(ours, theirs, "{name}: {finding:#}");
            // A flow that conforms at other times has other findings, or none, for the rest of its packets.
            let is_whole = ours == counts_of(finding, &flows);
            *(if is_whole { &mut whole } else { &mut partial }) += 1;
        }
    }
    println!("{whole} findings with all packets of their flow, {partial} with those of some time");
    assert!(whole > 30, "{whole}");
}
