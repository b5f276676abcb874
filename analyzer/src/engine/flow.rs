//! A flow under judgement: which routes decide it, and whether its MAC is one of theirs.

pub(super) mod plain;

use std::sync::Arc;

use super::fact::{Policy, Route};
use super::judge::{Context, Judgement};
use super::knowledge::{Hop, Knowledge};
use super::labelled::{Labelled, labelled};
use super::observation::Observation;
use super::routes::{self, Decision, Group, Lookup};
use super::verdict::{Info, NotCovered, Undetermined, Verdict};
use super::zones::Owner;
use crate::types::{MacAddr, Timestamp, Tuple};

/// A flow under judgement.
pub(super) struct Flow<'a> {
    pub(super) knowledge: &'a Knowledge,
    pub(super) at: Timestamp,
    /// The 5-tuple on the wire.
    pub(super) wire: Tuple,
    /// The 5-tuple that the router saw: before source translation, where that is known.
    pub(super) inner: Tuple,
    pub(super) labelled: Vec<Labelled<'a>>,
    /// Symmetric routes that the flow matches.
    pub(super) symmetric: Vec<&'a Route>,
}

impl<'a> Flow<'a> {
    pub(super) fn new(knowledge: &'a Knowledge, observation: &Observation) -> Self {
        let at = observation.first;
        let wire = observation.tuple;
        let inner = knowledge.before_translation(wire);
        let labelled = match observation.tags.is_later_fragment() {
            true => Vec::new(),
            false => labelled(knowledge, inner, at),
        };
        Self { labelled, ..Self::without_entries(knowledge, at, wire, inner) }
    }

    /// A flow of which no labelled entry is known.
    fn without_entries(knowledge: &'a Knowledge, at: Timestamp, wire: Tuple, inner: Tuple) -> Self {
        let mut symmetric = knowledge.routes.symmetric(inner.src, inner.dst, at);
        symmetric.retain(|route| routes::is_entered(&knowledge.ports, route.router.as_ref(), &route.route_table, at));
        Self { knowledge, at, wire, inner, labelled: Vec::new(), symmetric }
    }

    pub(super) fn judge(self, context: &mut Context<'_>, observation: &Observation) -> Judgement<'a> {
        let knowledge = self.knowledge;
        if !knowledge.routes.is_routed_source(self.wire.src) && knowledge.connections.is_host_traffic(self.wire) {
            return Judgement::new(NotCovered::OtherSender.into());
        }
        self.judge_by_routes(context, observation)
    }

    fn judge_by_routes(self, context: &mut Context<'_>, observation: &Observation) -> Judgement<'a> {
        let knowledge = self.knowledge;
        let translated = self.inner != self.wire;
        let lookups = knowledge.lookups(self.inner, self.at);
        let open_after: Vec<Group<'a>> = lookups.iter().flat_map(|lookup| lookup.alternatives.clone()).collect();
        let may_be_elsewhere = lookups.iter().any(|lookup| lookup.may_be_elsewhere);
        let (groups, inactive) = match self.deciding(lookups, observation) {
            Ok(found) => found,
            Err(reason) => return Judgement::new(reason.into()),
        };
        let by_destination = groups.iter().chain(&inactive).all(|group| group.routes[0].policy == Policy::DstIp);
        let is_arrival = by_destination || knowledge.routes.is_routed_source(self.wire.dst);
        if is_arrival && observation.eth_dst().is_some_and(|mac| context.local_macs.contains(&mac)) {
            return Judgement::new(NotCovered::Inbound.into());
        }

        let hops: Vec<Hop<'a>> = groups.iter().flat_map(|group| knowledge.hops(group, self.at)).collect();
        let mut judgement = Judgement::new(Verdict::Conforming);
        let Some(eth_dst) = observation.eth_dst() else {
            judgement.verdict = Undetermined::NotObservable.into();
            judgement.remarks.push("the capture holds no destination MAC".to_owned());
            return self.finish(judgement, groups, hops);
        };

        judgement.legal_for = hops.iter().filter(|hop| hop.is_legal(eth_dst)).map(|hop| hop.ip).collect();
        if !judgement.legal_for.is_empty() {
            judgement.verdict = self.conforming(context, &hops, eth_dst, observation.last);
            return self.finish(judgement, groups, hops);
        }
        if by_destination && !translated && self.judge_source(&mut judgement, context, observation, &groups, eth_dst) {
            return self.finish(judgement, groups, hops);
        }
        let is_legal_after = |group: &Group<'a>| knowledge.hops(group, self.at).iter().any(|hop| hop.is_legal(eth_dst));
        if may_be_elsewhere || open_after.iter().any(is_legal_after) {
            judgement.verdict = Undetermined::NoNexthopData.into();
            judgement.remarks.push(
                "BFD sessions watch all next hops, and no dump tells their state (--bfd FILE): if all are down, the \
                 next route decides"
                    .to_owned(),
            );
            return self.finish(judgement, groups, hops);
        }
        // From here on routes that would decide if their next hops were up matter too: they name the MACs of the dead.
        let inactive_hops: Vec<Hop<'a>> = inactive.iter().flat_map(|group| knowledge.hops(group, self.at)).collect();
        let groups: Vec<Group<'a>> = groups.into_iter().chain(inactive).collect();
        let hops: Vec<Hop<'a>> = hops.into_iter().chain(inactive_hops).collect();
        self.illegal(&mut judgement, context, observation, &groups, &hops, eth_dst);
        self.finish(judgement, groups, hops)
    }

    fn finish(self, mut judgement: Judgement<'a>, groups: Vec<Group<'a>>, hops: Vec<Hop<'a>>) -> Judgement<'a> {
        judgement.groups = groups;
        judgement.hops = hops;
        judgement.labelled = self.labelled;
        judgement
    }

    /// The routes that decide, and those that would if their next hops were up.
    fn deciding(
        &self,
        lookups: Vec<Lookup<'a>>,
        observation: &Observation,
    ) -> Result<(Vec<Group<'a>>, Vec<Group<'a>>), NotCovered> {
        let mut groups = Vec::new();
        let mut inactive = Vec::new();
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
        }
        // A pinned flow bypasses the routing table: the label forces the port, whatever route would win. Whether it is
        // pinned as the packet leaves a dump taken at another time does not tell for sure, so both ways are right.
        for group in self.pinned_groups() {
            if !groups.iter().any(|known| known.id() == group.id()) {
                groups.push(group);
            }
        }
        if groups.is_empty() && inactive.is_empty() {
            return Err(elsewhere);
        }
        let sent_by_us = |group: &Group<'a>| self.may_send(group, observation.eth_src);
        if !observation.eth_src.is_zero() {
            groups.retain(sent_by_us);
            inactive.retain(sent_by_us);
            if groups.is_empty() && inactive.is_empty() {
                return Err(NotCovered::OtherSender);
            }
        }
        // Where no route is left but the packet has another way, it is one of ours only if it goes to a dead next hop.
        if groups.is_empty() && !is_dropped && !self.goes_to_one_of(&inactive, observation.eth_dst()) {
            return Err(elsewhere);
        }
        self.choose_router(&mut groups);
        Ok((groups, inactive))
    }

    /// Whether the MAC is, or was, that of a next hop of these routes.
    fn goes_to_one_of(&self, groups: &[Group<'a>], eth_dst: Option<MacAddr>) -> bool {
        let Some(mac) = eth_dst else { return false };
        groups.iter().any(|group| {
            let hops = self.knowledge.hops(group, self.at);
            hops.iter().any(|hop| hop.lladdrs.current.contains(&mac) || hop.lladdrs.older.contains(&mac))
                || self.knowledge.last_legal(&group.id(), mac, self.at).is_some()
        })
    }

    /// Whether the port by which the route leaves may send from `eth_src`.
    fn may_send(&self, group: &Group<'a>, eth_src: MacAddr) -> bool {
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
        let tracked: Vec<&Arc<str>> = self
            .labelled
            .iter()
            .filter(|entry| entry.believed)
            .filter_map(|entry| match &entry.owner {
                Owner::RouterDnat { router, .. } => router.as_ref(),
                _ => None,
            })
            .collect();
        let of_router =
            |group: &Group<'a>| group.routes[0].router.as_ref().is_some_and(|router| tracked.contains(&router));
        if groups.iter().any(of_router) {
            groups.retain(of_router);
        }
        // All tables of such a router stay: which of them the packet entered is not known.
        let by_source = groups.iter().filter(|group| group.routes[0].policy == Policy::SrcIp);
        let knowing: Vec<Option<Arc<str>>> = by_source.map(|group| group.routes[0].router.clone()).collect();
        if !knowing.is_empty() {
            groups.retain(|group| knowing.contains(&group.routes[0].router));
        }
    }

    /// Whether a label forces the flow out of a symmetric route's port.
    pub(super) fn is_pinned(&self) -> bool {
        self.labelled.iter().any(|entry| entry.believed && self.applies(entry))
    }

    /// Whether OVN would honour the entry's port number for this flow: a symmetric route leaves by that port.
    pub(super) fn applies(&self, entry: &Labelled<'_>) -> bool {
        self.symmetric.iter().any(|route| self.applies_to(entry, route))
    }

    fn applies_to(&self, entry: &Labelled<'_>, route: &Route) -> bool {
        let key = routes::port_key(&self.knowledge.ports, route, self.at);
        entry.owner.may_be(route.router.as_ref()) && key.is_none_or(|key| key == entry.reply.port)
    }

    /// The routes out of whose port a label forces the flow.
    fn pinned_groups(&self) -> Vec<Group<'a>> {
        let mut groups: Vec<Group<'a>> = Vec::new();
        let is_pinned =
            |route: &&&'a Route| self.labelled.iter().any(|entry| entry.believed && self.applies_to(entry, route));
        for route in self.symmetric.iter().filter(is_pinned) {
            let group = Group { routes: vec![*route] };
            match groups.iter_mut().find(|known| known.id() == group.id()) {
                Some(known) => known.routes.push(route),
                None => groups.push(group),
            }
        }
        groups
    }

    /// Conforming; with a word on flows whose requests came in by another next hop.
    fn conforming(&self, context: &Context<'_>, hops: &[Hop<'_>], eth_dst: MacAddr, last: Timestamp) -> Verdict {
        let symmetric = hops.iter().any(|hop| hop.route.symmetric_reply);
        let requester = symmetric.then(|| context.inbound.requester(self.wire, last)).flatten();
        match requester {
            Some(mac) if mac != eth_dst && hops.iter().any(|hop| hop.is_legal(mac)) => {
                Verdict::Info(Info::AsymmetricReply)
            }
            _ => Verdict::Conforming,
        }
    }
}
