//! Command lines of the documentation do what they show when they are pasted.

#[path = "common/mod.rs"]
mod common;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use analyzer::cli::{Cli, ReadError, epilogue};
use common::TempDir;

/// Why a command line is not run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reason {
    /// It attaches programs, changes entries, or asks the databases of a worker.
    Worker,
    /// It says what can be typed, and is no command.
    Synopsis,
    /// It names a file of the reader's own.
    OwnFile,
    /// It stands for a program of the project that builds first.
    Builds,
}

/// Beginnings of command lines that are not run. Those for a worker are parsed all the same.
const NOT_RUN: &[(&str, Reason)] = &[
    ("analyzer live -i auto", Reason::Worker),
    ("analyzer live -i mirror0", Reason::Worker),
    ("analyzer repair --all", Reason::Worker),
    ("analyzer repair --flow 'udp 10.244.0.5:5060 -> 192.0.2.7:5060' --apply", Reason::Worker),
    ("analyzer repair --mac ce:73:29:66:39:a4 --method unpin --apply", Reason::Worker),
    ("analyzer live      -i NIC|auto", Reason::Synopsis),
    ("analyzer replay    CAPTURE|CASE_DIR...", Reason::Synopsis),
    ("analyzer conntrack [CASE_DIR]...", Reason::Synopsis),
    ("analyzer nexthops  [CASE_DIR]...", Reason::Synopsis),
    ("analyzer explain   TUPLE [CASE_DIR]...", Reason::Synopsis),
    ("analyzer repair    --flow|--mac|--zone|--all", Reason::Synopsis),
    ("analyzer doctor                           what this machine", Reason::Synopsis),
    ("analyzer completions SHELL | man", Reason::Synopsis),
    ("time analyzer replay --nexthops nexthops.toml FILE", Reason::OwnFile),
    ("perf record -e cpu-clock -F 5000 analyzer replay --nexthops nexthops.toml FILE", Reason::OwnFile),
    ("cargo xtask vm --kernel 6.1 -- target/debug/analyzer doctor", Reason::Builds),
];

fn root() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).canonicalize().expect("the project is there")
}

/// README.md, and what stands under docs/ and deploy/.
fn documents() -> Vec<PathBuf> {
    let listed = |folder: &str| root().join(folder).read_dir().expect("a folder").map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = listed("docs").chain(listed("deploy")).collect();
    files.push(root().join("README.md"));
    files.retain(|file| file.extension().is_some_and(|extension| extension == "md"));
    files.sort();
    assert!(files.len() > 10, "{files:?}");
    files
}

/// Blocks of code: fenced, or indented by four and set off by an empty line.
fn blocks(text: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut block = String::new();
    let (mut fenced, mut set_off) = (false, true);
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            blocks.push(std::mem::take(&mut block));
        } else if fenced {
            block += &format!("{line}\n");
        } else if let Some(code) = line.strip_prefix("    ").filter(|_| set_off || !block.is_empty()) {
            block += &format!("{code}\n");
        } else if !line.trim().is_empty() {
            blocks.push(std::mem::take(&mut block));
        }
        // What follows a heading is set off, too; a list's own lines are not.
        set_off = line.trim().is_empty() || line.starts_with('#');
    }
    blocks.push(block);
    blocks.retain(|block| !block.is_empty());
    blocks
}

/// Command lines of a block that run the analyzer, joined where they go on, without comments behind them.
fn commands(block: &str) -> Vec<String> {
    let lines = block.replace("\\\n", " ");
    let lines = lines.lines().map(|line| line.trim().trim_start_matches("$ "));
    let without_comment = |line: &str| line.split("  #").next().unwrap_or_default().trim().to_owned();
    lines.filter(|line| runs_the_analyzer(line)).map(without_comment).collect()
}

/// Whether a line is a command line with the analyzer as its program.
fn runs_the_analyzer(line: &str) -> bool {
    let is_program = |word: &str| word == "analyzer" || word.ends_with("/debug/analyzer");
    let words: Vec<&str> = line.split_whitespace().take_while(|word| !word.starts_with('#')).collect();
    let starts = ["analyzer", "cargo", "time", "perf"];
    let is_command = words.first().is_some_and(|first| starts.contains(first));
    is_command && (words.iter().any(|word| is_program(word)) || line.starts_with("cargo run "))
        || line.contains("| analyzer ")
}

fn not_run(line: &str) -> Option<Reason> {
    let longest =
        NOT_RUN.iter().filter(|(beginning, _)| line.starts_with(beginning)).max_by_key(|(text, _)| text.len());
    // Dumps make a dry run of what would ask the worker.
    longest.map(|(_, reason)| *reason).filter(|reason| *reason != Reason::Worker || !line.contains("pcaps/"))
}

/// A folder in which lines are run: `pcaps/`, and nexthops.toml where the document shows one.
fn prepared(blocks: &[String]) -> TempDir {
    let folder = TempDir::new();
    symlink(root().join("pcaps"), folder.path().join("pcaps")).expect("the folder is ours");
    if let Some(block) = blocks.iter().find(|block| block.starts_with("[[route]]\n")) {
        fs::write(folder.path().join("nexthops.toml"), block).expect("the folder is ours");
    }
    folder
}

/// The exit status of a line and what it printed.
fn paste(line: &str, folder: &Path) -> (Option<i32>, String, String) {
    let analyzer = Path::new(env!("CARGO_BIN_EXE_analyzer")).parent().expect("it is in a folder");
    let path = format!("{}:{}", analyzer.display(), std::env::var("PATH").unwrap_or_default());
    let line = line.replacen("cargo run --release --", "analyzer", 1);
    let mut shell = Command::new("sh");
    let output = shell.args(["-c", &line]).env("PATH", path).current_dir(folder).stdin(Stdio::null()).output();
    let output = output.expect("a shell");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// Every command line either runs, or is listed with a reason; and each one listed is still there.
#[test]
fn what_is_shown_runs_when_pasted() {
    let mut run = 0;
    let mut met = BTreeSet::new();
    for document in documents() {
        let text = fs::read_to_string(&document).expect("a text");
        let blocks = blocks(&text);
        let folder = prepared(&blocks);
        for line in blocks.iter().flat_map(|block| commands(block)) {
            let place = format!("{}: {line}", document.display());
            match not_run(&line) {
                Some(reason) => {
                    met.extend(NOT_RUN.iter().map(|(start, _)| *start).filter(|start| line.starts_with(start)));
                    if reason == Reason::Worker {
                        parses(&line, &place);
                    }
                }
                None => {
                    let (status, stdout, stderr) = paste(&line, folder.path());
                    // Whatever this machine lets live do: doctor says so.
                    let is_fine = status.is_some_and(|status| status < 4 && (status != 2 || line.contains(" doctor")));
                    assert!(is_fine && !stdout.is_empty(), "{place}\nexit status {status:?}\n{stdout}\n{stderr}");
                    run += 1;
                }
            }
        }
    }
    assert!(run >= 10, "only {run} lines are run");
    let unmet: Vec<_> = NOT_RUN.iter().filter(|(start, _)| !met.contains(start)).collect();
    assert!(unmet.is_empty(), "no document has {unmet:?} any more");
}

/// The options are options, and the values are such as they take.
fn parses(line: &str, place: &str) {
    // Words in quotes are one.
    let mut typed = Vec::new();
    for (at, part) in line.split('\'').enumerate() {
        if at % 2 == 1 {
            typed.push(OsString::from(part));
        } else {
            typed.extend(part.split_whitespace().map(OsString::from));
        }
    }
    if let Err(error) = Cli::read(&typed) {
        panic!("{place}\n{}", if let ReadError::Usage(usage) = &error { usage.to_string() } else { error.to_string() });
    }
}

/// What docs/nexthops.md promises of its own example.
#[test]
fn the_example_of_next_hops_judges() {
    let text = fs::read_to_string(root().join("docs/nexthops.md")).expect("a text");
    let folder = prepared(&blocks(&text));
    let case = "pcaps/bz2095444";
    for (dumps, reason) in [("", "former-nexthop"), (" --conntrack pcaps/bz2095444/conntrack.txt", "stale-conntrack")] {
        let line = format!("analyzer replay --nexthops nexthops.toml{dumps} {case}/capture.pcap");
        assert!(text.contains(&line), "{line}");
        let (status, stdout, _) = paste(&line, folder.path());
        assert_eq!(status, Some(1), "{stdout}");
        assert!(stdout.contains(&format!("violating, {reason}: 2 flows, 5 packets")), "{stdout}");
    }
}

/// Those behind the options of each command, too: the ones on a case are run, the others parsed.
#[test]
fn examples_of_help_texts_run_when_pasted() {
    let folder = prepared(&[]);
    let commands = ["", "replay", "live", "conntrack", "nexthops", "explain", "repair", "doctor", "completions", "man"];
    for (line, _) in commands.iter().flat_map(|command| epilogue(command).examples) {
        let line = line.replace("\\\n", "");
        let of_us = line.split('|').map(str::trim).find(|part| part.starts_with("analyzer "));
        let Some(of_us) = of_us else { continue };
        // What alerts are sent to is not there, nor is the file of options.
        if line.contains("pcaps/") && !line.contains("--syslog") {
            let (status, stdout, stderr) = paste(&line, folder.path());
            assert!(matches!(status, Some(0 | 1 | 3)) && !stdout.is_empty(), "{line}: {status:?}\n{stderr}");
        } else if !line.contains("--config") {
            parses(of_us, &line);
        }
    }
}

#[test]
fn blocks_and_commands_are_found() {
    let text = "Text\n\n    analyzer a   # why\n    $ analyzer b \\\n        --c\n    analyzer: no command\n\nand\n    analyzer \
                wrapped\n- list\n  continued\n\n```sh\ntcpdump -w - | analyzer replay -\n```\n";
    let found: Vec<String> = blocks(text).iter().flat_map(|block| commands(block)).collect();
    assert_eq!(found, ["analyzer a", "analyzer b      --c", "tcpdump -w - | analyzer replay -"]);
}
