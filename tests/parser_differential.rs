//! The header parser against etherparse, on generated frames and on every capture of the repository.
//!
//! The two share nothing. Both are brought to the same form, [`Seen`], which holds what a flow key is made of.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use analyzer_ebpf::parse::{Fragment, Frame, Ip, ParseError, Payload, parse};
use etherparse::*;
use proptest::prelude::*;

/// What a parser made of a frame.
#[derive(PartialEq, Debug)]
struct Seen {
    eth_dst: [u8; 6],
    eth_src: [u8; 6],
    /// The two outer VLAN ids.
    vids: Vec<u16>,
    network: Network,
}

#[derive(PartialEq, Debug)]
enum Network {
    Ip { src: IpAddr, dst: IpAddr, nw_proto: u8, fragment: Fragment, l4_offset: usize, ports: (u16, u16) },
    Arp,
    Other,
}

fn seen_by_us(frame: &Frame) -> Seen {
    fn network<A: Copy + Into<IpAddr>>(ip: &Ip<A>) -> Network {
        Network::Ip {
            src: ip.src.into(),
            dst: ip.dst.into(),
            nw_proto: ip.nw_proto,
            fragment: ip.fragment,
            l4_offset: ip.l4_offset,
            ports: (ip.tp_src, ip.tp_dst),
        }
    }
    Seen {
        eth_dst: frame.eth_dst,
        eth_src: frame.eth_src,
        vids: frame.tags.outer().into_iter().chain(frame.tags.inner()).collect(),
        network: match &frame.payload {
            Payload::Ipv4(ip) => network(ip),
            Payload::Ipv6(ip) => network(ip),
            Payload::Arp { .. } => Network::Arp,
            Payload::Other { .. } => Network::Other,
        },
    }
}

fn seen_by_etherparse(frame: &[u8], packet: &LaxSlicedPacket) -> Seen {
    let Some(LinkSlice::Ethernet2(ethernet)) = &packet.link else { panic!("no Ethernet header: {packet:?}") };
    let offset_of = |payload: &LaxIpPayloadSlice| payload.payload.as_ptr() as usize - frame.as_ptr() as usize;
    let network = match &packet.net {
        Some(LaxNetSlice::Ipv4(ip)) => {
            let header = ip.header();
            let fragment = fragment(header.identification().into(), header.fragments_offset(), header.more_fragments());
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
                fragment(header.identification(), header.fragment_offset(), header.more_fragments())
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
        network,
    }
}

fn fragment(identification: u32, offset: IpFragOffset, more: bool) -> Fragment {
    match (offset.value(), more) {
        (0, false) => Fragment::Whole,
        (0, true) => Fragment::First(identification),
        _ => Fragment::Later(identification),
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
        // etherparse knows no SCTP header; the ports are its first two fields (RFC 9260 section 3.1).
        ip_number::SCTP => {
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

/// All of `pcaps/*/*.pcap`.
fn captures() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pcaps");
    let entries = |path: &Path| fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let cases = entries(&root).into_iter().filter(|path| path.is_dir());
    let files = cases.flat_map(|case| entries(&case));
    files.filter(|path| path.extension().is_some_and(|extension| extension == "pcap")).collect()
}

/// The frames of a classic pcap file of link type Ethernet, up to where the file ends or is cut.
///
/// Written out, so that the frames do not come through the code that reads captures for the analyzer.
fn ethernet_frames(file: &[u8]) -> Result<Vec<&[u8]>, String> {
    let u32_at: fn(&[u8], usize) -> u32 = match file.first_chunk() {
        Some([0xd4, 0xc3, 0xb2, 0xa1] | [0x4d, 0x3c, 0xb2, 0xa1]) => {
            |bytes, at| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
        }
        Some([0xa1, 0xb2, 0xc3, 0xd4] | [0xa1, 0xb2, 0x3c, 0x4d]) => {
            |bytes, at| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
        }
        magic => return Err(format!("not a classic pcap file: {magic:02x?}")),
    };
    if u32_at(file, 20) & 0xffff != 1 {
        return Ok(Vec::new());
    }
    let mut frames = Vec::new();
    let mut rest = &file[24..];
    while let Some((header, behind)) = rest.split_at_checked(16) {
        let Some((frame, next)) = behind.split_at_checked(u32_at(header, 8) as usize) else { break };
        frames.push(frame);
        rest = next;
    }
    Ok(frames)
}

/// Up to three tags, outermost first, each a TPID and the tag control information.
fn tags() -> impl Strategy<Value = Vec<(u16, u16)>> {
    prop::collection::vec((prop::sample::select(vec![0x8100, 0x88a8, 0x9100]), any::<u16>()), 0..4)
}

/// More-fragments bit and fragment offset; whole datagrams are as likely as both kinds of fragments.
fn fragment_place() -> impl Strategy<Value = (bool, IpFragOffset)> {
    let later = (any::<bool>(), 1..0x2000_u16);
    let place = prop_oneof![2 => Just((false, 0)), 1 => Just((true, 0)), 1 => later];
    place.prop_map(|(more, offset)| (more, offset.try_into().unwrap()))
}

fn ipv4() -> impl Strategy<Value = IpHeaders> {
    let options = prop::collection::vec(any::<[u8; 4]>(), 0..=10);
    (any::<([u8; 4], [u8; 4], u16, u8, bool)>(), fragment_place(), options).prop_map(
        |(
            (source, destination, identification, time_to_live, dont_fragment),
            (more_fragments, fragment_offset),
            options,
        )| {
            let header = Ipv4Header {
                source,
                destination,
                identification,
                time_to_live,
                dont_fragment,
                more_fragments,
                fragment_offset,
                options: options.as_flattened().try_into().unwrap(),
                ..Ipv4Header::default()
            };
            IpHeaders::Ipv4(header, Ipv4Extensions::default())
        },
    )
}

/// An extension header of the general form; PacketBuilder fills in the next header.
fn raw_extension() -> impl Strategy<Value = Option<Ipv6RawExtHeader>> {
    let payload = (0..6_usize, any::<u8>()).prop_map(|(units, byte)| vec![byte; 6 + 8 * units]);
    prop::option::of(payload.prop_map(|payload| Ipv6RawExtHeader::new_raw(ip_number::UDP, &payload).unwrap()))
}

fn ipv6() -> impl Strategy<Value = IpHeaders> {
    let auth = prop::option::of(
        prop::collection::vec(any::<[u8; 4]>(), 0..6)
            .prop_map(|icv| IpAuthHeader::new(ip_number::UDP, 1, 2, icv.as_flattened()).unwrap()),
    );
    let fragment = prop::option::of((fragment_place(), any::<u32>()));
    let extensions = (raw_extension(), raw_extension(), raw_extension(), raw_extension(), fragment, auth);
    (any::<([u8; 16], [u8; 16], u8)>(), extensions).prop_map(|((source, destination, hop_limit), extensions)| {
        let (hop_by_hop_options, destination_options, routing, final_options, fragment, auth) = extensions;
        let header = Ipv6Header { source, destination, hop_limit, ..Ipv6Header::default() };
        // Behind a later fragment's header stands the middle of the datagram; etherparse would take it for headers.
        let is_later = fragment.is_some_and(|((_, offset), _)| offset.value() != 0);
        let extensions = Ipv6Extensions {
            hop_by_hop_options,
            destination_options,
            routing: routing.map(|routing| Ipv6RoutingExtensions {
                routing,
                final_destination_options: final_options.filter(|_| !is_later),
            }),
            fragment: fragment.map(|((more, offset), identification)| {
                Ipv6FragmentHeader::new(ip_number::UDP, offset, more, identification)
            }),
            auth: auth.filter(|_| !is_later),
        };
        IpHeaders::Ipv6(header, extensions)
    })
}

#[derive(Clone, Debug)]
enum Transport {
    Udp(u16, u16),
    Tcp(u16, u16),
    Icmp(Icmpv4Type),
    Icmpv6(Icmpv6Type),
    Other(u8),
}

fn transport() -> impl Strategy<Value = Transport> {
    prop_oneof![
        any::<(u16, u16)>().prop_map(|(src, dst)| Transport::Udp(src, dst)),
        any::<(u16, u16)>().prop_map(|(src, dst)| Transport::Tcp(src, dst)),
        prop::sample::select(vec![4, 41, 47, 50, 59, 89]).prop_map(Transport::Other),
    ]
}

fn echo() -> impl Strategy<Value = IcmpEchoHeader> {
    any::<(u16, u16)>().prop_map(|(id, seq)| IcmpEchoHeader { id, seq })
}

fn icmp() -> impl Strategy<Value = Transport> {
    let too_big = any::<u16>().prop_map(|next_hop_mtu| {
        Icmpv4Type::DestinationUnreachable(icmpv4::DestUnreachableHeader::FragmentationNeeded { next_hop_mtu })
    });
    prop_oneof![echo().prop_map(Icmpv4Type::EchoRequest), echo().prop_map(Icmpv4Type::EchoReply), too_big]
        .prop_map(Transport::Icmp)
}

fn icmpv6() -> impl Strategy<Value = Transport> {
    let too_big = any::<u32>().prop_map(|mtu| Icmpv6Type::PacketTooBig { mtu });
    prop_oneof![echo().prop_map(Icmpv6Type::EchoRequest), echo().prop_map(Icmpv6Type::EchoReply), too_big]
        .prop_map(Transport::Icmpv6)
}

/// A well-formed frame, sometimes with padding behind the datagram.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let packet = prop_oneof![
        (ipv4(), prop_oneof![3 => transport(), 1 => icmp()]),
        (ipv6(), prop_oneof![3 => transport(), 1 => icmpv6()]),
    ];
    let data = prop::collection::vec(any::<u8>(), 0..40);
    let padding = prop_oneof![2 => Just(0), 1 => 1..40_usize];
    (any::<([u8; 6], [u8; 6])>(), tags(), packet, data, padding).prop_map(
        |((source, destination), tags, (ip, transport), data, padding)| {
            let mut frame = Vec::new();
            let builder = PacketBuilder::ethernet2(source, destination).ip(ip);
            match transport {
                Transport::Udp(src, dst) => builder.udp(src, dst).write(&mut frame, &data),
                Transport::Tcp(src, dst) => builder.tcp(src, dst, 1, 2).write(&mut frame, &data),
                Transport::Icmp(icmp_type) => builder.icmpv4(icmp_type).write(&mut frame, &data),
                Transport::Icmpv6(icmp_type) => builder.icmpv6(icmp_type).write(&mut frame, &data),
                Transport::Other(nw_proto) => builder.write(&mut frame, IpNumber(nw_proto), &data),
            }
            .unwrap();
            let tag_bytes = tags.iter().flat_map(|(tpid, tci)| [tpid.to_be_bytes(), tci.to_be_bytes()]);
            frame.splice(12..12, tag_bytes.flatten().collect::<Vec<_>>());
            frame.resize(frame.len() + padding, 0xa5);
            frame
        },
    )
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
