//! Next hops that BFD has found dead stay in the routes and in the listing of them.

use anyhow::Result;

use super::File;
use super::conntrack::{Detail, Entry, dump, label, mark};
use super::node::{DEFAULT_GATEWAY, GATEWAY_21, GATEWAY_22, GATEWAY_23, GATEWAY_24, Tape, UPLINK_KEY, tcp, udp};
use super::ovn::{self, DEFAULT_ROUTE, ECMP_BFD, INNER_ROUTE, Schema, UPLINK_PORT, ct_zones, lr_route_list, on_uplink};

pub(super) fn files() -> Result<Vec<File>> {
    let up = udp("198.51.100.9:5005", "10.131.0.7:40001");
    let init = udp("198.51.100.9:5005", "10.131.0.7:40002");
    let down = udp("198.51.100.9:5005", "10.131.0.7:40003");
    let admin_down = tcp("10.131.0.7:51822", "198.51.100.20:443");
    let fallen_back = tcp("10.131.0.8:51824", "198.51.100.20:443");
    let left_behind = udp("198.51.100.9:5005", "10.131.0.8:40004");

    let mut tape = Tape::default();
    for millis in [0, 1_000] {
        tape.send(millis, GATEWAY_21.mac, up.reversed())?;
        tape.send(millis + 1, GATEWAY_22.mac, init.reversed())?;
        tape.send(millis + 2, GATEWAY_23.mac, down.reversed())?;
        tape.send(millis + 3, GATEWAY_24.mac, admin_down)?;
        tape.send(millis + 4, DEFAULT_GATEWAY.mac, fallen_back)?;
        tape.send(millis + 5, GATEWAY_23.mac, left_behind.reversed())?;
    }

    let routes = [
        ("10.131.0.7", "192.0.2.21", ECMP_BFD),
        ("10.131.0.7", "192.0.2.22", ECMP_BFD),
        ("10.131.0.7", "192.0.2.23", ECMP_BFD),
        ("10.131.0.7", "192.0.2.24", ECMP_BFD),
        ("10.131.0.8", "192.0.2.23", ECMP_BFD),
        ("10.131.0.8", "192.0.2.24", ECMP_BFD),
        INNER_ROUTE,
        DEFAULT_ROUTE,
    ];
    let sessions = [(GATEWAY_24, "admin_down"), (GATEWAY_21, "up"), (GATEWAY_23, "down"), (GATEWAY_22, "init")];
    let neighbours = [GATEWAY_21, GATEWAY_22, GATEWAY_23, GATEWAY_24, DEFAULT_GATEWAY];
    let labelled = |request, mac| Entry::of(request).zone(9).mark(mark(UPLINK_KEY)).label(label(mac));
    let entries = [
        labelled(up, GATEWAY_21.mac),
        labelled(init, GATEWAY_22.mac),
        labelled(down, GATEWAY_23.mac),
        labelled(left_behind, GATEWAY_23.mac),
    ];
    let zones = [("GR_worker-3_dnat", 9), ("GR_worker-3_snat", 0), ("default_upf-0", 4), ("default_upf-1", 5)];
    Ok(vec![
        ("capture.pcap", tape.pcap()?),
        ("lr-route-list.GR_worker-3.txt", lr_route_list(&routes).into()),
        ("bfd.txt", ovn::bfd(&sessions).table().into()),
        ("mac_binding.txt", ovn::mac_bindings(Schema::V23, &on_uplink(&neighbours)).csv().into()),
        ("port_binding.txt", ovn::port_bindings(Schema::V23, &[UPLINK_PORT]).list().into()),
        ("datapath_binding.txt", ovn::datapath_bindings(Schema::V23, &["GR_worker-3"]).list().into()),
        ("conntrack.txt", dump(&entries, Detail::Plain).into()),
        ("ct-zones.txt", ct_zones(&zones).into()),
    ])
}
