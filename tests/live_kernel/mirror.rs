//! Mirror ports that AF_XDP sockets take the frames of.

use std::collections::BTreeMap;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Stdio;

use analyzer::types::MacAddr;
use serde_json::{Value, json};

use crate::common::command;
use crate::daemon::{Ended, Live};
use crate::lab::{GW1, GW2, GW3, Lab, ROUTER, WITHOUT_OVN, nexthops_toml};
use crate::netns::{Netns, require, run};
use crate::nexthops::send_until_found;
use crate::ovsdb::Server;
use crate::wire::{Count, Flow, gratuitous_arp};

/// The mirror port; what is sent from its other end comes in by it.
const MIRROR: [&str; 5] = ["-i", "wan0", "--mirror", "--ingress", "afxdp"];

fn toml() -> String {
    let nexthops: &[(&str, MacAddr)] = &[("172.18.0.101", GW1), ("172.18.0.102", GW2)];
    nexthops_toml(&[("10.244.0.0/16", nexthops), ("fd00:10:244::/64", &[("fd00::101", GW1)])])
}

fn flow(port: u16, gateway: MacAddr) -> Flow {
    Flow::new(&format!("udp 10.244.0.5:{port} -> 198.51.100.7:53"), ROUTER, gateway)
}

fn mirror<'a>(lab: &Lab, file: &'a Path, more: &[&'a str]) -> Live {
    lab.live_by_file(file, &[&MIRROR, more].concat())
}

/// Ends a daemon once it has read all frames up to now: those of a queue are read in their order.
fn end(lab: &Lab, mut live: Live, last: u16) -> (Ended, Count) {
    let last = flow(last, GW3);
    let sent = lab.wire().send("out0", &last, 1);
    live.wait_finding(&last, "unknown-mac");
    (live.stop(), sent)
}

/// Two halves of a datagram, the second without ports.
fn fragments(gateway: MacAddr) -> [Vec<u8>; 2] {
    let whole = flow(7, gateway).frame();
    let part = |offset: u16, bytes: &[u8]| {
        let mut frame = whole[..34].to_vec();
        frame[16..18].copy_from_slice(&(20 + bytes.len() as u16).to_be_bytes());
        frame[20..22].copy_from_slice(&offset.to_be_bytes());
        frame.extend(bytes);
        frame
    };
    [part(0x2000, &whole[34..50]), part(2, &whole[50..])]
}

/// What is said of each flow to each MAC, and of how many packets.
fn said(findings: &[Value]) -> BTreeMap<String, (u64, u64)> {
    let keys = ["vlan", "flow", "eth_dst", "verdict", "reason"];
    let said = findings.iter().map(|finding| {
        let Count { packets, bytes } = Count::of(finding);
        (keys.map(|key| finding[key].to_string()).join(" "), (packets, bytes))
    });
    said.collect()
}

/// Each frame is counted as replay counts it, flow by flow.
#[test]
fn frames_are_counted_as_replay_counts_them() {
    run(|| {
        let lab = Lab::new("live-afxdp")?;
        let file = lab.write("nexthops.toml", &toml());
        let mut live = mirror(&lab, &file, &[]);
        live.ready();
        let v6 = |port: u16, gateway| {
            Flow::new(&format!("tcp [fd00:10:244::5]:{port} -> [2001:db8::7]:443"), ROUTER, gateway)
        };
        let elsewhere = Flow::new("udp 10.9.9.9:1 -> 198.51.100.7:53", ROUTER, GW3);
        let mut frames: Vec<(Vec<u8>, u64)> = vec![
            (flow(1, GW1).frame(), 30),
            (flow(1, GW3).frame(), 3),
            (flow(2, GW2).frame(), 20),
            (flow(3, GW3).frame(), 5),
            (flow(3, GW3).tagged(&[7]).frame(), 6),
            (flow(4, GW1).tagged(&[7, 8]).frame(), 7),
            (v6(1, GW1).frame(), 8),
            (v6(2, GW2).frame(), 9),
            (v6(2, GW2).tagged(&[9]).frame(), 10),
            (elsewhere.frame(), 11),
            (gratuitous_arp([172, 18, 0, 101], GW1), 1),
            (flow(5, GW3).frame()[..24].to_vec(), 2),
        ];
        frames.extend(fragments(GW3).map(|frame| (frame, 4)));
        frames.push((flow(9, GW3).frame(), 1));
        let sent = lab.wire().send_frames("out0", frames.iter().cloned());
        live.wait_finding(&flow(9, GW3), "unknown-mac");
        let ended = live.stop();
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        assert_eq!(Count::of(&ended.summary), sent, "{}", ended.summary);
        assert_eq!(ended.summary["estimated"], false);

        let capture = lab.folder.path().join("frames.pcap");
        std::fs::write(&capture, pcap(&frames)).expect("the folder is ours");
        let output = command(env!("CARGO_BIN_EXE_analyzer"))
            .args(["replay", "--format", "jsonl", "--nexthops"])
            .args([&file, &capture])
            .stderr(Stdio::inherit())
            .output()
            .expect("it can be run");
        let lines = String::from_utf8(output.stdout).expect("JSON is text");
        let objects: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let (findings, rest): (Vec<Value>, Vec<Value>) =
            objects.into_iter().partition(|object| object["type"] == "finding");
        let summary = rest.into_iter().find(|object| object["type"] == "summary").expect("it closes with a summary");
        assert_eq!(said(&ended.findings), said(&findings));
        for gateway in [GW1, GW2] {
            let nexthops = summary["nexthops"].as_array().expect("a list");
            let own = nexthops.iter().find(|nexthop| nexthop["lladdr"] == *gateway.to_string()).expect("it is told");
            assert_eq!(ended.conforming(gateway), Count::of(own));
        }
        for key in [
            "packets",
            "bytes",
            "flows",
            "covered_flows",
            "conforming_flows",
            "violating_flows",
            "violating_packets",
            "uncovered_packets",
            "undetermined_flows",
            "skipped",
        ] {
            assert_eq!(ended.summary[key], summary[key], "{key}: {}\n{summary}", ended.summary);
        }
        Ok(())
    });
}

/// A classic capture of these frames, all of one moment behind the last change of the next hops.
fn pcap(frames: &[(Vec<u8>, u64)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1] {
        bytes.extend(number.to_le_bytes());
    }
    for frame in frames.iter().flat_map(|(frame, times)| (0..*times).map(move |_| frame)) {
        for number in [1_800_000_000, 0, frame.len() as u32, frame.len() as u32] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(frame);
    }
    bytes
}

/// What left before a change goes by the set before it; what leaves to the old MAC just behind it is in its grace.
#[test]
fn a_change_of_the_set_is_a_moment_of_the_mirror_too() {
    run(|| {
        let lab = Lab::new("live-afxdp-set")?;
        let file = lab.write("nexthops.toml", &toml());
        let mut live = mirror(&lab, &file, &["--grace", "1h"]);
        live.ready();
        let mut wire = lab.wire();
        let mut sent = wire.send("out0", &flow(1, GW2), 5) + wire.send("out0", &flow(2, GW3), 1);
        live.wait_finding(&flow(2, GW3), "unknown-mac");
        let left: &[(&str, MacAddr)] = &[("172.18.0.101", GW1)];
        lab.write("nexthops.toml", &nexthops_toml(&[("10.244.0.0/16", left), ("10.245.0.0/16", left)]));
        // A flow that no route decided before tells that the change is in force.
        let marker = Flow::new("udp 10.245.0.1:1 -> 198.51.100.7:53", ROUTER, GW3);
        sent += send_until_found(&mut live, &mut wire, &marker);
        sent += wire.send("out0", &flow(1, GW2), 7) + wire.send("out0", &flow(3, GW1), 2);
        let (ended, last) = end(&lab, live, 4);
        ended.assert_complete(sent + last);
        assert_eq!(ended.number("grace_packets"), 7, "{}", ended.summary);
        assert_eq!((ended.conforming(GW2).packets, ended.conforming(GW1).packets), (5, 2));
        Ok(())
    });
}

/// Where there is no room for all flows, those that violate have it.
#[test]
fn a_flood_of_harmless_flows_hides_no_violation() {
    run(|| {
        let lab = Lab::new("live-afxdp-flood")?;
        let file = lab.write("nexthops.toml", &toml());
        let mut live = mirror(&lab, &file, &["--max-suspects", "100"]);
        live.ready();
        let harmless: Vec<Flow> = (1000..1400).map(|port| flow(port, GW1)).collect();
        let bad: Vec<Flow> = (1..=15).map(|port| flow(port, GW3)).collect();
        let mut wire = lab.wire();
        let mut sent = Count::default();
        for _ in 0..3 {
            sent += wire.send_all("out0", harmless.iter().map(|flow| (flow, 1)));
        }
        sent += wire.send_all("out0", bad.iter().map(|flow| (flow, 2)));
        let (ended, last) = end(&lab, live, 99);
        ended.assert_complete(sent + last);
        assert_eq!(ended.number("violating_flows"), 16, "{}", ended.summary);
        assert_eq!((ended.conforming(GW1).packets, ended.loss("suspect_packets_untracked")), (1200, 0));
        assert!(ended.loss("packets_of_unlisted_flows") > 0 && ended.summary["estimated"] == true);
        Ok(())
    });
}

/// A mirror port goes and comes back, and is let go as soon as it is more than one.
#[test]
fn a_mirror_port_comes_back_and_is_let_go_where_it_is_used() {
    run(|| {
        let lab = Lab::new("live-afxdp-nic")?;
        let file = lab.write("nexthops.toml", &toml());
        let mut live = mirror(&lab, &file, &[]);
        live.wait_message("watching wan0 (afxdp-copy)");
        lab.netns.sh("ip link del wan0");
        live.wait_message("wan0 is gone");
        lab.netns.sh(&Lab::link(0));
        live.wait_message("watching wan0 (afxdp-copy)");
        live.ready();
        let sent = lab.wire().send("out0", &flow(1, GW3), 5);
        live.wait_finding(&flow(1, GW3), "unknown-mac");
        lab.netns.sh("ip link add br0 type bridge; ip link set wan0 master br0");
        live.wait_message("wan0 is no mirror port: it is a port of br0");
        // Nothing of ours is on it: what comes in goes on to the bridge.
        lab.wire().send("out0", &flow(2, GW3), 5);
        lab.netns.sh("ip link set wan0 nomaster");
        live.wait_message("watching wan0 (afxdp-copy)");
        // The same once more is told once more.
        lab.netns.sh("ip link set wan0 master br0");
        live.wait_message("letting go of wan0");
        live.wait_message("wan0 is no mirror port: it is a port of br0");
        lab.netns.sh("ip link set wan0 nomaster");
        live.wait_message("watching wan0 (afxdp-copy)");
        let (ended, last) = end(&lab, live, 9);
        ended.assert_complete(sent + last);
        Ok(())
    });
}

/// NICs that frames may not be taken away from, and what is in the way.
#[test]
fn nics_that_are_used_are_refused() {
    run(|| {
        let lab = Lab::new("live-afxdp-used")?;
        let pod = Netns::new("live-afxdp-pod")?;
        let file = lab.write("nexthops.toml", &toml());
        let refused = |more: &[&str], expected: &str| {
            let ended = mirror(&lab, &file, more).end();
            assert_eq!(ended.code, Some(2), "{expected}: {}", ended.said());
            assert!(ended.said().contains(expected), "{expected}: {}", ended.said());
            assert!(ended.said().contains("--ingress tc"), "{}", ended.said());
        };
        for (made, unmade, expected) in [
            (
                "ip link add br0 type bridge; ip link set wan0 master br0",
                "ip link del br0",
                "wan0 is no mirror port: it is a port of br0",
            ),
            (
                "ip link add link wan0 name pod0 type macvlan",
                "ip link del pod0",
                "wan0 is no mirror port: pod0 lies on it",
            ),
            (
                "ip addr add 192.0.2.7/32 dev wan0",
                "ip addr flush dev wan0",
                "wan0 is no mirror port: it has the address 192.0.2.7",
            ),
            (
                "ip link add link wan0 name pod1 netns $POD type macvlan; ip -n $POD link set pod1 up",
                "ip -n $POD link del pod1",
                "which a link on it may have",
            ),
            (
                "ip addr add 169.254.9.1/16 scope link dev wan0; ip nexthop add id 5 via 169.254.9.2 dev wan0",
                "ip nexthop del id 5; ip addr flush dev wan0",
                "wan0 is no mirror port: the nexthop object 5 leads out by it",
            ),
            (
                "ip route add 203.0.113.0/24 dev wan0",
                "ip route del 203.0.113.0/24",
                "wan0 is no mirror port: the route to 203.0.113.0/24 leads out by it",
            ),
        ] {
            let [made, unmade] = [made, unmade].map(|script| script.replace("$POD", pod.name()));
            lab.netns.sh(&made);
            // What is refused is refused also to whoever insists.
            refused(&["--force"], expected);
            lab.netns.sh(&unmade);
        }

        let socket = lab.folder.path().join("dead.sock");
        drop(UnixListener::bind(&socket).expect("the folder is ours"));
        let dead = format!("unix:{}", socket.display());
        let given = ["--ovs", &dead, "--nexthops", file.to_str().expect("its name is ours")];
        let without = ["--nb", "none", "--sb", "none"];
        let ended = lab.live(without.into_iter().chain(given).chain(MIRROR)).end();
        assert_eq!(ended.code, Some(2), "{}", ended.said());
        assert!(
            ended.said().contains("Open vSwitch may have it as a port, and cannot be asked by"),
            "{}",
            ended.said()
        );

        // A link-local address alone is no ground, and a few frames are none.
        lab.netns.sh("ip addr add 169.254.1.1/16 scope link dev wan0");
        let mut live = mirror(&lab, &file, &[]);
        live.ready();
        drop(live.stop());
        Ok(())
    });
}

/// A NIC that sends frames is no mirror port, unless its user insists.
#[test]
fn a_nic_that_sends_is_refused_unless_forced() {
    run(|| {
        let lab = Lab::new("live-afxdp-sends")?;
        let file = lab.write("nexthops.toml", &toml());
        let sender = "import socket,time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(('wan0', 0))
while True:
    s.send(bytes(64)); time.sleep(0.02)";
        let sending = || lab.netns.command("python3").args(["-c", sender]).spawn().expect("python3 can be run");
        let mut sending = sending();
        let ended = mirror(&lab, &file, &[]).end();
        let mut live = mirror(&lab, &file, &["--force"]);
        live.ready();
        drop(live.stop());
        sending.kill().and_then(|()| sending.wait()).expect("it runs until it is killed");
        // One that is made anew is looked at as long as one that was there.
        let mut live = mirror(&lab, &file, &["-i", "wan1"]);
        live.wait_message("watching wan1 (afxdp-copy)");
        lab.netns.sh(&format!("ip link del wan0; {}", Lab::link(0)));
        let mut sending = lab.netns.command("python3").args(["-c", sender]).spawn().expect("python3 can be run");
        live.wait_message("wan0 is no mirror port: it has sent");
        sending.kill().and_then(|()| sending.wait()).expect("it runs until it is killed");
        live.wait_message("watching wan0 (afxdp-copy)");
        assert_eq!(ended.code, Some(2), "{}", ended.said());
        let said = ended.said();
        assert!(said.contains("frames within 2 s") && said.contains("--force takes them all the same"), "{said}");
        drop(live.stop());
        Ok(())
    });
}

/// A NIC that Open vSwitch has as a port is refused, in whichever datapath it is.
#[test]
fn ports_of_open_vswitch_are_refused() {
    run(|| {
        require("ovsdb-server", "openvswitch-switch")?;
        let lab = Lab::new("live-afxdp-ovs")?;
        let file = lab.write("nexthops.toml", &toml());
        let schema = "/usr/share/openvswitch/vswitch.ovsschema";
        command("ovsdb-tool")
            .args(["create", "ovs.db", schema])
            .current_dir(lab.folder.path())
            .status()
            .expect("it runs");
        let ovs = Server::start_with(&lab.folder, "ovs", "Open_vSwitch", &[]);
        let named = |name: &str| json!(["named-uuid", name]);
        ovs.transact(&[
            json!({"op": "insert", "table": "Interface", "uuid-name": "i", "row": {"name": "wan0"}}),
            json!({"op": "insert", "table": "Port", "uuid-name": "p", "row": {"name": "wan0", "interfaces": named("i")}}),
            json!({"op": "insert", "table": "Bridge", "uuid-name": "b",
                "row": {"name": "br-ex", "datapath_type": "netdev", "ports": named("p")}}),
            json!({"op": "insert", "table": "Open_vSwitch", "row": {"bridges": named("b")}}),
        ]);
        let remote = ovs.remote();
        let given = ["--nexthops", file.to_str().expect("its name is ours"), "--ovs", &remote, "--force"];
        let arguments: Vec<&str> = ["--nb", "none", "--sb", "none"].into_iter().chain(given).chain(MIRROR).collect();
        let ended = lab.live(arguments.iter().copied()).end();
        assert_eq!(ended.code, Some(2), "{}", ended.said());
        assert!(ended.said().contains("wan0 is no mirror port: Open vSwitch has it as a port"), "{}", ended.said());

        // One that becomes a port later is let go.
        let rename = |from: &str, to: &str| {
            ovs.transact(&[json!({"op": "delete", "table": "Open_vSwitch", "where": []}),
                json!({"op": "insert", "table": "Interface", "uuid-name": "i", "row": {"name": to}}),
                json!({"op": "insert", "table": "Port", "uuid-name": "p", "row": {"name": to, "interfaces": named("i")}}),
                json!({"op": "insert", "table": "Bridge", "uuid-name": "b",
                    "row": {"name": format!("br-{from}"), "datapath_type": "netdev", "ports": named("p")}}),
                json!({"op": "insert", "table": "Open_vSwitch", "row": {"bridges": named("b")}})]);
        };
        rename("wan0", "elsewhere");
        let mut live = lab.live(arguments.iter().copied());
        live.wait_message("watching wan0 (afxdp-copy)");
        rename("elsewhere", "wan0");
        live.wait_message("letting go of wan0");
        live.wait_message("wan0 is no mirror port: Open vSwitch has it as a port");
        drop(live.stop());
        Ok(())
    });
}

/// Frames that are consumed at XDP are counted, and go no further.
#[test]
fn frames_are_consumed_at_xdp_where_that_is_asked_for() {
    run(|| {
        let lab = Lab::new("live-consume")?;
        let file = lab.write("nexthops.toml", &toml());
        // What the stack gets of a frame that is for the NIC's own MAC, it counts.
        let received = || {
            lab.netns
                .sh("cat /proc/net/snmp")
                .lines()
                .filter(|line| line.starts_with("Ip:"))
                .nth(1)
                .and_then(|line| line.split(' ').nth(3)?.parse::<u64>().ok())
                .expect("the kernel counts")
        };
        let own: MacAddr = lab.netns.sh("cat /sys/class/net/wan0/address").trim().parse().expect("it has a MAC");
        for (consume, expected) in [(&["--mirror-consume"][..], 0), (&[], 5)] {
            let arguments = [&["-i", "wan0", "--mirror", "--ingress", "xdp"][..], consume].concat();
            let mut live = lab.live_by_file(&file, &arguments);
            live.ready();
            let before = received();
            let sent = lab.wire().send("out0", &flow(1, own), 5);
            live.wait_finding(&flow(1, own), "unknown-mac");
            let got = received() - before;
            assert_eq!(got, expected, "{consume:?}");
            live.stop().assert_complete(sent);
        }
        lab.netns.sh("ip addr add 192.0.2.7/32 dev wan0");
        let ended = lab.live_by_file(&file, &["-i", "wan0", "--mirror", "--ingress", "xdp", "--mirror-consume"]).end();
        assert_eq!(ended.code, Some(2), "{}", ended.said());
        assert!(ended.said().contains("it has the address 192.0.2.7"), "{}", ended.said());
        Ok(())
    });
}

/// What is in the way is named, with a way out, and stays.
#[test]
fn programs_and_sockets_of_others_stay() {
    run(|| {
        let lab = Lab::new("live-afxdp-others")?;
        let file = lab.write("nexthops.toml", &toml());
        let mut first = mirror(&lab, &file, &[]);
        first.ready();
        let second = mirror(&lab, &file, &[]).end();
        assert_eq!(second.code, Some(2), "{}", second.said());
        assert!(second.said().contains("the XDP slot is held by"), "{}", second.said());
        let third = lab.live_by_file(&file, &["-i", "wan0", "--mirror", "--ingress", "xdp"]).end();
        assert_eq!(third.code, Some(2), "{}", third.said());
        assert!(third.said().contains("the XDP slot is held by"), "{}", third.said());
        let sent = lab.wire().send("out0", &flow(1, GW1), 5);
        let (ended, last) = end(&lab, first, 9);
        ended.assert_complete(sent + last);
        Ok(())
    });
}

/// Frames longer than a page lie in several buffers, and are counted whole.
#[test]
fn jumbo_frames_are_counted_whole() {
    run(|| {
        let lab = Lab::new("live-afxdp-jumbo")?;
        lab.netns.sh("ip link set out0 mtu 9000; ip link set wan0 mtu 9000");
        let file = lab.write("nexthops.toml", &toml());
        let mut live = mirror(&lab, &file, &["--ring", "64"]);
        live.ready();
        let mut wire = lab.wire();
        let mut sent = Count::default();
        for payload in [18, 1400, 4000, 8900] {
            let flow = Flow { payload, ..flow(payload as u16, GW3) };
            sent += wire.send("out0", &flow, 9);
            live.wait_finding(&flow, "unknown-mac");
        }
        let (ended, last) = end(&lab, live, 9);
        ended.assert_complete(sent + last);
        for payload in [18_usize, 1400, 4000, 8900] {
            let flow = Flow { payload, ..flow(payload as u16, GW3) };
            let counted = Count::of(ended.finding(&flow, "unknown-mac"));
            assert_eq!(counted, Count { packets: 9, bytes: 9 * (42 + payload as u64) }, "{payload}");
        }
        Ok(())
    });
}

#[test]
fn options_that_go_together_are_told() {
    run(|| {
        let lab = Lab::new("live-afxdp-options")?;
        for (arguments, expected) in [
            (&["-i", "wan0", "--ingress", "afxdp"][..], "it is for mirror ports"),
            (&["-i", "wan0", "--force"], "--force goes with"),
            (&["-i", "wan0", "--mirror", "--ring", "1000"], "not a power of two, as 1024 is"),
            (&["-i", "auto", "--mirror", "--ingress", "afxdp"], "--mirror takes the name"),
            (&["-i", "wan0", "--mirror-consume"], "--mirror-consume goes with"),
            (&[&MIRROR[..], &["--trace", "all"]].concat(), "trace with --ingress tc"),
        ] {
            let ended = lab.live(WITHOUT_OVN.into_iter().chain(arguments.iter().copied())).end();
            assert_eq!(ended.code, Some(2), "{}", ended.said());
            assert!(ended.said().contains(expected), "{expected}: {}", ended.said());
        }
        Ok(())
    });
}
