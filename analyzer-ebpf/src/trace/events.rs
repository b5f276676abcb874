//! In place of the daemon's events: it raises them itself.

use analyzer_ebpf::maps::PacketCount;

#[inline(always)]
pub(super) fn raise<K>(_: u32, _: &K, _: u32, _: PacketCount) {}
