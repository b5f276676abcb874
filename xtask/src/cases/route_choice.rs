//! Which route decides a packet, where several match.

use anyhow::Result;

use super::File;
use super::node::{
    DEFAULT_GATEWAY, GATEWAY_21, GATEWAY_22, GATEWAY_23, GATEWAY_24, NODE, ROUTER, STRANGER, Tape, UPLINK_KEY, udp,
};
use super::ovn::{self, DEFAULT_ROUTE, ECMP, INNER_ROUTE, RouterPort, Schema, UPLINK_PORT, lr_route_list, on_uplink};

/// The gateway router of a user-defined network, whose pods may have the addresses of others'.
const OTHER_ROUTER: &str = "GR_default_blue_worker-3";
const OTHER_UPLINK: RouterPort = RouterPort {
    name: "rtoe-GR_default_blue_worker-3",
    router: OTHER_ROUTER,
    mac: NODE.mac,
    networks: "192.0.2.13/24",
    key: UPLINK_KEY,
};
const OTHER_ECMP: &str = "src-ip rtoe-GR_default_blue_worker-3 ecmp ecmp-symmetric-reply";

pub(super) fn files() -> Result<Vec<File>> {
    let mut tape = Tape::default();
    for millis in [0, 1_000] {
        let mut send = |after: u64, mac, src: &str, dst: &str| tape.send(millis + after, mac, udp(src, dst));
        // A pod's /32 by source, to a machine on the router's own /24.
        send(0, GATEWAY_21.mac, "10.131.0.7:40001", "192.0.2.41:5005")?;
        send(1, STRANGER.mac, "10.131.0.7:40002", "192.0.2.41:5005")?;
        // A /24 by source is as long as the connected network, which then wins.
        send(2, STRANGER.mac, "10.131.1.7:40003", "192.0.2.41:5005")?;
        send(3, STRANGER.mac, "10.131.1.7:40004", "198.51.100.9:5005")?;
        // Longer by destination than the pod's route by source is none; as long as it, it wins.
        send(4, GATEWAY_24.mac, "10.131.0.7:40005", "198.51.100.77:5005")?;
        send(5, GATEWAY_21.mac, "10.131.0.7:40006", "198.51.100.77:5005")?;
        // A route that leads back into the cluster, longer than the default route.
        send(6, STRANGER.mac, "10.131.0.30:40007", "10.129.4.4:5005")?;
        // The same address behind two routers, and nothing that tells whose packet it is.
        send(7, GATEWAY_21.mac, "10.131.0.9:40008", "198.51.100.9:5005")?;
        send(8, GATEWAY_23.mac, "10.131.0.9:40009", "198.51.100.9:5005")?;
        send(9, GATEWAY_24.mac, "10.131.0.9:40010", "198.51.100.9:5005")?;
    }
    let routes = [
        ("10.131.0.7", "192.0.2.21", ECMP),
        ("10.131.0.7", "192.0.2.22", ECMP),
        ("10.131.0.9", "192.0.2.21", ECMP),
        ("10.131.0.9", "192.0.2.22", ECMP),
        ("10.131.1.0/24", "192.0.2.21", ECMP),
        ("10.131.1.0/24", "192.0.2.22", ECMP),
        ("198.51.100.77", "192.0.2.24", "dst-ip rtoe-GR_worker-3"),
        INNER_ROUTE,
        DEFAULT_ROUTE,
    ];
    let other_routes = [("10.131.0.9", "192.0.2.22", OTHER_ECMP), ("10.131.0.9", "192.0.2.23", OTHER_ECMP)];
    // The other router's own bindings of the same neighbours are left out but for the one that it alone needs.
    let mut bindings = on_uplink(&[GATEWAY_21, GATEWAY_22, GATEWAY_24, DEFAULT_GATEWAY]);
    bindings.extend([GATEWAY_22, GATEWAY_23].map(|neighbour| (OTHER_UPLINK.name, neighbour, ovn::CONFIRMED)));
    Ok(vec![
        ("capture.pcap", tape.pcap()?),
        ("lr-route-list.GR_worker-3.txt", lr_route_list(&routes).into()),
        ("lr-route-list.GR_default_blue_worker-3.txt", lr_route_list(&other_routes).into()),
        ("mac_binding.txt", ovn::mac_bindings(Schema::V23, &bindings).csv().into()),
        ("port_binding.txt", ovn::port_bindings(Schema::V23, &[UPLINK_PORT, OTHER_UPLINK]).csv().into()),
        ("datapath_binding.txt", ovn::datapath_bindings(Schema::V23, &[ROUTER, OTHER_ROUTER]).csv().into()),
    ])
}
