//! What all clients of servers share: where a server listens, when it is tried again, and TLS.

pub mod backoff;
pub mod host_port;
pub mod tls;

pub use backoff::Backoff;
pub use host_port::HostPort;
