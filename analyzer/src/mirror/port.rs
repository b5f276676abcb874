//! A mirror port: the sockets of all its queues, and the program that gives frames to them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::LinkMessage;
use tokio::sync::mpsc;

use super::error::MirrorError;
use super::queue::{Closing, Queue, Shared, Taken};
use super::recording::{Copied, Copying};
use super::socket::Shape;
use crate::bpf::attach::{Attachment, Mode, Nic, XdpMode};
use crate::bpf::programs::Programs;
use crate::bpf::redirect::Redirect;
use crate::bpf::rtnl::{self, u32_at, u64_at};
use crate::recorder;

/// `struct ifinfomsg`.
const IFINFOMSG_LEN: usize = 16;
const IFLA_MTU: u16 = 4;
const IFLA_STATS64: u16 = 23;
const IFLA_NUM_RX_QUEUES: u16 = 32;
/// Numbers of `struct rtnl_link_stats64` that count frames for which the NIC had no room: `rx_over_errors`,
/// `rx_fifo_errors` and `rx_missed_errors`.
const MISSED: [usize; 3] = [11, 14, 15];
const ETHERNET_MTU: u32 = 1500;

/// How mirror ports are read.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How the XDP program runs.
    pub how: XdpMode,
    /// Frames that the ring of each queue holds; a power of two.
    pub ring: u32,
    shared: Shared,
}

/// A mirror port that is read. Dropping it ends that: frames that are in its rings are counted yet, and handed over.
#[derive(Debug)]
pub struct Port {
    // Detached first, so that no frame comes to a socket that nobody reads.
    attachment: Attachment,
    redirect: Redirect,
    queues: Vec<Queue>,
    /// Frames that the NIC had had no room for when it was first read.
    missed_before: u64,
    missed: AtomicU64,
}

/// What the kernel tells of a NIC.
struct Told {
    mtu: u32,
    queues: u32,
    missed: u64,
}

impl Settings {
    /// Settings, and where what is counted comes out. A batch holds at most `max_flows` flows.
    pub fn new(how: XdpMode, ring: u32, max_flows: usize, batches: mpsc::Sender<Taken>) -> Self {
        let shared = Shared { generation: Arc::new(AtomicU16::new(0)), batches, max_flows, copying: None };
        Self { how, ring, shared }
    }

    /// Has frames copied, to be recorded as `settings` say.
    #[must_use]
    pub fn copying(mut self, copied: Copied, settings: recorder::Settings) -> Self {
        self.shared.copying = Some(Copying::new(copied, settings));
        self
    }

    /// Frames are counted in this generation of the set from here on; 0 where none is loaded.
    pub fn enter(&self, generation: u16) {
        self.shared.generation.store(generation, Ordering::Release);
    }
}

impl Port {
    /// Reads a NIC from here on.
    ///
    /// # Errors
    /// Its frames cannot be taken; none are.
    pub fn open(nic: &Nic, programs: &Programs, settings: &Settings) -> Result<Self, MirrorError> {
        let unknown = |error| MirrorError::Unknown { nic: nic.name.clone(), error };
        let told = Told::of(nic.ifindex).map_err(unknown)?;
        let shape = Shape::new(settings.ring, told.mtu);
        let mut redirect = Redirect::load(told.queues, shape.is_split)?;
        // Before a socket is bound, which has a driver lay out its queues anew.
        let mut attachment = redirect.approach(nic, programs)?;
        let mut opened = Vec::new();
        for queue in 0..told.queues {
            match Queue::open(nic.ifindex, queue, shape) {
                Ok(socket) => opened.push(socket),
                // The driver could have more queues than it has.
                Err((_, error)) if queue > 0 && error.raw_os_error() == Some(libc::EINVAL) => break,
                Err((what, error)) => {
                    return Err(MirrorError::Socket { nic: nic.name.clone(), queue, what, error });
                }
            }
        }
        let is_zero_copy = opened.iter().all(|(queue, _)| queue.is_zero_copy());
        let mode = match settings.how {
            XdpMode::Generic => Mode::AfxdpGeneric,
            XdpMode::Native if is_zero_copy => Mode::AfxdpZeroCopy,
            XdpMode::Native => Mode::AfxdpCopy,
        };
        let mut queues = Vec::new();
        for (number, (mut queue, reader)) in (0..).zip(opened) {
            redirect.set(number, &queue)?;
            let started = queue.start(reader, nic, settings.shared.clone());
            started.map_err(|error| MirrorError::Thread { nic: nic.name.clone(), queue: number, error })?;
            queues.push(queue);
        }
        // Last: from here on frames come.
        let is_native = settings.how == XdpMode::Native;
        let attached = redirect.attach(&mut attachment, settings.how, mode);
        attached.map_err(|error| MirrorError::Attach { error, is_native })?;
        Ok(Self { attachment, redirect, queues, missed_before: told.missed, missed: AtomicU64::new(0) })
    }

    /// What is attached to it.
    pub fn attachment(&self) -> &Attachment {
        &self.attachment
    }

    /// Tells later whether its sockets are closed, once it is dropped.
    pub fn closing(&self) -> Closing {
        Closing(self.queues.iter().map(Queue::is_closed).collect())
    }

    /// Frames of queues without a socket, which went on to the stack; 0 where they cannot be read.
    pub fn passed(&self) -> u64 {
        self.redirect.passed().map_or(0, |count| count.packets)
    }

    /// Frames that the NIC has had no room for since it is read, as far as it told.
    pub fn missed(&self) -> u64 {
        let told = Told::of(self.attachment.nic().ifindex);
        let now = told.map_or(0, |told| told.missed.saturating_sub(self.missed_before));
        // A NIC that is gone tells nothing, and has missed what it has.
        self.missed.fetch_max(now, Ordering::Relaxed).max(now)
    }
}

impl Told {
    fn of(ifindex: u32) -> io::Result<Self> {
        let mut request = LinkMessage::default();
        request.header.index = ifindex;
        let answers = rtnl::request(RouteNetlinkMessage::GetLink(request), 0)?;
        let mut told = Self { mtu: ETHERNET_MTU, queues: 1, missed: 0 };
        for (kind, value) in answers.iter().flat_map(|answer| answer.attributes(IFINFOMSG_LEN)) {
            if kind == IFLA_STATS64 {
                told.missed = MISSED.iter().filter_map(|&index| u64_at(value, index * 8)).sum();
            }
            match (kind, u32_at(value, 0)) {
                (IFLA_MTU, Some(mtu)) => told.mtu = mtu,
                (IFLA_NUM_RX_QUEUES, Some(queues)) => told.queues = queues,
                _ => {}
            }
        }
        Ok(told)
    }
}
