//! A listing of routes says that BFD watches next hops, and no dump says what it has found.

use anyhow::Result;

use super::File;
use super::node::{DEFAULT_GATEWAY, GATEWAY_21, GATEWAY_22, GATEWAY_23, Tape, udp};
use super::ovn::{self, DEFAULT_ROUTE, ECMP, ECMP_BFD, INNER_ROUTE, Schema, UPLINK_PORT, lr_route_list, on_uplink};

pub(super) fn files() -> Result<Vec<File>> {
    let unwatched = udp("10.131.0.7:40001", "198.51.100.9:5005");
    let watched = udp("10.131.0.7:40002", "198.51.100.9:5005");
    let fallen_back = udp("10.131.0.8:40003", "198.51.100.9:5005");
    let mut tape = Tape::default();
    for millis in [0, 1_000] {
        tape.send(millis, GATEWAY_21.mac, unwatched)?;
        tape.send(millis + 1, GATEWAY_22.mac, watched)?;
        tape.send(millis + 2, DEFAULT_GATEWAY.mac, fallen_back)?;
    }
    let routes = [
        ("10.131.0.7", "192.0.2.21", ECMP),
        ("10.131.0.7", "192.0.2.22", ECMP_BFD),
        ("10.131.0.8", "192.0.2.22", ECMP_BFD),
        ("10.131.0.8", "192.0.2.23", ECMP_BFD),
        INNER_ROUTE,
        DEFAULT_ROUTE,
    ];
    let neighbours = [GATEWAY_21, GATEWAY_22, GATEWAY_23, DEFAULT_GATEWAY];
    Ok(vec![
        ("capture.pcap", tape.pcap()?),
        ("lr-route-list.GR_worker-3.txt", lr_route_list(&routes).into()),
        ("mac_binding.txt", ovn::mac_bindings(Schema::V23, &on_uplink(&neighbours)).list().into()),
        ("port_binding.txt", ovn::port_bindings(Schema::V23, &[UPLINK_PORT]).csv().into()),
        ("datapath_binding.txt", ovn::datapath_bindings(Schema::V23, &["GR_worker-3"]).csv().into()),
    ])
}
