//! Counting flows in maps of keys to [`FlowCounts`].
#![expect(unsafe_code, reason = "map values are reached by pointers, and other CPUs count in them at the same time")]

use analyzer_ebpf::abi::FlowKey;
use analyzer_ebpf::maps::{FlowCounts, PacketCount, RESERVE_PER_MAC, mac_to_u64};

use super::kernel::{self, BPF_NOEXIST, HashMap, LruHashMap, fetch_add};
use super::tables::RESERVE_MACS;

/// `EEXIST` of include/uapi/asm-generic/errno-base.h.
const EEXIST: i32 = 17;

/// A map of flows.
pub(super) trait Flows<K> {
    fn find(&self, key: &K) -> Option<*mut FlowCounts>;
    /// Puts in a key that is not there.
    fn put(&self, key: &K, counts: &FlowCounts) -> Result<(), i32>;
}

impl<K, const N: usize, const FLAGS: usize> Flows<K> for HashMap<K, FlowCounts, N, FLAGS> {
    #[inline(always)]
    fn find(&self, key: &K) -> Option<*mut FlowCounts> {
        self.get_ptr_mut(key)
    }

    #[inline(always)]
    fn put(&self, key: &K, counts: &FlowCounts) -> Result<(), i32> {
        self.insert(key, counts, u64::from(BPF_NOEXIST))
    }
}

impl<K, const N: usize, const FLAGS: usize> Flows<K> for LruHashMap<K, FlowCounts, N, FLAGS> {
    #[inline(always)]
    fn find(&self, key: &K) -> Option<*mut FlowCounts> {
        self.get_ptr_mut(key)
    }

    #[inline(always)]
    fn put(&self, key: &K, counts: &FlowCounts) -> Result<(), i32> {
        self.insert(key, counts, u64::from(BPF_NOEXIST))
    }
}

/// How a packet was counted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    /// Under a key that was there.
    Known,
    /// Under a new key.
    New,
    /// Not at all: there is no room.
    NoRoom,
}

/// Counts packets of a flow, at the present time. No packet is lost to another CPU that counts the same flow.
#[inline(always)]
pub(super) fn count<K>(flows: &impl Flows<K>, key: &K, wire: PacketCount) -> Counted {
    let now = kernel::now();
    if let Some(counts) = flows.find(key) {
        add(counts, wire, now);
        return Counted::Known;
    }
    put(flows, key, wire, now)
}

/// Counts packets of a flow whose key found no room among the suspects. The reserve takes it as long as it holds few keys
/// for the destination MAC.
#[inline(always)]
pub(super) fn count_in_reserve<A>(flows: &impl Flows<FlowKey<A>>, key: &FlowKey<A>, wire: PacketCount) -> Counted {
    let now = kernel::now();
    if let Some(counts) = flows.find(key) {
        add(counts, wire, now);
        return Counted::Known;
    }
    let mac = mac_to_u64(key.eth_dst);
    // SAFETY: A pointer to a map value is valid while the program runs, and a number is read at once.
    let is_taken = |held: *mut u64| unsafe { held.read_volatile() } >= RESERVE_PER_MAC;
    if RESERVE_MACS.get_ptr_mut(&mac).is_some_and(is_taken) {
        return Counted::NoRoom;
    }
    let counted = put(flows, key, wire, now);
    if counted == Counted::New {
        // It is looked up again: to keep the pointer would take room on the stack, of which there is none to spare.
        match RESERVE_MACS.get_ptr_mut(&mac) {
            // SAFETY: As above; it is only ever added to atomically.
            Some(held) => unsafe { fetch_add(held, 1) },
            // Where another CPU is first, or there is no room for the MAC, user space sets it right.
            None => drop(RESERVE_MACS.insert(&mac, &1, u64::from(BPF_NOEXIST))),
        }
    }
    counted
}

#[inline(always)]
fn put<K>(flows: &impl Flows<K>, key: &K, wire: PacketCount, now: u64) -> Counted {
    let counts = FlowCounts { packets: wire.packets, bytes: wire.bytes, first_ns: now, last_ns: now };
    match flows.put(key, &counts) {
        Ok(()) => Counted::New,
        // Another CPU was first.
        Err(error) if error == -EEXIST => match flows.find(key) {
            Some(counts) => {
                add(counts, wire, now);
                Counted::Known
            }
            None => Counted::NoRoom,
        },
        Err(_) => Counted::NoRoom,
    }
}

#[inline(always)]
fn add(counts: *mut FlowCounts, wire: PacketCount, now: u64) {
    // SAFETY: A pointer to a map value is valid while the program runs. Packets and bytes are only ever added to
    // atomically; the time is one aligned store, and the last of two CPUs may win.
    unsafe {
        fetch_add(&raw mut (*counts).packets, wire.packets);
        fetch_add(&raw mut (*counts).bytes, wire.bytes);
        (&raw mut (*counts).last_ns).write_volatile(now);
    }
}
