//! Points in time.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;
use core::time::Duration;

/// Time on the run's single axis, in nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Timestamp(u64);

/// Text that is no RFC 3339 time.
#[derive(Debug, thiserror::Error)]
#[error("{text:?} is no RFC 3339 time such as 2022-06-07T20:13:55Z: {source}")]
pub struct NotATime {
    text: String,
    source: jiff::Error,
}

impl Timestamp {
    /// The latest time that can be told.
    pub const MAX: Self = Self(u64::MAX);

    /// The time `nanos` nanoseconds after the epoch.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The time `millis` milliseconds after the epoch, as OVSDB dates transactions.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the epoch.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time `duration` later.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// The time `duration` earlier.
    #[must_use]
    pub fn saturating_sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// The time passed since `earlier`, zero where that is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// RFC 3339 text in UTC with `digits` fractional digits, at most 9.
    pub fn to_rfc3339(self, digits: u8) -> String {
        // Year 2554 is the end of the 64-bit axis; jiff reaches year 9999.
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(time) => format!("{time:.*}", usize::from(digits.min(9))),
            Err(_) => format!("{}ns", self.0),
        }
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with microseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339(6))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339(9))
    }
}

impl FromStr for Timestamp {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        let time: jiff::Timestamp = text.parse().map_err(|source| NotATime { text: text.to_owned(), source })?;
        Ok(Self(u64::try_from(time.as_nanosecond()).unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trip() {
        let time: Timestamp = "2022-06-09T22:48:28.272315Z".parse().unwrap();
        assert_eq!(time.to_string(), "2022-06-09T22:48:28.272315Z");
        assert_eq!(time.to_rfc3339(0), "2022-06-09T22:48:28Z");
        assert_eq!(time.to_rfc3339(9), "2022-06-09T22:48:28.272315000Z");
        assert!("yesterday".parse::<Timestamp>().is_err());
        assert!(!Timestamp::MAX.to_string().is_empty());
    }
}
