//! Ports of switches: which switch a router's port is on, and whose addresses are behind the others.
//!
//! What a port tells is kept by what it is asked for, each with its time: an address may have been behind many ports, and
//! a port have had many addresses.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hash::Hash;
use core::net::IpAddr;

use hashbrown::hash_map::Entry;
use hashbrown::{Equivalent, HashMap};

use super::fact::SwitchPort;
use super::versions::{Dated, End, Versions, dated};
use crate::types::{MacAddr, Timestamp, Validity};

/// All switch ports that were told, past ones included.
#[derive(Debug, Default)]
pub(super) struct SwitchPorts {
    /// Switches, by the router's port on them.
    of_routers: HashMap<Arc<str>, Versions<OnSwitch>>,
    /// Machines and containers, by address.
    machines: HashMap<IpAddr, Versions<Machine>>,
    /// Ports whose addresses northd keeps from routers, by name.
    withheld: HashMap<Arc<str>, Versions<OnSwitch>>,
    /// MACs of the machines and containers, and how often each was told.
    macs: HashMap<MacAddr, u32>,
}

/// A machine or container that has an address.
#[derive(Clone, PartialEq, Hash, Debug)]
pub(super) struct Machine {
    /// Name of the switch's port.
    pub(super) port: Arc<str>,
    pub(super) switch: Option<Arc<str>>,
    pub(super) mac: MacAddr,
    pub(super) validity: Validity,
}

#[derive(Clone, PartialEq, Hash, Debug)]
struct OnSwitch {
    /// Name of the switch's port.
    port: Arc<str>,
    switch: Option<Arc<str>>,
    validity: Validity,
}

dated!(Machine, OnSwitch);

impl SwitchPorts {
    /// Adds what a dump tells. A database has a version of a row for each change of any column: those that say the same
    /// here are one.
    pub(super) fn add(&mut self, port: SwitchPort) {
        if let Some(peer) = &port.router_port {
            add(self.of_routers.entry(peer.clone()).or_default(), OnSwitch::new(&port));
        }
        for (ip, machine) in machines(&port) {
            let mac = machine.mac;
            if add(self.machines.entry(ip).or_default(), machine) {
                *self.macs.entry(mac).or_default() += 1;
            }
        }
        if port.is_withheld {
            add(self.withheld.entry(port.name.clone()).or_default(), OnSwitch::new(&port));
        }
    }

    pub(super) fn begin(&mut self, port: SwitchPort) {
        if let Some(peer) = &port.router_port {
            self.of_routers.entry(peer.clone()).or_default().begin(OnSwitch::new(&port));
        }
        for (ip, machine) in machines(&port) {
            let told = self.machines.entry(ip).or_default();
            if told.continued_by(&machine).is_none() {
                *self.macs.entry(machine.mac).or_default() += 1;
            }
            told.begin(machine);
        }
        if port.is_withheld {
            self.withheld.entry(port.name.clone()).or_default().begin(OnSwitch::new(&port));
        }
    }

    pub(super) fn end(&mut self, port: &SwitchPort, at: Timestamp) -> End {
        let mut ended = Vec::new();
        if let Some(peer) = &port.router_port {
            ended.push(end(&mut self.of_routers, peer, &OnSwitch::new(port), at));
        }
        for (ip, machine) in machines(port) {
            let own = end(&mut self.machines, &ip, &machine, at);
            if own == End::Vanished {
                self.unnote(machine.mac);
            }
            ended.push(own);
        }
        if port.is_withheld {
            ended.push(end(&mut self.withheld, &port.name, &OnSwitch::new(port), at));
        }
        ended.into_iter().find(|&ended| ended != End::Unknown).unwrap_or(End::Unknown)
    }

    fn unnote(&mut self, mac: MacAddr) {
        if let Entry::Occupied(mut told) = self.macs.entry(mac) {
            *told.get_mut() -= 1;
            if *told.get() == 0 {
                told.remove();
            }
        }
    }

    pub(super) fn forget(&mut self, is_forgotten: impl Fn(Validity) -> bool) {
        forget(&mut self.of_routers, &is_forgotten);
        forget(&mut self.machines, &is_forgotten);
        forget(&mut self.withheld, &is_forgotten);
        self.macs.clear();
        for machine in self.machines.values().flat_map(Versions::iter) {
            *self.macs.entry(machine.mac).or_default() += 1;
        }
    }

    /// When all ports hold, past ones included.
    pub(super) fn validities(&self) -> impl Iterator<Item = Validity> {
        self.machines.values().flat_map(Versions::iter).map(|machine| machine.validity).chain(self.of_any())
    }

    /// When those hold that bear on others than the routers whose next hop they are.
    pub(super) fn of_any(&self) -> impl Iterator<Item = Validity> {
        let withheld = self.withheld.values().flat_map(Versions::iter).map(|withheld| withheld.validity);
        self.of_routers.values().flat_map(Versions::iter).map(|port| port.validity).chain(withheld)
    }

    /// Whether some machine or container has, or had, the address.
    pub(super) fn has_address(&self, ip: IpAddr) -> bool {
        self.machines.contains_key(&ip)
    }

    /// Whether some machine or container has, or had, the MAC.
    pub(super) fn has_mac(&self, mac: MacAddr) -> bool {
        self.macs.contains_key(&mac)
    }

    /// The switches that a router's port is on at `at`: several where several sources tell, each by a UUID of its own.
    pub(super) fn switches_of(&self, router_port: &str, at: Timestamp) -> Vec<&Arc<str>> {
        let told = self.of_routers.get(router_port).into_iter().flat_map(|told| told.holding(at));
        told.filter_map(|port| port.switch.as_ref()).collect()
    }

    /// When the switches hold that a router's port is, or was, on.
    pub(super) fn changes_of(&self, router_port: &str) -> impl Iterator<Item = Validity> {
        self.of_routers.get(router_port).into_iter().flat_map(Versions::iter).map(|port| port.validity)
    }

    /// Machines and containers that have, or had, the address.
    pub(super) fn versions_with(&self, ip: IpAddr) -> impl Iterator<Item = &Machine> {
        self.machines.get(&ip).into_iter().flat_map(Versions::iter)
    }

    /// When the port's addresses are, or were, kept from routers.
    pub(super) fn withheld(&self, port: &str) -> impl Iterator<Item = Validity> {
        self.withheld.get(port).into_iter().flat_map(Versions::iter).map(|withheld| withheld.validity)
    }

    /// Machines and containers whose address northd writes into the routers on their switch at `at`.
    pub(super) fn holders(&self, ip: IpAddr, at: Timestamp) -> impl Iterator<Item = &Machine> {
        let told = self.machines.get(&ip).into_iter().flat_map(move |told| told.holding(at));
        // A Southbound row does not tell whether its port is disabled; a Northbound one does.
        let is_withheld = move |told: &Versions<OnSwitch>| told.holding(at).next().is_some();
        told.filter(move |machine| !self.withheld.get(&machine.port).is_some_and(is_withheld))
    }
}

impl OnSwitch {
    fn new(port: &SwitchPort) -> Self {
        Self { port: port.name.clone(), switch: port.switch.clone(), validity: port.validity }
    }
}

/// The machines and containers behind a port.
fn machines(port: &SwitchPort) -> impl Iterator<Item = (IpAddr, Machine)> {
    port.addresses.iter().map(|&(ip, mac)| {
        let machine = Machine { port: port.name.clone(), switch: port.switch.clone(), mac, validity: port.validity };
        (ip, machine)
    })
}

/// Adds what a dump tells. Returns whether it is a version of its own.
fn add<T: Dated>(told: &mut Versions<T>, fact: T) -> bool {
    let validity = fact.validity();
    if told.latest(&fact, validity.until, |told| told.validity() == validity).is_some() {
        return false;
    }
    let before = told.continued_by(&fact);
    match before {
        Some(number) => told.update(number, |told| told.validity_mut().until = validity.until),
        None => drop(told.push(fact)),
    }
    before.is_none()
}

fn end<K: Hash + Eq, T: Dated>(
    all: &mut HashMap<K, Versions<T>>,
    key: &(impl Equivalent<K> + Hash + ?Sized),
    fact: &T,
    at: Timestamp,
) -> End {
    let Some(told) = all.get_mut(key) else { return End::Unknown };
    let ended = told.end(fact, at);
    if told.is_empty() {
        all.remove(key);
    }
    ended
}

fn forget<K: Hash + Eq, T: Dated>(all: &mut HashMap<K, Versions<T>>, is_forgotten: impl Fn(Validity) -> bool) {
    all.retain(|_, told| {
        told.retain(|fact| !is_forgotten(fact.validity()));
        !told.is_empty()
    });
}
