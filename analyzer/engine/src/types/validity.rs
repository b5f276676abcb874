//! The time during which something holds.

use super::Timestamp;

/// The time during which a fact holds: `from <= t < until`. `None` is without bound.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Validity {
    /// First moment at which the fact holds.
    pub from: Option<Timestamp>,
    /// First moment at which it no longer holds.
    pub until: Option<Timestamp>,
}

impl Validity {
    /// Without bound.
    pub const ALWAYS: Self = Self { from: None, until: None };

    /// Whether the fact holds at `at`.
    pub fn holds(&self, at: Timestamp) -> bool {
        #[cfg(test)]
        super::work::step();
        self.from.is_none_or(|from| from <= at) && self.until.is_none_or(|until| at < until)
    }

    /// Whether the fact had ended at `at`.
    pub fn ended(&self, at: Timestamp) -> bool {
        #[cfg(test)]
        super::work::step();
        self.until.is_some_and(|until| until <= at)
    }

    /// Whether the fact had begun at `at`, and was not over at `since`.
    pub fn overlaps(&self, since: Timestamp, at: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= at) && !self.ended(since)
    }
}
