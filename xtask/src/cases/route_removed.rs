//! A gateway is taken out of a pod's route while its flows go on.

use anyhow::Result;

use super::File;
use super::conntrack::{Detail, Entry, dump, label, mark};
use super::node::{GATEWAY_21, GATEWAY_22, GATEWAY_23, Tape, UPLINK_KEY, tcp, udp};
use super::ovn::ct_zone_list;

/// The set with its history. The third gateway leaves it two seconds into the capture.
const NEXTHOPS: &str = r#"[[route]]
router = "GR_worker-3"
output_port = "rtoe-GR_worker-3"
port_key = 2
policy = "src-ip"
prefix = "10.131.0.7/32"
symmetric_reply = true
[[route.nexthop]]
ip = "192.0.2.21"
lladdr = "3e:5a:91:0c:7b:21"
since = "2026-02-18T07:12:40Z"
[[route.nexthop]]
ip = "192.0.2.22"
lladdr = "8a:c4:17:d6:02:22"
since = "2026-02-18T07:12:40Z"
[[route.nexthop]]
ip = "192.0.2.23"
lladdr = "f2:60:e9:48:a3:23"
since = "2026-02-18T07:12:41Z"
until = "2026-03-02T09:00:02Z"

[[router_port]]
router = "GR_worker-3"
name = "rtoe-GR_worker-3"
mac = "52:54:00:9d:03:13"
networks = ["192.0.2.13/24"]
port_key = 2
"#;

/// `ip -d link` of the node that the third gateway ran on, its VF given back.
const VFS: &str = "\
7: ens5f1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc mq state UP mode DEFAULT group default qlen 1000
    link/ether 40:a6:b7:0a:1c:55 brd ff:ff:ff:ff:ff:ff promiscuity 0 minmtu 68 maxmtu 9702 addrgenmode none numtxqueues 64
    vf 10     link/ether 3e:5a:91:0c:7b:21 brd ff:ff:ff:ff:ff:ff, spoof checking on, link-state auto, trust on
    vf 11     link/ether f2:60:e9:48:a3:23 brd ff:ff:ff:ff:ff:ff, spoof checking on, link-state auto, trust off
";

pub(super) fn files() -> Result<Vec<File>> {
    let pinned = udp("198.51.100.9:5005", "10.131.0.7:40001");
    let late = tcp("198.51.100.10:51334", "10.131.0.7:8443");
    let expired = udp("198.51.100.9:5005", "10.131.0.7:40003");
    let healthy = [
        (udp("198.51.100.9:5005", "10.131.0.7:40004"), GATEWAY_21),
        (udp("198.51.100.11:5005", "10.131.0.7:40005"), GATEWAY_22),
    ];

    let mut tape = Tape::default();
    // Before the removal, a second after it, and when the grace period is over.
    for millis in [500, 3_000, 8_000, 9_000] {
        tape.send(millis, GATEWAY_23.mac, pinned.reversed())?;
    }
    for millis in [7_500, 9_250] {
        tape.send(millis, GATEWAY_23.mac, late.reversed())?;
        tape.send(millis + 10, GATEWAY_23.mac, expired.reversed())?;
    }
    for (request, gateway) in healthy {
        for millis in [750, 4_750, 8_750] {
            tape.send(millis, gateway.mac, request.reversed())?;
        }
    }

    let labelled = |request, mac| Entry::of(request).zone(22).mark(mark(UPLINK_KEY)).label(label(mac));
    let entries = [
        labelled(pinned, GATEWAY_23.mac),
        Entry::of(pinned).zone(64000).mark(1),
        labelled(late, GATEWAY_23.mac),
        labelled(healthy[0].0, GATEWAY_21.mac),
        labelled(healthy[1].0, GATEWAY_22.mac),
        // The label went with the entry; br-ex's own is still there.
        Entry::of(expired).zone(64000).mark(1),
    ];
    let zones = [("GR_worker-3_snat", 0), ("default_upf-0", 21), ("GR_worker-3_dnat", 22)];
    Ok(vec![
        ("capture.pcap", tape.pcap()?),
        ("nexthops.toml", NEXTHOPS.into()),
        ("conntrack.txt", dump(&entries, Detail::More).into()),
        ("ct-zone-list.txt", ct_zone_list(&zones).into()),
        ("mac-owners.worker-5.txt", VFS.into()),
    ])
}
