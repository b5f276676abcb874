//! The time zone of a text's times.

use std::str::FromStr;
use std::sync::Arc;

use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

/// What is typed for this machine's own zone.
const LOCAL: &str = "local";

/// A time zone, and what it is called.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Zone {
    name: Arc<str>,
    rules: TimeZone,
}

/// The points in time that a local time may mean, in nanoseconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Instants {
    One(u64),
    /// Clocks were put back, and the time came twice.
    Two(u64, u64),
    /// Clocks were put forward over it.
    Never,
    /// Before 1970, or too late.
    OutOfRange,
}

impl Zone {
    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The points in time that `wall` may mean: what the clocks of the zone show, in nanoseconds from their 1970-01-01 on.
    pub(super) fn instants(&self, wall: u64) -> Instants {
        let Ok(shown) = jiff::Timestamp::from_nanosecond(i128::from(wall)) else { return Instants::OutOfRange };
        let at = |offset: Offset| u64::try_from(i128::from(wall) - i128::from(offset.seconds()) * 1_000_000_000).ok();
        let found = match self.rules.to_ambiguous_timestamp(Offset::UTC.to_datetime(shown)).offset() {
            AmbiguousOffset::Unambiguous { offset } => at(offset).map(Instants::One),
            AmbiguousOffset::Fold { before, after } => {
                at(before).zip(at(after)).map(|(first, second)| Instants::Two(first, second))
            }
            AmbiguousOffset::Gap { .. } => Some(Instants::Never),
        };
        found.unwrap_or(Instants::OutOfRange)
    }
}

impl FromStr for Zone {
    type Err = String;

    /// Reads a name of the time zone database, an offset, `UTC`, `Z`, or `local`.
    fn from_str(text: &str) -> Result<Self, String> {
        let rules = match text {
            LOCAL => TimeZone::try_system().map_err(|_| "this machine does not tell its time zone".to_owned())?,
            "UTC" | "utc" | "Z" | "z" => TimeZone::UTC,
            _ if text.starts_with(['+', '-']) => offset(text)
                .ok_or_else(|| "expected an offset from -14:00 to +14:00 such as +02:00 or -0530".to_owned())?
                .to_time_zone(),
            name => TimeZone::get(name).map_err(|_| unknown(name))?,
        };
        let name = rules.iana_name().filter(|_| !text.starts_with(['+', '-'])).unwrap_or(text).into();
        Ok(Self { name, rules })
    }
}

/// The offset in `+02:00`, `+0200` or `+02`.
fn offset(text: &str) -> Option<Offset> {
    let (sign, digits) = text.split_at_checked(1)?;
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() == 4 => digits.split_at_checked(2)?,
        None => (digits, "00"),
    };
    let part = |text: &str, most: i32| -> Option<i32> {
        let is_number = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|number| is_number && *number <= most)
    };
    let seconds = (part(hours, 14)? * 60 + part(minutes, 59)?) * 60;
    let seconds = Some(seconds).filter(|seconds| *seconds <= 14 * 3600)?;
    Offset::from_seconds(if sign == "-" { -seconds } else { seconds }).ok()
}

/// What to say of a name that is no zone's.
fn unknown(name: &str) -> String {
    let others = "a name such as Europe/Berlin, an offset such as +02:00, UTC, or local";
    let zones = jiff::tz::db();
    if zones.available().next().is_none() {
        return "this machine has no time zone database (/usr/share/zoneinfo): give an offset such as +02:00"
            .to_owned();
    }
    let plain = |text: &str| text.to_ascii_lowercase().replace([' ', '-'], "_");
    let wanted = plain(name);
    let distance = |zone: &str| {
        let zone = plain(zone);
        // Who leaves out the continent has the city's name.
        let city = zone.rsplit('/').next().unwrap_or_default();
        strsim::osa_distance(&wanted, &zone).min(strsim::osa_distance(&wanted, city))
    };
    let nearest = zones.available().map(|zone| (distance(zone.as_str()), zone.as_str().to_owned())).min();
    // A short name is near to everything.
    let most = if wanted.len() < 6 { 0 } else { 2 };
    match nearest.filter(|(distance, _)| *distance <= most) {
        Some((_, zone)) => format!("no such time zone; did you mean {zone}?"),
        None => format!("no such time zone: expected {others}"),
    }
}

/// What tests have for zones, which need no database.
#[cfg(test)]
impl Zone {
    /// A zone by a rule of POSIX.
    pub(super) fn posix(name: &str, rule: &str) -> Self {
        Self { name: name.into(), rules: TimeZone::posix(rule).unwrap() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600 * 1_000_000_000;

    #[test]
    fn offsets() {
        for (text, minutes) in [
            ("+02:00", 120),
            ("-0530", -330),
            ("+02", 120),
            ("+00:00", 0),
            ("-00:00", 0),
            ("+14:00", 840),
            ("-1400", -840),
        ] {
            let zone: Zone = text.parse().unwrap();
            assert_eq!((zone.name(), zone.rules.to_fixed_offset().unwrap().seconds()), (text, minutes * 60));
        }
        for text in ["UTC", "Z", "utc"] {
            assert_eq!(text.parse::<Zone>().unwrap().instants(5 * HOUR), Instants::One(5 * HOUR), "{text}");
        }
        for text in ["+", "-", "+2", "+2:00", "+02:0", "+02:60", "+14:01", "+15", "+1e:00", "+02:00:00", "+\u{e9}1"] {
            assert!(text.parse::<Zone>().is_err_and(|error| error.contains("+02:00")), "{text}");
        }
        assert_eq!("+02:00".parse::<Zone>().unwrap().instants(HOUR), Instants::OutOfRange);
        assert_eq!("-02:00".parse::<Zone>().unwrap().instants(u64::MAX), Instants::OutOfRange);
    }

    #[test]
    fn names() {
        // What a machine without a database says of names, it says of all.
        let is_there = jiff::tz::db().available().next().is_some();
        for (text, said) in [
            ("Europe/Berln", "did you mean Europe/Berlin?"),
            ("europe-berlin", "did you mean Europe/Berlin?"),
            ("Berlin", "did you mean Europe/Berlin?"),
            ("New York", "did you mean America/New_York?"),
            ("", "expected a name such as"),
            ("CEXX", "expected a name such as"),
            ("Somewhere/Else", "expected a name such as"),
            ("../../etc/passwd", "expected a name such as"),
        ] {
            let error = text.parse::<Zone>().unwrap_err();
            assert!(error.contains(if is_there { said } else { "/usr/share/zoneinfo" }), "{text}: {error}");
        }
        if is_there {
            assert_eq!("europe/berlin".parse::<Zone>().unwrap().name(), "Europe/Berlin");
        }
    }
}
