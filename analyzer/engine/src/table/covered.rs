//! Rows that tell whether a route of ours decides, and whether the packets have a MAC to be judged.

use crate::case::Case;
use crate::decided::Outcome;
use crate::judgement::Ruling;
use crate::verdict::{NotCovered, Undetermined};

pub(super) fn elsewhere(case: &Case<'_, '_>) -> Option<Ruling> {
    match &case.decided().outcome {
        Outcome::Elsewhere(reason) => Some(Ruling::of(*reason)),
        Outcome::Routes(_) => None,
    }
}

pub(super) fn unless_dead(case: &Case<'_, '_>) -> Option<Ruling> {
    let routes = case.routes()?;
    let elsewhere = routes.unless_dead?;
    (!case.goes_to_one_of(&routes.all)).then(|| Ruling::of(elsewhere))
}

pub(super) fn received(case: &Case<'_, '_>) -> Option<Ruling> {
    case.routes()?;
    let is_received =
        || case.seen.eth_dst().is_some() && case.context().directions.is_received(case.knowledge, case.seen);
    (case.may_arrive() && is_received()).then(|| Ruling::of(NotCovered::Inbound))
}

pub(super) fn not_observable(case: &Case<'_, '_>) -> Option<Ruling> {
    let ruling = || Ruling::of(Undetermined::NotObservable).with_remark("the capture holds no destination MAC");
    case.seen.eth_dst().is_none().then(ruling)
}

pub(super) fn without_mac(case: &Case<'_, '_>) -> Option<Ruling> {
    let remark = "the destination MAC is zero: OVN had no binding for the next hop, and asked";
    let ruling = || Ruling::of(Undetermined::NexthopUnresolved).with_remark(remark);
    case.seen.eth_dst()?.is_zero().then(ruling)
}
