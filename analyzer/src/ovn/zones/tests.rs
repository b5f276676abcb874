use super::*;
use crate::ovsdb::row::{Atom, Datum, Row};
use crate::types::Timestamp;
use proptest::prelude::*;

fn read(text: &str) -> (Vec<(String, u16)>, Vec<String>) {
    let facts = parse(text.as_bytes(), &"ct-zones.txt".into());
    let zones = facts.facts.into_iter().map(|fact| match fact {
        Fact::Zone(zone) => {
            assert_eq!(zone.validity, Validity::ALWAYS);
            (zone.name.to_string(), zone.zone)
        }
        other => panic!("{other:?}"),
    });
    (zones.collect(), facts.warnings.iter().map(ToString::to_string).collect())
}

fn named(zones: &[(&str, u16)]) -> Vec<(String, u16)> {
    zones.iter().map(|&(name, zone)| (name.to_owned(), zone)).collect()
}

/// `ovs-vsctl --columns=external_ids list bridge br-int` of OVN 22.03, shortened, and the same as lines.
#[test]
fn external_ids() {
    let text = r#"external_ids        : {ct-zone-e1b9f486-2bf0-4631-82ab-4d8d8bb1d569_dnat="8", ct-zone-e1b9f486-2bf0-4631-82ab-4d8d8bb1d569_snat="0", ct-zone-default_pod-230="1", ovn-nb-cfg="1", ovn-startup-ts="1795354398777"}
ct-zone-default_pod-230=1
ct-zone-rtoj-GR_worker-08=15
"#;
    let expected = named(&[
        ("e1b9f486-2bf0-4631-82ab-4d8d8bb1d569_dnat", 8),
        ("e1b9f486-2bf0-4631-82ab-4d8d8bb1d569_snat", 0),
        ("default_pod-230", 1),
        ("rtoj-GR_worker-08", 15),
    ]);
    assert_eq!(read(text), (expected, vec![]));
}

#[test]
fn forms_of_external_ids() {
    let cases = [
        // ovs-vsctl get bridge br-int external_ids
        (r#"{ct-zone-GR_node1_dnat="35", ct-zone-range="1-100"}"#, named(&[("GR_node1_dnat", 35)])),
        // A name that OVS quotes.
        (r#"{"ct-zone-a b"="3", "ct-zone-\"q\", x=1"="4"}"#, named(&[("a b", 3), ("\"q\", x=1", 4)])),
        ("ct-zone-GR_node1_dnat=\"35\"", named(&[("GR_node1_dnat", 35)])),
        ("  ct-zone-GR_node1_dnat=35\r\n\r\n", named(&[("GR_node1_dnat", 35)])),
        // All of ovs-vsctl list bridge br-int.
        (
            "_uuid               : 34\nname                : br-int\nmcast_snooping_enable: false\nflood_vlans         : []\nexternal_ids        : {ct-zone-a=\"3\"}\n",
            named(&[("a", 3)]),
        ),
        ("# ovs-vsctl get bridge br-int external_ids\n{}\n", vec![]),
    ];
    for (text, expected) in cases {
        let (zones, warnings) = read(text);
        assert_eq!(zones, expected, "{text}");
        assert!(warnings.is_empty() || text.contains("{}"), "{text}: {warnings:?}");
    }
}

/// `ovn-appctl -t ovn-controller ct-zone-list` of OVN 22.03, shortened.
#[test]
fn zone_list() {
    let text = "\
[root@w ~]# ovn-appctl -t ovn-controller ct-zone-list
e1b9f486-2bf0-4631-82ab-4d8d8bb1d569_snat 0
br-ex_worker-08 9
GR_node1_dnat 35
";
    let expected =
        named(&[("e1b9f486-2bf0-4631-82ab-4d8d8bb1d569_snat", 0), ("br-ex_worker-08", 9), ("GR_node1_dnat", 35)]);
    assert_eq!(read(text), (expected, vec![]));
}

#[test]
fn what_is_not_understood_is_named() {
    let cases = [
        ("ct-zone-a=65536", "ct-zones.txt:1:1: \"65536\" is no zone of ct-zone-a: expected 0 to 65535"),
        ("\n{x=1, ct-zone-a=\"-1\"}", "ct-zones.txt:2:7: \"-1\" is no zone of ct-zone-a"),
        ("a 70000", "ct-zones.txt:1:3: \"70000\" is no zone of ct-zone-a"),
        ("nothing of the kind", "ct-zones.txt:1: this line names no zone"),
    ];
    for (text, expected) in cases {
        let (zones, warnings) = read(text);
        assert_eq!(zones, [], "{text}");
        assert_eq!(warnings.len(), 1, "{text}");
        assert!(warnings[0].starts_with(expected), "{}", warnings[0]);
    }
}

#[test]
fn rows_of_the_bridge() {
    let validity = |from, until: Option<u64>| Validity {
        from: Some(Timestamp::from_nanos(from)),
        until: until.map(Timestamp::from_nanos),
    };
    let version = |pairs: &[(&str, &str)], validity| {
        let text = |text: &str| Atom::String(text.into());
        let map = Datum::Map(pairs.iter().map(|(key, value)| (text(key), text(value))).collect());
        RowVersion { row: Row { uuid: "b1".into(), columns: [(Arc::from("external_ids"), map)].into() }, validity }
    };
    let since = Some(Timestamp::from_nanos(1));
    let tables = Tables {
        since,
        last: Some(Timestamp::from_nanos(5)),
        lost: Vec::new(),
        tables: [(
            Arc::from("Bridge"),
            vec![
                version(&[("ct-zone-a_dnat", "3"), ("ovn-nb-cfg", "1"), ("ct-zone-bad", "x")], validity(1, Some(3))),
                version(&[("ct-zone-a_dnat", "3"), ("ovn-nb-cfg", "2"), ("ct-zone-bad", "x")], validity(3, Some(5))),
                version(&[("ct-zone-a_dnat", "4"), ("ct-zone-range", "1-9")], validity(5, None)),
            ],
        )]
        .into(),
    };
    let facts = facts(&tables, &"conf.db".into());
    let zone = |zone, validity| Fact::Zone(Zone { zone, name: "a_dnat".into(), validity });
    assert_eq!(facts.facts, [zone(3, validity(1, Some(5))), zone(4, validity(5, None))]);
    assert_eq!(facts.since, since);
    assert_eq!(facts.warnings.len(), 1);
    assert_eq!(
        facts.warnings[0].to_string(),
        "conf.db: row b1 of Bridge: \"x\" is no zone of ct-zone-bad: expected 0 to 65535"
    );
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(text in prop::collection::vec(any::<u8>(), 0..300)) {
        parse(&text, &"f".into());
    }

    #[test]
    fn shuffled_tokens_do_not_panic(picks in prop::collection::vec(0..12usize, 0..60)) {
        let tokens = ["ct-zone-", "a", "=", "\"", "3", "{", "}", ",", "\n", "\\", " ", "\u{e9}"];
        let text: String = picks.iter().map(|&pick| tokens[pick]).collect();
        parse(text.as_bytes(), &"f".into());
    }
}

/// A terminal that breaks a UUID leaves two halves, the second of which looks like a row.
#[test]
fn halves_of_a_zone() {
    for text in [
        "00000000-0000-4000-8000-000\n000000000_dnat 32\n",
        "000000\n00-0000-4000-8000-000000000000_dnat 30\n",
        "00000000-0000-4000-8000-000000000000_dnat\n32\n",
    ] {
        assert!(!parse(text.as_bytes(), &"zones".into()).gaps.is_empty(), "{text}");
    }
}

/// The rest of a broken line is indented where a terminal did it.
#[test]
fn a_word_above_an_indented_row() {
    let gaps = |text: &str| parse(text.as_bytes(), &"zones".into()).gaps.len();
    assert_eq!(gaps("default_pod-5 50\nG\n  R_a_dnat 30\n"), 1);
    assert_eq!(gaps("  GR_a_dnat 30\n  exit\n"), 0);
}
