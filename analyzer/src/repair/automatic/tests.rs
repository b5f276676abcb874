use analyzer_ebpf::abi::{Direction, LinkTags};

use super::*;
use crate::engine::fact::BfdRef;
use crate::engine::fact::{
    Binding, BindingKind, Connection, Fact, Ovn, OvnSays, Policy, Route, RouteOrigin, Source, Zone,
};
use crate::engine::observation::Observation;
use crate::engine::settings::Settings;
use crate::repair::rules::Method;
use crate::types::{MacAddr, Release, Validity};

const DEAD: MacAddr = MacAddr([0xce, 0x73, 0x29, 0x66, 0x39, 0xa4]);

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + seconds * 1000)
}

fn entry(port: u16) -> Connection {
    let leaving: Tuple = format!("udp 10.244.0.5:{port} -> 198.51.100.7:53").parse().unwrap();
    Connection {
        orig: leaving.reversed(),
        reply: leaving,
        zone: 35,
        mark: 0x2_0000,
        label: u128::from(DEAD.to_bits()) << 32,
        id: Some(port.into()),
        offloaded: false,
        dying: false,
    }
}

fn engine(ports: impl IntoIterator<Item = u16>) -> Engine {
    let mut engine = engine_of_no_version(ports);
    let says = OvnSays::Northd(Release::new(25, 3, 0));
    engine.add(Fact::Ovn(Ovn { says, validity: Validity::ALWAYS }));
    engine
}

fn engine_of_no_version(ports: impl IntoIterator<Item = u16>) -> Engine {
    let mut engine = Engine::new(Settings::default());
    let nexthop = "172.18.0.101".parse().unwrap();
    engine.add(Fact::Route(Route {
        router: None,
        route_table: "".into(),
        policy: Policy::SrcIp,
        prefix: "10.244.0.5/32".parse().unwrap(),
        nexthop: Some(nexthop),
        output_port: None,
        symmetric_reply: true,
        override_connected: false,
        origin: RouteOrigin::Static,
        bfd: BfdRef::None,
        port_key: None,
        source: Source::NexthopsToml,
        validity: Validity::ALWAYS,
    }));
    engine.add(Fact::Binding(Binding {
        logical_port: None,
        ip: nexthop,
        mac: Some(MacAddr([2, 0, 0, 0, 1, 1])),
        kind: BindingKind::MacBinding,
        confirmed: None,
        validity: Validity::ALWAYS,
    }));
    engine.add(Fact::Zone(Zone { zone: 35, name: "GR_worker-08_dnat".into(), validity: Validity::ALWAYS }));
    ports.into_iter().for_each(|port| engine.add(Fact::Connection(entry(port))));
    engine
}

fn automatic(per_minute: u32) -> Automatic {
    let rules = Rules {
        method: Method::Delete,
        settle: Duration::from_secs(60),
        tcp: false,
        unused: false,
        zone: None,
        ovs: None,
    };
    Automatic::new(rules, per_minute)
}

/// Takes note of the entries as latent ones.
fn note(automatic: &mut Automatic, engine: &Engine, now: Timestamp) {
    let latent = engine.latent(now, []);
    assert!(!latent.is_empty());
    latent.iter().for_each(|latent| automatic.note_latent(latent, now));
}

/// Ports of the flows to be repaired, and names of new refusals.
fn steps(automatic: &mut Automatic, engine: &Engine, now: Timestamp) -> (Vec<u16>, Vec<&'static str>) {
    let steps = automatic.steps(engine, Some(Datapath::Kernel), true, now);
    let done = steps.iter().filter(|step| step.verdict.is_ok()).map(|step| step.pin.connection.reply.tp_src);
    let refused = steps.iter().filter_map(|step| step.verdict.as_ref().err().map(Refusal::name));
    (done.collect(), refused.collect())
}

#[test]
fn no_more_than_the_limit_in_any_minute() {
    let engine = engine(1..=25);
    let mut automatic = automatic(10);
    note(&mut automatic, &engine, at(0));
    let (done, refused) = steps(&mut automatic, &engine, at(0));
    assert_eq!((done.len(), refused), (10, vec!["rate-limit"]), "for all 15 once");
    let mut all = done;
    for second in 1..60 {
        assert_eq!(steps(&mut automatic, &engine, at(second)), (vec![], vec![]), "{second}: and that is told once");
    }
    let found_again = |automatic: &mut Automatic, done: &[u16], now: Timestamp| {
        (1..=25).filter(|port| !done.contains(port)).for_each(|port| automatic.note((35, entry(port).orig), now));
    };
    found_again(&mut automatic, &all, at(59));
    let (done, refused) = steps(&mut automatic, &engine, at(60));
    assert_eq!((done.len(), refused), (10, vec!["rate-limit"]));
    all.extend(done);
    found_again(&mut automatic, &all, at(119));
    let (done, _) = steps(&mut automatic, &engine, at(120));
    all.extend(done);
    all.sort_unstable();
    assert_eq!(all, (1..=25).collect::<Vec<u16>>(), "each once");
    assert_eq!(steps(&mut automatic, &engine, at(1000)), (vec![], vec![]));
}

#[test]
fn no_entry_twice_within_a_minute() {
    let engine = engine([7]);
    let mut automatic = automatic(10);
    note(&mut automatic, &engine, at(0));
    assert_eq!(steps(&mut automatic, &engine, at(0)).0, [7]);
    for second in 1..60 {
        note(&mut automatic, &engine, at(second));
        assert_eq!(steps(&mut automatic, &engine, at(second)), (vec![], vec![]), "{second}");
    }
    note(&mut automatic, &engine, at(60));
    assert_eq!(steps(&mut automatic, &engine, at(60)).0, [7], "it is stale again");
}

/// What is refused for its youth is looked at when it has come of age; why it was refused is told once.
#[test]
fn what_is_refused_waits() {
    let mut engine = engine([7]);
    engine.set_blind(at(0));
    engine.set_sighted(at(100));
    let mut automatic = automatic(10);
    note(&mut automatic, &engine, at(101));
    assert_eq!(steps(&mut automatic, &engine, at(101)), (vec![], vec!["recent-change"]));
    for second in 102..160 {
        assert_eq!(steps(&mut automatic, &engine, at(second)), (vec![], vec![]), "{second}");
    }
    note(&mut automatic, &engine, at(159));
    assert_eq!(steps(&mut automatic, &engine, at(160)).0, [7]);
}

/// A flow that OVN has moved to a live next hop by itself is found no more; its label, which stays, is no reason.
#[test]
fn what_is_not_found_again_is_left_alone() {
    let mut engine = engine([7, 8]);
    engine.set_blind(at(0));
    engine.set_sighted(at(100));
    let mut automatic = automatic(10);
    note(&mut automatic, &engine, at(101));
    assert_eq!(steps(&mut automatic, &engine, at(101)).1, ["recent-change", "recent-change"]);
    for second in 102..400 {
        if second % 5 == 0 {
            automatic.note((35, entry(8).orig), at(second));
        }
        let expected = if second == 160 || second == 220 || second == 280 || second == 340 { vec![8] } else { vec![] };
        assert_eq!(steps(&mut automatic, &engine, at(second)), (expected, vec![]), "{second}");
    }
    // A packet every few minutes: the next one is enough.
    automatic.note((35, entry(7).orig), at(400));
    assert!(steps(&mut automatic, &engine, at(400)).0.contains(&7));
    automatic.note((35, entry(7).orig), at(500));
    steps(&mut automatic, &engine, at(2000));
    assert!(automatic.waiting.is_empty(), "not remembered for ever");
}

/// A next hop that BFD says is down still has its MAC, and carries nothing.
#[test]
fn verdicts_that_an_entry_may_explain() {
    let taken = Verdict::ALL.into_iter().filter(|&verdict| may_be_by_entry(verdict));
    let expected = [Violating::NexthopDown, Violating::StaleConntrack].map(Verdict::Violating);
    assert_eq!(taken.collect::<std::collections::HashSet<_>>(), expected.into());
}

/// What a lost source told last may be over by now, however young it is.
#[test]
fn nothing_is_done_while_a_source_is_lost() {
    let engine = engine([7]);
    let mut automatic = automatic(10);
    note(&mut automatic, &engine, at(0));
    let lost = automatic.steps(&engine, Some(Datapath::Kernel), false, at(0));
    assert!(matches!(&lost[..], [Step { verdict: Err(Refusal::SourceTooOld), .. }]), "{lost:?}");
    note(&mut automatic, &engine, at(60));
    assert_eq!(steps(&mut automatic, &engine, at(60)).0, [7], "it is back");
}

#[test]
fn what_is_gone_is_forgotten() {
    let mut engine = engine([7, 8]);
    let mut automatic = automatic(0);
    note(&mut automatic, &engine, at(0));
    assert_eq!(steps(&mut automatic, &engine, at(0)).1, ["rate-limit"], "0 is none at all");
    engine.set_connections(entry(7).orig, vec![]);
    [7, 8].into_iter().for_each(|port| automatic.note((35, entry(port).orig), at(60)));
    assert_eq!(steps(&mut automatic, &engine, at(60)), (vec![], vec![]));
    assert_eq!(automatic.waiting.len(), 1);
}

/// Each has its turn, however many there are, and there are never more than can be borne.
#[test]
fn many_entries_take_turns() {
    let engine = engine(1..=1000);
    let mut automatic = automatic(u32::MAX);
    note(&mut automatic, &engine, at(0));
    let mut all = Vec::new();
    for _ in 0..16 {
        let (done, _) = steps(&mut automatic, &engine, at(0));
        assert!(done.len() <= LOOKS);
        all.extend(done);
    }
    all.sort_unstable();
    assert_eq!(all, (1..=1000).collect::<Vec<u16>>());
    for port in 0..u16::MAX {
        automatic.note((35, entry(port).orig), at(0));
    }
    assert_eq!(automatic.waiting.len(), MAX_WAITING);
    assert_eq!(automatic.displaced(), u64::from(u16::MAX) - MAX_WAITING as u64);
}

/// What is said of packets of the flow that left to the dead gateway at `now`.
fn followed(engine: &mut Engine, port: u16, now: Timestamp) -> Finding {
    let seen = Observation {
        nic: 0,
        tags: LinkTags::NONE.with_direction(Direction::Outbound),
        eth_src: MacAddr([2, 0, 0, 0, 0, 4]),
        eth_dst: DEAD,
        tuple: entry(port).reply,
        packets: 1,
        bytes: 60,
        first: now,
        last: now,
    };
    engine.assess(&seen, &[]).finding.expect("it violates")
}

#[test]
fn packets_that_follow_a_label_prove_that_ovn_applies_it_until_the_flow_goes_elsewhere() {
    let mut engine = engine_of_no_version([7, 8, 9, 10, 11]);
    let mut automatic = automatic(10);
    note(&mut automatic, &engine, at(0));
    assert_eq!(steps(&mut automatic, &engine, at(0)), (vec![], vec!["taken-for-granted"; 5]), "no packet was seen");
    let findings = [7, 8, 9, 10, 11].map(|port| followed(&mut engine, port, at(59)));
    findings.iter().for_each(|finding| automatic.note_finding(finding, at(59)));
    // To a next hop, as a sample shows, and to a third MAC.
    automatic.note_elsewhere([(findings[1].tuple, at(60)), (findings[0].tuple, at(58))]);
    let third = Finding { eth_dst: Some(MacAddr([2, 0, 0, 0, 1, 9])), last_seen: at(60), ..findings[2].clone() };
    automatic.note_finding(&third, at(60));
    // To a third MAC that no entry explains; and to one before.
    let third = |of: usize, second: u64| {
        let verdict = Verdict::Violating(Violating::FormerNexthop);
        let eth_dst = Some(MacAddr([2, 0, 0, 0, 1, 9]));
        Finding { verdict, eth_dst, last_seen: at(second), conntrack: Default::default(), ..findings[of].clone() }
    };
    automatic.note_finding(&third(3, 60), at(60));
    automatic.note_finding(&third(4, 58), at(60));
    assert_eq!(steps(&mut automatic, &engine, at(60)), (vec![7, 11], vec![]));
    // One that went elsewhere and came back.
    automatic.note_finding(&followed(&mut engine, 8, at(119)), at(119));
    assert_eq!(steps(&mut automatic, &engine, at(120)).0, [8]);
    steps(&mut automatic, &engine, at(121));
    assert!(automatic.followed.is_empty(), "not remembered for ever: {:?}", automatic.followed);
}

/// Where OVN may apply a label for 30 s, packets that go on are waited for.
#[test]
fn a_proof_is_waited_for_while_packets_go_on() {
    let mut engine = engine_of_no_version([7]);
    engine.set_blind(at(0));
    engine.set_sighted(at(100));
    let mut automatic = automatic(10);
    automatic.rules.settle = Duration::ZERO;
    let mut done = Vec::new();
    for second in 100..140 {
        automatic.note_finding(&followed(&mut engine, 7, at(second)), at(second));
        let (now, _) = steps(&mut automatic, &engine, at(second));
        done.extend(now.into_iter().map(|port| (port, second)));
    }
    assert_eq!(done, [(7, 130)]);
}
