//! The daemons of Open vSwitch and OVN, and what they work by.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use super::{NIC, Node};
use crate::addresses::NODE;
use crate::datapath::Datapath;
use crate::ovn::Ovn;
use crate::patience::patience;

/// A daemon of the node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Daemon {
    /// The server of the node's own database.
    OpenVswitch,
    /// That of OVN's Northbound database.
    Northbound,
    /// That of OVN's Southbound database.
    Southbound,
    Vswitchd,
    Northd,
    Controller,
}

impl Daemon {
    /// The name of its files.
    fn name(self) -> &'static str {
        match self {
            Self::OpenVswitch => "conf",
            Self::Northbound => "ovnnb",
            Self::Southbound => "ovnsb",
            Self::Vswitchd => "ovs-vswitchd",
            Self::Northd => "ovn-northd",
            Self::Controller => "ovn-controller",
        }
    }
}

impl Node {
    /// The databases, and Open vSwitch with the bridges of a worker.
    pub(super) fn start_ovs(&self) {
        self.write_environment();
        let folder = self.folder().display();
        self.sh(&format!(
            "ovsdb-tool create {folder}/conf.db {conf}
            ovsdb-tool create {folder}/ovnnb.db {northbound}
            ovsdb-tool create {folder}/ovnsb.db {southbound}",
            conf = self.ovn.schema("openvswitch/vswitch").display(),
            northbound = self.ovn.schema("ovn/ovn-nb").display(),
            southbound = self.ovn.schema("ovn/ovn-sb").display(),
        ));
        for database in [Daemon::OpenVswitch, Daemon::Northbound, Daemon::Southbound] {
            self.start(database);
        }
        self.sh(&format!(
            "ovs-vsctl --no-wait init -- set open . \
                other_config:n-handler-threads=1 other_config:n-revalidator-threads=1 \
                external_ids:system-id={NODE} external_ids:hostname={NODE} \
                external_ids:ovn-remote=$OVN_SB_DB external_ids:ovn-encap-type=geneve \
                external_ids:ovn-encap-ip=127.0.0.1 external_ids:ovn-bridge-datapath-type={datapath} \
                external_ids:ovn-bridge-mappings=physnet:br-ex external_ids:ovn-monitor-all=true",
            datapath = self.datapath.bridge_type(),
        ));
        self.start(Daemon::Vswitchd);
        self.sh(&format!(
            "ovs-vsctl \
                -- add-br br-int -- set bridge br-int datapath_type={datapath} fail-mode=secure \
                -- add-br br-ex -- set bridge br-ex datapath_type={datapath} fail-mode=standalone \
                -- add-port br-ex {NIC} \
                -- add-port br-int default_pod -- set interface default_pod external_ids:iface-id=default_pod",
            datapath = self.datapath.bridge_type(),
        ));
    }

    /// What makes a shell find the lab's programs and daemons.
    fn write_environment(&self) {
        let folder = self.folder().display();
        let variables = ["RUNDIR", "LOGDIR", "DBDIR", "SYSCONFDIR"].iter();
        let variables: String =
            variables.map(|name| format!("export OVS_{name}={folder} OVN_{name}={folder}\n")).collect();
        let environment = format!(
            "{variables}{path}export OVN_NB_DB=unix:{folder}/ovnnb_db.sock OVN_SB_DB=unix:{folder}/ovnsb_db.sock
            export OVS_CTL_TIMEOUT={seconds}\n",
            path = self.ovn.environment(),
            seconds = patience(Duration::from_secs(60)).as_secs(),
        );
        fs::write(self.folder().join("env"), environment).expect("the folder is ours");
    }

    /// northd and the controller.
    pub(super) fn start_ovn(&self) {
        self.sh("ovn-nbctl init; ovn-sbctl init");
        self.start(Daemon::Northd);
        self.start(Daemon::Controller);
    }

    /// Starts a daemon and waits until it serves.
    pub(crate) fn start(&self, daemon: Daemon) {
        let folder = self.folder().display();
        let name = daemon.name();
        let command = match daemon {
            Daemon::OpenVswitch => self.ovsdb_server(name, "db"),
            Daemon::Northbound => self.ovsdb_server(name, "ovnnb_db"),
            Daemon::Southbound => self.ovsdb_server(name, "ovnsb_db"),
            Daemon::Vswitchd => format!("ovs-vswitchd {}", self.datapath.options()),
            Daemon::Northd => "ovn-northd --ovnnb-db=$OVN_NB_DB --ovnsb-db=$OVN_SB_DB".to_owned(),
            Daemon::Controller => format!("ovn-controller unix:{folder}/db.sock"),
        };
        self.sh(&format!(
            "cd {folder}
            {command} --pidfile={folder}/{name}.pid --log-file={folder}/{name}.log -vconsole:off -vsyslog:off \
                --no-chdir --detach"
        ));
    }

    fn ovsdb_server(&self, name: &str, socket: &str) -> String {
        let folder = self.folder().display();
        format!("ovsdb-server {folder}/{name}.db --remote=punix:{folder}/{socket}.sock --unixctl={folder}/{name}.ctl")
    }

    /// Kills a daemon, as a crash or the kernel does that needs its memory. It is gone once it holds no lock any more, by which its
    /// successor tells; its memory goes before.
    pub(crate) fn kill(&self, daemon: Daemon) {
        let pid = self.folder().join(daemon.name()).with_extension("pid");
        self.sh(&format!(
            "pid=$(cat {pid}); kill -9 $pid
            is_there() {{ grep -qs . /proc/$pid/cmdline || grep -q \"WRITE $pid \" /proc/locks; }}
            for try in $(seq 100); do is_there || exit 0; sleep 0.05; done
            exit 1",
            pid = pid.display()
        ));
    }

    /// A daemon stands still until it [goes on](Self::go_on).
    pub(crate) fn stop(&self, daemon: Daemon) {
        self.signal(daemon, "STOP");
    }

    /// One that stood still goes on.
    pub(crate) fn go_on(&self, daemon: Daemon) {
        self.signal(daemon, "CONT");
    }

    fn signal(&self, daemon: Daemon, signal: &str) {
        let pid = self.folder().join(daemon.name()).with_extension("pid");
        self.sh(&format!("kill -{signal} $(cat {})", pid.display()));
    }

    /// northd and the controller are replaced by another version's, for which OVN's databases are converted. Open vSwitch goes on.
    /// In between, when neither is there and when the databases are converted, `meanwhile` is done.
    pub(crate) fn upgrade(&mut self, to: Ovn, mut meanwhile: impl FnMut()) {
        self.kill(Daemon::Northd);
        self.kill(Daemon::Controller);
        meanwhile();
        self.ovn = to;
        self.write_environment();
        for (socket, schema) in [("ovnsb_db", "ovn/ovn-sb"), ("ovnnb_db", "ovn/ovn-nb")] {
            let (folder, schema) = (self.folder().display(), self.ovn.schema(schema));
            self.sh(&format!("ovsdb-client convert unix:{folder}/{socket}.sock {}", schema.display()));
        }
        meanwhile();
        self.start(Daemon::Northd);
        self.start(Daemon::Controller);
        self.sync();
    }

    /// No entry of the zone expires while a scenario runs. OVS 3.1.0 aborts when a packet meets a translated entry that has expired
    /// and is still there (mended in 3.1.3).
    pub(crate) fn keep_conntrack_entries(&self, zone: u16) {
        let script = match self.datapath {
            Datapath::Userspace => {
                format!("ovs-vsctl add-zone-tp netdev zone={zone} udp_first=600 udp_single=600 udp_multiple=600")
            }
            Datapath::Kernel => "sysctl -qw net.netfilter.nf_conntrack_udp_timeout=600 \
                net.netfilter.nf_conntrack_udp_timeout_stream=600"
                .to_owned(),
        };
        self.sh(&script);
    }

    /// The conntrack zone in which the gateway router tracks.
    pub(crate) fn zone(&self) -> u16 {
        // By the router's UUID, and since 23.06.1 by its name.
        let zone = self.sh(&format!(
            "datapath=$(ovn-sbctl --bare --columns=_uuid find datapath_binding external_ids:name=GR_{NODE})
            ovs-vsctl --if-exists get bridge br-int external_ids:ct-zone-${{datapath}}_dnat external_ids:ct-zone-GR_{NODE}_dnat"
        ));
        zone.trim().trim_matches('"').parse().unwrap_or_else(|error| panic!("{zone}: {error}"))
    }

    /// The lines of the conntrack table in this zone.
    pub(crate) fn entries(&self, zone: u16) -> BTreeSet<String> {
        self.sh(&format!("ovs-appctl dpctl/dump-conntrack zone={zone}")).lines().map(str::to_owned).collect()
    }
}
