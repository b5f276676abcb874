use super::*;

fn at(clock: &mut Clock, text: &str) -> String {
    let (stamp, rest) = stamp(text).unwrap();
    assert_eq!(rest, "x");
    clock.at(stamp, 1).unwrap().to_rfc3339(9)
}

/// A zone in which clocks are put forward on 2022-03-27 at 2, and back on 2022-10-30 at 3.
fn berlin() -> Option<Zone> {
    Some(Zone::posix("Europe/Berlin", "CET-1CEST,M3.5.0,M10.5.0/3"))
}

#[test]
fn forms() {
    let mut clock = Clock::new(None, None);
    for (text, time) in [
        ("2022-06-09 22:48:28.272309 x", "2022-06-09T22:48:28.272309000Z"),
        ("2022-06-09 22:48:28.272309123 x", "2022-06-09T22:48:28.272309123Z"),
        ("1654814908.272309 x", "2022-06-09T22:48:28.272309000Z"),
        ("1654814908.272309123 x", "2022-06-09T22:48:28.272309123Z"),
        ("2016-12-31 23:59:60.5 x", "2017-01-01T00:00:00.500000000Z"),
    ] {
        assert_eq!(at(&mut clock, text), time);
    }
    assert!(!clock.date_missed());
    assert_eq!(at(&mut clock, "22:48:28.272309 x"), "1970-01-01T22:48:28.272309000Z");
    assert!(clock.date_missed());
    for text in ["", "x", "22:48 x", "24:00:00.0 x", "22:48:28.1234567890 x", "1.x x", "22:48:28:1.0 x", "+1.5 x"] {
        assert_eq!(stamp(text), None, "{text}");
    }
    for text in ["99999999999999999999.0 x", "99999999999.0 x", "2022-02-30 00:00:00.0 x"] {
        assert_eq!(stamp(text), None, "{text}");
    }
    assert_eq!(clock.at(stamp("1960-01-01 00:00:00.0 x").unwrap().0, 1), Err(NoInstant::OutOfRange));
    assert_eq!(clock.at(stamp("9999-01-01 00:00:00.0 x").unwrap().0, 1), Err(NoInstant::OutOfRange));
}

#[test]
fn most_times_are_plain() {
    for text in ["22:48:28.272309 x", "2022-06-09 22:48:28.272309 x", "2022-12-28 00:00:59.000000 "] {
        assert!(begins_plainly(text), "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn plain_times_are_times(text in "([0-9]{4}-[01][0-9]-[0-3][0-9] )?[0-2][0-9]:[0-6][0-9]:[0-6][0-9]\\.[0-9]{5,7} ?x") {
        proptest::prop_assert!(!begins_plainly(&text) || stamp(&text).is_some());
    }
}

#[test]
fn midnight_passes() {
    let mut clock = Clock::new(Date::new(2022, 6, 9).ok(), None);
    for (text, time) in [
        ("23:59:59.999999 x", "2022-06-09T23:59:59.999999000Z"),
        ("00:00:00.000001 x", "2022-06-10T00:00:00.000001000Z"),
        ("23:59:59.999998 x", "2022-06-09T23:59:59.999998000Z"),
        ("00:00:00.000002 x", "2022-06-10T00:00:00.000002000Z"),
        ("09:00:00.0 x", "2022-06-10T09:00:00.000000000Z"),
        ("08:59:59.9 x", "2022-06-10T08:59:59.900000000Z"),
        ("23:00:00.0 x", "2022-06-10T23:00:00.000000000Z"),
        ("01:00:00.0 x", "2022-06-11T01:00:00.000000000Z"),
    ] {
        assert_eq!(at(&mut clock, text), time);
    }
    assert!(!clock.date_missed());
}

#[test]
fn times_of_a_zone() {
    let mut clock = Clock::new(Date::new(2022, 6, 9).ok(), berlin());
    for (text, time) in [
        ("22:48:28.272309 x", "2022-06-09T20:48:28.272309000Z"),
        ("00:30:00.0 x", "2022-06-09T22:30:00.000000000Z"),
        ("2022-12-24 12:00:00.0 x", "2022-12-24T11:00:00.000000000Z"),
        ("2016-12-31 23:59:60.5 x", "2016-12-31T23:00:00.500000000Z"),
        // What counts from 1970 on is of no zone.
        ("1654814908.272309 x", "2022-06-09T22:48:28.272309000Z"),
    ] {
        assert_eq!(at(&mut clock, text), time);
    }
    assert!(!clock.lacks_zone() && clock.guessed().is_none());
    // The first day is one that is whole east of UTC, too.
    assert_eq!(at(&mut Clock::new(None, berlin()), "00:00:00.0 x"), "1970-01-01T23:00:00.000000000Z");
    let mut clock = Clock::new(None, None);
    assert_eq!(at(&mut clock, "1654814908.272309 x"), "2022-06-09T22:48:28.272309000Z");
    assert!(!clock.lacks_zone());
    assert_eq!(at(&mut clock, "2022-06-09 22:48:28.0 x"), "2022-06-09T22:48:28.000000000Z");
    assert!(clock.lacks_zone());
}

#[test]
fn clocks_are_put_back() {
    let mut clock = Clock::new(Date::new(2022, 10, 30).ok(), berlin());
    for (text, time) in [
        ("01:59:59.0 x", "2022-10-29T23:59:59.000000000Z"),
        ("02:00:00.0 x", "2022-10-30T00:00:00.000000000Z"),
        ("02:59:59.0 x", "2022-10-30T00:59:59.000000000Z"),
        ("02:00:00.0 x", "2022-10-30T01:00:00.000000000Z"),
        ("02:00:01.0 x", "2022-10-30T01:00:01.000000000Z"),
        // A little out of order.
        ("02:00:00.9 x", "2022-10-30T01:00:00.900000000Z"),
        ("02:59:59.0 x", "2022-10-30T01:59:59.000000000Z"),
        ("03:00:00.0 x", "2022-10-30T02:00:00.000000000Z"),
    ] {
        assert_eq!(at(&mut clock, text), time);
    }
    assert_eq!(clock.guessed(), None);
    // Nothing shows which of the two it is.
    let mut clock = Clock::new(None, berlin());
    assert_eq!(at(&mut clock, "2022-10-30 02:30:00.0 x"), "2022-10-30T00:30:00.000000000Z");
    assert_eq!(at(&mut clock, "2022-10-30 03:30:00.0 x"), "2022-10-30T02:30:00.000000000Z");
    assert_eq!(clock.guessed(), Some(1));
}

#[test]
fn clocks_are_put_forward() {
    let mut clock = Clock::new(Date::new(2022, 3, 27).ok(), berlin());
    assert_eq!(at(&mut clock, "01:59:59.0 x"), "2022-03-27T00:59:59.000000000Z");
    assert_eq!(clock.at(Stamp::TimeOfDay(5 * HOUR / 2), 2), Err(NoInstant::PassedOver));
    assert_eq!(at(&mut clock, "03:00:00.0 x"), "2022-03-27T01:00:00.000000000Z");
}

proptest::proptest! {
    /// Lines in the order of time, whatever the clocks did, are read as they left, where no quiet hour hides the step.
    #[test]
    fn order_tells_the_hour(start in 1_666_990_000_u64..1_667_100_000, steps in proptest::collection::vec(1..3500_u64, 1..40)) {
        let mut clock = Clock::new(None, berlin());
        // From well before the hour that comes twice on.
        let mut now = start.min(1_667_087_000) * SECOND;
        for step in steps {
            now += step * SECOND;
            let offset = if now < 1_667_091_600 * SECOND { 2 } else { 1 };
            let shown = now + offset * HOUR;
            let date = Offset::UTC.to_datetime(jiff::Timestamp::from_nanosecond(i128::from(shown)).unwrap()).date();
            let read = clock.at(Stamp::Dated(date, shown % DAY), 1).unwrap();
            proptest::prop_assert_eq!(read.as_nanos(), now);
        }
    }
}
