//! Tables as the clients of OVSDB print them, and the facts that their rows tell in any table.

#![no_main]

use analyzer::ovsdb::row::Tables;
use analyzer::ovsdb::text;
use analyzer_fuzz::TABLES;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok((rows, ..)) = text::parse(bytes, "fuzz", "MAC_Binding") {
        let tables = TABLES.iter().map(|&table| (table.into(), rows.clone())).collect();
        analyzer_fuzz::facts(&Tables { tables, ..Tables::default() });
    }
});
