//! IPv4 (RFC 791).

use super::transport::{self, Datagram};
use super::{Bytes, Fragment, Ip, ParseError, be16, field, require_whole};

const MIN_HEADER_LEN: usize = 20;
const MORE_FRAGMENTS: u16 = 0x2000;
const FRAGMENT_OFFSET: u16 = 0x1fff;

/// Walks the packet whose header starts at `offset`.
#[inline(always)]
pub(super) fn walk<B: Bytes + ?Sized>(packet: &B, offset: usize) -> Result<Ip<[u8; 4]>, ParseError> {
    let Some(header) = packet.load::<MIN_HEADER_LEN>(offset) else { return Err(ParseError::Truncated { offset }) };
    let header_len = usize::from(header[0] & 0xf) * 4;
    let total_length = usize::from(be16(&header, 2));
    // BIG TCP and captures before segmentation offload hold packets longer than the field can tell, with a length of 0
    // (skb_ip_totlen in include/linux/ip.h).
    let datagram = match total_length {
        0 => Datagram::OPEN,
        _ => Datagram { end: offset + total_length },
    };
    let l4_offset = offset + header_len;
    if header[0] >> 4 != 4 || header_len < MIN_HEADER_LEN || !datagram.holds(l4_offset) {
        return Err(ParseError::Malformed { offset });
    }
    require_whole(packet, offset, header_len)?;

    let nw_proto = header[9];
    let fragment = fragment(&header);
    let (tp_src, tp_dst) =
        if fragment.is_later() { (0, 0) } else { transport::ports(packet, nw_proto, l4_offset, datagram)? };
    Ok(Ip { src: field(&header, 12), dst: field(&header, 16), nw_proto, tp_src, tp_dst, fragment, offset, l4_offset })
}

fn fragment(header: &[u8; MIN_HEADER_LEN]) -> Fragment {
    let identification = u32::from(be16(header, 4));
    let flags_and_offset = be16(header, 6);
    if flags_and_offset & FRAGMENT_OFFSET != 0 {
        Fragment::Later(identification)
    } else if flags_and_offset & MORE_FRAGMENTS != 0 {
        Fragment::First(identification)
    } else {
        Fragment::Whole
    }
}
