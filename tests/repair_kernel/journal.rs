//! The journal holds all that it takes to make an entry again as it was.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::OpenOptionsExt;

use analyzer::engine::fact::Connection;
use analyzer::netlink::conntrack::entry::Entry;
use analyzer::types::Tuple;
use rustix::fs::{FlockOperation, flock};
use serde_json::Value;

use crate::ctnetlink::{NESTED, Writer, attribute};
use crate::netns::run;
use crate::world::{DEAD, Form, ROUTER_ZONE, World, flows, labelled, translated};

/// TCP, established, with window scales 7 and 9 and flags of both directions.
fn tcp() -> Vec<u8> {
    let inner = [
        attribute(1, vec![3]),
        attribute(2, vec![7]),
        attribute(3, vec![9]),
        attribute(4, vec![0x23, 0xff]),
        attribute(5, vec![0x22, 0xff]),
    ];
    attribute(1 | NESTED, inner.concat())
}

/// SCTP, established, with verification tags.
fn sctp() -> Vec<u8> {
    let inner = [attribute(1, vec![4]), attribute(2, vec![0, 0, 0, 11]), attribute(3, vec![0, 0, 1, 12])];
    attribute(3 | NESTED, inner.concat())
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number: {value}"))
}

fn tuple(value: &Value) -> Tuple {
    let address = |key: &str| value[key].as_str().expect("an address").parse().expect("an address");
    Tuple {
        src: address("src"),
        dst: address("dst"),
        nw_proto: number(&value["proto"]) as u8,
        tp_src: number(&value["tp_src"]) as u16,
        tp_dst: number(&value["tp_dst"]) as u16,
    }
}

/// Makes the entry again that a line of the journal tells of.
fn make_again(writer: &mut Writer, entry: &Value) {
    let label = entry["label"].as_str().expect("a label").trim_start_matches("0x");
    let connection = Connection {
        orig: tuple(&entry["orig"]),
        reply: tuple(&entry["reply"]),
        zone: number(&entry["zone"]) as u16,
        mark: number(&entry["mark"]) as u32,
        label: u128::from_str_radix(label, 16).expect("a number"),
        id: None,
        offloaded: false,
        dying: false,
    };
    let octets = |value: &Value, index: usize| vec![number(&value[index]) as u8];
    let protoinfo = match &entry["protoinfo"] {
        Value::Null => Vec::new(),
        Value::Object(proto) if proto.contains_key("tcp") => {
            let tcp = &proto["tcp"];
            let mut inner = attribute(1, vec![number(&tcp["state"]) as u8]);
            inner.extend(attribute(2, octets(&tcp["wscale"], 0)));
            inner.extend(attribute(3, octets(&tcp["wscale"], 1)));
            // The mask: all of them are meant.
            inner.extend(attribute(4, [octets(&tcp["flags"], 0), vec![0xff]].concat()));
            inner.extend(attribute(5, [octets(&tcp["flags"], 1), vec![0xff]].concat()));
            attribute(1 | NESTED, inner)
        }
        Value::Object(proto) => {
            let sctp = &proto["sctp"];
            let mut inner = attribute(1, vec![number(&sctp["state"]) as u8]);
            inner.extend(attribute(2, (number(&sctp["vtag"][0]) as u32).to_be_bytes().to_vec()));
            inner.extend(attribute(3, (number(&sctp["vtag"][1]) as u32).to_be_bytes().to_vec()));
            attribute(3 | NESTED, inner)
        }
        other => panic!("{other}"),
    };
    let (status, timeout) = (number(&entry["status"]) as u32, number(&entry["timeout"]) as u32);
    writer.create_as(&connection, status, timeout, &protoinfo);
}

#[test]
fn an_entry_is_made_again_from_the_journal() {
    run(|| {
        let world = World::new("repair-journal")?;
        let mut writer = world.netns.inside(Writer::open);
        let mut made = 0;
        for flow in flows(4000) {
            let entry = labelled(flow, ROUTER_ZONE, DEAD, Form::Mark);
            let protoinfo = match flow.nw_proto {
                6 => tcp(),
                132 => sctp(),
                _ => Vec::new(),
            };
            // Seen in both directions, assured, confirmed; SCTP and others alike.
            writer.create_as(&entry, 0xe, 7200, &protoinfo);
            made += 1;
        }
        writer.create_as(&translated(4100, DEAD, Form::Mark), 0xe, 7200, &[]);
        made += 1;
        let before = world.table();
        let (code, objects) = world.repair(&["--all", "--settle", "0", "--tcp", "--apply"]);
        assert_eq!((code, objects.len()), (Some(0), made), "{objects:#?}");
        assert!(world.table().is_empty());

        let journal = world.journal();
        let intents: Vec<&Value> = journal.iter().filter(|line| line["type"] == "intent").collect();
        assert_eq!((intents.len(), journal.len()), (made, 2 * made));
        for (intent, outcome) in journal.iter().step_by(2).zip(journal.iter().skip(1).step_by(2)) {
            assert_eq!((&intent["type"], &outcome["type"]), (&"intent".into(), &"outcome".into()));
            assert_eq!(intent["number"], outcome["number"]);
            assert_eq!((&intent["by"], &intent["method"]), (&"command".into(), &"delete".into()));
            assert_eq!(outcome["outcome"], "done");
            make_again(&mut writer, &intent["entry"]);
        }
        let anonymous = |table: std::collections::BTreeMap<(u16, Tuple), Entry>| {
            let entries = table.into_values().map(|mut entry| {
                entry.connection.id = None;
                format!("{entry:?}")
            });
            entries.collect::<Vec<_>>()
        };
        assert_eq!(anonymous(world.table()), anonymous(before));
        // Only its owner may read it.
        let mode = world.netns.sh(&format!("stat -c %a {}", world.path("journal.jsonl").display()));
        assert_eq!(mode.trim(), "600");
        Ok(())
    });
}

/// Somebody else has the journal's lock: that it is waited for is said, and for whom; then it goes on.
#[test]
fn a_lock_that_is_waited_for_is_told() {
    run(|| {
        let world = World::new("repair-lock")?;
        world.create(&[labelled(flows(4000)[0], ROUTER_ZONE, DEAD, Form::Mark)]);
        let path = world.path("journal.jsonl");
        let lock = OpenOptions::new().create(true).append(true).mode(0o600).open(&path).expect("the folder is ours");
        flock(&lock, FlockOperation::LockExclusive).expect("nobody has it");
        let mut child = world.start(&["--all", "--settle", "0", "--tcp", "--apply"]);
        let mut said = BufReader::new(child.stderr.take().expect("it is piped")).lines().map_while(Result::ok);
        let waits = said.find(|line| line.contains("waiting for the lock"));
        let own = std::process::id();
        assert!(waits.as_ref().is_some_and(|line| line.contains("journal.jsonl")), "{waits:?}");
        // Where files have the same number here and in /proc/locks, it is told who.
        let waits = waits.unwrap_or_default();
        assert!(waits.contains(&format!("process {own} holds")) || waits.contains("another process holds"), "{waits}");
        assert_eq!(world.table().len(), 1, "nothing is changed before it is written down");
        drop(lock);
        assert!(child.wait().expect("it was started").success());
        assert!(world.table().is_empty());
        assert_eq!(world.journal().len(), 2);
        Ok(())
    });
}

/// As docs/repair.md shows it: conntrack(8) makes the entry again, all but its label.
#[test]
fn the_manuals_command_makes_an_entry_again() {
    run(|| {
        let world = World::new("repair-by-hand")?;
        let entry = labelled(flows(4000)[0], ROUTER_ZONE, DEAD, Form::Mark);
        world.create(std::slice::from_ref(&entry));
        let before = world.table();
        let (code, _) = world.repair(&["--all", "--settle", "0", "--apply"]);
        assert_eq!(code, Some(0));
        world.netns.sh(
            "conntrack -I -w 35 -p udp -s 198.51.100.7 -d 10.244.0.5 --sport 53 --dport 4000 -r 10.244.0.5 -q 198.51.100.7 \
             --reply-port-src 4000 --reply-port-dst 53 -t 3000 -u SEEN_REPLY,ASSURED -m 131074",
        );
        let after = world.table();
        let (was, is) = (&before[&(ROUTER_ZONE, entry.orig)], &after[&(ROUTER_ZONE, entry.orig)]);
        assert_eq!(is.connection, Connection { id: is.connection.id, label: 0, ..was.connection.clone() });
        assert_eq!(is.status, was.status);
        Ok(())
    });
}
