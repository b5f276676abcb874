//! `live --repair`: what makes packets go astray is healed, that alone, and no faster than the user allows.

use std::time::Duration;

use analyzer::engine::fact::Connection;
use analyzer::netlink::conntrack::Table;
use analyzer::types::MacAddr;
use serde_json::Value;

use crate::daemon::pause;
use crate::lab::{GW1, GW2, GW3, Lab, ROUTER, labelled, nexthops_toml, unlabelled};
use crate::netns::run;
use crate::patience::patience;
use crate::wire::Flow;

const NEXTHOPS: [(&str, MacAddr); 2] = [("172.18.0.101", GW1), ("172.18.0.102", GW2)];

fn flow(proto: &str, port: u16) -> Flow {
    Flow::new(&format!("{proto} 10.244.0.5:{port} -> 198.51.100.7:53"), ROUTER, GW3)
}

/// All entries, in order.
fn table(lab: &Lab) -> Vec<Connection> {
    lab.netns.inside(|| {
        let mut entries = Vec::new();
        let table = Table::open().expect("there is conntrack");
        table.dump(&Default::default(), |entry| entries.push(entry.connection.clone())).expect("root may dump");
        entries.sort_by_key(|entry| (entry.zone, entry.orig));
        entries
    })
}

/// Next hops that have been what they are for an hour, as their file says, and the name of the router's zone.
fn settled(lab: &Lab) -> std::path::PathBuf {
    let file = lab.write("nexthops.toml", &nexthops_toml(&[("10.244.0.5/32", &NEXTHOPS)]));
    lab.netns.sh(&format!("touch -d '1 hour ago' {}", file.display()));
    file
}

fn journal(lab: &Lab) -> Vec<Value> {
    let text = std::fs::read_to_string(lab.folder.path().join("journal.jsonl")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

/// Without zone names nothing is touched, and why is said; the daemon has no option to name a zone.
#[test]
fn an_unnamed_zone_is_left_alone() {
    run(|| {
        let lab = Lab::new("live-repair-zone")?;
        let file = settled(&lab);
        let stale = flow("udp", 4000);
        lab.conntrack().create(&[labelled(stale.tuple, 35, GW3)]);
        let before = table(&lab);
        let path = lab.folder.path().join("journal.jsonl");
        let journal_path = path.to_str().expect("its name is ours");
        let mut live = lab.live_by_file(
            &file,
            &["-i", "out0", "--repair", "delete", "--repair-settle", "0", "--repair-journal", journal_path],
        );
        live.ready();
        lab.wire().send("out0", &stale, 3);
        live.wait_finding(&stale, "stale-conntrack");
        let message = live.wait_message("zone-owner-unknown");
        assert!(message.contains("zone 35"), "{message}");
        let ended = live.stop();
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        assert_eq!(table(&lab), before);
        assert!(journal(&lab).is_empty());
        assert_eq!(ended.said().matches("zone-owner-unknown").count(), 1, "told once: {}", ended.said());
        Ok(())
    });
}

/// Needs zone names, so it is in the company of the databases: see `ovn`.
pub(crate) fn assert_only(before: &[Connection], after: &[Connection], healed: &[Connection]) {
    let is_healed = |entry: &Connection| healed.iter().any(|it| (it.zone, it.orig) == (entry.zone, entry.orig));
    let expected: Vec<&Connection> = before.iter().filter(|entry| !is_healed(entry)).collect();
    assert_eq!(after.iter().collect::<Vec<_>>(), expected);
}

/// A journal that cannot be written keeps the daemon from starting: it would not repair, and nobody would know.
#[test]
fn without_a_journal_it_does_not_start() {
    run(|| {
        let lab = Lab::new("live-repair-journal")?;
        let file = settled(&lab);
        let folder = lab.folder.path().to_str().expect("its name is ours");
        let live = lab.live_by_file(&file, &["-i", "out0", "--repair", "delete", "--repair-journal", folder]);
        let ended = live.end();
        assert_eq!(ended.code, Some(2), "{}", ended.said());
        assert!(ended.said().contains("--repair: cannot write the journal"), "{}", ended.said());
        Ok(())
    });
}

/// The violating flow is healed, its entry is gone, and every other one is as it was; TCP waits for a word of its own.
pub(crate) fn heals_a_violating_flow(worker: &crate::ovn::Worker) {
    let lab = &worker.lab;
    let (stale, other, tcp, fine) = (flow("udp", 4000), flow("udp", 4001), flow("tcp", 4002), flow("udp", 4003));
    let stale_entry = labelled(stale.tuple, 35, GW3);
    let entries = [
        stale_entry.clone(),
        // The same tuple in the zones of others.
        labelled(stale.tuple, 36, GW3),
        labelled(stale.tuple, 0, GW3),
        unlabelled(stale.tuple, 64000),
        labelled(other.tuple, 36, GW3),
        labelled(tcp.tuple, 35, GW3),
        labelled(fine.tuple, 35, GW1),
    ];
    lab.conntrack().create(&entries);
    let before = table(lab);
    let path = lab.folder.path().join("journal.jsonl");
    let journal_path = path.to_str().expect("its name is ours");
    // The armed entry is healed without a packet once the set has settled: the packets are to come before that.
    let settle = patience(Duration::from_secs(5)).as_secs().to_string();
    let mut live = worker.live(&[
        "-i",
        "auto",
        "--repair",
        "delete",
        "--repair-settle",
        &settle,
        "--repair-journal",
        journal_path,
    ]);
    live.ready();
    let mut wire = lab.wire();
    wire.send_all("out0", [(&stale, 3), (&tcp, 2)]);
    live.wait_finding(&stale, "stale-conntrack");
    let message = live.wait_message("done: delete the entry");
    assert!(message.contains(&stale.tuple.reversed().to_string()) && message.contains("zone 35"), "{message}");
    assert_only(&before, &table(lab), &[stale_entry]);
    // OVN would choose a live hop now.
    wire.send("out0", &stale.to(GW1), 5);
    wire.send("out0", &fine.to(GW1), 5);
    let ended = live.stop();
    assert_eq!(ended.code, Some(1), "{}", ended.said());
    assert_eq!(ended.said().matches("tcp-delete").count(), 1, "{}", ended.said());
    assert_eq!(ended.said().matches("done: ").count(), 1, "{}", ended.said());
    let lines = journal(lab);
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert_eq!((&lines[0]["by"], &lines[1]["outcome"]), (&"daemon".into(), &"done".into()));
}

/// A flow that goes on to the dead gateway when no flow that OVN learned can be left is healed, and another with the same
/// label of which no packet is seen is not.
pub(crate) fn heals_what_packets_prove(worker: &crate::ovn::Worker) {
    let lab = &worker.lab;
    let (stale, silent) = (flow("udp", 4000), flow("udp", 4001));
    let [stale_entry, silent_entry] = [&stale, &silent].map(|flow| labelled(flow.tuple, 35, GW3));
    lab.conntrack().create(&[stale_entry.clone(), silent_entry]);
    let before = table(lab);
    let path = lab.folder.path().join("journal.jsonl");
    let journal_path = path.to_str().expect("its name is ours");
    let arguments = ["-i", "auto", "--repair", "delete", "--repair-settle", "0", "--repair-journal", journal_path];
    let mut live = worker.live(&arguments);
    live.ready();
    let mut wire = lab.wire();
    let mut seconds = 0;
    while table(lab) == before {
        assert!(seconds < 300, "nothing is healed");
        wire.send("out0", &stale, 1);
        pause(1000);
        seconds += 1;
    }
    live.wait_message("done: delete the entry");
    assert_only(&before, &table(lab), &[stale_entry]);
    let ended = live.stop();
    assert_eq!(ended.said().matches("ovn-undetermined").count(), 1, "before it was proved: {}", ended.said());
    assert!(seconds >= 20, "{seconds} s: a learned flow may have been left");
}

/// Of many latent entries no more than the limit go, and those that stay are as they were.
pub(crate) fn keeps_the_limit(worker: &crate::ovn::Worker) {
    let lab = &worker.lab;
    let entries: Vec<Connection> = (4000..4030).map(|port| labelled(flow("udp", port).tuple, 35, GW3)).collect();
    lab.conntrack().create(&entries);
    let before = table(lab);
    let path = lab.folder.path().join("journal.jsonl");
    let journal_path = path.to_str().expect("its name is ours");
    let arguments = ["-i", "auto", "--repair", "unpin", "--repair-settle", "0", "--repair-rate", "7"];
    let mut live = worker.live(&[&arguments[..], &["--repair-journal", journal_path]].concat());
    live.ready();
    for _ in 0..7 {
        live.wait_message("done: clear the port in the mark");
    }
    // Some more turns, in which nothing may happen. A pause may end early, for what woke the thread before.
    (0..30).for_each(|_| pause(100));
    let ended = live.stop();
    assert_eq!(ended.said().matches("done: ").count(), 7, "{}", ended.said());
    assert_eq!(ended.said().matches("rate-limit").count(), 1, "{}", ended.said());
    let after = table(lab);
    let changed: Vec<_> = before.iter().zip(&after).filter(|(was, is)| was != is).collect();
    assert_eq!((changed.len(), before.len(), after.len()), (7, 30, 30));
    for (was, is) in changed {
        assert_eq!(*is, Connection { mark: was.mark & 0xffff, ..was.clone() });
    }
    assert_eq!(journal(lab).len(), 14);
}
