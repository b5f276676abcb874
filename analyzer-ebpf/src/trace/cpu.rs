//! In place of the daemon's counts: what the judge would count is noted for the packet at hand.
#![expect(unsafe_code, reason = "values of maps are reached by pointers")]

use core::mem::MaybeUninit;

use analyzer_ebpf::maps::{Counter, PacketCount};
use analyzer_ebpf::parse::Ip;
use aya_ebpf::helpers::bpf_ktime_get_ns;

use super::tables::{CPU, MATCHED, WINDOW};

const SECOND_NS: u64 = 1_000_000_000;

/// State of one CPU.
#[repr(C)]
pub(super) struct CpuState {
    /// What is to be told of the packet at hand.
    pub(super) told: Told,
    /// The packet that is at hand, if it is IPv4.
    ipv4: MaybeUninit<Ip<[u8; 4]>>,
    /// The packet that is at hand, if it is IPv6.
    ipv6: MaybeUninit<Ip<[u8; 16]>>,
}

/// What is told of a packet.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Told {
    pub(super) at_ns: u64,
    pub(super) src: [u8; 16],
    pub(super) dst: [u8; 16],
    pub(super) eth_dst: [u8; 6],
    pub(super) eth_src: [u8; 6],
    pub(super) tp_src: u16,
    pub(super) tp_dst: u16,
    /// VLAN tags with their flags, of `LinkTags`.
    pub(super) tags: u32,
    pub(super) ifindex: u32,
    /// Where the packet is met: [`super::witness::Place`].
    pub(super) place: u32,
    pub(super) eth_type: u16,
    /// IP version; 0 where the packet is none that could be read.
    pub(super) version: u8,
    pub(super) nw_proto: u8,
    /// 0 for a whole datagram, 1 for a first fragment, 2 for a later one.
    pub(super) fragment: u32,
    /// Packets on the wire, of a super-packet.
    pub(super) packets: u32,
    pub(super) bytes: u32,
    pub(super) source: u32,
    pub(super) destination: u32,
    /// What the judge counts it as ([`Counter`]).
    pub(super) counter: u32,
    /// One more than the index of the next hop that it is counted under; 0 for none.
    pub(super) nexthop: u32,
}

/// A second, and how many packets were told in it.
#[repr(C)]
pub(super) struct Window {
    second: u64,
    told: u64,
}

#[inline(always)]
fn state() -> Option<*mut CpuState> {
    CPU.get_ptr_mut(0)
}

/// What is told of the packet at hand.
#[inline(always)]
pub(super) fn told() -> Option<&'static mut Told> {
    // SAFETY: The value belongs to this CPU, and programs of one CPU do not interrupt each other here.
    state().map(|state| unsafe { &mut (*state).told })
}

/// Keeps what the parser made of an IPv4 packet, up to the next.
#[inline(always)]
pub(super) fn keep_ipv4(ip: Ip<[u8; 4]>) -> Option<&'static Ip<[u8; 4]>> {
    // SAFETY: As above.
    state().map(|state| unsafe { &*(*state).ipv4.write(ip) })
}

/// Keeps what the parser made of an IPv6 packet, up to the next.
#[inline(always)]
pub(super) fn keep_ipv6(ip: Ip<[u8; 16]>) -> Option<&'static Ip<[u8; 16]>> {
    // SAFETY: As above.
    state().map(|state| unsafe { &*(*state).ipv6.write(ip) })
}

/// Counts a packet that the filter took, and says whether it may be told: of each second only so many are.
///
/// Two CPUs may count one packet less than there were. User space holds the limit exactly.
#[inline(always)]
pub(super) fn may_tell(per_second: u32, now: u64) -> bool {
    let (Some(matched), Some(window)) = (MATCHED.get_ptr_mut(0), WINDOW.get_ptr_mut(0)) else { return false };
    // SAFETY: The first value belongs to this CPU. Of the other each word is written at once.
    unsafe {
        *matched += 1;
        let second = now / SECOND_NS;
        let told = if (*window).second == second { (*window).told } else { 0 };
        (*window).second = second;
        (*window).told = told + 1;
        told < u64::from(per_second)
    }
}

/// The time.
#[inline(always)]
pub(super) fn now() -> u64 {
    // SAFETY: Reads a clock.
    unsafe { bpf_ktime_get_ns() }
}

/// A countdown to the next sample.
#[derive(Clone, Copy)]
pub(super) enum Countdown {
    Packets,
}

/// Notes what the packet counts as, beside being seen.
#[inline(always)]
pub(super) fn count(counter: Counter, _: PacketCount) {
    if counter as u32 != Counter::Seen as u32
        && let Some(told) = told()
    {
        told.counter = counter as u32;
    }
}

#[inline(always)]
pub(super) fn count_key(_: Counter) {}

/// Notes the next hop that the packet counts under.
#[inline(always)]
pub(super) fn count_nexthop(index: u32, _: PacketCount) {
    if let Some(told) = told() {
        told.nexthop = index + 1;
    }
}

/// Nothing is sampled here.
#[inline(always)]
pub(super) fn is_sampled(_: Countdown, _: u32) -> bool {
    false
}
