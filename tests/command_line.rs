//! What the command does where it is used wrongly, and with what status it ends.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use common::TempDir;

fn analyzer(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_analyzer"));
    command.current_dir(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))).args(args).stdin(Stdio::null());
    command
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = analyzer(args).output().expect("the analyzer starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the output is UTF-8");
    (status.code(), text(stdout), text(stderr))
}

const CASE: &str = "pcaps/bz2095444";
const CAPTURE: &str = "pcaps/bz2095444/capture.pcap";
const COMMANDS: [&str; 9] =
    ["replay", "live", "conntrack", "nexthops", "explain", "repair", "doctor", "completions", "man"];
const HISTORY: &str = "pcaps/ovn-22.03-nexthop-mac-change";

/// The arguments, and what the message has to tell.
#[test]
fn misuse_fails_and_tells_the_way_out() {
    let cases: &[(&[&str], &str)] = &[
        (&["replay", "missing"], "cannot open missing: No such file"),
        (
            &["replay", CASE, HISTORY, CAPTURE],
            "each folder is a node of its own: put pcaps/bz2095444/capture.pcap into",
        ),
        (&["replay", CASE, HISTORY, "missing"], "cannot open missing: No such file"),
        (&["replay", "--node", "a", "--node", "b", CASE], "name one node"),
        (&["replay", "--node", "", CASE], "expected NAME or NAME=DIR"),
        (&["replay", "--node", "worker-08", CASE, HISTORY], "--node worker-08=pcaps/bz2095444"),
        (&["replay", "--node", "worker-08=pcaps", CASE], "--node names pcaps, which is none of the folders"),
        (&["repair", "--all", CASE, HISTORY], "give one folder"),
        (&["live", "-i", "ens1", "--node", "a=b"], "this is about one node"),
        (&["replay", "-", "-"], "standard input, which can be read only once"),
        (&["replay", "--nexthops", "-", "-"], "standard input, which can be read only once"),
        (&["replay", "--date", "1969-12-31", CASE], "from 1970"),
        (&["replay", "--timezone", "+25:00", CASE], "such as +02:00"),
        (&["replay", "--timezone", "Mars/Olympus_Mons", CASE], "--timezone"),
        (&["replay", "--grace", "NaN", CASE], "expected a duration such as 250ms, 30s"),
        (&["replay", "--mac-bindings", "pcaps/ovn-22.03-nexthop-mac-change/ovnsb.db", CASE], "--sb-db"),
        (&["replay", "--bfd", "pcaps/bz2095444/mac_binding.txt", CASE], "no rows of BFD"),
        (&["conntrack", "--lr-routes", "pcaps/bz2095444/lr-route-list.txt"], "--conntrack FILE"),
        (&["conntrack", "--at", "2020-01-01T00:00:00Z", HISTORY], "history starts at 2026-11-22"),
        (&["nexthops", "--at", "2020-01-01T00:00:00Z", HISTORY], "history starts at 2026-11-22"),
        (&["conntrack", "--nb", "none", CASE], "give one or the other"),
        (&["nexthops", "--at", "2020-01-01T00:00:00Z"], "--at takes dumps"),
        (&["nexthops", "--sb", "ssl:192.0.2.1:6642"], "needs --ca-cert FILE"),
        (&["explain", "udp 10.0.0.1:1 -> 10.0.0.2:2", "--ovs", "/run/db.sock"], "expected unix:FILE"),
        (&["live"], "no NIC given: name it with -i NIC, or let -i auto find it"),
        (&["live", "-i", "a/b"], "hold no slash"),
        (
            &["live", "-i", "ens1", "--ingress", "tcx"],
            "[possible values: tc, xdp, xdp-generic, afxdp, afxdp-generic, none]",
        ),
        (&["live", "-i", "ens1", "--ingres", "tc"], "a similar argument exists: '--ingress'"),
        (&["live", "-i", "ens1", "--sample=-1"], "not in 0..=4294967295"),
        (&["live", "-i", "ens1", "--duration", "0s"], "more than 0 is needed: expected a duration"),
        (&["live", "-i", "ens1", "--max-routes", "0"], "not in 1..=16777216"),
        (&["live", "-i", "ens1", "--nb", "tcp:2001:db8::1:6641"], "in brackets"),
        (&["live", "-i", "ens1", "--nb", "none", "--nb", "tcp:h:1"], "--nb none switches the database off"),
        (
            &["live", "-i", "ens1", "--nexthops", "missing.toml"],
            "cannot open missing.toml for --nexthops: No such file",
        ),
        (&["live", "-i", "ens1", "--certificate", CAPTURE], "--certificate goes with --private-key FILE"),
        (&["live", "-i", "auto", "--mirror"], "--mirror takes the name of the mirror port"),
        (&["live", "--config", "missing.toml"], "cannot read missing.toml for --config: No such file"),
        (&["live", "--config", "pcaps/route-removed/nexthops.toml"], "there is no option"),
        (&["repair", CASE], "--all"),
        (&["repair", "--all", "--apply", CASE], "--apply changes the running system, and dumps were given"),
        (&["repair", "--all", "--nb", "none", CASE], "give one or the other"),
        (&["repair", "--all", "--lr-routes", "pcaps/bz2095444/lr-route-list.txt"], "--conntrack FILE"),
        (&["repair", "--mac", "ce:73", CASE], "ce:73"),
        (&["repair", "--flow", "udp 10.0.0.1", CASE], "the destination is missing"),
        (&["live", "-i", "ens1", "--repair", "kill"], "[possible values: delete, unpin, relabel]"),
        (&["doctor", "--format", "jsonl"], "[possible values: text, json]"),
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
/// Each folder is judged by its own dumps, and one that cannot be read does not hide the others.
#[test]
fn each_folder_is_a_node() {
    let broken = TempDir::new();
    fs::write(broken.path().join("nexthops.toml"), "[[").unwrap();
    fs::copy(CAPTURE.replace("pcaps", concat!(env!("CARGO_MANIFEST_DIR"), "/../pcaps")), broken.path().join("c.pcap"))
        .unwrap();
    let third = broken.path().to_str().unwrap();
    let name = format!("worker-3={third}");
    let folders = ["--node", "worker-08=pcaps/bz2095444", "--node", &name, "pcaps/silent", CASE, third];
    let (status, text, errors) = run(&[&["replay"], folders.as_slice()].concat());
    assert_eq!(status, Some(1), "{text}{errors}");
    assert!(errors.contains("analyzer: worker-3: ") && errors.contains("nexthops.toml:1"), "{errors}");
    for expected in [
        "Node silent\nOK on silent: all 7",
        "\nNode worker-08\nVIOLATING on worker-08 since 2022",
        "worker-3   could not",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let (status, lines, _) = run(&[&["replay", "--format", "jsonl"], folders.as_slice()].concat());
    let objects: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let objects = objects.iter().filter(|object| object["type"] != "latent");
    let types: Vec<_> = objects.map(|object| (object["type"].as_str().unwrap(), object["node"].as_str())).collect();
    let expected = [
        ("summary", Some("silent")),
        ("finding", Some("worker-08")),
        ("finding", Some("worker-08")),
        ("summary", Some("worker-08")),
        ("total", None),
    ];
    assert_eq!((status, types.as_slice()), (Some(1), expected.as_slice()));
    // Of those that do not violate, the one that could not run counts.
    let (status, document, _) = run(&["replay", "--format", "json", "pcaps/silent", third]);
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    assert_eq!((status, &document["type"]), (Some(2), &"reports".into()));
    assert_eq!(document["reports"].as_array().unwrap().len(), 1);
    for command in ["conntrack", "nexthops"] {
        let (_, alone, _) = run(&[command, "--node", "bz2095444", CASE, "--format", "jsonl", "--reproducible"]);
        let (_, several, _) = run(&[command, CASE, "pcaps/silent", "--format", "jsonl", "--reproducible"]);
        assert!(!alone.is_empty() && several.starts_with(&alone), "{several}");
    }
    let (_, explained, _) = run(&["explain", "udp 192.168.16.230:59943 -> 172.27.0.13:5005", CASE, "pcaps/silent"]);
    assert!(explained.starts_with("Node bz2095444\n") && explained.contains("\n\nNode silent\n"), "{explained}");
}

#[test]
fn a_reader_that_has_gone() {
    let alone = [&["completions", "bash"][..], &["man"], &["replay", CASE], &["nexthops", CASE]];
    let several = [&["replay", CASE, "pcaps/silent"][..], &["conntrack", CASE, "pcaps/silent"]];
    for args in alone.into_iter().chain(several) {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = analyzer(args).stdout(writer).output().expect("the analyzer starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*stderr), (Some(2), ""), "{args:?}");
    }
}

/// What is said on standard error nobody may hear; the exit status tells it all the same.
#[test]
fn nobody_hears_messages() {
    for (args, status) in [
        (&["replay", "no-such-file.pcap"][..], 2),
        (&["replay", "no-such-folder", "pcaps/silent", CASE], 2),
        (&["replay", "--format", "json", "pcaps/cut"], 1),
        (&["conntrack", "pcaps/cut"], 1),
        (&["repair", "--all", "pcaps/cut"], 1),
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = analyzer(args).stderr(writer).output().expect("the analyzer starts");
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(status), "{args:?}\n{stdout}");
    }
}

/// A report says what it was made of and by whom, and two over the same files are alike where that is asked for.
#[test]
fn where_a_report_comes_from() {
    let json = |args: &[&str]| -> serde_json::Value { serde_json::from_str(&run(args).1).unwrap() };
    let summary = json(&["replay", "--format", "json", "pcaps/cut"])["summary"].clone();
    let provenance = &summary["provenance"];
    let sources = provenance["sources"].as_array().unwrap();
    let lost = |name: &str| {
        let of = |source: &&serde_json::Value| source["taken_for"] == name;
        sources.iter().find(of).map(|source| [&source["rows"], &source["lost"]].map(|count| count.as_u64().unwrap()))
    };
    // A record that is torn; a row without MAC; a line that is no route; an entry that is masked, and one that is cut.
    assert_eq!(lost("capture"), Some([6, 1]), "{provenance:#}");
    assert_eq!(lost("mac-bindings").map(|[_, lost]| lost), Some(1), "{provenance:#}");
    assert_eq!(lost("lr-routes").map(|[_, lost]| lost), Some(1), "{provenance:#}");
    assert_eq!(lost("conntrack").map(|[_, lost]| lost), Some(2), "{provenance:#}");
    let size = fs::metadata(root().join("pcaps/cut/capture.pcap")).unwrap().len();
    assert_eq!(sources[0]["size"], size);
    assert!(provenance["passed_over"].to_string().contains("pcaps/cut/expected.txt"), "{provenance:#}");
    let run_of = &provenance["run"];
    assert_eq!(run_of["command"].as_array().unwrap()[1..], ["replay", "--format", "json", "pcaps/cut"]);
    assert_eq!(run_of["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(run_of["host"].as_str(), rustix::system::uname().nodename().to_str().ok());
    assert_eq!(run_of["modified"].as_array().unwrap().len(), sources.len());

    let entry = "udp 192.168.16.230:59943 -> 172.27.0.13:5005";
    for args in [&["replay", CASE][..], &["conntrack", CASE], &["nexthops", CASE], &["explain", entry, CASE]] {
        let (_, whole, _) = run(args);
        assert!(whole.contains("\nSources\n") && whole.contains("Told by analyzer "), "{whole}");
        let alike = [args, &["--reproducible"]].concat();
        let (_, text, _) = run(&alike);
        assert!(text.contains("\nSources\n") && !text.contains("Told by"), "{text}");
        assert_eq!(run(&alike).1, text);
        let of = &json(&[args, &["--format", "json"]].concat());
        let told = of["provenance"].get(0).map_or(&of["provenance"], |node| &node["provenance"]);
        let told = if of["type"] == "report" { &of["summary"]["provenance"] } else { told };
        assert!(told["sources"].as_array().is_some_and(|sources| sources.len() >= 3), "{of:#}");
    }
}

/// What could not be read may be a next hop.
#[test]
fn next_hops_that_may_be_missing() {
    let (status, text, _) = run(&["nexthops", "pcaps/lost-route-row"]);
    assert!(status == Some(3) && text.contains("\nNot read: 1 part of the input"), "{status:?}\n{text}");
    assert_eq!(run(&["nexthops", CASE]).0, Some(0));
}

/// What came behind the torn end of a capture may violate.
#[test]
fn a_torn_end_is_no_conformity() {
    let folder = TempDir::new();
    for entry in fs::read_dir(root().join("pcaps/silent")).unwrap().map(|entry| entry.unwrap()) {
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    let capture = folder.path().join("capture.pcap");
    let whole = fs::read(&capture).unwrap();
    let case = folder.path().to_str().unwrap();
    assert_eq!(run(&["replay", case]).0, Some(0));
    fs::write(&capture, &whole[..whole.len() - 7]).unwrap();
    let (status, text, _) = run(&["replay", case]);
    assert!(status == Some(3) && text.starts_with("UNDETERMINED") && text.contains("1 torn end"), "{text}");
    // By a reader of streams, too.
    let packed = folder.path().join("capture.pcap.gz");
    let gzip = Command::new("gzip").arg(&capture).status().expect("gzip is there");
    assert!(gzip.success() && packed.is_file());
    assert_eq!(run(&["replay", case]).0, Some(3));
    // And so it is where the packing is torn.
    fs::write(&capture, &whole).unwrap();
    Command::new("gzip").args(["-f"]).arg(&capture).status().expect("gzip is there");
    let bytes = fs::read(&packed).unwrap();
    fs::write(&packed, &bytes[..bytes.len() - 9]).unwrap();
    assert_eq!(run(&["replay", case]).0, Some(3));
}

/// Each page that the manual refers to is there, with all options of its command.
#[test]
fn manual_pages() {
    let (_, whole, _) = run(&["man"]);
    for command in COMMANDS {
        assert!(whole.contains(&format!("analyzer\\-{command}(1)")), "{command}\n{whole}");
        let (status, page, stderr) = run(&["man", command]);
        assert_eq!(status, Some(0), "{stderr}");
        assert!(page.contains(&format!(".TH analyzer-{command} 1")), "{page}");
        let (_, help, _) = run(&[command, "--help"]);
        let words = help.split_whitespace().filter(|word| word.starts_with("--"));
        let is_name = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
        for option in words.map(|word| word.chars().take_while(is_name).collect::<String>()) {
            assert!(page.contains(&option.replace('-', "\\-")), "{command}: {option} is not in its page");
        }
    }
}

/// Each command says what it is for, and how its run ends where scripts may depend on it.
#[test]
fn help_of_each_command() {
    let (status, whole, _) = run(&["--help"]);
    assert_eq!(status, Some(0));
    for command in COMMANDS {
        assert!(whole.contains(&format!("\n  {command} ")), "{command} is not in\n{whole}");
        let (status, help, stderr) = run(&[command, "--help"]);
        assert_eq!((status, stderr.as_str()), (Some(0), ""), "{command}");
        assert!(help.contains(&format!("Usage: analyzer {command}")), "{help}");
        if !["completions", "man"].contains(&command) {
            assert!(help.contains("Examples:\n  analyzer "), "{command} has no example\n{help}");
        }
    }
    for command in ["replay", "live", "conntrack", "repair", "doctor"] {
        let (_, help, _) = run(&[command, "--help"]);
        assert!(help.contains("Exit status: 0 "), "{command}\n{help}");
    }
}

/// Options that belong together stand together.
#[test]
fn help_of_live_is_grouped() {
    let (_, help, _) = run(&["live", "--help"]);
    let order = [
        "\nPackets:",
        "\nAsking the running system:",
        "\nFacts:",
        "\nJudging:",
        "\nRepairing:",
        "\nMemory:",
        "\nOutput:",
        "\nRun:",
    ];
    let places: Vec<_> = order.iter().map(|heading| help.find(heading)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}\n{help}");
}

/// What is typed wins over the file, and a mistake in the file is told with its place. No NIC has the names used.
#[test]
fn options_from_a_file() {
    let folder = TempDir::new();
    let path = folder.path().join("live.toml");
    let config = path.to_str().expect("the path is UTF-8");
    let with = |text: &str, typed: &[&str]| {
        fs::write(&path, text).expect("the file is written");
        run(&[&["live", "--config", config], typed].concat())
    };
    let (status, _, stderr) = with("interface = 'ens1'\nsampel = 64\n", &[]);
    assert_eq!(status, Some(2));
    assert_eq!(stderr, format!("analyzer: {config}:2:1: there is no option \"sampel\"; did you mean sample?\n"));
    let (_, _, stderr) = with("interface = 'ens1'\nnexthops = 'missing-a.toml'\n", &[]);
    assert!(stderr.contains("cannot open missing-a.toml"), "{stderr}");
    let (_, _, stderr) = with("interface = 'ens1'\nnexthops = 'missing-a.toml'\n", &["--nexthops", "missing-b.toml"]);
    assert!(stderr.contains("cannot open missing-b.toml") && !stderr.contains("missing-a.toml"), "{stderr}");
    let (_, _, stderr) = with("sample = 1\n", &[]);
    assert!(stderr.contains(&format!("{config} has no `interface` either")), "{stderr}");
}

/// Shells complete the commands that there are.
#[test]
fn completions_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let (status, script, stderr) = run(&["completions", shell]);
        assert_eq!(status, Some(0), "{stderr}");
        for word in COMMANDS.iter().chain(&["tcx-position", "kernel-routes", "xdp-generic"]) {
            assert!(script.contains(word), "{shell} does not know {word}");
        }
    }
}

/// A line of a conntrack dump of which an address is masked may be a stale entry.
#[test]
fn a_lost_conntrack_line_is_no_clean_table() {
    let folder = TempDir::new();
    let file = |name: &str| folder.path().join(name);
    let entry = |src: &str, port: u16, label: &str| {
        format!(
            "udp,orig=(src={src},dst=192.0.2.230,sport=5005,dport={port}),reply=(src=192.0.2.230,dst=203.0.113.13,\
             sport={port},dport=5005),zone=35{label}\n"
        )
    };
    let conntrack = |lines: String| fs::write(file("conntrack.txt"), lines).expect("it can be written");
    let hop = "           192.0.2.230               198.51.100.15 src-ip ecmp ecmp-symmetric-reply\n";
    let other = hop.replace(".15", ".16");
    fs::write(file("lr-route-list.txt"), hop.to_owned() + &other).expect("it can be written");
    let binding =
        |last: u8| format!("ip : \"198.51.100.{last}\"\nmac : \"02:00:00:00:00:{last}\"\nlogical_port : rtoe\n\n");
    fs::write(file("mac_binding.txt"), binding(15) + &binding(16)).expect("it can be written");
    let case = folder.path().to_str().expect("a name in UTF-8");
    let good = entry("203.0.113.13", 42397, ",labels=0x202000000001500000000");

    conntrack(good.clone() + &entry("203.0.xxx.13", 59943, ",labels=0x202000000009900000000"));
    for command in ["conntrack", "repair"] {
        let option = if command == "repair" { "--all" } else { "--stale" };
        let (status, stdout, stderr) = run(&[command, option, case]);
        assert_eq!(status, Some(3), "{command}: {stdout}{stderr}");
        assert!(stderr.contains("203.0.xxx.13"), "{command}: {stderr}");
    }
    // What is no entry is passed over.
    conntrack("Defaulted container \"ovnkube-controller\" out of: nbdb, sbdb\n".to_owned() + &good);
    let (status, stdout, stderr) = run(&["conntrack", "--stale", case]);
    assert_eq!(status, Some(0), "{stdout}{stderr}");
}

/// What a database tells behind a torn end may make a MAC right: nothing is called wrong by the set as it was.
#[test]
fn a_torn_end_of_a_database_leaves_open_what_it_may_decide() {
    let folder = TempDir::new();
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    for entry in fs::read_dir(root.join(HISTORY)).expect("the case").map(|entry| entry.expect("a file")) {
        fs::copy(entry.path(), folder.path().join(entry.file_name())).expect("it can be copied");
    }
    let case = folder.path().to_str().expect("a name in UTF-8");
    let (status, stdout, _) = run(&["replay", case]);
    assert_eq!(status, Some(1), "{stdout}");
    let database = folder.path().join("ovnsb.db");
    let bytes = fs::read(&database).expect("it can be read");
    fs::write(&database, &bytes[..bytes.len() - 20]).expect("it can be written");
    let (status, stdout, _) = run(&["replay", case]);
    assert_eq!(status, Some(3), "{stdout}");
    assert!(stdout.contains("undetermined, unreadable-input") && !stdout.contains("conntrack -D"), "{stdout}");
    assert!(stdout.contains("Not read: 1 part of the input."), "{stdout}");
    let (status, _, _) = run(&["conntrack", "--stale", case]);
    assert_eq!(status, Some(3));
}

/// A dry run on dumps: what would be done, and its exit status.
#[test]
fn a_repair_by_dumps() {
    let (status, stdout, stderr) = run(&["repair", "--all", CASE]);
    assert_eq!((status, stderr.as_str()), (Some(1), ""));
    assert!(
        stdout.contains("refused (zone-owner-unknown)") && stdout.contains("\n2 left alone\n\nSources\n"),
        "{stdout}"
    );
    let (status, stdout, _) = run(&["repair", "--zone", "35", CASE]);
    assert_eq!(status, Some(0), "{stdout}");
    assert_eq!(stdout.matches("by hand: conntrack -D -w 35 ").count(), 2, "{stdout}");
    let (status, stdout, _) = run(&["repair", "--mac", "02:00:00:00:00:01", CASE]);
    assert!(status == Some(0) && stdout.starts_with("No entry to repair.\n"), "{stdout}");
    let (status, stdout, _) = run(&["repair", "--zone", "35", "--method", "unpin", "--format", "json", CASE]);
    assert_eq!(status, Some(0));
    assert!(stdout.starts_with("{\"schema\":1,\"type\":\"repairs\",\"entries\":[{"), "{stdout}");
}
