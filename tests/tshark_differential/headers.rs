//! What tshark's dissection of a frame says of the headers that a flow key is made of.

use std::net::IpAddr;

use analyzer::types::tuple::proto;
use analyzer_ebpf::parse::Fragment;

use crate::seen::{Network, Seen, fragment};
use crate::tshark::{Layer, Packet};

/// EtherTypes.
const IPV4: u64 = 0x0800;
const ARP: u64 = 0x0806;
const IPV6: u64 = 0x86dd;
const TAGS: [u64; 3] = [0x8100, 0x88a8, 0x9100];

/// An IPv6 extension header: its number, its name, and the fields that name the next header and tell the length.
struct Extension {
    number: u64,
    name: &'static str,
    next: &'static str,
    length: &'static str,
}

const EXTENSIONS: [Extension; 6] = [
    extension(0, "ipv6.hopopts", "ipv6.hopopts.nxt", "ipv6.hopopts.len"),
    extension(43, "ipv6.routing", "ipv6.routing.nxt", "ipv6.routing.len"),
    extension(44, "ipv6.fraghdr", "ipv6.fraghdr.nxt", ""),
    extension(51, "ah", "ah.next_header", "ah.length"),
    extension(60, "ipv6.dstopts", "ipv6.dstopts.nxt", "ipv6.dstopts.len"),
    extension(140, "shim6", "shim6.nxt", "shim6.len"),
];

const fn extension(number: u64, name: &'static str, next: &'static str, length: &'static str) -> Extension {
    Extension { number, name, next, length }
}

impl Extension {
    /// Bytes of a header, by its own word: where it is cut, the dissection shows less.
    fn bytes(&self, layer: &Layer) -> Option<usize> {
        Some(match self.number {
            44 => 8,
            51 => (layer.number(self.length)? as usize + 2) * 4,
            _ => (layer.number(self.length)? as usize + 1) * 8,
        })
    }
}

/// Why tshark's dissection has no flow.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Unread {
    /// A header is cut, or it contradicts itself.
    Header,
    /// The datagram, as its own header tells its length, ends before the ports or the ICMP header do. All else is told,
    /// with ports of 0.
    PortsBeyondDatagram(Seen),
    /// The ports are in the frame, but tshark gives no transport header that is cut behind them. All else is told,
    /// with ports of 0.
    Undissected(Seen),
}

/// What it says of the ports.
enum Ports {
    Told(u16, u16),
    BeyondDatagram,
    Undissected,
}

/// What it says of a frame.
pub(crate) fn seen_by_tshark(packet: &Packet) -> Result<Seen, Unread> {
    let (seen, ports) = read(packet).ok_or(Unread::Header)?;
    match ports {
        Ports::Told(..) => Ok(seen),
        Ports::BeyondDatagram => Err(Unread::PortsBeyondDatagram(seen)),
        Ports::Undissected => Err(Unread::Undissected(seen)),
    }
}

fn read(packet: &Packet) -> Option<(Seen, Ports)> {
    let eth = packet.layer("eth")?;
    let (eth_dst, eth_src) = (eth.octets("eth.dst")?, eth.octets("eth.src")?);
    let mut eth_type = eth.number("eth.type").or_else(|| eth.number("eth.len"))?;
    let mut vids = Vec::new();
    for layer in &packet.layers {
        match layer.name.as_str() {
            "vlan" => {
                vids.extend(layer.numbers(&["vlan.id"]));
                eth_type = layer.number("vlan.etype").or_else(|| layer.number("vlan.len"))?;
            }
            "ieee8021ad" => {
                vids.extend(layer.numbers(&["ieee8021ad.id", "ieee8021ad.svid", "ieee8021ad.cvid"]));
                eth_type = layer.numbers(&["ieee8021ah.etype"]).last()?;
            }
            "geninfo" | "frame" | "eth" => {}
            _ => break,
        }
    }
    let (network, ports) = match eth_type {
        IPV4 => ipv4(packet)?,
        IPV6 => ipv6(packet)?,
        ARP => (Network::Arp, Ports::Told(0, 0)),
        tag if TAGS.contains(&tag) => return None,
        _ => (Network::Other, Ports::Told(0, 0)),
    };
    let more_tags = vids.len() > 2;
    let vids = vids.into_iter().take(2).map(|vid| vid as u16).collect();
    Some((Seen { eth_dst, eth_src, vids, more_tags, network }, ports))
}

/// An IP header as far as it does not depend on the version.
struct Ip {
    src: IpAddr,
    dst: IpAddr,
    nw_proto: u8,
    fragment: Fragment,
    l4_offset: usize,
    /// Offset of the datagram's end; `None` where its header does not tell.
    end: Option<usize>,
}

fn ipv4(packet: &Packet) -> Option<(Network, Ports)> {
    let layer = packet.layer("ip").filter(|layer| layer.depth == 0)?;
    let identification = layer.number("ip.id")? as u32;
    let (offset, more) = (layer.number("ip.frag_offset")? as u16, layer.number("ip.flags.mf")? != 0);
    let length = layer.number("ip.len")? as usize;
    let ip = Ip {
        src: layer.octets::<4>("ip.src")?.into(),
        dst: layer.octets::<4>("ip.dst")?.into(),
        nw_proto: layer.number("ip.proto")? as u8,
        fragment: fragment(identification, offset, more),
        l4_offset: layer.offset + layer.number("ip.hdr_len")? as usize,
        end: (length != 0).then_some(layer.offset + length),
    };
    ip.network(packet)
}

fn ipv6(packet: &Packet) -> Option<(Network, Ports)> {
    let index = packet.layers.iter().position(|layer| layer.name == "ipv6" && layer.depth == 0)?;
    let layer = &packet.layers[index];
    let mut next_header = layer.number("ipv6.nxt")?;
    let mut l4_offset = layer.offset + 40;
    let mut place = Fragment::Whole;
    for header in &packet.layers[index + 1..] {
        let known = EXTENSIONS.iter().find(|known| known.name == header.name && header.offset == l4_offset);
        let Some(extension) = known else { break };
        if extension.name == "ipv6.fraghdr" {
            place = of_fragment_header(header, place)?;
        }
        next_header = header.number(extension.next)?;
        l4_offset += extension.bytes(header)?;
    }
    let is_unread = EXTENSIONS.iter().any(|extension| extension.number == next_header);
    if is_unread && !matches!(place, Fragment::Later(_)) {
        return None;
    }
    let length = layer.number("ipv6.plen")? as usize;
    let ip = Ip {
        src: layer.octets::<16>("ipv6.src")?.into(),
        dst: layer.octets::<16>("ipv6.dst")?.into(),
        nw_proto: next_header as u8,
        fragment: place,
        l4_offset,
        end: (length != 0).then_some(layer.offset + 40 + length),
    };
    ip.network(packet)
}

/// The place that one more fragment header tells. One that fragments nothing changes nothing (RFC 6946).
fn of_fragment_header(header: &Layer, before: Fragment) -> Option<Fragment> {
    let identification = header.number("ipv6.fraghdr.ident")? as u32;
    let (offset, more) = (header.number("ipv6.fraghdr.offset")? as u16, header.number("ipv6.fraghdr.more")? != 0);
    match fragment(identification, offset, more) {
        Fragment::Whole => Some(before),
        place => Some(place),
    }
}

impl Ip {
    fn network(self, packet: &Packet) -> Option<(Network, Ports)> {
        let Self { src, dst, nw_proto, fragment, l4_offset, end } = self;
        let holds = |len: usize| end.is_none_or(|end| l4_offset + len <= end);
        if packet.captured < l4_offset || !holds(0) {
            return None;
        }
        // Bytes that the ports, or what stands for them, need.
        let needed = match nw_proto {
            _ if matches!(fragment, Fragment::Later(_)) => 0,
            proto::TCP | proto::UDP | proto::SCTP | proto::DCCP | proto::UDPLITE => 4,
            proto::ICMP | proto::ICMPV6 => 8,
            _ => 0,
        };
        let told = match needed {
            0 => Ports::Told(0, 0),
            _ if !holds(needed) => Ports::BeyondDatagram,
            _ if packet.captured < l4_offset + needed => return None,
            _ => ports(packet, nw_proto, l4_offset).map_or(Ports::Undissected, |(src, dst)| Ports::Told(src, dst)),
        };
        let ports = if let Ports::Told(src, dst) = told { (src, dst) } else { (0, 0) };
        Some((Network::Ip { src, dst, nw_proto, fragment, l4_offset, ports }, told))
    }
}

/// Ports of the transport header at this offset; of ICMP the identifier, and type and code.
fn ports(packet: &Packet, nw_proto: u8, offset: usize) -> Option<(u16, u16)> {
    let (name, src, dst) = match nw_proto {
        proto::TCP => ("tcp", "tcp.srcport", "tcp.dstport"),
        proto::UDP => ("udp", "udp.srcport", "udp.dstport"),
        proto::SCTP => ("sctp", "sctp.srcport", "sctp.dstport"),
        proto::DCCP => ("dccp", "dccp.srcport", "dccp.dstport"),
        proto::UDPLITE => ("udplite", "udp.srcport", "udp.dstport"),
        proto::ICMP => ("icmp", "icmp.type", "icmp.code"),
        _ => ("icmpv6", "icmpv6.type", "icmpv6.code"),
    };
    let layer = packet.layers.iter().find(|layer| layer.name == name && layer.offset == offset)?;
    let (first, second) = (layer.number(src)?, layer.number(dst)?);
    if matches!(nw_proto, proto::ICMP | proto::ICMPV6) {
        // Node information queries have no identifier; what stands at its place is their Qtype (RFC 4620 section 4),
        // and conntrack takes that for one.
        let names = ["icmp.ident", "icmpv6.echo.identifier", "icmpv6.ni.qtype"];
        let identifier = layer.numbers(&names).next().unwrap_or(0);
        return Some((identifier as u16, (first << 8 | second) as u16));
    }
    Some((first as u16, second as u16))
}
