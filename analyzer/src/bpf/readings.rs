//! What the kernel program counted: read in batches, given as observations of the engine.

use std::fmt;

use analyzer_ebpf::abi::{FlowKey4, FlowKey6};
use analyzer_ebpf::maps::{Counter, FlowCounts, HeardAt, HeardKey, PacketCount, RequestKey, name};
use aya::maps::{MapData, PerCpuArray};
use aya::{Ebpf, Pod};
use hashbrown::HashMap;

use super::counted::{Counted, Heard, Key, MapUse, Request};
use super::error::BpfError;
use super::map::{self, Map};
use super::programs::take;
use crate::types::{MacAddr, Tuple};

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
        self.requests.lookup(&Request::key(tuple, eth_src))
    }

    /// All flows that came in and were noted.
    pub fn requests(&self) -> Result<Vec<Request>, BpfError> {
        Ok(self.requests.read_all()?.into_iter().map(|(key, counts)| Request::new(key, counts)).collect())
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
