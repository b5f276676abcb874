//! How sinks are, in words and numbers.

use std::fmt;

use crate::types::Timestamp;

/// One sink.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SinkStatus {
    /// Its place, as typed: `tls:log.example:6514`. Stable, for labels of metrics too.
    pub name: String,
    /// Whether messages get through.
    pub state: State,
    /// What became of them.
    pub counts: Counts,
    /// Messages that wait, those to be sent again included.
    pub queued: usize,
}

/// Whether messages get through.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum State {
    /// The first connection is being made.
    Connecting {
        /// Since when.
        since: Timestamp,
    },
    /// There is a connection.
    Connected {
        /// Since when.
        since: Timestamp,
    },
    /// There is none; it is tried again.
    Failed {
        /// Since when there is none.
        since: Timestamp,
        /// Why the last attempt failed, or how the connection broke.
        error: String,
    },
}

impl State {
    /// Whether there is a connection.
    pub fn is_connected(&self) -> bool {
        matches!(self, Self::Connected { .. })
    }
}

/// What became of messages; numbers since the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Messages that the socket took, each counted once.
    pub sent: u64,
    /// How often it took a message again after a connection broke.
    pub resent: u64,
    /// Messages that found no place in the queue.
    pub dropped: u64,
    /// Messages that were too long for a datagram.
    pub too_long: u64,
    /// Fields that did not fit into their message.
    pub left_out_fields: u64,
    /// Messages whose text was cut, as it did not fit even alone.
    pub cut_texts: u64,
    /// Attempts to connect that failed, and connections that broke.
    pub failures: u64,
}

/// Something to tell about a sink.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct News {
    /// The sink.
    pub sink: String,
    /// What happened.
    pub what: Happening,
}

/// What happens to sinks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Happening {
    /// There is a connection.
    Connected,
    /// There is none any longer, or another reason why there is none.
    Failed(String),
    /// The queue is full: messages are dropped from now on. The receiver is told how many, once it takes messages again.
    Full,
    /// A message cannot be sent at all.
    TooLong(String),
    /// `auto` found nobody on this machine. It is not looked for again.
    Nobody,
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sink, what } = self;
        match what {
            Happening::Connected => write!(f, "alerts go to {sink}"),
            Happening::Failed(error) => {
                write!(f, "alerts do not get to {sink}: {error}; they wait, and it is tried again")
            }
            Happening::Full => {
                write!(f, "alerts to {sink} are dropped: the queue is full (--syslog-queue sets its length)")
            }
            Happening::Nobody => f.write_str(
                "alerts go nowhere: there is neither journald's socket nor /dev/log (--syslog names another place, or none)",
            ),
            Happening::TooLong(error) => write!(f, "an alert to {sink} is dropped: {error}"),
        }
    }
}
