//! The texts of a case in one file tell what they tell in a folder, in whatever order and decoration they stand there.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::TempDir;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Cases of texts, some with a capture of packets beside them.
const CASES: [&str; 17] = [
    "bfd-and-mac-unknown",
    "bfd-state-unknown",
    "bz2095444-text",
    "ipv6",
    "lost-capture-line",
    "lost-route-row",
    "ovn-26.03.1-incident-texts-only",
    "own-port-as-nexthop",
    "pasted-colours",
    "pasted-typescript",
    "route-choice",
    "route-removed",
    "routes-with-comment",
    "static-mac-override",
    "text-without-times",
    "two-zones",
    "virtual-router-label",
];

/// Lines of entries show no prefix by themselves, and under two prefixes next hops of a file of settings are not found: the
/// packets are undetermined.
const UNTOLD: [(&str, &str, &str); 2] =
    [("route-removed", "quoted", "NAME: "), ("route-removed", "numbered", "NAME: ")];

/// The command that prints what is in a file of a case; `None` for what is no output.
fn command(name: &str) -> Option<String> {
    if name == "nexthops.toml" {
        return Some(format!("cat {name}"));
    }
    let stem = name.strip_suffix(".txt")?;
    Some(match stem {
        "capture" => "tcpdump -e -n -r egress.pcap".to_owned(),
        "conntrack" => "ovs-appctl dpctl/dump-conntrack".to_owned(),
        "ct-zones" | "ct-zone-list" => "ovn-appctl -t ovn-controller ct-zone-list".to_owned(),
        "bfd" => "ovn-nbctl list BFD".to_owned(),
        "mac_binding" => "ovn-sbctl list MAC_Binding".to_owned(),
        "static_mac_binding" => "ovn-nbctl list Static_MAC_Binding".to_owned(),
        "static_routes" => "ovn-nbctl list Logical_Router_Static_Route".to_owned(),
        "port_binding" => "ovn-sbctl list Port_Binding".to_owned(),
        "learned_route" => "ovn-sbctl list Learned_Route".to_owned(),
        "ecmp_nexthop" => "ovn-sbctl list ECMP_Nexthop".to_owned(),
        "lflow-list" => "ovn-sbctl lflow-list".to_owned(),
        owners if owners.starts_with("mac-owners") => "ip -d link".to_owned(),
        "datapath_binding" => "ovn-sbctl list Datapath_Binding".to_owned(),
        _ => {
            let router = stem.strip_prefix("lr-route-list")?.trim_start_matches('.');
            format!("ovn-nbctl lr-route-list {router}")
        }
    })
}

/// A text, and the command that printed it.
type Text = (String, String);

fn texts(case: &Path) -> Vec<Text> {
    let mut files: Vec<PathBuf> = fs::read_dir(case).expect("a case").map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let text = |file: PathBuf| {
        let command = command(file.file_name()?.to_str()?)?;
        let mut text = fs::read_to_string(&file).expect("a text");
        if !text.ends_with('\n') {
            text.push('\n');
        }
        Some((command, text))
    };
    let texts: Vec<Text> = files.into_iter().filter_map(text).collect();
    assert!(texts.len() > 1, "{}", case.display());
    texts
}

fn each(text: &str, decorate: impl Fn(usize, &str) -> String) -> String {
    text.lines().zip(1..).map(|(line, number)| decorate(number, line) + "\n").collect()
}

const PROSE: &str = "and this is what the pod 192.0.2.230 has to do with 198.51.100.15, as far as we know:";

/// How one text stands in a ticket.
type Frame = fn(&Text) -> String;

/// How a whole ticket is decorated.
type Whole = fn(&str) -> Vec<u8>;

/// Ways in which one text stands in a ticket.
const FRAMES: [(&str, Frame); 9] = [
    ("fences with a prompt", |(command, text)| format!("{PROSE}\n```\n[root@w ~]# {command}\n{text}```\n")),
    ("a prompt above the fence", |(command, text)| format!("$ {command}\n\n~~~ text\n{text}~~~\n\n{PROSE}\n")),
    ("{noformat}", |(command, text)| format!("h2. Output\n{{noformat}}\nsh-4.4# {command}\n{text}{{noformat}}\n")),
    ("a session", |(command, text)| format!("[core@w ~]$ sudo {command}\n{text}")),
    ("a caption", |(command, text)| format!("{PROSE}\n\nOutput of `{command}`:\n\n{text}\n{PROSE}\n\n")),
    ("quoted", |(command, text)| {
        format!("They wrote\n\n{}\n{PROSE}\n\n", each(&format!("$ {command}\n{text}"), |_, line| format!("> {line}")))
    }),
    ("numbered", |(command, text)| {
        format!("```\n$ {command} | cat -n\n{}```\n", each(text, |number, line| format!("{number:>6}\t{line}")))
    }),
    ("CR LF", |(command, text)| each(&format!("```\n$ {command}\n{text}```\n"), |_, line| format!("{line}\r"))),
    ("colours", |(command, text)| {
        format!("```\n\x1b[1m$\x1b[0m {command}\n{}```\n", each(text, |_, line| format!("{line}\x1b[K")))
    }),
];

/// Ways in which a whole ticket is decorated.
const WHOLES: [(&str, Whole); 5] = [
    ("plain", |text| text.as_bytes().to_vec()),
    ("> ", |text| each(text, |_, line| format!("> {line}")).into_bytes()),
    ("NAME: ", |text| each(text, |_, line| format!("worker-08: {line}")).into_bytes()),
    ("BOM", |text| format!("\u{feff}{text}").into_bytes()),
    ("UTF-16", |text| text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
];

/// Captures of packets in a case.
fn captures(case: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(case).expect("a case").map(|entry| entry.unwrap().path());
    files.filter(|file| file.extension().is_some_and(|extension| extension == "pcap")).collect()
}

/// Verdicts with their reasons and flows, and the status.
fn replayed(case: &Path, inputs: &[PathBuf]) -> (Vec<String>, Option<i32>, String) {
    let args = fs::read_to_string(case.join("args")).unwrap_or_default();
    let output = Command::new(env!("CARGO_BIN_EXE_analyzer"))
        .args(["replay", "--format", "jsonl"])
        .args(inputs)
        .args(args.lines())
        .output()
        .expect("the analyzer starts");
    let text = String::from_utf8(output.stdout).expect("the output is UTF-8");
    let finding = |line: &str| -> Option<String> {
        let object: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let is_finding = object["type"] == "finding";
        let told = ["verdict", "reason", "flow", "eth_dst", "packets", "route", "expected", "conntrack", "last_legal"];
        // Their source is the file.
        let owners = object["known_as"].as_array().into_iter().flatten().map(|known| known["owner"].to_string());
        let told = told.map(|key| object[key].to_string()).into_iter().chain(owners);
        is_finding.then(|| told.collect::<Vec<_>>().join(" "))
    };
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (text.lines().filter_map(finding).collect(), output.status.code(), errors)
}

#[test]
fn a_ticket_tells_what_the_folder_tells() {
    let folder = TempDir::new();
    let file = folder.path().join("mail.md");
    let mut complaints = Vec::new();
    for name in CASES {
        let case = root().join("pcaps").join(name);
        let (findings, status, _) = replayed(&case, std::slice::from_ref(&case));
        let mut texts = texts(&case);
        let inputs = [vec![file.clone()], captures(&case)].concat();
        for (turn, (frame, framed)) in FRAMES.into_iter().enumerate() {
            // Another order each time.
            texts.rotate_left(1);
            if turn % 2 == 1 {
                texts.reverse();
            }
            let ticket: String = texts.iter().map(framed).collect();
            for (whole, decorated) in WHOLES {
                fs::write(&file, decorated(&format!("Hello,\n\n{ticket}\nThank you\n"))).expect("the folder is ours");
                let (found, code, errors) = replayed(&case, &inputs);
                if UNTOLD.contains(&(name, frame, whole)) {
                    assert_eq!(code, Some(3), "{name}, {frame}, {whole}");
                    continue;
                }
                if (&found, code) != (&findings, status) {
                    complaints.push(format!(
                        "{name}, {frame}, {whole}: {code:?} {found:#?}, not {status:?} {findings:#?}; {errors}"
                    ));
                }
            }
        }
    }
    assert!(complaints.is_empty(), "{}:\n{}", complaints.len(), complaints.join("\n"));
}

/// The status of a ticket, and all that is said of it.
fn said(ticket: &str, args: &[&str]) -> (Option<i32>, String) {
    let folder = TempDir::new();
    fs::write(folder.path().join("mail.md"), ticket).expect("the folder is ours");
    let output = Command::new(env!("CARGO_BIN_EXE_analyzer"))
        .current_dir(folder.path())
        .args(args)
        .arg("mail.md")
        .output()
        .expect("the analyzer starts");
    let text = [output.stdout, output.stderr].concat();
    // Long lines are broken for readers.
    let text = String::from_utf8_lossy(&text).split_whitespace().collect::<Vec<_>>().join(" ");
    (output.status.code(), text)
}

fn ticket() -> String {
    fs::read_to_string(root().join("pcaps/ticket/ticket.md")).expect("a ticket")
}

const REPLAY: [&str; 4] = ["replay", "--reproducible", "--date", "2022-06-09"];

/// What cannot be read is a gap at its line of the ticket, and never a violation nor the end of the run.
#[test]
fn damage_in_a_ticket() {
    let ticket = ticket();
    let route = "198.19.3.16 src-ip";
    let line = ticket.lines().position(|line| line.contains(route)).expect("a route") + 1;
    let toml = "\n```\n[[route]]\nprefix = 1\n```\n";
    let listing = "\n```\n{\"data\":[[[\"uuid\",\"x\n```\n";
    let at_end = ticket.lines().count() + 3;
    for (damaged, place) in [
        (ticket.replace(route, "198.19.x.16 src-ip"), line),
        (
            ticket.replace(
                "\n           192.168.16.230               198.19.3.16 src",
                "\n           192.168.16.230\nsrc",
            ),
            line,
        ),
        (ticket.clone() + toml, at_end),
        (ticket.clone() + listing, at_end),
        (ticket.clone() + "\n```\n10.0.0.5\n```\n", at_end),
    ] {
        let (status, text) = said(&damaged, &REPLAY);
        assert_eq!(status, Some(3), "{text}");
        assert!(text.starts_with("UNDETERMINED"), "{text}");
        assert!(text.contains(&format!("mail.md:{place}")), "{place}: {text}");
    }
}

/// Packets that cannot be judged are said, beside those that are.
#[test]
fn packets_without_macs() {
    let without = "22:48:29.5 IP 192.168.16.230.1 > 172.27.0.13.5005: UDP, length 52\n";
    let ticket = ticket();
    let line = ticket.lines().count() + 3;
    let (status, text) = said(&format!("{ticket}\n```\n{without}```\n"), &REPLAY);
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains(&format!("mail.md:{line}: text of tcpdump without MAC addresses")), "{text}");
    let capture = ticket.lines().filter(|line| line.contains("ethertype")).map(|line| format!("{line}\n"));
    let dumps = capture.fold(ticket.clone(), |text, line| text.replace(&line, ""));
    let (status, text) = said(&format!("{dumps}\n```\n{without}```\n"), &REPLAY);
    assert_eq!(status, Some(2), "{text}");
    assert!(text.contains("no capture given") && text.contains("without MAC addresses"), "{text}");
}

/// A reply quotes what it answers.
#[test]
fn a_ticket_that_holds_all_twice() {
    let ticket = ticket();
    let quoted = each(&ticket, |_, line| format!("> {line}"));
    let findings = |text: &str| text.split("Sources").next().map(|text| text.replace("mail.md", ""));
    let (status, once) = said(&ticket, &REPLAY);
    let (twice_status, twice) = said(&format!("{ticket}\n\nYou wrote\n\n{quoted}"), &REPLAY);
    assert_eq!((status, twice_status), (Some(1), Some(1)), "{twice}");
    let verdict = |text: &str| findings(text).and_then(|text| Some(text.split("Notes").next()?.to_owned()));
    assert_eq!(verdict(&once), verdict(&twice));
}

/// What a ticket is for commands that judge no packets.
#[test]
fn other_commands_take_tickets() {
    let (status, text) = said(&ticket(), &["conntrack", "--stale"]);
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("2 of 2 labelled conntrack entries"), "{text}");
    let (status, text) = said(&ticket(), &["nexthops"]);
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("(GR_worker-08, symmetric reply)"), "{text}");
    let (status, text) = said("Hello\n", &["nexthops"]);
    assert_eq!(status, Some(2), "{text}");
    assert!(text.contains("mail.md is no folder, and no ticket"), "{text}");
}

/// Two routers' routes in one ticket are those of two routers.
#[test]
fn several_routers() {
    let routes = "IPv4 Routes\n   10.0.0.5   198.51.100.15 src-ip ecmp-symmetric-reply\n";
    let (_, text) = said(
        &format!("```\n# ovn-nbctl lr-route-list GR_a\n{routes}# ovn-nbctl lr-route-list GR_b\n{routes}```\n"),
        &["nexthops"],
    );
    assert!(text.contains("(GR_a, symmetric reply)") && text.contains("(GR_b, symmetric reply)"), "{text}");
}

/// What a command printed before a change and after it is no set that there ever was: what only the older listing calls a next
/// hop is no more right than wrong.
#[test]
fn listings_of_two_moments() {
    let ticket = ticket();
    let of_gateway = |octet: u8| {
        format!("           192.168.16.230               198.19.3.{octet} src-ip ecmp ecmp-symmetric-reply\n")
    };
    let dead = "_uuid : 397895cc-03b0-4dc0-8746-e9459fe83e2d\nip : \"198.19.3.17\"\nlogical_port : rtoe-GR_worker-08\nmac : \
                \"ce:73:29:66:39:a4\"\n";
    let fenced = |text: &str| format!("\n```\n{text}```\n");
    let binding = fenced(&format!("$ ovn-sbctl list MAC_Binding\n{dead}"));
    let command = "$ ovn-nbctl lr-route-list GR_worker-08\n";
    let before = [15, 16, 17].map(of_gateway).concat();
    let (status, text) = said(&format!("{ticket}{}{binding}", fenced(&format!("{command}{before}"))), &REPLAY);
    assert_eq!(status, Some(3), "{text}");
    assert!(text.starts_with("UNDETERMINED") && text.contains("one row is not as at mail.md"), "{text}");
    // Without a prompt there is the name above it, or none.
    let (status, text) =
        said(&format!("{ticket}\nlr-route-list GR_worker-08 was{}{binding}", fenced(&before)), &REPLAY);
    assert_eq!(status, Some(3), "{text}");
    // A part of the routes says nothing of the others.
    let part = fenced(&format!("$ ovn-nbctl lr-route-list GR_worker-08 | grep 3.15\n{}", of_gateway(15)));
    let (status, text) = said(&format!("{ticket}{part}"), &REPLAY);
    assert_eq!(status, Some(1), "{text}");
    assert!(!text.contains("not as at"), "{text}");
}

/// A folder's ticket is read where nothing else is there to be read, whatever case its name has; else its reader is told.
#[test]
fn a_ticket_in_a_folder() {
    let folder = TempDir::new();
    let replayed = || {
        let output = Command::new(env!("CARGO_BIN_EXE_analyzer")).args(REPLAY).arg(folder.path()).output();
        let output = output.expect("the analyzer starts");
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.code(), text)
    };
    fs::write(folder.path().join("Ticket.MD"), ticket()).expect("the folder is ours");
    let (status, text) = replayed();
    assert_eq!(status, Some(1), "{text}");
    let bindings = root().join("pcaps/bz2095444/mac_binding.txt");
    fs::copy(bindings, folder.path().join("mac_binding.txt")).expect("the folder is ours");
    let (status, text) = replayed();
    assert_eq!(status, Some(2), "{text}");
    assert!(text.contains("Ticket.MD: not read") && text.contains("name this ticket by itself"), "{text}");
    // Beside a capture it changes nothing, not even if it is far too long for a ticket.
    for name in ["capture.pcap", "lr-route-list.txt"] {
        let file = root().join("pcaps/bz2095444").join(name);
        fs::copy(file, folder.path().join(name)).expect("the folder is ours");
    }
    for text in [ticket(), ticket().repeat(400)] {
        fs::write(folder.path().join("Ticket.MD"), text).expect("the folder is ours");
        let (status, text) = replayed();
        assert_eq!(status, Some(1), "{text}");
        assert!(!text.contains("broken frame"), "{text}");
    }
}

/// Of a packet that is quoted once more, no further line is left.
#[test]
fn packets_of_several_lines_that_are_quoted() {
    let packet = |nth: u8| {
        format!(
            "22:48:3{nth}.000001 94:42:c9:c3:f7:92 > ce:73:29:66:39:a4, ethertype IPv4 (0x0800), length 94: (tos 0x0, ttl 63, id \
             {nth}, offset 0, flags [DF], proto UDP (17), length 80)\n    192.168.16.230.59943 > 172.27.0.13.5005: UDP, length 52\n"
        )
    };
    let quoted = each(&[packet(1), packet(2)].concat(), |_, line| format!("> {line}"));
    let text = format!("{}\n```\n{}```\n\nYou wrote\n\n{quoted}", ticket(), [1, 2, 3].map(packet).concat());
    let (status, told) = said(&text, &REPLAY);
    assert_eq!(status, Some(1), "{told}");
    assert!(told.contains("2 of 10 flows leave to ce:73:29:66:39:a4") && told.contains("(8 of 22 packets)"), "{told}");
}
