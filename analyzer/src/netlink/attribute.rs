//! Attributes of netlink messages (include/uapi/linux/netlink.h, `struct nlattr`): length, type and value in host byte
//! order, each padded to 4 octets. Addresses in them are in network byte order.

use std::net::IpAddr;

use netlink_packet_core::{NLA_HEADER_SIZE, NlasIterator};

use crate::types::MacAddr;

/// A message whose lengths do not fit, or that lacks what its kind always has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("malformed netlink message")]
pub struct Malformed;

/// An attribute: its type without the flags for nesting and byte order, and its value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attribute<'a> {
    /// Its type, in the numbering of the message that it stands in.
    pub kind: u16,
    /// Its value, without padding.
    pub value: &'a [u8],
}

/// The attributes that fill `bytes`. The first that does not fit ends them as [`Malformed`].
pub fn attributes(bytes: &[u8]) -> impl Iterator<Item = Result<Attribute<'_>, Malformed>> {
    NlasIterator::new(bytes).map(|attribute| {
        let attribute = attribute.map_err(|_| Malformed)?;
        let (kind, end) = (attribute.kind(), usize::from(attribute.length()));
        let value = attribute.into_inner().get(NLA_HEADER_SIZE..end).ok_or(Malformed)?;
        Ok(Attribute { kind, value })
    })
}

impl Attribute<'_> {
    /// The value as a 16-bit number in host byte order.
    ///
    /// # Errors
    /// The value has another length.
    pub fn u16(self) -> Result<u16, Malformed> {
        self.value.try_into().map(u16::from_ne_bytes).map_err(|_| Malformed)
    }

    /// The value as a 32-bit number in host byte order.
    ///
    /// # Errors
    /// The value has another length.
    pub fn u32(self) -> Result<u32, Malformed> {
        self.value.try_into().map(u32::from_ne_bytes).map_err(|_| Malformed)
    }

    /// The value as an IP address, IPv4 or IPv6 by its length.
    ///
    /// # Errors
    /// The value has another length.
    pub fn ip(self) -> Result<IpAddr, Malformed> {
        ip(self.value)
    }

    /// The value as a name that a NUL ends. Octets that are no UTF-8 are replaced.
    pub fn name(self) -> String {
        let end = self.value.iter().position(|&octet| octet == 0).unwrap_or(self.value.len());
        String::from_utf8_lossy(&self.value[..end]).into_owned()
    }

    /// The value as a MAC; `None` for link-layer addresses of other lengths, such as InfiniBand's, and for zero.
    pub fn mac(self) -> Option<MacAddr> {
        self.value.try_into().ok().map(MacAddr).filter(|mac| !mac.is_zero())
    }
}

/// An IPv4 or IPv6 address, by its length.
pub(super) fn ip(octets: &[u8]) -> Result<IpAddr, Malformed> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).map_err(|_| Malformed)
}

/// The fixed part of a message, and the attributes after it.
pub(super) fn split<const LEN: usize>(payload: &[u8]) -> Result<(&[u8; LEN], &[u8]), Malformed> {
    payload.split_first_chunk().ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_by_length() {
        let bytes =
            [8, 0, 1, 0, 192, 0, 2, 1, 5, 0, 2, 0x80, 7, 0, 0, 0, 9, 0, 3, 0, b'e', b't', b'h', b'0', 0, 0, 0, 0];
        let read: Vec<_> = attributes(&bytes).collect::<Result<_, _>>().unwrap();
        assert_eq!(read.len(), 3);
        assert_eq!(read[0].ip(), Ok("192.0.2.1".parse().unwrap()));
        assert_eq!((read[1].kind, read[1].value, read[1].u32()), (2, &[7][..], Err(Malformed)));
        assert_eq!(read[2].name(), "eth0");
    }

    #[test]
    fn lengths_that_do_not_fit() {
        for bytes in [&[8, 0, 1, 0, 1][..], &[3, 0, 1, 0], &[0, 0, 0, 0], &[4, 0]] {
            assert_eq!(attributes(bytes).collect::<Vec<_>>(), [Err(Malformed)], "{bytes:?}");
        }
    }
}
