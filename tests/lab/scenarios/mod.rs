//! What happens, what has to be found, and what has to stay silent.

mod bursts;
mod host;
mod inbound;
mod incident;
mod learned;
mod load_balanced;
mod monitor;
mod next_hops;
mod other_family;
mod pod_opens;
mod protocols;
mod repair;
mod restarts;
mod silent;
mod translated;
mod two_routers;
mod upgrade;

use analyzer::types::MacAddr;

use crate::addresses::{GW1, GW1_NEW};
use crate::capture::{Seen, since};
use crate::netns::Missing;
use crate::node::Node;
use crate::traffic::{Conversation, exchange, push};
use crate::watch::{Watch, say};

/// Flows between ports of their own.
fn flows(node: &Node, first_port: u16, number: u16) -> Vec<Conversation> {
    (0..number).map(|port| Conversation::new(node, first_port + port, first_port - 35000 + port)).collect()
}

/// Those packets that left to this MAC.
fn to(seen: &Seen, mac: MacAddr) -> Seen {
    seen.iter().filter(|((_, eth_dst), _)| *eth_dst == mac).map(|(key, count)| (*key, *count)).collect()
}

/// The label of an entry whose MAC this is, as it is printed.
fn label_of(mac: MacAddr) -> String {
    let octets: String = mac.0.iter().map(|octet| format!("{octet:02x}")).collect();
    format!("labels=0x{octets}00000000")
}

/// No change of the lab before the daemon watches.
fn as_it_is(_: &mut Node) -> Result<(), Missing> {
    Ok(())
}

/// Opens flows through the first gateway, and has the gateway replaced by another on the same address, of whose MAC OVN
/// knows. Returns the flows, and what had left before.
fn pinned_to_a_dead_gateway(watch: &mut Watch, number: u16) -> (Vec<Conversation>, Seen) {
    let mut pinned = flows(&watch.node, 40000, number);
    exchange(&mut pinned, 3);
    let before = watch.settled(&[&pinned]);
    assert_eq!(to(&before, GW1), before, "all leave to where they came from");
    say(&format!("{number} flows came by {GW1} and are answered there; now it dies, and {GW1_NEW} takes its address"));
    watch.node.replace_gateway(&watch.spare);
    watch.let_grace_pass();
    watch.wait_armed(&pinned);
    push(&mut pinned, 2);
    let dead = since(&before, &watch.settled(&[&pinned]));
    assert_eq!(to(&dead, GW1), dead, "OVN goes on sending to the dead gateway");
    (pinned, before)
}
