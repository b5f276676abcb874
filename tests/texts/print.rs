//! A world as the texts of one moment, its end: what the programs of OVN, Open vSwitch and tcpdump print of it.

use std::fmt::Write as _;

use analyzer_engine::types::{IpPrefix, tuple::proto};

use crate::model::{Frame, Played};
use crate::table::{Table, Value};
use crate::told::at;
use crate::world::{Kind, Route, Secs, Status, World};

/// What of the tables is printed.
pub(crate) struct Tables {
    pub(crate) mac_bindings: Table,
    pub(crate) static_mac_bindings: Table,
    pub(crate) bfd: Table,
    pub(crate) port_bindings: Table,
    pub(crate) datapaths: Table,
}

/// The moment at which the texts were printed.
pub(crate) fn end(played: &Played) -> Secs {
    played.frames.last().map_or(0, |frame| frame.at)
}

fn uuid(table: u8, row: usize) -> Value {
    Value::Uuid(format!("{table:08}-0000-4000-8000-{row:012}"))
}

/// The tables as they stand at the end.
pub(crate) fn tables(world: &World, played: &Played) -> Tables {
    let end = end(played);
    let port = |router: usize| Value::Word(world.routers[router].outer_port());
    let bindings = world.bindings.iter().filter(|row| row.life.holds(end)).enumerate().map(|(index, row)| {
        let (ip, mac) = (Value::Text(row.ip.to_string()), Value::Text(row.mac.to_string()));
        vec![uuid(1, index), uuid(0, row.router), ip, port(row.router), mac]
    });
    let statics = world.statics.iter().enumerate().map(|(index, row)| {
        let (ip, mac) = (Value::Text(row.ip.to_string()), Value::Text(row.mac.to_string()));
        vec![uuid(2, index), ip, port(row.router), mac, Value::Bool(row.overrides)]
    });
    let sessions = world.sessions.iter().filter(|row| row.life.holds(end)).enumerate().map(|(index, row)| {
        let status = match row.status {
            Status::Up => "up",
            Status::Init => "init",
            Status::Down => "down",
            Status::AdminDown => "admin_down",
        };
        vec![uuid(3, index), Value::Text(row.peer.to_string()), port(row.router), Value::Word(status.to_owned())]
    });
    let datapaths = world.routers.iter().enumerate().map(|(index, row)| {
        let ids =
            vec![("logical-router", format!("{index:08}-1111-4000-8000-000000000000")), ("name", row.name.into())];
        vec![uuid(0, index), Value::Map(ids), Value::Number(index as u64 + 1)]
    });
    Tables {
        mac_bindings: Table { columns: &["_uuid", "datapath", "ip", "logical_port", "mac"], rows: bindings.collect() },
        static_mac_bindings: Table {
            columns: &["_uuid", "ip", "logical_port", "mac", "override_dynamic_mac"],
            rows: statics.collect(),
        },
        bfd: Table { columns: &["_uuid", "dst_ip", "logical_port", "status"], rows: sessions.collect() },
        port_bindings: Table {
            columns: &["_uuid", "datapath", "logical_port", "mac", "options", "tunnel_key", "type"],
            rows: ports(world),
        },
        datapaths: Table { columns: &["_uuid", "external_ids", "tunnel_key"], rows: datapaths.collect() },
    }
}

fn ports(world: &World) -> Vec<Vec<Value>> {
    let port = |index: usize| {
        let row = &world.routers[index];
        let address = format!("{} {}/{}", row.mac, row.address, row.network.prefix_len());
        vec![
            uuid(4, index),
            uuid(0, index),
            Value::Word(row.outer_port()),
            Value::Texts(vec![address]),
            Value::Map(vec![("l3gateway-chassis", "hv1".to_owned()), ("peer", format!("etor-{}", row.name))]),
            Value::Number(row.key.into()),
            Value::Word("l3gateway".to_owned()),
        ]
    };
    (0..world.routers.len()).map(port).collect()
}

/// `ovn-nbctl lr-route-list` of a router (`utilities/ovn-nbctl.c`, `print_route`).
pub(crate) fn routes(world: &World, played: &Played, router: usize) -> String {
    let end = end(played);
    let is_printed = |row: &&Route| row.router == router && row.life.holds(end) && row.kind != Kind::Learned;
    let rows: Vec<&Route> = world.routes.iter().filter(is_printed).collect();
    let mut text = format!("IPv{} Routes\n", if world.is_v6 { 6 } else { 4 });
    let mut tables: Vec<&str> = rows.iter().map(|row| row.table).collect();
    tables.sort_unstable();
    tables.dedup();
    for table in tables {
        let _ = writeln!(text, "Route Table {}:", if table.is_empty() { "<main>" } else { table });
        let of_table: Vec<&&Route> = rows.iter().filter(|row| row.table == table).collect();
        for row in &of_table {
            let is_same = |other: &&&&Route| {
                let key = |row: &Route| (row.prefix, matches!(row.kind, Kind::Source { .. }));
                key(row) == key(other)
            };
            text.push_str(&route(world, row, of_table.iter().filter(is_same).count() > 1));
        }
    }
    text
}

fn route(world: &World, row: &Route, is_ecmp: bool) -> String {
    let router = &world.routers[row.router];
    let port = if row.is_inner { router.inner_port() } else { router.outer_port() };
    let policy = if matches!(row.kind, Kind::Source { .. }) { "src-ip" } else { "dst-ip" };
    let has_session = world.sessions.iter().any(|other| (other.router, other.peer) == (row.router, row.nexthop));
    let mut line = format!("{:>25} {:>25} {policy} {port}", prefix(row.prefix), row.nexthop);
    let symmetric = row.kind == Kind::Source { is_symmetric: true };
    for (word, is_so) in [("ecmp", is_ecmp), ("ecmp-symmetric-reply", symmetric), ("bfd", row.has_bfd && has_session)] {
        if is_so {
            line.push(' ');
            line.push_str(word);
        }
    }
    line + "\n"
}

fn prefix(prefix: IpPrefix) -> String {
    if prefix.is_host() { prefix.addr().to_string() } else { prefix.to_string() }
}

/// `tcpdump -enn -tttt`.
pub(crate) fn capture(played: &Played) -> String {
    played.frames.iter().map(frame).collect()
}

fn frame(frame: &Frame) -> String {
    let tuple = &frame.tuple;
    let time = at(frame.at).to_rfc3339(6).replace('T', " ").replace('Z', "");
    let kind = if tuple.src.is_ipv6() { "IPv6 (0x86dd)" } else { "IPv4 (0x0800)" };
    let mut line = format!("{time} {} > {}, ethertype {kind}, length 94: ", frame.eth_src, frame.eth_dst);
    let (src, dst, sport, dport) = (tuple.src, tuple.dst, tuple.tp_src, tuple.tp_dst);
    let _ = match (tuple.nw_proto, tuple.icmp_type_code()) {
        (proto::ICMPV6, Some((kind, _))) => {
            let word = if kind == 128 { "request" } else { "reply" };
            writeln!(line, "{src} > {dst}: ICMP6, echo {word}, id {sport}, seq 1, length 40")
        }
        (_, Some((kind, _))) => {
            let word = if kind == 8 { "request" } else { "reply" };
            writeln!(line, "{src} > {dst}: ICMP echo {word}, id {sport}, seq 1, length 60")
        }
        (proto::TCP, _) => writeln!(line, "{src}.{sport} > {dst}.{dport}: Flags [.], ack 1, win 64, length 40"),
        (proto::SCTP, _) => writeln!(line, "{src}.{sport} > {dst}.{dport}: sctp (1) [HB REQ]"),
        _ => writeln!(line, "{src}.{sport} > {dst}.{dport}: UDP, length 52"),
    };
    line
}
