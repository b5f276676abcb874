//! The text of `ovn-nbctl lr-route-list`.

#![no_main]

use analyzer::ovn::lr_route_list;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    lr_route_list::parse(text, None, &analyzer_fuzz::file());
});
