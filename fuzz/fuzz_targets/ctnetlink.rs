//! Messages of ctnetlink, as a dump and the multicast groups bring them.

#![no_main]

use analyzer::conntrack::index::LabelledIndex;
use analyzer::netlink::conntrack::entry::RawEntry;
use analyzer::netlink::conntrack::message::Messages;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut index = LabelledIndex::new(1000);
    for message in Messages::new(bytes) {
        let Ok(message) = message else { return };
        let _ = message.error();
        let Ok(raw) = RawEntry::parse(message.payload) else { continue };
        let labelled = raw.is_labelled();
        let Ok(entry) = raw.entry() else { continue };
        assert_eq!(raw.orig(), Ok(entry.connection.orig));
        let kept = index.insert(&entry.connection);
        assert!(labelled || !kept, "{entry:?}");
        let found = index.of(entry.connection.orig).any(|connection| connection == entry.connection);
        assert_eq!(found, kept, "{entry:?}");
    }
});
