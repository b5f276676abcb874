//! Messages to ctnetlink, byte by byte. What may be asked is in [`super::request`], what may be changed in
//! [`super::change`].

use std::net::IpAddr;

use super::wire;
use crate::types::{Tuple, tuple::proto};

/// A message that is being put together.
#[derive(Debug)]
pub(super) struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    /// A message of this type, without attributes.
    pub(super) fn new(kind: u16, flags: u16, family: u8, sequence: u32) -> Self {
        let mut bytes = vec![0; 4];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        // Port of the sender: the kernel knows it.
        bytes.extend([0; 4]);
        // nfgen_family, version NFNETLINK_V0, res_id.
        bytes.extend([family, 0, 0, 0]);
        Self { bytes }
    }

    /// Appends an attribute.
    pub(super) fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.with(kind, |message| message.bytes.extend(value));
    }

    /// Appends an attribute that holds what `fill` appends.
    fn with(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend([0; 2]);
        self.bytes.extend(kind.to_ne_bytes());
        fill(self);
        let len = u16::try_from(self.bytes.len() - start).expect("an attribute of ours has some dozen bytes");
        self.bytes[start..start + 2].copy_from_slice(&len.to_ne_bytes());
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// Appends `CTA_TUPLE_ORIG`.
    pub(super) fn tuple(&mut self, tuple: Tuple) {
        self.with(wire::CTA_TUPLE_ORIG | wire::NLA_F_NESTED, |message| {
            message.with(wire::CTA_TUPLE_IP | wire::NLA_F_NESTED, |message| {
                message.address(tuple.src, wire::CTA_IP_V4_SRC, wire::CTA_IP_V6_SRC);
                message.address(tuple.dst, wire::CTA_IP_V4_DST, wire::CTA_IP_V6_DST);
            });
            message.with(wire::CTA_TUPLE_PROTO | wire::NLA_F_NESTED, |message| message.proto(tuple));
        });
    }

    fn address(&mut self, address: IpAddr, v4_kind: u16, v6_kind: u16) {
        match address {
            IpAddr::V4(v4) => self.attribute(v4_kind, &v4.octets()),
            IpAddr::V6(v6) => self.attribute(v6_kind, &v6.octets()),
        }
    }

    fn proto(&mut self, tuple: Tuple) {
        self.attribute(wire::CTA_PROTO_NUM, &[tuple.nw_proto]);
        let Some((icmp_type, code)) = tuple.icmp_type_code() else {
            // Protocols without ports have 0 there, which the kernel passes over, and GRE must have both.
            self.attribute(wire::CTA_PROTO_SRC_PORT, &tuple.tp_src.to_be_bytes());
            self.attribute(wire::CTA_PROTO_DST_PORT, &tuple.tp_dst.to_be_bytes());
            return;
        };
        let kinds = match tuple.nw_proto {
            proto::ICMP => [wire::CTA_PROTO_ICMP_ID, wire::CTA_PROTO_ICMP_TYPE, wire::CTA_PROTO_ICMP_CODE],
            _ => [wire::CTA_PROTO_ICMPV6_ID, wire::CTA_PROTO_ICMPV6_TYPE, wire::CTA_PROTO_ICMPV6_CODE],
        };
        self.attribute(kinds[0], &tuple.tp_src.to_be_bytes());
        self.attribute(kinds[1], &[icmp_type]);
        self.attribute(kinds[2], &[code]);
    }

    /// The message, its length filled in.
    pub(super) fn into_bytes(mut self) -> Vec<u8> {
        let len = u32::try_from(self.bytes.len()).expect("a message of ours has some hundred bytes");
        self.bytes[..4].copy_from_slice(&len.to_ne_bytes());
        self.bytes
    }
}

/// The family of a tuple's addresses.
pub(super) fn family(tuple: &Tuple) -> u8 {
    if tuple.src.is_ipv4() { wire::AF_INET } else { wire::AF_INET6 }
}
