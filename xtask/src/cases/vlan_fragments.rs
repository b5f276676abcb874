//! Tagged frames and fragments.

use anyhow::Result;

use super::File;
use super::conntrack::{Detail, Entry, dump, label, mark};
use super::node::{GATEWAY_21, GATEWAY_23, NODE, Tape, UPLINK_KEY, icmp, tcp, udp};
use crate::frame::{Flow, Frame, Mac};

const NEXTHOPS: &str = r#"# What the tags do not change: both families, untagged and tagged, have the same gateways.
[[route]]
policy = "src-ip"
prefix = "10.131.0.7/32"
symmetric_reply = true
port_key = 2
nexthop = [
    { ip = "192.0.2.21", lladdr = "3e:5a:91:0c:7b:21" },
    { ip = "192.0.2.22", lladdr = "8a:c4:17:d6:02:22" },
]

[[route]]
policy = "src-ip"
prefix = "fd01:0:0:3::7/128"
symmetric_reply = true
port_key = 2
nexthop = [
    { ip = "fe80::21", lladdr = "3e:5a:91:0c:7b:21" },
    { ip = "fe80::22", lladdr = "8a:c4:17:d6:02:22" },
]
"#;

/// Octets of a fragment behind its IP header, on a link of 1500.
const FRAGMENT_LEN: usize = 1448;

pub(super) fn files() -> Result<Vec<File>> {
    let tagged = udp("198.51.100.9:5005", "10.131.0.7:40001");
    let twice_tagged = tcp("198.51.100.9:52001", "10.131.0.7:8443");
    let tagged_v6 = udp("[2001:db8:99::9]:5005", "[fd01:0:0:3::7]:40001");
    let pinged = icmp("198.51.100.9", "10.131.0.7", 8, 77);
    let healthy = udp("198.51.100.9:5005", "10.131.0.7:40002");

    let mut tape = Tape::default();
    let frame = |vlans: &[u16], eth_dst: Mac, request: Flow, payload_len, identification| Frame {
        vlans: vlans.to_vec(),
        identification,
        ..Frame::new(NODE.mac, eth_dst, request.reversed(), payload_len)
    };
    for (millis, identification) in [(0, 100), (1_000, 200)] {
        tape.push(millis, frame(&[120], GATEWAY_23.mac, tagged, 52, identification).bytes()?);
        tape.push(millis + 1, frame(&[300, 120], GATEWAY_23.mac, twice_tagged, 52, identification).bytes()?);
        tape.push(millis + 2, frame(&[120], GATEWAY_21.mac, healthy, 52, identification).bytes()?);
        // The same conversation without a tag is another flow.
        tape.push(millis + 3, frame(&[], GATEWAY_23.mac, tagged, 52, identification + 1).bytes()?);
        let large = [
            frame(&[120], GATEWAY_23.mac, tagged, 4_000, identification + 2),
            frame(&[120], GATEWAY_23.mac, tagged_v6, 2_000, identification + 3),
            frame(&[], GATEWAY_23.mac, pinged, 3_000, identification + 4),
        ];
        for (number, frame) in (0..).zip(large) {
            for (later, fragment) in (0..).zip(frame.fragments(FRAGMENT_LEN)?) {
                tape.push(millis + 10 + 5 * number + later, fragment);
            }
        }
    }
    // The first fragment went before the capture began.
    let orphans = frame(&[120], GATEWAY_21.mac, healthy, 4_000, 99).fragments(FRAGMENT_LEN)?;
    for (later, fragment) in (40..).zip(orphans.into_iter().skip(1)) {
        tape.push(later, fragment);
    }

    let labelled = |request, mac| Entry::of(request).zone(35).mark(mark(UPLINK_KEY)).label(label(mac));
    let entries = [
        labelled(tagged, GATEWAY_23.mac),
        labelled(twice_tagged, GATEWAY_23.mac),
        labelled(tagged_v6, GATEWAY_23.mac),
        labelled(pinged, GATEWAY_23.mac),
        labelled(healthy, GATEWAY_21.mac),
    ];
    Ok(vec![
        ("capture.pcap", tape.pcap()?),
        ("nexthops.toml", NEXTHOPS.into()),
        ("conntrack.txt", dump(&entries, Detail::MoreAndStatistics).into()),
    ])
}
