//! Connections to receivers.

mod journal;
mod stream;
mod udp;
mod unix;

use std::io;
use std::time::Duration;

use rustix::io::Errno;
use tokio::net::UnixDatagram;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use self::journal::Journal;
use self::stream::{Framed, Framing};
use self::udp::Udp;
use super::config::{Delivery, TrustError};
use super::queue::Retention;
use super::target::Place;

/// How long a stream is listened to before anything is written: a receiver that does not accept our certificate says so
/// only after the handshake (RFC 8446 section 4.4.2.4), and forwarders close connections for which they have no receiver.
const SETTLING: Duration = Duration::from_millis(250);
/// How long a receiver's end of the connection is waited for when all is written.
const FAREWELL: Duration = Duration::from_secs(2);
/// Pause where the kernel has no memory for a datagram.
const NO_BUFFERS: Duration = Duration::from_millis(50);

/// Why there is no connection, or no longer, or why a message cannot be sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    /// The host name has no address.
    #[error("cannot resolve {host}: {source}")]
    Resolve { host: String, source: io::Error },
    /// Nothing takes the connection.
    #[error("cannot connect: {}", explain_connect(.0))]
    Connect(io::Error),
    /// Nor does anything refuse it.
    #[error("cannot connect: no answer within {} s", .0.as_secs_f64())]
    ConnectTimeout(Duration),
    /// Our files for TLS.
    #[error(transparent)]
    TlsFiles(#[from] TrustError),
    /// One side does not trust the other, or the receiver speaks no TLS.
    #[error("TLS: {0}")]
    Tls(String),
    /// It broke.
    #[error("the connection broke: {0}")]
    Broken(io::Error),
    /// The receiver ended it.
    #[error("the receiver closed the connection")]
    Closed,
    /// The receiver does not read.
    #[error("the receiver takes nothing for {} s", .0.as_secs_f64())]
    Blocked(Duration),
    /// The kernel takes no datagram of this size.
    #[error("a message of {0} bytes is too long for a datagram: --syslog-max-bytes makes messages shorter")]
    TooLong(usize),
}

fn explain_connect(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such socket: no syslog daemon listens there".to_owned(),
        io::ErrorKind::ConnectionRefused => "connection refused: no syslog daemon listens there".to_owned(),
        _ => error.to_string(),
    }
}

/// A connection.
pub(super) enum Link {
    /// To a local socket of datagrams.
    Unix(UnixDatagram),
    Udp(Udp),
    /// TCP, TLS, or a local stream.
    Stream(Framed),
    Journal(Journal),
}

impl Link {
    /// Connects. `is_retry` says that the last connection to this place failed.
    pub(super) async fn connect(place: &Place, delivery: &Delivery, is_retry: bool) -> Result<Self, LinkError> {
        let connect = async {
            Ok::<Self, LinkError>(match place {
                Place::Unix(path) => unix::connect(path).await?,
                Place::Udp(address) => Self::Udp(Udp::connect(address, is_retry).await?),
                Place::Tcp(address) => Self::Stream(Framed::tcp(address, delivery).await?),
                Place::Tls(address) => Self::Stream(Framed::tls(address, delivery).await?),
                Place::Journald(path) => Self::Journal(Journal::connect(path)?),
            })
        };
        let patience = delivery.connect_timeout;
        let mut link = timeout(patience, connect).await.map_err(|_| LinkError::ConnectTimeout(patience))??;
        if let Self::Stream(stream) = &mut link
            && let Ok(error) = timeout(SETTLING, stream.closed()).await
        {
            return Err(error);
        }
        Ok(link)
    }

    /// Which messages to this place are sent again after a failure. A local daemon's socket of datagrams is the kernel's
    /// queue, which tells at once when nobody is behind it.
    pub(super) fn retention(place: &Place, delivery: &Delivery) -> Retention {
        match place {
            Place::Journald(_) => Retention::NONE,
            // Until a refusal has come back: it may tell of any of the last datagrams, as hosts limit how many they send.
            Place::Udp(_) => Retention { young: Duration::from_secs(5), count: 0, old: Duration::ZERO },
            Place::Unix(_) | Place::Tcp(_) | Place::Tls(_) => {
                Retention { young: 2 * delivery.stall_timeout, count: 64, old: Duration::from_secs(600) }
            }
        }
    }

    /// Whether the place is one where a number tells what came twice.
    pub(super) fn is_numbered(place: &Place) -> bool {
        matches!(place, Place::Udp(_) | Place::Tcp(_) | Place::Tls(_))
    }

    /// Whether somebody is known to be there before anything is written.
    pub(super) fn is_sure(&self) -> bool {
        match self {
            Self::Udp(udp) => !udp.is_probing(),
            Self::Unix(_) | Self::Stream(_) | Self::Journal(_) => true,
        }
    }

    /// Whether what was written is the receiver's for good: datagrams on a local socket lie in its own queue.
    pub(super) fn has_taken(&self) -> bool {
        matches!(self, Self::Unix(_) | Self::Journal(_))
    }

    /// Writes a message. After an error other than [`LinkError::TooLong`] the connection is of no further use.
    pub(super) async fn write(&mut self, message: &[u8], stall_timeout: Duration) -> Result<(), LinkError> {
        match self {
            Self::Stream(stream) => stream.write(message, stall_timeout).await,
            Self::Unix(socket) => datagram(message.len(), stall_timeout, || socket.send(message)).await,
            Self::Udp(udp) => udp.write(message, stall_timeout).await,
            Self::Journal(journal) => journal.write(message, stall_timeout).await,
        }
    }

    /// Waits until the receiver ends the connection, where that can be told before something is written.
    pub(super) async fn closed(&mut self) -> LinkError {
        match self {
            Self::Stream(stream) => stream.closed().await,
            Self::Udp(udp) => udp.refused().await,
            Self::Unix(_) | Self::Journal(_) => std::future::pending().await,
        }
    }

    /// Ends the connection, and waits until the receiver has ended it too: it then has read everything.
    pub(super) async fn finish(&mut self) -> Result<(), LinkError> {
        match self {
            Self::Stream(stream) => stream.finish(FAREWELL).await,
            Self::Udp(_) | Self::Unix(_) | Self::Journal(_) => Ok(()),
        }
    }
}

impl From<Framed> for Link {
    fn from(stream: Framed) -> Self {
        Self::Stream(stream)
    }
}

/// Sends a datagram of `len` bytes, waiting while the kernel has no room for it.
async fn datagram<F: Future<Output = io::Result<usize>>>(
    len: usize,
    stall_timeout: Duration,
    send: impl Fn() -> F,
) -> Result<(), LinkError> {
    let end = Instant::now() + stall_timeout;
    loop {
        let sent = timeout_at(end, send()).await.map_err(|_| LinkError::Blocked(stall_timeout))?;
        let Err(error) = sent else { return Ok(()) };
        match Errno::from_io_error(&error) {
            Some(Errno::MSGSIZE) => return Err(LinkError::TooLong(len)),
            Some(Errno::NOBUFS) if Instant::now() < end => sleep(NO_BUFFERS).await,
            _ => return Err(LinkError::Broken(error)),
        }
    }
}
