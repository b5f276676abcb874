//! MAC addresses.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

/// A MAC address, most significant octet first as on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MacAddr(pub [u8; 6]);

/// Text that is no MAC address.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no MAC address: expected six octets in hexadecimal, such as ce:73:29:66:39:a4")]
pub struct NotAMac(String);

impl MacAddr {
    /// Whether the group bit is set: multicast or broadcast (IEEE 802-2014 section 8.4).
    pub fn is_group(self) -> bool {
        self.0[0] & 1 != 0
    }

    /// Whether all octets are 0, as in a frame that carries no address.
    pub fn is_zero(self) -> bool {
        self.0 == [0; 6]
    }

    /// The address as a number, most significant octet first.
    pub fn to_bits(self) -> u64 {
        self.0.iter().fold(0, |bits, &octet| bits << 8 | u64::from(octet))
    }

    /// The address whose number is the low 48 bits of `bits`.
    pub fn from_bits(bits: u64) -> Self {
        let [_, _, octets @ ..] = bits.to_be_bytes();
        Self(octets)
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MacAddr {
    type Err = NotAMac;

    /// Reads `ce:73:29:66:39:a4`; octets may lack a leading zero, and `-` may separate them.
    fn from_str(text: &str) -> Result<Self, NotAMac> {
        let not_a_mac = || NotAMac(text.to_owned());
        let separator = if text.contains('-') { '-' } else { ':' };
        let mut octets = [0; 6];
        let mut parts = text.split(separator);
        for octet in &mut octets {
            let part = parts.next().filter(|part| matches!(part.len(), 1 | 2)).ok_or_else(not_a_mac)?;
            if !part.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(not_a_mac());
            }
            *octet = u8::from_str_radix(part, 16).map_err(|_| not_a_mac())?;
        }
        if parts.next().is_some() { Err(not_a_mac()) } else { Ok(Self(octets)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trip() {
        let mac: MacAddr = "ce:73:29:66:39:a4".parse().unwrap();
        assert_eq!(mac.0, [0xce, 0x73, 0x29, 0x66, 0x39, 0xa4]);
        assert_eq!(mac.to_string(), "ce:73:29:66:39:a4");
        assert_eq!(MacAddr::from_bits(mac.to_bits()), mac);
        assert_eq!("0:0:4:1:2:4".parse(), Ok(MacAddr([0, 0, 4, 1, 2, 4])));
    }

    #[test]
    fn text_that_is_no_mac() {
        for text in ["", "ce:73", "ce:73:29:66:39:a4:00", "ce:73:29:66:39:g4", "ce:73:29:66:39:+4", "ce73296639a4"] {
            assert!(text.parse::<MacAddr>().is_err(), "{text}");
        }
    }
}
