//! One server: transactions, its death, its return with the same or with another content, its compaction.

use std::time::Duration;

use serde_json::json;

use crate::PROGRAMS;
use crate::common::{TempDir, command, require, run};
use crate::observer::{Observer, block_on, config, request};
use crate::ovsdb::{DATABASE, Random, SCHEMA, Server};

fn create(directory: &TempDir, schema: &str) {
    let _ = std::fs::remove_file(directory.path().join("nb.db"));
    run(command("ovsdb-tool").args(["create", "nb.db", schema]).current_dir(directory.path()));
}

#[test]
fn what_is_told_is_what_the_server_has() {
    if !require(&PROGRAMS) {
        return;
    }
    let directory = TempDir::new();
    create(&directory, SCHEMA);
    let mut server = Server::start(&directory, "nb");
    let mut random = Random(11);
    let storm = |random: &mut Random, server: &Server| (0..80).for_each(|_| server.transact(&random.transaction()));
    storm(&mut random, &server);
    block_on(async {
        let mut observer = Observer::start(config(&server.remote()));
        observer.until_synchronised().await;
        observer.compare(&server, "start").await;
        storm(&mut random, &server);
        observer.compare(&server, "storm").await;
        assert!(observer.changes > observer.initial_changes + 80);

        // Killed and back: nothing changed, so nothing is told.
        let changes = observer.changes;
        server.kill();
        observer.until("lost", |it| it.lost.len() >= 2).await;
        server.restart();
        observer.until_synchronised().await;
        assert_eq!(observer.changes, changes);
        assert!(observer.lost[0].contains("the server closed the connection"), "{:?}", observer.lost);
        assert!(observer.lost[1].contains("cannot connect"), "{:?}", observer.lost);
        observer.compare(&server, "restarted").await;

        // Changed while we cannot see it.
        server.control(&["ovsdb-server/compact", DATABASE]);
        storm(&mut random, &server);
        observer.compare(&server, "compacted").await;

        // Another content in its place.
        let uuid_of_global = observer.tables.get("NB_Global").map(|rows| rows.keys().cloned().collect::<Vec<_>>());
        let before = observer.initial_changes;
        server.kill();
        create(&directory, SCHEMA);
        server.restart();
        storm(&mut random, &server);
        observer.until_synchronised().await;
        observer.compare(&server, "replaced").await;
        assert!(observer.initial_changes > before);
        assert_eq!(uuid_of_global, None, "no northd runs here");
        assert_eq!(observer.warnings, [""; 0]);
    });
}

#[test]
fn a_slow_consumer_loses_nothing() {
    if !require(&PROGRAMS) {
        return;
    }
    let directory = TempDir::new();
    create(&directory, SCHEMA);
    let server = Server::start(&directory, "nb");
    block_on(async {
        // The server gives up a client that does not answer for two of these.
        let mut config = config(&server.remote());
        config.probe_interval = Duration::from_millis(300);
        let mut observer = Observer::start_with(config, 1);
        observer.until_synchronised().await;
        let mut random = Random(12);
        for number in 0..5 {
            // Time for the follower to fill the one place, and to stand still.
            for _ in 0..20 {
                server.transact(&random.transaction());
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            observer.compare(&server, &format!("mark{number}")).await;
        }
        assert_eq!(observer.lost, [""; 0], "it was our slowness, not the server's silence");
    });
}

#[test]
fn a_schema_that_lacks_something_and_a_conversion() {
    if !require(&PROGRAMS) {
        return;
    }
    let directory = TempDir::new();
    let mut schema: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(SCHEMA).unwrap()).unwrap();
    schema["tables"]["Logical_Router_Static_Route"]["columns"].as_object_mut().unwrap().remove("bfd");
    schema["tables"].as_object_mut().unwrap().remove("BFD");
    schema["version"] = json!("5.0.0");
    let _ = schema.as_object_mut().unwrap().remove("cksum");
    let old = directory.path().join("old.ovsschema");
    std::fs::write(&old, schema.to_string()).unwrap();
    create(&directory, old.to_str().unwrap());
    let mut server = Server::start(&directory, "nb");
    server.transact(&[json!({"op": "insert", "table": "Logical_Router", "row": {"name": "GR_a"}})]);
    block_on(async {
        let mut config = config(&server.remote());
        config.tables = vec![
            request("BFD", &["status"], &[json!(["status", "==", "up"])]),
            request("Logical_Router", &["name"], &[]),
            request("Logical_Router_Static_Route", &["bfd", "ip_prefix"], &[json!(["bfd", "==", ["set", []]])]),
        ];
        let mut observer = Observer::start(config);
        observer.until_synchronised().await;
        let of = "of the server's OVN_Northbound (schema 5.0.0)";
        let expected = [
            format!("BFD is no table {of}; nothing is known of it"),
            format!("Logical_Router_Static_Route.bfd is no column {of}; it is absent from the rows"),
            format!(
                "a condition on Logical_Router_Static_Route names a column that is none {of}; all rows are asked for"
            ),
        ];
        assert_eq!(observer.warnings, expected);
        assert_eq!(observer.tables["Logical_Router"].len(), 1);

        // Not told a second time.
        server.kill();
        server.restart();
        observer.until_synchronised().await;
        assert_eq!(observer.warnings.len(), 3);

        // A new version of the software converts the database under us; the columns come.
        run(command("ovsdb-client").args(["--timeout=60", "convert", &server.remote(), SCHEMA]));
        server.transact(&[json!({"op": "insert", "table": "BFD",
                "row": {"logical_port": "a", "dst_ip": "198.19.3.15", "status": "up"}})]);
        observer.until("BFD", |it| it.tables.get("BFD").is_some_and(|rows| rows.len() == 1)).await;
        assert_eq!(observer.warnings.len(), 3);
        assert_eq!(observer.tables["Logical_Router"].len(), 1);
    });
}
