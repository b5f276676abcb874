//! The socket to netfilter.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::net::netlink::{NETFILTER, SocketAddrNetlink};
use rustix::net::sockopt::{self, Timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use super::{Error, wire};

/// How long an answer is waited for. The kernel answers while it takes the request, so this is never reached.
const ANSWER_WAIT: Duration = Duration::from_secs(2);

/// A socket for requests.
#[derive(Debug)]
pub(super) struct Socket {
    fd: OwnedFd,
    sequence: Cell<u32>,
}

impl Socket {
    /// Opens a socket that hears the kernel only.
    pub(super) fn open() -> Result<Self, Error> {
        let open = || {
            let fd = unbound(SocketFlags::CLOEXEC)?;
            rustix::net::bind(&fd, &SocketAddrNetlink::new(0, 0))?;
            // Connected, it takes nothing from other processes.
            rustix::net::connect(&fd, &SocketAddrNetlink::new(0, 0))?;
            sockopt::set_socket_timeout(&fd, Timeout::Recv, Some(ANSWER_WAIT))?;
            Ok(fd)
        };
        let fd = open().map_err(|source| Error::Open { source })?;
        Ok(Self { fd, sequence: Cell::new(0) })
    }

    /// A number that tells the next request's answer from others. Never 0, which events have.
    pub(super) fn next_sequence(&self) -> u32 {
        let next = self.sequence.get().checked_add(1).unwrap_or(1);
        self.sequence.set(next);
        next
    }

    pub(super) fn send(&self, request: &[u8]) -> io::Result<()> {
        let send = || rustix::net::send(&self.fd, request, SendFlags::empty());
        Ok(rustix::io::retry_on_intr(send).map(drop)?)
    }

    /// The next datagram. One that is longer than the buffer is an error, not a part.
    pub(super) fn receive<'a>(&self, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
        let len = receive(self.fd.as_fd(), buffer, RecvFlags::TRUNC)?;
        buffer.get(..len).ok_or_else(|| io::Error::other(format!("a message of {len} bytes came")))
    }
}

/// A socket that hears of changes, without waiting, in a receive buffer of about `buffer_bytes`.
pub(super) fn listen(buffer_bytes: usize) -> Result<OwnedFd, Error> {
    let open = || {
        let fd = unbound(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
        // Beyond net.core.rmem_max with CAP_NET_ADMIN in the first user namespace, else up to that.
        if sockopt::set_socket_recv_buffer_size_force(&fd, buffer_bytes).is_err() {
            sockopt::set_socket_recv_buffer_size(&fd, buffer_bytes)?;
        }
        Ok(fd)
    };
    let fd = open().map_err(|source| Error::Open { source })?;
    let join = || {
        rustix::net::bind(&fd, &SocketAddrNetlink::new(0, wire::GROUPS))?;
        rustix::net::connect(&fd, &SocketAddrNetlink::new(0, 0))
    };
    join().map_err(|errno| Error::new("listen to conntrack events", errno.into()))?;
    Ok(fd)
}

/// Reads a datagram, and gives its length, which may exceed the buffer's where `flags` hold `MSG_TRUNC`.
pub(super) fn receive(fd: BorrowedFd<'_>, buffer: &mut [u8], flags: RecvFlags) -> io::Result<usize> {
    let (_, len) = rustix::io::retry_on_intr(|| rustix::net::recv(fd, &mut *buffer, flags))?;
    Ok(len)
}

fn unbound(flags: SocketFlags) -> io::Result<OwnedFd> {
    Ok(rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(NETFILTER))?)
}
