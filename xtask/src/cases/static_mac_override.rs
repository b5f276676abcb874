//! Which of several MACs a next hop has: static bindings, learned ones, and ARP heard in the capture.

use anyhow::Result;

use super::File;
use super::conntrack::{Detail, Entry, dump, label, mark};
use super::node::{GATEWAY_21, GATEWAY_22, GATEWAY_23, ROUTER, Tape, UPLINK_KEY, udp};
use super::ovn::{self, ECMP, Schema, UPLINK_PORT, ct_zones, lr_route_list, on_uplink};
use crate::frame::{Mac, Station, arp_request};

/// What the static bindings say of the first two gateways.
const STATIC_21: Station = Station { mac: [0x02, 0x00, 0x00, 0x00, 0x51, 0x21], ip: GATEWAY_21.ip };
const STATIC_22: Station = Station { mac: [0x02, 0x00, 0x00, 0x00, 0x51, 0x22], ip: GATEWAY_22.ip };
/// The third gateway's MAC after it was replaced.
const REPLACED_23: Station = Station { mac: [0x02, 0x00, 0x00, 0x00, 0x51, 0x23], ip: GATEWAY_23.ip };

pub(super) fn files() -> Result<Vec<File>> {
    let flow = |port: u16| udp(&format!("198.51.100.9:{port}"), "10.131.0.7:5005").reversed();
    let pinned = udp("198.51.100.9:40006", "10.131.0.7:5005");
    let mut tape = Tape::default();
    let mut both = |port, first: Mac, second: Mac| -> Result<()> {
        tape.send(1_000 + u64::from(port % 10), first, flow(port))?;
        tape.send(9_000 + u64::from(port % 10), second, flow(port))
    };
    both(40_001, STATIC_21.mac, STATIC_21.mac)?;
    both(40_002, GATEWAY_21.mac, GATEWAY_21.mac)?;
    both(40_003, GATEWAY_22.mac, GATEWAY_22.mac)?;
    both(40_004, STATIC_22.mac, STATIC_22.mac)?;
    both(40_005, GATEWAY_23.mac, GATEWAY_23.mac)?;
    both(40_006, GATEWAY_23.mac, GATEWAY_23.mac)?;
    both(40_007, GATEWAY_23.mac, REPLACED_23.mac)?;
    // The replaced gateway announces itself (RFC 5227 section 3). A packet that follows within the grace period.
    tape.push(2_000, arp_request(REPLACED_23, REPLACED_23.ip)?);
    tape.send(3_000, GATEWAY_23.mac, flow(40_005))?;

    let routes =
        [("10.131.0.7", "192.0.2.21", ECMP), ("10.131.0.7", "192.0.2.22", ECMP), ("10.131.0.7", "192.0.2.23", ECMP)];
    let entries = [Entry::of(pinned).zone(22).mark(mark(UPLINK_KEY)).label(label(GATEWAY_23.mac))];
    let zones = [("GR_worker-3_dnat", 22), ("GR_worker-3_snat", 0)];
    let learned = [GATEWAY_21, GATEWAY_22, GATEWAY_23];
    Ok(vec![
        ("capture.pcap", tape.pcap()?),
        ("lr-route-list.GR_worker-3.txt", lr_route_list(&routes).into()),
        ("static_mac_binding.txt", ovn::static_mac_bindings(&[(STATIC_21, true), (STATIC_22, false)]).csv().into()),
        ("mac_binding.txt", ovn::mac_bindings(Schema::V23, &on_uplink(&learned)).list().into()),
        ("port_binding.txt", ovn::port_bindings(Schema::V23, &[UPLINK_PORT]).list().into()),
        ("datapath_binding.txt", ovn::datapath_bindings(Schema::V23, &[ROUTER]).list().into()),
        ("conntrack.txt", dump(&entries, Detail::Plain).into()),
        ("ct-zones.txt", ct_zones(&zones).into()),
    ])
}
