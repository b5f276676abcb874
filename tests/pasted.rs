//! What people paste is read as what the programs printed: each text of a case, decorated in every way that mails,
//! tickets, terminals and logs decorate it.

mod common;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use analyzer::capture::{self, Options};
use analyzer::engine::fact::Fact;
use analyzer::inputs::paths::RouterFile;
use analyzer::inputs::{Paths, load};
use common::TempDir;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A kind of text, and the files that are read as it was printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Capture,
    Connections,
    Routes,
    Bindings,
}

const TEXTS: [(Kind, &str); 11] = [
    (Kind::Capture, "bz2095444-text/capture.txt"),
    (Kind::Capture, "own-port-as-nexthop/capture.txt"),
    (Kind::Connections, "bz2095444-text/conntrack.txt"),
    (Kind::Connections, "lab-incident/conntrack.txt"),
    (Kind::Connections, "ovn-26.03.1-incident-texts-only/conntrack.txt"),
    (Kind::Routes, "bz2095444-text/lr-route-list.txt"),
    (Kind::Routes, "bfd-state-unknown/lr-route-list.GR_worker-3.txt"),
    (Kind::Routes, "ovn-26.03.1-incident-texts-only/lr-route-list.txt"),
    (Kind::Bindings, "bz2095444-text/mac_binding.txt"),
    (Kind::Bindings, "bfd-state-unknown/mac_binding.txt"),
    (Kind::Bindings, "ovn-26.03.1-incident-texts-only/mac_binding.txt"),
];

/// What a file tells: its facts or packets, each as text.
fn told(kind: Kind, bytes: &[u8]) -> Result<Vec<String>, String> {
    let folder = TempDir::new();
    let file = folder.path().join("pasted.txt");
    fs::write(&file, bytes).expect("the folder is ours");
    if kind == Kind::Capture {
        let options = Options { date: "2022-06-09".parse().ok(), ..Options::default() };
        let mut reader = capture::open(&file, &options).map_err(|error| error.to_string())?;
        let mut packets = Vec::new();
        while let Some(item) = reader.next().map_err(|error| error.to_string())? {
            packets.push(format!("{item:?}"));
        }
        return Ok(packets);
    }
    let mut paths = Paths::default();
    match kind {
        Kind::Connections => paths.conntrack.push(file),
        Kind::Routes => paths.lr_routes.push(RouterFile { router: None, file }),
        _ => paths.mac_bindings.push(file),
    }
    let mut facts = Vec::new();
    let mut tell = |fact: Fact| facts.push(format!("{fact:?}"));
    load(&paths, &mut tell).map_err(|error| error.to_string())?;
    Ok(facts)
}

fn each(text: &str, decorate: impl Fn(usize, &str) -> String) -> String {
    text.lines().zip(1..).map(|(line, number)| decorate(number, line) + "\n").collect()
}

/// Lines as a terminal of so many columns has them.
fn wrapped(text: &str, columns: usize) -> String {
    let mut wrapped = String::new();
    for line in text.lines() {
        let line = line.trim_end().as_bytes();
        for part in line.chunks(columns) {
            wrapped += std::str::from_utf8(part).expect("the texts are ASCII");
            wrapped.push('\n');
        }
        if line.is_empty() {
            wrapped.push('\n');
        }
    }
    wrapped
}

fn utf16(text: &str, mark: bool, big_endian: bool) -> Vec<u8> {
    let units = mark.then_some(0xfeff).into_iter().chain(text.encode_utf16());
    units.flat_map(|unit: u16| if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('>', "&gt;").replace('"', "&quot;")
}

fn typescript(text: &str) -> String {
    let lines = each(text, |_, line| format!("{line}\r"));
    format!(
        "Script started on 2022-06-09 22:48:28+00:00 [TERM=\"xterm\"]\n\
         \x1b[?2004h\x1b]0;root@w: ~\x07[root@w ~]# ./dump\r\n\x1b[?2004l\r{lines}\x1b[?2004h[root@w ~]# \x1b[?2004l\r\r\nexit\r\n\
         \nScript done on 2022-06-09 22:49:00+00:00\n"
    )
}

/// Every line with its matches in colour, as `grep --color=always` prints them.
fn coloured(text: &str) -> String {
    each(text, |_, line| match line.split_once(' ') {
        Some((first, rest)) if !rest.is_empty() => {
            let half = rest.len() / 2;
            let (match_, end) = rest.split_at(half);
            format!("{first} \x1b[01;31m\x1b[K{match_}\x1b[m\x1b[K{end}\x1b[0m")
        }
        _ => format!("\x1b[35m\x1b[K{line}\x1b[0m"),
    })
}

/// Every way in which a text was found decorated.
fn decorations(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    let prefixed = |prefix: &str| each(text, |_, line| format!("{prefix}{line}"));
    let framed = |open: &str, close: &str| format!("{open}\n{text}{close}\n");
    let mut latin1 = b"caf\xe9 du d\xe9p\xf4t\n".to_vec();
    latin1.extend(
        text.replace("  ", "\u{1}").bytes().flat_map(|byte| if byte == 1 { vec![0xa0, b' '] } else { vec![byte] }),
    );
    let texts = [
        ("> ", prefixed("> ")),
        (">> ", prefixed(">> ")),
        ("| ", prefixed("| ")),
        ("NAME: ", prefixed("worker-08: ")),
        ("[pod]", prefixed("[pod/ovnkube-node-x7k2/ovn-controller] ")),
        ("CRI", each(text, |number, line| format!("2022-06-09T22:48:28.{number}Z stdout F {line}"))),
        ("syslog", each(text, |number, line| format!("Jun  9 22:48:{:02} worker-08 dump[4711]: {line}", number % 60))),
        ("cat -n", each(text, |number, line| format!("{number:>6}\t{line}"))),
        ("grep -Hn", each(text, |number, line| format!("dir/a-b.txt:{number}:{line}"))),
        ("grep -n", each(text, |number, line| format!("{number}:{line}"))),
        ("colours", coloured(text)),
        ("typescript", typescript(text)),
        ("U+00A0", text.replace(' ', "\u{a0}")),
        (
            "typographic",
            each(text, |_, line| {
                let mut is_open = false;
                line.chars()
                    .map(|found| {
                        if found == '"' {
                            is_open = !is_open;
                            if is_open { '\u{201c}' } else { '\u{201d}' }
                        } else {
                            found
                        }
                    })
                    .collect()
            }),
        ),
        ("entities", html(text)),
        ("wrapped at 80", wrapped(text, 80)),
        ("wrapped at 120", wrapped(text, 120)),
        ("blank lines", each(text, |_, line| format!("{line}\n"))),
        ("```", framed("```", "```")),
        ("```text", framed("```text", "```")),
        ("~~~", framed("~~~", "~~~")),
        ("{noformat}", framed("{noformat}", "{noformat}")),
        ("{code:none}", framed("{code:none}", "{code}")),
        ("[code]", framed("[code]", "[/code]")),
        ("caption", format!("What the worker shows\n\n{text}")),
        ("prompt", format!("[core@worker-08 ~]$ sudo ./dump --all\n{text}[core@worker-08 ~]$ \n")),
        ("Defaulted", format!("Defaulted container \"nbdb\" out of: nbdb, sbdb, northd\n{text}")),
        ("tabs", each(text, |_, line| format!("\t{line}"))),
        ("CR LF", each(text, |_, line| format!("{line}\r"))),
        ("BOM", format!("\u{feff}{text}")),
    ];
    let encoded = [
        ("UTF-16LE with mark", utf16(text, true, false)),
        ("UTF-16BE with mark", utf16(text, true, true)),
        ("UTF-16LE", utf16(text, false, false)),
        ("UTF-16BE", utf16(text, false, true)),
        ("Latin-1", latin1),
    ];
    texts.into_iter().map(|(name, text)| (name, text.into_bytes())).chain(encoded).collect()
}

#[test]
fn decorated_texts_tell_what_the_plain_ones_tell() {
    let mut complaints = String::new();
    let mut runs = 0;
    for (kind, path) in TEXTS {
        let text = fs::read_to_string(root().join("pcaps").join(path)).expect("a text");
        let plain = told(kind, text.as_bytes()).expect("it is read as it was printed");
        assert!(!plain.is_empty(), "{path}");
        for (name, bytes) in decorations(&text) {
            runs += 1;
            match told(kind, &bytes) {
                Ok(told) if told == plain => {}
                Ok(told) => {
                    let differ = told.iter().zip(&plain).find(|(told, plain)| told != plain);
                    writeln!(complaints, "{path}, {name}: {} of {}; {differ:?}", told.len(), plain.len()).unwrap();
                }
                Err(error) => writeln!(complaints, "{path}, {name}: {error}").unwrap(),
            }
        }
    }
    assert!(complaints.is_empty(), "{complaints}");
    assert_eq!(runs, TEXTS.len() * 35);
}

/// Verdicts and reasons of a run, and its status.
fn replayed(folder: &Path, args: &[&str]) -> (Vec<String>, Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_analyzer"))
        .current_dir(folder)
        .args(["replay", "--format", "jsonl"])
        .args(args)
        .output()
        .expect("the analyzer starts");
    let text = String::from_utf8(output.stdout).expect("the output is UTF-8");
    let verdict = |line: &str| -> Option<String> {
        let object: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let word = |name: &str| object[name].as_str().unwrap_or_default().to_owned();
        (object["type"] == "finding").then(|| format!("{} {}", word("verdict"), word("reason")))
    };
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (text.lines().filter_map(verdict).collect(), output.status.code(), errors)
}

/// Rows that were wrapped are those that were not; rows that may have been cut leave open what they told behind.
#[test]
fn wrapped_and_cut_routes() {
    let folder = root().join("tests/fixtures/pasted/wrapped-routes");
    for (routes, expected, status) in [
        ("whole.txt", "violating nexthop-down", 1),
        ("wrapped.txt", "violating nexthop-down", 1),
        ("cut.txt", "undetermined no-nexthop-data", 3),
    ] {
        let routes = format!("GR_worker2={routes}");
        let args =
            ["--date", "2022-06-09", "--lr-routes", &routes, "--bfd", "bfd.txt", "--mac-bindings", "mac_binding.txt"];
        let (findings, code, errors) = replayed(&folder, &[&args[..], &["capture.txt"]].concat());
        assert_eq!((findings, code), (vec![expected.to_owned()], Some(status)), "{routes}: {errors}");
    }
}

/// Prefixes in front of one another, and what stands around prefixed lines.
#[test]
fn decorations_in_one_another() {
    for (kind, path) in TEXTS {
        let text = fs::read_to_string(root().join("pcaps").join(path)).expect("a text");
        let plain = told(kind, text.as_bytes()).expect("it is read as it was printed");
        let numbered = each(&text, |number, line| format!("a-b.txt:{number}:{line}"));
        for pasted in [
            each(&numbered, |_, line| format!("> {line}")),
            each(&numbered, |_, line| format!("    {line}\r")),
            each(&wrapped(&text, 80), |_, line| format!("> {line}\n")),
            each(&wrapped(&text, 100), |number, line| format!("{number:>6}\t{line}")),
            each(&text, |_, line| format!("dir/a-b.txt:{line}")),
            format!("{{noformat}}\n{}{{noformat}}\n", coloured(&numbered)),
            format!("```\n[core@worker-08 ~]$ ./dump\n{}```\n", html(&wrapped(&text, 120))),
        ] {
            assert_eq!(told(kind, pasted.as_bytes()).as_deref(), Ok(&plain[..]), "{path}:\n{pasted}");
        }
    }
}
