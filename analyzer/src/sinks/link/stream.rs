//! TCP, TLS, and local streams.

use std::io;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::ServerName;

use super::{LinkError, SETTLING};
use crate::net::HostPort;
use crate::sinks::config::{Delivery, TlsTrust};

/// Bytes that the kernel may hold for a receiver that does not acknowledge them.
const SEND_BUFFER: usize = 64 << 10;
/// After so much silence the kernel asks whether the receiver's machine is still there ...
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
/// ... this often ...
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// ... and so many times.
const KEEPALIVE_PROBES: u32 = 3;

/// How a message's end is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Framing {
    /// By its length in front (RFC 6587 section 3.4.1, RFC 5425 section 4.3).
    Counted,
    /// By a NUL behind it, as syslog(3) does.
    Terminated,
}

pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A stream of messages.
pub(in crate::sinks) struct Framed {
    stream: Box<dyn Stream>,
    framing: Framing,
    /// Where it is TLS.
    tls: Option<TlsTrust>,
}

impl Framed {
    pub(super) fn new(stream: Box<dyn Stream>, framing: Framing, tls: Option<TlsTrust>) -> Self {
        Self { stream, framing, tls }
    }

    pub(super) async fn tcp(address: &HostPort, delivery: &Delivery) -> Result<Self, LinkError> {
        Ok(Self::new(Box::new(connect(address, delivery).await?), Framing::Counted, None))
    }

    pub(super) async fn tls(address: &HostPort, delivery: &Delivery) -> Result<Self, LinkError> {
        let trust = delivery.tls.clone();
        let name = ServerName::try_from(address.host.clone())
            .map_err(|_| LinkError::Tls(format!("`{}` is no host name that TLS knows", address.host)))?;
        // Files are read anew for each connection, as certificates are renewed; disks can be slow.
        let reading = trust.clone();
        let config = spawn_blocking(move || reading.load()).await;
        let config = config.map_err(|error| LinkError::Connect(io::Error::other(error)))??;
        let tcp = connect(address, delivery).await?;
        match TlsConnector::from(config).connect(name, tcp).await {
            Ok(stream) => Ok(Self::new(Box::new(stream), Framing::Counted, Some(trust))),
            Err(error) => Err(of_tls(&error, &trust).unwrap_or(LinkError::Connect(error))),
        }
    }

    pub(super) async fn write(&mut self, message: &[u8], stall_timeout: Duration) -> Result<(), LinkError> {
        let frame = match self.framing {
            Framing::Counted => [format!("{} ", message.len()).as_bytes(), message].concat(),
            Framing::Terminated => [message, &[0]].concat(),
        };
        let mut rest = &frame[..];
        while !rest.is_empty() {
            let written = timeout(stall_timeout, self.stream.write(rest)).await;
            match written.map_err(|_| LinkError::Blocked(stall_timeout))? {
                Ok(0) => return Err(LinkError::Closed),
                Ok(written) => rest = &rest[written..],
                Err(error) => return Err(self.reason(error).await),
            }
        }
        let flushed = timeout(stall_timeout, self.stream.flush()).await;
        match flushed.map_err(|_| LinkError::Blocked(stall_timeout))? {
            Ok(()) => Ok(()),
            Err(error) => Err(self.reason(error).await),
        }
    }

    /// Why writing failed: a receiver that ends TLS may have said why before.
    async fn reason(&mut self, error: io::Error) -> LinkError {
        match timeout(SETTLING, self.closed()).await {
            Ok(said @ LinkError::Tls(_)) => said,
            Ok(_) | Err(_) => self.broken(error),
        }
    }

    /// Waits until the receiver closes the stream. Receivers say nothing; what comes nevertheless is not looked at.
    pub(super) async fn closed(&mut self) -> LinkError {
        let mut ignored = [0; 256];
        loop {
            match self.stream.read(&mut ignored).await {
                Ok(0) => return LinkError::Closed,
                Ok(_) => {}
                Err(error) => return self.broken(error),
            }
        }
    }

    pub(super) async fn finish(&mut self, patience: Duration) -> Result<(), LinkError> {
        let farewell = async {
            self.stream.shutdown().await.map_err(|error| self.broken(error))?;
            match self.closed().await {
                LinkError::Closed => Ok(()),
                error => Err(error),
            }
        };
        // A receiver that keeps its end open is no reason to doubt it.
        timeout(patience, farewell).await.unwrap_or(Ok(()))
    }

    fn broken(&self, error: io::Error) -> LinkError {
        let tls = self.tls.as_ref().and_then(|trust| of_tls(&error, trust));
        // Many receivers end TLS without saying so.
        let is_end = error.kind() == io::ErrorKind::UnexpectedEof;
        tls.unwrap_or(if is_end { LinkError::Closed } else { LinkError::Broken(error) })
    }
}

async fn connect(address: &HostPort, delivery: &Delivery) -> Result<TcpStream, LinkError> {
    let resolve = |source| LinkError::Resolve { host: address.host.clone(), source };
    let addresses = tokio::net::lookup_host((address.host.as_str(), address.port)).await.map_err(resolve)?;
    let stream = TcpStream::connect(&addresses.collect::<Vec<_>>()[..]).await.map_err(LinkError::Connect)?;
    set_options(&stream, delivery.stall_timeout).map_err(|error| LinkError::Connect(error.into()))?;
    Ok(stream)
}

/// Makes the kernel notice a receiver's machine that is gone, whether or not something is on its way there.
fn set_options(stream: &TcpStream, stall_timeout: Duration) -> rustix::io::Result<()> {
    sockopt::set_tcp_nodelay(stream, true)?;
    sockopt::set_socket_send_buffer_size(stream, SEND_BUFFER)?;
    sockopt::set_tcp_user_timeout(stream, u32::try_from(stall_timeout.as_millis()).unwrap_or(u32::MAX))?;
    sockopt::set_tcp_keepidle(stream, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(stream, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(stream, KEEPALIVE_PROBES)?;
    sockopt::set_socket_keepalive(stream, true)
}

/// The error of a stream where it is one of TLS.
fn of_tls(error: &io::Error, trust: &TlsTrust) -> Option<LinkError> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(LinkError::Tls(trust.explain(error)))
}
