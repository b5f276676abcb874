//! When MACs were last legal, against going back moment by moment.

use core::net::IpAddr;

use proptest::prelude::*;

use super::random::world;
use super::world::*;
use crate::Engine;
use crate::bfd::Liveness;
use crate::finding::{LastLegal, RouteId};
use crate::knowledge::{Hop, Knowledge};
use crate::last_legal::LastLegals;
use crate::routes::{Decision, Group};
use crate::types::{MacAddr, Timestamp};

fn just_before(moment: Timestamp) -> Option<Timestamp> {
    moment.as_nanos().checked_sub(1).map(Timestamp::from_nanos)
}

/// For one route: the latest moment just before which a next hop of it made the MAC legal.
fn of_route(knowledge: &Knowledge, id: &RouteId, mac: MacAddr, at: Timestamp) -> Option<LastLegal> {
    let holding = |at| {
        let versions = knowledge.routes.versions(id).filter(move |route| route.validity.holds(at));
        knowledge.hops(&Group { routes: versions.collect() }, at)
    };
    let stands = holding(at).iter().any(|hop| hop.lladdrs.older.contains(&mac));
    knowledge.changes(knowledge.routes.versions(id), at).into_iter().find_map(|until| {
        let told = |hop: &Hop<'_>| {
            let is_older = hop.lladdrs.older.contains(&mac) && !hop.lladdrs.overruled.contains(&mac);
            hop.is_legal(mac) || !stands && hop.liveness == Liveness::Up && is_older
        };
        let hop = holding(just_before(until)?).into_iter().find(told)?;
        Some(LastLegal { until, nexthop: hop.ip })
    })
}

/// For whatever route decided on the routers.
fn decided(
    knowledge: &Knowledge,
    (src, dst): (IpAddr, IpAddr),
    groups: &[Group<'_>],
    mac: MacAddr,
    at: Timestamp,
) -> Option<LastLegal> {
    let is_own = |group: &Group<'_>| groups.iter().any(|own| own.routes[0].router == group.routes[0].router);
    let versions = knowledge.routes.versions_for(src, dst).filter(|route| is_own(&Group { routes: vec![*route] }));
    knowledge.changes(versions, at).into_iter().find_map(|until| {
        let before = just_before(until)?;
        let lookups =
            knowledge.routes.decide(&knowledge.ports, src, dst, before, |route| knowledge.bfd.liveness(route, before));
        let hop = lookups.into_iter().find_map(|lookup| match lookup.decision {
            Decision::Route(group) if is_own(&group) => {
                knowledge.hops(&group, before).into_iter().find(|hop| hop.is_legal(mac))
            }
            _ => None,
        })?;
        Some(LastLegal { until, nexthop: hop.ip })
    })
}

fn engine(world: &World) -> Engine {
    world.engine()
}

proptest! {
    #[test]
    fn the_past_is_what_going_back_finds(world in world()) {
        let engine = engine(&world);
        let knowledge = &engine.knowledge;
        let mut remembered = LastLegals::default();
        for (src, dst) in [("10.0.0.1", "172.27.0.13"), ("10.9.9.9", "172.28.0.1"), ("10.0.0.4", "8.8.8.8")] {
            let (src, dst) = (ip(src), ip(dst));
            for seconds in [5, 15, 30, 40, 55, 70, 90] {
                let at = at(seconds);
                let lookups = knowledge.routes.decide(&knowledge.ports, src, dst, at, |route| {
                    knowledge.bfd.liveness(route, at)
                });
                let groups: Vec<Group<'_>> = lookups.into_iter().flat_map(|lookup| {
                    let deciding = match lookup.decision {
                        Decision::Route(group) => Some(group),
                        _ => None,
                    };
                    deciding.into_iter().chain(lookup.inactive)
                }).collect();
                for mac in [DEAD, GW15, GW16, GW1].map(mac) {
                    let by_route = groups.iter().map(|group| of_route(knowledge, &group.id(), mac, at));
                    let until = |found: &Option<LastLegal>| found.as_ref().map(|last| last.until);
                    let by_route = by_route.fold(None, |best, found| core::cmp::max_by_key(best, found, until));
                    let decided = decided(knowledge, (src, dst), &groups, mac, at);
                    let model = core::cmp::max_by_key(decided, by_route, until);
                    let found = remembered.of(knowledge, &groups, (src, dst), mac, at);
                    prop_assert_eq!(found, model, "{} at {} s", mac, seconds);
                }
            }
        }
    }
}
