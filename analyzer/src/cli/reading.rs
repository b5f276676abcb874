//! How captures are read.

use clap::Args;

use crate::capture::Zone;

/// What stands for a time zone in help texts; [`ZONES`] tells its forms.
const ZONE: &str = "ZONE";

/// The forms of a time zone, for the end of help texts.
pub(super) const ZONES: &str = "A ZONE is a name such as Europe/Berlin, an offset such as +02:00 or -0530, UTC, or local for that of this machine.";

/// How captures are read.
#[derive(Args, Debug)]
#[command(next_help_heading = "Reading captures")]
pub struct ReadingArgs {
    /// Day of the first line of a `tcpdump -e` text that prints no dates
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = parse_date)]
    pub date: Option<jiff::civil::Date>,
    /// Time zone of a `tcpdump -e` text; UTC unless given
    #[arg(long, value_name = ZONE, value_parser = str::parse::<Zone>, allow_hyphen_values = true)]
    pub timezone: Option<Zone>,
    /// Threads; all processors unless given
    #[arg(long, value_name = "N")]
    pub threads: Option<std::num::NonZeroUsize>,
    /// Most flows kept at a time. Conforming flows make room for violating ones, and what was given up is told
    #[arg(long, default_value_t = 2_000_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=500_000_000))]
    pub max_flows: u64,
    /// No progress bar
    #[arg(long, short)]
    pub quiet: bool,
}

/// Reads a day that packets can have: times are counted in 64 bits of nanoseconds from 1970 on.
fn parse_date(text: &str) -> Result<jiff::civil::Date, String> {
    let date: jiff::civil::Date = text.parse().map_err(|_| "expected a day such as 2022-06-09".to_owned())?;
    if (1970..2554).contains(&date.year()) { Ok(date) } else { Err("expected a day from 1970 to 2553".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_that_packets_can_have() {
        for text in ["1970-01-01", "2022-06-09", "2553-12-31"] {
            assert_eq!(parse_date(text).map(|date| date.to_string()), Ok(text.to_owned()));
        }
        for text in ["1969-12-31", "2554-01-01", "9999-12-31", "-000001-01-01", "2022-02-30", "yesterday", ""] {
            assert!(parse_date(text).is_err(), "{text}");
        }
    }
}
