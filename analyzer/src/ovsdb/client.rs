//! A client that follows a database (RFC 7047, ovsdb-server(7)).
//!
//! [`follow`] keeps a connection to one of a database's servers, and tells each change of the rows that are asked for as
//! an [`Event`]. Connections break; what is told is nevertheless without gaps: after a reconnection exactly the
//! differences to what was told before follow. docs/ovsdb.md says more.
//!
//! The protocol is in [`replica`] and does no I/O; the connection is in [`connection`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};

use super::row::Change;
use crate::jsonrpc::MessageError;
use crate::net::backoff::random_seed;

pub mod connection;
pub mod remote;
pub mod replica;
pub mod select;
pub mod tls;

mod budget;
mod cache;
mod census;
mod follower;
mod plan;
mod probe;
mod schedule;
mod server;
mod update;

pub use budget::Budget;
pub use cache::UnknownRow;
pub use connection::ConnectionError;
pub use remote::{Remote, RemoteError};
pub use tls::TlsFiles;

pub use crate::net::Backoff;

/// Bytes that a message may have unless told. What is read from it takes some four times as much.
const MAX_MESSAGE: usize = 32 << 20;
/// Memory that rows may take unless told. With what is made of them it fits into the 512 MiB of the daemon's unit.
pub const MAX_ROWS: usize = 128 << 20;
/// The way out where a database tells too much.
const WAY_OUT: &str = "a database of many nodes is asked for this node's rows alone where it is named by a tcp: or ssl: \
                       remote";

/// What to follow, and how.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name of the database, as `OVN_Southbound`.
    pub database: String,
    /// Servers that have it: the members of a cluster, or one.
    pub remotes: Vec<Remote>,
    /// Tables that are wanted.
    pub tables: Vec<TableRequest>,
    /// Keys for remotes of the kind `ssl:`. The files are read at each connection, so new ones are taken up.
    pub tls: Option<TlsFiles>,
    /// Whether only the leader of a cluster will do. Others may be a little behind, but bear the load better.
    pub leader_only: bool,
    /// Silence after which the server is asked for a sign of life, and after which again it is given up. Zero: never.
    pub probe_interval: Duration,
    /// Time that connecting may take, name resolution and TLS included.
    pub connect_timeout: Duration,
    /// Time that a server may take until it begins to answer a request.
    pub reply_timeout: Duration,
    /// Pauses between attempts.
    pub backoff: Backoff,
    /// Bytes that a message may have. The first one has the whole content in it.
    pub max_message: usize,
    /// Memory that rows may take; several databases can share it.
    pub budget: Arc<Budget>,
    /// Least pause before a server is asked again that told more than we take: it will do so again.
    pub pause_if_too_much: Duration,
    /// Where the chance in pauses and in the choice of the first remote comes from.
    pub seed: u64,
}

/// A table that is wanted.
#[derive(Clone, PartialEq, Debug)]
pub struct TableRequest {
    /// Its name.
    pub table: Arc<str>,
    /// Columns; none asks for all that the server has.
    pub columns: Vec<Arc<str>>,
    /// `<condition>`s of RFC 7047 section 5.1, as `["datapath", "==", ["uuid", "..."]]`. Rows that match **one** of them
    /// are told (ovsdb-server(7), 4.1.12); where there are none, all rows are.
    pub conditions: Vec<Value>,
}

impl Config {
    /// Follows whatever member answers, with the waiting times of the OVN daemons and the bounds of docs/ovsdb.md.
    pub fn new(database: &str, remotes: Vec<Remote>, tables: Vec<TableRequest>) -> Self {
        Self {
            database: database.to_owned(),
            remotes,
            tables,
            tls: None,
            leader_only: false,
            probe_interval: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            reply_timeout: Duration::from_secs(60),
            backoff: Backoff { min: Duration::from_secs(1), max: Duration::from_secs(8) },
            max_message: MAX_MESSAGE,
            budget: Arc::new(Budget::new(MAX_ROWS)),
            pause_if_too_much: Duration::from_secs(60),
            seed: random_seed(),
        }
    }
}

/// What a follower tells, in order.
#[derive(Debug)]
pub enum Event {
    /// A server was found that has the database in the role that is asked for.
    Connected {
        /// The server.
        remote: Remote,
    },
    /// Rows changed; never empty. Those of one transaction come together.
    Changes {
        /// The changes.
        changes: Vec<Change>,
        /// Whether they bring the content into step with the server, after [`Event::Connected`]: at first the whole
        /// content, after a reconnection what changed meanwhile.
        is_initial: bool,
    },
    /// All that the server has was told, by the conditions that were set last: at first, after a reconnection, and after
    /// conditions were set anew. Before the first of these, absence of a row means nothing.
    Synchronised,
    /// The connection is lost, or an attempt failed. What was told stands as the last that is known.
    Lost {
        /// The server.
        remote: Remote,
        /// Why.
        error: ConnectionError,
        /// The pause before the next attempt, which may be with another server.
        retry_in: Duration,
    },
    /// Something that is asked for is not to be had, as a column that the server's schema lacks. Told once.
    Warning(String),
}

/// Messages of a server after which the connection is of no further use.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// No JSON-RPC.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// A message whose content is not what its method has.
    #[error("the content of `{method}` is not understood: {source}")]
    Content {
        /// The method.
        method: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// A reply to nothing that was asked.
    #[error("a reply to a request that was not made, with id {id}")]
    UnexpectedReply {
        /// What it bears.
        id: String,
    },
    /// The server answers a request with an error.
    #[error("the server refuses `{method}`: {error}")]
    Refused {
        /// The request.
        method: &'static str,
        /// The error, cut where it is long.
        error: String,
    },
    /// The server has other databases.
    #[error("the server does not have the database {database}; it has {served}")]
    NotServed {
        /// The database that is wanted.
        database: String,
        /// Those it has.
        served: String,
    },
    /// The database is gone, or about to go.
    #[error("the server's database _Server does not tell of {database}, or no longer")]
    Undescribed {
        /// The database that is wanted.
        database: String,
    },
    /// The server is no part of its cluster at present.
    #[error("the server is not connected to its cluster")]
    Disconnected,
    /// The server is no leader, and only the leader will do.
    #[error("the server is not the leader of its cluster")]
    NotLeader,
    /// The server is behind what was already told.
    #[error("the server is behind: its log ends at {index}, and {seen} was already seen")]
    Stale {
        /// The end of its log.
        index: i64,
        /// What was seen.
        seen: i64,
    },
    /// The database was converted; columns may have come and gone.
    #[error("the schema of the database changed")]
    SchemaChanged,
    /// The server ended the monitor by itself.
    #[error("the server no longer monitors the database for us")]
    Cancelled,
    /// The rows would take more memory than they may.
    #[error("{rows} rows of {table} and the others take more than the {} MiB that rows may take; {WAY_OUT}", .limit >> 20)]
    TooMuch {
        /// The table that had its turn.
        table: Arc<str>,
        /// Rows of it that were told until then.
        rows: usize,
        /// Bytes that all rows may take.
        limit: usize,
    },
    /// Server and replica disagree.
    #[error(transparent)]
    UnknownRow(#[from] UnknownRow),
}

/// Conditions by table, as set since the start.
type Conditions = BTreeMap<Arc<str>, Vec<Value>>;

/// A follower at work. It ends when this is dropped, or the receiver of its events.
#[derive(Debug)]
pub struct Handle {
    conditions: watch::Sender<Conditions>,
    /// Closed by being dropped.
    _alive: oneshot::Sender<()>,
}

impl Handle {
    /// Sets the conditions of a table; an empty list asks for all rows. Rows that come to match are told as such that
    /// came, and others as such that went. They hold over reconnections. A table that is not followed stays so.
    pub fn set_conditions(&self, table: &str, conditions: Vec<Value>) {
        self.conditions.send_modify(|all| {
            all.insert(table.into(), conditions);
        });
    }
}

/// Follows a database in a task of its own.
///
/// Each event is told when `events` has room. While it has none nothing is read, so a consumer may take its time: no
/// change is lost, and if the server gives up waiting, the differences follow after a reconnection.
///
/// # Panics
/// Outside of a tokio runtime with I/O and time enabled.
pub fn follow(config: Config, events: mpsc::Sender<Event>) -> Handle {
    let (conditions, changed) = watch::channel(Conditions::new());
    let (alive, dropped) = oneshot::channel::<()>();
    tokio::spawn(async move {
        let receiver_gone = events.clone();
        tokio::select! {
            () = follower::run(config, events, changed) => {}
            // By being dropped; nothing is ever sent.
            _ = dropped => {}
            () = receiver_gone.closed() => {}
        }
    });
    Handle { conditions, _alive: alive }
}
