//! The link layer part of a line: MACs, VLAN tags, EtherType, length.

use analyzer_ebpf::abi::{Direction, LinkTags};

use super::payload;
use crate::types::MacAddr;

/// EtherTypes of VLAN tags: IEEE 802.1Q, 802.1ad, and the older numbers that tcpdump reads as tags.
const TAG_TYPES: [u16; 4] = [0x8100, 0x88a8, 0x9100, 0x9200];

/// What stands in a line before its payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Head<'a> {
    /// The NIC's name, as printed of captures on `any`.
    pub(super) interface: Option<&'a str>,
    pub(super) eth_src: MacAddr,
    /// Meaningless where `tags` says that there is none.
    pub(super) eth_dst: MacAddr,
    pub(super) tags: LinkTags,
    pub(super) eth_type: EthType,
    /// Bytes of the frame on the wire.
    pub(super) length: u32,
    /// What follows.
    pub(super) body: &'a str,
}

/// What a frame carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum EthType {
    Ipv4,
    Ipv6,
    Arp,
    Other,
}

/// Why a line with a time is not understood.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum HeadError {
    #[error("no MAC addresses; print the capture with `tcpdump -e`")]
    NoMacs,
    #[error("expected `MAC > MAC, ethertype ..., length N:` behind the time")]
    Malformed,
}

/// Reads a line behind its time.
pub(super) fn head(text: &str) -> Result<Head<'_>, HeadError> {
    let text = text.trim_start();
    let (interface, direction, text) = cooked(text);
    let (eth_src, rest) = mac(text).ok_or(HeadError::NoMacs)?;
    let mut tags = LinkTags::NONE.with_direction(direction);
    let (eth_dst, rest) = match rest.strip_prefix(" > ") {
        Some(rest) => mac(rest).ok_or(HeadError::Malformed)?,
        None => {
            tags = tags.without_eth_dst();
            (MacAddr([0; 6]), rest)
        }
    };
    let rest = rest.strip_prefix(", ").or_else(|| rest.strip_prefix(' ')).ok_or(HeadError::Malformed)?;
    let (kind, rest) = rest.split_once(", length ").ok_or(HeadError::Malformed)?;
    let (length, body) = rest.split_once(':').ok_or(HeadError::Malformed)?;
    let length = length.parse().map_err(|_| HeadError::Malformed)?;
    let (tags, eth_type, body) = untag(tags, kind, body.strip_prefix(' ').unwrap_or(body));
    // What looks like a packet of IP under another name is one whose name was damaged.
    if is_damaged_type(kind) || eth_type == EthType::Other && payload::begins_with_address(body) {
        return Err(HeadError::Malformed);
    }
    Ok(Head { interface, eth_src, eth_dst, tags, eth_type, length, body })
}

/// What tcpdump prints first of cooked captures: `eth0  Out ifindex 2 `, or `Out ` alone up to version 4.9.
fn cooked(text: &str) -> (Option<&str>, Direction, &str) {
    let (interface, direction, rest) = match text.split_once(' ') {
        Some((word, rest)) if direction(word).is_some() => (None, direction(word), rest),
        Some((word, rest)) => match rest.trim_start().split_once(' ') {
            Some((second, rest)) => (Some(word), direction(second), rest),
            None => (None, None, text),
        },
        None => (None, None, text),
    };
    let Some(direction) = direction else { return (None, Direction::Unknown, text) };
    let rest = rest.trim_start();
    let rest = rest.strip_prefix("ifindex ").and_then(|rest| rest.split_once(' ')).map_or(rest, |(_, rest)| rest);
    (interface, direction, rest)
}

fn direction(word: &str) -> Option<Direction> {
    match word {
        "In" | "B" | "M" => Some(Direction::Inbound),
        "Out" => Some(Direction::Outbound),
        // Overheard by a NIC in promiscuous mode.
        "P" => Some(Direction::Unknown),
        _ => None,
    }
}

/// Reads the MAC that `text` starts with, and the vendor's name that tcpdump puts behind it without option -n.
pub(super) fn mac(text: &str) -> Option<(MacAddr, &str)> {
    if let Some(rest) = text.strip_prefix("Broadcast") {
        return Some((MacAddr([0xff; 6]), rest));
    }
    let (mac, rest) = text.split_at_checked("ce:73:29:66:39:a4".len())?;
    let mac = mac.parse().ok()?;
    let vendor = rest.strip_prefix(" (oui ").and_then(|rest| rest.split_once(')'));
    Some((mac, vendor.map_or(rest, |(_, rest)| rest)))
}

/// Takes off VLAN tags: `vlan 100, p 0, ethertype IPv4 (0x0800), ` and so on inwards; `IPv4` alone with option -q.
fn untag<'a>(mut tags: LinkTags, kind: &'a str, mut body: &'a str) -> (LinkTags, EthType, &'a str) {
    let mut number = eth_number(kind);
    while number.is_some_and(|number| TAG_TYPES.contains(&number)) {
        let Some((vid, rest)) = body.strip_prefix("vlan ").and_then(|rest| rest.split_once(',')) else { break };
        let Ok(vid) = vid.parse() else { break };
        tags = tags.push(vid);
        let Some((_priority, rest)) = rest.trim_start().split_once(", ") else { break };
        let (kind, rest) = rest.strip_prefix("DEI, ").unwrap_or(rest).split_once(", ").unwrap_or((rest, ""));
        number = eth_number(kind);
        body = rest;
    }
    let eth_type = match number {
        Some(0x0800) => EthType::Ipv4,
        Some(0x86dd) => EthType::Ipv6,
        Some(0x0806) => EthType::Arp,
        _ => EthType::Other,
    };
    (tags, eth_type, body)
}

/// The EtherType of `ethertype IPv4 (0x0800)`, or of the name alone as option -q and older versions print it.
fn eth_number(kind: &str) -> Option<u16> {
    let kind = kind.strip_prefix("ethertype ").unwrap_or(kind);
    if let Some((_, number)) = kind.rsplit_once("(0x") {
        return u16::from_str_radix(number.strip_suffix(')')?, 16).ok();
    }
    match kind {
        "IPv4" => Some(0x0800),
        "IPv6" => Some(0x86dd),
        "ARP" => Some(0x0806),
        "802.1Q" => Some(0x8100),
        "802.1Q-QinQ" => Some(0x88a8),
        "802.1Q-9100" => Some(0x9100),
        "802.1Q-9200" => Some(0x9200),
        _ => None,
    }
}

/// Whether an EtherType is none that tcpdump prints. A name alone may have blanks, as `MPLS unicast`.
fn is_damaged_type(kind: &str) -> bool {
    if kind.contains('(') { !is_whole_type(kind) } else { kind.contains(['\u{fffd}', '*', '?']) }
}

/// Whether an EtherType is printed to its end: `IPv4 (0x0800)`, or a name alone.
pub(super) fn is_whole_type(kind: &str) -> bool {
    let name = kind.strip_prefix("ethertype ").unwrap_or(kind);
    match name.split_once('(') {
        Some((name, _)) if name.contains([',', '>', ':']) => false,
        Some((_, number)) => number
            .strip_prefix("0x")
            .and_then(|number| number.strip_suffix(')'))
            .is_some_and(|number| number.len() == 4),
        None => !name.contains(' '),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SRC: MacAddr = MacAddr([0x94, 0x42, 0xc9, 0xc3, 0xf7, 0x92]);
    const DST: MacAddr = MacAddr([0x76, 0x9c, 0x19, 0x34, 0x50, 0x26]);

    /// Heads as tcpdump 4.9 and 4.99 print them.
    #[test]
    fn heads() {
        let plain = LinkTags::NONE;
        let cases = [
            ("94:42:c9:c3:f7:92 > 76:9c:19:34:50:26, ethertype IPv4 (0x0800), length 94: b", plain, EthType::Ipv4),
            ("94:42:c9:c3:f7:92 > 76:9c:19:34:50:26, IPv4, length 94: b", plain, EthType::Ipv4),
            (
                "94:42:c9:c3:f7:92 (oui Unknown) > 76:9c:19:34:50:26 (oui Cisco Systems), ethertype ARP (0x0806), length 94: b",
                plain,
                EthType::Arp,
            ),
            (
                "94:42:c9:c3:f7:92 > 76:9c:19:34:50:26, ethertype 802.1Q (0x8100), length 94: vlan 100, p 0, ethertype IPv4, b",
                plain.push(100),
                EthType::Ipv4,
            ),
            (
                "94:42:c9:c3:f7:92 > 76:9c:19:34:50:26, ethertype 802.1Q-QinQ (0x88a8), length 94: vlan 200, p 0, \
                 ethertype 802.1Q (0x8100), vlan 100, p 5, DEI, ethertype IPv6 (0x86dd), b",
                plain.push(200).push(100),
                EthType::Ipv6,
            ),
            (
                "94:42:c9:c3:f7:92 > 76:9c:19:34:50:26, 802.1Q-9100, length 94: vlan 1, p 0, DEI, 802.1Q, vlan 2, p 0, IPv4, b",
                plain.push(1).push(2),
                EthType::Ipv4,
            ),
            ("94:42:c9:c3:f7:92 > 76:9c:19:34:50:26, ethertype Unknown (0x88b5), length 94: b", plain, EthType::Other),
            ("94:42:c9:c3:f7:92 > 76:9c:19:34:50:26, 802.3, length 94: b", plain, EthType::Other),
        ];
        for (text, tags, eth_type) in cases {
            let expected = Head { interface: None, eth_src: SRC, eth_dst: DST, tags, eth_type, length: 94, body: "b" };
            assert_eq!(head(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn captures_on_any() {
        let cases = [
            ("  In 94:42:c9:c3:f7:92 (oui Unknown) ethertype IPv4 (0x0800), length 52: b", None, Direction::Inbound),
            ("Out 94:42:c9:c3:f7:92 ethertype IPv4 (0x0800), length 52: b", None, Direction::Outbound),
            (
                "ens1f0 Out ifindex 2 94:42:c9:c3:f7:92 ethertype IPv4 (0x0800), length 52: b",
                Some("ens1f0"),
                Direction::Outbound,
            ),
            (
                "veth1  P   ifindex 2 94:42:c9:c3:f7:92 ethertype IPv4 (0x0800), length 52: b",
                Some("veth1"),
                Direction::Unknown,
            ),
        ];
        for (text, interface, direction) in cases {
            let head = head(text).unwrap();
            assert_eq!((head.interface, head.tags.direction()), (interface, direction), "{text}");
            assert_eq!((head.eth_src, head.tags.has_eth_dst(), head.length), (SRC, false, 52));
        }
    }

    #[test]
    fn what_is_no_head() {
        for text in
            ["IP 10.0.0.1.5 > 10.0.0.2.6: UDP, length 8", "ip: 10.0.0.1 > 10.0.0.2: udp", "", "eth0  Out IP 1 > 2"]
        {
            assert_eq!(head(text), Err(HeadError::NoMacs), "{text}");
        }
        for text in [
            "94:42:c9:c3:f7:92 > gateway, ethertype IPv4 (0x0800), length 94: b",
            "94:42:c9:c3:f7:92 > 76:9c:19:34:50:26",
            "94:42:c9:c3:f7:92 > 76:9c:19:34:50:26, ethertype IPv4 (0x0800), length x: b",
            "94:42:c9:c3:f7:92 > 76:9c:19:34:50:26, ethertype IPv4 (0x0800), length 94",
        ] {
            assert_eq!(head(text), Err(HeadError::Malformed), "{text}");
        }
    }
}
