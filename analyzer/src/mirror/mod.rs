//! Frames of mirror ports, taken by AF_XDP sockets and counted one by one.
//!
//! An XDP program gives each frame to the socket of its receive queue (af_xdp.rst of the kernel's documentation). A thread
//! a queue takes the frames out of the socket's ring, counts them by the counter of `replay`, and hands over what it has
//! counted batch by batch. Frames that were taken go no further: only a port that nobody else uses may be read so, and
//! whoever opens it sees to that.

mod error;
mod port;
mod queue;
mod recording;
mod socket;

pub use self::error::MirrorError;
pub use self::port::{Port, Settings};
pub use self::queue::{Closing, Losses, Taken};
pub use self::recording::{Copied, FirstFrames};
