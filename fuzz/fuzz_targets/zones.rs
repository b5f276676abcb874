//! Names of conntrack zones, in every form that they are printed in.

#![no_main]

use analyzer::ovn::zones;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    zones::parse(text, &analyzer_fuzz::file());
});
