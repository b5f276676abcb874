//! Frame by frame: our header parser and tshark make the same of every one, or it is of a kind that is named here.

use std::collections::BTreeMap;
use std::path::Path;

use analyzer_ebpf::abi::Direction;
use analyzer_ebpf::parse::parse;
use etherparse::PacketBuilder;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::common::{TempDir, require};
use crate::files::{Captured, cases, frames, kinds, pcap};
use crate::frames::frame;
use crate::headers::{Unread, seen_by_tshark};
use crate::seen::{Network, Seen, seen_by_us};
use crate::tshark::{Packet, Tshark};

/// How often the two agreed, and in what; and how often they differ on purpose, and why.
type Agreements = BTreeMap<&'static str, usize>;

const SAME: &str = "both read the same";
const NEITHER: &str = "neither reads it: a header is cut or contradicts itself";
/// A datagram so short is told with ports of 0 by us, as conntrack does not look into it either; tshark calls it malformed.
const NO_PORTS: &str = "the datagram ends before its ports";
/// The ports are all that we need of a transport header; tshark gives none that it has not to its end.
const CUT_BEHIND_PORTS: &str = "the transport header is cut behind its ports";
/// The identifier of a message that is no query for conntrack, such as an extended echo (RFC 8335), tells no flow.
const NO_QUERY: &str = "an ICMP message with an identifier that conntrack does not know";
/// We step over these extension headers, as RFC 7045 section 4 lists them; for tshark they are what the packet carries.
const STEPPED_OVER: &str = "a mobility header, or one of the host identity protocol";
/// Our walk has a bound. Beyond it the frame is of an unknown EtherType, the packet of an extension header's protocol.
const BEYOND_BOUND: &str = "more tags or extension headers than the walk steps over";

/// The two readings, but for what tells flows between the same ends from each other.
fn without_ports(seen: &Seen) -> Seen {
    let network = match seen.network {
        Network::Ip { src, dst, nw_proto, fragment, l4_offset, .. } => {
            Network::Ip { src, dst, nw_proto, fragment, l4_offset, ports: (0, 0) }
        }
        Network::Arp => Network::Arp,
        Network::Other => Network::Other,
    };
    Seen { network, ..seen.clone() }
}

/// Whether the two have the same MACs, tags and addresses.
fn have_same_ends(one: &Seen, other: &Seen) -> bool {
    let ends = |seen: &Seen| match seen.network {
        Network::Ip { src, dst, .. } => Some((src, dst)),
        Network::Arp | Network::Other => None,
    };
    let same_link = Seen { network: other.network.clone(), ..one.clone() } == *other;
    same_link && ends(one) == ends(other)
}

fn nw_proto(seen: &Seen) -> Option<u8> {
    match seen.network {
        Network::Ip { nw_proto, .. } => Some(nw_proto),
        Network::Arp | Network::Other => None,
    }
}

/// What the two say of a frame.
fn agreement(data: &[u8], packet: &Packet) -> &'static str {
    let (ours, theirs) = (parse(data).map(|frame| seen_by_us(&frame)), seen_by_tshark(packet));
    let name = match (&ours, &theirs) {
        (Ok(ours), Ok(theirs)) => told_by_both(ours, theirs, packet),
        (Err(_), Err(Unread::Header)) => Some(NEITHER),
        (Ok(ours), Err(Unread::PortsBeyondDatagram(theirs))) if ours == theirs => Some(NO_PORTS),
        (Ok(ours), Err(Unread::Undissected(theirs))) if without_ports(ours) == *theirs => Some(CUT_BEHIND_PORTS),
        _ => None,
    };
    name.unwrap_or_else(|| {
        let layers: Vec<_> = packet.layers.iter().map(|layer| (&layer.name, layer.offset)).collect();
        panic!("{data:02x?}\nwe:     {ours:?}\ntshark: {theirs:?}\n{layers:?}")
    })
}

fn told_by_both(ours: &Seen, theirs: &Seen, packet: &Packet) -> Option<&'static str> {
    if ours == theirs {
        return Some(SAME);
    }
    let is_extension = matches!(nw_proto(ours), Some(0 | 43 | 44 | 51 | 60 | 135 | 139 | 140));
    let tags = packet.layers.iter().filter(|layer| layer.name == "vlan").count();
    match (&ours.network, &theirs.network) {
        (Network::Ip { ports: (0, ours_type), .. }, Network::Ip { ports: (_, type_and_code), .. })
            if without_ports(ours) == without_ports(theirs) && ours_type == type_and_code =>
        {
            let is_query_of_conntrack = match nw_proto(ours) {
                Some(1) => matches!(ours_type >> 8, 0 | 8 | 13..=18),
                _ => matches!(ours_type >> 8, 128 | 129 | 139 | 140),
            };
            (!is_query_of_conntrack).then_some(NO_QUERY)
        }
        (Network::Ip { .. }, Network::Ip { .. }) if !have_same_ends(ours, theirs) => None,
        _ if matches!(nw_proto(theirs), Some(135 | 139)) => Some(STEPPED_OVER),
        (Network::Ip { .. }, Network::Ip { .. }) => is_extension.then_some(BEYOND_BOUND),
        (Network::Other, _) => (tags > 8).then_some(BEYOND_BOUND),
        _ => None,
    }
}

/// Compares all frames of a capture, and what its records say of them.
fn compare(capture: &Path, theirs: &[Packet]) -> Agreements {
    let ours = frames(capture);
    assert_eq!(ours.len(), theirs.len(), "frames in {}", capture.display());
    let mut agreements = Agreements::new();
    for (number, (frame, packet)) in ours.iter().zip(theirs).enumerate() {
        let Captured { at, length, nic, direction, data } = frame;
        let direction = match direction {
            Direction::Unknown => 0,
            Direction::Inbound => 1,
            Direction::Outbound => 2,
        };
        assert_eq!(
            (at, length, nic, direction, data.len()),
            (&packet.at, &packet.length, &packet.nic, packet.direction, packet.captured),
            "record {number} of {}",
            capture.display()
        );
        *agreements.entry(agreement(data, packet)).or_default() += 1;
    }
    agreements
}

#[test]
fn frames_of_all_captures() {
    if !require(&["tshark"]) {
        return;
    }
    let mut all = Agreements::new();
    for case in cases() {
        for (what, count) in compare(&case.capture, &case.packets) {
            *all.entry(what).or_default() += count;
        }
    }
    println!("{} captures: {all:?}", cases().len());
    assert!(all[SAME] > 2_500, "{all:?}");
    // Two of the case `cut`.
    assert_eq!(all, Agreements::from([(SAME, all[SAME]), (NEITHER, 2)]));
}

#[test]
fn frames_of_each_kind() {
    if !require(&["tshark"]) {
        return;
    }
    let agreements = compare(&kinds(), &Tshark::new().dissect(&kinds()));
    println!("{agreements:?}");
    let expected = [(SAME, 178), (NEITHER, 5), (NO_PORTS, 2), (CUT_BEHIND_PORTS, 2), (NO_QUERY, 1)];
    assert_eq!(agreements, Agreements::from(expected));
}

/// Generated frames, the same in each run; of every other one also a part, as a short snaplen leaves it.
#[test]
fn generated_frames() {
    const FRAMES: usize = 3000;
    if !require(&["tshark"]) {
        return;
    }
    let mut runner = TestRunner::deterministic();
    let strategy = (frame(), any::<prop::sample::Index>());
    let mut records = Vec::new();
    for number in 0..FRAMES {
        let (frame, cut) = strategy.new_tree(&mut runner).expect("frames can be made").current();
        if number % 2 == 0 {
            records.push((frame[..cut.index(frame.len())].to_vec(), frame.len()));
        }
        let length = frame.len();
        records.push((frame, length));
    }
    let folder = TempDir::new();
    let capture = folder.path().join("generated.pcap");
    std::fs::write(&capture, pcap(&records)).expect("the folder is ours");
    let agreements = compare(&capture, &Tshark::new().dissect(&capture));
    println!("{agreements:?}");
    assert_eq!(agreements.values().sum::<usize>(), FRAMES + FRAMES / 2);
    // Whole frames are read the same without exception.
    assert!(agreements[SAME] >= FRAMES && agreements[NEITHER] > FRAMES / 8, "{agreements:?}");
    assert!(agreements.keys().all(|kind| [SAME, NEITHER, CUT_BEHIND_PORTS].contains(kind)), "{agreements:?}");
}

/// An IPv6 packet with this first next header and this payload.
fn ipv6(next_header: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]).ipv6([0xfd; 16], [0xfc; 16], 64);
    builder.write(&mut frame, next_header.into(), payload).expect("memory takes it");
    frame
}

/// The kinds that the two read differently on purpose, and those beside them that they must not.
#[test]
fn frames_told_differently_on_purpose() {
    if !require(&["tshark"]) {
        return;
    }
    const UDP: [u8; 12] = [0x0f, 0xa0, 0x13, 0x88, 0, 12, 0, 0, 1, 2, 3, 4];
    let extension = |next: u8, then: &[u8]| [&[next, 0, 1, 4, 0, 0, 0, 0], then].concat();
    let ipv4 = |nw_proto: u8, payload: &[u8]| {
        let mut frame = Vec::new();
        let builder =
            PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]).ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64);
        builder.write(&mut frame, nw_proto.into(), payload).expect("memory takes it");
        frame
    };
    let tagged = |count: usize| {
        let mut frame = ipv4(17, &UDP);
        frame.splice(12..12, [0x81, 0, 0, 7].repeat(count));
        frame
    };
    let options = |count: usize| {
        let headers = (1..count).fold(extension(17, &UDP), |behind, _| extension(60, &behind));
        ipv6(60, &headers)
    };
    // Of the length of the datagram, the frame is padded to.
    let padded = |mut frame: Vec<u8>| {
        frame.resize(60, 0);
        frame
    };
    let told_length = |mut frame: Vec<u8>, length: u16| {
        frame[16..18].copy_from_slice(&length.to_be_bytes());
        frame
    };
    let told = [
        (SAME, ipv6(140, &extension(17, &UDP))),
        (STEPPED_OVER, ipv6(135, &extension(17, &UDP))),
        (STEPPED_OVER, ipv6(139, &[&[17, 4, 1, 0x11][..], &[0; 36], &UDP].concat())),
        (SAME, tagged(8)),
        (BEYOND_BOUND, tagged(9)),
        (SAME, options(10)),
        (BEYOND_BOUND, options(11)),
        (SAME, ipv4(17, &UDP[..4])),
        (NO_PORTS, padded(ipv4(17, &UDP[..3]))),
        (NO_PORTS, padded(ipv4(132, &[]))),
        (SAME, ipv4(1, &[8, 0, 0, 0, 0, 77, 0, 1])),
        (NO_PORTS, padded(ipv4(1, &[8, 0, 0, 0, 0, 77, 0]))),
        (NO_PORTS, padded(ipv6(58, &[128, 0, 0, 0]))),
        (SAME, ipv4(1, &[[13, 0, 0, 0, 0, 77, 0, 1], [0; 8], [0; 8]].concat()[..20])),
        (SAME, ipv4(1, &[15, 0, 0, 0, 0, 77, 0, 1])),
        (SAME, ipv4(1, &[18, 0, 0, 0, 0, 77, 0, 1, 0, 0, 0, 0])),
        (NO_QUERY, ipv4(1, &[42, 0, 0, 0, 0, 77, 1, 0])),
        (CUT_BEHIND_PORTS, ipv4(132, &UDP[..8])),
        (SAME, ipv6(58, &[139, 0, 0, 0, 0, 77, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8])),
        (SAME, told_length(ipv4(17, &UDP), 0)),
        (NEITHER, told_length(ipv4(17, &UDP), 19)),
        (NEITHER, ipv6(60, &[17, 9, 1, 4, 0, 0, 0, 0])),
    ];
    let records: Vec<(Vec<u8>, usize)> = told.iter().map(|(_, frame)| (frame.clone(), frame.len())).collect();
    let folder = TempDir::new();
    let capture = folder.path().join("kinds.pcap");
    std::fs::write(&capture, pcap(&records)).expect("the folder is ours");
    let packets = Tshark::new().dissect(&capture);
    assert_eq!(packets.len(), told.len());
    for ((expected, frame), packet) in told.iter().zip(&packets) {
        assert_eq!(agreement(frame, packet), *expected, "{frame:02x?}");
    }
}
