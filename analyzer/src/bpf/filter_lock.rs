//! Whose filter it is: each process holds a lock for each filter of its own.
//!
//! A filter stays when its process dies, and the kernel does not tell whose it was. The lock is an abstract Unix socket
//! (unix(7)) that is named after the filter's place. It is bound in the network namespace that the NIC is in, which is
//! just where the filter is, and it goes with the process, however that ends. A file under /run would do neither: two
//! containers with the host's network see two folders there, and each would take the other's filters for left behind.
//!
//! Any user of the namespace can bind such a name. That makes us leave a filter that nobody uses, or choose another
//! place for ours; nothing is removed by it.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The place of a filter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct FilterPlace {
    pub(super) ifindex: u32,
    /// Handle of the parent: the side of clsact.
    pub(super) parent: u32,
    pub(super) handle: u32,
    pub(super) priority: u16,
}

/// The lock of a filter, held as long as this lives.
#[derive(Debug)]
pub(super) struct FilterLock {
    _socket: UnixDatagram,
}

impl FilterLock {
    /// Takes the lock, in the network namespace of the calling thread. `None` where a process has it.
    ///
    /// # Errors
    /// It cannot be told.
    pub(super) fn take(place: FilterPlace) -> io::Result<Option<Self>> {
        let FilterPlace { ifindex, parent, handle, priority } = place;
        let name = format!("analyzer/tc/{ifindex}/{parent:x}/{handle:x}/{priority}");
        match UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(name)?) {
            Ok(socket) => Ok(Some(Self { _socket: socket })),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_one_lock() {
        let place = FilterPlace { ifindex: u32::MAX, parent: 1, handle: std::process::id(), priority: 1 };
        let lock = FilterLock::take(place).unwrap().expect("it is free");
        assert!(FilterLock::take(place).unwrap().is_none());
        assert!(FilterLock::take(FilterPlace { priority: 2, ..place }).unwrap().is_some());
        drop(lock);
        assert!(FilterLock::take(place).unwrap().is_some());
    }
}
