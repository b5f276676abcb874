use std::collections::BTreeMap;
use std::net::IpAddr;

use proptest::prelude::*;

use super::super::entry::RawEntry;
use super::super::message::Attributes;
use super::*;
use crate::types::MacAddr;
use crate::types::tuple::proto;

/// Type, flags, family and attributes of a message, read by nothing that wrote it but the reader of attributes.
fn walked(bytes: &[u8], sequence: u32) -> (u16, u16, u8, BTreeMap<u16, Vec<u8>>) {
    let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!(word(0) as usize, bytes.len(), "the length is that of one message");
    assert_eq!(word(8), sequence);
    assert_eq!(bytes[17..20], [0, 0, 0], "version NFNETLINK_V0, no resource");
    let half = |at: usize| u16::from_ne_bytes([bytes[at], bytes[at + 1]]);
    let attributes: Vec<_> = Attributes::new(&bytes[20..]).map(|attribute| attribute.expect("it is whole")).collect();
    let walked: BTreeMap<u16, Vec<u8>> = attributes.iter().map(|&(kind, value)| (kind, value.to_vec())).collect();
    assert_eq!(walked.len(), attributes.len(), "each comes once");
    (half(4), half(6), bytes[16], walked)
}

fn check_deletion(orig: Tuple, zone: u16, id: u32) {
    let bytes = Deletion::new(orig, zone, id).into_bytes(7);
    let (kind, flags, family, attributes) = walked(&bytes, 7);
    assert_eq!((kind, flags), (0x102, 0x5), "IPCTNL_MSG_CT_DELETE, NLM_F_REQUEST | NLM_F_ACK");
    assert_eq!(family, if orig.src.is_ipv4() { 2 } else { 10 });
    assert_eq!(attributes.keys().copied().collect::<Vec<_>>(), [1, 12, 18], "CTA_TUPLE_ORIG, CTA_ID, CTA_ZONE");
    assert_eq!(attributes[&18], zone.to_be_bytes(), "zone 0 too");
    assert_eq!(attributes[&12], id.to_be_bytes());
    let nested: Vec<u16> = Attributes::new(&attributes[&1]).map(|inner| inner.unwrap().0).collect();
    assert_eq!(nested, [1, 2], "CTA_TUPLE_IP, CTA_TUPLE_PROTO");
    assert_eq!(RawEntry::parse(&bytes[16..]).unwrap().orig(), Ok(orig));
}

fn check_update(orig: Tuple, zone: u16, label: u128, mark: u32, rewrite: Rewrite) {
    let bytes = Update::new(orig, zone, rewrite).into_bytes(9);
    let (kind, flags, family, attributes) = walked(&bytes, 9);
    assert_eq!((kind, flags), (0x100, 0x5), "IPCTNL_MSG_CT_NEW without NLM_F_CREATE");
    assert_eq!(family, if orig.src.is_ipv4() { 2 } else { 10 });
    assert_eq!(RawEntry::parse(&bytes[16..]).unwrap().orig(), Ok(orig));
    assert_eq!(attributes[&18], zone.to_be_bytes(), "zone 0 too");
    let beside: Vec<u16> = attributes.keys().copied().filter(|kind| ![1, 18].contains(kind)).collect();
    assert!([&[8, 21][..], &[22, 23], &[8, 21, 22, 23]].contains(&&beside[..]), "{beside:?}");
    // As the kernel does: what the mask leaves, XOR the value.
    let number = |kind: u16| attributes.get(&kind).map_or(0, |v| u32::from_be_bytes(v[..].try_into().unwrap()));
    let wide = |kind: u16| attributes.get(&kind).map_or(0, |v| u128::from_ne_bytes(v[..].try_into().unwrap()));
    let by_kernel = ((label & !wide(23)) ^ wide(22), (mark & !number(21)) ^ number(8));
    assert_eq!(by_kernel, rewrite.of(label, mark));
}

/// Every family with every protocol, those that have no names too.
#[test]
fn each_family_and_protocol() {
    let ends: [(IpAddr, IpAddr); 2] = [
        ("172.27.0.13".parse().unwrap(), "192.168.16.230".parse().unwrap()),
        ("fd00::13".parse().unwrap(), "fd00::230".parse().unwrap()),
    ];
    for (src, dst) in ends {
        for nw_proto in 0..=255 {
            let has_keys = !matches!(nw_proto, proto::ICMP | proto::ICMPV6);
            let (tp_src, tp_dst) = if has_keys { (5005, 59943) } else { (77, 8 << 8 | 1) };
            let orig = Tuple { src, dst, nw_proto, tp_src, tp_dst };
            for zone in [0, 1, 35, u16::MAX] {
                for id in [0, 1, u32::MAX] {
                    check_deletion(orig, zone, id);
                }
                let (label, mark) = (0x2ce73296639a400000000, 0x20002);
                check_update(orig, zone, label, mark, Rewrite::unpin(label, mark).unwrap());
                check_update(orig, zone, label, mark, Rewrite::relabel(MacAddr([2, 0, 0, 0, 0, 1])));
            }
        }
    }
}

fn any_tuple() -> impl Strategy<Value = Tuple> {
    let ends = prop_oneof![
        any::<[[u8; 4]; 2]>().prop_map(|[src, dst]| (IpAddr::from(src), IpAddr::from(dst))),
        any::<[[u8; 16]; 2]>().prop_map(|[src, dst]| (IpAddr::from(src), IpAddr::from(dst))),
    ];
    (ends, any::<u8>(), any::<u16>(), any::<u16>()).prop_map(|((src, dst), nw_proto, tp_src, tp_dst)| Tuple {
        src,
        dst,
        nw_proto,
        tp_src,
        tp_dst,
    })
}

proptest! {
    #[test]
    fn a_deletion_names_one_entry(orig in any_tuple(), zone in any::<u16>(), id in any::<u32>()) {
        check_deletion(orig, zone, id);
    }

    #[test]
    fn an_update_changes_its_bits_alone(
        orig in any_tuple(), zone in any::<u16>(), label in any::<u128>(), mark in any::<u32>(), mac in any::<[u8; 6]>(),
    ) {
        check_update(orig, zone, label, mark, Rewrite::relabel(MacAddr(mac)));
        if let Some(rewrite) = Rewrite::unpin(label, mark) {
            check_update(orig, zone, label, mark, rewrite);
        }
    }
}

#[test]
fn answers() {
    let message = |kind: u16, payload: &'static [u8]| Message { kind, flags: 0, sequence: 1, payload };
    let of = |kind, payload| acknowledged(DELETE, &message(kind, payload));
    let errno = |number: i32| -> &'static [u8] { Box::leak(Box::new((-number).to_ne_bytes())) };
    assert_eq!(of(2, errno(0)).unwrap(), Answer::Done);
    assert_eq!(of(2, errno(2)).unwrap(), Answer::NoSuchEntry);
    assert!(matches!(of(2, errno(1)), Err(Error::Denied { .. })));
    assert!(matches!(of(2, errno(28)), Err(Error::Refused { .. })));
    assert!(matches!(of(2, &[]), Err(Error::Senseless { .. })));
    assert!(matches!(of(0x100, &[]), Err(Error::Senseless { .. })));
}
