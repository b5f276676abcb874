//! Pods behind the node's address: on the wire their packets have the node's, and conntrack tells whose they are.

use anyhow::Result;

use super::File;
use super::conntrack::{Detail, Entry, dump, label, mark};
use super::node::{DEFAULT_GATEWAY, GATEWAY_21, GATEWAY_22, GATEWAY_23, STRANGER, Tape, UPLINK_KEY, tcp, udp};
use super::ovn::{self, DEFAULT_ROUTE, ECMP, INNER_ROUTE, Schema, UPLINK_PORT, ct_zones, lr_route_list, on_uplink};
use crate::frame::{Flow, Mac};

/// The gateway router's DNAT zone and the pod's own.
const ROUTER_ZONE: u16 = 22;
const POD_ZONE: u16 = 5;

pub(super) fn files() -> Result<Vec<File>> {
    let stale = (udp("10.131.0.7:40001", "198.51.100.9:5005"), udp("192.0.2.13:40001", "198.51.100.9:5005"));
    // The pod's port was taken on the node.
    let stale_moved = (tcp("10.131.0.7:40002", "198.51.100.9:443"), tcp("192.0.2.13:61002", "198.51.100.9:443"));
    let healthy = (udp("10.131.0.7:40003", "198.51.100.9:5005"), udp("192.0.2.13:40003", "198.51.100.9:5005"));
    let host = tcp("192.0.2.13:33444", "198.51.100.20:6443");
    let untold = udp("192.0.2.13:40004", "198.51.100.9:5005");
    let untold_legal = udp("192.0.2.13:40005", "198.51.100.9:5005");

    let mut tape = Tape::default();
    for millis in [0, 1_000] {
        tape.send(millis, GATEWAY_23.mac, stale.1)?;
        tape.send(millis + 1, GATEWAY_23.mac, stale_moved.1)?;
        tape.send(millis + 2, GATEWAY_21.mac, healthy.1)?;
        tape.send(millis + 3, STRANGER.mac, host)?;
        tape.send(millis + 4, STRANGER.mac, untold)?;
        tape.send(millis + 5, GATEWAY_22.mac, untold_legal)?;
    }

    let mut entries = Vec::new();
    entries.extend(translated(stale, GATEWAY_23.mac));
    entries.extend(translated(stale_moved, GATEWAY_23.mac));
    entries.extend(translated(healthy, GATEWAY_21.mac));
    entries.extend([Entry::of(host), Entry::of(host).zone(64000).mark(2)]);

    let routes = [("10.131.0.7", "192.0.2.21", ECMP), ("10.131.0.7", "192.0.2.22", ECMP), INNER_ROUTE, DEFAULT_ROUTE];
    let neighbours = [GATEWAY_21, GATEWAY_22, DEFAULT_GATEWAY];
    let zones = [("GR_worker-3_dnat", ROUTER_ZONE), ("GR_worker-3_snat", 0), ("default_web-0", POD_ZONE)];
    Ok(vec![
        ("capture.pcap", tape.pcap()?),
        ("lr-route-list.GR_worker-3.txt", lr_route_list(&routes).into()),
        ("mac_binding.txt", ovn::mac_bindings(Schema::V23, &on_uplink(&neighbours)).list().into()),
        ("port_binding.txt", ovn::port_bindings(Schema::V23, &[UPLINK_PORT]).list().into()),
        ("datapath_binding.txt", ovn::datapath_bindings(Schema::V23, &["GR_worker-3"]).list().into()),
        ("conntrack.txt", dump(&entries, Detail::Plain).into()),
        ("ct-zones.txt", ct_zones(&zones).into()),
    ])
}

/// The entries of a session that a pod opened, labelled by its first answer.
fn translated((inner, wire): (Flow, Flow), mac: Mac) -> [Entry; 4] {
    [
        Entry::of(inner).zone(POD_ZONE),
        Entry::of(inner).zone(ROUTER_ZONE).mark(mark(UPLINK_KEY)).label(label(mac)),
        Entry::of(inner).reply(wire.reversed()),
        Entry::of(wire).zone(64000).mark(1),
    ]
}
