//! In place of the daemon's maps of flows: the packet at hand is in its books, so that it is not counted again.

use analyzer_ebpf::maps::PacketCount;

/// A map of flows.
pub(super) trait Flows<K> {}

/// None of the daemon's.
pub(super) struct Untold;

impl<K> Flows<K> for Untold {}

/// How a packet was counted.
#[derive(Clone, Copy, PartialEq, Eq)]
#[expect(dead_code, reason = "nothing is counted, and so nothing is new and no map is full")]
pub(super) enum Counted {
    Known,
    New,
    NoRoom,
}

#[inline(always)]
pub(super) fn count<K>(_: &impl Flows<K>, _: &K, _: PacketCount) -> Counted {
    Counted::Known
}

#[inline(always)]
pub(super) fn count_in_reserve<K>(_: &impl Flows<K>, _: &K, _: PacketCount) -> Counted {
    Counted::Known
}
