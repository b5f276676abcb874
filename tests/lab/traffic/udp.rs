//! UDP.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use analyzer::types::Tuple;
use analyzer::types::tuple::proto;

use super::{Conversation, End, PAYLOAD, TURN};
use crate::netns::Netns;
use crate::node::Node;
use crate::received::unless_late;

/// A socket and who it sends to.
struct Socket {
    socket: UdpSocket,
    peer: SocketAddr,
}

/// The pod's packets from its address `inside` leave with the address `outside`, to which the client sends.
pub(super) fn conversation(
    node: &Node,
    inside: IpAddr,
    outside: IpAddr,
    pod_port: u16,
    client_port: u16,
) -> Conversation {
    let pod = SocketAddr::new(inside, pod_port);
    let client = SocketAddr::new(node.addresses().client_ip(), client_port);
    let tuple = Tuple { src: outside, dst: client.ip(), nw_proto: proto::UDP, tp_src: pod_port, tp_dst: client_port };
    let client_end = Socket::new(node.client(), client, SocketAddr::new(outside, pod_port));
    Conversation::between(Socket::new(node.pod(), pod, client), client_end, tuple)
}

impl Socket {
    fn new(netns: &Netns, own: SocketAddr, peer: SocketAddr) -> Self {
        let socket = netns.inside(|| UdpSocket::bind(own).unwrap_or_else(|error| panic!("{own}: {error}")));
        socket.set_read_timeout(Some(TURN)).expect("it is longer than nothing");
        Self { socket, peer }
    }
}

impl End for Socket {
    fn send(&self) {
        self.socket.send_to(PAYLOAD, self.peer).expect("there is a route");
    }

    fn receive(&self) -> Option<IpAddr> {
        let (_, from) = unless_late(|| self.socket.recv_from(&mut [0; 64]))?;
        Some(from.ip())
    }
}
