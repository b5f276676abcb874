use super::*;
use crate::engine::fact::{Bfd, BfdStatus};
use crate::ovsdb::row::{Atom, Datum};

fn string(text: &str) -> Atom {
    Atom::String(text.into())
}

fn set(texts: &[&str]) -> Datum {
    Datum::Set(texts.iter().map(|text| string(text)).collect())
}

fn map(pairs: &[(&str, &str)]) -> Datum {
    Datum::Map(pairs.iter().map(|(key, value)| (string(key), string(value))).collect())
}

fn integer(number: i64) -> Datum {
    Datum::Set(vec![Atom::Integer(number)])
}

fn validity(from: u64, until: u64) -> Validity {
    Validity { from: Some(Timestamp::from_millis(from)), until: Some(Timestamp::from_millis(until)) }
}

/// Row versions as `(table, UUID, validity, columns)`.
type Version<'a> = (&'a str, &'a str, Validity, Vec<(&'a str, Datum)>);

fn tables(versions: Vec<Version>) -> Tables {
    let mut tables = Tables::default();
    for (table, uuid, validity, columns) in versions {
        let columns = columns.into_iter().map(|(name, datum)| (Arc::from(name), datum)).collect();
        let version = RowVersion { row: Row { uuid: uuid.into(), columns }, validity };
        tables.tables.entry(table.into()).or_default().push(version);
    }
    tables
}

fn read(versions: Vec<Version>) -> (Vec<Fact>, Vec<String>) {
    let facts = facts(&tables(versions), &"ovnsb.db".into());
    (facts.facts, facts.warnings.iter().map(ToString::to_string).collect())
}

const GR: &str = "e1b9f486-2bf0-4631-82ab-4d8d8bb1d569";
const SWITCH: &str = "4ce114f8-55b0-4a87-ac04-3e0ef401ad5e";

/// From `ovn-sbctl list datapath_binding` of OVN 22.03.
fn datapath(uuid: &'static str) -> Version<'static> {
    let (kind, name) =
        if uuid == GR { ("logical-router", "GR_worker-08") } else { ("logical-switch", "ext_worker-08") };
    let external_ids = map(&[(kind, "7c0f1eb8-34e6-4c41-9135-0642c718596d"), ("name", name), ("snat-ct-zone", "0")]);
    ("Datapath_Binding", uuid, Validity::ALWAYS, vec![("external_ids", external_ids), ("tunnel_key", integer(5))])
}

fn port(
    uuid: &'static str,
    of: &'static str,
    name: &str,
    mac: &str,
    port_type: &str,
    peer: Option<&str>,
) -> Version<'static> {
    let options = map(&Vec::from_iter(peer.map(|peer| ("peer", peer))));
    let columns = vec![
        ("datapath", set(&[of])),
        ("logical_port", set(&[name])),
        ("mac", set(&[mac])),
        ("options", options),
        ("tunnel_key", integer(2)),
        ("type", set(&[port_type])),
    ];
    ("Port_Binding", uuid, Validity::ALWAYS, columns)
}

/// From `ovn-sbctl list port_binding rtoe-GR_worker-08` of OVN 22.03.
fn rtoe() -> Version<'static> {
    let mac = "52:54:00:c6:13:08 198.19.3.8/24";
    port("p1", GR, "rtoe-GR_worker-08", mac, "l3gateway", Some("etor-GR_worker-08"))
}

fn rtoe_fact() -> RouterPort {
    RouterPort {
        router: Some("GR_worker-08".into()),
        datapath: Some(GR.into()),
        name: "rtoe-GR_worker-08".into(),
        mac: Some("52:54:00:c6:13:08".parse().unwrap()),
        addresses: vec!["198.19.3.8".parse().unwrap()],
        networks: vec!["198.19.3.0/24".parse().unwrap()],
        port_key: Some(2),
        route_table: None,
        validity: Validity::ALWAYS,
    }
}

#[test]
fn datapaths_and_their_ports() {
    let mac = "52:54:00:c6:13:08 198.19.3.8/24";
    let (facts, warnings) = read(vec![
        datapath(SWITCH),
        datapath(GR),
        rtoe(),
        port("p2", SWITCH, "etor-GR_worker-08", "router", "l3gateway", Some("rtoe-GR_worker-08")),
        // A form that would do on a router's datapath.
        port("p3", SWITCH, "odd", mac, "patch", Some("rtoe-GR_worker-08")),
        port("p4", GR, "cr-rtoe-GR_worker-08", mac, "chassisredirect", None),
    ]);
    let datapath = |uuid: &str, name: &str, is_router| {
        Fact::Datapath(Datapath { uuid: uuid.into(), name: name.into(), is_router, validity: Validity::ALWAYS })
    };
    let peer = |name: &str| {
        Fact::SwitchPort(SwitchPort {
            switch: Some(SWITCH.into()),
            name: name.into(),
            router_port: Some("rtoe-GR_worker-08".into()),
            addresses: Vec::new(),
            is_withheld: false,
            validity: Validity::ALWAYS,
        })
    };
    let expected = [
        datapath(SWITCH, "ext_worker-08", false),
        datapath(GR, "GR_worker-08", true),
        Fact::RouterPort(rtoe_fact()),
        peer("etor-GR_worker-08"),
        peer("odd"),
    ];
    assert_eq!((facts, warnings), (expected.to_vec(), vec![]));
}

/// Macs as northd writes them, and as a text with `--data=bare` tells them.
#[test]
fn machines_on_a_switch() {
    let [a, b] = ["0a:58:0a:a8:10:e6", "0a:58:0a:a8:10:e7"].map(|mac| mac.parse::<MacAddr>().unwrap());
    let at = |ip: &str, mac| (ip.parse::<IpAddr>().unwrap(), mac);
    let cases: [(&[&str], &str, &[_], bool); 9] = [
        (&["0a:58:0a:a8:10:e6 10.168.16.230"], "", &[at("10.168.16.230", a)], false),
        (&["0a:58:0a:a8:10:e6 10.168.16.230/23 fd00::e6"], "", &[at("10.168.16.230", a), at("fd00::e6", a)], false),
        (
            &["0a:58:0a:a8:10:e6 10.1.1.1", "0a:58:0a:a8:10:e7 10.1.1.2"],
            "",
            &[at("10.1.1.1", a), at("10.1.1.2", b)],
            false,
        ),
        (&["0a:58:0a:a8:10:e6", "10.168.16.230"], "", &[at("10.168.16.230", a)], false),
        (&["unknown", "0a:58:0a:a8:10:e6 10.168.16.230"], "localport", &[at("10.168.16.230", a)], false),
        (&["0a:58:0a:a8:10:e6 10.168.16.230"], "virtual", &[at("10.168.16.230", a)], true),
        (&["unknown"], "localnet", &[], false),
        (&["0a:58:0a:a8:10:e6"], "", &[], false),
        (&["dynamic"], "", &[], false),
    ];
    for (macs, port_type, addresses, is_withheld) in cases {
        let mut row = port("p", SWITCH, "vm", "", port_type, None);
        row.3.retain(|(column, _)| *column != "mac");
        row.3.push(("mac", set(macs)));
        let expected = Fact::SwitchPort(SwitchPort {
            switch: Some(SWITCH.into()),
            name: "vm".into(),
            router_port: None,
            addresses: addresses.to_vec(),
            is_withheld,
            validity: Validity::ALWAYS,
        });
        let facts = read(vec![datapath(SWITCH), row]).0;
        assert_eq!(facts[1..], Vec::from_iter((!addresses.is_empty()).then_some(expected)), "{macs:?}");
    }
}

#[test]
fn the_kind_of_a_datapath_in_its_own_column() {
    let columns = vec![("external_ids", map(&[("name", "GR_worker-08")])), ("type", set(&["logical-router"]))];
    let (facts, _) = read(vec![("Datapath_Binding", GR, Validity::ALWAYS, columns), rtoe()]);
    assert_eq!(facts[1], Fact::RouterPort(rtoe_fact()));
}

/// Ports of which no datapath was listed; macs as northd 22.03 writes them.
#[test]
fn router_ports_by_their_form() {
    let cases = [
        ("52:54:00:c6:13:08 198.19.3.8/24", "l3gateway", Some("etor"), true),
        ("0a:58:0a:a8:10:01 10.168.16.1/23 fd00::1/64", "patch", Some("stor"), true),
        ("router", "patch", Some("rtoj"), false),
        ("router", "l3gateway", Some("rtoe"), false),
        ("0a:58:64:40:00:01 100.64.0.1", "patch", Some("rtoj"), false),
        ("52:54:00:c6:13:08", "patch", Some("rtoj"), false),
        ("0a:58:0a:a8:10:e6 10.168.16.230", "", None, false),
        ("0a:58:0a:a8:10:e6 10.168.16.230/23", "", None, false),
        ("unknown", "localnet", None, false),
        ("52:54:00:c6:13:08 198.19.3.8/24", "chassisredirect", None, false),
    ];
    for (mac, port_type, peer, is_router_port) in cases {
        let (facts, warnings) = read(vec![port("p", GR, "a", mac, port_type, peer)]);
        let router_ports =
            facts.iter().filter(|fact| matches!(fact, Fact::RouterPort(RouterPort { router: None, .. })));
        assert_eq!(router_ports.count(), usize::from(is_router_port), "{mac} {port_type}");
        assert_eq!(warnings, [""; 0]);
    }
    // As printed with --data=bare, and with few columns.
    let mut bare = rtoe();
    bare.3.retain(|(column, _)| *column != "mac");
    bare.3.push(("mac", set(&["52:54:00:c6:13:08", "198.19.3.8/24"])));
    bare.3.retain(|(column, _)| !matches!(*column, "type" | "options" | "datapath"));
    let expected = RouterPort { router: None, datapath: None, ..rtoe_fact() };
    assert_eq!(read(vec![bare]).0, [Fact::RouterPort(expected)]);
}

#[test]
fn a_port_of_a_datapath_that_is_renamed() {
    let mut versions = vec![rtoe()];
    for (name, from, until) in [("old", 1, 5), ("GR_worker-08", 5, 9)] {
        let columns = vec![("external_ids", map(&[("name", name), ("logical-router", "l1")]))];
        versions.push(("Datapath_Binding", GR, validity(from, until), columns));
    }
    versions[0].2 = validity(2, 9);
    let ports: Vec<_> = read(versions).0.split_off(2);
    let expected = [
        Fact::RouterPort(RouterPort { router: Some("old".into()), validity: validity(2, 5), ..rtoe_fact() }),
        Fact::RouterPort(RouterPort { validity: validity(5, 9), ..rtoe_fact() }),
    ];
    assert_eq!(ports, expected);
}

#[test]
fn bindings() {
    let columns = |timestamp: Option<i64>| {
        let mut columns = vec![
            ("datapath", set(&[GR])),
            ("ip", set(&["fe80::cc73:29ff:fe6b:39a4"])),
            ("logical_port", set(&["rtoe-GR_worker-08"])),
            ("mac", set(&["ce:73:29:66:39:a4"])),
        ];
        columns.extend(timestamp.map(|timestamp| ("timestamp", integer(timestamp))));
        columns
    };
    // 20.12 has no such column; 0 stands in a row that an upgrade took over.
    for (timestamp, confirmed) in
        [(None, None), (Some(0), None), (Some(-1), None), (Some(1_795_354_403_571), Some(1_795_354_403_571))]
    {
        let (facts, _) = read(vec![("MAC_Binding", "m1", Validity::ALWAYS, columns(timestamp))]);
        let expected = Binding {
            logical_port: Some("rtoe-GR_worker-08".into()),
            ip: "fe80::cc73:29ff:fe6b:39a4".parse().unwrap(),
            mac: Some("ce:73:29:66:39:a4".parse().unwrap()),
            kind: BindingKind::MacBinding,
            confirmed: confirmed.map(Timestamp::from_millis),
            validity: Validity::ALWAYS,
        };
        assert_eq!(facts, [Fact::Binding(expected)], "{timestamp:?}");
    }
    let (facts, _) = read(vec![("Static_MAC_Binding", "s1", validity(3, 4), columns(None))]);
    let Fact::Binding(binding) = &facts[0] else { panic!("{facts:?}") };
    assert_eq!(binding.kind, BindingKind::StaticMacBinding { override_dynamic_mac: false });
    assert_eq!(binding.validity, validity(3, 4));
    // Listings of two moments.
    let row =
        |mac: &str| ("MAC_Binding", "m1", Validity::ALWAYS, vec![("ip", set(&["192.0.2.1"])), ("mac", set(&[mac]))]);
    let told = |rows| {
        let warnings = facts_of_texts(&tables(rows), &"ovnsb.db".into()).warnings;
        warnings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        told(vec![row("ce:73:29:66:39:a4"), row("ee:8d:82:db:f9:c4")]),
        ["ovnsb.db: MAC_Binding has several MACs of 192.0.2.1, and no timestamp that tells the newest"]
    );
    assert_eq!(told(vec![row("ce:73:29:66:39:a4"), row("ce:73:29:66:39:a4")]), [""; 0]);
    let broken = vec![("ip", set(&["::1"])), ("mac", set(&["ce:73:29:6:39:a4"]))];
    let (facts, warnings) = read(vec![("MAC_Binding", "m1", Validity::ALWAYS, broken)]);
    assert_eq!(
        (facts, warnings),
        (vec![], vec!["ovnsb.db: row m1 of MAC_Binding: column mac: it lacks digits".to_owned()])
    );
    let (facts, warnings) =
        read(vec![("MAC_Binding", "m1", Validity::ALWAYS, vec![("ip", set(&["::1"])), ("mac", set(&["ce:73"]))])]);
    assert_eq!(facts, []);
    assert!(
        warnings[0].starts_with("ovnsb.db: row m1 of MAC_Binding: column mac: \"ce:73\" is no MAC"),
        "{warnings:?}"
    );
}

#[test]
fn learned_routes_and_bfd() {
    let learned = vec![
        ("datapath", set(&[GR])),
        ("logical_port", set(&["p1"])),
        ("ip_prefix", set(&["172.27.0.0/24"])),
        ("nexthop", set(&["198.19.3.1"])),
    ];
    let session = vec![
        ("logical_port", set(&["rtoe-GR_worker-08"])),
        ("dst_ip", set(&["198.19.3.15"])),
        ("status", set(&["up"])),
    ];
    let (facts, warnings) = read(vec![
        datapath(GR),
        rtoe(),
        ("Learned_Route", "l1", validity(1, 9), learned.clone()),
        ("BFD", "b1", Validity::ALWAYS, session),
    ]);
    let route = Route {
        router: Some("GR_worker-08".into()),
        route_table: "".into(),
        policy: Policy::DstIp,
        prefix: "172.27.0.0/24".parse().unwrap(),
        nexthop: Some("198.19.3.1".parse().unwrap()),
        output_port: Some("rtoe-GR_worker-08".into()),
        symmetric_reply: false,
        override_connected: false,
        origin: RouteOrigin::Learned,
        bfd: BfdRef::None,
        port_key: None,
        source: Source::Ovn,
        validity: validity(1, 9),
    };
    let bfd = Bfd {
        logical_port: "rtoe-GR_worker-08".into(),
        dst_ip: "198.19.3.15".parse().unwrap(),
        status: BfdStatus::Up,
        validity: Validity::ALWAYS,
    };
    assert_eq!(facts[2..], [Fact::Route(route.clone()), Fact::Bfd(bfd)]);
    assert_eq!(warnings, [""; 0]);

    let alone = read(vec![("Learned_Route", "l1", validity(1, 9), learned)]).0;
    assert_eq!(alone, [Fact::Route(Route { router: None, output_port: None, ..route })]);
}
