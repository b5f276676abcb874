//! Latent entries, counting and evidence.

use super::world::*;
use crate::fact::{BfdRef, BfdStatus, Binding};
use crate::finding::LatentState;
use crate::types::Timestamp;

#[test]
fn the_incident_counted() {
    let mut world = World::incident();
    world.connections([entry(35, flow(42788), label(DEAD, 2))]);
    world.seen.push(packet(101, flow(59943), NODE, DEAD));
    world.seen.push(packet(101, flow(42788), NODE, DEAD));
    world.seen.push(packet(102, flow(7), NODE, GW15));
    let conclusion = world.conclude();
    let summary = &conclusion.summary;
    assert_eq!((summary.flows, summary.covered_flows, summary.conforming_flows), (3, 3, 1));
    assert_eq!((summary.violating_flows, summary.violating_packets), (2, 3));
    assert_eq!((summary.latent_armed, summary.latent_unused), (0, 0));
    assert_eq!(summary.nexthops.len(), 1);
    assert_eq!(summary.nexthops[0].nexthops, [ip("198.19.3.15")]);

    let finding = &conclusion.findings[0];
    assert_eq!((finding.packets, finding.bytes), (2, 188));
    assert_eq!((finding.first_seen, finding.last_seen), (at(100), at(101)));
    assert_eq!(finding.expected.len(), 2);
    assert_eq!(finding.conntrack.len(), 1);
    assert_eq!((finding.conntrack[0].zone, finding.conntrack[0].reply_port), (35, 2));
    assert_eq!(finding.conntrack[0].zone_name, None);
    assert_eq!(finding.last_legal, None);
    assert_eq!(finding.known_as.len(), 1);
    assert_eq!(finding.known_as[0].ip, Some(ip("fe80::cc73:29ff:fe6b:39a4")));
}

#[test]
fn last_legal_names_time_and_next_hop() {
    let mut world = World::with_history();
    world.seen.push(packet(100, flow(59943), NODE, DEAD));
    let conclusion = world.conclude();
    let last = conclusion.findings[0].last_legal.as_ref().unwrap();
    assert_eq!((last.until, last.nexthop), (at(50), ip("198.19.3.15")));
}

#[test]
fn only_the_owners_entry_is_cited() {
    let mut world = World::incident();
    world.facts.push(zone(35, "GR_worker-08_dnat"));
    world.facts.push(zone(7, "default_pod-230"));
    world.connections([entry(7, flow(59943), label(DEAD, 9)), entry(0, flow(59943), label(GW16, 2))]);
    let conclusion = world.conclude();
    let zones: Vec<u16> = conclusion.findings[0].conntrack.iter().map(|entry| entry.zone).collect();
    assert_eq!(zones, [35]);
    assert_eq!(conclusion.findings[0].conntrack[0].zone_name.as_deref(), Some("GR_worker-08_dnat"));
}

#[test]
fn latent_entries() {
    let latent = |world: &World| {
        let conclusion = world.conclude();
        conclusion.latent.iter().map(|latent| (latent.state, latent.connection.reply.tp_src)).collect::<Vec<_>>()
    };
    let mut world = World::incident();
    world.connections([entry(35, flow(7), label(DEAD, 2)), entry(35, flow(8), label(GW15, 2))]);
    assert_eq!(latent(&world), [(LatentState::Armed, 7)], "no packet of the flow");

    world.seen.push(packet(110, flow(7), NODE, GW15));
    assert_eq!(latent(&world), [(LatentState::Unused, 7)], "the flow conforms while so labelled");

    let mut world = World::incident();
    world.each_route(|route| route.symmetric_reply = false);
    world.seen.clear();
    assert_eq!(latent(&world), [(LatentState::Unused, 59943)], "no symmetric route");

    let mut world = World::incident();
    world.unbind("198.19.3.16");
    world.connections([entry(35, flow(7), label(DEAD, 2))]);
    assert_eq!(latent(&world), [], "the set is not known");
}

#[test]
fn a_capture_does_not_show_offloaded_flows() {
    let mut world = World::incident();
    world.seen.clear();
    world.each_connection(|connection| connection.offloaded = true);
    let latent = &world.conclude().latent;
    assert_eq!(latent.len(), 1);
    assert!(latent[0].evidence.iter().any(|remark| remark.contains("offloaded")), "{:?}", latent[0].evidence);
}

#[test]
fn entries_listed() {
    let mut world = World::incident();
    world.facts.push(zone(35, "GR_worker-08_dnat"));
    world.facts.push(zone(7, "default_pod-230"));
    world.connections([
        entry(35, flow(7), label(GW15, 2)),
        entry(35, flow(8), label(DEAD, 0)),
        entry(7, flow(9), label(DEAD, 2)),
        entry(35, crate::types::Tuple { src: ip("10.0.0.1"), ..flow(10) }, label(DEAD, 2)),
    ]);
    let listed = world.engine().connections(Timestamp::MAX);
    let standings: Vec<(&str, u16)> =
        listed.iter().map(|view| (view.standing.name(), view.connection.reply.tp_src)).collect();
    assert_eq!(
        standings,
        [("stale", 59943), ("unused", 10), ("not-honoured", 9), ("not-honoured", 8), ("nexthop", 7),]
    );
}

#[test]
fn a_flow_explained() {
    let mut world = World::with_history();
    for seconds in [40, 52, 60] {
        world.seen.push(packet(seconds, flow(59943), NODE, DEAD));
    }
    world.seen.push(packet(41, flow(59943).reversed(), DEAD, NODE));
    let explanation = world.engine().explain(flow(59943), world.seen.as_slice());
    let verdicts: Vec<&str> = explanation.seen.iter().map(|finding| finding.verdict.name()).collect();
    assert_eq!(verdicts, ["conforming", "grace", "violating"]);
    assert_eq!(explanation.requests.len(), 1);
    assert!(explanation.connections[0].standing.is_stale());
    assert_eq!(explanation.expected.len(), 2);
}

#[test]
fn latent_entries_of_an_earlier_era() {
    let mut world = World::incident();
    world.seen.clear();
    let in_mark = crate::fact::Connection { mark: 2 << 16, ..entry(35, flow(7), label(DEAD, 0)) };
    world.connections([in_mark]);
    let conclusion = world.conclude();
    let states: Vec<_> =
        conclusion.latent.iter().map(|latent| (latent.state, latent.connection.reply.tp_src)).collect();
    assert_eq!(states, [(LatentState::Armed, 7), (LatentState::Unused, 59943)]);
}

#[test]
fn a_translated_flow_that_conforms_disarms_its_entry() {
    let mut world = World::incident();
    let wire = crate::types::Tuple { src: ip("198.19.3.8"), tp_src: 40_000, ..flow(59943) };
    let mut snat = entry(0, flow(59943), 0);
    (snat.orig, snat.reply) = (flow(59943), wire.reversed());
    world.connections([snat]);
    world.seen = vec![packet(100, wire, NODE, GW15)];
    let conclusion = world.conclude();
    assert_eq!(conclusion.summary.conforming_flows, 1);
    assert_eq!((conclusion.summary.latent_armed, conclusion.summary.latent_unused), (0, 1));
}

#[test]
fn findings_make_room_for_violations() {
    let mut world = World::incident();
    world.settings.max_findings = 3;
    world.bindings([Binding { mac: None, ..binding("198.19.3.17", GW15) }]);
    world.routes([route("192.168.16.231", "198.19.3.17")]);
    world.seen.clear();
    let src = |last: u8| ip(&format!("192.168.16.{last}"));
    for port in 0..5 {
        world.seen.push(packet(100, crate::types::Tuple { src: src(231), ..flow(port) }, NODE, DEAD));
        world.seen.push(packet(100, flow(port), NODE, DEAD));
    }
    let conclusion = world.conclude();
    let names: Vec<_> = conclusion.findings.iter().map(|finding| finding.verdict.name()).collect();
    assert_eq!(names, ["violating"; 3]);
    assert_eq!(conclusion.summary.omitted_findings, 7);
    assert_eq!(conclusion.summary.violating_flows, 5);
}

#[test]
fn what_knows_a_mac_is_bounded_and_the_latest_is_kept() {
    let mut world = World::with_history();
    let past = |second| Binding { validity: between(second, second + 1), ..binding("198.19.3.40", DEAD) };
    world.bindings((0..40).map(|n| past(2 * n)));
    world.bindings([Binding { validity: from(1), ..binding("198.19.3.41", DEAD) }]);
    world.seen.push(packet(100, flow(59943), NODE, DEAD));
    let known = &world.conclude().findings[0].known_as;
    assert_eq!(known.len(), 32);
    assert!(known.iter().any(|known| known.ip == Some(ip("198.19.3.41"))));
    assert!(known.iter().any(|known| known.validity == Some((Some(at(78)), Some(at(79))))));
    assert!(!known.iter().any(|known| known.validity == Some((Some(at(0)), Some(at(1))))));
}

#[test]
fn what_a_verdict_forgives_is_not_stale() {
    let standing_of = |world: &World| world.engine().connections(Timestamp::MAX)[0].standing.name();
    let mut world = World::incident();
    assert_eq!(standing_of(&world), "stale");
    world.settings.allowed = vec![mac(DEAD)];
    assert_eq!(standing_of(&world), "allowed");

    let mut world = World::incident();
    world.each_connection(|connection| connection.label = label("00:00:5e:00:01:0a", 2));
    assert_eq!(standing_of(&world), "virtual-router");

    let mut world = World::incident();
    world.each_route(|route| route.bfd = BfdRef::Status(BfdStatus::Down));
    assert_eq!(standing_of(&world), "unused", "northd writes no flows for routes that are down");
}

/// Equal lengths: the route by destination decides, and the label pins the flow to the one by source.
#[test]
fn the_mac_of_the_unpinned_route_is_right() {
    let standing_of = |world: &World| world.engine().connections(Timestamp::MAX)[0].standing.name();
    let mut world = World::incident();
    world.seen.clear();
    world.routes([route_to("172.27.0.13/32", "198.19.3.1")]);
    world.bindings([binding("198.19.3.1", GW1)]);
    world.each_connection(|connection| connection.label = label(GW1, 2));
    assert_eq!(standing_of(&world), "nexthop");
    assert_eq!(world.conclude().latent, []);
    world.unbind("198.19.3.1");
    assert_eq!(standing_of(&world), "undetermined", "it may be the MAC of the hop that has none");
}

/// A capture ends with the change: what conformed before leaves to the dead gateway from now on.
#[test]
fn a_flow_that_conformed_until_its_mac_left_is_armed() {
    let mut world = World::with_history();
    world.seen.push(packet(40, flow(59943), NODE, DEAD));
    world.seen.push(packet(60, flow(7), NODE, GW15));
    let latent = world.conclude().latent;
    assert_eq!(latent.iter().map(|latent| latent.state).collect::<Vec<_>>(), [LatentState::Armed]);
}
