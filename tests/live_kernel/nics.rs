//! NICs that go and come back, what others have on them, and what is left behind.

use std::collections::BTreeSet;

use analyzer::types::MacAddr;
use rustix::process::Signal;
use serde_json::Value;

use crate::daemon::pause;
use crate::lab::{GW1, GW3, Lab, ROUTER, WITHOUT_OVN, nexthops_toml};
use crate::netns::{require, run};
use crate::wire::{Count, Flow};

const NEXTHOPS: [(&str, MacAddr); 1] = [("172.18.0.101", GW1)];

fn toml() -> String {
    nexthops_toml(&[("10.244.0.5/32", &NEXTHOPS)])
}

fn flow(port: u16, gateway: MacAddr) -> Flow {
    Flow::new(&format!("udp 10.244.0.5:{port} -> 198.51.100.7:53"), ROUTER, gateway)
}

fn watches(object: &Value, nics: &[&str]) -> bool {
    let Some(listed) = object["nics"].as_array() else { return false };
    let watched = listed.iter().filter(|nic| !nic["egress"].is_null()).filter_map(|nic| nic["name"].as_str());
    watched.collect::<BTreeSet<_>>() == nics.iter().copied().collect()
}

/// A NIC is deleted and made anew while another goes on: counts go on where they were.
#[test]
fn a_nic_goes_and_comes_back() {
    run(|| {
        let lab = Lab::new("live-nics")?;
        let file = lab.write("nexthops.toml", &toml());
        let mut live = lab.live_by_file(&file, &["-i", "out0", "-i", "out1"]);
        live.wait("both", |object| watches(object, &["out0", "out1"]));
        let mut wire = lab.wire();
        let (good, bad) = (flow(1, GW1), flow(2, GW3));
        let mut conforming = wire.send("out0", &good, 3) + wire.send("out1", &good, 4);
        let mut by_nic = [wire.send("out0", &bad, 5), wire.send("out1", &bad, 6)];

        lab.netns.sh("ip link del out0");
        live.wait("one", |object| watches(object, &["out1"]));
        conforming += wire.send("out1", &good, 7);
        by_nic[1] += wire.send("out1", &bad, 8);

        lab.netns.sh(&Lab::link(0));
        live.wait("both again", |object| watches(object, &["out0", "out1"]));
        conforming += wire.send("out0", &good, 9);
        by_nic[0] += wire.send("out0", &bad, 10);

        let ended = live.stop();
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        ended.assert_complete(conforming + by_nic[0] + by_nic[1]);
        assert_eq!(ended.conforming(GW1), conforming);
        for (nic, sent) in ["out0", "out1"].into_iter().zip(by_nic) {
            let found: Vec<&Value> = ended.findings_on(&bad).filter(|finding| finding["nic"] == nic).collect();
            assert_eq!(found.len(), 1, "{nic}: {:#?}", ended.findings);
            assert_eq!(Count::of(found[0]), sent, "{nic}");
        }
        assert_eq!(ended.number("violating_flows"), 2);
        Ok(())
    });
}

#[test]
fn a_nic_that_is_not_there_is_named() {
    run(|| {
        let lab = Lab::new("live-nope")?;
        let file = lab.write("nexthops.toml", &toml());
        let ended = lab.live_by_file(&file, &["-i", "out"]).end();
        assert_eq!(ended.code, Some(2), "{}", ended.said());
        assert!(ended.said().contains("there is no NIC out; is out"), "{}", ended.said());
        assert!(ended.findings.is_empty() && ended.summary.is_null());
        Ok(())
    });
}

/// Whatever ends the daemon, others' qdiscs, filters and programs are as they were, and nothing of ours is left.
#[test]
fn others_stay_and_nothing_is_left_behind() {
    run(|| {
        require("bpftool", "bpftool")?;
        let lab = Lab::new("live-others")?;
        lab.netns.sh("set -e
            tc qdisc add dev out0 clsact
            tc filter add dev out0 egress prio 5 protocol all bpf bytecode '1,6 0 0 0'
            tc filter add dev out0 ingress prio 1 protocol all u32 match u32 0 0 classid 1:1");
        // bpftool of Debian 12 does not know TCX.
        let programs = |nic: &str| {
            let ifindex = lab.netns.sh(&format!("cat /sys/class/net/{nic}/ifindex"));
            let ifindex: u32 = ifindex.trim().parse().expect("an index is a number");
            lab.netns.inside(|| format!("{:?}\n", analyzer::bpf::hooks::hooks(ifindex, |_| false).programs))
        };
        let on_nics = || {
            let filters = lab.netns.sh(
                "tc qdisc show; for side in ingress egress; do tc filter show dev out0 $side; tc filter show dev out1 $side
                done; bpftool net show",
            );
            filters + &programs("out0") + &programs("out1")
        };
        let before = on_nics();
        let file = lab.write("nexthops.toml", &toml());
        for signal in [Signal::TERM, Signal::INT, Signal::KILL] {
            let mut live = lab.live_by_file(&file, &["-i", "out0", "-i", "out1"]);
            live.wait("both", |object| watches(object, &["out0", "out1"]));
            let during = on_nics();
            assert!(during.contains("egress") && during != before, "{during}");
            let mut theirs = before.lines().filter(|line| !line.starts_with('['));
            assert!(theirs.all(|old| during.lines().any(|line| line == old)), "{before}\n{during}");
            let sent = lab.wire().send("out0", &flow(1, GW1), 5);
            let ended = live.stop_by(signal);
            if signal == Signal::KILL && !during.contains("Tcx") {
                // Filters stay with the NIC. The next start takes them away.
                assert!(on_nics() != before, "{during}");
                let mut next = lab.live_by_file(&file, &["-i", "out0", "-i", "out1"]);
                next.wait("both", |object| watches(object, &["out0", "out1"]));
                drop(next.stop());
            }
            // Links go with the process that held them, if not in the same instant.
            let is_clean = (0..100).any(|_| {
                let clean = on_nics() == before;
                if !clean {
                    pause(100);
                }
                clean
            });
            assert!(is_clean, "{signal:?}: {before}\n{}", on_nics());
            if signal == Signal::KILL {
                assert_eq!(ended.code, None);
            } else {
                assert_eq!(ended.code, Some(0), "{}", ended.said());
                ended.assert_complete(sent);
            }
        }
        Ok(())
    });
}

/// On SIGHUP the file of options is read again; a mistake in it changes nothing.
#[test]
fn options_are_read_again() {
    run(|| {
        let lab = Lab::new("live-hup")?;
        let file = lab.write("nexthops.toml", &toml());
        let options = |sample: &str| format!("interface = [\"out0\"]\nnexthops = [\"{}\"]\n{sample}\n", file.display());
        let config = lab.write("live.toml", &options("sample = 0"));
        let mut live =
            lab.live(WITHOUT_OVN.into_iter().chain(["--config", config.to_str().expect("its name is ours")]));
        live.ready();
        let mut wire = lab.wire();
        let mut sent = wire.send_all("out0", [(&flow(1, GW1), 1), (&flow(2, GW1), 10), (&flow(3, GW1), 10)]);

        lab.write("live.toml", &options("sample = 1"));
        live.signal(Signal::HUP);
        let message = live.wait_message("configuration is read again");
        assert!(message.contains("sample"), "{message}");
        sent += wire.send_all("out0", [(&flow(4, GW1), 10), (&flow(5, GW1), 10)]);

        lab.write("live.toml", &options("sampel = 1"));
        live.signal(Signal::HUP);
        let message = live.wait_message("stays as it was");
        assert!(message.contains("sampel") && message.contains("live.toml"), "{message}");
        let bad = flow(6, GW3);
        sent += wire.send("out0", &bad, 11);
        live.wait_finding(&bad, "unknown-mac");

        let ended = live.stop();
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        ended.assert_complete(sent);
        // The first flow was under suspicion, and with it the next ones if they were quicker than its verdict; else they
        // were not sampled. The last ones were.
        assert!((3..=5).contains(&ended.number("conforming_flows")), "{}", ended.summary);
        Ok(())
    });
}
