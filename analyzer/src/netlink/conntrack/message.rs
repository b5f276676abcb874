//! Netlink messages and attributes (RFC 3549 section 2.2; netlink(7)).
//!
//! A dump of a million entries is 250 MB of these, so they are read where they lie. Lengths are never trusted.

use super::wire;

/// Why bytes are no message, or a message is no entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Malformed {
    /// A message is shorter than it says, or than its header.
    #[error("a message is cut off")]
    Message,
    /// An attribute is longer than what it lies in, or shorter than its header.
    #[error("an attribute is cut off")]
    Attribute,
    /// An attribute has another size than its type has.
    #[error("attribute {0} has the wrong size")]
    Size(u16),
    /// A message of a type that does not belong here.
    #[error("a message is of type {0:#x}")]
    Kind(u16),
    /// An attribute that each entry has is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// Addresses of different families in one entry.
    #[error("the addresses are of different families")]
    Families,
    /// The entry is in a zone for one of its directions only, as `ct original zone set` of nftables makes them. OVS
    /// makes none.
    #[error("the zone holds for one direction only")]
    ZoneOfOneDirection,
}

/// Bytes of a message's header (`struct nlmsghdr`).
pub(super) const HEADER_BYTES: usize = 16;

/// A message.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// `nlmsg_type`.
    pub kind: u16,
    /// `nlmsg_flags`.
    pub flags: u16,
    /// `nlmsg_seq`: the number of the request that it answers; 0 for an event.
    pub sequence: u32,
    /// What follows the header.
    pub payload: &'a [u8],
}

impl Message<'_> {
    /// The errno in an error message, as a positive number, 0 for an acknowledgement. `None` where it is another
    /// message.
    ///
    /// # Errors
    /// An error message holds no number.
    pub fn error(&self) -> Result<Option<i32>, Malformed> {
        if self.kind != wire::NLMSG_ERROR {
            return Ok(None);
        }
        self.status().map(Some).ok_or(Malformed::Message)
    }

    /// The number at the start of an error message, or of the one that ends a dump.
    pub(super) fn status(&self) -> Option<i32> {
        self.payload.first_chunk().map(|&bytes| i32::from_ne_bytes(bytes).saturating_neg())
    }
}

/// The messages of a datagram. Ends after the first that cannot be read.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    /// Messages that lie one behind the other in `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What is not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let bytes = std::mem::take(&mut self.rest);
        let Some((header, _)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Some(Err(Malformed::Message));
        };
        let &[l0, l1, l2, l3, k0, k1, f0, f1, s0, s1, s2, s3, ..] = header;
        let len = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
        let Some(payload) = bytes.get(HEADER_BYTES..len) else {
            return Some(Err(Malformed::Message));
        };
        // The padding of the last message may be missing.
        self.rest = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(Ok(Message {
            kind: u16::from_ne_bytes([k0, k1]),
            flags: u16::from_ne_bytes([f0, f1]),
            sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
            payload,
        }))
    }
}

/// The attributes in `bytes` (`struct nlattr`). Ends after the first that cannot be read.
#[derive(Clone, Debug)]
pub(super) struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Attributes<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

/// An attribute's type without its flags, and what it holds.
pub(super) type Attribute<'a> = (u16, &'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let bytes = std::mem::take(&mut self.rest);
        let &[l0, l1, k0, k1, ..] = bytes else {
            return (!bytes.is_empty()).then_some(Err(Malformed::Attribute));
        };
        let len = usize::from(u16::from_ne_bytes([l0, l1]));
        let Some(value) = bytes.get(4..len) else {
            return Some(Err(Malformed::Attribute));
        };
        self.rest = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(Ok((u16::from_ne_bytes([k0, k1]) & wire::NLA_TYPE_MASK, value)))
    }
}

/// The value of an attribute of type `kind` that has `N` bytes.
#[inline]
pub(super) fn fixed<const N: usize>((kind, value): Attribute<'_>) -> Result<[u8; N], Malformed> {
    value.try_into().map_err(|_| Malformed::Size(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(len: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = len.to_ne_bytes().to_vec();
        bytes.extend(0x100_u16.to_ne_bytes());
        bytes.extend(2_u16.to_ne_bytes());
        bytes.extend(7_u32.to_ne_bytes());
        bytes.extend(9_u32.to_ne_bytes());
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn messages_of_a_datagram() {
        let mut bytes = message(19, &[1, 2, 3, 0]);
        bytes.extend(message(16, &[]));
        let read: Vec<_> = Messages::new(&bytes).map(Result::unwrap).collect();
        let fields: Vec<_> = read.iter().map(|it| (it.kind, it.flags, it.sequence, it.payload)).collect();
        assert_eq!(fields, [(0x100, 2, 7, &[1, 2, 3][..]), (0x100, 2, 7, &[])]);
    }

    #[test]
    fn lengths_that_lie() {
        for (len, payload) in [(0, &[][..]), (15, &[]), (17, &[]), (u32::MAX, &[0; 4])] {
            let bytes = message(len, payload);
            let read: Vec<_> = Messages::new(&bytes).map(Result::err).collect();
            assert_eq!(read, [Some(Malformed::Message)], "{len}");
        }
        assert_eq!(Messages::new(&[0; 15]).map(Result::err).collect::<Vec<_>>(), [Some(Malformed::Message)]);
        for bytes in [&[3, 0, 1, 0][..], &[0; 4], &[5, 0, 1, 0], &[4, 0, 1], &[255, 255, 1, 0, 9]] {
            let read: Vec<_> = Attributes::new(bytes).map(Result::err).collect();
            assert_eq!(read, [Some(Malformed::Attribute)], "{bytes:?}");
        }
    }

    #[test]
    fn attributes_without_their_flags() {
        let mut bytes = vec![];
        for (kind, value) in [(NESTED_TWO, &[1, 2, 3, 4][..]), (3, &[5])] {
            bytes.extend((4 + value.len() as u16).to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(value);
        }
        const NESTED_TWO: u16 = wire::NLA_F_NESTED | 2;
        let read: Vec<_> = Attributes::new(&bytes).map(Result::unwrap).collect();
        assert_eq!(read, [(2, &[1, 2, 3, 4][..]), (3, &[5])]);
        assert_eq!(fixed::<2>(read[1]), Err(Malformed::Size(3)));
    }
}
