//! What a lab saw, kept as a case: a folder that `analyzer replay` reads on any machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

use serde_json::Value;

use crate::capture::{Capture, Seen};
use crate::node::Node;
use crate::watch::{GRACE, Told, told};
use crate::wire::Count;

/// Set by `cargo xtask lab --case`: the folder that the case goes to.
const CASE: &str = "ANALYZER_LAB_CASE";

/// Dumps by the names of their files, and the commands that print them.
const DUMPS: [(&str, &str); 5] = [
    ("ct-zones.txt", "ovs-vsctl --columns=external_ids list bridge br-int"),
    ("lr-route-list.txt", "ovn-nbctl lr-route-list GR_worker-08"),
    ("mac_binding.txt", "ovn-sbctl list mac_binding"),
    ("datapath_binding.txt", "ovn-sbctl list datapath_binding"),
    ("port_binding.txt", "ovn-sbctl list port_binding"),
];

/// A case that is being written.
pub(crate) struct Case {
    folder: PathBuf,
    /// What passes the NIC, both ways.
    capture: Capture,
}

impl Case {
    /// Starts its capture.
    pub(crate) fn begin(node: &Node) -> Self {
        let folder = node.folder().join("case");
        fs::create_dir(&folder).expect("the folder of the lab is ours");
        let capture = Capture::start(node, &folder.join("egress.pcap"), "inout");
        Self { folder, capture }
    }

    /// Takes the conntrack table as it is now, for one that would be taken later tells less. Only the first time counts.
    pub(crate) fn take_conntrack(&self, node: &Node) {
        let file = self.folder.join("conntrack.txt");
        if !file.exists() {
            fs::write(file, node.sh("ovs-appctl dpctl/dump-conntrack")).expect("the folder of the lab is ours");
        }
    }

    /// Takes the dumps that go with it, and all packets that were seen. The database files have the history of each row.
    pub(crate) fn dump(&self, node: &Node, seen: &Seen) {
        self.capture.catch_up(seen);
        self.take_conntrack(node);
        for (name, command) in DUMPS {
            fs::write(self.folder.join(name), node.sh(command)).expect("the folder of the lab is ours");
        }
        for database in ["ovnnb.db", "ovnsb.db"] {
            fs::copy(node.folder().join(database), self.folder.join(database)).expect("the server writes it");
        }
        fs::write(self.folder.join("args"), format!("--grace\n{GRACE}\n")).expect("the folder of the lab is ours");
    }

    /// What replay finds in it.
    pub(crate) fn replay(&self, node: &Node) -> BTreeMap<Told, Count> {
        let mut command = node.analyzer(&["replay", "--format", "jsonl", "--grace", GRACE]);
        let output = command.arg(&self.folder).output().expect("ip can be run");
        let text = String::from_utf8(output.stdout).expect("JSON is UTF-8");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code().is_some_and(|code| code != 2), "{}: {complaint}", output.status);
        let objects = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        told(&objects.filter(|object| object["type"] == "finding").collect::<Vec<_>>())
    }

    /// Hands it over, where that was asked for, with a README that says what has to come out.
    pub(crate) fn keep(&self, node: &Node, expected: &BTreeMap<Told, Count>) {
        let Some(to) = env::var_os(CASE).map(PathBuf::from) else { return };
        fs::write(self.folder.join("README.md"), readme(node, &to, expected)).expect("the folder of the lab is ours");
        fs::create_dir_all(&to).unwrap_or_else(|error| panic!("{}: {error}", to.display()));
        for file in self.folder.read_dir().expect("the folder of the lab is ours") {
            let file = file.expect("the folder of the lab is ours");
            let to = to.join(file.file_name());
            fs::copy(file.path(), &to).unwrap_or_else(|error| panic!("{}: {error}", to.display()));
        }
    }
}

/// Where a case comes from, and what must come out.
fn readme(node: &Node, to: &Path, expected: &BTreeMap<Told, Count>) -> String {
    let versions = node.sh("ovn-northd --version | head -n 1; ovs-vswitchd --version | head -n 1");
    let name = to.file_name().unwrap_or_default().display();
    let mut text = format!(
        "# {name}: a scenario of the lab\n\nWritten by `cargo xtask lab --case`, with real OVN; `tests/lab/scenarios/` tells what happens.\n\n",
    );
    for version in versions.lines() {
        text += &format!("- {version}\n");
    }
    text += "\nWhat tcpdump counted of the packets that have to be told of, by flow; all others have to conform:\n\n";
    for ((reason, flow, eth_dst), count) in expected {
        let flow: Value = serde_json::from_str(flow).expect("it was JSON");
        let part = |key: &str| match &flow[key] {
            Value::Null => "-".to_owned(),
            Value::String(text) => text.clone(),
            number => number.to_string(),
        };
        let [proto, src, sport, dst, dport] = ["proto", "src", "sport", "dst", "dport"].map(part);
        text +=
            &format!("- {reason}: {proto} {src} {sport} -> {dst} {dport} to {eth_dst}, {} packets\n", count.packets);
    }
    if expected.is_empty() {
        text += "- nothing\n";
    }
    text += "\n| file | from |\n|---|---|\n| `egress.pcap` | `tcpdump` on the egress NIC, both ways |\n\
             | `conntrack.txt` | `ovs-appctl dpctl/dump-conntrack` |\n\
             | `ovnnb.db`, `ovnsb.db` | the database files, with the dates of their transactions |\n\
             | `args` | the grace that the daemon gave, too |\n";
    for (name, command) in DUMPS {
        text += &format!("| `{name}` | `{command}` |\n");
    }
    text
}
