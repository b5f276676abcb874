//! The kernel's table, against `conntrack -L`.

use std::collections::BTreeMap;
use std::net::UdpSocket;

use analyzer::engine::fact::Connection;
use analyzer::netlink::conntrack::Table;
use analyzer::netlink::conntrack::dump::{Dumped, Filter};
use analyzer::netlink::conntrack::entry::Entry;
use analyzer::netlink::conntrack::protoinfo::ProtoInfo;
use analyzer::types::Tuple;
use analyzer::types::tuple::proto;

use crate::ctnetlink::{self, NESTED, Writer, attribute};
use crate::netns::{Missing, Netns, require, run};
use crate::printed::{LABEL_NAMES, Line, Printed, line};

/// `IPS_*` bits.
const SEEN_REPLY: u32 = 1 << 1;
const ASSURED: u32 = 1 << 2;
const CONFIRMED: u32 = 1 << 3;

/// As libnetfilter_conntrack names the states.
const TCP_STATES: [&str; 10] = [
    "NONE",
    "SYN_SENT",
    "SYN_RECV",
    "ESTABLISHED",
    "FIN_WAIT",
    "CLOSE_WAIT",
    "LAST_ACK",
    "TIME_WAIT",
    "CLOSE",
    "SYN_SENT2",
];
const SCTP_STATES: [&str; 8] = [
    "NONE",
    "CLOSED",
    "COOKIE_WAIT",
    "COOKIE_ECHOED",
    "ESTABLISHED",
    "SHUTDOWN_SENT",
    "SHUTDOWN_RECD",
    "SHUTDOWN_ACK_SENT",
];

/// What is made: an entry, its status, its timeout, and what `CTA_PROTOINFO` holds.
type Made = (Connection, u32, u32, Vec<u8>);

fn entry(orig: Tuple, reply: Tuple, (zone, mark, label): (u16, u32, u128)) -> Connection {
    Connection { orig, reply, zone, mark, label, id: None, offloaded: false, dying: false }
}

/// One entry for each protocol, zone, mark, label, status and state.
fn made() -> Vec<Made> {
    const KINDS: [&str; 16] = [
        "udp 172.27.0.13:5005 -> 192.168.16.230:N",
        "tcp 172.27.0.13:5005 -> 192.168.16.230:N",
        "sctp 172.27.0.13:5005 -> 192.168.16.230:N",
        "udplite 172.27.0.13:5005 -> 192.168.16.230:N",
        "icmp 172.27.0.13 -> 192.168.16.230 type 8 code 0 id N",
        "icmp 172.27.0.13 -> 192.168.16.230 type 13 code 0 id N",
        "icmp 172.27.0.13 -> 192.168.16.230 type 17 code 0 id N",
        "gre 172.27.0.13 -> 192.168.16.N",
        "esp 172.27.0.13 -> 192.168.16.N",
        "89 172.27.0.13 -> 192.168.16.N",
        "udp [fd00::1:13]:5005 -> [fd00::2:230]:N",
        "tcp [fd00::1:13]:5005 -> [fd00::2:230]:N",
        "sctp [fd00::1:13]:5005 -> [fd00::2:230]:N",
        "udplite [fd00::1:13]:5005 -> [fd00::2:230]:N",
        "icmpv6 fd00::1:13 -> fd00::2:230 type 128 code 0 id N",
        "gre fd00::1:13 -> fd00::2:N",
    ];
    const INCIDENT: u128 = 0x2ce73296639a400000000;
    const OF_OVN: [(u16, u32, u128); 5] =
        [(0, 0, 0), (5, 0x20002, 0xce73296639a400000000), (35, 0, INCIDENT), (65535, u32::MAX, u128::MAX), (77, 1, 1)];
    let statuses = [CONFIRMED, CONFIRMED | SEEN_REPLY, CONFIRMED | SEEN_REPLY | ASSURED];
    let mut made = Vec::new();
    for text in KINDS {
        for (number, status) in (1..).zip(statuses) {
            for (timeout, of_ovn) in (3_600..).step_by(1000).zip(OF_OVN) {
                let mut tuple: Tuple = text.replace('N', &number.to_string()).parse().expect("a 5-tuple");
                if tuple.nw_proto == proto::GRE {
                    (tuple.tp_src, tuple.tp_dst) = (7, number);
                }
                made.push((entry(tuple, tuple.reversed(), of_ovn), status, timeout, Vec::new()));
            }
        }
    }
    for (orig, reply) in [
        ("udp 10.244.0.5:5201 -> 8.8.8.8:53", "udp 8.8.8.8:53 -> 172.18.0.4:61001"),
        ("tcp 10.244.0.5:5201 -> 10.96.0.1:443", "tcp 172.18.0.2:6443 -> 10.244.0.5:5201"),
        ("tcp [fd00::5]:5201 -> [fd00::8]:53", "tcp [fd00::b]:5353 -> [fd00::5]:5201"),
        ("icmp 10.244.0.5 -> 8.8.8.8 type 8 code 0 id 7", "icmp 8.8.8.8 -> 172.18.0.4 type 0 code 0 id 9"),
    ] {
        let [orig, reply] = [orig, reply].map(|text| text.parse().expect("a 5-tuple"));
        made.push((entry(orig, reply, OF_OVN[2]), statuses[1], 3_600, Vec::new()));
    }
    let state = |text: &str, number: usize, protoinfo: Vec<u8>| {
        let tuple: Tuple = text.replace('N', &(100 + number).to_string()).parse().expect("a 5-tuple");
        (entry(tuple, tuple.reversed(), OF_OVN[0]), statuses[1], 3_600, protoinfo)
    };
    for number in 0..TCP_STATES.len() {
        made.push(state(KINDS[1], number, attribute(1 | NESTED, attribute(1, vec![number as u8]))));
    }
    for number in 0..SCTP_STATES.len() {
        let tags = [attribute(2, vec![0, 0, 0, 1]), attribute(3, vec![0, 0, 0, 2])].concat();
        let inner = [attribute(1, vec![number as u8]), tags].concat();
        made.push(state(KINDS[2], number, attribute(3 | NESTED, inner)));
    }
    made
}

/// Real packets: one connection that is answered, one that is not, and one in a zone for one of its directions only.
fn send_packets() {
    let bound = |port: u16| UdpSocket::bind(("127.0.0.1", port)).expect("it is free");
    let (server, client) = (bound(7001), bound(6001));
    for _ in 0..3 {
        client.send_to(b"12345", ("127.0.0.1", 7001)).expect("lo is up");
    }
    server.send_to(b"123", ("127.0.0.1", 6001)).expect("lo is up");
    let silent = bound(7002);
    for port in [7002, 7003] {
        bound(6000 + port).send_to(b"1", ("127.0.0.1", port)).expect("lo is up");
    }
    drop(silent);
}

fn dump() -> (BTreeMap<u32, Entry>, Dumped) {
    let mut entries = BTreeMap::new();
    let table = Table::open().expect("there is conntrack");
    let visit = |entry: &Entry| {
        let id = entry.connection.id.expect("the kernel tells ids");
        assert!(entries.insert(id, entry.clone()).is_none(), "an id is told once: {entry:?}");
    };
    let dumped = table.dump(&Filter::default(), visit).expect("root may dump");
    assert!(!dumped.interrupted && dumped.unreadable == 0, "{dumped:?}");
    (entries, dumped)
}

/// Our entry in the form of what is printed.
fn told(entry: &Entry) -> Printed {
    let Connection { orig, reply, zone, mark, label, id: _, offloaded, dying } = entry.connection;
    assert!(!offloaded && !dying, "{entry:?}");
    let state = entry.protoinfo.map(|protoinfo| match protoinfo {
        ProtoInfo::Tcp(tcp) => TCP_STATES[usize::from(tcp.state)],
        ProtoInfo::Sctp(sctp) => SCTP_STATES[usize::from(sctp.state)],
        ProtoInfo::Dccp(_) => panic!("none was made: {entry:?}"),
    });
    Printed {
        orig,
        reply,
        zone,
        mark,
        label,
        state: state.map(str::to_owned),
        is_replied: entry.status & SEEN_REPLY != 0,
        is_assured: entry.status & ASSURED != 0,
        counters: entry.counters.expect("they are switched on").map(|it| [it.packets, it.bytes]),
        timeout: entry.timeout.expect("none is offloaded"),
    }
}

/// Starts in nanoseconds since 1970 by id, which only the form in XML has.
fn starts(xml: &str) -> BTreeMap<u32, u64> {
    let flows = xml.split("<flow>").skip(1);
    let number = |flow: &str, name: &str| {
        let (_, behind) = flow.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("no {name} in {flow}"));
        behind.split_once('<').and_then(|(number, _)| number.parse::<u64>().ok()).expect("a number")
    };
    flows.map(|flow| (number(flow, "id") as u32, number(flow, "start"))).collect()
}

#[test]
fn every_field_of_every_entry() {
    run(|| {
        for (program, package) in [("nft", "nftables"), ("conntrack", "conntrack"), ("mount", "mount")] {
            require(program, package)?;
        }
        let netns = prepared_netns()?;
        let made = made();
        let (ours, dumped) = netns.inside(|| {
            let mut writer = Writer::open();
            for (entry, status, timeout, protoinfo) in &made {
                writer.create_as(entry, *status, *timeout, protoinfo);
            }
            send_packets();
            dump()
        });
        let text = netns.sh(&format!("{LABEL_NAMES}\nexec conntrack -L -o extended,id,labels"));
        let xml = netns.sh("exec conntrack -L -o xml,id,ktimestamp");
        let (again, _) = netns.inside(dump);

        let mut theirs = BTreeMap::new();
        let mut zones_of_one_direction = 0;
        for text in text.lines() {
            match line(text) {
                Line::Entry(id, printed) => assert!(theirs.insert(id, printed).is_none(), "{text}"),
                Line::ZoneOfOneDirection => zones_of_one_direction += 1,
            }
        }
        // What we pass over is of this kind, and conntrack(8) prints as many.
        assert_eq!((dumped.zone_of_one_direction, zones_of_one_direction), (1, 1));
        assert_eq!(dumped.visited as usize, made.len() + 2);
        assert!(ours.keys().eq(theirs.keys()), "{:?}\n{:?}", ours.keys(), theirs.keys());
        let starts = starts(&xml);
        for (id, entry) in &ours {
            let (told, printed) = (told(entry), theirs[id].clone());
            // Time passes between the dumps; what is printed lies between ours.
            let later = again[id].timeout.expect("it stays");
            assert!((later..=told.timeout).contains(&printed.timeout), "{told:?} {printed:?}");
            assert_eq!(Printed { timeout: printed.timeout, ..told }, printed, "id {id}");
            assert_eq!(entry.started.map(|at| at.as_nanos()), Some(starts[id]), "{entry:?}");
        }
        let states = theirs.values().filter(|it| it.state.is_some()).count();
        let counted = theirs.values().filter(|it| it.counters != [[0; 2]; 2]).count();
        println!("{} entries, {states} of them with a state, {counted} with traffic", theirs.len());
        assert_eq!(counted, 2);
        for names in [&TCP_STATES[1..], &SCTP_STATES[1..]] {
            let is_printed = |name: &&str| theirs.values().any(|it| it.state.as_deref() == Some(*name));
            assert!(names.iter().all(is_printed), "{names:?}");
        }
        Ok(())
    });
}

/// A namespace in which everything is kept that can be, and where packets come into zones.
fn prepared_netns() -> Result<Netns, Missing> {
    let netns = Netns::new("printed")?;
    netns.sh(ctnetlink::ENABLE_LABELS);
    netns.sh("set -e
        sysctl -qw net.netfilter.nf_conntrack_timestamp=1 net.netfilter.nf_conntrack_acct=1
        ip link set lo up
        nft 'table inet p {
            chain raw {
                type filter hook output priority raw
                udp dport 7001 ct zone set 35
                udp sport 7001 ct zone set 35
                udp dport 7003 ct original zone set 36
            }
            chain out {
                type filter hook output priority 0
                udp dport 7001 ct label set 40
                udp dport 7001 ct mark set 0x20000
            }
        }'");
    Ok(netns)
}
