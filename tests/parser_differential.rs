//! The header parser against etherparse, on generated frames and on every capture of the repository.
//!
//! The two share nothing. Both are brought to the same form, [`Seen`], which holds what a flow key is made of.

#[path = "common/frames.rs"]
mod frames;
#[path = "common/seen.rs"]
mod seen;

use std::fs;

use analyzer_ebpf::parse::{Fragment, ParseError, parse};
use etherparse::*;
use frames::{captures, ethernet_frames, frame};
use proptest::prelude::*;
use seen::{Network, Seen, fragment, seen_by_us};

fn seen_by_etherparse(frame: &[u8], packet: &LaxSlicedPacket) -> Seen {
    let Some(LinkSlice::Ethernet2(ethernet)) = &packet.link else { panic!("no Ethernet header: {packet:?}") };
    let offset_of = |payload: &LaxIpPayloadSlice| payload.payload.as_ptr() as usize - frame.as_ptr() as usize;
    let network = match &packet.net {
        Some(LaxNetSlice::Ipv4(ip)) => {
            let header = ip.header();
            let fragment =
                fragment(header.identification().into(), header.fragments_offset().value(), header.more_fragments());
            Network::Ip {
                src: header.source_addr().into(),
                dst: header.destination_addr().into(),
                nw_proto: header.protocol().0,
                fragment,
                l4_offset: offset_of(ip.payload()),
                ports: ports(ip.payload(), fragment),
            }
        }
        Some(LaxNetSlice::Ipv6(ip)) => {
            let fragment_header = ip.extensions().clone().into_iter().find_map(|extension| match extension {
                Ipv6ExtensionSlice::Fragment(header) => Some(header),
                _ => None,
            });
            let fragment = fragment_header.map_or(Fragment::Whole, |header| {
                fragment(header.identification(), header.fragment_offset().value(), header.more_fragments())
            });
            Network::Ip {
                src: ip.header().source_addr().into(),
                dst: ip.header().destination_addr().into(),
                nw_proto: ip.payload().ip_number.0,
                fragment,
                l4_offset: offset_of(ip.payload()),
                ports: ports(ip.payload(), fragment),
            }
        }
        Some(LaxNetSlice::Arp(_)) => Network::Arp,
        None => Network::Other,
    };
    Seen {
        eth_dst: ethernet.destination(),
        eth_src: ethernet.source(),
        vids: packet.vlan_ids().iter().take(2).map(|vid| vid.value()).collect(),
        more_tags: packet.vlan_ids().len() > 2,
        network,
    }
}

/// What stands for ports in a payload that holds its transport header.
///
/// etherparse reads the header of a whole datagram only, so it is called again for first fragments.
fn ports(payload: &LaxIpPayloadSlice, fragment: Fragment) -> (u16, u16) {
    let bytes = payload.payload;
    match payload.ip_number {
        _ if matches!(fragment, Fragment::Later(_)) => (0, 0),
        ip_number::UDP => {
            let udp = UdpSlice::from_slice_lax(bytes).unwrap();
            (udp.source_port(), udp.destination_port())
        }
        ip_number::TCP => {
            let tcp = TcpSlice::from_slice(bytes).unwrap();
            (tcp.source_port(), tcp.destination_port())
        }
        ip_number::ICMP => {
            let icmp = Icmpv4Slice::from_slice(bytes).unwrap();
            let id = match icmp.icmp_type() {
                Icmpv4Type::EchoRequest(echo) | Icmpv4Type::EchoReply(echo) => echo.id,
                _ => 0,
            };
            (id, u16::from_be_bytes([icmp.type_u8(), icmp.code_u8()]))
        }
        ip_number::IPV6_ICMP => {
            let icmp = Icmpv6Slice::from_slice(bytes).unwrap();
            let id = match icmp.icmp_type() {
                Icmpv6Type::EchoRequest(echo) | Icmpv6Type::EchoReply(echo) => echo.id,
                _ => 0,
            };
            (id, u16::from_be_bytes([icmp.type_u8(), icmp.code_u8()]))
        }
        // etherparse knows none of these headers; ports are their first two fields (RFC 9260, 4340, 3828).
        ip_number::SCTP | ip_number::DCCP | ip_number::UDP_LITE => {
            let [s0, s1, d0, d1] = *bytes.first_chunk().unwrap();
            (u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1]))
        }
        _ => (0, 0),
    }
}

/// Compares the two on a frame that holds all its headers.
fn assert_same(frame: &[u8]) {
    let packet = LaxSlicedPacket::from_ethernet(frame).unwrap_or_else(|error| panic!("{error}: {frame:02x?}"));
    assert_eq!(packet.stop_err, None, "{frame:02x?}");
    let parsed = parse(frame).unwrap_or_else(|error| panic!("{error:?}: {frame:02x?}"));
    assert_eq!(seen_by_us(&parsed), seen_by_etherparse(frame, &packet), "{frame:02x?}");
}

#[test]
fn frames_of_all_captures() {
    let captures = captures();
    assert!(!captures.is_empty(), "no capture in pcaps/*/*.pcap");
    for path in captures {
        let file = fs::read(&path).unwrap();
        let frames = ethernet_frames(&file).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for frame in frames {
            let is_whole = LaxSlicedPacket::from_ethernet(frame).is_ok_and(|packet| packet.stop_err.is_none());
            // Some captures were taken with a short snaplen. What one parser cannot read, the other must refuse.
            match is_whole {
                true => assert_same(frame),
                false => assert!(parse(frame).is_err(), "{frame:02x?}"),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn generated_frames(frame in frame()) {
        assert_same(&frame);
    }

    #[test]
    fn generated_frames_cut_anywhere(frame in frame(), len in any::<prop::sample::Index>()) {
        let cut = &frame[..len.index(frame.len())];
        let by_etherparse = LaxSlicedPacket::from_ethernet(cut).ok();
        let whole = by_etherparse.filter(|packet| {
            packet.stop_err.is_none() && packet.ip_payload().is_none_or(|payload| !payload.incomplete)
        });
        match (parse(cut), whole) {
            (Ok(parsed), Some(packet)) => prop_assert_eq!(seen_by_us(&parsed), seen_by_etherparse(cut, &packet)),
            // Cut behind what a flow key is made of.
            (Ok(parsed), None) => prop_assert_eq!(Ok(parsed), parse(&frame[..])),
            (Err(ParseError::Truncated { offset }), None) => prop_assert!(offset <= cut.len()),
            (Err(error), packet) => prop_assert!(false, "{error:?}, etherparse has {packet:?}"),
        }
    }
}
