//! Links and addresses.

use super::{NIC, Node, POD_MAC};
use crate::addresses::Addresses;
use crate::gateway::{V6_AT_ONCE, WITHOUT_V6, without_offloads};

impl Node {
    /// Links and addresses of all that is no gateway.
    pub(super) fn link(&self) {
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
}
