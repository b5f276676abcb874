//! The NICs that are watched: which of them are there, and by which devices their frames leave.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::netlink::link::{Link, LinkChange, Links};
use crate::types::MacAddr;

/// Least likeness of a name that is offered for one that is not there; 1 is equality.
const ALIKE: f64 = 0.75;

/// What happened to a watched NIC.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NicEvent {
    /// It is there, as described: it has come, or something of it has changed.
    Present(Nic),
    /// It is there no more: deleted, renamed, or moved to another namespace.
    Gone {
        /// The name that it is watched by.
        name: Arc<str>,
    },
}

/// A watched NIC that is there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Nic {
    /// The name that it is watched by, which may be one of its other names.
    pub name: Arc<str>,
    /// Its index. A NIC that was deleted and made anew has another.
    pub ifindex: u32,
    /// Its MAC, where it has one.
    pub mac: Option<MacAddr>,
    /// `IFLA_INFO_KIND`, such as `bond`; `None` of hardware.
    pub kind: Option<Arc<str>>,
    /// Whether it is up and has a carrier.
    pub is_up: bool,
    /// The devices by which its frames leave, where to look at packets once each: members of a bond, the device below a
    /// VLAN, else itself. Sorted by index.
    pub lower: Vec<Device>,
}

/// A device that frames leave by.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Device {
    /// Its index.
    pub ifindex: u32,
    /// Its name.
    pub name: Arc<str>,
}

/// A watched name that no NIC has.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("there is no NIC {name}; {}", offer(.alike.as_ref(), .present))]
pub struct NoSuchNic {
    /// The name.
    pub name: Arc<str>,
    /// The name of a NIC that is much alike.
    pub alike: Option<Arc<str>>,
    /// Names of the NICs that are there.
    pub present: Vec<Arc<str>>,
}

fn offer(alike: Option<&Arc<str>>, present: &[Arc<str>]) -> String {
    let there = match present {
        [] => "there are none in this network namespace".to_owned(),
        names => format!("there are {}", names.join(", ")),
    };
    match alike {
        Some(alike) => format!("is {alike} meant? {there}"),
        None => there,
    }
}

/// The NICs that are watched.
#[derive(Debug, Default)]
pub struct Nics {
    links: Links,
    watched: BTreeSet<Arc<str>>,
    told: BTreeMap<Arc<str>, Nic>,
}

impl Nics {
    /// Watches NICs by name; other names of a NIC (`ip link property`) will do.
    pub fn new(names: impl IntoIterator<Item = Arc<str>>) -> Self {
        Self { watched: names.into_iter().collect(), ..Self::default() }
    }

    /// Watches these names instead. Those that are watched no more are told as gone.
    pub fn watch(&mut self, names: impl IntoIterator<Item = Arc<str>>) -> Vec<NicEvent> {
        self.watched = names.into_iter().collect();
        self.news()
    }

    /// Takes what happened to links. Returns what follows for the NICs, those that are gone first.
    pub fn apply(&mut self, changes: Vec<LinkChange>) -> Vec<NicEvent> {
        for change in changes {
            match change {
                LinkChange::Present(link) => drop(self.links.insert(link)),
                LinkChange::Gone { ifindex } => drop(self.links.remove(ifindex)),
            }
        }
        self.news()
    }

    /// Whether all watched NICs are there; to be asked once links were told.
    ///
    /// # Errors
    /// The first name that no NIC has.
    pub fn check(&self) -> Result<(), NoSuchNic> {
        let missing = self.watched.iter().find(|name| self.links.named(name).is_none());
        let Some(name) = missing else { return Ok(()) };
        let mut present: Vec<Arc<str>> =
            self.links.iter().filter(|link| !link.is_loopback).map(|link| Arc::clone(&link.name)).collect();
        present.sort_unstable();
        let likeness = |other: &Arc<str>| strsim::jaro_winkler(name, other);
        let best = present.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        let alike = best.filter(|best| likeness(best) >= ALIKE).cloned();
        Err(NoSuchNic { name: Arc::clone(name), alike, present })
    }

    fn news(&mut self) -> Vec<NicEvent> {
        let present: BTreeMap<Arc<str>, Nic> =
            self.watched.iter().filter_map(|name| Some((Arc::clone(name), self.describe(name)?))).collect();
        let mut events = Vec::new();
        // Under another index it is another NIC, whatever its name.
        for (name, told) in &self.told {
            if present.get(name).is_none_or(|now| now.ifindex != told.ifindex) {
                events.push(NicEvent::Gone { name: Arc::clone(name) });
            }
        }
        let changed = present.iter().filter(|(name, now)| self.told.get(*name) != Some(now));
        events.extend(changed.map(|(_, now)| NicEvent::Present(now.clone())));
        self.told = present;
        events
    }

    fn describe(&self, name: &Arc<str>) -> Option<Nic> {
        let link = self.links.named(name)?;
        let device = |link: &Link| Device { ifindex: link.ifindex, name: Arc::clone(&link.name) };
        Some(Nic {
            name: Arc::clone(name),
            ifindex: link.ifindex,
            mac: link.mac,
            kind: link.kind.clone(),
            is_up: link.can_carry(),
            lower: self.links.lowest(link.ifindex).into_iter().map(device).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(ifindex: u32, name: &str) -> Link {
        Link {
            ifindex,
            name: name.into(),
            alt_names: Vec::new(),
            mac: Some(MacAddr([2, 0, 0, 0, 0, u8::try_from(ifindex).unwrap()])),
            kind: None,
            master: None,
            lower: None,
            is_up: true,
            has_carrier: true,
            is_loopback: name == "lo",
        }
    }

    fn present(links: impl IntoIterator<Item = Link>) -> Vec<LinkChange> {
        links.into_iter().map(LinkChange::Present).collect()
    }

    fn words(events: &[NicEvent]) -> Vec<String> {
        let word = |event: &NicEvent| match event {
            NicEvent::Gone { name } => format!("gone {name}"),
            NicEvent::Present(Nic { name, ifindex, is_up, lower, .. }) => {
                let lower: Vec<&str> = lower.iter().map(|device| &*device.name).collect();
                format!("{name} {ifindex} {} {}", if *is_up { "up" } else { "down" }, lower.join("+"))
            }
        };
        events.iter().map(word).collect()
    }

    #[test]
    fn comes_changes_and_goes() {
        let mut nics = Nics::new(["eth0".into()]);
        assert_eq!(words(&nics.apply(present([link(2, "eth0"), link(3, "eth1")]))), ["eth0 2 up eth0"]);
        assert!(nics.apply(present([link(2, "eth0"), link(3, "eth2")])).is_empty());
        let down = Link { has_carrier: false, ..link(2, "eth0") };
        assert_eq!(words(&nics.apply(present([down]))), ["eth0 2 down eth0"]);
        assert_eq!(words(&nics.apply(vec![LinkChange::Gone { ifindex: 2 }])), ["gone eth0"]);
        assert_eq!(words(&nics.apply(present([link(7, "eth0")]))), ["eth0 7 up eth0"]);
        // Deleted and made anew between two looks.
        let anew = [LinkChange::Gone { ifindex: 7 }, LinkChange::Present(link(8, "eth0"))];
        assert_eq!(words(&nics.apply(anew.into())), ["gone eth0", "eth0 8 up eth0"]);
        assert_eq!(words(&nics.apply(present([link(8, "wan")]))), ["gone eth0"]);
        assert_eq!(words(&nics.watch(["wan".into()])), ["wan 8 up wan"]);
    }

    #[test]
    fn lower_devices_are_followed() {
        let bond = Link { kind: Some("bond".into()), ..link(5, "bond0") };
        let vlan = Link { kind: Some("vlan".into()), lower: Some(5), ..link(6, "bond0.100") };
        let member = |ifindex, name| Link { master: Some(5), ..link(ifindex, name) };
        let mut nics = Nics::new(["bond0.100".into(), "enp1s0f0np0".into()]);
        let other = Link { alt_names: vec!["enp1s0f0np0".into()], ..link(9, "ens1f0") };
        let events = nics.apply(present([vlan, bond, member(2, "eth0"), other]));
        assert_eq!(words(&events), ["bond0.100 6 up eth0", "enp1s0f0np0 9 up ens1f0"]);
        assert_eq!(words(&nics.apply(present([member(3, "eth1")]))), ["bond0.100 6 up eth0+eth1"]);
        assert_eq!(words(&nics.apply(present([link(2, "eth0")]))), ["bond0.100 6 up eth1"]);
    }

    #[test]
    fn missing_nic_is_named_with_what_is_there() {
        let mut nics = Nics::new(["ens5f1".into()]);
        assert_eq!(
            nics.check().unwrap_err().to_string(),
            "there is no NIC ens5f1; there are none in this network namespace"
        );
        nics.apply(present([link(1, "lo"), link(4, "ens5f1np1"), link(3, "br-ex")]));
        let error = nics.check().unwrap_err().to_string();
        assert_eq!(error, "there is no NIC ens5f1; is ens5f1np1 meant? there are br-ex, ens5f1np1");
        let mut nics = Nics::new(["br-ex".into()]);
        nics.apply(present([link(3, "br-ex")]));
        assert_eq!(nics.check(), Ok(()));
    }
}
