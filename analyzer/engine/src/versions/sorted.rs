//! Sorted sets, most of which have one member.

use alloc::collections::BTreeSet;
use alloc::collections::btree_set;
use core::ops::RangeInclusive;

/// A sorted set that needs no memory of its own for one member.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) enum Sorted<T> {
    #[default]
    Empty,
    One(T),
    Many(BTreeSet<T>),
}

impl<T: Ord + Copy> Sorted<T> {
    pub(crate) fn insert(&mut self, member: T) {
        match self {
            Self::Empty => *self = Self::One(member),
            Self::One(own) if *own == member => {}
            Self::One(own) => *self = Self::Many([*own, member].into()),
            Self::Many(members) => drop(members.insert(member)),
        }
    }

    pub(crate) fn remove(&mut self, member: T) {
        match self {
            Self::One(own) if *own == member => *self = Self::Empty,
            Self::Many(members) => {
                members.remove(&member);
                if members.is_empty() {
                    *self = Self::Empty;
                }
            }
            _ => {}
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// The members within the range, in order.
    pub(crate) fn range(&self, range: RangeInclusive<T>) -> impl DoubleEndedIterator<Item = T> {
        let (one, many): (_, Option<btree_set::Range<'_, T>>) = match self {
            Self::Empty => (None, None),
            Self::One(own) => (Some(*own).filter(|own| range.contains(own)), None),
            Self::Many(members) => (None, Some(members.range(range))),
        };
        one.into_iter().chain(many.into_iter().flatten().copied())
    }
}
