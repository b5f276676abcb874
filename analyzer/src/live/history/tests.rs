use std::collections::HashMap as Model;
use std::fs::{self, Permissions};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;

use super::*;
use crate::daemon::history::told::Told;
use crate::daemon::history::{Holding, Losses, MAX_HOLDING, Pending};
use crate::engine::fact::{
    Bfd, BfdRef, BfdStatus, Binding, BindingKind, Delta, Fact, Policy, Route, RouteOrigin, Source, Zone,
};
use crate::types::{MacAddr, Validity};

fn at(secs: u64) -> Timestamp {
    Timestamp::from_millis(secs * 1000)
}

fn ip(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

fn route(prefix: u8, nexthop: u8) -> Fact {
    Fact::Route(Route {
        router: Some("GR_a".into()),
        route_table: "".into(),
        policy: Policy::SrcIp,
        prefix: format!("10.0.0.{prefix}/32").parse().unwrap(),
        nexthop: Some(ip(nexthop)),
        output_port: None,
        symmetric_reply: true,
        override_connected: false,
        origin: RouteOrigin::Static,
        bfd: BfdRef::None,
        port_key: None,
        source: Source::Ovn,
        validity: Validity::ALWAYS,
    })
}

fn binding(of: u8, mac: u8, confirmed: Option<u64>) -> Fact {
    Fact::Binding(Binding {
        logical_port: Some("rtoe-GR_a".into()),
        ip: ip(of),
        mac: Some(MacAddr([2, 0, 0, 0, 0, mac])),
        kind: BindingKind::MacBinding,
        confirmed: confirmed.map(at),
        validity: Validity::ALWAYS,
    })
}

fn session(of: u8, status: BfdStatus) -> Fact {
    Fact::Bfd(Bfd { logical_port: "rtoe-GR_a".into(), dst_ip: ip(of), status, validity: Validity::ALWAYS })
}

fn held(fact: Fact, from: u64, until: u64) -> Fact {
    let validity = Validity { from: Some(at(from)), until: Some(at(until)) };
    match fact {
        Fact::Route(route) => Fact::Route(Route { validity, ..route }),
        Fact::Binding(binding) => Fact::Binding(Binding { validity, ..binding }),
        Fact::Bfd(bfd) => Fact::Bfd(Bfd { validity, ..bfd }),
        other => other,
    }
}

fn begun(facts: &[Fact]) -> Delta {
    Delta { ended: Vec::new(), begun: facts.to_vec() }
}

fn ended(facts: &[Fact]) -> Delta {
    Delta { ended: facts.to_vec(), begun: Vec::new() }
}

fn sorted(facts: impl IntoIterator<Item = Fact>) -> Vec<String> {
    let mut facts: Vec<_> = facts.into_iter().map(|fact| format!("{fact:?}")).collect();
    facts.sort();
    facts
}

#[test]
fn what_ended_is_kept_with_its_time() {
    let mut history = History::default();
    let zone = Fact::Zone(Zone { zone: 3, name: "GR_a_dnat".into(), validity: Validity::ALWAYS });
    history.record(&begun(&[route(1, 1), binding(1, 1, None), binding(9, 9, None), zone.clone()]), at(10));
    history.record(&begun(&[session(1, BfdStatus::Up)]), at(20));
    assert_eq!(history.began(&route(1, 1)), Some(at(10)));
    assert_eq!((history.began(&route(1, 2)), history.began(&zone)), (None, None));
    let all = [route(1, 1), binding(1, 1, None), binding(9, 9, None), session(1, BfdStatus::Up), zone];
    history.record(&ended(&all), at(30));
    // Nothing follows from the binding of what is no next hop.
    let expected =
        [held(route(1, 1), 10, 30), held(binding(1, 1, None), 10, 30), held(session(1, BfdStatus::Up), 20, 30)];
    assert_eq!(sorted(history.ended()), sorted(expected));
    assert_eq!(history.began(&route(1, 1)), None);
}

#[test]
fn a_binding_that_is_confirmed_goes_on() {
    let mut history = History::default();
    history.record(&begun(&[route(1, 1), binding(1, 1, Some(5))]), at(10));
    let refreshed = Delta { ended: vec![binding(1, 1, Some(5))], begun: vec![binding(1, 1, Some(15))] };
    let changes = history.changes();
    history.record(&refreshed, at(20));
    assert_eq!((history.ended().count(), history.changes()), (0, changes));
    history.record(&ended(&[binding(1, 1, Some(15))]), at(30));
    assert_eq!(sorted(history.ended()), sorted([held(binding(1, 1, Some(15)), 10, 30)]));
}

#[test]
fn a_fact_told_twice_ends_with_the_second_end() {
    let mut history = History::default();
    history.record(&begun(&[route(1, 1), route(1, 1)]), at(10));
    history.record(&ended(&[route(1, 1)]), at(20));
    assert_eq!(history.ended().count(), 0);
    history.record(&ended(&[route(1, 1), route(1, 1)]), at(30));
    assert_eq!(sorted(history.ended()), sorted([held(route(1, 1), 10, 30)]));
}

#[test]
fn bounds_of_number_and_age() {
    let bounds = Bounds { facts: 6, age: Duration::from_secs(100) };
    let mut history = History::new(bounds);
    for number in 0..5 {
        history.record(&begun(&[route(number, number)]), at(u64::from(number) * 10));
        history.record(&ended(&[route(number, number)]), at(u64::from(number) * 10 + 5));
    }
    assert_eq!(sorted(history.ended()), sorted([held(route(3, 3), 30, 35), held(route(4, 4), 40, 45)]));
    assert_eq!(history.losses(), Losses { displaced: 3, untracked: 0 });
    // Sessions that flap displace each other.
    for second in 50..70 {
        let (down, up) = (session(1, BfdStatus::Down), session(1, BfdStatus::Up));
        let (ended, begun) = if second % 2 == 0 { (down, up) } else { (up, down) };
        history.record(&Delta { ended: vec![ended], begun: vec![begun] }, at(second));
    }
    assert_eq!(history.ended().count(), 4);
    history.record(&Delta::default(), at(135));
    assert_eq!(history.ended().count(), 4);
    history.record(&Delta::default(), at(136));
    assert_eq!(history.ended().filter(|fact| matches!(fact, Fact::Route(_))).count(), 1);
    history.record(&Delta::default(), at(1000));
    assert_eq!((history.ended().count(), history.nexthops.len()), (0, 0));
}

/// A directory that goes with the test.
struct TempDir(PathBuf);

impl TempDir {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("analyzer-history-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn save(history: &History, path: &Path, now: Timestamp) {
    Saver::new(path.to_owned()).job(history, now).run().unwrap();
}

fn reloaded(path: &Path, now: Timestamp) -> (History, Vec<String>) {
    let loaded = load(path, Bounds::default(), now);
    (loaded.history, loaded.warnings.iter().map(|warning| warning.to_string()).collect())
}

#[test]
fn over_a_restart() {
    let dir = TempDir::new();
    let path = dir.0.join("var/lib/history.jsonl");
    assert_eq!(reloaded(&path, at(0)), (History::default(), vec![]));
    let mut history = History::default();
    let down = session(1, BfdStatus::Down);
    history.record(&begun(&[down.clone(), route(1, 1), route(2, 2), binding(1, 1, Some(5))]), at(10));
    history.record(&Delta { ended: vec![down.clone()], begun: vec![session(1, BfdStatus::Up)] }, at(20));
    save(&history, &path, at(100));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);

    let (mut history, warnings) = reloaded(&path, at(200));
    assert_eq!((warnings, history.pending()), (vec![], 4));
    assert_eq!(sorted(history.ended()), sorted([held(down.clone(), 10, 20)]));
    // Saved once more before any source has come: what was pending was last known to hold at the first save.
    save(&history, &path, at(210));
    history = reloaded(&path, at(220)).0;
    history.record(&begun(&[route(1, 1), route(3, 3), binding(1, 1, Some(150))]), at(230));
    assert_eq!((history.began(&route(1, 1)), history.began(&route(3, 3))), (Some(at(10)), Some(at(230))));
    assert_eq!(history.began(&binding(1, 1, None)), Some(at(10)));
    let of_routes = history.settle(|fact| matches!(fact, Fact::Route(_)));
    assert_eq!(of_routes, [held(route(2, 2), 10, 100)]);
    assert_eq!(history.settle(|_| true), [held(session(1, BfdStatus::Up), 20, 100)]);
    assert_eq!((history.settle(|_| true), history.pending()), (vec![], 0));
    assert_eq!(history.ended().count(), 3);
}

#[test]
fn a_clock_that_was_set_back_lets_nothing_go_on() {
    let dir = TempDir::new();
    let path = dir.0.join("h");
    let mut history = History::default();
    history.record(&begun(&[route(1, 1), route(2, 2), route(3, 3)]), at(10));
    history.record(&ended(&[route(1, 1)]), at(1000));
    history.record(&begun(&[route(4, 4)]), at(1000));
    history.record(&ended(&[route(4, 4)]), at(1100));
    save(&history, &path, at(2000));
    let (mut history, warnings) = reloaded(&path, at(500));
    let file = path.display();
    let time = at(2000);
    assert_eq!(warnings, [format!("{file}: it was saved at {time}, which is in the future: the clock was set back")]);
    assert_eq!(sorted(history.ended()), sorted([held(route(1, 1), 10, 500)]));
    history.record(&begun(&[route(2, 2)]), at(510));
    assert_eq!(history.began(&route(2, 2)), Some(at(10)));
    assert_eq!(history.settle(|_| true), [held(route(3, 3), 10, 500)]);
}

/// A file with an ended and a holding route.
fn a_file(dir: &TempDir) -> (PathBuf, Vec<String>) {
    let path = dir.0.join("h");
    let mut history = History::default();
    history.record(&begun(&[route(1, 1)]), at(10));
    history.record(&ended(&[route(1, 1)]), at(20));
    history.record(&begun(&[route(2, 2)]), at(30));
    save(&history, &path, at(40));
    let lines = fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
    (path, lines)
}

#[test]
fn damage_costs_what_is_damaged() {
    let dir = TempDir::new();
    let (path, lines) = a_file(&dir);
    let [header, first, second] = lines.try_into().unwrap();
    let cut = &second[..second.len() - 7];
    let long = "x".repeat(70_000);
    let lost = "expected the header of a history; what held when it was saved is taken to have ended at the latest time \
                in the file";
    let header_of_two = header.replace(":1,", ":2,");
    // Text, warning behind the name of the file, facts that ended, facts that held.
    let cases: &[(String, &[&str], usize, usize)] = &[
        (format!("{header}\n{first}\n{second}\n"), &[], 1, 1),
        // A last line without its end is whole.
        (format!("{header}\n{first}\n{second}"), &[], 1, 1),
        (format!("{header}\n{first}\n{cut}"), &[":3: the line is cut; its fact is lost"], 1, 0),
        (format!("{header}\n{first}\n"), &[":2: the file ends here, but 1 further lines were written"], 1, 0),
        (format!("{header}\n"), &[":1: the file ends here, but 2 further lines were written"], 0, 0),
        (
            format!("{header}\n\u{1}{{\n{second}\n"),
            &[":2:1: this is no fact of a history: expected value at line 1 column 1"],
            0,
            1,
        ),
        (format!("{header}\n{long}\n{second}\n"), &[":2: the line is longer than 64 KiB"], 0, 1),
        (
            format!("{header}\n{}\n{second}\n", first.replace("\"from\":\"", "\"from\":null,\"x\":\"")),
            &[":2: the fact has no beginning"],
            0,
            1,
        ),
        (format!("{first}\n{second}\n"), &[&format!(":1: {lost}")], 1, 1),
        (format!("garbage\n{first}\n{second}\n"), &[&format!(":1: {lost}")], 1, 1),
        (
            format!("{header_of_two}\n{first}\n{second}\n"),
            &[
                ":1: the history is in version 2 of the format, this program reads version 1: it starts with none and will \
               write over the file",
            ],
            0,
            0,
        ),
        (String::new(), &[], 0, 0),
    ];
    for (text, expected, ended, pending) in cases {
        fs::write(&path, text).unwrap();
        let (history, warnings) = reloaded(&path, at(50));
        let expected: Vec<String> = expected.iter().map(|message| format!("{}{message}", path.display())).collect();
        assert_eq!((warnings, history.ended().count(), history.pending()), (expected, *ended, *pending), "{text:.200}");
    }
    // Without a header the latest time in the file is the last at which anything is known to have held.
    fs::write(&path, format!("{second}\n{first}\n")).unwrap();
    let mut history = reloaded(&path, at(50)).0;
    assert_eq!(history.pending(), 1);
    assert_eq!(history.settle(|_| true).len(), 1);
}

#[test]
fn a_file_of_garbage_is_bounded() {
    let dir = TempDir::new();
    let path = dir.0.join("h");
    fs::write(&path, "x\n".repeat(MAX_HOLDING + 20)).unwrap();
    let loaded = load(&path, Bounds { facts: 10, ..Bounds::default() }, at(1));
    assert_eq!(loaded.warnings.len(), 21);
    let left_out = MAX_HOLDING + 10 - 20 + 2;
    let expected = format!("{}: {left_out} further warnings are left out", path.display());
    assert_eq!(loaded.warnings[20].to_string(), expected);
    assert_eq!(loaded.history.pending(), 0);
}

/// What ended last is the most worth, and what holds has its half.
#[test]
fn a_text_has_a_bound() {
    let mut history = History::default();
    for next in 1..=40 {
        history.record(&begun(&[route(next, next)]), at(u64::from(next)));
        history.record(&ended(&[route(next, next)]), at(100 + u64::from(next)));
    }
    history.record(&begun(&(101..=140).map(|next| route(next, next)).collect::<Vec<_>>()), at(200));
    let whole = format::encode(&history, at(300), usize::MAX);
    assert_eq!(whole.left_out, 0);
    let most = whole.text.len() / 2;
    let bounded = format::encode(&history, at(300), most);
    assert!(bounded.text.len() <= most && bounded.left_out > 30, "{}", bounded.left_out);
    let (read, warnings) = format::decode(&*bounded.text, &"h".into(), Bounds::default(), at(400), false).unwrap();
    assert_eq!(warnings, []);
    let (told, held) = (read.ended().count(), read.pending());
    assert_eq!(told + held + bounded.left_out, 80);
    assert!(told > 10 && held > 10, "{told} {held}");
    let last: Vec<Fact> = (41 - u8::try_from(told).unwrap()..=40).map(held_route).collect();
    assert_eq!(sorted(read.ended()), sorted(last));
}

fn held_route(next: u8) -> Fact {
    held(route(next, next), u64::from(next), 100 + u64::from(next))
}

/// Of a file that is too long the last whole lines are read, and it is said.
#[test]
fn the_end_of_a_long_file_is_read() {
    let dir = TempDir::new();
    let (path, lines) = a_file(&dir);
    let [_, over, holds] = lines.as_slice() else { panic!("{lines:?}") };
    for (most, is_whole) in [(over.len() + holds.len() + 2, true), (over.len() + holds.len() + 1, false)] {
        let file = File::open(&path).unwrap();
        let loaded = read(file, &"h".into(), Bounds::default(), at(50), most as u64).unwrap();
        assert_eq!((loaded.history.ended().count(), loaded.history.pending()), (usize::from(is_whole), 1));
        let said: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
        assert!(said.len() == 1 && said[0].contains(&format!("no more than {most} are read")), "{said:?}");
    }
}

/// Of another user's making, or open to others: it is not believed.
#[test]
fn a_file_that_others_may_write_is_not_believed() {
    let dir = TempDir::new();
    let (path, _) = a_file(&dir);
    fs::set_permissions(&path, Permissions::from_mode(0o622)).unwrap();
    let (history, said) = reloaded(&path, at(50));
    assert_eq!((history.pending(), history.ended().count()), (0, 0));
    assert!(said.len() == 1 && said[0].contains("may write it"), "{said:?}");
}

#[test]
fn what_is_no_file_is_told_and_does_not_block() {
    let dir = TempDir::new();
    let (history, warnings) = reloaded(&dir.0, at(1));
    let file = dir.0.display();
    let expected = format!("{file}: cannot read the history of next hops, so it starts anew: it is no regular file");
    assert_eq!((history, warnings), (History::default(), vec![expected]));
}

#[test]
fn saving_is_due_soon_after_a_change_and_now_and_then_without() {
    let dir = TempDir::new();
    let mut saver = Saver::new(dir.0.join("h"));
    let mut history = History::default();
    assert_eq!(saver.due(&history), at(0));
    assert!(saver.job(&history, at(100)).run().is_ok());
    assert_eq!(saver.due(&history), at(700));
    history.record(&begun(&[route(1, 1)]), at(110));
    assert_eq!(saver.due(&history), at(130));
    let job = saver.job(&history, at(130));
    // What changes while the file is being written is saved the next time.
    history.record(&ended(&[route(1, 1)]), at(131));
    assert!(saver.done(job.run()).is_none());
    assert_eq!(saver.due(&history), at(160));
}

#[test]
fn a_link_or_leftover_in_place_of_the_new_file_is_not_followed() {
    let dir = TempDir::new();
    let (path, victim) = (dir.0.join("h"), dir.0.join("victim"));
    fs::write(&victim, "mine").unwrap();
    std::os::unix::fs::symlink(&victim, dir.0.join("h.new")).unwrap();
    save(&History::default(), &path, at(1));
    assert_eq!(fs::read_to_string(&victim).unwrap(), "mine");
    assert!(path.is_file() && !dir.0.join("h.new").exists());
}

fn any_name() -> impl Strategy<Value = Arc<str>> {
    // Names come from outside: anything may stand in them.
    prop_oneof!["[a-z_-]{0,8}", any::<String>()].prop_map(Arc::from)
}

fn any_ip() -> impl Strategy<Value = IpAddr> {
    any::<IpAddr>()
}

fn any_status() -> impl Strategy<Value = BfdStatus> {
    prop::sample::select(vec![BfdStatus::Up, BfdStatus::Init, BfdStatus::Down, BfdStatus::AdminDown])
}

fn any_bfd_ref() -> impl Strategy<Value = BfdRef> {
    prop_oneof![
        Just(BfdRef::None),
        Just(BfdRef::Attached),
        any_status().prop_map(BfdRef::Status),
        (any_name(), any_ip()).prop_map(|(logical_port, dst_ip)| BfdRef::Session { logical_port, dst_ip }),
    ]
}

fn any_route() -> impl Strategy<Value = Fact> {
    let sources = vec![Source::NexthopsToml, Source::Ovn, Source::LrRouteList, Source::Kernel];
    let names = (prop::option::of(any_name()), any_name(), prop::option::of(any_name()));
    let flags = any::<[bool; 4]>();
    let rest = (prop::option::of(any::<u16>()), prop::sample::select(sources));
    (names, any_ip(), 0_u8..=32, prop::option::of(any_ip()), any_bfd_ref(), flags, rest).prop_map(
        |((router, route_table, output_port), addr, len, nexthop, bfd, [a, b, c, d], (port_key, source))| {
            Fact::Route(Route {
                router,
                route_table,
                policy: if a { Policy::SrcIp } else { Policy::DstIp },
                prefix: crate::types::IpPrefix::new(addr, len).unwrap(),
                nexthop,
                output_port,
                symmetric_reply: b,
                override_connected: c,
                origin: if d { RouteOrigin::Static } else { RouteOrigin::Learned },
                bfd,
                port_key,
                source,
                validity: Validity::ALWAYS,
            })
        },
    )
}

fn any_binding() -> impl Strategy<Value = Fact> {
    let kinds = vec![
        BindingKind::MacBinding,
        BindingKind::StaticMacBinding { override_dynamic_mac: true },
        BindingKind::StaticMacBinding { override_dynamic_mac: false },
        BindingKind::NexthopsToml,
        BindingKind::Neighbour,
        BindingKind::Heard,
    ];
    let mac = prop::option::of(any::<[u8; 6]>().prop_map(MacAddr));
    let confirmed = prop::option::of(any::<u64>().prop_map(Timestamp::from_nanos));
    (prop::option::of(any_name()), any_ip(), mac, prop::sample::select(kinds), confirmed).prop_map(
        |(logical_port, ip, mac, kind, confirmed)| {
            Fact::Binding(Binding { logical_port, ip, mac, kind, confirmed, validity: Validity::ALWAYS })
        },
    )
}

fn any_session() -> impl Strategy<Value = Fact> {
    (any_name(), any_ip(), any_status()).prop_map(|(logical_port, dst_ip, status)| {
        Fact::Bfd(Bfd { logical_port, dst_ip, status, validity: Validity::ALWAYS })
    })
}

/// Facts, and bindings of the next hops among them.
fn any_facts() -> impl Strategy<Value = Vec<Fact>> {
    let fact = prop_oneof![any_route(), any_binding(), any_session()];
    (prop::collection::vec(fact, 0..12), prop::collection::vec(any_binding(), 4)).prop_map(|(mut facts, bindings)| {
        let nexthops: Vec<_> = facts.iter().filter_map(|fact| Told::of(fact)?.0.nexthop()).collect();
        let of_nexthops = bindings.into_iter().zip(nexthops).map(|(fact, ip)| match fact {
            Fact::Binding(binding) => Fact::Binding(Binding { ip, ..binding }),
            other => other,
        });
        facts.extend(of_nexthops);
        facts
    })
}

proptest! {
    /// What is read back is what was written, whatever facts there are and however times fall.
    #[test]
    fn a_file_is_read_as_it_was_written(facts in any_facts(), times in any::<[u32; 2]>(), ends: u16) {
        let dir = TempDir::new();
        let path = dir.0.join("h");
        let [start, more] = times.map(|time| Timestamp::from_nanos(u64::from(time)));
        let later = Timestamp::from_nanos(start.as_nanos() + more.as_nanos());
        let mut history = History::default();
        history.record(&begun(&facts), start);
        let ending = facts.iter().enumerate().filter(|(at, _)| ends >> at & 1 == 1);
        history.record(&ended(&Vec::from_iter(ending.map(|(_, fact)| fact.clone()))), later);
        save(&history, &path, later);
        let (mut read, warnings) = reloaded(&path, later);
        prop_assert_eq!(warnings, Vec::<String>::new());
        prop_assert_eq!(sorted(read.ended()), sorted(history.ended()));
        let useful = |told: &Told| match told {
            Told::Binding(binding) => history.nexthops.contains_key(&binding.ip),
            _ => true,
        };
        let holding: Model<_, _> = history.holding.iter().filter(|(told, _)| useful(told)).collect();
        prop_assert_eq!(read.pending.len(), holding.len());
        for (told, Holding { from, confirmed, .. }) in holding {
            prop_assert_eq!(read.pending.get(told), Some(&Pending { from: *from, confirmed: *confirmed, seen: later }));
        }
        prop_assert_eq!(&read.nexthops, &history.nexthops);
        // All told again: everything goes on as if there had been no restart.
        let still: Vec<_> = history.holding.iter().map(|(told, held)| told.fact(held.confirmed, Validity::ALWAYS)).collect();
        read.record(&begun(&still), later);
        prop_assert_eq!(read.settle(|_| true), vec![]);
        for fact in &still {
            let (told, _) = Told::of(fact).unwrap();
            let expected = if useful(&told) { history.began(fact) } else { Some(later) };
            prop_assert_eq!(read.began(fact), expected);
        }
    }

    /// Damage of any kind is survived, and no fact comes from nowhere.
    #[test]
    fn any_damage_is_survived(facts in any_facts(), cut: prop::sample::Index, noise: Vec<(prop::sample::Index, u8)>) {
        let dir = TempDir::new();
        let path = dir.0.join("h");
        let mut history = History::default();
        history.record(&begun(&facts), at(10));
        save(&history, &path, at(20));
        let mut text = fs::read(&path).unwrap();
        text.truncate(cut.index(text.len() + 1));
        if !text.is_empty() {
            for (place, byte) in noise {
                let place = place.index(text.len());
                text[place] = byte;
            }
        }
        fs::write(&path, &text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let (mut read, _) = reloaded(&path, at(30));
        prop_assert!(read.pending() + read.ended().count() <= history.holding.len());
        read.record(&begun(&facts), at(30));
        read.settle(|_| true);
        save(&read, &path, at(40));
        prop_assert_eq!(reloaded(&path, at(50)).1, Vec::<String>::new());
    }
}
