//! A flow under judgement: which routes decide it, and whether its MAC is one of theirs.

mod deciding;
pub(super) mod plain;

use std::rc::Rc;

use super::decided::{Outcome, Way};
use super::judge::{Context, Judgement};
use super::knowledge::Knowledge;
use super::labelled::{Labelled, labelled};
use super::observation::Observation;
use super::routes::Group;
use super::verdict::{Info, NotCovered, Undetermined, Verdict};
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
        Self { knowledge, at, wire, inner, labelled: Vec::new() }
    }

    pub(super) fn judge(self, context: &mut Context<'a>, observation: &Observation) -> Judgement<'a> {
        let knowledge = self.knowledge;
        if !knowledge.routes.is_routed_source(self.wire.src) && knowledge.connections.is_host_traffic(self.wire) {
            return Judgement::new(NotCovered::OtherSender.into());
        }
        self.judge_by_routes(context, observation)
    }

    fn judge_by_routes(self, context: &mut Context<'a>, observation: &Observation) -> Judgement<'a> {
        let knowledge = self.knowledge;
        let decided = self.decided(context, observation.eth_src);
        let routes = match &decided.outcome {
            Outcome::Elsewhere(reason) => return Judgement::new((*reason).into()),
            Outcome::Routes(routes) => routes,
        };
        if let Some(elsewhere) = routes.unless_dead
            && !self.goes_to_one_of(context, &routes.all, observation.eth_dst())
        {
            return Judgement::new(elsewhere.into());
        }
        let is_arrival = routes.by_destination || knowledge.routes.is_routed_source(self.wire.dst);
        if is_arrival && observation.eth_dst().is_some() && context.directions.is_received(observation) {
            return Judgement::new(NotCovered::Inbound.into());
        }

        let mut judgement = Judgement::new(Verdict::Conforming);
        let Some(eth_dst) = observation.eth_dst() else {
            judgement.verdict = Undetermined::NotObservable.into();
            judgement.remarks.push("the capture holds no destination MAC".to_owned());
            return self.finish(judgement, &routes.deciding);
        };

        if eth_dst.is_zero() {
            judgement.verdict = Undetermined::NexthopUnresolved.into();
            judgement
                .remarks
                .push("the destination MAC is zero: OVN had no binding for the next hop, and asked".to_owned());
            return self.finish(judgement, &routes.deciding);
        }

        judgement.legal_for = routes.deciding.legal(eth_dst).map(|hop| hop.ip).collect();
        if !judgement.legal_for.is_empty() {
            judgement.verdict = self.conforming(context, &routes.deciding, eth_dst, observation.last);
            return self.finish(judgement, &routes.deciding);
        }
        if context.directions.is_unknown(knowledge, observation) {
            judgement.verdict = Undetermined::DirectionUnknown.into();
            judgement.remarks.push(
                "both directions of the flow were captured, and neither the capture nor a dump of the routers' ports \
                 (--port-bindings FILE) tells which was sent"
                    .to_owned(),
            );
            return self.finish(judgement, &routes.deciding);
        }
        let is_translated = self.inner != self.wire;
        if routes.by_destination
            && !is_translated
            && self.judge_source(&mut judgement, context, observation, &routes.deciding, eth_dst)
        {
            return self.finish(judgement, &routes.deciding);
        }
        if routes.may_be_elsewhere || routes.after.may_be(eth_dst) {
            judgement.verdict = Undetermined::NoNexthopData.into();
            judgement.remarks.push(
                "BFD sessions watch all next hops, and no dump tells their state (--bfd FILE): if all are down, the \
                 next route decides"
                    .to_owned(),
            );
            return self.finish(judgement, &routes.deciding);
        }
        // From here on routes that would decide if their next hops were up matter too.
        self.illegal(&mut judgement, context, observation, &decided, &routes.all, eth_dst);
        self.finish(judgement, &routes.all)
    }

    fn finish(self, mut judgement: Judgement<'a>, way: &Rc<Way<'a>>) -> Judgement<'a> {
        judgement.way = Some(Rc::clone(way));
        judgement.labelled = self.labelled;
        judgement
    }

    /// Whether the MAC is, or was, that of a next hop of these routes.
    fn goes_to_one_of(&self, context: &mut Context<'a>, way: &Way<'a>, eth_dst: Option<MacAddr>) -> bool {
        let Some(mac) = eth_dst else { return false };
        let last_legal = &mut context.remembered.last_legal;
        let mut was_legal =
            |group: &Group<'a>| last_legal.of_route(self.knowledge, &group.id(), mac, self.at).is_some();
        way.naming(mac).next().is_some() || self.knowledge.knows(mac) && way.groups.iter().any(&mut was_legal)
    }

    /// Conforming; with a word on flows whose requests came in by another next hop.
    fn conforming(&self, context: &Context<'a>, way: &Way<'a>, eth_dst: MacAddr, last: Timestamp) -> Verdict {
        let requester = way.is_symmetric.then(|| context.inbound.requester(self.wire, last)).flatten();
        match requester {
            Some(mac) if mac != eth_dst && way.legal(mac).next().is_some() => Verdict::Info(Info::AsymmetricReply),
            _ => Verdict::Conforming,
        }
    }
}
