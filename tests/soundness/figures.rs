//! How many frames may become undetermined where a kind of evidence is left out or damaged. An engine that says "undetermined" of
//! everything is sound; these figures forbid it. A change of the engine that moves one on purpose changes it here.

use crate::check::Shown;
use crate::damage::Damage;
use crate::told::Omitted;

/// A share of the run of CI.
pub(crate) struct Figure {
    pub(crate) shown: Shown,
    /// Of the frames that are decided with all evidence, so many of a hundred become undetermined.
    pub(crate) percent: f64,
    /// So far it may be off, in points.
    pub(crate) tolerance: f64,
}

const fn figure(omitted: Omitted, percent: f64) -> Figure {
    of(Shown::Without(omitted), percent)
}

const fn damaged(damage: Damage, percent: f64) -> Figure {
    of(Shown::Damaged(damage), percent)
}

const fn of(shown: Shown, percent: f64) -> Figure {
    Figure { shown, percent, tolerance: if percent < 1.0 { 0.2 } else { 0.5 } }
}

/// The figures.
pub(crate) const FIGURES: [Figure; Omitted::ALL.len() + Damage::ALL.len()] = [
    figure(Omitted::Bindings, 84.0),
    figure(Omitted::StaticBindings, 7.7),
    figure(Omitted::Bfd, 17.6),
    figure(Omitted::Ports, 0.90),
    figure(Omitted::Zones, 0.0),
    figure(Omitted::Conntrack, 0.0),
    figure(Omitted::History, 20.7),
    figure(Omitted::OtherDirection, 0.0),
    figure(Omitted::Neighbours, 5.2),
    figure(Omitted::LearnedRoutes, 0.11),
    figure(Omitted::SomeRoutes, 0.51),
    figure(Omitted::Ovn, 0.0),
    damaged(Damage::Routes, 23.8),
    damaged(Damage::Bindings, 44.2),
    damaged(Damage::StaticBindings, 11.7),
    damaged(Damage::Bfd, 16.0),
    damaged(Damage::Ports, 15.6),
    damaged(Damage::Zones, 6.05),
    damaged(Damage::Conntrack, 2.0),
    damaged(Damage::Behaviour, 0.0),
    damaged(Damage::End, 16.2),
];
