//! The control sockets of the daemons of Open vSwitch and OVN (ovs-appctl(8), "unixctl").
//!
//! A daemon answers JSON-RPC (RFC 7047 section 4, with positional strings for parameters) on a unix socket in its run
//! directory, named after itself and its process id (`lib/unixctl.c`). It does so in its main loop: while a command
//! runs, nothing else of the daemon does. [`conntrack`] holds itself back for that reason.

pub mod conntrack;
mod framing;
mod pacing;

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fmt};

use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::types::{Release, Timestamp};
use framing::Framing;

/// Longest answer in bytes: some 300,000 conntrack entries.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Longest part of a foreign text that a message cites, in bytes.
const MAX_CITED: usize = 200;

/// Number of our only request on a connection.
const ID: u64 = 0;

/// Why a daemon did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum UnixctlError {
    /// There is no pid file, so the socket's name is not known.
    #[error("cannot read {path}: {source}; is {daemon} running, and are its files here (OVS_RUNDIR)?", path = path.display())]
    PidFile {
        /// Name of the daemon.
        daemon: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The pid file holds something else.
    #[error("{path} holds no process id: {text:?}", path = path.display())]
    NotAPid {
        /// The file.
        path: PathBuf,
        /// What it holds.
        text: String,
    },
    /// Nobody listens, or not to us.
    #[error(
        "cannot connect to {path}: {source}; the daemon must run, and we must be root or in the group of the socket",
        path = path.display()
    )]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No whole answer in time.
    #[error("{call}: no answer within {wait:?}")]
    Silent {
        /// What was asked of whom.
        call: Call,
        /// How long it was waited for.
        wait: Duration,
    },
    /// The connection broke.
    #[error("{call}: the connection broke: {source}")]
    Broken {
        /// What was asked of whom.
        call: Call,
        /// How.
        source: io::Error,
    },
    /// The answer is no answer.
    #[error("{call}: the answer makes no sense: {reason}")]
    Senseless {
        /// What was asked of whom.
        call: Call,
        /// What is wrong with it.
        reason: String,
    },
    /// The answer is longer than [`MAX_ANSWER_BYTES`].
    #[error("{call}: the answer is longer than {MAX_ANSWER_BYTES} bytes and was given up")]
    TooLong {
        /// What was asked of whom.
        call: Call,
    },
    /// The daemon knows no such command, or could not do it.
    #[error("{call}: {message}")]
    Refused {
        /// What was asked of whom.
        call: Call,
        /// In the daemon's words.
        message: String,
    },
    /// The daemon was asked not long ago, and nothing was sent.
    #[error("conntrack zone {zone} is not read from ovs-vswitchd before {until}, to spare its main loop")]
    TooSoon {
        /// The zone.
        zone: u16,
        /// When it may be asked again.
        until: Timestamp,
    },
}

/// What was asked of whom, for messages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// The socket.
    pub socket: PathBuf,
    /// The command and its arguments.
    pub command: String,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` on {}", self.command, self.socket.display())
    }
}

/// The run directory of Open vSwitch: `OVS_RUNDIR`, by default `/run/openvswitch`.
pub fn run_dir() -> PathBuf {
    env::var_os("OVS_RUNDIR").filter(|path| !path.is_empty()).map_or_else(|| "/run/openvswitch".into(), PathBuf::from)
}

/// The control socket of a daemon: `ovs-vswitchd.1234.ctl` where `ovs-vswitchd.pid` says 1234.
///
/// # Errors
/// [`UnixctlError::PidFile`] and [`UnixctlError::NotAPid`].
pub fn control_socket(run_dir: &Path, daemon: &str) -> Result<PathBuf, UnixctlError> {
    let path = run_dir.join(format!("{daemon}.pid"));
    let mut text = String::new();
    let read = File::open(&path).and_then(|file| file.take(MAX_CITED as u64).read_to_string(&mut text));
    match read.map(|_| text.trim_ascii().parse::<u32>()) {
        Ok(Ok(pid)) => Ok(run_dir.join(format!("{daemon}.{pid}.ctl"))),
        Ok(Err(_)) => Err(UnixctlError::NotAPid { path, text }),
        Err(source) => Err(UnixctlError::PidFile { daemon: daemon.to_owned(), path, source }),
    }
}

/// Runs a command in a daemon and gives what it prints. All of it takes at most `wait`.
///
/// # Errors
/// Any but those of [`control_socket`] and [`UnixctlError::TooSoon`].
pub async fn call(socket: &Path, method: &str, args: &[&str], wait: Duration) -> Result<String, UnixctlError> {
    let call = Call { socket: socket.to_owned(), command: [&[method], args].concat().join(" ") };
    let exchange = exchange(socket, method, args, &call);
    let Ok(answer) = tokio::time::timeout(wait, exchange).await else {
        return Err(UnixctlError::Silent { call, wait });
    };
    read_answer(&answer?, call)
}

/// The release of a daemon of Open vSwitch, which answers `ovs-vswitchd (Open vSwitch) 3.1.0`; `None` where it does not tell.
pub async fn release(socket: &Path) -> Option<Release> {
    let answer = call(socket, "version", &[], conntrack::WAIT).await.ok()?;
    let (_, version) = answer.lines().next()?.split_once("(Open vSwitch) ")?;
    Release::parse(version.trim())
}

/// Sends the request and reads the bytes of the answer.
async fn exchange(socket: &Path, method: &str, args: &[&str], call: &Call) -> Result<Vec<u8>, UnixctlError> {
    let mut stream = UnixStream::connect(socket)
        .await
        .map_err(|source| UnixctlError::Connect { path: socket.to_owned(), source })?;
    let broken = |source| UnixctlError::Broken { call: call.clone(), source };
    let request = serde_json::json!({ "id": ID, "method": method, "params": args });
    stream.write_all(request.to_string().as_bytes()).await.map_err(broken)?;
    let (mut answer, mut framing) = (Vec::new(), Framing::default());
    loop {
        let seen = answer.len();
        if stream.read_buf(&mut answer).await.map_err(broken)? == 0 {
            return Err(broken(io::Error::new(io::ErrorKind::UnexpectedEof, "it was closed before the answer's end")));
        }
        match framing.feed(&answer[seen..]) {
            Ok(Some(end)) => {
                answer.truncate(seen + end);
                return Ok(answer);
            }
            Ok(None) if answer.len() > MAX_ANSWER_BYTES => return Err(UnixctlError::TooLong { call: call.clone() }),
            Ok(None) => {}
            Err(reason) => return Err(UnixctlError::Senseless { call: call.clone(), reason: reason.to_owned() }),
        }
    }
}

/// The response (RFC 7047 section 4.1).
#[derive(Deserialize)]
struct Answer<'a> {
    id: Option<u64>,
    #[serde(borrow)]
    result: Option<Cow<'a, str>>,
    #[serde(borrow)]
    error: Option<Cow<'a, str>>,
}

fn read_answer(bytes: &[u8], call: Call) -> Result<String, UnixctlError> {
    match serde_json::from_slice(bytes) {
        Ok(Answer { error: Some(message), .. }) => {
            Err(UnixctlError::Refused { call, message: cited(message.trim_ascii_end()) })
        }
        Ok(Answer { id: Some(ID), result: Some(text), .. }) => Ok(text.into_owned()),
        Ok(Answer { id: Some(ID), .. }) => {
            Err(UnixctlError::Senseless { call, reason: "it holds neither a result nor an error".to_owned() })
        }
        Ok(_) => Err(UnixctlError::Senseless { call, reason: "it answers another request".to_owned() }),
        Err(error) => Err(UnixctlError::Senseless { call, reason: error.to_string() }),
    }
}

/// The start of a foreign text.
fn cited(text: &str) -> String {
    let end = text.floor_char_boundary(MAX_CITED);
    if end < text.len() { format!("{}...", &text[..end]) } else { text.to_owned() }
}

#[cfg(test)]
mod tests;
