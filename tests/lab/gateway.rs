//! A gateway: a router between the node's network and the client's.

use std::net::UdpSocket;

use analyzer::types::MacAddr;

use crate::addresses::{Addresses, ROUTER, SECOND_POD, SECOND_ROUTER_IP, parsed};
use crate::bfd::Responder;
use crate::keeper::{Keeper, LabNetns};
use crate::netns::{Missing, Netns};

/// Commands that make the kernel neither ask for nor tell anything in IPv6.
pub(crate) const WITHOUT_V6: &str = "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1";

/// Commands that let addresses of IPv6 be used at once.
pub(crate) const V6_AT_ONCE: &str = "sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 \
    net.ipv6.conf.all.accept_ra=0 net.ipv6.conf.default.accept_ra=0";

/// A namespace with `outer` towards the node and `inner` towards the client. It tells its address to all when it comes
/// up or when its MAC is set.
pub(crate) struct Gateway {
    netns: LabNetns,
    addresses: Addresses,
    ip: &'static str,
}

impl Gateway {
    /// Makes the gateway with the addresses of this number, down. Both of its ends are ports of bridges in the
    /// namespaces given.
    pub(crate) fn new(
        keeper: &Keeper,
        addresses: Addresses,
        number: usize,
        mac: MacAddr,
        wire: &Netns,
        client: &Netns,
    ) -> Result<Self, Missing> {
        let netns = keeper.netns("gateway")?;
        let name = netns.name().to_owned();
        // Unique in the lab: the MAC's last two octets.
        let port = format!("{:02x}{:02x}", mac.0[4], mac.0[5]);
        let script = format!(
            "set -e
            {version}
            sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 \
                net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.default.arp_notify=1
            ip link set lo up
            ip link add outer address {mac} type veth peer name o{port} netns {wire}
            ip link add inner type veth peer name i{port} netns {client}
            ip addr add {outer} dev outer
            ip addr add {inner} dev inner",
            version = if addresses.is_v6 {
                format!(
                    "{V6_AT_ONCE}; sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.ndisc_notify=1 \
                     net.ipv6.conf.default.keep_addr_on_down=1 net.ipv6.conf.all.keep_addr_on_down=1"
                )
            } else {
                WITHOUT_V6.to_owned()
            },
            wire = wire.name(),
            client = client.name(),
            outer = addresses.on_link(addresses.gateways[number]),
            inner = addresses.on_link(addresses.inner[number]),
        );
        netns.sh(&script);
        wire.sh(&format!("ip link set o{port} master bridge up"));
        client.sh(&format!("ip link set i{port} master bridge up"));
        for (side, device) in [(&name, "outer"), (&name, "inner")] {
            without_offloads(side, device);
        }
        Ok(Self { netns, addresses, ip: addresses.gateways[number] })
    }

    /// Brings it up.
    pub(crate) fn up(&self) {
        let Addresses { router, cluster, .. } = self.addresses;
        self.netns.sh(&format!(
            "set -e
            ip link set outer up; ip link set inner up
            {ip} route replace {cluster} via {router} dev outer",
            ip = self.addresses.ip(),
        ));
    }

    /// The same where it knows the router's MAC, as OVN knows its own: it never asks, so that the router learns nothing of it.
    pub(crate) fn up_without_asking(&self) {
        self.up();
        self.netns.sh(&format!("ip neigh replace {} lladdr {ROUTER} dev outer nud permanent", self.addresses.router));
    }

    /// Sends what is for the second network to its router.
    pub(crate) fn serve_second_network(&self) {
        self.netns.sh(&format!("ip route replace {SECOND_POD} via {SECOND_ROUTER_IP} dev outer"));
    }

    /// Takes it from both networks, as if its power were cut.
    pub(crate) fn down(&self) {
        self.netns.sh("ip link set outer down; ip link set inner down");
    }

    /// Tells all who has its addresses, once more.
    pub(crate) fn announce(&self) {
        self.netns.sh("for device in outer inner; do
                ip link set $device address $(cat /sys/class/net/$device/address)
            done");
    }

    /// It has this IPv6 address towards the node, too, beside those of IPv4.
    pub(crate) fn add_address(&self, address: &str) {
        self.netns.sh(&format!(
            "set -e
            sysctl -qw net.ipv6.conf.outer.disable_ipv6=0 net.ipv6.conf.outer.accept_dad=0 \
                net.ipv6.conf.outer.keep_addr_on_down=1 net.ipv6.conf.outer.ndisc_notify=1
            ip addr add {address} dev outer nodad"
        ));
    }

    /// Sends a router something, for which it asks who the router is. So the router learns who it is.
    pub(crate) fn greet(&self, router: &str) {
        let (own, router) = (parsed(self.ip), parsed(router));
        self.netns.inside(|| {
            let socket = UdpSocket::bind((own, 0)).expect("the address is the gateway's");
            socket.send_to(b"hello", (router, 9)).expect("the router is on the link");
        });
    }

    /// Answers BFD as long as what is returned lives.
    pub(crate) fn answer_bfd(&self) -> Responder {
        Responder::start(&self.netns, parsed(self.ip))
    }

    /// Its address towards the node.
    pub(crate) fn ip(&self) -> &'static str {
        self.ip
    }
}

/// The userspace datapath reads by packet sockets, where a checksum that is left to the NIC is wrong.
pub(crate) fn without_offloads(netns: &str, device: &str) {
    let options =
        ["netns", "exec", netns, "ethtool", "-K", device, "tx", "off", "gro", "off", "gso", "off", "tso", "off"];
    crate::common::run(crate::common::command("ip").args(options));
}
