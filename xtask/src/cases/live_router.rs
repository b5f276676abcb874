//! Replies to a router that no route names, but that the requests come from.

use anyhow::Result;

use super::File;
use super::conntrack::{Detail, Entry, dump, label, mark};
use super::node::{DEFAULT_GATEWAY, GATEWAY_21, GATEWAY_22, STRANGER, Tape, UPLINK, UPLINK_KEY, tcp, udp};
use super::ovn::{self, Schema, StaticRoute, UPLINK_PORT, ct_zones, on_uplink};
use crate::frame::Mac;

/// Virtual router 10 of VRRP for IPv4 (RFC 9568 section 7.3).
const VIRTUAL_ROUTER: Mac = [0x00, 0x00, 0x5e, 0x00, 0x01, 0x0a];

pub(super) fn files() -> Result<Vec<File>> {
    let by_stranger = udp("198.51.100.9:5005", "10.131.0.7:40001");
    let by_virtual_router = tcp("198.51.100.12:52011", "10.131.0.7:8443");
    let crossed = udp("198.51.100.9:5005", "10.131.0.7:40002");
    let plain = udp("198.51.100.9:5005", "10.131.0.7:40003");

    let mut tape = Tape::default();
    for millis in [0, 1_000, 2_000] {
        tape.receive(millis, STRANGER.mac, by_stranger)?;
        tape.send(millis + 1, STRANGER.mac, by_stranger.reversed())?;
        tape.send(millis + 2, VIRTUAL_ROUTER, by_virtual_router.reversed())?;
        tape.receive(millis + 3, GATEWAY_22.mac, crossed)?;
        tape.send(millis + 4, GATEWAY_21.mac, crossed.reversed())?;
        tape.receive(millis + 5, GATEWAY_21.mac, plain)?;
        tape.send(millis + 6, GATEWAY_21.mac, plain.reversed())?;
    }

    let routes = [
        StaticRoute::of_pod("10.131.0.7", "192.0.2.21", UPLINK),
        StaticRoute::by_destination("10.128.0.0/14", "100.64.0.1", None),
        StaticRoute::of_pod("10.131.0.7", "192.0.2.22", UPLINK),
        StaticRoute::by_destination("0.0.0.0/0", "192.0.2.1", Some(UPLINK)),
    ];
    let labelled = |request, mac| Entry::of(request).zone(22).mark(mark(UPLINK_KEY)).label(label(mac));
    let entries = [
        labelled(by_stranger, STRANGER.mac),
        labelled(by_virtual_router, VIRTUAL_ROUTER),
        labelled(plain, GATEWAY_21.mac),
    ];
    let zones = [("GR_worker-3_dnat", 22), ("GR_worker-3_snat", 0), ("rtoe-GR_worker-3", 23)];
    let neighbours = [GATEWAY_21, GATEWAY_22, DEFAULT_GATEWAY];
    Ok(vec![
        ("capture.pcap", tape.pcap()?),
        ("static_routes.txt", ovn::static_routes(&routes).list().into()),
        ("mac_binding.txt", ovn::mac_bindings(Schema::V23, &on_uplink(&neighbours)).table().into()),
        ("port_binding.txt", ovn::port_bindings(Schema::V23, &[UPLINK_PORT]).json().into()),
        ("conntrack.txt", dump(&entries, Detail::Plain).into()),
        ("ct-zones.txt", ct_zones(&zones).into()),
    ])
}
