use super::*;
use proptest::prelude::*;

fn read(text: &str) -> Facts {
    parse(text, &"nexthops.toml".into()).unwrap()
}

fn time(text: &str) -> Option<Timestamp> {
    Some(text.parse().unwrap())
}

fn incident_route(nexthop: &str) -> Route {
    Route {
        router: None,
        route_table: "".into(),
        policy: Policy::SrcIp,
        prefix: "192.168.16.230/32".parse().unwrap(),
        nexthop: Some(nexthop.parse().unwrap()),
        output_port: None,
        symmetric_reply: true,
        override_connected: false,
        origin: RouteOrigin::Static,
        bfd: BfdRef::None,
        port_key: None,
        source: Source::NexthopsToml,
        validity: Validity::ALWAYS,
    }
}

fn incident_binding(ip: &str, mac: Option<&str>) -> Binding {
    Binding {
        logical_port: None,
        ip: ip.parse().unwrap(),
        mac: mac.map(|mac| mac.parse().unwrap()),
        kind: BindingKind::NexthopsToml,
        confirmed: None,
        validity: Validity::ALWAYS,
    }
}

#[test]
fn the_incident() {
    let facts = read(
        r#"
[[route]]
policy = "src-ip"
prefix = "192.168.16.230"
symmetric_reply = true

[[route.nexthop]]
ip = "198.19.3.15"
lladdr = "ee:8d:82:db:f9:c4"

[[route.nexthop]]
ip = "198.19.3.16"
"#,
    );
    let expected = [
        Fact::Route(incident_route("198.19.3.15")),
        Fact::Binding(incident_binding("198.19.3.15", Some("ee:8d:82:db:f9:c4"))),
        Fact::Route(incident_route("198.19.3.16")),
        Fact::Binding(incident_binding("198.19.3.16", None)),
    ];
    assert_eq!(facts.facts, expected);
    assert_eq!((facts.since, facts.warnings), (None, vec![]));
}

#[test]
fn every_key() {
    let facts = read(
        r#"
[[route]]
router = "GR_worker-08"
route_table = "tenant-a"
policy = "dst-ip"
prefix = "fd00:9::/48"
output_port = "rtoe-GR_worker-08"
port_key = 2
[[route.nexthop]]
ip = "fe80::1"
lladdr = "76:9c:19:34:50:26"
bfd = "admin_down"
since = "2022-06-07T20:13:55Z"
until = 2022-06-08T00:00:00Z

[[router_port]]
router = "GR_worker-08"
name = "rtoe-GR_worker-08"
mac = "52:54:00:c6:13:08"
networks = ["198.19.3.8/24", "fd00::8/64"]
port_key = 2
"#,
    );
    let validity = Validity { from: time("2022-06-07T20:13:55Z"), until: time("2022-06-08T00:00:00Z") };
    let router: Option<Arc<str>> = Some("GR_worker-08".into());
    let port: Arc<str> = "rtoe-GR_worker-08".into();
    let expected = [
        Fact::Route(Route {
            router: router.clone(),
            route_table: "tenant-a".into(),
            policy: Policy::DstIp,
            prefix: "fd00:9::/48".parse().unwrap(),
            output_port: Some(port.clone()),
            symmetric_reply: false,
            bfd: BfdRef::Status(BfdStatus::AdminDown),
            port_key: Some(2),
            validity,
            ..incident_route("fe80::1")
        }),
        Fact::Binding(Binding {
            logical_port: Some(port.clone()),
            validity,
            ..incident_binding("fe80::1", Some("76:9c:19:34:50:26"))
        }),
        Fact::RouterPort(RouterPort {
            router,
            datapath: None,
            name: port,
            mac: Some("52:54:00:c6:13:08".parse().unwrap()),
            addresses: vec!["198.19.3.8".parse().unwrap(), "fd00::8".parse().unwrap()],
            networks: vec!["198.19.3.0/24".parse().unwrap(), "fd00::/64".parse().unwrap()],
            port_key: Some(2),
            route_table: None,
            validity: Validity::ALWAYS,
        }),
    ];
    assert_eq!(facts.facts, expected);
    assert_eq!(facts.since, time("2022-06-07T20:13:55Z"));
}

#[test]
fn start_of_the_history_and_shared_neighbours() {
    let route = |prefix: &str, hops: &str| format!("[[route]]\npolicy = \"src-ip\"\nprefix = \"{prefix}\"\n{hops}");
    let late = "[[route.nexthop]]\nip = \"10.0.0.1\"\nsince = \"2022-06-07T00:00:00Z\"\n";
    let early = "[[route.nexthop]]\nip = \"10.0.0.2\"\nsince = \"2022-06-01T00:00:00+02:00\"\n";
    let always = "[[route.nexthop]]\nip = \"10.0.0.3\"\n";

    let all_begin = route("10.1.0.5", late) + &route("10.1.0.6", &format!("{late}{early}"));
    let facts = read(&all_begin);
    assert_eq!(facts.since, time("2022-05-31T22:00:00Z"));
    assert_eq!(facts.facts.iter().filter(|fact| matches!(fact, Fact::Route(_))).count(), 3);
    assert_eq!(facts.facts.iter().filter(|fact| matches!(fact, Fact::Binding(_))).count(), 2);
    assert_eq!(read(&(all_begin + &route("10.1.0.7", always))).since, None);
    assert_eq!(read(""), Facts::default());
}

#[test]
fn errors_name_line_and_column() {
    let hop = "[[route.nexthop]]\nip = \"10.0.0.1\"\n";
    let route = "[[route]]\npolicy = \"src-ip\"\nprefix = \"10.0.0.5\"\n";
    let cases = [
        (format!("{route}{hop}lladr = 1\n"), "6:1: unknown field `lladr`"),
        (format!("{route}{hop}lladdr = \"ce:73\"\n"), "6:10: \"ce:73\" is no MAC address"),
        (format!("{route}{hop}bfd = \"uP\"\n"), "6:7: \"uP\" is none of up, init, down and admin_down"),
        (format!("{route}{hop}since = \"yesterday\"\n"), "6:9: \"yesterday\" is no RFC 3339 time"),
        (format!("{route}{hop}since = 5\n"), "6:9: expected a time, found integer"),
        (
            format!("{route}{hop}since = \"2022-06-07T00:00:00Z\"\nuntil = \"2022-06-07T00:00:00Z\"\n"),
            "7:9: until is not after since",
        ),
        (format!("{route}port_key = 0\n{hop}"), "4:12: 0 is no tunnel key"),
        (route.to_owned(), "3:10: this route has no [[route.nexthop]]"),
        (format!("{}{hop}", route.replace("10.0.0.5", "1xx.0.0.5")), "3:10: \"1xx.0.0.5\" is no IP address or prefix"),
        (format!("{}{hop}", route.replace("src-ip", "src")), "2:10: \"src\" is neither src-ip nor dst-ip"),
        (format!("[[route]]\nprefix = \"10.0.0.5\"\n{hop}"), "1:1: missing field `policy`"),
        (
            "[[router_port]]\nname = \"a\"\nnetworks = [\"198.19.3.8\"]\n".to_owned(),
            "3:12: \"198.19.3.8\" is no address with a length",
        ),
        ("[[route]\n".to_owned(), "1:"),
    ];
    for (text, expected) in cases {
        let error = parse(&text, &"f".into()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("f:{expected}")), "{text}\n{error}");
    }
}

proptest! {
    #[test]
    fn arbitrary_text_does_not_panic(text in "\\PC{0,200}") {
        _ = parse(&text, &"f".into());
    }

    #[test]
    fn shuffled_lines_do_not_panic(picks in prop::collection::vec(0..9usize, 0..20)) {
        let lines = [
            "[[route]]", "[[route.nexthop]]", "ip = \"10.0.0.1\"", "policy = \"src-ip\"", "prefix = \"::/0\"", "until = 1",
            "since = \"2022-06-07T00:00:00Z\"", "until = \"1990-06-07T00:00:00Z\"", "port_key = 99999999999",
        ];
        let text: Vec<_> = picks.iter().map(|&pick| lines[pick]).collect();
        _ = parse(&text.join("\n"), &"f".into());
    }
}
