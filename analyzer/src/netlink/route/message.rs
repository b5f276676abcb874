//! Routes as messages tell them (rtnetlink(7), `RTM_NEWROUTE`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::netlink::attribute::{Attribute, Malformed, attributes, ip, split};
use crate::netlink::nexthop::{Hop, is_down};
use crate::netlink::rtnetlink::{AF_INET, AF_INET6};
use crate::types::IpPrefix;

/// `RTA_*` (include/uapi/linux/rtnetlink.h).
mod rta {
    pub(super) const DST: u16 = 1;
    pub(super) const SRC: u16 = 2;
    pub(super) const OIF: u16 = 4;
    pub(super) const GATEWAY: u16 = 5;
    pub(super) const PRIORITY: u16 = 6;
    pub(super) const MULTIPATH: u16 = 9;
    pub(super) const TABLE: u16 = 15;
    pub(super) const VIA: u16 = 18;
    pub(super) const NH_ID: u16 = 30;
}

/// `RTM_F_CLONED`: an entry of the cache of exceptions, such as a path MTU.
const RTM_F_CLONED: u32 = 0x200;
const RTN_UNICAST: u8 = 1;
const RTN_BROADCAST: u8 = 3;
const RTN_MULTICAST: u8 = 5;

/// What a route is looked up by: its table and destinations.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Key {
    pub(super) table: u32,
    pub(super) prefix: IpPrefix,
}

/// What else a packet must have for a route to match it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Lane {
    /// TOS of IPv4; 0 matches any packet.
    pub(super) tos: u8,
    /// Sources of IPv6 (`ip -6 route add ... from`).
    pub(super) source: Option<IpPrefix>,
}

/// One of the routes to the same destinations.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Path {
    pub(super) lane: Lane,
    /// The metric: the lowest wins.
    pub(super) priority: u32,
    pub(super) reach: Reach,
}

/// Where a route leads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Reach {
    /// Next hops of its own.
    Hops(Vec<Hop>),
    /// A nexthop object, and the next hops that the message told along with its number, if any.
    Object { id: u32, told: Vec<Hop> },
    /// Nowhere by a link: to this host, or discarded, as the type of the route (`RTN_*`) tells.
    Nowhere(u8),
}

impl Path {
    /// Whether both are the same route, though a next hop may have gone down or come up.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let hops_agree = |a: &[Hop], b: &[Hop]| {
            a.iter().map(|hop| (hop.ifindex, hop.gateway)).eq(b.iter().map(|hop| (hop.ifindex, hop.gateway)))
        };
        self.lane == other.lane
            && self.priority == other.priority
            && match (&self.reach, &other.reach) {
                (Reach::Hops(a), Reach::Hops(b)) => hops_agree(a, b),
                (Reach::Object { id: a, .. }, Reach::Object { id: b, .. }) => a == b,
                (Reach::Nowhere(a), Reach::Nowhere(b)) => a == b,
                _ => false,
            }
    }
}

/// A route as a message tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct RouteMessage {
    pub(super) key: Key,
    /// One for IPv4, where a route has its next hops as a whole. Of IPv6 one for each next hop, as the kernel adds and
    /// deletes these one by one.
    pub(super) paths: Vec<Path>,
}

/// Reads the payload of `RTM_NEWROUTE` or `RTM_DELROUTE`; `None` for other families than IP and for cached entries.
pub(super) fn parse(payload: &[u8]) -> Result<Option<RouteMessage>, Malformed> {
    // struct rtmsg: family, length of destination, length of source, TOS, table, protocol, scope, type, flags (4).
    let (&[family, dst_len, src_len, tos, table, _, _, route_type, f0, f1, f2, f3], rest) = split::<12>(payload)?;
    let flags = u32::from_ne_bytes([f0, f1, f2, f3]);
    let unspecified: IpAddr = match family {
        AF_INET => Ipv4Addr::UNSPECIFIED.into(),
        AF_INET6 => Ipv6Addr::UNSPECIFIED.into(),
        _ => return Ok(None),
    };
    if flags & RTM_F_CLONED != 0 {
        return Ok(None);
    }
    let (mut dst, mut src) = (unspecified, unspecified);
    let mut table = u32::from(table);
    let mut priority = 0;
    let mut hop = Hop { ifindex: 0, gateway: None, is_down: is_down(flags) };
    let mut multipath = None;
    let mut object = None;
    for attribute in attributes(rest) {
        let attribute = attribute?;
        match attribute.kind {
            rta::DST => dst = attribute.ip()?,
            rta::SRC => src = attribute.ip()?,
            rta::OIF => hop.ifindex = attribute.u32()?,
            rta::GATEWAY | rta::VIA => hop.gateway = Some(gateway(attribute)?),
            rta::PRIORITY => priority = attribute.u32()?,
            rta::MULTIPATH => multipath = Some(hops(attribute.value)?),
            rta::TABLE => table = attribute.u32()?,
            rta::NH_ID => object = Some(attribute.u32()?),
            _ => {}
        }
    }
    if dst.is_ipv4() != unspecified.is_ipv4() || src.is_ipv4() != unspecified.is_ipv4() {
        return Err(Malformed);
    }
    let prefix = IpPrefix::new(dst, dst_len).ok_or(Malformed)?;
    let source = IpPrefix::new(src, src_len).ok_or(Malformed)?;
    let lane = Lane { tos, source: Some(source).filter(|source| source.prefix_len() > 0) };
    let told = multipath.unwrap_or_else(|| if hop.ifindex == 0 { Vec::new() } else { vec![hop] });
    let reach = match (route_type, object) {
        (RTN_UNICAST | RTN_BROADCAST | RTN_MULTICAST, Some(id)) => vec![Reach::Object { id, told }],
        (RTN_UNICAST | RTN_BROADCAST | RTN_MULTICAST, None) if family == AF_INET => vec![Reach::Hops(told)],
        (RTN_UNICAST | RTN_BROADCAST | RTN_MULTICAST, None) => {
            told.into_iter().map(|hop| Reach::Hops(vec![hop])).collect()
        }
        (other, _) => vec![Reach::Nowhere(other)],
    };
    let paths = reach.into_iter().map(|reach| Path { lane, priority, reach }).collect();
    Ok(Some(RouteMessage { key: Key { table, prefix }, paths }))
}

/// `RTA_GATEWAY`, or `RTA_VIA` with a family (2) ahead of the address.
fn gateway(attribute: Attribute<'_>) -> Result<IpAddr, Malformed> {
    match attribute.kind {
        rta::VIA => ip(attribute.value.get(2..).ok_or(Malformed)?),
        _ => attribute.ip(),
    }
}

/// `RTA_MULTIPATH`: `struct rtnexthop` (length (2), flags, weight, index (4)) and attributes, for each next hop.
fn hops(mut value: &[u8]) -> Result<Vec<Hop>, Malformed> {
    let mut hops = Vec::new();
    while !value.is_empty() {
        let (&[l0, l1, flags, _, i0, i1, i2, i3], _) = split::<8>(value)?;
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let mut hop =
            Hop { ifindex: u32::from_ne_bytes([i0, i1, i2, i3]), gateway: None, is_down: is_down(u32::from(flags)) };
        for attribute in attributes(value.get(8..length).ok_or(Malformed)?) {
            let attribute = attribute?;
            if matches!(attribute.kind, rta::GATEWAY | rta::VIA) {
                hop.gateway = Some(gateway(attribute)?);
            }
        }
        hops.push(hop);
        value = value.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(hops)
}
