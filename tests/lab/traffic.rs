//! Flows between the pod and the client, packet by packet.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use analyzer::types::Tuple;
use analyzer::types::tuple::proto;

use crate::node::Node;
use crate::patience::patience;

/// How long a packet may be under way that has to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// What each packet carries.
const PAYLOAD: &[u8; 18] = b"eighteen bytes, ok";

/// A flow that the pod sends.
pub(crate) trait Flow {
    /// Its 5-tuple as it leaves by the NIC.
    fn tuple(&self) -> Tuple;
}

/// A UDP flow. Both ends are sockets in their namespaces.
pub(crate) struct Conversation {
    pod: UdpSocket,
    client: UdpSocket,
    pod_at: SocketAddr,
    client_at: SocketAddr,
    /// Packets that the pod has sent.
    pub(crate) sent: u64,
}

impl Conversation {
    /// A flow between these ports of the pod and of the client.
    pub(crate) fn new(node: &Node, pod_port: u16, client_port: u16) -> Self {
        Self::from(node, node.addresses().pod_ip(), pod_port, client_port)
    }

    /// The same from this address of the pod's.
    pub(crate) fn from(node: &Node, pod: IpAddr, pod_port: u16, client_port: u16) -> Self {
        let pod_at = SocketAddr::new(pod, pod_port);
        let client_at = SocketAddr::new(node.addresses().client_ip(), client_port);
        let bound = |at: SocketAddr| {
            let socket = UdpSocket::bind(at).unwrap_or_else(|error| panic!("{at}: {error}"));
            socket.set_read_timeout(Some(patience(PATIENCE))).expect("it is longer than nothing");
            socket
        };
        let pod = node.pod().inside(|| bound(pod_at));
        let client = node.client().inside(|| bound(client_at));
        Self { pod, client, pod_at, client_at, sent: 0 }
    }

    /// The client sends to the pod, and the pod gets it.
    pub(crate) fn request(&self) {
        self.client.send_to(PAYLOAD, self.pod_at).expect("the client has a route");
        let from = received(&self.pod).unwrap_or_else(|| panic!("nothing arrives at {}", self.pod_at));
        assert_eq!(from, self.client_at);
    }

    /// The pod sends to the client, wherever that leads.
    pub(crate) fn answer(&mut self) {
        self.pod.send_to(PAYLOAD, self.client_at).expect("the pod has a route");
        self.sent += 1;
    }

    /// The client gets what the pod sent.
    pub(crate) fn arrives(&self) {
        let from = received(&self.client).unwrap_or_else(|| panic!("nothing arrives at {}", self.client_at));
        assert_eq!(from, self.pod_at);
    }

    /// Takes what has arrived at the client by now.
    pub(crate) fn drain(&self) {
        self.client.set_nonblocking(true).expect("it is a socket");
        while received(&self.client).is_some() {}
        self.client.set_nonblocking(false).expect("it is a socket");
    }
}

impl Flow for Conversation {
    fn tuple(&self) -> Tuple {
        tuple(proto::UDP, self.pod_at, self.client_at)
    }
}

/// A TCP connection that the client has opened. The kernels of both ends send what they see fit.
pub(crate) struct Connection {
    pod: TcpStream,
    client: TcpStream,
    tuple: Tuple,
}

impl Connection {
    /// The client connects to this port of the pod.
    pub(crate) fn open(node: &Node, pod_port: u16) -> Self {
        let at = SocketAddr::new(node.addresses().pod_ip(), pod_port);
        let listener = node.pod().inside(|| TcpListener::bind(at).unwrap_or_else(|error| panic!("{at}: {error}")));
        let connected = node.client().inside(|| TcpStream::connect_timeout(&at, patience(PATIENCE)));
        let client = connected.unwrap_or_else(|error| panic!("{at}: {error}"));
        let (pod, peer) = listener.accept().expect("the client is connected");
        for end in [&pod, &client] {
            end.set_read_timeout(Some(patience(PATIENCE))).expect("it is longer than nothing");
        }
        Self { pod, client, tuple: tuple(proto::TCP, at, peer) }
    }

    /// The client sends to the pod, and the pod gets it.
    pub(crate) fn request(&mut self) {
        self.client.write_all(PAYLOAD).expect("it is open");
        self.pod.read_exact(&mut [0; PAYLOAD.len()]).expect("it arrives");
    }

    /// The pod sends, and again until the client has it.
    pub(crate) fn answer(&mut self) {
        self.pod.write_all(PAYLOAD).expect("it is open");
    }

    /// The client gets what the pod sent.
    pub(crate) fn arrives(&mut self) {
        self.client.read_exact(&mut [0; PAYLOAD.len()]).expect("it arrives");
    }
}

impl Flow for Connection {
    fn tuple(&self) -> Tuple {
        self.tuple
    }
}

fn tuple(nw_proto: u8, pod: SocketAddr, client: SocketAddr) -> Tuple {
    Tuple { src: pod.ip(), dst: client.ip(), nw_proto, tp_src: pod.port(), tp_dst: client.port() }
}

/// Who sent the packet that comes; nobody where none comes.
fn received(socket: &UdpSocket) -> Option<SocketAddr> {
    match socket.recv_from(&mut [0; 64]) {
        Ok((_, from)) => Some(from),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
        Err(error) => panic!("{error}"),
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
