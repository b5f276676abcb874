//! The gateways of a lab: they come, they die, and OVN learns of them.

use analyzer::types::MacAddr;

use super::Node;
use super::topology::patch;
use crate::addresses::{Addresses, DEFAULT, NODE};
use crate::bfd::Responder;
use crate::daemon::pause;
use crate::gateway::Gateway;
use crate::netns::Missing;

/// A gateway that is to take another's place.
pub(crate) struct Spare {
    pub(super) number: usize,
    pub(super) mac: MacAddr,
    /// Among the gateways.
    pub(super) place: usize,
}

impl Node {
    pub(super) fn add_gateway(&mut self, number: usize, mac: MacAddr) -> Result<&Gateway, Missing> {
        let gateway = Gateway::new(&self.keeper, self.addresses, number, mac, &self.wire, &self.client)?;
        self.gateways.push(gateway);
        Ok(self.gateways.last().expect("one was pushed"))
    }

    /// Waits until OVN has bound the address of the gateway to this MAC, with the gateway's help.
    pub(super) fn learn(&self, gateway: usize, mac: MacAddr) {
        self.learn_by(&format!("rtoe-GR_{NODE}"), self.addresses.router, gateway, mac);
    }

    /// The same by this port of a router, which has this address.
    pub(super) fn learn_by(&self, port: &str, router: &str, gateway: usize, mac: MacAddr) {
        let gateway = &self.gateways[gateway];
        let query =
            format!("ovn-sbctl --bare --columns=mac find mac_binding ip='\"{}\"' logical_port={port}", gateway.ip());
        for _ in 0..100 {
            if self.sh(&query).trim() == mac.to_string() {
                return;
            }
            gateway.announce();
            gateway.greet(router);
            pause(100);
        }
        panic!("OVN does not learn that {} is at {mac}", gateway.ip());
    }

    /// A third gateway, up. It is a next hop once it is [routed](Self::route) to.
    pub(crate) fn third_gateway(&mut self, mac: MacAddr) -> Result<(), Missing> {
        self.further_gateway(2, mac)
    }

    /// The gateway of the default route, up.
    pub(crate) fn default_gateway(&mut self, mac: MacAddr) -> Result<(), Missing> {
        self.further_gateway(DEFAULT, mac)
    }

    /// The third gateway, up, which is another node's gateway router in the same database: its address and MAC are those of a port
    /// on the external switch, which is on another chassis. OVN knows the MAC from there, and never asks.
    pub(crate) fn gateway_of_other_node(&mut self, mac: MacAddr) -> Result<(), Missing> {
        let other = "worker-09";
        self.add_gateway(2, mac)?.up_without_asking();
        self.sh(&format!(
            "ovn-sbctl chassis-add {other} geneve 127.0.0.2
            ovn-nbctl set logical_router GR_{NODE} options:dynamic_neigh_routers=false \
                -- lr-add GR_{other} -- set logical_router GR_{other} options:chassis={other} \
                -- lrp-add GR_{other} rtoe-GR_{other} {mac} {address} {port}",
            address = self.addresses.on_link(self.addresses.gateways[2]),
            port = patch(&format!("ext_{NODE}"), &format!("etor-GR_{other}"), &format!("rtoe-GR_{other}")),
        ));
        self.sync();
        Ok(())
    }

    fn further_gateway(&mut self, number: usize, mac: MacAddr) -> Result<(), Missing> {
        self.add_gateway(number, mac)?.up();
        self.learn(self.gateways.len() - 1, mac);
        Ok(())
    }

    /// The gateway of this number answers BFD as long as what is returned lives.
    pub(crate) fn answer_bfd(&self, number: usize) -> Responder {
        self.gateways[number].answer_bfd()
    }

    /// Another gateway with the address of this number, down.
    pub(crate) fn spare_gateway(&mut self, number: usize, mac: MacAddr) -> Result<Spare, Missing> {
        self.add_gateway(number, mac)?;
        Ok(Spare { number, mac, place: self.gateways.len() - 1 })
    }

    /// A gateway dies and the spare one takes its address.
    pub(crate) fn replace_gateway(&self, spare: &Spare) {
        self.gateways[spare.number].down();
        self.gateways[spare.place].up();
        self.learn(spare.place, spare.mac);
    }

    /// The gateway of this number dies.
    pub(crate) fn gateway_down(&self, number: usize) {
        self.gateways[number].down();
    }

    /// The client's packets come by the gateway address of this number from now on.
    pub(crate) fn client_by(&self, number: usize) {
        let Addresses { cluster, inner, .. } = self.addresses;
        self.client.sh(&format!("{} route replace {cluster} via {}", self.addresses.ip(), inner[number]));
    }
}
