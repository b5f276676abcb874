//! Frames as the Linux kernel sent them, and the means to build others from them.
//!
//! Made on a veth pair between two network namespaces, one end with 02:00:00:00:00:0a, 192.0.2.1 and fd00::a, the other
//! with ..:0b, 192.0.2.2 and fd00::b: `tcpdump -ni v0 -xx`, while UDP datagrams of 5 and 1600 bytes went from port 4000
//! to the closed port 5000, with and without `IP_OPTIONS` and `IPV6_DSTOPTS`. Longer frames are cut.

use std::vec::Vec;

pub(crate) const MAC_A: [u8; 6] = [2, 0, 0, 0, 0, 0xa];
pub(crate) const MAC_B: [u8; 6] = [2, 0, 0, 0, 0, 0xb];

pub(crate) const IPV4_UDP: &str = "02000000000b 02000000000a 0800 \
    45000021228f400040119439 c0000201 c0000202 0fa01388000d8422 68656c6c6f";
pub(crate) const IPV4_OPTIONS: &str = "02000000000b 02000000000a 0800 \
    460000252386400040 11fe39 c0000201 c0000202 94040000 0fa01388000d8422 68656c6c6f";
pub(crate) const IPV4_FIRST_FRAGMENT: &str = "02000000000b 02000000000a 0800 \
    450005dc238520004011ad88 c0000201 c0000202 0fa013880648d3b9 7878787878787878";
pub(crate) const IPV4_LATER_FRAGMENT: &str = "02000000000b 02000000000a 0800 \
    45000094238500b94011d217 c0000201 c0000202 7878787878787878";
pub(crate) const ICMP_UNREACHABLE: &str = "02000000000a 02000000000b 0800 \
    45c0003dc7e4000040012e18 c0000202 c0000201 030311d300000000 \
    45000021228f400040119439c0000201c0000202 0fa01388000d842268656c6c6f";
pub(crate) const IPV6_UDP: &str = "02000000000b 02000000000a 86dd \
    6002252c000d1140 fd00000000000000000000000000000a fd00000000000000000000000000000b 0fa01388000dfa34 68656c6c6f";
pub(crate) const IPV6_DESTINATION_OPTIONS: &str = "02000000000b 02000000000a 86dd \
    6002252c00153c40 fd00000000000000000000000000000a fd00000000000000000000000000000b \
    1100010400000000 0fa01388000d9ec3 68656c6c6f";
pub(crate) const IPV6_FIRST_FRAGMENT: &str = "02000000000b 02000000000a 86dd \
    6002252c05b02c40 fd00000000000000000000000000000a fd00000000000000000000000000000b \
    110000012270a414 0fa0138806485da7 7878787878787878";
pub(crate) const IPV6_LATER_FRAGMENT: &str = "02000000000b 02000000000a 86dd \
    6002252c00a82c40 fd00000000000000000000000000000a fd00000000000000000000000000000b \
    110005a82270a414 7878787878787878";
pub(crate) const MLD_REPORT: &str = "333300000016 02000000000b 86dd \
    6000000000240001 fe80000000000000000000fffe00000b ff020000000000000000000000000016 \
    3a00050200000100 8f0071f300000001 04000000ff0200000000000000000001ff00000b";
pub(crate) const ROUTER_SOLICITATION: &str = "333300000002 02000000000b 86dd \
    6000000000103aff fe80000000000000000000fffe00000b ff020000000000000000000000000002 \
    85007b1800000000 010102000000000b";
pub(crate) const NEIGHBOUR_SOLICITATION: &str = "3333ff00000b 02000000000a 86dd \
    6000000000203aff fd00000000000000000000000000000a ff0200000000000000000001ff00000b \
    87007d7300000000 fd00000000000000000000000000000b 010102000000000a";
pub(crate) const NEIGHBOUR_ADVERTISEMENT: &str = "02000000000a 02000000000b 86dd \
    6000000000203aff fd00000000000000000000000000000b fd00000000000000000000000000000a \
    88001c7660000000 fd00000000000000000000000000000b 020102000000000b";
pub(crate) const ARP_REQUEST: &str = "ffffffffffff 02000000000a 0806 \
    0001080006040001 02000000000a c0000201 000000000000 c0000202";
pub(crate) const ARP_REPLY: &str = "02000000000a 02000000000b 0806 \
    0001080006040002 02000000000b c0000202 02000000000a c0000201";

/// Bytes to put into a frame, each with its offset.
pub(crate) type Patches<'a> = &'a [(usize, &'a [u8])];

/// The bytes of a fixture.
pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<char> = hex.chars().filter(|c| !c.is_whitespace()).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(&pair.iter().collect::<std::string::String>(), 16).unwrap())
        .collect()
}

/// A frame with tags, outermost first, each a TPID and the tag control information.
pub(crate) fn tagged(frame: &[u8], tags: &[(u16, u16)]) -> Vec<u8> {
    let tag_bytes = tags.iter().flat_map(|(tpid, tci)| [tpid.to_be_bytes(), tci.to_be_bytes()]).flatten();
    frame[..12].iter().copied().chain(tag_bytes).chain(frame[12..].iter().copied()).collect()
}

/// A frame with some bytes replaced.
pub(crate) fn patched(frame: &str, patches: Patches<'_>) -> Vec<u8> {
    let mut frame = bytes(frame);
    for (at, patch) in patches {
        frame[*at..at + patch.len()].copy_from_slice(patch);
    }
    frame
}

/// An IPv6 frame with a payload of one's own: next header, then its bytes.
pub(crate) fn ipv6(next_header: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = bytes(IPV6_UDP);
    frame.truncate(54);
    frame[18..20].copy_from_slice(&(payload.len() as u16).to_be_bytes());
    frame[20] = next_header;
    frame.extend_from_slice(payload);
    frame
}
