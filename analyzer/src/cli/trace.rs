//! Arguments that tell which packets are traced, and the pattern that names them.

use std::fmt;
use std::str::FromStr;

use clap::Args;

use crate::output::escape::Escaped;
use crate::types::tuple::{proto_name, proto_number};
use crate::types::{IpPrefix, MacAddr, Tuple};

/// Which packets are told of one by one.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Tracing")]
pub struct TraceArgs {
    /// Tell on standard error of each packet of these what the kernel program makes of it, and the verdict beside it: all,
    /// or words that must all be true of it, as src=10.244.0.5 port=53 proto=udp. Words are host, src, dst (an address or
    /// a prefix), port, sport, dport, mac and proto; a flow's answers are packets of it too. An address, a MAC, a
    /// protocol or a 5-tuple may stand alone
    #[arg(long, value_name = "PATTERN", value_parser = str::parse::<Pattern>)]
    pub trace: Option<Pattern>,
    /// Packets told of in a second at most; how many more there were is told each second
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub trace_rate: u32,
}

/// Packets by what is in them. What is not named may be anything.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Pattern {
    /// Address of either end.
    pub host: Option<IpPrefix>,
    /// Address that the flow comes from, in one of its directions.
    pub src: Option<IpPrefix>,
    /// Address that it goes to, in the same direction.
    pub dst: Option<IpPrefix>,
    /// Port of either end.
    pub port: Option<u16>,
    /// Port at [`Pattern::src`].
    pub sport: Option<u16>,
    /// Port at [`Pattern::dst`].
    pub dport: Option<u16>,
    /// One of the two MACs.
    pub mac: Option<MacAddr>,
    /// IP protocol.
    pub proto: Option<u8>,
}

/// Why a text is no pattern.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotAPattern {
    /// Nothing is named.
    #[error("nothing is named; write all for every packet, or words such as host=10.244.0.5 port=53 proto=udp")]
    Empty,
    /// A word before `=` that is none of ours.
    #[error("{} is no word of a pattern; known are {KEYS}", Escaped(.0))]
    Key(String),
    /// The value behind a word.
    #[error("{key}={}: expected {expected}", Escaped(.value))]
    Value {
        /// The word.
        key: &'static str,
        /// What is behind it.
        value: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// A word without its value.
    #[error("the value of {0} is missing; write it behind =, as in host=10.244.0.5")]
    Lacking(String),
    /// A word that stands alone and tells nothing.
    #[error(
        "{} is no address, prefix, MAC or protocol; words are {KEYS}, each with = and a value, and all must be true",
        Escaped(.0)
    )]
    Bare(String),
    /// A word that is there twice.
    #[error("{0} is given twice; src=A dst=B names both ends of a flow, and its answers are packets of it too")]
    Twice(&'static str),
    /// Addresses of two IP versions.
    #[error("{0} and {1} are of different IP versions, so that no packet has both")]
    Versions(IpPrefix, IpPrefix),
    /// Ports that the protocol has not.
    #[error("packets of {0} have no ports")]
    NoPorts(String),
}

/// The words.
const KEYS: &str = "host, src, dst, port, sport, dport, mac, proto";
/// The same one by one, with what tcpdump calls them.
const IS_KEY: [&str; 9] = ["host", "net", "src", "dst", "port", "sport", "dport", "mac", "proto"];
const ADDRESS: &str = "an address or a prefix, as 10.244.0.5, 10.244.0.0/16 or fd00::5";
const PORT: &str = "a port, 1 to 65535";

impl Pattern {
    /// Takes a word that `key` says what it is.
    fn take(&mut self, key: &str, value: &str) -> Result<(), NotAPattern> {
        match key {
            "host" | "net" => set(&mut self.host, "host", prefix("host", value)?),
            "src" => set(&mut self.src, "src", prefix("src", value)?),
            "dst" => set(&mut self.dst, "dst", prefix("dst", value)?),
            "port" => set(&mut self.port, "port", port("port", value)?),
            "sport" => set(&mut self.sport, "sport", port("sport", value)?),
            "dport" => set(&mut self.dport, "dport", port("dport", value)?),
            "mac" => set(&mut self.mac, "mac", read("mac", value, "a MAC, as 0a:58:0a:f4:00:05")?),
            "proto" => {
                let expected = "a protocol, as udp, tcp, icmp, icmpv6, sctp or 47";
                let number = proto_number(value).ok_or_else(|| not_a_value("proto", value, expected))?;
                set(&mut self.proto, "proto", number)
            }
            _ => Err(NotAPattern::Key(key.to_owned())),
        }
    }

    /// Takes a value that tells by itself what it is.
    fn take_bare(&mut self, word: &str) -> Result<(), NotAPattern> {
        if let Ok(mac) = word.parse() {
            return set(&mut self.mac, "mac", mac);
        }
        if let Ok(prefix) = word.parse() {
            return set(&mut self.host, "host", as_on_the_wire(prefix));
        }
        match proto_number(word).filter(|_| !word.starts_with(|first: char| first.is_ascii_digit())) {
            Some(number) => set(&mut self.proto, "proto", number),
            None => Err(NotAPattern::Bare(word.to_owned())),
        }
    }

    fn check(self) -> Result<Self, NotAPattern> {
        let mut prefixes = [self.host, self.src, self.dst].into_iter().flatten();
        if let Some(first) = prefixes.next()
            && let Some(other) = prefixes.find(|other| other.addr().is_ipv4() != first.addr().is_ipv4())
        {
            return Err(NotAPattern::Versions(first, other));
        }
        let has_ports = [self.port, self.sport, self.dport].iter().any(Option::is_some);
        if let Some(nw_proto) = self.proto
            && has_ports
            && !(Tuple { nw_proto, ..NOWHERE }).has_ports()
        {
            return Err(NotAPattern::NoPorts(proto_name(nw_proto)));
        }
        Ok(self)
    }
}

/// A tuple of which only the protocol matters.
const NOWHERE: Tuple = {
    let nowhere = std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
    Tuple { src: nowhere, dst: nowhere, nw_proto: 0, tp_src: 0, tp_dst: 0 }
};

impl From<Tuple> for Pattern {
    fn from(tuple: Tuple) -> Self {
        let port = |port| Some(port).filter(|&port| tuple.has_ports() && port != 0);
        Self {
            src: Some(IpPrefix::host(tuple.src)),
            dst: Some(IpPrefix::host(tuple.dst)),
            sport: port(tuple.tp_src),
            dport: port(tuple.tp_dst),
            proto: Some(tuple.nw_proto),
            ..Self::default()
        }
    }
}

impl FromStr for Pattern {
    type Err = NotAPattern;

    fn from_str(text: &str) -> Result<Self, NotAPattern> {
        // As findings and reports show a flow.
        if let Ok(tuple) = text.parse::<Tuple>() {
            return Self::from(tuple).check();
        }
        let is_blank = |c: char| c == ',' || c.is_whitespace();
        let mut words = text.split(is_blank).filter(|word| !word.is_empty() && *word != "and").peekable();
        if words.peek().is_none() {
            return Err(NotAPattern::Empty);
        }
        let mut pattern = Self::default();
        while let Some(word) = words.next() {
            let (key, value) = word.split_once('=').map_or((word, None), |(key, value)| (key, Some(value)));
            let mut key = key.to_ascii_lowercase();
            match value {
                Some(value) => pattern.take(&key, value)?,
                // As in filters of tcpdump: the value is the next word, and `src host` and `src port` tell more of it.
                None if IS_KEY.contains(&key.as_str()) => {
                    let side = if key == "src" || key == "dst" { words.peek().copied() } else { None };
                    if let Some("host" | "net" | "port") = side {
                        key = if words.next() == Some("port") { format!("{}port", &key[..1]) } else { key };
                    }
                    let value = words.next().ok_or_else(|| NotAPattern::Lacking(key.clone()))?;
                    pattern.take(&key, value)?;
                }
                None if key == "all" => {}
                None => pattern.take_bare(word)?,
            }
        }
        pattern.check()
    }
}

impl fmt::Display for Pattern {
    /// The words, as [`Pattern::from_str`] reads them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, src, dst, port, sport, dport, mac, proto } = self;
        let words: Vec<String> = [("host", host), ("src", src), ("dst", dst)]
            .into_iter()
            .filter_map(|(key, prefix)| prefix.map(|prefix| format!("{key}={}", short(prefix))))
            .chain(
                [("port", port), ("sport", sport), ("dport", dport)]
                    .into_iter()
                    .filter_map(|(key, port)| port.map(|port| format!("{key}={port}"))),
            )
            .chain(mac.map(|mac| format!("mac={mac}")))
            .chain(proto.map(|proto| format!("proto={}", proto_name(proto))))
            .collect();
        f.write_str(if words.is_empty() { "all" } else { "" })?;
        f.write_str(&words.join(" "))
    }
}

/// A prefix; the address alone where it is one host's.
fn short(prefix: IpPrefix) -> String {
    if prefix.is_host() { prefix.addr().to_string() } else { prefix.to_string() }
}

fn set<T>(place: &mut Option<T>, key: &'static str, value: T) -> Result<(), NotAPattern> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(NotAPattern::Twice(key)),
    }
}

fn read<T: FromStr>(key: &'static str, value: &str, expected: &'static str) -> Result<T, NotAPattern> {
    value.parse().map_err(|_| not_a_value(key, value, expected))
}

fn prefix(key: &'static str, value: &str) -> Result<IpPrefix, NotAPattern> {
    read(key, value, ADDRESS).map(as_on_the_wire)
}

/// An IPv4 address that is written as IPv6 (RFC 4291 section 2.5.5.2) is IPv4 in packets.
fn as_on_the_wire(prefix: IpPrefix) -> IpPrefix {
    let mapped = prefix.prefix_len().checked_sub(96).and_then(|len| IpPrefix::new(prefix.addr().to_canonical(), len));
    mapped.filter(|mapped| mapped.addr().is_ipv4() && !prefix.addr().is_ipv4()).unwrap_or(prefix)
}

fn port(key: &'static str, value: &str) -> Result<u16, NotAPattern> {
    if !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(not_a_value(key, value, PORT));
    }
    read(key, value, PORT).and_then(|port| if port == 0 { Err(not_a_value(key, value, PORT)) } else { Ok(port) })
}

fn not_a_value(key: &'static str, value: &str, expected: &'static str) -> NotAPattern {
    NotAPattern::Value { key, value: value.to_owned(), expected }
}

#[cfg(test)]
mod tests {
    use proptest::option::of;
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn words_in_any_order_and_form() {
        let written = "host=10.244.0.5 port=53 mac=0a:58:0a:f4:00:05 proto=udp";
        for text in [
            written,
            "proto=UDP,port=53,host=10.244.0.5/32, mac=0A-58-0A-F4-00-05",
            "udp 10.244.0.5 and port=53 and 0a:58:0a:f4:0:5",
            "host 10.244.0.5 and port 53 and udp and mac 0a:58:0a:f4:00:05",
            "HOST=10.244.0.5\tport=53 mac=a:58:a:f4:0:5 proto=17",
        ] {
            assert_eq!(pattern(text).to_string(), written, "{text}");
        }
        assert_eq!(pattern("all"), Pattern::default());
        let written = "src=10.0.0.1 dst=10.1.0.0/16 sport=1 dport=2";
        assert_eq!(
            pattern("src host 10.0.0.1 and dst net 10.1.0.0/16 and src port 1 and dst port 2"),
            pattern(written)
        );
        assert_eq!(pattern("src=fd00::/64").src.map(|prefix| prefix.to_string()).as_deref(), Some("fd00::/64"));
    }

    #[test]
    fn a_flow_as_findings_show_it() {
        let flow = pattern("udp 10.244.0.5:4000 -> 198.51.100.7:53");
        assert_eq!(flow.to_string(), "src=10.244.0.5 dst=198.51.100.7 sport=4000 dport=53 proto=udp");
        let ping = pattern("icmp 10.0.0.1 -> 10.0.0.2 type 8 code 0 id 77");
        assert_eq!(ping.to_string(), "src=10.0.0.1 dst=10.0.0.2 proto=icmp");
    }

    #[test]
    fn errors_name_the_part_that_is_wrong() {
        for (text, part) in [
            ("", "all for every packet"),
            (" , ", "all for every packet"),
            ("hots=10.0.0.5", "hots is no word"),
            ("host=10.0.0.256", "host=10.0.0.256: expected an address"),
            ("port=0", "port=0: expected a port"),
            ("port=65536 udp", "port=65536"),
            ("proto=udpp", "proto=udpp: expected a protocol"),
            ("mac=02:00", "mac=02:00"),
            ("10.0.0.5 10.0.0.6", "host is given twice"),
            ("worker-3", "worker-3 is no address"),
            ("53", "53 is no address"),
            ("host 10.0.0.5 or host 10.0.0.6", "or is no address"),
            ("udp port", "the value of port is missing"),
            ("src port", "the value of sport is missing"),
            ("src=10.0.0.5 dst=fd00::1", "different IP versions"),
            ("proto=icmp port=53", "icmp have no ports"),
        ] {
            let error = text.parse::<Pattern>().expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    fn prefix(is_ipv4: bool) -> BoxedStrategy<IpPrefix> {
        match is_ipv4 {
            true => (any::<[u8; 4]>(), 0..=32_u8).prop_filter_map("", |(a, len)| IpPrefix::new(a.into(), len)).boxed(),
            false => {
                (any::<[u8; 16]>(), 0..=128_u8).prop_filter_map("", |(a, len)| IpPrefix::new(a.into(), len)).boxed()
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_displayed_is_read_back(
            (host, src, dst) in any::<bool>().prop_flat_map(|is_ipv4| {
                (of(prefix(is_ipv4)), of(prefix(is_ipv4)), of(prefix(is_ipv4)))
            }),
            (port, sport, dport) in (of(1..=u16::MAX), of(1..=u16::MAX), of(1..=u16::MAX)),
            mac in of(any::<[u8; 6]>().prop_map(MacAddr)),
            proto in of(any::<u8>()),
        ) {
            let pattern = Pattern { host, src, dst, port, sport, dport, mac, proto };
            match pattern.check() {
                Ok(pattern) => prop_assert_eq!(pattern.to_string().parse::<Pattern>(), Ok(pattern)),
                Err(error) => prop_assert_eq!(pattern.to_string().parse::<Pattern>(), Err(error)),
            }
        }

        #[test]
        fn no_text_is_too_strange(text in ".{0,40}") {
            if let Ok(pattern) = text.parse::<Pattern>() {
                prop_assert_eq!(pattern.to_string().parse::<Pattern>(), Ok(pattern));
            }
        }
    }
}
