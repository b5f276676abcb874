//! Captures packed by gzip and zstd.

#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|bytes: &[u8]| -> Corpus {
    if !bytes.starts_with(&[0x1f, 0x8b]) && !bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        return Corpus::Reject;
    }
    analyzer_fuzz::capture(bytes);
    Corpus::Keep
});
