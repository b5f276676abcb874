use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::engine::fact::Policy;
use crate::engine::finding::Assumes;
use crate::engine::finding::{
    CitedConnection, CtDirection, ExpectedNexthop, Finding, Latent, LatentState, Listed, NexthopState, RouteId,
};
use crate::engine::verdict::{Verdict, Violating};
use crate::output::Report;
use crate::types::{MacAddr, Timestamp, Tuple};

const DEAD: MacAddr = MacAddr([0xce, 0x73, 0x29, 0x66, 0x39, 0xa4]);
const START: u64 = 1_654_814_908;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis((START + seconds) * 1000)
}

fn report() -> Report {
    Report { nic_names: vec![Some("ens1".to_owned())], time_digits: 3, ..Report::default() }
}

fn tuple(port: u16) -> Tuple {
    format!("udp 192.168.16.230:{port} -> 172.27.0.13:5005").parse().unwrap()
}

fn cited(port: u16) -> CitedConnection {
    CitedConnection {
        orig: tuple(port).reversed(),
        reply: tuple(port),
        zone: 35,
        zone_name: Some("GR_worker-08_dnat".into()),
        direction: CtDirection::Reply,
        label: 0x2_ce73_2966_39a4_0000_0000,
        mark: 0,
        reply_eth: DEAD,
        reply_port: 2,
    }
}

fn finding(port: u16, mac: MacAddr, second: u64) -> Finding {
    Finding {
        verdict: Verdict::Violating(Violating::StaleConntrack),
        nic: 0,
        tuple: tuple(port),
        estimated: false,
        later_fragments: false,
        vlan: Vec::new(),
        eth_src: MacAddr([2, 0, 0, 0, 0, 1]),
        eth_dst: Some(mac),
        packets: 1,
        bytes: 60,
        first_seen: at(second),
        last_seen: at(second),
        routes: vec![RouteId {
            router: Some("GR_worker-08".into()),
            route_table: "".into(),
            policy: Policy::SrcIp,
            prefix: "192.168.16.230/32".parse().unwrap(),
        }]
        .into(),
        expected: vec![ExpectedNexthop {
            nexthop: "198.19.3.15".parse().unwrap(),
            lladdr: Some(MacAddr([0xee, 0x8d, 0x82, 0xdb, 0xf9, 0xc4])),
            state: NexthopState::Active,
        }]
        .into(),
        conntrack: vec![cited(port)].into(),
        last_legal: None,
        heard: None,
        assumes: Assumes::default(),
        known_as: Listed::default(),
        evidence: Listed::default(),
    }
}

fn latent(port: u16) -> Latent {
    let Finding { routes, expected, .. } = finding(port, DEAD, 0);
    Latent {
        state: LatentState::Armed,
        connection: cited(port),
        routes,
        expected,
        last_legal: None,
        assumes: Assumes::default(),
        known_as: Listed::default(),
        evidence: Listed::default(),
    }
}

fn member(port: u16) -> Member {
    Member::of_finding(&finding(port, DEAD, 0))
}

fn open(settings: Settings) -> Alerts {
    let mut alerts = Alerts::new(settings);
    alerts.watch(None, BTreeSet::from(["ens1".to_owned()]), at(0));
    alerts
}

/// A violating flow with one packet, as the daemon tells it.
fn sees(alerts: &mut Alerts, port: u16, mac: MacAddr, second: u64) {
    alerts.violating(&finding(port, mac, second), &report(), at(second));
    alerts.count(&member(port), mac, Counts { packets: 1, bytes: 60 }, at(second));
}

/// What is told up to and with a second, ticking each second from the one before.
fn told(alerts: &mut Alerts, seconds: std::ops::RangeInclusive<u64>) -> Vec<(u64, Alert)> {
    let mut all = Vec::new();
    for second in seconds {
        alerts.tick(true, at(second));
        all.extend(alerts.poll(&report(), at(second)).into_iter().map(|alert| (second, alert)));
    }
    all
}

fn kinds(told: &[(u64, Alert)]) -> Vec<(u64, &'static str)> {
    told.iter().map(|(second, alert)| (*second, alert.kind.name())).collect()
}

fn value<'a>(alert: &'a Alert, name: &str) -> Option<&'a str> {
    alert.fields.iter().find(|field| field.name == name).map(|field| field.value.as_str())
}

#[test]
fn the_first_packet_is_told_at_once_with_all_that_is_needed() {
    let mut alerts = open(Settings::default());
    sees(&mut alerts, 59943, DEAD, 0);
    let told = alerts.poll(&report(), at(0));
    let [alert] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((alert.kind, alert.reason), (Kind::Violation, Some("stale-conntrack")));
    assert_eq!(
        alert.text,
        "udp 192.168.16.230:59943 -> 172.27.0.13:5005 leaves to ce:73:29:66:39:a4 by ens1; next hops: 198.19.3.15 at \
         ee:8d:82:db:f9:c4; conntrack zone 35 (GR_worker-08_dnat)"
    );
    for (name, expected) in [
        ("id", "ce73296639a4-62a278bc"),
        ("eth_dst", "ce:73:29:66:39:a4"),
        ("sport", "59943"),
        ("nic", "ens1"),
        ("nexthops", "198.19.3.15=ee:8d:82:db:f9:c4/active"),
        ("zone", "35"),
        ("zone_name", "GR_worker-08_dnat"),
        ("label", "0x2ce73296639a400000000"),
        ("router", "GR_worker-08"),
        ("prefix", "192.168.16.230/32"),
        ("flows", "1"),
        ("packets", "1"),
        ("repair", "analyzer repair --mac ce:73:29:66:39:a4"),
    ] {
        assert_eq!(value(alert, name), Some(expected), "{name}");
    }
    assert!(value(alert, "remedy").is_some_and(|remedy| remedy.starts_with("conntrack -D -w 35 -p udp")));
    assert!(alerts.poll(&report(), at(0)).is_empty(), "once");
}

#[test]
fn fifty_thousand_flows_are_two_messages() {
    let mut alerts = open(Settings::default());
    sees(&mut alerts, 1, DEAD, 0);
    assert_eq!(alerts.poll(&report(), at(0)).len(), 1);
    for port in 2..=50_000 {
        sees(&mut alerts, port, DEAD, 0);
    }
    let told = told(&mut alerts, 0..=59);
    assert_eq!(kinds(&told), [(10, "VIOLATION")]);
    let alert = &told[0].1;
    assert_eq!((value(alert, "flows"), value(alert, "new_flows")), (Some("50000"), Some("49999")));
    assert_eq!(alert.fields.iter().filter(|field| field.name == "flow").count(), 8);
    assert!(alert.text.starts_with("49999 more flows leave to ce:73:29:66:39:a4, 50000 in all; one of them: udp"));
}

#[test]
fn windows_grow_while_flows_keep_coming_and_shrink_again() {
    let mut alerts = open(Settings { hold: Duration::from_secs(10_000), ..Settings::default() });
    let mut seen = Vec::new();
    for second in 0..300 {
        sees(&mut alerts, second as u16, DEAD, second);
        seen.extend(told(&mut alerts, second..=second));
    }
    let violations = kinds(&seen).into_iter().filter(|(_, kind)| *kind == "VIOLATION").map(|(second, _)| second);
    assert_eq!(violations.collect::<Vec<_>>(), [0, 10, 30, 70, 150]);
    // Nothing new for long, then a single flow: at once.
    seen = told(&mut alerts, 300..=5000);
    seen.clear();
    sees(&mut alerts, 40_000, DEAD, 5001);
    seen.extend(told(&mut alerts, 5001..=5001));
    let violation = seen.iter().find(|(_, alert)| alert.kind == Kind::Violation);
    assert_eq!(violation.and_then(|(_, alert)| value(alert, "sport")), Some("40000"));
}

#[test]
fn reminders_come_at_growing_intervals_as_long_as_packets_do() {
    let mut alerts = open(Settings { hold: Duration::from_secs(100_000), ..Settings::default() });
    let mut seen = Vec::new();
    for second in 0..3000 {
        if second < 1500 {
            sees(&mut alerts, 1, DEAD, second);
        }
        seen.extend(told(&mut alerts, second..=second));
    }
    assert_eq!(kinds(&seen), [(0, "VIOLATION"), (300, "REPEATED"), (900, "REPEATED"), (2100, "REPEATED")]);
    assert_eq!(value(&seen[3].1, "packets"), Some("1500"));
    assert!(told(&mut alerts, 3000..=20_000).is_empty(), "no packet, no reminder");
}

#[test]
fn clearing_says_how() {
    let mut alerts = open(Settings::default());
    let ids = |told: &[(u64, Alert)]| told.iter().map(|it| value(&it.1, "id").unwrap().to_owned()).collect::<Vec<_>>();
    for (port, end) in [(1, "conforming"), (2, "entry-gone"), (3, "quiet")] {
        let second = u64::from(port) * 1000;
        sees(&mut alerts, port, DEAD, second);
        let first = told(&mut alerts, second..=second);
        match end {
            "conforming" => alerts.conforms(&member(port), Timestamp::MAX),
            "entry-gone" => alerts.end(&member(port), DEAD, End::EntryGone),
            _ => {}
        }
        let cleared = told(&mut alerts, second + 1..=second + 100);
        let after = if end == "quiet" { 60 } else { 1 };
        assert_eq!(kinds(&cleared), [(second + after, "CLEARED")]);
        assert_eq!(value(&cleared[0].1, "cleared"), Some(end));
        assert_eq!(ids(&first), ids(&cleared));
        assert_eq!(value(&cleared[0].1, "sport"), Some(port.to_string().as_str()));
    }
    // Several flows, several ends, one message.
    (1..=5).for_each(|port| sees(&mut alerts, port, DEAD, 10_000));
    alerts.conforms(&member(1), Timestamp::MAX);
    alerts.conforms(&member(2), Timestamp::MAX);
    alerts.end(&member(3), DEAD, End::EntryGone);
    let told = told(&mut alerts, 10_000..=10_100);
    assert_eq!(kinds(&told), [(10_000, "VIOLATION"), (10_060, "CLEARED")]);
    let cleared = &told[1].1;
    let counts = ["cleared", "cleared_conforming", "cleared_entry_gone", "cleared_quiet", "flows", "open_flows"];
    assert_eq!(counts.map(|name| value(cleared, name).unwrap()), ["mixed", "2", "1", "2", "5", "0"]);
    assert_eq!(
        cleared.text,
        "no flow leaves to ce:73:29:66:39:a4 any more; of 5: 2 conform again, 1 without the conntrack entry, 2 quiet for \
         60 s"
    );
}

#[test]
fn a_flow_that_comes_back_is_a_new_cause() {
    let mut alerts = open(Settings::default());
    sees(&mut alerts, 1, DEAD, 0);
    assert_eq!(kinds(&told(&mut alerts, 0..=100)), [(0, "VIOLATION"), (60, "CLEARED")]);
    sees(&mut alerts, 1, DEAD, 200);
    let told = told(&mut alerts, 200..=200);
    assert_eq!(kinds(&told), [(200, "VIOLATION")]);
    assert_eq!(value(&told[0].1, "id"), Some("ce73296639a4-62a27984"));
}

/// Names have seconds, and a cause may come and go twice in one.
#[test]
fn each_cause_has_a_name_of_its_own() {
    let mut alerts = open(Settings::default());
    let mut ids = BTreeSet::new();
    for port in 1..=3 {
        sees(&mut alerts, port, DEAD, 10);
        ids.extend(alerts.poll(&report(), at(10)).iter().map(|alert| value(alert, "id").unwrap().to_owned()));
        alerts.conforms(&member(port), at(11));
        assert_eq!(alerts.poll(&report(), at(10))[0].kind, Kind::Cleared);
    }
    assert_eq!(ids.len(), 3, "{ids:?}");
}

/// Of two keys of the kernel the one whose packets came first may be booked last.
#[test]
fn packets_from_before_excuse_nothing() {
    let mut alerts = open(Settings::default());
    sees(&mut alerts, 1, DEAD, 10);
    alerts.excused(&member(1), DEAD, at(9));
    assert_eq!(kinds(&told(&mut alerts, 10..=20)), [(10, "VIOLATION")]);
    alerts.excused(&member(1), DEAD, at(20));
    assert_eq!(kinds(&told(&mut alerts, 21..=21)), [(21, "CLEARED")]);
}

#[test]
fn a_clock_that_was_set_back_gives_no_cause_another_name() {
    let mut alerts = open(Settings::default());
    sees(&mut alerts, 1, DEAD, 5000);
    let first = told(&mut alerts, 5000..=5000);
    let mut restored = open(Settings::default());
    restored.restore(&alerts.save(), at(1000)).unwrap();
    let cleared = told(&mut restored, 1000..=1100);
    assert_eq!(kinds(&cleared), [(1060, "CLEARED")]);
    assert_eq!(value(&cleared[0].1, "id"), value(&first[0].1, "id"));
}

#[test]
fn what_is_quiet_is_asked_for_in_turn() {
    let mut alerts = open(Settings::default());
    (1..=10).for_each(|port| sees(&mut alerts, port, DEAD, 0));
    sees(&mut alerts, 11, DEAD, 5);
    let mut asked: Vec<Member> = Vec::new();
    for second in 6..=7 {
        for silent in alerts.silent(at(5)).into_iter().take(5) {
            alerts.looked(&silent.member, silent.mac, at(second));
            asked.push(silent.member);
        }
    }
    asked.sort();
    assert_eq!(asked, (1..=10).map(member).collect::<Vec<_>>(), "each once, and none that goes on");
}

#[test]
fn nobody_watches_and_nothing_is_over() {
    let mut alerts = open(Settings::default());
    sees(&mut alerts, 1, DEAD, 0);
    assert_eq!(kinds(&told(&mut alerts, 0..=0)), [(0, "VIOLATION")]);
    for second in 1..=200 {
        alerts.tick(false, at(second));
        assert_eq!(alerts.poll(&report(), at(second)), [], "{second}");
    }
    assert_eq!(kinds(&told(&mut alerts, 201..=300)), [(260, "CLEARED")]);
}

#[test]
fn packets_of_before_end_no_violation() {
    let mut alerts = open(Settings::default());
    sees(&mut alerts, 1, DEAD, 10);
    alerts.conforms(&member(1), at(9));
    assert_eq!(kinds(&told(&mut alerts, 10..=11)), [(10, "VIOLATION")]);
    // Undetermined packets to the MAC: it goes on.
    alerts.goes_on(&member(1), DEAD, at(50));
    assert_eq!(kinds(&told(&mut alerts, 12..=109)), []);
    alerts.conforms(&member(1), at(109));
    assert_eq!(kinds(&told(&mut alerts, 109..=109)), [(109, "CLEARED")]);
}

#[test]
fn a_cause_that_comes_back_has_a_name_of_its_own() {
    let mut alerts = open(Settings::default());
    let mut ids = Vec::new();
    for second in [0, 90] {
        // The kernel counts from the first packet on.
        let finding = Finding { last_seen: at(second), ..finding(1, DEAD, 0) };
        alerts.violating(&finding, &report(), at(second));
        ids.extend(
            told(&mut alerts, second..=second + 89)
                .into_iter()
                .map(|(_, alert)| (alert.kind.name(), value(&alert, "id").unwrap().to_owned())),
        );
    }
    let [(first, a), (_, b), (third, c), (_, d)] = ids.as_slice() else { panic!("{ids:?}") };
    assert_eq!((*first, *third), ("VIOLATION", "VIOLATION"));
    assert!(a == b && c == d && a != c, "{ids:?}");
}

#[test]
fn a_source_that_was_lost_before_a_restart() {
    let mut alerts = open(Settings::default());
    alerts.source("nb", "unix:nb", Some("refused"), at(0));
    alerts.source("sb", "unix:sb", Some("refused"), at(0));
    assert_eq!(told(&mut alerts, 0..=0).len(), 2);
    let mut again = open(Settings::default());
    again.restore(&alerts.save(), at(10)).unwrap();
    again.source("nb", "unix:nb", Some("refused"), at(11));
    again.source("sb", "unix:sb", None, at(11));
    let told = told(&mut again, 11..=60);
    assert_eq!(kinds(&told), [(11, "SOURCE-BACK")]);
    assert_eq!(value(&told[0].1, "source"), Some("sb"));
}

#[test]
fn latent_entries_are_gathered_and_cleared() {
    let mut alerts = open(Settings::default());
    let entries: Vec<Latent> = (1..=3).map(latent).collect();
    alerts.latent(&entries, |_, _| false, &report(), at(0));
    let first = told(&mut alerts, 0..=0);
    assert_eq!(kinds(&first), [(0, "LATENT")]);
    assert_eq!(first[0].1.reason, Some("armed"));
    assert_eq!(value(&first[0].1, "flow"), Some("zone 35 udp 172.27.0.13:5005 -> 192.168.16.230:1"));
    alerts.latent(&entries, |_, _| false, &report(), at(60));
    assert_eq!(kinds(&told(&mut alerts, 60..=600)), [(300, "REPEATED")]);
    alerts.latent(&entries[..1], |_, _| false, &report(), at(601));
    assert!(told(&mut alerts, 601..=602).is_empty());
    alerts.latent(&[], |_, _| false, &report(), at(603));
    let cleared = told(&mut alerts, 603..=603);
    assert_eq!(kinds(&cleared), [(603, "CLEARED")]);
    assert_eq!(value(&cleared[0].1, "cleared"), Some("entry-gone"));
    // One that is there, and that OVN applies no more; and one that a finding tells of.
    alerts.latent(&entries[..2], |_, _| false, &report(), at(650));
    let unused = Latent { state: LatentState::Unused, ..latent(1) };
    let cited = Member::of_latent(&entries[1]);
    alerts.latent(&[unused], |member, _| *member == cited, &report(), at(651));
    let ended = told(&mut alerts, 650..=652);
    let cleared = ended.iter().find(|(_, alert)| alert.kind == Kind::Cleared).map(|(_, alert)| alert).unwrap();
    assert_eq!(["cleared_unused", "cleared_seen"].map(|name| value(cleared, name)), [Some("1"), Some("1")]);
    let unused = Latent { state: LatentState::Unused, ..latent(9) };
    alerts.latent(&[unused], |_, _| false, &report(), at(700));
    assert!(told(&mut alerts, 700..=800).is_empty());
}

#[test]
fn a_restart_tells_nothing_twice_and_clears_everything() {
    let settings = Settings::default();
    let mut alerts = open(settings);
    (1..=1000).for_each(|port| sees(&mut alerts, port, DEAD, 0));
    let first = told(&mut alerts, 0..=20);
    assert_eq!(kinds(&first), [(0, "VIOLATION")]);
    let text = alerts.save();

    // All come back.
    let mut again = open(settings);
    again.restore(&text, at(100)).unwrap();
    assert_eq!(again.open(), [1, 0]);
    (1..=1000).for_each(|port| sees(&mut again, port, DEAD, 101));
    assert!(told(&mut again, 100..=150).is_empty(), "no storm");
    let cleared = told(&mut again, 151..=200);
    assert_eq!(kinds(&cleared), [(161, "CLEARED")]);
    assert_eq!(value(&cleared[0].1, "id"), value(&first[0].1, "id"));
    assert_eq!((value(&cleared[0].1, "flows"), value(&cleared[0].1, "cleared_quiet")), (Some("1000"), Some("1000")));

    // None does.
    let mut quiet = open(settings);
    quiet.restore(&text, at(100)).unwrap();
    assert_eq!(kinds(&told(&mut quiet, 100..=300)), [(160, "CLEARED")]);

    // More do than there were.
    let mut more = open(settings);
    more.restore(&text, at(100)).unwrap();
    (1..=1100).for_each(|port| sees(&mut more, port, DEAD, 101));
    let told = told(&mut more, 100..=130);
    assert_eq!(kinds(&told), [(110, "VIOLATION")]);
    assert_eq!((value(&told[0].1, "flows"), value(&told[0].1, "new_flows")), (Some("1100"), Some("100")));
    assert_eq!(alerts.save(), text);
}

/// What `told` says of alerts at a NIC, as a daemon tells it.
fn at_nic(nic: &str) -> Report {
    Report { nic_names: vec![Some(nic.to_owned())], ..report() }
}

fn namespace(name: &str) -> Namespace {
    Namespace { boot: "a-boot".to_owned(), name: name.to_owned() }
}

fn watching(nics: &[&str], inside: &str, text: &str) -> Alerts {
    let mut alerts = open(Settings::default());
    alerts.watch(Some(&namespace(inside)), BTreeSet::new(), at(100));
    alerts.restore(text, at(100)).unwrap();
    alerts.watch(Some(&namespace(inside)), nics.iter().map(|nic| (*nic).to_owned()).collect(), at(100));
    alerts
}

/// Whoever does not see where packets leave cannot say that they no longer do.
#[test]
fn alerts_of_nics_that_are_not_watched_stay_as_they_are() {
    let mut first = open(Settings::default());
    first.watch(Some(&namespace("net:[1]")), BTreeSet::from(["out0".to_owned()]), at(0));
    first.violating(&finding(1, DEAD, 0), &at_nic("out0"), at(0));
    let opened = told(&mut first, 0..=20);
    assert_eq!((kinds(&opened), value(&opened[0].1, "netns")), (vec![(0, "VIOLATION")], Some("net:[1]")));
    let text = first.save();
    for (nics, inside) in [(&["out1"][..], "net:[1]"), (&["out0"], "net:[2]"), (&[], "net:[1]")] {
        let mut other = watching(nics, inside, &text);
        assert_eq!((other.open(), other.elsewhere()), ([0, 0], 1));
        assert_eq!(told(&mut other, 100..=90_000), []);
        // It is kept as it was, for a start that watches it.
        let mut again = watching(&["out0", "out1"], "net:[1]", &other.save());
        let cleared = told(&mut again, 100..=300);
        assert_eq!(kinds(&cleared), [(160, "CLEARED")]);
        assert_eq!(value(&cleared[0].1, "id"), value(&opened[0].1, "id"));
    }
}

/// The MAC is one that flows leave to by a NIC that is watched, too: two causes, of which one waits for the other's end.
#[test]
fn a_cause_of_its_own_comes_before_one_of_before() {
    let mut first = open(Settings::default());
    first.violating(&finding(1, DEAD, 0), &at_nic("out0"), at(0));
    let old = told(&mut first, 0..=1);
    let mut other = watching(&["out1"], "net:[1]", &first.save());
    other.violating(&finding(2, DEAD, 101), &at_nic("out1"), at(101));
    let new = told(&mut other, 101..=102);
    assert_eq!(kinds(&new), [(101, "VIOLATION")]);
    other.watch(Some(&namespace("net:[1]")), ["out0", "out1"].map(str::to_owned).into(), at(103));
    assert_eq!((other.open(), other.elsewhere()), ([1, 0], 1));
    let cleared = told(&mut other, 103..=400);
    let ids: Vec<_> = cleared.iter().map(|(_, alert)| (alert.kind, value(alert, "id"))).collect();
    let id = |told: &[(u64, Alert)]| value(&told[0].1, "id").map(str::to_owned);
    assert_eq!(ids, [(Kind::Cleared, id(&new).as_deref()), (Kind::Cleared, id(&old).as_deref())]);
}

/// Files of version 1 name the NIC in what they say of a flow, and no namespace.
#[test]
fn files_of_version_1_are_read() {
    let mut first = open(Settings::default());
    first.violating(&finding(1, DEAD, 0), &at_nic("out0"), at(0));
    told(&mut first, 0..=1);
    let mut old: serde_json::Value = serde_json::from_str(&first.save()).unwrap();
    old["schema"] = 1.into();
    let cause = old["causes"][0].as_object_mut().unwrap();
    cause.remove("nics").zip(cause.remove("namespace")).unwrap();
    let text = old.to_string();
    assert_eq!(watching(&["out1"], "net:[1]", &text).elsewhere(), 1);
    let mut same = watching(&["out0"], "net:[1]", &text);
    assert_eq!((same.open(), same.elsewhere()), ([1, 0], 0));
    assert_eq!(kinds(&told(&mut same, 100..=300)), [(160, "CLEARED")]);
}

#[test]
fn saved_texts_that_make_no_sense() {
    let mut alerts = open(Settings::default());
    sees(&mut alerts, 1, DEAD, 0);
    let text = alerts.save();
    for cut in 0..text.len() {
        assert!(open(Settings::default()).restore(&text[..cut], at(0)).is_err());
    }
    assert!(open(Settings::default()).restore(&text.replace("\"schema\":2", "\"schema\":3"), at(0)).is_err());
    for (from, to) in [("stale-conntrack", "no-reason"), ("ce:73:29:66:39:a4\",\"nics", "no-mac\",\"nics")] {
        let mut none = open(Settings::default());
        none.restore(&text.replace(from, to), at(0)).unwrap();
        assert_eq!((none.open(), none.elsewhere()), ([0, 0], 0));
    }
}

#[test]
fn the_rate_limit_holds_back_and_loses_nothing() {
    let mut alerts = open(Settings { per_minute: 6, ..Settings::default() });
    let mac = |index: u8| MacAddr([2, 0, 0, 0, 1, index]);
    for index in 0..20 {
        alerts.violating(&finding(1, mac(index), 0), &report(), at(0));
    }
    let seen = told(&mut alerts, 0..=600);
    let per_minute =
        |minute: u64| seen.iter().filter(move |(second, _)| (minute * 60..minute * 60 + 60).contains(second));
    assert_eq!(per_minute(0).count(), 6 + 5, "a full bucket and what flows in");
    assert!((1..10).all(|minute| per_minute(minute).count() <= 7));
    let violations = seen.iter().filter(|(_, alert)| alert.kind == Kind::Violation).count();
    let cleared = seen.iter().filter(|(_, alert)| alert.kind == Kind::Cleared).count();
    assert_eq!((violations, cleared), (20, 20));
    let held: Vec<_> = seen.iter().filter(|(_, alert)| alert.kind == Kind::Loss).collect();
    let [(_, held)] = held.as_slice() else { panic!("{held:?}") };
    assert_eq!(value(held, "cause"), Some("alerts_held_back"));
    assert_eq!(alerts.open(), [0, 0]);
}

#[test]
fn made_up_macs_do_not_take_our_memory() {
    let mut alerts = open(Settings { per_minute: 0, ..Settings::default() });
    for index in 0..5000_u32 {
        let [.., a, b] = index.to_be_bytes();
        alerts.violating(&finding(1, MacAddr([2, 0, 0, 0, a, b]), 0), &report(), at(0));
    }
    assert_eq!(alerts.open(), [4096, 0]);
    let told = alerts.poll(&report(), at(0));
    let loss = told.iter().find(|alert| alert.kind == Kind::Loss).unwrap();
    assert_eq!((value(loss, "cause"), value(loss, "count")), (Some("alert_causes_beyond"), Some("904")));
}

#[test]
fn a_new_mac_gets_room_among_the_flows_of_another() {
    let mut alerts = open(Settings::default());
    alerts.max_members = 64;
    for port in 0..100 {
        alerts.violating(&finding(port, DEAD, 0), &report(), at(0));
    }
    let other = MacAddr([2, 0, 0, 0, 0, 7]);
    for port in 0..20 {
        alerts.violating(&finding(port, other, 0), &report(), at(0));
    }
    let silent = alerts.silent(at(9));
    let followed = silent.iter().filter(|silent| silent.mac == DEAD).count();
    assert_eq!(silent.len() - followed, 20);
    assert!((32..=44).contains(&followed), "{followed}");
    // What was given up is told, beside what found no room.
    let told = alerts.poll(&report(), at(0));
    let loss = told.iter().find(|alert| alert.kind == Kind::Loss).unwrap();
    let beyond = 36 + 64 - followed;
    assert_eq!((value(loss, "cause"), value(loss, "count")), (Some("alert_flows_beyond"), Some(&*beyond.to_string())));
}

#[test]
fn sources_come_and_go() {
    let mut alerts = open(Settings::default());
    alerts.source("nb", "unix:/run/ovn/ovnnb_db.sock", None, at(0));
    assert!(told(&mut alerts, 0..=1).is_empty());
    alerts.source("nb", "unix:/run/ovn/ovnnb_db.sock", Some("connection refused"), at(2));
    let lost = told(&mut alerts, 2..=2);
    assert_eq!(kinds(&lost), [(2, "SOURCE-LOST")]);
    assert!(lost[0].1.text.starts_with("nb (unix:/run/ovn/ovnnb_db.sock) is lost since "), "{}", lost[0].1.text);
    assert_eq!((value(&lost[0].1, "source"), value(&lost[0].1, "error")), (Some("nb"), Some("connection refused")));
    // It comes and goes each second: growing pauses, and how often.
    let mut flapping = Vec::new();
    for second in 3..=300 {
        let error = (second % 2 == 0).then_some("reset");
        alerts.source("nb", "unix:/run/ovn/ovnnb_db.sock", error, at(second));
        flapping.extend(told(&mut alerts, second..=second));
    }
    assert!(flapping.len() <= 6, "{:?}", kinds(&flapping));
    assert!(flapping.iter().any(|(_, alert)| value(alert, "losses").is_some_and(|losses| losses != "1")));
    alerts.source("nb", "unix:/run/ovn/ovnnb_db.sock", None, at(301));
    let last = told(&mut alerts, 301..=2000);
    let ends = flapping.iter().chain(&last).last().map(|(_, alert)| alert.kind);
    assert_eq!(ends, Some(Kind::SourceBack), "what it is in the end is told");
}

#[test]
fn a_source_without_a_place_is_named_alone() {
    let mut alerts = open(Settings::default());
    alerts.source("nexthops", "", Some("no source tells them"), at(2));
    let lost = told(&mut alerts, 2..=2);
    assert!(lost[0].1.text.starts_with("nexthops is lost since "), "{}", lost[0].1.text);
}

#[test]
fn losses_are_told_at_growing_intervals() {
    let mut alerts = open(Settings::default());
    alerts.loss("events_lost", 0);
    assert!(told(&mut alerts, 0..=0).is_empty());
    let mut seen = Vec::new();
    for second in 1..=100 {
        alerts.loss("events_lost", second);
        seen.extend(told(&mut alerts, second..=second));
    }
    assert_eq!(kinds(&seen), [(1, "LOSS"), (11, "LOSS"), (31, "LOSS"), (71, "LOSS")]);
    let last = &seen[3].1;
    assert_eq!((value(last, "count"), value(last, "total")), (Some("40"), Some("71")));
    assert_eq!(last.text, "lost: events lost 40 more, 71 since the start");
}

#[test]
fn names_of_members_come_back() {
    let flow = |vlan| Member::Flow { vlan, tuple: tuple(7) };
    let entry = Member::Entry { zone: 35, orig: "icmpv6 fd00::1 -> fd00::2 type 128 code 0 id 77".parse().unwrap() };
    for member in [flow([None; 2]), flow([Some(5), None]), flow([Some(5), Some(7)]), entry] {
        assert_eq!(member.to_string().parse(), Ok(member));
    }
    for text in
        ["", "udp", "zone 70000 udp 192.0.2.1:1 -> 192.0.2.2:2", "zone 1", "udp 192.0.2.1:1 -> 192.0.2.2:2 vlan x"]
    {
        assert_eq!(text.parse::<Member>(), Err(member::NoMember), "{text}");
    }
}

#[test]
fn field_names_are_names_of_the_rfc() {
    let mut alerts = open(Settings::default());
    sees(&mut alerts, 1, DEAD, 0);
    alerts.latent(&[latent(2)], |_, _| false, &report(), at(0));
    alerts.source("nb", "x", Some("y"), at(0));
    alerts.loss("events_lost", 1);
    let mut told = alerts.poll(&report(), at(0));
    alerts.conforms(&member(1), Timestamp::MAX);
    told.extend(alerts.poll(&report(), at(1)));
    assert_eq!(told.len(), 5);
    for field in told.iter().flat_map(|alert| &alert.fields) {
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        assert!(field.name.len() <= 32 && field.name.chars().all(is_name), "{}", field.name);
        assert!(!field.value.is_empty(), "{}", field.name);
    }
}

/// The entry that sends a flow there becomes known when the flow is silent: what heals it is told, once.
#[test]
fn what_heals_a_flow_is_told_when_it_becomes_known() {
    let mut alerts = open(Settings::default());
    let uncited = Finding {
        verdict: Verdict::Violating(Violating::FormerNexthop),
        conntrack: Vec::new().into(),
        ..finding(1, DEAD, 0)
    };
    alerts.violating(&uncited, &report(), at(0));
    alerts.count(&member(1), DEAD, Counts { packets: 3, bytes: 180 }, at(0));
    let first = told(&mut alerts, 0..=2);
    assert_eq!(kinds(&first), [(0, "VIOLATION")]);
    assert_eq!(value(&first[0].1, "remedy"), None);
    for second in [20, 21] {
        alerts.violating(&Finding { last_seen: at(0), ..finding(1, DEAD, 0) }, &report(), at(second));
    }
    let explained = told(&mut alerts, 20..=50);
    assert_eq!(kinds(&explained), [(20, "REPEATED")]);
    assert!(value(&explained[0].1, "remedy").is_some_and(|remedy| remedy.contains("35")), "{explained:?}");
    assert_eq!((value(&explained[0].1, "zone"), value(&explained[0].1, "packets")), (Some("35"), Some("3")));
}
