//! Entries as `ovs-appctl dpctl/dump-conntrack` prints them (`ct_dpif_format_entry` in lib/ct-dpif.c of Open vSwitch).

use crate::frame::{Flow, Mac, Transport};

/// An entry.
#[derive(Clone)]
pub(super) struct Entry {
    orig: Flow,
    reply: Flow,
    zone: u16,
    mark: u32,
    label: u128,
}

/// What the command was asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// Without options.
    Plain,
    /// `-m`.
    More,
    /// `-m -s`.
    MoreAndStatistics,
}

/// The label with the MAC that a flow's answers go to, as OVN writes it beside a port in the mark.
pub(super) fn label(mac: Mac) -> u128 {
    mac.iter().fold(0, |number, &octet| number << 8 | u128::from(octet)) << 32
}

/// The label with a MAC and a port, as OVN wrote it up to 21.12.
pub(super) fn label_with_port(mac: Mac, port: u16) -> u128 {
    label(mac) | u128::from(port) << 80
}

/// The mark with a port, as OVN writes it since.
pub(super) fn mark(port: u16) -> u32 {
    u32::from(port) << 16
}

impl Entry {
    /// The entry of a conversation that `orig` began, in zone 0 and without NAT.
    pub(super) fn of(orig: Flow) -> Self {
        Self { orig, reply: orig.reversed(), zone: 0, mark: 0, label: 0 }
    }

    /// The same in a zone.
    pub(super) fn zone(self, zone: u16) -> Self {
        Self { zone, ..self }
    }

    /// The same with a mark.
    pub(super) fn mark(self, mark: u32) -> Self {
        Self { mark, ..self }
    }

    /// The same with a label.
    pub(super) fn label(self, label: u128) -> Self {
        Self { label, ..self }
    }

    /// The same with answers that are not the mirror of the requests.
    pub(super) fn reply(self, reply: Flow) -> Self {
        Self { reply, ..self }
    }

    fn print(&self, number: u32, detail: Detail) -> String {
        let (proto, protoinfo) = self.protocol(detail);
        // Requests of some size, answers larger.
        let tuple = |flow: Flow, bytes: u64| {
            let counters = match detail {
                Detail::MoreAndStatistics => {
                    let packets = 40 + u64::from(number);
                    format!(",packets={packets},bytes={}", packets * bytes)
                }
                Detail::Plain | Detail::More => String::new(),
            };
            format!("({}{counters})", ends(flow))
        };
        let mut line = format!("{proto},orig={},reply={}", tuple(self.orig, 80), tuple(self.reply, 346));
        if detail != Detail::Plain {
            line += &format!(",id={}", 3_221_225_472 + 64 * u64::from(number));
        }
        if self.zone != 0 {
            line += &format!(",zone={}", self.zone);
        }
        if detail != Detail::Plain {
            let nat = if self.reply == self.orig.reversed() { "" } else { "|SRC_NAT" };
            line += &format!(",status=SEEN_REPLY|ASSURED|CONFIRMED{nat}|SRC_NAT_DONE|DST_NAT_DONE");
        }
        if detail == Detail::MoreAndStatistics {
            line += &format!(",timeout={}", 60 + number % 60);
        }
        if self.mark != 0 {
            line += &format!(",mark={}", self.mark);
        }
        if self.label != 0 {
            line += &format!(",labels={:#x}", self.label);
        }
        if !protoinfo.is_empty() {
            line += &format!(",protoinfo=({protoinfo})");
        }
        line + "\n"
    }

    fn protocol(&self, detail: Detail) -> (&'static str, &'static str) {
        match (self.orig.transport, detail) {
            (Transport::Udp { .. }, _) => ("udp", ""),
            (Transport::Tcp { .. }, Detail::Plain) => ("tcp", "state=ESTABLISHED"),
            (Transport::Tcp { .. }, _) => (
                "tcp",
                "state_orig=ESTABLISHED,state_reply=ESTABLISHED,wscale_orig=7,wscale_reply=7,\
                 flags_orig=WINDOW_SCALE|SACK_PERM,flags_reply=WINDOW_SCALE|SACK_PERM",
            ),
            (Transport::Sctp { .. }, _) => ("sctp", "state=ESTABLISHED,vtag_orig=1551695873,vtag_reply=2774302211"),
            (Transport::Icmp { .. }, _) if self.orig.src.is_ipv6() => ("icmpv6", ""),
            (Transport::Icmp { .. }, _) => ("icmp", ""),
        }
    }
}

fn ends(flow: Flow) -> String {
    let Flow { src, dst, transport } = flow;
    let transport = match transport {
        Transport::Udp { sport, dport } | Transport::Tcp { sport, dport } | Transport::Sctp { sport, dport } => {
            format!("sport={sport},dport={dport}")
        }
        Transport::Icmp { icmp_type, id } => format!("id={id},type={icmp_type},code=0"),
    };
    format!("src={src},dst={dst},{transport}")
}

/// The whole dump.
pub(super) fn dump(entries: &[Entry], detail: Detail) -> String {
    (1..).zip(entries).map(|(number, entry)| entry.print(number, detail)).collect()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const GATEWAY: Mac = [0xce, 0x73, 0x29, 0x66, 0x39, 0xa4];

    #[test]
    fn text_is_that_of_ovs() {
        // From pcaps/kernel-datapath-6.1-ovn-23.03-repairs/conntrack.txt and pcaps/ovn-22.03-nexthop-mac-change.
        let (client, pod) = (Ipv4Addr::new(172, 27, 0, 13).into(), Ipv4Addr::new(10, 168, 16, 230).into());
        let tcp = Flow { src: client, dst: pod, transport: Transport::Tcp { sport: 56342, dport: 50001 } };
        let udp = Flow { src: client, dst: pod, transport: Transport::Udp { sport: 5005, dport: 42788 } };
        let entries = [
            Entry::of(tcp).zone(12).mark(mark(2)).label(label(GATEWAY)),
            Entry::of(udp).zone(8).label(label_with_port(GATEWAY, 2)),
        ];
        assert_eq!(
            dump(&entries, Detail::Plain),
            "tcp,orig=(src=172.27.0.13,dst=10.168.16.230,sport=56342,dport=50001),\
             reply=(src=10.168.16.230,dst=172.27.0.13,sport=50001,dport=56342),zone=12,mark=131072,\
             labels=0xce73296639a400000000,protoinfo=(state=ESTABLISHED)\n\
             udp,orig=(src=172.27.0.13,dst=10.168.16.230,sport=5005,dport=42788),\
             reply=(src=10.168.16.230,dst=172.27.0.13,sport=42788,dport=5005),zone=8,labels=0x2ce73296639a400000000\n"
        );
    }
}
