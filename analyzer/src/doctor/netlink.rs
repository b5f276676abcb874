//! One question over netlink, and its answer (Documentation/userspace-api/netlink/intro.rst).

use std::io;
use std::time::Duration;

use netlink_sys::protocols::NETLINK_GENERIC;
use netlink_sys::{Socket, SocketAddr};
use rustix::net::sockopt::{Timeout, set_socket_timeout};

const HEADER: usize = 16;
const ATTRIBUTE_HEADER: usize = 4;
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLA_F_NESTED: u16 = 1 << 15;
const NLA_TYPE_MASK: u16 = 0x3fff;

/// Numbers of include/uapi/linux/genetlink.h.
const GENL_ID_CTRL: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;

/// What stands before the attributes in generic netlink: command, version and two zero bytes.
pub(super) const GENERIC_HEADER: usize = 4;

/// The kernel answers at once; what takes longer is lost.
const PATIENCE: Duration = Duration::from_secs(1);

/// Most datagrams that an answer has.
const MAX_DATAGRAMS: usize = 16;

/// Asks the kernel and gives what stands behind the header of the first message that answers.
///
/// # Errors
/// What the kernel refuses with, or that it does not answer.
pub(super) fn ask(protocol: isize, kind: u16, body: &[u8]) -> io::Result<Vec<u8>> {
    let socket = Socket::new(protocol)?;
    set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let len = u32::try_from(HEADER + body.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut request = Vec::with_capacity(HEADER + body.len());
    request.extend(len.to_ne_bytes());
    request.extend(kind.to_ne_bytes());
    request.extend((NLM_F_REQUEST | NLM_F_ACK).to_ne_bytes());
    request.extend([1u32.to_ne_bytes(), [0; 4]].concat());
    request.extend(body);
    socket.send(&request, 0)?;
    for _ in 0..MAX_DATAGRAMS {
        let (datagram, _) = socket.recv_from_full()?;
        if let Some(answer) = messages(&datagram).next() {
            return answer.map(<[u8]>::to_vec);
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "the kernel's answer holds no message"))
}

/// Number of a family of generic netlink. The name is ended by a zero.
///
/// # Errors
/// When the kernel does not have it.
pub(super) fn generic_family(name: &[u8]) -> io::Result<u16> {
    let mut request = vec![CTRL_CMD_GETFAMILY, 1, 0, 0];
    put(&mut request, CTRL_ATTR_FAMILY_NAME, name);
    let answer = ask(NETLINK_GENERIC, GENL_ID_CTRL, &request)?;
    let id = attributes(answer.get(GENERIC_HEADER..).unwrap_or_default())
        .find(|(kind, _)| *kind == CTRL_ATTR_FAMILY_ID)
        .and_then(|(_, id)| id.first_chunk().copied().map(u16::from_ne_bytes));
    id.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The messages of a datagram: what is behind their headers, or the error that they tell.
fn messages(mut datagram: &[u8]) -> impl Iterator<Item = io::Result<&[u8]>> {
    std::iter::from_fn(move || {
        let len = usize::try_from(u32_at(datagram, 0)?).ok().filter(|len| *len >= HEADER)?;
        let kind = u16_at(datagram, 4)?;
        let payload = datagram.get(HEADER..len)?;
        datagram = datagram.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(match (kind, u32_at(payload, 0)) {
            (NLMSG_ERROR, Some(code)) if code != 0 => {
                Err(io::Error::from_raw_os_error(code.cast_signed().wrapping_neg()))
            }
            (NLMSG_ERROR, _) => Ok(&[][..]),
            _ => Ok(payload),
        })
    })
}

/// Attributes, by type.
pub(super) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let len = usize::from(u16_at(bytes, 0)?);
        let kind = u16_at(bytes, 2)? & NLA_TYPE_MASK;
        let value = bytes.get(ATTRIBUTE_HEADER..len)?;
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// Appends an attribute.
pub(super) fn put(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let len = u16::try_from(ATTRIBUTE_HEADER + value.len()).unwrap_or(u16::MAX);
    out.extend(len.to_ne_bytes());
    out.extend(kind.to_ne_bytes());
    out.extend(value);
    out.resize(out.len().next_multiple_of(4), 0);
}

/// Appends an attribute that holds attributes.
pub(super) fn put_nested(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    put(out, kind | NLA_F_NESTED, value);
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_ne_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_read_as_written() {
        let mut bytes = Vec::new();
        put(&mut bytes, 2, b"abcde");
        put_nested(&mut bytes, 3, &[1, 2, 3, 4]);
        let read: Vec<_> = attributes(&bytes).collect();
        assert_eq!(read, [(2, &b"abcde"[..]), (3, &[1, 2, 3, 4])]);
    }

    #[test]
    fn what_is_cut_or_lies_ends_the_reading() {
        let mut bytes = Vec::new();
        put(&mut bytes, 2, b"abcde");
        for len in 0..bytes.len() - 3 {
            assert!(attributes(&bytes[..len]).count() == 0, "{len}");
        }
        assert_eq!(attributes(&[0; 64]).count(), 0);
        assert_eq!(messages(&[0; 64]).count(), 0);
        assert_eq!(messages(&[0xff; 64]).count(), 0);
    }

    #[test]
    fn errors_of_the_kernel() {
        let error = |code: i32| {
            let mut bytes = 20u32.to_ne_bytes().to_vec();
            bytes.extend(NLMSG_ERROR.to_ne_bytes());
            bytes.resize(HEADER, 0);
            bytes.extend(code.to_ne_bytes());
            bytes
        };
        assert!(messages(&error(0)).next().is_some_and(|message| message.is_ok()));
        let refused = messages(&error(-1)).next().unwrap().unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
        assert!(messages(&error(i32::MIN)).next().unwrap().is_err());
    }
}
