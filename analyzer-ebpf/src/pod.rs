//! What lets user space copy map types from and to the kernel.
//!
//! aya copies keys and values as bytes and asks for a promise, [`aya::Pod`], that this is sound. It can be given only
//! where the types are defined.
#![expect(unsafe_code, reason = "aya::Pod is an unsafe trait, and the compiler cannot derive it")]

use core::mem::MaybeUninit;

use aya::Pod;

use crate::abi::FlowKey;
use crate::filter::Filter;
use crate::maps::{
    ClassEntry, Config, Event, FlowCounts, HeardAt, HeardKey, Outcome, OutcomeKey, PacketCount, RequestKey,
};

// SAFETY: repr(C) of integers and arrays of bytes, without padding for the address types in use (their sizes are
// asserted beside it); every bit pattern is a value.
unsafe impl Pod for FlowKey<[u8; 4]> {}
// SAFETY: as above.
unsafe impl Pod for FlowKey<[u8; 16]> {}
// SAFETY: repr(C) of four u32, which leaves no padding; every bit pattern is a value.
unsafe impl Pod for Config {}
// SAFETY: repr(C) of four u16, its size asserted as their sum; every bit pattern is a value.
unsafe impl Pod for ClassEntry {}
// SAFETY: repr(C) of integers and bytes, its size asserted as their sum; every bit pattern is a value.
unsafe impl Pod for OutcomeKey {}
// SAFETY: repr(transparent) around a u32.
unsafe impl Pod for Outcome {}
// SAFETY: repr(C) of two u64, which leaves no padding; every bit pattern is a value.
unsafe impl Pod for PacketCount {}
// SAFETY: repr(C) of four u64, its size asserted as their sum; every bit pattern is a value.
unsafe impl Pod for FlowCounts {}
// SAFETY: repr(C) of integers and bytes, its size asserted as their sum; every bit pattern is a value.
unsafe impl Pod for RequestKey {}
// SAFETY: repr(C) of integers and bytes, its size asserted as their sum; every bit pattern is a value.
unsafe impl Pod for HeardKey {}
// SAFETY: repr(C) of two u64, which leaves no padding; every bit pattern is a value.
unsafe impl Pod for HeardAt {}
// SAFETY: repr(C) of integers and bytes, its size asserted as their sum; every bit pattern is a value.
unsafe impl Pod for Event {}

// SAFETY: repr(C) of integers, its size asserted as their sum; every bit pattern is a value.
unsafe impl Pod for Filter {}

/// The value that the first bytes hold; `None` where they are too few.
pub fn read<T: Pod>(bytes: &[u8]) -> Option<T> {
    let bytes = bytes.get(..size_of::<T>())?;
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: source and destination are size_of::<T>() bytes long and do not overlap; after the copy all bytes are
    // set, and every bit pattern is a value of T, as Pod promises.
    unsafe {
        core::ptr::copy_nonoverlapping(bytes.as_ptr(), value.as_mut_ptr().cast::<u8>(), size_of::<T>());
        Some(value.assume_init())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_takes_the_first_bytes() {
        let bytes = [1, 0, 0, 0, 2, 0, 0, 0, 9];
        assert_eq!(read::<u32>(&bytes[4..]), Some(2u32.to_le()));
        assert_eq!(read::<PacketCount>(&bytes), None);
    }
}
