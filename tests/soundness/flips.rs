//! Verdicts that turn where a kind of evidence is left out. Such a flip is a fault until the finding says what it took for
//! granted (`assumes`), or becomes undetermined. An entry that no longer occurs fails the test, so that the list shrinks.

use crate::check::Fault::{
    self, ArmedThoughIgnored, FalseCommand, FalseConforming, FalseViolating, Muted, Overclaimed, Stronger,
};
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

/// Known flips, by what is left out.
pub(crate) const FLIPS: &[Flips] = &[
    Flips {
        shown: Shown::TableOfAnotherMoment,
        reason: "the label that pinned the packet was rewritten before the table was dumped, or was written after the packet",
        faults: &[],
        seldom: &[FalseConforming, Stronger],
    },
    Flips {
        shown: Shown::Without(Omitted::Bindings),
        reason: "the MAC of a hop is older evidence only (a static binding, a frame heard), or is taken for unknown",
        faults: &[(FalseCommand, 8), (FalseConforming, 69), (FalseViolating, 167), (Muted, 92), (Stronger, 8)],
        seldom: &[Overclaimed, ArmedThoughIgnored],
    },
    Flips {
        shown: Shown::Without(Omitted::StaticBindings),
        reason: "nothing says that the MAC of a binding is overridden, or that a hop has the MAC of a static one",
        faults: &[(FalseCommand, 28), (FalseConforming, 40), (FalseViolating, 392), (Overclaimed, 12), (Muted, 39)],
        seldom: &[Stronger, ArmedThoughIgnored],
    },
    Flips {
        shown: Shown::Without(Omitted::Bfd),
        reason: "a session without state leaves its hop unknown, and the MACs of the others are held to be the set",
        faults: &[(FalseViolating, 8), (Muted, 177)],
        seldom: &[ArmedThoughIgnored],
    },
    Flips {
        shown: Shown::Without(Omitted::Ports),
        reason: "tables, connected networks and senders are guessed: a packet may be looked up, or come in, otherwise",
        faults: &[(FalseConforming, 93), (FalseViolating, 479), (Overclaimed, 12)],
        seldom: &[FalseCommand, ArmedThoughIgnored, Muted, Stronger],
    },
    Flips {
        shown: Shown::Without(Omitted::Zones),
        reason: "an entry in a zone without owner is believed, and one router is not told from another by its zone",
        faults: &[(FalseCommand, 13)],
        seldom: &[Stronger, FalseConforming, FalseViolating, Muted],
    },
    Flips {
        shown: Shown::Without(Omitted::Conntrack),
        reason: "what pins a flow to a route that lost, and whose the host's packets are, is not known",
        faults: &[(FalseViolating, 242), (Muted, 31)],
        seldom: &[Stronger],
    },
    Flips {
        shown: Shown::Without(Omitted::History),
        reason: "the set of the end is held against packets of all times, and frames heard long before are taken for new",
        faults: &[
            (FalseCommand, 204),
            (FalseConforming, 172),
            (FalseViolating, 1455),
            (Overclaimed, 107),
            (Muted, 423),
            (Stronger, 12),
        ],
        seldom: &[],
    },
    Flips {
        shown: Shown::Without(Omitted::OtherDirection),
        reason: "nobody is heard alive: packets to a live router that is no next hop look stale",
        faults: &[(FalseCommand, 4272), (FalseViolating, 232)],
        seldom: &[ArmedThoughIgnored],
    },
    Flips {
        shown: Shown::Without(Omitted::Neighbours),
        reason: "a hop keeps the MAC that its binding names, though the capture would have told another",
        faults: &[(FalseCommand, 29), (FalseConforming, 391), (FalseViolating, 12), (Overclaimed, 41), (Muted, 29)],
        seldom: &[Stronger, ArmedThoughIgnored],
    },
    Flips {
        shown: Shown::Without(Omitted::LearnedRoutes),
        reason: "a route that nothing tells decides: the next best is taken for it",
        faults: &[(FalseConforming, 13), (FalseViolating, 485)],
        seldom: &[FalseCommand, ArmedThoughIgnored, Muted, Stronger],
    },
    Flips {
        shown: Shown::Without(Omitted::Ovn),
        reason: "nothing says that this OVN does not ask the label: the entry is taken for one that it applies",
        faults: &[(ArmedThoughIgnored, 55)],
        seldom: &[],
    },
    Flips {
        shown: Shown::Without(Omitted::SomeRoutes),
        reason: "a row that nothing tells is a hop too few, or another route decides",
        faults: &[(FalseCommand, 108), (FalseConforming, 30), (FalseViolating, 1448), (Muted, 241)],
        seldom: &[Stronger, Overclaimed, ArmedThoughIgnored],
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
