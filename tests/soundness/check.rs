//! What may differ between the model and the engine, and what must not.

use analyzer_engine::assumes::{Assumes, Assumption};

use crate::ask::{Said, ask, assumes_of_conforming};
use crate::damage::Damage;
use crate::model::{Played, Standing, Verdict, Why, is_at_the_edge_of_the_window, play, standing, verdict};
use crate::stands::{self, Wrong};
use crate::told::{Given, Omitted};
use crate::world::World;

/// What the engine was not shown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Shown {
    /// It was shown all, and the conntrack table still says of the flow what it said at the packet.
    Whole,
    /// The label was rewritten between the packet and the dump of the table.
    TableOfAnotherMoment,
    /// One kind is left out.
    Without(Omitted),
    /// Rows of one kind are lost.
    Damaged(Damage),
}

/// What is wrong, worst last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Fault {
    /// On whole evidence, another verdict of the same class, or one where neither says that the packet is right or wrong.
    Another,
    /// A stronger reason than all the evidence gives.
    Stronger,
    /// A packet that violates is called something harmless.
    Muted,
    /// A packet that cannot be judged is called conforming.
    Overclaimed,
    /// `conntrack`, `explain`, `repair` and the verdict do not say the same of an entry.
    Contradiction,
    /// An entry is called armed whose label OVN does not ask.
    ArmedThoughIgnored,
    /// A packet that does not violate is called violating.
    FalseViolating,
    /// A packet that violates is called conforming.
    FalseConforming,
    /// A command deletes an entry whose MAC is right, or may be.
    FalseCommand,
}

/// A difference between the model and the engine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Difference {
    pub(crate) fault: Fault,
    pub(crate) shown: Shown,
    /// What is right, and what the engine says; of how an entry stands nothing.
    pub(crate) verdicts: Option<(Verdict, Verdict)>,
    /// The frame, or the flow of the entry.
    pub(crate) index: usize,
}

/// What a world gave.
pub(crate) struct Checked {
    pub(crate) played: Played,
    pub(crate) truth: Vec<Verdict>,
    pub(crate) differences: Vec<Difference>,
    /// Faults at the edge of the window that were passed over.
    pub(crate) at_the_edge: u64,
    /// For each kind left out or damaged: frames that the whole evidence decides, and those of them that became undetermined.
    pub(crate) undetermined: Vec<(Shown, u64, u64)>,
}

/// Plays a world, judges its frames, and asks the engine with all evidence, without one kind of it or another, and with one
/// damaged.
pub(crate) fn check(world: &World) -> Checked {
    let played = play(world);
    let truth: Vec<Verdict> = played.frames.iter().map(|frame| verdict(world, &played, frame)).collect();
    agrees_with_itself(world, &played, &truth);
    let mut differences = Vec::new();
    let whole = ask(world, &played, Given::Whole);
    compare(world, &played, &truth, &whole, Given::Whole, &mut differences);
    compare_entries(world, &played, &mut differences);
    let of_whole = differences.clone();
    let mut undetermined = Vec::new();
    let damage = Damage::of(world);
    let without = Omitted::of(world).map(|omitted| (Given::Without(omitted), Shown::Without(omitted)));
    for (given, shown) in without.into_iter().chain([(Given::Damaged(damage), Shown::Damaged(damage))]) {
        let said = ask(world, &played, given);
        compare(world, &played, &truth, &said, given, &mut differences);
        undetermined.push(became_undetermined(&whole, &said, shown));
    }
    // What differs with all evidence at hand is not for want of a kind of it.
    let is_same = |a: &Difference, b: &Difference| (a.fault, a.verdicts, a.index) == (b.fault, b.verdicts, b.index);
    differences.retain(|one| !one.shown.is_less() || !of_whole.iter().any(|other| is_same(one, other)));
    let before = differences.len() as u64;
    differences.retain(|one| {
        let knows_all = !one.shown.is_less();
        one.verdicts.is_none() || !is_at_the_edge_of_the_window(world, &played, &played.frames[one.index], knows_all)
    });
    differences.sort();
    let at_the_edge = before - differences.len() as u64;
    Checked { played, truth, differences, at_the_edge, undetermined }
}

impl Shown {
    /// Whether the engine was not shown all.
    pub(crate) fn is_less(self) -> bool {
        matches!(self, Self::Without(_) | Self::Damaged(_))
    }
}

fn became_undetermined(whole: &Said, said: &Said, shown: Shown) -> (Shown, u64, u64) {
    let (mut decided, mut undetermined) = (0, 0);
    for (whole, said) in whole.verdicts.iter().zip(&said.verdicts) {
        let (Some(whole), Some(said)) = (whole, said) else { continue };
        if *whole != Verdict::NotCovered && !whole.is_undetermined() {
            decided += 1;
            undetermined += u64::from(said.is_undetermined());
        }
    }
    (shown, decided, undetermined)
}

/// Why OVN sent a packet somewhere leaves only some verdicts. That the model keeps to it holds both its halves together.
fn agrees_with_itself(world: &World, played: &Played, truth: &[Verdict]) {
    use Verdict::*;
    for (frame, &verdict) in played.frames.iter().zip(truth) {
        let is_possible = match frame.why {
            Why::Received | Why::Foreign | Why::Neighbour => verdict == NotCovered,
            Why::Pinned => verdict != NotCovered,
            // To a next hop; OVN's own binding may be stale, and a label that is not asked may hold its MAC, too.
            Why::Hashed => !matches!(verdict, UnknownMac | FormerNexthop | NexthopDown),
            Why::Stray => true,
        };
        assert!(is_possible, "the model: {verdict:?} of {frame:?} in world {}", world.seed);
    }
}

/// Adds what differs where the engine was given that.
fn compare(
    world: &World,
    played: &Played,
    truth: &[Verdict],
    said: &Said,
    given: Given,
    differences: &mut Vec<Difference>,
) {
    for (index, frame) in played.frames.iter().enumerate() {
        let Some(verdict) = said.verdicts[index] else { continue };
        let at_the_end = played.entries[frame.flow].and_then(|entry| entry.mac);
        let shown = match given {
            Given::Without(omitted) => Shown::Without(omitted),
            Given::Damaged(damage) => Shown::Damaged(damage),
            Given::Whole if frame.label == at_the_end => Shown::Whole,
            Given::Whole => Shown::TableOfAnotherMoment,
        };
        if is_said(given, &said.assumes[index]) {
            continue;
        }
        let fault = fault(truth[index], verdict, said.commands[index], shown);
        if let Some(fault) = fault.filter(|&fault| !is_owned_up_to(world, played, said, given, (index, fault))) {
            differences.push(Difference { fault, shown, verdicts: Some((truth[index], verdict)), index });
        }
    }
    let end = played.frames.last().map_or(0, |frame| frame.at);
    for (armed, assumes) in &said.armed {
        if is_said(given, assumes) {
            continue;
        }
        let is_own = world.routers[world.flows[armed.flow].router].zone == armed.zone;
        let fault = match standing(world, played, armed.flow, end) {
            Some(Standing::Armed) if is_own => continue,
            Some(Standing::Ignored) if is_own => Fault::ArmedThoughIgnored,
            _ => Fault::FalseCommand,
        };
        let shown = match given {
            Given::Whole => Shown::Whole,
            Given::Without(omitted) => Shown::Without(omitted),
            Given::Damaged(damage) => Shown::Damaged(damage),
        };
        differences.push(Difference { fault, shown, verdicts: None, index: armed.flow });
    }
}

/// Adds what is wrong with what is said of entries.
fn compare_entries(world: &World, played: &Played, differences: &mut Vec<Difference>) {
    for (index, wrong) in stands::wrong(world, played) {
        let fault = match wrong {
            Wrong::Contradiction => Fault::Contradiction,
            Wrong::FalselyStale => Fault::FalseCommand,
            Wrong::StaleThoughIgnored => Fault::ArmedThoughIgnored,
            Wrong::FalselyRight => Fault::FalseConforming,
        };
        let one = Difference { fault, shown: Shown::Whole, verdicts: None, index };
        differences.extend((!differences.contains(&one)).then_some(one));
    }
}

/// Whether it is said that what is left out is taken for granted.
fn is_said(given: Given, assumes: &Assumes) -> bool {
    given.omitted().is_some_and(|omitted| omitted.codes().iter().any(|&code| assumes.contains(code)))
}

/// Whether a packet that violates may be called something else, as the evidence is damaged: where it is said that a lost row
/// may decide it, or that something was lost where nothing is said of the packet. Never the other way round.
fn is_owned_up_to(world: &World, played: &Played, said: &Said, given: Given, (index, fault): (usize, Fault)) -> bool {
    let is_named = |assumes: &Assumes| !assumes.gaps().is_empty() || assumes.contains(Assumption::TornEnd);
    let of_conforming = || assumes_of_conforming(world, played, given, index);
    match (given, fault, said.verdicts[index]) {
        (Given::Damaged(_), Fault::FalseConforming | Fault::Overclaimed, _) => is_named(&of_conforming()),
        (Given::Damaged(_), Fault::Muted, Some(Verdict::AsymmetricGateway)) => is_named(&said.assumes[index]),
        (Given::Damaged(_), Fault::Muted, _) => said.has_gaps,
        _ => false,
    }
}

/// What is wrong with a verdict (DESIGN 3, "Soundness").
fn fault(truth: Verdict, said: Verdict, command: bool, shown: Shown) -> Option<Fault> {
    if command && !truth.is_violating() {
        return Some(Fault::FalseCommand);
    }
    if truth == said {
        return None;
    }
    match (truth.is_violating(), said.is_violating()) {
        (false, true) => return Some(Fault::FalseViolating),
        (true, true) if said > truth => return Some(Fault::Stronger),
        (true, false) if said == Verdict::Conforming => return Some(Fault::FalseConforming),
        (true, false) if !said.is_undetermined() => return Some(Fault::Muted),
        (false, false) if truth.is_undetermined() && said == Verdict::Conforming => return Some(Fault::Overclaimed),
        _ => {}
    }
    (shown == Shown::Whole).then_some(Fault::Another)
}

#[test]
fn faults_are_told_apart() {
    use Verdict::*;
    let whole = |truth, said, command| fault(truth, said, command, Shown::Whole);
    let without = |truth, said| fault(truth, said, false, Shown::Without(Omitted::Bfd));
    assert_eq!(whole(Conforming, Conforming, false), None);
    assert_eq!(whole(Conforming, StaleConntrack, true), Some(Fault::FalseCommand));
    assert_eq!(whole(Unresolved, StaleConntrack, true), Some(Fault::FalseCommand));
    assert_eq!(whole(Grace, UnknownMac, false), Some(Fault::FalseViolating));
    assert_eq!(whole(StaleConntrack, Conforming, false), Some(Fault::FalseConforming));
    assert_eq!(whole(StaleConntrack, NotCovered, false), Some(Fault::Muted));
    assert_eq!(whole(StaleConntrack, FormerNexthop, true), Some(Fault::Another));
    assert_eq!(without(StaleConntrack, FormerNexthop), None);
    assert_eq!(without(FormerNexthop, StaleConntrack), Some(Fault::Stronger));
    assert_eq!(without(StaleConntrack, Unresolved), None);
    assert_eq!(without(Conforming, NoNexthopData), None);
    assert_eq!(without(Unresolved, Conforming), Some(Fault::Overclaimed));
}
