//! The 19 packets of the report, as a pcap and as the text of `tcpdump -e`.

use std::fmt::Write;
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::Result;

use crate::capture::Capture;
use crate::frame::{Flow, Frame, Mac, Transport, UDP_HEADERS_LEN, mac_text};

/// Day of the capture. The lines show the time of day only; the report is of that day.
pub(super) const DATE: &str = "2022-06-09";

/// 2022-06-09T22:48:00Z.
const MINUTE: Duration = Duration::from_secs(1_654_814_880);

/// The worker's egress NIC.
const WORKER: Mac = [0x94, 0x42, 0xc9, 0xc3, 0xf7, 0x92];
/// MAC of next hop 198.19.3.15.
const HOP_15: Mac = [0xee, 0x8d, 0x82, 0xdb, 0xf9, 0xc4];
/// MAC of next hop 198.19.3.16.
const HOP_16: Mac = [0x76, 0x9c, 0x19, 0x34, 0x50, 0x26];
/// MAC of the gateway that was deleted.
const DEAD: Mac = [0xce, 0x73, 0x29, 0x66, 0x39, 0xa4];

/// Printed as `1xx.168.16.230`.
const POD: Ipv4Addr = Ipv4Addr::new(192, 168, 16, 230);
/// Printed as `172.27.xxx.13`.
const CLIENT: Ipv4Addr = Ipv4Addr::new(172, 27, 0, 13);
/// The capture prints `commplex-main` (5000), the conntrack entries of the same flows say 5005.
const CLIENT_PORT: u16 = 5005;
/// `crescoctrl-disc`.
const NAMED_PORT: u16 = 6499;

/// Microseconds after [`MINUTE`], destination MAC, source port, bytes of payload.
const PACKETS: [(u64, Mac, u16, u16); 19] = [
    (28_272_309, HOP_16, 42397, 52),
    (28_272_315, DEAD, 59943, 52),
    (28_272_340, HOP_15, 53072, 52),
    (28_272_342, HOP_16, 34401, 52),
    (28_272_349, HOP_16, NAMED_PORT, 52),
    (29_073_221, DEAD, 42788, 52),
    (29_073_245, HOP_16, 45276, 52),
    (29_073_253, HOP_15, 60265, 52),
    (29_073_268, HOP_16, 45460, 52),
    (29_073_286, HOP_16, 37957, 52),
    (29_273_052, HOP_16, 42397, 52),
    (29_273_067, DEAD, 59943, 52),
    (29_273_083, HOP_15, 53072, 52),
    (29_273_093, HOP_16, 34401, 52),
    (29_273_106, HOP_16, NAMED_PORT, 52),
    (30_028_992, DEAD, 59943, 91),
    (30_074_011, DEAD, 42788, 52),
    (30_074_031, HOP_15, 60265, 52),
    (30_074_033, HOP_16, 45460, 52),
];

/// The packets as a pcap. What the lines do not show is filled in: zeros for payload, the packet's number for the
/// identification, a TTL of 62.
pub(super) fn pcap() -> Result<Vec<u8>> {
    let mut capture = Capture::new(Vec::new(), u16::MAX)?;
    let mut frame = Vec::new();
    for (number, (micros, eth_dst, sport, payload_len)) in (1..).zip(PACKETS) {
        frame.clear();
        let transport = Transport::Udp { sport, dport: CLIENT_PORT };
        let flow = Flow { src: POD.into(), dst: CLIENT.into(), transport };
        Frame { identification: number, ..Frame::new(WORKER, eth_dst, flow, payload_len.into()) }
            .write_to(&mut frame)?;
        capture.push(MINUTE + Duration::from_micros(micros), &frame)?;
    }
    capture.finish()
}

/// The packets in the words of `tcpdump -e`, with names for the ports that IANA's registry names.
pub(super) fn text() -> String {
    let mut text = String::new();
    for (micros, eth_dst, sport, payload_len) in PACKETS {
        let sport = match sport {
            NAMED_PORT => "crescoctrl-disc".to_owned(),
            port => port.to_string(),
        };
        writeln!(
            text,
            "22:48:{:02}.{:06} {} > {}, ethertype IPv4 (0x0800), length {}: {POD}.{sport} > {CLIENT}.avt-profile-2: UDP, \
             length {payload_len}",
            micros / 1_000_000,
            micros % 1_000_000,
            mac_text(WORKER),
            mac_text(eth_dst),
            UDP_HEADERS_LEN + usize::from(payload_len),
        )
        .expect("writing to a String cannot fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_differs_from_the_report_in_masks_and_the_port_alone() {
        // Lines 5 and 16 of the report.
        let printed = "\
            22:48:28.272349 94:42:c9:c3:f7:92 > 76:9c:19:34:50:26, ethertype IPv4 (0x0800), length 94: \
            1xx.168.16.230.crescoctrl-disc > 172.27.xxx.13.commplex-main: UDP, length 52\n\
            22:48:30.028992 94:42:c9:c3:f7:92 > ce:73:29:66:39:a4, ethertype IPv4 (0x0800), length 133: \
            1xx.168.16.230.59943 > 172.27.xxx.13.commplex-main: UDP, length 91\n";
        let filled = printed.replace("1xx.", "192.").replace(".xxx.", ".0.").replace("commplex-main", "avt-profile-2");
        let text = text();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 19);
        assert_eq!(format!("{}\n{}\n", lines[4], lines[15]), filled);
    }

    #[test]
    fn counts_are_those_of_the_report() {
        let bytes: usize = PACKETS.iter().map(|packet| UDP_HEADERS_LEN + usize::from(packet.3)).sum();
        let to = |mac| PACKETS.iter().filter(|packet| packet.1 == mac).count();
        assert_eq!((bytes, to(HOP_15), to(HOP_16), to(DEAD)), (1825, 4, 10, 5));
    }
}
