//! The same tuple in several zones, with different labels.

use anyhow::Result;

use super::File;
use super::conntrack::{Detail, Entry, dump, label, mark};
use super::node::{
    DEFAULT_GATEWAY, GATEWAY_21, GATEWAY_22, GATEWAY_23, GATEWAY_24, NODE, ROUTER, STRANGER, Tape, UPLINK_KEY, udp,
};
use super::ovn::{
    self, DEFAULT_ROUTE, ECMP, INNER_ROUTE, RouterPort, Schema, UPLINK_PORT, ct_zones, datapath_uuid, lr_route_list,
    on_uplink,
};

/// The gateway router of a user-defined network, which shares NIC and address.
const OTHER_ROUTER: &str = "GR_default_blue_worker-3";
const OTHER_UPLINK: RouterPort = RouterPort {
    name: "rtoe-GR_default_blue_worker-3",
    router: OTHER_ROUTER,
    mac: NODE.mac,
    networks: "192.0.2.13/24",
    key: UPLINK_KEY,
};

const ZONE: u16 = 8;
const OTHER_ZONE: u16 = 14;
const POD_ZONE: u16 = 3;

pub(super) fn files() -> Result<Vec<File>> {
    let stale = udp("198.51.100.9:5005", "10.131.0.7:40001");
    let host_zone = udp("198.51.100.9:5005", "10.131.0.7:40002");
    let other_zone = udp("198.51.100.9:5005", "10.131.0.7:40003");
    let mut tape = Tape::default();
    for millis in [0, 1_000] {
        tape.send(millis, GATEWAY_23.mac, stale.reversed())?;
        tape.send(millis + 1, GATEWAY_23.mac, host_zone.reversed())?;
        tape.send(millis + 2, GATEWAY_23.mac, other_zone.reversed())?;
    }

    let labelled = |request, zone, mac| Entry::of(request).zone(zone).mark(mark(UPLINK_KEY)).label(label(mac));
    let entries = [
        labelled(stale, 0, STRANGER.mac),
        labelled(stale, POD_ZONE, GATEWAY_22.mac),
        labelled(stale, ZONE, GATEWAY_23.mac),
        labelled(stale, OTHER_ZONE, GATEWAY_24.mac),
        labelled(host_zone, 0, GATEWAY_23.mac),
        labelled(host_zone, ZONE, GATEWAY_21.mac),
        labelled(other_zone, OTHER_ZONE, GATEWAY_23.mac),
    ];
    let (uuid, other_uuid) = (datapath_uuid(ROUTER), datapath_uuid(OTHER_ROUTER));
    let names = [
        (format!("{uuid}_dnat"), ZONE),
        (format!("{uuid}_snat"), 0),
        (format!("{other_uuid}_dnat"), OTHER_ZONE),
        (format!("{other_uuid}_snat"), 15),
        ("default_web-0".to_owned(), POD_ZONE),
    ];
    let zones: Vec<(&str, u16)> = names.iter().map(|(name, zone)| (name.as_str(), *zone)).collect();
    let routes = [("10.131.0.7", "192.0.2.21", ECMP), ("10.131.0.7", "192.0.2.22", ECMP), INNER_ROUTE, DEFAULT_ROUTE];
    let other_words = "src-ip rtoe-GR_default_blue_worker-3 ecmp ecmp-symmetric-reply";
    let other_routes = [("10.200.4.9", "192.0.2.21", other_words), ("10.200.4.9", "192.0.2.22", other_words)];
    let neighbours = [GATEWAY_21, GATEWAY_22, DEFAULT_GATEWAY];
    Ok(vec![
        ("capture.pcap", tape.pcap()?),
        ("lr-route-list.GR_worker-3.txt", lr_route_list(&routes).into()),
        ("lr-route-list.GR_default_blue_worker-3.txt", lr_route_list(&other_routes).into()),
        ("mac_binding.txt", ovn::mac_bindings(Schema::V23, &on_uplink(&neighbours)).table().into()),
        ("port_binding.txt", ovn::port_bindings(Schema::V23, &[UPLINK_PORT, OTHER_UPLINK]).table().into()),
        ("datapath_binding.txt", ovn::datapath_bindings(Schema::V23, &[ROUTER, OTHER_ROUTER]).json().into()),
        ("conntrack.txt", dump(&entries, Detail::Plain).into()),
        ("ct-zones.txt", ct_zones(&zones).into()),
    ])
}
