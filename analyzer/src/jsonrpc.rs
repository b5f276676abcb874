//! JSON-RPC 1.0 as OVSDB speaks it (RFC 7047 section 4), and as the control sockets of Open vSwitch daemons do
//! (ovs-appctl(8), `unixctl`).
//!
//! Nothing here does I/O: [`Framer`] finds the messages in the bytes of a connection, [`Message`] tells what one is, and
//! the functions below write one.

pub mod framing;
pub mod message;

pub use framing::{Frame, Framer, FramingError};
pub use message::{Message, MessageError, error_reply, reply, request};
