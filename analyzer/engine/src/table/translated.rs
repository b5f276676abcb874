//! Rows for packets that a route by destination decides, where it is not known who sent them.

use crate::case::Case;
use crate::judgement::Ruling;
use crate::verdict::{Undetermined, Verdict};

pub(super) fn conforming(case: &Case<'_, '_>) -> Option<Ruling> {
    let is_possible = case.may_be_of_any_source() && (!case.are_ports_told() || case.is_translated());
    let legal_for = is_possible.then(|| case.legal_by_source(case.seen.eth_dst()?)).flatten()?;
    let remark = "the source may be translated: the MAC is legal for a pod's route";
    Some(Ruling::of(Verdict::Conforming).legal_for(legal_for).with_remark(remark))
}

pub(super) fn unknown_sender(case: &Case<'_, '_>) -> Option<Ruling> {
    let remark = case.may_be_of_any_source().then(|| case.unknown_sender()).flatten()?;
    let deciding = &case.routes()?.deciding;
    let do_all_agree = case.flow().candidates_agree(&mut case.context(), deciding);
    (!do_all_agree).then(|| Ruling::of(Undetermined::TranslatedSource).with_remark(remark))
}

pub(super) fn connected(case: &Case<'_, '_>) -> Option<Ruling> {
    let is_open = case.may_be_of_any_source() && !case.are_ports_told() && case.unknown_sender().is_none();
    let remark = "the destination may be on a connected network, and no dump tells the router's networks";
    (is_open && case.routes()?.deciding.may_share_link(case.seen.tuple.dst))
        .then(|| Ruling::of(Undetermined::NoNexthopData).with_remark(remark))
}
