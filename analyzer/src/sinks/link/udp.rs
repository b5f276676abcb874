//! UDP (RFC 5426).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{UdpSocket, lookup_host};
use tokio::time::{sleep, timeout};

use super::{LinkError, datagram};
use crate::net::HostPort;

/// How long a refusal is waited for behind the first datagram after a failure.
const PROBE: Duration = Duration::from_secs(1);
/// Datagrams that are sent in a row; a burst of more would run over a receiver's buffer.
const BURST: u32 = 32;
/// The pause behind them.
const BETWEEN_BURSTS: Duration = Duration::from_millis(5);

/// A connected socket: what comes back from the network as unreachable becomes its error.
pub(in crate::sinks) struct Udp {
    socket: UdpSocket,
    /// Whether the next datagram is the first after a failure, and the rest waits for what comes of it.
    is_probing: bool,
    sent: u32,
}

impl Udp {
    pub(super) async fn connect(address: &HostPort, is_probing: bool) -> Result<Self, LinkError> {
        let resolve = |source| LinkError::Resolve { host: address.host.clone(), source };
        let mut failure = None;
        for address in lookup_host((address.host.as_str(), address.port)).await.map_err(resolve)? {
            let any = match address {
                SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
                SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
            };
            let socket = UdpSocket::bind(any).await.map_err(LinkError::Connect)?;
            match socket.connect(address).await {
                Ok(()) => return Ok(Self { socket, is_probing, sent: 0 }),
                Err(error) => failure = Some(error),
            }
        }
        let no_address = || std::io::Error::new(std::io::ErrorKind::AddrNotAvailable, "the name has no address");
        Err(LinkError::Connect(failure.unwrap_or_else(no_address)))
    }

    pub(super) fn is_probing(&self) -> bool {
        self.is_probing
    }

    pub(super) async fn write(&mut self, message: &[u8], stall_timeout: Duration) -> Result<(), LinkError> {
        if self.sent == BURST {
            sleep(BETWEEN_BURSTS).await;
            self.sent = 0;
        }
        datagram(message.len(), stall_timeout, || self.socket.send(message)).await?;
        self.sent += 1;
        if self.is_probing {
            if let Ok(error) = timeout(PROBE, self.refused()).await {
                return Err(error);
            }
            self.is_probing = false;
        }
        Ok(())
    }

    /// Waits until a datagram is refused. Receivers send none back; what comes nevertheless is not read.
    pub(super) async fn refused(&mut self) -> LinkError {
        let mut nothing = [0; 1];
        loop {
            if let Err(error) = self.socket.recv(&mut nothing).await {
                return LinkError::Broken(error);
            }
        }
    }
}
