//! What could not be read, and what it leaves open.

use super::table::changed;
use super::world::*;
use crate::Engine;
use crate::fact::{BfdRef, BfdStatus, Binding, BindingKind, Fact, Gap, LostEntry, LostTuple, Route, Scope};
use crate::finding::Assumption;
use crate::observation::Observation;
use crate::standing::Standing;
use crate::types::tuple::proto;
use crate::types::work::steps_of;
use crate::types::{Place, Position, Timestamp, Validity};

fn gap(scope: Scope) -> Fact {
    let place = Place { file: "lost.txt".into(), position: Position::Line(7) };
    Fact::Gap(Gap { scope, place, validity: Validity::ALWAYS })
}

fn routes(prefix: Option<&str>) -> Scope {
    Scope::Routes { router: None, policy: None, prefix: prefix.map(|prefix| prefix.parse().unwrap()) }
}

/// A line of the flow with that port, with nothing else of it readable.
fn lost_entry(port: Option<u16>, may_be_labelled: bool) -> Scope {
    let reply = LostTuple { sport: port, ..LostTuple::default() };
    let orig = LostTuple { dport: port, ..LostTuple::default() };
    Scope::Connections(LostEntry { nw_proto: None, orig, reply, may_be_labelled })
}

fn incident_with(scope: Scope, change: impl FnOnce(&mut World)) -> World {
    changed(World::incident(), |world| {
        change(world);
        world.facts.push(gap(scope));
    })
}

fn verdict(scope: Scope, change: impl FnOnce(&mut World)) -> String {
    incident_with(scope, change).verdicts().remove(0)
}

const OPEN: &str = "undetermined unreadable-input";
const STALE: &str = "violating stale-conntrack";

#[test]
fn a_packet_that_the_lost_part_may_decide_is_undetermined() {
    let hop = ip("198.19.3.15");
    let static_bindings = |world: &mut World| {
        let kind = BindingKind::StaticMacBinding { override_dynamic_mac: false };
        let of = |addr, lladdr| Binding { kind, ..binding(addr, lladdr) };
        world.bindings([of("198.19.3.15", GW15), of("198.19.3.16", GW16)]);
    };
    let without_port = |world: &mut World| world.each_route(|route| route.output_port = None);
    for (scope, expected) in [
        (routes(None), OPEN),
        (routes(Some("192.168.16.230/32")), OPEN),
        (routes(Some("172.27.0.0/16")), OPEN),
        (routes(Some("192.168.16.231/32")), STALE),
        // Both next hops have their rows, and there is none beside.
        (Scope::Bindings { ip: None }, STALE),
        (Scope::Bindings { ip: Some(hop) }, OPEN),
        (Scope::Bindings { ip: Some(ip("198.19.3.17")) }, STALE),
        (Scope::StaticBindings { ip: None }, OPEN),
        (Scope::StaticBindings { ip: Some(hop) }, OPEN),
        (Scope::StaticBindings { ip: Some(ip("198.19.3.17")) }, STALE),
        (Scope::Bfd { peer: None }, STALE),
        (Scope::Ports, OPEN),
        // A label sends the flow past policies.
        (Scope::Policies, STALE),
        (Scope::Connections(LostEntry::default()), STALE),
        (Scope::Zones, OPEN),
        (Scope::Behaviour, STALE),
        (Scope::End { bears: true }, OPEN),
        (Scope::End { bears: false }, STALE),
    ] {
        assert_eq!(verdict(scope.clone(), |_| {}), expected, "{scope:?}");
        let live = incident_with(scope.clone(), |_| {});
        assert_eq!(live.live_verdicts(), live.verdicts(), "{scope:?}");
    }
    assert_eq!(verdict(Scope::Bindings { ip: None }, without_port), OPEN, "on another port it may have another row");
    assert_eq!(verdict(Scope::StaticBindings { ip: None }, static_bindings), STALE);
    assert_eq!(verdict(Scope::Zones, |world| world.facts.push(zone(35, "GR_worker-08_dnat"))), STALE);
    let unpinned = |world: &mut World| world.facts.retain(|fact| !matches!(fact, Fact::Connection(_)));
    assert_eq!(verdict(Scope::Policies, unpinned), OPEN);
}

#[test]
fn a_lost_session_may_watch_what_none_is_known_of() {
    let watched = |world: &mut World| {
        world.each_route(|route| {
            if route.nexthop == Some(ip("198.19.3.16")) {
                route.bfd = BfdRef::Session { logical_port: PORT.into(), dst_ip: ip("198.19.3.16") };
            }
        });
    };
    assert_eq!(verdict(Scope::Bfd { peer: None }, watched), OPEN);
    assert_eq!(verdict(Scope::Bfd { peer: Some(ip("198.19.3.15")) }, watched), STALE);
    let told = |world: &mut World| {
        watched(world);
        world.facts.push(Fact::Bfd(bfd("198.19.3.16", BfdStatus::Up)));
    };
    assert_eq!(verdict(Scope::Bfd { peer: None }, told), STALE);
}

#[test]
fn a_lost_conntrack_line_weakens_the_reason_and_no_more() {
    let lost = |world: &mut World| world.facts.retain(|fact| !matches!(fact, Fact::Connection(_)));
    let world = incident_with(lost_entry(Some(59943), true), lost);
    assert_eq!(world.verdicts(), ["violating unknown-mac"]);
    let codes = |world: &World| world.conclude().findings[0].assumes.codes().map(String::from).collect::<Vec<_>>();
    assert!(codes(&world).contains(&"gap:lost.txt:7".to_owned()), "{:?}", codes(&world));
    assert!(codes(&world).is_sorted());
    let other = incident_with(lost_entry(Some(42397), true), |_| {});
    assert!(other.conclude().findings[0].assumes.gaps().is_empty(), "it is another flow's");
    // An entry may pin the flow to a route that does not win the look-up.
    let elsewhere = |world: &mut World| {
        lost(world);
        world.facts.retain(|fact| !matches!(fact, Fact::Route(_)));
        world.routes([route("192.168.0.0/16", "198.19.3.15"), route("192.168.16.0/24", "198.19.3.16")]);
        world.unbind("198.19.3.15");
        world.bindings([binding("198.19.3.15", DEAD)]);
    };
    assert_eq!(verdict(lost_entry(Some(59943), true), elsewhere), OPEN);
    assert_eq!(verdict(lost_entry(Some(42397), true), elsewhere), "violating unknown-mac");
    // It may be the host's own traffic, which only conntrack tells.
    let of_host = |world: &mut World| {
        lost(world);
        world.facts.push(Fact::RouterPort(port()));
        world.routes([Route { router: None, ..route_to("0.0.0.0/0", "198.19.3.1") }]);
        world.bindings([binding("198.19.3.1", GW1)]);
        world.seen[0].tuple.src = ip("10.9.9.9");
    };
    assert_eq!(verdict(lost_entry(None, true), of_host), OPEN);
    assert_ne!(verdict(lost_entry(Some(42397), true), of_host), OPEN, "it is another flow's");
}

#[test]
fn what_conforms_stays_so_and_is_counted() {
    let world = incident_with(routes(None), |world| {
        world.seen = vec![packet(100, flow(1), NODE, GW15), packet(101, flow(2), NODE, GW16)];
        world.seen.push(packet(102, flow(3), NODE, GW1));
    });
    assert_eq!(world.verdicts(), ["conforming", "conforming", OPEN]);
    let summary = world.conclude().summary;
    assert_eq!((summary.gaps.len(), summary.conforming_in_gaps, summary.conforming_flows), (1, 2, 2));
    let unlabelled = |port| {
        let mut world = incident_with(lost_entry(port, false), |_| {});
        world.seen = vec![packet(100, flow(1), NODE, GW15)];
        world.conclude().summary
    };
    assert_eq!(unlabelled(Some(1)).gaps.len(), 1, "its addresses are those of a flow that was judged");
    assert_eq!(unlabelled(Some(2)).gaps.len(), 0, "it holds no label, and is nobody's");
}

#[test]
fn damage_makes_no_fault_of_what_is_none() {
    let mut allowed = incident_with(routes(None), |_| {});
    allowed.settings.allowed.push(mac(DEAD));
    assert_eq!(allowed.verdicts(), ["info asymmetric-gateway"]);
    assert_eq!(allowed.conclude().findings[0].assumes.gaps().len(), 1);
    let mut grace = World::with_history();
    grace.facts.push(gap(Scope::End { bears: true }));
    grace.seen.push(packet(52, flow(59943), NODE, DEAD));
    assert_eq!(grace.verdicts(), ["grace"]);
}

#[test]
fn a_gap_has_a_time() {
    let mut world = World::with_history();
    let Fact::Gap(told) = gap(Scope::Bindings { ip: Some(ip("198.19.3.16")) }) else { return };
    world.facts.push(Fact::Gap(Gap { validity: between(80, 100), ..told }));
    world.seen = [79, 80, 99, 104, 106].map(|seconds| packet(seconds, flow(59943), NODE, DEAD)).into();
    // Until a grace period after, the MAC may have been right just before.
    assert_eq!(world.verdicts(), [STALE, OPEN, OPEN, OPEN, STALE]);
    let torn = Gap { scope: Scope::End { bears: false }, place: place(), validity: from(90) };
    let mut world = World::with_history();
    world.facts.push(Fact::Gap(torn));
    world.seen = [80, 100].map(|seconds| packet(seconds, flow(seconds as u16), NODE, DEAD)).into();
    let findings = world.conclude().findings;
    let is_torn: Vec<bool> = findings.iter().map(|finding| finding.assumes.contains(Assumption::TornEnd)).collect();
    assert_eq!(is_torn, [false, true]);
}

/// Gaps and versions of the packet's route add up: not every gap goes through all of them.
#[test]
fn many_gaps_ask_once_for_the_routes() {
    const COUNT: u64 = 250;
    let mut world = World::with_history();
    let version = |number| Route { validity: between(number, number + 1), ..route(POD, "198.19.3.15") };
    world.routes((0..COUNT).map(version));
    let lost = |number| gap(Scope::Bindings { ip: Some(core::net::Ipv4Addr::from_bits(number as u32).into()) });
    world.facts.extend((0..COUNT).map(lost));
    world.seen.push(packet(1000, flow(1), NODE, GW15));
    let mut engine = world.engine();
    let steps = steps_of(|| assert_eq!(engine.conclude(world.seen.as_slice()).summary.conforming_flows, 1));
    assert!(steps < 40 * COUNT, "{steps} steps");
}

/// Flows that no lost part singles out share what is said of them, gaps or none.
#[test]
fn many_flows_go_through_many_gaps_once() {
    let steps = |gaps: u16, flows: u16| {
        let mut world = World::incident();
        let orig = |port| LostTuple { dst: Some(ip("10.0.0.1")), sport: Some(port), ..LostTuple::default() };
        let lost = |port| LostEntry { orig: orig(port), reply: orig(port), may_be_labelled: true, nw_proto: None };
        world.facts.extend((0..gaps).map(|port| gap(Scope::Connections(lost(port)))));
        let peers =
            (0..gaps).map(|number| Scope::Bfd { peer: Some(core::net::Ipv4Addr::from_bits(number.into()).into()) });
        world.facts.extend(peers.map(gap));
        world.facts.push(gap(Scope::Ports));
        world.seen = (0..flows).map(|port| packet(100, flow(port), NODE, GW15)).collect();
        let mut engine = world.engine();
        steps_of(|| {
            let summary = engine.conclude(world.seen.as_slice()).summary;
            assert_eq!(summary.conforming_in_gaps, u64::from(flows), "what a port tells may decide each");
            assert_eq!(summary.gaps.len(), usize::from(gaps) * 2 + 1);
        })
    };
    let (few, many) = (steps(20, 1000), steps(200, 1000));
    assert!(many < few + 10_000, "{few} steps with 20 gaps of each kind, {many} with 200");
}

/// What is shared with gaps is what each flow by itself is told.
#[test]
fn flows_that_a_gap_singles_out_are_judged_by_themselves() {
    let incoming = |number| packet(99, flow(number).reversed(), GW15, NODE);
    let mut world = World::with_history();
    let Fact::Gap(told) = gap(Scope::Connections(LostEntry::default())) else { panic!("it is a gap") };
    let mut lose = |line, scope, validity| {
        let place = Place { position: Position::Line(line), ..told.place.clone() };
        world.facts.push(Fact::Gap(Gap { scope, place, validity }));
    };
    lose(1, lost_entry(Some(3), true), Validity::ALWAYS);
    lose(2, routes(None), between(60, 70));
    lose(3, Scope::Connections(LostEntry { nw_proto: Some(proto::TCP), ..LostEntry::default() }), Validity::ALWAYS);
    lose(4, routes(Some("172.28.0.0/16")), Validity::ALWAYS);
    let numbers = || (1..=6).rev();
    world.seen = numbers().map(|number| packet(100, flow(number), NODE, GW15)).collect();
    world.seen.extend([2, 5].map(incoming));
    world.seen[0].tuple.nw_proto = proto::TCP;
    world.seen[2].tuple.dst = ip("172.28.0.1");
    let engine = world.engine();
    let together = engine.judged(world.seen.as_slice());
    let alone = |seen: &Observation| {
        let received = world.seen.iter().filter(|other| other.tuple == seen.tuple.reversed());
        let own: Vec<Observation> = core::iter::once(seen).chain(received).cloned().collect();
        engine.judged(&own).into_iter().find(|(tuple, ..)| *tuple == seen.tuple)
    };
    for seen in &world.seen {
        let shared = together.iter().find(|(tuple, ..)| *tuple == seen.tuple).cloned();
        assert_eq!(shared, alone(seen), "{:?}", seen.tuple);
    }
    let told: Vec<usize> = together.iter().map(|(.., assumes)| assumes.gaps().len()).collect();
    assert_eq!(told, [0, 0, 1, 1, 1, 1, 1, 0], "by protocol, request, destination, port and request; the last by none");
}

#[test]
fn a_run_has_the_gaps_that_its_judgements_name() {
    let run = |is_heard: bool| {
        let mut world = World::with_history();
        let Fact::Gap(told) = gap(routes(None)) else { panic!("it is a gap") };
        let torn = Gap { validity: between(60, 70), ..told };
        // One that nothing names.
        let other = Place { position: Position::Line(8), ..torn.place.clone() };
        world.facts.push(Fact::Gap(Gap { place: other, validity: between(10, 20), ..torn.clone() }));
        world.facts.push(Fact::Gap(torn));
        world.history = Some(at(30));
        world.seen.push(packet(101, flow(1), NODE, GW15));
        world.seen.extend(is_heard.then(|| packet(100, flow(1).reversed(), GW15, NODE)));
        let summary = world.conclude().summary;
        let lines: Vec<Position> = summary.gaps.iter().map(|gap| gap.place.position).collect();
        (summary.conforming_flows, summary.conforming_in_gaps, lines)
    };
    assert_eq!(run(false), (1, 0, vec![]));
    assert_eq!(run(true), (1, 1, vec![Position::Line(7)]), "what its receiver ever was matters");
}

fn place() -> Place {
    Place { file: "lost.txt".into(), position: Position::Line(7) }
}

fn standing(engine: &Engine) -> Standing {
    engine.connections(Timestamp::MAX).remove(0).standing
}

#[test]
fn an_entry_that_a_gap_may_decide_is_undetermined() {
    for (scope, is_undetermined) in [
        (routes(None), true),
        (routes(Some("192.168.16.231/32")), false),
        (Scope::StaticBindings { ip: None }, true),
        (Scope::Ports, true),
        (Scope::Policies, false),
        (Scope::Zones, true),
        (Scope::Behaviour, true),
        (Scope::Connections(LostEntry::default()), false),
        (Scope::End { bears: true }, true),
        (Scope::End { bears: false }, false),
    ] {
        let world = incident_with(scope.clone(), |world| world.seen.clear());
        let engine = world.engine();
        assert_eq!(standing(&engine).is_undetermined(), is_undetermined, "{scope:?}");
        assert_eq!(standing(&engine).is_stale(), !is_undetermined, "{scope:?}");
        assert_eq!(world.conclude().latent.len(), usize::from(!is_undetermined), "{scope:?}");
    }
    // The route that would apply to it may be the one that was lost.
    let no_route = incident_with(routes(None), |world| world.each_route(|route| route.symmetric_reply = false));
    assert!(standing(&no_route.engine()).is_undetermined());
    // Another entry may count, where zones have names.
    let named = incident_with(Scope::Connections(LostEntry::default()), |world| {
        world.facts.push(zone(7, "default_pod-230"));
    });
    assert!(standing(&named.engine()).is_undetermined());
    let own = incident_with(Scope::Connections(LostEntry::default()), |world| {
        world.facts.push(zone(35, "GR_worker-08_dnat"));
    });
    assert!(standing(&own.engine()).is_stale());
    assert!(!own.engine().pins(Timestamp::MAX)[0].assumes.after_looking().gaps().is_empty(), "it is never waived");
}

/// A server that sends a row which cannot be read, and a better one later.
#[test]
fn a_gap_of_a_daemon_begins_and_ends() {
    let mut engine = World::incident().engine();
    let lost = gap(Scope::Bindings { ip: Some(ip("198.19.3.15")) });
    let verdict = |engine: &mut Engine, seconds| engine.verdict(&packet(seconds, flow(59943), NODE, DEAD)).reason();
    engine.begin(lost.clone(), at(110));
    assert_eq!(verdict(&mut engine, 100), Some("stale-conntrack"));
    assert_eq!(verdict(&mut engine, 120), Some("unreadable-input"));
    assert!(engine.end(&lost, at(130)));
    assert_eq!(engine.gaps(at(129)).count() + engine.gaps(at(130)).count(), 1);
    assert_eq!(verdict(&mut engine, 132), Some("unreadable-input"), "within the grace period");
    assert_eq!(verdict(&mut engine, 140), Some("stale-conntrack"));
    let told = |engine: &Engine, since| engine.gaps_between(at(since), at(1000)).cloned().collect::<Vec<_>>();
    assert_eq!((told(&engine, 50).len(), told(&engine, 130).len()), (1, 0));
    engine.forget(at(1000), 0);
    assert_eq!(engine.gaps(at(120)).count(), 0);
    assert_eq!((told(&engine, 50).len(), told(&engine, 130).len()), (1, 0), "a run had it, though it decides nothing");
}
