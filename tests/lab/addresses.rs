//! Addresses of the lab, of either IP version.

use std::net::IpAddr;

use analyzer::types::MacAddr;

/// Name of the node.
pub(crate) const NODE: &str = "worker-08";
/// MAC of the gateway router's external port.
pub(crate) const ROUTER: MacAddr = MacAddr([0x52, 0x54, 0, 0xc6, 0x13, 0x08]);
/// MAC of the first gateway until it dies.
pub(crate) const GW1: MacAddr = MacAddr([0xce, 0x73, 0x29, 0x66, 0x39, 0xa4]);
/// MAC of the gateway that takes its place.
pub(crate) const GW1_NEW: MacAddr = MacAddr([0xee, 0x8d, 0x82, 0xdb, 0xf9, 0xc4]);
/// MAC of the second gateway.
pub(crate) const GW2: MacAddr = MacAddr([0x76, 0x9c, 0x19, 0x34, 0x50, 0x26]);
/// MAC of a third one.
pub(crate) const GW3: MacAddr = MacAddr([0x62, 0x11, 0x4f, 0x0a, 0x7e, 0x33]);

/// The pod's address in the second network, which is of IPv4.
pub(crate) const SECOND_POD: &str = "10.244.4.5";
/// The gateway router of that network.
pub(crate) const SECOND_ROUTER: &str = "GR_blue_worker-08";
/// Its address on the gateways' network.
pub(crate) const SECOND_ROUTER_IP: &str = "172.18.0.14";

/// Address of the gateway router's load balancer, on the gateways' network.
pub(crate) const BALANCER: &str = "172.18.0.50";

/// Number of the gateway that is the next hop of the default route.
pub(crate) const DEFAULT: usize = 3;

/// The addresses of a lab, all of one IP version.
#[derive(Clone, Copy)]
pub(crate) struct Addresses {
    pub(crate) is_v6: bool,
    pub(crate) pod: &'static str,
    /// The pod's own gateway, which is a port of the cluster router.
    pub(crate) pod_gateway: &'static str,
    /// Length of the prefix of every subnet but the join switch's.
    pub(crate) prefix_len: u8,
    /// All pods.
    pub(crate) cluster: &'static str,
    /// The cluster router on the join switch, and the length of that subnet's prefix.
    pub(crate) join_cluster: &'static str,
    /// The gateway router on the join switch.
    pub(crate) join_router: &'static str,
    pub(crate) join_len: u8,
    /// The gateway router's external port.
    pub(crate) router: &'static str,
    /// Next hop of the router's default route. Nobody has it, unless a [gateway](DEFAULT) is made.
    pub(crate) default_gateway: &'static str,
    pub(crate) default_route: &'static str,
    /// The gateways' sides towards the node.
    pub(crate) gateways: [&'static str; 4],
    /// Their sides towards the client.
    pub(crate) inner: [&'static str; 4],
    pub(crate) client: &'static str,
}

pub(crate) const V4: Addresses = Addresses {
    is_v6: false,
    pod: "10.244.3.5",
    pod_gateway: "10.244.3.1",
    prefix_len: 24,
    cluster: "10.244.0.0/16",
    join_cluster: "100.64.0.1",
    join_router: "100.64.0.9",
    join_len: 16,
    router: "172.18.0.4",
    default_gateway: "172.18.0.1",
    default_route: "0.0.0.0/0",
    gateways: ["172.18.0.101", "172.18.0.102", "172.18.0.103", "172.18.0.1"],
    inner: ["198.51.100.101", "198.51.100.102", "198.51.100.103", "198.51.100.1"],
    client: "198.51.100.7",
};

pub(crate) const V6: Addresses = Addresses {
    is_v6: true,
    pod: "fd00:10:244:3::5",
    pod_gateway: "fd00:10:244:3::1",
    prefix_len: 64,
    cluster: "fd00:10:244::/48",
    join_cluster: "fd98::1",
    join_router: "fd98::9",
    join_len: 64,
    router: "fd00:172:18::4",
    default_gateway: "fd00:172:18::1",
    default_route: "::/0",
    gateways: ["fd00:172:18::101", "fd00:172:18::102", "fd00:172:18::103", "fd00:172:18::1"],
    inner: ["fd00:198:51:100::101", "fd00:198:51:100::102", "fd00:198:51:100::103", "fd00:198:51:100::1"],
    client: "fd00:198:51:100::7",
};

impl Addresses {
    /// An address with the length of its subnet's prefix.
    pub(crate) fn on_link(&self, address: &str) -> String {
        format!("{address}/{}", self.prefix_len)
    }

    /// The pod's address.
    pub(crate) fn pod_ip(&self) -> IpAddr {
        parsed(self.pod)
    }

    /// The client's address.
    pub(crate) fn client_ip(&self) -> IpAddr {
        parsed(self.client)
    }

    /// The address of the gateway router's external port.
    pub(crate) fn router_ip(&self) -> IpAddr {
        parsed(self.router)
    }

    /// The IP version for ip(8).
    pub(crate) fn ip(&self) -> &'static str {
        if self.is_v6 { "ip -6" } else { "ip -4" }
    }
}

/// An address written in this file.
pub(crate) fn parsed(address: &str) -> IpAddr {
    address.parse().unwrap_or_else(|error| panic!("{address}: {error}"))
}
