//! Every object that any command writes as JSON holds against docs/output.schema.json.

#[path = "common/mod.rs"]
mod common;
#[path = "common/netns.rs"]
mod netns;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use common::TempDir;
use jsonschema::Validator;
use netns::{Netns, run};
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn schema() -> Value {
    let text = fs::read_to_string(root().join("docs/output.schema.json")).expect("the schema is there");
    serde_json::from_str(&text).expect("the schema is JSON")
}

/// Checks each line of an output, and returns the types that it had.
fn check(validator: &Validator, args: &str, output: &Output) -> BTreeSet<String> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0..=3)), "{args}: {}\n{stderr}", output.status);
    let text = std::str::from_utf8(&output.stdout).expect("the output is UTF-8");
    let objects =
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|e| panic!("{e}: {line}")));
    let types: BTreeSet<String> = objects
        .map(|object| {
            let errors: Vec<String> = validator.iter_errors(&object).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{args}\n{errors:#?}\n{object}");
            object["type"].as_str().expect("it holds against the schema").to_owned()
        })
        .collect();
    assert!(!types.is_empty(), "{args} wrote nothing\n{stderr}");
    types
}

/// Commands on the cases, and what is written where no right is needed.
#[test]
fn every_type_holds_against_the_schema() {
    let schema = schema();
    let validator = jsonschema::draft202012::new(&schema).expect("the schema is one");
    let mut seen = BTreeSet::new();
    for line in [
        "replay --format json pcaps/bz2095444",
        "replay --format jsonl pcaps/bz2095444",
        "replay --format jsonl pcaps/silent",
        "replay --format jsonl pcaps/bz2095444 pcaps/silent",
        "replay --format json pcaps/bz2095444 pcaps/silent",
        "replay --format jsonl pcaps/ovn-22.03-nexthop-mac-change",
        "nexthops --format json pcaps/bz2095444",
        "nexthops --format jsonl pcaps/ovn-22.03-nexthop-mac-change",
        "conntrack --format json pcaps/bz2095444",
        "conntrack --format jsonl pcaps/bz2095444",
        "conntrack --stale --format jsonl pcaps/two-zones",
        "explain --format json udp|192.168.16.230:59943|->|172.27.0.13:5005 pcaps/bz2095444",
        "explain --format json udp|192.168.16.230:1|->|172.27.0.13:2 pcaps/bz2095444",
        "repair --all --format json pcaps/bz2095444",
        "repair --zone 35 --format jsonl pcaps/bz2095444",
        "doctor --format json",
    ] {
        let args = line.split(' ').map(|word| word.replace('|', " "));
        let mut command = Command::new(env!("CARGO_BIN_EXE_analyzer"));
        let output = command.current_dir(root()).args(args).stdin(Stdio::null()).output().expect("it starts");
        seen.extend(check(&validator, line, &output));
    }
    // A new type is written by one of these commands, or by live alone.
    seen.insert("status".to_owned());
    let references = schema["oneOf"].as_array().expect("alternatives").iter();
    let known =
        references.map(|one| one["$ref"].as_str().expect("a reference").trim_start_matches("#/$defs/").to_owned());
    assert_eq!(seen, known.collect());
}

/// A daemon tells how it is doing, too.
#[test]
fn what_live_writes_holds_against_the_schema() {
    run(|| {
        let netns = Netns::new("schema")?;
        netns.sh("ip link add out type veth peer name far && ip link set out up && ip link set far up");
        let folder = TempDir::new();
        let nexthops = folder.path().join("nexthops.toml");
        let route = "[[route]]\npolicy = \"src-ip\"\nprefix = \"10.0.0.1/32\"\n";
        let hop = "[[route.nexthop]]\nip = \"192.0.2.1\"\nlladdr = \"02:00:00:00:00:01\"\n";
        fs::write(&nexthops, format!("{route}{hop}")).expect("the folder is ours");
        let nexthops = nexthops.to_str().expect("its name is ours");
        let validator = jsonschema::draft202012::new(&schema()).expect("the schema is one");
        for format in ["json", "jsonl"] {
            let mut live = netns.command(env!("CARGO_BIN_EXE_analyzer"));
            live.args(["live", "-i", "out", "--nb", "none", "--sb", "none", "--ovs", "none", "--nexthops", nexthops]);
            live.args(["--duration", "500ms", "--format", format]);
            let output = live.stdin(Stdio::null()).output().expect("ip can be run");
            let types = check(&validator, format, &output);
            let expected: &[&str] = if format == "json" { &["report"] } else { &["status", "summary"] };
            assert_eq!(types, expected.iter().map(ToString::to_string).collect());
        }
        Ok(())
    });
}
