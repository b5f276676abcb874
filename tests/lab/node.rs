//! A worker with real OVN, a pod, the network that it stands in, and the gateways there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use analyzer::types::MacAddr;

use crate::addresses::{Addresses, GW1, GW1_NEW, GW2, NODE, ROUTER};
use crate::daemon::{Live, pause};
use crate::gateway::{Gateway, V6_AT_ONCE, WITHOUT_V6, without_offloads};
use crate::keeper::{Keeper, LabNetns, stays};
use crate::netns::{Missing, Netns, require};

/// The NIC that packets leave by: the port of br-ex.
pub(crate) const NIC: &str = "uplink0";
/// MAC of the pod.
const POD_MAC: MacAddr = MacAddr([0x0a, 0x58, 0x0a, 0xf4, 0x03, 0x05]);

/// All of it. Dropping it ends all of it, unless it is to stay.
pub(crate) struct Node {
    addresses: Addresses,
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
        for (program, package) in [
            ("ovs-vswitchd", "openvswitch-switch"),
            ("ovsdb-tool", "openvswitch-common"),
            ("ovn-northd", "ovn-central"),
            ("ovn-nbctl", "ovn-common"),
            ("ovn-controller", "ovn-host"),
            ("tcpdump", "tcpdump"),
            ("ethtool", "ethtool"),
            ("sysctl", "procps"),
        ] {
            require(program, package)?;
        }
        let keeper = Keeper::new();
        let [node, pod, wire, client] = ["node", "pod", "wire", "client"].map(|name| keeper.netns(name));
        let (node, pod, wire, client) = (node?, pod?, wire?, client?);
        let mut lab = Self { addresses, node, pod, wire, client, gateways: Vec::new(), keeper };
        lab.link();
        lab.add_gateway(0, GW1)?.up();
        lab.add_gateway(1, GW2)?.up();
        lab.start_ovs();
        lab.start_ovn();
        lab.draw_topology();
        lab.route(0);
        lab.route(1);
        lab.sync();
        lab.learn(0, GW1);
        lab.learn(1, GW2);
        lab.keep_conntrack_entries();
        Ok(lab)
    }

    /// Links and addresses of all that is no gateway.
    fn link(&self) {
        let Addresses { pod, pod_gateway, client, cluster, inner, .. } = self.addresses;
        let version = if self.addresses.is_v6 { V6_AT_ONCE } else { WITHOUT_V6 };
        self.wire
            .sh(&format!("set -e; {WITHOUT_V6}; ip link add bridge up type bridge forward_delay 0 mcast_snooping 0"));
        self.client.sh(&format!(
            "set -e; {version}
            ip link set lo up
            ip link add bridge up type bridge forward_delay 0 mcast_snooping 0
            ip addr add {client} dev bridge
            {ip} route add {cluster} via {first}",
            client = self.addresses.on_link(client),
            ip = self.addresses.ip(),
            first = inner[0],
        ));
        self.pod.sh(version);
        self.node.sh(&format!(
            "set -e; {WITHOUT_V6}
            ip link set lo up
            ip link add {NIC} up type veth peer name {NIC} netns {wire}
            ip link add default_pod up type veth peer name eth0 netns {pod}",
            wire = self.wire.name(),
            pod = self.pod.name(),
        ));
        self.wire.sh(&format!("ip link set {NIC} master bridge up"));
        self.pod.sh(&format!(
            "set -e
            ip link set lo up
            ip link set eth0 address {POD_MAC} mtu 1400 up
            ip addr add {pod} dev eth0
            {ip} route add default via {pod_gateway}",
            pod = self.addresses.on_link(pod),
            ip = self.addresses.ip(),
        ));
        without_offloads(self.node.name(), NIC);
        without_offloads(self.node.name(), "default_pod");
        without_offloads(self.pod.name(), "eth0");
    }

    fn add_gateway(&mut self, number: usize, mac: MacAddr) -> Result<&Gateway, Missing> {
        let gateway = Gateway::new(&self.keeper, self.addresses, number, mac, &self.wire, &self.client)?;
        self.gateways.push(gateway);
        Ok(self.gateways.last().expect("one was pushed"))
    }

    /// Open vSwitch with the bridges of a worker.
    fn start_ovs(&self) {
        let folder = self.folder().display();
        let variables = ["RUNDIR", "LOGDIR", "DBDIR", "SYSCONFDIR"].iter();
        let variables: String =
            variables.map(|name| format!("export OVS_{name}={folder} OVN_{name}={folder}\n")).collect();
        let environment =
            format!("{variables}export OVN_NB_DB=unix:{folder}/ovnnb_db.sock OVN_SB_DB=unix:{folder}/ovnsb_db.sock\n");
        fs::write(self.folder().join("env"), environment).expect("the folder is ours");
        self.sh(&format!(
            "cd {folder}
            serve() {{
                ovsdb-tool create {folder}/$1.db $3
                ovsdb-server {folder}/$1.db --remote=punix:{folder}/$2.sock --unixctl={folder}/$1.ctl \
                    --pidfile={folder}/$1.pid --log-file={folder}/$1.log -vconsole:off -vsyslog:off --no-chdir --detach
            }}
            serve conf db /usr/share/openvswitch/vswitch.ovsschema
            serve ovnnb ovnnb_db /usr/share/ovn/ovn-nb.ovsschema
            serve ovnsb ovnsb_db /usr/share/ovn/ovn-sb.ovsschema
            ovs-vsctl --no-wait init -- set open . \
                other_config:n-handler-threads=1 other_config:n-revalidator-threads=1 \
                external_ids:system-id={NODE} external_ids:hostname={NODE} \
                external_ids:ovn-remote=$OVN_SB_DB external_ids:ovn-encap-type=geneve \
                external_ids:ovn-encap-ip=127.0.0.1 external_ids:ovn-bridge-datapath-type=netdev \
                external_ids:ovn-bridge-mappings=physnet:br-ex external_ids:ovn-monitor-all=true
            ovs-vswitchd --disable-system --pidfile={folder}/ovs-vswitchd.pid \
                --log-file={folder}/ovs-vswitchd.log -vconsole:off -vsyslog:off --no-chdir --detach
            ovs-vsctl --timeout=30 \
                -- add-br br-int -- set bridge br-int datapath_type=netdev fail-mode=secure \
                -- add-br br-ex -- set bridge br-ex datapath_type=netdev fail-mode=standalone \
                -- add-port br-ex {NIC} \
                -- add-port br-int default_pod -- set interface default_pod external_ids:iface-id=default_pod"
        ));
    }

    /// northd and the controller.
    fn start_ovn(&self) {
        let folder = self.folder().display();
        self.sh(&format!(
            "ovn-nbctl init; ovn-sbctl init
            ovn-northd --ovnnb-db=$OVN_NB_DB --ovnsb-db=$OVN_SB_DB \
                --pidfile={folder}/ovn-northd.pid --log-file={folder}/ovn-northd.log -vconsole:off -vsyslog:off \
                --no-chdir --detach
            ovn-controller unix:{folder}/db.sock --pidfile={folder}/ovn-controller.pid \
                --log-file={folder}/ovn-controller.log -vconsole:off -vsyslog:off --no-chdir --detach"
        ));
    }

    /// What OVN-Kubernetes writes for a node and a pod, in the shared gateway mode.
    fn draw_topology(&self) {
        let Addresses { pod, pod_gateway, cluster, join_cluster, join_router, join_len, router, .. } = self.addresses;
        let Addresses { default_gateway, default_route, .. } = self.addresses;
        let subnet = self.addresses.on_link(pod_gateway);
        let external = self.addresses.on_link(router);
        // The switch's port towards a router's.
        let patch = |switch: &str, port: &str, peer: &str| {
            format!(
                "-- lsp-add {switch} {port} -- lsp-set-type {port} router -- lsp-set-addresses {port} router \
                 -- lsp-set-options {port} router-port={peer} "
            )
        };
        self.sh(&format!(
            "ovn-nbctl --timeout=30 \
                ls-add {NODE} -- lsp-add {NODE} default_pod -- lsp-set-addresses default_pod '{POD_MAC} {pod}' \
                -- ls-add join -- lr-add ovn_cluster_router \
                -- lrp-add ovn_cluster_router rtos-{NODE} 0a:58:0a:f4:03:01 {subnet} {stor}\
                -- lrp-add ovn_cluster_router rtoj-ovn_cluster_router 0a:58:64:40:00:01 {join_cluster}/{join_len} {jtor}
            ovn-nbctl --timeout=30 lr-add GR_{NODE} \
                -- set logical_router GR_{NODE} options:chassis={NODE} options:always_learn_from_arp_request=false \
                    options:dynamic_neigh_routers=true options:snat-ct-zone=0 \
                -- lrp-add GR_{NODE} rtoj-GR_{NODE} 0a:58:64:40:00:09 {join_router}/{join_len} {jtor_gr}\
                -- ls-add ext_{NODE} \
                -- lrp-add GR_{NODE} rtoe-GR_{NODE} {ROUTER} {external} {etor}\
                -- lsp-add ext_{NODE} br-ex_{NODE} -- lsp-set-type br-ex_{NODE} localnet \
                -- lsp-set-addresses br-ex_{NODE} unknown -- lsp-set-options br-ex_{NODE} network_name=physnet
            ovn-nbctl --timeout=30 --policy=src-ip lr-route-add ovn_cluster_router {subnet} {join_router} \
                -- lr-route-add GR_{NODE} {cluster} {join_cluster} \
                -- lr-route-add GR_{NODE} {default_route} {default_gateway} rtoe-GR_{NODE}",
            stor = patch(NODE, &format!("stor-{NODE}"), &format!("rtos-{NODE}")),
            jtor = patch("join", "jtor-ovn_cluster_router", "rtoj-ovn_cluster_router"),
            jtor_gr = patch("join", &format!("jtor-GR_{NODE}"), &format!("rtoj-GR_{NODE}")),
            etor = patch(&format!("ext_{NODE}"), &format!("etor-GR_{NODE}"), &format!("rtoe-GR_{NODE}")),
        ));
    }

    /// Makes the gateway address of this number a next hop of the pod's symmetric route, without BFD.
    pub(crate) fn route(&self, number: usize) {
        let Addresses { pod, gateways, .. } = self.addresses;
        self.sh(&format!(
            "ovn-nbctl --timeout=30 --policy=src-ip --ecmp-symmetric-reply \
             lr-route-add GR_{NODE} {pod} {} rtoe-GR_{NODE}",
            gateways[number]
        ));
    }

    /// Takes it from the route's next hops and waits until the flows of the bridge say so.
    pub(crate) fn unroute(&self, number: usize) {
        let Addresses { pod, gateways, .. } = self.addresses;
        self.sh(&format!(
            "ovn-nbctl --timeout=30 --policy=src-ip lr-route-del GR_{NODE} {pod} {} rtoe-GR_{NODE}",
            gateways[number]
        ));
        self.sync();
    }

    /// Waits until the flows of the bridge are what the Northbound database says.
    pub(crate) fn sync(&self) {
        self.sh("ovn-nbctl --timeout=60 --wait=hv sync");
    }

    /// Waits until OVN has bound the address of the gateway to this MAC, with the gateway's help.
    fn learn(&self, gateway: usize, mac: MacAddr) {
        let gateway = &self.gateways[gateway];
        let query = format!("ovn-sbctl --timeout=30 --bare --columns=mac find mac_binding ip='\"{}\"'", gateway.ip());
        for _ in 0..100 {
            if self.sh(&query).trim() == mac.to_string() {
                return;
            }
            gateway.announce();
            gateway.greet();
            pause(100);
        }
        panic!("OVN does not learn that {} is at {mac}", gateway.ip());
    }

    /// OVS 3.1.0 aborts when a packet meets a translated entry that has expired and is still there (mended in 3.1.3), so
    /// none expires.
    fn keep_conntrack_entries(&self) {
        let zone = self.zone();
        self.sh(&format!(
            "ovs-vsctl --timeout=30 add-zone-tp netdev zone={zone} udp_first=600 udp_single=600 udp_multiple=600"
        ));
    }

    /// The conntrack zone in which the gateway router tracks.
    pub(crate) fn zone(&self) -> u16 {
        let zone = self.sh(&format!(
            "datapath=$(ovn-sbctl --timeout=30 --bare --columns=_uuid find datapath_binding external_ids:name=GR_{NODE})
            ovs-vsctl --timeout=30 get bridge br-int external_ids:ct-zone-${{datapath}}_dnat"
        ));
        zone.trim().trim_matches('"').parse().unwrap_or_else(|error| panic!("{zone}: {error}"))
    }

    /// The lines of the conntrack table in this zone.
    pub(crate) fn entries(&self, zone: u16) -> BTreeSet<String> {
        self.sh(&format!("ovs-appctl dpctl/dump-conntrack zone={zone}")).lines().map(str::to_owned).collect()
    }

    /// A third gateway, up. It is a next hop once it is [routed](Self::route) to.
    pub(crate) fn third_gateway(&mut self, mac: MacAddr) -> Result<(), Missing> {
        self.add_gateway(2, mac)?.up();
        self.learn(2, mac);
        Ok(())
    }

    /// The first gateway dies and another takes its address, with another MAC.
    pub(crate) fn replace_first_gateway(&mut self) -> Result<(), Missing> {
        self.gateways[0].down();
        let new = self.gateways.len();
        self.add_gateway(0, GW1_NEW)?.up();
        self.learn(new, GW1_NEW);
        Ok(())
    }

    /// The gateway of this number dies.
    pub(crate) fn gateway_down(&self, number: usize) {
        self.gateways[number].down();
    }

    /// The client's packets come by the gateway address of this number from now on.
    pub(crate) fn client_by(&self, number: usize) {
        let Addresses { cluster, inner, .. } = self.addresses;
        self.client.sh(&format!("{} route replace {cluster} via {}", self.addresses.ip(), inner[number]));
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
