//! Flows are healed, each by itself.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Output, Stdio};

use analyzer::types::{MacAddr, Tuple};
use serde_json::Value;

use super::{label_of, pinned_to_a_dead_gateway, to};
use crate::addresses::{Addresses, GW1, GW1_NEW, GW2, NODE, V4, V6};
use crate::capture::{Seen, since};
use crate::daemon::pause;
use crate::datapath::Datapath;
use crate::netns::{Missing, run};
use crate::node::Node;
use crate::traffic::{Connection, Conversation, Flow, push};
use crate::watch::{Watch, say};

/// The incident on an OVN that honours a label for the life of its entry. `analyzer repair` heals the flow that is named:
/// its next packet leaves to a gateway that lives. All others stay where they are.
#[test]
fn repair_heals_one_flow() {
    run(|| repair(V4, "delete"));
}

/// The same in IPv6.
#[test]
fn repair_heals_one_flow_ipv6() {
    run(|| repair(V6, "delete"));
}

/// The port is cleared from the mark of the entry, which stays: OVN chooses a next hop by its hash. A TCP connection goes
/// on with what it could not deliver. ovs-vswitchd has no words for that.
#[test]
fn unpin_heals_one_flow() {
    run(|| repair_in_place("unpin"));
}

/// The label gets the MAC that the next hop has now: the flow goes on by the gateway that took the dead one's place. Whose
/// the dead one's MAC was is in no database any more, so it is written down.
#[test]
fn relabel_heals_one_flow() {
    run(|| repair_in_place("relabel"));
}

fn repair(addresses: Addresses, method: &str) -> Result<(), Missing> {
    let mut watch = watch(addresses)?;
    let (mut pinned, before) = pinned_to_a_dead_gateway(&mut watch, 3);
    watch.wait_violating("stale-conntrack", &pinned);
    watch.take_conntrack();
    let named = pinned[0].tuple();
    let entries = watch.node.entries(watch.node.zone());
    let told = ask_for(&watch.node, &[method, "--watch", "10s", "-i", "auto"], named, &mut pinned);
    assert_eq!((&told["outcome"], &told["afterwards"]["answer"]), (&"done".into(), &"conforms".into()), "{told}");
    // Its next packet may have made an entry anew.
    let (gone, _) = changes(&watch.node, &entries, named);
    assert_eq!(gone.len(), 1, "{gone:#?}");
    let now = heals(&watch, &mut pinned, &[GW1_NEW, GW2]);
    finds(watch, &to(&since(&before, &now), GW1), &[named]);
    Ok(())
}

fn repair_in_place(method: &str) -> Result<(), Missing> {
    let mut watch = watch(V4)?;
    let mut connection = Connection::open(&watch.node, 40100);
    connection.request();
    connection.answer();
    connection.arrives();
    // What TCP confirms late leaves while the gateway lives.
    watch.capture.quiet();
    let (mut pinned, before) = pinned_to_a_dead_gateway(&mut watch, 3);
    connection.answer();
    // Which of them is told first is left to the daemon.
    let all: Vec<Tuple> = pinned.iter().map(Flow::tuple).chain([connection.tuple()]).collect();
    watch.wait_violating("stale-conntrack", &all);
    watch.take_conntrack();
    if watch.node.datapath() == Datapath::Userspace {
        is_refused(&watch, method, &mut pinned);
        connection.reset();
        let now = watch.capture.quiet();
        finds(watch, &to(&since(&before, &now), GW1), &[]);
        return Ok(());
    }
    let live: &[MacAddr] = if method == "relabel" { &[GW1_NEW] } else { &[GW1_NEW, GW2] };
    for named in [pinned[0].tuple(), connection.tuple()] {
        let entries = watch.node.entries(watch.node.zone());
        let told = ask_for(&watch.node, &[method], named, &mut pinned);
        assert_eq!(told["outcome"], "done", "{told}");
        let (old, new) = changes(&watch.node, &entries, named);
        let ([old], [new]) = (&old[..], &new[..]) else { panic!("it is no change of one entry: {old:#?}\n{new:#?}") };
        let (from, to) = match method {
            "relabel" => (label_of(GW1), label_of(GW1_NEW)),
            _ => (mark_of(old), String::new()),
        };
        assert_eq!(*new, old.replacen(&from, &to, 1), "all else is as it was");
    }
    connection.arrives();
    say("the connection has gone on");
    let now = heals(&watch, &mut pinned, live);
    finds(watch, &to(&since(&before, &now), GW1), &[pinned[0].tuple(), connection.tuple()]);
    Ok(())
}

/// Checks what the daemon found. Packets of a flow that is healed and that left in the second before may be told as those
/// to a former next hop: no entry holds its MAC any longer. Replay has the entries as they were before.
fn finds(watch: Watch, violating: &Seen, healed: &[Tuple]) {
    let (mut own, mut others) = (violating.clone(), violating.clone());
    own.retain(|(tuple, _), _| healed.contains(tuple));
    others.retain(|(tuple, _), _| !healed.contains(tuple));
    let live = [("stale-conntrack", &others), ("stale-conntrack|former-nexthop", &own)];
    let ended = watch.expect_and_replay(&live, &[("stale-conntrack", violating)]);
    assert_eq!(ended.code, Some(1), "{}", ended.said());
}

fn watch(addresses: Addresses) -> Result<Watch, Missing> {
    Watch::new(addresses, |node| {
        node.pin_for_life();
        Ok(())
    })
}

/// The datapath cannot do it, and all stays as it is.
fn is_refused(watch: &Watch, method: &str, pinned: &mut [Conversation]) {
    let entries = watch.node.entries(watch.node.zone());
    let told = ask_for(&watch.node, &[method], pinned[0].tuple(), pinned);
    assert_eq!((&told["outcome"], &told["reason"]), (&"refused".into(), &"not-expressible".into()), "{told}");
    assert_eq!(watch.node.entries(watch.node.zone()), entries);
    let so_far = watch.settled(&[pinned]);
    push(pinned, 2);
    let now = since(&so_far, &watch.settled(&[pinned]));
    assert_eq!(to(&now, GW1), now, "all leave as before");
}

/// Has the flow repaired by a method, with options, while the pod goes on sending in all. Returns what was said of it.
fn ask_for(node: &Node, by: &[&str], named: Tuple, pinned: &mut [Conversation]) -> Value {
    let method = by[0];
    let mut command = node.analyzer(&["repair", "--apply", "--settle", "1", "--format", "jsonl", "--method"]);
    command.args(by).args(["--flow", &named.to_string(), "--journal"]).arg(node.folder().join("repairs.jsonl"));
    if method == "relabel" {
        let file = node.folder().join("nexthops.toml");
        fs::write(&file, whose_it_was(node)).expect("the folder is ours");
        command.arg("--nexthops").arg(file);
    }
    let output = meanwhile(pinned, &mut command);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let told = told.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    let told: Vec<Value> = told.filter(|object: &Value| object["type"] == "repair").collect();
    let [told] = &told[..] else { panic!("{told:#?}\n{}", String::from_utf8_lossy(&output.stderr)) };
    assert_eq!(output.status.success(), told["outcome"] == "done", "{}: {told}", output.status);
    say(&format!("{method} of {named}: {}", told["outcome"]));
    told.clone()
}

/// Runs a command, and the pod sends in all flows until it has ended.
fn meanwhile(flows: &mut [Conversation], command: &mut Command) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("ip can be run");
    // What it prints has room in the pipes.
    while child.try_wait().expect("it was started").is_none() {
        push(flows, 1);
        pause(50);
    }
    child.wait_with_output().expect("it was started")
}

/// The first gateway's MAC before it was replaced, as people write it down.
fn whose_it_was(node: &Node) -> String {
    let Addresses { pod, gateways, .. } = node.addresses();
    format!(
        "[[route]]
        router = \"GR_{NODE}\"
        policy = \"src-ip\"
        prefix = \"{pod}/32\"
        symmetric_reply = true
        [[route.nexthop]]
        ip = \"{}\"
        lladdr = \"{GW1}\"
        until = \"2026-01-01T00:00:00Z\"\n",
        gateways[0]
    )
}

/// The entries that are no more as they were, and those that were not before. All of them are the flow's.
fn changes(node: &Node, before: &BTreeSet<String>, named: Tuple) -> (Vec<String>, Vec<String>) {
    let now = node.entries(node.zone());
    let port = format!("port={}", named.tp_src);
    let is_its_own = |entry: &&String| entry.contains(&port);
    let (old, new): (Vec<_>, Vec<_>) = (before.difference(&now).collect(), now.difference(before).collect());
    assert!(old.iter().chain(&new).all(is_its_own), "all others are as they were: {before:#?}\n{now:#?}");
    (old.into_iter().cloned().collect(), new.into_iter().cloned().collect())
}

/// The mark of an entry, as it is printed.
fn mark_of(entry: &str) -> String {
    let from = entry.find(",mark=").unwrap_or_else(|| panic!("it has no mark: {entry}"));
    let len = entry[from + 1..].find(',').map_or(entry.len() - from, |comma| comma + 1);
    entry[from..from + len].to_owned()
}

/// Checks that of these flows the first leaves to one of the living and is delivered, and all others to the dead gateway
/// as before. Returns what has left.
fn heals(watch: &Watch, pinned: &mut [Conversation], living: &[MacAddr]) -> Seen {
    let repaired = watch.settled(&[pinned]);
    pinned[0].drain();
    push(pinned, 3);
    let now = watch.settled(&[pinned]);
    for ((tuple, mac), count) in since(&repaired, &now) {
        let expected = if tuple == pinned[0].tuple() { living } else { &[GW1] };
        assert!(expected.contains(&mac), "{tuple} leaves to {mac}");
        assert_eq!(count.packets, 3, "{tuple} to {mac}");
    }
    for _ in 0..3 {
        pinned[0].arrives();
    }
    now
}
