//! Facts that begin and end while the engine runs.
//!
//! What a live source tells is never put together with what another one tells, so that the one can end while the other
//! goes on. Only where a fact is told again at the very moment at which it ended, it has never ended.

use super::fact::{Bfd, Datapath, Nat, ReroutePolicy, Route, RouterPort, Zone};
use crate::types::{Timestamp, Validity};

/// A fact that holds for some time.
pub(super) trait Dated: Clone + PartialEq {
    fn validity(&self) -> Validity;

    fn validity_mut(&mut self) -> &mut Validity;

    /// Whether both say the same, whenever each of them holds.
    fn says_same(&self, other: &Self) -> bool {
        let mut same_time = other.clone();
        *same_time.validity_mut() = self.validity();
        *self == same_time
    }
}

macro_rules! dated {
    ($($fact:ty),*) => {
        $(impl Dated for $fact {
            fn validity(&self) -> Validity {
                self.validity
            }

            fn validity_mut(&mut self) -> &mut Validity {
                &mut self.validity
            }
        })*
    };
}

dated!(Route, Bfd, RouterPort, Nat, ReroutePolicy, Zone, Datapath);

/// What became of a fact that was to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// No such fact holds.
    Unknown,
    /// It has ended.
    Ended,
    /// It began at the moment at which it ended: it has never held, and is gone.
    Vanished,
}

/// Adds a fact of a live source. One that says the same and ended as this one begins goes on instead.
pub(super) fn begin<T: Dated>(facts: &mut Vec<T>, fact: T) {
    match facts.iter_mut().rev().find(|told| continues(*told, &fact)) {
        Some(told) => told.validity_mut().until = None,
        None => facts.push(fact),
    }
}

/// Whether `fact` begins as `told`, which says the same, ended.
pub(super) fn continues<T: Dated>(told: &T, fact: &T) -> bool {
    let from = fact.validity().from;
    from.is_some() && told.validity().until == from && told.says_same(fact)
}

/// Whether `told` holds without end and says the same as `fact`.
pub(super) fn is_open<T: Dated>(told: &T, fact: &T) -> bool {
    told.validity().until.is_none() && told.says_same(fact)
}

/// Ends the fact that says the same as `fact` and holds without end; of several the one that began last.
pub(super) fn end<T: Dated>(facts: &mut Vec<T>, fact: &T, at: Timestamp) -> End {
    let Some(index) = facts.iter().rposition(|told| is_open(told, fact)) else { return End::Unknown };
    let ended = end_validity(facts[index].validity_mut(), at);
    if ended == End::Vanished {
        facts.remove(index);
    }
    ended
}

/// Ends what holds without end.
pub(super) fn end_validity(validity: &mut Validity, at: Timestamp) -> End {
    if validity.from.is_some_and(|from| from >= at) {
        return End::Vanished;
    }
    validity.until = Some(at);
    End::Ended
}
