//! TCP: the kernels of both namespaces send what they see fit.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use analyzer::types::Tuple;
use analyzer::types::tuple::proto;
use rustix::net::sockopt::set_socket_linger;

use super::{Flow, PATIENCE, PAYLOAD};
use crate::node::Node;
use crate::patience::patience;

/// A connection that the client has opened.
pub(crate) struct Connection {
    /// `None` once it is reset.
    pod: Option<TcpStream>,
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
            end.set_nodelay(true).expect("it is TCP");
        }
        let tuple =
            Tuple { src: at.ip(), dst: peer.ip(), nw_proto: proto::TCP, tp_src: at.port(), tp_dst: peer.port() };
        Self { pod: Some(pod), client, tuple }
    }

    fn pod(&mut self) -> &mut TcpStream {
        self.pod.as_mut().expect("it was not reset")
    }

    /// The client sends, and the pod gets it.
    pub(crate) fn request(&mut self) {
        self.client.write_all(PAYLOAD).expect("it is open");
        self.pod().read_exact(&mut [0; PAYLOAD.len()]).expect("it arrives");
    }

    /// The pod sends, and sends again for as long as nobody confirms it.
    pub(crate) fn answer(&mut self) {
        self.pod().write_all(PAYLOAD).expect("it is open");
    }

    /// The client gets what the pod sent.
    pub(crate) fn arrives(&mut self) {
        self.client.read_exact(&mut [0; PAYLOAD.len()]).expect("it arrives");
    }

    /// The pod gives the connection up: it sends a reset, and then nothing any more.
    pub(crate) fn reset(&mut self) {
        let pod = self.pod.take().expect("it was not reset");
        set_socket_linger(&pod, Some(Duration::ZERO)).expect("it is a socket");
    }
}

impl Flow for Connection {
    fn tuple(&self) -> Tuple {
        self.tuple
    }
}
