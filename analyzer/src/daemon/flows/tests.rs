use super::*;
use crate::engine::fact::{Policy, Route, RouteOrigin, Source};
use crate::types::Release;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + seconds * 1000)
}

fn routers() -> Routers {
    Routers::from([("dp".into(), "GR_worker-08".into())])
}

fn says(flow: ReplyFlow) -> Fact {
    Fact::Ovn(Ovn { says: OvnSays::Flow { router: Some("GR_worker-08".into()), flow }, validity: Validity::ALWAYS })
}

fn version(release: Release) -> Delta {
    let says = OvnSays::Northd(release);
    Delta { ended: Vec::new(), begun: vec![Fact::Ovn(Ovn { says, validity: Validity::ALWAYS })] }
}

fn route(symmetric_reply: bool) -> Delta {
    let route = Route {
        router: Some("GR_worker-08".into()),
        route_table: "".into(),
        policy: Policy::SrcIp,
        prefix: "10.244.0.5/32".parse().unwrap(),
        nexthop: Some("172.18.0.101".parse().unwrap()),
        output_port: None,
        symmetric_reply,
        override_connected: false,
        origin: RouteOrigin::Static,
        bfd: crate::engine::fact::BfdRef::None,
        port_key: None,
        source: Source::Ovn,
        validity: Validity::ALWAYS,
    };
    Delta { ended: vec![Fact::Route(route)], begun: Vec::new() }
}

fn question(flows: &mut LogicalFlows, is_spared: bool, second: u64) -> Option<Timestamp> {
    let remote = Remote::Unix("sb.sock".into());
    let asks = Asks::Often { is_central: is_spared };
    flows.question(routers(), &remote, asks, at(second)).map(|question| question.asked)
}

/// The first question and its answer, after which all that was told counts.
fn started(flows: &mut LogicalFlows, told: Vec<Fact>) {
    assert_eq!(question(flows, false, 0), None, "what changed just before the start is not known");
    let asked = question(flows, false, 10).expect("northd had its time");
    assert_eq!(answered(flows, asked, Ok(told.clone())), (Delta { ended: Vec::new(), begun: told }, None));
}

fn answered(flows: &mut LogicalFlows, asked: Timestamp, told: Result<Vec<Fact>, String>) -> (Delta, Option<String>) {
    flows.answered(Answer { flows: told, asked }, asked.saturating_add(Duration::from_secs(1)))
}

fn delta<const E: usize, const B: usize>(ended: [Fact; E], begun: [Fact; B]) -> Delta {
    Delta { ended: ended.into(), begun: begun.into() }
}

#[test]
fn what_changes_is_asked_for_again_and_nothing_is_believed_meanwhile() {
    let mut flows = LogicalFlows::new(7);
    assert_eq!(question(&mut flows, false, 0), None, "what changed just before the start is not known");
    assert_eq!(flows.note(&version(Release::new(23, 6, 2)), false, at(1)), [], "nothing was asked yet");
    assert_eq!(question(&mut flows, false, 10), None, "northd has its time");
    let asked = question(&mut flows, false, 11).expect("it is due");
    assert_eq!(question(&mut flows, false, 30), None, "one question at a time");
    let (default, unclear, outdated) = (says(ReplyFlow::Default), says(ReplyFlow::Unclear), says(ReplyFlow::Outdated));
    let first = answered(&mut flows, asked, Ok(vec![default.clone()]));
    assert_eq!(first, (delta([], [default.clone()]), None));
    assert_eq!(question(&mut flows, false, 1000), None, "nothing has changed");

    assert_eq!(flows.note(&route(false), false, at(1000)), [], "no flow of ours rests on it");
    let joins = |no_masked_label| {
        let says = OvnSays::Chassis { name: "77aa".into(), no_masked_label };
        delta([], [Fact::Ovn(Ovn { says, validity: Validity::ALWAYS })])
    };
    assert_eq!(flows.note(&joins(true), false, at(1000)), [], "one more that can do it");
    assert!(makes_flows(&joins(false).begun[0]));
    assert_eq!(flows.note(&version(Release::new(26, 3, 1)), false, at(1000)), vec![outdated.clone()]);
    assert_eq!(flows.note(&route(true), false, at(1005)), [], "said already");
    assert_eq!(question(&mut flows, false, 1014), None, "northd has its time");
    let asked = question(&mut flows, false, 1015).expect("it is due");
    // Both in the place of what was told before.
    let second = answered(&mut flows, asked, Ok(vec![unclear.clone()]));
    assert_eq!(second.0, delta([default, outdated.clone()], [unclear.clone()]));

    // What changes while the answer is on its way may not be in it.
    assert_eq!(flows.note(&route(true), false, at(2000)), vec![outdated.clone()]);
    let asked = question(&mut flows, false, 2010).expect("it is due");
    assert_eq!(flows.note(&route(true), false, at(2011)), []);
    assert_eq!(answered(&mut flows, asked, Ok(vec![unclear.clone()])).0, delta([], []));
    let asked = question(&mut flows, false, 2021).expect("it is due again");
    assert_eq!(answered(&mut flows, asked, Ok(vec![unclear])).0, delta([outdated], []));
}

#[test]
fn without_an_answer_the_next_kind_of_evidence_counts_and_that_is_said_once() {
    let mut flows = LogicalFlows::new(7);
    let default = says(ReplyFlow::Default);
    started(&mut flows, vec![default.clone()]);
    let outdated = flows.reconnected(false, false, at(100));
    assert_eq!(question(&mut flows, false, 109), None, "northd may be at work");
    let asked = question(&mut flows, false, 110).expect("it is due");
    let (ended, message) = answered(&mut flows, asked, Err("too large".to_owned()));
    assert_eq!(ended, Delta { ended: [vec![default], outdated].concat(), begun: Vec::new() });
    let message = message.expect("it is news");
    assert!(message.contains("too large") && message.contains("northd's release"), "{message}");
    assert_eq!(question(&mut flows, false, 200), None, "it would be as large again");
    let asked = question(&mut flows, false, 800).expect("some time later it may not be");
    assert_eq!(answered(&mut flows, asked, Err("too large".to_owned())), (delta([], []), None));
    let asked = question(&mut flows, false, 2000).expect("it is due");
    assert!(answered(&mut flows, asked, Err("closed".to_owned())).1.is_some(), "another reason");
}

#[test]
fn a_central_database_is_spared() {
    let mut flows = LogicalFlows::new(7);
    assert_eq!(flows.reconnected(true, true, at(0)), []);
    let first = (0..=40).find_map(|second| question(&mut flows, true, second)).expect("soon after the start");
    assert!(first >= at(10), "northd has its time");
    answered(&mut flows, first, Ok(vec![says(ReplyFlow::Default)]));
    flows.note(&route(true), false, first);
    let spared = (1..=1260).find(|&second| {
        flows.note(&Delta::default(), false, at(second));
        question(&mut flows, true, second).is_some()
    });
    assert!(spared.is_some_and(|second| second >= 600), "{spared:?}");
}

/// Nodes lose a central database at a time; what changes meanwhile does not bring them together.
#[test]
fn after_a_reconnection_each_node_has_its_own_moment() {
    let asked = (0..64).map(|node| {
        let mut flows = LogicalFlows::new(node);
        started(&mut flows, vec![says(ReplyFlow::Default)]);
        flows.reconnected(true, false, at(1000));
        flows.note(&route(true), false, at(1001));
        (1001..=1601).find(|&second| question(&mut flows, true, second).is_some()).expect("within 10 minutes")
    });
    let moments: BTreeSet<u64> = asked.collect();
    assert!(moments.len() > 20 && moments.first() >= Some(&1011), "{moments:?}");
}

/// A command asks once, and cannot wait: what it is told first is no change, and what changes then is not believed.
#[test]
fn a_command_asks_at_once() {
    let once = |flows: &mut LogicalFlows, second| {
        flows.question(routers(), &Remote::Unix("sb.sock".into()), Asks::Once, at(second)).is_some()
    };
    let mut flows = LogicalFlows::new(7);
    flows.reconnected(true, true, at(0));
    flows.note(&route(true), true, at(0));
    assert!(once(&mut flows, 0));
    let mut flows = LogicalFlows::new(7);
    flows.note(&route(true), false, at(1));
    assert!(!once(&mut flows, 10), "northd has its time");
    assert!(once(&mut flows, 11));
}

/// New routers do not make an answer of which northd may not have written a part yet one that counts.
#[test]
fn northd_has_its_time_whatever_else_changes() {
    let mut flows = LogicalFlows::new(7);
    let (default, outdated) = (says(ReplyFlow::Default), says(ReplyFlow::Outdated));
    started(&mut flows, vec![default.clone()]);
    assert_eq!(flows.note(&route(true), false, at(1000)), vec![outdated]);
    let mut two = routers();
    two.insert("another".into(), "GR_another".into());
    let remote = Remote::Unix("sb.sock".into());
    let asks = Asks::Often { is_central: false };
    let ask = |flows: &mut LogicalFlows, second| flows.question(two.clone(), &remote, asks, at(second));
    assert!(ask(&mut flows, 1000).is_none() && ask(&mut flows, 1009).is_none());
    let asked = ask(&mut flows, 1010).expect("it is due").asked;

    // What changes while the answer is on its way, in the same moment at that, is not in it.
    let of = |flow| {
        let says = OvnSays::Flow { router: Some("GR_another".into()), flow };
        Fact::Ovn(Ovn { says, validity: Validity::ALWAYS })
    };
    assert_eq!(flows.note(&route(true), false, at(1010)), vec![of(ReplyFlow::Outdated)], "of the new one, too");
    let told = vec![default, of(ReplyFlow::Default)];
    assert_eq!(answered(&mut flows, asked, Ok(told)).0, delta([], [of(ReplyFlow::Default)]), "they stay outdated");
    let asked = ask(&mut flows, 1020).expect("it is due again").asked;
    let told = vec![says(ReplyFlow::Default), of(ReplyFlow::Default)];
    let both = [says(ReplyFlow::Outdated), of(ReplyFlow::Outdated)];
    assert_eq!(answered(&mut flows, asked, Ok(told)).0, delta(both, []));
}
