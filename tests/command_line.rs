//! What the command does where it is used wrongly, and with what status it ends.

use std::path::Path;
use std::process::{Command, Output, Stdio};

fn analyzer(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_analyzer"));
    command.current_dir(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))).args(args).stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = analyzer(args).output().expect("the analyzer starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the output is UTF-8");
    (status.code(), text(stdout), text(stderr))
}

const CASE: &str = "pcaps/bz2095444";
const CAPTURE: &str = "pcaps/bz2095444/capture.pcap";
const HISTORY: &str = "pcaps/ovn-22.03-nexthop-mac-change";

/// The arguments, and what the message has to tell.
#[test]
fn misuse_fails_and_tells_the_way_out() {
    let cases: &[(&[&str], &str)] = &[
        (&["replay", "missing"], "cannot open missing: No such file"),
        (&["replay", "-", "-"], "standard input, which can be read only once"),
        (&["replay", "--nexthops", "-", "-"], "standard input, which can be read only once"),
        (&["replay", "--date", "1969-12-31", CASE], "from 1970"),
        (&["replay", "--grace", "NaN", CASE], "a number of seconds"),
        (&["replay", "--mac-bindings", "pcaps/ovn-22.03-nexthop-mac-change/ovnsb.db", CASE], "--sb-db"),
        (&["replay", "--bfd", "pcaps/bz2095444/mac_binding.txt", CASE], "no rows of BFD"),
        (&["conntrack", "--lr-routes", "pcaps/bz2095444/lr-route-list.txt"], "--conntrack FILE"),
        (&["conntrack", "--at", "2020-01-01T00:00:00Z", HISTORY], "history starts at 2026-11-22"),
        (&["nexthops", "--at", "2020-01-01T00:00:00Z", HISTORY], "history starts at 2026-11-22"),
        (&["replay", "\u{1b}[2Jmissing"], "\\u{1b}[2Jmissing"),
    ];
    for (args, expected) in cases {
        let (status, stdout, stderr) = run(args);
        assert_eq!((status, stdout.as_str()), (Some(2), ""), "{args:?}\n{stderr}");
        assert!(stderr.contains(expected), "{args:?}\n{stderr}");
    }
}

#[test]
fn a_message_tells_its_cause_once() {
    for args in [["replay", "missing"], ["replay", "pcaps/bz2095444/README.md"]] {
        let (_, _, stderr) = run(&args);
        let parts: Vec<&str> = stderr.trim_end().split(": ").collect();
        assert!(parts.windows(2).all(|pair| pair[0] != pair[1]), "{stderr}");
    }
}

/// Packets of a capture that is given twice count once, and that is told.
#[test]
fn the_same_capture_twice() {
    let (status, once, _) = run(&["replay", CASE]);
    let (status_twice, twice, _) = run(&["replay", CASE, CAPTURE, "pcaps/../pcaps/bz2095444/capture.pcap"]);
    assert_eq!((status, status_twice), (Some(1), Some(1)));
    assert_eq!(once.lines().next(), twice.lines().next());
    assert_eq!(twice.matches("given more than once").count(), 2, "{twice}");
}

/// As in `analyzer ... | head`, at the worst moment.
#[test]
fn a_reader_that_has_gone() {
    for args in [&["completions", "bash"][..], &["man"], &["replay", CASE], &["nexthops", CASE]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = analyzer(args).stdout(writer).output().expect("the analyzer starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*stderr), (Some(2), ""), "{args:?}");
    }
}

/// Each page that the manual refers to is there, with all options of its command.
#[test]
fn manual_pages() {
    let (_, whole, _) = run(&["man"]);
    for command in ["replay", "conntrack", "nexthops", "explain", "completions", "man"] {
        assert!(whole.contains(&format!("analyzer\\-{command}(1)")), "{command}\n{whole}");
        let (status, page, stderr) = run(&["man", command]);
        assert_eq!(status, Some(0), "{stderr}");
        assert!(page.contains(&format!(".TH analyzer-{command} 1")), "{page}");
        let (_, help, _) = run(&[command, "--help"]);
        let options = help.split_whitespace().filter(|word| word.starts_with("--"));
        for option in options.map(|word| word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric())) {
            assert!(page.contains(&option.replace('-', "\\-")), "{command}: {option} is not in its page");
        }
    }
}
