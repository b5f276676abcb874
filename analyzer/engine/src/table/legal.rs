//! Rows for packets to the MAC of an active next hop.

use alloc::vec::Vec;
use core::net::IpAddr;

use crate::case::Case;
use crate::judgement::Ruling;
use crate::verdict::{Info, Verdict};

pub(super) fn asymmetric_reply(case: &Case<'_, '_>) -> Option<Ruling> {
    let (deciding, mac) = (&case.routes()?.deciding, case.seen.eth_dst()?);
    let is_pinned = deciding.is_symmetric && deciding.legal(mac).next().is_some();
    let requester = is_pinned.then(|| case.requester()).flatten()?;
    let is_other = requester != mac && deciding.legal(requester).next().is_some();
    is_other.then(|| Some(Ruling::of(Info::AsymmetricReply).legal_for(legal_for(case)?)))?
}

pub(super) fn conforming(case: &Case<'_, '_>) -> Option<Ruling> {
    Some(Ruling::of(Verdict::Conforming).legal_for(legal_for(case)?))
}

/// The active next hops whose MAC it is; `None` where it is none's.
fn legal_for(case: &Case<'_, '_>) -> Option<Vec<IpAddr>> {
    let legal = case.routes()?.deciding.legal(case.seen.eth_dst()?);
    let legal_for: Vec<IpAddr> = legal.map(|hop| hop.ip).collect();
    (!legal_for.is_empty()).then_some(legal_for)
}
