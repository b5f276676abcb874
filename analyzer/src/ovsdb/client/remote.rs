//! Where a server listens (ovsdb(7), "Connection Methods").

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::net::HostPort;

/// The port of a remote that names none (RFC 7047 section 10).
const DEFAULT_PORT: u16 = 6640;

/// A server's address, as in `--db` of the OVN programs.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Remote {
    /// `unix:FILE`: a Unix domain socket.
    Unix(PathBuf),
    /// `tcp:HOST[:PORT]`: TCP, in plain text.
    Tcp(HostPort),
    /// `ssl:HOST[:PORT]`: TLS over TCP.
    Ssl(HostPort),
}

/// A text that is no remote.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{text}` is no OVSDB remote: {reason}; expected unix:FILE, tcp:HOST:PORT or ssl:HOST:PORT, IPv6 in brackets")]
pub struct RemoteError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl Remote {
    /// Whether the server is on this machine, on a socket in its file system.
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Unix(_))
    }

    /// Reads remotes that are separated by commas, as those of a cluster's members.
    ///
    /// # Errors
    /// [`RemoteError`] of the first that is none.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, RemoteError> {
        text.split(',').map(str::trim).map(Self::from_str).collect()
    }
}

impl FromStr for Remote {
    type Err = RemoteError;

    fn from_str(text: &str) -> Result<Self, RemoteError> {
        let error = |reason| RemoteError { text: text.to_owned(), reason };
        let (method, address) = text.split_once(':').ok_or_else(|| error("it names no method"))?;
        match method {
            "unix" if address.is_empty() => Err(error("it names no file")),
            "unix" => Ok(Self::Unix(address.into())),
            "tcp" => HostPort::parse(address, DEFAULT_PORT).map(Self::Tcp).map_err(error),
            "ssl" => HostPort::parse(address, DEFAULT_PORT).map(Self::Ssl).map_err(error),
            "ptcp" | "pssl" | "punix" => Err(error("it is for a server to listen on")),
            _ => Err(error("its method is not known")),
        }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp:{address}"),
            Self::Ssl(address) => write!(f, "ssl:{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remotes() {
        for (text, shown) in [
            ("unix:/run/ovn/ovnnb_db.sock", "unix:/run/ovn/ovnnb_db.sock"),
            ("tcp:10.0.0.1:6641", "tcp:10.0.0.1:6641"),
            ("tcp:[fd00::1]:6641", "tcp:[fd00::1]:6641"),
            ("ssl:ovnkube-db.example:6642", "ssl:ovnkube-db.example:6642"),
            ("tcp:127.0.0.1", "tcp:127.0.0.1:6640"),
            ("ssl:[::1]", "ssl:[::1]:6640"),
        ] {
            assert_eq!(text.parse::<Remote>().map(|remote| remote.to_string()).as_deref(), Ok(shown));
        }
        for (text, reason) in [
            ("", "no method"),
            ("/run/ovn/ovnnb_db.sock", "no method"),
            ("unix:", "no file"),
            ("punix:/run/ovn/ovnnb_db.sock", "listen"),
            ("http:10.0.0.1:80", "not known"),
            ("tcp::6641", "no host"),
            ("tcp:fd00::1:6641", "in brackets"),
            ("tcp:[fd00::1:6641", "not closed"),
            ("tcp:[10.0.0.1]:6641", "no IPv6"),
            ("tcp:[fd00::1]6641", "follow"),
            ("ssl:a:0", "no number"),
            ("ssl:a:66410", "no number"),
        ] {
            let error = text.parse::<Remote>().unwrap_err();
            assert!(error.reason.contains(reason), "{error}");
        }
    }

    #[test]
    fn lists() {
        let list = Remote::parse_list("ssl:10.0.0.1:6641, ssl:10.0.0.2:6641").unwrap();
        assert_eq!(list.iter().map(Remote::to_string).collect::<Vec<_>>(), ["ssl:10.0.0.1:6641", "ssl:10.0.0.2:6641"]);
        assert_eq!(Remote::parse_list("unix:/a,").unwrap_err().text, "");
    }
}
