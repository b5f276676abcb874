//! Routes that begin, end and are forgotten.

use super::Routes;
use crate::engine::fact::{Policy, Route};
use crate::engine::versions::{self, End};
use crate::types::{IpPrefix, Timestamp, Validity};

impl Routes {
    /// Adds a route of a live source.
    pub(in crate::engine) fn begin(&mut self, route: Route) {
        let told = self.by_prefix.get(&(route.policy, route.prefix)).map_or(&[][..], Vec::as_slice);
        let known = told.iter().rev().find(|&&index| versions::continues(&self.routes[index], &route));
        match known {
            Some(&index) => self.routes[index].validity.until = None,
            None => self.insert(route, true),
        }
    }

    /// Ends the route that says the same as `route` and holds without end.
    pub(in crate::engine) fn end(&mut self, route: &Route, at: Timestamp) -> End {
        let told = self.by_prefix.get(&(route.policy, route.prefix)).map_or(&[][..], Vec::as_slice);
        let meant = told.iter().rev().find(|&&index| versions::is_open(&self.routes[index], route));
        let Some(&index) = meant else { return End::Unknown };
        let ended = versions::end_validity(&mut self.routes[index].validity, at);
        if ended == End::Vanished {
            self.remove(index);
        }
        ended
    }

    pub(in crate::engine) fn forget(&mut self, is_forgotten: impl Fn(Validity) -> bool) {
        if !self.routes.iter().any(|route| is_forgotten(route.validity)) {
            return;
        }
        let Self { routes, is_live, told, .. } = std::mem::take(self);
        self.told = told;
        for (route, is_live) in routes.into_iter().zip(is_live) {
            if !is_forgotten(route.validity) {
                self.insert(route, is_live);
            }
        }
    }

    /// All prefixes of routes by source, past ones included.
    pub(in crate::engine) fn source_prefixes(&self) -> impl Iterator<Item = IpPrefix> + '_ {
        self.by_source.iter()
    }

    /// All prefixes of routes by destination, past ones included.
    pub(in crate::engine) fn destination_prefixes(&self) -> impl Iterator<Item = IpPrefix> + '_ {
        self.by_destination.iter()
    }

    /// The rows of all routes with that policy whose prefixes hold all of `prefix`, and which hold at `at`.
    pub(in crate::engine) fn holding_around(
        &self,
        policy: Policy,
        prefix: IpPrefix,
        at: Timestamp,
    ) -> impl Iterator<Item = &Route> {
        let prefixes = match policy {
            Policy::SrcIp => &self.by_source,
            Policy::DstIp => &self.by_destination,
        };
        let around = prefixes.around(prefix.addr()).filter(move |found| found.prefix_len() <= prefix.prefix_len());
        let indices = around.filter_map(move |found| self.by_prefix.get(&(policy, found))).flatten();
        indices.map(|&index| &self.routes[index]).filter(move |route| route.validity.holds(at))
    }

    /// Whether there are, or were, routes by source of that family.
    pub(in crate::engine) fn has_sources(&self, is_ipv4: bool) -> bool {
        self.by_source.has_family(is_ipv4)
    }

    /// Whether a route by source is, or was, for all of `prefix`.
    pub(in crate::engine) fn holds_source(&self, prefix: IpPrefix) -> bool {
        self.by_source.around(prefix.addr()).any(|found| found.prefix_len() <= prefix.prefix_len())
    }

    /// Whether a route by source has that prefix, or had.
    pub(in crate::engine) fn has_source_prefix(&self, prefix: IpPrefix) -> bool {
        self.by_source.contains(prefix)
    }

    /// Takes a route out. The last one takes its index.
    fn remove(&mut self, index: usize) {
        let Some(last) = self.routes.len().checked_sub(1) else { return };
        let moved = (self.routes[last].policy, self.routes[last].prefix);
        let route = self.routes.swap_remove(index);
        self.is_live.swap_remove(index);
        if let Some(indices) = self.by_prefix.get_mut(&(route.policy, route.prefix)) {
            indices.retain(|&other| other != index);
            if indices.is_empty() {
                self.by_prefix.remove(&(route.policy, route.prefix));
            }
        }
        for other in self.by_prefix.get_mut(&moved).into_iter().flatten() {
            if *other == last {
                *other = index;
            }
        }
        match route.policy {
            Policy::SrcIp => self.by_source.remove(route.prefix),
            Policy::DstIp => self.by_destination.remove(route.prefix),
        }
    }
}
