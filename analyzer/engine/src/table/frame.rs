//! Rows that need no routes: traffic that no route of ours decides, and packets of whose time nothing is known.

use crate::case::Case;
use crate::direction;
use crate::judgement::Ruling;
use crate::lookalike;
use crate::verdict::{NotCovered, Undetermined};

pub(super) fn group(case: &Case<'_, '_>) -> Option<Ruling> {
    lookalike::is_group(case.seen.eth_dst(), case.seen.tuple.dst).then(|| Ruling::of(NotCovered::Group))
}

pub(super) fn control(case: &Case<'_, '_>) -> Option<Ruling> {
    lookalike::is_control(&case.seen.tuple).then(|| Ruling::of(NotCovered::Control))
}

pub(super) fn link_local(case: &Case<'_, '_>) -> Option<Ruling> {
    lookalike::is_link_local(case.seen.tuple.dst).then(|| Ruling::of(NotCovered::OnLink))
}

pub(super) fn inbound(case: &Case<'_, '_>) -> Option<Ruling> {
    direction::is_inbound(case.knowledge, case.seen).then(|| Ruling::of(NotCovered::Inbound))
}

pub(super) fn tunnel(case: &Case<'_, '_>) -> Option<Ruling> {
    (lookalike::is_tunnel(&case.seen.tuple) && !case.is_routed_source()).then(|| Ruling::of(NotCovered::Tunnel))
}

pub(super) fn host(case: &Case<'_, '_>) -> Option<Ruling> {
    (!case.is_routed_source() && case.is_host_traffic()).then(|| Ruling::of(NotCovered::OtherSender))
}

pub(super) fn without_data(case: &Case<'_, '_>) -> Option<Ruling> {
    let ruling = Ruling::of(Undetermined::NoNexthopData);
    if case.knowledge.blind.holds(case.at()) {
        let remark = "the next hops were not known then: a source was not synchronised, or its facts were too old";
        Some(ruling.with_remark(remark))
    } else if case.knowledge.routes.is_empty() {
        Some(ruling)
    } else if case.knowledge.history.is_some_and(|start| case.at() < start) {
        Some(ruling.with_remark("the packets are older than the history of the next hops"))
    } else {
        None
    }
}
