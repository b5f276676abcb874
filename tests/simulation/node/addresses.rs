//! Addresses of the node and around it, IPv4 or IPv6.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use analyzer::types::{IpPrefix, MacAddr};

/// Where a MAC belongs; its fifth octet.
#[derive(Clone, Copy)]
pub(super) enum Owner {
    /// A port of a router's.
    Port = 1,
    /// A NIC.
    Nic = 2,
    /// A box that is no next hop.
    Stranger = 3,
}

/// A MAC of one of ours, or of a stranger.
pub(super) fn mac(owner: Owner, number: u8) -> MacAddr {
    MacAddr([0x02, 0, 0, 0, owner as u8, number])
}

/// The MAC of the box that was made so many boxes after the first.
pub(super) fn box_mac(number: u32) -> MacAddr {
    let [_, a, b, c] = number.to_be_bytes();
    MacAddr([0xce, 0x73, 0x29, a, b, c])
}

/// An address on the link of a router.
pub(super) fn outside(is_v6: bool, router: usize, host: u8) -> IpAddr {
    let link = router as u8 + 3;
    match is_v6 {
        false => Ipv4Addr::new(198, 19, link, host).into(),
        true => Ipv6Addr::new(0xfd00, u16::from(link), 0, 0, 0, 0, 0, u16::from(host)).into(),
    }
}

/// The network of that link.
pub(super) fn link_network(is_v6: bool, router: usize) -> IpPrefix {
    prefix(outside(is_v6, router, 0), if is_v6 { 64 } else { 24 })
}

/// A pod.
pub(super) fn pod(is_v6: bool, number: u8) -> IpAddr {
    match is_v6 {
        false => Ipv4Addr::new(10, 244, 1, 10 + number).into(),
        true => Ipv6Addr::new(0xfd02, 1, 0, 0, 0, 0, 0, 0x10 + u16::from(number)).into(),
    }
}

/// A client far away.
pub(super) fn client(is_v6: bool, number: u8) -> IpAddr {
    match is_v6 {
        false => Ipv4Addr::new(172, 27, 0, number).into(),
        true => Ipv6Addr::new(0xfd03, 0, 0, 0, 0, 0, 0, u16::from(number)).into(),
    }
}

/// A router's own address on the join network, where the pods are.
pub(super) fn inside(is_v6: bool, router: usize) -> (IpAddr, IpPrefix) {
    let host = router as u8 + 2;
    let address: IpAddr = match is_v6 {
        false => Ipv4Addr::new(100, 64, 0, host).into(),
        true => Ipv6Addr::new(0xfd98, 0, 0, 0, 0, 0, 0, u16::from(host)).into(),
    };
    (address, prefix(address, if is_v6 { 64 } else { 16 }))
}

/// All addresses.
pub(super) fn everywhere(is_v6: bool) -> IpPrefix {
    prefix(if is_v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() }, 0)
}

fn prefix(addr: IpAddr, length: u8) -> IpPrefix {
    IpPrefix::new(addr, length).expect("a length of this family")
}
