//! Conntrack entries, made over ctnetlink.

use std::net::Ipv4Addr;

use analyzer::engine::fact::Connection;
use analyzer::types::tuple::proto;
use analyzer::types::{MacAddr, Tuple};

use crate::ctnetlink;
use crate::traffic::{Traffic, Violating, nexthop_mac};

/// Entries made at a time.
const PART: u32 = 100_000;
/// Zone of a router's destination NAT.
const ROUTER_ZONE: u16 = 35;
/// Zone of the node's bridge.
const BRIDGE_ZONE: u16 = 64_000;
/// Key of the port in front of the gateways, in the upper half of the mark.
const PORT_MARK: u32 = 0x20000;

/// The flows that leave to gateways that are dead.
pub(crate) fn violating(flows: u32) -> Traffic {
    Traffic { violating: Violating::Apart, ..Traffic::new(flows) }
}

/// Makes entries as a worker has them, so many of a hundred with the label of a gateway. The first are those of so many
/// flows that leave to dead ones.
pub(crate) fn fill(entries: u32, labelled_percent: u32, stale: u32) {
    let mut writer = ctnetlink::Writer::open();
    let traffic = violating(stale);
    for start in (0..entries).step_by(PART as usize) {
        let part: Vec<Connection> = (start..entries.min(start + PART))
            .map(|number| match number < stale {
                true => entry(traffic.tuple(number).reversed(), Some(traffic.eth_dst(number))),
                false => other(number, labelled_percent),
            })
            .collect();
        writer.create(&part);
    }
}

fn other(number: u32, labelled_percent: u32) -> Connection {
    let [a, b, c, d] = number.to_be_bytes();
    let nw_proto = if number.is_multiple_of(3) { proto::TCP } else { proto::UDP };
    let orig = Tuple {
        src: Ipv4Addr::new(172, 16 | a, b, c).into(),
        dst: Ipv4Addr::new(10, 244, 0, d).into(),
        nw_proto,
        tp_src: (number >> 3) as u16 | 1024,
        tp_dst: 5005,
    };
    entry(orig, (number % 100 < labelled_percent).then(|| nexthop_mac(number)))
}

fn entry(orig: Tuple, reply_eth: Option<MacAddr>) -> Connection {
    let mac = |MacAddr([a, b, c, d, e, f])| u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
    let label = reply_eth.map_or(0, |reply_eth| u128::from(mac(reply_eth)) << 32);
    let (zone, mark) = if reply_eth.is_some() { (ROUTER_ZONE, PORT_MARK) } else { (BRIDGE_ZONE, 1) };
    Connection { orig, reply: orig.reversed(), zone, mark, label, id: None, offloaded: false, dying: false }
}
