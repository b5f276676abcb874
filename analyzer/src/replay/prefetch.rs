//! Asking the CPU for a cache line ahead of its use.
#![cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "the prefetch instruction has no safe form in core"))]

/// Starts to load the first cache line of `value`. A hint: it changes no state that the program can see.
#[inline(always)]
pub(super) fn prefetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: the instruction reads no memory as far as the program can see and faults on no address; SSE, which
        // it belongs to, is part of every x86_64. The address is that of a live reference all the same.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(value).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}
