//! The two port fields of a flow key.

use super::{Bytes, ParseError, be16};
use crate::proto::ip;

/// Where an IP datagram ends, by its own header. What follows in the frame is padding.
#[derive(Clone, Copy)]
pub(super) struct Datagram {
    /// Offset of the first byte behind it.
    pub(super) end: usize,
}

impl Datagram {
    /// Its header does not tell: it ends where the frame ends.
    pub(super) const OPEN: Self = Self { end: usize::MAX };

    /// Whether the byte before `offset` is still in the datagram.
    #[inline(always)]
    pub(super) fn holds(self, offset: usize) -> bool {
        offset <= self.end
    }
}

/// Source and destination port of the L4 header at `offset`, or what stands for them.
///
/// ICMP has the identifier of a query as source and `type << 8 | code` as destination. Both are 0 where the protocol
/// has no ports and where the datagram ends before them.
#[inline(always)]
pub(super) fn ports<B: Bytes + ?Sized>(
    packet: &B,
    nw_proto: u8,
    offset: usize,
    datagram: Datagram,
) -> Result<(u16, u16), ParseError> {
    match nw_proto {
        ip::TCP | ip::UDP | ip::SCTP | ip::DCCP | ip::UDPLITE if datagram.holds(offset + 4) => {
            let Some(header) = packet.load::<4>(offset) else { return Err(ParseError::Truncated { offset }) };
            Ok((be16(&header, 0), be16(&header, 2)))
        }
        ip::ICMP | ip::ICMPV6 if datagram.holds(offset + 8) => {
            let Some(header) = packet.load::<8>(offset) else { return Err(ParseError::Truncated { offset }) };
            let id = if is_icmp_query(nw_proto, header[0]) { be16(&header, 4) } else { 0 };
            Ok((id, be16(&header, 0)))
        }
        _ => Ok((0, 0)),
    }
}

/// Whether an ICMP message is a query or its answer, which alone have an identifier.
///
/// These are the types that conntrack has entries for (`invmap` in net/netfilter/nf_conntrack_proto_icmp.c and
/// _icmpv6.c). The same bytes of an error message hold an MTU or a pointer, which would split one flow into many.
fn is_icmp_query(nw_proto: u8, icmp_type: u8) -> bool {
    match nw_proto {
        ip::ICMP => matches!(icmp_type, 0 | 8 | 13..=18),
        _ => matches!(icmp_type, 128 | 129 | 139 | 140),
    }
}
