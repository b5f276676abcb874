//! The logical network.

use std::time::Duration;

use super::{Node, POD_MAC};
use crate::addresses::{Addresses, BALANCER, NODE, ROUTER};
use crate::daemon::pause;
use crate::patience::patience;

/// Commands that give a switch a port towards a router's.
pub(super) fn patch(switch: &str, port: &str, peer: &str) -> String {
    format!(
        "-- lsp-add {switch} {port} -- lsp-set-type {port} router -- lsp-set-addresses {port} router \
         -- lsp-set-options {port} router-port={peer} "
    )
}

impl Node {
    /// What OVN-Kubernetes writes for a node and a pod, in the shared gateway mode.
    pub(super) fn draw_topology(&self) {
        let Addresses { pod, pod_gateway, cluster, join_cluster, join_router, join_len, router, .. } = self.addresses;
        let Addresses { default_gateway, default_route, .. } = self.addresses;
        let subnet = self.addresses.on_link(pod_gateway);
        let external = self.addresses.on_link(router);
        self.sh(&format!(
            "ovn-nbctl \
                ls-add {NODE} -- lsp-add {NODE} default_pod -- lsp-set-addresses default_pod '{POD_MAC} {pod}' \
                -- ls-add join -- lr-add ovn_cluster_router \
                -- lrp-add ovn_cluster_router rtos-{NODE} 0a:58:0a:f4:03:01 {subnet} {stor}\
                -- lrp-add ovn_cluster_router rtoj-ovn_cluster_router 0a:58:64:40:00:01 {join_cluster}/{join_len} {jtor}
            ovn-nbctl lr-add GR_{NODE} \
                -- set logical_router GR_{NODE} options:chassis={NODE} options:always_learn_from_arp_request=false \
                    options:dynamic_neigh_routers=true options:snat-ct-zone=0 \
                -- lrp-add GR_{NODE} rtoj-GR_{NODE} 0a:58:64:40:00:09 {join_router}/{join_len} {jtor_gr}\
                -- ls-add ext_{NODE} \
                -- lrp-add GR_{NODE} rtoe-GR_{NODE} {ROUTER} {external} {etor}\
                -- lsp-add ext_{NODE} br-ex_{NODE} -- lsp-set-type br-ex_{NODE} localnet \
                -- lsp-set-addresses br-ex_{NODE} unknown -- lsp-set-options br-ex_{NODE} network_name=physnet
            ovn-nbctl --policy=src-ip lr-route-add ovn_cluster_router {subnet} {join_router} \
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
            "ovn-nbctl --policy=src-ip --ecmp-symmetric-reply \
             lr-route-add GR_{NODE} {pod} {} rtoe-GR_{NODE}",
            gateways[number]
        ));
    }

    /// The same with BFD, in place of one without.
    pub(crate) fn route_with_bfd(&self, number: usize) {
        let Addresses { pod, gateways, .. } = self.addresses;
        self.sh(&format!(
            "ovn-nbctl --if-exists --policy=src-ip lr-route-del GR_{NODE} {pod} {gateway} rtoe-GR_{NODE}
            ovn-nbctl --policy=src-ip --ecmp-symmetric-reply --bfd \
                lr-route-add GR_{NODE} {pod} {gateway} rtoe-GR_{NODE}
            session=$(ovn-nbctl --bare --columns=_uuid find bfd dst_ip='\"{gateway}\"')
            ovn-nbctl set bfd $session min_tx={interval} min_rx={interval}",
            gateway = gateways[number],
            // Two seconds without an answer: other tests may have the processors.
            interval = patience(Duration::from_millis(400)).as_millis(),
        ));
    }

    /// Waits until this is the state of the BFD session with the gateway address of this number, and the flows of the
    /// bridge go by that.
    pub(crate) fn wait_bfd(&self, number: usize, state: &str) {
        let gateway = self.addresses.gateways[number];
        let query = format!("ovn-nbctl --bare --columns=status find bfd dst_ip='\"{gateway}\"'");
        let is_there = (0..100).any(|_| self.sh(&query).trim() == state || (pause(100), false).1);
        assert!(is_there, "the session with {gateway} is not {state}: {}", self.sh("ovn-nbctl list bfd"));
        self.sync();
    }

    /// Takes the router's default route away, and waits likewise.
    pub(crate) fn unroute_default(&self) {
        self.sh(&format!("ovn-nbctl lr-route-del GR_{NODE} {}", self.addresses.default_route));
        self.sync();
    }

    /// Takes it from the route's next hops and waits until the flows of the bridge say so.
    pub(crate) fn unroute(&self, number: usize) {
        self.remove_route(number);
        self.sync();
    }

    /// Takes it from the route's next hops, and waits until northd has done its work.
    pub(crate) fn remove_route(&self, number: usize) {
        let Addresses { pod, gateways, .. } = self.addresses;
        self.sh(&format!(
            "ovn-nbctl --wait=sb --policy=src-ip lr-route-del GR_{NODE} {pod} {} rtoe-GR_{NODE}",
            gateways[number]
        ));
    }

    /// A symmetric route of another pod comes, and goes with the next number, by the next hops of this one in turn.
    pub(crate) fn change_route_of_another_pod(&self, number: usize) {
        let pod = format!("10.244.3.{}", 100 + number / 2);
        let gateway = self.addresses.gateways[number / 2 % 2];
        let (options, command) =
            if number.is_multiple_of(2) { ("--ecmp-symmetric-reply", "lr-route-add") } else { ("", "lr-route-del") };
        self.sh(&format!("ovn-nbctl --policy=src-ip {options} {command} GR_{NODE} {pod} {gateway} rtoe-GR_{NODE}"));
    }

    /// Switches OVN's monitor of next hops on. Returns whether this OVN has one.
    pub(crate) fn monitor_next_hops(&self) -> bool {
        self.sh("ovn-nbctl set nb_global . options:ecmp_nexthop_monitor_enable=true");
        self.sync();
        self.has_table("ecmp_nexthop")
    }

    /// Whether the Southbound database of this OVN has a table.
    pub(crate) fn has_table(&self, table: &str) -> bool {
        self.sh(&format!("ovn-sbctl list {table} >/dev/null 2>&1 && echo yes || :")).trim() == "yes"
    }

    /// A route to these addresses by the gateway of this number, as the controller learns it from a routing daemon.
    pub(crate) fn learn_route(&self, prefix: &str, number: usize) {
        self.sh(&format!(
            "datapath=$(ovn-sbctl --bare --columns=_uuid find datapath_binding external_ids:name=GR_{NODE})
            port=$(ovn-sbctl --bare --columns=_uuid find port_binding logical_port=rtoe-GR_{NODE})
            ovn-sbctl create learned_route datapath=$datapath logical_port=$port \
                ip_prefix='\"{prefix}\"' nexthop='\"{gateway}\"'",
            gateway = self.addresses.gateways[number],
        ));
        self.sync();
    }

    /// Forgets what was learned.
    pub(crate) fn unlearn_routes(&self) {
        self.sh("ovn-sbctl --all destroy learned_route");
        self.sync();
    }

    /// The gateway router has a load balancer, whose backend is the pod on the same UDP ports.
    pub(crate) fn balance(&self, ports: &[u16]) {
        let pod = self.addresses.pod;
        for port in ports {
            self.sh(&format!("ovn-nbctl lb-add balancer {BALANCER}:{port} {pod}:{port} udp"));
        }
        self.sh(&format!("ovn-nbctl lr-lb-add GR_{NODE} balancer"));
        self.sync();
        self.client.sh(&format!("ip route add {BALANCER} via {}", self.addresses.inner[0]));
    }

    /// Waits until the flows of the bridge are what the Southbound database says, where northd is paused.
    pub(crate) fn sync_without_northd(&self) {
        // As northd would hand it on.
        self.sh(&format!(
            "number=$(($(ovn-nbctl get nb_global . nb_cfg) + 1))
            ovn-nbctl set nb_global . nb_cfg=$number
            ovn-sbctl set sb_global . nb_cfg=$number
            ovn-sbctl wait-until chassis_private {NODE} nb_cfg=$number"
        ));
    }

    /// How many OpenFlow flows the controller has given to the bridge. Those that are learned have an end.
    pub(crate) fn bridge_flows(&self) -> usize {
        self.sh("ovs-ofctl dump-flows br-int").lines().filter(|flow| !flow.contains("hard_timeout=")).count()
    }

    /// Waits until the controller has given this many to a bridge that began without.
    pub(crate) fn wait_bridge_flows(&self, flows: usize) {
        let given = (0..100).any(|_| self.bridge_flows() >= flows || (pause(100), false).1);
        assert!(given, "the controller has given {} flows of {flows}", self.bridge_flows());
    }

    /// Waits until the flows of the bridge are what the Northbound database says.
    pub(crate) fn sync(&self) {
        self.sh("ovn-nbctl --wait=hv sync");
    }
}
