use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::control::Control;
use crate::fixtures::*;
use crate::parse::{parse, parse_ip};

/// BFD control packet of a session that is up, written by hand after RFC 5880 section 4.1; intervals of one second.
const BFD: &str = "ee8d82dbf9c4 525400c61308 0800 \
    4500003400004000ff11e97a c6130308 c613030f c0000ec800200000 \
    20c00518 00000001 00000002 000f4240 000f4240 00000000";

fn heard_in(frame: &[u8]) -> Option<Neighbour> {
    heard(frame, &parse(frame).unwrap())
}

fn neighbour(ip: &str, mac: [u8; 6]) -> Option<Neighbour> {
    Some(Neighbour { ip: ip.parse().unwrap(), mac })
}

#[test]
fn senders_of_linux_frames() {
    let cases = [
        (ARP_REQUEST, neighbour("192.0.2.1", MAC_A)),
        (ARP_REPLY, neighbour("192.0.2.2", MAC_B)),
        (NEIGHBOUR_SOLICITATION, neighbour("fd00::a", MAC_A)),
        (NEIGHBOUR_ADVERTISEMENT, neighbour("fd00::b", MAC_B)),
        (ROUTER_SOLICITATION, neighbour("fe80::ff:fe00:b", MAC_B)),
        (IPV4_UDP, None),
        (IPV6_UDP, None),
        (MLD_REPORT, None),
        (ICMP_UNREACHABLE, None),
    ];
    for (hex, expected) in cases {
        assert_eq!(heard_in(&bytes(hex)), expected, "{hex}");
        assert_eq!(heard_in(&tagged(&bytes(hex), &[(0x88a8, 1), (0x8100, 2), (0x8100, 3)])), expected, "tagged {hex}");
    }
}

#[test]
fn arp_packets_that_tell_nothing() {
    // Offsets 14 hardware type, 16 protocol type, 18 and 19 lengths, 20 operation, 22 sender MAC, 28 sender address.
    let cases: [Patches<'_>; 12] = [
        &[(14, &[0, 6])],
        &[(16, &[0x86, 0xdd])],
        &[(18, &[8])],
        &[(19, &[16])],
        &[(20, &[0, 3])],
        &[(20, &[1, 1])],
        &[(28, &[0, 0, 0, 0])],
        &[(28, &[224, 0, 0, 18])],
        &[(28, &[255, 255, 255, 255])],
        &[(22, &[0, 0, 0, 0, 0, 0])],
        &[(22, &[0xff; 6])],
        &[(22, &[1, 0, 0x5e, 0, 0, 18])],
    ];
    for patches in cases {
        assert_eq!(heard_in(&patched(ARP_REPLY, patches)), None, "{patches:?}");
    }
    let gratuitous = patched(ARP_REQUEST, &[(38, &[192, 0, 2, 1])]);
    assert_eq!(heard_in(&gratuitous), neighbour("192.0.2.1", MAC_A));
    // The Ethernet source may be another: a bond member's, or a bridge's.
    let relayed = patched(ARP_REPLY, &[(6, &[6; 6])]);
    assert_eq!(heard_in(&relayed), neighbour("192.0.2.2", MAC_B));
}

#[test]
fn neighbour_discovery_that_tells_nothing() {
    // Offsets 19 payload length, 21 hop limit, 22 source, 55 code, 62 target, 78 and 79 option type and length, 80 MAC.
    let for_both: [Patches<'_>; 8] = [
        &[(21, &[254])],
        &[(55, &[1])],
        &[(78, &[5])],
        &[(79, &[0])],
        &[(79, &[2])],
        &[(19, &[31])],
        &[(80, &[0; 6])],
        &[(80, &[0x33, 0x33, 0, 0, 0, 1])],
    ];
    for patches in for_both {
        assert_eq!(heard_in(&patched(NEIGHBOUR_SOLICITATION, patches)), None, "solicitation {patches:?}");
        assert_eq!(heard_in(&patched(NEIGHBOUR_ADVERTISEMENT, patches)), None, "advertisement {patches:?}");
    }
    let unspecified: (usize, &[u8]) = (22, &[0; 16]);
    let multicast_target: (usize, &[u8]) = (62, &[0xff, 2]);
    assert_eq!(heard_in(&patched(NEIGHBOUR_SOLICITATION, &[unspecified])), None);
    assert_eq!(heard_in(&patched(NEIGHBOUR_ADVERTISEMENT, &[multicast_target])), None);
    // Each message has its own option, and a redirect tells of another router.
    assert_eq!(heard_in(&patched(NEIGHBOUR_SOLICITATION, &[(78, &[2])])), None);
    assert_eq!(heard_in(&patched(NEIGHBOUR_ADVERTISEMENT, &[(78, &[1])])), None);
    assert_eq!(heard_in(&patched(NEIGHBOUR_ADVERTISEMENT, &[(54, &[137])])), None);
}

#[test]
fn an_advertisement_speaks_for_its_target() {
    let proxied = patched(NEIGHBOUR_ADVERTISEMENT, &[(77, &[0xc])]);
    assert_eq!(heard_in(&proxied), neighbour("fd00::c", MAC_B));
}

/// A router advertisement with these options before its source link-layer address.
fn router_advertisement(options: &[u8]) -> Vec<u8> {
    let fixed = [134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut frame = ipv6(58, &[&fixed, options, &[1, 1], &MAC_A].concat());
    frame[21] = 255;
    frame
}

#[test]
fn router_advertisements_with_other_options() {
    let mtu = [5, 1, 0, 0, 0, 0, 5, 0xdc];
    let prefix = [&[3, 4, 64, 0xc0][..], &[0; 28]].concat();
    assert_eq!(heard_in(&router_advertisement(&[])), neighbour("fd00::a", MAC_A));
    assert_eq!(heard_in(&router_advertisement(&[&mtu[..], &prefix].concat())), neighbour("fd00::a", MAC_A));
    assert_eq!(heard_in(&router_advertisement(&mtu.repeat(31))), neighbour("fd00::a", MAC_A));
    assert_eq!(heard_in(&router_advertisement(&mtu.repeat(32))), None, "beyond the bound");
}

#[test]
fn neighbour_discovery_behind_other_headers() {
    let message = &bytes(NEIGHBOUR_SOLICITATION)[54..];
    let behind = |next_header, header: [u8; 8]| {
        let mut frame = ipv6(next_header, &[&header, message].concat());
        frame[21] = 255;
        frame
    };
    assert_eq!(heard_in(&behind(60, [58, 0, 1, 4, 0, 0, 0, 0])), neighbour("fd00::a", MAC_A));
    assert_eq!(heard_in(&behind(44, [58, 0, 0, 0, 0, 0, 0, 1])), neighbour("fd00::a", MAC_A));
    assert_eq!(heard_in(&behind(44, [58, 0, 0, 1, 0, 0, 0, 1])), None, "RFC 6980");
}

#[test]
fn bfd_control_packets() {
    const PEER: [u8; 6] = [0x52, 0x54, 0, 0xc6, 0x13, 8];
    let from_peer = neighbour("198.19.3.8", PEER);
    // Offsets 20 flags, 22 TTL, 36 destination port, 38 UDP length, 42 version, 45 BFD length, 6 source MAC.
    let cases: [(Patches<'_>, _); 11] = [
        (&[], from_peer),
        (&[(22, &[254])], None),
        (&[(36, &4784_u16.to_be_bytes())], from_peer),
        (&[(36, &4784_u16.to_be_bytes()), (22, &[60])], from_peer),
        (&[(36, &3785_u16.to_be_bytes())], None),
        (&[(42, &[0x40])], None),
        (&[(45, &[23])], None),
        (&[(45, &[25])], None),
        (&[(38, &[0, 31])], None),
        (&[(20, &[0x20, 0])], None),
        (&[(6, &[0; 6])], None),
    ];
    for (patches, expected) in cases {
        assert_eq!(heard_in(&patched(BFD, patches)), expected, "{patches:?}");
    }
    let raw = bytes(BFD);
    assert_eq!(heard(&raw[..], &parse_ip(&raw[..], 14).unwrap()), None, "no MAC in a capture without link header");

    let udp = &raw[34..];
    let mut over_ipv6 = ipv6(17, udp);
    assert_eq!(heard_in(&over_ipv6), None, "hop limit 64");
    over_ipv6[21] = 255;
    assert_eq!(heard_in(&over_ipv6), neighbour("fd00::a", MAC_A));
}

#[test]
fn control_frames() {
    let cases = [
        (bytes(ARP_REQUEST), Some(Control::Arp)),
        (bytes(NEIGHBOUR_ADVERTISEMENT), Some(Control::NeighbourDiscovery)),
        (patched(NEIGHBOUR_ADVERTISEMENT, &[(54, &[137])]), Some(Control::NeighbourDiscovery)),
        (patched(NEIGHBOUR_ADVERTISEMENT, &[(54, &[132])]), None),
        (patched(NEIGHBOUR_ADVERTISEMENT, &[(54, &[138])]), None),
        (bytes(BFD), Some(Control::Bfd)),
        (patched(BFD, &[(36, &3785_u16.to_be_bytes())]), Some(Control::Bfd)),
        (patched(BFD, &[(36, &4784_u16.to_be_bytes())]), Some(Control::Bfd)),
        (patched(BFD, &[(23, &[6])]), None),
        (ipv6(17, &bytes(BFD)[34..]), Some(Control::Bfd)),
        (patched(IPV4_UDP, &[(12, &[0x88, 0xcc])]), Some(Control::Lldp)),
        (patched(IPV4_UDP, &[(12, &[0x88, 0x09])]), Some(Control::SlowProtocol)),
        (patched(IPV4_UDP, &[(12, &[0x88, 0x47])]), None),
        (bytes(IPV4_UDP), None),
        (bytes(MLD_REPORT), None),
    ];
    for (frame, expected) in cases {
        assert_eq!(parse(&frame[..]).unwrap().control(), expected, "{frame:02x?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4096) })]

    /// Also where the frame is not the one that was parsed, which a caller can get wrong.
    #[test]
    fn whatever_is_heard_is_unicast(
        hex in prop::sample::select(std::vec![ARP_REPLY, NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT, BFD]),
        patches in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        len in any::<prop::sample::Index>(),
    ) {
        let mut frame = bytes(hex);
        let Ok(unpatched) = parse(&frame[..]) else { unreachable!("fixtures are whole") };
        for (at, value) in patches {
            let at = at.index(frame.len());
            frame[at] = value;
        }
        let cut = &frame[..len.index(frame.len() + 1)];
        for parsed in [Some(unpatched), parse(&frame[..]).ok(), parse(cut).ok()].into_iter().flatten() {
            for bytes in [&frame[..], cut] {
                if let Some(neighbour) = heard(bytes, &parsed) {
                    prop_assert!(neighbour.mac[0] & 1 == 0 && neighbour.mac != [0; 6]);
                    prop_assert!(!neighbour.ip.is_multicast() && !neighbour.ip.is_unspecified());
                }
            }
        }
    }
}
