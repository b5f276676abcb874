//! Arguments that say when and how often people are told.

use std::time::Duration;

use clap::Args;

use super::values::{DURATION, PathOrNone, parse_duration, parse_positive_duration};
use crate::alerts::Settings;

/// Where open alerts are kept if nothing else is configured.
pub const DEFAULT_STATE: &str = "/var/lib/analyzer/alerts.json";

/// When and how often people are told.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Alerts")]
pub struct AlertArgs {
    /// How long flows to the same MAC are gathered into one message, after a first one that is told at once; the time
    /// doubles while flows keep coming
    #[arg(long, default_value = "10s", value_name = DURATION, value_parser = parse_duration)]
    pub alert_gather: Duration,
    /// Time to the first reminder that packets still leave to the MAC; it doubles with each
    #[arg(long, default_value = "5m", value_name = DURATION, value_parser = parse_positive_duration)]
    pub alert_remind: Duration,
    /// A flow that sent nothing to the MAC for so long is cleared
    #[arg(long, default_value = "1m", value_name = DURATION, value_parser = parse_positive_duration)]
    pub alert_hold: Duration,
    /// Most messages a minute; what is held back is told later; 0 for no limit
    #[arg(long, default_value_t = 60, value_name = "N")]
    pub alert_rate: u32,
    /// File that keeps open alerts over a restart, so that none is told twice and each is cleared; none for no file;
    /// /var/lib/analyzer/alerts.json unless given, and with --duration none
    #[arg(long, value_name = "FILE|none", value_parser = str::parse::<PathOrNone>)]
    pub alert_state: Option<PathOrNone>,
}

impl From<&AlertArgs> for Settings {
    fn from(args: &AlertArgs) -> Self {
        Self {
            gather: args.alert_gather,
            remind: args.alert_remind,
            hold: args.alert_hold,
            per_minute: args.alert_rate,
        }
    }
}
