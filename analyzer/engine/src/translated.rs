//! Packets of which it is not known who sent them: their source is a translated one.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::OnceCell;
use core::net::IpAddr;

use hashbrown::HashMap;

use super::context::Context;
use super::decided::{Time, Way};
use super::fact::Route;
use super::finding::RouteId;
use super::flow::Flow;
use super::knowledge::Knowledge;
use super::prefixes::PrefixSet;
use super::routes::Group;
use crate::types::{IpPrefix, MacAddr, Timestamp};

/// Sources, of each time, for which answers are remembered at most.
const MAX_SOURCES: usize = 1 << 12;
/// Times for which answers are remembered at most.
const MAX_TIMES: usize = 64;

/// What the routes by source of one time say of packets whose source is translated.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    /// Those of any source.
    all: OnceCell<Arc<Said>>,
    /// Those of the sources that NAT rules translate to an address.
    by_outside: HashMap<IpAddr, Arc<Said>>,
    /// Whether a policy reroutes.
    is_rerouted: OnceCell<bool>,
}

/// What routes say of a packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Said {
    /// None of them has a next hop that is up.
    Nothing,
    /// The next hops of each have these MACs.
    Macs(BTreeSet<MacAddr>),
    /// They differ, or a next hop is not fully known.
    Differs,
}

impl Said {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, said) | (said, Self::Nothing) => said,
            (Self::Macs(a), Self::Macs(b)) if a == b => Self::Macs(a),
            _ => Self::Differs,
        }
    }
}

impl<'a> Flow<'a> {
    /// Whether all routes that may decide the packet say the same of it, whoever of the routers' sources sent it: those by
    /// destination that decide for sources without routes of their own, and the routes by source.
    pub(super) fn candidates_agree(&self, context: &mut Context<'a>, way: &Way<'a>) -> bool {
        self.is_of_ovn() && way.agrees(self.wire.src, || self.look_at_candidates(context, way))
    }

    /// Whether OVN sent the packet: the host, which has routes of its own, sends from its address, not from others that NAT
    /// rules give; and br-ex marks what it tracks.
    fn is_of_ovn(&self) -> bool {
        let knowledge = self.knowledge;
        let src = self.wire.src;
        let is_hosts = knowledge.ports.is_empty() || knowledge.ports.has_address(src);
        !is_hosts && knowledge.may_be_translated(src, self.at) || knowledge.connections.is_ovn_traffic(self.wire)
    }

    fn look_at_candidates(&self, context: &mut Context<'a>, way: &Way<'a>) -> bool {
        let knowledge = self.knowledge;
        let deciding = way.said(|groups| knowledge.said_by_deciding(groups, self.at));
        if !matches!(deciding, Said::Macs(_)) {
            return false;
        }
        let remembered = &mut context.remembered.candidates;
        if remembered.len() >= MAX_TIMES {
            remembered.clear();
        }
        let candidates = remembered.entry(Time::new(context.epochs, self.at)).or_default();
        // Policies go by the source as well, which is not known.
        let is_rerouted = candidates.is_rerouted.get_or_init(|| knowledge.reroute_policies.any_holds(self.at));
        if *is_rerouted {
            return false;
        }
        let said = candidates.of(knowledge, self.wire.src, self.at);
        *said == Said::Nothing || *said == *deciding
    }
}

impl Candidates {
    /// What those say that may be for the packets from `src`.
    fn of(&mut self, knowledge: &Knowledge, src: IpAddr, at: Timestamp) -> Arc<Said> {
        let Self { all, by_outside, .. } = self;
        if by_outside.len() >= MAX_SOURCES {
            by_outside.clear();
        }
        let said = by_outside.entry(src).or_insert_with(|| {
            let insides = knowledge.insides(src, at);
            if insides.is_empty() {
                return Arc::clone(all.get_or_init(|| Arc::new(knowledge.said_by(knowledge.routes.sourced(at), at))));
            }
            Arc::new(knowledge.said_by(knowledge.candidates(&insides, at), at))
        });
        Arc::clone(said)
    }
}

impl Knowledge {
    /// What routes say that decide for sources without routes of their own. The first of them must name a MAC.
    fn said_by_deciding(&self, groups: &[Group<'_>], at: Timestamp) -> Said {
        let mut all = groups.iter().map(|group| self.said(group, at));
        match all.next() {
            Some(first @ Said::Macs(_)) => all.fold(first, Said::and),
            _ => Said::Differs,
        }
    }

    /// What routes say, each with all of its next hops among `routes`.
    fn said_by<'a>(&self, routes: impl Iterator<Item = &'a Route>, at: Timestamp) -> Said {
        let mut groups: BTreeMap<RouteId, Group<'_>> = BTreeMap::new();
        for route in routes {
            let own = Group { routes: vec![route] };
            groups.entry(own.id()).or_insert_with(|| Group { routes: Vec::new() }).routes.push(route);
        }
        groups.values().map(|group| self.said(group, at)).fold(Said::Nothing, Said::and)
    }

    /// What NAT rules translate to the address; nothing where it is a router port's own, which stands for any source.
    fn insides(&self, src: IpAddr, at: Timestamp) -> PrefixSet {
        let mut insides = PrefixSet::default();
        if !self.ports.has_address(src) {
            let rules = self.nats.get(&src).into_iter().flatten();
            let holding = rules.filter(|(_, nats)| nats.holding(at).any(|nat| nat.translates_source));
            holding.for_each(|(&inside, _)| insides.insert(inside));
        }
        insides
    }

    /// Routes by source at `at` whose prefixes have addresses in common with `insides`.
    fn candidates<'a>(&'a self, insides: &'a PrefixSet, at: Timestamp) -> impl Iterator<Item = &'a Route> {
        let around = insides.iter().flat_map(move |inside| self.routes.sourced_from(inside.addr(), at));
        let is_within = |prefix: IpPrefix| insides.around(prefix.addr()).next().is_some();
        let has_networks = insides.iter().any(|inside| !inside.is_host());
        let within = has_networks.then(|| self.routes.sourced(at)).into_iter().flatten();
        around.chain(within.filter(move |route| is_within(route.prefix)))
    }

    /// What the next hops of a route say.
    fn said(&self, group: &Group<'_>, at: Timestamp) -> Said {
        let hops = self.hops(group, at);
        if hops.iter().any(|hop| hop.is_open() || hop.lladdrs.aged) {
            return Said::Differs;
        }
        let up = hops.iter().flat_map(|hop| hop.lladdrs.current.iter().copied().filter(|&mac| hop.is_legal(mac)));
        let macs: BTreeSet<MacAddr> = up.collect();
        if macs.is_empty() { Said::Nothing } else { Said::Macs(macs) }
    }
}
