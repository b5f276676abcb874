//! A packet that the kernel program tells of, out of the line that it logs.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use analyzer_ebpf::abi::LinkTags;
use analyzer_ebpf::maps::{Counter, Outcome};
use hashbrown::HashMap;

use crate::types::{MacAddr, Tuple};

/// A packet, and what the kernel program makes of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Traced {
    /// Time, in nanoseconds of `CLOCK_MONOTONIC`.
    pub at_ns: u64,
    /// Index of the NIC in the kernel.
    pub ifindex: u32,
    /// The hook that it was met at.
    pub hook: TracedAt,
    /// Source MAC.
    pub eth_src: MacAddr,
    /// Destination MAC.
    pub eth_dst: MacAddr,
    /// EtherType behind the VLAN tags; 0 where it could not be read.
    pub eth_type: u16,
    /// VLAN tags, fragment flag, direction.
    pub tags: LinkTags,
    /// The 5-tuple, if it is an IP packet that could be read.
    pub tuple: Option<Tuple>,
    /// Place in a fragmented datagram.
    pub fragment: TracedFragment,
    /// Packets on the wire: more than one where it is a super-packet.
    pub packets: u32,
    /// Their bytes.
    pub bytes: u32,
    /// Class of its source; 0 where no route knows it.
    pub source: u32,
    /// Class of its destination; 0 where no route knows it.
    pub destination: u32,
    /// What it counts as.
    pub counter: Counter,
    /// The index of the next hop that it counts under.
    pub nexthop: Option<u32>,
}

/// The hook that a packet was met at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TracedAt {
    /// Egress of a NIC.
    Egress,
    /// Ingress of a NIC.
    Ingress,
    /// Ingress of a mirror port.
    Mirror,
}

/// Place of a packet in a fragmented datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TracedFragment {
    /// The whole datagram.
    Whole,
    /// The first fragment.
    First,
    /// A later one, without ports.
    Later,
}

impl TracedAt {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Egress => "egress",
            Self::Ingress => "ingress",
            Self::Mirror => "mirror",
        }
    }
}

impl Traced {
    /// Reads a line; `None` where another version of the program wrote it.
    pub(super) fn read(line: &str) -> Option<Self> {
        let fields: HashMap<&str, &str> = line.split(' ').filter_map(|field| field.split_once('=')).collect();
        let text = |key| fields.get(key).copied();
        let version: u8 = number(text("version"))?;
        let tuple = Tuple {
            src: addr(text("src"))?,
            dst: addr(text("dst"))?,
            nw_proto: number(text("proto"))?,
            tp_src: number(text("sport"))?,
            tp_dst: number(text("dport"))?,
        };
        Some(Self {
            at_ns: number(text("at"))?,
            ifindex: number(text("ifindex"))?,
            hook: match text("place")? {
                "0" => TracedAt::Egress,
                "1" => TracedAt::Ingress,
                "2" => TracedAt::Mirror,
                _ => return None,
            },
            eth_src: number(text("eth_src"))?,
            eth_dst: number(text("eth_dst"))?,
            eth_type: number(text("eth_type"))?,
            tags: LinkTags(number(text("tags"))?),
            tuple: (version != 0).then_some(tuple),
            fragment: match text("fragment")? {
                "0" => TracedFragment::Whole,
                "1" => TracedFragment::First,
                "2" => TracedFragment::Later,
                _ => return None,
            },
            packets: number(text("packets"))?,
            bytes: number(text("bytes"))?,
            source: number(text("source"))?,
            destination: number(text("destination"))?,
            counter: counter(number(text("counter"))?)?,
            nexthop: Outcome(number(text("nexthop"))?).nexthop(),
        })
    }
}

fn number<T: FromStr>(text: Option<&str>) -> Option<T> {
    text?.parse().ok()
}

/// An address; IPv4 ones are mapped.
fn addr(text: Option<&str>) -> Option<IpAddr> {
    let addr: Ipv6Addr = number(text)?;
    Some(addr.to_ipv4_mapped().map_or(IpAddr::V6(addr), IpAddr::V4))
}

/// Those counters that a packet may count as.
fn counter(index: u32) -> Option<Counter> {
    use Counter::{
        Conforming, Control, Group, Inbound, LinkLocal, Malformed, NoRoute, NotIp, OnLink, OtherSender, Received,
        Suspect, Truncated, Tunnel, Unloaded,
    };
    let all = [
        Conforming,
        NoRoute,
        Group,
        Control,
        Tunnel,
        LinkLocal,
        NotIp,
        Unloaded,
        Suspect,
        Received,
        OtherSender,
        OnLink,
        Inbound,
        Truncated,
        Malformed,
    ];
    all.into_iter().find(|&counter| counter as u32 == index)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "at=7 ifindex=3 place=0 eth_src=02:00:00:00:00:0a eth_dst=02:00:00:00:01:01 eth_type=2048 \
                        tags=536870912 version=4 src=::ffff:10.244.0.5 dst=::ffff:198.51.100.7 proto=17 sport=4000 \
                        dport=53 fragment=0 packets=1 bytes=60 source=2 destination=0 counter=1 nexthop=4";

    #[test]
    fn a_line_is_a_packet() {
        let traced = Traced::read(LINE).expect("it is whole");
        let tuple = traced.tuple.expect("it is IP").to_string();
        assert_eq!(tuple, "udp 10.244.0.5:4000 -> 198.51.100.7:53");
        assert_eq!((traced.counter, traced.nexthop, traced.hook), (Counter::Conforming, Some(3), TracedAt::Egress));
        let other = LINE.replace("version=4", "version=0").replace("nexthop=4", "nexthop=0");
        let other = Traced::read(&other).expect("it is whole");
        assert_eq!((other.tuple, other.nexthop), (None, None));
    }

    #[test]
    fn a_line_of_another_version_is_none() {
        let words: Vec<&str> = LINE.split(' ').collect();
        for lacking in 0..words.len() {
            let rest: Vec<&str> = [&words[..lacking], &words[lacking + 1..]].concat();
            assert_eq!(Traced::read(&rest.join(" ")), None, "without {}", words[lacking]);
        }
        assert_eq!(Traced::read(&LINE.replace("counter=1", "counter=99")), None);
        assert_eq!(Traced::read(""), None);
    }
}
