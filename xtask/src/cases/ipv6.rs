//! IPv6 pods behind gateways with link-local addresses, two of which are the same on two ports.

use anyhow::Result;

use super::File;
use super::conntrack::{Detail, Entry, dump, label, mark};
use super::node::{GATEWAY_21, GATEWAY_23, ROUTER, Tape, UPLINK, UPLINK_KEY, icmp, ip, sctp, tcp, udp};
use super::ovn::{self, CONFIRMED, RouterPort, Schema, StaticRoute, UPLINK_PORT, ct_zone_list};
use crate::frame::{Frame, Mac, Station};

/// The router's port to the second bridge, which OVN-Kubernetes has for gateways of pods.
const SECOND_UPLINK: RouterPort = RouterPort {
    name: "exgw-rtoe-GR_worker-3",
    router: ROUTER,
    mac: [0x52, 0x54, 0x00, 0x9d, 0x13, 0x13],
    networks: "198.18.0.13/24 2001:db8:51::13/64",
    key: 3,
};
/// The gateway that has, behind the second port, the address of [`GATEWAY_21`] behind the first.
const SECOND_GATEWAY: Mac = [0xd6, 0x19, 0x4b, 0xa7, 0x28, 0x61];
/// A gateway that was behind the second port.
const SECOND_DEAD: Mac = [0xd6, 0x19, 0x4b, 0xa7, 0x28, 0x62];

pub(super) fn files() -> Result<Vec<File>> {
    let first = udp("[2001:db8:99::9]:5005", "[fd01:0:0:3::7]:40001");
    let second = tcp("[2001:db8:99::9]:52001", "[fd01:0:0:3::7]:8443");
    let associated = sctp("[2001:db8:99::9]:2905", "[fd01:0:0:3::7]:2905");
    let pinged = icmp("2001:db8:99::9", "fd01:0:0:3::7", 128, 513);
    let second_stale = tcp("[2001:db8:99::10]:52003", "[fd01:0:0:3::7]:8443");

    let mut tape = Tape::default();
    for millis in [0, 1_000] {
        tape.send(millis, GATEWAY_21.mac, first.reversed())?;
        tape.packet(millis + 1, Frame::new(SECOND_UPLINK.mac, SECOND_GATEWAY, second.reversed(), 52))?;
        tape.send(millis + 2, GATEWAY_23.mac, associated.reversed())?;
        tape.send(millis + 3, GATEWAY_23.mac, pinged.reversed())?;
        tape.packet(millis + 4, Frame::new(SECOND_UPLINK.mac, SECOND_DEAD, second_stale.reversed(), 52))?;
    }

    let routes = [
        StaticRoute::of_pod("fd01:0:0:3::7", "fe80::21", UPLINK),
        StaticRoute::of_pod("fd01:0:0:3::7", "fe80::21", SECOND_UPLINK.name),
        StaticRoute::by_destination("fd01::/48", "fd98::1", None),
        StaticRoute::by_destination("::/0", "fe80::1", Some(UPLINK)),
    ];
    let neighbour = |port, mac, address| (port, Station { mac, ip: ip(address) }, CONFIRMED);
    let bindings = [
        neighbour(UPLINK, GATEWAY_21.mac, "fe80::21"),
        neighbour(SECOND_UPLINK.name, SECOND_GATEWAY, "fe80::21"),
        neighbour(UPLINK, [0x00, 0x1b, 0x17, 0x5e, 0x00, 0x01], "fe80::1"),
    ];
    let labelled = |request, port, mac| Entry::of(request).zone(22).mark(mark(port)).label(label(mac));
    let entries = [
        labelled(first, UPLINK_KEY, GATEWAY_21.mac),
        labelled(second, SECOND_UPLINK.key, SECOND_GATEWAY),
        labelled(associated, UPLINK_KEY, GATEWAY_23.mac),
        labelled(pinged, UPLINK_KEY, GATEWAY_23.mac),
        labelled(second_stale, SECOND_UPLINK.key, SECOND_DEAD),
    ];
    let uplink = RouterPort { networks: "192.0.2.13/24 2001:db8:2::13/64", ..UPLINK_PORT };
    let zones = [("GR_worker-3_dnat", 22), ("GR_worker-3_snat", 0), ("default_sctp-server-0", 24)];
    Ok(vec![
        ("capture.pcap", tape.pcap()?),
        ("static_routes.txt", ovn::static_routes(&routes).csv().into()),
        ("mac_binding.txt", ovn::mac_bindings(Schema::V23, &bindings).json().into()),
        ("port_binding.txt", ovn::port_bindings(Schema::V23, &[uplink, SECOND_UPLINK]).table().into()),
        ("datapath_binding.txt", ovn::datapath_bindings(Schema::V23, &[ROUTER]).table().into()),
        ("conntrack.txt", dump(&entries, Detail::Plain).into()),
        ("ct-zone-list.txt", ct_zone_list(&zones).into()),
    ])
}
