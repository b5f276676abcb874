use super::*;

const SRC: &str = "10.168.16.230";
const DST: &str = "172.27.0.13";

fn ip(src: &str, dst: &str, nw_proto: u8, tp_src: u16, tp_dst: u16) -> Packet {
    let tuple = Tuple { src: src.parse().unwrap(), dst: dst.parse().unwrap(), nw_proto, tp_src, tp_dst };
    Packet { payload: TextPayload::Ip(tuple), later_fragment: false, ambiguous: None }
}

fn v4(nw_proto: u8, tp_src: u16, tp_dst: u16) -> Packet {
    ip(SRC, DST, nw_proto, tp_src, tp_dst)
}

fn v6(nw_proto: u8, tp_src: u16, tp_dst: u16) -> Packet {
    ip("fd00::1", "fd00::2", nw_proto, tp_src, tp_dst)
}

fn later(packet: Packet) -> Packet {
    Packet { later_fragment: true, ..packet }
}

/// Bodies as tcpdump 4.99.3 prints them, those of 4.9 marked.
#[test]
fn bodies() {
    let ports = "10.168.16.230.42788 > 172.27.0.13.5005: ";
    let plain = "10.168.16.230 > 172.27.0.13: ";
    let ports6 = "fd00::1.42788 > fd00::2.5005: ";
    let plain6 = "fd00::1 > fd00::2: ";
    let cases = [
        (ports, "UDP, length 8", v4(17, 42788, 5005)),
        (ports, "4660+ A? example.com. (29)", v4(17, 42788, 5005)),
        (ports, "BFDv1, Control, State Up, Flags: [none], length: 24", v4(17, 42788, 5005)),
        (ports, "truncated-udplength 3", v4(17, 42788, 5005)),
        (ports, "Flags [S], seq 1000, win 1024, length 0", v4(6, 42788, 5005)),
        (ports, "tcp 0", v4(6, 42788, 5005)),
        (ports, " [|tcp]", v4(6, 42788, 5005)),
        (ports, "sctp (1) [DATA] (B)(E) [TSN: 7] [SID: 1] [SSEQ 1] [PPID 0x0] ", v4(132, 42788, 5005)),
        (ports, "sctp", v4(132, 42788, 5005)),
        (ports, "DCCP DCCP-Request (service=0) ", v4(33, 42788, 5005)),
        ("10.168.16.230.avt-profile-1 > 172.27.0.13.commplex-main: ", "UDP, length 8", v4(17, 5004, 5000)),
        (plain, "ip-proto-17", later(v4(17, 0, 0))),
        (plain, "udp", later(v4(17, 0, 0))),
        (plain, "ip-proto-1", later(v4(1, 0, 0))),
        (plain, " ip-proto-253 10", v4(253, 0, 0)),
        (plain, " udplite 16", Packet::OTHER),
        (plain, " [|udp]", Packet::OTHER),
        (plain, " [|icmp]", Packet::OTHER),
        (
            plain,
            "GREv0, proto IPv4 (0x0800), length 40: 172.27.0.13.5005 > 10.168.16.230.42788: UDP, length 8",
            v4(47, 0, 0),
        ),
        (plain, "ESP(spi=0x00000001,seq=0x2), length 32", v4(50, 0, 0)),
        (plain, "AH(spi=0x00000001,seq=0x2,icv=0x7878): 1 > 2: UDP, length 8", v4(51, 0, 0)),
        (plain, "172.27.0.13.5005 > 10.168.16.230.42788: UDP, length 8", v4(4, 0, 0)),
        (plain, "fd00::2.5005 > fd00::1.42788: UDP, length 8", v4(41, 0, 0)),
        // 4.9
        (plain, "IP 172.27.0.13.5005 > 10.168.16.230.42788: UDP, length 8 (ipip-proto-4)", v4(4, 0, 0)),
        (plain, "igmp v2 report 224.0.0.5", v4(2, 0, 0)),
        (plain, "igmp", v4(2, 0, 0)),
        (plain, "exptest-253", later(v4(253, 0, 0))),
        (plain, " mpls-in-ip 8", v4(137, 0, 0)),
        (plain, "VRRPv2, Advertisement, (ttl 64), vrid 1, prio 100, authtype none, intvl 1s, length 20", v4(112, 0, 0)),
        (
            "truncated-ip - 28 bytes missing! 10.168.16.230.42788 > 172.27.0.13.5005: ",
            "UDP, length 40",
            v4(17, 42788, 5005),
        ),
        ("", " [|ip]", Packet::OTHER),
        ("", "bad-len 0", Packet::OTHER),
        ("", "IP5 (invalid)", Packet::OTHER),
        (ports6, "UDP, length 8", v6(17, 42788, 5005)),
        (ports6, "Flags [.], ack 1, win 1024, length 0", v6(6, 42788, 5005)),
        (
            "(flowlabel 0x12345, hlim 64, next-header UDP (17) payload length: 16) fd00::1.42788 > fd00::2.5005: ",
            "[bad udp cksum 0x0000 -> 0x6936!] UDP, length 8",
            v6(17, 42788, 5005),
        ),
        ("::ffff:10.0.0.1.1000 > ::10.0.0.2.ssh: ", "Flags [S]", ip("::ffff:10.0.0.1", "::10.0.0.2", 6, 1000, 22)),
        (plain6, "[icmp6 sum ok] ICMP6, packet too big, mtu 1280, length 64", v6(58, 0, 2 << 8)),
        (plain6, "HBH 1000 > 2000: UDP, length 8", v6(17, 1000, 2000)),
        (plain6, "DSTOPT (opt_type 0x04: len=4) 1000 > 2000: UDP, length 8", v6(17, 1000, 2000)),
        (plain6, "RT6 (len=0, type=4, segleft=0, last-entry=0, tag=0) 1000 > 2000: UDP, length 8", v6(17, 1000, 2000)),
        (plain6, "HBH DSTOPT 1000 > domain: 4660+ A? example.com. (29)", v6(17, 1000, 53)),
        (plain6, "HBH ICMP6, multicast listener report v2, 1 group record(s), length 28", v6(58, 0, 143 << 8)),
        (plain6, "frag (0|24) 42788 > 5005: UDP, length 1992", v6(17, 42788, 5005)),
        (plain6, "frag (0x00000063:0|24) 42788 > 5005: UDP, length 1992", v6(17, 42788, 5005)),
        (plain6, "frag (1448|24)", Packet::OTHER),
        (plain6, "frag (0x00000063:1448|24)", Packet::OTHER),
        (plain6, "no next header", v6(59, 0, 0)),
    ];
    for (addresses, rest, expected) in cases {
        let body = format!("{addresses}{rest}");
        assert_eq!(packet(&body, Ipv4Header::default()), Ok(expected), "{body}");
    }
}

/// What a damaged line tells is no other packet.
#[test]
fn cut_and_garbled_bodies() {
    let ports = "10.168.16.230.42788 > 172.27.0.13.5005: ";
    let plain = "10.168.16.230 > 172.27.0.13: ";
    for (addresses, rest, problem) in [
        ("10.168.16.230.42788 > 172.27.0.13.5005:", "", Problem::NoProtocol),
        (ports, "Fla", Problem::NoProtocol),
        (ports, "Fl*gs [S], seq 1000, win 1024, length 0", Problem::NoProtocol),
        (ports, "s?tp (1) [HB REQ]", Problem::NoProtocol),
        (plain, "ICMP echo request, id 7", Problem::NoProtocol),
        (plain, "ICMP", Problem::NoProtocol),
        (plain, "something new", Problem::NoProtocol),
        ("fd00::1 > fd00::2: ", "ICMP6", Problem::NoProtocol),
        ("fd00::1 > fd00::2: ", "ICMP6, echo reply, id 7", Problem::NoProtocol),
        ("", "10.168.16.23", Problem::NoEnd),
        ("", "", Problem::NoEnd),
    ] {
        let body = format!("{addresses}{rest}");
        assert_eq!(packet(&body, Ipv4Header::default()), Err(problem), "{body}");
    }
}

#[test]
fn a_printed_header_decides() {
    let header = "(tos 0x0, ttl 64, id 1, offset 0, flags [none], proto UDP (17), length 36, bad cksum 0 (->b312)!)";
    let udp = verbose_ipv4(header).unwrap();
    assert_eq!(udp, Ipv4Header { nw_proto: Some(17), later_fragment: false });
    let body = "10.168.16.230.42788 > 172.27.0.13.5005: Flags [S]";
    assert_eq!(packet(body, udp), Ok(v4(17, 42788, 5005)));

    let later_icmp =
        "truncated-ip - 5 bytes missing! (tos 0x0, ttl 64, id 7, offset 1480, flags [+], proto ICMP (1), length 548)";
    let later_icmp = verbose_ipv4(later_icmp).unwrap();
    assert_eq!(packet("10.168.16.230 > 172.27.0.13: ip-proto-1", later_icmp), Ok(later(v4(1, 0, 0))));
    let unknown =
        verbose_ipv4("(tos 0x0, ttl 64, id 1, offset 0, flags [none], proto unknown (253), length 30)").unwrap();
    assert_eq!(packet("10.168.16.230 > 172.27.0.13:  ip-proto-253 10", unknown), Ok(v4(253, 0, 0)));
    assert_eq!(verbose_ipv4("10.0.0.1.5 > 10.0.0.2.6: UDP, length 8"), None);
}

/// Type, code and identifier of every message that tcpdump 4.99.3 words; its own output for frames of each.
#[test]
fn icmp_messages() {
    let cases = [
        ("ICMP echo request, id 77, seq 1, length 64", 8, 0, 77),
        ("ICMP echo reply, id 77, seq 1, length 64", 0, 0, 77),
        ("ICMP net 10.168.16.230 unreachable, length 44", 3, 0, 0),
        ("ICMP host 10.168.16.230 unreachable, length 44", 3, 1, 0),
        ("ICMP 10.168.16.230 protocol 50 unreachable, length 48", 3, 2, 0),
        ("ICMP 10.168.16.230 udp port 42788 unreachable, length 44", 3, 3, 0),
        ("ICMP 10.168.16.230 unreachable - need to frag (mtu 1400), length 44", 3, 4, 0),
        ("ICMP 10.168.16.230 unreachable - source route failed, length 44", 3, 5, 0),
        ("ICMP net 10.168.16.230 unreachable - unknown, length 44", 3, 6, 0),
        ("ICMP host 10.168.16.230 unreachable - unknown, length 44", 3, 7, 0),
        ("ICMP 10.168.16.230 unreachable - source host isolated, length 44", 3, 8, 0),
        ("ICMP net 10.168.16.230 unreachable - admin prohibited, length 44", 3, 9, 0),
        ("ICMP host 10.168.16.230 unreachable - admin prohibited, length 44", 3, 10, 0),
        ("ICMP net 10.168.16.230 unreachable - tos prohibited, length 44", 3, 11, 0),
        ("ICMP host 10.168.16.230 unreachable - tos prohibited, length 44", 3, 12, 0),
        ("ICMP host 10.168.16.230 unreachable - admin prohibited filter, length 44", 3, 13, 0),
        ("ICMP host 10.168.16.230 unreachable - host precedence violation, length 44", 3, 14, 0),
        ("ICMP host 10.168.16.230 unreachable - precedence cutoff, length 44", 3, 15, 0),
        ("ICMP 10.168.16.230 unreachable - #16, length 44", 3, 16, 0),
        ("ICMP source quench, length 44", 4, 0, 0),
        ("ICMP redirect 10.168.16.230 to net 10.0.0.1, length 44", 5, 0, 0),
        ("ICMP redirect 10.168.16.230 to host 10.0.0.1, length 44", 5, 1, 0),
        ("ICMP redirect-tos 10.168.16.230 to net 10.0.0.1, length 44", 5, 2, 0),
        ("ICMP redirect-tos 10.168.16.230 to host 10.0.0.1, length 44", 5, 3, 0),
        ("ICMP redirect-#4 10.168.16.230 to 10.0.0.1, length 44", 5, 4, 0),
        ("ICMP router advertisement lifetime 30 1: {10.0.0.1 0}, length 16", 9, 0, 0),
        ("ICMP router solicitation, length 8", 10, 0, 0),
        ("ICMP time exceeded in-transit, length 44", 11, 0, 0),
        ("ICMP ip reassembly time exceeded, length 44", 11, 1, 0),
        ("ICMP time exceeded-#2, length 44", 11, 2, 0),
        ("ICMP parameter problem - octet 0, length 44", 12, 0, 0),
        ("ICMP parameter problem - code 1, length 44", 12, 1, 0),
        ("ICMP time stamp query id 77 seq 1, length 20", 13, 0, 77),
        (
            "ICMP time stamp reply id 77 seq 1: org 00:00:00.000, recv 00:00:00.000, xmit 00:00:00.000, length 20",
            14,
            0,
            77,
        ),
        ("ICMP information request, length 8", 15, 0, 0),
        ("ICMP information reply, length 8", 16, 0, 0),
        ("ICMP address mask request, length 12", 17, 0, 0),
        ("ICMP address mask is 0x00000000, length 12", 18, 0, 0),
        ("ICMP type-#42, length 8", 42, 0, 0),
    ];
    for (text, icmp_type, code, id) in cases {
        let body = format!("{SRC} > {DST}: {text}");
        let expected = v4(1, id, u16::from_be_bytes([icmp_type, code]));
        assert_eq!(packet(&body, Ipv4Header::default()), Ok(expected), "{body}");
    }
}

#[test]
fn icmpv6_messages() {
    let cases = [
        ("destination unreachable, unreachable route fd00::1, length 64", 1, 0, 0),
        ("destination unreachable,  unreachable prohibited fd00::1, length 64", 1, 1, 0),
        ("destination unreachable, beyond scope fd00::1, source address fd00::2, length 64", 1, 2, 0),
        ("destination unreachable, unreachable address fd00::1, length 64", 1, 3, 0),
        ("destination unreachable, unreachable port, fd00::1 udp port 42788, length 64", 1, 4, 0),
        ("destination unreachable, unknown unreach code (5)", 1, 5, 0),
        ("packet too big, mtu 1280, length 64", 2, 0, 0),
        ("time exceeded in-transit for fd00::1, length 64", 3, 0, 0),
        ("time exceeded in-transit (reassembly), length 64", 3, 1, 0),
        ("parameter problem, erroneous - octet 0, length 64", 4, 0, 0),
        ("parameter problem, next header - octet 0, length 64", 4, 1, 0),
        ("parameter problem, option - octet 0, length 64", 4, 2, 0),
        ("echo request, id 77, seq 1, length 24", 128, 0, 77),
        ("echo reply, id 77, seq 1, length 24", 129, 0, 77),
        // 4.9
        ("echo request, seq 1, length 24", 128, 0, 0),
        ("router solicitation, length 8", 133, 0, 0),
        ("router advertisement, length 16", 134, 0, 0),
        ("neighbor solicitation, who has fd00::2, length 32", 135, 0, 0),
        ("neighbor advertisement, tgt is fd00::1, length 32", 136, 0, 0),
        ("redirect, fdfd::1 to fdfd::2, length 40", 137, 0, 0),
        ("multicast listener querymax resp delay: 0 addr: ::, length 24", 130, 0, 0),
        ("multicast listener reportmax resp delay: 0 addr: ::, length 24", 131, 0, 0),
        ("multicast listener donemax resp delay: 0 addr: ::, length 24", 132, 0, 0),
        ("multicast listener report v2, 1 group record(s), length 28", 143, 0, 0),
    ];
    for (text, icmp_type, code, id) in cases {
        let body = format!("fd00::1 > fd00::2: ICMP6, {text}");
        let expected = v6(58, id, u16::from_be_bytes([icmp_type, code]));
        assert_eq!(packet(&body, Ipv4Header::default()), Ok(expected), "{body}");
    }
}

#[test]
fn what_is_not_known_is_said() {
    let cases = [
        ("worker-08.42788 > 172.27.0.13.5005: UDP, length 8", "\"worker-08.42788\" is no IP address"),
        ("1xx.168.16.230.42397 > 172.27.0.13.5005: UDP, length 8", "do not mask addresses"),
        ("10.0.0.1.no-such-name > 172.27.0.13.5005: UDP, length 8", "service name \"no-such-name\" is not known"),
        ("10.0.0.1.65536 > 172.27.0.13.5005: UDP, length 8", "\"65536\""),
        ("10.0.0.1.1 > 172.27.0.13.50", "do not end"),
    ];
    for (body, reason) in cases {
        let problem = packet(body, Ipv4Header::default()).unwrap_err().to_string();
        assert!(problem.contains(reason), "{body}: {problem}");
    }
    let long = format!("{}.1 > 10.0.0.1.2: UDP", "\u{1b}".repeat(1000));
    assert!(packet(&long, Ipv4Header::default()).unwrap_err().to_string().len() < 600);
    let ambiguous = packet("10.0.0.1.1 > 10.0.0.2.http-alt: UDP, length 8", Ipv4Header::default()).unwrap();
    assert_eq!(ambiguous.ambiguous, Some("http-alt 8080 591 8008"));
}

#[test]
fn arp_tells_its_sender() {
    let own = MacAddr([0x94, 0x42, 0xc9, 0xc3, 0xf7, 0x92]);
    let other: MacAddr = "76:9c:19:34:50:26".parse().unwrap();
    let heard = |ip: &str, mac| TextPayload::Arp { ip: ip.parse().unwrap(), mac };
    let cases = [
        ("Reply 198.19.3.15 is-at 76:9c:19:34:50:26, length 28", heard("198.19.3.15", other)),
        ("Reply 198.19.3.15 is-at 76:9c:19:34:50:26 (oui Unknown), length 28", heard("198.19.3.15", other)),
        (
            "Ethernet (len 6), IPv4 (len 4), Reply 198.19.3.15 is-at 76:9c:19:34:50:26, length 28",
            heard("198.19.3.15", other),
        ),
        ("Announcement 198.19.3.8, length 28", heard("198.19.3.8", own)),
        ("Request who-has 198.19.3.8 tell 198.19.3.8, length 28", heard("198.19.3.8", own)),
        ("Request who-has 198.19.3.8 (ff:ff:ff:ff:ff:ff) tell 198.19.3.8, length 46", heard("198.19.3.8", own)),
        ("Request who-has 198.19.3.15 tell 198.19.3.8, length 28", TextPayload::Other),
        ("Request who-has 198.19.3.8 tell 0.0.0.0, length 28", TextPayload::Other),
        ("Reply 198.19.3.15 is-at 76:9c:19:34:50:2", TextPayload::Other),
        ("Reply 198.19.3.15 is-at 76:9c:19:34:50:26", TextPayload::Other),
        ("Reply gateway is-at 76:9c:19:34:50:26, length 28", TextPayload::Other),
        ("Reverse Request who-is 76:9c:19:34:50:26 tell 94:42:c9:c3:f7:92, length 28", TextPayload::Other),
        (" [|arp]", TextPayload::Other),
    ];
    for (body, expected) in cases {
        assert_eq!(arp(body, own), expected, "{body}");
    }
}
