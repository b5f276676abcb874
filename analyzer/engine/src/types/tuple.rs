//! 5-tuples.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::str::FromStr;

/// A 5-tuple as conntrack keeps it (`struct nf_conntrack_tuple`, include/net/netfilter/nf_conntrack_tuple.h).
///
/// ICMP and ICMPv6 have no ports: `tp_src` is the identifier of a query and `tp_dst` is `type << 8 | code`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Tuple {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// IP protocol number.
    pub nw_proto: u8,
    /// Source port in host order.
    pub tp_src: u16,
    /// Destination port in host order.
    pub tp_dst: u16,
}

/// IP protocol numbers (IANA "Assigned Internet Protocol Numbers").
pub mod proto {
    #![expect(missing_docs, reason = "each constant is named as IANA names the protocol")]
    pub use analyzer_ebpf::proto::ip::{DCCP, ICMP, ICMPV6, SCTP, TCP, UDP, UDPLITE};

    pub const IGMP: u8 = 2;
    pub const GRE: u8 = 47;
    pub const ESP: u8 = 50;
}

impl Tuple {
    /// Whether the protocol is ICMP or ICMPv6.
    pub fn is_icmp(&self) -> bool {
        matches!(self.nw_proto, proto::ICMP | proto::ICMPV6)
    }

    /// Whether the protocol has ports.
    pub fn has_ports(&self) -> bool {
        matches!(self.nw_proto, proto::TCP | proto::UDP | proto::SCTP | proto::DCCP | proto::UDPLITE)
    }

    /// The tuple of an entry that stands for all flows of the protocol between the two addresses, where the protocol has
    /// ports that not everyone reads: the userspace datapath of Open vSwitch tracks SCTP, UDP-Lite and DCCP without
    /// them. `None` for other protocols, and where no ports are left.
    #[must_use]
    pub fn without_ports(&self) -> Option<Self> {
        let is_coarse = matches!(self.nw_proto, proto::SCTP | proto::DCCP | proto::UDPLITE);
        (is_coarse && (self.tp_src, self.tp_dst) != (0, 0)).then_some(Self { tp_src: 0, tp_dst: 0, ..*self })
    }

    /// Whether everyone tracks the flow by its ports. ICMP has something else in their place.
    pub fn is_tracked_by_ports(&self) -> bool {
        self.has_ports() && self.without_ports().is_none()
    }

    /// The tuples under which an entry may stand for the flow: its own first, then the one
    /// [without ports](Self::without_ports), where there is one.
    pub fn tracked_as(self) -> impl Iterator<Item = Self> {
        [Some(self), self.without_ports()].into_iter().flatten()
    }

    /// The tuple with the ports of another: an entry without ports translates addresses alone.
    #[must_use]
    pub fn with_ports_of(&self, other: &Self) -> Self {
        Self { tp_src: other.tp_src, tp_dst: other.tp_dst, ..*self }
    }

    /// Type and code of an ICMP message.
    pub fn icmp_type_code(&self) -> Option<(u8, u8)> {
        let [icmp_type, code] = self.tp_dst.to_be_bytes();
        self.is_icmp().then_some((icmp_type, code))
    }

    /// The tuple of the answer: ends swapped, an ICMP query's type turned into the reply's and back
    /// (`invmap` in net/netfilter/nf_conntrack_proto_icmp.c and _icmpv6.c). An ICMP message that is no query stays
    /// as it is but for the addresses.
    #[must_use]
    pub fn reversed(&self) -> Self {
        let ends = Self { src: self.dst, dst: self.src, ..*self };
        match self.icmp_type_code() {
            Some((icmp_type, code)) => {
                let answer = icmp_answer(self.nw_proto, icmp_type).unwrap_or(icmp_type);
                Self { tp_dst: u16::from_be_bytes([answer, code]), ..ends }
            }
            None => Self { tp_src: self.tp_dst, tp_dst: self.tp_src, ..ends },
        }
    }
}

fn icmp_answer(nw_proto: u8, icmp_type: u8) -> Option<u8> {
    match (nw_proto, icmp_type) {
        (proto::ICMP, 8) => Some(0),
        (proto::ICMP, 0) => Some(8),
        (proto::ICMP, 13..=17) | (proto::ICMPV6, 128 | 139) => {
            Some(if icmp_type % 2 == 1 || nw_proto == proto::ICMPV6 { icmp_type + 1 } else { icmp_type - 1 })
        }
        (proto::ICMP, 18) => Some(17),
        (proto::ICMPV6, 129 | 140) => Some(icmp_type - 1),
        _ => None,
    }
}

/// The usual name of an IP protocol, in lower case; its number where it has none here.
pub fn proto_name(nw_proto: u8) -> String {
    let name = match nw_proto {
        proto::ICMP => "icmp",
        proto::IGMP => "igmp",
        proto::TCP => "tcp",
        proto::UDP => "udp",
        proto::DCCP => "dccp",
        proto::GRE => "gre",
        proto::ESP => "esp",
        proto::ICMPV6 => "icmpv6",
        proto::SCTP => "sctp",
        proto::UDPLITE => "udplite",
        number => return number.to_string(),
    };
    name.to_owned()
}

/// The number of an IP protocol given by name or number.
pub fn proto_number(name: &str) -> Option<u8> {
    let number = match name.to_ascii_lowercase().as_str() {
        "icmp" => proto::ICMP,
        "igmp" => proto::IGMP,
        "tcp" => proto::TCP,
        "udp" => proto::UDP,
        "dccp" => proto::DCCP,
        "gre" => proto::GRE,
        "esp" => proto::ESP,
        "icmpv6" | "icmp6" => proto::ICMPV6,
        "sctp" => proto::SCTP,
        "udplite" => proto::UDPLITE,
        other => return other.parse().ok(),
    };
    Some(number)
}

impl fmt::Display for Tuple {
    /// `udp 192.168.16.230:59943 -> 172.27.0.13:5005`, IPv6 addresses in brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { src, dst, nw_proto, tp_src, tp_dst } = *self;
        let name = proto_name(nw_proto);
        if let Some((icmp_type, code)) = self.icmp_type_code() {
            write!(f, "{name} {src} -> {dst} type {icmp_type} code {code} id {tp_src}")
        } else if self.has_ports() {
            write!(f, "{name} {} -> {}", SocketAddr::new(src, tp_src), SocketAddr::new(dst, tp_dst))
        } else {
            write!(f, "{name} {src} -> {dst}")
        }
    }
}

/// Text that is no 5-tuple.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{text:?} is no 5-tuple: {reason}; write 'udp 192.168.16.230:59943 -> 172.27.0.13:5005', \
     'tcp [fd00::1]:80 -> [fd00::2]:40000' or 'icmp 10.0.0.1 -> 10.0.0.2 type 0 code 0 id 77'"
)]
pub struct NotATuple {
    text: String,
    reason: String,
}

impl FromStr for Tuple {
    type Err = NotATuple;

    /// Reads what [`Tuple`]'s `Display` writes. Commas may stand for blanks, and the arrow may be left out.
    fn from_str(text: &str) -> Result<Self, NotATuple> {
        let not_a_tuple = |reason: String| NotATuple { text: text.to_owned(), reason };
        let mut words = text.split([' ', ',', '\t']).filter(|word| !word.is_empty() && *word != "->");
        let mut next = |what: &str| words.next().ok_or_else(|| not_a_tuple(format!("the {what} is missing")));
        let name = next("protocol")?;
        let nw_proto = proto_number(name).ok_or_else(|| not_a_tuple(format!("{name:?} is no protocol")))?;
        let mut tuple = Self { src: IpAddr::from([0; 4]), dst: IpAddr::from([0; 4]), nw_proto, tp_src: 0, tp_dst: 0 };
        let (src, dst) = (next("source")?, next("destination")?);
        if tuple.has_ports() {
            let end = |word: &str| {
                let end: Result<SocketAddr, _> = word.parse();
                end.map_err(|_| not_a_tuple(format!("{word:?} is no address with port")))
            };
            let (src, dst) = (end(src)?, end(dst)?);
            (tuple.src, tuple.tp_src) = (src.ip(), src.port());
            (tuple.dst, tuple.tp_dst) = (dst.ip(), dst.port());
        } else {
            let end = |word: &str| word.parse().map_err(|_| not_a_tuple(format!("{word:?} is no address")));
            (tuple.src, tuple.dst) = (end(src)?, end(dst)?);
        }
        let mut icmp = [0_u8; 2];
        while let Some(key) = words.next() {
            let value = words.next().ok_or_else(|| not_a_tuple(format!("the value of {key:?} is missing")))?;
            let wrong = |_| not_a_tuple(format!("{value:?} is no {key}"));
            match key {
                "type" if tuple.is_icmp() => icmp[0] = value.parse().map_err(wrong)?,
                "code" if tuple.is_icmp() => icmp[1] = value.parse().map_err(wrong)?,
                "id" if tuple.is_icmp() => tuple.tp_src = value.parse().map_err(wrong)?,
                _ => return Err(not_a_tuple(format!("{key:?} is not understood"))),
            }
        }
        if tuple.is_icmp() {
            tuple.tp_dst = u16::from_be_bytes(icmp);
        }
        match tuple.src.is_ipv4() == tuple.dst.is_ipv4() {
            true => Ok(tuple),
            false => Err(not_a_tuple("the addresses are of different families".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trip() {
        for text in [
            "udp 192.168.16.230:59943 -> 172.27.0.13:5005",
            "tcp [fd00::1]:80 -> [fd00::2]:40000",
            "icmp 10.0.0.1 -> 10.0.0.2 type 8 code 1 id 77",
            "gre 10.0.0.1 -> 10.0.0.2",
            "99 10.0.0.1 -> 10.0.0.2",
        ] {
            assert_eq!(text.parse::<Tuple>().unwrap().to_string(), text);
        }
        let tuple: Tuple = "udp,192.168.16.230:59943,172.27.0.13:5005".parse().unwrap();
        assert_eq!(tuple.to_string(), "udp 192.168.16.230:59943 -> 172.27.0.13:5005");
    }

    #[test]
    fn text_that_is_no_tuple() {
        for (text, reason) in [
            ("", "the protocol is missing"),
            ("udp", "the source is missing"),
            ("udp 10.0.0.1 10.0.0.2", "\"10.0.0.1\" is no address with port"),
            ("icmp 10.0.0.1 x", "\"x\" is no address"),
            ("tcp 10.0.0.1:1 [::1]:2", "the addresses are of different families"),
            ("udp 10.0.0.1:1 10.0.0.2:2 id 4", "\"id\" is not understood"),
            ("icmp 10.0.0.1 10.0.0.2 type", "the value of \"type\" is missing"),
            ("icmp 10.0.0.1 10.0.0.2 type 256", "\"256\" is no type"),
        ] {
            assert_eq!(text.parse::<Tuple>().unwrap_err().reason, reason, "{text}");
        }
    }

    fn tuple(nw_proto: u8, tp_src: u16, tp_dst: u16) -> Tuple {
        Tuple { src: "10.0.0.1".parse().unwrap(), dst: "10.0.0.2".parse().unwrap(), nw_proto, tp_src, tp_dst }
    }

    #[test]
    fn reversing_twice_is_nothing() {
        let mut tuples = vec![tuple(proto::UDP, 1, 2), tuple(proto::GRE, 0, 0)];
        tuples.extend((0..=255).map(|icmp_type| tuple(proto::ICMP, 7, u16::from_be_bytes([icmp_type, 3]))));
        tuples.extend((0..=255).map(|icmp_type| tuple(proto::ICMPV6, 7, u16::from_be_bytes([icmp_type, 3]))));
        for tuple in tuples {
            assert_eq!(tuple.reversed().reversed(), tuple, "{tuple}");
        }
    }

    #[test]
    fn ports_that_not_everyone_reads() {
        let sctp = tuple(proto::SCTP, 2905, 2906);
        assert_eq!(sctp.without_ports(), Some(tuple(proto::SCTP, 0, 0)));
        assert_eq!(tuple(proto::SCTP, 0, 0).without_ports(), None);
        assert_eq!(tuple(proto::UDP, 2905, 2906).without_ports(), None);
        assert_eq!(tuple(proto::ICMP, 77, 0).without_ports(), None);
    }

    #[test]
    fn icmp_queries_and_answers() {
        let pairs = [(1, 8, 0), (1, 13, 14), (1, 15, 16), (1, 17, 18), (58, 128, 129), (58, 139, 140)];
        for (nw_proto, query, answer) in pairs {
            let reversed = tuple(nw_proto, 77, query << 8).reversed();
            assert_eq!(reversed.icmp_type_code(), Some((answer as u8, 0)), "{nw_proto} {query}");
            assert_eq!(reversed.tp_src, 77);
        }
    }
}
