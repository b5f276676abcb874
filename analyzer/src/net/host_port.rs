//! Where a server listens.

use std::fmt;
use std::net::Ipv6Addr;

/// A host and a port.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct HostPort {
    /// A name or an address, an IPv6 address without its brackets.
    pub host: String,
    /// The port, in host order.
    pub port: u16,
}

impl HostPort {
    /// Reads `HOST` or `HOST:PORT`, an IPv6 address in brackets.
    ///
    /// # Errors
    /// Says what is wrong, as the rest of a sentence.
    pub fn parse(text: &str, default_port: u16) -> Result<Self, &'static str> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or("a bracket is not closed")?;
                host.parse::<Ipv6Addr>().map_err(|_| "no IPv6 address is in the brackets")?;
                match port {
                    "" => (host, None),
                    port => (host, Some(port.strip_prefix(':').ok_or("`:` must follow the bracket")?)),
                }
            }
            None => match text.split_once(':') {
                Some((_, port)) if port.contains(':') => return Err("an IPv6 address must be in brackets"),
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        if host.is_empty() {
            return Err("it names no host");
        }
        let port = match port {
            Some(port) => port.parse().ok().filter(|&port| port != 0).ok_or("its port is no number from 1 to 65535")?,
            None => default_port,
        };
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}
