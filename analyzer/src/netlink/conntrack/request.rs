//! Requests to ctnetlink that read: for one entry and for all of them.

use super::dump::Filter;
use super::encode::{self, Encoder};
use super::wire;
use crate::types::Tuple;

/// A request that reads. Its type is `IPCTNL_MSG_CT_GET` whatever is put in.
#[derive(Debug)]
pub(super) struct Request(Encoder);

impl Request {
    /// A request for the entry that has the tuple in the zone.
    pub(super) fn get(tuple: Tuple, zone: u16, sequence: u32) -> Self {
        let mut request = Encoder::new(wire::CT_GET, wire::NLM_F_REQUEST, encode::family(&tuple), sequence);
        request.tuple(tuple);
        // Zone 0 as well: it is no wildcard then in any kernel.
        request.attribute(wire::CTA_ZONE, &zone.to_be_bytes());
        Self(request)
    }

    /// A request for all entries of both families, with what of the filter a kernel may know.
    pub(super) fn dump(filter: &Filter, sequence: u32) -> Self {
        let flags = wire::NLM_F_REQUEST | wire::NLM_F_DUMP;
        let mut request = Encoder::new(wire::CT_GET, flags, wire::AF_UNSPEC, sequence);
        if let Some(zone) = filter.zone {
            request.attribute(wire::CTA_ZONE, &zone.to_be_bytes());
        }
        if let Some(mark) = filter.mark {
            request.attribute(wire::CTA_MARK, &mark.value.to_be_bytes());
            request.attribute(wire::CTA_MARK_MASK, &mark.mask.to_be_bytes());
        }
        Self(request)
    }

    /// The message.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
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
