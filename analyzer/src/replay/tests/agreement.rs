//! The same frames give the same observations, whoever reads them.

use analyzer_ebpf::abi::Direction;
use analyzer_ebpf::parse::Frame;
use proptest::prelude::*;

use super::wire::{advertisement, arp, bfd, ethernet, fragment6, ipv4, ipv6, udp};
use super::{Captured, TempFile, by_stream, by_threads, model, pcap};
use crate::capture::{FrameRef, LinkType};
use crate::replay::link::parse_frame;
use crate::replay::short::{Usual, parse_usual};
use crate::types::Timestamp;

/// 2022-06-09T22:48:28Z in microseconds.
const START: u64 = 1_654_814_908_000_000;
const UDP: u8 = 17;
const VLANS: [&[u16]; 4] = [&[], &[], &[7], &[7, 8]];

fn frame() -> impl Strategy<Value = Vec<u8>> {
    let small = 0..4u8;
    let vids = (0..VLANS.len()).prop_map(|index| VLANS[index]);
    let ports = (1000..1004u16, 5000..5003u16);
    let payload = proptest::collection::vec(any::<u8>(), 0..60);
    prop_oneof![
        8 => (vids.clone(), small.clone(), ports.clone(), payload.clone()).prop_map(|(vids, src, (sport, dport), payload)| {
            ethernet(vids, 0x0800, &ipv4(src, UDP, 1, 0, &udp(sport, dport, &payload)))
        }),
        4 => (vids.clone(), small.clone(), ports.clone(), payload.clone()).prop_map(|(vids, src, (sport, dport), payload)| {
            ethernet(vids, 0x86dd, &ipv6(src, UDP, &udp(sport, dport, &payload)))
        }),
        // Fragments of few datagrams, so that first and later ones meet in any order.
        3 => (vids.clone(), small.clone(), 0..3u16, 0..3u16, ports.clone()).prop_map(|(vids, src, id, place, (sport, dport))| {
            let data = udp(sport, dport, &[0; 8]);
            let fragment = [0x2000, 0x2002, 0x0004][usize::from(place)];
            ethernet(vids, 0x0800, &ipv4(src, UDP, id, fragment, &data))
        }),
        3 => (vids.clone(), small.clone(), 0..3u32, 0..3u16, ports).prop_map(|(vids, src, id, place, (sport, dport))| {
            let data = udp(sport, dport, &[0; 8]);
            ethernet(vids, 0x86dd, &ipv6(src, 44, &fragment6(UDP, id, place * 2, place < 2, &data)))
        }),
        1 => (vids.clone(), small.clone(), any::<u8>()).prop_map(|(vids, src, mac)| ethernet(vids, 0x0806, &arp(src, mac))),
        1 => (small.clone(), any::<u8>()).prop_map(|(src, mac)| ethernet(&[], 0x86dd, &ipv6(src, 58, &advertisement(src, mac)))),
        1 => (vids, small.clone()).prop_map(|(vids, src)| ethernet(vids, 0x0800, &ipv4(src, UDP, 1, 0, &bfd()))),
        1 => small.prop_map(|src| ethernet(&[], 0x0800, &ipv4(src, 1, 1, 0, &[8, 0, 0, 0, 0, src, 0, 1]))),
        1 => Just(ethernet(&[], 0x88cc, &[0; 20])),
        1 => payload,
    ]
}

pub(super) fn captured() -> impl Strategy<Value = Captured> {
    // Times go back at times; gaps of 40 s outlast the memory for fragments.
    let micros = prop_oneof![9 => 0..2000u64, 1 => (0..4u64).prop_map(|step| step * 40_000_000)];
    let snaplen = prop_oneof![9 => Just(usize::MAX), 1 => 0..60usize];
    (frame(), micros, snaplen).prop_map(|(mut data, micros, snaplen)| {
        let wire_len = data.len() as u32;
        data.truncate(snaplen);
        Captured { micros: START + micros, data, wire_len }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_reader_threads_and_chunks(
        frames in proptest::collection::vec(captured(), 0..150),
        threads in 1..5usize,
        chunk_len in prop_oneof![1..300u32, Just(4096), Just(u32::MAX)],
    ) {
        let expected = model::count(&frames);
        let file = TempFile::new(&pcap(&frames));
        prop_assert_eq!(by_stream(&file), expected);
        prop_assert_eq!(by_threads(&file, threads, chunk_len), model::count(&frames));
    }
}

/// Gives the frame as it is parsed.
struct Parsed;

impl Usual for Parsed {
    type Output = Frame;

    fn take(self, parsed: Frame) -> Frame {
        parsed
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]

    /// The short way is told from the long one by nothing but its time.
    #[test]
    fn the_short_way_parses_as_the_long_one(
        captured in captured(),
        direction in prop_oneof![Just(Direction::Unknown), Just(Direction::Inbound), Just(Direction::Outbound)],
        flips in proptest::collection::vec((any::<u8>(), any::<u8>()), 0..3),
    ) {
        let mut data = captured.data;
        for (position, value) in flips {
            let len = data.len().clamp(1, 60);
            if let Some(byte) = data.get_mut(usize::from(position) % len) {
                *byte = value;
            }
        }
        let at = Timestamp::from_nanos(captured.micros);
        let (orig_len, link_type) = (captured.wire_len, LinkType::Ethernet);
        let frame = FrameRef { at, interface: 0, link_type, data: &data, orig_len, direction };
        if let Some(short) = parse_usual(&frame, Parsed) {
            prop_assert_eq!(Ok(short), parse_frame(&frame));
        }
        prop_assert_eq!(parse_usual(&FrameRef { link_type: LinkType::LinuxSll, ..frame }, Parsed), None);
    }
}

#[test]
fn what_takes_the_short_way() {
    let takes = |data: &[u8]| {
        let at = Timestamp::default();
        let (orig_len, link_type, direction) = (data.len() as u32, LinkType::Ethernet, Direction::Unknown);
        parse_usual(&FrameRef { at, interface: 0, link_type, data, orig_len, direction }, Parsed).is_some()
    };
    let datagram = udp(1000, 5000, &[0; 9]);
    for vids in [&[][..], &[7]] {
        assert!(takes(&ethernet(vids, 0x0800, &ipv4(1, UDP, 1, 0, &datagram))));
        assert!(takes(&ethernet(vids, 0x86dd, &ipv6(1, UDP, &datagram))));
        assert!(!takes(&ethernet(vids, 0x0800, &ipv4(1, UDP, 1, 0x2000, &datagram))));
        assert!(!takes(&ethernet(vids, 0x86dd, &ipv6(1, 44, &fragment6(UDP, 1, 0, true, &datagram)))));
        assert!(!takes(&ethernet(vids, 0x0806, &arp(1, 1))));
    }
}

#[test]
fn many_flows_in_many_chunks() {
    let frames: Vec<_> = (0..30_000u64)
        .map(|index| {
            let flow = (index * 7919) % 5000;
            let data = udp(1000 + (flow % 50) as u16, 5000 + (flow / 50) as u16, &[0; 30]);
            let data = if flow % 3 == 0 {
                ethernet(&[], 0x86dd, &ipv6((flow % 7) as u8, UDP, &data))
            } else {
                ethernet(&[], 0x0800, &ipv4((flow % 7) as u8, UDP, 1, 0, &data))
            };
            Captured::new(START + index, data)
        })
        .collect();
    let file = TempFile::new(&pcap(&frames));
    let expected = model::count(&frames);
    assert!(expected.observations.len() > 4000, "{}", expected.observations.len());
    for (threads, chunk_len) in [(1, 1 << 20), (2, 100_000), (3, 5000), (8, 1000)] {
        assert!(by_threads(&file, threads, chunk_len) == expected, "{threads} threads, chunks of {chunk_len}");
    }
    assert!(by_stream(&file) == expected);
}
