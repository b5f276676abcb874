//! Where the server listens, as typed.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use thiserror::Error;

/// An address to listen at: that of an interface, or loopback where only a port is given.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ListenAddress(pub SocketAddr);

/// Text that is no address to listen at.
#[derive(Error, PartialEq, Eq, Debug)]
#[error(
    "expected a port (9479, which listens on loopback), or an IP address and a port (192.0.2.1:9479, [2001:db8::1]:9479, \
     [::]:9479 for all)"
)]
pub struct NotAnAddress;

impl FromStr for ListenAddress {
    type Err = NotAnAddress;

    /// Accepts `PORT`, `:PORT` and `ADDRESS:PORT`. A name is refused: it may be more than one address, and other ones
    /// tomorrow.
    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let digits = text.strip_prefix(':').unwrap_or(text);
        if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            let port = digits.parse().map_err(|_| NotAnAddress)?;
            return Ok(Self(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)));
        }
        text.parse().map(Self).map_err(|_| NotAnAddress)
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_on_loopback() {
        for (text, address) in [
            ("9479", "127.0.0.1:9479"),
            (":9479", "127.0.0.1:9479"),
            ("0", "127.0.0.1:0"),
            ("192.0.2.1:80", "192.0.2.1:80"),
            ("0.0.0.0:9479", "0.0.0.0:9479"),
            ("[::1]:9479", "[::1]:9479"),
            ("[::]:9479", "[::]:9479"),
        ] {
            assert_eq!(text.parse::<ListenAddress>().map(|address| address.to_string()), Ok(address.to_owned()));
        }
        for text in ["", ":", "65536", "-1", "+80", "host:80", "127.0.0.1", "::1:80x", "[::1]", "1.2.3.4:", "http://:1"]
        {
            assert_eq!(text.parse::<ListenAddress>(), Err(NotAnAddress), "{text}");
        }
    }
}
