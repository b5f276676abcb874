//! Times as tcpdump prints them.

use jiff::civil::Date;
use jiff::tz::Offset;

use super::super::zone::{Instants, Zone};
use crate::types::Timestamp;

const SECOND: u64 = 1_000_000_000;
const HOUR: u64 = 3600 * SECOND;
const DAY: u64 = 24 * HOUR;

/// Digits of the seconds since 1970 from 1973 on.
const EPOCH_DIGITS: usize = 9;

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
    // With fewer digits it is rather the end of a time of day whose line was broken in it.
    let (secs, fraction) = word.split_once('.').filter(|(secs, _)| secs.len() >= EPOCH_DIGITS)?;
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

/// Whether a line begins with a date: where it is not whole, it may be what a line was broken behind.
pub(super) fn begins_with_date(line: &str) -> bool {
    line.split_whitespace().next().is_some_and(|word| date(word).is_some())
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

/// Turns the times of successive lines into points in time. The text does not tell their zone: they are taken as UTC where
/// nobody else does.
#[derive(Debug)]
pub(super) struct Clock {
    zone: Option<Zone>,
    /// Start of the day of lines without date, by the clocks of the zone.
    midnight: u64,
    /// Time of day of the line before.
    last: Option<u64>,
    date_given: bool,
    date_missed: bool,
    /// Lines without time.
    missing: u64,
    /// The point in time of the line before.
    before: Option<u64>,
    /// Whether a line has a time by the clocks of a zone.
    is_local: bool,
    /// Whether the line before left in the second of two hours that the clocks show alike.
    is_put_back: bool,
    /// The first line of those whose time came twice, and of which nothing showed that they were the first ones.
    guessed: Option<usize>,
}

/// What lies between two lines without time: something, as their order is known.
const STEP: u64 = 1000;

/// How much lines may be out of order. Once clocks were seen to be put back, a second: an hour without any line is likelier
/// than more.
const DISORDER: u64 = HOUR / 60;

/// Why a line's time is no point in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NoInstant {
    /// Before 1970, or too late.
    OutOfRange,
    /// Clocks were put forward over it.
    PassedOver,
}

impl Clock {
    /// A clock whose lines without date start on `date`, else on the first day that is whole in every zone.
    pub(super) fn new(date: Option<Date>, zone: Option<Zone>) -> Self {
        let midnight = date.and_then(midnight);
        Self {
            midnight: midnight.unwrap_or(if zone.is_some() { DAY } else { 0 }),
            zone,
            last: None,
            date_given: midnight.is_some(),
            date_missed: false,
            missing: 0,
            before: None,
            is_local: false,
            is_put_back: false,
            guessed: None,
        }
    }

    /// The time that `stamp` means on this line after those before.
    ///
    /// # Errors
    /// [`NoInstant`].
    pub(super) fn at(&mut self, stamp: Stamp, line: usize) -> Result<Timestamp, NoInstant> {
        let nanos = match stamp {
            Stamp::Epoch(nanos) => Some(nanos),
            Stamp::Dated(date, time) => match midnight(date).and_then(|midnight| midnight.checked_add(time)) {
                Some(wall) => Some(self.instant(wall, line)?),
                None => None,
            },
            Stamp::Missing => {
                self.missing += 1;
                self.missing.checked_mul(STEP).and_then(|steps| self.midnight.checked_add(steps))
            }
            Stamp::TimeOfDay(time) => {
                self.date_missed |= !self.date_given;
                self.turn_page(time);
                match self.midnight.checked_add(time) {
                    Some(wall) => Some(self.instant(wall, line)?),
                    None => None,
                }
            }
        };
        nanos.map(Timestamp::from_nanos).ok_or(NoInstant::OutOfRange)
    }

    /// The point in time at which the clocks of the zone show `wall`. A time that comes twice is the first one, unless the
    /// line before left later: clocks were put back in between.
    fn instant(&mut self, wall: u64, line: usize) -> Result<u64, NoInstant> {
        self.is_local = true;
        let Some(zone) = &self.zone else { return Ok(wall) };
        let instant = match zone.instants(wall) {
            Instants::One(instant) => {
                self.is_put_back = false;
                instant
            }
            Instants::Two(first, second) => {
                let disorder = if self.is_put_back { SECOND } else { DISORDER };
                if self.before.is_some_and(|before| before > first + disorder) {
                    (self.is_put_back, self.guessed) = (true, None);
                    second
                } else {
                    self.guessed = self.guessed.or(Some(line));
                    first
                }
            }
            Instants::Never => return Err(NoInstant::PassedOver),
            Instants::OutOfRange => return Err(NoInstant::OutOfRange),
        };
        self.before = Some(instant);
        Ok(instant)
    }

    /// The zone, where it is given.
    pub(super) fn zone(&self) -> Option<&Zone> {
        self.zone.as_ref()
    }

    /// Whether lines have times of a zone that was not given.
    pub(super) fn lacks_zone(&self) -> bool {
        self.is_local && self.zone.is_none()
    }

    /// The first line whose time came twice, where nothing shows which of the two it is.
    pub(super) fn guessed(&self) -> Option<usize> {
        self.guessed
    }

    /// The day that is taken where none was given.
    pub(super) fn first_day(&self) -> &'static str {
        if self.zone.is_some() { "1970-01-02" } else { "1970-01-01" }
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
        } else if last < DISORDER && time > DAY - DISORDER {
            self.midnight = self.midnight.saturating_sub(DAY);
        }
    }
}

fn midnight(date: Date) -> Option<u64> {
    let start = Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()?;
    u64::try_from(start.as_nanosecond()).ok()
}

#[cfg(test)]
mod tests;
