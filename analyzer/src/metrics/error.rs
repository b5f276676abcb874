//! Why metrics cannot be served.

use std::io;
use std::net::SocketAddr;

use thiserror::Error;

/// Why metrics cannot be served.
#[derive(Error, Debug)]
pub enum MetricsError {
    /// An address cannot be listened at.
    #[error("cannot listen at {address} for metrics; {}", way_out(.source, .address))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The thread that serves cannot be made.
    #[error("cannot start the server of metrics")]
    Thread(#[source] io::Error),
}

fn way_out(error: &io::Error, address: &SocketAddr) -> String {
    let port = address.port();
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("name another port with --metrics; `ss -ltnp 'sport = :{port}'` tells who has this one")
        }
        io::ErrorKind::AddrNotAvailable => {
            format!("no interface has this address (`ip address` lists them); --metrics {port} listens on loopback")
        }
        io::ErrorKind::PermissionDenied => "ports below 1024 take CAP_NET_BIND_SERVICE; name a higher one".to_owned(),
        _ => "name another address with --metrics".to_owned(),
    }
}
