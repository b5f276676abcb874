//! Routes of IPv4 by next hops of IPv6.

use super::{Node, Spare};
use crate::addresses::{Addresses, GW1, GW2, NODE, V6};
use crate::daemon::pause;
use analyzer::types::MacAddr;

impl Node {
    /// The next hops of the pod's IPv4 routes are the IPv6 addresses of the first two gateways. Returns whether this OVN sends by
    /// such routes: 23.03 takes none, and the flows that 25.03.0 writes put an IPv6 address where an IPv4 address has room, so that
    /// its controller drops them.
    pub(crate) fn route_by_other_family(&self) -> bool {
        assert!(!self.addresses.is_v6);
        let Addresses { pod, router, .. } = self.addresses;
        self.sh(&format!(
            "ovn-nbctl set logical_router_port rtoe-GR_{NODE} 'networks=[\"{}\",\"{}\"]'",
            self.addresses.on_link(router),
            V6.on_link(V6.router),
        ));
        for number in 0..2 {
            self.gateways[number].add_address(&V6.on_link(V6.gateways[number]));
            let is_taken = self.sh(&format!(
                "ovn-nbctl --policy=src-ip lr-route-del GR_{NODE} {pod} {own} rtoe-GR_{NODE}
                ovn-nbctl --policy=src-ip --ecmp-symmetric-reply \
                    lr-route-add GR_{NODE} {pod} {other} rtoe-GR_{NODE} >/dev/null 2>&1 && echo yes || :",
                own = self.addresses.gateways[number],
                other = V6.gateways[number],
            ));
            if is_taken.trim() != "yes" {
                return false;
            }
        }
        self.sync();
        let nonsense = format!("reg5 = {}", V6.router);
        if self.symmetric_flows().iter().any(|(_, flow)| flow.actions.contains(&nonsense)) {
            return false;
        }
        self.learn_other_family(0, 0, GW1);
        self.learn_other_family(1, 1, GW2);
        true
    }

    /// The gateway that takes another's place has that one's IPv6 address, too.
    pub(crate) fn replace_gateway_of_other_family(&self, spare: &Spare) {
        self.gateways[spare.place].add_address(&V6.on_link(V6.gateways[spare.number]));
        self.replace_gateway(spare);
        self.learn_other_family(spare.place, spare.number, spare.mac);
    }

    /// Waits until OVN has bound the IPv6 address of this number to the MAC, as the gateway in this place tells all.
    fn learn_other_family(&self, place: usize, number: usize, mac: MacAddr) {
        let ip = V6.gateways[number];
        let query =
            format!("ovn-sbctl --bare --columns=mac find mac_binding ip='\"{ip}\"' logical_port=rtoe-GR_{NODE}");
        for _ in 0..100 {
            if self.sh(&query).trim() == mac.to_string() {
                return;
            }
            self.gateways[place].announce();
            pause(100);
        }
        panic!("OVN does not learn that {ip} is at {mac}");
    }
}
