//! What depends on the order of frames, and frames of other kinds than Ethernet.

use std::net::IpAddr;

use analyzer_ebpf::abi::{Direction, LinkTags};

use super::wire::{MAC_A, MAC_B, advertisement, arp, bfd, ethernet, fragment6, ipv4, ipv6, udp};
use super::*;
use crate::capture::{
    CaptureReader, FrameRef, Interface, Item, LinkType, Skipped as ReaderSkipped, TextPayload, TextRecord,
};
use crate::types::{MacAddr, Tuple, Warning};

const START: u64 = 1_654_814_908_000_000;
const SECOND: u64 = 1_000_000;

fn at(micros: u64) -> Timestamp {
    Timestamp::from_nanos((START + micros) * 1000)
}

/// Frames of one file by the stream and by threads, which must agree.
fn count_frames(frames: &[(u64, Vec<u8>)]) -> Outcome {
    let frames: Vec<_> = frames.iter().map(|(micros, data)| Captured::new(START + micros, data.clone())).collect();
    let file = TempFile::new(&pcap(&frames));
    let outcome = by_stream(&file);
    assert_eq!(by_threads(&file, 2, 100), outcome);
    outcome
}

/// Destination port, later-fragment mark and packets of each observation.
fn ports(outcome: &Outcome) -> Vec<(u16, bool, u64)> {
    let of = |it: &Observation| (it.tuple.tp_dst, it.tags.is_later_fragment(), it.packets);
    outcome.observations.iter().map(of).collect()
}

fn first4(id: u16, dport: u16) -> Vec<u8> {
    ethernet(&[], 0x0800, &ipv4(1, 17, id, 0x2000, &udp(1000, dport, &[0; 8])))
}

fn later4(id: u16) -> Vec<u8> {
    ethernet(&[], 0x0800, &ipv4(1, 17, id, 0x0002, &[0xff; 8]))
}

#[test]
fn fragments_belong_to_the_flow_of_the_first() {
    let outcome = count_frames(&[
        (0, first4(1, 5005)),
        (1, later4(1)),
        (2, first4(2, 6006)),
        (3, later4(2)),
        (4, later4(1)),
        (5, ethernet(&[], 0x0800, &ipv4(1, 17, 0, 0, &udp(1000, 5005, &[0; 8])))),
    ]);
    assert_eq!(ports(&outcome), [(5005, false, 4), (6006, false, 2)]);
    assert_eq!(outcome.totals.unattributed_fragments, 0);
}

#[test]
fn fragments_without_their_first() {
    let before_the_first = [(0, later4(1)), (1, first4(1, 5005))];
    let of_another_vlan = [(0, first4(1, 5005)), (1, ethernet(&[7], 0x0800, &ipv4(1, 17, 1, 0x0002, &[0xff; 8])))];
    let after_the_timeout = [(0, first4(1, 5005)), (31 * SECOND, later4(1))];
    for frames in [before_the_first, of_another_vlan, after_the_timeout] {
        let outcome = count_frames(&frames);
        let mut found = ports(&outcome);
        found.sort();
        assert_eq!(found, [(0, true, 1), (5005, false, 1)]);
        assert_eq!(outcome.totals.unattributed_fragments, 1);
    }
}

#[test]
fn an_identification_used_again() {
    let outcome = count_frames(&[(0, first4(1, 5005)), (1, first4(1, 6006)), (2, later4(1))]);
    assert_eq!(ports(&outcome), [(5005, false, 1), (6006, false, 2)]);
}

#[test]
fn ipv6_fragments_whose_later_ones_name_another_protocol() {
    // RFC 8200 section 4.5: of the fragments' next headers only that of the first counts.
    let options = [&[17, 0, 1, 4, 0, 0, 0, 0][..], &udp(1000, 5005, &[0; 8])].concat();
    let outcome = count_frames(&[
        (0, ethernet(&[], 0x86dd, &ipv6(1, 44, &fragment6(60, 9, 0, true, &options)))),
        (1, ethernet(&[], 0x86dd, &ipv6(1, 44, &fragment6(60, 9, 3, false, &[0xff; 8])))),
    ]);
    assert_eq!(ports(&outcome), [(5005, false, 2)]);
}

#[test]
fn neighbours_are_heard_and_start_epochs() {
    let packet = ethernet(&[], 0x0800, &ipv4(1, 17, 1, 0, &udp(1000, 5005, &[0; 8])));
    let outcome = count_frames(&[
        (0, packet.clone()),
        (5, ethernet(&[], 0x0806, &arp(9, 4))),
        (5, packet.clone()),
        (8, packet.clone()),
        (9, packet.clone()),
        (10, ethernet(&[7], 0x86dd, &ipv6(3, 58, &advertisement(3, 5)))),
        (11, ethernet(&[], 0x0800, &ipv4(2, 17, 1, 0, &bfd()))),
        (12, packet),
    ]);
    let heard =
        |ip: &str, mac: [u8; 6], micros| HeardNeighbour { ip: ip.parse().unwrap(), mac: MacAddr(mac), at: at(micros) };
    assert_eq!(
        outcome.heard,
        [
            heard("10.0.0.9", [2, 0, 0, 0, 0, 4], 5),
            heard("fd00::3", [2, 0, 0, 0, 0, 5], 10),
            heard("10.0.0.2", MAC_B, 11),
        ]
    );
    // The MAC of the ARP packet ends in 4: epochs start at 5 and 9. That of the BFD packet ends in 0xf2.
    let counts: Vec<_> =
        outcome.observations.iter().filter(|it| it.tuple.tp_dst == 5005).map(|it| (it.first, it.packets)).collect();
    assert_eq!(counts, [(at(0), 1), (at(5), 2), (at(9), 1), (at(12), 1)]);
    assert_eq!((outcome.totals.skipped.not_ip, outcome.totals.packets), (1, 8));
}

/// Frames and lines that need no file.
struct Given {
    items: Vec<(LinkType, Vec<u8>, Direction)>,
    lines: Vec<TextRecord>,
    next: usize,
}

impl CaptureReader for Given {
    fn advance(&mut self) -> Result<bool, CaptureError> {
        self.next += 1;
        Ok(self.next <= self.items.len() + self.lines.len())
    }

    fn item(&self) -> Option<Item<'_>> {
        let index = self.next.checked_sub(1)?;
        let at = at(index as u64);
        match self.items.get(index) {
            Some(&(link_type, ref data, direction)) => {
                let orig_len = data.len() as u32 + 1;
                Some(Item::Frame(FrameRef { at, interface: 3, link_type, data, orig_len, direction }))
            }
            None => self.lines.get(index - self.items.len()).map(|line| Item::Text(TextRecord { at, ..*line })),
        }
    }

    fn interfaces(&self) -> &[Interface] {
        &[]
    }

    fn take_warnings(&mut self) -> Vec<Warning> {
        Vec::new()
    }

    fn skipped(&self) -> ReaderSkipped {
        ReaderSkipped { frames: 0, lines: 4, ends: 0 }
    }

    fn progress(&self) -> Progress {
        Progress::default()
    }
}

fn count_given(items: Vec<(LinkType, Vec<u8>, Direction)>, lines: Vec<TextRecord>) -> Outcome {
    let mut sink = Recorder::default();
    let mut reader = Given { items, lines, next: 0 };
    let counted = count_reader(&mut reader, Epochs::new([]), &Options::default(), &mut sink).unwrap();
    assert_eq!(counted.skipped_by_reader.lines, 4);
    outcome(&counted, sink)
}

#[test]
fn link_types_without_destination_mac() {
    let packet = ipv4(1, 17, 1, 0, &udp(1000, 5005, &[0; 8]));
    // Packet type, ARPHRD_ETHER, address length, address, protocol.
    let sll = [&[0, 4, 0, 1, 0, 6], &MAC_B[..], &[0, 0, 8, 0], &packet].concat();
    // Protocol, reserved, interface index, ARPHRD_ETHER, packet type, address length, address.
    let sll2 = [&[8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6], &MAC_B[..], &[0, 0], &packet].concat();
    let tunnel = [&[0, 0, 0xff, 0xfe, 0, 0], &[9; 8][..], &[8, 0], &packet].concat();
    let outcome = count_given(
        vec![
            (LinkType::LinuxSll, sll, Direction::Outbound),
            (LinkType::LinuxSll2, sll2, Direction::Inbound),
            (LinkType::LinuxSll, tunnel, Direction::Inbound),
            (LinkType::RawIp, packet, Direction::Unknown),
            (LinkType::RawIp, vec![0x50; 40], Direction::Unknown),
            (LinkType::LinuxSll, vec![0; 15], Direction::Unknown),
        ],
        vec![],
    );
    let found: Vec<_> =
        outcome.observations.iter().map(|it| (it.nic, it.eth_src.0, it.direction(), it.eth_dst())).collect();
    assert_eq!(
        found,
        [
            (3, MAC_B, Direction::Outbound, None),
            (3, MAC_B, Direction::Inbound, None),
            (3, [0; 6], Direction::Inbound, None),
            (3, [0; 6], Direction::Unknown, None),
        ]
    );
    assert!(outcome.observations.iter().all(|it| it.tuple.tp_dst == 5005));
    assert_eq!((outcome.totals.skipped.unparsed, outcome.totals.skipped.truncated), (1, 1));
}

#[test]
fn the_host_itself_is_not_heard() {
    let frame = ethernet(&[], 0x0806, &arp(9, 4));
    let outcome = count_given(
        vec![
            (LinkType::Ethernet, frame.clone(), Direction::Outbound),
            (LinkType::Ethernet, frame.clone(), Direction::Inbound),
            (LinkType::Ethernet, frame, Direction::Unknown),
        ],
        vec![],
    );
    assert_eq!(outcome.heard.iter().map(|heard| heard.at).collect::<Vec<_>>(), [at(1), at(2)]);
}

#[test]
fn lines_of_text() {
    let [src, dst]: [IpAddr; 2] = ["10.0.0.1".parse().unwrap(), "10.0.1.1".parse().unwrap()];
    let tuple = Tuple { src, dst, nw_proto: 17, tp_src: 1000, tp_dst: 5005 };
    let line = TextRecord {
        at: at(0),
        interface: 0,
        tags: LinkTags::NONE,
        eth_src: MacAddr(MAC_B),
        eth_dst: MacAddr(MAC_A),
        length: 94,
        payload: TextPayload::Ip(tuple),
    };
    let mixed = Tuple { dst: "fd00::1".parse().unwrap(), ..tuple };
    let later = Tuple { tp_src: 0, tp_dst: 0, ..tuple };
    let arp = TextPayload::Arp { ip: src, mac: MacAddr([2, 0, 0, 0, 0, 1]) };
    let outcome = count_given(
        vec![],
        vec![
            line,
            line,
            TextRecord { payload: arp, ..line },
            TextRecord { payload: TextPayload::Other, ..line },
            TextRecord { payload: TextPayload::Ip(mixed), ..line },
            TextRecord { payload: TextPayload::Ip(later), tags: LinkTags::NONE.with_later_fragment(), ..line },
        ],
    );
    assert_eq!(ports(&outcome), [(5005, false, 2), (0, true, 1)]);
    let first = outcome.observations[0];
    assert_eq!((first.tuple, first.eth_dst(), first.bytes), (tuple, Some(MacAddr(MAC_A)), 188));
    assert_eq!(outcome.heard, [HeardNeighbour { ip: src, mac: MacAddr([2, 0, 0, 0, 0, 1]), at: at(2) }]);
    assert_eq!((outcome.totals.skipped.not_ip, outcome.totals.unattributed_fragments), (3, 1));
}
