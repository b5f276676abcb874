//! Traffic that looks like a violation and is none.

use std::net::IpAddr;

use crate::types::{IpPrefix, MacAddr, Tuple, tuple::proto};

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

/// Whether a `Logical_Router_Policy` may match a packet. Conjunctions of address tests are understood; of anything else
/// it is only known that it may.
pub(super) fn may_match(expression: &str, src: IpAddr, dst: IpAddr) -> bool {
    tests(expression).all(|(end, prefix)| prefix.contains(if end == End::Source { src } else { dst }))
}

/// Sources that a policy is for, where it tests them.
pub(super) fn source_of(expression: &str) -> Option<IpPrefix> {
    tests(expression).find(|(end, _)| *end == End::Source).map(|(_, prefix)| prefix)
}

/// An end of a packet's way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Source,
    Destination,
}

/// Tests of addresses that all have to hold for the expression to match.
fn tests(expression: &str) -> impl Iterator<Item = (End, IpPrefix)> {
    let is_conjunction = !expression.contains("||") && !expression.contains('!') && !expression.contains('{');
    let terms = is_conjunction.then(|| expression.split("&&")).into_iter().flatten();
    terms.filter_map(|term| {
        let (field, value) = term.trim().trim_matches(['(', ')']).split_once("==")?;
        let end = match field.trim() {
            "ip4.src" | "ip6.src" => End::Source,
            "ip4.dst" | "ip6.dst" => End::Destination,
            _ => return None,
        };
        Some((end, value.trim().parse().ok()?))
    })
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

    #[test]
    fn policies_that_may_match() {
        let src = "10.0.0.5".parse().unwrap();
        let dst = "8.8.8.8".parse().unwrap();
        for (expression, may) in [
            ("ip4.src == 10.0.0.5", true),
            ("ip4.src == 10.0.0.6", false),
            ("ip4.src == 10.0.0.0/24 && ip4.dst == 8.8.0.0/16", true),
            ("ip4.src == 10.0.0.5 && ip4.dst == 9.0.0.0/8", false),
            ("ip4.src == $a123", true),
            ("ip4.src == 10.0.0.6 || ip4.dst == 8.8.8.8", true),
            ("(ip4.src == 10.0.0.6)", false),
            ("inport == \"rtoj-GR\"", true),
            ("ip6.src == fd00::/8", false),
            ("1", true),
        ] {
            assert_eq!(may_match(expression, src, dst), may, "{expression}");
        }
    }
}
