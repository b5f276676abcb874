//! The engine as a daemon uses it: facts begin and end, are forgotten, and give what facts told at once give.

use core::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;

use super::random;
use super::world::*;
use crate::Engine;
use crate::fact::{Bfd, BfdStatus, Binding, BindingKind, Connection, Delta, Fact, Route, RouterPort};
use crate::finding::{LastLegal, LatentState};
use crate::observation::{HeardNeighbour, Observation};
use crate::settings::Settings;
use crate::types::{Timestamp, Tuple, Validity};
use crate::verdict::{Info, NotCovered, Undetermined, Verdict, Violating};

/// An engine that is told the facts of `world` as they begin and end.
pub(super) fn live(world: &World) -> Engine {
    let mut engine = Engine::new(world.settings.clone());
    world.history.into_iter().for_each(|start| engine.set_history_start(start));
    // Entries have no time. What follows changes the epochs step by step.
    world.facts.iter().filter(|fact| matches!(fact, Fact::Connection(_))).for_each(|fact| engine.add(fact.clone()));
    engine.epochs();
    let dated = |fact: &Fact| fact.validity().unwrap_or_default();
    let mut moments: Vec<Timestamp> =
        world.facts.iter().flat_map(|fact| [dated(fact).from, dated(fact).until]).flatten().collect();
    moments.sort_unstable();
    moments.dedup();
    for fact in world.facts.iter().filter(|fact| dated(fact).from.is_none()) {
        if !matches!(fact, Fact::Connection(_)) {
            engine.begin(fact.clone(), None);
        }
    }
    for moment in moments {
        for fact in world.facts.iter().filter(|fact| dated(fact).until == Some(moment)) {
            assert!(engine.end(fact, moment), "{fact:?}");
        }
        for fact in world.facts.iter().filter(|fact| dated(fact).from == Some(moment)) {
            engine.begin(fact.clone(), moment);
        }
    }
    for &heard in &world.heard {
        engine.hear(heard);
    }
    engine
}

/// Whose the addresses and the MACs are, or were.
fn is_whose(engine: &Engine, seen: &Observation) -> [bool; 9] {
    let (routes, ports) = (&engine.knowledge.routes, &engine.knowledge.ports);
    [
        routes.is_routed_source(seen.tuple.src),
        routes.is_routed_source(seen.tuple.dst),
        ports.has_address(seen.tuple.src),
        ports.has_mac(seen.eth_src),
        ports.has_mac(seen.eth_dst),
        ports.is_empty(),
        engine.knowledge.is_nexthop(ip("198.19.3.1")),
        engine.knowledge.is_nexthop(ip("198.19.3.15")),
        engine.knowledge.is_nexthop(ip("198.19.3.16")),
    ]
}

/// A world of one router, where something ends.
fn shrunk() -> (Engine, Fact) {
    let mut engine = Engine::new(World::empty().settings);
    let route15 = Fact::Route(route(POD, "198.19.3.15"));
    engine.begin(route15.clone(), None);
    engine.begin(Fact::Route(route(POD, "198.19.3.16")), None);
    engine.begin(Fact::Binding(binding("198.19.3.15", DEAD)), None);
    engine.begin(Fact::Binding(binding("198.19.3.16", GW16)), None);
    engine.epochs();
    (engine, route15)
}

#[test]
fn a_next_hop_leaves_the_set() {
    let (mut engine, route15) = shrunk();
    assert!(engine.end(&route15, at(50)));
    assert!(!engine.end(&route15, at(51)));
    let verdict = |engine: &mut Engine, seconds| engine.verdict(&packet(seconds, flow(1), NODE, DEAD));
    assert_eq!(verdict(&mut engine, 49), Verdict::Conforming);
    assert_eq!(verdict(&mut engine, 54), Verdict::Grace);
    assert_eq!(verdict(&mut engine, 55), Violating::FormerNexthop.into());
    assert_eq!(engine.next_change(at(50)), Some(at(55)));
    assert_eq!(engine.next_change(at(55)), None);
    assert_eq!(engine.legal_macs(at(60)).into_iter().collect::<Vec<_>>(), [mac(GW16)]);
    // It comes back.
    engine.begin(route15, at(60));
    assert_eq!(verdict(&mut engine, 60), Verdict::Conforming);
    assert_eq!(engine.past().count(), 1);
    assert_eq!(engine.present().count(), 4);
}

#[test]
fn what_two_sources_say_ends_twice() {
    let (mut engine, route15) = shrunk();
    engine.begin(route15.clone(), at(10));
    assert!(engine.end(&route15, at(20)));
    assert_eq!(engine.verdict(&packet(30, flow(1), NODE, DEAD)), Verdict::Conforming);
    assert!(engine.end(&route15, at(40)));
    assert_eq!(engine.verdict(&packet(50, flow(1), NODE, DEAD)), Violating::FormerNexthop.into());
}

#[test]
fn a_fact_that_ends_as_it_began_vanishes() {
    let facts = [
        Fact::Route(route("10.0.0.0/8", "198.19.3.17")),
        Fact::Binding(binding("198.19.3.16", DEAD)),
        Fact::Bfd(bfd("198.19.3.16", BfdStatus::Down)),
        Fact::RouterPort(RouterPort { name: "other".into(), mac: Some(mac(DEAD)), ..port() }),
        nat("198.19.3.8", "10.0.0.1"),
        reroute("1"),
        zone(35, "GR_worker-08_dnat"),
        datapath("uuid", "GR_worker-08"),
    ];
    for fact in facts {
        let (mut engine, _) = shrunk();
        engine.begin(fact.clone(), at(10));
        assert!(engine.end(&fact, at(10)), "{fact:?}");
        assert!(!engine.end(&fact, at(11)), "{fact:?}");
        assert_eq!((engine.past().count(), engine.present().count()), (0, 4), "{fact:?}");
        let (untouched, _) = shrunk();
        let knows = |engine: &Engine| {
            let knowledge = &engine.knowledge;
            let of_mac = knowledge.neighbours.of_mac(mac(DEAD)).count();
            let policies = knowledge.reroute_policies.iter().count();
            let rules = knowledge.all_nats().count();
            let routed = knowledge.routes.is_routed_source(ip("10.0.0.1"));
            (of_mac, policies, rules, routed, knowledge.ports.has_mac(mac(DEAD)), knowledge.ports.is_empty())
        };
        assert_eq!(knows(&engine), knows(&untouched), "{fact:?}");
    }
}

#[test]
fn a_confirmed_binding_goes_on() {
    let (mut engine, _) = shrunk();
    let confirmed = |seconds| Fact::Binding(Binding { confirmed: Some(at(seconds)), ..binding("198.19.3.17", GW1) });
    engine.begin(confirmed(5), at(10));
    for seconds in 20..30 {
        let delta = Delta { ended: vec![confirmed(5 + seconds - 20)], begun: vec![confirmed(6 + seconds - 20)] };
        assert_eq!(engine.apply(delta, at(seconds)), 0);
    }
    let told: Vec<_> = engine.knowledge.neighbours.of(ip("198.19.3.17"), None).collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].validity, from(10));
    assert!(engine.end(&confirmed(15), at(30)));
}

#[test]
fn nothing_is_said_while_the_next_hops_are_not_known() {
    let (mut engine, _) = shrunk();
    engine.set_blind(at(0));
    let seen = |seconds| packet(seconds, flow(1), NODE, DEAD);
    let unknown = Verdict::Undetermined(Undetermined::NoNexthopData);
    assert_eq!(engine.verdict(&seen(5)), unknown);
    assert_eq!(engine.plain_verdict(&seen(5)), None);
    engine.set_sighted(at(10));
    assert_eq!((engine.verdict(&seen(9)), engine.verdict(&seen(10))), (unknown, Verdict::Conforming));
    engine.set_blind(at(20));
    let findings = engine.judge_flow(&[seen(15), seen(25)]);
    assert_eq!(findings.len(), 1);
    assert_eq!((findings[0].packets, findings[0].verdict), (1, unknown));
    assert!(findings[0].evidence[0].contains("not known then"), "{:?}", findings[0].evidence);
    engine.set_connections(flow(1), vec![entry(35, flow(1), label(GW1, 2))]);
    assert!(engine.latent(at(25), []).is_empty());
    assert_eq!(engine.latent(at(15), []).len(), 1);
}

#[test]
fn entries_are_replaced_and_do_not_pile_up() {
    let (mut engine, route15) = shrunk();
    engine.end(&route15, at(10));
    let seen = packet(60, flow(1), NODE, DEAD);
    let remarks = |engine: &mut Engine| engine.judge_flow(&[seen]).remove(0).evidence.join("\n");
    assert!(!remarks(&mut engine).contains("no labelled conntrack entry"));
    engine.note_connections_told();
    assert!(remarks(&mut engine).contains("no labelled conntrack entry"));
    for round in 0..50_u16 {
        // One flow, seen by several zones, and a translated one whose two tuples are two flows.
        let translated = Connection {
            reply: Tuple { dst: ip("198.19.3.8"), ..flow(2).reversed() },
            ..entry(0, flow(2).reversed(), 0)
        };
        engine.set_connections(flow(1), vec![entry(35, flow(1), label(DEAD, 2)), entry(36, flow(1), label(DEAD, 2))]);
        engine.set_connections(flow(2), vec![translated.clone(), entry(35, flow(2), label(GW16, 2))]);
        engine.set_connections(translated.reply, vec![translated.clone()]);
        engine.set_connections(flow(3 + round % 7), vec![entry(35, flow(3 + round % 7), label(DEAD, 2))]);
    }
    assert_eq!(engine.connection_count(), 2 + 2 + 7);
    assert_eq!(engine.verdict(&seen), Violating::StaleConntrack.into());
    assert_eq!(engine.latent(at(60), []).iter().filter(|latent| latent.state == LatentState::Armed).count(), 9);
    // The other direction finds the same entries.
    engine.set_connections(flow(1).reversed(), Vec::new());
    assert_eq!(engine.verdict(&seen), Violating::FormerNexthop.into());
    (0..10).for_each(|port| engine.set_connections(flow(port), Vec::new()));
    assert_eq!(engine.connection_count(), 0);
    engine.set_connections(flow(1), vec![entry(35, flow(1), label(DEAD, 2))]);
    engine.clear_connections();
    assert_eq!(engine.connection_count(), 0);
    assert!(!remarks(&mut engine).contains("no labelled conntrack entry"));
}

#[test]
fn a_plain_verdict_is_that_of_all_flows_or_none() {
    let mut world = World::incident();
    world.facts.push(Fact::RouterPort(port()));
    world.routes([route_to("0.0.0.0/0", "198.19.3.1")]);
    world.bindings([binding("198.19.3.1", GW1)]);
    let mut engine = world.engine();
    let mut plain = |tuple, eth_src, eth_dst| engine.plain_verdict(&packet(10, tuple, eth_src, eth_dst));
    // The flow's own entry holds another MAC: it is not asked.
    assert_eq!(plain(flow(59943), NODE, GW15), Some(Verdict::Conforming));
    assert_eq!(plain(flow(59943), NODE, DEAD), None);
    assert_eq!(plain(flow(1), DEAD, GW15), Some(NotCovered::OtherSender.into()));
    let other = |dst: &str, tp_dst| Tuple { src: ip("10.9.9.9"), dst: ip(dst), tp_dst, ..flow(1) };
    assert_eq!(plain(other("8.8.8.8", 53), NODE, GW1), Some(Verdict::Conforming));
    assert_eq!(plain(other("198.19.3.77", 53), NODE, DEAD), Some(NotCovered::OnLink.into()));
    assert_eq!(plain(other("8.8.8.8", 3784), NODE, GW1), None);
    assert_eq!(plain(other("8.8.8.8", 6081), NODE, GW1), None);
    assert_eq!(plain(other("224.0.0.5", 53), NODE, GW1), None);
    // A mirror port tells no direction: what comes in goes to the router's own MAC.
    assert_eq!(plain(flow(1).reversed(), GW15, NODE), Some(NotCovered::Inbound.into()));
    // A label may pin a flow of a wider symmetric route to the MAC of a gateway, though its destination is on the link.
    let mut world = World::incident();
    world.facts.push(Fact::RouterPort(port()));
    world.each_route(|route| route.prefix = "192.168.16.0/20".parse().unwrap());
    let mut engine = world.engine();
    let on_link = Tuple { dst: ip("198.19.3.77"), ..flow(1) };
    let seen = packet(10, on_link, NODE, DEAD);
    assert_eq!(engine.verdict(&seen), NotCovered::OnLink.into());
    assert_eq!(engine.plain_verdict(&seen), None);
    engine.set_connections(on_link, vec![entry(35, on_link, label(DEAD, 2))]);
    assert_eq!(engine.verdict(&seen), Violating::StaleConntrack.into());
}

#[test]
fn requests_and_counts_of_single_flows() {
    let mut engine = World::incident().engine();
    let seen = [
        packet(99, flow(59943).reversed(), DEAD, NODE),
        packet(100, flow(59943), NODE, DEAD),
        packet(101, flow(59943), NODE, GW15),
    ];
    let conclusion = engine.conclude_flow(&seen);
    assert_eq!(conclusion.findings.len(), 1);
    assert_eq!(conclusion.findings[0].verdict, Verdict::Info(Info::AsymmetricGateway));
    assert_eq!(conclusion.summary.nexthops[0].packets, 1);
    assert!(conclusion.latent.is_empty());
    assert_eq!(engine.judge_flow(&seen), engine.conclude(&seen[..]).findings);
}

#[test]
fn months_of_flapping() {
    let mut engine = Engine::new(Settings { grace: Duration::from_secs(5), ..Settings::default() });
    engine.begin(Fact::Route(Route { bfd: session("198.19.3.15"), ..route(POD, "198.19.3.15") }), None);
    engine.begin(Fact::Binding(binding("198.19.3.15", GW15)), None);
    engine.epochs();
    let session = |status| Fact::Bfd(Bfd { validity: Validity::ALWAYS, ..bfd("198.19.3.15", status) });
    engine.begin(session(BfdStatus::Up), None);
    for round in 0..60_000_u64 {
        let seconds = 100 + round * 60;
        let delta = Delta { ended: vec![session(BfdStatus::Up)], begun: vec![session(BfdStatus::Down)] };
        assert_eq!(engine.apply(delta, at(seconds)), 0);
        let delta = Delta { ended: vec![session(BfdStatus::Down)], begun: vec![session(BfdStatus::Up)] };
        assert_eq!(engine.apply(delta, at(seconds + 30)), 0);
        engine.hear(HeardNeighbour {
            ip: ip("198.19.3.15"),
            mac: mac(if round % 2 == 0 { GW15 } else { GW16 }),
            at: at(seconds + 40),
        });
        if round % 500 == 0 {
            engine.forget(at(seconds.saturating_sub(86_400)), 1000);
            assert!(engine.past().count() <= 1000);
        }
    }
    let end = 100 + 60_000 * 60;
    assert_eq!(engine.epochs().unsplit(), 0);
    assert_eq!(engine.ignored_neighbours, 0);
    let seen = packet(end - 70, flow(1), NODE, GW15);
    assert_eq!(engine.verdict(&seen), Verdict::Conforming);
    let seen = packet(end - 58, flow(1), NODE, GW15);
    assert_eq!(engine.verdict(&seen), Verdict::Grace);
    let seen = packet(end - 35, flow(1), NODE, GW15);
    assert_eq!(engine.verdict(&seen), Violating::NexthopDown.into());
}

#[test]
fn the_last_binding_of_a_next_hop_is_never_forgotten() {
    let (mut engine, _) = shrunk();
    assert!(engine.end(&Fact::Binding(binding("198.19.3.16", GW16)), at(10)));
    engine.begin(Fact::Binding(binding("198.19.3.200", GW1)), at(10));
    assert!(engine.end(&Fact::Binding(binding("198.19.3.200", GW1)), at(20)));
    engine.forget(at(1_000_000), 0);
    assert_eq!(engine.verdict(&packet(1_000_000, flow(1), NODE, GW16)), Verdict::Conforming);
    assert_eq!(engine.knowledge.neighbours.of_mac(mac(GW1)).count(), 0);
    let kind = BindingKind::MacBinding;
    assert!(engine.knowledge.neighbours.all().all(|binding| binding.kind == kind && binding.mac != Some(mac(GW1))));
}

#[test]
fn a_former_mac_does_not_come_back_by_a_frame_when_it_is_forgotten() {
    let (mut engine, _) = shrunk();
    assert!(engine.end(&Fact::Binding(binding("198.19.3.15", DEAD)), at(50)));
    engine.begin(Fact::Binding(binding("198.19.3.15", GW15)), at(50));
    engine.hear(HeardNeighbour { ip: ip("198.19.3.15"), mac: mac(DEAD), at: at(60) });
    let seen = packet(100_000, flow(1), NODE, DEAD);
    assert_eq!(engine.verdict(&seen), Violating::FormerNexthop.into());
    engine.forget(at(90_000), 0);
    assert_eq!(engine.verdict(&seen), Violating::FormerNexthop.into());
}

proptest! {
    #[test]
    fn facts_that_begin_and_end_are_facts_told_at_once(world in random::world(), packets in random::packets()) {
        let (at_once, mut live) = (world.engine(), live(&world));
        prop_assert_eq!(at_once.verdicts(&packets), live.verdicts(&packets));
        // And one by one, as a daemon asks.
        let mut one_by_one = Vec::new();
        let mut sorted = packets.clone();
        sorted.sort_by_key(|seen| seen.first);
        for seen in &sorted {
            one_by_one.push(live.verdict(seen));
        }
        let alone = |seen: &_| at_once.verdicts(core::slice::from_ref(seen))[0];
        prop_assert_eq!(sorted.iter().map(alone).collect::<Vec<_>>(), one_by_one);
    }

    #[test]
    fn forgetting_changes_no_later_verdict(
        world in random::world(),
        packets in random::packets(),
        before in select(vec![20_u64, 50, 55, 70]),
    ) {
        let mut all = live(&world);
        let mut some = live(&world);
        some.forget(at(before), usize::MAX);
        for seen in packets.iter().filter(|seen| seen.first >= at(before)) {
            let findings = all.judge_flow(core::slice::from_ref(seen));
            let is_old = |last: &LastLegal| last.until <= at(before);
            let was_legal = findings.iter().any(|finding| finding.last_legal.as_ref().is_some_and(is_old));
            if !was_legal && is_whose(&all, seen) == is_whose(&some, seen) {
                prop_assert_eq!(all.verdict(seen), some.verdict(seen), "{:?}", seen);
            }
        }
        let (past, kept) = (all.past().count(), some.past().count());
        prop_assert!(kept <= past);
        some.forget(Timestamp::default(), 1);
        let is_binding = |fact: &Fact| matches!(fact, Fact::Binding(_));
        prop_assert!(some.past().filter(|fact| !is_binding(fact)).count() <= 1);
    }
}
