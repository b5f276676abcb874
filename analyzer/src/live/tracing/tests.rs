use analyzer_ebpf::filter::Ends;
use proptest::prelude::*;

use super::*;
use crate::types::{MacAddr, Tuple};

/// Whether the filter of a pattern takes a packet of the flow from one MAC to another.
fn takes(pattern: &str, flow: &str) -> bool {
    let tuple: Tuple = flow.parse().expect(flow);
    let filter = filter(&pattern.parse().expect(pattern), 1);
    filter.takes_link([2; 6], [4; 6]) && takes_ip(&filter, &tuple)
}

fn takes_ip(filter: &Filter, tuple: &Tuple) -> bool {
    let octets = |addr| match addr {
        IpAddr::V4(addr) => mapped(addr.octets()),
        IpAddr::V6(addr) => addr.octets(),
    };
    let port = |port| if tuple.has_ports() { u32::from(port) } else { 0 };
    let ends = Ends {
        is_ipv6: tuple.src.is_ipv6(),
        src: words(octets(tuple.src)),
        dst: words(octets(tuple.dst)),
        tp_src: port(tuple.tp_src),
        tp_dst: port(tuple.tp_dst),
    };
    filter.takes_ip(tuple.nw_proto, &ends)
}

#[test]
fn both_directions_of_a_flow_are_taken_and_no_other() {
    const FLOW: &str = "udp 10.244.0.5:4000 -> 198.51.100.7:53";
    let answer = FLOW.parse::<Tuple>().unwrap().reversed().to_string();
    for pattern in [
        "all",
        "host=10.244.0.5",
        "host=198.51.100.0/24",
        "src=10.244.0.5",
        "src=198.51.100.7",
        "src=10.244.0.0/16 dst=198.51.100.7",
        "dst=10.244.0.0/16 src=198.51.100.7 sport=53",
        "port=53",
        "port=4000 udp",
        "src=10.244.0.5 sport=4000 dport=53",
        "mac=02:02:02:02:02:02",
        "mac=04:04:04:04:04:04 host=0.0.0.0/0",
        FLOW,
        &answer,
    ] {
        assert!(takes(pattern, FLOW) && takes(pattern, &answer), "{pattern}");
    }
    for pattern in [
        "host=10.244.0.6",
        "src=10.244.0.5 dst=10.244.0.5",
        "src=10.244.0.5 sport=53",
        "port=54",
        "tcp",
        "mac=02:02:02:02:02:03",
        "host=::/0",
        "udp 10.244.0.5:4001 -> 198.51.100.7:53",
    ] {
        assert!(!takes(pattern, FLOW) && !takes(pattern, &answer), "{pattern}");
    }
    assert!(takes("host=::/0", "tcp [fd00::1]:1 -> [fd00::2]:2"));
    assert!(!takes("host=0.0.0.0/0", "tcp [fd00::1]:1 -> [fd00::2]:2"));
    assert!(!takes("port=53", "icmp 10.0.0.1 -> 10.0.0.2 type 0 code 53 id 53"));
}

#[test]
fn other_frames_are_taken_where_nothing_of_ip_is_asked_for() {
    for (pattern, expected) in [("all", true), ("mac=02:02:02:02:02:02", true), ("port=53", false), ("udp", false)] {
        assert_eq!(filter(&pattern.parse().unwrap(), 1).takes_others(), expected, "{pattern}");
    }
}

proptest! {
    /// The masks that the kernel compares by say what a prefix says.
    #[test]
    fn prefixes_are_compared_as_prefixes(
        addr in any::<[u8; 4]>(), len in 0..=32_u8, src in any::<[u8; 4]>(), flip in 0..32_u32, near in any::<bool>(),
    ) {
        let prefix = IpPrefix::new(addr.into(), len).unwrap();
        let src = if near { u32::from_be_bytes(addr) ^ 1 << flip } else { u32::from_be_bytes(src) };
        let tuple = Tuple { src: IpAddr::V4(src.into()), dst: [198, 51, 100, 7].into(), nw_proto: 6, tp_src: 1, tp_dst: 2 };
        let pattern = Pattern { host: Some(prefix), ..Pattern::default() };
        let expected = prefix.contains(tuple.src) || prefix.contains(tuple.dst);
        prop_assert_eq!(takes_ip(&filter(&pattern, 1), &tuple), expected);
    }
}

#[test]
fn a_packet_is_told_in_words() {
    let mut packet = Traced {
        at_ns: 1,
        ifindex: 3,
        hook: TracedAt::Egress,
        eth_src: MacAddr([2; 6]),
        eth_dst: MacAddr([4; 6]),
        eth_type: 0x800,
        tags: analyzer_ebpf::abi::LinkTags::NONE.push(5).push(7),
        tuple: "udp 10.244.0.5:4000 -> 198.51.100.7:53".parse().ok(),
        fragment: TracedFragment::First,
        packets: 2,
        bytes: 3000,
        source: 2,
        destination: 0,
        counter: Counter::Conforming,
        nexthop: Some(3),
    };
    assert_eq!(
        parsed(&packet),
        "02:02:02:02:02:02 > 04:04:04:04:04:04, VLAN 5 and 7, udp 10.244.0.5:4000 -> 198.51.100.7:53, first fragment, \
         2 packets, 3000 bytes"
    );
    assert!(found(&packet).starts_with("conforming, counted under next hop 3, by the outcome of source class 2"));
    packet.counter = Counter::NoRoute;
    assert_eq!(found(&packet), "no route decides, by the outcome of source class 2, destination class 0");
    packet.source = 0;
    assert_eq!(found(&packet), "no route knows the source or the destination");
    packet.tuple = None;
    assert!(parsed(&packet).contains("EtherType 0x0800"));
}
