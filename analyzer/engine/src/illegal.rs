//! What is wrong with a MAC that is no active next hop's.

use std::net::IpAddr;
use std::sync::Arc;

use super::bfd::Liveness;
use super::decided::{Decided, Time, Way};
use super::flow::Flow;
use super::judge::{Context, Judgement};
use super::knowledge::Hop;
use super::labelled::Labelled;
use super::lookalike;
use super::observation::Observation;
use super::verdict::{Info, Undetermined, Verdict, Violating};
use super::zones::Owner;
use crate::types::{MacAddr, Timestamp};

/// Times for which it is remembered what lies inside the cluster.
const MAX_TIMES: usize = 64;

impl<'a> Flow<'a> {
    /// Judges a packet that a route by destination decides, where its source may be a translated one. Returns whether
    /// that was possible.
    pub(super) fn judge_source(
        &self,
        judgement: &mut Judgement<'a>,
        context: &mut Context<'a>,
        observation: &Observation,
        way: &Way<'a>,
        eth_dst: MacAddr,
    ) -> bool {
        let knowledge = self.knowledge;
        let src = observation.tuple.src;
        let known = knowledge.may_be_translated(src, self.at);
        let told = !knowledge.ports.is_empty();
        let maybe = !told && way.may_share_link(src);
        let epoch = context.epochs.at(self.at).id;
        let by_source =
            context.remembered.legal_by_source.entry(epoch).or_insert_with(|| knowledge.legal_by_source(self.at));
        let (verdict, remark) = if let Some(legal_for) = by_source.get(&eth_dst).filter(|_| known || !told) {
            judgement.legal_for.clone_from(legal_for);
            (Verdict::Conforming, "the source may be translated: the MAC is legal for a pod's route")
        } else if let Some(remark) = self.whose(context, way, known || maybe, told) {
            if self.candidates_agree(context, way) {
                return false;
            }
            (Undetermined::TranslatedSource.into(), remark)
        } else if !told && way.may_share_link(observation.tuple.dst) {
            let remark = "the destination may be on a connected network, and no dump tells the router's networks";
            (Undetermined::NoNexthopData.into(), remark)
        } else {
            return false;
        };
        judgement.verdict = verdict;
        judgement.remarks.push(remark.to_owned());
        true
    }

    /// Why it cannot be told whose packet it is; `None` where it is the source's own.
    fn whose(
        &self,
        context: &mut Context<'a>,
        way: &Way<'a>,
        may_be_translated: bool,
        told: bool,
    ) -> Option<&'static str> {
        if may_be_translated {
            Some("the source is the node's or a translated one, and no conntrack entry tells whose packet it is")
        } else if told && self.is_outside(context, way, self.wire.src) {
            Some("the source is behind no inner port of the router: a host's, a service's or a translated one")
        } else {
            None
        }
    }

    /// Whether none of the routers has `src` behind it, as far as they are known.
    fn is_outside(&self, context: &mut Context<'a>, way: &Way<'a>, src: IpAddr) -> bool {
        if context.inward.len() >= MAX_TIMES {
            context.inward.clear();
        }
        let time = Time::new(context.epochs, self.at);
        let inward = context.inward.entry(time).or_insert_with(|| self.knowledge.inward(self.at));
        way.routers.iter().all(|router| self.knowledge.is_outside(inward, router, src, self.at))
    }

    /// The verdict on a MAC that is no active next hop's.
    pub(super) fn illegal(
        &self,
        judgement: &mut Judgement<'a>,
        context: &mut Context<'a>,
        observation: &Observation,
        decided: &Decided<'a>,
        way: &Way<'a>,
        eth_dst: MacAddr,
    ) {
        let knowledge = self.knowledge;
        if let Some(remark) = self.open(decided, way, eth_dst) {
            judgement.remarks.push(remark);
            judgement.verdict = Undetermined::NoNexthopData.into();
            return;
        }

        let ends = (self.inner.src, self.inner.dst);
        let last_legal = &mut context.remembered.last_legal;
        let look = || last_legal.of(knowledge, &way.groups, ends, eth_dst, self.at);
        judgement.last_legal = way.last_legal(eth_dst, look);
        if let Some(last) = &judgement.last_legal
            && self.at.since(last.until) < knowledge.settings.grace
        {
            judgement.verdict = Verdict::Grace;
            return;
        }
        let carriers: Vec<&Labelled<'_>> =
            self.labelled.iter().filter(|entry| entry.believed && entry.reply.eth == eth_dst).collect();
        let carried = carriers.iter().any(|entry| decided.applies(entry));
        self.remark_on_labels(judgement, decided, eth_dst, &carriers, carried);
        let is_older =
            way.naming(eth_dst).any(|hop| hop.liveness == Liveness::Up && hop.lladdrs.older.contains(&eth_dst));
        let past = if way.having(eth_dst).any(|hop| hop.liveness == Liveness::Down) {
            Some(Violating::NexthopDown)
        } else if judgement.last_legal.is_some() && !is_older {
            Some(if carried { Violating::StaleConntrack } else { Violating::FormerNexthop })
        } else {
            None
        };
        if let Some(hop) = way.unresolved() {
            judgement.remarks.extend(remarks_on_unresolved(hop, past));
            judgement.verdict = Undetermined::NexthopUnresolved.into();
            return;
        }
        if let Some(reason) = past {
            judgement.verdict = reason.into();
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

    /// What nothing tells that may make the MAC legal.
    fn open(&self, decided: &Decided<'a>, way: &Way<'a>, eth_dst: MacAddr) -> Option<String> {
        if way.having(eth_dst).any(|hop| hop.liveness == Liveness::Unknown) {
            return Some("a BFD session watches the next hop, and no dump tells its state (--bfd FILE)".to_owned());
        }
        if way.maybe.contains(&eth_dst) {
            let remark = "a next hop is a port of OVN's own: whether it has this MAC or another depends on the switch that it \
                          is on, or on the router's option dynamic_neigh_routers, which nothing tells";
            return Some(remark.to_owned());
        }
        self.rerouted(decided, way)
    }

    /// A policy that may send the packet elsewhere. A pinned flow bypasses policies (`lr_in_policy`, priority 65535).
    fn rerouted(&self, decided: &Decided<'a>, way: &Way<'a>) -> Option<String> {
        // A label that forces the flow out of a symmetric route's port.
        if !decided.applying.is_empty() {
            return None;
        }
        let of_router = |router: &Option<Arc<str>>| router.is_none() || way.routers.contains(router);
        let mut policies = self.knowledge.reroute_policies.matching(self.inner.src, self.inner.dst, self.at);
        let policy = policies.find(|policy| of_router(&policy.router))?;
        Some(format!("a policy of priority {} may reroute the packets: {}", policy.priority, policy.expression))
    }

    fn remark_on_labels(
        &self,
        judgement: &mut Judgement<'a>,
        decided: &Decided<'a>,
        eth_dst: MacAddr,
        carriers: &[&Labelled<'_>],
        carried: bool,
    ) {
        let remarks = &mut judgement.remarks;
        if carried && carriers.iter().all(|entry| entry.owner == Owner::Unknown) {
            remarks.push("no dump names the owner of the entry's zone".to_owned());
        }
        if !carriers.is_empty() && !carried {
            let remark = if !decided.is_symmetric {
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

/// Why the MAC may be that of a next hop, and what would be said of it if that were known to have another.
fn remarks_on_unresolved(hop: &Hop<'_>, past: Option<Violating>) -> impl Iterator<Item = String> {
    let why = match hop.liveness {
        Liveness::Unknown => {
            "a next hop has no known MAC, and no dump tells the state of the BFD session that watches it (--bfd FILE): this \
             may be its MAC"
        }
        _ => "an active next hop has no known MAC: this may be its",
    };
    let otherwise = past.and_then(|reason| Verdict::from(reason).reason());
    let otherwise = otherwise.map(|reason| format!("if it is not, the packets are violating, {reason}"));
    std::iter::once(why.to_owned()).chain(otherwise)
}
