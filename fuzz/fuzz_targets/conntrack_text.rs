//! The text of `dpctl/dump-conntrack`, and excerpts of it.

#![no_main]

use analyzer::conntrack::reader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let mut entries = 0;
    let reading = reader::read(text, "fuzz", |_, _| entries += 1).expect("memory can be read");
    assert_eq!(reading.entries, entries);
});
