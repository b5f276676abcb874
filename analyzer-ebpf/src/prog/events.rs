//! Events for user space.
#![expect(unsafe_code, reason = "a ring buffer's entry is memory of the kernel")]

use analyzer_ebpf::maps::{Counter, Event, PacketCount};

use super::cpu;
use super::kernel;
use super::tables::EVENTS;

/// Raises an event about a key, or counts why not. The key is found by the next sweep of its map at the latest.
#[inline(always)]
pub(super) fn raise<K: Copy + 'static>(kind: u32, key: &K, events_per_second: u32, wire: PacketCount) {
    const { assert!(size_of::<K>() <= 56 && align_of::<K>() <= 8) };
    let now = kernel::now();
    if !cpu::may_raise(events_per_second, now) {
        return cpu::count(Counter::EventsLimited, wire);
    }
    let Some(mut entry) = EVENTS.reserve_untyped::<Event>(0) else { return cpu::count(Counter::EventsLost, wire) };
    let event = entry.as_mut_ptr();
    // SAFETY: The entry has room for an event, of which all bytes are written. The key starts at a multiple of 8.
    unsafe {
        (*event).at_ns = now;
        (*event).kind = kind;
        (*event).zero = 0;
        let words = (&raw mut (*event).key).cast::<u64>();
        // Word by word, so that no function is called for it: its frame would be too much for the stack.
        for word in 0..7 {
            words.add(word).write_volatile(0);
        }
        words.cast::<K>().write(*key);
    }
    entry.submit(0);
}

const _: () = assert!(core::mem::offset_of!(Event, key).is_multiple_of(8));
