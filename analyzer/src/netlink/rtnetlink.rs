//! Messages of rtnetlink (RFC 3549; rtnetlink(7)): framing, numbers and requests.

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP, NLMSG_OVERRUN, NetlinkBuffer,
};

use super::attribute::Malformed;

/// Kinds of messages (include/uapi/linux/rtnetlink.h, `RTM_*`).
pub mod kind {
    /// `RTM_NEWLINK`.
    pub const NEW_LINK: u16 = 16;
    /// `RTM_DELLINK`.
    pub const DEL_LINK: u16 = 17;
    pub(in crate::netlink) const GET_LINK: u16 = 18;
    /// `RTM_NEWADDR`.
    pub const NEW_ADDRESS: u16 = 20;
    /// `RTM_DELADDR`.
    pub const DEL_ADDRESS: u16 = 21;
    pub(in crate::netlink) const GET_ADDRESS: u16 = 22;
    /// `RTM_NEWROUTE`.
    pub const NEW_ROUTE: u16 = 24;
    /// `RTM_DELROUTE`.
    pub const DEL_ROUTE: u16 = 25;
    pub(in crate::netlink) const GET_ROUTE: u16 = 26;
    /// `RTM_NEWNEIGH`.
    pub const NEW_NEIGHBOUR: u16 = 28;
    /// `RTM_DELNEIGH`.
    pub const DEL_NEIGHBOUR: u16 = 29;
    pub(in crate::netlink) const GET_NEIGHBOUR: u16 = 30;
    /// `RTM_NEWRULE`.
    pub const NEW_RULE: u16 = 32;
    /// `RTM_DELRULE`.
    pub const DEL_RULE: u16 = 33;
    pub(in crate::netlink) const GET_RULE: u16 = 34;
    /// `RTM_NEWNEXTHOP`.
    pub const NEW_NEXTHOP: u16 = 104;
    /// `RTM_DELNEXTHOP`.
    pub const DEL_NEXTHOP: u16 = 105;
    pub(in crate::netlink) const GET_NEXTHOP: u16 = 106;
}

/// `AF_UNSPEC`.
pub(super) const AF_UNSPEC: u8 = 0;
/// `AF_INET`.
pub(super) const AF_INET: u8 = 2;
/// `AF_INET6`.
pub(super) const AF_INET6: u8 = 10;

/// Groups of notifications (`RTNLGRP_*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub(super) enum Group {
    Link = 1,
    Neighbour = 3,
    Ipv4Address = 5,
    Ipv4Route = 7,
    Ipv4Rule = 8,
    Ipv6Address = 9,
    Ipv6Route = 11,
    Ipv6Rule = 19,
    Nexthop = 32,
}

/// A message, its payload not yet looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message<'a> {
    /// `nlmsg_type`: see [`kind`].
    pub kind: u16,
    /// `nlmsg_flags`.
    pub flags: u16,
    /// `nlmsg_seq`: of an answer, that of the request.
    pub sequence: u32,
    /// `nlmsg_pid`: of an answer, the port of who asked.
    pub port: u32,
    /// What follows the header.
    pub payload: &'a [u8],
}

/// The messages of a datagram. The first that does not fit ends them as [`Malformed`].
pub fn messages(datagram: &[u8]) -> impl Iterator<Item = Result<Message<'_>, Malformed>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Ok(buffer) = NetlinkBuffer::new_checked(rest) else {
            rest = &[];
            return Some(Err(Malformed));
        };
        let (message, length) = (message(&buffer), buffer.length());
        // Checked: the length is at least the header's and at most that of the rest.
        let aligned = usize::try_from(length).unwrap_or(usize::MAX).next_multiple_of(4);
        rest = rest.get(aligned..).unwrap_or_default();
        Some(Ok(message))
    })
}

fn message<'a>(buffer: &NetlinkBuffer<&'a [u8]>) -> Message<'a> {
    Message {
        kind: buffer.message_type(),
        flags: buffer.flags(),
        sequence: buffer.sequence_number(),
        port: buffer.port_number(),
        payload: buffer.payload(),
    }
}

/// What a message is beside an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Control {
    /// An object that is new, changed or gone.
    Object,
    /// The end of a dump, or the kernel's refusal of a request: 0, or an error number.
    End(i32),
    /// The kernel says that messages were lost.
    Overrun,
    /// Nothing.
    Noop,
}

impl Message<'_> {
    pub(super) fn control(&self) -> Control {
        match self.kind {
            // Both begin with a negative error number (RFC 3549 section 2.3.2.2).
            NLMSG_DONE | NLMSG_ERROR => {
                let code = self.payload.first_chunk().map_or(0, |&code| i32::from_ne_bytes(code));
                Control::End(code.saturating_neg())
            }
            NLMSG_OVERRUN => Control::Overrun,
            NLMSG_NOOP => Control::Noop,
            _ => Control::Object,
        }
    }

    /// Whether the dump that the message belongs to met a change of what it lists, so that something may be missing.
    pub(super) fn is_interrupted(&self) -> bool {
        self.flags & NLM_F_DUMP_INTR != 0
    }
}

/// A dump that can be asked for. They are listed in the order in which they are asked for: what others refer to is
/// first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Dump {
    /// All links.
    Links,
    /// Addresses of both families.
    Addresses,
    /// Nexthop objects.
    Nexthops,
    /// IPv4 routes of all tables.
    Ipv4Routes,
    /// IPv6 routes of all tables.
    Ipv6Routes,
    /// IPv4 policy rules.
    Ipv4Rules,
    /// IPv6 policy rules.
    Ipv6Rules,
    /// Neighbours of both families.
    Neighbours,
}

/// `RTEXT_FILTER_VF` (include/uapi/linux/rtnetlink.h): links with their virtual functions.
const WITH_VIRTUAL_FUNCTIONS: u32 = 1;
/// `RTEXT_FILTER_SKIP_STATS`: links without their statistics.
const WITHOUT_STATISTICS: u32 = 1 << 3;

impl Dump {
    /// All dumps, in order.
    pub const ALL: [Self; 8] = [
        Self::Links,
        Self::Addresses,
        Self::Nexthops,
        Self::Ipv4Routes,
        Self::Ipv6Routes,
        Self::Ipv4Rules,
        Self::Ipv6Rules,
        Self::Neighbours,
    ];

    /// The request.
    pub(super) fn request(self, sequence: u32) -> Vec<u8> {
        // The family is the first octet of each fixed part, whose other fields are zero. Lengths are those of ifaddrmsg,
        // nhmsg, rtmsg, fib_rule_hdr and ndmsg.
        let (kind, family, fixed_len) = match self {
            Self::Links => return links_request(WITHOUT_STATISTICS, sequence),
            Self::Addresses => (kind::GET_ADDRESS, AF_UNSPEC, 8),
            Self::Nexthops => (kind::GET_NEXTHOP, AF_UNSPEC, 8),
            Self::Ipv4Routes => (kind::GET_ROUTE, AF_INET, 12),
            Self::Ipv6Routes => (kind::GET_ROUTE, AF_INET6, 12),
            Self::Ipv4Rules => (kind::GET_RULE, AF_INET, 12),
            Self::Ipv6Rules => (kind::GET_RULE, AF_INET6, 12),
            Self::Neighbours => (kind::GET_NEIGHBOUR, AF_UNSPEC, 12),
        };
        let mut payload = vec![0; fixed_len];
        payload[0] = family;
        dump_request(kind, &payload, sequence)
    }

    /// What it lists, in words.
    pub(super) fn what(self) -> &'static str {
        match self {
            Self::Links => "links",
            Self::Addresses => "addresses",
            Self::Nexthops => "nexthop objects",
            Self::Ipv4Routes => "IPv4 routes",
            Self::Ipv6Routes => "IPv6 routes",
            Self::Ipv4Rules => "IPv4 policy rules",
            Self::Ipv6Rules => "IPv6 policy rules",
            Self::Neighbours => "neighbours",
        }
    }
}

/// The request for all links with their virtual functions. The kernel tells no changes of these.
pub(super) fn virtual_functions_request(sequence: u32) -> Vec<u8> {
    links_request(WITHOUT_STATISTICS | WITH_VIRTUAL_FUNCTIONS, sequence)
}

/// The request for all links, with what `mask` (`RTEXT_FILTER_*`) says.
fn links_request(mask: u32, sequence: u32) -> Vec<u8> {
    // struct ifinfomsg of zeros, and IFLA_EXT_MASK (29).
    let mut payload = vec![0; 16];
    payload.extend(8_u16.to_ne_bytes());
    payload.extend(29_u16.to_ne_bytes());
    payload.extend(mask.to_ne_bytes());
    dump_request(kind::GET_LINK, &payload, sequence)
}

fn dump_request(kind: u16, payload: &[u8], sequence: u32) -> Vec<u8> {
    let length = 16 + payload.len();
    let mut request = vec![0; length];
    request[16..].copy_from_slice(payload);
    let mut header = NetlinkBuffer::new(&mut request);
    header.set_length(u32::try_from(length).expect("a request has at most 40 octets"));
    header.set_message_type(kind);
    header.set_flags(NLM_F_REQUEST | NLM_F_DUMP);
    header.set_sequence_number(sequence);
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_is_framed() {
        // strace of `ip link show`, the attribute IFLA_EXT_MASK apart.
        let request = Dump::Links.request(7);
        let read: Vec<_> = messages(&request).collect::<Result<_, _>>().unwrap();
        let [message] = read[..] else { panic!("{read:?}") };
        assert_eq!((message.kind, message.flags, message.sequence), (18, 0x301, 7));
        assert_eq!(message.payload.len(), 24);
    }

    #[test]
    fn broken_datagrams_end() {
        for datagram in [&[0; 16][..], &[15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[1, 2, 3], &[255; 40]] {
            assert_eq!(messages(datagram).collect::<Vec<_>>(), [Err(Malformed)], "{datagram:?}");
        }
        let mut two = Dump::Nexthops.request(1);
        two.extend([9; 5]);
        assert_eq!(messages(&two).filter(Result::is_ok).count(), 1);
        assert_eq!(messages(&two).count(), 2);
    }

    #[test]
    fn error_numbers() {
        let control = |kind, payload: &[u8]| Message { kind, flags: 0, sequence: 0, port: 0, payload }.control();
        assert_eq!(control(NLMSG_DONE, &[0, 0, 0, 0]), Control::End(0));
        assert_eq!(control(NLMSG_ERROR, &(-95_i32).to_ne_bytes()), Control::End(95));
        assert_eq!(control(NLMSG_ERROR, &i32::MIN.to_ne_bytes()), Control::End(i32::MAX));
        assert_eq!(control(NLMSG_DONE, &[]), Control::End(0));
    }
}
