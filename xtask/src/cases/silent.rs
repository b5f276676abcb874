//! What a healthy node's NIC sees, and leftovers that no packet follows: nothing to report.

use std::net::Ipv6Addr;

use anyhow::Result;

use super::File;
use super::conntrack::{Detail, Entry, dump, label, mark};
use super::node::{
    DEFAULT_GATEWAY, GATEWAY_21, GATEWAY_22, GATEWAY_23, NODE, OTHER_NODE, STRANGER, Tape, UPLINK_KEY, icmp, tcp, udp,
};
use super::ovn::{
    self, DEFAULT_ROUTE, ECMP, INNER_ROUTE, JOIN_PORT, Schema, UPLINK_PORT, ct_zone_list, lr_route_list, on_uplink,
};
use crate::frame::{Flow, Frame, Mac, arp_reply, arp_request, ethernet};

const ROUTER_ZONE: u16 = 22;

pub(super) fn files() -> Result<Vec<File>> {
    // A pod's route names two gateways. Pod .30 has the default route only, pod .9 has lost its last gateway.
    let served = udp("198.51.100.9:5005", "10.131.0.7:40001");
    let pinged = icmp("198.51.100.9", "10.131.0.7", 8, 4711);
    // The entry's label is stale, but the flow leaves to a live gateway all the same: OVN 22.09 to 23.06 let go of a
    // label after at most 30 seconds.
    let let_go = udp("198.51.100.9:5005", "10.131.0.7:40002");
    let routeless = udp("198.51.100.9:5005", "10.131.0.9:40003");
    let opened = tcp("10.131.0.30:51822", "203.0.113.80:443");
    let opened_wire = tcp("192.0.2.13:51822", "203.0.113.80:443");
    let untranslated = tcp("10.131.0.30:51823", "203.0.113.80:443");

    let mut tape = Tape::default();
    for millis in [0, 1_000] {
        tape.receive(millis, GATEWAY_21.mac, served)?;
        tape.send(millis + 1, GATEWAY_21.mac, served.reversed())?;
        tape.receive(millis + 2, GATEWAY_22.mac, pinged)?;
        tape.send(millis + 3, GATEWAY_22.mac, pinged.reversed())?;
        tape.send(millis + 4, GATEWAY_22.mac, let_go.reversed())?;
        tape.send(millis + 5, DEFAULT_GATEWAY.mac, routeless.reversed())?;
        tape.send(millis + 6, DEFAULT_GATEWAY.mac, opened_wire)?;
        tape.send(millis + 7, DEFAULT_GATEWAY.mac, untranslated)?;
    }
    between_nodes(&mut tape)?;
    on_the_link(&mut tape)?;

    let labelled = |request, mac| Entry::of(request).zone(ROUTER_ZONE).mark(mark(UPLINK_KEY)).label(label(mac));
    let entries = [
        labelled(served, GATEWAY_21.mac),
        labelled(pinged, GATEWAY_22.mac),
        labelled(let_go, GATEWAY_23.mac),
        labelled(routeless, GATEWAY_23.mac),
        Entry::of(opened).zone(5),
        Entry::of(opened).reply(opened_wire.reversed()),
        Entry::of(opened_wire).zone(64000).mark(1),
        Entry::of(tcp("192.0.2.13:33444", "192.0.2.14:10250")).zone(64000).mark(2),
    ];
    let routes = [("10.131.0.7", "192.0.2.21", ECMP), ("10.131.0.7", "192.0.2.22", ECMP), INNER_ROUTE, DEFAULT_ROUTE];
    let neighbours = [GATEWAY_21, GATEWAY_22, DEFAULT_GATEWAY];
    let zones = [("GR_worker-3_dnat", ROUTER_ZONE), ("GR_worker-3_snat", 0), ("default_web-0", 5)];
    Ok(vec![
        ("capture.pcap", tape.pcap()?),
        ("lr-route-list.GR_worker-3.txt", lr_route_list(&routes).into()),
        ("mac_binding.txt", ovn::mac_bindings(Schema::V23, &on_uplink(&neighbours)).list().into()),
        ("port_binding.txt", ovn::port_bindings(Schema::V23, &[UPLINK_PORT, JOIN_PORT]).list().into()),
        ("datapath_binding.txt", ovn::datapath_bindings(Schema::V23, &["GR_worker-3"]).list().into()),
        ("conntrack.txt", dump(&entries, Detail::More).into()),
        ("ct-zone-list.txt", ct_zone_list(&zones).into()),
    ])
}

/// Traffic of the node itself, with another node and with the world.
fn between_nodes(tape: &mut Tape) -> Result<()> {
    const GENEVE: &str = "192.0.2.14:6081";
    const VXLAN: &str = "192.0.2.14:4789";
    for millis in [300, 1_300] {
        tape.send(millis, OTHER_NODE.mac, udp("192.0.2.13:47011", GENEVE))?;
        tape.receive(millis + 1, OTHER_NODE.mac, udp("192.0.2.14:52190", "192.0.2.13:6081"))?;
        tape.send(millis + 2, OTHER_NODE.mac, udp("192.0.2.13:47012", VXLAN))?;
        // kubelet, on a connected network; the host's own session to a machine that its own table sends elsewhere.
        tape.send(millis + 3, OTHER_NODE.mac, tcp("192.0.2.13:33444", "192.0.2.14:10250"))?;
        tape.receive(millis + 4, OTHER_NODE.mac, tcp("192.0.2.14:10250", "192.0.2.13:33444"))?;
        tape.send(millis + 5, DEFAULT_GATEWAY.mac, tcp("192.0.2.13:33446", "198.51.100.20:6443"))?;
        // A pod without route of its own, to a machine on the link.
        tape.send(millis + 6, STRANGER.mac, tcp("10.131.0.30:51900", "192.0.2.41:9200"))?;
    }
    Ok(())
}

/// A control packet of an established session (RFC 5880 section 4.1): version 1, state up, a second five times.
const BFD_UP: [u8; 24] =
    [0x20, 0xc0, 5, 24, 0x5e, 0x1f, 0x22, 0x01, 0x71, 0x0c, 0x93, 0xd4, 0, 15, 66, 64, 0, 15, 66, 64, 0, 0, 0, 0];

/// Control traffic of the link.
fn on_the_link(tape: &mut Tape) -> Result<()> {
    const BROADCAST: Mac = [0xff; 6];
    tape.push(600, arp_request(NODE, GATEWAY_21.ip)?);
    tape.push(601, arp_reply(GATEWAY_21, NODE)?);
    tape.push(602, arp_request(GATEWAY_22, GATEWAY_22.ip)?);
    let all_of_21: Mac = [0x33, 0x33, 0xff, 0x00, 0x00, 0x21];
    tape.packet(610, neighbour_discovery((NODE.mac, all_of_21), icmp("fe80::13", "ff02::1:ff00:21", 135, 0), 1))?;
    tape.packet(611, neighbour_discovery((GATEWAY_21.mac, NODE.mac), icmp("fe80::21", "fe80::13", 136, 0x6000), 2))?;
    // BFD, both ways.
    for (millis, src, dst, eth_src, eth_dst) in [
        (620, "192.0.2.13:49152", "192.0.2.21:3784", NODE.mac, GATEWAY_21.mac),
        (621, "192.0.2.21:49153", "192.0.2.13:3784", GATEWAY_21.mac, NODE.mac),
    ] {
        let frame = Frame::new(eth_src, eth_dst, udp(src, dst), 0);
        tape.packet(millis, Frame { ttl: 255, payload: BFD_UP.to_vec(), ..frame })?;
    }
    // LLDP and LACP.
    tape.push(630, ethernet(NODE.mac, [0x01, 0x80, 0xc2, 0x00, 0x00, 0x0e], 0x88cc, &[0x02, 0x07, 0x04])?);
    tape.push(631, ethernet(NODE.mac, [0x01, 0x80, 0xc2, 0x00, 0x00, 0x02], 0x8809, &[0x01, 0x01])?);
    // mDNS of both families, and DHCP.
    let mdns =
        Frame::new(NODE.mac, [0x01, 0x00, 0x5e, 0x00, 0x00, 0xfb], udp("10.131.0.7:5353", "224.0.0.251:5353"), 40);
    tape.packet(640, mdns)?;
    let mdns = Frame::new(NODE.mac, [0x33, 0x33, 0, 0, 0, 0xfb], udp("[fe80::13]:5353", "[ff02::fb]:5353"), 40);
    tape.packet(641, mdns)?;
    tape.packet(642, Frame::new(NODE.mac, BROADCAST, udp("0.0.0.0:68", "255.255.255.255:67"), 240))
}

/// A solicitation for fe80::21, or an advertisement of it (RFC 4861 sections 4.3 and 4.4), with the sender's MAC in an
/// option.
fn neighbour_discovery((eth_src, eth_dst): (Mac, Mac), message: Flow, option: u8) -> Frame {
    const TARGET: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x21);
    let payload = [&TARGET.octets()[..], &[option, 1], &eth_src].concat();
    Frame { ttl: 255, payload, ..Frame::new(eth_src, eth_dst, message, 0) }
}
