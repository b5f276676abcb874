//! What findings take for granted.

use super::table::changed;
use super::world::*;
use crate::fact::{BfdStatus, EvidenceKind, Fact};
use crate::observation::Observation;
use crate::types::Timestamp;
use crate::verdict::Undetermined;

const KINDS: [EvidenceKind; 9] = [
    EvidenceKind::WholeRoutes,
    EvidenceKind::Policies,
    EvidenceKind::Bfd,
    EvidenceKind::Bindings,
    EvidenceKind::StaticBindings,
    EvidenceKind::Connections,
    EvidenceKind::History,
    EvidenceKind::BothDirections,
    EvidenceKind::Neighbours,
];

/// The codes of the first finding, where these kinds of evidence are whole.
fn codes(world: &World, given: impl IntoIterator<Item = EvidenceKind>) -> Vec<String> {
    let mut engine = world.engine();
    engine.set_given(given.into_iter().collect());
    let conclusion = engine.conclude(world.seen.as_slice());
    conclusion.findings[0].assumes.codes().map(String::from).collect()
}

/// The incident as it was told: routes and bindings as texts, and the entry; packets to a next hop show who the node is.
fn incident(change: impl FnOnce(&mut World)) -> World {
    changed(World::incident(), |world| {
        world.seen.push(packet(101, flow(1), NODE, GW15));
        change(world);
    })
}

const TEXTS: [EvidenceKind; 2] = [EvidenceKind::Bindings, EvidenceKind::Connections];

#[test]
fn the_incident_names_what_could_turn_it() {
    let all = ["no-history", "no-policies", "no-static-bindings", "no-zone-owners", "one-direction"];
    assert_eq!(codes(&incident(|_| {}), TEXTS), all);
    // A database beside texts dates nothing of what they tell.
    let with_history = incident(|world| world.history = Some(at(0)));
    assert_eq!(codes(&with_history, TEXTS), all);
    let with_dates = changed(with_history, |world| {
        world.facts.iter_mut().filter_map(Fact::validity_mut).for_each(|validity| validity.from = Some(at(0)));
    });
    assert_eq!(codes(&with_dates, TEXTS), all[1..]);
    let with_owner = incident(|world| world.facts.push(zone(35, "GR_worker-08_dnat")));
    assert_eq!(codes(&with_owner, TEXTS), [&all[..3], &all[4..]].concat());
    let with_requests = incident(|world| world.seen.push(packet(102, flow(59943).reversed(), GW15, NODE)));
    assert!(!codes(&with_requests, TEXTS).iter().any(|code| code == "one-direction"));
    assert!(codes(&with_requests, TEXTS).iter().any(|code| code == "no-neighbours"), "they would have come in, too");
}

#[test]
fn a_database_dates_nothing_of_what_texts_tell() {
    let world = incident(|world| {
        world.history = Some(at(0));
        world.seen.push(packet(90, flow(59943).reversed(), DEAD, NODE));
    });
    let findings = world.engine().conclude(world.seen.as_slice()).findings;
    assert_eq!(findings[0].verdict, Undetermined::HeardUndated.into());
}

/// Where only the order of packets is known, who was heard before a packet left need not have been alive then.
#[test]
fn times_that_are_made_up_show_nobody_alive() {
    let heard_at = |later: u64| {
        incident(|world| {
            let heard = Timestamp::from_nanos(world.seen[0].last.as_nanos() + later - 1000);
            let reply = Observation { first: heard, last: heard, ..packet(0, flow(59943).reversed(), DEAD, NODE) };
            world.seen.push(reply);
        })
    };
    let verdict = |world: &World, is_order_only: bool| {
        let mut engine = world.engine();
        if is_order_only {
            engine.set_order_only();
        }
        engine.conclude(world.seen.as_slice()).findings[0].verdict
    };
    assert_eq!(verdict(&heard_at(0), false).name(), "info");
    assert_eq!(verdict(&heard_at(0), true), Undetermined::HeardUndated.into());
    assert_eq!(verdict(&heard_at(2000), true).name(), "info");
}

#[test]
fn each_kind_that_is_missing_has_its_code() {
    // No entry pins the flow.
    let unpinned = incident(|world| {
        world.facts.retain(|fact| !matches!(fact, Fact::Connection(_)));
        world.facts.push(Fact::RouterPort(port()));
    });
    assert_eq!(codes(&unpinned, KINDS), [""; 0]);
    for (kind, code) in [
        (EvidenceKind::WholeRoutes, "routes-maybe-partial"),
        (EvidenceKind::Policies, "no-policies"),
        (EvidenceKind::Bindings, "no-bindings"),
        (EvidenceKind::StaticBindings, "no-static-bindings"),
        (EvidenceKind::Connections, "no-conntrack"),
        (EvidenceKind::History, "no-history"),
        (EvidenceKind::BothDirections, "one-direction"),
        (EvidenceKind::Neighbours, "no-neighbours"),
    ] {
        assert_eq!(codes(&unpinned, KINDS.into_iter().filter(|&told| told != kind)), [code]);
    }
    let without_ports = changed(unpinned, |world| world.facts.retain(|fact| !matches!(fact, Fact::RouterPort(_))));
    assert_eq!(codes(&without_ports, KINDS), ["no-ports"]);
}

#[test]
fn a_session_whose_state_nothing_tells_has_a_code() {
    let watched = incident(|world| {
        world.each_route(|route| {
            if route.nexthop == Some(ip("198.19.3.16")) {
                route.bfd = session("198.19.3.16");
            }
        });
    });
    let without_bfd = KINDS.into_iter().filter(|&told| told != EvidenceKind::Bfd);
    assert_eq!(codes(&watched, without_bfd.clone()), ["no-bfd", "no-zone-owners"]);
    let told = changed(watched, |world| world.facts.push(Fact::Bfd(bfd("198.19.3.16", BfdStatus::Up))));
    assert_eq!(codes(&told, KINDS), ["no-zone-owners"]);
    // A row that was there tells of its own time alone.
    assert_eq!(codes(&told, without_bfd), ["no-bfd", "no-zone-owners"]);
}

#[test]
fn what_is_not_known_takes_nothing_for_granted() {
    assert_eq!(codes(&incident(|world| world.unbind("198.19.3.15")), []), [""; 0]);
}
