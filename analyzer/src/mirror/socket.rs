//! The AF_XDP socket of one receive queue: a ring of frames, and the memory that they lie in.
#![expect(
    unsafe_code,
    reason = "frames lie in memory that the kernel writes to; what of it is ours is told by the rings"
)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::bind;
use rustix::net::sockopt::{xdp_options, xdp_statistics};
use rustix::net::xdp::{SocketAddrXdp, SocketAddrXdpFlags, XdpOptionsFlags};
use xdp::error::Error as ConfigError;
use xdp::slab::{HeapSlab, Slab};
use xdp::socket::{SocketError, XdpSocketBuilder};
use xdp::umem::{FrameSize, Umem, UmemCfgBuilder};
use xdp::{Packet, RingConfigBuilder, Rings};

use super::error::step;
use super::queue::Losses;

/// Frames that are taken out of the ring at a time.
const BURST: usize = 256;
/// Entries of the ring of sent frames, which the kernel wants and we never use.
const COMPLETION: u32 = 2;

/// What the kernel keeps of a chunk for itself (`XDP_PACKET_HEADROOM`).
const HEADROOM: u32 = 256;
/// What a frame has beyond the MTU: Ethernet header and two VLAN tags.
const LINK_HEADER: u32 = 22;

/// How a socket is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Frames that the ring holds; a power of two.
    pub(super) ring: u32,
    /// Whether frames may not fit into a page, and lie in several buffers then.
    pub(super) is_split: bool,
    /// Whether a buffer of half a page is enough for a frame.
    is_small: bool,
}

impl Shape {
    /// For frames of a NIC with this MTU.
    pub(super) fn new(ring: u32, mtu: u32) -> Self {
        let longest = mtu.saturating_add(LINK_HEADER + HEADROOM);
        Self { ring, is_split: longest > 4096, is_small: longest <= 2048 }
    }
}

/// A frame: its first bytes, which hold all headers, and its length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received<'a> {
    pub(super) data: &'a [u8],
    pub(super) len: u32,
}

/// A socket that frames are taken from.
pub(super) struct Socket {
    // The rings first, then the socket, and last the memory that the kernel writes to for it.
    rings: Rings,
    socket: XdpSocketBuilder,
    umem: Umem,
    taken: HeapSlab,
    /// The first buffer of a frame of which more is to come, and the length up to here.
    begun: Option<(Packet, u32)>,
    is_zero_copy: bool,
}

// SAFETY: The rings and the memory are mappings of this process that only this value reaches, and packets point into that
// memory. Nothing of it belongs to a thread.
unsafe impl Send for Socket {}

impl Socket {
    /// Opens a socket for a receive queue of a NIC.
    ///
    /// # Errors
    /// What was tried, and what the kernel said.
    pub(super) fn open(ifindex: u32, queue: u32, shape: Shape) -> Result<Self, (&'static str, io::Error)> {
        let mut socket = XdpSocketBuilder::new().map_err(|error| (step::SOCKET, reason(error)))?;
        let frame_size = if shape.is_small { FrameSize::TwoK } else { FrameSize::FourK };
        let config = UmemCfgBuilder { frame_size, frame_count: shape.ring, ..UmemCfgBuilder::default() };
        let config = config.build().map_err(|error| (step::MEMORY, refused(&error)))?;
        let mut umem = Umem::map(config).map_err(|error| (step::MEMORY, error))?;
        let rings = RingConfigBuilder {
            rx_count: shape.ring,
            tx_count: 0,
            fill_count: shape.ring,
            completion_count: COMPLETION,
        };
        let rings = rings.build().map_err(|error| (step::RINGS, refused(&error)))?;
        let (mut rings, _) = socket.build_rings(&umem, rings).map_err(|error| (step::RINGS, reason(error)))?;
        // SAFETY: The memory outlives the socket.
        unsafe { rings.fill_ring.enqueue(&mut umem, shape.ring as usize) };
        // Without a demand for either, the kernel has the driver write to our memory where it can, and copies else.
        let mut flags = SocketAddrXdpFlags::empty();
        flags.set(SocketAddrXdpFlags::XDP_USE_SG, shape.is_split);
        let bound = bind(fd(&socket), &SocketAddrXdp::new(flags, ifindex, queue));
        let what = if shape.is_split { step::BIND_SPLIT } else { step::BIND };
        bound.map_err(|errno| (what, errno.into()))?;
        let is_zero_copy = xdp_options(fd(&socket)).is_ok_and(|it| it.contains(XdpOptionsFlags::XDP_OPTIONS_ZEROCOPY));
        Ok(Self { rings, umem, taken: HeapSlab::with_capacity(BURST), begun: None, socket, is_zero_copy })
    }

    /// Whether the driver writes frames to our memory by itself.
    pub(super) fn is_zero_copy(&self) -> bool {
        self.is_zero_copy
    }

    /// Waits for frames. Of a NIC that is gone none come.
    ///
    /// # Errors
    /// The kernel does not wait.
    pub(super) fn wait(&self, timeout: Duration) -> io::Result<()> {
        let timeout = Timespec::try_from(timeout).map_err(io::Error::other)?;
        let socket = fd(&self.socket);
        match poll(&mut [PollFd::new(&socket, PollFlags::IN)], Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Takes some of the frames that are there. Returns how many buffers they lay in: 0 where none is there.
    #[inline]
    pub(super) fn receive(&mut self, mut each: impl FnMut(Received<'_>)) -> usize {
        let Some(ring) = &mut self.rings.rx_ring else { return 0 };
        // SAFETY: The packets point into the memory, are read below, and are given back before this function ends or kept
        // beside the memory.
        let buffers = unsafe { ring.recv(&self.umem, &mut self.taken) };
        while let Some(packet) = self.taken.pop_back() {
            let len = u32::try_from(packet.len()).unwrap_or(u32::MAX);
            let is_continued = packet.is_continued();
            match self.begun.take() {
                None if is_continued => {
                    self.begun = Some((packet, len));
                    continue;
                }
                None => each(Received { data: &packet, len }),
                Some((first, before)) => {
                    let len = before.saturating_add(len);
                    if is_continued {
                        self.begun = Some((first, len));
                    } else {
                        each(Received { data: &first, len });
                        self.umem.free_packet(first);
                    }
                }
            }
            self.umem.free_packet(packet);
        }
        // All that is free: the last burst may have kept a buffer, and the kernel tells late that it took some, so that there was
        // no room for all.
        let free = self.umem.allocatable();
        // SAFETY: As above; what is enqueued is free.
        unsafe { self.rings.fill_ring.enqueue(&mut self.umem, free) };
        buffers
    }

    /// Frames that the kernel did not hand over (`struct xdp_statistics`).
    pub(super) fn losses(&self) -> Losses {
        let Ok(told) = xdp_statistics(fd(&self.socket)) else { return Losses::default() };
        Losses {
            dropped: told.rx_dropped,
            ring_full: told.rx_ring_full.unwrap_or(0),
            fill_empty: told.rx_fill_ring_empty_descs.unwrap_or(0),
        }
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

fn fd(socket: &XdpSocketBuilder) -> BorrowedFd<'_> {
    // SAFETY: The descriptor is the socket's, which lives as long as it is borrowed.
    unsafe { BorrowedFd::borrow_raw(socket.as_raw_fd()) }
}

fn reason(error: SocketError) -> io::Error {
    match error {
        SocketError::SocketCreation(error) | SocketError::Bind(error) => error,
        SocketError::SetSockOpt { inner, .. }
        | SocketError::GetSockOpt { inner, .. }
        | SocketError::RingMap { inner, .. } => inner,
    }
}

fn refused(error: &ConfigError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error.to_string())
}
