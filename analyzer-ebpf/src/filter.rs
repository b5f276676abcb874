//! What `analyzer-trace.bpf.o`, which tells of single packets, shares with user space: which packets it tells of, and the
//! names of its maps.
//!
//! The object is a witness: it goes by the maps of the daemon's program, with the same code, and changes none of them.

use crate::maps::mac_to_u64;

/// Names of the object's own maps. The others are those of [`crate::maps::name`], and are to be the daemon's.
pub mod name {
    /// Array of one [`super::Filter`].
    pub const FILTER: &str = "FILTER";
    /// Per-CPU array of one `u64`: packets that the filter takes, told or not.
    pub const MATCHED: &str = "MATCHED";
}

/// Maps of [`crate::maps::name`] that the programs read.
pub const SHARED: [&str; 9] = {
    use crate::maps::name::{
        CONFIG, DESTINATIONS4, DESTINATIONS6, HOST_SOURCES4, HOST_SOURCES6, NICS, OUTCOMES, SOURCES4, SOURCES6,
    };
    [CONFIG, HOST_SOURCES4, HOST_SOURCES6, SOURCES4, SOURCES6, DESTINATIONS4, DESTINATIONS6, OUTCOMES, NICS]
};

/// Names of the programs in the object, each for the hook of one of [`crate::maps::program`].
pub mod program {
    /// TC, egress hook of a NIC.
    pub const EGRESS: &str = "trace_egress";
    /// TC, ingress hook of a NIC: what comes in is told, and judged by nobody.
    pub const INGRESS: &str = "trace_ingress";
    /// TC, ingress hook of a mirror port.
    pub const MIRROR: &str = "trace_mirror";
}

/// Bits of [`Filter::flags`]: what the filter asks for.
pub mod flag {
    /// The protocol is that of [`super::Filter::nw_proto`].
    pub const PROTO: u32 = 1;
    /// One of the MACs is that of [`super::Filter::mac`].
    pub const MAC: u32 = 1 << 1;
    /// Anything that only an IP packet has: no other packet is taken.
    pub const IP: u32 = 1 << 2;
    /// An IPv6 address: no IPv4 packet is taken, which an empty mask would not tell.
    pub const IPV6: u32 = 1 << 3;
}

/// An address as two words of its octets in memory; IPv4 addresses are mapped.
pub type Words = [u64; 2];

/// One end of a flow.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct End {
    /// The address, under the mask.
    pub addr: Words,
    /// Bits of the address that count: none for any address.
    pub mask: Words,
    /// The port; 0 for any.
    pub port: u32,
    /// Zero.
    pub zero: u32,
}

/// Which packets are told of: those for which all of it is true.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    /// What the flow comes from, in one of its directions.
    pub src: End,
    /// Where it goes to, in the same direction.
    pub dst: End,
    /// The address of either end.
    pub host: End,
    /// The port of either end; 0 for any.
    pub port: u32,
    /// Bits of [`flag`].
    pub flags: u32,
    /// One of the two MACs ([`mac_to_u64`]).
    pub mac: u64,
    /// IP protocol.
    pub nw_proto: u32,
    /// Packets told in a second at most.
    pub per_second: u32,
}

/// What an IP packet is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    /// Whether it is IPv6.
    pub is_ipv6: bool,
    /// Source address.
    pub src: Words,
    /// Destination address.
    pub dst: Words,
    /// Source port; 0 where the packet has no ports.
    pub tp_src: u32,
    /// Destination port, likewise.
    pub tp_dst: u32,
}

/// An address as the filter compares it.
#[inline(always)]
pub const fn words(mapped: [u8; 16]) -> Words {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = mapped;
    [u64::from_ne_bytes([a, b, c, d, e, f, g, h]), u64::from_ne_bytes([i, j, k, l, m, n, o, p])]
}

impl End {
    #[inline(always)]
    fn is_at(&self, addr: Words, port: u32) -> bool {
        let differs = (addr[0] ^ self.addr[0]) & self.mask[0] | (addr[1] ^ self.addr[1]) & self.mask[1];
        differs == 0 && (self.port == 0 || self.port == port)
    }
}

impl Filter {
    /// Whether it takes a frame, as far as the MACs tell, of which it is not known whether it is an IP packet's.
    #[inline(always)]
    pub fn takes_link(&self, eth_dst: [u8; 6], eth_src: [u8; 6]) -> bool {
        self.flags & flag::MAC == 0 || self.mac == mac_to_u64(eth_dst) || self.mac == mac_to_u64(eth_src)
    }

    /// Whether it takes frames that are no IP packet's, or cannot be read, if the MACs suit it.
    #[inline(always)]
    pub fn takes_others(&self) -> bool {
        self.flags & flag::IP == 0
    }

    /// Whether it takes an IP packet, if the MACs suit it. Both directions of a flow are one to it.
    #[inline(always)]
    pub fn takes_ip(&self, nw_proto: u8, ends: &Ends) -> bool {
        let Ends { is_ipv6, src, dst, tp_src, tp_dst } = *ends;
        let is_version = self.flags & flag::IPV6 == 0 || is_ipv6;
        let is_proto = self.flags & flag::PROTO == 0 || self.nw_proto == u32::from(nw_proto);
        let is_port = self.port == 0 || self.port == tp_src || self.port == tp_dst;
        let is_host = self.host.is_at(src, 0) || self.host.is_at(dst, 0);
        let goes = self.src.is_at(src, tp_src) && self.dst.is_at(dst, tp_dst);
        let comes = self.src.is_at(dst, tp_dst) && self.dst.is_at(src, tp_src);
        is_version && is_proto && is_port && is_host && (goes || comes)
    }
}

const _: () = assert!(size_of::<End>() == 40);
const _: () = assert!(size_of::<Filter>() == 144);
