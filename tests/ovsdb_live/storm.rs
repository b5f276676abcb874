//! A storm: thousands of random transactions on the databases that the daemon follows. The server is killed, started
//! again and compacted on the way. In the end we have row by row and column by column what `ovsdb-client dump` prints.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::thread;

use analyzer::ovn::follow::monitored::{self, TableColumns};
use serde_json::{Value, json};

use crate::PROGRAMS;
use crate::common::{TempDir, command, require, run};
use crate::observer::{Observer, block_on, config, request};
use crate::ovsdb::{Content, Server, row_content};
use crate::proxy;
use crate::transactions::Generator;
use crate::writer::Writer;

/// Transactions of a storm, in four parts.
const TRANSACTIONS: usize = 1200;

/// A database that the daemon follows.
struct Followed {
    database: &'static str,
    schema: &'static str,
    tables: &'static [TableColumns],
    /// A column of a root table, where the storm's end is marked: a map.
    mark: (&'static str, &'static str),
    /// Its other columns where a new row is to hold the mark; where there is none, all rows are changed.
    new_row: Option<fn() -> Value>,
}

/// What is followed of the Northbound database, and the switches, without which a port of one does not last.
const NORTHBOUND: [TableColumns; monitored::NORTHBOUND.len() + 1] = {
    let switches = TableColumns { table: "Logical_Switch", columns: &["ports"] };
    let mut tables = [switches; monitored::NORTHBOUND.len() + 1];
    let mut index = 0;
    while index < monitored::NORTHBOUND.len() {
        tables[index] = monitored::NORTHBOUND[index];
        index += 1;
    }
    tables
};

static DATABASES: [Followed; 3] = [
    Followed {
        database: "OVN_Northbound",
        schema: "/usr/share/ovn/ovn-nb.ovsschema",
        tables: &NORTHBOUND,
        mark: ("Logical_Router", "options"),
        new_row: Some(|| json!({"name": "mark"})),
    },
    Followed {
        database: "OVN_Southbound",
        schema: "/usr/share/ovn/ovn-sb.ovsschema",
        tables: monitored::SOUTHBOUND_ALONE,
        mark: ("Datapath_Binding", "external_ids"),
        new_row: Some(|| json!({"tunnel_key": 16_777_215})),
    },
    Followed {
        database: "Open_vSwitch",
        schema: "/usr/share/openvswitch/vswitch.ovsschema",
        tables: monitored::OPEN_VSWITCH,
        mark: ("Open_vSwitch", "external_ids"),
        new_row: None,
    },
];

impl Followed {
    /// The transaction that marks the storm's end.
    fn marking(&self) -> Value {
        let (table, column) = self.mark;
        let mark = json!(["map", [["mark", "end"]]]);
        match self.new_row {
            Some(other_columns) => {
                let mut row = other_columns();
                row[column] = mark;
                json!({"op": "insert", "table": table, "row": row})
            }
            None => json!({"op": "update", "table": table, "where": [], "row": {column: mark}}),
        }
    }

    fn is_marked(&self, observer: &Observer) -> bool {
        let (table, column) = self.mark;
        let mut rows = observer.tables.get(table).into_iter().flatten();
        rows.any(|(_, row)| row_content(row).1.get(column).is_some_and(|it| it.contains("mark = end")))
    }

    /// What the server's own client prints, but for tables and columns that are not followed.
    fn dump(&self, server: &Server) -> Content {
        let mut content = server.dump();
        content.retain(|table, rows| {
            let Some(followed) = self.tables.iter().find(|followed| followed.table == table) else { return false };
            rows.values_mut().for_each(|row| row.retain(|column, _| followed.columns.contains(&column.as_str())));
            true
        });
        content
    }

    /// How many tables, and columns of tables, this version of the schema does not have.
    fn absent(&self) -> usize {
        let schema: Value = serde_json::from_str(&std::fs::read_to_string(self.schema).unwrap()).unwrap();
        let absent = |it: &TableColumns| match schema["tables"].get(it.table) {
            Some(table) => it.columns.iter().filter(|column| table["columns"].get(column).is_none()).count(),
            None => 1,
        };
        self.tables.iter().map(absent).sum()
    }
}

/// What became of the transactions.
#[derive(Default, Debug)]
struct Sent {
    committed: usize,
    /// Those that the server refused as a whole, by its reason.
    refused: BTreeMap<String, usize>,
    operations: BTreeSet<String>,
}

/// Sends one part of a storm.
fn storm(server: &Server, followed: &Followed, generator: &mut Generator, sent: &mut Sent) {
    let mut writer = Writer::new(server, followed.database);
    for number in 0..TRANSACTIONS / 4 {
        if number % 20 == 0 {
            generator.forget_others(&writer.request(generator.selection()));
        }
        let operations = generator.transaction();
        let words = operations.iter().map(|operation| operation["op"].as_str().expect("a name").to_owned());
        sent.operations.extend(words);
        let results = writer.request(operations.clone());
        let error = results.iter().find_map(|result| result["error"].as_str());
        match error {
            Some(error) => *sent.refused.entry(error.to_owned()).or_default() += 1,
            None => {
                sent.committed += 1;
                generator.learn(&operations, &results);
            }
        }
    }
}

/// Follows a database through a storm, by the server itself or by a proxy that plays an older one.
fn follow(followed: &'static Followed, unknown: Option<&'static [&'static str]>, seed: u64) {
    let directory = TempDir::new();
    let file = ["create", "db.db", followed.schema];
    run(command("ovsdb-tool").args(file).current_dir(directory.path()));
    let mut server = Server::start_with(&directory, "db", followed.database, &[]);
    let mut generator = Generator::new(Path::new(followed.schema), followed.tables, seed);
    let mut sent = Sent::default();
    // Something is there before we come.
    storm(&server, followed, &mut generator, &mut sent);
    let (told, server, sent) = block_on(async {
        let remote = match unknown {
            Some(unknown) => {
                let (listener, remote) = proxy::listen(directory.path());
                tokio::spawn(proxy::serve(listener, server.path("sock"), unknown, false));
                remote
            }
            None => server.remote(),
        };
        let mut config = config(&remote);
        config.database = followed.database.to_owned();
        config.tables = followed.tables.iter().map(|it| request(it.table, it.columns, &[])).collect();
        let mut observer = Observer::start(config);
        observer.until_synchronised().await;
        let writing = thread::spawn(move || {
            storm(&server, followed, &mut generator, &mut sent);
            server.restart();
            storm(&server, followed, &mut generator, &mut sent);
            server.control(&["ovsdb-server/compact", followed.database]);
            storm(&server, followed, &mut generator, &mut sent);
            Writer::new(&server, followed.database).transact(vec![followed.marking()]);
            (server, sent)
        });
        observer.until("the mark", |it| followed.is_marked(it)).await;
        let (server, sent) = writing.join().expect("the storm goes through");
        (observer, server, sent)
    });
    let dump = followed.dump(&server);
    let rows: Vec<(&String, usize)> = dump.iter().map(|(table, rows)| (table, rows.len())).collect();
    println!("{}, without {unknown:?}: {rows:?}, {} changes told, {sent:?}", followed.database, told.changes);
    let content = told.content();
    for (table, rows) in &dump {
        assert_eq!(content.get(table).unwrap_or(&BTreeMap::new()), rows, "{table} of {}", followed.database);
    }
    // Each table had rows at some time.
    assert!(content.keys().eq(dump.keys()), "{:?} {:?}", content.keys(), dump.keys());
    assert_eq!(told.warnings.len(), followed.absent(), "{:?}", told.warnings);
    assert!(told.lost.iter().any(|lost| lost.contains("closed the connection")), "{:?}", told.lost);
    assert!(told.synchronised > 1, "it was killed and came back");
    assert!(sent.committed > TRANSACTIONS / 2 && !sent.refused.is_empty(), "{sent:?}");
}

#[test]
fn what_the_daemon_follows() {
    if require(&PROGRAMS) {
        DATABASES.iter().zip(41..).for_each(|(followed, seed)| follow(followed, None, seed));
    }
}

/// By the two older methods.
#[test]
fn what_the_daemon_follows_on_older_servers() {
    const OLDER: [&[&str]; 2] = [&["monitor_cond_since"], &["monitor_cond_since", "monitor_cond"]];
    if require(&PROGRAMS) {
        let all = OLDER.into_iter().flat_map(|unknown| DATABASES.iter().map(move |followed| (followed, unknown)));
        all.zip(51..).for_each(|((followed, unknown), seed)| follow(followed, Some(unknown), seed));
    }
}
