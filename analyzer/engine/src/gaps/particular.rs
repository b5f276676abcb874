//! Gaps that matter to few flows, found by these.

use core::net::IpAddr;

use hashbrown::HashSet;

use crate::fact::{Gap, LostEntry, LostTuple, Scope};
use crate::prefixes::PrefixSet;
use crate::types::Tuple;

/// What can be read of gaps that tells whose they are not: addresses, ports and prefixes. All other gaps matter alike to flows
/// that routes, MACs, time and protocol do not tell apart.
#[derive(Debug, Default)]
pub(super) struct Particulars {
    prefixes: PrefixSet,
    addresses: HashSet<IpAddr>,
    ports: HashSet<u16>,
}

impl Particulars {
    pub(super) fn of<'a>(gaps: impl Iterator<Item = &'a Gap>) -> Self {
        let mut all = Self::default();
        gaps.for_each(|gap| all.insert(gap));
        all
    }

    pub(super) fn insert(&mut self, gap: &Gap) {
        match &gap.scope {
            Scope::Routes { prefix: Some(prefix), .. } => self.prefixes.insert(*prefix),
            Scope::Connections(LostEntry { orig, reply, .. }) => {
                let is_anyones = |tuple: &LostTuple| *tuple == LostTuple::default();
                let is_particular = !is_anyones(orig) && !is_anyones(reply);
                [orig, reply].into_iter().filter(|_| is_particular).for_each(|tuple| self.insert_tuple(tuple));
            }
            _ => {}
        }
    }

    /// One end is enough: a flow that lacks it is another one.
    fn insert_tuple(&mut self, tuple: &LostTuple) {
        match tuple.src.or(tuple.dst) {
            Some(address) => drop(self.addresses.insert(address)),
            None => self.ports.extend(tuple.sport.or(tuple.dport)),
        }
    }

    /// Whether one of the gaps may matter to this flow and not to others that are like it.
    pub(super) fn may_be_of(&self, flow: Tuple) -> bool {
        let is_end = |address| self.addresses.contains(&address) || self.prefixes.around(address).next().is_some();
        // Ports that are not tracked tell nothing apart.
        let is_port = |port| !flow.is_tracked_by_ports() || self.ports.contains(&port);
        [flow.src, flow.dst].into_iter().any(is_end)
            || !self.ports.is_empty() && [flow.tp_src, flow.tp_dst].into_iter().any(is_port)
    }
}
