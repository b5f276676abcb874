//! Requests to rtnetlink about qdiscs, filters and XDP, and its answers.
//!
//! Answers are read attribute by attribute, not as typed messages: filters of other programs may hold what no library
//! knows, and must not keep us from seeing that they are there.

use std::io;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkBuffer, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_DUMP_INTR: u16 = 0x10;
const NLM_F_ACK_TLVS: u16 = 0x200;
const NLMSGERR_ATTR_MSG: u16 = 1;
/// `struct nlattr`.
const NLATTR_LEN: usize = 4;
/// Without the flags for nested attributes and network order.
const NLA_TYPE_MASK: u16 = 0x3fff;
/// `struct nlmsghdr`, copied behind the code of an answer.
const HEADER_LEN: usize = 16;
/// Dumps that changed while they were read are read again so often.
const MAX_DUMPS: usize = 8;

/// One message of an answer: its type and what is behind the netlink header.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(super) message_type: u16,
    pub(crate) payload: Vec<u8>,
}

impl Answer {
    /// Attributes behind a header of `header_len` bytes, by type; a broken one ends them.
    pub(crate) fn attributes(&self, header_len: usize) -> impl Iterator<Item = (u16, &[u8])> {
        attributes(self.payload.get(header_len..).unwrap_or_default())
    }
}

/// Attributes (`struct nlattr`) by type; a broken one ends them.
pub(super) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let [len0, len1, kind0, kind1, ..] = *bytes else { return None };
        let len = usize::from(u16::from_ne_bytes([len0, len1]));
        let value = bytes.get(NLATTR_LEN..len)?;
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_ne_bytes([kind0, kind1]) & NLA_TYPE_MASK, value))
    })
}

/// A `u32` in host order at an offset.
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(offset..offset + 4)?.try_into().ok()?))
}

/// A `u64` in host order at an offset.
pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(bytes.get(offset..offset + 8)?.try_into().ok()?))
}

/// A string of an attribute, up to its zero.
pub(super) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// Sends a request that changes something, and waits for its acknowledgement.
pub(super) fn change(message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
    let flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    exchange(&encoded(message, flags), flags).map(drop)
}

/// Sends a request and reads what is told until the end; a dump that changed meanwhile is read again.
pub(crate) fn request(message: RouteNetlinkMessage, flags: u16) -> io::Result<Vec<Answer>> {
    until_whole(|| exchange(&encoded(message.clone(), NLM_F_REQUEST | flags), NLM_F_REQUEST | flags))
}

/// Reads a whole list. `kind` is the type of the request, and `body` what stands behind the netlink header.
pub(crate) fn dump(kind: u16, body: &[u8]) -> io::Result<Vec<Answer>> {
    let flags = NLM_F_REQUEST | NLM_F_DUMP;
    let len = u32::try_from(HEADER_LEN + body.len()).map_err(io::Error::other)?;
    let mut bytes = Vec::with_capacity(HEADER_LEN + body.len());
    bytes.extend(len.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend([1u32.to_ne_bytes(), [0; 4]].concat());
    bytes.extend(body);
    until_whole(|| exchange(&bytes, flags))
}

fn until_whole(ask: impl Fn() -> io::Result<(Vec<Answer>, bool)>) -> io::Result<Vec<Answer>> {
    for _ in 0..MAX_DUMPS {
        let (answers, interrupted) = ask()?;
        if !interrupted {
            return Ok(answers);
        }
    }
    Err(io::Error::other("the list changes faster than it can be read"))
}

fn encoded(message: RouteNetlinkMessage, flags: u16) -> Vec<u8> {
    let mut header = NetlinkHeader::default();
    header.flags = flags;
    header.sequence_number = 1;
    let mut request = NetlinkMessage::new(header, NetlinkPayload::from(message));
    request.finalize();
    let mut bytes = vec![0; request.buffer_len()];
    request.serialize(&mut bytes);
    bytes
}

fn exchange(request: &[u8], flags: u16) -> io::Result<(Vec<Answer>, bool)> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    // Older kernels lack these; they only make errors more telling.
    let _ = socket.set_ext_ack(true);
    let _ = socket.set_cap_ack(true);

    socket.send(request, 0)?;

    let is_dump = flags & NLM_F_DUMP == NLM_F_DUMP;
    let mut answers = Vec::new();
    let mut interrupted = false;
    loop {
        let (bytes, _) = socket.recv_from_full()?;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let broken = |error| io::Error::new(io::ErrorKind::InvalidData, format!("netlink: {error}"));
            let buffer = NetlinkBuffer::new_checked(rest).map_err(broken)?;
            let (message_type, flags, payload) = (buffer.message_type(), buffer.flags(), buffer.payload());
            interrupted |= flags & NLM_F_DUMP_INTR != 0;
            match message_type {
                NLMSG_ERROR | NLMSG_DONE => {
                    return match u32_at(payload, 0).map_or(0, u32::cast_signed) {
                        0 => Ok((answers, interrupted)),
                        code => Err(refusal(code, flags, payload)),
                    };
                }
                message_type => answers.push(Answer { message_type, payload: payload.to_vec() }),
            }
            let length = (buffer.length() as usize).next_multiple_of(4);
            rest = rest.get(length..).unwrap_or_default();
        }
        if !is_dump && flags & NLM_F_ACK == 0 && !answers.is_empty() {
            return Ok((answers, interrupted));
        }
    }
}

/// The kernel's refusal, with its own words where it gives any.
fn refusal(code: i32, flags: u16, payload: &[u8]) -> io::Error {
    let error = io::Error::from_raw_os_error(code.saturating_neg());
    if flags & NLM_F_ACK_TLVS == 0 {
        return error;
    }
    let behind = payload.get(4 + HEADER_LEN..).unwrap_or_default();
    match attributes(behind).find(|(kind, _)| *kind == NLMSGERR_ATTR_MSG) {
        // The errno stays readable: callers tell cases apart by it.
        Some((_, words)) => Refusal { error, words: text(words) }.into(),
        None => error,
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{error}: {words}")]
struct Refusal {
    error: io::Error,
    words: String,
}

impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.error.kind(), refusal)
    }
}

/// The errno of an error that [`change`] or [`request`] gave.
pub(super) fn errno(error: &io::Error) -> Option<i32> {
    let refusal = error.get_ref().and_then(|inner| inner.downcast_ref::<Refusal>());
    refusal.map_or(error, |refusal| &refusal.error).raw_os_error()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_end_at_a_broken_one() {
        let mut bytes = vec![];
        for (len, kind, value) in [(6u16, 1u16, [7u8, 8, 0, 0]), (8, 0x8002, [1, 2, 3, 4]), (9, 3, [0; 4])] {
            bytes.extend(len.to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(value);
        }
        let found: Vec<_> = attributes(&bytes).collect();
        assert_eq!(found, [(1, &[7, 8][..]), (2, &[1, 2, 3, 4])]);
        assert_eq!(attributes(&[3, 0, 0, 0]).count(), 0);
        assert_eq!(attributes(&[0; 7]).count(), 0);
    }

    #[test]
    fn refusal_has_errno_and_words() {
        let mut payload = (-libc::EINVAL).to_ne_bytes().to_vec();
        payload.extend([0; HEADER_LEN]);
        payload.extend([9, 0, 1, 0, b'n', b'o', b'n', b'e', 0]);
        let error = refusal(-libc::EINVAL, NLM_F_ACK_TLVS, &payload);
        assert_eq!(errno(&error), Some(libc::EINVAL));
        assert!(error.to_string().ends_with(": none"), "{error}");
    }
}
