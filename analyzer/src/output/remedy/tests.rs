use super::*;
use crate::output::fixtures::pinned;

fn entry(nw_proto: u8, src: &str, dst: &str, tp_src: u16, tp_dst: u16) -> CitedConnection {
    let orig = Tuple { src: src.parse().unwrap(), dst: dst.parse().unwrap(), nw_proto, tp_src, tp_dst };
    CitedConnection { orig, reply: orig.reversed(), zone: 5, ..pinned(1) }
}

fn commands(entry: &CitedConnection) -> [Result<String, &'static str>; 2] {
    remedies(entry).map(|remedy| remedy.map(|remedy| remedy.command).map_err(|none| none.reason))
}

#[test]
fn the_incident() {
    let [kernel, userspace] = remedies(&pinned(59943)).map(Result::unwrap);
    assert_eq!(kernel.datapath, Datapath::Kernel);
    assert_eq!(
        kernel.command,
        "conntrack -D -w 35 -p udp -s 172.27.0.13 -d 192.168.16.230 --sport 5005 --dport 59943 \
         -r 192.168.16.230 -q 172.27.0.13 --reply-port-src 59943 --reply-port-dst 5005"
    );
    assert_eq!(userspace.datapath, Datapath::Userspace);
    assert_eq!(
        userspace.command,
        "ovs-appctl dpctl/flush-conntrack zone=35 \
         'ct_nw_src=172.27.0.13,ct_nw_dst=192.168.16.230,ct_nw_proto=17,ct_tp_src=5005,ct_tp_dst=59943'"
    );
}

#[test]
fn zone_0_is_named() {
    for command in commands(&CitedConnection { zone: 0, ..pinned(59943) }) {
        let command = command.unwrap();
        assert!(command.contains("-w 0 ") || command.contains(" zone=0 "), "{command}");
    }
}

/// Protocols as the root test runs them, and what has no command.
#[test]
fn protocols() {
    let (v4, v6) = (("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2"));
    let cases = [
        (
            entry(proto::SCTP, v4.0, v4.1, 1, 2),
            "-w 5 -p sctp -s 10.0.0.1 -d 10.0.0.2 --orig-port-src 1 --orig-port-dst 2 -r 10.0.0.2 -q 10.0.0.1 \
             --reply-port-src 2 --reply-port-dst 1",
            "zone=5 'ct_nw_src=10.0.0.1,ct_nw_dst=10.0.0.2,ct_nw_proto=132,ct_tp_src=1,ct_tp_dst=2'",
        ),
        (
            entry(proto::TCP, v6.0, v6.1, 1, 2),
            "-w 5 -f ipv6 -p tcp -s fd00::1 -d fd00::2 --sport 1 --dport 2 -r fd00::2 -q fd00::1 \
             --reply-port-src 2 --reply-port-dst 1",
            "zone=5 'ct_ipv6_src=fd00::1,ct_ipv6_dst=fd00::2,ct_nw_proto=6,ct_tp_src=1,ct_tp_dst=2'",
        ),
        (
            entry(proto::ICMP, v4.0, v4.1, 77, 8 << 8),
            "-w 5 -p icmp -s 10.0.0.1 -d 10.0.0.2 --icmp-type 8 --icmp-code 0 --icmp-id 77 -r 10.0.0.2 -q 10.0.0.1",
            "zone=5 'ct_nw_src=10.0.0.1,ct_nw_dst=10.0.0.2,ct_nw_proto=1,icmp_type=8,icmp_code=0,icmp_id=77'",
        ),
        (
            entry(proto::ICMPV6, v6.0, v6.1, 77, 128 << 8),
            "-w 5 -f ipv6 -p icmpv6 -s fd00::1 -d fd00::2 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 77 \
             -r fd00::2 -q fd00::1",
            "aborts",
        ),
        (entry(proto::ICMP, v4.0, v4.1, 77, 17 << 8), "--icmp-type 17", "aborts"),
        (
            entry(proto::ESP, v4.0, v4.1, 0, 0),
            "-w 5 -p 50 -s 10.0.0.1 -d 10.0.0.2 -r 10.0.0.2 -q 10.0.0.1",
            "zone=5 'ct_nw_src=10.0.0.1,ct_nw_dst=10.0.0.2,ct_nw_proto=50'",
        ),
        (entry(proto::GRE, v4.0, v4.1, 0, 0), "GRE keys", "ct_nw_proto=47'"),
        (entry(proto::GRE, v4.0, v4.1, 1, 2), "GRE keys", "no keys"),
        (entry(proto::DCCP, v4.0, v4.1, 1, 2), "DCCP", "ct_nw_proto=33,ct_tp_src=1,ct_tp_dst=2'"),
        (entry(proto::UDP, v4.0, v4.1, 0, 2), "--sport 0 --dport 2", "port 0"),
        (entry(proto::UDP, "0.0.0.0", v4.1, 1, 2), "-s 0.0.0.0", "address of zero"),
    ];
    for (entry, kernel, userspace) in cases {
        let [kernel_text, userspace_text] = commands(&entry).map(|command| command.unwrap_or_else(str::to_owned));
        assert!(kernel_text.ends_with(kernel) || kernel_text.contains(kernel), "{kernel_text}");
        assert!(userspace_text.ends_with(userspace) || userspace_text.contains(userspace), "{userspace_text}");
    }
}

/// Both tuples are named where NAT makes them differ.
#[test]
fn nat() {
    let mut entry = entry(proto::UDP, "10.0.0.1", "10.0.0.2", 1, 2);
    entry.reply = Tuple { dst: "172.18.0.4".parse().unwrap(), tp_dst: 61001, ..entry.reply };
    let [kernel, userspace] = commands(&entry).map(Result::unwrap);
    assert!(kernel.ends_with("-r 10.0.0.2 -q 172.18.0.4 --reply-port-src 2 --reply-port-dst 61001"), "{kernel}");
    assert!(userspace.contains("ct_nw_src=10.0.0.1,ct_nw_dst=10.0.0.2"), "{userspace}");
}

/// A shell sees words and quoted words only.
#[test]
fn nothing_for_a_shell_to_read_into() {
    for nw_proto in 0..=255 {
        for command in commands(&entry(nw_proto, "::1", "fd00::2", 1, 2)).into_iter().flatten() {
            let plain = |c: char| c.is_ascii_alphanumeric() || " -_=,.:/'".contains(c);
            assert!(command.chars().all(plain) && command.matches('\'').count() % 2 == 0, "{command}");
        }
    }
}
