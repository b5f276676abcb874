//! Facility and severity (RFC 5424 section 6.2.1).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::alerts::{Alert, Kind};

/// The facilities by their number, under the names of rsyslog.conf(5); those of 12 to 15 as syslog-ng has them.
const FACILITIES: [&str; 24] = [
    "kern",
    "user",
    "mail",
    "daemon",
    "auth",
    "syslog",
    "lpr",
    "news",
    "uucp",
    "cron",
    "authpriv",
    "ftp",
    "ntp",
    "security",
    "console",
    "solaris-cron",
    "local0",
    "local1",
    "local2",
    "local3",
    "local4",
    "local5",
    "local6",
    "local7",
];

/// The severities by their number, under the names of syslog(3).
const SEVERITIES: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

/// Reasons and states that [`Alert::reason`] can have.
const REASONS: [&str; 7] =
    ["stale-conntrack", "former-nexthop", "nexthop-down", "stale-neighbour", "unknown-mac", "armed", "unused"];

/// Who a message comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Facility(u8);

impl Facility {
    /// Programs that run without a user.
    pub const DAEMON: Self = Self(3);

    /// The facility's number, 0 to 23.
    pub fn number(self) -> u8 {
        self.0
    }
}

impl FromStr for Facility {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        number(&FACILITIES, text).map(Self).ok_or_else(|| format!("expected one of {}", FACILITIES.join(", ")))
    }
}

impl fmt::Display for Facility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FACILITIES[usize::from(self.0)])
    }
}

/// How much a message matters; the lesser, the more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Severity(u8);

impl Severity {
    /// Error conditions.
    pub const ERR: Self = Self(3);
    /// Warning conditions.
    pub const WARNING: Self = Self(4);
    /// Normal but significant.
    pub const NOTICE: Self = Self(5);

    /// The severity's number, 0 to 7.
    pub fn number(self) -> u8 {
        self.0
    }
}

impl FromStr for Severity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = match text {
            "error" => "err",
            "warn" => "warning",
            name => name,
        };
        number(&SEVERITIES, name).map(Self).ok_or_else(|| format!("expected one of {}", SEVERITIES.join(", ")))
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SEVERITIES[usize::from(self.0)])
    }
}

fn number(names: &[&str], name: &str) -> Option<u8> {
    names.iter().position(|known| *known == name).and_then(|number| u8::try_from(number).ok())
}

/// A severity that is set by hand: `stale-conntrack=crit` or `CLEARED=info`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SeverityRule {
    subject: Subject,
    severity: Severity,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Subject {
    Kind(Kind),
    Reason(&'static str),
}

impl FromStr for SeverityRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (subject, severity) = text
            .split_once('=')
            .ok_or_else(|| "expected REASON=SEVERITY or KIND=SEVERITY, such as stale-conntrack=crit".to_owned())?;
        let kind = Kind::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(subject));
        let reason = REASONS.into_iter().find(|reason| *reason == subject);
        let subject = kind.map(Subject::Kind).or(reason.map(Subject::Reason)).ok_or_else(|| {
            let kinds = Kind::ALL.map(Kind::name).join(", ");
            format!("{subject:?} is no reason and no kind; expected one of {}, {kinds}", REASONS.join(", "))
        })?;
        Ok(Self { subject, severity: severity.parse()? })
    }
}

/// How much each message matters.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Severities(BTreeMap<Subject, Severity>);

impl Severities {
    /// Those that are set by hand; all others are as they are by default.
    pub fn new(rules: impl IntoIterator<Item = SeverityRule>) -> Self {
        Self(rules.into_iter().map(|rule| (rule.subject, rule.severity)).collect())
    }

    /// The severity of a message: what was set for its reason, else for its kind, else the default. Reasons count where
    /// something is wrong: that it is over is told by the kind alone.
    pub fn of(&self, alert: &Alert) -> Severity {
        let reason = match alert.kind {
            Kind::Violation | Kind::Repeated | Kind::Latent => alert.reason,
            Kind::Cleared | Kind::SourceLost | Kind::SourceBack | Kind::Loss => None,
        };
        let by_reason = reason.and_then(|reason| self.0.get(&Subject::Reason(reason)));
        let by_hand = by_reason.or_else(|| self.0.get(&Subject::Kind(alert.kind)));
        by_hand.copied().unwrap_or_else(|| default(alert.kind, reason))
    }
}

fn default(kind: Kind, reason: Option<&str>) -> Severity {
    match kind {
        // A hop whose BFD session is down may come back in a moment, with its MAC.
        Kind::Violation | Kind::Repeated if reason == Some("nexthop-down") => Severity::WARNING,
        Kind::Violation | Kind::Repeated => Severity::ERR,
        Kind::Latent | Kind::SourceLost | Kind::Loss => Severity::WARNING,
        Kind::Cleared | Kind::SourceBack => Severity::NOTICE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Timestamp;

    fn alert(kind: Kind, reason: Option<&'static str>) -> Alert {
        Alert { kind, reason, at: Timestamp::default(), seen: None, text: "t".into(), fields: vec![] }
    }

    #[test]
    fn what_is_set_for_the_reason_wins_over_the_kind() {
        let rules = ["stale-conntrack=crit", "violation=emerg", "CLEARED=info"].map(|rule| rule.parse().unwrap());
        let set = Severities::new(rules);
        let plain = Severities::default();
        for (kind, reason, by_default, by_hand) in [
            (Kind::Violation, Some("stale-conntrack"), "err", "crit"),
            (Kind::Violation, Some("unknown-mac"), "err", "emerg"),
            (Kind::Violation, Some("nexthop-down"), "warning", "emerg"),
            (Kind::Repeated, Some("stale-conntrack"), "err", "crit"),
            (Kind::Repeated, Some("nexthop-down"), "warning", "warning"),
            (Kind::Cleared, Some("stale-conntrack"), "notice", "info"),
            (Kind::Latent, Some("armed"), "warning", "warning"),
            (Kind::SourceLost, None, "warning", "warning"),
            (Kind::SourceBack, None, "notice", "notice"),
            (Kind::Loss, None, "warning", "warning"),
        ] {
            let alert = alert(kind, reason);
            assert_eq!(plain.of(&alert).to_string(), by_default, "{kind:?} {reason:?}");
            assert_eq!(set.of(&alert).to_string(), by_hand, "{kind:?} {reason:?}");
        }
    }

    #[test]
    fn what_is_no_rule_is_told_what_is() {
        for (text, told) in [
            ("stale-conntrack", "REASON=SEVERITY"),
            ("stale-conntrak=crit", "stale-conntrack, "),
            ("CLEARED=loud", "emerg, alert, crit"),
        ] {
            let error = text.parse::<SeverityRule>().unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn numbers_are_those_of_the_rfc() {
        for (name, value) in [("kern", 0), ("daemon", 3), ("authpriv", 10), ("local0", 16), ("local7", 23)] {
            let facility: Facility = name.parse().unwrap();
            assert_eq!((facility.number(), facility.to_string().as_str()), (value, name));
        }
        for (name, value) in [("emerg", 0), ("error", 3), ("warn", 4), ("debug", 7)] {
            assert_eq!(name.parse::<Severity>().unwrap().number(), value);
        }
        assert!("local8".parse::<Facility>().is_err() && "".parse::<Severity>().is_err());
    }
}
