//! The text of `tcpdump -e`, as people paste it.

#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|text: &str| -> Corpus {
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return Corpus::Reject;
    }
    analyzer_fuzz::capture(text.as_bytes());
    Corpus::Keep
});
