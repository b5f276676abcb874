//! Addresses of the worlds, IPv4 or IPv6.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use analyzer_engine::types::{IpPrefix, MacAddr};

/// An address on the link of a gateway router.
pub(crate) fn outside(is_v6: bool, link: u8, host: u8) -> IpAddr {
    match is_v6 {
        false => Ipv4Addr::new(198, 19, link, host).into(),
        true => Ipv6Addr::new(0xfd00, u16::from(link), 0, 0, 0, 0, 0, u16::from(host)).into(),
    }
}

/// The network of a link.
pub(crate) fn link_network(is_v6: bool, link: u8) -> IpPrefix {
    prefix(outside(is_v6, link, 0), if is_v6 { 64 } else { 24 })
}

/// A pod. Those of one group share a network (`pod_network`).
pub(crate) fn pod(is_v6: bool, group: u8, host: u8) -> IpAddr {
    match is_v6 {
        false => Ipv4Addr::new(10, 244, group, host).into(),
        true => Ipv6Addr::new(0xfd02, u16::from(group), 0, 0, 0, 0, 0, u16::from(host)).into(),
    }
}

/// The network of a group of pods; of all pods where there is no group.
pub(crate) fn pod_network(is_v6: bool, group: Option<u8>) -> IpPrefix {
    let length = match (is_v6, group) {
        (false, Some(_)) => 24,
        (false, None) => 16,
        (true, Some(_)) => 64,
        (true, None) => 16,
    };
    prefix(pod(is_v6, group.unwrap_or(0), 0), length)
}

/// A client far away.
pub(crate) fn client(is_v6: bool, host: u8) -> IpAddr {
    match is_v6 {
        false => Ipv4Addr::new(172, 27, 0, host).into(),
        true => Ipv6Addr::new(0xfd03, 0, 0, 0, 0, 0, 0, u16::from(host)).into(),
    }
}

/// The network of all clients.
pub(crate) fn client_network(is_v6: bool) -> IpPrefix {
    prefix(client(is_v6, 0), 16)
}

/// The router behind a gateway router, which leads to the pods.
pub(crate) fn inside(is_v6: bool) -> IpAddr {
    match is_v6 {
        false => Ipv4Addr::new(100, 64, 0, 1).into(),
        true => Ipv6Addr::new(0xfd98, 0, 0, 0, 0, 0, 0, 1).into(),
    }
}

/// The network of that link.
pub(crate) fn inside_network(is_v6: bool) -> IpPrefix {
    prefix(inside(is_v6), if is_v6 { 64 } else { 16 })
}

/// All addresses.
pub(crate) fn everywhere(is_v6: bool) -> IpPrefix {
    prefix(if is_v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() }, 0)
}

/// The MAC of a box on a link: what number of box stands where.
pub(crate) fn mac(link: u8, number: u8) -> MacAddr {
    MacAddr([0x02, 0, 0, 0, link, number])
}

fn prefix(addr: IpAddr, length: u8) -> IpPrefix {
    IpPrefix::new(addr, length).expect("a length of this family")
}
