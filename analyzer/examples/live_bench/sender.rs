//! A packet socket that sends by way of TC. With [`NON_LINEAR`] bytes a frame needs more than a page, and the kernel
//! then leaves only the Ethernet header in the linear part (`packet_alloc_skb`, net/packet/af_packet.c).

use std::fs;
use std::io::IoSlice;
use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use rustix::net::addr::{SocketAddrArg, SocketAddrLen, SocketAddrOpaque};
use rustix::net::{
    AddressFamily, MMsgHdr, SendAncillaryBuffer, SendFlags, SocketFlags, SocketType, bind, sendmmsg, socket_with,
};

use crate::traffic::Traffic;

/// Length of a frame that is sent in pieces; the NIC must have an MTU to match.
pub(crate) const NON_LINEAR: usize = 5000;
/// Frames of one system call.
pub(crate) const BATCH: usize = 64;

pub(crate) struct Sender {
    socket: OwnedFd,
    frames: Vec<u8>,
}

impl Sender {
    /// A sender by a NIC of this network namespace.
    pub(crate) fn new(nic: &str) -> Result<Self> {
        let protocol = None;
        let socket = socket_with(AddressFamily::PACKET, SocketType::RAW, SocketFlags::CLOEXEC, protocol)
            .context("packet sockets take root")?;
        bind(&socket, &LinkAddress::new(ifindex(nic)?)).with_context(|| format!("cannot send by {nic}"))?;
        Ok(Self { socket, frames: Vec::new() })
    }

    /// Sends a frame of each of the flows.
    pub(crate) fn send(&mut self, traffic: &Traffic, flows: &[u32]) -> Result<()> {
        for flows in flows.chunks(BATCH) {
            self.frames.resize(flows.len() * traffic.frame_len, 0);
            for (frame, &flow) in self.frames.chunks_exact_mut(traffic.frame_len).zip(flows) {
                traffic.write(flow, frame);
            }
            let frames: Vec<[IoSlice<'_>; 1]> =
                self.frames.chunks_exact(traffic.frame_len).map(|frame| [IoSlice::new(frame)]).collect();
            let mut ancillary: Vec<_> = frames.iter().map(|_| SendAncillaryBuffer::default()).collect();
            let mut messages: Vec<_> =
                frames.iter().zip(&mut ancillary).map(|(frame, ancillary)| MMsgHdr::new(frame, ancillary)).collect();
            let mut sent = 0;
            while sent < messages.len() {
                sent += sendmmsg(&self.socket, &mut messages[sent..], SendFlags::empty()).context("cannot send")?;
            }
        }
        Ok(())
    }
}

/// The number of a NIC.
pub(crate) fn ifindex(nic: &str) -> Result<u32> {
    let path = format!("/sys/class/net/{nic}/ifindex");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}: is there such a NIC?"))?;
    text.trim().parse().with_context(|| format!("{path} holds no number"))
}

/// `struct sockaddr_ll` (packet(7)) of a NIC, for all protocols.
#[repr(C)]
struct LinkAddress {
    family: u16,
    protocol: u16,
    ifindex: u32,
    rest: [u32; 3],
}

impl LinkAddress {
    /// With protocol 0 the socket receives nothing, which would cost time.
    fn new(ifindex: u32) -> Self {
        Self { family: AddressFamily::PACKET.as_raw(), protocol: 0, ifindex, rest: [0; 3] }
    }
}

#[expect(unsafe_code, reason = "rustix has no type for addresses of packet sockets")]
// SAFETY: the pointer is to a struct of the length that is told with it, and lives as long as the call.
unsafe impl SocketAddrArg for LinkAddress {
    unsafe fn with_sockaddr<R>(&self, f: impl FnOnce(*const SocketAddrOpaque, SocketAddrLen) -> R) -> R {
        f(std::ptr::from_ref(self).cast(), size_of::<Self>() as SocketAddrLen)
    }
}
