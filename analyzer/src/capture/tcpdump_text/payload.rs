//! The payload of a line: ARP, IP addresses, ports, protocol.

use std::net::IpAddr;

use super::icmp;
use super::services::service;
use crate::capture::TextPayload;
use crate::types::tuple::{proto, proto_number};
use crate::types::{MacAddr, Tuple};

const IPIP: u8 = 4;
const IPV6_IN_IP: u8 = 41;
const NO_NEXT_HEADER: u8 = 59;

/// Protocols without ports, by what tcpdump begins their text with.
const PORTLESS: [(&str, u8); 15] = [
    ("igmp", proto::IGMP),
    ("RSVPv1", 46),
    ("GREv", proto::GRE),
    ("ESP(", proto::ESP),
    ("AH(", 51),
    ("mobile: ", 55),
    ("no next header", NO_NEXT_HEADER),
    ("EIGRP", 88),
    ("OSPFv", 89),
    ("PIMv", 103),
    ("IPComp(", 108),
    ("VRRPv", 112),
    ("CARPv", 112),
    ("IP ", IPIP),
    ("IP6 ", IPV6_IN_IP),
];

/// Protocols as tcpdump names them without option -n, beside those that have a name here anyway.
const NAMED: [(&str, u8); 9] = [
    ("ipv6", IPV6_IN_IP),
    ("ah", 51),
    ("eigrp", 88),
    ("ospf", 89),
    ("pim", 103),
    ("l2tp", 115),
    ("mpls-in-ip", 137),
    ("exptest-253", 253),
    ("exptest-254", 254),
];

/// How tcpdump begins what it prints of a packet that it could not read itself.
const UNREAD: [&str; 8] = ["[|", "bad-", "truncated-", "invalid", "(invalid", "unknown", "error:", "wrong"];

/// How packets with ports begin behind their addresses, by protocol. What begins otherwise is UDP, whose payload tcpdump
/// decodes without a word of UDP.
const WITH_PORTS: [(&str, u8); 12] = [
    ("Flags [", proto::TCP),
    ("tcp ", proto::TCP),
    ("[|tcp]", proto::TCP),
    ("[tcp ", proto::TCP),
    ("truncated-tcp", proto::TCP),
    ("sctp", proto::SCTP),
    ("[|sctp]", proto::SCTP),
    ("truncated-sctp", proto::SCTP),
    ("DCCP", proto::DCCP),
    ("dccp", proto::DCCP),
    ("[|dccp]", proto::DCCP),
    ("truncated-dccp", proto::DCCP),
];

/// What tcpdump prints of TCP and SCTP alone: where it stands behind another beginning, that beginning is damaged.
const NOT_OF_UDP: [&str; 5] = [", win ", "[DATA]", "[SACK]", "[HB ", "[INIT"];

/// Extension headers of IPv6 that tcpdump prints before the ports, but for those in parentheses.
const EXTENSIONS: [&str; 6] = ["HBH", "DSTOPT", "RT6", "srcrt", "rt6", "AH"];

/// What tcpdump -v tells of an IPv4 header on the packet's first line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Ipv4Header {
    pub(super) nw_proto: Option<u8>,
    pub(super) later_fragment: bool,
}

/// An IP packet as read of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Packet {
    pub(super) payload: TextPayload,
    pub(super) later_fragment: bool,
    /// A service name that stands for several ports, followed by these.
    pub(super) ambiguous: Option<&'static str>,
}

/// Why the addresses or ports of a packet are not known.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("{0:?} is no IP address; print the capture with `tcpdump -n`, and do not mask addresses")]
    NotAnAddress(String),
    #[error("service name {0:?} is not known; print the capture with `tcpdump -n`")]
    UnknownService(String),
    #[error("the addresses do not end")]
    NoEnd,
    #[error("its protocol cannot be read")]
    NoProtocol,
}

impl Packet {
    /// A packet that tells nothing to judge.
    pub(super) const OTHER: Self = Self { payload: TextPayload::Other, later_fragment: false, ambiguous: None };
}

/// Reads what tcpdump -v prints of an IPv4 header; `None` where it printed none. The addresses are on the next line.
pub(super) fn verbose_ipv4(body: &str) -> Option<Ipv4Header> {
    let header = without_truncation(body).strip_prefix("(tos ")?;
    let offset =
        header.split_once(" offset ").and_then(|(_, rest)| rest.split_once(',')).map_or("0", |(offset, _)| offset);
    Some(Ipv4Header { nw_proto: number_in_parentheses(header, " proto "), later_fragment: offset != "0" })
}

/// Reads `A.PORT > B.PORT: ...` or `A > B: ...`.
///
/// # Errors
/// Addresses or ports that are names no table here knows.
pub(super) fn packet(body: &str, header: Ipv4Header) -> Result<Packet, Problem> {
    let body = without_truncation(body);
    let body = body.strip_prefix("IP ").or_else(|| body.strip_prefix("IP6 ")).unwrap_or(body);
    // IPv6 headers stand on the same line as the addresses, in parentheses.
    let body = match body.strip_prefix('(').and_then(|rest| rest.split_once("payload length: ")) {
        Some((_, rest)) => rest.split_once(") ").ok_or(Problem::NoEnd)?.1,
        None => body,
    };
    let Some((src, rest)) = body.split_once(" > ") else {
        let is_unread = UNREAD.iter().any(|start| body.trim_start().starts_with(start)) || body.contains("(invalid)");
        return if is_unread { Ok(Packet::OTHER) } else { Err(Problem::NoEnd) };
    };
    let (dst, rest) = rest.split_once(": ").or_else(|| Some((rest.strip_suffix(':')?, ""))).ok_or(Problem::NoEnd)?;
    let (src, src_port) = endpoint(src)?;
    let (dst, dst_port) = endpoint(dst)?;
    let between = Between { src, dst, header };
    match (src_port, dst_port) {
        (Some(src_port), Some(dst_port)) => between.with_ports(src_port, dst_port, rest),
        _ if dst.is_ipv6() => between.behind_extensions(rest),
        _ => between.without_ports(rest),
    }
}

/// The two ends of a packet, and what is known of its header.
#[derive(Clone, Copy)]
struct Between {
    src: IpAddr,
    dst: IpAddr,
    header: Ipv4Header,
}

impl Between {
    fn with_ports(self, src_port: &str, dst_port: &str, rest: &str) -> Result<Packet, Problem> {
        let nw_proto = self.header.nw_proto.or_else(|| protocol_with_ports(rest)).ok_or(Problem::NoProtocol)?;
        let (tp_src, unsure_src) = port(src_port)?;
        let (tp_dst, unsure_dst) = port(dst_port)?;
        let packet = self.packet(nw_proto, tp_src, tp_dst, false);
        Ok(Packet { ambiguous: unsure_src.or(unsure_dst), ..packet })
    }

    fn without_ports(self, rest: &str) -> Result<Packet, Problem> {
        // A blank more, where a line that a terminal broke was joined.
        let rest = rest.strip_prefix(' ').filter(|rest| rest.starts_with("ICMP")).unwrap_or(rest);
        let message = match rest.strip_prefix("ICMP ") {
            Some(text) => icmp::v4(text).map(|message| (proto::ICMP, message)),
            None => rest.strip_prefix("ICMP6, ").and_then(icmp::v6).map(|message| (proto::ICMPV6, message)),
        };
        if let (Some((nw_proto, message)), false) = (message, self.header.later_fragment) {
            let tp_dst = u16::from_be_bytes([message.icmp_type, message.code]);
            return Ok(self.packet(nw_proto, message.id, tp_dst, false));
        }
        // A fragment behind the first is printed as its protocol alone; of an unknown protocol a space comes first
        // and the length behind. With option -q an IGMP message looks the same, and is more likely. In capitals it is the
        // beginning of a message.
        let is_message = rest.starts_with("ICMP");
        let lone = protocol_of_word(rest).filter(|&number| number != proto::IGMP && !is_message);
        let later_fragment = self.header.later_fragment || lone.is_some();
        let nw_proto = self.header.nw_proto.or(lone).or_else(|| protocol_without_ports(rest));
        match nw_proto {
            Some(nw_proto) => {
                let packet = self.packet(nw_proto, 0, 0, later_fragment);
                // Ports or an ICMP type that are not printed are not 0.
                let told = later_fragment
                    || matches!(packet.payload, TextPayload::Ip(tuple) if !tuple.has_ports() && !tuple.is_icmp());
                Ok(if told { packet } else { Packet::OTHER })
            }
            // Cut by the snapshot length, which is no damage of the text.
            None if rest.trim_start().starts_with("[|") => Ok(Packet::OTHER),
            None if is_other_icmp(rest) => Ok(Packet::OTHER),
            None => Err(Problem::NoProtocol),
        }
    }

    /// IPv6: extension headers may come before `PORT > PORT: ` or anything else.
    fn behind_extensions(self, mut rest: &str) -> Result<Packet, Problem> {
        while let Some(behind) = extension(rest) {
            rest = behind;
        }
        if let Some(fragment) = rest.strip_prefix("frag (") {
            // Offset and length; with option -v the identification comes first.
            let (offset, behind) = fragment.split_once('|').ok_or(Problem::NoEnd)?;
            let offset = offset.rsplit_once(':').map_or(offset, |(_, offset)| offset);
            // Of a later fragment the protocol is not printed.
            let (Some((_, behind)), "0") = (behind.split_once(") "), offset) else { return Ok(Packet::OTHER) };
            rest = behind;
        }
        if let Some((src_port, behind)) = rest.split_once(" > ")
            && let Some((dst_port, behind)) = behind.split_once(": ")
            && !src_port.contains([' ', ':', '.'])
        {
            return self.with_ports(src_port, dst_port, behind);
        }
        // With option -v the checksum is told first.
        let behind_sum = rest.strip_prefix('[').and_then(|rest| rest.split_once("] ")).map(|(_, rest)| rest);
        self.without_ports(behind_sum.unwrap_or(rest))
    }

    fn packet(self, nw_proto: u8, tp_src: u16, tp_dst: u16, later_fragment: bool) -> Packet {
        let tuple = Tuple { src: self.src, dst: self.dst, nw_proto, tp_src, tp_dst };
        Packet { payload: TextPayload::Ip(tuple), later_fragment, ambiguous: None }
    }
}

/// Reads an ARP packet. Only an answer names its sender's MAC; an announcement is taken to come from its own MAC.
pub(super) fn arp(body: &str, eth_src: MacAddr) -> TextPayload {
    let body = body.strip_prefix("ARP, ").unwrap_or(body);
    let body = body.strip_prefix("Ethernet (len 6), IPv4 (len 4), ").unwrap_or(body);
    let sender = if let Some(rest) = body.strip_prefix("Reply ") {
        rest.split_once(" is-at ").and_then(|(ip, rest)| {
            // A MAC that ends the text may be cut.
            let (mac, rest) = super::head::mac(rest)?;
            (!rest.is_empty()).then_some((ip, mac))
        })
    } else if let Some(rest) = body.strip_prefix("Announcement ") {
        rest.split_once(',').map(|(ip, _)| (ip, eth_src))
    } else {
        body.strip_prefix("Request who-has ").and_then(|rest| {
            let (target, rest) = rest.split_once(' ')?;
            let (_, rest) = rest.split_once("tell ")?;
            let (ip, _) = rest.split_once(',')?;
            (ip == target).then_some((ip, eth_src))
        })
    };
    match sender.and_then(|(ip, mac)| Some((ip.parse::<IpAddr>().ok()?, mac))) {
        Some((ip, mac)) if !ip.is_unspecified() => TextPayload::Arp { ip, mac },
        _ => TextPayload::Other,
    }
}

/// The protocol of a packet that is printed with ports; `None` where the text is cut or damaged in it.
fn protocol_with_ports(rest: &str) -> Option<u8> {
    let rest = rest.trim_start();
    if let Some(&(_, number)) = WITH_PORTS.iter().find(|(start, _)| rest.starts_with(start)) {
        return Some(number);
    }
    let is_cut = WITH_PORTS.iter().any(|(start, _)| start.starts_with(rest));
    let is_damaged = || NOT_OF_UDP.iter().any(|words| rest.contains(words));
    (!is_cut && !is_damaged()).then_some(proto::UDP)
}

/// Whether an ICMP message is of a kind that has no type here. What is a query by its words, or counts messages, has one, and
/// is damaged. With option -v ICMPv6 has no length.
fn is_other_icmp(rest: &str) -> bool {
    let text = match rest.strip_prefix("ICMP6, ") {
        Some(text) => Some(text).filter(|text| text.len() >= "RPL".len() && !icmp::is_beginning_of_v6(text)),
        None => rest.strip_prefix("ICMP ").filter(|text| text.contains(", length ")),
    };
    let is_query = |text: &str| text.starts_with("echo") || text.contains(", id") || text.contains("seq ");
    text.is_some_and(|text| !is_query(text))
}

fn protocol_without_ports(rest: &str) -> Option<u8> {
    let known = PORTLESS.iter().find(|(start, _)| rest.starts_with(start)).map(|&(_, number)| number);
    known
        .or_else(|| {
            let word = rest.strip_prefix(' ')?.split(' ').next()?;
            protocol_of_word(word)
        })
        .or_else(|| {
            // A packet in a packet: the inner addresses follow.
            let (inner, _) = endpoint(rest.split_once(" > ")?.0).ok()?;
            Some(if inner.is_ipv4() { IPIP } else { IPV6_IN_IP })
        })
}

/// A protocol by name, or as `ip-proto-N`.
fn protocol_of_word(word: &str) -> Option<u8> {
    if let Some(number) = word.strip_prefix("ip-proto-") {
        return number.parse().ok();
    }
    let named = NAMED.iter().find(|(name, _)| *name == word).map(|&(_, number)| number);
    named.or_else(|| word.starts_with(|first: char| first.is_ascii_alphabetic()).then(|| proto_number(word))?)
}

/// The text behind an extension header, where `rest` starts with one.
fn extension(rest: &str) -> Option<&str> {
    let name = EXTENSIONS.iter().find_map(|name| rest.strip_prefix(name))?;
    if let Some(rest) = name.strip_prefix(' ')
        && !rest.starts_with('(')
    {
        return Some(rest);
    }
    let (_, rest) = name.trim_start().strip_prefix('(')?.split_once(')')?;
    Some(rest.trim_start_matches([')', ':']).trim_start())
}

fn without_truncation(body: &str) -> &str {
    match body.strip_prefix("truncated-ip") {
        Some(rest) => rest.split_once(" bytes missing! ").map_or(body, |(_, rest)| rest),
        None => body,
    }
}

/// The N of `label NAME (N)`.
fn number_in_parentheses(text: &str, label: &str) -> Option<u8> {
    let (_, rest) = text.split_once(label)?;
    let (_, rest) = rest.split_once('(')?;
    rest.split_once(')')?.0.parse().ok()
}

/// Whether a payload begins with an address, with a port or without, that sends to another.
pub(super) fn begins_with_address(body: &str) -> bool {
    body.split_once(" > ").is_some_and(|(src, rest)| rest.contains(':') && endpoint(src).is_ok())
}

/// An address and the port behind its last dot, if there is one.
fn endpoint(text: &str) -> Result<(IpAddr, Option<&str>), Problem> {
    if let Ok(ip) = text.parse() {
        return Ok((ip, None));
    }
    let not_an_address = || Problem::NotAnAddress(excerpt(text));
    let (ip, port) = text.rsplit_once('.').ok_or_else(not_an_address)?;
    Ok((ip.parse().map_err(|_| not_an_address())?, Some(port)))
}

fn port(text: &str) -> Result<(u16, Option<&'static str>), Problem> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().map(|port| (port, None)).map_err(|_| Problem::UnknownService(excerpt(text)));
    }
    match service(text) {
        Some(service) => Ok((service.port, service.ambiguous)),
        None => Err(Problem::UnknownService(excerpt(text))),
    }
}

/// The start of a foreign text, for a message.
fn excerpt(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests;
