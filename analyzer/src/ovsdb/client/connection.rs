//! Streams to servers, and how connections fail.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self};

use super::remote::Remote;
use super::tls::TlsFiles;
use super::{SessionError, WAY_OUT};
use crate::jsonrpc::FramingError;
use crate::net::HostPort;
use crate::net::tls::TlsError;

/// Why there is no connection, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The server cannot be reached.
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    /// Connecting takes too long.
    #[error("cannot connect: no answer within {} s", .0.as_secs_f64())]
    ConnectTimeout(Duration),
    /// An `ssl:` remote needs files that are not configured.
    #[error("a remote of the kind ssl: needs a private key, a certificate and the certificate of an authority")]
    NoTlsFiles,
    /// The files cannot be used.
    #[error(transparent)]
    TlsFiles(#[from] TlsError),
    /// One side does not trust the other, or the server speaks no TLS.
    #[error("TLS: {explanation}")]
    Tls {
        /// What is wrong, and which file has to do with it.
        explanation: String,
    },
    /// The connection broke.
    #[error("the connection broke after {received} bytes: {source}")]
    Broken {
        /// Bytes received until then.
        received: u64,
        /// How.
        source: io::Error,
    },
    /// The server closed the connection.
    #[error("the server closed the connection after {received} bytes{}", if *.in_message { ", in mid-message" } else { "" })]
    Closed {
        /// Bytes received until then.
        received: u64,
        /// Whether a message was cut.
        in_message: bool,
    },
    /// The server sends nothing and does not answer `echo`.
    #[error("silence for {} s after {received} bytes, and no answer to `echo`", silence.as_secs_f64())]
    Silent {
        /// Bytes received until then.
        received: u64,
        /// How long.
        silence: Duration,
    },
    /// The server lives but leaves a request without reply.
    #[error("no reply to `{method}` within {} s", timeout.as_secs_f64())]
    NoReply {
        /// The request.
        method: &'static str,
        /// How long.
        timeout: Duration,
    },
    /// The server does not read what is sent to it.
    #[error("the server takes no bytes for {} s", .0.as_secs_f64())]
    Blocked(Duration),
    /// Bytes that are no JSON-RPC.
    #[error(transparent)]
    Framing(#[from] FramingError),
    /// A message that is larger than we take.
    #[error(
        "a message of more than {limit} bytes{}; {WAY_OUT}",
        .largest.as_ref().map_or(String::new(), |(table, rows)| format!(", {rows} rows of {table} in it so far"))
    )]
    TooLarge {
        /// Bytes that a message may have.
        limit: usize,
        /// The table of which it has most rows, and how many have arrived.
        largest: Option<(String, usize)>,
    },
    /// A message that ends the session.
    #[error("at byte {offset}: {source}")]
    Session {
        /// Offset of the message in the bytes received.
        offset: u64,
        /// What it is.
        source: SessionError,
    },
}

impl ConnectionError {
    /// Whether the server told more than we take, as it will again.
    pub fn is_too_much(&self) -> bool {
        matches!(self, Self::TooLarge { .. } | Self::Session { source: SessionError::TooMuch { .. }, .. })
    }
}

/// A stream of any kind.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Connects to a server.
pub(super) async fn connect(
    remote: &Remote,
    tls: Option<&TlsFiles>,
    timeout: Duration,
) -> Result<Box<dyn Stream>, ConnectionError> {
    let connect = async {
        Ok::<Box<dyn Stream>, ConnectionError>(match remote {
            Remote::Unix(path) => Box::new(UnixStream::connect(path).await.map_err(ConnectionError::Connect)?),
            Remote::Tcp(address) => Box::new(connect_tcp(address).await?),
            Remote::Ssl(address) => {
                let files = tls.ok_or(ConnectionError::NoTlsFiles)?;
                let connector = TlsConnector::from(files.load()?);
                let name = ServerName::try_from(address.host.clone()).map_err(|_| ConnectionError::Tls {
                    explanation: format!("`{}` is no host name that TLS knows", address.host),
                })?;
                let stream = connector.connect(name, connect_tcp(address).await?).await;
                Box::new(stream.map_err(|error| of_tls(&error, files).unwrap_or(ConnectionError::Connect(error)))?)
            }
        })
    };
    tokio::time::timeout(timeout, connect).await.map_err(|_| ConnectionError::ConnectTimeout(timeout))?
}

async fn connect_tcp(address: &HostPort) -> Result<TcpStream, ConnectionError> {
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await.map_err(ConnectionError::Connect)?;
    // Requests are small and wait for each other's replies.
    stream.set_nodelay(true).map_err(ConnectionError::Connect)?;
    Ok(stream)
}

/// The error of a stream where it is one of TLS.
pub(super) fn of_tls(error: &io::Error, files: &TlsFiles) -> Option<ConnectionError> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(ConnectionError::Tls { explanation: files.explain(error) })
}
