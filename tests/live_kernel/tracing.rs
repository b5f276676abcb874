//! `--trace`: what the kernel program makes of single packets, with the engine's verdict beside it.

use std::time::Duration;

use analyzer::types::MacAddr;

use crate::daemon::{Live, sit_out};
use crate::lab::{GW1, GW3, Lab, ROUTER, nexthops_toml};
use crate::netns::run;
use crate::wire::Flow;

const NEXTHOPS: [(&str, MacAddr); 1] = [("172.18.0.101", GW1)];
const NEXTHOPS6: [(&str, MacAddr); 1] = [("fd01::101", GW1)];

fn flow(port: u16, gateway: MacAddr) -> Flow {
    Flow::new(&format!("udp 10.244.0.5:{port} -> 198.51.100.7:53"), ROUTER, gateway)
}

/// Starts a daemon that traces, and waits until it does.
fn tracing(lab: &Lab, nic: &str, arguments: &[&str]) -> Live {
    let routes = nexthops_toml(&[("10.244.0.5/32", &NEXTHOPS), ("fd00::5/128", &NEXTHOPS6)]);
    let file = lab.write("nexthops.toml", &routes);
    let mut live = lab.live_by_file(&file, &[&["-i", nic], arguments].concat());
    live.ready();
    live.wait_message("tracing ");
    live
}

/// The numbers of the last message of a run: packets told, and packets not told.
fn counts(messages: &[String]) -> (u64, u64) {
    let last = messages.iter().rev().find(|message| message.contains(" told, ")).expect("it is said at the end");
    let number = |words: &str| -> u64 {
        let before = last.split(words).next().unwrap_or_default();
        before.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{last}"))
    };
    (number(" packets of"), number(" not told"))
}

/// Each packet is told as the kernel program sees it by the daemon's own maps: suspect until the engine said of its kind
/// that it conforms, and from then on by the outcome.
#[test]
fn packets_are_told_with_what_the_kernel_program_finds() {
    run(|| {
        let lab = Lab::new("live-trace")?;
        let mut live = tracing(&lab, "out0", &["--trace", "port=53 proto=udp"]);
        let mut wire = lab.wire();
        let good = flow(4000, GW1);
        let mut sent = wire.send("out0", &good, 1);
        let first = live.wait_message("suspect: no outcome");
        assert!(first.contains("engine: conforming, next hop 172.18.0.101"), "{first}");
        let parsed = format!("out0 egress: {ROUTER} > {GW1}, udp 10.244.0.5:4000 -> 198.51.100.7:53, 60 bytes");
        assert!(first.contains(&parsed), "{first}");
        // Another flow, that nobody asked for.
        let other = Flow::new("tcp 10.244.0.5:4000 -> 198.51.100.7:53", ROUTER, GW1);
        sent += wire.send_all("out0", [(&other, 3), (&good.tagged(&[5]), 1)]);
        let second = live.wait_message("conforming, counted under next hop 0");
        assert!(second.contains("VLAN 5, udp") && second.contains("engine: conforming"), "{second}");

        let bad = flow(4001, GW3);
        sent += wire.send("out0", &bad, 1);
        let violating = live.wait_message("engine: violating (unknown-mac)");
        assert!(violating.contains("suspect") && violating.contains(&format!("> {GW3}")), "{violating}");

        let unrouted = Flow::new("udp 10.9.9.9:5 -> 198.51.100.7:53", ROUTER, GW1);
        sent += wire.send("out0", &unrouted, 1);
        let told = live.wait_message("no route knows the source");
        assert!(told.contains("engine: not-covered (no-route)"), "{told}");

        // An answer comes in: it is a packet of the flow, and judged by nobody.
        let answer = Flow { tuple: good.tuple.reversed(), eth_src: GW1, eth_dst: ROUTER, ..good };
        wire.deliver("wan0", "out0", [answer.frame()]);
        let told = live.wait_message("out0 ingress");
        assert!(told.contains("came in: not judged") && !told.contains("engine"), "{told}");

        let six = Flow::new("udp [fd00::5]:4000 -> [2001:db8::7]:53", ROUTER, GW1);
        sent += wire.send("out0", &six, 1);
        let told = live.wait_message("udp [fd00::5]:4000 -> [2001:db8::7]:53");
        assert!(told.contains("suspect") && told.contains("next hop fd01::101"), "{told}");
        sent += wire.send("out0", &six, 1);
        live.wait_message("conforming, counted under next hop");

        let ended = live.stop();
        assert!(!ended.said().contains("tcp 10.244.0.5"), "{}", ended.said());
        assert_eq!(counts(&ended.messages), (7, 0), "{}", ended.said());
        // What is traced is counted once, as ever.
        ended.assert_complete(sent);
        assert_eq!(ended.loss("kernel_requests_failed"), 0, "{}", ended.said());
        Ok(())
    });
}

/// No more are told in a second than the limit, and the rest is counted. A second daemon at the NIC, by the other form of
/// the hook, has an answer of its own, and traces frames that are not IP.
#[test]
fn what_is_beyond_the_limit_is_counted_and_two_can_trace() {
    const SENT: u64 = 500;
    run(|| {
        let lab = Lab::new("live-trace-limit")?;
        let flow = flow(4000, GW1);
        let mut first = tracing(&lab, "out0", &["--trace", &flow.tuple.to_string(), "--trace-rate", "3"]);
        let mut second = tracing(&lab, "out0", &["--trace", &format!("mac={ROUTER}"), "--tc", "clsact"]);
        let mut wire = lab.wire();
        let mut lldp = vec![1, 0x80, 0xc2, 0, 0, 0x0e];
        lldp.extend(ROUTER.0);
        lldp.extend([0x88, 0xcc]);
        lldp.resize(60, 0);
        let frame = hex(&lldp);
        lab.netns.sh(&format!(
            "python3 -c \"import socket; s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(('out0', 0)); \
             s.send(bytes.fromhex('{frame}'))\""
        ));
        second.wait_message("EtherType 0x88cc, 60 bytes; control traffic");
        wire.send("out0", &flow, SENT);
        first.wait_message("more packets match and were not told");
        // The seconds of the limit are over: the next packet is told again.
        sit_out(Duration::from_millis(1100));
        wire.send("out0", &flow, 1);

        let ended = first.stop();
        let (told, withheld) = counts(&ended.messages);
        assert_eq!(told + withheld, SENT + 1, "{}", ended.said());
        let lines = ended.messages.iter().filter(|message| message.contains("out0 egress")).count() as u64;
        assert_eq!(lines, told, "{}", ended.said());
        // The frames may have been sent in several seconds.
        assert!((4..SENT / 2).contains(&told), "{}", ended.said());
        let said: u64 = ended
            .messages
            .iter()
            .filter(|message| message.contains(" more packets match"))
            .filter_map(|message| message.split(' ').find_map(|word| word.parse::<u64>().ok()))
            .sum();
        assert_eq!(said, withheld, "{}", ended.said());
        let ended = second.stop();
        let (told, withheld) = counts(&ended.messages);
        assert_eq!(told + withheld, SENT + 2, "{}", ended.said());
        assert_eq!(lab.netns.sh("tc qdisc show dev out0 clsact; tc filter show dev out0 egress"), "");
        Ok(())
    });
}

/// At a mirror port the frames that left elsewhere are traced as they come in.
#[test]
fn a_mirror_port_is_traced_at_its_ingress() {
    run(|| {
        let lab = Lab::new("live-trace-mirror")?;
        let mut live = tracing(&lab, "wan0", &["--mirror", "--trace", "src=198.51.100.7 dst=10.244.0.5"]);
        let mut wire = lab.wire();
        wire.send("out0", &flow(4000, GW3), 1);
        let told = live.wait_message("wan0 mirror");
        assert!(told.contains("suspect: no outcome") && told.contains("engine: violating (unknown-mac)"), "{told}");
        let ended = live.stop();
        assert_eq!(counts(&ended.messages), (1, 0), "{}", ended.said());
        Ok(())
    });
}

fn hex(frame: &[u8]) -> String {
    frame.iter().map(|byte| format!("{byte:02x}")).collect()
}
