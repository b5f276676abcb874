//! Verdicts that turn where a kind of evidence is left out. Such a flip is a fault until the finding says what it took for
//! granted (`assumes`), or becomes undetermined. An entry that no longer occurs fails the test, so that the list shrinks.

use crate::check::Fault::{self, ArmedThoughIgnored, FalseCommand, FalseConforming, Muted, Overclaimed, Stronger};
use crate::check::{Difference, Shown};
use crate::told::Omitted;

/// Faults that come of one kind of evidence that is left out.
pub(crate) struct Flips {
    /// What is left out.
    pub(crate) shown: Shown,
    /// Why the verdict turns.
    pub(crate) reason: &'static str,
    /// Faults that occur, and how often at most in the run of CI.
    pub(crate) faults: &'static [(Fault, u64)],
    /// Those that occur so seldom that the run of CI may be without.
    pub(crate) seldom: &'static [Fault],
}

/// Known flips, by what is left out. What conforms, is in grace or not covered makes no finding, and so has nowhere to say it.
pub(crate) const FLIPS: &[Flips] = &[
    Flips {
        shown: Shown::TableOfAnotherMoment,
        reason: "the label that pinned the packet was rewritten before the table was dumped, or was written after the packet",
        faults: &[],
        seldom: &[FalseConforming, Muted, Stronger],
    },
    Flips {
        shown: Shown::Without(Omitted::Bindings),
        reason: "a packet conforms by the MAC of older evidence (a static binding, a frame heard)",
        faults: &[(FalseConforming, 482), (Overclaimed, 34)],
        seldom: &[Muted],
    },
    Flips {
        shown: Shown::Without(Omitted::StaticBindings),
        reason: "a packet conforms by a binding that nothing says is overridden",
        faults: &[(FalseConforming, 267), (Overclaimed, 128)],
        seldom: &[Muted],
    },
    Flips {
        shown: Shown::Without(Omitted::Ports),
        reason: "a packet that is looked up otherwise conforms by the table that is guessed",
        faults: &[(FalseCommand, 44), (FalseConforming, 546), (Overclaimed, 75)],
        seldom: &[Muted],
    },
    Flips {
        shown: Shown::Without(Omitted::Zones),
        reason: "a label in a zone without a name is believed, and a packet conforms by the route to which it would pin it",
        faults: &[],
        seldom: &[FalseConforming, Muted],
    },
    Flips {
        shown: Shown::Without(Omitted::History),
        reason: "a packet of another time conforms by the set of the end",
        faults: &[(FalseConforming, 1147), (Overclaimed, 694), (Muted, 22)],
        seldom: &[],
    },
    Flips {
        shown: Shown::Without(Omitted::OtherDirection),
        reason: "the capture ends before the label was written that an entry has",
        faults: &[],
        seldom: &[FalseCommand, ArmedThoughIgnored],
    },
    Flips {
        shown: Shown::Without(Omitted::Neighbours),
        reason: "a packet conforms by the MAC of a binding, though the capture would have told another",
        faults: &[(FalseConforming, 2460), (Overclaimed, 97)],
        seldom: &[Muted],
    },
    Flips {
        shown: Shown::Without(Omitted::LearnedRoutes),
        reason: "a packet conforms by the next best route",
        faults: &[(FalseConforming, 74)],
        seldom: &[Muted],
    },
    Flips {
        shown: Shown::Without(Omitted::SomeRoutes),
        reason: "another route decides, or none; a hop whose row is missing and whose MAC nothing tells might have the label's",
        faults: &[(FalseCommand, 76), (FalseConforming, 163), (Overclaimed, 33), (Muted, 613)],
        seldom: &[Stronger],
    },
];

/// Whether a flip is among the known ones.
pub(crate) fn is_known_flip(one: &Difference) -> bool {
    let of_kind = |flips: &&Flips| flips.shown == one.shown;
    FLIPS
        .iter()
        .filter(of_kind)
        .any(|flips| flips.faults.iter().any(|&(fault, _)| fault == one.fault) || flips.seldom.contains(&one.fault))
}
