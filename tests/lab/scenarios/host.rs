//! The node's own traffic, by the same NIC, from the same address and the same MAC as the router's.

use std::net::{SocketAddr, UdpSocket};

use analyzer::types::{MacAddr, Tuple, tuple::proto};

use super::{flows, to};
use crate::addresses::{GW1, V4, parsed};
use crate::capture::{Seen, since};
use crate::daemon::pause;
use crate::datapath::Datapath;
use crate::netns::run;
use crate::node::Node;
use crate::traffic::{exchange, push};
use crate::watch::{NOT_COVERED, Watch, say};

/// MAC of another node, which is a router of the host's, too.
const NEIGHBOUR: MacAddr = MacAddr([0x4e, 0x77, 0x35, 0xc1, 0x90, 0x41]);
/// An address of the other node on the link.
const ON_LINK: &str = "172.18.0.5";
/// One behind it, by a route of the host's alone.
const BEHIND: &str = "203.0.113.9";

/// A UDP flow of the host's.
struct HostFlow {
    socket: UdpSocket,
    peer: SocketAddr,
}

impl HostFlow {
    fn new(node: &Node, port: u16, peer: &str) -> Self {
        let own = SocketAddr::new(node.addresses().router_ip(), port);
        let socket = node.netns().inside(|| UdpSocket::bind(own).unwrap_or_else(|error| panic!("{own}: {error}")));
        Self { socket, peer: SocketAddr::new(parsed(peer), 9000) }
    }

    fn send(&self, times: usize) {
        for _ in 0..times {
            self.socket.send_to(b"eighteen bytes, ok", self.peer).expect("there is a route");
        }
    }

    fn tuple(&self) -> Tuple {
        let own = self.socket.local_addr().expect("it is bound");
        let (tp_src, tp_dst) = (own.port(), self.peer.port());
        Tuple { src: own.ip(), dst: self.peer.ip(), nw_proto: proto::UDP, tp_src, tp_dst }
    }

    fn of(&self, seen: &Seen) -> Seen {
        seen.iter().filter(|((tuple, _), _)| *tuple == self.tuple()).map(|(key, count)| (*key, *count)).collect()
    }
}

/// The host talks to another node on the link and, by a router that is no pod's, to the world, while pods' flows violate.
/// br-ex's zone tells its packets from those of pods that leave with the same address. ovs-vswitchd is asked for it every 10 s:
/// of a flow that is in no reading yet it is said that nothing tells whose it is.
#[test]
fn host_traffic() {
    run(|| {
        let mut host = Vec::new();
        let mut watch = Watch::new(V4, |node| {
            node.translate();
            node.pin_for_life();
            node.share_with_host();
            node.wire().sh(&format!(
                "set -e; ip link set bridge address {NEIGHBOUR}
                ip addr add {ON_LINK}/24 dev bridge; ip addr add {BEHIND} dev bridge"
            ));
            node.sh(&format!("ip route add {BEHIND} via {ON_LINK}"));
            host.extend([HostFlow::new(node, 33000, ON_LINK), HostFlow::new(node, 33001, BEHIND)]);
            host.iter().for_each(|flow| flow.send(1));
            // Their packets wait for ARP.
            pause(1000);
            Ok(())
        })?;
        let mut pinned = flows(&watch.node, 40000, 2);
        exchange(&mut pinned, 3);
        watch.node.replace_gateway(&watch.spare);
        watch.let_grace_pass();
        // Their entries have been read, and what translates and tells the host's packets with them.
        watch.wait_latent("armed", &pinned);
        let before = watch.capture.quiet();
        for _ in 0..3 {
            push(&mut pinned, 1);
            host.iter().for_each(|flow| flow.send(1));
        }
        watch.wait_violating("stale-conntrack", &pinned);
        say("the host opens a flow that is in no reading yet");
        let fresh = HostFlow::new(&watch.node, 33002, BEHIND);
        fresh.send(1);
        let is_asked = watch.node.datapath() == Datapath::Kernel;
        if !is_asked {
            watch.wait_undetermined("translated-source", fresh.tuple());
        }
        let seen = watch.capture.quiet();
        let of_host: Seen = host.iter().flat_map(|flow| flow.of(&seen)).collect();
        assert_eq!((of_host.len(), to(&of_host, NEIGHBOUR)), (host.len(), of_host.clone()));
        let violating = to(&since(&before, &seen), GW1);
        // The kernel is asked for the entry of a single flow; ovs-vswitchd cannot be. A dump of the end has it, too.
        let fresh = fresh.of(&seen);
        let told = if is_asked { NOT_COVERED } else { "translated-source" };
        let ended = watch.expect_and_replay(
            &[("stale-conntrack", &violating), (told, &fresh), (NOT_COVERED, &of_host)],
            &[("stale-conntrack", &violating)],
        );
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        Ok(())
    });
}
