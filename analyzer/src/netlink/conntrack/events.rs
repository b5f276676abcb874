//! What happens to entries, as the kernel multicasts it.
//!
//! Events are hints. An entry that was made while nobody listened sends none when it goes
//! (`net.netfilter.nf_conntrack_events=2`, the default), OVS tells no change that it does not make, and what the
//! receive buffer cannot hold is lost. The table itself is the truth: [`super::Table`].

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::RecvFlags;
use tokio::io::unix::AsyncFd;

use super::entry::RawEntry;
use super::message::{Malformed, Message, Messages};
use super::{Error, socket, wire};
use crate::engine::fact::Connection;
use crate::types::Tuple;

const READ: &str = "read conntrack events";

/// Receive buffer that holds some 10,000 events. The kernel counts about 700 bytes for each.
pub const BUFFER_BYTES: usize = 8 * 1024 * 1024;

/// Events are made in a page; several are never put into one datagram, but nothing forbids it.
const DATAGRAM_BYTES: usize = 16 * 1024;

/// Datagrams thrown away at most after an overrun, more than any buffer holds that we ask for.
const MAX_DRAINED: usize = 100_000;

/// What happened.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// An entry was made or changed, and this is what it is now.
    Changed(Connection),
    /// An entry was made or changed, and its label is not told: it is 0, or this was about something else (a mark, a
    /// state of TCP). What was known of a label may hold no longer; [`super::Table::get`] tells.
    Touched {
        /// Tuple of the original direction.
        orig: Tuple,
        /// The zone.
        zone: u16,
        /// `CTA_ID`.
        id: Option<u32>,
    },
    /// An entry went.
    Destroyed {
        /// Tuple of the original direction.
        orig: Tuple,
        /// The zone.
        zone: u16,
        /// `CTA_ID`: the tuple may have a new entry by now.
        id: Option<u32>,
    },
    /// Events were lost: what was not read yet is thrown away, and the table must be dumped again.
    Overrun,
}

/// What was not told.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Losses {
    /// How often the receive buffer overran.
    pub overruns: u64,
    /// Events thrown away after overruns.
    pub drained: u64,
    /// Messages that could not be read.
    pub unreadable: u64,
    /// Events of entries in a zone for one direction only, which are none of OVN's.
    pub zone_of_one_direction: u64,
}

/// Events of the table of one network namespace.
#[derive(Debug)]
pub struct Events {
    socket: AsyncFd<OwnedFd>,
    buffer: Box<[u8]>,
    /// The part of the buffer that is not read yet.
    start: usize,
    end: usize,
    losses: Losses,
}

impl Events {
    /// Listens in the network namespace of this thread, with a receive buffer of `buffer_bytes`. Must be called inside
    /// a tokio runtime.
    ///
    /// # Errors
    /// Any.
    pub fn open(buffer_bytes: usize) -> Result<Self, Error> {
        let socket = socket::listen(buffer_bytes)?;
        #[expect(deprecated, reason = "sound for an OwnedFd, whose number stays; its successor is unsafe to call")]
        let socket = AsyncFd::new(socket).map_err(|source| Error::Open { source })?;
        let buffer = vec![0; DATAGRAM_BYTES].into_boxed_slice();
        Ok(Self { socket, buffer, start: 0, end: 0, losses: Losses::default() })
    }

    /// The next event. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// [`Error::Refused`]: the socket is broken. An overrun is no error.
    pub async fn next(&mut self) -> Result<Event, Error> {
        loop {
            while let Some(event) = self.buffered() {
                match event {
                    Ok(event) => return Ok(event),
                    Err(Malformed::ZoneOfOneDirection) => self.losses.zone_of_one_direction += 1,
                    Err(_) => self.losses.unreadable += 1,
                }
            }
            let mut guard = self.socket.readable().await.map_err(|error| Error::new(READ, error))?;
            let received = guard.try_io(|fd| socket::receive(fd.as_fd(), &mut self.buffer, RecvFlags::TRUNC));
            match received {
                Ok(Ok(len)) if len <= self.buffer.len() => (self.start, self.end) = (0, len),
                Ok(Ok(_)) => self.losses.unreadable += 1,
                Ok(Err(error)) if is_overrun(&error) => {
                    self.overrun();
                    return Ok(Event::Overrun);
                }
                Ok(Err(error)) => return Err(Error::new(READ, error)),
                // Another wait.
                Err(_) => {}
            }
        }
    }

    /// What was lost so far.
    pub fn losses(&self) -> Losses {
        self.losses
    }

    /// The next event of the datagram that was read last, passing over messages that are none.
    fn buffered(&mut self) -> Option<Result<Event, Malformed>> {
        let mut messages = Messages::new(&self.buffer[self.start..self.end]);
        let event = messages.by_ref().find_map(|message| match message {
            Ok(message) => event(&message).transpose(),
            Err(malformed) => Some(Err(malformed)),
        });
        self.start = self.end - messages.rest().len();
        event
    }

    /// Throws away what came before events were lost, so that a dump begun now is older than every event after it.
    fn overrun(&mut self) {
        self.losses.overruns += 1;
        for _ in 0..MAX_DRAINED {
            match socket::receive(self.socket.as_fd(), &mut self.buffer, RecvFlags::DONTWAIT) {
                Ok(_) => self.losses.drained += 1,
                Err(error) if is_overrun(&error) => self.losses.overruns += 1,
                // Empty; any other error comes again at the next read.
                Err(_) => break,
            }
        }
        (self.start, self.end) = (0, 0);
    }
}

fn is_overrun(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::NOBUFS.raw_os_error())
}

/// What a message tells; `None` where it is no event of an entry.
fn event(message: &Message<'_>) -> Result<Option<Event>, Malformed> {
    let raw = match message.kind {
        wire::CT_NEW | wire::CT_DELETE => RawEntry::parse(message.payload)?,
        _ => return Ok(None),
    };
    let (zone, id) = (raw.zone, raw.id);
    Ok(Some(match message.kind {
        wire::CT_DELETE => Event::Destroyed { orig: raw.orig()?, zone, id },
        _ if raw.label.is_none() => Event::Touched { orig: raw.orig()?, zone, id },
        _ => Event::Changed(raw.entry()?.connection),
    }))
}
