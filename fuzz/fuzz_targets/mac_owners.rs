//! Owners of MACs: `ip -d link`, and pods with their network-status.

#![no_main]

use analyzer::ovn::mac_owners;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let _ = mac_owners::parse(text, &analyzer_fuzz::file());
});
