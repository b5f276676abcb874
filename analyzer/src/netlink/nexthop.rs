//! Nexthop objects (ip-nexthop(8), `RTM_NEWNEXTHOP`), which routes share by their number.

use std::collections::HashMap;
use std::net::IpAddr;

use super::attribute::{Malformed, attributes, split};

/// `NHA_*` (include/uapi/linux/nexthop.h).
mod nha {
    pub(super) const ID: u16 = 1;
    pub(super) const GROUP: u16 = 2;
    pub(super) const BLACKHOLE: u16 = 4;
    pub(super) const OIF: u16 = 5;
    pub(super) const GATEWAY: u16 = 6;
}

/// `RTNH_F_*` (include/uapi/linux/rtnetlink.h).
const RTNH_F_DEAD: u32 = 1;
const RTNH_F_LINKDOWN: u32 = 16;

/// Whether flags of a next hop say that the kernel does not use it, or that its link has no carrier.
pub(super) fn is_down(rtnh_flags: u32) -> bool {
    rtnh_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN) != 0
}

/// A way to send a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hop {
    /// Index of the link that it leaves by.
    pub ifindex: u32,
    /// The gateway; `None` where the destination itself is the neighbour. An IPv4 route may have an IPv6 gateway.
    pub gateway: Option<IpAddr>,
    /// Whether the kernel says that it is dead or its link is down.
    pub is_down: bool,
}

/// A nexthop object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Nexthop {
    /// A single next hop.
    Single(Hop),
    /// What it is used for is discarded.
    Blackhole,
    /// The objects with these numbers.
    Group(Vec<u32>),
}

impl Nexthop {
    /// Reads the payload of `RTM_NEWNEXTHOP` or `RTM_DELNEXTHOP`: its number and what it is.
    ///
    /// # Errors
    /// The message is malformed.
    pub fn parse(payload: &[u8]) -> Result<(u32, Self), Malformed> {
        // struct nhmsg: family, scope, protocol, reserved, flags (4).
        let (&[_, _, _, _, f0, f1, f2, f3], rest) = split::<8>(payload)?;
        let is_down = is_down(u32::from_ne_bytes([f0, f1, f2, f3]));
        let (mut id, mut ifindex, mut gateway, mut group, mut is_blackhole) = (None, 0, None, None, false);
        for attribute in attributes(rest) {
            let attribute = attribute?;
            match attribute.kind {
                nha::ID => id = Some(attribute.u32()?),
                nha::GROUP => group = Some(members(attribute.value)?),
                nha::BLACKHOLE => is_blackhole = true,
                nha::OIF => ifindex = attribute.u32()?,
                nha::GATEWAY => gateway = Some(attribute.ip()?),
                _ => {}
            }
        }
        let nexthop = match group {
            Some(members) => Self::Group(members),
            None if is_blackhole => Self::Blackhole,
            None => Self::Single(Hop { ifindex, gateway, is_down }),
        };
        Ok((id.ok_or(Malformed)?, nexthop))
    }
}

/// `struct nexthop_grp`: number (4), weight, and reserved octets to a length of 8.
fn members(value: &[u8]) -> Result<Vec<u32>, Malformed> {
    let (entries, []) = value.as_chunks::<8>() else { return Err(Malformed) };
    Ok(entries.iter().map(|&[a, b, c, d, ..]| u32::from_ne_bytes([a, b, c, d])).collect())
}

/// The nexthop objects of a namespace.
#[derive(Clone, Debug, Default)]
pub(super) struct Nexthops(HashMap<u32, Nexthop>);

/// What a nexthop object comes down to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Resolved {
    Hops(Vec<Hop>),
    Blackhole,
    /// No such object was told.
    Unknown,
}

impl Nexthops {
    /// Notes an object. Returns whether something of it is new.
    pub(super) fn insert(&mut self, id: u32, nexthop: Nexthop) -> bool {
        let previous = self.0.insert(id, nexthop.clone());
        previous.is_none_or(|previous| previous != nexthop)
    }

    /// Forgets an object. Returns whether it was known.
    pub(super) fn remove(&mut self, id: u32) -> bool {
        self.0.remove(&id).is_some()
    }

    /// Numbers of all objects.
    pub(super) fn ids(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.keys().copied()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The object and, where it is a group, its members. Members that were deleted are none: the kernel takes them out
    /// of the group.
    pub(super) fn resolve(&self, id: u32) -> Resolved {
        match self.0.get(&id) {
            None => Resolved::Unknown,
            Some(Nexthop::Single(hop)) => Resolved::Hops(vec![*hop]),
            Some(Nexthop::Blackhole) => Resolved::Blackhole,
            Some(Nexthop::Group(members)) => {
                // The kernel allows no groups in groups, and a blackhole only alone in its group.
                let members = || members.iter().filter_map(|member| self.0.get(member));
                let hops = members().filter_map(|member| match member {
                    Nexthop::Single(hop) => Some(*hop),
                    Nexthop::Blackhole | Nexthop::Group(_) => None,
                });
                let hops: Vec<Hop> = hops.collect();
                match hops.is_empty() && members().any(|member| *member == Nexthop::Blackhole) {
                    true => Resolved::Blackhole,
                    false => Resolved::Hops(hops),
                }
            }
        }
    }

    /// Whether the object is one of `ids`, or a group that holds one.
    pub(super) fn uses(&self, id: u32, is_meant: impl Fn(u32) -> bool) -> bool {
        let members = match self.0.get(&id) {
            Some(Nexthop::Group(members)) => members.as_slice(),
            _ => &[],
        };
        is_meant(id) || members.iter().any(|&member| is_meant(member))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_resolve_to_what_is_left_of_them() {
        let hop = |ifindex| Hop { ifindex, gateway: None, is_down: false };
        let mut nexthops = Nexthops::default();
        assert!(nexthops.insert(1, Nexthop::Single(hop(3))));
        assert!(!nexthops.insert(1, Nexthop::Single(hop(3))));
        nexthops.insert(2, Nexthop::Single(hop(4)));
        nexthops.insert(9, Nexthop::Blackhole);
        nexthops.insert(10, Nexthop::Group(vec![1, 2]));
        nexthops.insert(11, Nexthop::Group(vec![9]));
        nexthops.insert(12, Nexthop::Group(vec![12, 10]));
        assert_eq!(nexthops.resolve(10), Resolved::Hops(vec![hop(3), hop(4)]));
        assert!(nexthops.uses(10, |id| id == 2) && !nexthops.uses(10, |id| id == 9));
        assert!(nexthops.remove(2) && !nexthops.remove(2));
        assert_eq!(nexthops.resolve(10), Resolved::Hops(vec![hop(3)]));
        assert_eq!(nexthops.resolve(11), Resolved::Blackhole);
        assert_eq!(nexthops.resolve(12), Resolved::Hops(vec![]));
        assert_eq!(nexthops.resolve(2), Resolved::Unknown);
    }
}
