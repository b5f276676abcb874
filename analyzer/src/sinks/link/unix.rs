//! Sockets in the file system.

use std::path::Path;

use rustix::io::Errno;
use tokio::net::{UnixDatagram, UnixStream};

use super::{Framed, Framing, Link, LinkError};

/// Connects to a socket of datagrams, as rsyslog and journald have, or else of a stream, as syslog-ng may have. syslog(3)
/// does the same.
pub(super) async fn connect(path: &Path) -> Result<Link, LinkError> {
    let socket = UnixDatagram::unbound().map_err(LinkError::Connect)?;
    match socket.connect(path) {
        Ok(()) => Ok(Link::Unix(socket)),
        Err(error) if error.raw_os_error() == Some(Errno::PROTOTYPE.raw_os_error()) => {
            let stream = UnixStream::connect(path).await.map_err(LinkError::Connect)?;
            Ok(Framed::new(Box::new(stream), Framing::Terminated, None).into())
        }
        Err(error) => Err(LinkError::Connect(error)),
    }
}
