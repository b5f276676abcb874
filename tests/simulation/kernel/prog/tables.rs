//! In place of the maps: tables of one simulated kernel. Names, keys and values are those of [`analyzer_ebpf::maps`].
#![expect(unsafe_code, reason = "what the program keeps for itself begins with all zeros")]

use std::cell::{Cell, RefCell};

use analyzer::bpf::sizes::Sizes;
use analyzer_ebpf::abi::{FlowKey4, FlowKey6};
use analyzer_ebpf::maps::{
    ClassEntry, Config, Counter, FlowCounts, HeardAt, HeardKey, Outcome, OutcomeKey, PacketCount, RequestKey, name,
};

use super::cpu::CpuState;
use super::kernel::{Array, HashMap, LpmTrie, LruHashMap, PerCpuArray, RingBuf, zeroed};
pub(super) use super::kernel::{Key, get};
use super::recent::{self, Remembered};
use crate::kernel::stores::{Hashed, Ring, Slots, Trie};
use crate::numbers::Numbers;

/// All that a kernel holds for the program.
pub(crate) struct Tables {
    /// Nanoseconds of `CLOCK_MONOTONIC`.
    pub(crate) clock_ns: Cell<u64>,
    pub(crate) random: RefCell<Numbers>,
    pub(crate) config: Slots<Config>,
    pub(crate) host_sources4: Hashed<[u8; 4], ClassEntry>,
    pub(crate) host_sources6: Hashed<[u8; 16], ClassEntry>,
    pub(crate) sources4: Trie<4, ClassEntry>,
    pub(crate) sources6: Trie<16, ClassEntry>,
    pub(crate) destinations4: Trie<4, ClassEntry>,
    pub(crate) destinations6: Trie<16, ClassEntry>,
    pub(crate) outcomes: Hashed<OutcomeKey, Outcome>,
    pub(crate) nexthops: Slots<PacketCount>,
    pub(crate) counters: Slots<PacketCount>,
    pub(crate) suspects4: Hashed<FlowKey4, FlowCounts>,
    pub(crate) suspects6: Hashed<FlowKey6, FlowCounts>,
    pub(crate) reserve4: Hashed<FlowKey4, FlowCounts>,
    pub(crate) reserve6: Hashed<FlowKey6, FlowCounts>,
    pub(crate) reserve_macs: Hashed<u64, u64>,
    pub(crate) samples4: Hashed<FlowKey4, FlowCounts>,
    pub(crate) samples6: Hashed<FlowKey6, FlowCounts>,
    pub(crate) legal_macs: Hashed<u64, u32>,
    pub(crate) requests: Hashed<RequestKey, FlowCounts>,
    pub(crate) heard: Hashed<HeardKey, HeardAt>,
    pub(crate) nics: Hashed<u32, u32>,
    pub(crate) events: Ring,
    cpu: Slots<CpuState>,
    recent: Slots<Remembered>,
}

impl Tables {
    pub(crate) fn new(sizes: &Sizes, seed: u64) -> Self {
        let size = |map: &str| {
            let (_, size) = sizes.maps().into_iter().find(|(name, _)| *name == map).expect("all maps have a size");
            size as usize
        };
        Self {
            clock_ns: Cell::new(0),
            random: RefCell::new(Numbers::new(seed)),
            config: Slots::new(1, Config::default),
            host_sources4: Hashed::new(size(name::HOST_SOURCES4)),
            host_sources6: Hashed::new(size(name::HOST_SOURCES6)),
            sources4: Trie::new(size(name::SOURCES4)),
            sources6: Trie::new(size(name::SOURCES6)),
            destinations4: Trie::new(size(name::DESTINATIONS4)),
            destinations6: Trie::new(size(name::DESTINATIONS6)),
            outcomes: Hashed::new(size(name::OUTCOMES)),
            nexthops: Slots::new(size(name::NEXTHOPS), PacketCount::default),
            counters: Slots::new(Counter::COUNT as usize, PacketCount::default),
            suspects4: Hashed::new(size(name::SUSPECTS4)),
            suspects6: Hashed::new(size(name::SUSPECTS6)),
            reserve4: Hashed::new(size(name::RESERVE4)),
            reserve6: Hashed::new(size(name::RESERVE6)),
            reserve_macs: Hashed::new(size(name::RESERVE_MACS)),
            samples4: Hashed::forgetful(size(name::SAMPLES4)),
            samples6: Hashed::forgetful(size(name::SAMPLES6)),
            legal_macs: Hashed::new(size(name::LEGAL_MACS)),
            requests: Hashed::forgetful(size(name::REQUESTS)),
            heard: Hashed::forgetful(size(name::HEARD)),
            nics: Hashed::new(size(name::NICS)),
            events: Ring::new(size(name::EVENTS)),
            // SAFETY: Numbers, and memory that need not hold anything.
            cpu: Slots::new(1, || unsafe { zeroed() }),
            // SAFETY: Numbers.
            recent: Slots::new(recent::PLACES, || unsafe { zeroed() }),
        }
    }
}

pub(super) static CONFIG: Array<Config> = Array(|tables| &tables.config);
pub(super) static HOST_SOURCES4: HashMap<[u8; 4], ClassEntry> = HashMap(|tables| &tables.host_sources4);
pub(super) static HOST_SOURCES6: HashMap<[u8; 16], ClassEntry> = HashMap(|tables| &tables.host_sources6);
pub(super) static SOURCES4: LpmTrie<4, ClassEntry> = LpmTrie(|tables| &tables.sources4);
pub(super) static SOURCES6: LpmTrie<16, ClassEntry> = LpmTrie(|tables| &tables.sources6);
pub(super) static DESTINATIONS4: LpmTrie<4, ClassEntry> = LpmTrie(|tables| &tables.destinations4);
pub(super) static DESTINATIONS6: LpmTrie<16, ClassEntry> = LpmTrie(|tables| &tables.destinations6);
pub(super) static OUTCOMES: HashMap<OutcomeKey, Outcome> = HashMap(|tables| &tables.outcomes);
pub(super) static NEXTHOPS: PerCpuArray<PacketCount> = PerCpuArray(|tables| &tables.nexthops);
pub(super) static COUNTERS: PerCpuArray<PacketCount> = PerCpuArray(|tables| &tables.counters);
pub(super) static SUSPECTS4: HashMap<FlowKey4, FlowCounts> = HashMap(|tables| &tables.suspects4);
pub(super) static SUSPECTS6: HashMap<FlowKey6, FlowCounts> = HashMap(|tables| &tables.suspects6);
pub(super) static RESERVE4: HashMap<FlowKey4, FlowCounts> = HashMap(|tables| &tables.reserve4);
pub(super) static RESERVE6: HashMap<FlowKey6, FlowCounts> = HashMap(|tables| &tables.reserve6);
pub(super) static RESERVE_MACS: HashMap<u64, u64> = HashMap(|tables| &tables.reserve_macs);
pub(super) static SAMPLES4: LruHashMap<FlowKey4, FlowCounts> = LruHashMap(|tables| &tables.samples4);
pub(super) static SAMPLES6: LruHashMap<FlowKey6, FlowCounts> = LruHashMap(|tables| &tables.samples6);
pub(super) static LEGAL_MACS: HashMap<u64, u32> = HashMap(|tables| &tables.legal_macs);
pub(super) static REQUESTS: LruHashMap<RequestKey, FlowCounts> = LruHashMap(|tables| &tables.requests);
pub(super) static HEARD: LruHashMap<HeardKey, HeardAt> = LruHashMap(|tables| &tables.heard);
pub(super) static NICS: HashMap<u32, u32> = HashMap(|tables| &tables.nics);
pub(super) static EVENTS: RingBuf = RingBuf(|tables| &tables.events);
pub(super) static CPU: PerCpuArray<CpuState> = PerCpuArray(|tables| &tables.cpu);
pub(super) static RECENT: PerCpuArray<Remembered> = PerCpuArray(|tables| &tables.recent);
