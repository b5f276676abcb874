//! The table of ovs-vswitchd: one of several entries goes, then as many as a daemon may take, then the rest.

use std::collections::BTreeSet;

use analyzer::types::{MacAddr, Tuple};
use serde_json::Value;

use crate::common::TempDir;
use crate::netns::{Missing, run};
use crate::ovs::{Ovs, frame};
use crate::world::{DEAD, GW1, count, lflow_list, tuple};

/// Original tuple, zone and label.
type Entry = (Tuple, u16, u128);

struct Node {
    ovs: Ovs,
    folder: TempDir,
}

impl Node {
    /// Entries of these connections in a router's zone and a pod's, in a third that holds a live MAC, and in the host's.
    fn new(origs: &[Tuple]) -> Result<Self, Missing> {
        let commit = |zone: u16, mac: MacAddr| {
            let label = u128::from(mac.to_bits()) << 32;
            format!("ct(commit,zone={zone},exec(set_field:0x20002->ct_mark,set_field:{label:#x}->ct_label))")
        };
        let commits = [commit(35, DEAD), commit(36, DEAD), commit(37, GW1), "ct(commit,zone=0)".to_owned()].join(",");
        let ovs = Ovs::start(&[format!("in_port=1,ip,actions={commits}")])?;
        let packets = origs.iter().map(|it| format!("ovs-appctl netdev-dummy/receive p1 {}\n", frame(it)));
        ovs.sh(&packets.collect::<String>());
        ovs.wait_for(4 * origs.len());
        let node = Self { ovs, folder: TempDir::new() };
        let route = format!(
            "[[route]]\npolicy = \"src-ip\"\nprefix = \"10.244.0.5/32\"\nsymmetric_reply = true\n\
             [[route.nexthop]]\nip = \"172.18.0.101\"\nlladdr = \"{GW1}\"\n"
        );
        node.write("n.toml", &route);
        node.write("f.txt", &lflow_list("ct_mark"));
        node.write("z.txt", "{ct-zone-GR_worker-08_dnat=\"35\", ct-zone-pod=\"36\"}");
        Ok(node)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).expect("the folder is ours");
    }

    /// Exit status, objects and messages of a command of the analyzer; the socket of ovs-vswitchd is `$SOCKET`.
    fn analyzer(&self, arguments: &str, southbound: &str) -> (Option<i32>, Vec<Value>, String) {
        let folder = self.folder.path().display();
        let command = format!(
            "SOCKET=$OVS_RUNDIR/ovs-vswitchd.$(cat $OVS_RUNDIR/ovs-vswitchd.pid).ctl
             {} {arguments} --nb none --sb {southbound} --vswitchd $SOCKET --nexthops {folder}/n.toml --format jsonl",
            env!("CARGO_BIN_EXE_analyzer")
        );
        let output = self.ovs.command(&command).output().expect("ip can be run");
        let stdout = String::from_utf8_lossy(&output.stdout);
        let objects = stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        (output.status.code(), objects, String::from_utf8_lossy(&output.stderr).into_owned())
    }

    fn repair(&self, arguments: &str) -> (Option<i32>, Vec<Value>, String) {
        let folder = self.folder.path().display();
        let files = format!("--ct-zones {folder}/z.txt --logical-flows {folder}/f.txt --journal {folder}/j.jsonl");
        self.analyzer(&format!("repair --ovs none --datapath userspace --settle 0 {files} {arguments}"), "none")
    }

    fn table(&self) -> BTreeSet<Entry> {
        let entry = |line: &String| {
            let read = analyzer::conntrack::text::parse_line(line).expect("OVS prints entries");
            let read = read.expect("a line is an entry");
            (read.orig, read.zone, read.label)
        };
        self.ovs.table().iter().map(entry).collect()
    }

    fn journal_lines(&self) -> usize {
        std::fs::read_to_string(self.folder.path().join("j.jsonl")).map_or(0, |text| text.lines().count())
    }
}

#[test]
fn one_of_several_entries_goes() {
    run(|| {
        let ports = 4000..4020;
        let of = |port| ["udp", "tcp"].map(|proto| tuple(&format!("{proto} 198.51.100.7:53 -> 10.244.0.5:{port}")));
        let echo = tuple("icmp 198.51.100.7 -> 10.244.0.5 type 8 code 0 id 77");
        let origs: Vec<Tuple> = ports.flat_map(of).chain([echo]).collect();
        let node = Node::new(&origs)?;
        let before = node.table();
        assert_eq!(before.len(), 4 * origs.len());

        // Without a zone's name nobody knows what to ask for, which is not the same as that there is nothing.
        node.write("z.txt", "{ct-zone-pod=\"36\"}");
        let (code, objects, stderr) = node.repair("--all");
        assert_eq!((code, objects.len()), (Some(2), 0), "{objects:#?}\n{stderr}");
        assert!(stderr.contains("--ct-zones"), "{stderr}");
        // Several zones are read one after the other, however little the daemon may be asked.
        node.write("z.txt", "{ct-zone-GR_worker-08_dnat=\"35\", ct-zone-GR_b_dnat=\"37\", ct-zone-GR_c_dnat=\"38\"}");
        let (code, objects, stderr) = node.repair("--all");
        assert_eq!((code, count(&objects, "would", None)), (Some(1), 21), "{objects:#?}\n{stderr}");
        node.write("z.txt", "{ct-zone-GR_worker-08_dnat=\"35\", ct-zone-pod=\"36\"}");

        let flow = "--flow 'udp 10.244.0.5:4007 -> 198.51.100.7:53'";
        let (code, objects, stderr) = node.repair(flow);
        assert_eq!((code, count(&objects, "would", None)), (Some(0), 1), "{objects:#?}\n{stderr}");
        assert_eq!(node.table(), before, "a dry run");
        for method in ["unpin", "relabel"] {
            let (code, objects, _) = node.repair(&format!("--zone 35 {flow} --method {method} --apply"));
            let reason = if method == "unpin" { "not-expressible" } else { "relabel-target-unknown" };
            assert_eq!((code, count(&objects, "refused", Some(reason))), (Some(1), 1), "{objects:#?}");
        }
        assert_eq!((node.table(), node.journal_lines()), (before.clone(), 0));

        let (code, objects, stderr) = node.repair(&format!("--zone 35 {flow} --apply"));
        assert_eq!((code, count(&objects, "done", None)), (Some(0), 1), "{objects:#?}\n{stderr}");
        let after = node.table();
        let gone: Vec<_> = before.difference(&after).collect();
        let expected = tuple("udp 198.51.100.7:53 -> 10.244.0.5:4007");
        assert!(matches!(gone[..], [(orig, 35, _)] if *orig == expected), "{gone:?}");
        assert!(after.is_subset(&before));

        // A daemon takes seven, and says of the others why not.
        node.ovs.sh("ip link set lo up
            ovs-vsctl --timeout=60 add-br br-int -- set bridge br-int datapath_type=dummy \
                -- br-set-external-id br-int ct-zone-GR_worker-08_dnat 35 \
                -- br-set-external-id br-int ct-zone-GR_b_dnat 37
            ovsdb-tool create $OVS_RUNDIR/sb.db /usr/share/ovn/ovn-sb.ovsschema
            ovs-appctl -t ovsdb-server ovsdb-server/add-db $OVS_RUNDIR/sb.db
            ovsdb-client --timeout=60 transact unix:$OVS_RUNDIR/db.sock '[\"OVN_Southbound\", {\"op\": \"insert\", \
                \"table\": \"SB_Global\", \"row\": {\"options\": [\"map\", [[\"northd_internal_version\", \
                \"26.03.1-21.8.0-82.14\"]]]}}]'");
        let options = format!(
            "-i lo --ovs unix:$OVS_RUNDIR/db.sock --conntrack userspace --conntrack-interval 1 --history none --duration 8 --repair delete \
             --repair-settle 0 --repair-rate 7 --repair-journal {}/j.jsonl",
            node.folder.path().display()
        );
        let (code, _, stderr) = node.analyzer(&format!("live {options}"), "unix:$OVS_RUNDIR/db.sock");
        assert_eq!(code.map(|code| code == 2), Some(false), "{stderr}");
        assert_eq!(stderr.matches("done: delete the entry; it is gone").count(), 7, "{stderr}");
        let counts = [("refused (tcp-delete)", 20), ("refused (rate-limit)", 1), ("failed", 0)];
        assert_eq!(counts.map(|(text, _)| (text, stderr.matches(text).count())), counts, "{stderr}");
        let left = node.table();
        let gone: Vec<_> = after.difference(&left).collect();
        let is_meant = |(orig, zone, _): &&Entry| *zone == 35 && orig.nw_proto != 6;
        assert!(gone.len() == 7 && gone.iter().all(is_meant) && left.is_subset(&after), "{gone:#?}");

        // The rest; TCP stays.
        let (code, objects, stderr) = node.repair("--all --apply");
        assert_eq!(code, Some(1), "{stderr}");
        assert_eq!(count(&objects, "done", None), 13, "{objects:#?}\n{stderr}");
        assert_eq!(count(&objects, "refused", Some("tcp-delete")), 20, "{objects:#?}");
        let last = node.table();
        let gone: Vec<_> = left.difference(&last).collect();
        assert!(gone.len() == 13 && gone.iter().all(is_meant) && last.is_subset(&left), "{gone:#?}");
        assert_eq!(node.journal_lines(), 2 * 21);
        Ok(())
    });
}
