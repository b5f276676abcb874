//! A second network of the pod, with a gateway router of its own on the same NIC, as a user-defined network has.

use super::topology::patch;
use super::{Node, POD_MAC};
use crate::addresses::{GW1, GW2, GW3, NODE, SECOND_POD, SECOND_ROUTER, SECOND_ROUTER_IP};
use crate::gateway::without_offloads;

/// The pod's gateway in it, which is the router itself.
const POD_GATEWAY: &str = "10.244.4.1";
/// MAC of the router's external port.
const ROUTER_MAC: &str = "52:54:00:c6:14:08";

impl Node {
    /// Gives the pod the second network. Its routes have the first three gateways as next hops.
    pub(crate) fn second_network(&self) {
        self.node.sh(&format!("ip link add blue_pod up type veth peer name eth1 netns {}", self.pod.name()));
        self.pod.sh(&format!(
            "set -e
            ip link set eth1 mtu 1400 up
            ip addr add {SECOND_POD}/24 dev eth1
            ip route add default via {POD_GATEWAY} dev eth1 table 100
            ip rule add from {SECOND_POD} lookup 100"
        ));
        without_offloads(self.node.name(), "blue_pod");
        without_offloads(self.pod.name(), "eth1");
        let mac = self.pod.sh("cat /sys/class/net/eth1/address");
        assert_ne!(mac.trim(), POD_MAC.to_string());
        let external = format!("rtoe-{SECOND_ROUTER}");
        self.sh(&format!(
            "ovs-vsctl add-port br-int blue_pod -- set interface blue_pod external_ids:iface-id=blue_pod
            ovn-nbctl \
                ls-add blue_{NODE} -- lsp-add blue_{NODE} blue_pod \
                -- lsp-set-addresses blue_pod '{mac} {SECOND_POD}' \
                -- lr-add {SECOND_ROUTER} \
                -- set logical_router {SECOND_ROUTER} options:chassis={NODE} \
                    options:always_learn_from_arp_request=false options:dynamic_neigh_routers=true \
                -- lrp-add {SECOND_ROUTER} rtos-{SECOND_ROUTER} 0a:58:0a:f4:04:01 {POD_GATEWAY}/24 {inside}\
                -- ls-add ext_blue_{NODE} \
                -- lrp-add {SECOND_ROUTER} {external} {ROUTER_MAC} {SECOND_ROUTER_IP}/24 {outside}\
                -- lsp-add ext_blue_{NODE} br-ex_blue_{NODE} -- lsp-set-type br-ex_blue_{NODE} localnet \
                -- lsp-set-addresses br-ex_blue_{NODE} unknown \
                -- lsp-set-options br-ex_blue_{NODE} network_name=physnet",
            mac = mac.trim(),
            inside = patch(&format!("blue_{NODE}"), &format!("stor-{SECOND_ROUTER}"), &format!("rtos-{SECOND_ROUTER}")),
            outside = patch(&format!("ext_blue_{NODE}"), &format!("etor-{SECOND_ROUTER}"), &external),
        ));
        for number in 0..3 {
            self.gateways[number].serve_second_network();
            self.sh(&format!(
                "ovn-nbctl --policy=src-ip --ecmp-symmetric-reply \
                    lr-route-add {SECOND_ROUTER} {SECOND_POD} {} {external}",
                self.addresses.gateways[number]
            ));
        }
        self.sync();
        for (number, mac) in [GW1, GW2, GW3].into_iter().enumerate() {
            self.learn_by(&external, SECOND_ROUTER_IP, number, mac);
        }
        self.second_network_by(0);
    }

    /// What the client sends to the second network goes by the gateway address of this number from now on.
    pub(crate) fn second_network_by(&self, number: usize) {
        self.client.sh(&format!("ip route replace {SECOND_POD} via {}", self.addresses.inner[number]));
    }

    /// Takes the gateway address of this number from the next hops of the second network.
    pub(crate) fn second_network_unroute(&self, number: usize) {
        self.sh(&format!(
            "ovn-nbctl --policy=src-ip lr-route-del {SECOND_ROUTER} {SECOND_POD} {} rtoe-{SECOND_ROUTER}",
            self.addresses.gateways[number]
        ));
        self.sync();
    }
}
