//! Values that options take, as typed.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::output::escape::Escaped;
use crate::ovsdb::client::{Remote, RemoteError};

/// Reads a number of seconds, fractions included.
pub(super) fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected a number of seconds, such as 5 or 0.5".to_owned())?;
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| "expected a number of seconds from 0 on that is not beyond all measure".to_owned())
}

/// As [`parse_seconds`], for what takes time.
pub(super) fn parse_positive_seconds(text: &str) -> Result<Duration, String> {
    match parse_seconds(text)? {
        Duration::ZERO => Err("expected more than 0 seconds".to_owned()),
        seconds => Ok(seconds),
    }
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
            None => Ok(Self { name: text.to_owned(), folder: None }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds() {
        for (text, seconds) in [("0", 0.0), ("0.5", 0.5), ("1e10", 1e10)] {
            assert_eq!(parse_seconds(text), Ok(Duration::from_secs_f64(seconds)));
        }
        for text in ["-1", "NaN", "inf", "1e300", "5s", ""] {
            assert!(
                parse_seconds(text).is_err_and(|error| error.starts_with("expected a number of seconds")),
                "{text}"
            );
        }
        assert!(parse_positive_seconds("0").is_err() && parse_positive_seconds("0.1").is_ok());
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
