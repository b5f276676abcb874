use std::time::Instant;

use proptest::prelude::*;

use super::*;
use crate::engine::fact::{Gap, Scope};

fn string(text: &str) -> Atom {
    Atom::String(text.into())
}

fn text(text: &str) -> Datum {
    Datum::Set(vec![string(text)])
}

fn texts(texts: &[String]) -> Datum {
    Datum::Set(texts.iter().map(|text| string(text)).collect())
}

fn map(pairs: &[(&str, &str)]) -> Datum {
    Datum::Map(pairs.iter().map(|(key, value)| (string(key), string(value))).collect())
}

fn refs(uuids: impl IntoIterator<Item = String>) -> Datum {
    Datum::Set(uuids.into_iter().map(|uuid| Atom::Uuid(uuid.into())).collect())
}

fn integer(number: u64) -> Datum {
    Datum::Set(vec![Atom::Integer(number as i64)])
}

fn row(uuid: &str, columns: Vec<(&str, Datum)>) -> Arc<Row> {
    let columns = columns.into_iter().map(|(name, value)| (name.into(), value)).collect();
    Arc::new(Row { uuid: uuid.into(), columns })
}

fn put(table: &str, row: Arc<Row>) -> Change {
    Change { table: table.into(), old: None, new: Some(row) }
}

fn gone(table: &str, uuid: &str) -> Change {
    Change { table: table.into(), old: Some(row(uuid, vec![])), new: None }
}

fn follower(database: Database) -> Follower {
    Follower::new(database, "unix:db.sock".into())
}

fn tables<'a>(rows: impl IntoIterator<Item = (&'a (&'static str, Arc<str>), &'a Arc<Row>)>) -> Tables {
    let mut tables = Tables::default();
    for ((table, _), row) in rows {
        let version = RowVersion { row: (**row).clone(), validity: Validity::ALWAYS };
        tables.tables.entry((*table).into()).or_default().push(version);
    }
    tables
}

fn counted(facts: impl IntoIterator<Item = Fact>) -> HashMap<Fact, i64> {
    let mut counts = HashMap::new();
    facts.into_iter().for_each(|fact| *counts.entry(fact).or_default() += 1);
    counts
}

fn take_over(counts: &mut HashMap<Fact, i64>, delta: Delta) {
    let Delta { ended, begun } = delta;
    begun.into_iter().for_each(|fact| *counts.entry(fact).or_default() += 1);
    ended.into_iter().for_each(|fact| *counts.entry(fact).or_default() -= 1);
    counts.retain(|_, count| *count != 0);
}

/// The UUID that stands for a number.
fn uuid(table: &str, number: usize) -> String {
    format!("{table}-{number}")
}

/// The members of `table` that a number names by its bits.
fn members(table: &str, bits: u8) -> impl Iterator<Item = String> {
    (0..POOL).filter(move |number| bits >> number & 1 == 1).map(move |number| uuid(table, number))
}

/// Rows of a table that take turns.
const POOL: usize = 4;

fn one_of<'a>(choice: u8, words: &[&'a str]) -> &'a str {
    words[usize::from(choice) % words.len()]
}

/// A row of some table, made from numbers: few values, so that rows agree and refer to each other often, and some that
/// cannot be read.
fn made_row(table: &'static str, number: usize, choices: [u8; 4]) -> Arc<Row> {
    let [a, b, c, d] = choices;
    let ip = || text(one_of(a, &["192.0.2.1", "192.0.2.2", "fe80::1", "no address"]));
    let mac = || text(one_of(b, &["02:00:00:00:00:01", "02:00:00:00:00:02", "no mac"]));
    let port = || text(one_of(c, &["rtoe", "rtoj", ""]));
    let columns = match table {
        "Logical_Router" => vec![
            ("name", text(one_of(d, &["GR_a", "GR_b", ""]))),
            ("static_routes", refs(members("Logical_Router_Static_Route", a))),
            ("ports", refs(members("Logical_Router_Port", b))),
            ("nat", refs(members("NAT", c))),
            ("policies", refs(members("Logical_Router_Policy", d))),
            ("options", map(&[("dynamic_neigh_routers", one_of(a, &["true", "false"]))])),
        ],
        "Logical_Switch_Port" => vec![("name", port()), ("enabled", Datum::Set(vec![Atom::Boolean(a % 2 == 0)]))],
        "Logical_Router_Static_Route" => vec![
            ("ip_prefix", text(one_of(b, &["10.0.0.1", "10.0.0.0/24", "nowhere"]))),
            ("nexthop", ip()),
            ("output_port", port()),
            ("bfd", refs(members("BFD", 1 << (d % 6)))),
        ],
        "Logical_Router_Port" => {
            vec![("name", port()), ("mac", mac()), ("networks", texts(&["10.0.0.1/24".to_owned()]))]
        }
        "NAT" => vec![("external_ip", ip()), ("logical_ip", text("10.0.0.1")), ("type", text("snat"))],
        "Logical_Router_Policy" => {
            vec![("action", text(one_of(a, &["reroute", "allow"]))), ("match", port()), ("nexthop", ip())]
        }
        "BFD" => {
            vec![("logical_port", port()), ("dst_ip", ip()), ("status", text(one_of(d, &["up", "down", "sideways"])))]
        }
        "MAC_Binding" => {
            vec![("logical_port", port()), ("ip", ip()), ("mac", mac()), ("timestamp", integer(u64::from(d % 3)))]
        }
        "Static_MAC_Binding" => vec![("logical_port", port()), ("ip", ip()), ("mac", mac())],
        "Datapath_Binding" => {
            let kind = one_of(a, &["logical-router", "logical-switch"]);
            vec![("external_ids", map(&[(kind, "x"), ("name", one_of(b, &["GR_a", "GR_b", "ext"]))]))]
        }
        "Port_Binding" => vec![
            ("datapath", refs(members("Datapath_Binding", 1 << (a % 5)))),
            ("logical_port", port()),
            (
                "mac",
                text(one_of(b, &["02:00:00:00:00:01 10.0.0.1/24", "02:00:00:00:00:01 10.0.0.9", "router", "unknown"])),
            ),
            ("options", map(&[(one_of(c, &["peer", "other"]), "x")])),
            ("tunnel_key", integer(u64::from(d % 3))),
            ("type", text(one_of(d, &["patch", "l3gateway", "", "virtual"]))),
        ],
        "Learned_Route" => vec![
            ("datapath", refs(members("Datapath_Binding", 1 << (a % 5)))),
            ("logical_port", refs(members("Port_Binding", 1 << (b % 5)))),
            ("ip_prefix", text("10.0.0.0/24")),
            ("nexthop", ip()),
        ],
        // There is one row at most.
        "SB_Global" if number == 0 => {
            let version = one_of(a, &["23.06.2-20.27.1-70.6", "26.03.1-21.8.0-82.14", "none"]);
            vec![("options", map(&[("northd_internal_version", version)]))]
        }
        "Chassis" => {
            let can =
                [("ct-no-masked-label", one_of(a, &["true", "false"])), ("is-remote", one_of(b, &["true", "false"]))];
            vec![("name", text(&uuid("chassis", number))), ("other_config", map(&can))]
        }
        "Bridge" => {
            let zone = one_of(b, &["1", "2", "none"]);
            vec![
                ("external_ids", map(&[(one_of(a, &["ct-zone-GR_a_dnat", "ct-zone-p", "x"]), zone)])),
                ("name", port()),
            ]
        }
        _ => vec![("name", port())],
    };
    row(&uuid(table, number), columns)
}

/// A change: number of the table, number of the row, and what the row is made from; `None` deletes it.
type Step = (u8, usize, Option<[u8; 4]>);

/// For any sequence of changes, in any batches: what was told adds up to the facts of all rows as they are.
fn adds_up(database: Database, steps: Vec<Vec<Step>>) -> Result<(), TestCaseError> {
    let mut follower = follower(database);
    let mut rows: BTreeMap<(&'static str, Arc<str>), Arc<Row>> = BTreeMap::new();
    let mut told = HashMap::new();
    let monitored = database.monitored();
    for step in steps {
        let mut changes = Vec::new();
        for (table, number, choices) in step {
            let table = monitored[usize::from(table) % monitored.len()].table;
            let id = (table, uuid(table, number).into());
            let old = rows.get(&id).cloned();
            let new = choices.map(|choices| made_row(table, number, choices));
            match &new {
                Some(row) => rows.insert(id, Arc::clone(row)),
                None => rows.remove(&id),
            };
            changes.push(Change { table: table.into(), old, new });
        }
        let followed = follower.apply(&changes);
        prop_assert!(followed.delta.ended.iter().all(|fact| !followed.delta.begun.contains(fact)));
        take_over(&mut told, followed.delta);
        let all = database.facts(&tables(&rows), &"unix:db.sock".into());
        let gaps = all.gaps.into_iter().map(Fact::Gap);
        prop_assert_eq!(&told, &counted(all.facts.into_iter().chain(gaps)));
        prop_assert_eq!(follower.unreadable(), all.warnings.len());
        prop_assert_eq!(follower.apply(&changes[changes.len()..]), Followed::default());
    }
    Ok(())
}

fn steps() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let choices = prop::option::weighted(0.8, any::<[u8; 4]>());
    prop::collection::vec(prop::collection::vec((any::<u8>(), 0..POOL, choices), 1..6), 1..30)
}

proptest! {
    #[test]
    fn northbound_changes_add_up(steps in steps()) {
        adds_up(Database::Northbound, steps)?;
    }

    #[test]
    fn southbound_changes_add_up(steps in steps(), with_northbound: bool) {
        adds_up(Database::Southbound { with_northbound }, steps)?;
    }

    #[test]
    fn open_vswitch_changes_add_up(steps in steps()) {
        adds_up(Database::OpenVswitch, steps)?;
    }

    #[test]
    fn turnover_is_what_sets_differ_in(old: BTreeSet<u8>, new: BTreeSet<u8>) {
        let row = |members: &BTreeSet<u8>| row("r", vec![("c", refs(members.iter().map(ToString::to_string)))]);
        let Turnover { lost, gained } = Turnover::of("c", Some(&row(&old)), Some(&row(&new)));
        let expected = |a: &BTreeSet<u8>, b| Vec::from_iter(a.difference(b).map(|member| member.to_string().into()));
        prop_assert_eq!((lost, gained), (expected(&old, &new), expected(&new, &old)));
    }
}

#[test]
fn sessions_of_the_southbound_count_only_without_a_northbound() {
    let session = made_row("BFD", 0, [0; 4]);
    for (with_northbound, facts) in [(true, 0), (false, 1)] {
        let mut follower = follower(Database::Southbound { with_northbound });
        assert_eq!(follower.apply(&[put("BFD", Arc::clone(&session))]).delta.begun.len(), facts);
    }
}

#[test]
fn a_row_that_cannot_be_read_is_told_once() {
    let mut follower = follower(Database::Southbound { with_northbound: true });
    let binding = |mac: &str, timestamp| {
        let columns = vec![("ip", text("192.0.2.1")), ("mac", text(mac)), ("timestamp", integer(timestamp))];
        put("MAC_Binding", row("m", columns))
    };
    let followed = follower.apply(&[binding("soon", 1)]);
    let place = Place { file: "unix:db.sock".into(), position: Position::Whole };
    let scope = Scope::Bindings { ip: Some("192.0.2.1".parse().unwrap()) };
    let gap = Fact::Gap(Gap { scope, place, validity: Validity::ALWAYS });
    assert_eq!(followed.delta, Delta { ended: vec![], begun: vec![gap.clone()] });
    let warnings: Vec<_> = followed.warnings.iter().map(ToString::to_string).collect();
    let reason = "\"soon\" is no MAC address: expected six octets in hexadecimal, such as ce:73:29:66:39:a4";
    assert_eq!(warnings, [format!("unix:db.sock: row m of MAC_Binding: column mac: {reason}")]);
    assert_eq!((follower.apply(&[binding("soon", 2)]).warnings, follower.unreadable()), (vec![], 1));
    // It is a gap until the source sends a better one.
    let mended = follower.apply(&[binding("02:00:00:00:00:01", 2)]).delta;
    assert_eq!((mended.ended, mended.begun.len()), (vec![gap], 1));
    assert_eq!(follower.unreadable(), 0);

    let many: Vec<_> = (0..150).map(|number| put("NAT", row(&uuid("NAT", number), vec![]))).collect();
    let mut northbound = Follower::new(Database::Northbound, "ssl:[fd00::1]:6641".into());
    let warnings = northbound.apply(&many).warnings;
    assert_eq!((warnings.len(), northbound.unreadable()), (101, 150));
    assert_eq!(warnings[100].to_string(), "ssl:[fd00::1]:6641: 50 further rows cannot be read");
}

#[test]
fn what_is_not_followed_is_passed_over() {
    let mut follower = follower(Database::Northbound);
    let foreign = put("Logical_Switch", row("s", vec![]));
    let empty = Change { table: "NAT".into(), old: None, new: None };
    assert_eq!(follower.apply(&[foreign, empty, gone("NAT", "n")]), Followed::default());
    assert_eq!(follower.rows().of("Logical_Switch").count(), 0);
}

/// Rows with every column that the schemas of OVN 23.03 and 25.09 have, such that each column which is monitored makes
/// a difference.
fn full_rows(database: Database) -> Vec<(&'static str, Arc<Row>)> {
    let session = |uuid| {
        let columns = vec![
            ("logical_port", text("rtoe")),
            ("dst_ip", text("192.0.2.1")),
            ("status", text("down")),
            ("min_tx", integer(1)),
        ];
        ("BFD", row(uuid, columns))
    };
    let static_binding = || {
        let columns = vec![
            ("logical_port", text("rtoe")),
            ("ip", text("192.0.2.3")),
            ("mac", text("02:00:00:00:00:03")),
            ("override_dynamic_mac", Datum::Set(vec![Atom::Boolean(true)])),
            ("datapath", refs(["d1".to_owned()])),
        ];
        ("Static_MAC_Binding", row("s1", columns))
    };
    match database {
        Database::Northbound => {
            let router = vec![
                ("name", text("GR_a")),
                ("static_routes", refs(["r1".to_owned()])),
                ("ports", refs(["p1".to_owned()])),
                ("nat", refs(["n1".to_owned()])),
                ("policies", refs(["o1".to_owned(), "o2".to_owned()])),
                ("options", map(&[("chassis", "a"), ("dynamic_neigh_routers", "true")])),
                ("external_ids", map(&[("name", "other")])),
                ("enabled", Datum::Set(vec![Atom::Boolean(true)])),
                ("load_balancer", refs([])),
                ("load_balancer_group", refs([])),
                ("copp", refs([])),
            ];
            let route = vec![
                ("bfd", refs(["b1".to_owned()])),
                ("external_ids", map(&[("ic-learned-route", "x")])),
                ("ip_prefix", text("10.0.0.1")),
                ("nexthop", text("192.0.2.1")),
                ("options", map(&[("ecmp_symmetric_reply", "true")])),
                ("output_port", text("rtoe")),
                ("policy", text("src-ip")),
                ("route_table", text("t")),
                ("selection_fields", text("ip_src")),
            ];
            let port = vec![
                ("name", text("rtoe")),
                ("mac", text("02:00:00:00:00:01")),
                ("networks", text("192.0.2.8/24")),
                ("options", map(&[("route_table", "t")])),
                ("gateway_chassis", refs([])),
                ("ha_chassis_group", refs([])),
                ("peer", text("x")),
                ("enabled", refs([])),
                ("ipv6_ra_configs", map(&[])),
                ("ipv6_prefix", refs([])),
                ("external_ids", map(&[("gateway-physical-ip", "yes")])),
            ];
            let nat = vec![
                ("external_ip", text("192.0.2.8")),
                ("logical_ip", text("10.0.0.0/24")),
                ("type", text("snat")),
                ("external_mac", refs([])),
                ("external_port_range", text("")),
                ("logical_port", text("x")),
                ("gateway_port", refs([])),
                ("options", map(&[("stateless", "false")])),
                ("external_ids", map(&[])),
            ];
            let policy = |uuid, column| {
                let columns = vec![
                    ("action", text("reroute")),
                    ("match", text("ip4.src == 10.0.0.1")),
                    (column, text("192.0.2.1")),
                    ("priority", integer(100)),
                    ("options", map(&[("pkt_mark", "1")])),
                    ("external_ids", map(&[])),
                ];
                ("Logical_Router_Policy", row(uuid, columns))
            };
            // The other columns that are read of a port are not asked for: `Port_Binding` tells what they do.
            let disabled = vec![
                ("name", text("etor")),
                ("enabled", Datum::Set(vec![Atom::Boolean(false)])),
                ("up", Datum::Set(vec![Atom::Boolean(false)])),
            ];
            vec![
                ("Logical_Switch_Port", row("w1", disabled)),
                ("Logical_Router", row("l1", router)),
                ("Logical_Router_Static_Route", row("r1", route)),
                ("Logical_Router_Port", row("p1", port)),
                ("NAT", row("n1", nat)),
                policy("o1", "nexthop"),
                policy("o2", "nexthops"),
                session("b1"),
                static_binding(),
            ]
        }
        Database::Southbound { with_northbound } => {
            let datapath = |uuid, kind: Option<&str>, column: &[(&str, &str)]| {
                let mut columns = vec![
                    ("external_ids", map(column)),
                    ("tunnel_key", integer(1)),
                    ("load_balancers", refs([])),
                    ("nb_uuid", text("x")),
                ];
                columns.extend(kind.map(|kind| ("type", text(kind))));
                ("Datapath_Binding", row(uuid, columns))
            };
            let port = |uuid, datapath: &str, port_type| {
                let columns = vec![
                    ("datapath", refs([datapath.to_owned()])),
                    ("logical_port", text("rtoe")),
                    ("mac", text("02:00:00:00:00:01 192.0.2.8/24")),
                    ("options", map(&[("l3gateway-chassis", "a")])),
                    ("tunnel_key", integer(2)),
                    ("type", text(port_type)),
                    ("chassis", refs(["c1".to_owned()])),
                    ("external_ids", map(&[("name", "x")])),
                    ("nat_addresses", text("router")),
                    ("up", Datum::Set(vec![Atom::Boolean(true)])),
                ];
                ("Port_Binding", row(uuid, columns))
            };
            let binding = vec![
                ("logical_port", text("rtoe")),
                ("ip", text("192.0.2.1")),
                ("mac", text("02:00:00:00:00:02")),
                ("timestamp", integer(1_700_000_000_000)),
                ("datapath", refs(["d1".to_owned()])),
            ];
            let learned = vec![
                ("datapath", refs(["d1".to_owned()])),
                ("logical_port", refs(["p1".to_owned()])),
                ("ip_prefix", text("10.0.0.0/24")),
                ("nexthop", text("192.0.2.1")),
                ("external_ids", map(&[])),
            ];
            let global =
                vec![("options", map(&[("northd_internal_version", "23.06.2-20.27.1-70.6")])), ("nb_cfg", integer(7))];
            let chassis = vec![
                ("name", text("0fe3")),
                ("hostname", text("worker-08")),
                ("other_config", map(&[("ct-no-masked-label", "true")])),
                ("encaps", refs(["x1".to_owned()])),
            ];
            let mut rows = vec![
                datapath("d1", None, &[("name", "GR_a"), ("logical-router", "l1")]),
                datapath("d2", Some("logical-router"), &[("name", "GR_b")]),
                port("p1", "d1", "l3gateway"),
                port("p2", "d1", "chassisredirect"),
                // Its datapath is not known, so its options count.
                port("p3", "d9", "l3gateway"),
                ("MAC_Binding", row("m1", binding)),
                ("Learned_Route", row("e1", learned)),
                ("SB_Global", row("g1", global)),
                ("Chassis", row("c1", chassis)),
                static_binding(),
            ];
            rows.extend((!with_northbound).then(|| session("b1")));
            rows
        }
        Database::OpenVswitch => {
            let bridge = vec![
                ("external_ids", map(&[("ct-zone-GR_a_dnat", "3")])),
                ("name", text("br-int")),
                ("datapath_type", text("system")),
                ("ports", refs(["o1".to_owned()])),
                ("other_config", map(&[("ct-zone-x_dnat", "4")])),
                ("datapath_id", text("0000")),
            ];
            vec![("Bridge", row("b1", bridge))]
        }
    }
}

/// Columns that are monitored for other readers than the converters.
const FOR_OTHERS: &[(&str, &str)] =
    &[("Chassis", "hostname"), ("Bridge", "name"), ("Bridge", "datapath_type"), ("Bridge", "ports")];

#[test]
fn the_columns_that_are_monitored_are_those_that_are_read() {
    let databases = [
        Database::Northbound,
        Database::Southbound { with_northbound: true },
        Database::Southbound { with_northbound: false },
        Database::OpenVswitch,
    ];
    for database in databases {
        let rows = full_rows(database);
        let facts_without = |dropped: &dyn Fn(&str, &str) -> bool| {
            let rows = rows.iter().map(|(table, row)| {
                let mut row = Row::clone(row);
                row.columns.retain(|column, _| !dropped(table, column));
                ((*table, Arc::clone(&row.uuid)), Arc::new(row))
            });
            let rows: BTreeMap<_, _> = rows.collect();
            counted(database.facts(&tables(&rows), &"x".into()).facts)
        };
        let is_monitored = |table: &str, column: &str| {
            database.monitored().iter().any(|read| read.table == table && read.columns.contains(&column))
        };
        let all = facts_without(&|_, _| false);
        assert!(!all.is_empty());
        assert_eq!(facts_without(&|table, column| !is_monitored(table, column)), all, "{database:?}");
        for TableColumns { table, columns } in database.monitored() {
            let is_converted = rows.iter().any(|(of, _)| of == table);
            for column in columns.iter().filter(|column| is_converted && !FOR_OTHERS.contains(&(table, column))) {
                let fewer = facts_without(&|of, dropped| of == *table && dropped == *column);
                assert_ne!(fewer, all, "{database:?}: nothing reads {table}.{column}");
            }
        }
    }
}

/// Tables of the converters are monitored, but for what the other database tells better.
#[test]
fn the_tables_that_are_monitored_are_those_that_are_read() {
    let names = |database: Database| BTreeSet::from_iter(database.monitored().iter().map(|read| read.table));
    let set = |tables: &[&'static str]| BTreeSet::from_iter(tables.iter().copied());
    assert_eq!(names(Database::Northbound), &set(northbound::TABLES) - &set(&["Logical_Switch"]));
    let southbound = &set(southbound::TABLES) | &set(&["Chassis", "SB_Global"]);
    assert_eq!(names(Database::Southbound { with_northbound: false }), southbound);
    assert_eq!(names(Database::Southbound { with_northbound: true }), &southbound - &set(&["BFD"]));
    assert!(names(Database::OpenVswitch).is_superset(&set(zones::TABLES)));
}

fn timed(what: &str, follower: &mut Follower, changes: &[Change]) -> Followed {
    #[expect(clippy::disallowed_methods, reason = "prints a time; nothing depends on it")]
    let start = Instant::now();
    let followed = follower.apply(changes);
    #[expect(clippy::disallowed_methods, reason = "prints a time; nothing depends on it")]
    let elapsed = start.elapsed();
    println!("{what}: {elapsed:?}");
    followed
}

/// Prints the times of single changes in a large Southbound database.
#[test]
fn one_binding_among_many() {
    const COUNT: u64 = 100_000;
    let binding = |number: u64, timestamp| {
        let ip = std::net::Ipv4Addr::from_bits(0x0a00_0000 + number as u32).to_string();
        let columns = vec![
            ("logical_port", text("rtoe-GR_a")),
            ("ip", text(&ip)),
            ("mac", text("02:00:00:00:00:01")),
            ("timestamp", integer(timestamp)),
        ];
        put("MAC_Binding", row(&format!("{number:036}"), columns))
    };
    let mut follower = follower(Database::Southbound { with_northbound: true });
    let all: Vec<_> = (0..COUNT).map(|number| binding(number, 1)).collect();
    let followed = timed("100,000 rows of MAC_Binding come", &mut follower, &all);
    assert_eq!(followed.delta.begun.len(), COUNT as usize);
    let followed = timed("one of them is refreshed", &mut follower, &[binding(COUNT / 2, 2)]);
    assert_eq!((followed.delta.ended.len(), followed.delta.begun.len()), (1, 1));
    let followed = timed("one of them goes", &mut follower, &[gone("MAC_Binding", &format!("{:036}", 7))]);
    assert_eq!((followed.delta.ended.len(), followed.delta.begun.len()), (1, 0));
}

/// Prints the times of single changes of a router with many routes.
#[test]
fn one_route_among_many() {
    const COUNT: usize = 20_000;
    let id = |number: usize| format!("{number:036}");
    let router = |routes: &mut dyn Iterator<Item = usize>| {
        put("Logical_Router", row("l1", vec![("name", text("GR_a")), ("static_routes", refs(routes.map(id)))]))
    };
    let route = |number: usize| {
        let ip = std::net::Ipv4Addr::from_bits(0x0a00_0000 + number as u32).to_string();
        let columns = vec![
            ("bfd", refs(["b1".to_owned()])),
            ("ip_prefix", text(&ip)),
            ("nexthop", text("192.0.2.1")),
            ("policy", text("src-ip")),
        ];
        put("Logical_Router_Static_Route", row(&id(number), columns))
    };
    let session = |status| {
        let columns = vec![("logical_port", text("rtoe")), ("dst_ip", text("192.0.2.1")), ("status", text(status))];
        put("BFD", row("b1", columns))
    };
    let counts = |followed: Followed| (followed.delta.ended.len(), followed.delta.begun.len());
    let mut follower = follower(Database::Northbound);
    let mut all: Vec<_> = (0..COUNT).map(route).collect();
    all.extend([router(&mut (0..COUNT)), session("up")]);
    let followed = timed("20,000 routes come", &mut follower, &all);
    assert_eq!(counts(followed), (0, COUNT + 1));

    let one_more = [router(&mut (0..=COUNT)), route(COUNT)];
    assert_eq!(counts(timed("one more route", &mut follower, &one_more)), (0, 1));
    let one_less =
        [router(&mut (0..=COUNT).filter(|number| *number != 9)), gone("Logical_Router_Static_Route", &id(9))];
    assert_eq!(counts(timed("one less", &mut follower, &one_less)), (1, 0));
    assert_eq!(counts(timed("their session goes down", &mut follower, &[session("down")])), (1, 1));
    let reversed = router(&mut (0..=COUNT).rev().filter(|number| *number != 9));
    assert_eq!(counts(timed("the set in another order", &mut follower, &[reversed])), (0, 0));
}
