//! The maps. Names, keys and values are those of [`analyzer_ebpf::maps`]; user space may set other sizes when it loads.
#![expect(unsafe_code, reason = "the sections of the object that hold the maps, and values that others write")]

use analyzer_ebpf::abi::{FlowKey4, FlowKey6};
use analyzer_ebpf::maps::{
    ClassEntry, Config, Counter, FlowCounts, HeardAt, HeardKey, Outcome, OutcomeKey, PacketCount, RequestKey,
};
use aya_ebpf::bindings::BPF_F_NO_PREALLOC;
pub(super) use aya_ebpf::btf_maps::lpm_trie::Key;
use aya_ebpf::btf_maps::{Array, HashMap, LpmTrie, LruHashMap, PerCpuArray, RingBuf};
use aya_ebpf::macros::btf_map;

use super::cpu::CpuState;
use super::recent::{self, Remembered};

/// An element that user space replaces or deletes is not used again while a packet may still read it. It also keeps
/// memory in step with the number of entries.
const NO_PREALLOC: usize = BPF_F_NO_PREALLOC as usize;

#[btf_map]
pub(super) static CONFIG: Array<Config, 1> = Array::new();
#[btf_map]
pub(super) static HOST_SOURCES4: HashMap<[u8; 4], ClassEntry, 65_536, NO_PREALLOC> = HashMap::new();
#[btf_map]
pub(super) static HOST_SOURCES6: HashMap<[u8; 16], ClassEntry, 65_536, NO_PREALLOC> = HashMap::new();
#[btf_map]
pub(super) static SOURCES4: LpmTrie<[u8; 4], ClassEntry, 16_384> = LpmTrie::new();
#[btf_map]
pub(super) static SOURCES6: LpmTrie<[u8; 16], ClassEntry, 16_384> = LpmTrie::new();
#[btf_map]
pub(super) static DESTINATIONS4: LpmTrie<[u8; 4], ClassEntry, 16_384> = LpmTrie::new();
#[btf_map]
pub(super) static DESTINATIONS6: LpmTrie<[u8; 16], ClassEntry, 16_384> = LpmTrie::new();
#[btf_map]
pub(super) static OUTCOMES: HashMap<OutcomeKey, Outcome, 65_536, NO_PREALLOC> = HashMap::new();
#[btf_map]
pub(super) static NEXTHOPS: PerCpuArray<PacketCount, 4_096> = PerCpuArray::new();
#[btf_map]
pub(super) static COUNTERS: PerCpuArray<PacketCount, { Counter::COUNT as usize }> = PerCpuArray::new();
#[btf_map]
pub(super) static SUSPECTS4: HashMap<FlowKey4, FlowCounts, 65_536> = HashMap::new();
#[btf_map]
pub(super) static SUSPECTS6: HashMap<FlowKey6, FlowCounts, 65_536> = HashMap::new();
#[btf_map]
pub(super) static RESERVE4: HashMap<FlowKey4, FlowCounts, 8_192> = HashMap::new();
#[btf_map]
pub(super) static RESERVE6: HashMap<FlowKey6, FlowCounts, 8_192> = HashMap::new();
#[btf_map]
pub(super) static RESERVE_MACS: HashMap<u64, u64, 8_192> = HashMap::new();
#[btf_map]
pub(super) static SAMPLES4: LruHashMap<FlowKey4, FlowCounts, 65_536> = LruHashMap::new();
#[btf_map]
pub(super) static SAMPLES6: LruHashMap<FlowKey6, FlowCounts, 65_536> = LruHashMap::new();
#[btf_map]
pub(super) static LEGAL_MACS: HashMap<u64, u32, 16_384, NO_PREALLOC> = HashMap::new();
#[btf_map]
pub(super) static REQUESTS: LruHashMap<RequestKey, FlowCounts, 65_536> = LruHashMap::new();
#[btf_map]
pub(super) static HEARD: LruHashMap<HeardKey, HeardAt, 16_384> = LruHashMap::new();
#[btf_map]
pub(super) static NICS: HashMap<u32, u32, 256, NO_PREALLOC> = HashMap::new();
#[btf_map]
pub(super) static EVENTS: RingBuf<(), 262_144> = RingBuf::new();
#[btf_map]
pub(super) static CPU: PerCpuArray<CpuState, 1> = PerCpuArray::new();
#[btf_map]
pub(super) static RECENT: PerCpuArray<Remembered, { recent::PLACES }> = PerCpuArray::new();

/// The value of a key.
#[inline(always)]
pub(super) fn get<'a, K, V, const N: usize>(map: &'a HashMap<K, V, N, NO_PREALLOC>, key: &K) -> Option<&'a V> {
    // SAFETY: User space never writes to an element of such a map, but puts another in its place. The old one stays as
    // it is until no packet can be at it.
    unsafe { map.get(key) }
}
