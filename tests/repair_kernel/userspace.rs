//! The table of ovs-vswitchd: one of several entries goes.

use std::collections::BTreeSet;

use analyzer::types::Tuple;
use serde_json::Value;

use crate::common::TempDir;
use crate::netns::run;
use crate::ovs::{Ovs, frame};
use crate::world::{DEAD, GW1, count, tuple};

const ROUTES: &str = "10.244.0.5/32";

struct Node {
    ovs: Ovs,
    folder: TempDir,
}

impl Node {
    fn repair(&self, arguments: &str) -> (Option<i32>, Vec<Value>, String) {
        let folder = self.folder.path().display();
        let socket = "$OVS_RUNDIR/ovs-vswitchd.$(cat $OVS_RUNDIR/ovs-vswitchd.pid).ctl";
        let command = format!(
            "{} repair --nb none --sb none --ovs none --datapath userspace --vswitchd {socket} --nexthops {folder}/n.toml \
             --ct-zones {folder}/z.txt --journal {folder}/j.jsonl --settle 0 --format jsonl {arguments}",
            env!("CARGO_BIN_EXE_analyzer")
        );
        let output = self.ovs.command(&command).output().expect("ip can be run");
        let stdout = String::from_utf8_lossy(&output.stdout);
        let objects = stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        (output.status.code(), objects, String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

fn entry_of(line: &str) -> (Tuple, u16, u128) {
    let read = analyzer::conntrack::text::parse_line(line).expect("OVS prints entries").expect("a line is an entry");
    (read.orig, read.zone, read.label)
}

#[test]
fn one_of_several_entries_goes() {
    run(|| {
        let label = |mac: analyzer::types::MacAddr| format!("{:#x}", u128::from(mac.to_bits()) << 32);
        let commit = |zone: u16, mac| {
            format!("ct(commit,zone={zone},exec(set_field:0x20002->ct_mark,set_field:{}->ct_label))", label(mac))
        };
        let commits = [commit(35, DEAD), commit(36, DEAD), commit(37, GW1), "ct(commit,zone=0)".to_owned()].join(",");
        let ovs =
            Ovs::start(&[format!("in_port=1,ip,actions={commits}"), format!("in_port=1,ipv6,actions={commits}")])?;
        let folder = TempDir::new();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("the folder is ours");
        let routes = [ROUTES, "fd00:10::5/128"].map(|prefix| {
            format!(
                "[[route]]\npolicy = \"src-ip\"\nprefix = \"{prefix}\"\nsymmetric_reply = true\n\
                 [[route.nexthop]]\nip = \"172.18.0.101\"\nlladdr = \"{GW1}\"\n"
            )
        });
        write("n.toml", &routes[0]);
        write("z.txt", "{ct-zone-GR_worker-08_dnat=\"35\", ct-zone-pod=\"36\"}");
        let origs: Vec<Tuple> = (4000..4020)
            .flat_map(|port| {
                ["udp", "tcp"].map(|proto| tuple(&format!("{proto} 198.51.100.7:53 -> 10.244.0.5:{port}")))
            })
            .chain([tuple("icmp 198.51.100.7 -> 10.244.0.5 type 8 code 0 id 77")])
            .collect();
        ovs.sh(&origs
            .iter()
            .map(|it| format!("ovs-appctl netdev-dummy/receive p1 {}\n", frame(it)))
            .collect::<String>());
        ovs.wait_for(4 * origs.len());
        let node = Node { ovs, folder };
        let table = || -> BTreeSet<(Tuple, u16, u128)> { node.ovs.table().iter().map(|line| entry_of(line)).collect() };
        let before = table();
        assert_eq!(before.len(), 4 * origs.len());

        let flow = "--flow 'udp 10.244.0.5:4007 -> 198.51.100.7:53'";
        let (code, objects, stderr) = node.repair(flow);
        assert_eq!((code, count(&objects, "would", None)), (Some(0), 1), "{objects:#?}\n{stderr}");
        assert_eq!(table(), before, "a dry run");
        for method in ["unpin", "relabel"] {
            let (code, objects, _) = node.repair(&format!("--zone 35 {flow} --method {method} --apply"));
            let reason = if method == "unpin" { "not-expressible" } else { "relabel-target-unknown" };
            assert_eq!((code, count(&objects, "refused", Some(reason))), (Some(1), 1), "{objects:#?}");
        }
        assert_eq!(table(), before);

        let (code, objects, stderr) = node.repair(&format!("--zone 35 {flow} --apply"));
        assert_eq!((code, count(&objects, "done", None)), (Some(0), 1), "{objects:#?}\n{stderr}");
        let after = table();
        let gone: Vec<_> = before.difference(&after).collect();
        let expected = tuple("udp 198.51.100.7:53 -> 10.244.0.5:4007");
        assert!(matches!(gone[..], [(orig, 35, _)] if *orig == expected), "{gone:?}");
        assert!(after.is_subset(&before));

        // All that are left, in several dumps; TCP stays.
        let (code, objects, stderr) = node.repair("--all --apply");
        assert_eq!(code, Some(1));
        assert_eq!(count(&objects, "done", None), 20, "{objects:#?}\n{stderr}");
        assert_eq!(count(&objects, "refused", Some("tcp-delete")), 20, "{objects:#?}");
        let left = table();
        let gone: Vec<_> = after.difference(&left).collect();
        assert!(gone.len() == 20 && gone.iter().all(|(orig, zone, _)| *zone == 35 && orig.nw_proto != 6), "{gone:#?}");
        let journal = std::fs::read_to_string(node.folder.path().join("j.jsonl")).expect("it was written");
        assert_eq!(journal.lines().count(), 2 * 21);
        Ok(())
    });
}
