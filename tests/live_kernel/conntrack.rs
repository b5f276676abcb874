//! Conntrack entries: those that hold a dead gateway's MAC, and those that only look so.

use serde_json::{Value, json};

use crate::lab::{GW1, GW2, GW3, Lab, ROUTER, labelled, nexthops_toml, unlabelled};
use crate::netns::{require, run};
use crate::syslog::Receiver;
use crate::wire::{Count, Flow, json_of};

const NEXTHOPS: [(&str, analyzer::types::MacAddr); 2] = [("172.18.0.101", GW1), ("172.18.0.102", GW2)];

fn flow(port: u16) -> Flow {
    Flow::new(&format!("udp 10.244.0.5:{port} -> 198.51.100.7:53"), ROUTER, GW3)
}

/// The tuple is in four zones; the entry that holds the MAC is cited, and the printed command deletes it and no other.
#[test]
fn the_entry_that_holds_the_mac_is_cited_and_healed() {
    run(|| {
        require("conntrack", "conntrack")?;
        let lab = Lab::new("live-stale")?;
        let file = lab.write("nexthops.toml", &nexthops_toml(&[("10.244.0.5/32", &NEXTHOPS)]));
        let (stale, other) = (flow(4000), flow(4001));
        let entries = [
            unlabelled(stale.tuple, 0),
            labelled(stale.tuple, 35, GW3),
            labelled(stale.tuple, 36, GW1),
            // OVN honours no entry whose port is 0.
            analyzer::engine::fact::Connection { mark: 2, ..labelled(stale.tuple, 64000, GW3) },
            labelled(other.tuple, 35, GW3),
        ];
        lab.conntrack().create(&entries);
        let mut live = lab.live_by_file(&file, &["-i", "out0"]);
        live.ready();
        let mut wire = lab.wire();
        let mut sent = wire.send("out0", &stale, 3);
        let finding = live.wait_finding(&stale, "stale-conntrack");
        assert_eq!(finding["last_legal"], Value::Null, "{finding}");
        let cited = json!([{
            "zone": 35, "zone_name": null, "direction": "reply", "label": "0x20000000103" .to_owned() + "00000000",
            "mark": 0x20000, "reply_eth": GW3.to_string(), "reply_port": 2,
            "orig": json_of(&stale.tuple.reversed()), "reply": stale.json(),
        }]);
        assert_eq!(finding["conntrack"], cited);

        // An entry that is made while the daemon runs.
        let late = flow(4002);
        lab.conntrack().create(&[labelled(late.tuple, 777, GW3)]);
        // The kernel tells of packets and of entries by different ways: the flow may be judged before its entry is known,
        // and is judged again after a while.
        let json = late.json();
        let mut late_sent = wire.send("out0", &late, 4);
        let is_stale = |object: &Value| object["flow"] == json && object["reason"] == "stale-conntrack";
        while !live.has(is_stale) {
            crate::daemon::pause(200);
            late_sent += wire.send("out0", &late, 1);
            assert!(late_sent.packets < 1000, "the entry is not found");
        }
        let of_late = live.wait("the finding", is_stale);
        assert_eq!(of_late["conntrack"][0]["zone"], 777);

        let remedy = finding["remedy"].as_array().expect("a list");
        let by_kernel = remedy.iter().find(|remedy| remedy["datapath"] == "kernel").expect("one for the kernel");
        let table = || lab.netns.sh("conntrack -L 2>/dev/null; conntrack -L -f ipv6 2>/dev/null");
        let before = table();
        lab.netns.sh(by_kernel["command"].as_str().expect("a command"));
        let after = table();
        let gone: Vec<&str> = before.lines().filter(|line| !same_entry(line, &after)).collect();
        assert!(
            matches!(*gone, [line] if line.contains("zone=35") && line.contains("dport=4000")),
            "{gone:?}\n{before}"
        );

        let healed = wire.send("out0", &stale.to(GW1), 5);
        sent += wire.send("out0", &stale, 2);
        let ended = live.stop();
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        ended.assert_complete(sent + late_sent + healed);
        assert_eq!(ended.conforming(GW1), healed);
        let counted: Count = ended.findings_on(&stale).map(Count::of).sum();
        assert_eq!(counted, sent, "{:#?}", ended.findings);
        let of_late: Count = ended.findings_on(&late).map(Count::of).sum();
        assert_eq!(of_late, late_sent, "{:#?}", ended.findings);
        // The other entry saw no packet.
        assert_eq!(ended.summary["latent"], json!({"armed": 1, "unused": 0}), "{:#?}", ended.latent);
        Ok(())
    });
}

/// A flow sends a few packets and is silent; the entry that sent them there becomes known afterwards. The next reading
/// makes it the finding that cites it, with what heals it; each packet is told in one verdict.
#[test]
fn a_flow_that_is_silent_is_judged_again_with_the_next_reading() {
    run(|| {
        let lab = Lab::new("live-again")?;
        let file = lab.write("nexthops.toml", &nexthops_toml(&[("10.244.0.5/32", &NEXTHOPS)]));
        let receiver = Receiver::new(lab.folder.path());
        let target = receiver.arguments();
        let own = ["-i", "out0", "--conntrack-interval", "2", "--alert-gather", "1"];
        let arguments: Vec<&str> = own.into_iter().chain(target.iter().map(String::as_str)).collect();
        let mut live = lab.live_by_file(&file, &arguments);
        live.ready();
        let burst = flow(4000);
        let sent = lab.wire().send("out0", &burst, 3);
        live.wait_finding(&burst, "unknown-mac");
        let first = receiver.wait("VIOLATION");
        assert_eq!((first.value("reason"), first.value("zone")), (Some("unknown-mac"), None));
        lab.conntrack().create(&[labelled(burst.tuple, 777, GW3)]);
        let cited = live.wait_finding(&burst, "stale-conntrack");
        assert_eq!((Count::of(&cited), &cited["conntrack"][0]["zone"]), (sent, &json!(777)), "{cited}");
        assert!(cited["remedy"].as_array().is_some_and(|remedy| !remedy.is_empty()), "{cited}");
        // Who is on call learns what heals it.
        let explained = receiver.wait("REPEATED");
        assert_eq!((explained.value("id"), explained.value("zone")), (first.value("id"), Some("777")));
        assert!(explained.value("remedy").is_some_and(|remedy| remedy.contains("777")), "{explained:?}");
        let ended = live.stop();
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        ended.assert_complete(sent);
        assert_eq!(Count::of(ended.finding(&burst, "stale-conntrack")), sent);
        assert_eq!(Count::of(ended.finding(&burst, "unknown-mac")), Count::default(), "it is withdrawn");
        assert_eq!((ended.number("violating_flows"), ended.number("violating_packets")), (1, 3));
        Ok(())
    });
}

/// Whether the table has the entry; its timeout goes on.
fn same_entry(line: &str, table: &str) -> bool {
    let words =
        |line: &str| line.split_whitespace().filter(|word| word.parse::<u32>().is_err()).collect::<Vec<_>>().join(" ");
    table.lines().any(|other| words(other) == words(line))
}

/// A labelled entry without packets is told when the set shrinks below it, and does not make the run fail.
#[test]
fn latent_entries_are_listed() {
    run(|| {
        let lab = Lab::new("live-latent")?;
        let file = lab.write("nexthops.toml", &nexthops_toml(&[("10.244.0.5/32", &NEXTHOPS)]));
        let (armed, unused, fine) =
            (flow(4000), Flow::new("udp 10.9.9.9:1 -> 198.51.100.7:53", ROUTER, GW3), flow(4001));
        lab.conntrack().create(&[
            labelled(armed.tuple, 35, GW3),
            labelled(unused.tuple, 35, GW3),
            labelled(fine.tuple, 35, GW1),
        ]);
        let mut live = lab.live_by_file(&file, &["-i", "out0"]);
        live.ready();
        let latent = live.wait("the armed entry", |object| object["type"] == "latent" && object["state"] == "armed");
        assert_eq!(latent["flow"], armed.json());
        assert_eq!(latent["eth_dst"], GW3.to_string());
        assert_eq!(latent["route"]["prefix"], "10.244.0.5/32");
        assert!(latent["remedy"][0]["command"].as_str().is_some_and(|command| command.contains("-w 35")), "{latent}");
        let sent = lab.wire().send("out0", &fine.to(GW1), 6);
        let ended = live.stop();
        assert_eq!(ended.code, Some(0), "{}\n{}", ended.said(), ended.summary);
        ended.assert_complete(sent);
        assert_eq!(ended.conforming(GW1), sent);
        assert_eq!(ended.summary["latent"], json!({"armed": 1, "unused": 1}), "{:#?}", ended.latent);
        let states: Vec<&Value> = ended.latent.iter().map(|latent| &latent["state"]).collect();
        assert_eq!(states.len(), 2, "{states:?}");
        Ok(())
    });
}
