//! A node: a namespace with a table of mixed entries, a file of next hops and a file of zone names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use analyzer::engine::fact::Connection;
use analyzer::netlink::conntrack::Table;
use analyzer::netlink::conntrack::dump::Filter;
use analyzer::netlink::conntrack::entry::Entry;
use analyzer::types::{MacAddr, Tuple};
use serde_json::Value;

use crate::common::TempDir;
use crate::ctnetlink::{self, Writer};
use crate::netns::{Missing, Netns, require};

/// MACs of two gateways, and the one that the first had before.
pub(crate) const GW1: MacAddr = MacAddr([2, 0, 0, 0, 1, 1]);
pub(crate) const GW2: MacAddr = MacAddr([2, 0, 0, 0, 1, 2]);
pub(crate) const DEAD: MacAddr = MacAddr([0xce, 0x73, 0x29, 0x66, 0x39, 0xa4]);
/// Zone of the gateway router.
pub(crate) const ROUTER_ZONE: u16 = 35;
/// Zone of a pod.
pub(crate) const POD_ZONE: u16 = 36;
/// A zone that nobody names.
pub(crate) const UNNAMED_ZONE: u16 = 37;

/// Where the port stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    Mark,
    Label,
    Both,
}

pub(crate) fn tuple(text: &str) -> Tuple {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// The entry that a gateway router makes for a connection from outside: the flow that leaves is the answer.
pub(crate) fn labelled(leaving: Tuple, zone: u16, mac: MacAddr, form: Form) -> Connection {
    let mac = mac.0.iter().fold(0_u128, |bits, &octet| bits << 8 | u128::from(octet)) << 32;
    // Bits beside the fields, which are to stay: natted, and an id of an observation.
    let (mark, label) = (2, mac | 0xabcd << 96 | 3);
    let (mark, label) = match form {
        Form::Mark => (mark | 2 << 16, label),
        Form::Label => (mark, label | 2 << 80),
        Form::Both => (mark | 2 << 16, label | 2 << 80),
    };
    Connection { orig: leaving.reversed(), reply: leaving, zone, mark, label, id: None, offloaded: false, dying: false }
}

/// Flows that leave, of each protocol and family.
pub(crate) fn flows(port: u16) -> Vec<Tuple> {
    let (pod, client) = ("10.244.0.5", "198.51.100.7");
    let (pod6, client6) = ("fd00:10::5", "2001:db8::7");
    let mut flows = Vec::new();
    for proto in ["udp", "tcp", "sctp"] {
        flows.push(tuple(&format!("{proto} {pod}:{port} -> {client}:53")));
        flows.push(tuple(&format!("{proto} [{pod6}]:{port} -> [{client6}]:53")));
    }
    flows.push(tuple(&format!("icmp {pod} -> {client} type 0 code 0 id {port}")));
    flows.push(tuple(&format!("icmpv6 {pod6} -> {client6} type 129 code 0 id {port}")));
    let gre = tuple(&format!("gre {pod} -> {client}"));
    flows.push(Tuple { tp_src: port, tp_dst: port, ..gre });
    flows
}

/// An entry whose destination was translated to the pod.
pub(crate) fn translated(port: u16, mac: MacAddr, form: Form) -> Connection {
    let leaving = tuple(&format!("udp 10.244.0.5:{port} -> 198.51.100.9:5060"));
    Connection { orig: tuple("udp 198.51.100.9:5060 -> 172.18.0.4:30000"), ..labelled(leaving, ROUTER_ZONE, mac, form) }
}

/// A table of everything: those that are stale in the router's zone, and their look-alikes.
pub(crate) fn mixed(form: Form) -> (Vec<Connection>, Vec<Connection>) {
    let (mut stale, mut others) = (Vec::new(), Vec::new());
    for flow in flows(4000) {
        stale.push(labelled(flow, ROUTER_ZONE, DEAD, form));
        // The same tuple in other zones, with the same label, with another and with none.
        others.push(labelled(flow, 0, DEAD, form));
        others.push(labelled(flow, POD_ZONE, DEAD, form));
        others.push(labelled(flow, UNNAMED_ZONE, GW2, form));
        others.push(Connection { label: 0, mark: 1, ..labelled(flow, 64000, DEAD, form) });
    }
    stale.push(translated(4100, DEAD, form));
    for flow in flows(4001) {
        others.push(labelled(flow, ROUTER_ZONE, GW1, form));
    }
    for flow in flows(4002) {
        // OVN does not apply the MAC where the port is 0.
        let unpinned = labelled(flow, ROUTER_ZONE, DEAD, Form::Mark);
        others.push(Connection { mark: 2, ..unpinned });
        others.push(Connection { label: 0, mark: 0, ..labelled(flow, 0, DEAD, form) });
    }
    (stale, others)
}

/// A namespace, its table, and the files that tell of it.
pub(crate) struct World {
    pub(crate) netns: Netns,
    pub(crate) folder: TempDir,
}

impl World {
    pub(crate) fn new(purpose: &str) -> Result<Self, Missing> {
        require("nft", "nftables")?;
        require("conntrack", "conntrack")?;
        let world = Self { netns: Netns::new(purpose)?, folder: TempDir::new() };
        world.netns.sh(ctnetlink::ENABLE_LABELS);
        world.write("nexthops.toml", &nexthops_toml());
        world.write("lflow-list.txt", &lflow_list("ct_mark"));
        world.write(
            "zones.txt",
            &format!(
                "{{ct-zone-GR_worker-08_dnat=\"{ROUTER_ZONE}\", ct-zone-GR_worker-08_snat=\"0\", ct-zone-pod=\"{POD_ZONE}\"}}"
            ),
        );
        Ok(world)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("the folder is ours");
    }

    pub(crate) fn create(&self, entries: &[Connection]) {
        self.netns.inside(|| Writer::open().create(entries));
    }

    /// Every entry of the table, without what time alone changes.
    pub(crate) fn table(&self) -> BTreeMap<(u16, Tuple), Entry> {
        self.netns.inside(|| {
            let mut entries = BTreeMap::new();
            let table = Table::open().expect("there is conntrack");
            let dumped = table
                .dump(&Filter::default(), |entry| {
                    let key = (entry.connection.zone, entry.connection.orig);
                    entries.insert(key, Entry { timeout: None, ..entry.clone() });
                })
                .expect("root may dump");
            assert_eq!((dumped.told, dumped.unreadable), (entries.len() as u64, 0), "{dumped:?}");
            entries
        })
    }

    /// What conntrack(8) says of it, without timeouts.
    pub(crate) fn witness(&self) -> BTreeSet<String> {
        let text = self.netns.sh("conntrack -L -f ipv4 -o id 2>/dev/null; conntrack -L -f ipv6 -o id 2>/dev/null");
        let line = |line: &str| {
            let words: Vec<_> = line.split_whitespace().collect();
            [&words[..2], &words[3..]].concat().join(" ")
        };
        text.lines().map(line).collect()
    }

    /// Runs `analyzer repair` in the namespace; nothing of the machine's own is asked.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("ip can be run")
    }

    /// Starts it, with what it says piped.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("ip can be run")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.netns.command(env!("CARGO_BIN_EXE_analyzer"));
        command.args(["repair", "--nb", "none", "--sb", "none", "--ovs", "none", "--format", "jsonl"]);
        command.arg("--nexthops").arg(self.path("nexthops.toml")).arg("--ct-zones").arg(self.path("zones.txt"));
        command.arg("--logical-flows").arg(self.path("lflow-list.txt"));
        if !arguments.contains(&"--journal") {
            command.arg("--journal").arg(self.path("journal.jsonl"));
        }
        command.args(arguments).stdin(Stdio::null());
        command
    }

    /// Its exit status and objects.
    pub(crate) fn repair(&self, arguments: &[&str]) -> (Option<i32>, Vec<Value>) {
        let output = self.run(arguments);
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.code().is_some_and(|code| code < 2), "{stderr}");
        let object = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let repairs = stdout.lines().map(object).filter(|object: &Value| object["type"] == "repair");
        (output.status.code(), repairs.collect())
    }

    /// Lines of the journal.
    pub(crate) fn journal(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path("journal.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
    }
}

/// Symmetric routes by source for the pod's addresses. The first gateway had another MAC until long ago.
fn nexthops_toml() -> String {
    let mut text = String::new();
    for (pod, first, second) in
        [("10.244.0.5/32", "172.18.0.101", "172.18.0.102"), ("fd00:10::5/128", "fd00:18::101", "fd00:18::102")]
    {
        text += &format!(
            "[[route]]\npolicy = \"src-ip\"\nprefix = \"{pod}\"\nsymmetric_reply = true\nport_key = 2\n
             [[route.nexthop]]\nip = \"{first}\"\nlladdr = \"{DEAD}\"\nuntil = \"2022-06-07T20:13:55Z\"\n
             [[route.nexthop]]\nip = \"{first}\"\nlladdr = \"{GW1}\"\nsince = \"2022-06-07T20:13:55Z\"\n
             [[route.nexthop]]\nip = \"{second}\"\nlladdr = \"{GW2}\"\n"
        );
    }
    text
}

/// Logical flows that read ports in the mark (`ct_mark`) or in the label.
pub(crate) fn lflow_list(form: &str) -> String {
    let port = format!("{form}.ecmp_reply_port == 2");
    let flow = |stage, priority, expression: &str| {
        format!("  table=22({stage}), priority={priority}, match=({expression}), action=(next;)\n")
    };
    let heading = "Datapath: \"GR_worker-08\" (34f0d159-892f-4f8b-8b3c-313279b091d3)  Pipeline: ingress\n";
    let mut text = heading.to_owned() + &flow("lr_in_arp_resolve", 200, &port) + &flow("lr_in_arp_resolve", 0, "1");
    for pod in ["ip4.src == 10.244.0.5/32", "ip6.src == fd00:10::5/128"] {
        text += &flow("lr_in_ip_routing", 10300, &format!("{port} && reg7 == 0 && {pod}"));
    }
    text
}

/// How many objects have this outcome and reason.
pub(crate) fn count(objects: &[Value], outcome: &str, reason: Option<&str>) -> usize {
    objects.iter().filter(|object| object["outcome"] == outcome && object["reason"] == Value::from(reason)).count()
}
