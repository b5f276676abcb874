//! Database files and printed tables against the real ovsdb-server and its clients: hundreds of random transactions,
//! then what we read of the file is compared with what the server says, now and at moments in between.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::BufReader;
use std::path::PathBuf;

use analyzer::ovsdb::file::{self, DbInfo};
use analyzer::ovsdb::row::{Atom, Datum, RowVersion, Tables};
use analyzer::ovsdb::text;
use analyzer::types::Timestamp;
use serde_json::{Value, json};

use common::{Process, TempDir, command, require, run};

const PROGRAMS: [&str; 5] = ["ovsdb-server", "ovsdb-tool", "ovsdb-client", "ovs-appctl", "ovn-nbctl"];
const SCHEMA: &str = "/usr/share/ovn/ovn-nb.ovsschema";
const DATABASE: &str = "OVN_Northbound";

/// Rows of a table by UUID, and of each the elements of its columns, comparable whatever they were read from.
type Content = BTreeMap<String, BTreeMap<String, BTreeMap<String, BTreeSet<String>>>>;

/// A server with one database file.
struct Server {
    directory: PathBuf,
    name: &'static str,
    _process: Process,
}

impl Server {
    /// Starts a server on `NAME.db` in `directory` and waits until it serves the database.
    fn start(directory: &TempDir, name: &'static str) -> Self {
        let directory = directory.path().to_owned();
        let process = Process::start(
            command("ovsdb-server")
                .current_dir(&directory)
                .args(["--no-chdir", "-vconsole:off"])
                .arg(format!("--pidfile={}", directory.join(format!("{name}.pid")).display()))
                .arg(format!("--unixctl={}", directory.join(format!("{name}.ctl")).display()))
                .arg(format!("--remote=punix:{}", directory.join(format!("{name}.sock")).display()))
                .arg(format!("{name}.db")),
        );
        let server = Self { directory, name, _process: process };
        run(command("ovsdb-client").args(["--timeout=60", "wait", &server.remote(), DATABASE, "connected"]));
        server
    }

    fn remote(&self) -> String {
        format!("unix:{}", self.directory.join(format!("{}.sock", self.name)).display())
    }

    fn file(&self) -> PathBuf {
        self.directory.join(format!("{}.db", self.name))
    }

    fn transact(&self, operations: &[Value]) {
        let database = [json!(DATABASE)];
        let transaction = Value::Array(database.iter().chain(operations).cloned().collect()).to_string();
        let reply = run(command("ovsdb-client").args(["--timeout=60", "transact", &self.remote(), &transaction]));
        assert!(!reply.contains("\"error\""), "{transaction}: {reply}");
    }

    /// Has the file compacted. The server may do so in a thread and answer at once, so it is asked until it has.
    fn compact(&self) {
        let before = self.read().0.since;
        let control = self.directory.join(format!("{}.ctl", self.name));
        let ask = |what: &[&str]| run(command("ovs-appctl").arg("-t").arg(&control).args(what));
        ask(&["ovsdb-server/compact", DATABASE]);
        let compacted = (0..5000).any(|_| {
            ask(&["version"]);
            self.read().0.since != before
        });
        assert!(compacted, "{} is not compacted", self.name);
    }

    fn nbctl(&self, arguments: &[&str]) -> String {
        let database = format!("--db={}", self.remote());
        run(command("ovn-nbctl").args(["--timeout=60", "--no-leader-only", &database]).args(arguments))
    }

    /// The content, as `ovsdb-client dump` prints it. Read here without help of the code under test.
    fn dump(&self) -> Content {
        let dump = run(command("ovsdb-client").args(["--timeout=60", "--format=json", "dump", &self.remote()]));
        let tables = serde_json::Deserializer::from_str(&dump).into_iter::<Value>();
        tables.map(|table| content_of_dump(&table.unwrap())).collect()
    }

    /// All that our reader makes of the file.
    fn read(&self) -> (Tables, DbInfo) {
        let schema: Value = serde_json::from_str(&fs::read_to_string(SCHEMA).unwrap()).unwrap();
        let wanted: Vec<&str> = schema["tables"].as_object().unwrap().keys().map(String::as_str).collect();
        let reader = BufReader::new(File::open(self.file()).unwrap());
        let (tables, info, warnings) = file::read(reader, self.name, &wanted).unwrap();
        assert_eq!(warnings, []);
        (tables, info)
    }
}

fn content_of_dump(table: &Value) -> (String, BTreeMap<String, BTreeMap<String, BTreeSet<String>>>) {
    let name = table["caption"].as_str().unwrap().strip_suffix(" table").unwrap().to_owned();
    let headings: Vec<&str> = table["headings"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let row = |row: &Value| {
        let cells = headings.iter().zip(row.as_array().unwrap());
        let mut columns: BTreeMap<String, BTreeSet<String>> = cells
            // Files do not hold what is ephemeral.
            .filter(|(heading, _)| !(name == "Connection" && ["is_connected", "status"].contains(heading)))
            .map(|(heading, cell)| ((*heading).to_owned(), elements_of_json(cell)))
            .collect();
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

fn row_content(version: &RowVersion) -> (String, BTreeMap<String, BTreeSet<String>>) {
    let columns = version.row.columns.iter().map(|(name, value)| (name.to_string(), elements(value)));
    (version.row.uuid.to_string(), columns.collect())
}

/// The content at a moment, or that of the file's end.
fn content_at(tables: &Tables, at: Timestamp) -> Content {
    let rows = |versions: &Vec<RowVersion>| {
        let held: Vec<_> = versions.iter().filter(|version| version.validity.holds(at)).map(row_content).collect();
        let rows: BTreeMap<_, _> = held.iter().cloned().collect();
        assert_eq!(rows.len(), held.len(), "a row has two versions at {at}");
        rows
    };
    tables.tables.iter().map(|(name, versions)| (name.to_string(), rows(versions))).collect()
}

/// Random numbers that are the same in each run (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
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
    fn transaction(&mut self) -> Vec<Value> {
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

/// Contents at moments of the past.
#[derive(Default)]
struct Checkpoints(Vec<(Timestamp, Content)>);

impl Checkpoints {
    fn record(&mut self, server: &Server) {
        let (tables, _) = server.read();
        let content = server.dump();
        let last = tables.last.unwrap();
        assert_eq!(content_at(&tables, Timestamp::MAX), content);
        self.0.push((last, content));
    }

    fn check(&self, tables: &Tables) {
        for (at, content) in &self.0 {
            assert_eq!(&content_at(tables, *at), content, "at {at}");
        }
    }
}

/// Transactions and checkpoints by `servers` in turn, then a compaction and more of them.
fn storm(servers: &[Server], random: &mut Random, transactions: usize) {
    let last = servers.last().unwrap();
    let mut before = Checkpoints::default();
    for number in 1..=transactions {
        // The last in turn is the one whose file is read: having answered, it knows that the entry is committed.
        let server = if number % 40 == 0 { last } else { &servers[number % servers.len()] };
        server.transact(&random.transaction());
        if number % 40 == 0 {
            // A transaction that changes nothing is not in the file.
            server.transact(&[json!({"op": "insert", "table": "Address_Set", "row": {"name": format!("cp{number}")}})]);
            before.record(server);
        }
    }
    let (tables, info) = last.read();
    before.check(&tables);
    assert_eq!(info.name, DATABASE);
    assert!(tables.since < before.0.first().map(|checkpoint| checkpoint.0));

    last.compact();
    let mut after = Checkpoints::default();
    after.record(last);
    let (compacted, _) = last.read();
    assert!(compacted.since > before.0.last().map(|checkpoint| checkpoint.0));
    assert_eq!(compacted.since, compacted.last);
    for number in 1..=40 {
        last.transact(&random.transaction());
        if number % 20 == 0 {
            last.transact(&[json!({"op": "insert", "table": "Address_Set", "row": {"name": format!("cq{number}")}})]);
            after.record(last);
        }
    }
    let (tables, _) = last.read();
    assert_eq!(tables.since, compacted.since);
    after.check(&tables);
}

#[test]
fn stand_alone_file() {
    if !require(&PROGRAMS) {
        return;
    }
    let directory = TempDir::new();
    run(command("ovsdb-tool").args(["create", "nb.db", SCHEMA]).current_dir(directory.path()));
    let servers = [Server::start(&directory, "nb")];
    storm(&servers, &mut Random(1), 320);
    assert!(!servers[0].read().1.clustered);
    printed_tables(&servers[0]);
}

#[test]
fn clustered_files() {
    if !require(&PROGRAMS) {
        return;
    }
    let directory = TempDir::new();
    let tool = |arguments: &[&str]| run(command("ovsdb-tool").args(arguments).current_dir(directory.path()));
    let [a, b, c] = ["a", "b", "c"].map(|name| format!("unix:{}/{name}.raft", directory.path().display()));
    tool(&["create-cluster", "a.db", SCHEMA, &a]);
    tool(&["join-cluster", "b.db", DATABASE, &b, &a]);
    tool(&["join-cluster", "c.db", DATABASE, &c, &a]);
    let joining = BufReader::new(File::open(directory.path().join("b.db")).unwrap());
    let (tables, info, warnings) = file::read(joining, "b.db", &["BFD"]).unwrap();
    assert_eq!((tables, info.version, info.clustered, warnings.len()), (Tables::default(), None, true, 0));

    let servers = ["a", "b", "c"].map(|name| Server::start(&directory, name));
    storm(&servers, &mut Random(2), 160);
    // Each member's file has the whole content once the member has answered.
    for server in &servers {
        server.transact(&[json!({"op": "insert", "table": "Address_Set", "row": {"name": server.name}})]);
        let (tables, info) = server.read();
        assert!(info.clustered);
        assert_eq!(content_at(&tables, Timestamp::MAX), server.dump(), "{}", server.name);
    }
}

/// The formats of the clients tell the same as the file.
fn printed_tables(server: &Server) {
    // Something to print in any case, with values that need quotes.
    server.nbctl(&["lr-add", "GR_worker-08", "--", "set", "Logical_Router", "GR_worker-08", "external_ids:a=\"b, c\""]);
    for policy in ["src-ip", "dst-ip"] {
        let route = ["--ecmp-symmetric-reply", &format!("--policy={policy}")].map(str::to_owned);
        let route: Vec<&str> = route.iter().map(String::as_str).collect();
        server.nbctl(&[&route[..], &["lr-route-add", "GR_worker-08", "10.168.16.230/32", "198.19.3.15"]].concat());
    }
    let (tables, _) = server.read();
    let expected = content_at(&tables, Timestamp::MAX);
    for table in ["Logical_Router_Static_Route", "Logical_Router", "Address_Set", "BFD", "NB_Global"] {
        for format in ["list", "table", "csv", "json"] {
            for data in ["string", "json"] {
                let options = [format!("--format={format}"), format!("--data={data}")];
                let printed = server.nbctl(&[&options[0], &options[1], "list", table]);
                assert_eq!(rows_of_text(&printed, table), expected[table], "{printed}");
            }
        }
    }
    let rows = &expected["Logical_Router_Static_Route"];
    for format in ["list", "table", "csv"] {
        let format = format!("--format={format}");
        let columns = "--columns=_uuid,ip_prefix,nexthop,policy";
        let printed = server.nbctl(&[&format, "--data=bare", columns, "list", "Logical_Router_Static_Route"]);
        let bare = rows_of_text(&printed, "Logical_Router_Static_Route");
        assert_eq!(bare.len(), rows.len());
        for (uuid, columns) in bare {
            assert!(columns.iter().all(|(name, value)| rows[&uuid][name] == *value), "{printed}");
        }
    }
}

fn rows_of_text(printed: &str, table: &str) -> BTreeMap<String, BTreeMap<String, BTreeSet<String>>> {
    let (rows, warnings) = text::parse(printed.as_bytes(), "dump.txt", table).unwrap();
    assert_eq!(warnings, [], "{printed}");
    rows.iter().map(row_content).collect()
}
