//! Whose MAC a next hop has: evidence from bindings and from the wire, over time.

mod by_port;
mod live;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use hashbrown::HashMap;

use self::by_port::ByPort;
use super::fact::{Binding, BindingKind};
use super::lookalike;
use super::observation::HeardNeighbour;
use crate::types::{MacAddr, Timestamp};

/// All bindings that were told, past ones included, and all neighbours heard.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    by_ip: HashMap<IpAddr, ByPort>,
    by_mac: BTreeSet<(MacAddr, IpAddr)>,
    /// Runs of one MAC, in order, for each address heard.
    heard: HashMap<IpAddr, Vec<HeardRun>>,
}

/// A binding that was told.
#[derive(Debug)]
struct Told {
    binding: Binding,
    /// When its source last confirmed it. `binding.confirmed` stays as first told: it dates the evidence.
    confirmed: Option<Timestamp>,
    /// Whether a live source told it, so that it is not put together with what others say.
    is_live: bool,
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
}

impl Neighbours {
    pub(super) fn add(&mut self, binding: Binding) {
        self.note_mac(binding.mac, binding.ip);
        let port = &binding.logical_port;
        let told = self.by_ip.entry(binding.ip).or_insert_with(|| ByPort::new(port.clone())).entry(port);
        // A refreshed timestamp is a new version of the row, but no new binding.
        let is_same =
            |told: &&mut Told| !told.is_live && told.binding.kind == binding.kind && told.binding.mac == binding.mac;
        let last = told.iter_mut().rev().find(is_same).map(|told| &mut told.binding);
        match last {
            Some(last) if last.validity.until.is_some() && last.validity.until == binding.validity.from => {
                last.validity.until = binding.validity.until;
            }
            Some(last) if *last == binding => {}
            _ => told.push(Told { confirmed: binding.confirmed, binding, is_live: false }),
        }
    }

    fn note_mac(&mut self, mac: Option<MacAddr>, ip: IpAddr) {
        self.by_mac.extend(mac.map(|mac| (mac, ip)));
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
        self.by_ip.values().flat_map(ByPort::values).flatten().map(|told| &told.binding)
    }

    /// Bindings of a MAC, past ones included.
    pub(super) fn of_mac(&self, mac: MacAddr) -> impl Iterator<Item = &Binding> {
        let all = (mac, Ipv4Addr::UNSPECIFIED.into())..=(mac, Ipv6Addr::from_bits(u128::MAX).into());
        let ips = self.by_mac.range(all).map(|&(_, ip)| ip);
        ips.flat_map(|ip| self.of(ip, None)).filter(move |binding| binding.mac == Some(mac))
    }

    /// Addresses that the MAC was heard with, and when last.
    pub(super) fn heard_as(&self, mac: MacAddr) -> impl Iterator<Item = (IpAddr, Timestamp)> {
        let last = move |runs: &Vec<HeardRun>| runs.iter().rev().find(|run| run.mac == mac).map(|run| run.last);
        self.heard.iter().filter_map(move |(&ip, runs)| Some((ip, last(runs)?)))
    }

    /// Bindings of an address on a port. A side that names no port matches any.
    pub(super) fn of<'a>(&'a self, ip: IpAddr, port: Option<&'a Arc<str>>) -> impl Iterator<Item = &'a Binding> {
        let ports = self.by_ip.get(&ip);
        let on = move |port: Option<Arc<str>>| ports.and_then(|ports| ports.on(&port));
        let (own, unnamed, all) = match port {
            Some(port) => (on(Some(port.clone())), on(None), None),
            None => (None, None, ports),
        };
        let all = all.into_iter().flat_map(ByPort::values);
        own.into_iter().chain(unnamed).chain(all).flatten().map(|told| &told.binding)
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
        }
        found.current.sort_unstable();
        found.current.dedup();
        found.older.retain(|mac| !found.current.contains(mac));
        found
    }

    fn lladdrs_on(&self, ip: IpAddr, port: Option<&Arc<str>>, at: Timestamp) -> Lladdrs {
        let holding = || self.of(ip, port).filter(|binding| binding.validity.holds(at));
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
            return Lladdrs { current: overriding, aged: false, older };
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
            let ended = self.of(ip, port).filter(|binding| binding.validity.ended(at) && binding.mac.is_some());
            if let Some(last) = ended.max_by_key(|binding| binding.validity.until) {
                found = Lladdrs { current: last.mac.into_iter().collect(), aged: true, older: Vec::new() };
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
        let holds = |binding: &Binding| binding.validity.holds(at);
        let mut ended = self.of(ip, port).filter(|binding| binding.mac == Some(mac) && binding.validity.ended(at));
        ended.next().is_some()
            && self.of(ip, port).any(|binding| holds(binding) && binding.mac.is_some_and(|other| other != mac))
            && !self.of(ip, port).any(|binding| holds(binding) && binding.mac == Some(mac))
    }
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
