//! Traffic that looks like a violation and is none.

use core::net::IpAddr;

use crate::types::{MacAddr, Tuple, tuple::proto};

/// Whether a packet is for many: by its MAC, or by its IP address.
pub(super) fn is_group(eth_dst: Option<MacAddr>, dst: IpAddr) -> bool {
    let by_ip = match dst {
        IpAddr::V4(v4) => v4.is_multicast() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_multicast(),
    };
    by_ip || eth_dst.is_some_and(MacAddr::is_group)
}

/// Whether a packet is control traffic of the link: BFD (RFC 5881, RFC 5883), its echo, or neighbour discovery
/// (RFC 4861).
pub(super) fn is_control(tuple: &Tuple) -> bool {
    match tuple.nw_proto {
        proto::UDP => matches!(tuple.tp_dst, 3784 | 3785 | 4784),
        proto::ICMPV6 => tuple.icmp_type_code().is_some_and(|(icmp_type, _)| (133..=137).contains(&icmp_type)),
        _ => false,
    }
}

/// Whether a packet is that of a tunnel between nodes: Geneve, VXLAN, or IPsec around them.
pub(super) fn is_tunnel(tuple: &Tuple) -> bool {
    match tuple.nw_proto {
        proto::UDP => matches!(tuple.tp_dst, 6081 | 4789 | 4500),
        number => number == proto::ESP,
    }
}

/// Whether an address is valid on its link alone (RFC 3927, RFC 4291 section 2.5.6).
pub(super) fn is_link_local(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// Whether a MAC is that of a virtual router: VRRP (RFC 9568 section 7.3) or HSRP, versions 1 and 2, IPv4 and IPv6.
pub(super) fn is_virtual_router(mac: MacAddr) -> bool {
    matches!(
        mac.0,
        [0x00, 0x00, 0x5e, 0x00, 0x01 | 0x02, _]
            | [0x00, 0x00, 0x0c, 0x07, 0xac, _]
            | [0x00, 0x00, 0x0c, 0x9f, 0xf0..=0xff, _]
            | [0x00, 0x05, 0x73, 0xa0, 0x00..=0x0f, _]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_routers() {
        for mac in
            ["00:00:5e:00:01:0a", "00:00:5e:00:02:ff", "00:00:0c:07:ac:01", "00:00:0c:9f:f1:02", "00:05:73:a0:00:01"]
        {
            assert!(is_virtual_router(mac.parse().unwrap()), "{mac}");
        }
        for mac in ["00:00:5e:00:03:0a", "00:00:0c:9f:e1:02", "ce:73:29:66:39:a4"] {
            assert!(!is_virtual_router(mac.parse().unwrap()), "{mac}");
        }
    }
}
