//! Transactions by a connection of its own: large ones, and many.

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

    /// Sends a transaction that must succeed.
    pub(crate) fn transact(&mut self, operations: Vec<Value>) {
        let results = self.request(operations);
        assert!(results.iter().all(|result| result.get("error").is_none()), "{results:?}");
    }

    /// Sends a transaction and gives the result of each operation. The one that failed, or one behind the last, has a
    /// member `error`.
    pub(crate) fn request(&mut self, operations: Vec<Value>) -> Vec<Value> {
        let params: Vec<Value> = std::iter::once(json!(self.database)).chain(operations).collect();
        self.stream.write_all(rpc("transact", &json!(params), &json!(0)).as_bytes()).unwrap();
        let mut framer = Framer::new(1 << 30);
        let mut chunk = vec![0; 65536];
        loop {
            let length = self.stream.read(&mut chunk).unwrap();
            assert!(length > 0, "the server is there");
            framer.push(&chunk[..length]);
            let Some(frame) = framer.take().unwrap() else { continue };
            let Ok(Message::Reply { outcome: Ok(result), .. }) = Message::parse(frame.json) else { panic!("refused") };
            return serde_json::from_str(result.get()).unwrap();
        }
    }
}
