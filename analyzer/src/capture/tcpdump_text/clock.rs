//! Times as tcpdump prints them.

use jiff::civil::Date;
use jiff::tz::Offset;

use crate::types::Timestamp;

const SECOND: u64 = 1_000_000_000;
const HOUR: u64 = 3600 * SECOND;
const DAY: u64 = 24 * HOUR;

/// A time at the start of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stamp {
    /// Nanoseconds since midnight (the default).
    TimeOfDay(u64),
    /// A date, and nanoseconds since its midnight (option -tttt).
    Dated(Date, u64),
    /// Nanoseconds since 1970 (option -tt).
    Epoch(u64),
    /// None (option -t).
    Missing,
}

/// Reads the time that `text` starts with, and gives what follows the space behind it.
pub(super) fn stamp(text: &str) -> Option<(Stamp, &str)> {
    let (word, rest) = text.split_once(' ')?;
    if let Some(date) = date(word) {
        let (word, rest) = rest.split_once(' ')?;
        return Some((Stamp::Dated(date, time_of_day(word)?), rest));
    }
    if let Some(nanos) = time_of_day(word) {
        return Some((Stamp::TimeOfDay(nanos), rest));
    }
    let (secs, fraction) = word.split_once('.')?;
    let nanos = digits(secs)?.checked_mul(SECOND)?.checked_add(nanos(fraction)?)?;
    Some((Stamp::Epoch(nanos), rest))
}

/// Whether a line surely begins with a time. Most do, and it is cheaper than [`stamp`], which tells of the others.
pub(super) fn begins_plainly(text: &str) -> bool {
    let text = text.as_bytes();
    let fits = |text: &[u8], form: &[u8]| {
        let fits = |(byte, form): (&u8, &u8)| if *form == b'0' { byte.is_ascii_digit() } else { byte == form };
        text.len() >= form.len() && text.iter().zip(form).all(fits)
    };
    let is_time = |text: &[u8]| {
        fits(text, b"00:00:00.000000 ") && &text[..2] < b"24".as_slice() && text[3] < b'6' && text[6] < b'6'
    };
    // Every month has these days.
    let is_in = |part: &[u8], last: &[u8]| part > b"00".as_slice() && part <= last;
    let is_date = || fits(text, b"0000-00-00 ") && is_in(&text[5..7], b"12") && is_in(&text[8..10], b"28");
    is_time(text) || is_date() && is_time(&text[11..])
}

fn date(word: &str) -> Option<Date> {
    let (year, rest) = word.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    let part = |text: &str, len: usize| if text.len() == len { digits(text) } else { None };
    let year = i16::try_from(part(year, 4)?).ok()?;
    let month = i8::try_from(part(month, 2)?).ok()?;
    let day = i8::try_from(part(day, 2)?).ok()?;
    Date::new(year, month, day).ok()
}

fn time_of_day(word: &str) -> Option<u64> {
    let (clock, fraction) = word.split_once('.').unwrap_or((word, "0"));
    let mut parts = clock.split(':');
    let mut part = |limit: u64| {
        let text = parts.next()?;
        digits(text).filter(|&number| text.len() == 2 && number < limit)
    };
    // A leap second is printed as 60.
    let (hours, minutes, secs) = (part(24)?, part(60)?, part(61)?);
    if parts.next().is_some() {
        return None;
    }
    Some((hours * 3600 + minutes * 60 + secs) * SECOND + nanos(fraction)?)
}

/// A decimal fraction of a second.
fn nanos(fraction: &str) -> Option<u64> {
    let len = u32::try_from(fraction.len()).ok().filter(|len| (1..=9).contains(len))?;
    Some(digits(fraction)? * 10_u64.pow(9 - len))
}

fn digits(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// Turns the times of successive lines into points in time. Times are taken as UTC: the text does not tell the zone.
#[derive(Debug)]
pub(super) struct Clock {
    midnight: u64,
    /// Time of day of the line before.
    last: Option<u64>,
    date_given: bool,
    date_missed: bool,
    /// Lines without time.
    missing: u64,
}

/// What lies between two lines without time: something, as their order is known.
const STEP: u64 = 1000;

impl Clock {
    /// A clock whose lines without date start on `date`, else on 1970-01-01.
    pub(super) fn new(date: Option<Date>) -> Self {
        let midnight = date.and_then(midnight);
        Self {
            midnight: midnight.unwrap_or(0),
            last: None,
            date_given: midnight.is_some(),
            date_missed: false,
            missing: 0,
        }
    }

    /// The time that `stamp` means on the line after those before; `None` where it is before 1970 or too late.
    pub(super) fn at(&mut self, stamp: Stamp) -> Option<Timestamp> {
        let nanos = match stamp {
            Stamp::Epoch(nanos) => nanos,
            Stamp::Dated(date, time) => midnight(date)?.checked_add(time)?,
            Stamp::Missing => {
                self.missing += 1;
                self.midnight.checked_add(self.missing.checked_mul(STEP)?)?
            }
            Stamp::TimeOfDay(time) => {
                self.date_missed |= !self.date_given;
                self.turn_page(time);
                self.midnight.checked_add(time)?
            }
        };
        Some(Timestamp::from_nanos(nanos))
    }

    /// Whether a line needed a date that was not given.
    pub(super) fn date_missed(&self) -> bool {
        self.date_missed
    }

    /// Whether lines have no time.
    pub(super) fn lacks_times(&self) -> bool {
        self.missing > 0
    }

    /// Goes to the next day where the time of day fell back by more than half a day. Lines around midnight may be
    /// out of order by a little, so the way back is open for a minute.
    fn turn_page(&mut self, time: u64) {
        let last = self.last.replace(time).unwrap_or(time);
        if time + DAY / 2 < last {
            self.midnight = self.midnight.saturating_add(DAY);
        } else if last < HOUR / 60 && time > DAY - HOUR / 60 {
            self.midnight = self.midnight.saturating_sub(DAY);
        }
    }
}

fn midnight(date: Date) -> Option<u64> {
    let start = Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()?;
    u64::try_from(start.as_nanosecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(clock: &mut Clock, text: &str) -> String {
        let (stamp, rest) = stamp(text).unwrap();
        assert_eq!(rest, "x");
        clock.at(stamp).unwrap().to_rfc3339(9)
    }

    #[test]
    fn forms() {
        let mut clock = Clock::new(None);
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
        assert_eq!(clock.at(stamp("1960-01-01 00:00:00.0 x").unwrap().0), None);
        assert_eq!(clock.at(stamp("9999-01-01 00:00:00.0 x").unwrap().0), None);
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
        let mut clock = Clock::new(Date::new(2022, 6, 9).ok());
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
}
