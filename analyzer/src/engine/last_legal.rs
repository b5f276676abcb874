//! When MACs were last legal, remembered: the flows to a dead gateway share the answer, and a long history makes it dear.

use std::cmp::max_by_key;
use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashMap;

use super::epoch::Epochs;
use super::finding::{LastLegal, RouteId};
use super::knowledge::Knowledge;
use super::plain::{self, Prefixes};
use super::routes::Group;
use crate::types::{MacAddr, Timestamp};

/// Answers of one kind that are remembered at most.
const MAX_REMEMBERED: usize = 1 << 16;

/// Prefixes that hold a flow's addresses, the routers that know the flow, MAC, epoch.
type PrefixesKey = (Prefixes, Vec<Option<Arc<str>>>, MacAddr, u16);

/// Answers that were given.
#[derive(Debug, Default)]
pub(super) struct LastLegals {
    by_route: HashMap<(RouteId, MacAddr, u16), Option<LastLegal>>,
    by_prefixes: HashMap<PrefixesKey, Option<LastLegal>>,
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
        epochs: &Epochs,
        groups: &[Group<'_>],
        (src, dst): (IpAddr, IpAddr),
        mac: MacAddr,
        at: Timestamp,
    ) -> Option<LastLegal> {
        if self.by_route.len() >= MAX_REMEMBERED {
            self.by_route.clear();
        }
        if self.by_prefixes.len() >= MAX_REMEMBERED {
            self.by_prefixes.clear();
        }
        let epoch = epochs.at(at).id;
        let mut by_route = None;
        for group in groups {
            let key = (group.id(), mac, epoch);
            let found = match self.by_route.get(&key) {
                Some(known) => known.clone(),
                None => {
                    let found = knowledge.last_legal(&key.0, mac, at);
                    self.by_route.insert(key, found.clone());
                    found
                }
            };
            by_route = max_by_key(by_route, found, |found| found.as_ref().map(|last| last.until));
        }
        let routers: Vec<_> = groups.iter().map(|group| group.routes[0].router.clone()).collect();
        let search = |routers: &[_]| knowledge.last_decided((src, dst), routers, mac, at);
        let decided = match plain::prefixes(knowledge, src, dst) {
            Some(prefixes) => {
                let key = (prefixes, routers, mac, epoch);
                match self.by_prefixes.get(&key) {
                    Some(known) => known.clone(),
                    None => {
                        let found = search(&key.1);
                        self.by_prefixes.insert(key, found.clone());
                        found
                    }
                }
            }
            None => search(&routers),
        };
        // Where both tell the same moment, the route that decides now names the next hop.
        max_by_key(decided, by_route, |found| found.as_ref().map(|last| last.until))
    }
}
