//! Gaps, and what they may decide.
//!
//! A packet that a gap may decide is not called violating: it may be right by what was lost. One that conforms stays so, and
//! says what it was judged without.

mod packet;
mod particular;
mod rest;

use alloc::vec::Vec;
use core::mem;

use hashbrown::HashSet;

pub(super) use self::packet::Packet;

use self::particular::Particulars;
use self::rest::{Kind, Rest};
use super::fact::Gap;
use super::versions::{End, Versions};
use crate::types::{Timestamp, Tuple, Validity};

/// Gaps of one kind that are kept apart: so many without end, and as many that ended. Of a file that is broken throughout the
/// rest is one gap, of which nothing could be read.
const MAX_OF_KIND: usize = 256;

/// All gaps that were told, past ones included.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    told: Versions<Gap>,
    /// What stands for those that are not kept apart.
    rest: Rest,
    /// What stands for those that were forgotten. They decide nothing any more.
    forgotten: Rest,
    /// What tells flows apart to which the gaps matter, of gaps that are no longer there, too.
    particulars: Particulars,
}

impl Gaps {
    pub(super) fn add(&mut self, gap: Gap) {
        self.keep(gap, Versions::push_new);
    }

    pub(super) fn begin(&mut self, gap: Gap) {
        self.keep(gap, Versions::begin);
    }

    fn keep(&mut self, gap: Gap, put: fn(&mut Versions<Gap>, Gap)) {
        if self.is_full(&gap) {
            self.rest.join(&gap);
        } else {
            self.particulars.insert(&gap);
            put(&mut self.told, gap);
        }
    }

    /// Ends a gap. What stands for several goes on until all of them have ended.
    pub(super) fn end(&mut self, gap: &Gap, at: Timestamp) -> End {
        match self.told.end(gap, at) {
            End::Unknown => match self.rest.end(gap, at) {
                Some(over) => {
                    over.into_iter().for_each(|over| self.add(over));
                    End::Ended
                }
                None => End::Unknown,
            },
            end => {
                self.fold_ended(Kind::of(gap));
                end
            }
        }
    }

    /// Puts those that ended first together where more ended than are kept apart.
    fn fold_ended(&mut self, kind: Kind) {
        let ends = self.told.iter().filter(|told| Kind::of(told) == kind).filter_map(|told| told.validity.until);
        let mut ends: Vec<Timestamp> = ends.collect();
        if ends.len() <= MAX_OF_KIND {
            return;
        }
        let (_, &mut last, _) = ends.select_nth_unstable(MAX_OF_KIND / 2);
        let rest = &mut self.rest;
        self.told.retain(|told| {
            let is_kept = Kind::of(told) != kind || !told.validity.ended(last);
            if !is_kept {
                rest.join(told);
            }
            is_kept
        });
        self.particulars = Particulars::of(self.all());
    }

    pub(super) fn forget(&mut self, is_forgotten: impl Fn(Validity) -> bool) {
        let mut forgotten = mem::take(&mut self.forgotten);
        self.all().filter(|gap| is_forgotten(gap.validity)).for_each(|gap| forgotten.join(gap));
        self.told.retain(|gap| !is_forgotten(gap.validity));
        self.rest.forget(is_forgotten);
        self.forgotten = forgotten;
        self.particulars = Particulars::of(self.all());
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Gap> {
        self.told.iter().chain(self.rest.all())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.told.is_empty() && self.rest.is_empty()
    }

    /// Whether a gap may matter to this flow and not to others with the same routes, MACs, time and protocol.
    pub(super) fn may_single_out(&self, flow: Tuple) -> bool {
        self.particulars.may_be_of(flow)
    }

    /// Gaps of the time `at`.
    pub(super) fn holding(&self, at: Timestamp) -> impl Iterator<Item = &Gap> {
        self.told.holding(at).chain(self.rest.all().filter(move |gap| gap.validity.holds(at)))
    }

    /// Gaps whose time had begun at `at`, and was not over at `since`.
    pub(super) fn within(&self, since: Timestamp, at: Timestamp) -> impl Iterator<Item = &Gap> {
        self.all().filter(move |gap| gap.validity.overlaps(since, at))
    }

    /// The same with those that were forgotten. What says the same stands here once, whenever it held.
    pub(super) fn ever_within(&self, since: Timestamp, at: Timestamp) -> impl Iterator<Item = &Gap> {
        let mut met = HashSet::new();
        let all = self.all().chain(self.forgotten.all());
        all.filter(move |gap| gap.validity.overlaps(since, at) && met.insert((&gap.scope, &gap.place)))
    }

    fn is_full(&self, gap: &Gap) -> bool {
        let is_alike = |told: &&Gap| {
            Kind::of(told) == Kind::of(gap) && told.validity.until.is_some() == gap.validity.until.is_some()
        };
        self.told.iter().filter(is_alike).count() >= MAX_OF_KIND
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::Scope;
    use crate::types::{Place, Position};

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

    const COUNT: usize = 3 * MAX_OF_KIND;

    fn begun(line: usize, from: u64) -> Gap {
        Gap { validity: Validity { from: Some(Timestamp::from_nanos(from)), until: None }, ..gap(line) }
    }

    #[test]
    fn a_daemon_recovers_from_a_burst() {
        let at = Timestamp::from_nanos;
        let mut gaps = Gaps::default();
        (1..=COUNT).for_each(|line| gaps.begin(begun(line, 10)));
        assert_eq!(gaps.holding(at(10)).count(), MAX_OF_KIND + 1);
        for line in 1..COUNT {
            assert_eq!(gaps.end(&gap(line), at(20)), End::Ended);
            assert!(gaps.holding(at(30)).count() > 0, "one goes on");
        }
        assert_eq!(gaps.end(&gap(COUNT), at(25)), End::Ended);
        assert_eq!(gaps.within(at(25), at(30)).count(), 0);
        let is_any = |gap: &&Gap| gap.scope == Scope::Bindings { ip: None };
        assert!(gaps.within(at(24), at(30)).any(|gap| is_any(&gap)));
        assert_eq!(gaps.within(at(0), at(9)).count(), 0);
        assert_eq!(gaps.end(&gap(COUNT), at(30)), End::Unknown);
        gaps.begin(begun(1, 40));
        assert_eq!(gaps.holding(at(40)).map(|gap| &gap.place.position).collect::<Vec<_>>(), [&Position::Line(1)]);
        gaps.forget(|validity| validity.ended(at(30)));
        assert_eq!(gaps.all().count(), 1);
        assert!(gaps.ever_within(at(24), at(30)).any(|gap| is_any(&gap)), "that it was is known for ever");
        assert_eq!(gaps.ever_within(at(25), at(30)).count(), 0);
    }

    #[test]
    fn a_gap_that_comes_and_goes_is_over_in_the_end() {
        let at = Timestamp::from_nanos;
        let mut gaps = Gaps::default();
        for turn in 1..=COUNT as u64 {
            gaps.begin(begun(1, turn * 10));
            assert_eq!(gaps.end(&gap(1), at(turn * 10 + 5)), End::Ended);
            assert!(gaps.within(at(turn * 10), at(turn * 10)).count() > 0);
        }
        assert!(gaps.all().count() <= MAX_OF_KIND + 1);
        let last = COUNT as u64 * 10;
        let told = |since, until| gaps.within(at(since), at(until)).map(|gap| gap.scope.clone()).collect::<Vec<_>>();
        assert_eq!(told(last + 5, Timestamp::MAX.as_nanos()), []);
        assert_eq!(told(last, last), [gap(1).scope], "the last ones are kept apart");
        assert_eq!(told(0, 10), [Scope::Bindings { ip: None }]);
        assert_eq!(told(0, 9), []);
    }

    #[test]
    fn the_rest_of_a_history_has_the_time_of_its_rows() {
        let at = Timestamp::from_nanos;
        let mut gaps = Gaps::default();
        for line in 1..=MAX_OF_KIND as u64 + 2 {
            let validity = Validity { from: Some(at(line * 10)), until: Some(at(line * 10 + 5)) };
            gaps.add(Gap { validity, ..gap(line as usize) });
        }
        let rest = MAX_OF_KIND as u64 * 10 + 10;
        assert_eq!([rest - 5, rest, rest + 8, rest + 15].map(|time| gaps.holding(at(time)).count()), [0, 1, 1, 0]);
        assert_eq!(gaps.all().count(), MAX_OF_KIND + 1);
    }
}
