//! When MACs were last legal, remembered: the flows to a dead gateway share the answer, and a long history makes it dear.

mod past;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::max_by_key;
use core::net::IpAddr;

use hashbrown::HashMap;

use self::past::{Decisions, Past};
use super::finding::{LastLegal, RouteId};
use super::knowledge::Knowledge;
use super::plain::{self, Prefixes};
use super::routes::Group;
use crate::types::{MacAddr, Timestamp};

/// Routes and prefixes whose past is remembered at most.
const MAX_REMEMBERED: usize = 1 << 16;

/// Prefixes that hold a flow's addresses, and the routers that know the flow.
type PrefixesKey = (Prefixes, Vec<Option<Arc<str>>>);

/// The past of routes, as far as it was asked for.
#[derive(Debug, Default)]
pub(super) struct LastLegals {
    by_route: HashMap<RouteId, Past>,
    by_prefixes: HashMap<PrefixesKey, Decisions>,
}

impl LastLegals {
    pub(super) fn clear(&mut self) {
        self.by_route.clear();
        self.by_prefixes.clear();
    }

    /// When `mac` was last legal for the packet: for one of the routes of `groups`, or for another route that decided
    /// before.
    pub(super) fn of(
        &mut self,
        knowledge: &Knowledge,
        groups: &[Group<'_>],
        (src, dst): (IpAddr, IpAddr),
        mac: MacAddr,
        at: Timestamp,
    ) -> Option<LastLegal> {
        // Most MACs that are asked for were never anybody's.
        if !knowledge.knows(mac) {
            return None;
        }
        let mut by_route = None;
        for group in groups {
            let found = self.of_route(knowledge, &group.id(), mac, at);
            by_route = max_by_key(by_route, found, |found| found.as_ref().map(|last| last.until));
        }
        let routers: Vec<_> = groups.iter().map(|group| group.routes[0].router.clone()).collect();
        let decided = match plain::prefixes(knowledge, src, dst) {
            Some(prefixes) => {
                if self.by_prefixes.len() >= MAX_REMEMBERED {
                    self.by_prefixes.clear();
                }
                let decisions = self.by_prefixes.entry((prefixes, routers));
                decisions.or_insert_with_key(|(_, routers)| Decisions::new(knowledge, (src, dst), routers)).last(
                    knowledge,
                    (src, dst),
                    mac,
                    at,
                )
            }
            None => Decisions::new(knowledge, (src, dst), &routers).last(knowledge, (src, dst), mac, at),
        };
        // Where both tell the same moment, the route that decides now names the next hop.
        max_by_key(decided, by_route, |found| found.as_ref().map(|last| last.until))
    }

    /// When `mac` was last legal for the route, before `at`, and for which next hop.
    ///
    /// A binding that is withdrawn ends at the date of that transaction, though a frame heard may have told earlier.
    /// One that still stands ended as the newer evidence came.
    pub(super) fn of_route(
        &mut self,
        knowledge: &Knowledge,
        id: &RouteId,
        mac: MacAddr,
        at: Timestamp,
    ) -> Option<LastLegal> {
        if self.by_route.len() >= MAX_REMEMBERED {
            self.by_route.clear();
        }
        let past = self.by_route.entry_ref(id);
        past.or_insert_with(|| Past::new(knowledge, &knowledge.routes.versions(id).collect::<Vec<_>>())).last(mac, at)
    }

    /// The latest of [`LastLegals::of_route`] over several routes.
    pub(super) fn of_routes<'a>(
        &mut self,
        knowledge: &Knowledge,
        ids: impl IntoIterator<Item = &'a RouteId>,
        mac: MacAddr,
        at: Timestamp,
    ) -> Option<LastLegal> {
        let found = ids.into_iter().filter_map(|id| self.of_route(knowledge, id, mac, at));
        found.max_by_key(|last| last.until)
    }
}
