//! A worker with real OVN, a pod, the network that it stands in, and the gateways there.

mod daemons;
mod gateways;
mod network;
mod other_family;
mod second_network;
mod topology;

pub(crate) use self::daemons::Daemon;
pub(crate) use self::gateways::Spare;

use std::path::Path;
use std::process::{Command, Stdio};

use analyzer::types::MacAddr;

use crate::addresses::{Addresses, GW1, GW2, NODE};
use crate::daemon::Live;
use crate::datapath::Datapath;
use crate::gateway::Gateway;
use crate::keeper::{Keeper, LabNetns, stays};
use crate::netns::{Missing, Netns, require};
use crate::ovn::Ovn;
use crate::symmetric_replies::SymmetricReplies;

/// The NIC that packets leave by: the port of br-ex.
pub(crate) const NIC: &str = "uplink0";
/// MAC of the pod.
const POD_MAC: MacAddr = MacAddr([0x0a, 0x58, 0x0a, 0xf4, 0x03, 0x05]);

/// All of it. Dropping it ends all of it, unless it is to stay.
pub(crate) struct Node {
    addresses: Addresses,
    datapath: Datapath,
    ovn: Ovn,
    /// As northd wrote its flows at first.
    replies: Option<SymmetricReplies>,
    node: LabNetns,
    pod: LabNetns,
    wire: LabNetns,
    client: LabNetns,
    gateways: Vec<Gateway>,
    // Behind the namespaces, which it expects to be gone.
    keeper: Keeper,
}

impl Node {
    /// Brings it up: two gateways that are the next hops of the pod's routes, and the client behind them, whose packets
    /// come by the first.
    pub(crate) fn up(addresses: Addresses) -> Result<Self, Missing> {
        for (program, package) in [("tcpdump", "tcpdump"), ("ethtool", "ethtool"), ("sysctl", "procps")] {
            require(program, package)?;
        }
        let ovn = Ovn::chosen()?;
        let datapath = Datapath::chosen()?;
        let keeper = Keeper::new();
        let [node, pod, wire, client] = ["node", "pod", "wire", "client"].map(|name| keeper.netns(name));
        let (node, pod, wire, client) = (node?, pod?, wire?, client?);
        let mut lab =
            Self { addresses, datapath, ovn, replies: None, node, pod, wire, client, gateways: Vec::new(), keeper };
        lab.link();
        lab.add_gateway(0, GW1)?.up();
        lab.add_gateway(1, GW2)?.up();
        lab.start_ovs();
        lab.start_ovn();
        lab.draw_topology();
        lab.route(0);
        lab.route(1);
        lab.sync();
        lab.replies = Some(lab.symmetric_replies());
        lab.learn(0, GW1);
        lab.learn(1, GW2);
        lab.keep_conntrack_entries(lab.zone());
        Ok(lab)
    }

    /// Starts `analyzer live` as on a worker: it finds everything by itself.
    pub(crate) fn live(&self, arguments: &[&str]) -> Live {
        let given = ["live", "-i", "auto", "--format", "jsonl", "--sample", "1"];
        // Its command line shows whose it is.
        let history = self.folder().join("history.jsonl");
        let mut command = self.analyzer(&given);
        command.args(["--alert-state", "none", "--history"]).arg(history).args(arguments);
        if !arguments.contains(&"--syslog") {
            command.args(["--syslog", "none"]);
        }
        let live = Live::spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
        self.note("analyzer", u32::try_from(live.pid().as_raw_nonzero().get()).expect("it is positive"));
        live
    }

    /// The analyzer as a user on the node runs it.
    pub(crate) fn analyzer(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_analyzer"));
        command.args(arguments).stdin(Stdio::null());
        command
    }

    /// A command on the node that finds the lab's daemons.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = self.node.command("sh");
        let env = self.folder().join("env");
        command.args(["-c", ". \"$0\"; exec \"$@\""]).arg(env).arg(program);
        command
    }

    /// Runs a script on the node that finds the lab's daemons, and gives what it prints.
    pub(crate) fn sh(&self, script: &str) -> String {
        self.node.sh(&format!("set -e; . {}/env\n{script}", self.folder().display()))
    }

    /// How to look around in a lab that stays.
    fn tour(&self) -> String {
        let folder = self.folder().display();
        let enter = |netns: &Netns| format!("ip netns exec {}", netns.name());
        format!(
            "The lab stays. To look around:
    . {folder}/env      # then ovn-nbctl, ovn-sbctl, ovs-vsctl and ovs-appctl ask it; as
    ovn-nbctl lr-route-list GR_{NODE}
    ovs-appctl dpctl/dump-conntrack zone={zone}
    {node} {analyzer} live -i auto --history none
    {node} tcpdump -e -n -i {NIC}
    {pod} ip addr       # the pod, {pod_ip}
    {client} ip addr       # the client, {client_ip}
To end it:
    {folder}/down",
            zone = self.zone(),
            node = enter(&self.node),
            analyzer = env!("CARGO_BIN_EXE_analyzer"),
            pod = enter(&self.pod),
            client = enter(&self.client),
            pod_ip = self.addresses.pod,
            client_ip = self.addresses.client,
        )
    }

    pub(crate) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// What this OVN makes of symmetric replies.
    pub(crate) fn replies(&self) -> SymmetricReplies {
        self.replies.expect("it is read while the lab comes up")
    }

    pub(crate) fn datapath(&self) -> Datapath {
        self.datapath
    }

    pub(crate) fn folder(&self) -> &Path {
        self.keeper.folder()
    }

    /// Tells of a process that has to end with the lab.
    pub(crate) fn note(&self, name: &str, pid: u32) {
        self.keeper.note(name, pid);
    }

    pub(crate) fn netns(&self) -> &Netns {
        &self.node
    }

    pub(crate) fn wire(&self) -> &Netns {
        &self.wire
    }

    pub(crate) fn pod(&self) -> &Netns {
        &self.pod
    }

    pub(crate) fn client(&self) -> &Netns {
        &self.client
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Where it panics already, what it asks for may be what failed.
        if stays() && !std::thread::panicking() {
            println!("{}", self.tour());
        } else if stays() {
            println!("The lab stays: {folder}/env, and {folder}/down to end it", folder = self.folder().display());
        }
    }
}
