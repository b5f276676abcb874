//! The text of `tcpdump -e` says the same as the capture it was printed of.
//!
//! The texts under `fixtures/capture_text` are what tcpdump 4.99.3 prints with TZ=UTC: `egress.txt` of
//! `pcaps/ovn-22.03-nexthop-mac-change/egress.pcap` with -e; the others of `kinds.pcap` with `-e -n -tttt` (kinds-n),
//! `-e -tt` (kinds), `-e -n -v` (kinds-v) and `-e -n -q --number` (kinds-q). `kinds.pcap` holds a frame of each kind:
//! protocols, every ICMP message, extension headers, fragments, VLAN tags, tunnels, headers cut short.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use analyzer::capture::{self, CaptureReader, Item, Options, TextPayload, TextRecord};
use analyzer::types::{MacAddr, Timestamp, Tuple};
use analyzer_ebpf::abi::LinkTags;
use etherparse::{Ipv6ExtensionSlice, LaxIpv6Slice, LaxNetSlice, LaxSlicedPacket, LinkSlice};

/// What a frame or a line tells.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Told {
    at: Timestamp,
    eth_src: MacAddr,
    eth_dst: MacAddr,
    tags: LinkTags,
    length: u32,
    tuple: Option<Tuple>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn open(path: &str) -> Box<dyn CaptureReader + Send> {
    let options = Options { date: "2022-06-09".parse().ok(), ..Options::default() };
    capture::open(&root().join(path), &options).expect("a capture")
}

fn of_text(path: &str, date: &str) -> (Vec<TextRecord>, u64) {
    let options = Options { date: date.parse().ok(), ..Options::default() };
    let mut reader = capture::open(&root().join("tests/fixtures/capture_text").join(path), &options).expect("a text");
    let mut records = Vec::new();
    while let Some(item) = reader.next().expect("text of tcpdump") {
        match item {
            Item::Text(record) => records.push(record),
            Item::Frame(_) => panic!("{path} is text"),
        }
    }
    (records, reader.skipped().lines + reader.skipped().frames)
}

fn of_frames(path: &str) -> Vec<Told> {
    let mut reader = open(path);
    let mut told = Vec::new();
    while let Some(item) = reader.next().expect("a pcap") {
        let Item::Frame(frame) = item else { panic!("{path} is a pcap") };
        let Ok(packet) = LaxSlicedPacket::from_ethernet(frame.data) else { continue };
        let Some(LinkSlice::Ethernet2(ethernet)) = &packet.link else { continue };
        let (tags, tuple) = tags_and_tuple(&packet);
        told.push(Told {
            at: frame.at,
            eth_src: MacAddr(ethernet.source()),
            eth_dst: MacAddr(ethernet.destination()),
            tags,
            length: frame.orig_len,
            tuple,
        });
    }
    told
}

fn tags_and_tuple(packet: &LaxSlicedPacket<'_>) -> (LinkTags, Option<Tuple>) {
    let mut tags = LinkTags::NONE;
    for vid in packet.vlan_ids() {
        tags = tags.push(vid.value());
    }
    let (src, dst, payload): (IpAddr, IpAddr, _) = match &packet.net {
        Some(LaxNetSlice::Ipv4(ip)) => {
            // etherparse steps over an authentication header of IPv4, which is a protocol here.
            if ip.header().protocol().0 == 51 {
                let (src, dst) = (ip.header().source_addr().into(), ip.header().destination_addr().into());
                return (tags, Some(Tuple { src, dst, nw_proto: 51, tp_src: 0, tp_dst: 0 }));
            }
            (ip.header().source_addr().into(), ip.header().destination_addr().into(), ip.payload())
        }
        Some(LaxNetSlice::Ipv6(ip)) => {
            (ip.header().source_addr().into(), ip.header().destination_addr().into(), ip.payload())
        }
        _ => return (tags, None),
    };
    let later = match &packet.net {
        Some(LaxNetSlice::Ipv4(ip)) => ip.header().fragments_offset().value() > 0,
        // Of a later IPv6 fragment the text tells nothing.
        Some(LaxNetSlice::Ipv6(ip)) if is_later_fragment(ip) => return (tags, None),
        _ => false,
    };
    let nw_proto = payload.ip_number.0;
    let bytes = payload.payload;
    let half = |offset: usize| Some(u16::from_be_bytes([*bytes.get(offset)?, *bytes.get(offset + 1)?]));
    let ends = match nw_proto {
        _ if later => Some((0, 0)),
        // As kernel and tcpdump have it, a UDP header is whole or none.
        17 if bytes.len() < 8 => None,
        6 | 17 | 33 | 132 => half(0).zip(half(2)),
        1 | 58 => half(0).map(|type_code| {
            let query = matches!((nw_proto, type_code >> 8), (1, 0 | 8 | 13 | 14) | (58, 128 | 129));
            (if query { half(4).unwrap_or(0) } else { 0 }, type_code)
        }),
        _ => Some((0, 0)),
    };
    let tags = if later { tags.with_later_fragment() } else { tags };
    (tags, ends.map(|(tp_src, tp_dst)| Tuple { src, dst, nw_proto, tp_src, tp_dst }))
}

fn is_later_fragment(ip: &LaxIpv6Slice<'_>) -> bool {
    ip.extensions().clone().into_iter().any(|extension| match extension {
        Ipv6ExtensionSlice::Fragment(fragment) => fragment.fragment_offset().value() > 0,
        _ => false,
    })
}

fn of_record(record: &TextRecord) -> Told {
    let tuple = match record.payload {
        TextPayload::Ip(tuple) => Some(tuple),
        _ => None,
    };
    let TextRecord { at, eth_src, eth_dst, tags, length, .. } = *record;
    Told { at, eth_src, eth_dst, tags, length, tuple }
}

#[test]
fn a_real_capture() {
    let frames = of_frames("pcaps/ovn-22.03-nexthop-mac-change/egress.pcap");
    let date = frames[0].at.to_rfc3339(0);
    let (records, skipped) = of_text("egress.txt", &date[..10]);
    assert_eq!((records.len(), skipped), (frames.len(), 0));
    for (record, frame) in records.iter().zip(&frames) {
        assert_eq!(of_record(record), *frame);
    }
    // What an answer says of its sender is what the Ethernet header says: nobody answers for another here.
    let heard: Vec<_> = records
        .iter()
        .filter_map(|record| match record.payload {
            TextPayload::Arp { ip, mac } => Some((ip.to_string(), mac == record.eth_src)),
            _ => None,
        })
        .collect();
    for gateway in ["198.19.3.15", "198.19.3.16"] {
        assert!(heard.contains(&(gateway.to_owned(), true)), "{gateway}");
    }
    assert!(heard.iter().all(|&(_, own)| own));
}

/// Frames, by their microsecond, of which the text tells less than they hold, and what it leaves out.
const TEXT_TELLS_LESS: [(u64, &str); 9] = [
    (362, "the code of an ICMP message of unknown type"),
    (387, "type of an ICMPv6 node information query"),
    (388, "type of an ICMPv6 node information reply"),
    (389, "type of an RPL message"),
    (390, "type of an ICMPv6 multicast trace"),
    (403, "addresses of an SCTP packet that is cut"),
    (436, "ports of UDP-Lite"),
    (451, "the frame's length: of IEEE 802.3 the length field is printed"),
    (496, "addresses of a packet whose IP length is 0"),
];

/// A frame, by its microsecond, of which nothing stands behind its addresses: the line might be cut there.
const NOTHING_BEHIND: u64 = 473;

#[test]
fn every_kind_of_frame() {
    let frames = of_frames("tests/fixtures/capture_text/kinds.pcap");
    for (text, lost) in [("kinds-n.txt", 1), ("kinds.txt", 1), ("kinds-v.txt", 0), ("kinds-q.txt", 0)] {
        let (records, skipped) = of_text(text, "2022-06-09");
        // The frame that ends in its Ethernet header has neither MACs in the text nor a place among the frames.
        assert_eq!((records.len(), skipped), (frames.len() - lost, 1 + lost as u64), "{text}");
        let is_told = |frame: &&Told| lost == 0 || frame.at.as_nanos() / 1000 % 1000 != NOTHING_BEHIND;
        for (record, frame) in records.iter().zip(frames.iter().filter(is_told)) {
            let told = of_record(record);
            let micros = frame.at.as_nanos() / 1000 % 1000;
            match TEXT_TELLS_LESS.iter().find(|(frame, _)| *frame == micros) {
                Some((_, what)) => {
                    assert_eq!((told.at, told.eth_dst, told.tags), (frame.at, frame.eth_dst, frame.tags), "{what}");
                    assert_ne!(told, *frame, "{text} tells more than expected: {what}");
                }
                None => assert_eq!(told, *frame, "{text}"),
            }
        }
    }
}
