//! Ends of flows whose packets a test writes itself, by raw IP sockets.

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType, bind, socket_with};

use super::{End, TURN};
use crate::netns::Netns;
use crate::received::unless_late;

/// Whether a message is meant.
type Filter = dyn Fn(&[u8]) -> bool;

/// A raw socket, what it sends and what it waits for.
pub(super) struct RawSocket {
    // A type for whatever sends and receives messages.
    socket: UdpSocket,
    peer: IpAddr,
    /// What it sends, one after the other; the last one again and again.
    messages: Vec<Vec<u8>>,
    sent: Cell<usize>,
    is_awaited: Box<Filter>,
}

impl RawSocket {
    /// A socket of the address `own`. It gets all packets of the protocol, of which `is_awaited` picks the peer's.
    pub(super) fn new(
        netns: &Netns,
        (own, peer): (IpAddr, IpAddr),
        protocol: Protocol,
        messages: Vec<Vec<u8>>,
        is_awaited: impl Fn(&[u8]) -> bool + 'static,
    ) -> Self {
        let family = if own.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = netns.inside(|| {
            let socket = socket_with(family, SocketType::RAW, SocketFlags::CLOEXEC, Some(protocol));
            let socket = socket.expect("root may open raw sockets");
            bind(&socket, &SocketAddr::new(own, 0)).unwrap_or_else(|error| panic!("{own}: {error}"));
            UdpSocket::from(socket)
        });
        socket.set_read_timeout(Some(TURN)).expect("it is longer than nothing");
        Self { socket, peer, messages, sent: Cell::new(0), is_awaited: Box::new(is_awaited) }
    }
}

impl End for RawSocket {
    fn send(&self) {
        let number = self.sent.replace(self.sent.get() + 1).min(self.messages.len() - 1);
        self.socket.send_to(&self.messages[number], (self.peer, 0)).expect("there is a route");
    }

    fn receive(&self) -> Option<IpAddr> {
        let mut buffer = [0; 256];
        loop {
            let (len, from) = unless_late(|| self.socket.recv_from(&mut buffer))?;
            // Of IPv4 the header comes too; its length is in words of 4 bytes.
            let header = if from.is_ipv4() { usize::from(buffer[0] & 0xf) * 4 } else { 0 };
            if (self.is_awaited)(&buffer[header..len]) {
                return Some(from.ip());
            }
        }
    }
}
