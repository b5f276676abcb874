//! Real ovsdb-servers, their content as their own client prints it, and random transactions for them.

// Not `expect`, which would fail in a test that uses everything.
#![allow(dead_code, reason = "each test uses its part")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use analyzer::ovsdb::row::{Atom, Datum, Row};
use serde_json::{Value, json};

use crate::common::{Process, TempDir, command, run};

pub(crate) const SCHEMA: &str = "/usr/share/ovn/ovn-nb.ovsschema";
pub(crate) const DATABASE: &str = "OVN_Northbound";
pub(crate) const SOUTHBOUND: &str = "OVN_Southbound";

/// Rows of a table by UUID, and of each the elements of its columns, comparable whatever they were read from.
pub(crate) type Content = BTreeMap<String, BTreeMap<String, Columns>>;

/// The elements of a row's columns.
pub(crate) type Columns = BTreeMap<String, BTreeSet<String>>;

/// A server with one database file, `NAME.db`.
pub(crate) struct Server {
    directory: PathBuf,
    pub(crate) name: &'static str,
    database: &'static str,
    /// Where it listens beside its socket, and with what keys.
    options: Vec<String>,
    process: Option<Process>,
}

impl Server {
    /// Starts a server of the northbound database on `NAME.db` in `directory` and waits until it serves the database.
    pub(crate) fn start(directory: &TempDir, name: &'static str) -> Self {
        Self::start_with(directory, name, DATABASE, &[])
    }

    /// Starts a server of an empty southbound database, `sb.db`, in `directory`.
    pub(crate) fn southbound(directory: &TempDir) -> Self {
        let schema = "/usr/share/ovn/ovn-sb.ovsschema";
        run(command("ovsdb-tool").args(["create", "sb.db", schema]).current_dir(directory.path()));
        Self::start_with(directory, "sb", SOUTHBOUND, &[])
    }

    /// Starts a server with further options.
    pub(crate) fn start_with(
        directory: &TempDir,
        name: &'static str,
        database: &'static str,
        options: &[String],
    ) -> Self {
        let directory = directory.path().to_owned();
        let mut server = Self { directory, name, database, options: options.to_vec(), process: None };
        server.restart();
        server
    }

    /// Starts it again, killed or not.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let path = |suffix: &str| self.path(suffix).display().to_string();
        self.process = Some(Process::start(
            command("ovsdb-server")
                .current_dir(&self.directory)
                .args(["--no-chdir", "-vconsole:off"])
                .arg(format!("--pidfile={}", path("pid")))
                .arg(format!("--unixctl={}", path("ctl")))
                .arg(format!("--remote=punix:{}", path("sock")))
                .args(&self.options)
                .arg(format!("{}.db", self.name)),
        ));
        run(command("ovsdb-client").args(["--timeout=60", "wait", &self.remote(), self.database, "connected"]));
    }

    /// Kills it with SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// A file of the server's: `db`, `sock`, `ctl`.
    pub(crate) fn path(&self, suffix: &str) -> PathBuf {
        self.directory.join(format!("{}.{suffix}", self.name))
    }

    pub(crate) fn remote(&self) -> String {
        format!("unix:{}", self.path("sock").display())
    }

    pub(crate) fn transact(&self, operations: &[Value]) {
        let database = [json!(self.database)];
        let transaction = Value::Array(database.iter().chain(operations).cloned().collect()).to_string();
        let reply = run(command("ovsdb-client").args(["--timeout=60", "transact", &self.remote(), &transaction]));
        assert!(!reply.contains("\"error\""), "{transaction}: {reply}");
    }

    /// Asks the server's control socket.
    pub(crate) fn control(&self, arguments: &[&str]) -> String {
        run(command("ovs-appctl").arg("-t").arg(self.path("ctl")).args(arguments))
    }

    /// The content, as `ovsdb-client dump` prints it. Read here without help of the code under test.
    pub(crate) fn dump(&self) -> Content {
        let arguments = ["--timeout=60", "--format=json", "dump", &self.remote(), self.database];
        let dump = run(command("ovsdb-client").args(arguments));
        let tables = serde_json::Deserializer::from_str(&dump).into_iter::<Value>();
        tables.map(|table| content_of_dump(&table.unwrap())).collect()
    }
}

fn content_of_dump(table: &Value) -> (String, BTreeMap<String, Columns>) {
    let name = table["caption"].as_str().unwrap().strip_suffix(" table").unwrap().to_owned();
    let headings: Vec<&str> = table["headings"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let row = |row: &Value| {
        let cells = headings.iter().zip(row.as_array().unwrap());
        let mut columns: Columns =
            cells.map(|(heading, cell)| ((*heading).to_owned(), elements_of_json(cell))).collect();
        let uuid = columns.remove("_uuid").unwrap().pop_first().unwrap();
        (uuid, columns)
    };
    let rows = table["data"].as_array().unwrap().iter().map(row).collect();
    (name, rows)
}

fn elements_of_json(cell: &Value) -> BTreeSet<String> {
    let atom = |atom: &Value| match atom {
        Value::String(text) => text.clone(),
        Value::Array(uuid) => uuid[1].as_str().unwrap().to_owned(),
        other => other.to_string(),
    };
    match (cell[0].as_str(), cell[1].as_array()) {
        (Some("set"), Some(atoms)) => atoms.iter().map(atom).collect(),
        (Some("map"), Some(pairs)) => {
            pairs.iter().map(|pair| format!("{} = {}", atom(&pair[0]), atom(&pair[1]))).collect()
        }
        _ => BTreeSet::from([atom(cell)]),
    }
}

fn elements(value: &Datum) -> BTreeSet<String> {
    let atom = |atom: &Atom| match atom {
        Atom::Integer(number) => number.to_string(),
        Atom::Real(number) => number.to_string(),
        Atom::Boolean(value) => value.to_string(),
        Atom::String(text) | Atom::Uuid(text) => text.to_string(),
    };
    match value {
        Datum::Set(atoms) => atoms.iter().map(atom).collect(),
        Datum::Map(pairs) => pairs.iter().map(|(key, value)| format!("{} = {}", atom(key), atom(value))).collect(),
    }
}

/// A row's UUID and the elements of its columns.
pub(crate) fn row_content(row: &Row) -> (String, Columns) {
    let columns = row.columns.iter().map(|(name, value)| (name.to_string(), elements(value)));
    (row.uuid.to_string(), columns.collect())
}

/// Random numbers that are the same in each run (SplitMix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (number ^ (number >> 31)) % bound
    }

    fn name(&mut self, of: &str) -> String {
        format!("{of}{}", self.below(6))
    }

    fn address(&mut self) -> String {
        format!("198.19.{}.{}", self.below(3), self.below(9))
    }

    fn set(&mut self) -> Value {
        let size = self.below(5);
        json!(["set", (0..size).map(|_| self.address()).collect::<BTreeSet<_>>()])
    }

    /// A map of few keys, so that keys come again with other values.
    fn map(&mut self) -> Value {
        const VALUES: [&str; 6] = ["true", "", "a b", "x=\"y\", {z}", "\u{e4}\n", "0"];
        let size = self.below(4);
        let pairs: BTreeMap<String, &str> =
            (0..size).map(|_| (self.name("key-"), VALUES[self.below(6) as usize])).collect();
        json!(["map", pairs.into_iter().collect::<Vec<_>>()])
    }

    fn optional(&mut self, value: Value) -> Value {
        if self.below(3) == 0 { json!(["set", []]) } else { value }
    }

    /// The operations of a transaction that succeeds whatever the content is.
    pub(crate) fn transaction(&mut self) -> Vec<Value> {
        let router = self.name("GR_");
        let named = |name: &str| json!([["name", "==", name]]);
        match self.below(10) {
            0 => vec![json!({"op": "insert", "table": "Address_Set",
                       "row": {"name": format!("as{}", self.below(1 << 40)), "addresses": self.set()}})],
            1 => vec![json!({"op": "mutate", "table": "Address_Set", "where": [],
                             "mutations": [["addresses", "insert", self.set()]]})],
            2 => vec![json!({"op": "mutate", "table": "Address_Set", "where": [],
                             "mutations": [["addresses", "delete", self.set()]]})],
            3 => vec![json!({"op": "insert", "table": "Logical_Router",
                             "row": {"name": router, "external_ids": self.map(), "options": self.map()}})],
            4 => vec![json!({"op": "update", "table": "Logical_Router", "where": named(&router),
                             "row": {"external_ids": self.map(), "enabled": self.optional(json!(true))}})],
            5 | 6 => vec![
                json!({"op": "insert", "table": "Logical_Router_Static_Route", "uuid-name": "route",
                       "row": {"ip_prefix": self.address(), "nexthop": self.address(), "options": self.map(),
                               "policy": self.optional(json!("src-ip"))}}),
                // Without a router that has it, the row is gone at the end of the transaction.
                json!({"op": "mutate", "table": "Logical_Router", "where": named(&router),
                       "mutations": [["static_routes", "insert", ["named-uuid", "route"]]]}),
            ],
            7 => vec![json!({"op": "update", "table": "Logical_Router_Static_Route",
                             "where": [["nexthop", "==", self.address()]],
                             "row": {"nexthop": self.address(), "output_port": self.optional(json!(router)),
                                     "policy": self.optional(json!("dst-ip")), "options": self.map()}})],
            8 => vec![json!({"op": "update", "table": "Logical_Router", "where": named(&router),
                             "row": {"static_routes": ["set", []]}})],
            _ => match self.below(3) {
                0 => vec![json!({"op": "delete", "table": "Logical_Router", "where": named(&router)})],
                1 => vec![json!({"op": "delete", "table": "Address_Set",
                                 "where": [["addresses", "includes", self.address()]]})],
                _ => vec![
                    json!({"op": "delete", "table": "BFD", "where": []}),
                    json!({"op": "insert", "table": "BFD", "uuid-name": "bfd",
                           "row": {"logical_port": router, "dst_ip": self.address(), "status": "up"}}),
                    json!({"op": "update", "table": "Logical_Router_Static_Route",
                           "where": [["nexthop", "==", self.address()]], "row": {"bfd": ["named-uuid", "bfd"]}}),
                ],
            },
        }
    }
}
