//! OVN 20.12, as under OpenShift 4.7: listings without the words of ECMP, ports in labels, zones by UUID.

use anyhow::Result;

use super::File;
use super::conntrack::{Detail, Entry, dump, label, label_with_port};
use super::node::{DEFAULT_GATEWAY, GATEWAY_21, GATEWAY_22, GATEWAY_23, ROUTER, Tape, UPLINK_KEY, tcp, udp};
use super::ovn::{
    self, DEFAULT_ROUTE, INNER_ROUTE, Schema, UPLINK_PORT, ct_zone_list, datapath_uuid, on_uplink, route_lines,
};

pub(super) fn files() -> Result<Vec<File>> {
    let stale = udp("198.51.100.9:5005", "10.131.0.7:40001");
    let stale_session = tcp("198.51.100.10:52001", "10.131.0.7:8443");
    let portless = udp("198.51.100.9:5005", "10.131.0.7:40002");
    let healthy = udp("198.51.100.9:5005", "10.131.0.7:40003");
    let mut tape = Tape::default();
    for millis in [0, 1_000] {
        tape.send(millis, GATEWAY_23.mac, stale.reversed())?;
        tape.send(millis + 1, GATEWAY_23.mac, stale_session.reversed())?;
        tape.send(millis + 2, GATEWAY_23.mac, portless.reversed())?;
        tape.send(millis + 3, GATEWAY_22.mac, healthy.reversed())?;
    }
    let words = "src-ip rtoe-GR_worker-3";
    let routes = [("10.131.0.7", "192.0.2.21", words), ("10.131.0.7", "192.0.2.22", words), INNER_ROUTE, DEFAULT_ROUTE];
    let labelled = |request, label| Entry::of(request).zone(35).label(label);
    let entries = [
        labelled(stale, label_with_port(GATEWAY_23.mac, UPLINK_KEY)),
        labelled(stale_session, label_with_port(GATEWAY_23.mac, UPLINK_KEY)),
        labelled(portless, label(GATEWAY_23.mac)),
        labelled(healthy, label_with_port(GATEWAY_22.mac, UPLINK_KEY)),
    ];
    let uuid = datapath_uuid(ROUTER);
    let (dnat, snat) = (format!("{uuid}_dnat"), format!("{uuid}_snat"));
    let zones = [(snat.as_str(), 0), ("default_upf-0", 11), (dnat.as_str(), 35)];
    let neighbours = [GATEWAY_21, GATEWAY_22, DEFAULT_GATEWAY];
    Ok(vec![
        ("capture.pcap", tape.pcap()?),
        ("lr-route-list.GR_worker-3.txt", format!("IPv4 Routes\n{}", route_lines(&routes)).into()),
        ("mac_binding.txt", ovn::mac_bindings(Schema::V20, &on_uplink(&neighbours)).list().into()),
        ("port_binding.txt", ovn::port_bindings(Schema::V20, &[UPLINK_PORT]).list().into()),
        ("datapath_binding.txt", ovn::datapath_bindings(Schema::V20, &[ROUTER]).list().into()),
        ("conntrack.txt", dump(&entries, Detail::MoreAndStatistics).into()),
        ("ct-zone-list.txt", ct_zone_list(&zones).into()),
    ])
}
