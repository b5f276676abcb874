//! What the records of OVSDB database files say: each line of the input becomes a record with a right SHA-1.

#![no_main]

use analyzer::ovsdb::file;
use analyzer_fuzz::TABLES;
use libfuzzer_sys::fuzz_target;
use sha1::{Digest, Sha1};

fuzz_target!(|lines: &[u8]| {
    for kind in ["JSON", "CLUSTER"] {
        let mut bytes = Vec::new();
        for line in lines.split_inclusive(|&byte| byte == b'\n') {
            let digest = Sha1::digest(line).iter().map(|octet| format!("{octet:02x}")).collect::<String>();
            bytes.extend_from_slice(format!("OVSDB {kind} {} {digest}\n", line.len()).as_bytes());
            bytes.extend_from_slice(line);
        }
        if let Ok((tables, ..)) = file::read(bytes.as_slice(), "fuzz", &TABLES) {
            analyzer_fuzz::facts(&tables);
        }
    }
});
