//! IPv6 and its extension headers (RFC 8200).

use super::transport::{self, Datagram};
use super::{Bytes, Fragment, Ip, ParseError, be16, field, require_whole};
use crate::proto::ip;

const HEADER_LEN: usize = 40;
/// How many extension headers the walk steps over. RFC 8200 section 4.1 has seven in its order, and allows each once.
const MAX_EXTENSION_HEADERS: usize = 10;

/// Walks the packet whose header starts at `offset`.
#[inline(always)]
pub(super) fn walk<B: Bytes + ?Sized>(packet: &B, offset: usize) -> Result<Ip<[u8; 16]>, ParseError> {
    let Some(header) = packet.load::<HEADER_LEN>(offset) else { return Err(ParseError::Truncated { offset }) };
    if header[0] >> 4 != 6 {
        return Err(ParseError::Malformed { offset });
    }
    // A jumbogram has a length of 0 here and the true one in a hop-by-hop option (RFC 2675).
    let payload_length = usize::from(be16(&header, 4));
    let datagram = match payload_length {
        0 => Datagram::OPEN,
        _ => Datagram { end: offset + HEADER_LEN + payload_length },
    };
    let upper = skip_extension_headers(packet, header[6], offset + HEADER_LEN, datagram)?;
    let (tp_src, tp_dst) = if upper.fragment.is_later() {
        (0, 0)
    } else {
        transport::ports(packet, upper.nw_proto, upper.offset, datagram)?
    };
    Ok(Ip {
        src: field(&header, 8),
        dst: field(&header, 24),
        nw_proto: upper.nw_proto,
        tp_src,
        tp_dst,
        fragment: upper.fragment,
        offset,
        l4_offset: upper.offset,
    })
}

/// What stands behind the extension headers.
struct Upper {
    nw_proto: u8,
    offset: usize,
    fragment: Fragment,
}

/// Steps over extension headers up to an upper-layer protocol, ESP, "no next header" or the data of a later fragment.
#[inline(always)]
fn skip_extension_headers<B: Bytes + ?Sized>(
    packet: &B,
    mut next_header: u8,
    mut offset: usize,
    datagram: Datagram,
) -> Result<Upper, ParseError> {
    let mut fragment = Fragment::Whole;
    for _ in 0..MAX_EXTENSION_HEADERS {
        if !is_extension_header(next_header) {
            break;
        }
        // No extension header is shorter than 8 bytes.
        if !datagram.holds(offset + 8) {
            return Err(ParseError::Malformed { offset });
        }
        let Some(header) = packet.load::<8>(offset) else { return Err(ParseError::Truncated { offset }) };
        let header_len = match next_header {
            ip::FRAGMENT => 8,
            // In units of 4 bytes less 2, and 12 bytes at least (RFC 4302 section 2.2).
            ip::AH if header[1] == 0 => return Err(ParseError::Malformed { offset }),
            ip::AH => (usize::from(header[1]) + 2) * 4,
            // In units of 8 bytes less 1.
            _ => (usize::from(header[1]) + 1) * 8,
        };
        if !datagram.holds(offset + header_len) {
            return Err(ParseError::Malformed { offset });
        }
        require_whole(packet, offset, header_len)?;
        if next_header == ip::FRAGMENT {
            fragment = fragment.and(&header);
        }
        next_header = header[0];
        offset += header_len;
        if fragment.is_later() {
            break;
        }
    }
    Ok(Upper { nw_proto: next_header, offset, fragment })
}

fn is_extension_header(number: u8) -> bool {
    matches!(
        number,
        ip::HOP_BY_HOP
            | ip::ROUTING
            | ip::FRAGMENT
            | ip::AH
            | ip::DESTINATION_OPTIONS
            | ip::MOBILITY
            | ip::HIP
            | ip::SHIM6
    )
}

impl Fragment {
    /// Whether the packet is a fragment without the datagram's L4 header.
    #[inline(always)]
    pub(super) fn is_later(self) -> bool {
        matches!(self, Self::Later(_))
    }

    /// The place after one more IPv6 fragment header. One that fragments nothing (offset 0, no more fragments) leaves
    /// it as it is: an atomic fragment is a whole datagram (RFC 6946).
    fn and(self, header: &[u8; 8]) -> Self {
        let offset_and_more = be16(header, 2);
        let identification = u32::from_be_bytes(field(header, 4));
        if offset_and_more & 0xfff8 != 0 {
            Self::Later(identification)
        } else if offset_and_more & 1 != 0 && self == Self::Whole {
            Self::First(identification)
        } else {
            self
        }
    }
}
