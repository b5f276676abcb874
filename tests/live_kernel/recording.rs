//! Frames of mirror ports in files: what tshark reads there is what was sent.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use analyzer::types::MacAddr;

use crate::common::command;
use crate::daemon::{Ended, Live};
use crate::lab::{GW1, GW2, GW3, Lab, ROUTER, nexthops_toml};
use crate::netns::{require, run};
use crate::nexthops::send_until_found;
use crate::wire::{Flow, gratuitous_arp};

const MIRROR: [&str; 5] = ["-i", "wan0", "--mirror", "--ingress", "afxdp"];
/// Frames of a violating flow that are recorded.
const FIRST: usize = 16;

struct Recorded {
    lab: Lab,
    nexthops: PathBuf,
}

impl Recorded {
    fn new(purpose: &str) -> Result<Self, crate::netns::Missing> {
        require("tshark", "tshark")?;
        let lab = Lab::new(purpose)?;
        let hops: &[(&str, MacAddr)] = &[("172.18.0.101", GW1), ("172.18.0.102", GW2)];
        let nexthops = lab.write("nexthops.toml", &nexthops_toml(&[("10.244.0.0/16", hops)]));
        fs::create_dir(lab.folder.path().join("out")).expect("the folder is ours");
        Ok(Self { lab, nexthops })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.lab.folder.path().join("out").join(name)
    }

    fn live(&self, name: &str, more: &[&str]) -> Live {
        let path = self.path(name);
        let write = ["--write", path.to_str().expect("its name is ours")];
        self.lab.live_by_file(&self.nexthops, &[&MIRROR, &write[..], more].concat())
    }

    /// Ends a daemon once it has read all frames up to now: those of a queue are read in their order.
    fn end(&self, mut live: Live) -> Ended {
        let last = flow(999, GW3);
        self.lab.wire().send("out0", &last, 1);
        live.wait_finding(&last, "unknown-mac");
        live.stop()
    }

    /// Files that were written, in the order of their names.
    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path("")).expect("it is there");
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("it is there").path()).collect();
        files.sort();
        files
    }
}

fn flow(port: u16, gateway: MacAddr) -> Flow {
    Flow::new(&format!("udp 10.244.0.5:{port} -> 198.51.100.7:53"), ROUTER, gateway)
}

/// What tshark reads of each frame.
#[derive(Debug)]
struct Row {
    interface: String,
    eth_dst: String,
    port: String,
    vlan: String,
    len: usize,
    captured: usize,
    comment: String,
}

fn tshark(path: &Path) -> Vec<Row> {
    let fields =
        ["frame.interface_name", "eth.dst", "udp.srcport", "vlan.id", "frame.len", "frame.cap_len", "frame.comment"];
    let output = command("tshark")
        .args(["-n", "-T", "fields", "-E", "separator=|", "-r"])
        .arg(path)
        .args(fields.iter().flat_map(|field| ["-e", field]))
        .output()
        .expect("it can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("names are ours");
    let rows = text.lines().map(|line| {
        let columns: Vec<&str> = line.splitn(7, '|').collect();
        let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("no number in {line}"));
        Row {
            interface: columns[0].to_owned(),
            eth_dst: columns[1].to_owned(),
            port: columns[2].to_owned(),
            vlan: columns[3].to_owned(),
            len: number(columns[4]),
            captured: number(columns[5]),
            comment: columns[6].to_owned(),
        }
    });
    rows.collect()
}

/// The first frames of flows that violate are there with what is wrong with them, and no others.
#[test]
fn first_frames_of_violating_flows_are_recorded() {
    run(|| {
        let recorded = Recorded::new("live-write")?;
        let mut live = recorded.live("a.pcapng", &[]);
        live.ready();
        let mut wire = recorded.lab.wire();
        wire.send("out0", &flow(1, GW1), 50);
        wire.send("out0", &flow(2, GW3), 5);
        // What goes on is recorded with the batches behind, up to as many.
        for round in 0..4 {
            wire.send("out0", &flow(3, GW3).tagged(&[7]), 10);
            wire.send("out0", &flow(4, GW2), 10);
            wire.send("out0", &flow(5, GW3), 1);
            wire.send("out0", &flow(100 + round, GW3), 1);
            live.wait_finding(&flow(100 + round, GW3), "unknown-mac");
        }
        let ended = recorded.end(live);
        assert_eq!((ended.code, ended.loss("frames_not_written")), (Some(1), 0), "{}", ended.said());
        assert!(ended.said().contains("frames to 1 file (--write)"), "{}", ended.said());
        let path = recorded.path("a.pcapng");
        assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o600);
        let rows = tshark(&path);
        let count = |port: &str, vlan: &str| {
            let own = rows.iter().filter(|row| row.port == port && row.vlan == vlan);
            own.filter(|row| row.interface == "wan0" && row.eth_dst == GW3.to_string()).count()
        };
        assert_eq!((count("2", ""), count("3", "7"), count("5", ""), count("999", "")), (5, FIRST, 4, 1), "{rows:#?}");
        assert_eq!(rows.len(), 5 + FIRST + 4 + 4 + 1, "{rows:#?}");
        for row in &rows {
            let expected = format!("violating unknown-mac; expected {GW1} (172.18.0.101, active), {GW2}");
            assert!(row.comment.starts_with(&expected), "{row:?}");
        }
        Ok(())
    });
}

/// What conformed before a change of the next hops is not recorded, and what violates behind it is.
#[test]
fn frames_from_before_a_flow_violates_are_not_recorded() {
    run(|| {
        let recorded = Recorded::new("live-write-change")?;
        let mut live = recorded.live("a.pcapng", &["--grace", "0"]);
        live.ready();
        let mut wire = recorded.lab.wire();
        wire.send("out0", &flow(1, GW2), 40);
        wire.send("out0", &flow(2, GW3), 1);
        live.wait_finding(&flow(2, GW3), "unknown-mac");
        let left: &[(&str, MacAddr)] = &[("172.18.0.101", GW1)];
        recorded.lab.write("nexthops.toml", &nexthops_toml(&[("10.244.0.0/16", left), ("10.245.0.0/16", left)]));
        // A flow that no route decided before tells that the change is in force.
        let marker = Flow::new("udp 10.245.0.1:1 -> 198.51.100.7:53", ROUTER, GW3);
        send_until_found(&mut live, &mut wire, &marker);
        wire.send("out0", &flow(1, GW2), 40);
        let ended = recorded.end(live);
        assert_eq!(ended.loss("frames_not_written"), 0, "{}", ended.said());
        let rows = tshark(&recorded.path("a.pcapng"));
        let own: Vec<&Row> = rows.iter().filter(|row| row.eth_dst == GW2.to_string()).collect();
        assert_eq!(own.len(), FIRST, "{rows:#?}");
        assert!(own.iter().all(|row| row.comment.starts_with("violating former-nexthop")), "{own:#?}");
        Ok(())
    });
}

/// All frames of the port are there, cut as asked for, packed or not.
#[test]
fn all_frames_are_recorded() {
    run(|| {
        let recorded = Recorded::new("live-write-all")?;
        for (name, snaplen, longest) in [("a.pcapng", "0", 1442), ("b.pcapng.zst", "60", 60)] {
            let mut live = recorded.live(name, &["--only", "all", "--snaplen", snaplen]);
            live.ready();
            let long = Flow { payload: 1400, ..flow(2, GW3) };
            let mut wire = recorded.lab.wire();
            let mut sent = wire.send("out0", &flow(1, GW1), 100) + wire.send("out0", &long, 30);
            sent += wire.send_frames("out0", [(gratuitous_arp([172, 18, 0, 101], GW1), 2)]);
            let ended = recorded.end(live);
            assert_eq!(ended.loss("frames_not_written"), 0, "{}", ended.said());
            let mut path = recorded.path(name);
            if name.ends_with("zst") {
                let unpacked = recorded.path("b.pcapng");
                let status = command("zstd").args(["-q", "-d"]).arg(&path).status().expect("it can be run");
                assert!(status.success());
                path = unpacked;
            }
            let rows = tshark(&path);
            let count = |port: &str| rows.iter().filter(|row| row.port == port).count();
            assert_eq!((count("1"), count("2"), count("999"), rows.len() as u64), (100, 30, 1, sent.packets + 1));
            assert_eq!(rows.iter().map(|row| row.captured).max(), Some(longest));
            assert_eq!(rows.iter().map(|row| row.len).max(), Some(1442));
            assert!(rows.iter().all(|row| row.comment.is_empty() && row.interface == "wan0"), "{rows:?}");
        }
        Ok(())
    });
}

/// Files follow each other under names of dumpcap's form, and the newest stay.
#[test]
fn files_are_rotated() {
    run(|| {
        let recorded = Recorded::new("live-write-files")?;
        let bounds = ["--only", "all", "--write-bytes", "4k", "--write-files", "2"];
        let mut live = recorded.live("a.pcapng", &bounds);
        live.ready();
        let mut wire = recorded.lab.wire();
        for port in 1..=200 {
            wire.send("out0", &flow(port, GW1), 1);
        }
        let ended = recorded.end(live);
        assert_eq!(ended.loss("frames_not_written"), 0, "{}", ended.said());
        let files = recorded.files();
        assert_eq!(files.len(), 2, "{files:?}");
        let names = files.iter().map(|file| file.file_name().and_then(|name| name.to_str()).expect("ours"));
        for name in names {
            assert!(name.len() == "a_00001_20220609224828.pcapng".len() && name.starts_with("a_000"), "{name}");
        }
        let ports: Vec<u16> =
            files.iter().flat_map(|file| tshark(file)).map(|row| row.port.parse().expect("a port")).collect();
        let (last, before) = ports.split_last().expect("there are some");
        assert_eq!(*last, 999);
        assert!(before.len() > 15 && before.ends_with(&[199, 200]) && before.is_sorted(), "{ports:?}");
        Ok(())
    });
}

/// Nothing is written over or through a link, and options that make no sense are told so.
#[test]
fn what_is_there_stays() {
    run(|| {
        let recorded = Recorded::new("live-write-refused")?;
        fs::write(recorded.path("there.pcapng"), "mine").expect("the folder is ours");
        symlink(recorded.path("target"), recorded.path("link.pcapng")).expect("the folder is ours");
        for (name, more, expected) in [
            ("there.pcapng", &[][..], "there.pcapng is there already"),
            ("link.pcapng", &[], "link.pcapng is there already"),
            ("no/such.pcapng", &[], "cannot open the folder"),
            ("a.pcap", &[], "ends in .pcapng or .pcapng.zst"),
            ("a.pcapng", &["--write-files", "3"], "--write-files goes with --write-bytes"),
        ] {
            let ended = recorded.live(name, more).end();
            assert_eq!(ended.code, Some(2), "{}", ended.said());
            assert!(ended.said().contains(expected), "{expected}: {}", ended.said());
        }
        let tc = ["-i", "wan0", "--write", "/nowhere/a.pcapng"];
        for (arguments, expected) in
            [(&tc[..], "give --mirror and --ingress afxdp"), (&["-i", "wan0", "--snaplen", "0"], "--write FILE")]
        {
            let ended = recorded.lab.live_by_file(&recorded.nexthops, arguments).end();
            assert_eq!(ended.code, Some(2), "{}", ended.said());
            assert!(ended.said().contains(expected), "{expected}: {}", ended.said());
        }
        assert_eq!(fs::read(recorded.path("there.pcapng")).expect("it stays"), b"mine");
        assert!(!recorded.path("target").exists());
        Ok(())
    });
}

/// A full disk costs frames of the file and nothing else; what was written until then can be read.
#[test]
fn a_full_disk_stops_no_counting() {
    run(|| {
        let recorded = Recorded::new("live-write-full")?;
        let mount = format!("mount -t tmpfs -o size=64k none {}", recorded.path("").display());
        // The daemon has the mounts of the namespace that the command is run in.
        let program = env!("CARGO_BIN_EXE_analyzer");
        let arguments = [
            "live --format jsonl --history none --alert-state none --syslog none --nb none --sb none --ovs none --nexthops",
            recorded.nexthops.to_str().expect("its name is ours"),
            &MIRROR.join(" "),
            "--only all --write",
            recorded.path("a.pcapng").to_str().expect("its name is ours"),
        ]
        .join(" ");
        let copy = recorded.lab.folder.path().join("copy.pcapng");
        let script = format!(
            "{mount} && {program} {arguments}; code=$?; cp {} {}; exit $code",
            recorded.path("a.pcapng").display(),
            copy.display()
        );
        let mut shell = recorded.lab.netns.command("unshare");
        shell.args(["-m", "sh", "-c", &script]);
        shell.stdin(std::process::Stdio::null());
        shell.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let mut live = Live::spawn(&mut shell);
        live.ready();
        let mut sent = recorded.lab.wire().send("out0", &flow(1, GW1), 2000);
        live.wait_message("a.pcapng: No space left on device");
        let marker = flow(2, GW3);
        sent += recorded.lab.wire().send("out0", &marker, 1);
        live.wait_finding(&marker, "unknown-mac");
        let daemon = children_of(live.pid().as_raw_nonzero().get());
        let &[daemon] = &daemon[..] else { panic!("not one daemon: {daemon:?}") };
        rustix::process::kill_process(
            rustix::process::Pid::from_raw(daemon).expect("it runs"),
            rustix::process::Signal::TERM,
        )
        .expect("it runs");
        let ended = live.end();
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        ended.assert_complete(sent);
        let lost = ended.loss("frames_not_written");
        assert!(lost > 0, "{}", ended.said());
        assert_eq!(ended.said().matches("No space left").count(), 1, "{}", ended.said());
        let rows = tshark(&copy);
        assert_eq!(rows.len() as u64 + lost, sent.packets, "{}", ended.said());
        Ok(())
    });
}

/// Processes that this one started.
fn children_of(pid: i32) -> Vec<i32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("it runs");
    children.split_whitespace().map(|pid| pid.parse().expect("a number")).collect()
}
