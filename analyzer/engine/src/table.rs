//! The decision table of docs/verdicts.md, row by row. The first row that applies decides.

mod covered;
mod frame;
mod illegal;
mod labels;
mod legal;
mod open;
pub(super) mod plain;
mod translated;

use super::case::Case;
use super::context::Context;
use super::judgement::{Judgement, Ruling, Shows};
use super::knowledge::Knowledge;
use super::observation::Observation;
use super::verdict::{Info, NotCovered, Undetermined, Verdict, Violating};

/// A row of the table.
#[derive(Debug)]
pub(super) struct Row {
    /// Its name on the page. Names are stable: they tell nothing of the order.
    pub(super) id: &'static str,
    /// The verdicts that it gives.
    pub(super) gives: &'static [Verdict],
    shows: Shows,
    rule: fn(&Case<'_, '_>) -> Option<Ruling>,
}

/// Rows that need no routes.
#[rustfmt::skip]
pub(super) const OF_FRAMES: [Row; 7] = [
    row("1a", &[not(NotCovered::Group)],                     Shows::Nothing,  frame::group),
    row("1b", &[not(NotCovered::Control)],                   Shows::Nothing,  frame::control),
    row("1c", &[not(NotCovered::OnLink)],                    Shows::Nothing,  frame::link_local),
    row("1d", &[not(NotCovered::Inbound)],                   Shows::Nothing,  frame::inbound),
    row("1e", &[not(NotCovered::Tunnel)],                    Shows::Nothing,  frame::tunnel),
    row("1f", &[not(NotCovered::OtherSender)],               Shows::Nothing,  frame::host),
    row("3a", &[open(Undetermined::NoNexthopData)],          Shows::Nothing,  frame::without_data),
];

/// Rows that need routes. Before them stand the verdicts that plain flows share.
#[rustfmt::skip]
pub(super) const OF_ROUTES: [Row; 25] = [
    row("1g", &[not(NotCovered::NoRoute), not(NotCovered::OnLink), not(NotCovered::OtherSender)],
                                                             Shows::Nothing,  covered::elsewhere),
    row("1h", &[not(NotCovered::NoRoute), not(NotCovered::OnLink)],
                                                             Shows::Nothing,  covered::unless_dead),
    row("1i", &[not(NotCovered::Inbound)],                   Shows::Nothing,  covered::received),
    row("2",  &[open(Undetermined::NotObservable)],          Shows::Deciding, covered::not_observable),
    row("3b", &[open(Undetermined::NexthopUnresolved)],      Shows::Deciding, covered::without_mac),
    row("4a", &[Verdict::Info(Info::AsymmetricReply)],       Shows::Deciding, legal::asymmetric_reply),
    row("4b", &[Verdict::Conforming],                        Shows::Deciding, legal::conforming),
    row("3c", &[open(Undetermined::DirectionUnknown)],       Shows::Deciding, open::direction),
    row("4c", &[Verdict::Conforming],                        Shows::Deciding, translated::conforming),
    row("3d", &[open(Undetermined::TranslatedSource)],       Shows::Deciding, translated::unknown_sender),
    row("3e", &[open(Undetermined::NoNexthopData)],          Shows::Deciding, translated::connected),
    row("3f", &[open(Undetermined::NoNexthopData)],          Shows::Deciding, open::next_route),
    row("3g", &[open(Undetermined::NoNexthopData)],          Shows::All,      open::session),
    row("3h", &[open(Undetermined::NoNexthopData)],          Shows::All,      open::own_port),
    row("3i", &[open(Undetermined::NoNexthopData)],          Shows::All,      open::rerouted),
    row("5",  &[Verdict::Grace],                             Shows::All,      illegal::grace),
    row("3j", &[open(Undetermined::UnreadableInput)],        Shows::All,      illegal::unreadable),
    row("8",  &[open(Undetermined::NexthopUnresolved)],      Shows::All,      illegal::unresolved),
    row("6",  &[wrong(Violating::NexthopDown)],              Shows::All,      illegal::down),
    row("7",  &[wrong(Violating::StaleConntrack), wrong(Violating::FormerNexthop)],
                                                             Shows::All,      illegal::former),
    row("9",  &[wrong(Violating::StaleNeighbour)],           Shows::All,      illegal::stale_neighbour),
    row("10", &[Verdict::Info(Info::AsymmetricGateway)],     Shows::All,      illegal::live_gateway),
    row("10a", &[open(Undetermined::HeardUndated)],          Shows::All,      illegal::heard_undated),
    row("11", &[wrong(Violating::StaleConntrack)],           Shows::All,      illegal::stale_conntrack),
    row("12", &[wrong(Violating::UnknownMac)],               Shows::All,      illegal::unknown),
];

/// Judges the packets of one observation.
pub(super) fn judge<'a>(
    knowledge: &'a Knowledge,
    context: &mut Context<'a>,
    observation: &Observation,
) -> Judgement<'a> {
    let case = Case::new(knowledge, context, observation);
    if let Some((ruling, shows)) = first(&OF_FRAMES, &case) {
        return Judgement::new(case, ruling, shows);
    }
    let key = case.context().plain_key(knowledge, observation);
    if let Some((verdict, assumes)) = key.and_then(|key| case.context().plain.get(&key)) {
        return Judgement::shared(verdict, assumes);
    }
    let judgement = judge_by_routes(case);
    // A remark tells that something beyond the key decided: whether the source is a translated address.
    if let Some(key) = key
        && judgement.remarks.is_empty()
    {
        context.plain.remember(key, judgement.verdict, &judgement.assumes);
    }
    judgement
}

/// Judges a case by itself: no verdict that plain flows share is asked for, or remembered.
pub(super) fn judge_case<'a>(case: Case<'a, '_>) -> Judgement<'a> {
    match first(&OF_FRAMES, &case) {
        Some((ruling, shows)) => Judgement::new(case, ruling, shows),
        None => judge_by_routes(case),
    }
}

/// Judges packets of which no row of [`OF_FRAMES`] tells.
fn judge_by_routes<'a>(case: Case<'a, '_>) -> Judgement<'a> {
    // The last row applies to all that is left.
    let ruled = first(&OF_ROUTES, &case);
    let (ruling, shows) = ruled.unwrap_or_else(|| (Ruling::of(Violating::UnknownMac), Shows::All));
    Judgement::new(case, ruling, shows)
}

/// What the first of the rows says that applies.
fn first(rows: &[Row], case: &Case<'_, '_>) -> Option<(Ruling, Shows)> {
    let (row, ruling) = rows.iter().find_map(|row| Some((row, (row.rule)(case)?)))?;
    debug_assert!(row.gives.contains(&ruling.verdict), "row {} gives {:?}", row.id, ruling.verdict);
    Some((ruling, row.shows))
}

const fn row(
    id: &'static str,
    gives: &'static [Verdict],
    shows: Shows,
    rule: fn(&Case<'_, '_>) -> Option<Ruling>,
) -> Row {
    Row { id, gives, shows, rule }
}

const fn not(reason: NotCovered) -> Verdict {
    Verdict::NotCovered(reason)
}

const fn open(missing: Undetermined) -> Verdict {
    Verdict::Undetermined(missing)
}

const fn wrong(reason: Violating) -> Verdict {
    Verdict::Violating(reason)
}
