//! Rows that tell what is wrong with a MAC that is no active next hop's.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

use super::labels;
use crate::bfd::Liveness;
use crate::case::Case;
use crate::judgement::Ruling;
use crate::knowledge::Hop;
use crate::lookalike;
use crate::types::MacAddr;
use crate::verdict::{Info, Undetermined, Verdict, Violating};

pub(super) fn grace(case: &Case<'_, '_>) -> Option<Ruling> {
    let last = case.last_legal(case.seen.eth_dst()?)?;
    (case.at().since(last.until) < case.knowledge.settings.grace).then(|| Ruling::of(Verdict::Grace))
}

/// What was lost may make right what looks wrong. What is worth knowing, and no fault, stays so.
pub(super) fn unreadable(case: &Case<'_, '_>) -> Option<Ruling> {
    let mac = case.seen.eth_dst().filter(|_| !case.knowledge.gaps.is_empty())?;
    let packet = case.packet(mac);
    let mut deciding = packet.decided_by();
    let first = deciding.next()?;
    if is_worth_knowing(case, mac) {
        return None;
    }
    let more = deciding.count();
    let beside = if more == 0 { String::new() } else { format!(", and {more} more") };
    let remark =
        format!("{} could not be read{beside}: what it told of {} may decide", first.place, first.scope.words());
    Some(ruling(case, Undetermined::UnreadableInput).with_remark(remark).with_remarks(otherwise(case, mac)))
}

/// Whether row 10 applies, and none before it.
fn is_worth_knowing(case: &Case<'_, '_>, mac: MacAddr) -> bool {
    let is_resolved = case.routes().is_some_and(|routes| routes.all.unresolved().is_none());
    let is_wrong = || is_down(case, mac) || former_as(case, mac).is_some() || is_stale_neighbour(case, mac);
    is_resolved && !is_wrong() && live_gateway(case).is_some()
}

pub(super) fn unresolved(case: &Case<'_, '_>) -> Option<Ruling> {
    let (hop, mac) = (case.routes()?.all.unresolved()?, case.seen.eth_dst()?);
    let ruling = ruling(case, Undetermined::NexthopUnresolved).with_remark(why_it_may_be_its(hop));
    Some(ruling.with_remarks(otherwise(case, mac)))
}

/// What is wrong with the MAC if what is not known does not make it right.
fn otherwise(case: &Case<'_, '_>, mac: MacAddr) -> Option<String> {
    let reason = is_down(case, mac).then_some(Violating::NexthopDown).or_else(|| former_as(case, mac));
    let reason = reason.and_then(|reason| Verdict::from(reason).reason());
    reason.map(|reason| format!("if it is not, the packets are violating, {reason}"))
}

pub(super) fn down(case: &Case<'_, '_>) -> Option<Ruling> {
    is_down(case, case.seen.eth_dst()?).then(|| ruling(case, Violating::NexthopDown))
}

pub(super) fn former(case: &Case<'_, '_>) -> Option<Ruling> {
    former_as(case, case.seen.eth_dst()?).map(|reason| ruling(case, reason))
}

pub(super) fn stale_neighbour(case: &Case<'_, '_>) -> Option<Ruling> {
    is_stale_neighbour(case, case.seen.eth_dst()?).then(|| ruling(case, Violating::StaleNeighbour))
}

pub(super) fn live_gateway(case: &Case<'_, '_>) -> Option<Ruling> {
    let mac = case.seen.eth_dst()?;
    let remark = if case.knowledge.settings.allowed.contains(&mac) {
        Some("the MAC is on the allow-list")
    } else if lookalike::is_virtual_router(mac) {
        Some("the MAC is a virtual router's")
    } else {
        None
    };
    let is_heard = case.is_alive(mac);
    let ruling = || ruling(case, Info::AsymmetricGateway).with_remarks(remark.map(str::to_owned));
    (is_heard || remark.is_some()).then(ruling)
}

pub(super) fn heard_undated(case: &Case<'_, '_>) -> Option<Ruling> {
    let remark = "requests of the flow came from the MAC and stopped: nothing tells whether that was before or after the MAC \
                  left the set";
    let ruling = || ruling(case, Undetermined::HeardUndated).with_remark(remark);
    case.heard(case.seen.eth_dst()?).is_some().then(ruling)
}

pub(super) fn stale_conntrack(case: &Case<'_, '_>) -> Option<Ruling> {
    case.is_carried(case.seen.eth_dst()?).then(|| ruling(case, Violating::StaleConntrack))
}

pub(super) fn unknown(case: &Case<'_, '_>) -> Option<Ruling> {
    Some(ruling(case, Violating::UnknownMac))
}

/// Whether it is the MAC of a next hop that is down.
fn is_down(case: &Case<'_, '_>, mac: MacAddr) -> bool {
    let is_down = |hop: &Hop<'_>| hop.liveness == Liveness::Down;
    case.routes().is_some_and(|routes| routes.all.having(mac).any(is_down))
}

/// Whether older evidence for a next hop names the MAC, and no label carries it.
fn is_stale_neighbour(case: &Case<'_, '_>, mac: MacAddr) -> bool {
    case.is_older(mac) && !case.is_carried(mac)
}

/// What is wrong where the MAC was a next hop's in the past.
fn former_as(case: &Case<'_, '_>, mac: MacAddr) -> Option<Violating> {
    let is_former = case.last_legal(mac).is_some() && !case.is_older(mac);
    let reason = || if case.is_carried(mac) { Violating::StaleConntrack } else { Violating::FormerNexthop };
    is_former.then(reason)
}

/// The ruling, with what labelled entries say of the MAC.
fn ruling(case: &Case<'_, '_>, verdict: impl Into<Verdict>) -> Ruling {
    Ruling::of(verdict).with_remarks(labels::remarks(case))
}

fn why_it_may_be_its(hop: &Hop<'_>) -> &'static str {
    match hop.liveness {
        Liveness::Unknown => {
            "a next hop has no known MAC, and no dump tells the state of the BFD session that watches it (--bfd FILE): this \
             may be its MAC"
        }
        _ => "an active next hop has no known MAC: this may be its",
    }
}
