//! Which routes decide a flow.

use alloc::rc::Rc;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use hashbrown::{HashMap, HashSet};

use super::Flow;
use crate::bfd::Liveness;
use crate::context::Context;
use crate::decided::{Decided, DecidedKey, Outcome, Routes, Time, Way};
use crate::fact::{Policy, Route};
use crate::finding::RouteId;
use crate::labelled::Labelled;
use crate::plain;
use crate::routes::{self, Decision, Group};
use crate::types::MacAddr;
use crate::verdict::NotCovered;
use crate::zones::Owner;

impl<'a> Flow<'a> {
    /// What decides the flow's packets that `eth_src` sends.
    pub(crate) fn decided(&self, context: &mut Context<'a>, eth_src: MacAddr) -> Rc<Decided<'a>> {
        let (src, dst) = (self.inner.src, self.inner.dst);
        let Some(prefixes) = plain::prefixes(self.knowledge, src, dst) else { return Rc::new(self.decide(eth_src)) };
        let time = Time::new(context.epochs, self.at);
        let key = DecidedKey::new(prefixes, dst.is_ipv4(), eth_src, time, self.pins());
        context.decisions.get(key, || self.decide(eth_src))
    }

    /// Owner of the zone and port of each entry that may pin the flow.
    fn pins(&self) -> impl Iterator<Item = (&Owner, u16)> {
        self.labelled.iter().filter(|entry| entry.believed).map(|entry| (&entry.owner, entry.reply.port))
    }

    /// Routes, past ones included, to which one of the entries may pin the flow, or might have.
    pub(crate) fn ever_pinned(&self) -> HashSet<RouteId> {
        let is_pinned =
            |route: &&Route| route.symmetric_reply && self.pins().any(|(owner, _)| owner.may_be(route.router.as_ref()));
        let versions = self.knowledge.routes.versions_for(self.inner.src, self.inner.dst).filter(is_pinned);
        versions.map(RouteId::of).collect()
    }

    /// Routes with a symmetric reply that the flow matches, and by which it may have come in.
    pub(crate) fn symmetric(&self) -> Vec<&'a Route> {
        self.knowledge.symmetric(self.inner.src, self.inner.dst, self.at)
    }

    fn decide(&self, eth_src: MacAddr) -> Decided<'a> {
        let symmetric = self.symmetric();
        let pins: HashSet<(&Owner, u16)> = self.pins().collect();
        let pinned = |pin: &&(&Owner, u16)| symmetric.iter().any(|route| self.applies_to(**pin, route));
        let applying = pins.iter().filter(pinned).map(|&(owner, port)| (owner.clone(), port)).collect();
        let groups = self.pinned_groups(&symmetric, &pins);
        Decided { is_symmetric: !symmetric.is_empty(), applying, outcome: self.outcome(groups, eth_src) }
    }

    fn outcome(&self, pinned: Vec<Group<'a>>, eth_src: MacAddr) -> Outcome<'a> {
        let lookups = self.knowledge.lookups(self.inner, self.at);
        let mut groups = Vec::new();
        let mut inactive = Vec::new();
        let mut after = Vec::new();
        let mut may_be_elsewhere = false;
        let mut elsewhere = NotCovered::NoRoute;
        let mut is_dropped = true;
        for lookup in lookups {
            match lookup.decision {
                Decision::Route(group) => groups.push(group),
                Decision::Connected => {
                    elsewhere = NotCovered::OnLink;
                    is_dropped = false;
                }
                Decision::Elsewhere => is_dropped = false,
                Decision::Nothing => {}
            }
            inactive.extend(lookup.inactive);
            after.extend(lookup.alternatives);
            may_be_elsewhere |= lookup.may_be_elsewhere;
        }
        // A pinned flow bypasses the routing table: the label forces the port, whatever route would win. Whether it is
        // pinned as the packet leaves a dump taken at another time does not tell for sure, so both ways are right. A route
        // whose next hops are all down pins nothing: northd leaves out its flows (`parsed_routes_add_static`).
        let known: HashSet<RouteId> = groups.iter().chain(&inactive).map(Group::id).collect();
        let unknown = pinned.into_iter().filter(|group| !known.contains(&group.id()));
        let (down, up): (Vec<_>, Vec<_>) = unknown.partition(|group| self.is_down(group));
        groups.extend(up);
        inactive.extend(down);
        if groups.is_empty() && inactive.is_empty() {
            return Outcome::Elsewhere(elsewhere);
        }
        if !eth_src.is_zero() {
            groups.retain(|group| self.may_send(group, eth_src));
            inactive.retain(|group| self.may_send(group, eth_src));
            if groups.is_empty() && inactive.is_empty() {
                return Outcome::Elsewhere(NotCovered::OtherSender);
            }
        }
        // Where no route is left but the packet has another way, it is one of ours only if it goes to a dead next hop.
        let unless_dead = (groups.is_empty() && !is_dropped).then_some(elsewhere);
        self.choose_router(&mut groups);
        let [groups, inactive, after] = [groups, inactive, after].map(|groups| self.way(groups));
        Outcome::Routes(Routes { unless_dead, may_be_elsewhere, ..Routes::new(groups, inactive, after) })
    }

    fn is_down(&self, group: &Group<'a>) -> bool {
        group.routes.iter().all(|route| self.knowledge.bfd.liveness(route, self.at) == Liveness::Down)
    }

    fn way(&self, groups: Vec<Group<'a>>) -> Way<'a> {
        let hops = groups.iter().flat_map(|group| self.knowledge.hops(group, self.at)).collect();
        Way::new(groups, hops)
    }

    /// Whether the port by which the route leaves may send from `eth_src`.
    pub(crate) fn may_send(&self, group: &Group<'a>, eth_src: MacAddr) -> bool {
        let ports = &self.knowledge.ports;
        group.routes.iter().any(|route| {
            let names = routes::output_ports(ports, route, self.at);
            let mut macs = names.iter().flat_map(|port| ports.macs_of(port, self.at)).peekable();
            macs.peek().is_none() || macs.any(|mac| mac == eth_src)
        })
    }

    /// Several routers may know the packet. The zone that tracks it names the router; else one with a route for the
    /// source itself is meant rather than one with a default route. What is left is a union.
    fn choose_router(&self, groups: &mut Vec<Group<'a>>) {
        let tracked: HashSet<&Arc<str>> = self
            .pins()
            .filter_map(|(owner, _)| match owner {
                Owner::RouterDnat { router, .. } => router.as_ref(),
                _ => None,
            })
            .collect();
        let of_router =
            |group: &Group<'a>| group.routes[0].router.as_ref().is_some_and(|router| tracked.contains(router));
        if groups.iter().any(of_router) {
            groups.retain(of_router);
        }
        // All tables of such a router stay: which of them the packet entered is not known.
        let by_source = groups.iter().filter(|group| group.routes[0].policy == Policy::SrcIp);
        let knowing: HashSet<Option<Arc<str>>> = by_source.map(|group| group.routes[0].router.clone()).collect();
        if !knowing.is_empty() {
            groups.retain(|group| knowing.contains(&group.routes[0].router));
        }
    }

    /// Whether OVN would honour that port number for this flow: the symmetric route leaves by that port.
    fn applies_to(&self, (owner, port): (&Owner, u16), route: &Route) -> bool {
        let key = routes::port_key(&self.knowledge.ports, route, self.at);
        owner.may_be(route.router.as_ref()) && key.is_none_or(|key| key == port)
    }

    /// The routes out of whose port a label forces the flow.
    fn pinned_groups(&self, symmetric: &[&'a Route], pins: &HashSet<(&Owner, u16)>) -> Vec<Group<'a>> {
        let mut groups: Vec<Group<'a>> = Vec::new();
        let mut known: HashMap<RouteId, usize> = HashMap::new();
        let is_pinned = |route: &&&'a Route| pins.iter().any(|&pin| self.applies_to(pin, route));
        for route in symmetric.iter().filter(is_pinned) {
            let id = RouteId::of(route);
            match known.get(&id) {
                Some(&known) => groups[known].routes.push(route),
                None => {
                    known.insert(id, groups.len());
                    groups.push(Group { routes: vec![*route] });
                }
            }
        }
        groups
    }
}

impl<'a> Decided<'a> {
    /// Whether OVN would honour the entry's port number for this flow: a symmetric route leaves by that port.
    pub(crate) fn applies(&self, entry: &Labelled<'_>) -> bool {
        self.applying.contains(&(entry.owner.clone(), entry.reply.port))
    }
}
