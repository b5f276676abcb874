//! What is meant is healed by each method, in each form of the port, and nothing else is touched.

use std::collections::BTreeMap;

use analyzer::engine::fact::Connection;
use analyzer::netlink::conntrack::entry::Entry;
use analyzer::types::{MacAddr, Tuple};

use crate::netns::run;
use crate::world::{
    DEAD, Form, GW1, POD_ZONE, ROUTER_ZONE, UNNAMED_ZONE, World, count, flows, labelled, lflow_list, mixed, tuple,
};

type Entries = BTreeMap<(u16, Tuple), Entry>;

fn mac_bits(mac: MacAddr) -> u128 {
    u128::from(mac.to_bits()) << 32
}

/// What the method is to make of an entry; `None` where it is to go.
fn healed(method: &str, was: &Entry) -> Option<Entry> {
    let Connection { label, mark, .. } = was.connection;
    let (label, mark) = match method {
        "delete" => return None,
        // In the mark, where it stands there: the bits of the label mean other things then.
        "unpin" if mark >> 16 != 0 => (label, mark & 0xffff),
        "unpin" => (label & !(0xffff << 80), mark),
        "relabel" => (label & !(0xffff_ffff_ffff << 32) | mac_bits(GW1), mark),
        other => panic!("{other}"),
    };
    Some(Entry { connection: Connection { label, mark, ..was.connection.clone() }, ..was.clone() })
}

fn assert_healed(method: &str, meant: &[Connection], before: &Entries, after: &Entries) {
    let mut expected = before.clone();
    for entry in meant {
        let key = (entry.zone, entry.orig);
        let was = expected.remove(&key).expect("it was there");
        expected.extend(healed(method, &was).map(|healed| (key, healed)));
    }
    let different: Vec<_> = expected
        .iter()
        .filter(|(key, entry)| after.get(*key) != Some(entry))
        .chain(after.iter().filter(|(key, _)| !expected.contains_key(*key)))
        .collect();
    assert!(different.is_empty(), "{method}: {different:#?}");
}

#[test]
fn each_method_heals_what_is_meant_and_nothing_else() {
    run(|| {
        for (method, form) in [
            ("delete", Form::Mark),
            ("delete", Form::Label),
            ("unpin", Form::Mark),
            ("unpin", Form::Label),
            ("unpin", Form::Both),
            ("relabel", Form::Mark),
            ("relabel", Form::Label),
        ] {
            let world = World::new("repair-each")?;
            if form == Form::Label {
                world.write("lflow-list.txt", &lflow_list("ct_label"));
            }
            let (stale, others) = mixed(form);
            world.create(&stale);
            world.create(&others);
            let (before, witness) = (world.table(), world.witness());
            assert_eq!((before.len(), witness.len()), (stale.len() + others.len(), stale.len() + others.len()));

            // A dry run changes nothing, and says what would be.
            let arguments = ["--all", "--method", method, "--settle", "0", "--tcp"];
            let (code, objects) = world.repair(&arguments);
            assert_eq!(count(&objects, "would", None), stale.len(), "{method} {form:?}: {objects:#?}");
            // Those of the zone that nobody names, which hold an active MAC, are nothing to speak of.
            assert_eq!((code, objects.len()), (Some(0), stale.len()));
            assert_eq!((&world.table(), &world.witness()), (&before, &witness));
            assert!(world.journal().is_empty() && !world.path("journal.jsonl").exists());

            let (code, objects) = world.repair(&[&arguments[..], &["--apply"]].concat());
            assert_eq!(count(&objects, "done", None), stale.len(), "{method} {form:?}: {objects:#?}");
            assert_eq!(code, Some(0));
            let after = world.table();
            assert_healed(method, &stale, &before, &after);
            let now = world.witness();
            let (gone, new) = (witness.difference(&now).count(), now.difference(&witness).count());
            let expected = match (method, form) {
                ("delete", _) => (stale.len(), 0),
                ("unpin", Form::Mark | Form::Both) => (stale.len(), stale.len()),
                // conntrack(8) does not show labels.
                _ => (0, 0),
            };
            assert_eq!((gone, new), expected, "{method} {form:?}");
            assert_eq!(world.journal().len(), 2 * stale.len());

            // Once more: there is nothing to do. What is left in the label OVN does not read, as other entries show.
            let (code, objects) = world.repair(&[&arguments[..], &["--apply"]].concat());
            match (method, form) {
                ("unpin", Form::Both) => assert_eq!(count(&objects, "refused", Some("unused")), stale.len()),
                _ => assert_eq!((code, objects.len()), (Some(0), 0), "{objects:#?}"),
            }
            assert_eq!(world.table(), after);
        }
        Ok(())
    });
}

#[test]
fn selections() {
    run(|| {
        let world = World::new("repair-select")?;
        let (stale, others) = mixed(Form::Mark);
        world.create(&stale);
        world.create(&others);
        let would = |arguments: &[&str]| {
            let (_, objects) = world.repair(&[arguments, &["--settle", "0", "--tcp"]].concat());
            let entries: Vec<String> = objects
                .iter()
                .map(|object| {
                    format!("{} {}", object["conntrack"]["zone"], object["reason"].as_str().unwrap_or("would"))
                })
                .collect();
            entries
        };
        // One flow in each of its zones, in either direction; what stands how is said of each.
        let expected = ["0 zone-not-routers", "35 would", "36 zone-not-routers", "37 active-nexthop"];
        for flow in ["udp 10.244.0.5:4000 -> 198.51.100.7:53", "udp 198.51.100.7:53 -> 10.244.0.5:4000"] {
            assert_eq!(would(&["--flow", flow]), expected);
        }
        assert_eq!(would(&["--flow", "udp 198.51.100.9:5060 -> 172.18.0.4:30000"]), ["35 would"]);
        assert_eq!(would(&["--flow", "udp 10.244.0.5:4000 -> 198.51.100.7:53", "--zone", "35"]), ["35 would"]);
        assert_eq!(would(&["--flow", "udp 10.244.0.5:1 -> 198.51.100.7:53"]), [""; 0]);
        let of_gw1 = would(&["--mac", &GW1.to_string()]);
        assert_eq!((of_gw1.len(), &*of_gw1[0]), (flows(0).len(), "35 active-nexthop"));
        assert_eq!(would(&["--zone", "36"]).len(), flows(0).len());
        assert_eq!(would(&["--zone", "36"])[0], "36 zone-not-routers");
        assert_eq!(would(&["--zone", "35"]).len(), stale.len());
        assert_eq!(would(&["--all"]).len(), stale.len());
        let of_dead = would(&["--mac", &DEAD.to_string()]);
        assert_eq!(of_dead.iter().filter(|entry| *entry == "35 would").count(), stale.len());
        assert_eq!(of_dead.iter().filter(|entry| *entry == "35 not-pinned").count(), flows(0).len());
        Ok(())
    });
}

/// What the options allow, and what they do not: nothing is done unless it is said.
#[test]
fn rules_hold_on_the_table() {
    run(|| {
        let world = World::new("repair-rules")?;
        let (udp, tcp) = (flows(4000)[0], flows(4000)[2]);
        let unnamed = labelled(flows(4003)[0], UNNAMED_ZONE, DEAD, Form::Mark);
        let label_form = labelled(flows(4004)[0], ROUTER_ZONE, DEAD, Form::Label);
        let elsewhere = labelled(tuple("udp 10.9.9.9:1 -> 198.51.100.7:53"), ROUTER_ZONE, DEAD, Form::Mark);
        let entries = [
            labelled(udp, ROUTER_ZONE, DEAD, Form::Mark),
            labelled(tcp, ROUTER_ZONE, DEAD, Form::Mark),
            unnamed.clone(),
            label_form.clone(),
            elsewhere.clone(),
        ];
        world.create(&entries);
        let before = world.table();
        let apply = ["--all", "--apply"];

        // The file was written a moment ago.
        let (code, objects) = world.repair(&["--all", "--settle", "3600"]);
        assert_eq!((code, count(&objects, "refused", Some("recent-change"))), (Some(1), 4), "{objects:#?}");
        world.netns.sh(&format!("touch -d '2 hours ago' {}", world.path("nexthops.toml").display()));
        let (_, objects) = world.repair(&["--all", "--settle", "3600"]);
        assert_eq!(count(&objects, "would", None), 1, "{objects:#?}");

        let (code, objects) = world.repair(&[&apply[..], &["--tcp", "--max", "1"]].concat());
        assert_eq!((code, count(&objects, "refused", Some("too-many"))), (Some(1), 2), "{objects:#?}");
        let (_, objects) = world.repair(&[&apply[..], &["--allow-mac", &DEAD.to_string()]].concat());
        assert_eq!(count(&objects, "refused", Some("allowed-mac")), 5, "{objects:#?}");
        assert_eq!(world.table(), before, "nothing was done");
        assert!(world.journal().is_empty());

        let (code, objects) = world.repair(&apply);
        assert_eq!(code, Some(1));
        for reason in ["tcp-delete", "zone-owner-unknown"] {
            assert_eq!(count(&objects, "refused", Some(reason)), 1, "{reason}: {objects:#?}");
        }
        assert_eq!(count(&objects, "refused", Some("unused")), 2, "{objects:#?}");
        assert_eq!(count(&objects, "done", None), 1, "{objects:#?}");
        assert_healed("delete", &entries[..1], &before, &world.table());

        let before = world.table();
        let (_, objects) = world.repair(&[&apply[..], &["--tcp", "--max", "1"]].concat());
        assert_eq!(count(&objects, "done", None), 1, "{objects:#?}");
        assert_healed("delete", &entries[1..2], &before, &world.table());

        let before = world.table();
        let (code, objects) = world.repair(&["--zone", &UNNAMED_ZONE.to_string(), "--apply"]);
        assert_eq!((code, count(&objects, "done", None)), (Some(0), 1), "{objects:#?}");
        assert_healed("delete", &[unnamed], &before, &world.table());

        let before = world.table();
        let (code, objects) = world.repair(&[&apply[..], &["--unused"]].concat());
        assert_eq!((code, count(&objects, "done", None)), (Some(0), 2), "{objects:#?}");
        assert_healed("delete", &[label_form, elsewhere], &before, &world.table());
        Ok(())
    });
}

/// What keeps it from running at all.
#[test]
fn what_cannot_run() {
    run(|| {
        let world = World::new("repair-not")?;
        let entry = labelled(flows(4000)[0], ROUTER_ZONE, DEAD, Form::Mark);
        world.create(&[entry, labelled(flows(4000)[0], POD_ZONE, DEAD, Form::Mark)]);
        let before = world.table();
        let refused = |arguments: &[&str], expected: &str| {
            let output = world.run(arguments);
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
            assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
        };
        world.write("dump.txt", "");
        let dump = world.path("dump.txt");
        refused(&["--all", "--settle", "0", "--apply", "--conntrack", dump.to_str().expect("text")], "--apply changes");
        refused(&[], "required");
        refused(&["--all", "--settle=-1"], "--settle");
        refused(&["--all", "--flow", "udp 10.0.0.1:1 -> 10.0.0.2:2"], "cannot be used with");
        // A journal that cannot be written: a folder in its place, a pipe, and a disk that takes nothing.
        let full = ["--all", "--settle", "0", "--apply", "--journal"];
        refused(&[&full[..], &[world.folder.path().to_str().expect("text")]].concat(), "no regular file");
        world.netns.sh(&format!("mkfifo {}", world.path("pipe").display()));
        refused(&[&full[..], &[world.path("pipe").to_str().expect("text")]].concat(), "no regular file");
        refused(&[&full[..], &["/proc/no/journal"]].concat(), "nothing is changed without a journal");
        assert_eq!(world.table(), before);
        // Without a right nothing is read, still less changed.
        let command = format!(
            "setpriv --bounding-set -net_admin --inh-caps -net_admin {} repair --nb none --sb none --ovs none --nexthops {} \
             --all --settle 0",
            env!("CARGO_BIN_EXE_analyzer"),
            world.path("nexthops.toml").display()
        );
        let output = world.netns.shell(&command).output().expect("ip can be run");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains("CAP_NET_ADMIN"), "{stderr}");
        Ok(())
    });
}

/// A source that takes the connection and says nothing: the zones' names may be others by now, and nobody has watched.
#[test]
fn nothing_is_done_while_a_source_does_not_answer() {
    run(|| {
        let world = World::new("repair-mute")?;
        world.create(&[labelled(flows(4000)[0], ROUTER_ZONE, DEAD, Form::Mark)]);
        let before = world.table();
        let _mute = std::os::unix::net::UnixListener::bind(world.path("db.sock")).expect("the folder is ours");
        let mut command = world.netns.command(env!("CARGO_BIN_EXE_analyzer"));
        command.args(["repair", "--nb", "none", "--sb", "none", "--format", "jsonl", "--all", "--apply", "--ovs"]);
        command.arg(format!("unix:{}", world.path("db.sock").display()));
        command.arg("--nexthops").arg(world.path("nexthops.toml")).arg("--ct-zones").arg(world.path("zones.txt"));
        command.arg("--journal").arg(world.path("journal.jsonl"));
        let output = command.output().expect("ip can be run");
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(1), "{stdout}{stderr}");
        assert!(stdout.contains("source-too-old") && stderr.contains("db.sock"), "{stdout}{stderr}");
        assert_eq!(world.table(), before);
        assert!(world.journal().is_empty());
        Ok(())
    });
}
