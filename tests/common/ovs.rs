//! Open vSwitch with a userspace datapath, for tests.

// Not `expect`, which would fail in a test that uses everything.
#![allow(dead_code, reason = "each test uses its part")]

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use analyzer::types::Tuple;
use analyzer::types::tuple::proto;

use crate::netns::{Missing, Netns, require, stdout};

/// Open vSwitch with a userspace datapath, its files and sockets in a folder of its own. Dropping it ends it.
pub(crate) struct Ovs {
    netns: Netns,
    folder: PathBuf,
}

impl Ovs {
    /// Starts the daemons, and a bridge with one dummy port, number 1, and these flows.
    pub(crate) fn start(flows: &[String]) -> Result<Self, Missing> {
        for program in ["ovsdb-tool", "ovsdb-server", "ovs-vsctl", "ovs-vswitchd", "ovs-ofctl", "ovs-appctl"] {
            require(program, "openvswitch-switch")?;
        }
        let netns = Netns::new("ovs")?;
        let folder = std::env::temp_dir().join(format!("analyzer-ovs-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a temporary folder can be made");
        let ovs = Self { netns, folder };
        let flows: String = flows.iter().map(|flow| format!("ovs-ofctl add-flow br0 '{flow}'\n")).collect();
        ovs.sh(&format!(
            "set -e
             ovsdb-tool create $OVS_DBDIR/conf.db /usr/share/openvswitch/vswitch.ovsschema
             ovsdb-server $OVS_DBDIR/conf.db --remote=punix:$OVS_RUNDIR/db.sock --pidfile --log-file --no-chdir --detach
             ovs-vsctl --no-wait init
             ovs-vswitchd --enable-dummy --disable-system --pidfile --log-file --no-chdir --detach
             ovs-vsctl --timeout=60 add-br br0 -- set bridge br0 datapath_type=dummy \\
                 -- add-port br0 p1 -- set interface p1 type=dummy ofport_request=1
             {flows}"
        ));
        Ok(ovs)
    }

    /// A command that runs a script with the variables that make the OVS tools use the folder.
    pub(crate) fn command(&self, script: &str) -> Command {
        let mut command = self.netns.shell(script);
        for variable in ["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR"] {
            command.env(variable, &self.folder);
        }
        command
    }

    /// Runs a script with them and gives what it prints. Panics where it fails.
    pub(crate) fn sh(&self, script: &str) -> String {
        stdout(script, self.command(script).output().expect("ip can be run"))
    }

    /// Where the daemons keep their sockets.
    pub(crate) fn run_dir(&self) -> &Path {
        &self.folder
    }

    /// The lines of the conntrack table.
    pub(crate) fn table(&self) -> BTreeSet<String> {
        self.sh("ovs-appctl dpctl/dump-conntrack").lines().map(str::to_owned).collect()
    }

    /// Waits until the table holds as many entries as the packets make: the datapath takes them up by itself.
    pub(crate) fn wait_for(&self, entries: usize) {
        let filled = (0..2000).any(|_| self.table().len() >= entries);
        assert!(filled, "expected {entries} entries: {:#?}", self.table());
    }
}

impl Drop for Ovs {
    fn drop(&mut self) {
        // A daemon that does not answer is ended by the id that it wrote.
        let script = "for daemon in ovs-vswitchd ovsdb-server; do
            pid=$(cat $OVS_RUNDIR/$daemon.pid 2>/dev/null) || continue
            ovs-appctl --timeout=10 -t $daemon exit 2>/dev/null || kill -9 $pid
        done";
        let _ = self.command(script).status();
        remove(&self.folder);
    }
}

fn remove(folder: &Path) {
    if let Err(error) = std::fs::remove_dir_all(folder) {
        eprintln!("{} is left behind: {error}", folder.display());
    }
}

/// A frame that starts a connection with the tuple, in hexadecimal.
pub(crate) fn frame(tuple: &Tuple) -> String {
    use etherparse::PacketBuilder;
    let ethernet = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    let ip = match (tuple.src, tuple.dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => ethernet.ipv4(src.octets(), dst.octets(), 64),
        (IpAddr::V6(src), IpAddr::V6(dst)) => ethernet.ipv6(src.octets(), dst.octets(), 64),
        _ => panic!("a tuple has addresses of one family"),
    };
    let mut bytes = Vec::new();
    let payload = [0; 4];
    match tuple.nw_proto {
        proto::UDP => ip.udp(tuple.tp_src, tuple.tp_dst).write(&mut bytes, &payload),
        proto::TCP => ip.tcp(tuple.tp_src, tuple.tp_dst, 1, 1024).syn().write(&mut bytes, &payload),
        proto::ICMP if tuple.tp_dst == 13 << 8 => {
            let [high, low] = tuple.tp_src.to_be_bytes();
            ip.icmpv4_raw(13, 0, [high, low, 0, 0]).write(&mut bytes, &[0; 12])
        }
        proto::ICMP => ip.icmpv4_echo_request(tuple.tp_src, 1).write(&mut bytes, &payload),
        other => ip.write(&mut bytes, other.into(), &payload),
    }
    .expect("memory takes it");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
