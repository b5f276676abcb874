//! The dates of transactions, made to run forward.
//!
//! Dates are the wall clock of the server that took the transaction. Clocks are set back, start in 1970, and differ
//! between the members of a cluster, while the order of the log is certain. So the dates that agree with the order are
//! believed, as many as can be at once, and the others are put down to a wrong clock: neither one date in the far
//! future nor one in 1970 moves the rest.

use std::time::Duration;

use crate::types::Timestamp;

/// Earlier dates are a clock's that was never set: there was no OVSDB before 2009. In milliseconds since 1970.
const EARLIEST: Timestamp = Timestamp::from_millis(1_230_768_000_000);

/// Dates in the log's order, running forward.
pub(super) struct Settled {
    /// One for each transaction; `None` only if no transaction has a date that can be believed.
    pub(super) dates: Vec<Option<Timestamp>>,
    /// How many dates were not believed.
    pub(super) wrong: usize,
    /// By how much the worst of them was moved.
    pub(super) worst: Duration,
}

/// Settles the dates of all transactions of a file. One without a date, or with one that is not believed, gets that of
/// the next, and at the end of the log that of the last.
pub(super) fn settle(dates: &[Option<Timestamp>]) -> Settled {
    let mut settled = Settled { dates: vec![None; dates.len()], wrong: 0, worst: Duration::ZERO };
    let believed = believed(dates);
    let mut coming = believed.last().and_then(|last| dates.get(*last).copied().flatten());
    let mut believed = believed.into_iter().rev().peekable();
    for (at, given) in dates.iter().enumerate().rev() {
        if believed.next_if_eq(&at).is_some() {
            coming = *given;
        } else if let (Some(given), Some(coming)) = (given, coming) {
            settled.wrong += 1;
            settled.worst = settled.worst.max(given.since(coming)).max(coming.since(*given));
        }
        if let Some(slot) = settled.dates.get_mut(at) {
            *slot = coming;
        }
    }
    settled
}

/// Places of a longest run of dates that never goes back, by patience sorting.
fn believed(dates: &[Option<Timestamp>]) -> Vec<usize> {
    let dated = |(at, date): (usize, &Option<Timestamp>)| Some((at, date.filter(|date| *date >= EARLIEST)?));
    let dated: Vec<(usize, Timestamp)> = dates.iter().enumerate().filter_map(dated).collect();
    // By length, the run that ends with the earliest date, as its date and its last place in `dated`.
    let mut ends: Vec<(Timestamp, usize)> = Vec::new();
    let mut previous: Vec<Option<usize>> = Vec::with_capacity(dated.len());
    for (place, &(_, date)) in dated.iter().enumerate() {
        let length = ends.partition_point(|end| end.0 <= date);
        previous.push(length.checked_sub(1).and_then(|shorter| ends.get(shorter)).map(|end| end.1));
        match ends.get_mut(length) {
            Some(end) => *end = (date, place),
            None => ends.push((date, place)),
        }
    }
    let last = ends.last().map(|end| end.1);
    let run = std::iter::successors(last, |place| previous.get(*place).copied().flatten());
    let mut places: Vec<usize> = run.filter_map(|place| dated.get(place)).map(|dated| dated.0).collect();
    places.reverse();
    places
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: u64 = 1_600_000_000;

    fn times(seconds: &[Option<u64>]) -> Vec<Option<Timestamp>> {
        seconds.iter().map(|second| second.map(|second| Timestamp::from_millis(second * 1000))).collect()
    }

    #[test]
    fn cases() {
        let [a, b, c, d, future] = [0, 1, 2, 3, 999].map(|second| Some(START + second));
        let past = Some(1);
        let cases = [
            ("nothing", vec![], vec![], 0),
            ("in order, twice the same", vec![a, b, b, c], vec![a, b, b, c], 0),
            ("the first has none", vec![None, b, c], vec![b, b, c], 0),
            ("one between", vec![a, None, c], vec![a, c, c], 0),
            ("the last has none", vec![a, b, None], vec![a, b, b], 0),
            ("none has one", vec![None, None], vec![None, None], 0),
            ("only 1970", vec![past], vec![None], 0),
            ("clock at 1970", vec![a, past, c, d], vec![a, c, c, d], 1),
            ("clock ahead", vec![a, future, future, b, c, d], vec![a, b, b, b, c, d], 2),
            ("clock ahead from the start", vec![future, a, b], vec![a, a, b], 1),
            ("clock back at the end", vec![a, b, c, past], vec![a, b, c, c], 1),
        ];
        for (name, given, expected, wrong) in cases {
            let settled = settle(&times(&given));
            assert_eq!(settled.dates, times(&expected), "{name}");
            assert_eq!(settled.wrong, wrong, "{name}");
        }
        assert_eq!(settle(&times(&[a, past, c])).worst, Duration::from_secs(START + 1));
    }

    proptest! {
        #[test]
        fn dates_run_forward_and_right_ones_stand(given: Vec<Option<u16>>) {
            let given = times(&given.iter().map(|second| second.map(|second| START + u64::from(second))).collect::<Vec<_>>());
            let settled = settle(&given);
            prop_assert!(settled.dates.is_sorted());
            prop_assert_eq!(settled.dates.iter().all(Option::is_some), given.is_empty() || given.iter().any(Option::is_some));
            let mut sorted = given.clone();
            sorted.sort();
            if sorted == given && given.first().is_some_and(Option::is_some) {
                prop_assert_eq!(settled.dates, given);
            }
        }
    }
}
