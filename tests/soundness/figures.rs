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
    figure(Omitted::Bindings, 83.6),
    figure(Omitted::StaticBindings, 7.3),
    figure(Omitted::Bfd, 17.6),
    figure(Omitted::Ports, 0.99),
    figure(Omitted::Zones, 0.0),
    figure(Omitted::Conntrack, 0.0),
    figure(Omitted::History, 20.1),
    figure(Omitted::OtherDirection, 0.0),
    figure(Omitted::Neighbours, 5.4),
    figure(Omitted::LearnedRoutes, 0.14),
    figure(Omitted::SomeRoutes, 0.56),
    figure(Omitted::Ovn, 0.0),
    damaged(Damage::Routes, 23.9),
    damaged(Damage::Bindings, 43.9),
    damaged(Damage::StaticBindings, 10.5),
    damaged(Damage::Bfd, 16.3),
    damaged(Damage::Ports, 15.6),
    damaged(Damage::Zones, 4.9),
    damaged(Damage::Conntrack, 2.1),
    damaged(Damage::Behaviour, 0.0),
    damaged(Damage::End, 16.3),
];
