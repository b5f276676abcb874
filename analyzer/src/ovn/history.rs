//! Values that things had in the course of time, and the join of two histories.

use std::collections::BTreeMap;

use crate::types::{Timestamp, Validity};

/// The time that two validities share; `None` where they share none.
pub(super) fn intersection(a: Validity, b: Validity) -> Option<Validity> {
    // An absent start sorts before every time, as it should; an absent end does not.
    let from = a.from.max(b.from);
    let until = match (a.until, b.until) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    let empty = matches!((from, until), (Some(from), Some(until)) if until <= from);
    (!empty).then_some(Validity { from, until })
}

/// The later of two ends.
fn later_end(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    Some(a?.max(b?))
}

/// A value and when it held.
#[derive(Clone, PartialEq, Debug)]
struct Span<T> {
    value: T,
    validity: Validity,
    /// When it and all before it have ended; `None` while one of them has no end.
    over: Option<Timestamp>,
}

/// The values that keys (mostly UUIDs of rows) had.
pub(super) struct History<K, T> {
    spans: BTreeMap<K, Vec<Span<T>>>,
}

impl<K, T> Default for History<K, T> {
    fn default() -> Self {
        Self { spans: BTreeMap::new() }
    }
}

impl<K: Ord, T: PartialEq + Clone> History<K, T> {
    /// Adds a value. Values are added in the order of their starts. A value that goes on, or that is told twice, stays
    /// one span, so that a row which changes in other columns does not cut what depends on it into pieces.
    pub(super) fn add(&mut self, key: K, value: T, validity: Validity) {
        let spans = self.spans.entry(key).or_default();
        if let Some(last) = spans.last_mut().filter(|last| last.value == value)
            && last.validity.until.is_none_or(|until| validity.from.is_none_or(|from| from <= until))
        {
            last.validity.until = later_end(last.validity.until, validity.until);
            last.over = later_end(last.over, last.validity.until);
        } else {
            let over = spans.last().map_or(validity.until, |last| later_end(last.over, validity.until));
            spans.push(Span { value, validity, over });
        }
    }

    /// The values of a key within `during`, each with its time, and `None` for the times at which it had no value.
    pub(super) fn within(&self, key: &K, during: Validity) -> Vec<(Option<T>, Validity)> {
        let mut pieces = Vec::new();
        let mut rest = Some(during);
        for span in self.around(key, during) {
            let Some(common) = intersection(span.validity, during) else { continue };
            let before = common.from.and_then(|from| intersection(rest?, Validity { from: None, until: Some(from) }));
            pieces.extend(before.map(|gap| (None, gap)));
            pieces.push((Some(span.value.clone()), common));
            rest = common.until.and_then(|until| intersection(rest?, Validity { from: Some(until), until: None }));
        }
        pieces.extend(rest.map(|gap| (None, gap)));
        pieces
    }

    /// The values of a key, without those that had ended before `during` and those that begin after it: a row that changed
    /// a hundred thousand times is joined with itself as often.
    fn around(&self, key: &K, during: Validity) -> &[Span<T>] {
        let spans = self.spans.get(key).map_or(&[][..], Vec::as_slice);
        let begun = spans.partition_point(|span| during.until.is_none_or(|until| span.validity.from < Some(until)));
        let over = |span: &Span<T>| span.over.is_some_and(|over| during.from.is_some_and(|from| over <= from));
        let over = spans.partition_point(over).min(begun);
        &spans[over..begun]
    }

    /// As [`Self::within`], but times without a value are left out, unless no value is known at all: then the source
    /// does not tell it, and the whole of `during` stands with `None`.
    pub(super) fn held_within(&self, key: &K, during: Validity) -> Vec<(Option<T>, Validity)> {
        let mut pieces = self.within(key, during);
        if pieces.iter().any(|(value, _)| value.is_some()) {
            pieces.retain(|(value, _)| value.is_some());
        }
        pieces
    }

    /// All values, by key and start.
    pub(super) fn spans(&self) -> impl Iterator<Item = (&K, &T, Validity)> {
        let spans = self.spans.iter().flat_map(|(key, spans)| spans.iter().map(move |span| (key, span)));
        spans.map(|(key, span)| (key, &span.value, span.validity))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn validity(from: Option<u64>, until: Option<u64>) -> Validity {
        Validity { from: from.map(Timestamp::from_nanos), until: until.map(Timestamp::from_nanos) }
    }

    #[test]
    fn intersections() {
        let cases = [
            ((None, None), (None, None), Some((None, None))),
            ((Some(1), None), (None, Some(5)), Some((Some(1), Some(5)))),
            ((Some(1), Some(3)), (Some(2), Some(9)), Some((Some(2), Some(3)))),
            ((Some(1), Some(3)), (Some(3), None), None),
            ((None, Some(3)), (None, Some(1)), Some((None, Some(1)))),
        ];
        for (a, b, common) in cases {
            let common = common.map(|(from, until)| validity(from, until));
            assert_eq!(intersection(validity(a.0, a.1), validity(b.0, b.1)), common, "{a:?} {b:?}");
            assert_eq!(intersection(validity(b.0, b.1), validity(a.0, a.1)), common, "{b:?} {a:?}");
        }
    }

    #[test]
    fn a_value_that_goes_on_is_one_span() {
        let mut history = History::default();
        history.add("a", 1, validity(None, Some(5)));
        history.add("a", 1, validity(Some(5), Some(7)));
        history.add("a", 2, validity(Some(7), Some(8)));
        history.add("a", 2, validity(Some(9), None));
        history.add("b", 1, Validity::ALWAYS);
        history.add("b", 1, Validity::ALWAYS);
        let spans: Vec<_> = history.spans().map(|(&key, &value, validity)| (key, value, validity)).collect();
        let expected = [
            ("a", 1, validity(None, Some(7))),
            ("a", 2, validity(Some(7), Some(8))),
            ("a", 2, validity(Some(9), None)),
            ("b", 1, Validity::ALWAYS),
        ];
        assert_eq!(spans, expected);
    }

    #[test]
    fn gaps_are_told() {
        let mut history = History::default();
        history.add("a", 1, validity(Some(2), Some(4)));
        history.add("a", 2, validity(Some(6), Some(8)));
        let pieces = history.within(&"a", validity(Some(1), Some(7)));
        let expected = [
            (None, validity(Some(1), Some(2))),
            (Some(1), validity(Some(2), Some(4))),
            (None, validity(Some(4), Some(6))),
            (Some(2), validity(Some(6), Some(7))),
        ];
        assert_eq!(pieces, expected);
        assert_eq!(history.held_within(&"a", Validity::ALWAYS).len(), 2);
        assert_eq!(history.held_within(&"b", Validity::ALWAYS), [(None, Validity::ALWAYS)]);
        assert_eq!(history.within(&"a", validity(Some(8), None)), [(None, validity(Some(8), None))]);
    }

    proptest! {
        /// At every moment the pieces tell what the spans tell, once.
        #[test]
        fn pieces_partition_time(
            mut spans in prop::collection::vec((0u64..20, 1u64..6, 0u8..3), 0..8),
            from in prop::option::of(0u64..25),
            len in prop::option::of(1u64..25),
        ) {
            spans.sort();
            let mut history = History::default();
            let mut end = 0;
            let mut kept = Vec::new();
            for (start, len, value) in spans {
                let start = start.max(end);
                end = start + len;
                kept.push((start, end, value));
                history.add((), value, validity(Some(start), Some(end)));
            }
            let during = validity(from, len.map(|len| from.unwrap_or(0) + len));
            let pieces = history.within(&(), during);
            for at in 0..60 {
                let told: Vec<_> = pieces.iter()
                    .filter(|(_, validity)| validity.holds(Timestamp::from_nanos(at)))
                    .map(|&(value, _)| value)
                    .collect();
                let value = kept.iter().find(|(start, end, _)| (*start..*end).contains(&at)).map(|&(_, _, value)| value);
                let expected = if during.holds(Timestamp::from_nanos(at)) { vec![value] } else { vec![] };
                prop_assert_eq!(told, expected, "at {}", at);
            }
        }
    }
}
