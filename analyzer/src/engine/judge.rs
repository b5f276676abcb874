//! The verdict on one observation.
//!
//! The rules stand in the order in which they are asked; the first that applies decides. Each is a sentence of the
//! decision table in docs/verdicts.md.

use std::net::IpAddr;
use std::sync::Arc;

use analyzer_ebpf::abi::Direction;
use hashbrown::{HashMap, HashSet};

use super::bfd::Liveness;
use super::epoch::Epochs;
use super::fact::{Connection, Policy, Route};
use super::finding::{CtDirection, Heard, LastLegal, RouteId};
use super::inbound::Inbound;
use super::knowledge::{Hop, Knowledge, may_share_link};
use super::label::{self, EcmpReply};
use super::lookalike;
use super::observation::Observation;
use super::plain::{PlainKey, PlainVerdicts};
use super::routes::{self, Decision, Group, Lookup};
use super::verdict::{Info, NotCovered, Undetermined, Verdict, Violating};
use super::zones::Owner;
use crate::types::{MacAddr, Timestamp, Tuple};

/// What is known beyond the facts: who is heard, and which MACs are the node's own.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) epochs: &'a Epochs,
    pub(super) inbound: Inbound,
    /// MACs that the node was seen to send routed packets from, where no dump tells the routers' own.
    pub(super) local_macs: HashSet<MacAddr>,
    /// MACs that are legal for some route by source, by epoch.
    legal_by_source: HashMap<u16, HashMap<MacAddr, Vec<IpAddr>>>,
    /// Verdicts that many flows share. A judgement by one of them names no next hops: the first did.
    plain: PlainVerdicts,
    /// Whether every judgement must name its next hops.
    pub(super) in_full: bool,
}

impl<'a> Context<'a> {
    pub(super) fn new(epochs: &'a Epochs) -> Self {
        Self {
            epochs,
            inbound: Inbound::default(),
            local_macs: HashSet::new(),
            legal_by_source: HashMap::new(),
            plain: PlainVerdicts::default(),
            in_full: false,
        }
    }

    /// The key under which the verdict on a plain flow is remembered; `None` for a flow that is not plain.
    fn plain_key(&self, knowledge: &Knowledge, seen: &Observation) -> Option<PlainKey> {
        let is_plain = !self.in_full && !self.inbound.has_requests(seen.tuple);
        if is_plain { PlainKey::new(knowledge, self.epochs, seen) } else { None }
    }
}

/// A verdict, and what it rests on.
#[derive(Debug)]
pub(super) struct Judgement<'a> {
    pub(super) verdict: Verdict,
    /// The routes that decide, with those that would if their next hops were up.
    pub(super) groups: Vec<Group<'a>>,
    /// Their next hops.
    pub(super) hops: Vec<Hop<'a>>,
    /// The next hops that make the MAC legal.
    pub(super) legal_for: Vec<IpAddr>,
    /// Labelled entries of the flow.
    pub(super) labelled: Vec<Labelled<'a>>,
    pub(super) last_legal: Option<LastLegal>,
    pub(super) heard: Option<Heard>,
    /// Remarks.
    pub(super) remarks: Vec<String>,
}

/// A conntrack entry of the flow that holds a MAC.
#[derive(Clone, Debug)]
pub(super) struct Labelled<'a> {
    pub(super) connection: &'a Connection,
    pub(super) direction: CtDirection,
    pub(super) reply: EcmpReply,
    pub(super) owner: Owner,
    /// Whether OVN would honour the label: it lies in a router's DNAT zone, or in one that nobody names.
    pub(super) believed: bool,
}

impl<'a> Judgement<'a> {
    fn new(verdict: Verdict) -> Self {
        Self {
            verdict,
            groups: Vec::new(),
            hops: Vec::new(),
            legal_for: Vec::new(),
            labelled: Vec::new(),
            last_legal: None,
            heard: None,
            remarks: Vec::new(),
        }
    }

    /// The names of the deciding routes.
    pub(super) fn ids(&self) -> Vec<RouteId> {
        let mut ids: Vec<RouteId> = self.groups.iter().map(Group::id).collect();
        ids.sort();
        ids.dedup();
        ids
    }
}

impl From<NotCovered> for Verdict {
    fn from(reason: NotCovered) -> Self {
        Self::NotCovered(reason)
    }
}

impl From<Undetermined> for Verdict {
    fn from(missing: Undetermined) -> Self {
        Self::Undetermined(missing)
    }
}

impl From<Violating> for Verdict {
    fn from(reason: Violating) -> Self {
        Self::Violating(reason)
    }
}

/// Judges the packets of one observation. All of them lie in one epoch, so the first stands for all.
pub(super) fn judge<'a>(
    knowledge: &'a Knowledge,
    context: &mut Context<'_>,
    observation: &Observation,
) -> Judgement<'a> {
    if let Some(reason) = look_alike(knowledge, observation) {
        return Judgement::new(reason.into());
    }
    if knowledge.routes.is_empty() {
        return Judgement::new(Undetermined::NoNexthopData.into());
    }
    if knowledge.history.is_some_and(|start| observation.first < start) {
        let mut judgement = Judgement::new(Undetermined::NoNexthopData.into());
        judgement.remarks.push("the packets are older than the history of the next hops".to_owned());
        return judgement;
    }
    let key = context.plain_key(knowledge, observation);
    if let Some(verdict) = key.and_then(|key| context.plain.get(&key)) {
        return Judgement::new(verdict);
    }
    let judgement = Flow::new(knowledge, observation).judge(context, observation);
    // A remark tells that something beyond the key decided: whether the source is a translated address.
    if let Some(key) = key
        && judgement.remarks.is_empty()
    {
        context.plain.remember(key, judgement.verdict);
    }
    judgement
}

/// Traffic that no route of ours decides, told without routes.
fn look_alike(knowledge: &Knowledge, observation: &Observation) -> Option<NotCovered> {
    let tuple = &observation.tuple;
    let eth_dst = observation.eth_dst();
    if lookalike::is_group(eth_dst, tuple.dst) {
        return Some(NotCovered::Group);
    }
    if lookalike::is_control(tuple) {
        return Some(NotCovered::Control);
    }
    if lookalike::is_link_local(tuple.dst) {
        return Some(NotCovered::OnLink);
    }
    if is_inbound(knowledge, observation) {
        return Some(NotCovered::Inbound);
    }
    if lookalike::is_tunnel(tuple) && !knowledge.routes.is_routed_source(tuple.src) {
        return Some(NotCovered::Tunnel);
    }
    None
}

/// Whether the node received the packets: told by the capture; else sent to a router's own MAC by none, or sent to an
/// address that routes by source know as one of the pods behind the node.
///
/// A central database tells the routers of all nodes. What goes from one node's router to another node's has left, and
/// the other may be the gateway.
pub(super) fn is_inbound(knowledge: &Knowledge, observation: &Observation) -> bool {
    let tuple = &observation.tuple;
    match observation.direction() {
        Direction::Inbound => true,
        Direction::Outbound => false,
        Direction::Unknown => {
            let is_router = |mac| knowledge.ports.has_mac(mac);
            (observation.eth_dst().is_some_and(is_router) && !is_router(observation.eth_src))
                || (knowledge.routes.is_routed_source(tuple.dst) && !knowledge.routes.is_routed_source(tuple.src))
        }
    }
}

/// Labelled entries of the flow `tuple`, the believed ones first.
pub(super) fn labelled<'a>(knowledge: &'a Knowledge, tuple: Tuple, at: Timestamp) -> Vec<Labelled<'a>> {
    let mut found: Vec<Labelled<'a>> = knowledge
        .connections
        .matching(tuple)
        .filter_map(|(connection, direction)| {
            let reply = label::decode(connection.label, connection.mark)?;
            let owner = knowledge.zones.owner(connection.zone, at);
            let believed = reply.port != 0 && knowledge.may_track(&owner, tuple, at);
            Some(Labelled { connection, direction, reply, owner, believed })
        })
        .collect();
    // Where dumps name zones, an entry in a router's own zone is the one that OVN honours.
    if found.iter().any(|entry| entry.believed && matches!(entry.owner, Owner::RouterDnat { .. })) {
        found.iter_mut().for_each(|entry| entry.believed &= matches!(entry.owner, Owner::RouterDnat { .. }));
    }
    found.sort_by_key(|entry| (!entry.believed, entry.connection.zone));
    found
}

/// The tuple of the direction that leaves the node: the one whose source a route by source knows, else the answer.
pub(super) fn leaving(knowledge: &Knowledge, connection: &Connection, at: Timestamp) -> Tuple {
    let is_routed = |tuple: Tuple| !knowledge.routes.symmetric(tuple.src, tuple.dst, at).is_empty();
    match !is_routed(connection.reply) && is_routed(connection.orig) {
        true => connection.orig,
        false => connection.reply,
    }
}

/// A flow under judgement.
struct Flow<'a> {
    knowledge: &'a Knowledge,
    at: Timestamp,
    /// The 5-tuple on the wire.
    wire: Tuple,
    /// The 5-tuple that the router saw: before source translation, where that is known.
    inner: Tuple,
    labelled: Vec<Labelled<'a>>,
    /// Symmetric routes that the flow matches.
    symmetric: Vec<&'a Route>,
}

impl<'a> Flow<'a> {
    fn new(knowledge: &'a Knowledge, observation: &Observation) -> Self {
        let at = observation.first;
        let wire = observation.tuple;
        let inner = knowledge.before_translation(wire);
        let labelled = match observation.tags.is_later_fragment() {
            true => Vec::new(),
            false => labelled(knowledge, inner, at),
        };
        let mut symmetric = knowledge.routes.symmetric(inner.src, inner.dst, at);
        symmetric.retain(|route| routes::is_entered(&knowledge.ports, route.router.as_ref(), &route.route_table, at));
        Self { knowledge, at, wire, inner, labelled, symmetric }
    }

    fn judge(self, context: &mut Context<'_>, observation: &Observation) -> Judgement<'a> {
        let knowledge = self.knowledge;
        let translated = self.inner != self.wire;
        if !knowledge.routes.is_routed_source(self.wire.src) && knowledge.connections.is_host_traffic(self.wire) {
            return Judgement::new(NotCovered::OtherSender.into());
        }

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
    fn is_pinned(&self) -> bool {
        self.labelled.iter().any(|entry| entry.believed && self.applies(entry))
    }

    /// Whether OVN would honour the entry's port number for this flow: a symmetric route leaves by that port.
    fn applies(&self, entry: &Labelled<'_>) -> bool {
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

    /// Judges a packet that a route by destination decides, where its source may be a translated one. Returns whether
    /// that was possible.
    fn judge_source(
        &self,
        judgement: &mut Judgement<'a>,
        context: &mut Context<'_>,
        observation: &Observation,
        groups: &[Group<'a>],
        eth_dst: MacAddr,
    ) -> bool {
        let knowledge = self.knowledge;
        let src = observation.tuple.src;
        let known = knowledge.may_be_translated(src, self.at);
        let told = !knowledge.ports.is_empty();
        let nexthops = || groups.iter().flat_map(|group| &group.routes).filter_map(|route| route.nexthop);
        let maybe = !told && nexthops().any(|nexthop| may_share_link(nexthop, src));
        let epoch = context.epochs.at(self.at).id;
        let by_source = context.legal_by_source.entry(epoch).or_insert_with(|| knowledge.legal_by_source(self.at));
        let (verdict, remark) = if let Some(legal_for) = by_source.get(&eth_dst).filter(|_| known || !told) {
            judgement.legal_for.clone_from(legal_for);
            (Verdict::Conforming, "the source may be translated: the MAC is legal for a pod's route")
        } else if known || maybe {
            let remark =
                "the source is the node's or a translated one, and no conntrack entry tells whose packet it is";
            (Undetermined::TranslatedSource.into(), remark)
        } else if told && groups.iter().all(|group| knowledge.is_outside(group, src, self.at)) {
            let remark = "the source is behind no inner port of the router: a host's, a service's or a translated one";
            (Undetermined::TranslatedSource.into(), remark)
        } else if !told && nexthops().any(|nexthop| may_share_link(nexthop, observation.tuple.dst)) {
            let remark = "the destination may be on a connected network, and no dump tells the router's networks";
            (Undetermined::NoNexthopData.into(), remark)
        } else {
            return false;
        };
        judgement.verdict = verdict;
        judgement.remarks.push(remark.to_owned());
        true
    }

    /// The verdict on a MAC that is no active next hop's.
    fn illegal(
        &self,
        judgement: &mut Judgement<'a>,
        context: &Context<'_>,
        observation: &Observation,
        groups: &[Group<'a>],
        hops: &[Hop<'a>],
        eth_dst: MacAddr,
    ) {
        let knowledge = self.knowledge;
        let has_mac = |hop: &&Hop<'_>| hop.lladdrs.current.contains(&eth_dst);
        let usable = || hops.iter().filter(|hop| hop.liveness == Liveness::Up);
        if hops.iter().filter(has_mac).any(|hop| hop.liveness == Liveness::Unknown) {
            judgement
                .remarks
                .push("a BFD session watches the next hop, and no dump tells its state (--bfd FILE)".to_owned());
            judgement.verdict = Undetermined::NoNexthopData.into();
            return;
        }
        if let Some(remark) = self.rerouted(groups) {
            judgement.remarks.push(remark);
            judgement.verdict = Undetermined::NoNexthopData.into();
            return;
        }

        let last_legal = |group: &Group<'_>| knowledge.last_legal(&group.id(), eth_dst, self.at);
        judgement.last_legal = groups.iter().filter_map(last_legal).max_by_key(|last| last.until);
        // Another route may have decided until a moment ago, for which the MAC was legal.
        let routers: Vec<_> = groups.iter().map(|group| group.routes[0].router.clone()).collect();
        let ends = (self.inner.src, self.inner.dst);
        let known = judgement.last_legal.as_ref().map(|last| last.until);
        if let Some(last) = knowledge.last_decided(ends, &routers, eth_dst, self.at, known) {
            judgement.last_legal = Some(last);
        }
        if let Some(last) = &judgement.last_legal
            && self.at.since(last.until) < knowledge.settings.grace
        {
            judgement.verdict = Verdict::Grace;
            return;
        }
        let carriers: Vec<&Labelled<'_>> =
            self.labelled.iter().filter(|entry| entry.believed && entry.reply.eth == eth_dst).collect();
        let carried = carriers.iter().any(|entry| self.applies(entry));
        self.remark_on_labels(judgement, eth_dst, &carriers, carried);
        if hops.iter().filter(has_mac).any(|hop| hop.liveness == Liveness::Down) {
            judgement.verdict = Violating::NexthopDown.into();
            return;
        }
        let is_older = usable().any(|hop| hop.lladdrs.older.contains(&eth_dst));
        if judgement.last_legal.is_some() && !is_older {
            let reason = if carried { Violating::StaleConntrack } else { Violating::FormerNexthop };
            judgement.verdict = reason.into();
            return;
        }
        if usable().any(|hop| hop.lladdrs.current.is_empty()) && !self.is_other_nexthop(hops, eth_dst) {
            judgement.remarks.push("an active next hop has no known MAC: this may be its".to_owned());
            judgement.verdict = Undetermined::NexthopUnresolved.into();
            return;
        }
        if is_older && !carried {
            judgement.verdict = Violating::StaleNeighbour.into();
            return;
        }

        let left = judgement.last_legal.as_ref().map_or(Timestamp::default(), |last| last.until);
        let since = observation.last.saturating_sub(knowledge.settings.heard_window).max(left);
        judgement.heard = context.inbound.heard(self.wire, eth_dst, since, observation.last);
        let allowed = knowledge.settings.allowed.contains(&eth_dst);
        if allowed || lookalike::is_virtual_router(eth_dst) {
            let remark = if allowed { "the MAC is on the allow-list" } else { "the MAC is a virtual router's" };
            judgement.remarks.push(remark.to_owned());
        }
        judgement.verdict = if judgement.heard.is_some() || allowed || lookalike::is_virtual_router(eth_dst) {
            Verdict::Info(Info::AsymmetricGateway)
        } else if carried {
            Violating::StaleConntrack.into()
        } else {
            Violating::UnknownMac.into()
        };
    }

    /// Whether the MAC is that of a next hop of some other route: then it is not the unresolved one's.
    fn is_other_nexthop(&self, hops: &[Hop<'_>], mac: MacAddr) -> bool {
        let own = |ip: IpAddr| hops.iter().any(|hop| hop.ip == ip);
        let holding = self.knowledge.neighbours.of_mac(mac).filter(|binding| binding.validity.holds(self.at));
        holding.map(|binding| binding.ip).any(|ip| self.knowledge.is_nexthop(ip) && !own(ip))
    }

    /// A policy that may send the packet elsewhere. A pinned flow bypasses policies (`lr_in_policy`, priority 65535).
    fn rerouted(&self, groups: &[Group<'_>]) -> Option<String> {
        if self.is_pinned() {
            return None;
        }
        let of_router = |router: &Option<Arc<str>>| {
            groups.iter().any(|group| router.is_none() || group.routes[0].router == *router)
        };
        let policy = self.knowledge.reroute_policies.iter().find(|policy| {
            policy.validity.holds(self.at)
                && of_router(&policy.router)
                && lookalike::may_match(&policy.expression, self.inner.src, self.inner.dst)
        })?;
        Some(format!("a policy of priority {} may reroute the packets: {}", policy.priority, policy.expression))
    }

    fn remark_on_labels(
        &self,
        judgement: &mut Judgement<'a>,
        eth_dst: MacAddr,
        carriers: &[&Labelled<'_>],
        carried: bool,
    ) {
        let remarks = &mut judgement.remarks;
        if carried && carriers.iter().all(|entry| entry.owner == Owner::Unknown) {
            remarks.push("no dump names the owner of the entry's zone".to_owned());
        }
        if !carriers.is_empty() && !carried {
            let remark = if self.symmetric.is_empty() {
                "a labelled entry holds the MAC, but no route with symmetric reply applies to the flow"
            } else {
                "a labelled entry holds the MAC, but its port is not that of the flow's symmetric route"
            };
            remarks.push(remark.to_owned());
        }
        for entry in self.labelled.iter().filter(|entry| !entry.believed && entry.reply.eth == eth_dst) {
            let zone = entry.connection.zone;
            remarks.push(if entry.reply.port == 0 {
                format!("an entry in zone {zone} holds the MAC, but its port field is 0: OVN does not honour it")
            } else {
                format!("an entry in zone {zone} holds the MAC, but the zone is not the router's own: OVN does not honour it")
            });
        }
        if let Some(entry) = self.labelled.iter().find(|entry| entry.believed && entry.reply.eth != eth_dst)
            && carriers.is_empty()
        {
            remarks.push(format!("the flow's entry in zone {} holds {}", entry.connection.zone, entry.reply.eth));
        }
        if self.labelled.is_empty() && self.knowledge.connections.are_told() {
            remarks.push("no labelled conntrack entry of the flow is in the dumps".to_owned());
        }
    }
}
