//! What the kernel gives a program beside its packets: maps, a clock, random numbers, and addition that no other CPU gets
//! between.
//!
//! All else of the judge is plain Rust. Where it runs outside of the kernel, this is put in another's place, with the maps
//! themselves.
#![expect(unsafe_code, reason = "helpers of the kernel, and an instruction that `core` has not for this target")]

use core::arch::asm;

pub(super) use aya_ebpf::bindings::BPF_NOEXIST;
pub(super) use aya_ebpf::btf_maps::{HashMap, LruHashMap, PerCpuArray};
use aya_ebpf::helpers::{bpf_get_prandom_u32, bpf_ktime_get_ns};

/// The time: nanoseconds of `CLOCK_MONOTONIC`.
#[inline(always)]
pub(super) fn now() -> u64 {
    // SAFETY: Reads a clock.
    unsafe { bpf_ktime_get_ns() }
}

/// Any number.
#[inline(always)]
pub(super) fn random() -> u32 {
    // SAFETY: Reads a generator of the kernel.
    unsafe { bpf_get_prandom_u32() }
}

/// Adds atomically. The target has no atomics in `core`; this is `BPF_ATOMIC | BPF_ADD`, which every kernel has that has
/// ring buffers.
///
/// # Safety
/// `number` is valid for writes.
#[inline(always)]
pub(super) unsafe fn fetch_add(number: *mut u64, more: u64) {
    // SAFETY: The caller says that the number may be written to.
    unsafe {
        asm!("lock *(u64 *)({number} + 0) += {more}", number = in(reg) number, more = in(reg) more, options(nostack));
    }
}
