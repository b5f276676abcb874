//! Keys and values of the kernel program's maps, and how a packet takes its way through them.
//!
//! The kernel program decides nothing by itself. It knows *classes* of addresses (all source addresses for which the
//! same routes by source are looked up are one class; so are destinations), and outcomes that the engine in user space
//! reached for a pair of classes and a pair of MACs. What it finds no outcome for is *suspect*: counted exactly, told by
//! an event, judged by the engine.
//!
//! Outcomes belong to a *generation*. User space writes all that changes for the next generation beside what holds for
//! the present one, and then sets [`Config::generation`]: a packet reads that word once, so it is judged by the old set
//! or by the new one. A class entry holds the classes of two generations, an even and an odd one.
//!
//! Within a generation what is known of a source, and an outcome, may be added, but neither changed nor taken away: CPUs
//! remember outcomes.
//!
//! Every struct is `repr(C)`, has no padding, and holds only types for which every bit pattern is a value. Times are
//! nanoseconds of `CLOCK_MONOTONIC` (`bpf_ktime_get_ns`).

use crate::abi::{FlowKey4, FlowKey6};

/// Names of the maps.
pub mod name {
    /// Array of one [`super::Config`].
    pub const CONFIG: &str = "CONFIG";
    /// Hash of IPv4 host addresses to [`super::ClassEntry`]: sources with a host route, or addresses that sources may be
    /// translated to.
    pub const HOST_SOURCES4: &str = "HOST_SOURCES4";
    /// As [`HOST_SOURCES4`], IPv6.
    pub const HOST_SOURCES6: &str = "HOST_SOURCES6";
    /// Longest-prefix trie of IPv4 sources. An address that [`HOST_SOURCES4`] has is not looked up here.
    pub const SOURCES4: &str = "SOURCES4";
    /// As [`SOURCES4`], IPv6.
    pub const SOURCES6: &str = "SOURCES6";
    /// Longest-prefix trie of IPv4 destinations: routes by destination and connected networks.
    pub const DESTINATIONS4: &str = "DESTINATIONS4";
    /// As [`DESTINATIONS4`], IPv6.
    pub const DESTINATIONS6: &str = "DESTINATIONS6";
    /// Hash of [`super::OutcomeKey`] to [`super::Outcome`].
    pub const OUTCOMES: &str = "OUTCOMES";
    /// Per-CPU array of [`super::PacketCount`]: conforming packets by [`super::Outcome::nexthop`].
    pub const NEXTHOPS: &str = "NEXTHOPS";
    /// Per-CPU array of [`super::PacketCount`] by [`super::Counter`].
    pub const COUNTERS: &str = "COUNTERS";
    /// Hash of [`crate::abi::FlowKey4`] to [`super::FlowCounts`]: every packet without outcome.
    pub const SUSPECTS4: &str = "SUSPECTS4";
    /// As [`SUSPECTS4`], of [`crate::abi::FlowKey6`].
    pub const SUSPECTS6: &str = "SUSPECTS6";
    /// Hash of [`crate::abi::FlowKey4`] to [`super::FlowCounts`]: packets without outcome whose key found no room in
    /// [`SUSPECTS4`], as long as few are held for their destination MAC.
    pub const RESERVE4: &str = "RESERVE4";
    /// As [`RESERVE4`], of [`crate::abi::FlowKey6`].
    pub const RESERVE6: &str = "RESERVE6";
    /// Hash of destination MACs ([`super::mac_to_u64`]) to the number of keys (`u64`) that [`RESERVE4`] and [`RESERVE6`]
    /// hold for each. The program counts up; user space, which takes keys out, sets it right.
    pub const RESERVE_MACS: &str = "RESERVE_MACS";
    /// LRU hash of [`crate::abi::FlowKey4`] to [`super::FlowCounts`]: sampled packets that conform, or of any kind while
    /// no set is loaded. Counts are of the samples, not scaled.
    pub const SAMPLES4: &str = "SAMPLES4";
    /// As [`SAMPLES4`], of [`crate::abi::FlowKey6`].
    pub const SAMPLES6: &str = "SAMPLES6";
    /// Hash of source MACs (in the low 48 bits of a `u64`, [`super::mac_to_u64`]) that are legal next hops in some
    /// route: their packets need not be noted in [`REQUESTS`].
    pub const LEGAL_MACS: &str = "LEGAL_MACS";
    /// LRU hash of [`super::RequestKey`] to [`super::FlowCounts`]: packets to known sources that came from other MACs
    /// than legal next hops', and samples of the rest.
    pub const REQUESTS: &str = "REQUESTS";
    /// LRU hash of [`super::HeardKey`] to [`super::HeardAt`].
    pub const HEARD: &str = "HEARD";
    /// Hash of `ifindex` (`u32`) to the NIC's index in the reader's own table (`u32`).
    pub const NICS: &str = "NICS";
    /// Ring buffer of [`super::Event`].
    pub const EVENTS: &str = "EVENTS";
    /// Per-CPU array of one `CpuState`, the program's own.
    pub const CPU: &str = "CPU";
    /// Per-CPU array of outcomes that a CPU met lately, the program's own.
    pub const RECENT: &str = "RECENT";
}

/// Keys that the reserve of suspects takes for one destination MAC: a MAC with a flood of flows must not shut out one that
/// was not seen yet.
pub const RESERVE_PER_MAC: u64 = 256;

/// Names of the programs in the object.
pub mod program {
    /// TC, egress hook of a NIC: judges what leaves.
    pub const EGRESS: &str = "egress";
    /// TC, ingress hook of a NIC: hears who answers.
    pub const INGRESS: &str = "ingress";
    /// TC, ingress hook of a mirror port: judges frames that left elsewhere.
    pub const MIRROR: &str = "mirror";
    /// XDP form of [`INGRESS`].
    pub const INGRESS_XDP: &str = "ingress_xdp";
    /// XDP form of [`MIRROR`].
    pub const MIRROR_XDP: &str = "mirror_xdp";
    /// [`MIRROR_XDP`] by which frames go no further.
    pub const MIRROR_XDP_CONSUME: &str = "mirror_xdp_consume";
}

/// What holds for all packets.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Config {
    /// The present generation. 0: no set is loaded; packets are sampled and nothing is suspect.
    pub generation: u32,
    /// One in so many conforming packets is sampled; 0 samples none.
    pub sample_every: u32,
    /// Events a CPU may raise in a second; what is beyond is found by the next sweep of the map.
    pub events_per_second: u32,
    /// Bits of [`config_flag`].
    pub flags: u32,
}

/// Bits of [`Config::flags`]. They only ever save look-ups that would find nothing.
pub mod config_flag {
    /// [`super::name::SOURCES4`] has entries.
    pub const SOURCES4: u32 = 1;
    /// [`super::name::SOURCES6`] has entries.
    pub const SOURCES6: u32 = 1 << 1;
    /// [`super::name::DESTINATIONS4`] has entries.
    pub const DESTINATIONS4: u32 = 1 << 2;
    /// [`super::name::DESTINATIONS6`] has entries.
    pub const DESTINATIONS6: u32 = 1 << 3;
}

/// The class of an address, for an even and an odd generation.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct ClassEntry {
    /// Class by the lowest bit of the generation; 0 where no route knows the address.
    pub class: [u16; 2],
    /// Bits of [`class_flag`], likewise.
    pub flags: [u16; 2],
}

/// Bits of [`ClassEntry::flags`].
pub mod class_flag {
    /// No destination can change the outcome: the destination's class is not looked up and counts as 0.
    pub const FINAL: u16 = 1;
    /// A route by source knows the address (not merely a translation): its tunnels are ordinary traffic.
    pub const ROUTED: u16 = 1 << 1;
}

/// What an outcome is known for.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct OutcomeKey {
    /// The generation.
    pub generation: u32,
    /// Class of the source.
    pub source: u16,
    /// Class of the destination; 0 behind [`class_flag::FINAL`].
    pub destination: u16,
    /// Source MAC.
    pub eth_src: [u8; 6],
    /// Destination MAC.
    pub eth_dst: [u8; 6],
    /// Whether the packet is IPv4 (1) or IPv6 (0): classes of both start at 1.
    pub is_ipv4: u32,
}

/// What the engine said of packets.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Outcome(pub u32);

impl Outcome {
    /// No route of ours decides.
    pub const NO_ROUTE: Self = Self(0);
    /// A route would, but it is another router's than the one that sends.
    pub const OTHER_SENDER: Self = Self(u32::MAX);
    /// A connected route decides.
    pub const ON_LINK: Self = Self(u32::MAX - 1);
    /// The packet was received, not sent.
    pub const INBOUND: Self = Self(u32::MAX - 2);

    /// Conforming; counted in [`name::NEXTHOPS`] at `index`.
    pub const fn conforming(index: u32) -> Self {
        Self(index + 1)
    }

    /// The index in [`name::NEXTHOPS`]; `None` where no route of ours decides.
    #[inline(always)]
    pub const fn nexthop(self) -> Option<u32> {
        // One comparison: as signed numbers all others are at most 0.
        if self.0 as i32 > 0 { Some(self.0 - 1) } else { None }
    }

    /// What a packet counts as that no route of ours decides.
    #[inline(always)]
    pub const fn uncovered(self) -> Counter {
        match self {
            Self::OTHER_SENDER => Counter::OtherSender,
            Self::ON_LINK => Counter::OnLink,
            Self::INBOUND => Counter::Inbound,
            _ => Counter::NoRoute,
        }
    }
}

/// Packets and their bytes, as on the wire: the segments of a GSO super-packet count each, with their headers.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PacketCount {
    /// Packets.
    pub packets: u64,
    /// Bytes from the destination MAC on, without the checksum at the end of the frame.
    pub bytes: u64,
}

/// Counts of a flow.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FlowCounts {
    /// Packets on the wire.
    pub packets: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// Time of the first.
    pub first_ns: u64,
    /// Time of the last.
    pub last_ns: u64,
}

/// A flow that came in, and from which MAC. IPv4 addresses are mapped (RFC 4291 section 2.5.5.2).
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RequestKey {
    /// Source address, in wire order.
    pub src: [u8; 16],
    /// Destination address, in wire order.
    pub dst: [u8; 16],
    /// Source MAC.
    pub eth_src: [u8; 6],
    /// Source port, as [`crate::abi::FlowKey::tp_src`].
    pub tp_src: u16,
    /// Destination port, as [`crate::abi::FlowKey::tp_dst`].
    pub tp_dst: u16,
    /// IP protocol number.
    pub nw_proto: u8,
    /// Zero.
    pub zero: u8,
}

/// A neighbour and the MAC that it was heard with.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct HeardKey {
    /// Its address; an IPv4 address is mapped.
    pub ip: [u8; 16],
    /// Its MAC.
    pub mac: [u8; 6],
    /// Zero.
    pub zero: u16,
}

/// When a neighbour was heard with a MAC.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HeardAt {
    /// First time since the entry was made.
    pub first_ns: u64,
    /// Last time.
    pub last_ns: u64,
}

/// Something that user space is to look at now.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    /// Time of the packet.
    pub at_ns: u64,
    /// One of [`event_kind`].
    pub kind: u32,
    /// Zero.
    pub zero: u32,
    /// The key, by kind, in the first bytes.
    pub key: [u8; 56],
}

/// Values of [`Event::kind`].
pub mod event_kind {
    /// A first packet is counted under a new [`crate::abi::FlowKey4`] in [`super::name::SUSPECTS4`], or in its reserve.
    pub const SUSPECT4: u32 = 1;
    /// The same with [`crate::abi::FlowKey6`].
    pub const SUSPECT6: u32 = 2;
    /// A neighbour is heard with a new MAC: [`super::HeardKey`].
    pub const HEARD: u32 = 3;
}

/// Indices of [`name::COUNTERS`]. Those from [`Counter::FIRST_LOSS`] on are losses, and all of them reach the user.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Counter {
    /// Every packet that the egress (or mirror) program saw.
    Seen,
    /// Conforming, by an outcome. Their sum over next hops is in [`name::NEXTHOPS`].
    Conforming,
    /// No route decides: by an outcome, or because no route knows source or destination.
    NoRoute,
    /// Multicast or broadcast, by MAC or IP address.
    Group,
    /// ARP, neighbour discovery, BFD, LLDP, LACP.
    Control,
    /// Tunnels between nodes.
    Tunnel,
    /// To a link-local address.
    LinkLocal,
    /// Neither IP nor control traffic.
    NotIp,
    /// Seen while no set was loaded.
    Unloaded,
    /// Counted in the map of suspects, or in its reserve.
    Suspect,
    /// Every packet that the ingress program saw.
    Received,
    /// By an outcome: a route would decide, but it is another router's than the one that sends.
    OtherSender,
    /// By an outcome: a connected route decides.
    OnLink,
    /// By an outcome: received, not sent.
    Inbound,
    /// New keys in the maps of samples, as packets. What is beyond the keys that are there was pushed out by newer ones.
    SamplesNew,
    /// New keys in the map of requests, likewise.
    RequestsNew,
    /// New keys in the map of neighbours heard, likewise.
    HeardNew,
    /// Headers cut short: not judged.
    Truncated,
    /// Headers that contradict themselves: not judged.
    Malformed,
    /// Suspect, but the map of suspects is full, and its reserve takes no more for the MAC: not judged.
    SuspectsFull,
    /// Sampled, but the map of samples would not take it.
    SamplesFull,
    /// A request that the map would not take.
    RequestsFull,
    /// A neighbour heard that the map would not take.
    HeardFull,
    /// Events that the ring buffer had no room for; found by the next sweep.
    EventsLost,
    /// Events held back by the limit per second; found by the next sweep.
    EventsLimited,
    /// Received frames with headers cut short or malformed.
    ReceivedUnparsed,
}

impl Counter {
    /// Number of counters.
    pub const COUNT: u32 = Self::ReceivedUnparsed as u32 + 1;
    /// The first that is a loss.
    pub const FIRST_LOSS: Self = Self::Truncated;
}

/// A MAC as the key of [`name::LEGAL_MACS`].
#[inline(always)]
pub const fn mac_to_u64(mac: [u8; 6]) -> u64 {
    u64::from_be_bytes([0, 0, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]])
}

/// An IPv4 address, mapped.
#[inline(always)]
pub const fn mapped(v4: [u8; 4]) -> [u8; 16] {
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, v4[0], v4[1], v4[2], v4[3]]
}

const _: () = assert!(size_of::<ClassEntry>() == 8);
const _: () = assert!(size_of::<OutcomeKey>() == 24);
const _: () = assert!(size_of::<FlowCounts>() == 32);
const _: () = assert!(size_of::<RequestKey>() == 44);
const _: () = assert!(size_of::<HeardKey>() == 24);
const _: () = assert!(size_of::<Event>() == 72);
const _: () = assert!(size_of::<FlowKey4>() <= 56 && size_of::<FlowKey6>() <= 56);
