//! Times for which the next hops are not known: before a source is synchronised, and while its facts are too old.

use alloc::vec::Vec;

use crate::types::{Timestamp, Validity};

/// Intervals kept at most. The two oldest are put together, with the time between them, where there would be more: of
/// that time nothing is said any longer.
const MAX_INTERVALS: usize = 64;

/// Such times, by start. They do not touch, and only the last may be open.
#[derive(Debug, Default)]
pub(super) struct Blind {
    intervals: Vec<(Timestamp, Option<Timestamp>)>,
    /// The end of the last one that was forgotten.
    forgotten: Option<Timestamp>,
}

impl Blind {
    /// Nothing is known from `from` on.
    pub(super) fn start(&mut self, from: Timestamp) {
        match self.intervals.last_mut() {
            Some((start, None)) => *start = from.min(*start),
            Some((_, until @ Some(_))) if *until >= Some(from) => *until = None,
            _ => self.intervals.push((from, None)),
        }
        if self.intervals.len() > MAX_INTERVALS {
            let (start, _) = self.intervals.remove(0);
            self.intervals[0].0 = start;
        }
    }

    /// All is known from `at` on.
    pub(super) fn end(&mut self, at: Timestamp) {
        if let Some((start, until @ None)) = self.intervals.last_mut() {
            *until = Some(at);
            if at <= *start {
                self.intervals.pop();
            }
        }
    }

    /// Whether the next hops are not known at `at`.
    pub(super) fn holds(&self, at: Timestamp) -> bool {
        self.intervals.iter().rev().any(|&(start, until)| start <= at && until.is_none_or(|until| at < until))
    }

    /// The end of the last such time before `at`.
    pub(super) fn last_end(&self, at: Timestamp) -> Option<Timestamp> {
        self.intervals.iter().rev().filter_map(|&(_, until)| until).find(|&until| until <= at).or(self.forgotten)
    }

    pub(super) fn intervals(&self) -> impl Iterator<Item = Validity> + '_ {
        self.intervals.iter().map(|&(start, until)| Validity { from: Some(start), until })
    }

    pub(super) fn forget(&mut self, before: Timestamp) {
        let gone = self.intervals.iter().filter_map(|&(_, until)| until).take_while(|&until| until <= before);
        self.forgotten = gone.last().or(self.forgotten);
        self.intervals.retain(|&(_, until)| until.is_none_or(|until| until > before));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> Timestamp {
        Timestamp::from_nanos(nanos)
    }

    #[test]
    fn intervals() {
        let mut blind = Blind::default();
        blind.end(at(5));
        blind.start(at(10));
        blind.start(at(12));
        assert!(!blind.holds(at(9)) && blind.holds(at(10)) && blind.holds(Timestamp::MAX));
        blind.end(at(20));
        assert!(blind.holds(at(19)) && !blind.holds(at(20)));
        blind.start(at(20));
        assert_eq!(blind.intervals.len(), 1);
        blind.end(at(25));
        blind.start(at(30));
        blind.end(at(30));
        assert_eq!(blind.intervals, [(at(10), Some(at(25)))]);
        blind.forget(at(25));
        assert!(blind.intervals.is_empty());
        assert_eq!(blind.last_end(at(40)), Some(at(25)), "since when all is known is not forgotten");
    }

    #[test]
    fn many_intervals_are_put_together_from_the_oldest_on() {
        let mut blind = Blind::default();
        for start in (0..1000).step_by(10) {
            blind.start(at(start));
            blind.end(at(start + 1));
        }
        assert_eq!(blind.intervals.len(), MAX_INTERVALS);
        assert!(blind.holds(at(5)) && blind.holds(at(990)) && !blind.holds(at(985)));
    }
}
