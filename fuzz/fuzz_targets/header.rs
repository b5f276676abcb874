//! The header walk, and what it hears of neighbours.

#![no_main]

use analyzer_ebpf::{neighbour, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|frame: &[u8]| {
    if let Ok(parsed) = parse::parse(frame) {
        neighbour::heard(frame, &parsed);
    }
});
