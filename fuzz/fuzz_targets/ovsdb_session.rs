//! What an OVSDB server sends: framing, the session, and that each change fits what was told before.

#![no_main]

use std::collections::HashMap;
use std::sync::Arc;

use analyzer::jsonrpc::Framer;
use analyzer::ovsdb::client::replica::{Output, Replica};
use analyzer::ovsdb::client::{Config, TableRequest};
use analyzer::ovsdb::row::Row;
use libfuzzer_sys::fuzz_target;

/// Bytes of a message at most.
const LIMIT: usize = 4096;

// The first byte is the size of the pieces that arrive; 0xff, which is in no JSON, ends a connection.
fuzz_target!(|input: &[u8]| {
    let Some((&piece, bytes)) = input.split_first() else { return };
    let table = TableRequest { table: "T".into(), columns: Vec::new(), conditions: Vec::new() };
    let mut replica = Replica::new(&Config::new("D", Vec::new(), vec![table]));
    let mut rows: HashMap<(Arc<str>, Arc<str>), Arc<Row>> = HashMap::new();
    for connection in bytes.split(|&byte| byte == 0xff) {
        replica.connected();
        converse(&mut replica, connection, usize::from(piece).max(1), &mut rows);
    }
});

fn converse(replica: &mut Replica, bytes: &[u8], piece: usize, rows: &mut HashMap<(Arc<str>, Arc<str>), Arc<Row>>) {
    let mut framer = Framer::new(LIMIT);
    for piece in bytes.chunks(piece) {
        framer.push(piece);
        loop {
            let frame = match framer.take() {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(_) => return,
            };
            assert_eq!(frame.json, &bytes[frame.offset as usize..][..frame.json.len()]);
            let handled = replica.handle(frame.json);
            while let Some(output) = replica.poll() {
                let Output::Changes { changes, .. } = output else { continue };
                for change in changes {
                    assert_ne!(change.old, change.new);
                    let row = change.old.as_ref().or(change.new.as_ref()).expect("a change is of a row");
                    let key = (Arc::clone(&change.table), Arc::clone(&row.uuid));
                    let told = match change.new {
                        Some(new) => rows.insert(key, new),
                        None => rows.remove(&key),
                    };
                    assert_eq!(told, change.old);
                }
            }
            if handled.is_err() {
                return;
            }
        }
    }
}
