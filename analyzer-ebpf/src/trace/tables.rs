//! The maps: those that the judge reads are the daemon's, which user space puts in their place. Their sizes are not
//! looked at.
#![expect(unsafe_code, reason = "the sections of the object that hold the maps, and values that others write")]

use analyzer_ebpf::filter::Filter;
use analyzer_ebpf::maps::{ClassEntry, Config, Outcome, OutcomeKey};
use aya_ebpf::bindings::BPF_F_NO_PREALLOC;
pub(super) use aya_ebpf::btf_maps::lpm_trie::Key;
use aya_ebpf::btf_maps::{Array, HashMap, LpmTrie, PerCpuArray};
use aya_ebpf::macros::btf_map;

use super::cpu::{CpuState, Window};
use super::flows::Untold;

const NO_PREALLOC: usize = BPF_F_NO_PREALLOC as usize;

#[btf_map]
pub(super) static CONFIG: Array<Config, 1> = Array::new();
#[btf_map]
pub(super) static HOST_SOURCES4: HashMap<[u8; 4], ClassEntry, 1, NO_PREALLOC> = HashMap::new();
#[btf_map]
pub(super) static HOST_SOURCES6: HashMap<[u8; 16], ClassEntry, 1, NO_PREALLOC> = HashMap::new();
#[btf_map]
pub(super) static SOURCES4: LpmTrie<[u8; 4], ClassEntry, 1> = LpmTrie::new();
#[btf_map]
pub(super) static SOURCES6: LpmTrie<[u8; 16], ClassEntry, 1> = LpmTrie::new();
#[btf_map]
pub(super) static DESTINATIONS4: LpmTrie<[u8; 4], ClassEntry, 1> = LpmTrie::new();
#[btf_map]
pub(super) static DESTINATIONS6: LpmTrie<[u8; 16], ClassEntry, 1> = LpmTrie::new();
#[btf_map]
pub(super) static OUTCOMES: HashMap<OutcomeKey, Outcome, 1, NO_PREALLOC> = HashMap::new();
#[btf_map]
pub(super) static NICS: HashMap<u32, u32, 1, NO_PREALLOC> = HashMap::new();

/// Which packets are told of.
#[btf_map]
pub(super) static FILTER: Array<Filter, 1> = Array::new();
/// Packets that the filter took.
#[btf_map]
pub(super) static MATCHED: PerCpuArray<u64, 1> = PerCpuArray::new();
/// The second at hand.
#[btf_map]
pub(super) static WINDOW: Array<Window, 1> = Array::new();
/// The packet at hand.
#[btf_map]
pub(super) static CPU: PerCpuArray<CpuState, 1> = PerCpuArray::new();

/// Where the daemon's program counts flows.
pub(super) static SUSPECTS4: Untold = Untold;
pub(super) static SUSPECTS6: Untold = Untold;
pub(super) static RESERVE4: Untold = Untold;
pub(super) static RESERVE6: Untold = Untold;
pub(super) static SAMPLES4: Untold = Untold;
pub(super) static SAMPLES6: Untold = Untold;

/// The value of a key.
#[inline(always)]
pub(super) fn get<'a, K, V, const N: usize>(map: &'a HashMap<K, V, N, NO_PREALLOC>, key: &K) -> Option<&'a V> {
    // SAFETY: User space never writes to an element of such a map, but puts another in its place. The old one stays as
    // it is until no packet can be at it.
    unsafe { map.get(key) }
}
