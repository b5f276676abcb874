//! Owners of MACs: `ip -d link`, neighbours, and pods with their annotations in JSON, in YAML and as described.

#![no_main]

use analyzer::ovn::mac_owners;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let _ = mac_owners::parse(text, &analyzer_fuzz::file());
});
