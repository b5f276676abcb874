//! An active next hop whose MAC nothing tells, and the same when the hop is heard.

use anyhow::Result;

use super::File;
use super::conntrack::{Detail, Entry, dump, label, mark};
use super::node::{GATEWAY_21, GATEWAY_22, GATEWAY_23, NODE, Tape, UPLINK_KEY, udp};
use super::ovn::{self, ECMP, Schema, on_uplink, route_lines};
use crate::frame::arp_reply;

pub(super) fn files() -> Result<Vec<File>> {
    let mut tape = Tape::default();
    send(&mut tape, 0)?;
    case(tape)
}

/// The same with an ARP reply of the hop, and the flows once more after it.
pub(super) fn heard() -> Result<Vec<File>> {
    let mut tape = Tape::default();
    send(&mut tape, 0)?;
    tape.push(2_000, arp_reply(GATEWAY_22, NODE)?);
    send(&mut tape, 3_000)?;
    tape.send(3_500, GATEWAY_23.mac, udp("10.131.0.7:40004", "198.51.100.9:5005"))?;
    case(tape)
}

/// Two packets of each flow.
fn send(tape: &mut Tape, from: u64) -> Result<()> {
    for millis in [from, from + 250] {
        tape.send(millis, GATEWAY_21.mac, udp("10.131.0.7:40001", "198.51.100.9:5005"))?;
        tape.send(millis + 1, GATEWAY_22.mac, udp("10.131.0.7:40002", "198.51.100.9:5005"))?;
        tape.send(millis + 2, GATEWAY_23.mac, udp("10.131.0.7:40003", "198.51.100.9:5005"))?;
    }
    Ok(())
}

fn case(tape: Tape) -> Result<Vec<File>> {
    let routes = [("10.131.0.7", "192.0.2.21", ECMP), ("10.131.0.7", "192.0.2.22", ECMP)];
    let listing =
        format!("[root@worker-3 ~]# ovn-nbctl lr-route-list GR_worker-3 | grep 10.131.0.7\n{}", route_lines(&routes));
    let stale = udp("198.51.100.9:5005", "10.131.0.7:40003");
    let entries = [Entry::of(stale).zone(22).mark(mark(UPLINK_KEY)).label(label(GATEWAY_23.mac))];
    Ok(vec![
        ("capture.pcap", tape.pcap()?),
        ("lr-route-list.txt", listing.into()),
        ("mac_binding.txt", ovn::mac_bindings(Schema::V23, &on_uplink(&[GATEWAY_21])).list().into()),
        ("conntrack.txt", dump(&entries, Detail::Plain).into()),
    ])
}
