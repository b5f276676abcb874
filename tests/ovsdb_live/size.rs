//! As many rows as the largest clusters have. Prints times; asserts none.

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::PROGRAMS;
use crate::common::{TempDir, command, require, run};
use crate::observer::{Observer, block_on, config, request};
use crate::ovsdb::{SCHEMA, Server};
use crate::writer::Writer;

const BINDINGS: usize = 100_000;
const ROUTES: usize = 20_000;
/// Rows of one transaction.
const BATCH: usize = 10_000;

fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Processor time that this process has used, in seconds.
fn processor_time() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let ticks: f64 = fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap()).sum();
    // USER_HZ is 100 on all Linux systems.
    ticks / 100.0
}

/// Follows a database, prints how long it took, and how long one update takes from its transaction to its event.
fn measure(server: &Server, database: &str, tables: &[&str], count: usize, mut update: impl FnMut(usize)) {
    block_on(async {
        let mut config = config(&server.remote());
        config.database = database.to_owned();
        config.tables = tables.iter().map(|table| request(table, &[], &[])).collect();
        let (before, processor, start) = (resident_kib(), processor_time(), Instant::now());
        let mut observer = Observer::start(config);
        observer.until_synchronised().await;
        let (synchronised, processor) = (start.elapsed(), processor_time() - processor);
        let kib = resident_kib().saturating_sub(before);
        assert!(observer.tables[tables[0]].len() == count, "{} rows", observer.tables[tables[0]].len());
        let mut times = Vec::new();
        for number in 0..20 {
            let (changes, start) = (observer.changes, Instant::now());
            update(number);
            observer.until("an update", |it| it.changes > changes).await;
            times.push(start.elapsed());
        }
        times.sort();
        println!(
            "{count} rows of {}: synchronised in {:.2} s, {processor:.2} s of it our processor time; resident memory {} MiB more; an update, with its transaction: \
             median {:.1} ms, worst {:.1} ms",
            tables[0],
            synchronised.as_secs_f64(),
            kib / 1024,
            times[10].as_secs_f64() * 1e3,
            times[19].as_secs_f64() * 1e3,
        );
    });
}

#[test]
fn hundred_thousand_bindings() {
    if !require(&PROGRAMS) {
        return;
    }
    let directory = TempDir::new();
    let server = Server::southbound(&directory);
    let mut writer = Writer::new(&server, "OVN_Southbound");
    for batch in 0..BINDINGS / BATCH {
        let mut operations = vec![json!({"op": "insert", "table": "Datapath_Binding", "uuid-name": "dp",
            "row": {"tunnel_key": batch + 1}})];
        operations.extend((0..BATCH).map(|number| {
            json!({"op": "insert", "table": "MAC_Binding", "row": {
                "logical_port": format!("rtoe-GR_worker-{batch}"), "datapath": ["named-uuid", "dp"],
                "ip": format!("198.19.{}.{}", number / 250, number % 250), "mac": format!("0a:58:c6:13:{:02x}:{:02x}",
                number / 250, number % 250), "timestamp": 1_700_000_000_000_u64}})
        }));
        writer.transact(operations);
    }
    measure(&server, "OVN_Southbound", &["MAC_Binding", "Datapath_Binding"], BINDINGS, |number| {
        writer.transact(vec![json!({"op": "update", "table": "MAC_Binding",
            "where": [["logical_port", "==", "rtoe-GR_worker-0"], ["ip", "==", format!("198.19.0.{number}")]],
            "row": {"mac": "0a:58:00:00:00:01"}})]);
    });
}

#[test]
fn twenty_thousand_routes() {
    if !require(&PROGRAMS) {
        return;
    }
    let directory = TempDir::new();
    run(command("ovsdb-tool").args(["create", "nb.db", SCHEMA]).current_dir(directory.path()));
    let server = Server::start(&directory, "nb");
    let mut writer = Writer::new(&server, "OVN_Northbound");
    for batch in 0..ROUTES / BATCH {
        let mut operations: Vec<Value> = (0..BATCH)
            .map(|number| {
                json!({"op": "insert", "table": "Logical_Router_Static_Route", "uuid-name": format!("r{number}"),
                    "row": {"ip_prefix": format!("10.{}.{}.{}", batch, number / 250, number % 250),
                        "nexthop": "198.19.3.15", "policy": "src-ip",
                        "options": ["map", [["ecmp_symmetric_reply", "true"]]]}})
            })
            .collect();
        let routes: Vec<_> = (0..BATCH).map(|number| json!(["named-uuid", format!("r{number}")])).collect();
        operations.push(json!({"op": "insert", "table": "Logical_Router",
            "row": {"name": format!("GR_worker-{batch}"), "static_routes": ["set", routes]}}));
        writer.transact(operations);
    }
    let tables = ["Logical_Router_Static_Route", "Logical_Router", "BFD"];
    measure(&server, "OVN_Northbound", &tables, ROUTES, |number| {
        writer.transact(vec![json!({"op": "update", "table": "Logical_Router_Static_Route",
            "where": [["ip_prefix", "==", format!("10.0.0.{number}")]], "row": {"nexthop": "198.19.3.16"}})]);
    });
}
