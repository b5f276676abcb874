//! A world as a case that `analyzer replay` reads: nexthops.toml, conntrack.txt, ct-zone-list.txt and a capture.
//!
//! It is for people: nexthops.toml knows neither ports nor connected networks, so that a packet which they decide may be
//! judged otherwise there.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use analyzer_engine::types::MacAddr;

use crate::dump;
use crate::model::Played;
use crate::told::{self, at};
use crate::world::{Kind, Life, Route, Secs, Status, World};

/// Writes the case and tells its folder.
pub(crate) fn write(world: &World, played: &Played, name: &str) -> io::Result<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("soundness").join(name);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("nexthops.toml"), nexthops(world))?;
    let facts = told::facts(world, played, None);
    fs::write(folder.join("conntrack.txt"), dump::connections(&facts))?;
    fs::write(folder.join("ct-zone-list.txt"), dump::zones(&facts))?;
    fs::write(folder.join("capture.pcap"), capture(world, played))?;
    Ok(folder)
}

/// Each route with its next hops, a table for each time in which nothing of a hop changes.
fn nexthops(world: &World) -> String {
    let mut text = String::new();
    for row in world.routes.iter().filter(|row| !row.is_inner) {
        let router = &world.routers[row.router];
        let policy = if matches!(row.kind, Kind::Source { .. }) { "src-ip" } else { "dst-ip" };
        let symmetric = row.kind == Kind::Source { is_symmetric: true };
        let _ = write!(
            text,
            "[[route]]\nrouter = \"{}\"\nroute_table = \"{}\"\noutput_port = \"{}\"\nport_key = {}\npolicy = \"{policy}\"\nprefix = \"{}\"\nsymmetric_reply = {symmetric}\n",
            router.name,
            row.table,
            router.outer_port(),
            router.key,
            row.prefix,
        );
        let moments = moments(world, row);
        for (index, &from) in moments.iter().enumerate() {
            let until = moments.get(index + 1).copied();
            if row.life.holds(from) {
                text.push_str(&nexthop(world, row, Life { from, until }));
            }
        }
        text.push('\n');
    }
    text
}

/// When something of the next hop changes.
fn moments(world: &World, row: &Route) -> Vec<Secs> {
    let mut moments = vec![0];
    let mut add = |life: Life| {
        moments.push(life.from);
        moments.extend(life.until);
    };
    add(row.life);
    let is_its = |router, ip| (router, ip) == (row.router, row.nexthop);
    world.bindings.iter().filter(|other| is_its(other.router, other.ip)).for_each(|other| add(other.life));
    world.sessions.iter().filter(|other| is_its(other.router, other.peer)).for_each(|other| add(other.life));
    moments.sort_unstable();
    moments.dedup();
    moments
}

fn nexthop(world: &World, row: &Route, life: Life) -> String {
    let mut text = format!("[[route.nexthop]]\nip = \"{}\"\n", row.nexthop);
    let is_its = |router, ip| (router, ip) == (row.router, row.nexthop);
    let mut fixed = world.statics.iter().filter(|other| is_its(other.router, other.ip));
    let mut bound =
        world.bindings.iter().filter(|other| is_its(other.router, other.ip) && other.life.from <= life.from);
    let overrides = fixed.clone().find(|other| other.overrides).map(|other| other.mac);
    let lladdr = overrides.or(bound.next_back().map(|other| other.mac)).or(fixed.next_back().map(|other| other.mac));
    if let Some(mac) = lladdr {
        let _ = writeln!(text, "lladdr = \"{mac}\"");
    }
    let sessions = world.sessions.iter().filter(|other| row.has_bfd && is_its(other.router, other.peer));
    if let Some(session) = sessions.into_iter().find(|other| other.life.holds(life.from)) {
        let status = match session.status {
            Status::Up => "up",
            Status::Init => "init",
            Status::Down => "down",
            Status::AdminDown => "admin_down",
        };
        let _ = writeln!(text, "bfd = \"{status}\"");
    }
    let _ = writeln!(text, "since = \"{}\"", at(life.from).to_rfc3339(0));
    if let Some(until) = life.until {
        let _ = writeln!(text, "until = \"{}\"", at(until).to_rfc3339(0));
    }
    text
}

/// A classic pcap file (draft-ietf-opsawg-pcap), microseconds, link type Ethernet.
fn capture(world: &World, played: &Played) -> Vec<u8> {
    let mut frames: Vec<(Secs, Vec<u8>)> = played.frames.iter().map(|frame| (frame.at, packet(frame))).collect();
    frames.extend(world.heard.iter().filter_map(|heard| Some((heard.at, arp(heard.ip, heard.mac)?))));
    frames.sort_by_key(|&(at, _)| at);
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1] {
        file.extend(word.to_le_bytes());
    }
    for (second, bytes) in frames {
        let seconds = u32::try_from(at(second).as_nanos() / 1_000_000_000).expect("before 2106");
        let length = u32::try_from(bytes.len()).expect("a short frame");
        for word in [seconds, 0, length, length] {
            file.extend(word.to_le_bytes());
        }
        file.extend(bytes);
    }
    file
}

fn packet(frame: &crate::model::Frame) -> Vec<u8> {
    let tuple = &frame.tuple;
    let mut inner = vec![0; 20];
    match tuple.icmp_type_code() {
        Some((kind, code)) => {
            inner[..2].copy_from_slice(&[kind, code]);
            inner[4..6].copy_from_slice(&tuple.tp_src.to_be_bytes());
        }
        None => {
            inner[..2].copy_from_slice(&tuple.tp_src.to_be_bytes());
            inner[2..4].copy_from_slice(&tuple.tp_dst.to_be_bytes());
            // Length of UDP; words in the header of TCP, and ACK.
            inner[4..6].copy_from_slice(&20_u16.to_be_bytes());
            inner[12..14].copy_from_slice(&[0x50, 0x10]);
        }
    }
    let mut bytes = [frame.eth_dst.0, frame.eth_src.0].concat();
    match (tuple.src, tuple.dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            bytes.extend([0x08, 0x00, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, tuple.nw_proto, 0, 0]);
            bytes.extend(src.octets().into_iter().chain(dst.octets()));
        }
        (src, dst) => {
            bytes.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 20, tuple.nw_proto, 64]);
            for ip in [src, dst] {
                if let IpAddr::V6(ip) = ip {
                    bytes.extend(ip.octets());
                }
            }
        }
    }
    bytes.extend(inner);
    bytes
}

/// A gratuitous ARP reply (RFC 826). Neighbour discovery is not written.
fn arp(ip: IpAddr, mac: MacAddr) -> Option<Vec<u8>> {
    let IpAddr::V4(ip) = ip else { return None };
    let mut bytes = [[0xff; 6], mac.0].concat();
    bytes.extend([0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 2]);
    for _ in 0..2 {
        bytes.extend(mac.0.into_iter().chain(ip.octets()));
    }
    Some(bytes)
}
