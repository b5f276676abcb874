//! Links: the kernel's network devices (rtnetlink(7), `RTM_NEWLINK`), and which of them lie on which.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use super::attribute::{Malformed, attributes, split};
use super::rtnetlink::AF_UNSPEC;
use crate::types::MacAddr;

/// `IFLA_*` (include/uapi/linux/if_link.h).
mod ifla {
    pub(super) const ADDRESS: u16 = 1;
    pub(super) const IFNAME: u16 = 3;
    pub(super) const LINK: u16 = 5;
    pub(super) const MASTER: u16 = 10;
    pub(super) const WIRELESS: u16 = 11;
    pub(super) const LINKINFO: u16 = 18;
    pub(super) const LINK_NETNSID: u16 = 37;
    pub(super) const PROP_LIST: u16 = 52;
    pub(super) const ALT_IFNAME: u16 = 53;
    pub(super) const INFO_KIND: u16 = 1;
}

/// `IFF_*` (include/uapi/linux/if.h).
mod iff {
    pub(super) const UP: u32 = 1;
    pub(super) const LOOPBACK: u32 = 1 << 3;
    pub(super) const LOWER_UP: u32 = 1 << 16;
}

/// Kinds of links whose frames leave by the link that `IFLA_LINK` names, with the destination MAC that they were given.
/// Of other kinds, `IFLA_LINK` is a peer (veth) or the way of a tunnel.
const UPPER_KINDS: [&str; 5] = ["vlan", "macvlan", "macvtap", "ipvlan", "ipvtap"];

/// A link of the namespace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// Its index.
    pub ifindex: u32,
    /// Its name.
    pub name: Arc<str>,
    /// Its other names (`ip link property`).
    pub alt_names: Vec<Arc<str>>,
    /// Its MAC; `None` where it has no address of 48 bits.
    pub mac: Option<MacAddr>,
    /// `IFLA_INFO_KIND`, such as `bond`, `vlan`, `veth`; `None` of a NIC.
    pub kind: Option<Arc<str>>,
    /// Index of the bond, bridge or virtual switch that it is a port of.
    pub master: Option<u32>,
    /// Index of the link below (`IFLA_LINK`) where frames leave by that with the same destination MAC, as of a VLAN.
    pub lower: Option<u32>,
    /// Whether it is up by configuration (`IFF_UP`).
    pub is_up: bool,
    /// Whether it has a carrier (`IFF_LOWER_UP`).
    pub has_carrier: bool,
    /// Whether it is the loopback.
    pub is_loopback: bool,
}

/// What happened to a link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LinkChange {
    /// It is new, or something of it has changed.
    Present(Link),
    /// It was deleted, or moved to another namespace.
    Gone {
        /// Its index.
        ifindex: u32,
    },
}

impl LinkChange {
    /// Index of the link.
    pub fn ifindex(&self) -> u32 {
        match self {
            Self::Present(link) => link.ifindex,
            Self::Gone { ifindex } => *ifindex,
        }
    }
}

impl Link {
    /// Reads the payload of `RTM_NEWLINK` or `RTM_DELLINK`; `None` for messages that do not tell of a link as a whole:
    /// those of bridge ports, and of events of wireless drivers.
    ///
    /// # Errors
    /// The message is malformed.
    pub fn parse(payload: &[u8]) -> Result<Option<Self>, Malformed> {
        // struct ifinfomsg: family, padding, type (2), index (4), flags (4), change (4).
        let (fixed, rest) = split::<16>(payload)?;
        let [family, _, _, _, i0, i1, i2, i3, f0, f1, f2, f3, ..] = *fixed;
        if family != AF_UNSPEC {
            return Ok(None);
        }
        let flags = u32::from_ne_bytes([f0, f1, f2, f3]);
        let mut link = Self {
            ifindex: u32::from_ne_bytes([i0, i1, i2, i3]),
            name: "".into(),
            alt_names: Vec::new(),
            mac: None,
            kind: None,
            master: None,
            lower: None,
            is_up: flags & iff::UP != 0,
            has_carrier: flags & iff::LOWER_UP != 0,
            is_loopback: flags & iff::LOOPBACK != 0,
        };
        let mut is_elsewhere = false;
        for attribute in attributes(rest) {
            let attribute = attribute?;
            match attribute.kind {
                ifla::ADDRESS => link.mac = attribute.mac(),
                ifla::IFNAME => link.name = attribute.name().into(),
                ifla::LINK => link.lower = Some(attribute.u32()?),
                ifla::MASTER => link.master = Some(attribute.u32()?),
                ifla::WIRELESS => return Ok(None),
                ifla::LINK_NETNSID => is_elsewhere = true,
                ifla::LINKINFO => link.kind = kind(attribute.value)?,
                ifla::PROP_LIST => link.alt_names = alt_names(attribute.value)?,
                _ => {}
            }
        }
        let is_upper = link.kind.as_deref().is_some_and(|kind| UPPER_KINDS.contains(&kind));
        if is_elsewhere || !is_upper {
            link.lower = None;
        }
        if link.name.is_empty() || link.ifindex == 0 {
            return Err(Malformed);
        }
        Ok(Some(link))
    }

    /// Whether `name` is its name or one of its other names.
    pub fn is_called(&self, name: &str) -> bool {
        *self.name == *name || self.alt_names.iter().any(|alt_name| **alt_name == *name)
    }

    /// Whether it can carry frames: it is up and has a carrier.
    pub fn can_carry(&self) -> bool {
        self.is_up && self.has_carrier
    }
}

fn kind(linkinfo: &[u8]) -> Result<Option<Arc<str>>, Malformed> {
    for attribute in attributes(linkinfo) {
        let attribute = attribute?;
        if attribute.kind == ifla::INFO_KIND {
            return Ok(Some(attribute.name().into()));
        }
    }
    Ok(None)
}

fn alt_names(properties: &[u8]) -> Result<Vec<Arc<str>>, Malformed> {
    let names = attributes(properties).filter(|read| read.is_err() || read.is_ok_and(|it| it.kind == ifla::ALT_IFNAME));
    names.map(|attribute| Ok(attribute?.name().into())).collect()
}

/// The links of a namespace.
#[derive(Clone, Debug, Default)]
pub struct Links(HashMap<u32, Link>);

impl Links {
    /// Notes a link. Returns whether something of it is new.
    pub fn insert(&mut self, link: Link) -> bool {
        let previous = self.0.insert(link.ifindex, link.clone());
        previous.is_none_or(|previous| previous != link)
    }

    /// Forgets a link. Returns whether it was known.
    pub fn remove(&mut self, ifindex: u32) -> bool {
        self.0.remove(&ifindex).is_some()
    }

    /// The link of that index.
    pub fn get(&self, ifindex: u32) -> Option<&Link> {
        self.0.get(&ifindex)
    }

    /// The link of that name, or of that other name.
    pub fn named(&self, name: &str) -> Option<&Link> {
        // A name of its own wins; the kernel keeps both kinds of names apart, but a dump may be in the midst of a change.
        let own = self.0.values().find(|link| *link.name == *name);
        own.or_else(|| self.0.values().find(|link| link.is_called(name)))
    }

    /// All links.
    pub fn iter(&self) -> impl Iterator<Item = &Link> {
        self.0.values()
    }

    /// How many links there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The links whose frames leave by one of `devices`: these themselves, bonds and bridges that they are ports of, and
    /// VLANs and the like on any of those. Without `devices` all links but the loopback.
    pub fn over(&self, devices: Option<&HashSet<Arc<str>>>) -> HashSet<u32> {
        let mut uppers: HashMap<u32, Vec<u32>> = HashMap::new();
        for link in self.0.values() {
            link.lower.iter().for_each(|&lower| uppers.entry(lower).or_default().push(link.ifindex));
            link.master.iter().for_each(|&master| uppers.entry(link.ifindex).or_default().push(master));
        }
        let is_meant = |link: &&Link| match devices {
            None => !link.is_loopback,
            Some(devices) => devices.contains(&link.name) || link.alt_names.iter().any(|name| devices.contains(name)),
        };
        let mut queue: VecDeque<u32> = self.0.values().filter(is_meant).map(|link| link.ifindex).collect();
        let mut found = HashSet::new();
        while let Some(ifindex) = queue.pop_front() {
            if self.0.contains_key(&ifindex) && found.insert(ifindex) {
                queue.extend(uppers.get(&ifindex).into_iter().flatten());
            }
        }
        found
    }

    /// The devices by which frames of a link leave: members of a bond or team, the link below a VLAN, and so on down to
    /// those that have none below. Ports of a bridge or a virtual switch are not told, as these choose by MAC. Sorted by
    /// index.
    pub fn lowest(&self, ifindex: u32) -> Vec<&Link> {
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        let mut queue = VecDeque::from([ifindex]);
        while let Some(link) = queue.pop_front().and_then(|ifindex| self.0.get(&ifindex)) {
            if !seen.insert(link.ifindex) {
                continue;
            }
            let below = self.below(link);
            if below.is_empty() {
                found.push(link);
            }
            queue.extend(below);
        }
        found.sort_by_key(|link| link.ifindex);
        found
    }

    fn below(&self, link: &Link) -> Vec<u32> {
        let known_lower = link.lower.filter(|lower| self.0.contains_key(lower));
        let members = matches!(link.kind.as_deref(), Some("bond" | "team"))
            .then(|| self.0.values().filter(|member| member.master == Some(link.ifindex)));
        known_lower.into_iter().chain(members.into_iter().flatten().map(|member| member.ifindex)).collect()
    }
}

#[cfg(test)]
mod tests;
