//! Flow keys as machine words, so that hashing and comparing them take no loops over bytes.

use std::net::IpAddr;

use analyzer_ebpf::abi::{FlowKey, LinkTags};

use super::hash::Seed;

/// A flow key as words. Words hold the key's fields in their order, most significant first, so words sort by source
/// address, then destination address, then MACs.
pub(super) trait Words: Copy + Ord {
    /// Addresses of the key.
    type Addr: Copy + Into<IpAddr>;
    /// Type whose alignment an entry of the table takes.
    type Align: Copy;

    /// zero
    const ZERO: Self;
    /// The words of a key.
    fn pack(key: &FlowKey<Self::Addr>) -> Self;

    /// The key that these are the words of.
    fn unpack(&self) -> FlowKey<Self::Addr>;

    /// The words of the flow alone: what [`FlowKey`] holds beyond NIC, VLANs, fragment flag and 5-tuple is zero.
    fn flow(&self) -> Self;

    /// Whether both are the same key. `==` on arrays of this length is a call of `memcmp`, which takes longer.
    fn is(&self, other: &Self) -> bool;

    /// Hash under the seed of the run.
    fn hash(&self, seed: &Seed) -> u64;
}

/// Aligned as a cache line is on the machines that matter.
#[repr(align(64))]
#[derive(Clone, Copy)]
pub(super) struct CacheLine;

/// Aligned as half a cache line is: an entry of 88 bytes then lies in two lines, never in three.
#[repr(align(32))]
#[derive(Clone, Copy)]
pub(super) struct HalfCacheLine;

/// An IPv4 key as words. With 32 bytes of counts an entry is one cache line.
pub(super) type Words4 = [u64; 4];
/// An IPv6 key as words.
pub(super) type Words6 = [u64; 7];

impl Words for Words4 {
    type Addr = [u8; 4];
    type Align = CacheLine;
    const ZERO: Self = [0; 4];

    #[inline(always)]
    fn pack(key: &FlowKey<[u8; 4]>) -> Self {
        let ([s0, s1, s2, s3], [d0, d1, d2, d3]) = (key.src, key.dst);
        let [a, b, c] = pack_rest(key);
        [u64::from_be_bytes([s0, s1, s2, s3, d0, d1, d2, d3]), a, b, c]
    }

    fn unpack(&self) -> FlowKey<[u8; 4]> {
        let [addresses, rest @ ..] = *self;
        let [s0, s1, s2, s3, d0, d1, d2, d3] = addresses.to_be_bytes();
        unpack_rest([s0, s1, s2, s3], [d0, d1, d2, d3], rest)
    }

    fn flow(&self) -> Self {
        let [addresses, rest @ ..] = *self;
        let [a, b, c] = flow_rest(rest);
        [addresses, a, b, c]
    }

    #[inline(always)]
    fn is(&self, other: &Self) -> bool {
        are_same(self, other)
    }

    #[inline(always)]
    fn hash(&self, seed: &Seed) -> u64 {
        seed.hash(self)
    }
}

#[inline(always)]
fn are_same<const N: usize>(left: &[u64; N], right: &[u64; N]) -> bool {
    left.iter().zip(right).fold(0, |differing, (left, right)| differing | (left ^ right)) == 0
}

/// Words behind the addresses, without MACs, epoch, and the tags that say nothing of the flow.
fn flow_rest([_, b, c]: [u64; 3]) -> [u64; 3] {
    const EPOCH: u64 = 0xffff << 16;
    [0, b & u64::from(LinkTags::FLOW.0), c & !EPOCH]
}

impl Words for Words6 {
    type Addr = [u8; 16];
    type Align = HalfCacheLine;
    const ZERO: Self = [0; 7];

    #[inline(always)]
    fn pack(key: &FlowKey<[u8; 16]>) -> Self {
        let ([src_high, src_low], [dst_high, dst_low]) = (split(key.src), split(key.dst));
        let [a, b, c] = pack_rest(key);
        [src_high, src_low, dst_high, dst_low, a, b, c]
    }

    fn unpack(&self) -> FlowKey<[u8; 16]> {
        let [src_high, src_low, dst_high, dst_low, rest @ ..] = *self;
        unpack_rest(join(src_high, src_low), join(dst_high, dst_low), rest)
    }

    fn flow(&self) -> Self {
        let [src_high, src_low, dst_high, dst_low, rest @ ..] = *self;
        let [a, b, c] = flow_rest(rest);
        [src_high, src_low, dst_high, dst_low, a, b, c]
    }

    #[inline(always)]
    fn is(&self, other: &Self) -> bool {
        are_same(self, other)
    }

    #[inline(always)]
    fn hash(&self, seed: &Seed) -> u64 {
        seed.hash(self)
    }
}

#[inline(always)]
fn split([h0, h1, h2, h3, h4, h5, h6, h7, l0, l1, l2, l3, l4, l5, l6, l7]: [u8; 16]) -> [u64; 2] {
    [u64::from_be_bytes([h0, h1, h2, h3, h4, h5, h6, h7]), u64::from_be_bytes([l0, l1, l2, l3, l4, l5, l6, l7])]
}

fn join(high: u64, low: u64) -> [u8; 16] {
    (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
}

/// The words of all fields behind the addresses.
#[inline(always)]
fn pack_rest<A>(key: &FlowKey<A>) -> [u64; 3] {
    let ([d0, d1, d2, d3, d4, d5], [s0, s1, s2, s3, s4, s5]) = (key.eth_dst, key.eth_src);
    let tail = u64::from(key.tp_src) << 48
        | u64::from(key.tp_dst) << 32
        | u64::from(key.epoch) << 16
        | u64::from(key.nw_proto) << 8
        | u64::from(key.nic);
    [
        u64::from_be_bytes([d0, d1, d2, d3, d4, d5, s0, s1]),
        u64::from(u32::from_be_bytes([s2, s3, s4, s5])) << 32 | u64::from(key.tags.0),
        tail,
    ]
}

fn unpack_rest<A>(src: A, dst: A, [a, b, c]: [u64; 3]) -> FlowKey<A> {
    let [d0, d1, d2, d3, d4, d5, s0, s1] = a.to_be_bytes();
    let [s2, s3, s4, s5, t0, t1, t2, t3] = b.to_be_bytes();
    let [sp0, sp1, dp0, dp1, e0, e1, nw_proto, nic] = c.to_be_bytes();
    FlowKey {
        src,
        dst,
        eth_dst: [d0, d1, d2, d3, d4, d5],
        eth_src: [s0, s1, s2, s3, s4, s5],
        tags: LinkTags(u32::from_be_bytes([t0, t1, t2, t3])),
        tp_src: u16::from_be_bytes([sp0, sp1]),
        tp_dst: u16::from_be_bytes([dp0, dp1]),
        epoch: u16::from_be_bytes([e0, e1]),
        nw_proto,
        nic,
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use proptest::prelude::*;

    use super::*;

    fn key<A: Copy>(src: A, dst: A, link: ([u8; 6], [u8; 6], u32), l4: (u16, u16, u16, u8, u8)) -> FlowKey<A> {
        let (eth_dst, eth_src, tags) = link;
        let (tp_src, tp_dst, epoch, nw_proto, nic) = l4;
        FlowKey { src, dst, eth_dst, eth_src, tags: LinkTags(tags), tp_src, tp_dst, epoch, nw_proto, nic }
    }

    fn round_trip<W: Words>(key: FlowKey<W::Addr>)
    where
        W::Addr: PartialEq + Debug,
    {
        assert_eq!(W::pack(&key).unpack(), key);
    }

    proptest! {
        #[test]
        fn words_keep_every_field(src: [u8; 16], dst: [u8; 16], link: ([u8; 6], [u8; 6], u32), l4: (u16, u16, u16, u8, u8)) {
            round_trip::<Words6>(key(src, dst, link, l4));
            let [s0, s1, s2, s3, ..] = src;
            let [d0, d1, d2, d3, ..] = dst;
            round_trip::<Words4>(key([s0, s1, s2, s3], [d0, d1, d2, d3], link, l4));
        }
    }
}
