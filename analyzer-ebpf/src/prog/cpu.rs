//! What each CPU keeps for itself: counters, the countdowns of sampling, and the limit of events.
#![expect(unsafe_code, reason = "values of per-CPU maps are reached by pointers")]

use core::mem::MaybeUninit;

use analyzer_ebpf::maps::{Counter, PacketCount};
use analyzer_ebpf::parse::Ip;

use super::kernel::{PerCpuArray, random};
use super::tables::{COUNTERS, CPU, NEXTHOPS};

const SECOND_NS: u64 = 1_000_000_000;

/// State of one CPU.
#[repr(C)]
pub(super) struct CpuState {
    /// Conforming packets up to the next sample.
    until_sample: u32,
    /// Requests up to the next sample.
    until_request: u32,
    /// Credit for events: nanoseconds that have passed and were not used up, at most a second.
    credit_ns: u64,
    /// Time up to which credit was given.
    credited_ns: u64,
    /// Offset of what is read of a packet at the hook of XDP.
    offset: usize,
    /// The packet that is at hand, if it is IPv4.
    ipv4: MaybeUninit<Ip<[u8; 4]>>,
    /// The packet that is at hand, if it is IPv6.
    ipv6: MaybeUninit<Ip<[u8; 16]>>,
}

/// The word that offsets are passed through at the hook of XDP.
#[inline(always)]
pub(super) fn offset() -> Option<*mut usize> {
    let state = CPU.get_ptr_mut(0)?;
    // SAFETY: The field lies in the value.
    Some(unsafe { &raw mut (*state).offset })
}

/// Keeps what the parser made of an IPv4 packet, up to the next.
#[inline(always)]
pub(super) fn keep_ipv4(ip: Ip<[u8; 4]>) -> Option<&'static Ip<[u8; 4]>> {
    let state = CPU.get_ptr_mut(0)?;
    // SAFETY: The value belongs to this CPU, and programs of one CPU do not interrupt each other here.
    Some(unsafe { (*state).ipv4.write(ip) })
}

/// Keeps what the parser made of an IPv6 packet, up to the next.
#[inline(always)]
pub(super) fn keep_ipv6(ip: Ip<[u8; 16]>) -> Option<&'static Ip<[u8; 16]>> {
    let state = CPU.get_ptr_mut(0)?;
    // SAFETY: As above.
    Some(unsafe { (*state).ipv6.write(ip) })
}

/// A countdown to the next sample.
#[derive(Clone, Copy)]
pub(super) enum Countdown {
    /// Of packets that leave.
    Packets,
    /// Of packets that come in.
    Requests,
}

/// Counts packets under one of the counters.
#[inline(always)]
pub(super) fn count(counter: Counter, wire: PacketCount) {
    add(&COUNTERS, counter as u32, wire);
}

/// Counts a key that is new in a map.
#[inline(always)]
pub(super) fn count_key(counter: Counter) {
    add(&COUNTERS, counter as u32, PacketCount { packets: 1, bytes: 0 });
}

/// Counts conforming packets under their next hop.
#[inline(always)]
pub(super) fn count_nexthop(index: u32, wire: PacketCount) {
    add(&NEXTHOPS, index, wire);
}

#[inline(always)]
fn add<const N: usize>(counts: &PerCpuArray<PacketCount, N>, index: u32, wire: PacketCount) {
    if let Some(count) = counts.get_ptr_mut(index) {
        // SAFETY: The value belongs to this CPU, and programs of one CPU do not interrupt each other here.
        unsafe {
            (*count).packets += wire.packets;
            (*count).bytes += wire.bytes;
        }
    }
}

/// Whether a packet is to be sampled, where one in `every` is; 0 samples none.
///
/// The distance to the next sample is random, so that traffic with a rhythm of its own is sampled truly; its mean is
/// `every`, and with 1 each packet is sampled.
#[inline(always)]
pub(super) fn is_sampled(countdown: Countdown, every: u32) -> bool {
    let Some(state) = CPU.get_ptr_mut(0) else { return false };
    // SAFETY: As in `add`.
    let left = unsafe {
        match countdown {
            Countdown::Packets => &mut (*state).until_sample,
            Countdown::Requests => &mut (*state).until_request,
        }
    };
    if *left > 1 {
        *left -= 1;
        return false;
    }
    if every == 0 {
        return false;
    }
    *left = 1 + next_distance(every);
    true
}

/// A number from 0 to `2 * every - 2`.
#[inline(always)]
fn next_distance(every: u32) -> u32 {
    let span = u64::from(every) * 2 - 1;
    ((u64::from(random()) * span) >> 32) as u32
}

/// Takes the credit for one event, at `now`; false where the CPU has raised its share of this second.
#[inline(always)]
pub(super) fn may_raise(events_per_second: u32, now: u64) -> bool {
    let Some(state) = CPU.get_ptr_mut(0) else { return false };
    if events_per_second == 0 {
        return false;
    }
    let price = SECOND_NS / u64::from(events_per_second);
    // SAFETY: As in `add`.
    unsafe {
        let credit = ((*state).credit_ns + now.saturating_sub((*state).credited_ns)).min(SECOND_NS);
        (*state).credited_ns = now;
        let is_enough = credit >= price;
        (*state).credit_ns = if is_enough { credit - price } else { credit };
        is_enough
    }
}
