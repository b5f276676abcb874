use proptest::prelude::*;

use super::*;
use crate::types::tuple::proto_name;

fn tuple_of(nw_proto: u8, src: &str, dst: &str, tp_src: u16, tp_dst: u16) -> Tuple {
    Tuple { src: src.parse().unwrap(), dst: dst.parse().unwrap(), nw_proto, tp_src, tp_dst }
}

/// The entry of the incident that pins port 59943.
fn incident() -> Connection {
    let orig = tuple_of(proto::UDP, "172.27.0.13", "192.168.16.230", 5005, 59943);
    Connection {
        reply: orig.reversed(),
        orig,
        zone: 35,
        mark: 0,
        label: 0x2ce73296639a400000000,
        id: None,
        offloaded: false,
        dying: false,
    }
}

fn read(line: &str) -> Connection {
    parse_line(line).unwrap_or_else(|error| panic!("{line}: {error}")).unwrap_or_else(|| panic!("silent: {line}"))
}

#[test]
fn the_incident_as_ovs_prints_it() {
    let line = "udp,orig=(src=172.27.0.13,dst=192.168.16.230,sport=5005,dport=59943),\
                reply=(src=192.168.16.230,dst=172.27.0.13,sport=59943,dport=5005),zone=35,labels=0x2ce73296639a400000000";
    assert_eq!(read(line), incident());
}

/// All that stood around entries in tickets and chats.
#[test]
fn the_incident_as_people_paste_it() {
    let cases = [
        // The report of the incident itself: no opening parenthesis.
        "udp,orig=src=172.27.0.13,dst=192.168.16.230,sport=5005,dport=59943),reply=src=192.168.16.230,dst=172.27.0.13,sport=59943,dport=5005),zone=35,labels=0x2ce73296639a400000000",
        // No parenthesis at all.
        "udp,orig=src=172.27.0.13,dst=192.168.16.230,sport=5005,dport=59943,reply=src=192.168.16.230,dst=172.27.0.13,sport=59943,dport=5005,zone=35,labels=0x2ce73296639a400000000",
        // White space around commas, the end of a line from Windows.
        " udp, orig=( src=172.27.0.13, dst=192.168.16.230 , sport=5005,  dport=59943 ) , reply=(src=192.168.16.230,\tdst=172.27.0.13,sport=59943,dport=5005), zone=35, labels=0x2ce73296639a400000000 \r",
        // Decimal label, hexadecimal mark, both with a mask.
        "udp,orig=(src=172.27.0.13,dst=192.168.16.230,sport=5005,dport=59943),reply=(src=192.168.16.230,dst=172.27.0.13,sport=59943,dport=5005),zone=35,mark=0x0/0xffff0000,labels=3392711230475263044124672/0xffffffffffffffff00000000",
    ];
    let label = 0x2ce73296639a400000000_u128;
    assert_eq!(label.to_string().len(), 25, "the decimal form above is that of the label");
    for line in cases {
        let line = line.replace("3392711230475263044124672", &label.to_string());
        assert_eq!(read(&line), incident(), "{line}");
    }
}

/// Lines of OVS 3.1.0 and 2.13 on both datapaths.
#[test]
fn forms() {
    let v4 = ("8.8.8.8", "10.244.0.5");
    let udp = tuple_of(proto::UDP, v4.0, v4.1, 40000, 5201);
    let entry = Connection {
        orig: udp,
        reply: udp.reversed(),
        zone: 3,
        mark: 131_072,
        label: 0xce73296639a400000000,
        ..incident()
    };
    let icmp = tuple_of(proto::ICMP, v4.0, v4.1, 77, 8 << 8);
    let icmpv6 = tuple_of(proto::ICMPV6, "fd00::13", "fd00::230", 7, 128 << 8);
    let with = |orig: Tuple| Connection { orig, reply: orig.reversed(), zone: 0, mark: 0, label: 0, ..entry.clone() };
    let sctp = tuple_of(proto::SCTP, v4.0, v4.1, 1, 2);
    let v6 = tuple_of(proto::UDP, "fd00::13", "fd00::230", 5005, 59943);
    let cases = [
        (
            "udp,orig=(src=8.8.8.8,dst=10.244.0.5,sport=40000,dport=5201),reply=(src=10.244.0.5,dst=8.8.8.8,sport=5201,dport=40000),zone=3,mark=131072,labels=0xce73296639a400000000",
            entry.clone(),
        ),
        // -m, kernel: offloaded; the flag has no word in OVS.
        (
            "udp,orig=(src=8.8.8.8,dst=10.244.0.5,sport=40000,dport=5201),reply=(src=10.244.0.5,dst=8.8.8.8,sport=5201,dport=40000),id=3221225481,zone=3,status=SEEN_REPLY|ASSURED|CONFIRMED|SRC_NAT_DONE|0x4000,mark=131072,labels=0xce73296639a400000000",
            Connection { id: Some(3_221_225_481), offloaded: true, ..entry.clone() },
        ),
        // -m of the userspace datapath, of an OVS that prints nothing for no flag, and an entry that is going away.
        (
            "udp,orig=(src=8.8.8.8,dst=10.244.0.5,sport=40000,dport=5201),reply=(src=10.244.0.5,dst=8.8.8.8,sport=5201,dport=40000),id=0,zone=3,status=0,mark=131072,labels=0xce73296639a400000000",
            Connection { id: Some(0), ..entry.clone() },
        ),
        (
            "udp,orig=(src=8.8.8.8,dst=10.244.0.5,sport=40000,dport=5201),reply=(src=10.244.0.5,dst=8.8.8.8,sport=5201,dport=40000),id=0,zone=3,status=,mark=131072,labels=0xce73296639a400000000",
            Connection { id: Some(0), ..entry.clone() },
        ),
        (
            "udp,orig=(src=8.8.8.8,dst=10.244.0.5,sport=40000,dport=5201),reply=(src=10.244.0.5,dst=8.8.8.8,sport=5201,dport=40000),id=1,zone=3,status=CONFIRMED|DYING,mark=131072,labels=0xce73296639a400000000",
            Connection { id: Some(1), dying: true, ..entry.clone() },
        ),
        (
            "udp,orig=(src=8.8.8.8,dst=10.244.0.5,sport=40000,dport=5201),reply=(src=10.244.0.5,dst=8.8.8.8,sport=5201,dport=40000),id=1,zone=3,status=HW_OFFLOAD|0x200,mark=131072,labels=0xce73296639a400000000",
            Connection { id: Some(1), dying: true, offloaded: true, ..entry.clone() },
        ),
        // -s
        (
            "udp,orig=(src=8.8.8.8,dst=10.244.0.5,sport=40000,dport=5201,packets=2306,bytes=333081),reply=(src=10.244.0.5,dst=8.8.8.8,sport=5201,dport=40000,packets=1,bytes=94),start=2022-06-09T22:48:28.272,stop=2022-06-09T22:49:28.272,zone=3,timeout=29,mark=131072,labels=0xce73296639a400000000",
            entry.clone(),
        ),
        // protoinfo, merged and with -m; helper; parent with its own parentheses, named master up to OVS 2.16.
        (
            "tcp,orig=(src=8.8.8.8,dst=10.244.0.5,sport=1,dport=2),reply=(src=10.244.0.5,dst=8.8.8.8,sport=2,dport=1),protoinfo=(state=ESTABLISHED)",
            with(tuple_of(proto::TCP, v4.0, v4.1, 1, 2)),
        ),
        (
            "tcp,orig=(src=8.8.8.8,dst=10.244.0.5,sport=1,dport=2),reply=(src=10.244.0.5,dst=8.8.8.8,sport=2,dport=1),id=9,status=ASSURED,protoinfo=(state_orig=ESTABLISHED,state_reply=ESTABLISHED,wscale_orig=7,wscale_reply=7,flags_orig=WINDOW_SCALE|SACK_PERM,flags_reply=WINDOW_SCALE),helper=ftp,parent=(src=8.8.8.8,dst=10.244.0.5,sport=3,dport=21)",
            Connection { id: Some(9), ..with(tuple_of(proto::TCP, v4.0, v4.1, 1, 2)) },
        ),
        (
            "sctp,orig=(src=8.8.8.8,dst=10.244.0.5,sport=1,dport=2),reply=(src=10.244.0.5,dst=8.8.8.8,sport=2,dport=1),protoinfo=(state=ESTABLISHED,vtag_orig=1,vtag_reply=2),master=(src=8.8.8.8,dst=10.244.0.5,sport=3,dport=21)",
            with(sctp),
        ),
        (
            "icmp,orig=(src=8.8.8.8,dst=10.244.0.5,id=77,type=8,code=0),reply=(src=10.244.0.5,dst=8.8.8.8,id=77,type=0,code=0)",
            with(icmp),
        ),
        (
            "icmp,orig=src=8.8.8.8,dst=10.244.0.5,id=77,type=8,code=0),reply=src=10.244.0.5,dst=8.8.8.8,id=77,type=0,code=0),id=5",
            Connection { id: Some(5), ..with(icmp) },
        ),
        (
            "icmpv6,orig=(src=fd00::13,dst=fd00::230,id=7,type=128,code=0),reply=(src=fd00::230,dst=fd00::13,id=7,type=129,code=0)",
            with(icmpv6),
        ),
        (
            "udp,orig=(src=fd00::13,dst=fd00::230,sport=5005,dport=59943),reply=(src=fd00::230,dst=fd00::13,sport=59943,dport=5005)",
            with(v6),
        ),
        // Protocols that OVS knows by number only; all of them are printed with ports.
        (
            "47,orig=(src=8.8.8.8,dst=10.244.0.5,sport=0,dport=0),reply=(src=10.244.0.5,dst=8.8.8.8,sport=0,dport=0)",
            with(tuple_of(proto::GRE, v4.0, v4.1, 0, 0)),
        ),
        (
            "igmp,orig=(src=8.8.8.8,dst=10.244.0.5),reply=(src=10.244.0.5,dst=8.8.8.8)",
            with(tuple_of(proto::IGMP, v4.0, v4.1, 0, 0)),
        ),
        (
            "udplite,orig=(src=8.8.8.8,dst=10.244.0.5,sport=1,dport=2),reply=(src=10.244.0.5,dst=8.8.8.8,sport=2,dport=1)",
            with(tuple_of(proto::UDPLITE, v4.0, v4.1, 1, 2)),
        ),
        (
            "dccp,orig=(src=8.8.8.8,dst=10.244.0.5,sport=1,dport=2),reply=(src=10.244.0.5,dst=8.8.8.8,sport=2,dport=1)",
            with(tuple_of(proto::DCCP, v4.0, v4.1, 1, 2)),
        ),
        // SNAT with another port, and DNAT: the reply is not the mirror.
        (
            "udp,orig=(src=10.244.0.5,dst=8.8.8.8,sport=5201,dport=53),reply=(src=8.8.8.8,dst=172.18.0.4,sport=53,dport=61001)",
            Connection {
                reply: tuple_of(proto::UDP, "8.8.8.8", "172.18.0.4", 53, 61001),
                ..with(tuple_of(proto::UDP, "10.244.0.5", "8.8.8.8", 5201, 53))
            },
        ),
        (
            "tcp,orig=(src=8.8.8.8,dst=172.18.0.9,sport=1,dport=80),reply=(src=10.244.0.5,dst=8.8.8.8,sport=8080,dport=1)",
            Connection {
                reply: tuple_of(proto::TCP, "10.244.0.5", "8.8.8.8", 8080, 1),
                ..with(tuple_of(proto::TCP, "8.8.8.8", "172.18.0.9", 1, 80))
            },
        ),
        // A field of a later OVS is passed over.
        (
            "udp,orig=(src=8.8.8.8,dst=10.244.0.5,sport=40000,dport=5201),reply=(src=10.244.0.5,dst=8.8.8.8,sport=5201,dport=40000),zone=3,mark=131072,labels=0xce73296639a400000000,later=(a=1,b=(c)),still=x",
            entry.clone(),
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(read(line), expected, "{line}");
    }
}

#[test]
fn silent_lines() {
    for line in [
        "",
        " \t\r",
        "$ grep labels worker-08.sudo_ovs-dpctl_dump-conntrack  | grep ce73296b39a4",
        "# ovs-appctl dpctl/dump-conntrack | grep 'udp,orig=(src=1'",
        "[root@worker-08 ~]# ovs-dpctl dump-conntrack",
        "--",
        "```",
    ] {
        assert_eq!(parse_line(line), Ok(None), "{line}");
    }
}

#[test]
fn lines_that_make_no_sense() {
    let cases = [
        ("command terminated with exit code 1", 1, "no conntrack entry"),
        ("udp      17 29 src=8.8.8.8 dst=10.244.0.5 sport=1 dport=2 src=10.244.0.5 mark=0 use=1", 1, "conntrack(8)"),
        ("udp,orig=src=172.27.xxx.13,dst=192.168.16.230,sport=1,dport=2),reply=(src=1.1.1.1", 14, "put back"),
        ("foo,orig=(src=1.1.1.1", 1, "no IP protocol"),
        ("300,orig=(src=1.1.1.1", 1, "no IP protocol"),
        ("udp,orig=(", 11, "expected a field"),
        ("udp,orig=(zone=3", 10, "expected src="),
        ("udp,orig=(src=1.1.1.1,dst=2.2.2.2,sport=1,dport=2", 50, "ends inside a tuple"),
        ("udp,orig=(src=1.1.1.1,dst=2.2.2.2,sport=1)", 10, "no dport="),
        ("udp,orig=(src=1.1.1.1,dst=2.2.2.2,sport=1,dport=65536)", 49, "\"65536\" is not a port"),
        ("udp,orig=(src=1.1.1.1,dst=2.2.2.2,sport=+1,dport=2)", 41, "\"+1\" is not a port"),
        ("udp,orig=(src=1.1.1.1,dst=::1,sport=1,dport=2)", 27, "families"),
        ("udp,orig=(src=1.1.1.1,src=1.1.1.1,dst=2.2.2.2,sport=1,dport=2)", 23, "twice"),
        ("icmp,orig=(src=1.1.1.1,dst=2.2.2.2,id=1)", 11, "no type="),
        ("udp,orig=(src=1.1.1.1,dst=2.2.2.2,sport=1,dport=2)", 51, "the line ends"),
        ("udp,orig=(src=1.1.1.1,dst=2.2.2.2,sport=1,dport=2),zone=3", 52, "reply="),
        ("udp,orig=(src=1.1.1.1,dst=2.2.2.2,sport=1,dport=2),reply=(src=::1,dst=::2,sport=1,dport=2)", 52, "family"),
        ("47,orig=(src=1.1.1.1,dst=2.2.2.2),reply=(src=2.2.2.2,dst=1.1.1.1),zone=65536", 72, "not a zone"),
        ("47,orig=(src=1.1.1.1,dst=2.2.2.2),reply=(src=2.2.2.2,dst=1.1.1.1),zone=1,zone=1", 74, "twice"),
        ("47,orig=(src=1.1.1.1,dst=2.2.2.2),reply=(src=2.2.2.2,dst=1.1.1.1),labels=0x", 74, "not a label"),
        (
            "47,orig=(src=1.1.1.1,dst=2.2.2.2),reply=(src=2.2.2.2,dst=1.1.1.1),labels=0x100000000000000000000000000000000",
            74,
            "not a label",
        ),
        ("47,orig=(src=1.1.1.1,dst=2.2.2.2),reply=(src=2.2.2.2,dst=1.1.1.1),mark=4294967296", 72, "not a mark"),
        ("47,orig=(src=1.1.1.1,dst=2.2.2.2),reply=(src=2.2.2.2,dst=1.1.1.1)é", 66, "found 'é'"),
        ("47,orig=(src=1.1.1.1,dst=2.2.2.2),reply=(src=2.2.2.2,dst=1.1.1.1),zone", 67, "expected a field"),
        ("47,orig=(src=1.1.1.1,dst=2.2.2.2),reply=(src=2.2.2.2,dst=1.1.1.1),x=1)", 70, "expected ','"),
    ];
    for (line, column, message) in cases {
        let error = parse_line(line).expect_err(line);
        assert_eq!(error.column, column, "{line}: {error}");
        assert!(error.message.contains(message), "{line}: {error}");
    }
}

/// The text that OVS prints for an entry with `-m`.
fn dump_text(connection: &Connection) -> String {
    let tuple = |tuple: &Tuple| {
        let ends = format!("src={},dst={}", tuple.src, tuple.dst);
        match tuple.icmp_type_code() {
            Some((icmp_type, code)) => format!("{ends},id={},type={icmp_type},code={code}", tuple.tp_src),
            None => format!("{ends},sport={},dport={}", tuple.tp_src, tuple.tp_dst),
        }
    };
    let Connection { orig, reply, zone, mark, label, id, offloaded, dying } = connection;
    let mut text = format!("{},orig=({}),reply=({})", proto_name(orig.nw_proto), tuple(orig), tuple(reply));
    if let Some(id) = id {
        let dying = if *dying { "DYING" } else { "CONFIRMED" };
        let offloaded = if *offloaded { "|0x4000" } else { "" };
        text += &format!(",id={id},status={dying}{offloaded}");
    }
    if *zone != 0 {
        text += &format!(",zone={zone}");
    }
    if *mark != 0 {
        text += &format!(",mark={mark}");
    }
    if *label != 0 {
        text += &format!(",labels={label:#x}");
    }
    text
}

fn any_connection() -> impl Strategy<Value = Connection> {
    let address = |is_v6| match is_v6 {
        true => any::<u128>().prop_map(|bits| IpAddr::from(bits.to_be_bytes())).boxed(),
        false => any::<u32>().prop_map(|bits| IpAddr::from(bits.to_be_bytes())).boxed(),
    };
    let tuple =
        move |is_v6, nw_proto| {
            (address(is_v6), address(is_v6), any::<u16>(), any::<u16>())
                .prop_map(move |(src, dst, tp_src, tp_dst)| Tuple { src, dst, nw_proto, tp_src, tp_dst })
        };
    (any::<bool>(), any::<u8>()).prop_flat_map(move |(is_v6, nw_proto)| {
        let flags = prop::option::of((any::<u32>(), any::<bool>(), any::<bool>()));
        (tuple(is_v6, nw_proto), tuple(is_v6, nw_proto), any::<u16>(), any::<u32>(), any::<u128>(), flags).prop_map(
            |(orig, reply, zone, mark, label, flags)| Connection {
                orig,
                reply,
                zone,
                mark,
                label,
                id: flags.map(|(id, ..)| id),
                offloaded: flags.is_some_and(|(_, offloaded, _)| offloaded),
                dying: flags.is_some_and(|(.., dying)| dying),
            },
        )
    })
}

proptest! {
    #[test]
    fn what_is_printed_is_read(connection in any_connection()) {
        let text = dump_text(&connection);
        prop_assert_eq!(parse_line(&text), Ok(Some(connection.clone())), "{}", text);
        let bare = text.replace("orig=(", "orig=").replace("reply=(", "reply=");
        prop_assert_eq!(parse_line(&bare), Ok(Some(connection)), "{}", bare);
    }

    /// A column lies in the line or directly behind it, whatever the line.
    #[test]
    fn any_line(line in "([a-z0-9,=().x: \u{e9}]|udp,orig=\\(|src=1.1.1.1|dst=|,reply=\\(|sport=1|,zone=)*") {
        if let Err(error) = parse_line(&line) {
            prop_assert!((1..=line.len() + 1).contains(&error.column), "{}: {}", line, error);
        }
    }

    /// A line that is cut anywhere gives an error or an entry with the same tuples.
    #[test]
    fn a_cut_line(connection in any_connection(), cut in any::<prop::sample::Index>()) {
        let text = dump_text(&connection);
        if let Ok(Some(read)) = parse_line(&text[..cut.index(text.len())]) {
            prop_assert_eq!((read.orig, read.reply), (connection.orig, connection.reply));
        }
    }
}
