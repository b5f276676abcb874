//! Two daemons on one machine: each sees all, and neither speaks for the other.

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;
use std::time::Duration;

use analyzer::types::MacAddr;
use rustix::process::Signal;

use crate::daemon::{Live, pause, sit_out};
use crate::lab::{GW1, GW2, GW3, Lab, ROUTER, nexthops_toml};
use crate::netns::run;
use crate::patience::patience;
use crate::syslog::Receiver;
use crate::wire::Flow;

const NEXTHOPS: [(&str, MacAddr); 2] = [("172.18.0.101", GW1), ("172.18.0.102", GW2)];

fn flow(port: u16, gateway: MacAddr) -> Flow {
    Flow::new(&format!("udp 10.244.0.5:{port} -> 198.51.100.7:53"), ROUTER, gateway)
}

/// A folder's two files, as options.
fn files(folder: &Path) -> [String; 4] {
    let file = |name: &str| folder.join(name).display().to_string();
    ["--alert-state".to_owned(), file("alerts.json"), "--history".to_owned(), file("history.jsonl")]
}

fn start(lab: &Lab, receiver: &Receiver, more: &[&str], state: &[String]) -> Live {
    let file = lab.write("nexthops.toml", &nexthops_toml(&[("10.244.0.5/32", &NEXTHOPS)]));
    let target = receiver.arguments();
    let given = target.iter().chain(state).map(String::as_str);
    lab.live_by_file(&file, &given.chain(more.iter().copied()).collect::<Vec<_>>())
}

/// How long a flow may be quiet, in seconds; and more than that.
fn hold() -> (String, Duration) {
    let hold = patience(Duration::from_secs(4));
    (hold.as_secs().to_string(), hold + Duration::from_secs(4))
}

/// Waits until the daemon has saved that the gateway's alert is open.
fn wait_saved(state: &[String]) {
    for _ in 0..300 {
        if fs::read_to_string(&state[1]).is_ok_and(|text| text.contains(&GW3.to_string())) {
            return;
        }
        pause(100);
    }
    panic!("it is not saved");
}

/// One state folder has one daemon: the second says whose it is, and neither tells nor clears anything.
#[test]
fn the_second_on_a_state_folder_keeps_and_sends_nothing() {
    run(|| {
        let lab = Lab::new("live-two")?;
        let receiver = Receiver::new(lab.folder.path());
        let state = files(&lab.folder.path().join("state"));
        let (hold, longer) = hold();
        let mut first = start(&lab, &receiver, &["-i", "out0", "--alert-hold", &hold], &state);
        first.ready();
        let mut wire = lab.wire();
        let bad = flow(4000, GW3);
        wire.send("out0", &bad, 1);
        let opened = receiver.wait("VIOLATION");
        assert_eq!(opened.value("nic"), Some("out0"));
        assert!(opened.value("netns").is_some_and(|name| name.starts_with("net:[")), "{opened:?}");
        wait_saved(&state);

        let mut second = start(&lab, &receiver, &["-i", "out1", "--alert-hold", &hold], &state);
        let holder = format!("process {} keeps", first.pid().as_raw_nonzero());
        let alerts = second.wait_message("open alerts");
        assert!(alerts.contains(&holder) && alerts.contains("--alert-state"), "{alerts}");
        let history = second.wait_message("history of next hops");
        assert!(history.contains("process") && history.contains("--history"), "{history}");
        second.ready();
        // Packets go on, at the NIC that only the first one watches; and the second finds some of its own.
        let own = flow(4001, MacAddr([2, 0, 0, 0, 1, 9]));
        wire.send("out1", &own, 1);
        second.wait_finding(&own, "unknown-mac");
        let rounds = longer.as_millis() as u64 / 250;
        for _ in 0..rounds {
            wire.send("out0", &bad, 1);
            pause(250);
        }
        let ended = second.stop();
        assert_eq!(ended.findings.len(), 1, "{}", ended.said());
        while let Some(message) = receiver.within(Duration::from_millis(200)) {
            assert!(message.id != "CLEARED", "{message:?}");
            assert_eq!(message.value("id"), opened.value("id"), "{message:?}");
        }

        // Whoever has files of its own sends.
        let others = files(&lab.folder.path().join("other"));
        let mut third = start(&lab, &receiver, &["-i", "out1", "--alert-hold", &hold], &others);
        third.ready();
        wire.send("out0", &bad, 1);
        wire.send("out1", &flow(4002, GW3), 1);
        let told = receiver.wait("VIOLATION");
        assert_eq!(told.values(["nic", "sport"]), ["out1", "4002"]);
        drop(third.stop());

        // Killed, the first leaves nothing that keeps the next one out.
        first.signal(Signal::KILL);
        drop(first);
        let mut next = start(&lab, &receiver, &["-i", "out0", "--alert-hold", &hold], &state);
        next.ready();
        let cleared = loop {
            let cleared = receiver.wait("CLEARED");
            if cleared.value("id") == opened.value("id") {
                break cleared;
            }
        };
        assert_eq!(cleared.value("cleared"), Some("quiet"));
        drop(next.stop());
        Ok(())
    });
}

/// A start that watches another NIC leaves open what it cannot see, for one that can.
#[test]
fn alerts_of_a_nic_that_is_not_watched_stay_open() {
    run(|| {
        let lab = Lab::new("live-else")?;
        let receiver = Receiver::new(lab.folder.path());
        let state = files(&lab.folder.path().join("state"));
        let (hold, longer) = hold();
        let mut first = start(&lab, &receiver, &["-i", "out0", "--alert-hold", &hold], &state);
        first.ready();
        lab.wire().send("out0", &flow(4000, GW3), 1);
        let opened = receiver.wait("VIOLATION");
        wait_saved(&state);
        first.signal(Signal::KILL);
        drop(first);

        let mut other = start(&lab, &receiver, &["-i", "out1", "--alert-hold", &hold], &state);
        other.wait_message("1 alerts of an earlier run stay open");
        other.ready();
        sit_out(longer);
        drop(other.stop());
        assert_eq!(receiver.within(Duration::from_millis(200)), None);

        let mut again = start(&lab, &receiver, &["-i", "out0", "-i", "out1", "--alert-hold", &hold], &state);
        again.ready();
        let cleared = receiver.wait("CLEARED");
        assert_eq!(cleared.values(["id", "cleared"]), [opened.value("id").unwrap(), "quiet"]);
        drop(again.stop());
        Ok(())
    });
}

/// What another user may have written is not told to anybody, and stays as it is.
#[test]
fn state_of_another_user_is_not_believed() {
    run(|| {
        let lab = Lab::new("live-forged")?;
        let receiver = Receiver::new(lab.folder.path());
        let folder = lab.folder.path().join("state");
        let state = files(&folder);
        let (hold, _) = hold();
        let mut first = start(&lab, &receiver, &["-i", "out0", "--alert-hold", &hold], &state);
        first.ready();
        lab.wire().send("out0", &flow(4000, GW3), 1);
        receiver.wait("VIOLATION");
        wait_saved(&state);
        first.signal(Signal::KILL);
        drop(first);

        let files = [&state[1], &state[3]];
        let mut texts = Vec::new();
        for file in files {
            let text = fs::read_to_string(file).unwrap_or_default();
            fs::write(file, &text).expect("the folder is ours");
            chown(file, Some(65534), None).expect("we are root");
            texts.push(text);
        }
        let mut next = start(&lab, &receiver, &["-i", "out0", "--alert-hold", &hold], &state);
        for what in ["open alerts are neither read nor kept", "history of next hops is neither read nor kept"] {
            let said = next.wait_message(what);
            assert!(said.contains("belongs to another user (uid 65534)"), "{said}");
        }
        next.ready();
        let own = flow(4001, MacAddr([2, 0, 0, 0, 1, 9]));
        lab.wire().send("out0", &own, 1);
        // It sends what it sees itself, and nothing that the file says.
        let told = receiver.next();
        assert_eq!((told.id.as_str(), told.value("sport")), ("VIOLATION", Some("4001")));
        let cleared = receiver.wait("CLEARED");
        assert_eq!(cleared.value("id"), told.value("id"));
        drop(next.stop());
        for (file, text) in files.iter().zip(texts) {
            assert_eq!(fs::read_to_string(file).expect("it is there"), text);
        }
        Ok(())
    });
}

fn filters(lab: &Lab) -> usize {
    let listed =
        lab.netns.sh("for side in ingress egress; do tc filter show dev out0 $side; done; tc qdisc show dev out0");
    listed.matches("analyzer/").count()
}

/// Filters of clsact outlive their process: whose they are is told by locks, so nobody removes those of a live one.
#[test]
fn two_daemons_by_clsact_on_one_nic_both_count_everything() {
    run(|| {
        let lab = Lab::new("live-clsact")?;
        let receiver = Receiver::new(lab.folder.path());
        let options = ["-i", "out0", "--tc", "clsact"];
        let mut first = start(&lab, &receiver, &options, &[]);
        first.ready();
        let mut wire = lab.wire();
        let (good, bad) = (flow(1, GW1), flow(2, GW3));
        let early = wire.send("out0", &good, 3) + wire.send("out0", &bad, 4);
        let mut second = start(&lab, &receiver, &options, &[]);
        second.ready();
        assert_eq!(filters(&lab), 4);
        let shared = wire.send("out0", &good, 5) + wire.send("out0", &bad, 6);
        second.wait_finding(&bad, "unknown-mac");
        let ended = second.stop();
        ended.assert_complete(shared);
        assert_eq!(filters(&lab), 2, "only its own are removed");
        let late = wire.send("out0", &good, 7) + wire.send("out0", &bad, 8);

        // Killed, it leaves its filters to the next one, which removes them and not those of one that lives.
        let mut killed = start(&lab, &receiver, &options, &[]);
        killed.ready();
        killed.signal(Signal::KILL);
        drop(killed);
        assert_eq!(filters(&lab), 4);
        let mut next = start(&lab, &receiver, &options, &[]);
        next.ready();
        assert_eq!(filters(&lab), 4);
        let last = wire.send("out0", &bad, 9);
        let ended = first.stop();
        ended.assert_complete(early + shared + late + last);
        assert_eq!(ended.loss("programs_removed_by_others"), 0);
        assert_eq!(filters(&lab), 2);
        // Whoever goes last takes the qdisc along.
        next.stop().assert_complete(last);
        let left = lab.netns.sh("tc qdisc show dev out0; tc filter show dev out0 egress 2>&1");
        assert!(!left.contains("clsact") && !left.contains("analyzer"), "{left}");
        Ok(())
    });
}
