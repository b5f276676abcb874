//! Sockets that wait for a while.

use std::io::{self, ErrorKind};

/// What a socket with a read timeout receives; `None` where nothing comes in time.
///
/// A process that was stopped and goes on has its `recv` ended with EINTR, whether or not it handles signals (signal(7)).
pub(crate) fn unless_late<T>(mut receive: impl FnMut() -> io::Result<T>) -> Option<T> {
    loop {
        match receive() {
            Ok(received) => return Some(received),
            Err(error) => match error.kind() {
                ErrorKind::Interrupted => {}
                ErrorKind::WouldBlock | ErrorKind::TimedOut => return None,
                _ => panic!("{error}"),
            },
        }
    }
}
