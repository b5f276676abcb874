//! The program that gives frames of a mirror port to AF_XDP sockets.

use std::fmt;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use analyzer_ebpf::maps::PacketCount;
use analyzer_ebpf::sockets::{name, program};
use aya::Ebpf;
use aya::maps::{MapData, MapError, XskMap};

use super::attach::{Attachment, Mode, Nic, XdpMode};
use super::error::BpfError;
use super::programs::{self, Programs, take_as};
use super::readings::PerCpu;

/// The compiled program.
static OBJECT: &[u8] = aya::include_bytes_aligned!("../../ebpf/redirect.bpf.o");

/// The program, loaded for one NIC.
pub struct Redirect {
    object: Ebpf,
    sockets: XskMap<MapData>,
    passed: PerCpu,
    program: &'static str,
}

impl fmt::Debug for Redirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.program)
    }
}

impl Redirect {
    /// Loads it for a NIC with so many receive queues. `is_split` tells whether frames may lie in several buffers, which
    /// takes Linux 5.18.
    ///
    /// # Errors
    /// As [`programs::load`].
    pub fn load(queues: u32, is_split: bool) -> Result<Self, BpfError> {
        let mut object = programs::make(OBJECT, |loader| {
            loader.map_max_entries(name::SOCKETS, queues.max(1));
        })?;
        let sockets = take_as(&mut object, name::SOCKETS)?;
        let passed = PerCpu::new(&mut object, name::PASSED)?;
        let program = if is_split { program::REDIRECT_FRAGS } else { program::REDIRECT };
        programs::load_xdp(&mut object, program)?;
        Ok(Self { object, sockets, passed, program })
    }

    /// Gives the frames of a queue to a socket that is bound to it.
    ///
    /// # Errors
    /// When the map cannot be written.
    pub fn set(&mut self, queue: u32, socket: &impl AsRawFd) -> Result<(), BpfError> {
        self.sockets.set(queue, socket.as_raw_fd(), 0).map_err(|error| match error {
            MapError::SyscallError(error) => BpfError::map(name::SOCKETS, "update", error.io_error),
            other => BpfError::map(name::SOCKETS, "update", std::io::Error::other(other)),
        })
    }

    /// Goes to a NIC that no other program is at; what is attached to it comes later.
    ///
    /// # Errors
    /// Another program is there, and stays.
    pub fn approach(&self, nic: &Nic, programs: &Programs) -> Result<Attachment, BpfError> {
        let attachment = Attachment::new(nic, Arc::clone(programs.nics()))?;
        attachment.need_xdp_slot()?;
        Ok(attachment)
    }

    /// Attaches it to the NIC. It never takes the place of another program.
    ///
    /// # Errors
    /// As [`Programs::attach`].
    pub fn attach(&mut self, attachment: &mut Attachment, how: XdpMode, mode: Mode) -> Result<(), BpfError> {
        attachment.add_xdp(programs::load_xdp(&mut self.object, self.program)?, how, mode)
    }

    /// Frames of queues without a socket, which went on to the stack.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn passed(&self) -> Result<PacketCount, BpfError> {
        self.passed.sum(0)
    }
}
