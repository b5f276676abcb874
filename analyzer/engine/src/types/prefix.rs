//! IP prefixes.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

/// An IP prefix. Bits behind the length are zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IpPrefix {
    addr: IpAddr,
    len: u8,
}

/// Text that is no IP prefix.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no IP address or prefix, such as 192.168.16.230, 10.168.0.0/16 or fd00::/64")]
pub struct NotAPrefix(String);

impl IpPrefix {
    /// The prefix of `len` bits that holds `addr`; `None` where `len` exceeds the address.
    pub fn new(addr: IpAddr, len: u8) -> Option<Self> {
        (len <= max_len(addr)).then(|| Self { addr: mask(addr, len), len })
    }

    /// The prefix that holds `addr` alone.
    pub fn host(addr: IpAddr) -> Self {
        Self { addr, len: max_len(addr) }
    }

    /// The first address of the prefix.
    pub fn addr(self) -> IpAddr {
        self.addr
    }

    /// Number of bits that are fixed.
    pub fn prefix_len(self) -> u8 {
        self.len
    }

    /// Whether the prefix holds a single address.
    pub fn is_host(self) -> bool {
        self.len == max_len(self.addr)
    }

    /// Whether `addr` lies in the prefix. Addresses of the other family never do.
    pub fn contains(self, addr: IpAddr) -> bool {
        self.addr.is_ipv4() == addr.is_ipv4() && mask(addr, self.len) == self.addr
    }
}

fn max_len(addr: IpAddr) -> u8 {
    if addr.is_ipv4() { 32 } else { 128 }
}

fn mask(addr: IpAddr, len: u8) -> IpAddr {
    match addr {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0);
            IpAddr::V4((u32::from(v4) & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0);
            IpAddr::V6((u128::from(v6) & mask).into())
        }
    }
}

impl fmt::Display for IpPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.len)
    }
}

impl fmt::Debug for IpPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for IpPrefix {
    type Err = NotAPrefix;

    /// Reads an address (a host prefix) or `address/length`.
    fn from_str(text: &str) -> Result<Self, NotAPrefix> {
        let not_a_prefix = || NotAPrefix(text.to_owned());
        let Some((addr, len)) = text.split_once('/') else {
            return text.parse().map(Self::host).map_err(|_| not_a_prefix());
        };
        let addr = addr.parse().map_err(|_| not_a_prefix())?;
        let len = len.parse().map_err(|_| not_a_prefix())?;
        Self::new(addr, len).ok_or_else(not_a_prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containment() {
        let prefix: IpPrefix = "10.168.16.7/23".parse().unwrap();
        assert_eq!(prefix.to_string(), "10.168.16.0/23");
        assert!(prefix.contains("10.168.17.255".parse().unwrap()));
        assert!(!prefix.contains("10.168.18.0".parse().unwrap()));
        let all: IpPrefix = "::/0".parse().unwrap();
        assert!(all.contains("fe80::1".parse().unwrap()));
        assert!(!all.contains("10.0.0.1".parse().unwrap()));
        assert_eq!("10.0.0.5".parse::<IpPrefix>().unwrap().to_string(), "10.0.0.5/32");
        assert!("0.0.0.0/0".parse::<IpPrefix>().unwrap().contains("255.255.255.255".parse().unwrap()));
    }

    #[test]
    fn text_that_is_no_prefix() {
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0/8", "x"] {
            assert!(text.parse::<IpPrefix>().is_err(), "{text}");
        }
    }
}
