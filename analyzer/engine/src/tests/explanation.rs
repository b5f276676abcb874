//! The story of one flow: sets over time, what a new flow gets, every zone's entry.

use super::world::*;
use crate::Engine;
use crate::fact::{BfdStatus, Binding, Connection, Route};
use crate::finding::ExpectedNexthop;
use crate::observation::Observation;
use crate::settings::Settings;
use crate::types::{Timestamp, Tuple, tuple::proto};
use crate::view::{Explanation, SetView};

fn explain(world: &World) -> Explanation {
    world.engine().explain(flow(59943), world.seen.as_slice())
}

/// A set's bounds, in seconds, and its next hops by MAC.
fn told(set: &SetView) -> (Option<Timestamp>, Option<Timestamp>, Vec<String>) {
    (set.from, set.until, lladdrs(&set.expected))
}

fn lladdrs(hops: &[ExpectedNexthop]) -> Vec<String> {
    hops.iter().map(|hop| hop.lladdr.map_or("-".to_owned(), |mac| mac.to_string())).collect()
}

#[test]
fn sets_then_and_now() {
    let mut world = World::with_history();
    let (then, now) = ([DEAD, GW16].map(str::to_owned).to_vec(), [GW15, GW16].map(str::to_owned).to_vec());
    let latest = (Some(at(50)), None, now.clone());
    // Without packets: from when the label's MAC was legal.
    let expected = vec![(Some(at(0)), Some(at(50)), then.clone()), latest.clone()];
    assert_eq!(explain(&world).sets.iter().map(told).collect::<Vec<_>>(), expected);
    world.seen.push(packet(30, flow(59943), NODE, DEAD));
    world.seen.push(packet(60, flow(59943), NODE, DEAD));
    assert_eq!(explain(&world).sets.iter().map(told).collect::<Vec<_>>(), expected);
    // A flow that knows nothing of the time before.
    world.facts.retain(|fact| !matches!(fact, crate::fact::Fact::Connection(_)));
    world.seen.remove(0);
    world.seen[0] = packet(60, flow(59943), NODE, GW15);
    assert_eq!(explain(&world).sets.iter().map(told).collect::<Vec<_>>(), [latest]);
    assert_eq!(lladdrs(&explain(&world).new_flow.nexthops), now);
}

#[test]
fn a_capture_that_ends_before_the_change_knows_what_is_now() {
    let mut world = World::with_history();
    world.facts.retain(|fact| !matches!(fact, crate::fact::Fact::Connection(_)));
    world.seen.push(packet(30, flow(59943), NODE, DEAD));
    let explanation = explain(&world);
    assert_eq!(lladdrs(&explanation.expected), [DEAD, GW16], "at the end of the capture");
    assert_eq!(lladdrs(&explanation.new_flow.nexthops), [GW15, GW16]);
    assert_eq!(explanation.sets.len(), 2);
}

#[test]
fn a_restless_history_is_told_in_bounds() {
    let mut world = World::with_history();
    world.unbind("198.19.3.16");
    let flapping = (0..3_000).map(|number| Binding {
        validity: between(100 + number, 101 + number),
        ..binding("198.19.3.16", if number % 2 == 0 { GW16 } else { GW1 })
    });
    world.bindings(flapping);
    world.seen.push(packet(30, flow(59943), NODE, DEAD));
    let sets = explain(&world).sets;
    assert_eq!(sets.len(), 32);
    assert_eq!((sets[0].until, sets[31].until), (Some(at(50)), None), "the first and the latest");
}

#[test]
fn why_a_new_flow_gets_what_it_gets() {
    let reasons = |world: &World| explain(world).new_flow.reasons;
    let mut world = World::incident();
    let decides = "the src-ip route 192.168.16.230/32 of a router that is not named decides";
    let symmetric = "and a reply leaves by the one that its request came from";
    let expected = format!("{decides}: flows are spread over its 2 active next hops by a hash, {symmetric}");
    assert_eq!(reasons(&world), [expected]);

    world.each_route(|route| route.router = router(ROUTER));
    world.each_route(|route| route.bfd = session("198.19.3.16"));
    world.facts.push(crate::fact::Fact::Bfd(bfd("198.19.3.16", BfdStatus::Down)));
    world.each_route(|route| {
        if route.nexthop == Some(ip("198.19.3.15")) {
            route.bfd = crate::fact::BfdRef::None;
        }
    });
    let decides = decides.replace("a router that is not named", ROUTER);
    let expected = [
        format!("{decides}: it has one active next hop, {symmetric}"),
        "198.19.3.16: it gets no flows, as its BFD session is down".to_owned(),
    ];
    assert_eq!(reasons(&world), expected);
    assert_eq!(lladdrs(&explain(&world).new_flow.nexthops), [GW15]);

    world.unbind("198.19.3.15");
    assert_eq!(lladdrs(&explain(&world).new_flow.nexthops), [""; 0]);
    assert!(reasons(&world).contains(&"198.19.3.15: its MAC is not known".to_owned()));

    // All of them down: the next route decides.
    world.each_route(|route| route.bfd = session("198.19.3.16"));
    world.routes([Route { router: router(ROUTER), ..route_to("0.0.0.0/0", "198.19.3.1") }]);
    world.bindings([binding("198.19.3.1", GW1)]);
    let expected = [
        format!("the src-ip route 192.168.16.230/32 of {ROUTER} is passed over: all its next hops are down"),
        format!("the dst-ip route 0.0.0.0/0 of {ROUTER} decides: it has one active next hop"),
    ];
    assert_eq!(reasons(&world), expected);
    assert_eq!(lladdrs(&explain(&world).new_flow.nexthops), [GW1]);

    assert_eq!(reasons(&World::empty()), ["no route that is known matches these addresses"]);
    world.facts.push(reroute("ip4.src == 192.168.16.230"));
    assert!(reasons(&world)[0].ends_with("may reroute it before any route: ip4.src == 192.168.16.230"));
}

/// Of the flow that is followed all entries are kept, of others those that bear on a verdict.
#[test]
fn each_zone_has_its_entry() {
    let mut world = World::incident();
    let plain = |zone, port| entry(zone, flow(port), 0);
    world.connections([plain(7, 59943), plain(7, 1), plain(9, 59943), plain(9, 1)]);
    world.facts.push(zone(7, "default_pod-230"));
    let followed = |tuple: Option<Tuple>| {
        let mut engine: Engine = Engine::new(Settings { followed: tuple, ..world.settings.clone() });
        world.facts.iter().cloned().for_each(|fact| engine.add(fact));
        let none: [Observation; 0] = [];
        let unlabelled = engine.explain(flow(59943), none.as_slice()).unlabelled;
        unlabelled.into_iter().map(|view| (view.zone, view.zone_name.as_deref().map(str::to_owned))).collect::<Vec<_>>()
    };
    let expected = [(7, Some("default_pod-230".to_owned())), (9, None)];
    assert_eq!(followed(Some(flow(59943))), expected);
    assert_eq!(followed(Some(flow(59943).reversed())), expected);
    assert_eq!(followed(Some(flow(1))), []);
    assert_eq!(followed(None), []);
}

/// A flow whose source is translated is seen under the address that it is translated to.
#[test]
fn packets_of_a_translated_flow_are_its_own() {
    let mut world = World::incident();
    let inside = flow(59943);
    let outside = Tuple { src: ip("198.19.3.9"), ..inside };
    let translated = Connection { orig: inside, reply: outside.reversed(), ..entry(0, inside, 0) };
    world.connections([translated]);
    world.seen = vec![packet(100, outside, NODE, GW15), packet(101, outside.reversed(), GW15, NODE)];
    let explanation = explain(&world);
    assert_eq!(explanation.seen.iter().map(|finding| finding.tuple).collect::<Vec<_>>(), [outside]);
    assert_eq!(explanation.requests.len(), 1);
    assert_eq!(explanation.unlabelled.iter().map(|view| (view.zone, view.orig)).collect::<Vec<_>>(), [(0, inside)]);
}

/// The userspace datapath's entry of SCTP has no ports.
#[test]
fn an_entry_without_ports_is_the_flows() {
    let mut world = World::incident();
    let inside = Tuple { nw_proto: proto::SCTP, ..flow(59943) };
    let outside = Tuple { src: ip("198.19.3.9"), ..inside };
    let coarse = |tuple: Tuple| Tuple { tp_src: 0, tp_dst: 0, ..tuple };
    let translated =
        Connection { orig: coarse(inside), reply: coarse(outside).reversed(), ..entry(0, coarse(inside), 0) };
    world.connections([translated, entry(7, coarse(inside), 0)]);
    world.settings.followed = Some(inside);
    world.seen = vec![packet(100, outside, NODE, GW15), packet(101, outside.reversed(), GW15, NODE)];
    let explanation = world.engine().explain(inside, world.seen.as_slice());
    assert_eq!(explanation.seen.iter().map(|finding| finding.tuple).collect::<Vec<_>>(), [outside]);
    assert_eq!(explanation.requests.len(), 1);
    let entries: Vec<_> = explanation.unlabelled.iter().map(|view| (view.zone, view.orig)).collect();
    assert_eq!(entries, [(0, coarse(inside)), (7, coarse(inside).reversed())]);
}
