//! Database files and printed tables against the real ovsdb-server and its clients: hundreds of random transactions,
//! then what we read of the file is compared with what the server says, now and at moments in between.

mod common;
#[path = "common/ovsdb.rs"]
mod ovsdb;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::BufReader;

use analyzer::ovsdb::file::{self, DbInfo};
use analyzer::ovsdb::row::{RowVersion, Tables};
use analyzer::ovsdb::text;
use analyzer::types::Timestamp;
use serde_json::{Value, json};

use common::{TempDir, command, require, run};
use ovsdb::{Content, DATABASE, Random, SCHEMA, Server, row_content};

const PROGRAMS: [&str; 5] = ["ovsdb-server", "ovsdb-tool", "ovsdb-client", "ovs-appctl", "ovn-nbctl"];

/// All that our reader makes of a server's file.
fn read(server: &Server) -> (Tables, DbInfo) {
    let schema: Value = serde_json::from_str(&fs::read_to_string(SCHEMA).unwrap()).unwrap();
    let wanted: Vec<&str> = schema["tables"].as_object().unwrap().keys().map(String::as_str).collect();
    let reader = BufReader::new(File::open(server.path("db")).unwrap());
    let (tables, info, warnings) = file::read(reader, server.name, &wanted).unwrap();
    assert_eq!(warnings, []);
    (tables, info)
}

/// Has the file compacted. The server may do so in a thread and answer at once, so it is asked until it has.
fn compact(server: &Server) {
    let before = read(server).0.since;
    server.control(&["ovsdb-server/compact", DATABASE]);
    let compacted = (0..5000).any(|_| {
        server.control(&["version"]);
        read(server).0.since != before
    });
    assert!(compacted, "{} is not compacted", server.name);
}

/// The content of a server's database that files hold.
fn persistent_dump(server: &Server) -> Content {
    let mut content = server.dump();
    for row in content.get_mut("Connection").into_iter().flat_map(BTreeMap::values_mut) {
        row.retain(|column, _| !["is_connected", "status"].contains(&column.as_str()));
    }
    content
}

fn nbctl(server: &Server, arguments: &[&str]) -> String {
    let database = format!("--db={}", server.remote());
    run(command("ovn-nbctl").args(["--timeout=60", "--no-leader-only", &database]).args(arguments))
}

/// The content at a moment, or that of the file's end.
fn content_at(tables: &Tables, at: Timestamp) -> Content {
    let rows = |versions: &Vec<RowVersion>| {
        let held: Vec<_> = versions
            .iter()
            .filter(|version| version.validity.holds(at))
            .map(|version| row_content(&version.row))
            .collect();
        let rows: BTreeMap<_, _> = held.iter().cloned().collect();
        assert_eq!(rows.len(), held.len(), "a row has two versions at {at}");
        rows
    };
    tables.tables.iter().map(|(name, versions)| (name.to_string(), rows(versions))).collect()
}

/// Contents at moments of the past.
#[derive(Default)]
struct Checkpoints(Vec<(Timestamp, Content)>);

impl Checkpoints {
    fn record(&mut self, server: &Server) {
        let (tables, _) = read(server);
        let content = persistent_dump(server);
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
    let (tables, info) = read(last);
    before.check(&tables);
    assert_eq!(info.name, DATABASE);
    assert!(tables.since < before.0.first().map(|checkpoint| checkpoint.0));

    compact(last);
    let mut after = Checkpoints::default();
    after.record(last);
    let (compacted, _) = read(last);
    assert!(compacted.since > before.0.last().map(|checkpoint| checkpoint.0));
    assert_eq!(compacted.since, compacted.last);
    for number in 1..=40 {
        last.transact(&random.transaction());
        if number % 20 == 0 {
            last.transact(&[json!({"op": "insert", "table": "Address_Set", "row": {"name": format!("cq{number}")}})]);
            after.record(last);
        }
    }
    let (tables, _) = read(last);
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
    assert!(!read(&servers[0]).1.clustered);
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
        let (tables, info) = read(server);
        assert!(info.clustered);
        assert_eq!(content_at(&tables, Timestamp::MAX), persistent_dump(server), "{}", server.name);
    }
}

/// The formats of the clients tell the same as the file.
fn printed_tables(server: &Server) {
    // Something to print in any case, with values that need quotes.
    nbctl(
        server,
        &["lr-add", "GR_worker-08", "--", "set", "Logical_Router", "GR_worker-08", "external_ids:a=\"b, c\""],
    );
    for policy in ["src-ip", "dst-ip"] {
        let route = ["--ecmp-symmetric-reply", &format!("--policy={policy}")].map(str::to_owned);
        let route: Vec<&str> = route.iter().map(String::as_str).collect();
        nbctl(server, &[&route[..], &["lr-route-add", "GR_worker-08", "10.168.16.230/32", "198.19.3.15"]].concat());
    }
    let (tables, _) = read(server);
    let expected = content_at(&tables, Timestamp::MAX);
    for table in ["Logical_Router_Static_Route", "Logical_Router", "Address_Set", "BFD", "NB_Global"] {
        for format in ["list", "table", "csv", "json"] {
            for data in ["string", "json"] {
                let options = [format!("--format={format}"), format!("--data={data}")];
                let printed = nbctl(server, &[&options[0], &options[1], "list", table]);
                assert_eq!(rows_of_text(&printed, table), expected[table], "{printed}");
            }
        }
    }
    let rows = &expected["Logical_Router_Static_Route"];
    for format in ["list", "table", "csv"] {
        let format = format!("--format={format}");
        let columns = "--columns=_uuid,ip_prefix,nexthop,policy";
        let printed = nbctl(server, &[&format, "--data=bare", columns, "list", "Logical_Router_Static_Route"]);
        let bare = rows_of_text(&printed, "Logical_Router_Static_Route");
        assert_eq!(bare.len(), rows.len());
        for (uuid, columns) in bare {
            assert!(columns.iter().all(|(name, value)| rows[&uuid][name] == *value), "{printed}");
        }
    }
}

fn rows_of_text(printed: &str, table: &str) -> BTreeMap<String, BTreeMap<String, BTreeSet<String>>> {
    let (rows, warnings, lost) = text::parse(printed.as_bytes(), "dump.txt", table).unwrap();
    assert_eq!((warnings, lost), (vec![], vec![]), "{printed}");
    rows.iter().map(|version| row_content(&version.row)).collect()
}
