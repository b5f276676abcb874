//! nexthops.toml.

#![no_main]

use analyzer::ovn::nexthops_toml;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = nexthops_toml::parse(text, &analyzer_fuzz::file());
});
