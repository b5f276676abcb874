//! Damaged inputs: a capture that ends inside a record, frames that cannot be read, lines that cannot be read.

use anyhow::Result;

use super::File;
use super::conntrack::{Detail, Entry, dump, label, mark};
use super::node::{GATEWAY_21, GATEWAY_22, GATEWAY_23, NODE, Tape, UPLINK_KEY, tcp, udp};
use super::ovn::{self, ECMP, Schema, lr_route_list, on_uplink};
use crate::frame::{Frame, ethernet};

/// Octets kept of each frame: enough for the ports of IPv4, too few for those of IPv6 behind two tags.
const SNAPLEN: u16 = 60;

pub(super) fn files() -> Result<Vec<File>> {
    let stale = udp("198.51.100.9:5005", "10.131.0.7:40001");
    let healthy = udp("198.51.100.9:5005", "10.131.0.7:40002");
    let v6 = tcp("[fd01:0:0:3::7]:8443", "[2001:db8:99::9]:52001");
    let mut tape = Tape::default();
    for millis in [0, 1_000] {
        tape.send(millis, GATEWAY_23.mac, stale.reversed())?;
        tape.send(millis + 1, GATEWAY_21.mac, healthy.reversed())?;
    }
    tape.packet(500, Frame { vlans: vec![300, 120], ..Frame::new(NODE.mac, GATEWAY_21.mac, v6, 52) })?;
    // An IPv4 header that says of itself that it is 12 octets long.
    tape.push(501, ethernet(NODE.mac, GATEWAY_21.mac, 0x0800, &[0x43; 40])?);
    // A protocol that is not IP: the loopback test of Ethernet itself (configuration testing, EtherType 0x9000).
    tape.push(502, ethernet(NODE.mac, GATEWAY_21.mac, 0x9000, &[0; 46])?);
    let mut capture = tape.pcap_with_snaplen(SNAPLEN)?;
    capture.truncate(capture.len() - 17);

    let routes = [("10.131.0.7", "192.0.2.21", ECMP), ("10.131.0.7", "192.0.2.22", ECMP)];
    let listing = lr_route_list(&routes).replace(
        "Route Table <main>:\n",
        "Route Table <main>:\n2026-03-02T09:03:11Z|00001|stream_ssl|WARN|SSL_use_certificate_file: timeout\n",
    );
    let labelled = |request, mac| Entry::of(request).zone(22).mark(mark(UPLINK_KEY)).label(label(mac));
    let entries = dump(&[labelled(stale, GATEWAY_23.mac), labelled(healthy, GATEWAY_21.mac)], Detail::Plain);
    // The terminal broke an entry in two and lost the rest of it, and the file ends in the middle of another.
    let broken = format!(
        "udp,orig=(src=198.51.100.9,dst=10.131.0.7,sport=5005,\ndport=40003),reply=(src=10.131.0.7,\n{entries}\
         tcp,orig=(src=198.51.100.10,dst=10.131.0.7,sport=520"
    );
    let bindings = ovn::mac_bindings(Schema::V23, &on_uplink(&[GATEWAY_21, GATEWAY_22, GATEWAY_23])).list();
    let bindings = bindings.replace("\"f2:60:e9:48:a3:23\"", "\"f2:60:e9:48:XX:XX\"");
    Ok(vec![
        ("capture.pcap", capture),
        ("lr-route-list.txt", listing.into()),
        ("mac_binding.txt", bindings.into()),
        ("conntrack.txt", broken.into()),
    ])
}
