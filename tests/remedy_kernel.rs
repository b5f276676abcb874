//! The commands that heal delete exactly one entry: run as they are printed, on real conntrack tables that hold the
//! same tuple in four zones, with neighbours that differ in one field.

#[path = "common/netns.rs"]
mod netns;
#[path = "common/ovs.rs"]
mod ovs;

use std::collections::BTreeSet;
use std::net::IpAddr;

use analyzer::engine::finding::{CitedConnection, CtDirection};
use analyzer::output::remedy::{Datapath, remedies};
use analyzer::types::tuple::{proto, proto_name};
use analyzer::types::{MacAddr, Tuple};

use netns::{Netns, require, run};
use ovs::{Ovs, frame};

const ZONES: [u16; 4] = [0, 5, 6, 35];

fn tuple(nw_proto: u8, src: &str, dst: &str, tp_src: u16, tp_dst: u16) -> Tuple {
    let address = |text: &str| text.parse::<IpAddr>().expect("an address");
    Tuple { src: address(src), dst: address(dst), nw_proto, tp_src, tp_dst }
}

fn entry(orig: Tuple, zone: u16) -> CitedConnection {
    CitedConnection {
        orig,
        reply: orig.reversed(),
        zone,
        zone_name: None,
        direction: CtDirection::Reply,
        label: 0x2ce73296639a400000000,
        mark: 0,
        reply_eth: MacAddr([0xce, 0x73, 0x29, 0x66, 0x39, 0xa4]),
        reply_port: 2,
    }
}

fn command(entry: &CitedConnection, datapath: Datapath) -> String {
    let found = remedies(entry).into_iter().flatten().find(|remedy| remedy.datapath == datapath);
    found.unwrap_or_else(|| panic!("no command for {entry:?}")).command
}

/// The tuple and others that differ from it in one field each, or in the direction.
fn with_neighbours(orig: Tuple) -> Vec<Tuple> {
    let other = |addr: IpAddr| match addr {
        IpAddr::V4(v4) => IpAddr::from((u32::from(v4) + 1).to_be_bytes()),
        IpAddr::V6(v6) => IpAddr::from((u128::from(v6) + 1).to_be_bytes()),
    };
    let mut tuples = vec![orig, Tuple { src: other(orig.src), ..orig }, Tuple { dst: other(orig.dst), ..orig }];
    if orig.has_ports() || orig.is_icmp() {
        // Without ports this would be the same connection.
        tuples.push(Tuple { src: orig.dst, dst: orig.src, ..orig });
    }
    if orig.has_ports() {
        tuples.push(Tuple { tp_src: orig.tp_src + 1, ..orig });
        tuples.push(Tuple { tp_dst: orig.tp_dst + 1, ..orig });
        tuples.push(Tuple { tp_src: 0, ..orig });
    } else if orig.is_icmp() {
        tuples.push(Tuple { tp_src: orig.tp_src + 1, ..orig });
        tuples.push(Tuple { tp_src: 0, ..orig });
    }
    if orig.nw_proto == proto::ICMP {
        // Timestamp in place of echo.
        tuples.push(Tuple { tp_dst: 13 << 8, ..orig });
    }
    tuples
}

/// Runs `command` and checks that of what `list` tells exactly one entry is gone, which `is_it` accepts.
fn deletes_one(
    command: &str,
    execute: impl Fn(&str),
    list: impl Fn() -> BTreeSet<String>,
    is_it: impl Fn(&str) -> bool,
) {
    let before = list();
    execute(command);
    let after = list();
    let gone: Vec<_> = before.difference(&after).collect();
    assert!(gone.len() == 1 && is_it(gone[0]), "{command}\ndeleted {gone:#?}");
    assert!(after.is_subset(&before), "{command}\nadded {:#?}", after.difference(&before));
}

/// A line of `conntrack -I` that makes an entry. Addresses come first, as conntrack(8) needs them to be.
fn creation(entry: &CitedConnection) -> String {
    let CitedConnection { orig, reply, zone, .. } = entry;
    let name = match orig.nw_proto {
        proto::ESP => "50".to_owned(),
        known => proto_name(known),
    };
    let mut line = format!(
        "conntrack -I -t 600 -u SEEN_REPLY,ASSURED -w {zone} -p {name} -s {} -d {} -r {} -q {}",
        orig.src, orig.dst, reply.src, reply.dst
    );
    if let Some((icmp_type, code)) = orig.icmp_type_code() {
        line += &format!(" --{name}-type {icmp_type} --{name}-code {code} --{name}-id {}", orig.tp_src);
    } else if orig.has_ports() {
        line += &format!(" --orig-port-src {} --orig-port-dst {}", orig.tp_src, orig.tp_dst);
        line += &format!(" --reply-port-src {} --reply-port-dst {}", reply.tp_src, reply.tp_dst);
    }
    line += match orig.nw_proto {
        proto::TCP => " --state ESTABLISHED",
        proto::SCTP => " --state ESTABLISHED --orig-vtag 1 --reply-vtag 2",
        _ => "",
    };
    line
}

/// All entries of the kernel's table, without their timeouts, which run.
fn kernel_table(netns: &Netns) -> BTreeSet<String> {
    netns
        .sh("conntrack -L -f ipv4 2>/dev/null; conntrack -L -f ipv6 2>/dev/null")
        .lines()
        .map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            [&words[..2], &words[3..]].concat().join(" ")
        })
        .collect()
}

/// Whether a line of `conntrack -L` is the entry.
fn is_kernel_entry(line: &str, entry: &CitedConnection) -> bool {
    let CitedConnection { orig, zone, .. } = entry;
    let mut parts = vec![format!("src={} dst={} ", orig.src, orig.dst)];
    if let Some((icmp_type, code)) = orig.icmp_type_code() {
        parts.push(format!("type={icmp_type} code={code} id={} ", orig.tp_src));
    } else if orig.has_ports() {
        parts.push(format!("sport={} dport={} ", orig.tp_src, orig.tp_dst));
    }
    let reply = line.match_indices("src=").nth(1).map_or(line.len(), |(at, _)| at);
    let zone_is = match zone {
        0 => !line.contains("zone="),
        zone => line.contains(&format!(" zone={zone} ")),
    };
    zone_is && parts.iter().all(|part| line[..reply].contains(part))
}

#[test]
fn kernel() {
    run(|| {
        require("conntrack", "conntrack")?;
        let netns = Netns::new("remedy")?;
        let (v4, v6) = (("172.27.0.13", "192.168.16.230"), ("fd00::1:13", "fd00::2:230"));
        let origs = [
            tuple(proto::UDP, v4.0, v4.1, 5005, 59943),
            tuple(proto::TCP, v4.0, v4.1, 5005, 59943),
            tuple(proto::SCTP, v4.0, v4.1, 5005, 59943),
            tuple(proto::UDPLITE, v4.0, v4.1, 5005, 59943),
            tuple(proto::ICMP, v4.0, v4.1, 77, 8 << 8),
            tuple(proto::ESP, v4.0, v4.1, 0, 0),
            tuple(proto::UDP, v6.0, v6.1, 5005, 59943),
            tuple(proto::TCP, v6.0, v6.1, 5005, 59943),
            tuple(proto::SCTP, v6.0, v6.1, 5005, 59943),
            tuple(proto::ICMPV6, v6.0, v6.1, 77, 128 << 8),
        ];
        let mut script = "set -e\n".to_owned();
        let mut targets = Vec::new();
        for (orig, zone) in origs.iter().flat_map(|orig| ZONES.map(|zone| (*orig, zone))) {
            targets.push(entry(orig, zone));
            for neighbour in with_neighbours(orig) {
                script += &format!("{} >/dev/null\n", creation(&entry(neighbour, zone)));
            }
        }
        // A translated source, beside the same original tuple in the other zones.
        let translated = tuple(proto::UDP, "10.244.0.5", "8.8.8.8", 5201, 53);
        for zone in ZONES {
            let mut entry = entry(translated, zone);
            entry.reply.dst = "172.18.0.4".parse().expect("an address");
            entry.reply.tp_dst = 61001;
            script += &format!("{} >/dev/null\n", creation(&entry));
            targets.push(entry);
        }
        netns.sh(&script);
        assert_eq!(kernel_table(&netns).len(), script.lines().count() - 1, "each line makes an entry");
        for target in &targets {
            deletes_one(
                &command(target, Datapath::Kernel),
                |command| drop(netns.sh(command)),
                || kernel_table(&netns),
                |line| is_kernel_entry(line, target),
            );
        }
        Ok(())
    });
}

/// Whether a line of dump-conntrack is the entry.
fn is_userspace_entry(line: &str, entry: &CitedConnection) -> bool {
    let read = analyzer::conntrack::text::parse_line(line).expect("OVS prints entries").expect("a line is an entry");
    (read.orig, read.reply, read.zone) == (entry.orig, entry.reply, entry.zone)
}

#[test]
fn userspace() {
    run(|| {
        let commits = ZONES.map(|zone| format!("ct(commit,zone={zone})")).join(",");
        let ovs =
            Ovs::start(&[format!("in_port=1,ip,actions={commits}"), format!("in_port=1,ipv6,actions={commits}")])?;
        let (v4, v6) = (("172.27.0.13", "192.168.16.230"), ("fd00::1:13", "fd00::2:230"));
        let origs = [
            tuple(proto::UDP, v4.0, v4.1, 5005, 59943),
            tuple(proto::TCP, v4.0, v4.1, 5005, 59943),
            tuple(proto::ICMP, v4.0, v4.1, 77, 8 << 8),
            tuple(proto::GRE, v4.0, v4.1, 0, 0),
            tuple(proto::UDP, v6.0, v6.1, 5005, 59943),
            tuple(proto::TCP, v6.0, v6.1, 5005, 59943),
        ];
        // To the userspace tracker a packet with port 0 is invalid.
        let is_valid = |tuple: &Tuple| !tuple.has_ports() || tuple.tp_src != 0;
        let mut expected = 0;
        for orig in origs {
            let neighbours: Vec<_> = with_neighbours(orig).into_iter().filter(is_valid).collect();
            expected += neighbours.len() * ZONES.len();
            let script: String = neighbours
                .iter()
                .map(|tuple| format!("ovs-appctl netdev-dummy/receive p1 {}\n", frame(tuple)))
                .collect();
            ovs.sh(&script);
        }
        ovs.wait_for(expected);
        for target in origs.iter().flat_map(|orig| ZONES.map(|zone| entry(*orig, zone))) {
            deletes_one(
                &command(&target, Datapath::Userspace),
                |command| drop(ovs.sh(command)),
                || ovs.table(),
                |line| is_userspace_entry(line, &target),
            );
        }
        Ok(())
    });
}
