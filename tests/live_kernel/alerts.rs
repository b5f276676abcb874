//! Who is on call is told once, at once, and when it is over; and Prometheus reads the same.

use std::time::{Duration, Instant};

use analyzer::types::MacAddr;
use rustix::process::Signal;
use serde_json::Value;

use crate::daemon::{Live, pause};
use crate::lab::{GW1, GW2, GW3, Lab, ROUTER, labelled, nexthops_toml};
use crate::netns::{require, run};
use crate::patience::patience;
use crate::syslog::Receiver;
use crate::wire::Flow;

const NEXTHOPS: [(&str, MacAddr); 2] = [("172.18.0.101", GW1), ("172.18.0.102", GW2)];

fn flow(port: u16, gateway: MacAddr) -> Flow {
    Flow::new(&format!("udp 10.244.0.5:{port} -> 198.51.100.7:53"), ROUTER, gateway)
}

/// A daemon whose alerts come to the receiver.
fn live(lab: &Lab, receiver: &Receiver, more: &[&str]) -> Live {
    let file = lab.write("nexthops.toml", &nexthops_toml(&[("10.244.0.5/32", &NEXTHOPS)]));
    let target = receiver.arguments();
    let mut arguments = vec!["-i", "out0"];
    arguments.extend(target.iter().map(String::as_str));
    arguments.extend(more);
    let mut live = lab.live_by_file(&file, &arguments);
    live.ready();
    live
}

/// A flow by its stale entry: told at once with all that is needed, and cleared when the printed command has healed it.
#[test]
fn the_flow_is_told_at_once_and_cleared_with_its_entry() {
    run(|| {
        require("conntrack", "conntrack")?;
        let lab = Lab::new("live-alert")?;
        let receiver = Receiver::new(lab.folder.path());
        let stale = flow(4000, GW3);
        lab.conntrack().create(&[labelled(stale.tuple, 35, GW3), labelled(stale.tuple, 36, GW1)]);
        let mut live = live(&lab, &receiver, &["--alert-hold", "600"]);
        // The entry itself is told of first: its pin can apply.
        let latent = receiver.next();
        assert_eq!((latent.id.as_str(), latent.value("eth_dst")), ("LATENT", Some(&*GW3.to_string())));
        let mut wire = lab.wire();
        wire.send("out0", &stale, 3);
        let told = receiver.wait("VIOLATION");
        // daemon.err.
        assert_eq!(told.priority, 3 * 8 + 3);
        let gw3 = GW3.to_string();
        assert_eq!(
            told.values(["reason", "eth_dst", "src", "sport", "dst", "dport", "zone", "nic", "flows", "prefix"]),
            ["stale-conntrack", &gw3, "10.244.0.5", "4000", "198.51.100.7", "53", "35", "out0", "1", "10.244.0.5/32"]
        );
        let nexthops = format!("172.18.0.101={GW1}/active,172.18.0.102={GW2}/active");
        assert_eq!(told.value("nexthops"), Some(nexthops.as_str()));
        let finding = live.wait_finding(&stale, "stale-conntrack");
        let remedy = finding["remedy"].as_array().expect("a list");
        let by_kernel = remedy.iter().find(|remedy| remedy["datapath"] == "kernel").expect("one for the kernel");
        assert_eq!(told.value("remedy"), by_kernel["command"].as_str());

        lab.netns.sh(told.value("remedy").expect("it was compared"));
        let cleared = receiver.wait("CLEARED");
        let of_latent = cleared.value("id") == latent.value("id");
        let cleared = if of_latent { receiver.wait("CLEARED") } else { cleared };
        assert_eq!(cleared.values(["id", "cleared", "sport"]), [told.value("id").unwrap(), "entry-gone", "4000"]);
        drop(live.stop());
        Ok(())
    });
}

/// A flow that conforms again, and one that falls silent.
#[test]
fn clearing_says_whether_it_conforms_or_is_silent() {
    run(|| {
        let lab = Lab::new("live-clear")?;
        let receiver = Receiver::new(lab.folder.path());
        let live = live(&lab, &receiver, &["--sample", "1", "--alert-hold", "12"]);
        let mut wire = lab.wire();
        wire.send("out0", &flow(4000, GW3), 5);
        let told = receiver.wait("VIOLATION");
        // The kernel program knows the outcome of these by itself: only samples tell of the flow.
        wire.send("out0", &flow(4001, GW1), 1);
        wire.send("out0", &flow(4000, GW1), 5);
        let cleared = receiver.wait("CLEARED");
        assert_eq!(cleared.values(["id", "cleared", "packets"]), [told.value("id").unwrap(), "conforming", "5"]);

        wire.send("out0", &flow(4002, GW3), 7);
        let told = receiver.wait("VIOLATION");
        let cleared = receiver.wait("CLEARED");
        assert_eq!(cleared.values(["id", "cleared", "packets"]), [told.value("id").unwrap(), "quiet", "7"]);
        drop(live.stop());
        Ok(())
    });
}

/// Fifty thousand flows to a dead gateway are a few messages that count them all: one at once, and one for each window of time in
/// which more are found.
#[test]
#[expect(clippy::disallowed_methods, reason = "how many windows there are depends on the machine")]
fn fifty_thousand_flows_are_few_messages() {
    run(|| {
        let lab = Lab::new("live-storm")?;
        let receiver = Receiver::new(lab.folder.path());
        let mut live = live(&lab, &receiver, &["--alert-hold", "600", "--alert-gather", "3"]);
        live.keep_counts_only();
        let flows: Vec<Flow> = (0..50_000).map(|number| flow(number + 1024, GW3)).collect();
        lab.wire().send_all("out0", flows.iter().map(|flow| (flow, 1)));
        let (mut messages, mut flows, begun) = (0, 0, Instant::now());
        while flows < 50_000 {
            let message = receiver.wait("VIOLATION");
            flows = message.value("flows").and_then(|flows| flows.parse().ok()).expect("a number");
            assert!(message.fields.iter().filter(|(name, _)| name == "flow").count() <= 8, "{message:?}");
            messages += 1;
        }
        let windows = begun.elapsed().as_secs() / 3;
        assert!((2..=windows + 3).contains(&messages), "{messages} messages in {windows} windows");
        assert!(receiver.within(Duration::from_secs(2)).is_none_or(|message| message.id != "VIOLATION"));
        let ended = live.stop();
        assert_eq!(ended.findings.len(), 50_000);
        Ok(())
    });
}

/// Killed with a flow under way, it tells nothing twice at its next start, and clears what it told before.
#[test]
fn nothing_is_told_twice_over_a_restart() {
    run(|| {
        let lab = Lab::new("live-again")?;
        let receiver = Receiver::new(lab.folder.path());
        let state = lab.folder.path().join("state/alerts.json");
        let hold = patience(Duration::from_secs(8)).as_secs().to_string();
        let options = ["--alert-hold", &hold, "--alert-state", state.to_str().expect("its name is ours")];
        let first = live(&lab, &receiver, &options);
        let mut wire = lab.wire();
        wire.send("out0", &flow(4000, GW3), 1);
        let told = receiver.wait("VIOLATION");
        for _ in 0..300 {
            if std::fs::read_to_string(&state).is_ok_and(|text| text.contains(&GW3.to_string())) {
                break;
            }
            pause(100);
        }
        first.signal(Signal::KILL);
        drop(first);
        let second = live(&lab, &receiver, &options);
        for _ in 0..5 {
            wire.send("out0", &flow(4000, GW3), 1);
            pause(200);
        }
        let next = receiver.next();
        assert_eq!(next.id, "CLEARED", "{next:?}");
        assert_eq!(next.values(["id", "cleared", "flows"]), [told.value("id").unwrap(), "quiet", "1"]);
        drop(second.stop());
        let text = std::fs::read_to_string(&state).expect("it is saved at the end");
        assert!(!text.contains(&GW3.to_string()), "nothing is open: {text}");
        Ok(())
    });
}

/// What Prometheus reads is what was sent.
#[test]
fn metrics_count_what_was_sent() {
    run(|| {
        let lab = Lab::new("live-metrics")?;
        let receiver = Receiver::new(lab.folder.path());
        let live = live(&lab, &receiver, &["--metrics", "9479"]);
        let mut wire = lab.wire();
        let bad = wire.send("out0", &flow(4000, GW3), 7);
        let good = wire.send("out0", &flow(4000, GW1), 11);
        receiver.wait("VIOLATION");
        let get = |path: &str| lab.get(9479, path);
        let wanted = [("verdict=\"violating\"", bad.packets), ("verdict=\"conforming\"", good.packets)];
        let mut text = String::new();
        for _ in 0..300 {
            text = get("/metrics");
            let sum = |label: &str| -> u64 {
                let lines = text
                    .lines()
                    .filter(|line| line.starts_with("analyzer_judged_packets_total{") && line.contains(label));
                lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
            };
            if wanted.iter().all(|(label, packets)| sum(label) == *packets) {
                break;
            }
            pause(100);
        }
        for (label, packets) in wanted {
            let lines =
                text.lines().filter(|line| line.starts_with("analyzer_judged_packets_total{") && line.contains(label));
            let sum: u64 = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum();
            assert_eq!(sum, packets, "{label}\n{text}");
        }
        assert!(get("/readyz").starts_with("HTTP/1.1 200 "), "{}", get("/readyz"));
        assert!(get("/healthz").starts_with("HTTP/1.1 200 "));
        let alerted =
            text.lines().find(|line| line.starts_with("analyzer_alerts_total{") && line.contains("VIOLATION"));
        assert!(alerted.is_some_and(|line| line.ends_with(" 1")), "{text}");
        let ended = live.stop();
        assert_eq!(ended.counted("unknown-mac"), bad);
        assert_eq!(ended.loss("alerts_dropped"), 0);
        assert_ne!(ended.status, Value::Null);
        Ok(())
    });
}
