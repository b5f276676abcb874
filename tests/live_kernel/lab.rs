//! A worker: a namespace with two NICs, by which nothing leaves but what the test sends.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use analyzer::engine::fact::Connection;
use analyzer::types::{MacAddr, Tuple};

use crate::common::TempDir;
use crate::ctnetlink::{self, Writer};
use crate::daemon::Live;
use crate::netns::{Missing, Netns, require};
use crate::wire::Wire;

/// MAC of the gateway router's external port.
pub(crate) const ROUTER: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x0a]);
/// MACs of three gateways.
pub(crate) const GW1: MacAddr = MacAddr([2, 0, 0, 0, 1, 1]);
pub(crate) const GW2: MacAddr = MacAddr([2, 0, 0, 0, 1, 2]);
pub(crate) const GW3: MacAddr = MacAddr([2, 0, 0, 0, 1, 3]);

/// Keeps the daemon from databases of the machine that the test runs on.
pub(crate) const WITHOUT_OVN: [&str; 6] = ["--nb", "none", "--sb", "none", "--ovs", "none"];

/// NICs `out0` and `out1`, whose other ends are `wan0` and `wan1`.
pub(crate) struct Lab {
    pub(crate) netns: Netns,
    pub(crate) folder: TempDir,
}

impl Lab {
    pub(crate) fn new(purpose: &str) -> Result<Self, Missing> {
        for (program, package) in [("python3", "python3"), ("tc", "iproute2"), ("nft", "nftables")] {
            require(program, package)?;
        }
        let netns = Netns::new(purpose)?;
        netns.sh(&format!(
            "set -e
            sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
            ip link set lo up
            {}
            {}
            {}",
            Self::link(0),
            Self::link(1),
            ctnetlink::ENABLE_LABELS
        ));
        Ok(Self { netns, folder: TempDir::new() })
    }

    /// The commands that make a pair of NICs. Both have the MAC that routed packets are sent from.
    pub(crate) fn link(number: u8) -> String {
        format!(
            "ip link add out{number} address {ROUTER} type veth peer name wan{number}
            ip link set out{number} up; ip link set wan{number} up"
        )
    }

    /// Writes a file of the test's, in place of what is there.
    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        let beside = self.folder.path().join(format!("{name}.new"));
        fs::write(&beside, content).expect("the folder is ours");
        fs::rename(&beside, &path).expect("the folder is ours");
        path
    }

    pub(crate) fn wire(&self) -> Wire {
        Wire::new(&self.netns)
    }

    /// A writer of the namespace's conntrack table.
    pub(crate) fn conntrack(&self) -> Writer {
        self.netns.inside(Writer::open)
    }

    /// What a daemon that was told to listen at this port answers.
    pub(crate) fn get(&self, port: u16, path: &str) -> String {
        self.netns.inside(|| {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
            let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).expect("it reads");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).expect("it answers");
            answer
        })
    }

    /// Starts `analyzer live` with these arguments behind those that every test has.
    pub(crate) fn live<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Live {
        Live::start(&self.netns, arguments)
    }

    /// Starts it on NICs with next hops from a file, and without OVN.
    pub(crate) fn live_by_file(&self, nexthops: &Path, arguments: &[&str]) -> Live {
        let nexthops = nexthops.to_str().expect("its name is ours");
        let given = ["--nexthops", nexthops].into_iter().chain(arguments.iter().copied());
        self.live(WITHOUT_OVN.into_iter().chain(given))
    }
}

/// The text of nexthops.toml: a symmetric route by source for each prefix, with next hops and their MACs.
pub(crate) fn nexthops_toml(routes: &[(&str, &[(&str, MacAddr)])]) -> String {
    let mut text = String::new();
    for (prefix, nexthops) in routes {
        text.push_str(&format!("[[route]]\npolicy = \"src-ip\"\nprefix = \"{prefix}\"\nsymmetric_reply = true\n"));
        for (ip, lladdr) in *nexthops {
            text.push_str(&format!("[[route.nexthop]]\nip = \"{ip}\"\nlladdr = \"{lladdr}\"\n"));
        }
    }
    text
}

/// The entry that a gateway router makes for a connection from outside: the flow that leaves is the answer. The port,
/// 2, stands in the mark.
pub(crate) fn labelled(leaving: Tuple, zone: u16, reply_eth: MacAddr) -> Connection {
    let mac = reply_eth.0.iter().fold(0, |number, &octet| number << 8 | u128::from(octet));
    Connection { label: mac << 32, mark: 2 << 16, ..unlabelled(leaving, zone) }
}

/// An entry without label.
pub(crate) fn unlabelled(leaving: Tuple, zone: u16) -> Connection {
    Connection {
        orig: leaving.reversed(),
        reply: leaving,
        zone,
        mark: 0,
        label: 0,
        id: None,
        offloaded: false,
        dying: false,
    }
}
