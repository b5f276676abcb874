//! Routes that begin, end and are forgotten.

use alloc::vec::Vec;

use super::Routes;
use super::told::Told;
use crate::fact::{Policy, Route};
use crate::types::{IpPrefix, Timestamp, Validity};
use crate::versions::End;

impl Routes {
    /// Adds a route of a live source.
    pub(crate) fn begin(&mut self, route: Route) {
        let (policy, prefix) = (route.policy, route.prefix);
        self.told = true;
        let told = self.by_prefix.entry((policy, prefix)).or_default().for_change();
        let new = Told { route, is_live: true };
        match told.continued_by(&new) {
            Some(number) => told.update(number, |told| told.route.validity.until = None),
            None => {
                told.push(new);
                self.prefixes_mut(policy).insert(prefix);
            }
        }
    }

    /// Ends the route that says the same as `route` and holds without end.
    pub(crate) fn end(&mut self, route: &Route, at: Timestamp) -> End {
        let key = (route.policy, route.prefix);
        let Some(of_prefix) = self.by_prefix.get_mut(&key) else { return End::Unknown };
        let told = of_prefix.for_change();
        let ended = told.end(&Told { route: route.clone(), is_live: true }, at);
        if ended == End::Vanished {
            if told.is_empty() {
                self.by_prefix.remove(&key);
            }
            self.prefixes_mut(route.policy).remove(route.prefix);
        }
        ended
    }

    pub(crate) fn forget(&mut self, is_forgotten: impl Fn(Validity) -> bool) {
        let mut gone = Vec::new();
        self.by_prefix.retain(|&key, of_prefix| {
            if !of_prefix.told.iter().any(|told| is_forgotten(told.route.validity)) {
                return true;
            }
            let told = of_prefix.for_change();
            told.retain(|told| {
                let stays = !is_forgotten(told.route.validity);
                gone.extend((!stays).then_some(key));
                stays
            });
            !told.is_empty()
        });
        gone.into_iter().for_each(|(policy, prefix)| self.prefixes_mut(policy).remove(prefix));
    }

    /// All prefixes of routes by source, past ones included.
    pub(crate) fn source_prefixes(&self) -> impl Iterator<Item = IpPrefix> + '_ {
        self.by_source.iter()
    }

    /// All prefixes of routes by destination, past ones included.
    pub(crate) fn destination_prefixes(&self) -> impl Iterator<Item = IpPrefix> + '_ {
        self.by_destination.iter()
    }

    /// The rows of all routes with that policy whose prefixes hold all of `prefix`, and which hold at `at`.
    pub(crate) fn holding_around(
        &self,
        policy: Policy,
        prefix: IpPrefix,
        at: Timestamp,
    ) -> impl Iterator<Item = &Route> {
        let around = self.prefixes(policy).around(prefix.addr());
        let around = around.filter(move |found| found.prefix_len() <= prefix.prefix_len());
        let of_prefixes = around.filter_map(move |found| self.by_prefix.get(&(policy, found)));
        of_prefixes.flat_map(move |of_prefix| of_prefix.told.holding(at)).map(|told| &told.route)
    }

    /// Whether there are, or were, routes by source of that family.
    pub(crate) fn has_sources(&self, is_ipv4: bool) -> bool {
        self.by_source.has_family(is_ipv4)
    }

    /// Whether a route by source is, or was, for all of `prefix`.
    pub(crate) fn holds_source(&self, prefix: IpPrefix) -> bool {
        self.by_source.around(prefix.addr()).any(|found| found.prefix_len() <= prefix.prefix_len())
    }

    /// Whether a route by source has that prefix, or had.
    pub(crate) fn has_source_prefix(&self, prefix: IpPrefix) -> bool {
        self.by_source.contains(prefix)
    }
}
