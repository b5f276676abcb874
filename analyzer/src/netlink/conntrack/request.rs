//! Requests to ctnetlink: for one entry and for all of them, and no other.

use std::net::IpAddr;

use super::dump::Filter;
use super::wire;
use crate::types::{Tuple, tuple::proto};

/// A request that reads. Its type is `IPCTNL_MSG_CT_GET` whatever is put in.
#[derive(Debug)]
pub(super) struct Request {
    bytes: Vec<u8>,
}

impl Request {
    /// A request for the entry that has the tuple in the zone.
    pub(super) fn get(tuple: Tuple, zone: u16, sequence: u32) -> Self {
        let family = if tuple.src.is_ipv4() { wire::AF_INET } else { wire::AF_INET6 };
        let mut request = Self::new(0, family, sequence);
        request.tuple(tuple);
        // Zone 0 as well: it is no wildcard then in any kernel.
        request.attribute(wire::CTA_ZONE, &zone.to_be_bytes());
        request
    }

    /// A request for all entries of both families, with what of the filter a kernel may know.
    pub(super) fn dump(filter: &Filter, sequence: u32) -> Self {
        let mut request = Self::new(wire::NLM_F_DUMP, wire::AF_UNSPEC, sequence);
        if let Some(zone) = filter.zone {
            request.attribute(wire::CTA_ZONE, &zone.to_be_bytes());
        }
        if let Some(mark) = filter.mark {
            request.attribute(wire::CTA_MARK, &mark.value.to_be_bytes());
            request.attribute(wire::CTA_MARK_MASK, &mark.mask.to_be_bytes());
        }
        request
    }

    /// The message, its length filled in.
    pub(super) fn into_bytes(mut self) -> Vec<u8> {
        let len = u32::try_from(self.bytes.len()).expect("a request has some hundred bytes");
        self.bytes[..4].copy_from_slice(&len.to_ne_bytes());
        self.bytes
    }

    fn new(flags: u16, family: u8, sequence: u32) -> Self {
        let mut bytes = vec![0; 4];
        bytes.extend(wire::CT_GET.to_ne_bytes());
        bytes.extend((wire::NLM_F_REQUEST | flags).to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        // Port of the sender: the kernel knows it.
        bytes.extend([0; 4]);
        // nfgen_family, version NFNETLINK_V0, res_id.
        bytes.extend([family, 0, 0, 0]);
        Self { bytes }
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.with(kind, |request| request.bytes.extend(value));
    }

    /// Appends an attribute that holds what `fill` appends.
    fn with(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend([0; 2]);
        self.bytes.extend(kind.to_ne_bytes());
        fill(self);
        let len = u16::try_from(self.bytes.len() - start).expect("an attribute of a request has some dozen bytes");
        self.bytes[start..start + 2].copy_from_slice(&len.to_ne_bytes());
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn tuple(&mut self, tuple: Tuple) {
        self.with(wire::CTA_TUPLE_ORIG | wire::NLA_F_NESTED, |request| {
            request.with(wire::CTA_TUPLE_IP | wire::NLA_F_NESTED, |request| {
                request.address(tuple.src, wire::CTA_IP_V4_SRC, wire::CTA_IP_V6_SRC);
                request.address(tuple.dst, wire::CTA_IP_V4_DST, wire::CTA_IP_V6_DST);
            });
            request.with(wire::CTA_TUPLE_PROTO | wire::NLA_F_NESTED, |request| request.proto(tuple));
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
}

#[cfg(test)]
mod tests {
    use super::super::dump::MaskedMark;
    use super::super::entry::RawEntry;
    use super::super::message::Messages;
    use super::*;

    #[test]
    fn tuple_comes_back_as_it_was_put_in() {
        for text in [
            "udp 192.168.16.230:59943 -> 172.27.0.13:5005",
            "sctp [fd00::1]:80 -> [fd00::2]:40000",
            "icmp 10.0.0.1 -> 10.0.0.2 type 8 code 1 id 77",
            "icmpv6 fd00::1 -> fd00::2 type 128 code 0 id 77",
            "gre 10.0.0.1 -> 10.0.0.2",
        ] {
            let tuple: Tuple = text.parse().unwrap();
            let bytes = Request::get(tuple, 35, 7).into_bytes();
            let messages: Vec<_> = Messages::new(&bytes).collect();
            let [Ok(message)] = messages.as_slice() else { panic!("{messages:?}") };
            assert_eq!((message.kind, message.flags, message.sequence), (0x101, 1, 7));
            let raw = RawEntry::parse(message.payload).unwrap();
            assert_eq!((raw.orig(), raw.zone), (Ok(tuple), 35));
        }
    }

    #[test]
    fn dump_asks_for_both_families() {
        let filter =
            Filter { zone: Some(0), mark: Some(MaskedMark { value: 0x20000, mask: 0xffff_0000 }), labelled: true };
        let bytes = Request::dump(&filter, 9).into_bytes();
        let kind = [0x01, 0x01];
        let flags = [0x01, 0x03];
        let zone = [6, 0, 18, 0, 0, 0, 0, 0];
        let mark = [8, 0, 8, 0, 0, 2, 0, 0];
        let mask = [8, 0, 21, 0, 0xff, 0xff, 0, 0];
        let expected =
            [&[44, 0, 0, 0][..], &kind, &flags, &[9, 0, 0, 0], &[0; 4], &[0; 4], &zone, &mark, &mask].concat();
        assert_eq!(cfg!(target_endian = "little").then_some(bytes), Some(expected));
    }
}
