//! Parts of tables, and other parts later.

use serde_json::{Value, json};

use crate::PROGRAMS;
use crate::common::{TempDir, command, require, run};
use crate::observer::{Observer, block_on, config, request};
use crate::ovsdb::{SCHEMA, Server};

fn names(observer: &Observer) -> Vec<String> {
    let rows = observer.tables.get("Address_Set").into_iter().flatten();
    let mut names: Vec<String> = rows.map(|(_, row)| row.text("name").unwrap().to_owned()).collect();
    names.sort();
    names
}

fn named(names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| json!(["name", "==", name])).collect()
}

#[test]
fn conditions_change_and_are_kept() {
    if !require(&PROGRAMS) {
        return;
    }
    let directory = TempDir::new();
    run(command("ovsdb-tool").args(["create", "nb.db", SCHEMA]).current_dir(directory.path()));
    let mut server = Server::start(&directory, "nb");
    let insert = |server: &Server, name: &str| {
        server.transact(&[json!({"op": "insert", "table": "Address_Set", "row": {"name": name}})]);
    };
    ["a", "b", "c", "d"].iter().for_each(|name| insert(&server, name));
    block_on(async {
        let mut config = config(&server.remote());
        config.tables = vec![request("Address_Set", &["name"], &named(&["a", "b"]))];
        let mut observer = Observer::start(config);
        observer.until_synchronised().await;
        assert_eq!(names(&observer), ["a", "b"]);

        observer.handle.set_conditions("Address_Set", named(&["b", "c"]));
        observer.until("b and c", |it| names(it) == ["b", "c"]).await;
        insert(&server, "e");
        observer.handle.set_conditions("Address_Set", Vec::new());
        observer.until("all", |it| names(it) == ["a", "b", "c", "d", "e"]).await;
        // The last of many is what stands; the server is asked for no more than two.
        for name in ["a", "b", "c", "d"] {
            observer.handle.set_conditions("Address_Set", named(&[name]));
        }
        observer.handle.set_conditions("No_Such_Table", named(&["a"]));
        observer.until("d", |it| names(it) == ["d"]).await;

        server.kill();
        observer.until("lost", |it| !it.lost.is_empty()).await;
        observer.handle.set_conditions("Address_Set", named(&["a", "d"]));
        server.restart();
        observer.until_synchronised().await;
        observer.until("a and d", |it| names(it) == ["a", "d"]).await;
        insert(&server, "f");
        observer.handle.set_conditions("Address_Set", named(&["f"]));
        observer.until("f", |it| names(it) == ["f"]).await;
        assert_eq!(observer.lost.iter().filter(|error| error.contains("refuses")).count(), 0, "{:?}", observer.lost);
    });
}

#[test]
fn references_and_sets_as_conditions() {
    if !require(&PROGRAMS) {
        return;
    }
    let directory = TempDir::new();
    let server = Server::southbound(&directory);
    for key in [1, 2] {
        server.transact(&[
            json!({"op": "insert", "table": "Datapath_Binding", "uuid-name": "dp", "row": {"tunnel_key": key}}),
            json!({"op": "insert", "table": "MAC_Binding", "row": {"logical_port": format!("lrp{key}"),
                "ip": "198.19.3.15", "mac": "02:00:00:00:00:01", "datapath": ["named-uuid", "dp"]}}),
        ]);
    }
    block_on(async {
        let mut config = config(&server.remote());
        config.database = "OVN_Southbound".to_owned();
        config.tables = vec![request("Datapath_Binding", &[], &[]), request("MAC_Binding", &[], &[json!(false)])];
        let mut observer = Observer::start(config);
        observer.until_synchronised().await;
        assert!(!observer.tables.contains_key("MAC_Binding"));
        let datapaths = observer.tables["Datapath_Binding"].values();
        let second = datapaths.into_iter().find(|row| row.integer("tunnel_key") == Some(2)).unwrap().uuid.clone();
        observer.handle.set_conditions("MAC_Binding", vec![json!(["datapath", "==", ["uuid", *second]])]);
        observer.until("bindings", |it| it.tables.contains_key("MAC_Binding")).await;
        let ports: Vec<_> = observer.tables["MAC_Binding"].values().map(|row| row.text("logical_port")).collect();
        assert_eq!(ports, [Some("lrp2")]);
    });
}

/// Of all chassis those that cannot do without masked labels, beside this node's own.
#[test]
fn what_a_map_does_not_hold_as_a_condition() {
    if !require(&PROGRAMS) {
        return;
    }
    let directory = TempDir::new();
    let server = Server::southbound(&directory);
    let abilities = |pairs: &[(&str, &str)]| json!(["map", pairs]);
    let can = [("ct-no-masked-label", "true")];
    for (name, pairs) in
        [("own", &can[..]), ("can", &can), ("says-no", &[("ct-no-masked-label", "false")]), ("old", &[])]
    {
        server.transact(&[
            json!({"op": "insert", "table": "Encap", "uuid-name": "encap", "row": {
                "type": "geneve", "ip": name, "chassis_name": name}}),
            json!({"op": "insert", "table": "Chassis", "row": {
                "name": name, "other_config": abilities(pairs), "encaps": ["named-uuid", "encap"]}}),
        ]);
    }
    block_on(async {
        let mut config = config(&server.remote());
        config.database = "OVN_Southbound".to_owned();
        let lacks = json!(["other_config", "excludes", abilities(&can)]);
        config.tables = vec![
            request("Chassis", &["name", "other_config"], &[json!(["name", "==", "own"]), lacks]),
            request("SB_Global", &["options"], &[json!(true)]),
        ];
        let mut observer = Observer::start(config);
        observer.until_synchronised().await;
        let names = |observer: &Observer| {
            let rows = observer.tables["Chassis"].values();
            let mut names: Vec<String> = rows.map(|row| row.text("name").unwrap().to_owned()).collect();
            names.sort();
            names
        };
        assert_eq!(names(&observer), ["old", "own", "says-no"]);
        server.transact(&[json!({"op": "update", "table": "Chassis", "where": [["name", "==", "can"]], "row": {
            "other_config": abilities(&[])}})]);
        observer.until("one that can no longer", |it| names(it) == ["can", "old", "own", "says-no"]).await;
        server.transact(&[json!({"op": "update", "table": "Chassis", "where": [["name", "==", "old"]], "row": {
            "other_config": abilities(&can)}})]);
        observer.until("one that can now", |it| names(it) == ["can", "own", "says-no"]).await;
    });
}
