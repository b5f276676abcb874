//! Gaps, and what they may decide.
//!
//! A packet that a gap may decide is not called violating: it may be right by what was lost. One that conforms stays so, and
//! says what it was judged without.

mod packet;

use std::mem;

pub(super) use self::packet::Packet;

use super::fact::Gap;
use super::versions::{End, Versions};
use crate::types::{Place, Position, Timestamp, Validity};

/// Gaps of one kind that are kept apart. Of a file that is broken throughout the rest is one gap, of which nothing could be
/// read.
const MAX_OF_KIND: usize = 256;

/// All gaps that were told, past ones included.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    told: Versions<Gap>,
}

impl Gaps {
    pub(super) fn add(&mut self, gap: Gap) {
        match self.is_full(&gap) {
            true => self.add_rest(&gap),
            false => self.told.push_new(gap),
        }
    }

    pub(super) fn begin(&mut self, gap: Gap) {
        match self.is_full(&gap) {
            true => self.add_rest(&gap),
            false => self.told.begin(gap),
        }
    }

    /// Adds the gap that stands for all that are not kept apart.
    fn add_rest(&mut self, gap: &Gap) {
        let place = Place { position: Position::Whole, ..gap.place.clone() };
        self.told.push_new(Gap { scope: gap.scope.widest(), place, validity: Validity::ALWAYS });
    }

    /// Ends a gap. One that was not kept apart goes on: of what it stands for more may be lost.
    pub(super) fn end(&mut self, gap: &Gap, at: Timestamp) -> End {
        match self.told.end(gap, at) {
            End::Unknown if self.is_full(gap) => End::Vanished,
            end => end,
        }
    }

    pub(super) fn forget(&mut self, is_forgotten: impl Fn(Validity) -> bool) {
        self.told.retain(|gap| !is_forgotten(gap.validity));
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Gap> {
        self.told.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// Gaps of the time `at`.
    pub(super) fn holding(&self, at: Timestamp) -> impl Iterator<Item = &Gap> {
        self.told.holding(at)
    }

    /// Gaps whose time had begun at `at`, and was not over at `since`.
    pub(super) fn within(&self, since: Timestamp, at: Timestamp) -> impl Iterator<Item = &Gap> {
        let overlaps = move |validity: Validity| validity.from.is_none_or(|from| from <= at) && !validity.ended(since);
        self.all().filter(move |gap| overlaps(gap.validity))
    }

    fn is_full(&self, gap: &Gap) -> bool {
        let kind = mem::discriminant(&gap.scope);
        self.all().filter(|told| mem::discriminant(&told.scope) == kind).count() >= MAX_OF_KIND
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::Scope;

    fn gap(line: usize) -> Gap {
        let place = Place { file: "a.txt".into(), position: Position::Line(line) };
        let scope = Scope::Bindings { ip: Some("192.0.2.1".parse().unwrap()) };
        Gap { scope, place, validity: Validity::ALWAYS }
    }

    #[test]
    fn of_a_broken_file_the_rest_is_one_gap() {
        let mut gaps = Gaps::default();
        (1..=3 * MAX_OF_KIND).for_each(|line| gaps.add(gap(line)));
        assert_eq!(gaps.all().count(), MAX_OF_KIND + 1);
        let is_any = |gap: &&Gap| gap.scope == Scope::Bindings { ip: None };
        assert_eq!(gaps.all().filter(is_any).count(), 1);
        assert!(!gaps.is_full(&Gap { scope: Scope::Ports, ..gap(1) }));
    }

    #[test]
    fn a_gap_of_a_live_source_ends() {
        let at = Timestamp::from_nanos;
        let mut gaps = Gaps::default();
        gaps.begin(Gap { validity: Validity { from: Some(at(10)), until: None }, ..gap(1) });
        assert_eq!(gaps.within(at(0), at(9)).count(), 0);
        assert_eq!(gaps.end(&gap(1), at(20)), End::Ended);
        assert_eq!(gaps.within(at(19), at(30)).count(), 1);
        assert_eq!(gaps.within(at(20), at(30)).count(), 0);
        assert_eq!(gaps.end(&gap(1), at(20)), End::Unknown);
    }
}
