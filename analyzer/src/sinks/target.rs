//! Where messages go.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::net::HostPort;

/// The socket of the local syslog daemon.
const DEV_LOG: &str = "/dev/log";
/// journald's socket of its native protocol.
const JOURNALD: &str = "/run/systemd/journal/socket";
/// The port of syslog over UDP (RFC 5426 section 3.3), and by custom that over TCP (RFC 6587 names none).
const PORT: u16 = 514;
/// The port of syslog over TLS (RFC 5425 section 4.1).
const TLS_PORT: u16 = 6514;

/// A receiver of messages, as typed.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Target {
    /// `auto`: journald where its socket is, else `/dev/log` where that is, else nothing.
    Auto,
    /// `none`
    None,
    /// Anything else.
    Place(Place),
}

/// A receiver of messages.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Place {
    /// `local`, `unix:PATH`: a socket in the file system, of datagrams or else a stream.
    Unix(PathBuf),
    /// `udp:HOST[:PORT]`: RFC 5426.
    Udp(HostPort),
    /// `tcp:HOST[:PORT]`: RFC 6587 with octet counting.
    Tcp(HostPort),
    /// `tls:HOST[:PORT]`: RFC 5425.
    Tls(HostPort),
    /// `journald`, `journald:PATH`: journald's native protocol.
    Journald(PathBuf),
}

/// A text that is no target.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "`{text}` is no place for messages: {reason}; expected local, unix:PATH, udp:HOST:PORT, tcp:HOST:PORT, \
     tls:HOST:PORT, journald, auto or none, IPv6 in brackets"
)]
pub struct TargetError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl Target {
    /// The place that is meant, on this machine as it is now.
    pub fn place(&self) -> Option<Place> {
        match self {
            Self::Auto => Self::auto(Path::exists),
            Self::None => None,
            Self::Place(place) => Some(place.clone()),
        }
    }

    fn auto(exists: impl Fn(&Path) -> bool) -> Option<Place> {
        let journald = exists(Path::new(JOURNALD)).then(|| Place::Journald(JOURNALD.into()));
        journald.or_else(|| exists(Path::new(DEV_LOG)).then(|| Place::Unix(DEV_LOG.into())))
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let error = |reason| TargetError { text: text.to_owned(), reason };
        let place = match text.split_once(':') {
            None => match text {
                "auto" => return Ok(Self::Auto),
                "none" => return Ok(Self::None),
                "local" => Place::Unix(DEV_LOG.into()),
                "journald" => Place::Journald(JOURNALD.into()),
                _ => return Err(error("it names no transport")),
            },
            Some(("unix" | "journald", "")) => return Err(error("it names no socket")),
            Some(("unix", path)) => Place::Unix(path.into()),
            Some(("journald", path)) => Place::Journald(path.into()),
            Some(("udp", address)) => Place::Udp(HostPort::parse(address, PORT).map_err(error)?),
            Some(("tcp", address)) => Place::Tcp(HostPort::parse(address, PORT).map_err(error)?),
            Some(("tls", address)) => Place::Tls(HostPort::parse(address, TLS_PORT).map_err(error)?),
            Some(_) => return Err(error("its transport is not known")),
        };
        Ok(Self::Place(place))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::None => f.write_str("none"),
            Self::Place(place) => place.fmt(f),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) if path == Path::new(DEV_LOG) => f.write_str("local"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Udp(address) => write!(f, "udp:{address}"),
            Self::Tcp(address) => write!(f, "tcp:{address}"),
            Self::Tls(address) => write!(f, "tls:{address}"),
            Self::Journald(path) if path == Path::new(JOURNALD) => f.write_str("journald"),
            Self::Journald(path) => write!(f, "journald:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        for (text, shown) in [
            ("auto", "auto"),
            ("none", "none"),
            ("local", "local"),
            ("unix:/dev/log", "local"),
            ("unix:/run/log.sock", "unix:/run/log.sock"),
            ("journald", "journald"),
            ("journald:/host/run/systemd/journal/socket", "journald:/host/run/systemd/journal/socket"),
            ("udp:192.0.2.1", "udp:192.0.2.1:514"),
            ("udp:[2001:db8::1]:5514", "udp:[2001:db8::1]:5514"),
            ("tcp:log.example:601", "tcp:log.example:601"),
            ("tls:log.example", "tls:log.example:6514"),
            ("tls:[::1]", "tls:[::1]:6514"),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!(target.to_string(), shown);
            assert_eq!(shown.parse::<Target>().unwrap(), target);
        }
        for (text, reason) in [
            ("", "no transport"),
            ("/dev/log", "no transport"),
            ("unix:", "no socket"),
            ("journald:", "no socket"),
            ("http:a", "not known"),
            ("udp:", "no host"),
            ("udp:2001:db8::1:514", "in brackets"),
            ("tls:a:0", "no number"),
        ] {
            let error = text.parse::<Target>().unwrap_err();
            assert!(error.reason.contains(reason), "{error}");
        }
    }

    #[test]
    fn auto_takes_what_is_there() {
        let of = |there: &[&str]| {
            Target::auto(|path| there.iter().any(|there| path == Path::new(there))).map(|place| place.to_string())
        };
        assert_eq!(of(&[DEV_LOG, JOURNALD]).as_deref(), Some("journald"));
        assert_eq!(of(&[DEV_LOG]).as_deref(), Some("local"));
        assert_eq!(of(&[]), None);
        assert_eq!(Target::None.place(), None);
    }
}
