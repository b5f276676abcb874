//! What the kernel program counts under, and what it tells at once: data alone, without the maps that it comes from.

use std::net::{IpAddr, Ipv6Addr};

use analyzer_ebpf::abi::{FlowKey4, FlowKey6};
use analyzer_ebpf::maps::{FlowCounts, HeardAt, HeardKey, RequestKey, mapped};

use crate::engine::observation::{Counts, HeardNeighbour, Observation};
use crate::types::{MacAddr, Timestamp, Tuple};

/// The time axis of the engine: wall-clock time at start, and from there on what `CLOCK_MONOTONIC` counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Axis {
    /// The engine's time at zero of `CLOCK_MONOTONIC`, in nanoseconds since 1970-01-01T00:00:00Z.
    pub offset_ns: u64,
}

/// Key of a flow, and where it is counted: one that came while the map of suspects was full, and again when there was
/// room, has two entries, each with packets of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Key {
    /// IPv4.
    V4(FlowKey4),
    /// IPv6.
    V6(FlowKey6),
    /// IPv4, in the reserve of suspects.
    Reserve4(FlowKey4),
    /// IPv6, in the reserve of suspects.
    Reserve6(FlowKey6),
}

/// A flow and what was counted of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Counted {
    /// The flow.
    pub key: Key,
    /// Its counts.
    pub counts: FlowCounts,
}

/// A flow that came in, and from which MAC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    /// The flow, as it came in.
    pub tuple: Tuple,
    /// Source MAC.
    pub eth_src: MacAddr,
    /// Its counts.
    pub counts: FlowCounts,
}

/// A neighbour, and the MAC that it was heard with. Times are nanoseconds of `CLOCK_MONOTONIC`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heard {
    /// Its address.
    pub ip: IpAddr,
    /// Its MAC.
    pub mac: MacAddr,
    /// First time since the entry was made.
    pub first_ns: u64,
    /// Last time.
    pub last_ns: u64,
}

/// How full a map is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MapUse {
    /// Name of the map.
    pub name: &'static str,
    /// Entries in it, where that is known without reading it.
    pub entries: Option<usize>,
    /// Entries that it can hold.
    pub max_entries: u32,
    /// Kernel memory, where the kernel tells.
    pub memory_bytes: Option<u64>,
}

/// Something that is to be looked at now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// The first packet under a key in the map of suspects.
    Suspect {
        /// The key.
        key: Key,
        /// Time of the packet, nanoseconds of `CLOCK_MONOTONIC`.
        at_ns: u64,
    },
    /// A neighbour is heard with a MAC that it was not heard with before.
    Heard(Heard),
}

impl Axis {
    /// The time of `monotonic_ns` nanoseconds of `CLOCK_MONOTONIC`.
    pub fn at(self, monotonic_ns: u64) -> Timestamp {
        Timestamp::from_nanos(self.offset_ns.saturating_add(monotonic_ns))
    }

    /// What `CLOCK_MONOTONIC` shows at `time`, in nanoseconds.
    pub fn monotonic(self, time: Timestamp) -> u64 {
        time.as_nanos().saturating_sub(self.offset_ns)
    }
}

impl Key {
    /// Low bits of the generation that the packets were judged by; 0 where no set was loaded.
    pub fn epoch(&self) -> u16 {
        match self {
            Self::V4(key) | Self::Reserve4(key) => key.epoch,
            Self::V6(key) | Self::Reserve6(key) => key.epoch,
        }
    }

    /// Destination MAC of the flow.
    pub fn eth_dst(&self) -> MacAddr {
        MacAddr(match self {
            Self::V4(key) | Self::Reserve4(key) => key.eth_dst,
            Self::V6(key) | Self::Reserve6(key) => key.eth_dst,
        })
    }

    /// The same flow in the reserve of suspects.
    #[must_use]
    pub fn in_reserve(self) -> Self {
        match self {
            Self::V4(key) | Self::Reserve4(key) => Self::Reserve4(key),
            Self::V6(key) | Self::Reserve6(key) => Self::Reserve6(key),
        }
    }

    /// Whether the flow is counted in the reserve of suspects.
    pub fn is_in_reserve(&self) -> bool {
        matches!(self, Self::Reserve4(_) | Self::Reserve6(_))
    }
}

impl Counted {
    /// What the engine is told of it.
    pub fn observation(&self, axis: Axis) -> Observation {
        let FlowCounts { packets, bytes, first_ns, last_ns } = self.counts;
        let counts = Counts { packets, bytes, first: axis.at(first_ns), last: axis.at(last_ns) };
        match &self.key {
            Key::V4(key) | Key::Reserve4(key) => Observation::new(key, counts),
            Key::V6(key) | Key::Reserve6(key) => Observation::new(key, counts),
        }
    }
}

impl Request {
    /// From an entry of the map of requests.
    pub fn new(key: RequestKey, counts: FlowCounts) -> Self {
        let (src, dst) = (unmapped(key.src), unmapped(key.dst));
        let tuple = Tuple { src, dst, nw_proto: key.nw_proto, tp_src: key.tp_src, tp_dst: key.tp_dst };
        Self { tuple, eth_src: MacAddr(key.eth_src), counts }
    }

    /// The key in the map of requests.
    pub fn key(tuple: &Tuple, eth_src: MacAddr) -> RequestKey {
        RequestKey {
            src: to_mapped(tuple.src),
            dst: to_mapped(tuple.dst),
            eth_src: eth_src.0,
            tp_src: tuple.tp_src,
            tp_dst: tuple.tp_dst,
            nw_proto: tuple.nw_proto,
            zero: 0,
        }
    }
}

impl Heard {
    /// From an entry of the map of neighbours.
    pub fn new(key: HeardKey, at: HeardAt) -> Self {
        Self { ip: unmapped(key.ip), mac: MacAddr(key.mac), first_ns: at.first_ns, last_ns: at.last_ns }
    }

    /// What the engine is told of it: that it was heard last.
    pub fn neighbour(&self, axis: Axis) -> HeardNeighbour {
        HeardNeighbour { ip: self.ip, mac: self.mac, at: axis.at(self.last_ns) }
    }
}

fn to_mapped(addr: IpAddr) -> [u8; 16] {
    match addr {
        IpAddr::V4(addr) => mapped(addr.octets()),
        IpAddr::V6(addr) => addr.octets(),
    }
}

fn unmapped(octets: [u8; 16]) -> IpAddr {
    let addr = Ipv6Addr::from(octets);
    addr.to_ipv4_mapped().map_or(IpAddr::V6(addr), IpAddr::V4)
}

#[cfg(test)]
mod tests {
    use analyzer_ebpf::abi::{FlowKey, LinkTags};

    use super::*;

    #[test]
    fn counted_is_an_observation_on_the_axis() {
        let key = FlowKey {
            src: [192, 168, 16, 230],
            dst: [172, 27, 0, 13],
            eth_dst: [2; 6],
            eth_src: [4; 6],
            tags: LinkTags::NONE,
            tp_src: 59943,
            tp_dst: 5005,
            epoch: 3,
            nw_proto: 17,
            nic: 1,
        };
        let counts = FlowCounts { packets: 3, bytes: 321, first_ns: 10, last_ns: 20 };
        let seen = Counted { key: Key::V4(key), counts }.observation(Axis { offset_ns: 1000 });
        assert_eq!(seen.tuple.to_string(), "udp 192.168.16.230:59943 -> 172.27.0.13:5005");
        assert_eq!((seen.packets, seen.bytes, seen.nic), (3, 321, 1));
        assert_eq!((seen.first.as_nanos(), seen.last.as_nanos()), (1010, 1020));
        assert_eq!((seen.eth_src, seen.eth_dst), (MacAddr([4; 6]), MacAddr([2; 6])));
        assert_eq!(Axis { offset_ns: u64::MAX }.at(5), Timestamp::MAX);
    }

    #[test]
    fn addresses_are_mapped_and_back() {
        for text in ["192.0.2.1", "2001:db8::1", "::1", "0.0.0.0"] {
            let addr: IpAddr = text.parse().unwrap();
            assert_eq!(unmapped(to_mapped(addr)), addr);
        }
    }
}
