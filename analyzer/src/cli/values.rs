//! Values that options take, as typed.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use jiff::SpanRelativeTo;
use jiff::fmt::friendly::SpanParser;

use crate::output::escape::Escaped;
use crate::ovsdb::client::{Remote, RemoteError};

/// What stands for a duration in help texts; [`DURATIONS`] tells its forms.
pub(super) const DURATION: &str = "DURATION";

/// The forms of a duration, for the end of help texts.
pub(super) const DURATIONS: &str = "A DURATION is 250ms, 30s, 5m, 1h or 7d; a number alone is seconds.";

const EXPECTED: &str = "expected a duration such as 250ms, 30s, 5m, 1h or 7d; a number alone is seconds";

/// Reads a duration: a number with a unit, several such as `1h30m`, or a number alone, which is seconds.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let read = match text.parse() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => with_units(text),
    };
    read.ok_or_else(|| EXPECTED.to_owned())
}

/// As [`parse_duration`], for what takes time.
pub(super) fn parse_positive_duration(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err(format!("more than 0 is needed: {EXPECTED}")),
        duration => Ok(duration),
    }
}

/// Days have 24 hours here; months and years have no length of their own.
fn with_units(text: &str) -> Option<Duration> {
    let span = SpanParser::new().parse_span(text).ok()?;
    if span.get_months() != 0 || span.get_years() != 0 {
        return None;
    }
    span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?.try_into().ok()
}

/// A network interface to watch.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Interface {
    /// Those that the Open_vSwitch database names as the way out.
    Auto,
    /// The one of this name.
    Named(String),
}

impl FromStr for Interface {
    type Err = String;

    /// Accepts the names that the kernel accepts (`dev_valid_name` in net/core/dev.c).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_separator = |c: char| c == '/' || c == ':' || c.is_ascii_whitespace() || c == '\0';
        match text {
            "auto" => Ok(Self::Auto),
            "" | "." | ".." => Err("expected the name of an interface, or auto".to_owned()),
            name if name.len() > 15 => Err("names of interfaces have at most 15 bytes".to_owned()),
            name if name.contains(is_separator) => {
                Err("names of interfaces hold no slash, no colon and no space".to_owned())
            }
            name => Ok(Self::Named(name.to_owned())),
        }
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Named(name) => write!(f, "{}", Escaped(name)),
        }
    }
}

/// An OVSDB server, or that there is to be none.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum RemoteOrNone {
    /// `none`
    None,
    /// Anything else.
    Remote(Remote),
}

impl FromStr for RemoteOrNone {
    type Err = RemoteError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self::None),
            text => text.parse().map(Self::Remote),
        }
    }
}

/// A path, or that there is to be none.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum PathOrNone {
    /// `none`
    None,
    /// Anything else; `./none` for a file of that name.
    Path(PathBuf),
}

impl FromStr for PathOrNone {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "" => Err("expected a path, or none".to_owned()),
            "none" => Ok(Self::None),
            path => Ok(Self::Path(path.into())),
        }
    }
}

/// What a node is called.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeName {
    /// The name.
    pub name: String,
    /// The folder that holds what was taken on it; `None` where there is one node.
    pub folder: Option<PathBuf>,
}

impl FromStr for NodeName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some(("", _) | (_, "")) => Err("expected NAME or NAME=DIR".to_owned()),
            Some((name, folder)) => Ok(Self { name: name.to_owned(), folder: Some(folder.into()) }),
            None if text.is_empty() => Err("expected NAME or NAME=DIR".to_owned()),
            None => Ok(Self { name: text.to_owned(), folder: None }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, seconds) in [
            ("0", 0.0),
            ("0.5", 0.5),
            ("1e10", 1e10),
            ("250ms", 0.25),
            ("30s", 30.0),
            ("5m", 300.0),
            ("1h", 3600.0),
            ("7d", 604_800.0),
            ("1h30m", 5400.0),
            ("1 h 30 min", 5400.0),
            ("1.5h", 5400.0),
            ("0s", 0.0),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        }
        for text in ["-1", "-5s", "5s ago", "NaN", "inf", "1e300", "5 parsecs", "5M", "1mo", "1y", "PT5M", "s", " ", ""]
        {
            assert_eq!(parse_duration(text), Err(EXPECTED.to_owned()), "{text}");
        }
        for text in ["0", "0s", "0ms"] {
            assert!(parse_positive_duration(text).is_err_and(|error| error.starts_with("more than 0")), "{text}");
        }
        assert_eq!(parse_positive_duration("1ms"), Ok(Duration::from_millis(1)));
    }

    #[test]
    fn interfaces() {
        assert_eq!("auto".parse(), Ok(Interface::Auto));
        for text in ["ens1", "bond0.100", "enp5s0f0np0@x", "exactly15bytes."] {
            assert_eq!(text.parse(), Ok(Interface::Named(text.to_owned())));
        }
        for text in ["", ".", "..", "a/b", "a b", "a:1", "sixteen-bytes-no"] {
            assert!(text.parse::<Interface>().is_err(), "{text}");
        }
    }

    #[test]
    fn remotes() {
        assert_eq!("none".parse(), Ok(RemoteOrNone::None));
        assert!(matches!("tcp:192.0.2.1:6641".parse(), Ok(RemoteOrNone::Remote(Remote::Tcp(_)))));
        assert!("".parse::<RemoteOrNone>().is_err());
    }
}
