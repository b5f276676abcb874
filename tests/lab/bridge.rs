//! What packets of the node's own address pass: source NAT, and br-ex as OVN-Kubernetes shares it with the host.

use crate::addresses::{Addresses, NODE, ROUTER};
use crate::node::{NIC, Node};

impl Node {
    /// Pods' packets leave with the router's address where the pod opens the flow. Zone 0 tracks it, which is the host's.
    pub(crate) fn translate(&self) {
        let Addresses { pod, router, .. } = *self.addresses();
        self.keep_conntrack_entries(0);
        self.sh(&format!("ovn-nbctl lr-nat-add GR_{NODE} snat {router} {pod}"));
        self.sync();
        self.client_answers_by(0);
    }

    /// What the client sends to the router's address comes by the gateway address of this number from now on.
    pub(crate) fn client_answers_by(&self, number: usize) {
        let Addresses { router, inner, .. } = self.addresses();
        self.client().sh(&format!("{} route replace {router} via {}", self.addresses().ip(), inner[number]));
    }

    /// The host has the router's address and MAC, and br-ex tells by zone 64000 whose packets are whose: the host's own
    /// bear mark 2 there, the router's mark 1.
    pub(crate) fn share_with_host(&self) {
        let Addresses { cluster, router, .. } = *self.addresses();
        let external = self.addresses().on_link(router);
        self.sh(&format!(
            "patch=$(ovs-vsctl --timeout=30 get interface patch-br-ex_{NODE}-to-br-int ofport)
            nic=$(ovs-vsctl --timeout=30 get interface {NIC} ofport)
            ovs-vsctl --timeout=30 set bridge br-ex other_config:hwaddr=\\\"{ROUTER}\\\"
            own() {{ echo \"ct(commit,zone=64000,exec(set_field:$1->ct_mark)),output:$nic\"; }}
            ovs-ofctl add-flows br-ex - <<FLOWS
table=0,priority=100,in_port=LOCAL,ip,actions=$(own 2)
table=0,priority=100,in_port=$patch,ip,actions=$(own 1)
table=0,priority=50,in_port=$nic,ip,actions=ct(zone=64000,table=1)
table=0,priority=10,in_port=$nic,dl_dst={ROUTER},actions=output:$patch,output:LOCAL
table=1,priority=100,ip,ct_state=+trk+est,ct_mark=1,actions=output:$patch
table=1,priority=100,ip,ct_state=+trk+est,ct_mark=2,actions=output:LOCAL
table=1,priority=15,ip,nw_dst={cluster},actions=output:$patch
table=1,priority=10,dl_dst={ROUTER},actions=output:LOCAL
FLOWS
            ip link set br-ex up
            ip addr add {external} dev br-ex"
        ));
    }
}
