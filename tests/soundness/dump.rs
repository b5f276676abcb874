//! Dumps of a conntrack table and of its zones, as the programs print them.

use std::fmt::Write as _;

use analyzer_engine::fact::{Connection, Fact};
use analyzer_engine::types::{Tuple, tuple::proto};

/// `ovs-appctl dpctl/dump-conntrack`.
pub(crate) fn connections(facts: &[Fact]) -> String {
    let line = |fact: &Fact| if let Fact::Connection(entry) = fact { Some(connection(entry)) } else { None };
    facts.iter().filter_map(line).collect()
}

/// `ovn-appctl -t ovn-controller ct-zone-list`.
pub(crate) fn zones(facts: &[Fact]) -> String {
    let line =
        |fact: &Fact| if let Fact::Zone(zone) = fact { Some(format!("{} {}\n", zone.name, zone.zone)) } else { None };
    facts.iter().filter_map(line).collect()
}

fn connection(entry: &Connection) -> String {
    let name = match entry.orig.nw_proto {
        proto::TCP => "tcp",
        proto::UDP => "udp",
        proto::SCTP => "sctp",
        proto::ICMPV6 => "icmpv6",
        _ => "icmp",
    };
    let (orig, reply) = (ends(&entry.orig), ends(&entry.reply));
    let mut line = format!("{name},orig=({orig}),reply=({reply})");
    if entry.zone > 0 {
        let _ = write!(line, ",zone={}", entry.zone);
    }
    if entry.mark > 0 {
        let _ = write!(line, ",mark={}", entry.mark);
    }
    if entry.label > 0 {
        let _ = write!(line, ",labels={:#x}", entry.label);
    }
    line + "\n"
}

fn ends(tuple: &Tuple) -> String {
    match tuple.icmp_type_code() {
        Some((kind, code)) => {
            format!("src={},dst={},id={},type={kind},code={code}", tuple.src, tuple.dst, tuple.tp_src)
        }
        None => format!("src={},dst={},sport={},dport={}", tuple.src, tuple.dst, tuple.tp_src, tuple.tp_dst),
    }
}
