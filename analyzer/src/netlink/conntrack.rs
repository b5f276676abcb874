//! The kernel's conntrack table, by ctnetlink: one entry by its tuple, all entries, and what happens to them; and changes
//! of single entries.
//!
//! All of it but [`change`] reads: what `request` builds is `IPCTNL_MSG_CT_GET` and nothing else. A `DELETE` that lacks its
//! tuple empties the table of every zone, so the types in [`change`] cannot be built without tuple and zone.
//!
//! Filters that the kernel is asked to apply only save work. Kernels pass over attributes that they do not know (the
//! zone in a dump before 6.8), so each answer is checked again here.

pub mod change;
pub mod dump;
mod encode;
pub mod entry;
pub mod events;
pub mod message;
pub mod protoinfo;
mod request;
mod socket;
mod wire;

use std::cell::RefCell;
use std::io;

use crate::conntrack::index::LabelledIndex;
use crate::types::Tuple;
use dump::{Dump, Dumped, Filter};
use entry::{Entry, RawEntry};
use message::{Message, Messages};
use request::Request;
use socket::Socket;

/// Why the kernel's table cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such socket.
    #[error(
        "cannot open a netlink socket to netfilter: {source}; the kernel must have CONFIG_NF_CT_NETLINK \
         (modprobe nf_conntrack_netlink)"
    )]
    Open {
        /// What the kernel says.
        source: io::Error,
    },
    /// EPERM.
    #[error(
        "cannot {action}: not permitted; this takes CAP_NET_ADMIN in the network namespace that owns the table, which \
         is the host's"
    )]
    Denied {
        /// What was tried.
        action: &'static str,
    },
    /// The kernel, or the socket, refused.
    #[error("cannot {action}: {source}; if conntrack(8) cannot do it either, modprobe nf_conntrack_netlink")]
    Refused {
        /// What was tried.
        action: &'static str,
        /// What the kernel says.
        source: io::Error,
    },
    /// What came is no answer.
    #[error("cannot {action}: the kernel's answer makes no sense: {reason}")]
    Senseless {
        /// What was tried.
        action: &'static str,
        /// What is wrong with it.
        reason: message::Malformed,
    },
    /// Nothing came.
    #[error("cannot {action}: the kernel does not answer")]
    Silent {
        /// What was tried.
        action: &'static str,
    },
}

impl Error {
    fn new(action: &'static str, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::PermissionDenied => Self::Denied { action },
            // The socket's time is over.
            io::ErrorKind::WouldBlock => Self::Silent { action },
            _ => Self::Refused { action, source },
        }
    }
}

/// Dumps of the labelled entries that are begun again because the table changed its shape under them.
const REPEATS: usize = 3;

/// Datagrams read in wait for an answer. Answers of earlier requests that were given up may lie before it.
const PATIENCE: usize = 64;

/// Longest answer to a request for one entry: the kernel makes it in a page (`NLMSG_DEFAULT_SIZE`).
const ANSWER_BYTES: usize = 8192;

const GET: &str = "read a conntrack entry";

/// The table of the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct Table {
    socket: Socket,
    answer: RefCell<Box<[u8; ANSWER_BYTES]>>,
}

impl Table {
    /// Opens a socket for single entries. Dumps open their own.
    ///
    /// # Errors
    /// [`Error::Open`]. Missing rights show at the first request only.
    pub fn open() -> Result<Self, Error> {
        Ok(Self { socket: Socket::open()?, answer: RefCell::new(Box::new([0; ANSWER_BYTES])) })
    }

    /// The entry of a zone one of whose tuples is `tuple`; `None` where there is none.
    ///
    /// Takes a hash lookup in the kernel, however large the table is. The kernel answers at once: this does not wait.
    ///
    /// # Errors
    /// Any but [`Error::Open`].
    pub fn get(&self, tuple: Tuple, zone: u16) -> Result<Option<Entry>, Error> {
        let is_no_query = tuple.is_icmp() && tuple.reversed().tp_dst == tuple.tp_dst;
        if tuple.src.is_ipv4() != tuple.dst.is_ipv4() || is_no_query {
            // No such entry can exist: of ICMP conntrack tracks queries and their answers, and refuses to be asked for
            // others (EINVAL).
            return Ok(None);
        }
        let sequence = self.socket.next_sequence();
        self.socket.send(&Request::get(tuple, zone, sequence).into_bytes()).map_err(|error| Error::new(GET, error))?;
        let mut answer = self.answer.borrow_mut();
        for _ in 0..PATIENCE {
            let bytes = self.socket.receive(&mut answer[..]).map_err(|error| Error::new(GET, error))?;
            for message in Messages::new(bytes) {
                let message = message.map_err(|reason| Error::Senseless { action: GET, reason })?;
                if message.sequence == sequence {
                    return answered(&message, tuple, zone);
                }
            }
        }
        Err(Error::Silent { action: GET })
    }

    /// Gives every entry that passes the filter to `visit`: see [`Dump`] for what a dump promises. Blocks until done,
    /// which takes about a second for half a million entries; [`Dump`] goes in steps.
    ///
    /// # Errors
    /// Any. What was visited before stays visited.
    pub fn dump(&self, filter: &Filter, mut visit: impl FnMut(&Entry)) -> Result<Dumped, Error> {
        let mut dump = Dump::start(filter)?;
        loop {
            if let Some(dumped) = dump.step(&mut visit)? {
                return Ok(dumped);
            }
        }
    }

    /// An index of the labelled entries, of at most `limit` of them. A dump that was interrupted is begun again a few
    /// times; the last one counts, and says so in [`Dumped::interrupted`].
    ///
    /// # Errors
    /// Any.
    pub fn labelled(&self, limit: usize) -> Result<(LabelledIndex, Dumped), Error> {
        let filter = Filter { labelled: true, ..Filter::default() };
        let mut repeats = REPEATS;
        loop {
            let mut index = LabelledIndex::new(limit);
            let dumped = self.dump(&filter, |entry| {
                // What the limit refuses is counted by the index.
                index.insert(&entry.connection);
            })?;
            if !dumped.interrupted || repeats == 0 {
                return Ok((index, dumped));
            }
            repeats -= 1;
        }
    }
}

/// Reads the answer to a request for one entry, and whether it is what was asked for.
fn answered(message: &Message<'_>, tuple: Tuple, zone: u16) -> Result<Option<Entry>, Error> {
    let senseless = |reason| Error::Senseless { action: GET, reason };
    if let Some(error) = message.error().map_err(senseless)? {
        // 0 is an acknowledgement, which nobody asked for.
        return match error {
            0 | wire::ENOENT => Ok(None),
            number => Err(Error::new(GET, io::Error::from_raw_os_error(number))),
        };
    }
    if message.kind != wire::CT_NEW {
        return Err(senseless(message::Malformed::Kind(message.kind)));
    }
    let entry = RawEntry::parse(message.payload).and_then(|raw| raw.entry());
    let entry = match entry {
        Err(message::Malformed::ZoneOfOneDirection) => return Ok(None),
        entry => entry.map_err(senseless)?,
    };
    let connection = &entry.connection;
    let is_it = connection.zone == zone && (connection.orig == tuple || connection.reply == tuple);
    Ok(is_it.then_some(entry))
}

#[cfg(test)]
mod tests;
