use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::fixtures::*;

const A4: [u8; 4] = [192, 0, 2, 1];
const B4: [u8; 4] = [192, 0, 2, 2];
const A6: [u8; 16] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xa];
const B6: [u8; 16] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xb];
const LATER: LinkTags = LinkTags::NONE.with_later_fragment();

fn ipv4(frame: &[u8]) -> Ip<[u8; 4]> {
    match parse(frame).map(|frame| frame.payload) {
        Ok(Payload::Ipv4(ip)) => ip,
        other => panic!("no IPv4: {other:?}"),
    }
}

fn ipv6_of(frame: &[u8]) -> Ip<[u8; 16]> {
    match parse(frame).map(|frame| frame.payload) {
        Ok(Payload::Ipv6(ip)) => ip,
        other => panic!("no IPv6: {other:?}"),
    }
}

/// Protocol, ports and offset of the L4 header.
type Upper = (u8, u16, u16, usize);

fn upper<A>(ip: &Ip<A>) -> Upper {
    (ip.nw_proto, ip.tp_src, ip.tp_dst, ip.l4_offset)
}

#[test]
fn ipv4_as_linux_sends_it() {
    let a_to_b = |tp_src, tp_dst, fragment, l4_offset| {
        Payload::Ipv4(Ip { src: A4, dst: B4, nw_proto: 17, tp_src, tp_dst, fragment, offset: 14, l4_offset })
    };
    let cases = [
        (IPV4_UDP, LinkTags::NONE, a_to_b(4000, 5000, Fragment::Whole, 34)),
        (IPV4_OPTIONS, LinkTags::NONE, a_to_b(4000, 5000, Fragment::Whole, 38)),
        (IPV4_FIRST_FRAGMENT, LinkTags::NONE, a_to_b(4000, 5000, Fragment::First(0x2385), 34)),
        (IPV4_LATER_FRAGMENT, LATER, a_to_b(0, 0, Fragment::Later(0x2385), 34)),
    ];
    for (hex, tags, payload) in cases {
        let expected = Frame { eth_dst: MAC_B, eth_src: MAC_A, tags, payload };
        assert_eq!(parse(&bytes(hex)[..]), Ok(expected), "{hex}");
    }
    assert_eq!(upper(&ipv4(&bytes(ICMP_UNREACHABLE))), (1, 0, 0x0303, 34));
}

#[test]
fn ipv6_as_linux_sends_it() {
    let a_to_b = |tp_src, tp_dst, fragment, l4_offset| {
        Payload::Ipv6(Ip { src: A6, dst: B6, nw_proto: 17, tp_src, tp_dst, fragment, offset: 14, l4_offset })
    };
    let cases = [
        (IPV6_UDP, LinkTags::NONE, a_to_b(4000, 5000, Fragment::Whole, 54)),
        (IPV6_DESTINATION_OPTIONS, LinkTags::NONE, a_to_b(4000, 5000, Fragment::Whole, 62)),
        (IPV6_FIRST_FRAGMENT, LinkTags::NONE, a_to_b(4000, 5000, Fragment::First(0x2270_a414), 62)),
        (IPV6_LATER_FRAGMENT, LATER, a_to_b(0, 0, Fragment::Later(0x2270_a414), 62)),
    ];
    for (hex, tags, payload) in cases {
        let expected = Frame { eth_dst: MAC_B, eth_src: MAC_A, tags, payload };
        assert_eq!(parse(&bytes(hex)[..]), Ok(expected), "{hex}");
    }
    assert_eq!(upper(&ipv6_of(&bytes(MLD_REPORT))), (58, 0, 0x8f00, 62));
}

#[test]
fn frames_that_are_not_ip() {
    let payload = |frame: &[u8]| parse(frame).unwrap().payload;
    assert_eq!(payload(&bytes(ARP_REQUEST)), Payload::Arp { offset: 14 });
    assert_eq!(payload(&tagged(&bytes(ARP_REQUEST), &[(0x8100, 5)])), Payload::Arp { offset: 18 });
    for eth_type in [0_u16, 0x0026, 0x05dc, 0x05ff, 0x8847, 0x88cc, 0xffff] {
        let frame = patched(IPV4_UDP, &[(12, &eth_type.to_be_bytes())]);
        assert_eq!(payload(&frame), Payload::Other { eth_type }, "{eth_type:#06x}");
    }
}

#[test]
fn tags_are_kept_from_the_outside_in() {
    let cases: [(&[(u16, u16)], _, _, _); 5] = [
        (&[(0x8100, 5)], Some(5), None, false),
        (&[(0x8100, 0xe000)], Some(0), None, false),
        (&[(0x88a8, 100), (0x8100, 0xafff)], Some(100), Some(4095), false),
        (&[(0x9100, 1), (0x9100, 2)], Some(1), Some(2), false),
        (&[(0x88a8, 1), (0x8100, 2), (0x8100, 3)], Some(1), Some(2), true),
    ];
    for (tags, outer, inner, more) in cases {
        for hex in [IPV4_UDP, IPV4_OPTIONS, IPV6_UDP] {
            let plain = parse(&bytes(hex)[..]).unwrap();
            let frame = parse(&tagged(&bytes(hex), tags)[..]).unwrap();
            assert_eq!((frame.tags.outer(), frame.tags.inner()), (outer, inner), "{tags:?}");
            assert_eq!(
                (frame.tags.count() as usize, frame.tags.has_more_tags()),
                (tags.len().min(2), more),
                "{tags:?}"
            );
            assert_eq!((frame.eth_dst, frame.eth_src), (plain.eth_dst, plain.eth_src));
            let shift = 4 * tags.len();
            let expected = match plain.payload {
                Payload::Ipv4(ip) => Payload::Ipv4(Ip { offset: 14 + shift, l4_offset: ip.l4_offset + shift, ..ip }),
                Payload::Ipv6(ip) => Payload::Ipv6(Ip { offset: 14 + shift, l4_offset: ip.l4_offset + shift, ..ip }),
                other => other,
            };
            assert_eq!(frame.payload, expected, "{tags:?}");
        }
    }
}

#[test]
fn more_tags_than_the_bound_are_not_walked() {
    let frame = |count| parse(&tagged(&bytes(IPV4_UDP), &vec![(0x8100, 7); count])[..]).unwrap();
    assert!(matches!(frame(8).payload, Payload::Ipv4(_)));
    assert_eq!(frame(9).payload, Payload::Other { eth_type: 0x8100 });
}

#[test]
fn headers_that_contradict_themselves() {
    let cases: [(&str, Patches<'_>, usize); 9] = [
        (IPV4_UDP, &[(14, &[0x55])], 14),
        (IPV4_UDP, &[(14, &[0x65])], 14),
        (IPV4_UDP, &[(14, &[0x44])], 14),
        (IPV4_UDP, &[(16, &[0, 19])], 14),
        (IPV4_OPTIONS, &[(16, &[0, 23])], 14),
        (IPV6_UDP, &[(14, &[0x45])], 14),
        (IPV6_DESTINATION_OPTIONS, &[(18, &[0, 7])], 54),
        (IPV6_DESTINATION_OPTIONS, &[(55, &[2])], 54),
        (IPV6_DESTINATION_OPTIONS, &[(20, &[51])], 54),
    ];
    for (hex, patches, offset) in cases {
        assert_eq!(parse(&patched(hex, patches)[..]), Err(ParseError::Malformed { offset }), "{hex} {patches:?}");
    }
}

#[test]
fn ports_end_with_the_datagram() {
    // Bytes that follow the datagram are padding. A length of 0 leaves the end open.
    for (total_length, ports) in [(20, (0, 0)), (23, (0, 0)), (24, (4000, 5000)), (28, (4000, 5000)), (0, (4000, 5000))]
    {
        let ip = ipv4(&patched(IPV4_UDP, &[(16, &[0, total_length])]));
        assert_eq!((ip.tp_src, ip.tp_dst), ports, "{total_length}");
    }
    for (payload_length, ports) in [(3, (0, 0)), (4, (4000, 5000)), (0, (4000, 5000))] {
        let ip = ipv6_of(&patched(IPV6_UDP, &[(18, &[0, payload_length])]));
        assert_eq!((ip.tp_src, ip.tp_dst), ports, "{payload_length}");
    }
    let icmp = ipv4(&patched(ICMP_UNREACHABLE, &[(16, &[0, 27])]));
    assert_eq!((icmp.tp_src, icmp.tp_dst), (0, 0));
}

#[test]
fn protocols_with_ports() {
    for nw_proto in 0..=255 {
        let with_ports = matches!(nw_proto, 6 | 17 | 33 | 132 | 136);
        let ip = ipv4(&patched(IPV4_UDP, &[(23, &[nw_proto])]));
        // Read as ICMP, port 4000 is type 15 (information request) with code 160, and the UDP length is the identifier.
        let expected = match nw_proto {
            1 => (13, 0x0fa0),
            58 => (0, 0x0fa0),
            _ if with_ports => (4000, 5000),
            _ => (0, 0),
        };
        assert_eq!((ip.nw_proto, ip.tp_src, ip.tp_dst), (nw_proto, expected.0, expected.1));
    }
}

#[test]
fn icmp_identifier_of_queries_only() {
    let queries_v4 = [0, 8, 13, 14, 15, 16, 17, 18];
    let queries_v6 = [128, 129, 139, 140];
    for icmp_type in 0..=255 {
        let header = [icmp_type, 9, 0xc0, 0xde, 0x12, 0x34, 0, 1];
        let v4 = ipv4(&patched(ICMP_UNREACHABLE, &[(34, &header)]));
        let v6 = ipv6_of(&ipv6(58, &header));
        let id = |queries: &[u8]| if queries.contains(&icmp_type) { 0x1234 } else { 0 };
        let type_and_code = u16::from_be_bytes([icmp_type, 9]);
        assert_eq!((v4.tp_src, v4.tp_dst), (id(&queries_v4), type_and_code), "ICMP {icmp_type}");
        assert_eq!((v6.tp_src, v6.tp_dst), (id(&queries_v6), type_and_code), "ICMPv6 {icmp_type}");
    }
}

#[test]
fn extension_headers() {
    const UDP: [u8; 8] = [0x0f, 0xa0, 0x13, 0x88, 0, 8, 0, 0];
    let chain = |parts: &[&[u8]]| [&parts.concat()[..], &UDP].concat();
    let long = [&[17, 2][..], &[0; 22]].concat();
    let auth = [&[17, 4][..], &[0; 22]].concat();
    let many = |count: usize| [&[60, 0, 0, 0, 0, 0, 0, 0].repeat(count - 1)[..], &[17, 0, 0, 0, 0, 0, 0, 0]].concat();
    let cases: [(u8, Vec<u8>, Upper); 15] = [
        (0, chain(&[&[17, 0, 1, 4, 0, 0, 0, 0]]), (17, 4000, 5000, 62)),
        (43, chain(&[&[17, 0, 4, 0, 0, 0, 0, 0]]), (17, 4000, 5000, 62)),
        (60, chain(&[&long]), (17, 4000, 5000, 78)),
        (51, chain(&[&auth]), (17, 4000, 5000, 78)),
        (135, chain(&[&long]), (17, 4000, 5000, 78)),
        (139, chain(&[&long]), (17, 4000, 5000, 78)),
        (140, chain(&[&long]), (17, 4000, 5000, 78)),
        (0, chain(&[&[43, 0, 1, 4, 0, 0, 0, 0], &[60, 0, 4, 0, 0, 0, 0, 0], &long]), (17, 4000, 5000, 94)),
        // Atomic fragment: offset 0, no more fragments, reserved bits set.
        (44, chain(&[&[17, 0, 0, 6, 1, 2, 3, 4]]), (17, 4000, 5000, 62)),
        (50, chain(&[]), (50, 0, 0, 54)),
        (59, chain(&[]), (59, 0, 0, 54)),
        (60, chain(&[&[59, 0, 1, 4, 0, 0, 0, 0]]), (59, 0, 0, 62)),
        (253, chain(&[&long]), (253, 0, 0, 54)),
        (60, chain(&[&many(10)]), (17, 4000, 5000, 134)),
        (60, chain(&[&many(11)]), (60, 0, 0, 134)),
    ];
    for (next_header, payload, expected) in cases {
        let ip = ipv6_of(&ipv6(next_header, &payload));
        assert_eq!((upper(&ip), ip.fragment), (expected, Fragment::Whole), "{next_header} {payload:?}");
    }
}

#[test]
fn fragment_headers_in_a_chain() {
    let first = [60, 0, 0, 1, 0, 0, 0, 9];
    let options = [17, 0, 1, 4, 0, 0, 0, 0];
    let udp = [0x0f, 0xa0, 0x13, 0x88, 0, 8, 0, 0];
    let ip = ipv6_of(&ipv6(44, &[first, options, udp].concat()));
    assert_eq!((upper(&ip), ip.fragment), ((17, 4000, 5000, 70), Fragment::First(9)));

    // What a later fragment begins with is in the middle of the datagram, whatever number its header tells.
    let later = [60, 0, 0, 8, 0, 0, 0, 9];
    let ip = ipv6_of(&ipv6(44, &[later, options, udp].concat()));
    assert_eq!((upper(&ip), ip.fragment), ((60, 0, 0, 62), Fragment::Later(9)));

    // Of two fragment headers the outer one is the datagram's, be the inner one atomic or a first fragment's.
    for more_fragments in [0, 1] {
        let inner = [17, 0, 0, more_fragments, 0, 0, 0, 8];
        let ip = ipv6_of(&ipv6(44, &[[44, 0, 0, 1, 0, 0, 0, 9], inner, udp].concat()));
        assert_eq!((upper(&ip), ip.fragment), ((17, 4000, 5000, 70), Fragment::First(9)));
    }
}

#[test]
fn packets_without_ethernet_header() {
    for hex in [IPV4_UDP, IPV4_LATER_FRAGMENT, IPV6_UDP, IPV6_LATER_FRAGMENT] {
        let frame = bytes(hex);
        let on_ethernet = parse(&frame[..]).unwrap();
        let raw = parse_ip(&frame[..], 14).unwrap();
        assert_eq!(raw.payload, on_ethernet.payload, "{hex}");
        assert_eq!(raw.tags, on_ethernet.tags.without_eth_dst(), "{hex}");
        assert_eq!((raw.eth_dst, raw.eth_src), ([0; 6], [0; 6]));
        assert_eq!(parse_eth_type(&frame[..], 14, u16::from_be_bytes([frame[12], frame[13]])), Ok(raw), "{hex}");
    }
    let tagged = tagged(&bytes(IPV6_UDP), &[(0x8100, 5)]);
    assert_eq!(parse_eth_type(&tagged[..], 14, 0x8100).unwrap().tags.outer(), Some(5));
    assert_eq!(parse_ip(&bytes(ARP_REPLY)[..], 14), Err(ParseError::Malformed { offset: 14 }));
    for offset in [33, 34, usize::MAX] {
        assert_eq!(parse_ip(&[0x45; 33][..], offset), Err(ParseError::Truncated { offset }));
        assert_eq!(parse_eth_type(&[0x45; 33][..], offset, 0x8100), Err(ParseError::Truncated { offset }));
    }
}

#[test]
fn key_of_a_frame() {
    let frame = parse(&tagged(&bytes(IPV4_UDP), &[(0x8100, 5)])[..]).unwrap();
    let Payload::Ipv4(ip) = frame.payload else { panic!("{frame:?}") };
    let expected = FlowKey {
        src: A4,
        dst: B4,
        eth_dst: MAC_B,
        eth_src: MAC_A,
        tags: LinkTags::NONE.push(5),
        tp_src: 4000,
        tp_dst: 5000,
        epoch: 7,
        nw_proto: 17,
        nic: 3,
    };
    assert_eq!(FlowKey::new(&frame, &ip, 7, 3), expected);
}

/// Frames with the offset where each header that the walk reads starts, and where the last one's read part ends.
fn frames_and_headers() -> Vec<(Vec<u8>, Vec<usize>)> {
    let double = [(0x88a8, 1), (0x8100, 2)];
    vec![
        (bytes(IPV4_UDP), vec![0, 14, 34, 38]),
        (bytes(IPV4_OPTIONS), vec![0, 14, 38, 42]),
        (bytes(IPV4_FIRST_FRAGMENT), vec![0, 14, 34, 38]),
        (bytes(IPV4_LATER_FRAGMENT), vec![0, 14, 34]),
        (bytes(ICMP_UNREACHABLE), vec![0, 14, 34, 42]),
        (bytes(IPV6_UDP), vec![0, 14, 54, 58]),
        (bytes(IPV6_DESTINATION_OPTIONS), vec![0, 14, 54, 62, 66]),
        (bytes(IPV6_FIRST_FRAGMENT), vec![0, 14, 54, 62, 66]),
        (bytes(IPV6_LATER_FRAGMENT), vec![0, 14, 54, 62]),
        (bytes(MLD_REPORT), vec![0, 14, 54, 62, 70]),
        (bytes(ARP_REQUEST), vec![0, 14]),
        (tagged(&bytes(IPV4_OPTIONS), &double), vec![0, 14, 18, 22, 46, 50]),
        (tagged(&bytes(IPV6_FIRST_FRAGMENT), &double), vec![0, 14, 18, 22, 62, 70, 74]),
        (tagged(&bytes(ARP_REQUEST), &double), vec![0, 14, 18, 22]),
        (
            ipv6(51, &[&[60, 3][..], &[0; 18], &[58, 1], &[0; 14], &[128, 0, 0, 0, 0, 1, 0, 1]].concat()),
            vec![0, 14, 54, 74, 90, 98],
        ),
    ]
}

#[test]
fn a_cut_at_any_byte_names_the_header() {
    for (frame, headers) in frames_and_headers() {
        let whole = parse(&frame[..]).unwrap();
        for len in 0..=frame.len() {
            // The header that the cut is in: the last one that starts at or before it.
            let cut = headers.iter().rposition(|start| *start <= len).unwrap();
            let expected = match headers.get(cut + 1) {
                Some(_) => Err(ParseError::Truncated { offset: headers[cut] }),
                None => Ok(whole),
            };
            assert_eq!(parse(&frame[..len]), expected, "cut at {len} of {frame:02x?}");
        }
    }
}

/// A frame near one of the fixtures: some bytes changed, cut somewhere.
fn near_fixture() -> impl Strategy<Value = Vec<u8>> {
    let frames: Vec<_> = frames_and_headers().into_iter().map(|(frame, _)| frame).collect();
    let patches = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    let len = prop_oneof![3 => Just(usize::MAX), 1 => 0..100_usize];
    (prop::sample::select(frames), patches, len).prop_map(|(mut frame, patches, len)| {
        for (at, value) in patches {
            // Nearly all of what decides is in the first 48 bytes.
            let at = at.index(frame.len().min(48));
            frame[at] = value;
        }
        frame.truncate(len);
        frame
    })
}

/// A frame that the short way takes, or takes but for one or two header bytes.
fn near_common() -> impl Strategy<Value = Vec<u8>> {
    let patches = prop::collection::vec((12..38_usize, prop_oneof![any::<u8>(), 0..64_u8]), 0..3);
    let lengths = prop_oneof![Just(0_u16), 18..30_u16, any::<u16>()];
    (patches, lengths, prop::sample::select(vec![6, 17, 1, 132])).prop_map(|(patches, total_length, nw_proto)| {
        let mut frame = patched(IPV4_UDP, &[(16, &total_length.to_be_bytes()), (23, &[nw_proto])]);
        patches.into_iter().for_each(|(at, value)| frame[at] = value);
        frame
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4096) })]

    #[test]
    fn the_short_way_is_the_walk(frame in prop_oneof![near_common(), near_fixture()]) {
        if let Some(parsed) = parse_common(&frame[..]) {
            prop_assert_eq!(Ok(parsed), link::walk(&frame[..]));
        }
    }

    #[test]
    fn a_longer_frame_tells_the_same(frame in near_fixture(), len in any::<prop::sample::Index>()) {
        let cut = &frame[..len.index(frame.len() + 1)];
        match parse(cut) {
            Err(ParseError::Truncated { offset }) => prop_assert!(offset <= cut.len()),
            whole => prop_assert_eq!(whole, parse(&frame[..])),
        }
    }

    #[test]
    fn any_bytes_are_parsed(frame in prop::collection::vec(any::<u8>(), 0..200), offset in 0..300_usize) {
        for parsed in [parse(&frame[..]), parse_ip(&frame[..], offset), parse_eth_type(&frame[..], offset, 0x86dd)] {
            if let Err(ParseError::Malformed { offset }) = parsed {
                prop_assert!(offset < frame.len());
            }
        }
    }
}

#[test]
fn the_short_way_takes_the_common_frame() {
    assert!(parse_common(&bytes(IPV4_UDP)[..]).is_some());
    assert!(parse_common(&patched(IPV4_UDP, &[(23, &[6])])[..]).is_some());
}
