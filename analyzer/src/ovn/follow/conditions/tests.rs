use super::*;
use crate::ovn::follow::Database;
use crate::ovsdb::row::{Atom, Change, Datum};

fn string(text: &str) -> Atom {
    Atom::String(text.into())
}

fn text(text: &str) -> Datum {
    Datum::Set(vec![string(text)])
}

fn map(key: &str, value: &str) -> Datum {
    Datum::Map(vec![(string(key), string(value))])
}

fn refs(uuids: &[String]) -> Datum {
    Datum::Set(uuids.iter().map(|uuid| Atom::Uuid(uuid.as_str().into())).collect())
}

fn row(table: &'static str, uuid: String, columns: &[(&str, Datum)]) -> (&'static str, Arc<Row>) {
    let columns = columns.iter().map(|(name, value)| (Arc::from(*name), value.clone())).collect();
    (table, Arc::new(Row { uuid: uuid.into(), columns }))
}

/// What a server does with the clauses.
fn meets(row: &Row, clause: &Clause) -> bool {
    match clause {
        Clause::Text(column, wanted) => row.text(column) == Some(wanted),
        Clause::Uuid("_uuid", wanted) => row.uuid == *wanted,
        Clause::Uuid(column, wanted) => row.text(column) == Some(wanted),
        Clause::Pair(column, key, wanted) => row.map_text(column, key) == Some(wanted),
        Clause::Flag(column, wanted) => row.boolean(column) == Some(*wanted),
        Clause::Lacks(column, key, value) => row.map_text(column, key) != Some(value),
        Clause::Any => true,
    }
}

/// Asks until nothing changes any more, and gives the number of times that clauses changed and the rows that came.
fn settle(
    server: &[(&'static str, Arc<Row>)],
    database: Database,
    conditions: impl Fn(&Follower) -> Vec<Condition>,
) -> (usize, BTreeSet<String>) {
    let mut follower = Follower::new(database, "ssl:db:6642".into());
    let mut asked = Vec::new();
    for round in 0.. {
        let now = conditions(&follower);
        if now == asked {
            let tables = database.monitored().iter().map(|read| read.table);
            let rows =
                tables.flat_map(|table| follower.rows().of(table).map(move |row| format!("{table} {}", row.uuid)));
            return (round, rows.collect());
        }
        assert!(round < 10);
        asked = now;
        let changes = server.iter().map(|(table, row)| {
            let condition = asked.iter().find(|condition| condition.table == *table);
            let matches = condition.is_some_and(|asked| asked.clauses.iter().any(|clause| meets(row, clause)));
            let old = follower.rows().get(table, &row.uuid).cloned();
            Change { table: (*table).into(), old, new: matches.then(|| Arc::clone(row)) }
        });
        let changes: Vec<_> = changes.filter(|change| change.old != change.new).collect();
        follower.apply(&changes);
    }
    unreachable!()
}

fn nodes() -> impl Iterator<Item = &'static str> {
    ["a", "b", "c"].into_iter()
}

/// Rows of three nodes: each has a gateway router, whose port `rtoj` is bound together with the switch `join`'s.
fn southbound_rows() -> Vec<(&'static str, Arc<Row>)> {
    let router = || map("logical-router", "x");
    let mut rows = vec![row("Datapath_Binding", "join".to_owned(), &[("external_ids", map("logical-switch", "x"))])];
    for node in nodes() {
        let id = |kind: &str| format!("{kind}-{node}");
        // Node a cannot do without masked labels, and the others can.
        let can = map("ct-no-masked-label", if node == "a" { "false" } else { "true" });
        let columns = [("name", text(&id("chassis"))), ("hostname", text(&id("host"))), ("other_config", can)];
        rows.push(row("Chassis", id("c"), &columns));
        rows.push(row("Datapath_Binding", id("GR"), &[("external_ids", router())]));
        for (port, datapath) in [("rtoe", id("GR")), ("rtoj", id("GR")), ("jtor", "join".to_owned())] {
            let options = map("l3gateway-chassis", &id("chassis"));
            let columns = [("datapath", refs(&[datapath])), ("logical_port", text(&id(port))), ("options", options)];
            rows.push(row("Port_Binding", id(port), &columns));
        }
        let columns = [("datapath", refs(&["join".to_owned()])), ("logical_port", text(&id("pod")))];
        rows.push(row("Port_Binding", id("pod"), &columns));
        for table in ["MAC_Binding", "Static_MAC_Binding", "Learned_Route"] {
            rows.push(row(table, id("m"), &[("datapath", refs(&[id("GR")])), ("logical_port", text(&id("rtoe")))]));
            rows.push(row(table, id("other"), &[("datapath", refs(&["cluster".to_owned()]))]));
        }
        rows.push(row("BFD", id("b"), &[("logical_port", text(&id("rtoe")))]));
    }
    rows.push(row("SB_Global", "global".to_owned(), &[]));
    rows
}

#[test]
fn of_a_central_southbound_only_what_concerns_this_chassis_is_asked_for() {
    let by_name = Chassis { name: Some("chassis-b".into()), hostname: None };
    let by_host = Chassis { name: None, hostname: Some("host-b".into()) };
    let ours = [
        "BFD b-b",
        "Chassis c-a",
        "Chassis c-b",
        "Datapath_Binding GR-b",
        "Datapath_Binding join",
        "Learned_Route m-b",
        "MAC_Binding m-b",
        "Port_Binding jtor-b",
        "Port_Binding rtoe-b",
        "Port_Binding rtoj-b",
        "SB_Global global",
        "Static_MAC_Binding m-b",
    ];
    // The name, the ports, the datapaths, and what hangs on these. None of these routers leads out by a switch.
    for (chassis, rounds) in [(by_name, 3), (by_host, 4)] {
        for (with_northbound, ours) in [(false, &ours[..]), (true, &ours[1..])] {
            let database = Database::Southbound { with_northbound };
            let settled = settle(&southbound_rows(), database, |follower| southbound(&chassis, follower));
            assert_eq!(settled, (rounds, ours.iter().map(ToString::to_string).collect()), "{chassis:?}");
        }
    }
}

/// Node b's router leads out by the switch `ext`, with another router and a machine on it, and in by `join`.
#[test]
fn of_the_switch_that_leads_out_all_ports_are_asked_for() {
    let mut rows = southbound_rows();
    let mut port = |name: &str, datapath: &str, options: &[(&str, &str)]| {
        let options = options.iter().map(|(key, value)| (string(key), string(value))).collect();
        let columns = [
            ("datapath", refs(&[datapath.to_owned()])),
            ("logical_port", text(name)),
            ("options", Datum::Map(options)),
        ];
        rows.push(row("Port_Binding", name.to_owned(), &columns));
    };
    let chassis = ("l3gateway-chassis", "chassis-b");
    port("etor", "ext", &[chassis, ("peer", "rtoe-b")]);
    port("jtor", "join", &[chassis, ("peer", "rtoj-b")]);
    port("etor-R2", "ext", &[("peer", "rtoe-R2")]);
    port("rtoe-R2", "R2", &[("peer", "etor-R2")]);
    port("rtoj-R2", "R2", &[]);
    port("vm", "ext", &[]);
    for (uuid, kind) in [("ext", "logical-switch"), ("R2", "logical-router"), ("R3", "logical-router")] {
        rows.push(row("Datapath_Binding", uuid.to_owned(), &[("external_ids", map(kind, "x"))]));
    }
    rows.push(row("MAC_Binding", "m-R2".to_owned(), &[("datapath", refs(&["R2".to_owned()]))]));
    let chassis = Chassis { name: Some("chassis-b".into()), hostname: None };
    let database = Database::Southbound { with_northbound: true };
    let (rounds, came) = settle(&rows, database, |follower| southbound(&chassis, follower));
    let of = |table: &str| came.iter().filter_map(|row| row.strip_prefix(table)).collect::<Vec<_>>();
    let ports = ["etor", "etor-R2", "jtor", "jtor-b", "rtoe-R2", "rtoe-b", "rtoj-b", "vm"];
    assert_eq!(of("Port_Binding "), ports);
    assert_eq!(of("Datapath_Binding "), ["GR-b", "R2", "ext", "join"]);
    assert_eq!(of("MAC_Binding "), ["m-b"]);
    assert_eq!(rounds, 5);
}

#[test]
fn of_a_central_northbound_only_this_chassis_rows_are_asked_for() {
    let mut rows = Vec::new();
    for node in nodes() {
        let id = |kind: &str| format!("{kind}-{node}");
        let columns = [
            ("options", map("chassis", &id("chassis"))),
            ("static_routes", refs(&[id("r")])),
            ("ports", refs(&[id("p")])),
            ("nat", refs(&[id("n")])),
            ("policies", refs(&[id("o")])),
        ];
        rows.push(row("Logical_Router", id("GR"), &columns));
        rows.push(row("Logical_Router_Static_Route", id("r"), &[("bfd", refs(&[id("b")]))]));
        rows.push(row("Logical_Router_Port", id("p"), &[("name", text(&id("rtoe")))]));
        rows.push(row("NAT", id("n"), &[]));
        rows.push(row("Logical_Router_Policy", id("o"), &[]));
        rows.push(row("BFD", id("b"), &[]));
        rows.push(row("Static_MAC_Binding", id("s"), &[("logical_port", text(&id("rtoe")))]));
    }
    let columns = [("static_routes", refs(&["r".to_owned()]))];
    rows.push(row("Logical_Router", "cluster".to_owned(), &columns));
    rows.push(row("Logical_Router_Static_Route", "r".to_owned(), &[]));
    for (uuid, enabled) in [("enabled", Some(true)), ("default", None), ("disabled", Some(false))] {
        let enabled = Datum::Set(enabled.map(Atom::Boolean).into_iter().collect());
        rows.push(row("Logical_Switch_Port", uuid.to_owned(), &[("enabled", enabled)]));
    }
    let names = BTreeSet::from(["chassis-c".into()]);
    let (rounds, ours) = settle(&rows, Database::Northbound, |follower| northbound(&names, follower));
    let expected = [
        "BFD b-c",
        "Logical_Router GR-c",
        "Logical_Router_Policy o-c",
        "Logical_Router_Port p-c",
        "Logical_Router_Static_Route r-c",
        "Logical_Switch_Port disabled",
        "NAT n-c",
        "Static_MAC_Binding s-c",
    ];
    assert_eq!((rounds, ours), (3, expected.map(str::to_owned).into()));
}

#[test]
fn without_a_name_nothing_is_asked_for() {
    let follower = Follower::new(Database::Southbound { with_northbound: false }, "ssl:db:6642".into());
    let unnamed = Chassis { name: Some("".into()), hostname: None };
    for condition in southbound(&unnamed, &follower) {
        let asked = condition.json();
        let is_of_all = matches!(condition.table, "Chassis" | "SB_Global");
        assert!(is_of_all || asked == [Value::Bool(false)], "{condition:?}");
    }
}

#[test]
fn notation() {
    let uuid = "0806d25f-1cd4-40b9-93f5-b929aa5b3188";
    let clauses = [
        Clause::Text("name", "a".into()),
        Clause::Uuid("_uuid", uuid.into()),
        Clause::Pair("options", "l3gateway-chassis", "a".into()),
        Clause::Flag("enabled", false),
        Clause::Lacks("other_config", "ct-no-masked-label", "true"),
        Clause::Any,
    ];
    let expected = json!([
        ["name", "==", "a"],
        ["_uuid", "==", ["uuid", uuid]],
        ["options", "includes", ["map", [["l3gateway-chassis", "a"]]]],
        ["enabled", "==", false],
        ["other_config", "excludes", ["map", [["ct-no-masked-label", "true"]]]],
        true,
    ]);
    assert_eq!(Value::from(condition("Port_Binding", clauses).json()), expected);
    assert_eq!(condition("BFD", []).json(), [Value::Bool(false)]);
    let everywhere = |table| everywhere(table).map(|condition| Value::from(condition.json()));
    assert_eq!(everywhere("Logical_Switch_Port"), Some(json!([["enabled", "==", false]])));
    assert_eq!(everywhere("Logical_Router"), None);
}
