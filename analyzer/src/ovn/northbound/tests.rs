use super::*;
use crate::engine::fact::{Policy, Scope};
use crate::ovsdb::row::{Atom, Datum};
use crate::types::Timestamp;
use proptest::prelude::*;

fn string(text: &str) -> Atom {
    Atom::String(text.into())
}

fn set(texts: &[&str]) -> Datum {
    Datum::Set(texts.iter().map(|text| string(text)).collect())
}

fn map(pairs: &[(&str, &str)]) -> Datum {
    Datum::Map(pairs.iter().map(|(key, value)| (string(key), string(value))).collect())
}

/// Row versions as `(table, UUID, from, until, columns)`; times in seconds.
type Version<'a> = (&'a str, &'a str, Option<u64>, Option<u64>, &'a [(&'a str, Datum)]);

fn validity(from: Option<u64>, until: Option<u64>) -> Validity {
    let time = |secs: u64| Timestamp::from_millis(secs * 1000);
    Validity { from: from.map(time), until: until.map(time) }
}

fn tables(versions: &[Version]) -> Tables {
    let mut tables = Tables::default();
    for &(table, uuid, from, until, columns) in versions {
        let columns = columns.iter().map(|(name, datum)| (Arc::from(*name), datum.clone())).collect();
        let version = RowVersion { row: Row { uuid: uuid.into(), columns }, validity: validity(from, until) };
        tables.tables.entry(table.into()).or_default().push(version);
    }
    tables
}

fn read(tables: &Tables) -> (Vec<Fact>, Vec<String>) {
    let facts = facts(tables, &"ovnnb.db".into());
    (facts.facts, facts.warnings.iter().map(ToString::to_string).collect())
}

fn pod_route() -> Route {
    Route {
        router: Some("GR_worker-08".into()),
        route_table: "".into(),
        policy: Policy::SrcIp,
        prefix: "10.168.16.230/32".parse().unwrap(),
        nexthop: Some("198.19.3.15".parse().unwrap()),
        output_port: Some("rtoe-GR_worker-08".into()),
        symmetric_reply: true,
        override_connected: false,
        origin: RouteOrigin::Static,
        bfd: BfdRef::None,
        port_key: None,
        source: Source::Ovn,
        validity: Validity::ALWAYS,
    }
}

/// Columns of the pod's route as a text of OVN 23.03 has them.
fn pod_route_columns(bfd: &[&str]) -> Vec<(&'static str, Datum)> {
    vec![
        ("bfd", set(bfd)),
        ("external_ids", map(&[])),
        ("ip_prefix", set(&["10.168.16.230"])),
        ("nexthop", set(&["198.19.3.15"])),
        ("options", map(&[("ecmp_symmetric_reply", "true")])),
        ("output_port", set(&["rtoe-GR_worker-08"])),
        ("policy", set(&["src-ip"])),
        ("route_table", set(&[""])),
    ]
}

#[test]
fn a_route_in_a_text_without_routers() {
    let tables = tables(&[("Logical_Router_Static_Route", "r1", None, None, &pod_route_columns(&[]))]);
    let (facts, warnings) = read(&tables);
    assert_eq!(facts, [Fact::Route(Route { router: None, ..pod_route() })]);
    assert_eq!(warnings, [""; 0]);
}

#[test]
fn columns_of_a_route() {
    type Columns<'a> = &'a [(&'static str, Option<Datum>)];
    type Case<'a> = (Columns<'a>, fn(&mut Route));
    let bare = Datum::Map(vec![(string("ecmp_symmetric_reply"), Atom::Boolean(true))]);
    let cases: [Case; 12] = [
        (&[("policy", None)], |route| route.policy = Policy::DstIp),
        (&[("policy", Some(set(&["dst-ip"])))], |route| route.policy = Policy::DstIp),
        // Schemas before 21.03 and 21.12.
        (&[("bfd", None), ("route_table", None), ("output_port", None)], |route| route.output_port = None),
        (&[("route_table", Some(set(&["tenant-a"])))], |route| route.route_table = "tenant-a".into()),
        (&[("nexthop", Some(set(&["discard"])))], |route| route.nexthop = None),
        (&[("nexthop", Some(set(&[""])))], |route| route.nexthop = None),
        // As printed with --data=bare.
        (&[("nexthop", Some(set(&[])))], |route| route.nexthop = None),
        (&[("options", Some(bare))], |_| {}),
        (&[("route_table", Some(set(&["b", "c"])))], |route| route.route_table = "b c".into()),
        (&[("options", Some(map(&[("ecmp_symmetric_reply", "false"), ("override_connected", "TRUE")])))], |route| {
            route.symmetric_reply = false;
            route.override_connected = true;
        }),
        (&[("external_ids", Some(map(&[("ic-learned-route", "3c3a")])))], |route| route.origin = RouteOrigin::Learned),
        (&[("ip_prefix", Some(set(&["fd00::/64"]))), ("nexthop", Some(set(&["fe80::1/128"])))], |route| {
            route.prefix = "fd00::/64".parse().unwrap();
            route.nexthop = Some("fe80::1".parse().unwrap());
        }),
    ];
    for (changes, change) in cases {
        let mut columns = pod_route_columns(&[]);
        for (name, datum) in changes {
            columns.retain(|(column, _)| column != name);
            columns.extend(datum.clone().map(|datum| (*name, datum)));
        }
        let mut expected = Route { router: None, ..pod_route() };
        change(&mut expected);
        let tables = tables(&[("Logical_Router_Static_Route", "r1", None, None, &columns)]);
        assert_eq!(read(&tables), (vec![Fact::Route(expected)], vec![]), "{changes:?}");
    }
}

#[test]
fn a_route_holds_while_a_router_refers_to_it() {
    let router = |routes: &[&str]| vec![("name", set(&["GR_worker-08"])), ("static_routes", set(routes))];
    let tables = tables(&[
        ("Logical_Router", "l1", Some(10), Some(20), &router(&["r1"])),
        // Another route comes: the router's row changes, the first route's fact goes on.
        ("Logical_Router", "l1", Some(20), Some(30), &router(&["r1", "r2"])),
        ("Logical_Router", "l1", Some(30), None, &router(&["r2"])),
        ("Logical_Router_Static_Route", "r1", Some(10), Some(25), &pod_route_columns(&[])),
        ("Logical_Router_Static_Route", "r1", Some(25), Some(40), &pod_route_columns(&[])),
    ]);
    let expected = [
        Fact::Route(Route { validity: validity(Some(10), Some(25)), ..pod_route() }),
        Fact::Route(Route { validity: validity(Some(25), Some(30)), ..pod_route() }),
    ];
    assert_eq!(read(&tables), (expected.to_vec(), vec![]));
}

#[test]
fn a_route_refers_to_a_bfd_session() {
    let session = |port: &str, status: &str| {
        vec![("logical_port", set(&[port])), ("dst_ip", set(&["198.19.3.15"])), ("status", set(&[status]))]
    };
    let mut tables = tables(&[
        ("BFD", "b1", Some(10), Some(20), &session("rtoe", "up")),
        ("BFD", "b1", Some(20), Some(30), &session("rtoe", "down")),
        ("BFD", "b1", Some(30), Some(40), &session("rtoj", "init")),
        ("Logical_Router_Static_Route", "r1", Some(10), Some(50), &pod_route_columns(&["b1"])),
    ]);
    let dst_ip = "198.19.3.15".parse().unwrap();
    let told = |port: &str| BfdRef::Session { logical_port: port.into(), dst_ip };
    let route = |bfd, from, until| {
        Fact::Route(Route { router: None, bfd, validity: validity(Some(from), Some(until)), ..pod_route() })
    };
    let status = |port: &str, status, from, until| {
        Fact::Bfd(Bfd { logical_port: port.into(), dst_ip, status, validity: validity(Some(from), Some(until)) })
    };
    let expected = [
        // The session's changes of state do not cut the route.
        route(told("rtoe"), 10, 30),
        route(told("rtoj"), 30, 40),
        route(BfdRef::Attached, 40, 50),
        status("rtoe", BfdStatus::Up, 10, 20),
        status("rtoe", BfdStatus::Down, 20, 30),
        status("rtoj", BfdStatus::Init, 30, 40),
    ];
    assert_eq!(read(&tables), (expected.to_vec(), vec![]));

    tables.tables.remove("BFD");
    assert_eq!(read(&tables).0, [route(BfdRef::Attached, 10, 50)]);
}

#[test]
fn status_of_a_bfd_session() {
    let columns = |status: Option<Datum>| {
        let mut columns = vec![("logical_port", set(&["rtoe"])), ("dst_ip", set(&["198.19.3.17"]))];
        columns.extend(status.map(|status| ("status", status)));
        columns
    };
    let cases = [
        // `status : []`: northd has not seen the row.
        (Some(set(&[])), Some(BfdStatus::AdminDown)),
        (Some(set(&["admin_down"])), Some(BfdStatus::AdminDown)),
        (Some(set(&["init"])), Some(BfdStatus::Init)),
        // Not printed.
        (None, None),
    ];
    for (status, expected) in cases {
        let tables = tables(&[("BFD", "b1", None, None, &columns(status.clone()))]);
        let statuses = read(&tables).0.into_iter().map(|fact| match fact {
            Fact::Bfd(bfd) => bfd.status,
            other => panic!("{other:?}"),
        });
        assert_eq!(Vec::from_iter(statuses), Vec::from_iter(expected), "{status:?}");
    }
}

/// What hangs on a router beside routes, in the words of `ovn-nbctl list` of OVN 23.03.1.
#[test]
fn ports_rules_and_policies_of_a_router() {
    let tables = tables(&[
        (
            "Logical_Router",
            "l1",
            None,
            None,
            &[
                ("name", set(&["GR_worker-08"])),
                ("nat", set(&["n1"])),
                ("policies", set(&["p1", "p2"])),
                ("ports", set(&["c8e8783c-1827-4f93-a9df-a737a7fcd014"])),
            ],
        ),
        (
            "Logical_Router_Port",
            "c8e8783c-1827-4f93-a9df-a737a7fcd014",
            None,
            None,
            &[
                ("mac", set(&["52:54:00:c6:13:08"])),
                ("name", set(&["rtoe-GR_worker-08"])),
                ("networks", set(&["198.19.3.8/24", "fd00:19::8/64"])),
                ("options", map(&[("route_table", "tenant-a")])),
            ],
        ),
        (
            "NAT",
            "n1",
            None,
            None,
            &[("external_ip", set(&["198.19.3.8"])), ("logical_ip", set(&["10.168.0.0/16"])), ("type", set(&["snat"]))],
        ),
        (
            "Logical_Router_Policy",
            "p1",
            None,
            None,
            &[
                ("action", set(&["reroute"])),
                ("match", set(&["ip4.src == 10.168.16.9"])),
                ("nexthop", set(&[])),
                ("nexthops", set(&["100.64.0.2", "100.64.0.3"])),
                ("priority", Datum::Set(vec![Atom::Integer(1004)])),
            ],
        ),
        ("Logical_Router_Policy", "p2", None, None, &[("action", set(&["allow"])), ("match", set(&["1"]))]),
        (
            "Static_MAC_Binding",
            "s1",
            None,
            None,
            &[
                ("ip", set(&["198.19.3.15"])),
                ("logical_port", set(&["rtoe-GR_worker-08"])),
                ("mac", set(&["ee:8d:82:db:f9:c4"])),
                ("override_dynamic_mac", Datum::Set(vec![Atom::Boolean(true)])),
            ],
        ),
    ]);
    let router: Option<Arc<str>> = Some("GR_worker-08".into());
    let expected = [
        Fact::RouterPort(RouterPort {
            router: router.clone(),
            datapath: None,
            name: "rtoe-GR_worker-08".into(),
            mac: Some("52:54:00:c6:13:08".parse().unwrap()),
            addresses: vec!["198.19.3.8".parse().unwrap(), "fd00:19::8".parse().unwrap()],
            networks: vec!["198.19.3.0/24".parse().unwrap(), "fd00:19::/64".parse().unwrap()],
            port_key: None,
            route_table: Some("tenant-a".into()),
            validity: Validity::ALWAYS,
        }),
        Fact::Nat(Nat {
            router: router.clone(),
            external_ip: "198.19.3.8".parse().unwrap(),
            logical_ip: "10.168.0.0/16".parse().unwrap(),
            translates_source: true,
            validity: Validity::ALWAYS,
        }),
        Fact::ReroutePolicy(ReroutePolicy {
            router,
            priority: 1004,
            expression: "ip4.src == 10.168.16.9".into(),
            nexthops: vec!["100.64.0.2".parse().unwrap(), "100.64.0.3".parse().unwrap()],
            validity: Validity::ALWAYS,
        }),
        Fact::Binding(Binding {
            logical_port: Some("rtoe-GR_worker-08".into()),
            ip: "198.19.3.15".parse().unwrap(),
            mac: Some("ee:8d:82:db:f9:c4".parse().unwrap()),
            kind: BindingKind::StaticMacBinding { override_dynamic_mac: true },
            confirmed: None,
            validity: Validity::ALWAYS,
        }),
    ];
    assert_eq!(read(&tables), (expected.to_vec(), vec![]));
}

#[test]
fn rows_that_cannot_be_read_are_named_once() {
    let bad = |prefix: &str| vec![("ip_prefix", set(&[prefix])), ("nexthop", set(&["198.19.3.15"]))];
    let tables = tables(&[
        ("Logical_Router_Static_Route", "r1", None, Some(1), &bad("1xx.168.16.230")),
        ("Logical_Router_Static_Route", "r2", None, Some(1), &[("ip_prefix", set(&["10.0.0.0/8"]))]),
        ("Logical_Router_Static_Route", "r1", Some(1), None, &bad("1xx.168.16.230")),
        ("NAT", "", None, None, &[("external_ip", set(&["198.19.3.8"]))]),
    ]);
    let (facts, warnings) = read(&tables);
    assert_eq!(facts, []);
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    let expected = [
        "ovnnb.db: row r1 of Logical_Router_Static_Route: column ip_prefix: \"1xx.168.16.230\" is no IP address",
        "ovnnb.db: row r2 of Logical_Router_Static_Route: column nexthop: it is empty or was not printed",
        "ovnnb.db: a row of NAT: column logical_ip: it is empty",
    ];
    for (warning, expected) in warnings.iter().zip(expected) {
        assert!(warning.starts_with(expected), "{warning}");
    }
    // What they may decide is a gap for as long as they stood so.
    let gaps = super::facts(&tables, &"ovnnb.db".into()).gaps;
    let routes = |prefix: Option<&str>| Scope::Routes {
        router: None,
        policy: Some(Policy::DstIp),
        prefix: prefix.map(|prefix| prefix.parse().unwrap()),
    };
    let told: Vec<_> = gaps.into_iter().map(|gap| (gap.scope, gap.validity)).collect();
    let expected = [
        (routes(None), validity(None, Some(1))),
        (routes(Some("10.0.0.0/8")), validity(None, Some(1))),
        (routes(None), validity(Some(1), None)),
        (Scope::Policies, validity(None, None)),
    ];
    assert_eq!(told, expected);
}

/// A router changes with each of its routes; of its option one fact is told for each time that it changes.
#[test]
fn options_of_a_router() {
    let row = |routes: &[&str], options: Option<&[(&str, &str)]>| {
        let mut columns = vec![("name", set(&["GR_worker-08"])), ("static_routes", set(routes))];
        columns.extend(options.map(|options| ("options", map(options))));
        columns
    };
    let learns: &[_] = &[("dynamic_neigh_routers", "true")];
    let (before, more, after) = (row(&["r1"], Some(&[])), row(&["r1", "r2"], Some(&[])), row(&[], Some(learns)));
    let tables = tables(&[
        ("Logical_Router", "l1", None, Some(5), &before),
        ("Logical_Router", "l1", Some(5), Some(9), &more),
        ("Logical_Router", "l1", Some(9), None, &after),
        ("Logical_Router", "l2", None, None, &row(&[], None)),
    ]);
    let router =
        |learns_routers, validity| Fact::Router(Router { name: "GR_worker-08".into(), learns_routers, validity });
    let expected = [router(false, validity(None, Some(9))), router(true, validity(Some(9), None))];
    assert_eq!(read(&tables), (expected.to_vec(), vec![]));
}

#[test]
fn ports_of_switches() {
    let enabled = |value: bool| ("enabled", Datum::Set(vec![Atom::Boolean(value)]));
    let tables = tables(&[
        ("Logical_Switch", "s1", None, None, &[("ports", set(&["p1", "p2", "p3", "p4", "p5"]))]),
        (
            "Logical_Switch_Port",
            "p1",
            None,
            None,
            &[
                ("name", set(&["etor-GR_worker-08"])),
                ("type", set(&["router"])),
                ("options", map(&[("router-port", "rtoe-GR_worker-08")])),
                ("addresses", set(&["52:54:00:c6:13:08 198.19.3.8"])),
            ],
        ),
        (
            "Logical_Switch_Port",
            "p2",
            None,
            None,
            &[
                ("name", set(&["vm"])),
                ("addresses", set(&["dynamic", "unknown"])),
                ("dynamic_addresses", set(&["0a:58:0a:a8:10:e6 10.168.16.230"])),
                enabled(true),
            ],
        ),
        ("Logical_Switch_Port", "p3", None, None, &[("name", set(&["off"])), enabled(false)]),
        ("Logical_Switch_Port", "p4", None, None, &[("name", set(&["vip"])), ("type", set(&["virtual"]))]),
        ("Logical_Switch_Port", "p5", None, None, &[("name", set(&["br-ex"])), ("addresses", set(&["unknown"]))]),
    ]);
    let port = |name: &str, is_withheld| SwitchPort {
        switch: Some("s1".into()),
        name: name.into(),
        router_port: None,
        addresses: Vec::new(),
        is_withheld,
        validity: Validity::ALWAYS,
    };
    let machine = ("10.168.16.230".parse().unwrap(), "0a:58:0a:a8:10:e6".parse().unwrap());
    let expected = [
        SwitchPort { router_port: Some("rtoe-GR_worker-08".into()), ..port("etor-GR_worker-08", false) },
        SwitchPort { addresses: vec![machine], ..port("vm", false) },
        port("off", true),
        port("vip", true),
    ];
    assert_eq!(read(&tables), (expected.map(Fact::SwitchPort).to_vec(), vec![]));
}

proptest! {
    /// Rows of any content: no panic, and no fact without a row.
    #[test]
    fn arbitrary_rows_do_not_panic(
        rows in prop::collection::vec((0..8usize, 0..14usize, 0..12usize, 0..3usize, 0u64..9, 1u64..9), 0..40),
    ) {
        let names = [
            "Logical_Router", "Logical_Router_Static_Route", "Logical_Router_Port", "NAT", "Logical_Router_Policy", "BFD",
            "Static_MAC_Binding", "Port_Binding",
        ];
        let columns = [
            "name", "static_routes", "ports", "nat", "policies", "ip_prefix", "nexthop", "policy", "bfd", "networks",
            "logical_port", "dst_ip", "status", "options",
        ];
        let values = ["", "a", "10.0.0.5", "10.0.0.0/8", "::1", "1xx.1", "discard", "src-ip", "up", "/", "aa:bb", "\u{e9}"];
        let mut tables = Tables::default();
        for (name, column, value, shape, from, len) in rows {
            let value = string(values[value]);
            let datum = match shape {
                0 => Datum::Set(vec![value]),
                1 => Datum::Set(vec![value, Atom::Integer(3)]),
                _ => Datum::Map(vec![(value.clone(), value)]),
            };
            let row = Row { uuid: "a".into(), columns: [(Arc::from(columns[column]), datum)].into() };
            let version = RowVersion { row, validity: validity(Some(from), Some(from + len)) };
            tables.tables.entry(names[name].into()).or_default().push(version);
        }
        facts(&tables, &"f".into());
        southbound::facts(&tables, &"f".into());
    }
}
