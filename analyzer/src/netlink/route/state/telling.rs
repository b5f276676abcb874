//! What is told of the kernel's state, as differences from what was told before.

use std::collections::HashMap;
use std::net::IpAddr;

use super::{BindingKey, Cached, Dirty, State};
use crate::engine::fact::{Binding, Delta, Fact};
use crate::netlink::link::LinkChange;
use crate::netlink::route::facts::{self, Devices};
use crate::netlink::route::message::Key;

impl State {
    /// What happened to links since this was asked last: first those that are gone.
    pub fn take_link_changes(&mut self) -> Vec<LinkChange> {
        let mut gone = Vec::new();
        let mut present = Vec::new();
        for ifindex in std::mem::take(&mut self.untold_links) {
            match self.links.get(ifindex) {
                None if self.told_links.remove(&ifindex).is_some() => gone.push(LinkChange::Gone { ifindex }),
                Some(link) if self.told_links.get(&ifindex) != Some(link) => {
                    self.told_links.insert(ifindex, link.clone());
                    present.push(LinkChange::Present(link.clone()));
                }
                _ => {}
            }
        }
        present.sort_by_key(LinkChange::ifindex);
        gone.extend(present);
        gone
    }

    /// How facts differ from those told before.
    ///
    /// A binding whose time of confirmation alone has changed is not told again: the kernel confirms the MAC of a
    /// gateway in use every few seconds.
    pub fn delta(&mut self) -> Delta {
        let mut delta = Delta::default();
        let mut dirty = std::mem::take(&mut self.dirty);
        self.widen(&mut dirty);
        if self.settings.routes {
            dirty.routes.iter().for_each(|&key| self.tell_routes(key, &mut delta));
            self.tell_ports(&mut delta);
        }
        dirty.neighbours.iter().for_each(|&key| self.tell_bindings(key, &mut delta));
        delta
    }

    /// Routes and neighbours that changed because links, nexthop objects or the choice of devices did.
    fn widen(&mut self, dirty: &mut Dirty) {
        if dirty.watched {
            let watched = self.links.over(self.settings.devices.as_ref());
            dirty.links.extend(watched.symmetric_difference(&self.watched));
            self.watched = watched;
        }
        if !dirty.links.is_empty() || !dirty.nexthops.is_empty() {
            let links = |ifindex| dirty.links.contains(&ifindex);
            let nexthops = |id| dirty.nexthops.contains(&id);
            dirty.routes.extend(self.routes.using(&self.nexthops, links, nexthops));
        }
        if !dirty.links.is_empty() {
            let on_them = self.neighbours.keys().filter(|(ifindex, _)| dirty.links.contains(ifindex));
            let keys: Vec<BindingKey> = on_them.map(|&(ifindex, ip)| self.binding_key(ifindex, ip)).collect();
            dirty.neighbours.extend(keys);
        }
    }

    fn devices(&self) -> Devices<'_> {
        Devices { links: &self.links, watched: &self.watched }
    }

    /// Whether a link is known not to carry frames.
    fn is_dead(&self, ifindex: u32) -> bool {
        self.links.get(ifindex).is_some_and(|link| !link.can_carry())
    }

    fn tell_routes(&mut self, key: Key, delta: &mut Delta) {
        let chosen = self.routes.chosen(key, &self.nexthops, |ifindex| self.is_dead(ifindex));
        let Some(table) = self.tables.get(&key.table) else { return };
        let new = facts::routes(&self.router, table, key, &chosen, &self.devices());
        let told = self.told_routes.remove(&key).unwrap_or_default();
        delta.ended.extend(told.iter().filter(|fact| !new.contains(fact)).cloned());
        delta.begun.extend(new.iter().filter(|fact| !told.contains(fact)).cloned());
        if !new.is_empty() {
            self.told_routes.insert(key, new);
        }
    }

    fn tell_ports(&mut self, delta: &mut Delta) {
        let mut new = HashMap::new();
        for link in self.links.iter().filter(|link| self.watched.contains(&link.ifindex)) {
            let is_on_link = |prefix| {
                self.tables.keys().any(|&table| {
                    let chosen = self.routes.chosen(Key { table, prefix }, &self.nexthops, |_| false);
                    chosen.hops.iter().any(|hop| hop.ifindex == link.ifindex && hop.gateway.is_none())
                })
            };
            let port = facts::port(&self.router, link, &self.addresses, is_on_link);
            if !port.addresses.is_empty() {
                new.insert(link.ifindex, port);
            }
        }
        let ended = self.told_ports.iter().filter(|(ifindex, port)| new.get(ifindex) != Some(port));
        delta.ended.extend(ended.map(|(_, port)| Fact::RouterPort(port.clone())));
        let begun = new.iter().filter(|(ifindex, port)| self.told_ports.get(ifindex) != Some(port));
        delta.begun.extend(begun.map(|(_, port)| Fact::RouterPort(port.clone())));
        self.told_ports = new;
    }

    fn tell_bindings(&mut self, key: BindingKey, delta: &mut Delta) {
        let told = self.told_bindings.remove(&key).unwrap_or_default();
        let agree = |a: &Binding, b: &Binding| a.mac == b.mac && a.logical_port == b.logical_port;
        let mut new = self.bindings(key);
        for binding in &mut new {
            // What is told already stays as it was told.
            match told.iter().find(|told| agree(told, binding)) {
                Some(told) => *binding = told.clone(),
                None => delta.begun.push(Fact::Binding(binding.clone())),
            }
        }
        let ended = told.into_iter().filter(|told| !new.iter().any(|new| agree(told, new)));
        delta.ended.extend(ended.map(Fact::Binding));
        if !new.is_empty() {
            self.told_bindings.insert(key, new);
        }
    }

    fn bindings(&self, (device, ip): BindingKey) -> Vec<Binding> {
        if let Some(ifindex) = device {
            let devices = self.devices();
            let known = devices.watched(ifindex).zip(self.neighbours.get(&(ifindex, ip)));
            let binding = known.map(|(link, it)| facts::binding(Some(link.name.clone()), ip, it.mac, it.confirmed));
            return binding.into_iter().collect();
        }
        let known: Vec<&Cached> = self.watched.iter().filter_map(|&it| self.neighbours.get(&(it, ip))).collect();
        // A link-local address is another neighbour on each link, and which of OVN's ports are on which is not known.
        if is_link_local(ip) && known.len() > 1 {
            return Vec::new();
        }
        let mut bindings: Vec<Binding> = Vec::new();
        for cached in &known {
            // One device that has the MAC is enough: others that do not, do not know better.
            let says_nothing = cached.mac.is_none() && known.iter().any(|other| other.mac.is_some());
            if !says_nothing && !bindings.iter().any(|told| told.mac == cached.mac) {
                bindings.push(facts::binding(None, ip, cached.mac, cached.confirmed));
            }
        }
        bindings
    }
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}
