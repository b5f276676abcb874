//! What holds at a time, of many things that hold for some time each.

use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::types::{Timestamp, Validity};

/// Numbers of things, by when these hold.
///
/// An interval tree over all of time (Kriegel, Pötke, Seidl: "Managing Intervals Efficiently in Object-Relational
/// Databases", VLDB 2000): each interval stands at the one node whose middle it covers, so that a moment is asked of one
/// node on each of 65 levels, and what is there is sorted both by start and by end.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    nodes: BTreeMap<Node, Intervals>,
    /// Number of nodes in use, by level.
    levels: BTreeMap<u8, usize>,
}

/// A node: its level, and the bits above that level that all moments below it share.
type Node = (u8, u64);

/// What stands at a node. Of disjoint intervals, as those of one thing's versions are, hardly two share a node.
#[derive(Debug)]
enum Intervals {
    One(Interval),
    Many { by_first: BTreeSet<(u64, u32)>, by_last: BTreeSet<(u64, u32)> },
}

/// First and last moment, and the number of what holds.
type Interval = (u64, u64, u32);

/// First and last moment; `None` for a validity that never holds.
fn bounds(Validity { from, until }: Validity) -> Option<(u64, u64)> {
    let first = from.map_or(0, Timestamp::as_nanos);
    let last = match until {
        Some(until) => until.as_nanos().checked_sub(1)?,
        None => u64::MAX,
    };
    (first <= last).then_some((first, last))
}

fn above(level: u8, moment: u64) -> u64 {
    moment.checked_shr(u32::from(level)).unwrap_or(0)
}

/// The node where an interval stands.
fn node(first: u64, last: u64) -> Node {
    // At most 64.
    let level = (u64::BITS - (first ^ last).leading_zeros()) as u8;
    (level, above(level, first))
}

/// Whether a moment is in the later half of its node on that level; on the lowest level a node is one moment.
fn is_late(level: u8, moment: u64) -> bool {
    level == 0 || above(level - 1, moment) & 1 == 1
}

impl Timeline {
    pub(super) fn insert(&mut self, validity: Validity, number: u32) {
        let Some((first, last)) = bounds(validity) else { return };
        let node = node(first, last);
        match self.nodes.entry(node) {
            Entry::Occupied(intervals) => intervals.into_mut().insert((first, last, number)),
            Entry::Vacant(place) => {
                place.insert(Intervals::One((first, last, number)));
                *self.levels.entry(node.0).or_default() += 1;
            }
        }
    }

    pub(super) fn remove(&mut self, validity: Validity, number: u32) {
        let Some((first, last)) = bounds(validity) else { return };
        let node = node(first, last);
        let Some(intervals) = self.nodes.get_mut(&node) else { return };
        if intervals.remove((first, last, number)) {
            return;
        }
        self.nodes.remove(&node);
        if let Some(nodes) = self.levels.get_mut(&node.0) {
            *nodes -= 1;
            if *nodes == 0 {
                self.levels.remove(&node.0);
            }
        }
    }

    /// Numbers of what holds at `at`, in order.
    pub(super) fn at(&self, at: Timestamp) -> Vec<u32> {
        let at = at.as_nanos();
        let mut found = Vec::new();
        for &level in self.levels.keys() {
            if let Some(intervals) = self.nodes.get(&(level, above(level, at))) {
                intervals.find(at, is_late(level, at), &mut found);
            }
        }
        found.sort_unstable();
        found
    }
}

impl Intervals {
    fn insert(&mut self, interval: Interval) {
        if let Self::One((first, last, number)) = *self {
            *self = Self::Many { by_first: [(first, number)].into(), by_last: [(last, number)].into() };
        }
        if let Self::Many { by_first, by_last } = self {
            let (first, last, number) = interval;
            by_first.insert((first, number));
            by_last.insert((last, number));
        }
    }

    /// Takes an interval out. Returns whether any is left.
    fn remove(&mut self, interval: Interval) -> bool {
        match self {
            Self::One(own) => *own != interval,
            Self::Many { by_first, by_last } => {
                let (first, last, number) = interval;
                by_first.remove(&(first, number));
                by_last.remove(&(last, number));
                !by_first.is_empty()
            }
        }
    }

    /// Adds the numbers of the intervals that hold `at`, which is in the later half of the node if `is_late`.
    fn find(&self, at: u64, is_late: bool, found: &mut Vec<u32>) {
        match self {
            Self::One((first, last, number)) => found.extend((*first <= at && at <= *last).then_some(*number)),
            Self::Many { by_last, .. } if is_late => {
                found.extend(by_last.range((at, 0)..).map(|&(_, number)| number));
            }
            Self::Many { by_first, .. } => {
                found.extend(by_first.range(..=(at, u32::MAX)).map(|&(_, number)| number));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Moments near each other, near the ends of time, and anywhere.
    fn moment() -> impl Strategy<Value = Timestamp> {
        prop_oneof![0..20u64, (0..20u64).prop_map(|back| u64::MAX - back), any::<u64>()].prop_map(Timestamp::from_nanos)
    }

    fn validity() -> impl Strategy<Value = Validity> {
        (prop::option::of(moment()), prop::option::of(moment())).prop_map(|(from, until)| Validity { from, until })
    }

    proptest! {
        #[test]
        fn a_timeline_tells_what_holds(
            told in prop::collection::vec((validity(), any::<bool>()), 0..40),
            asked in prop::collection::vec(moment(), 1..40),
        ) {
            let mut timeline = Timeline::default();
            for (number, &(validity, _)) in (0..).zip(&told) {
                timeline.insert(validity, number);
            }
            for (number, &(validity, goes)) in (0..).zip(&told) {
                if goes {
                    timeline.remove(validity, number);
                }
            }
            let bounds = told.iter().flat_map(|(validity, _)| [validity.from, validity.until]).flatten();
            for at in asked.into_iter().chain(bounds) {
                let holds = |&(_, &(validity, goes)): &(u32, &(Validity, bool))| !goes && validity.holds(at);
                let model: Vec<u32> = (0..).zip(&told).filter(holds).map(|(number, _)| number).collect();
                prop_assert_eq!(timeline.at(at), model, "{}", at);
            }
            if told.iter().all(|&(_, goes)| goes) {
                prop_assert!(timeline.nodes.is_empty() && timeline.levels.is_empty());
            }
        }
    }
}
