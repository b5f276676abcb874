//! Whose MAC a next hop has: evidence from bindings and from the wire, over time.

mod by_port;
mod live;
mod told;

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use hashbrown::HashMap;

use self::by_port::{ByPort, Port};
use self::told::Told;
use super::fact::{Binding, BindingKind};
use super::lookalike;
use super::observation::HeardNeighbour;
use super::versions::Versions;
use crate::types::{MacAddr, Timestamp, Validity};

/// All bindings that were told, past ones included, and all neighbours heard.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    by_ip: HashMap<IpAddr, ByPort>,
    /// Where a MAC is bound: address and port.
    by_mac: BTreeSet<(MacAddr, IpAddr, Port)>,
    /// Runs of one MAC, in order, for each address heard.
    heard: HashMap<IpAddr, Vec<HeardRun>>,
    /// Addresses that were heard with a MAC.
    heard_as: BTreeSet<(MacAddr, IpAddr)>,
}

#[derive(Clone, Copy, Debug)]
struct HeardRun {
    mac: MacAddr,
    first: Timestamp,
    last: Timestamp,
}

/// The MACs of a neighbour at some time.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Lladdrs {
    /// MACs that a packet may rightly go to.
    pub(super) current: Vec<MacAddr>,
    /// Whether `current` is the last that was known, and its evidence has ended.
    pub(super) aged: bool,
    /// MACs that older evidence, not withdrawn, still names.
    pub(super) older: Vec<MacAddr>,
    /// Those of them that some rule puts behind `current`, whatever their dates: they were never its MACs meanwhile.
    pub(super) overruled: Vec<MacAddr>,
}

impl Neighbours {
    pub(super) fn add(&mut self, binding: Binding) {
        self.note(&binding);
        let told = self.told_on(&binding);
        let new = Told::new(binding, false);
        // A refreshed timestamp is a new version of the row, but no new binding.
        let last = told.last(&new, |told| !told.is_live);
        match last.and_then(|number| Some((number, &told.get(number)?.binding))) {
            Some((number, last))
                if last.validity.until.is_some() && last.validity.until == new.binding.validity.from =>
            {
                told.update(number, |last| last.binding.validity.until = new.binding.validity.until);
            }
            Some((_, last)) if *last == new.binding => {}
            _ => drop(told.push(new)),
        }
    }

    /// What was told of the address of a binding on its port.
    fn told_on(&mut self, binding: &Binding) -> &mut Versions<Told> {
        let port = &binding.logical_port;
        self.by_ip.entry(binding.ip).or_insert_with(|| ByPort::new(port.clone())).entry(port)
    }

    /// Finds the binding by its MAC.
    fn note(&mut self, binding: &Binding) {
        self.by_mac.extend(binding.mac.map(|mac| (mac, binding.ip, binding.logical_port.clone())));
    }

    /// Notes a neighbour that was heard. Returns whether it tells another MAC than before.
    pub(super) fn hear(&mut self, heard: HeardNeighbour) -> bool {
        let runs = self.heard.entry(heard.ip).or_default();
        match runs.last_mut() {
            Some(run) if run.mac == heard.mac => {
                run.last = run.last.max(heard.at);
                false
            }
            // Time stamps of a capture may step back a little; a run never starts before the one ahead of it.
            last => {
                let first = last.map_or(heard.at, |run| run.first.max(heard.at));
                runs.push(HeardRun { mac: heard.mac, first, last: first });
                self.heard_as.insert((heard.mac, heard.ip));
                true
            }
        }
    }

    /// How often the address was heard with another MAC than before.
    pub(super) fn heard_changes(&self, ip: IpAddr) -> usize {
        self.heard.get(&ip).map_or(0, Vec::len)
    }

    /// When the address was heard with another MAC than before.
    pub(super) fn heard_starts(&self, ip: IpAddr) -> impl Iterator<Item = Timestamp> + '_ {
        self.heard(ip).map(|(_, first, _)| first)
    }

    /// Runs of one MAC that the address was heard with: MAC, first and last time.
    pub(super) fn heard(&self, ip: IpAddr) -> impl Iterator<Item = (MacAddr, Timestamp, Timestamp)> + '_ {
        self.heard.get(&ip).into_iter().flatten().map(|run| (run.mac, run.first, run.last))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Binding> {
        self.by_ip.values().flat_map(ByPort::values).flat_map(Versions::iter).map(|told| &told.binding)
    }

    /// Bindings of a MAC, past ones included.
    pub(super) fn of_mac(&self, mac: MacAddr) -> impl Iterator<Item = &Binding> {
        let places = self.by_mac.range((mac, Ipv4Addr::UNSPECIFIED.into(), None)..);
        let own = places.take_while(move |(bound, ..)| *bound == mac);
        own.flat_map(move |(_, ip, port)| self.told(*ip, port, mac)).map(|told| &told.binding)
    }

    /// Whether the MAC is, or was, bound to an address or heard with one.
    pub(super) fn knows(&self, mac: MacAddr) -> bool {
        let bound = self.by_mac.range((mac, Ipv4Addr::UNSPECIFIED.into(), None)..).next();
        bound.is_some_and(|(bound, ..)| *bound == mac) || self.heard_as(mac).next().is_some()
    }

    /// What was told of an address on a port that binds it to the MAC.
    fn told(&self, ip: IpAddr, port: &Port, mac: MacAddr) -> impl Iterator<Item = &Told> {
        let told = self.by_ip.get(&ip).and_then(|ports| ports.on(port));
        told.into_iter()
            .flat_map(move |told| KINDS.into_iter().flat_map(move |kind| told.saying(evidence(ip, mac, kind))))
    }

    /// Addresses that the MAC was heard with, and when last.
    pub(super) fn heard_as(&self, mac: MacAddr) -> impl Iterator<Item = (IpAddr, Timestamp)> {
        let ips =
            self.heard_as.range((mac, Ipv4Addr::UNSPECIFIED.into())..).take_while(move |(heard, _)| *heard == mac);
        let last = move |runs: &Vec<HeardRun>| runs.iter().rev().find(|run| run.mac == mac).map(|run| run.last);
        ips.filter_map(move |&(_, ip)| Some((ip, last(self.heard.get(&ip)?)?)))
    }

    /// Bindings of an address on a port. A side that names no port matches any.
    pub(super) fn of<'a>(&'a self, ip: IpAddr, port: Option<&'a Arc<str>>) -> impl Iterator<Item = &'a Binding> {
        self.on(ip, port).flat_map(Versions::iter).map(|told| &told.binding)
    }

    /// Bindings of an address on a port that hold at `at`.
    pub(super) fn holding<'a>(
        &'a self,
        ip: IpAddr,
        port: Option<&'a Arc<str>>,
        at: Timestamp,
    ) -> impl Iterator<Item = &'a Binding> {
        self.on(ip, port).flat_map(move |told| told.holding(at)).map(|told| &told.binding)
    }

    /// What was told of an address on a port, and what was told of it without port; on all ports where none is given.
    fn on<'a>(&'a self, ip: IpAddr, port: Option<&'a Arc<str>>) -> impl Iterator<Item = &'a Versions<Told>> {
        let ports = self.by_ip.get(&ip);
        let on = move |port: Option<Arc<str>>| ports.and_then(|ports| ports.on(&port));
        let (own, unnamed, all) = match port {
            Some(port) => (on(Some(port.clone())), on(None), None),
            None => (None, None, ports),
        };
        own.into_iter().chain(unnamed).chain(all.into_iter().flat_map(ByPort::values))
    }

    /// The MACs of the neighbour `ip` at `at`: the newest evidence, and what older evidence still says.
    ///
    /// Where the caller knows no port, an address that is a neighbour on several ports has a MAC on each: these do not
    /// contradict each other, so all of them are current.
    pub(super) fn lladdrs(&self, ip: IpAddr, port: Option<&Arc<str>>, at: Timestamp) -> Lladdrs {
        if port.is_some() || self.ports_of(ip).nth(1).is_none() {
            return self.lladdrs_on(ip, port, at);
        }
        let mut found = Lladdrs { aged: true, ..Lladdrs::default() };
        for port in self.ports_of(ip) {
            let on_port = self.lladdrs_on(ip, Some(port), at);
            found.aged &= on_port.aged;
            found.current.extend(on_port.current);
            found.older.extend(on_port.older);
            found.overruled.extend(on_port.overruled);
        }
        found.current.sort_unstable();
        found.current.dedup();
        found.older.retain(|mac| !found.current.contains(mac));
        found
    }

    fn lladdrs_on(&self, ip: IpAddr, port: Option<&Arc<str>>, at: Timestamp) -> Lladdrs {
        let holding = || self.holding(ip, port, at);
        // An override wins at any age (ovn-nb(5), Static_MAC_Binding); so does what the user wrote down.
        let overrides = |binding: &&Binding| {
            matches!(
                binding.kind,
                BindingKind::StaticMacBinding { override_dynamic_mac: true } | BindingKind::NexthopsToml
            )
        };
        let overriding = macs(holding().filter(overrides));
        if !overriding.is_empty() {
            let mut older = macs(holding());
            older.retain(|mac| !overriding.contains(mac));
            return Lladdrs { current: overriding, aged: false, overruled: older.clone(), older };
        }

        let heard = self.heard.get(&ip).and_then(|runs| runs.iter().rev().find(|run| run.first <= at));
        // A MAC that the address no longer has does not come back by a frame heard: the last ARP of a dead gateway, or
        // one spoofed frame, must not hide a violation. OVN learns a real return into its own binding.
        let heard = heard.filter(|run| !self.is_former(ip, port, run.mac, at));
        // A link-local address is another neighbour on each port, and a frame does not tell the port.
        let heard = heard.filter(|_| !lookalike::is_link_local(ip) || !self.is_on_other_port(ip, port));
        let mut dated: Vec<(Option<Timestamp>, MacAddr)> =
            holding().filter_map(|binding| Some((evidence_date(binding), binding.mac?))).collect();
        dated.extend(heard.map(|run| (Some(run.first), run.mac)));
        let past = |&&(date, _): &&(Option<Timestamp>, MacAddr)| date.is_none_or(|date| date <= at);
        let newest = dated.iter().filter(past).map(|&(date, _)| date).max();

        let mut found = Lladdrs::default();
        for &(date, mac) in &dated {
            // A dump without history is dated later than the packet. It holds for the whole capture all the same.
            let current = newest.is_none_or(|newest| date >= newest);
            let macs = if current { &mut found.current } else { &mut found.older };
            if !macs.contains(&mac) {
                macs.push(mac);
            }
        }
        found.older.retain(|mac| !found.current.contains(mac));
        if found.current.is_empty() {
            let has_mac = |told: &&Told| told.binding.mac.is_some();
            let ended = self.on(ip, port).filter_map(|told| told.ended(at).find(has_mac));
            if let Some(last) = ended.max_by_key(|told| told.binding.validity.until) {
                let current = last.binding.mac.into_iter().collect();
                found = Lladdrs { current, aged: true, ..Lladdrs::default() };
            }
        }
        found
    }

    /// Whether the address is, or was, a neighbour on another port than `port`.
    fn is_on_other_port(&self, ip: IpAddr, port: Option<&Arc<str>>) -> bool {
        port.is_some_and(|port| self.ports_of(ip).any(|told| told != port))
    }

    /// The ports on which the address is, or was, a neighbour.
    fn ports_of(&self, ip: IpAddr) -> impl Iterator<Item = &Arc<str>> {
        self.by_ip.get(&ip).into_iter().flat_map(ByPort::ports)
    }

    /// Whether a binding of the address to the MAC has ended, and another one has followed.
    fn is_former(&self, ip: IpAddr, port: Option<&Arc<str>>, mac: MacAddr, at: Timestamp) -> bool {
        let has_ended = |told: &Versions<Told>| KINDS.iter().any(|&kind| told.has_ended(&evidence(ip, mac, kind), at));
        let holding = || self.on(ip, port).flat_map(|told| told.holding(at)).filter_map(|told| told.binding.mac);
        self.on(ip, port).any(has_ended) && holding().any(|other| other != mac) && !holding().any(|other| other == mac)
    }
}

/// All kinds of evidence that are told.
const KINDS: [BindingKind; 6] = [
    BindingKind::MacBinding,
    BindingKind::StaticMacBinding { override_dynamic_mac: false },
    BindingKind::StaticMacBinding { override_dynamic_mac: true },
    BindingKind::NexthopsToml,
    BindingKind::Neighbour,
    BindingKind::Heard,
];

/// Evidence of that kind, to find what says the same.
fn evidence(ip: IpAddr, mac: MacAddr, kind: BindingKind) -> Told {
    let validity = Validity::ALWAYS;
    Told::new(Binding { logical_port: None, ip, mac: Some(mac), kind, confirmed: None, validity }, false)
}

fn macs<'a>(bindings: impl Iterator<Item = &'a Binding>) -> Vec<MacAddr> {
    let mut macs: Vec<MacAddr> = bindings.filter_map(|binding| binding.mac).collect();
    macs.sort_unstable();
    macs.dedup();
    macs
}

/// The date of the evidence that a binding is: since when a source with history has it, else when it was confirmed.
/// `None`, older than any date, where the source tells neither.
fn evidence_date(binding: &Binding) -> Option<Timestamp> {
    binding.validity.from.or(binding.confirmed)
}
