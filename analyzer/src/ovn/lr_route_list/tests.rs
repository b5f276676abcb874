use super::*;
use proptest::prelude::*;

use crate::engine::fact::Gap;

/// `ovn-nbctl lr-route-list GR_worker-08` of OVN 23.03.1, after routes of every kind were added.
const MODERN: &str = "\
IPv4 Routes
Route Table <main>:
            10.168.16.230               198.19.3.15 src-ip rtoe-GR_worker-08 ecmp ecmp-symmetric-reply
            10.168.16.230               198.19.3.16 src-ip rtoe-GR_worker-08 ecmp ecmp-symmetric-reply
            10.168.16.231               198.19.3.15 src-ip rtoe-GR_worker-08 ecmp
            10.168.16.231               198.19.3.16 src-ip rtoe-GR_worker-08 ecmp
            10.168.16.232               198.19.3.18 src-ip rtoe-GR_worker-08 ecmp-symmetric-reply bfd
            10.168.0.0/16                100.64.0.1 dst-ip (learned)
            10.169.0.0/16               198.19.3.17 dst-ip rtoe-GR_worker-08 bfd
            10.170.0.0/16                   discard dst-ip
                0.0.0.0/0                198.19.3.1 dst-ip rtoe-GR_worker-08

Route Table b c:
              10.9.0.0/16               198.19.3.21 dst-ip

Route Table tenant-a:
              10.9.0.0/16               198.19.3.20 dst-ip

IPv6 Routes
Route Table <main>:
fd00:10:244:2:aaaa:bbbb:cccc:230               fd00:19::15 src-ip rtoe-GR_worker-08 ecmp ecmp-symmetric-reply
fd00:10:244:2:aaaa:bbbb:cccc:230 fe80::cc73:29ff:fe6b:39a4 src-ip rtoe-GR_worker-08 ecmp ecmp-symmetric-reply
           fd00:dead::/32                   discard dst-ip
                     ::/0                   fe80::1 dst-ip rtoe-GR_worker-08

Route Table tenant-a:
              fd00:9::/48               fd00:19::20 dst-ip
";

fn read(text: &str, router: Option<&str>) -> (Vec<Route>, Vec<String>) {
    let facts = parse(text.as_bytes(), router, &"lr.txt".into());
    let routes = facts.facts.into_iter().map(|fact| match fact {
        Fact::Route(route) => route,
        other => panic!("{other:?}"),
    });
    (routes.collect(), facts.warnings.iter().chain(&facts.assumptions).map(ToString::to_string).collect())
}

/// The parts of a route that tests compare, in one line.
fn line(route: &Route) -> String {
    let Route { router, route_table, policy, prefix, nexthop, output_port, .. } = route;
    let mut text = format!(
        "{} [{route_table}] {policy:?} {prefix} {} {}",
        router.as_deref().unwrap_or("-"),
        nexthop.map_or("-".to_owned(), |nexthop| nexthop.to_string()),
        output_port.as_deref().unwrap_or("-"),
    );
    for (word, set) in [
        ("symmetric", route.symmetric_reply),
        ("override", route.override_connected),
        ("learned", route.origin == RouteOrigin::Learned),
        ("bfd", route.bfd == BfdRef::Attached),
    ] {
        if set {
            text = format!("{text} {word}");
        }
    }
    text
}

fn lines_of(text: &str, router: Option<&str>) -> (Vec<String>, Vec<String>) {
    let (routes, warnings) = read(text, router);
    (routes.iter().map(line).collect(), warnings)
}

#[test]
fn modern_listing() {
    let (routes, warnings) = lines_of(MODERN, Some("GR_worker-08"));
    let expected = [
        "GR_worker-08 [] SrcIp 10.168.16.230/32 198.19.3.15 rtoe-GR_worker-08 symmetric",
        "GR_worker-08 [] SrcIp 10.168.16.230/32 198.19.3.16 rtoe-GR_worker-08 symmetric",
        "GR_worker-08 [] SrcIp 10.168.16.231/32 198.19.3.15 rtoe-GR_worker-08",
        "GR_worker-08 [] SrcIp 10.168.16.231/32 198.19.3.16 rtoe-GR_worker-08",
        "GR_worker-08 [] SrcIp 10.168.16.232/32 198.19.3.18 rtoe-GR_worker-08 symmetric bfd",
        "GR_worker-08 [] DstIp 10.168.0.0/16 100.64.0.1 - learned",
        "GR_worker-08 [] DstIp 10.169.0.0/16 198.19.3.17 rtoe-GR_worker-08 bfd",
        "GR_worker-08 [] DstIp 10.170.0.0/16 - -",
        "GR_worker-08 [] DstIp 0.0.0.0/0 198.19.3.1 rtoe-GR_worker-08",
        "GR_worker-08 [b c] DstIp 10.9.0.0/16 198.19.3.21 -",
        "GR_worker-08 [tenant-a] DstIp 10.9.0.0/16 198.19.3.20 -",
        "GR_worker-08 [] SrcIp fd00:10:244:2:aaaa:bbbb:cccc:230/128 fd00:19::15 rtoe-GR_worker-08 symmetric",
        "GR_worker-08 [] SrcIp fd00:10:244:2:aaaa:bbbb:cccc:230/128 fe80::cc73:29ff:fe6b:39a4 rtoe-GR_worker-08 symmetric",
        "GR_worker-08 [] DstIp fd00:dead::/32 - -",
        "GR_worker-08 [] DstIp ::/0 fe80::1 rtoe-GR_worker-08",
        "GR_worker-08 [tenant-a] DstIp fd00:9::/48 fd00:19::20 -",
    ];
    assert_eq!(routes, expected);
    assert_eq!(warnings, [""; 0]);
    assert!(read(MODERN, None).0.iter().all(|route| {
        route.router.is_none() && route.source == Source::LrRouteList && route.validity == Validity::ALWAYS
    }));
}

#[test]
fn rows_of_each_era() {
    let cases = [
        // 21.03 to 21.09: ECMP words, no route tables.
        (
            "IPv4 Routes\n           192.168.0.0/24              10.5.204.108 src-ip ecmp ecmp-symmetric-reply bfd\n",
            "- [] SrcIp 192.168.0.0/24 10.5.204.108 - symmetric bfd",
        ),
        // Newer releases: override-connected before bfd.
        (
            "            10.168.16.230               198.19.3.15 src-ip rtoe ecmp-symmetric-reply override-connected bfd\n",
            "- [] SrcIp 10.168.16.230/32 198.19.3.15 rtoe symmetric override bfd",
        ),
        // A route without next hop leaves by its port.
        ("              10.9.0.0/16                           dst-ip rtoe\n", "- [] DstIp 10.9.0.0/16 - rtoe"),
        // Spaces collapsed by what the text went through.
        (
            "10.128.2.206 172.18.0.10 src-ip rtoe-GR_w ecmp-symmetric-reply bfd\r\n",
            "- [] SrcIp 10.128.2.206/32 172.18.0.10 rtoe-GR_w symmetric bfd",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(lines_of(text, None), (vec![expected.to_owned()], vec![]), "{text}");
    }
}

#[test]
fn old_era_does_not_tell_symmetry() {
    let text = "\
IPv4 Routes
           192.168.16.230               198.19.3.15 src-ip
           192.168.16.230               198.19.3.16 src-ip
               10.168.0.0/16             100.64.0.1 dst-ip
                0.0.0.0/0                198.19.3.1 dst-ip rtoe-GR_worker-08
";
    let (routes, warnings) = lines_of(text, None);
    let expected = [
        "- [] SrcIp 192.168.16.230/32 198.19.3.15 - symmetric",
        "- [] SrcIp 192.168.16.230/32 198.19.3.16 - symmetric",
        "- [] DstIp 10.168.0.0/16 100.64.0.1 -",
        "- [] DstIp 0.0.0.0/0 198.19.3.1 rtoe-GR_worker-08",
    ];
    assert_eq!(routes, expected);
    assert_eq!(warnings, ["lr.txt:2: this format does not tell whether replies are symmetric; taken as symmetric"]);

    // One row with an ECMP word shows that the format has them, and so does a heading of route tables: the two rows of one
    // prefix have lost it.
    let with_words = format!("{text}           192.168.16.231               198.19.3.15 src-ip ecmp\n");
    let with_table = text.replace("IPv4 Routes", "Route Table <main>:");
    for text in [with_words, with_table] {
        let (routes, warnings) = read(&text, None);
        let is_cut = |route: &Route| route.symmetric_reply && route.bfd == BfdRef::Unread;
        assert_eq!(routes.iter().map(is_cut).collect::<Vec<_>>()[..4], [true, true, false, false]);
        let lost = "words of this row are lost: whether BFD watches its next hop is not known";
        assert_eq!(warnings, [2, 3].map(|line| format!("lr.txt:{line}: {lost}")));
    }
    // The same row twice is no group.
    let twice = "10.0.0.5 1.1.1.1 src-ip\n10.0.0.5 1.1.1.1 src-ip\n";
    assert_eq!(lines_of(twice, None), (vec!["- [] SrcIp 10.0.0.5/32 1.1.1.1 -".to_owned()], vec![]));
}

#[test]
fn the_incident() {
    let text = "\
# ovn-nbctl lr-route-list GR_worker-08 | grep 16.230
           192.168.16.230               198.19.3.15 src-ip ecmp ecmp-symmetric-reply
           192.168.16.230               198.19.3.16 src-ip ecmp ecmp-symmetric-reply
";
    let expected = [
        "GR_worker-08 [] SrcIp 192.168.16.230/32 198.19.3.15 - symmetric",
        "GR_worker-08 [] SrcIp 192.168.16.230/32 198.19.3.16 - symmetric",
    ];
    assert_eq!(lines_of(text, None), (expected.map(str::to_owned).to_vec(), vec![]));

    let (routes, warnings) = lines_of(&text.replace("192.168.16", "1xx.168.16"), None);
    assert_eq!(routes, [""; 0]);
    assert_eq!(warnings.len(), 2);
    assert!(warnings[0].starts_with("lr.txt:2:12: \"1xx.168.16.230\" is no IP address"), "{}", warnings[0]);
    assert!(warnings[0].contains("masked"));
}

#[test]
fn prompts_name_the_router() {
    let row = "10.0.0.5 1.1.1.1 src-ip ecmp-symmetric-reply\n";
    let cases = [
        ("# ovn-nbctl lr-route-list GR_a", "GR_a"),
        ("[root@w ~]# ovn-nbctl --db=unix:/x lr-route-list --route-table=b GR_a | grep 5", "GR_a"),
        ("$ oc exec -n openshift-ovn-kubernetes p -c nbdb -- ovn-nbctl lr-route-list 'GR_a'>x", "GR_a"),
        ("$ kubectl ko nbctl lr-route-list vpc1", "vpc1"),
        // No name to be had: the caller's stands.
        ("# ovn-nbctl lr-route-list 6a53807f-388f-4071-99b3-15eb5d02af44", "given"),
        ("# ovn-nbctl lr-route-list $GR", "given"),
        ("# ovn-nbctl lr-route-list", "given"),
    ];
    for (prompt, router) in cases {
        let (routes, warnings) = read(&format!("{prompt}\n{row}"), Some("given"));
        assert_eq!(routes[0].router.as_deref(), Some(router), "{prompt}");
        assert_eq!(warnings, [""; 0], "{prompt}");
    }
    let two = format!("# ovn-nbctl lr-route-list GR_a\nRoute Table t:\n{row}# ovn-nbctl lr-route-list GR_b\n{row}");
    let (routes, _) = lines_of(&two, None);
    assert_eq!(
        routes,
        ["GR_a [t] SrcIp 10.0.0.5/32 1.1.1.1 - symmetric", "GR_b [] SrcIp 10.0.0.5/32 1.1.1.1 - symmetric"]
    );
}

/// `ovn-nbctl lr-route-list GR_worker-08 | grep -n .`, `grep -H 230 FILE`, `grep -Hn`, `grep -A1`.
#[test]
fn what_grep_prints_before_rows() {
    let expected = read(MODERN, None).0;
    let numbered: String = MODERN
        .lines()
        .zip(1..)
        .filter(|(line, _)| !line.is_empty())
        .map(|(line, number)| format!("{number}:{line}\n"))
        .collect();
    let named: String = MODERN.lines().map(|line| format!("dir/lr-route-list.GR_worker-08.txt:{line}\n")).collect();
    let both: String = MODERN.lines().zip(1..).map(|(line, number)| format!("a-b.txt:{number}:{line}\n")).collect();
    let context: String =
        MODERN.lines().zip(1..).map(|(line, number)| format!("a-b.txt-{number}-{line}\n--\n")).collect();
    for text in [numbered, named, both, context] {
        let (routes, warnings) = read(&text, None);
        assert_eq!(routes, expected, "{text}");
        assert_eq!(warnings, [""; 0], "{text}");
    }
    // After a line with a number in front, an address that begins with digits is a number and an address.
    let glued = "7:                 ::/0                   fe80::1 dst-ip\n23:fd00:1:2:3::/64 fe80::1 dst-ip\n";
    assert_eq!(read(glued, None).0[1].prefix.to_string(), "fd00:1:2:3::/64");
    assert_eq!(read("23:fd00:1:2:3::/64 fe80::1 dst-ip\n", None).0[0].prefix.to_string(), "23:fd00:1:2::/64");
}

/// Rows that a terminal wrapped twice, or that end where a text is cut, do not tell that BFD watches nothing.
#[test]
fn flags_that_were_lost_are_unknown() {
    let row = "               192.0.2.5             198.51.100.15 src-ip rtoe-GR_worker2 ecmp";
    for (text, expected) in [
        (format!("{row}\n"), BfdRef::Unread),
        (format!("{row} e\n"), BfdRef::Unread),
        (format!("{row} ecmp-symm\nwhat else\n"), BfdRef::Unread),
        (format!("{}\n{row}\n", "a longer line".repeat(9)), BfdRef::None),
        (format!("{row} ecmp-symmetric-reply bfd\n"), BfdRef::Attached),
        (format!("{row} ecmp-symmetric\n-reply bf\nand more of\n{}\n", "a longer line".repeat(9)), BfdRef::Unread),
        (format!("{row}\nbfd\n"), BfdRef::Attached),
    ] {
        let (routes, warnings) = read(&text, None);
        assert_eq!(routes[0].bfd, expected, "{text}: {warnings:?}");
        assert_eq!(routes[0].output_port.as_deref(), Some("rtoe-GR_worker2"));
        let is_told = warnings.iter().any(|warning| warning.contains("whether BFD watches"));
        assert_eq!(is_told, expected == BfdRef::Unread, "{text}: {warnings:?}");
    }
}

#[test]
fn a_comment_ends_a_row() {
    let (routes, warnings) =
        lines_of("  192.0.2.230  198.51.100.15 src-ip rtoe-GR_w  # replaced .14, no bfd yet\n", None);
    assert_eq!(routes, ["- [] SrcIp 192.0.2.230/32 198.51.100.15 rtoe-GR_w"]);
    assert_eq!(warnings, ["lr.txt:1: the comment behind this row was not read"]);
}

#[test]
fn what_is_not_understood_is_named() {
    let cases = [
        ("10.0.0.0/33 1.1.1.1 dst-ip", "lr.txt:1:1: \"10.0.0.0/33\" is no IP address or prefix"),
        ("   10.0.0.0/8   nowhere dst-ip", "lr.txt:1:17: \"nowhere\" is no next hop"),
        ("10.0.0.0/8 1.1.1.1 via-ip", "lr.txt:1:20: \"via-ip\" is no policy"),
        ("10.0.0.0/8 1.1.1.1", "lr.txt:1:1: \"\" is no policy"),
        ("12:  1xx.0.0.1 1.1.1.1 dst-ip", "lr.txt:1:6: \"1xx.0.0.1\" is no IP address"),
        ("command terminated with exit code 1", "lr.txt:1:1: this is no row"),
        ("10.0.0.0/8 1.1.1.1 dst-ip port ecmp shiny", "lr.txt:1:37: the word \"shiny\" is not known"),
    ];
    for (text, expected) in cases {
        let (_, warnings) = read(text, None);
        assert_eq!(warnings.len(), 1, "{text}");
        assert!(warnings[0].starts_with(expected), "{text}: {}", warnings[0]);
    }
    let facts = parse(&[b"x".repeat(5000), b"\n\xff\n".to_vec()].concat(), None, &"lr.txt".into());
    assert_eq!(facts.warnings.len(), 2);
    assert_eq!(facts.facts, []);
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(text in prop::collection::vec(any::<u8>(), 0..400)) {
        parse(&text, None, &"f".into());
    }

    /// Text near to what is expected goes deeper than arbitrary bytes.
    #[test]
    fn shuffled_words_do_not_panic(picks in prop::collection::vec(0..15usize, 0..60)) {
        let words = [
            "10.0.0.5", "fd00::/64", "1.1.1.1", "discard", "src-ip", "dst-ip", "ecmp", "bfd", "23:", "-", "\n", " ",
            "lr-route-list", "Route Table", "\u{e9}:",
        ];
        let text: Vec<_> = picks.iter().map(|&pick| words[pick]).collect();
        parse(text.concat().as_bytes(), Some("r"), &"f".into());
        parse(text.join(" ").as_bytes(), None, &"f".into());
    }
}

/// What is lost is told by its line in the user's file, and by what of it can be read.
#[test]
fn lost_rows_are_gaps() {
    let row = "10.168.16.230 198.19.3.15 src-ip rtoe-GR_w ecmp ecmp-symmetric-reply";
    let gaps = |text: &str| {
        let gaps = parse(text.as_bytes(), Some("GR_w"), &"lr.txt".into()).gaps;
        gaps.into_iter().map(|gap| (Gap::code(&gap.place), gap.scope)).collect::<Vec<_>>()
    };
    let routes = |router: Option<&str>, prefix: Option<&str>| Scope::Routes {
        router: router.map(Arc::from),
        policy: prefix.map(|_| Policy::SrcIp),
        prefix: prefix.map(|prefix| prefix.parse().unwrap()),
    };
    let masked = row.replace("3.15", "x.15");
    let quoted = format!("> w# ip route get 10.0.0.1 from 10.0.0.2\n>\n> {row}\n> {masked}\n> so far\n");
    assert_eq!(gaps(&quoted), [("gap:lr.txt:4".to_owned(), routes(Some("GR_w"), Some("10.168.16.230")))]);
    let long = format!("{row}\n{}\n", "x".repeat(MAX_LINE + 1));
    assert_eq!(gaps(&long), [("gap:lr.txt:2".to_owned(), routes(None, None))]);
    // Words of the row above.
    let of_row = [("gap:lr.txt:1".to_owned(), routes(Some("GR_w"), Some("10.168.16.230")))];
    assert_eq!(gaps(&format!("{row}\necmp-symm\n")), of_row);
    let lost = [
        row.replace("ecmp ecmp-symmetric", "b** ecmp-symmetric"),
        row.replace("rtoe-GR_w", "rtoe- GR_w"),
        row.replace("GR_w", "G?_w"),
        row.replace(" ecmp-symmetric-reply", " "),
        row.replace("reply", "rep"),
    ];
    for text in lost {
        assert_eq!(gaps(&text), of_row, "{text}");
    }
    // What may be the heading of another table bears on the rows below it.
    for heading in
        ["Route Tab", "Route Table gre", "R\u{fffd}\u{fffd}\u{fffd}e Table green:", "rtoe-GR_aRoute Table green:"]
    {
        assert_eq!(gaps(&format!("{row} {heading}").replace(" R", "\nR")).len(), 1, "{heading}");
    }
}
