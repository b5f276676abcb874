//! Transactions that are too large for a command line.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use analyzer::jsonrpc::{Framer, Message, request as rpc};
use serde_json::{Value, json};

use crate::ovsdb::Server;

/// A connection to a server.
pub(crate) struct Writer {
    stream: UnixStream,
    database: &'static str,
}

impl Writer {
    pub(crate) fn new(server: &Server, database: &'static str) -> Self {
        Self { stream: UnixStream::connect(server.path("sock")).unwrap(), database }
    }

    pub(crate) fn transact(&mut self, operations: Vec<Value>) {
        let params: Vec<Value> = std::iter::once(json!(self.database)).chain(operations).collect();
        self.stream.write_all(rpc("transact", &json!(params), &json!(0)).as_bytes()).unwrap();
        let mut framer = Framer::new(1 << 30);
        let mut chunk = vec![0; 65536];
        loop {
            let length = self.stream.read(&mut chunk).unwrap();
            framer.push(&chunk[..length]);
            let Some(frame) = framer.take().unwrap() else { continue };
            let Ok(Message::Reply { outcome: Ok(result), .. }) = Message::parse(frame.json) else { panic!("refused") };
            assert!(!result.get().contains("\"error\""), "{result}");
            return;
        }
    }
}
