//! The rtnetlink socket.

use std::future::poll_fn;
use std::io;

use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{AsyncSocket, SocketAddr, TokioSocket};
use rustix::io::Errno;
use rustix::net::sockopt;

use super::rtnetlink::{Dump, Group};

/// Longest datagram that is read. Dumps come in pieces of at most 32 KiB (`netlink_dump`, net/netlink/af_netlink.c), and
/// a notification about one object is shorter.
const MAX_DATAGRAM: usize = 64 << 10;

/// A socket that gets notifications, and answers to dump requests in the same order in which the kernel made both.
pub(super) struct RouteSocket {
    socket: TokioSocket,
    /// Our port, which answers carry.
    pub(super) port: u32,
}

/// What a read gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Read {
    /// A datagram from the kernel.
    Datagram,
    /// One from another process, which nobody asked for.
    Foreign,
    /// The kernel dropped notifications for want of room.
    Overrun,
    /// There is nothing more.
    Nothing,
}

impl RouteSocket {
    /// Opens a socket with `receive_buffer` bytes of room in the kernel and subscribes to `groups`.
    pub(super) fn open(groups: &[Group], receive_buffer: usize) -> io::Result<Self> {
        let mut tokio_socket = TokioSocket::new(NETLINK_ROUTE)?;
        let socket = tokio_socket.socket_mut();
        // Beyond net.core.rmem_max only with CAP_NET_ADMIN; less room means more overruns, each of which is healed.
        if sockopt::set_socket_recv_buffer_size_force(&*socket, receive_buffer).is_err() {
            sockopt::set_socket_recv_buffer_size(&*socket, receive_buffer)?;
        }
        let port = socket.bind_auto()?.port_number();
        for &group in groups {
            match socket.add_membership(group as u32) {
                // Before Linux 5.3 there are no nexthop objects.
                Err(_) if group == Group::Nexthop => {}
                subscribed => subscribed?,
            }
        }
        Ok(Self { socket: tokio_socket, port })
    }

    /// Asks for a dump.
    pub(super) fn request(&self, dump: Dump, sequence: u32) -> io::Result<()> {
        self.send(&dump.request(sequence))
    }

    /// Sends a message to the kernel.
    pub(super) fn send(&self, message: &[u8]) -> io::Result<()> {
        self.socket.socket_ref().send_to(message, &SocketAddr::new(0, 0), 0).map(drop)
    }

    /// Waits for a datagram and reads it into `buffer`.
    pub(super) async fn receive(&self, buffer: &mut Vec<u8>) -> io::Result<Read> {
        clear(buffer);
        outcome(poll_fn(|context| self.socket.poll_recv_from(context, buffer)).await)
    }

    /// Reads a datagram into `buffer` if there is one.
    pub(super) fn try_receive(&self, buffer: &mut Vec<u8>) -> io::Result<Read> {
        clear(buffer);
        outcome(self.socket.socket_ref().recv_from(buffer, 0).map(|(_, from)| from))
    }
}

fn clear(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.reserve(MAX_DATAGRAM);
}

fn outcome(received: io::Result<SocketAddr>) -> io::Result<Read> {
    match received {
        Ok(from) if from.port_number() == 0 => Ok(Read::Datagram),
        Ok(_) => Ok(Read::Foreign),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Read::Nothing),
        Err(error) if error.raw_os_error() == Some(Errno::NOBUFS.raw_os_error()) => Ok(Read::Overrun),
        Err(error) => Err(error),
    }
}
