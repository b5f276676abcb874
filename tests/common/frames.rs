//! Frames for the tests of the parser: those of the captures, and generated ones.

use std::fs;
use std::path::{Path, PathBuf};

use etherparse::*;
use proptest::prelude::*;

/// All of `pcaps/*/*.pcap`.
pub(crate) fn captures() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pcaps");
    let entries = |path: &Path| fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let cases = entries(&root).into_iter().filter(|path| path.is_dir());
    let files = cases.flat_map(|case| entries(&case));
    files.filter(|path| path.extension().is_some_and(|extension| extension == "pcap")).collect()
}

/// The frames of a classic pcap file of link type Ethernet, up to where the file ends or is cut.
///
/// Written out, so that the frames do not come through the code that reads captures for the analyzer.
pub(crate) fn ethernet_frames(file: &[u8]) -> Result<Vec<&[u8]>, String> {
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

/// An extension header of the general form, filled with one option (PadN); PacketBuilder fills in the next header.
fn raw_extension() -> impl Strategy<Value = Option<Ipv6RawExtHeader>> {
    let payload = (0..6_usize, any::<u8>()).prop_map(|(units, byte)| {
        let length = 4 + 8 * units;
        [vec![1, length as u8], vec![byte; length]].concat()
    });
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
    /// Of a protocol that PacketBuilder does not know, and that has ports.
    Ports(u8, u16, u16),
    Other(u8),
}

fn transport() -> impl Strategy<Value = Transport> {
    prop_oneof![
        any::<(u16, u16)>().prop_map(|(src, dst)| Transport::Udp(src, dst)),
        any::<(u16, u16)>().prop_map(|(src, dst)| Transport::Tcp(src, dst)),
        (prop::sample::select(vec![33, 132, 136]), any::<(u16, u16)>())
            .prop_map(|(nw_proto, (src, dst))| Transport::Ports(nw_proto, src, dst)),
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
pub(crate) fn frame() -> impl Strategy<Value = Vec<u8>> {
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
                Transport::Ports(nw_proto, src, dst) => {
                    let header = [src.to_be_bytes(), dst.to_be_bytes(), [0; 2], [0; 2]].concat();
                    builder.write(&mut frame, IpNumber(nw_proto), &[header, data].concat())
                }
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
