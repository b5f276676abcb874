//! The whole story of one flow.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{ConnectionView, connection_view};
use crate::context::Remembered;
use crate::epoch::Epochs;
use crate::fact::{Policy, ReroutePolicy};
use crate::finding::{CtDirection, ExpectedNexthop, Finding, NexthopState, RouteId};
use crate::knowledge::Knowledge;
use crate::label;
use crate::observation::Observation;
use crate::routes::{Decision, Group};
use crate::standing::{Left, Standings};
use crate::types::{Timestamp, Tuple};
use crate::verdict::Verdict;
use crate::{Engine, Observations, evidence, table};

/// Changes of the set that are looked at: the first and the latest.
const MAX_CHANGES: usize = 1024;
/// Sets that are told at most: the first, and the latest ones.
const MAX_SETS: usize = 32;

/// Everything known of one flow.
#[derive(Clone, PartialEq, Debug)]
pub struct Explanation {
    /// The flow's 5-tuple in the direction that leaves.
    pub tuple: Tuple,
    /// Each run of its packets to one MAC within one epoch, with the verdict on it, by time.
    pub seen: Vec<Finding>,
    /// Runs of its other direction.
    pub requests: Vec<Observation>,
    /// Its labelled entries in all zones.
    pub connections: Vec<ConnectionView>,
    /// Its other entries, by zone.
    pub unlabelled: Vec<UnlabelledView>,
    /// The time for which `routes` and `expected` are told: the end of the run.
    pub at: Option<Timestamp>,
    /// The routes that decide a new flow of these addresses.
    pub routes: Vec<RouteId>,
    /// Next hops that a new flow would get.
    pub expected: Vec<ExpectedNexthop>,
    /// The sets that decided such a flow one after another, from the first packet on, or from when a MAC that it has was
    /// last legal. The last is the latest known.
    pub sets: Vec<SetView>,
    /// What a new flow would get by the latest set, and why.
    pub new_flow: NewFlow,
}

/// A conntrack entry of the flow that holds no MAC.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnlabelledView {
    /// Tuple of the original direction.
    pub orig: Tuple,
    /// Tuple of the reply direction.
    pub reply: Tuple,
    /// The zone.
    pub zone: u16,
    /// The zone's owner, where a dump tells it.
    pub zone_name: Option<Arc<str>>,
    /// Which tuple of the entry is the flow's.
    pub direction: CtDirection,
    /// The label.
    pub label: u128,
    /// The mark.
    pub mark: u32,
}

/// The next hops that decided for some time.
#[derive(Clone, PartialEq, Debug)]
pub struct SetView {
    /// Since when; `None` where nothing tells the time before.
    pub from: Option<Timestamp>,
    /// Until when; `None` for the latest.
    pub until: Option<Timestamp>,
    /// The routes.
    pub routes: Vec<RouteId>,
    /// Their next hops.
    pub expected: Vec<ExpectedNexthop>,
}

/// What a new flow would get.
#[derive(Clone, PartialEq, Debug)]
pub struct NewFlow {
    /// Next hops of which it gets one.
    pub nexthops: Vec<ExpectedNexthop>,
    /// Why these, one sentence each without a full stop.
    pub reasons: Vec<String>,
}

impl Engine {
    /// Everything known of the flow that leaves with `tuple`. Where only the other direction can leave, that is meant.
    pub fn explain<O: Observations + ?Sized>(&mut self, tuple: Tuple, observations: &O) -> Explanation {
        self.epochs();
        let knowledge = &self.knowledge;
        let routes = &knowledge.routes;
        let arrives = !routes.is_routed_source(tuple.src) && routes.is_routed_source(tuple.dst);
        let tuple = if arrives { tuple.reversed() } else { tuple };
        let mut runs = Vec::new();
        let mut requests = Vec::new();
        let mut end: Option<Timestamp> = None;
        let on_wire = on_wire(knowledge, tuple);
        observations.for_each(&mut |observation| {
            end = end.max(Some(observation.last));
            if on_wire.contains(&observation.tuple) {
                runs.push(*observation);
            } else if on_wire.contains(&observation.tuple.reversed()) {
                requests.push(*observation);
            }
        });
        let at = end.unwrap_or(Timestamp::MAX);
        let seen: Vec<Finding> = match &self.epochs {
            Some(epochs) => {
                let mut context = self.context(epochs, observations);
                context.in_full = true;
                let judged = |run: &Observation| {
                    let judgement = table::judge(knowledge, &mut context, run);
                    evidence::finding(knowledge, &mut context.remembered, run, judgement)
                };
                runs.iter().map(judged).collect()
            }
            None => Vec::new(),
        };
        let inner = knowledge.connections.before_translation(tuple).unwrap_or(tuple);
        let connections = connections(knowledge, inner, &seen, at);
        let (routes, expected) = set(knowledge, inner, at);
        let legal = connections.iter().map(|view| &view.last_legal).chain(seen.iter().map(|seen| &seen.last_legal));
        let legal = legal.flatten().filter_map(|last| last.until.as_nanos().checked_sub(1)).map(Timestamp::from_nanos);
        let first = legal.chain(seen.iter().map(|seen| seen.first_seen)).min();
        Explanation {
            tuple,
            connections,
            unlabelled: unlabelled(knowledge, tuple, inner, at),
            at: end,
            routes,
            expected,
            sets: sets(knowledge, inner, first.unwrap_or(Timestamp::MAX)),
            new_flow: new_flow(knowledge, inner, Timestamp::MAX),
            seen,
            requests,
        }
    }
}

/// The flow's labelled entries, and how each stands.
fn connections(knowledge: &Knowledge, inner: Tuple, seen: &[Finding], at: Timestamp) -> Vec<ConnectionView> {
    let last = seen.iter().max_by_key(|finding| finding.last_seen);
    let violating = last.filter(|last| matches!(last.verdict, Verdict::Violating(_)));
    let left =
        violating.and_then(|last| Some(Left { eth_src: last.eth_src, eth_dst: last.eth_dst?, at: last.last_seen }));
    let (epochs, mut remembered) = (Epochs::default(), Remembered::default());
    let pinned = Standings::new(knowledge, &epochs, at).of_flow(inner, left);
    pinned.into_iter().map(|pinned| connection_view(knowledge, &mut remembered, pinned, at)).collect()
}

/// What the packets of a flow may have on the wire: its tuple, and what that is translated to.
fn on_wire(knowledge: &Knowledge, tuple: Tuple) -> Vec<Tuple> {
    let entries = tuple.tracked_as().flat_map(|tracked| knowledge.connections.matching(tracked));
    let translated = entries.map(|(connection, direction)| {
        let wire = match direction {
            CtDirection::Orig => connection.reply.reversed(),
            CtDirection::Reply => connection.orig.reversed(),
        };
        let is_coarse = tuple.has_ports() && (wire.tp_src, wire.tp_dst) == (0, 0);
        if is_coarse { wire.with_ports_of(&tuple) } else { wire }
    });
    core::iter::once(tuple).chain(translated).collect()
}

/// Entries without a MAC, of the flow as it is on the wire and as it was before translation.
fn unlabelled(knowledge: &Knowledge, wire: Tuple, inner: Tuple, at: Timestamp) -> Vec<UnlabelledView> {
    let connections = &knowledge.connections;
    // Of a translated flow, each tuple of an entry may be seen from either side.
    let tuples = [wire, wire.reversed(), inner, inner.reversed()].into_iter().flat_map(Tuple::tracked_as);
    let mut views: Vec<UnlabelledView> = Vec::new();
    for (connection, direction) in tuples.flat_map(|tuple| connections.matching(tuple)) {
        let is_known = |view: &UnlabelledView| (view.zone, view.orig) == (connection.zone, connection.orig);
        if label::decode(connection.label, connection.mark).is_some() || views.iter().any(is_known) {
            continue;
        }
        views.push(UnlabelledView {
            orig: connection.orig,
            reply: connection.reply,
            zone: connection.zone,
            zone_name: knowledge.zones.owner(connection.zone, at).name().cloned(),
            direction,
            label: connection.label,
            mark: connection.mark,
        });
    }
    views.sort_by_key(|view| (view.zone, view.orig));
    views
}

/// What decides a flow at `at`: routes, and their next hops.
fn set(knowledge: &Knowledge, tuple: Tuple, at: Timestamp) -> (Vec<RouteId>, Vec<ExpectedNexthop>) {
    let (mut routes, mut hops) = (Vec::new(), Vec::new());
    for lookup in knowledge.lookups(tuple, at) {
        if let Decision::Route(group) = lookup.decision {
            routes.push(group.id());
            hops.extend(knowledge.hops(&group, at));
        }
    }
    (routes, evidence::all_expected(&hops))
}

/// The sets from the one that held at `first` to the latest. Of a history that is too restless some in the middle are
/// left out, as their bounds show.
fn sets(knowledge: &Knowledge, tuple: Tuple, first: Timestamp) -> Vec<SetView> {
    let changes = knowledge.changes(knowledge.routes.versions_for(tuple.src, tuple.dst), Timestamp::MAX);
    let split = changes.partition_point(|&change| change > first);
    let (later, earlier) = changes.split_at(split);
    let beyond = later.len().saturating_sub(MAX_CHANGES);
    let passed_over = MAX_CHANGES / 2..MAX_CHANGES / 2 + beyond;
    let later = later.iter().rev().map(|&change| Some(change));
    let mut sets: Vec<SetView> = Vec::new();
    for (number, from) in core::iter::once(earlier.first().copied()).chain(later).enumerate() {
        if passed_over.contains(&number) {
            // What it changed is not looked at: nothing is said of the time from here on.
            if let Some(last) = sets.last_mut().filter(|last| last.until.is_none()) {
                last.until = from;
            }
            continue;
        }
        let (routes, expected) = set(knowledge, tuple, from.map_or(first, |from| from.max(first)));
        if let Some(last) = sets.last_mut().filter(|last| last.until.is_none()) {
            if (&last.routes, &last.expected) == (&routes, &expected) {
                continue;
            }
            last.until = from;
        }
        sets.push(SetView { from, until: None, routes, expected });
    }
    if let Some(beyond) = sets.len().checked_sub(MAX_SETS).filter(|beyond| *beyond > 0) {
        sets.drain(1..=beyond);
    }
    sets
}

/// What a new flow gets at `at`, and why.
fn new_flow(knowledge: &Knowledge, tuple: Tuple, at: Timestamp) -> NewFlow {
    let (mut hops, mut reasons) = (Vec::new(), Vec::new());
    let lookups = knowledge.lookups(tuple, at);
    if lookups.is_empty() {
        reasons.push("no route that is known matches these addresses".to_owned());
    }
    if let Some(policy) = knowledge.reroute_policies.matching(tuple.src, tuple.dst, at).next() {
        let ReroutePolicy { priority, expression, .. } = policy;
        reasons.push(format!("a policy of priority {priority} may reroute it before any route: {expression}"));
    }
    // A packet that leaves by the NIC was decided by a router that sends it there, not by those before it on its way.
    let leaves = lookups.iter().any(|lookup| matches!(lookup.decision, Decision::Route(_)));
    for lookup in lookups {
        let passed_over = |group: &Group<'_>| format!("{} is passed over: all its next hops are down", group.words());
        reasons.extend(lookup.inactive.iter().map(passed_over));
        match lookup.decision {
            Decision::Route(group) => {
                let own = knowledge.hops(&group, at);
                let expected = evidence::all_expected(&own);
                reasons.push(format!("{} decides: {}", group.words(), spread(&group, &expected)));
                reasons.extend(expected.iter().filter_map(reason));
                hops.extend(own);
            }
            _ if leaves => {}
            Decision::Connected => {
                reasons.push("the destination is on a connected network: packets go to its own MAC".to_owned());
            }
            Decision::Elsewhere => {
                reasons.push("the route leads inside the cluster, or discards: nothing leaves by the NIC".to_owned());
            }
            Decision::Nothing => reasons.push("no other route matches".to_owned()),
        }
        let instead = |group: &Group<'_>| format!("{} decides if these are down, which nothing tells", group.words());
        reasons.extend(lookup.alternatives.iter().map(instead));
    }
    let mut nexthops = evidence::all_expected(&hops);
    nexthops.retain(is_usable);
    NewFlow { nexthops, reasons }
}

/// Whether OVN sends packets to the next hop without more ado.
fn is_usable(hop: &ExpectedNexthop) -> bool {
    matches!(hop.state, NexthopState::Active | NexthopState::Aged)
}

/// How a route spreads new flows over its next hops.
fn spread(group: &Group<'_>, expected: &[ExpectedNexthop]) -> String {
    let usable = expected.iter().filter(|hop| is_usable(hop)).count();
    let symmetric = match group.routes.iter().any(|route| route.symmetric_reply) {
        true => ", and a reply leaves by the one that its request came from",
        false => "",
    };
    match usable {
        0 => "none of its next hops is active with a known MAC".to_owned(),
        1 => format!("it has one active next hop{symmetric}"),
        more => format!("flows are spread over its {more} active next hops by a hash{symmetric}"),
    }
}

/// Why a next hop gets no flows, or may get none.
fn reason(hop: &ExpectedNexthop) -> Option<String> {
    let why = match hop.state {
        NexthopState::Active => return None,
        NexthopState::Aged => "its MAC has aged out of the source, and the last known one is told",
        NexthopState::Unresolved => "its MAC is not known",
        NexthopState::Unknown => "nothing tells whether its BFD session is up",
        NexthopState::Down => "it gets no flows, as its BFD session is down",
    };
    Some(format!("{}: {why}", hop.nexthop))
}

impl Group<'_> {
    /// The route in words, as reasons name it.
    fn words(&self) -> String {
        let RouteId { router, route_table, policy, prefix } = self.id();
        let router = router.map_or("a router that is not named".to_owned(), |router| router.to_string());
        let table = if route_table.is_empty() { String::new() } else { format!(", table {route_table}") };
        let policy = match policy {
            Policy::SrcIp => "src-ip",
            Policy::DstIp => "dst-ip",
        };
        format!("the {policy} route {prefix} of {router}{table}")
    }
}
