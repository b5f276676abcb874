//! journald's native protocol: a datagram, or a sealed file in one (systemd.io/JOURNAL_NATIVE_PROTOCOL).

use std::fs::File;
use std::io::{self, IoSlice, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use tokio::io::Interest;
use tokio::net::UnixDatagram;

use super::{LinkError, datagram};

/// journald's socket.
pub(in crate::sinks) struct Journal(UnixDatagram);

impl Journal {
    pub(super) fn connect(path: &Path) -> Result<Self, LinkError> {
        let socket = UnixDatagram::unbound().map_err(LinkError::Connect)?;
        socket.connect(path).map_err(LinkError::Connect)?;
        Ok(Self(socket))
    }

    pub(super) async fn write(&mut self, message: &[u8], stall_timeout: Duration) -> Result<(), LinkError> {
        match datagram(message.len(), stall_timeout, || self.0.send(message)).await {
            Err(LinkError::TooLong(_)) => self.write_as_file(message, stall_timeout).await,
            result => result,
        }
    }

    /// journald takes a file only if nobody can change it any more.
    async fn write_as_file(&self, message: &[u8], stall_timeout: Duration) -> Result<(), LinkError> {
        let file = sealed(message).map_err(LinkError::Broken)?;
        let send = || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            let files = [file.as_fd()];
            if !control.push(SendAncillaryMessage::ScmRights(&files)) {
                return Err(io::Error::other("no room for a file descriptor"));
            }
            Ok(sendmsg(&self.0, &[IoSlice::new(&[])], &mut control, SendFlags::NOSIGNAL)?)
        };
        datagram(message.len(), stall_timeout, || self.0.async_io(Interest::WRITABLE, send)).await
    }
}

fn sealed(message: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create("analyzer-message", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
    file.write_all(message)?;
    fcntl_add_seals(&file, SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE)?;
    Ok(file)
}
