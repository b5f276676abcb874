//! Which rows the facts of a row depend on, and which rows refer to which.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use hashbrown::HashSet;

use crate::ovsdb::row::{Atom, Datum, Row};

/// Whose facts change with the other's columns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Dependent {
    /// The facts of the row that refers: a route's depend on its BFD session.
    Referrer,
    /// The facts of the row that is referred to: a route's depend on the router that holds it.
    Referred,
}

/// References from one table to another that facts depend on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Relation {
    /// The table that refers.
    pub(super) from: &'static str,
    /// Its column.
    pub(super) column: &'static str,
    /// The table that is referred to.
    pub(super) to: &'static str,
    /// Whose facts depend on the other.
    pub(super) dependent: Dependent,
    /// The other's columns that they depend on.
    pub(super) read: &'static [&'static str],
}

const fn holds(column: &'static str, to: &'static str) -> Relation {
    Relation { from: "Logical_Router", column, to, dependent: Dependent::Referred, read: &["name"] }
}

const fn reads(from: &'static str, column: &'static str, to: &'static str, read: &'static [&'static str]) -> Relation {
    Relation { from, column, to, dependent: Dependent::Referrer, read }
}

/// Joins of [`northbound::facts`](crate::ovn::northbound::facts).
pub(super) const NORTHBOUND: &[Relation] = &[
    holds("static_routes", "Logical_Router_Static_Route"),
    holds("ports", "Logical_Router_Port"),
    holds("nat", "NAT"),
    holds("policies", "Logical_Router_Policy"),
    reads("Logical_Router_Static_Route", "bfd", "BFD", &["logical_port", "dst_ip"]),
];

/// Joins of [`southbound::facts`](crate::ovn::southbound::facts).
pub(super) const SOUTHBOUND: &[Relation] = &[
    reads("Port_Binding", "datapath", "Datapath_Binding", &["external_ids", "type"]),
    reads("Learned_Route", "datapath", "Datapath_Binding", &["external_ids", "type"]),
    reads("Learned_Route", "logical_port", "Port_Binding", &["logical_port"]),
];

/// The references of one relation: pairs of the row that is referred to and the one that refers.
#[derive(Clone, Debug, Default)]
pub(super) struct References(BTreeSet<(Arc<str>, Arc<str>)>);

impl References {
    /// The rows that refer to `referred`.
    pub(super) fn to<'a>(&'a self, referred: &'a Arc<str>) -> impl Iterator<Item = &'a Arc<str>> {
        let first = (Arc::clone(referred), Arc::default());
        let from_first = self.0.range((Bound::Included(first), Bound::Unbounded));
        from_first.take_while(move |(to, _)| to == referred).map(|(_, from)| from)
    }

    /// Takes over the change of a row that refers.
    pub(super) fn update(&mut self, referrer: &Arc<str>, Turnover { lost, gained }: &Turnover) {
        for uuid in lost {
            self.0.remove(&(Arc::clone(uuid), Arc::clone(referrer)));
        }
        self.0.extend(gained.iter().map(|uuid| (Arc::clone(uuid), Arc::clone(referrer))));
    }
}

/// What a set lost and gained.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Turnover {
    pub(super) lost: Vec<Arc<str>>,
    pub(super) gained: Vec<Arc<str>>,
}

impl Turnover {
    /// How the references in a column changed. A router has tens of thousands of routes, of which few change at a time:
    /// what the sets have in common at both ends is passed over quickly.
    pub(super) fn of(column: &str, old: Option<&Row>, new: Option<&Row>) -> Self {
        let (mut old, mut new) = (atoms(old, column), atoms(new, column));
        let head = old.iter().zip(new).take_while(|(old, new)| old == new).count();
        (old, new) = (&old[head..], &new[head..]);
        let tail = old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| old == new).count();
        (old, new) = (&old[..old.len() - tail], &new[..new.len() - tail]);
        Self { lost: without(old, new), gained: without(new, old) }
    }
}

/// The references that a row's column holds.
pub(super) fn uuids<'a>(row: &'a Row, column: &str) -> impl Iterator<Item = &'a Arc<str>> + use<'a> {
    atoms(Some(row), column).iter().filter_map(uuid)
}

fn atoms<'a>(row: Option<&'a Row>, column: &str) -> &'a [Atom] {
    match row.and_then(|row| row.columns.get(column)) {
        Some(Datum::Set(atoms)) => atoms,
        _ => &[],
    }
}

fn uuid(atom: &Atom) -> Option<&Arc<str>> {
    match atom {
        Atom::Uuid(uuid) | Atom::String(uuid) => Some(uuid),
        _ => None,
    }
}

fn without(atoms: &[Atom], other: &[Atom]) -> Vec<Arc<str>> {
    let other: HashSet<&Arc<str>> = other.iter().filter_map(uuid).collect();
    atoms.iter().filter_map(uuid).filter(|uuid| !other.contains(uuid)).cloned().collect()
}
