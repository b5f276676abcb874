//! Flows between the pod and the client, packet by packet.

mod icmp;
mod raw;
mod sctp;
mod tcp;
mod udp;

use std::net::IpAddr;
use std::time::Duration;

use analyzer::types::Tuple;

pub(crate) use self::tcp::Connection;
use crate::addresses::{BALANCER, parsed};
use crate::node::Node;
use crate::patience::patience;

/// How long a packet may be under way that has to arrive.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long an end waits at a time.
const TURN: Duration = Duration::from_secs(1);
/// What each packet carries.
const PAYLOAD: &[u8; 18] = b"eighteen bytes, ok";

/// A flow that the pod sends.
pub(crate) trait Flow {
    /// Its 5-tuple as it leaves by the NIC.
    fn tuple(&self) -> Tuple;
}

/// What is known of a flow by its tuple alone, as before translation.
impl Flow for Tuple {
    fn tuple(&self) -> Tuple {
        *self
    }
}

/// One end of a flow: a socket in its namespace.
trait End {
    /// Sends a packet to the other end.
    fn send(&self);

    /// Waits a [`TURN`] for a packet from the other end. Returns the address that it came from; `None` where none comes.
    fn receive(&self) -> Option<IpAddr>;
}

/// A flow of which each packet is sent by a test. Both ends are sockets in their namespaces.
pub(crate) struct Conversation {
    pod: Box<dyn End>,
    client: Box<dyn End>,
    tuple: Tuple,
    /// Packets that the pod has sent.
    pub(crate) sent: u64,
}

impl Conversation {
    /// A UDP flow between these ports of the pod and of the client.
    pub(crate) fn new(node: &Node, pod_port: u16, client_port: u16) -> Self {
        Self::from(node, node.addresses().pod_ip(), pod_port, client_port)
    }

    /// The same from this address of the pod's.
    pub(crate) fn from(node: &Node, pod: IpAddr, pod_port: u16, client_port: u16) -> Self {
        udp::conversation(node, pod, pod, pod_port, client_port)
    }

    /// The same, as it is where the pod's packets leave with the router's address.
    pub(crate) fn translated(node: &Node, pod_port: u16, client_port: u16) -> Self {
        let addresses = node.addresses();
        udp::conversation(node, addresses.pod_ip(), addresses.router_ip(), pod_port, client_port)
    }

    /// A UDP flow of the client's to a port of the [balancer](BALANCER), which hands it on to the pod.
    pub(crate) fn balanced(node: &Node, port: u16, client_port: u16) -> Self {
        udp::conversation(node, node.addresses().pod_ip(), parsed(BALANCER), port, client_port)
    }

    /// The client's echo requests with this identifier, and the pod's echo replies.
    pub(crate) fn icmp(node: &Node, id: u16) -> Self {
        icmp::conversation(node, id)
    }

    /// An SCTP association between these ports, opened by the client.
    pub(crate) fn sctp(node: &Node, pod_port: u16, client_port: u16) -> Self {
        sctp::conversation(node, pod_port, client_port)
    }

    fn between(pod: impl End + 'static, client: impl End + 'static, tuple: Tuple) -> Self {
        Self { pod: Box::new(pod), client: Box::new(client), tuple, sent: 0 }
    }

    /// The client sends to the pod, and the pod gets it. On a busy machine OVS drops the first packet of a flow now and
    /// then, so the client sends again.
    pub(crate) fn request(&self) {
        let from = (0..turns()).find_map(|_| {
            self.client.send();
            self.pod.receive()
        });
        let from = from.unwrap_or_else(|| panic!("nothing of {} arrives at the pod", self.tuple));
        assert_eq!(from, self.tuple.dst);
    }

    /// The pod sends to the client, wherever that leads.
    pub(crate) fn answer(&mut self) {
        self.pod.send();
        self.sent += 1;
    }

    /// Takes what has arrived at the client by now, and what comes within a [`TURN`] of it.
    pub(crate) fn drain(&self) {
        while self.client.receive().is_some() {}
    }

    /// The client gets what the pod sent.
    pub(crate) fn arrives(&self) {
        let from = (0..turns()).find_map(|_| self.client.receive());
        let from = from.unwrap_or_else(|| panic!("nothing of {} arrives at the client", self.tuple));
        assert_eq!(from, self.tuple.src);
    }
}

fn turns() -> u64 {
    patience(PATIENCE).as_secs() / TURN.as_secs()
}

impl Flow for Conversation {
    fn tuple(&self) -> Tuple {
        self.tuple
    }
}

/// The client opens flows, `times` packets each, and the pod answers each packet.
pub(crate) fn exchange(flows: &mut [Conversation], times: usize) {
    for _ in 0..times {
        for flow in &mut *flows {
            flow.request();
            flow.answer();
            flow.arrives();
        }
    }
}

/// The pod sends in each flow, `times` packets each.
pub(crate) fn push(flows: &mut [Conversation], times: usize) {
    for _ in 0..times {
        flows.iter_mut().for_each(Conversation::answer);
    }
}

/// How many packets the pod has sent in all.
pub(crate) fn sent(flows: &[Conversation]) -> u64 {
    flows.iter().map(|flow| flow.sent).sum()
}
