//! What the kernel program counted: read in batches, given as observations of the engine.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use analyzer_ebpf::abi::{FlowKey4, FlowKey6};
use analyzer_ebpf::maps::{Counter, FlowCounts, HeardAt, HeardKey, PacketCount, RequestKey, mapped, name};
use aya::maps::{MapData, PerCpuArray};
use aya::{Ebpf, Pod};
use hashbrown::HashMap;

use super::error::BpfError;
use super::map::{self, Map};
use super::programs::take;
use crate::engine::observation::{Counts, HeardNeighbour, Observation};
use crate::types::{MacAddr, Timestamp, Tuple};

/// The maps that the kernel program counts in.
#[derive(Debug)]
pub struct Readings {
    suspects4: Map<FlowKey4, FlowCounts>,
    suspects6: Map<FlowKey6, FlowCounts>,
    reserve4: Map<FlowKey4, FlowCounts>,
    reserve6: Map<FlowKey6, FlowCounts>,
    reserve_macs: Map<u64, u64>,
    samples4: Map<FlowKey4, FlowCounts>,
    samples6: Map<FlowKey6, FlowCounts>,
    requests: Map<RequestKey, FlowCounts>,
    heard: Map<HeardKey, HeardAt>,
    nexthops: PerCpu,
    counters: PerCpu,
}

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

/// Counts of packets, kept by each CPU for itself.
pub(super) struct PerCpu {
    name: &'static str,
    array: PerCpuArray<MapData, PacketCount>,
    memory_bytes: Option<u64>,
}

impl fmt::Debug for PerCpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Axis {
    /// The time of `monotonic_ns` nanoseconds of `CLOCK_MONOTONIC`.
    pub fn at(self, monotonic_ns: u64) -> Timestamp {
        Timestamp::from_nanos(self.offset_ns.saturating_add(monotonic_ns))
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

impl Heard {
    pub(super) fn new(key: HeardKey, at: HeardAt) -> Self {
        Self { ip: unmapped(key.ip), mac: MacAddr(key.mac), first_ns: at.first_ns, last_ns: at.last_ns }
    }

    /// What the engine is told of it: that it was heard last.
    pub fn neighbour(&self, axis: Axis) -> HeardNeighbour {
        HeardNeighbour { ip: self.ip, mac: self.mac, at: axis.at(self.last_ns) }
    }
}

impl MapUse {
    pub(super) fn of<K: Pod, V: Pod>(map: &Map<K, V>, entries: Option<usize>) -> Self {
        Self { name: map.name(), entries, max_entries: map.max_entries(), memory_bytes: map.memory_bytes() }
    }
}

impl Readings {
    pub(super) fn new(object: &mut Ebpf) -> Result<Self, BpfError> {
        Ok(Self {
            suspects4: take(object, name::SUSPECTS4)?,
            suspects6: take(object, name::SUSPECTS6)?,
            reserve4: take(object, name::RESERVE4)?,
            reserve6: take(object, name::RESERVE6)?,
            reserve_macs: take(object, name::RESERVE_MACS)?,
            samples4: take(object, name::SAMPLES4)?,
            samples6: take(object, name::SAMPLES6)?,
            requests: take(object, name::REQUESTS)?,
            heard: take(object, name::HEARD)?,
            nexthops: PerCpu::new(object, name::NEXTHOPS)?,
            counters: PerCpu::new(object, name::COUNTERS)?,
        })
    }

    /// All flows with packets that no outcome was known for, those in the reserve too.
    ///
    /// # Errors
    /// The map cannot be read; likewise below.
    pub fn suspects(&self) -> Result<Vec<Counted>, BpfError> {
        let mut suspects = both(&self.suspects4, &self.suspects6)?;
        let reserve = both(&self.reserve4, &self.reserve6)?;
        suspects.extend(reserve.into_iter().map(|counted| Counted { key: counted.key.in_reserve(), ..counted }));
        Ok(suspects)
    }

    /// What was counted of one of them; `None` where it is removed.
    pub fn suspect(&self, key: &Key) -> Result<Option<FlowCounts>, BpfError> {
        match key {
            Key::V4(key) => self.suspects4.lookup(key),
            Key::V6(key) => self.suspects6.lookup(key),
            Key::Reserve4(key) => self.reserve4.lookup(key),
            Key::Reserve6(key) => self.reserve6.lookup(key),
        }
    }

    /// All flows that were sampled. Counts are of the samples.
    pub fn samples(&self) -> Result<Vec<Counted>, BpfError> {
        both(&self.samples4, &self.samples6)
    }

    /// Removes suspect flows of which no packet has come since they were read, and tells their final counts. Where it fails,
    /// those that were removed before are told all the same: nobody else knows of them.
    ///
    /// A packet that has found its entry but has not yet counted itself while we delete it, some hundred nanoseconds,
    /// would be lost, or be counted under a new flow that takes the entry over. It cannot happen to flows of an older
    /// generation than the present, which get no more packets; flows of the present one should have been silent for a
    /// while. A loss would show in that [`Counter::Suspect`] is more than the sum of all counts.
    pub fn remove(&self, suspects: &[Counted]) -> (Vec<Counted>, Result<(), BpfError>) {
        let mut removed = Vec::new();
        for &Counted { key, counts: FlowCounts { last_ns, .. } } in suspects {
            let counts = match &key {
                Key::V4(key) => take_unchanged(&self.suspects4, key, last_ns),
                Key::V6(key) => take_unchanged(&self.suspects6, key, last_ns),
                Key::Reserve4(key) => take_unchanged(&self.reserve4, key, last_ns),
                Key::Reserve6(key) => take_unchanged(&self.reserve6, key, last_ns),
            };
            match counts {
                Ok(counts) => removed.extend(counts.map(|counts| Counted { key, counts })),
                Err(error) => return (removed, Err(error)),
            }
        }
        (removed, Ok(()))
    }

    /// Sets right how many keys the reserve holds for each MAC, where the kernel program believes that there are more: it
    /// counts up, and does not see what is removed.
    pub fn clear_reserve(&self, held: &HashMap<MacAddr, u64>) -> Result<(), BpfError> {
        for (mac, believed) in self.reserve_macs.read_all()? {
            let [_, _, octets @ ..] = mac.to_be_bytes();
            match held.get(&MacAddr(octets)) {
                None => self.reserve_macs.delete(&mac)?,
                Some(&held) if held < believed => self.reserve_macs.update(&mac, &held)?,
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Whether packets of a flow came in from a MAC. The flow is told as it came in: of one that leaves,
    /// [`Tuple::reversed`].
    pub fn request(&self, tuple: &Tuple, eth_src: MacAddr) -> Result<Option<FlowCounts>, BpfError> {
        let key = RequestKey {
            src: to_mapped(tuple.src),
            dst: to_mapped(tuple.dst),
            eth_src: eth_src.0,
            tp_src: tuple.tp_src,
            tp_dst: tuple.tp_dst,
            nw_proto: tuple.nw_proto,
            zero: 0,
        };
        self.requests.lookup(&key)
    }

    /// All flows that came in and were noted.
    pub fn requests(&self) -> Result<Vec<Request>, BpfError> {
        let request = |(key, counts): (RequestKey, FlowCounts)| Request {
            tuple: Tuple {
                src: unmapped(key.src),
                dst: unmapped(key.dst),
                nw_proto: key.nw_proto,
                tp_src: key.tp_src,
                tp_dst: key.tp_dst,
            },
            eth_src: MacAddr(key.eth_src),
            counts,
        };
        Ok(self.requests.read_all()?.into_iter().map(request).collect())
    }

    /// All neighbours heard.
    pub fn heard(&self) -> Result<Vec<Heard>, BpfError> {
        Ok(self.heard.read_all()?.into_iter().map(|(key, at)| Heard::new(key, at)).collect())
    }

    /// The counters, by their index; sums of all CPUs.
    pub fn counters(&self) -> Result<[PacketCount; Counter::COUNT as usize], BpfError> {
        let mut counters = [PacketCount::default(); Counter::COUNT as usize];
        for (counter, index) in counters.iter_mut().zip(0..) {
            *counter = self.counters.sum(index)?;
        }
        Ok(counters)
    }

    /// Conforming packets of the first `len` next hops, by their index; sums of all CPUs.
    pub fn nexthops(&self, len: u32) -> Result<Vec<PacketCount>, BpfError> {
        (0..len.min(self.nexthops.array.len())).map(|index| self.nexthops.sum(index)).collect()
    }

    /// Sizes and memory of the maps; how full they are only their reader knows.
    pub fn map_uses(&self) -> Vec<MapUse> {
        vec![
            MapUse::of(&self.suspects4, None),
            MapUse::of(&self.suspects6, None),
            MapUse::of(&self.reserve4, None),
            MapUse::of(&self.reserve6, None),
            MapUse::of(&self.reserve_macs, None),
            MapUse::of(&self.samples4, None),
            MapUse::of(&self.samples6, None),
            MapUse::of(&self.requests, None),
            MapUse::of(&self.heard, None),
            self.nexthops.map_use(),
            self.counters.map_use(),
        ]
    }
}

impl PerCpu {
    pub(super) fn new(object: &mut Ebpf, name: &'static str) -> Result<Self, BpfError> {
        let aya::maps::Map::PerCpuArray(data) = object.take_map(name).ok_or(BpfError::Absent { name })? else {
            return Err(BpfError::Layout { name });
        };
        let memory_bytes = map::memory_bytes(&data);
        let array = PerCpuArray::try_from(aya::maps::Map::PerCpuArray(data)).map_err(|_| BpfError::Layout { name })?;
        Ok(Self { name, array, memory_bytes })
    }

    pub(super) fn sum(&self, index: u32) -> Result<PacketCount, BpfError> {
        let failed = |error| BpfError::map(self.name, "read", std::io::Error::other(error));
        let values = self.array.get(&index, 0).map_err(failed)?;
        Ok(values.iter().fold(PacketCount::default(), |sum, value| PacketCount {
            packets: sum.packets.wrapping_add(value.packets),
            bytes: sum.bytes.wrapping_add(value.bytes),
        }))
    }

    fn map_use(&self) -> MapUse {
        let (max_entries, memory_bytes) = (self.array.len(), self.memory_bytes);
        MapUse { name: self.name, entries: Some(max_entries as usize), max_entries, memory_bytes }
    }
}

fn both(v4: &Map<FlowKey4, FlowCounts>, v6: &Map<FlowKey6, FlowCounts>) -> Result<Vec<Counted>, BpfError> {
    let v4 = v4.read_all()?.into_iter().map(|(key, counts)| Counted { key: Key::V4(key), counts });
    let v6 = v6.read_all()?.into_iter().map(|(key, counts)| Counted { key: Key::V6(key), counts });
    Ok(v4.chain(v6).collect())
}

fn take_unchanged<K: Pod>(map: &Map<K, FlowCounts>, key: &K, last_ns: u64) -> Result<Option<FlowCounts>, BpfError> {
    match map.lookup(key)? {
        Some(counts) if counts.last_ns <= last_ns => map.take(key),
        _ => Ok(None),
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
