//! Every case under pcaps/ gives what stands in its `expected.*` files, byte for byte.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Lines shown before and after a difference.
const CONTEXT: usize = 2;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The folders of the cases, relative to the root.
fn cases() -> Vec<PathBuf> {
    let folders = root().join("pcaps").read_dir().expect("pcaps/ can be listed").map(|entry| entry.unwrap());
    let folders = folders.filter(|entry| entry.file_type().unwrap().is_dir());
    let mut cases: Vec<PathBuf> = folders.map(|entry| Path::new("pcaps").join(entry.file_name())).collect();
    cases.sort();
    assert!(!cases.is_empty());
    cases
}

/// What the analyzer prints and its exit status, run as `cargo xtask bless` runs it: without what differs from run to run.
fn replay(case: &Path, format: &str) -> (String, i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_analyzer"));
    command.current_dir(root()).args(["replay", "--reproducible", "--format", format]).arg(case);
    if let Ok(args) = fs::read_to_string(root().join(case).join("args")) {
        command.args(args.lines());
    }
    let output = command.output().expect("the analyzer starts");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let status = output.status.code().unwrap_or_else(|| panic!("{}: {}\n{errors}", case.display(), output.status));
    (String::from_utf8(output.stdout).expect("the output is UTF-8"), status)
}

fn objects(jsonl: &str) -> Vec<Value> {
    jsonl.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// The objects of one type.
fn of_type<'a>(objects: &'a [Value], name: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["type"] == name).collect()
}

#[test]
fn cases_give_what_is_expected() {
    let mut complaints = Vec::new();
    for case in cases() {
        let mut compare = |name: &str, found: &str| {
            let file = case.join(name);
            match fs::read_to_string(root().join(&file)) {
                Ok(expected) if expected == found => {}
                Ok(expected) => complaints.push(difference(&file, &expected, found)),
                Err(error) => complaints.push(format!("{}: {error}\n", file.display())),
            }
        };
        let (text, status) = replay(&case, "text");
        compare("expected.txt", &text);
        compare("expected.status", &format!("{status}\n"));
        let (jsonl, jsonl_status) = replay(&case, "jsonl");
        compare("expected.jsonl", &jsonl);
        compare("expected.status", &format!("{jsonl_status}\n"));
    }
    assert!(
        complaints.is_empty(),
        "\n{}\nIf the new output is right: `cargo xtask bless`, and read what it wrote.",
        complaints.join("\n")
    );
}

#[test]
fn formats_tell_the_same() {
    for case in cases() {
        let (jsonl, status) = replay(&case, "jsonl");
        let lines = objects(&jsonl);
        let (json, json_status) = replay(&case, "json");
        let document: Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(status, json_status, "{}", case.display());
        for (list, name) in [("findings", "finding"), ("latent", "latent")] {
            let listed: Vec<&Value> = document[list].as_array().expect("a list").iter().collect();
            assert_eq!(listed, of_type(&lines, name), "{}: {list}", case.display());
        }
        assert_eq!([&document["summary"]], *of_type(&lines, "summary"), "{}", case.display());

        let (text, text_status) = replay(&case, "text");
        assert_eq!(status, text_status, "{}", case.display());
        for finding in of_type(&lines, "finding") {
            for what in ["reason", "eth_dst"] {
                let value = finding[what].as_str().expect("a finding has it here");
                assert!(text.contains(value), "{}: the text lacks {value}", case.display());
            }
        }
    }
}

#[test]
fn text_of_tcpdump_tells_what_the_capture_tells() {
    let findings = |case: &str| {
        let (jsonl, status) = replay(&Path::new("pcaps").join(case), "jsonl");
        let objects = objects(&jsonl);
        let findings: Vec<Value> = of_type(&objects, "finding").into_iter().cloned().collect();
        assert_eq!(findings.len(), 2, "{case}");
        (findings, status)
    };
    assert_eq!(findings("bz2095444-text"), findings("bz2095444"));
}

#[test]
fn every_verdict_has_a_case() {
    let mut found = BTreeSet::new();
    for case in cases() {
        let (jsonl, _) = replay(&case, "jsonl");
        for finding in of_type(&objects(&jsonl), "finding") {
            let word = |name: &str| finding[name].as_str().unwrap_or_default().to_owned();
            found.insert(format!("{} {}", word("verdict"), word("reason")));
        }
    }
    let expected = [
        "info asymmetric-gateway",
        "info asymmetric-reply",
        "undetermined nexthop-unresolved",
        "undetermined no-nexthop-data",
        "undetermined translated-source",
        "violating former-nexthop",
        "violating nexthop-down",
        "violating stale-conntrack",
        "violating stale-neighbour",
        "violating unknown-mac",
    ];
    let missing: Vec<&str> = expected.into_iter().filter(|verdict| !found.contains(*verdict)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The lines from the first that differs to the last, as `diff -u` shows them.
fn difference(file: &Path, expected: &str, found: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), found.lines().collect());
    let same = |(a, b): &(&&str, &&str)| a == b;
    let before = old.iter().zip(&new).take_while(same).count();
    let shorter = old.len().min(new.len()) - before;
    let after = old.iter().rev().zip(new.iter().rev()).take(shorter).take_while(same).count();
    let (old_end, new_end) = (old.len() - after, new.len() - after);
    let (from, to) = (before.saturating_sub(CONTEXT), (old_end + CONTEXT).min(old.len()));

    let mut out = format!("--- {}\n+++ printed now\n@@ line {} @@\n", file.display(), before + 1);
    let mut show = |sign: char, lines: &[&str]| lines.iter().for_each(|line| out += &format!("{sign}{line}\n"));
    show(' ', &old[from..before]);
    show('-', &old[before..old_end]);
    show('+', &new[before..new_end]);
    show(' ', &old[old_end..to]);
    out
}

#[test]
fn differences_are_shown_where_they_are() {
    let shown = difference(Path::new("f"), "a\nb\nc\nd\ne\nf\n", "a\nb\nc\nX\ne\nf\n");
    assert_eq!(shown, "--- f\n+++ printed now\n@@ line 4 @@\n b\n c\n-d\n+X\n e\n f\n");
    let shown = difference(Path::new("f"), "a\na\n", "a\na\na\n");
    assert_eq!(shown, "--- f\n+++ printed now\n@@ line 3 @@\n a\n a\n+a\n");
    let shown = difference(Path::new("f"), "", "a\n");
    assert_eq!(shown, "--- f\n+++ printed now\n@@ line 1 @@\n+a\n");
}
