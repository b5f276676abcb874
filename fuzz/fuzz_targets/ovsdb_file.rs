//! OVSDB database files, stand-alone and clustered, as bytes.

#![no_main]

use analyzer::ovsdb::file;
use analyzer_fuzz::TABLES;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok((tables, ..)) = file::read(bytes, "fuzz", &TABLES) {
        analyzer_fuzz::facts(&tables);
    }
});
