//! A gateway that comes back with another MAC, on real OVN: every count against a script that shares nothing with the
//! analyzer.

use std::path::Path;
use std::process::Command;

const CASE: &str = "pcaps/ovn-22.03-nexthop-mac-change";

#[path = "common/mod.rs"]
mod common;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn analyzer(args: &[&str]) -> (Option<i32>, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_analyzer")).args(args).current_dir(root()).output().expect("analyzer starts");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    (output.status.code(), String::from_utf8(output.stdout).expect("output is UTF-8"))
}

#[test]
fn packets_per_flow_and_verdict() {
    if !common::require(&["python3"]) {
        return;
    }
    for grace in ["0", "1", "5", "12.5", "60"] {
        let script = Command::new("python3").args(["tests/oracle/failover.py", CASE, grace]).current_dir(root());
        compare(grace, script.to_owned());
    }
}
