//! All entries.

use std::io;

use super::entry::{Entry, RawEntry};
use super::message::{Malformed, Message, Messages};
use super::request::Request;
use super::socket::Socket;
use super::{Error, wire};

const DUMP: &str = "dump the conntrack table";

/// The kernel fills up to 32 KiB at a time when it is given the room (`netlink_recvmsg`).
const BUFFER_BYTES: usize = 64 * 1024;

/// Which entries are wanted. All by default.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Filter {
    /// Those of this zone.
    pub zone: Option<u16>,
    /// Those with this mark.
    pub mark: Option<MaskedMark>,
    /// Those whose label holds a MAC.
    pub labelled: bool,
}

/// Marks that equal `value` where `mask` has bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MaskedMark {
    /// The bits.
    pub value: u32,
    /// Which bits count.
    pub mask: u32,
}

impl Filter {
    fn passes(&self, raw: &RawEntry<'_>) -> bool {
        self.zone.is_none_or(|zone| raw.zone == zone)
            && self.mark.is_none_or(|mark| (raw.mark ^ mark.value) & mark.mask == 0)
            && (!self.labelled || raw.is_labelled())
    }
}

/// What became of a dump.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Dumped {
    /// Entries that the kernel told.
    pub told: u64,
    /// Entries that passed the filter and were visited.
    pub visited: u64,
    /// Entries that could not be read: the kernel's form is not what it was.
    pub unreadable: u64,
    /// Entries in a zone for one of their directions only, which are none of OVN's.
    pub zone_of_one_direction: u64,
    /// Whether the kernel said that the table changed so that entries may be missing (`NLM_F_DUMP_INTR`).
    pub interrupted: bool,
}

/// A dump that is read step by step, so that a loop can do other things between them.
///
/// The kernel walks its hash table meanwhile. Each entry that is there all the time is visited at least once; entries
/// that come or go may or may not be, and where entries go beside it one may be visited twice.
#[derive(Debug)]
pub struct Dump {
    socket: Socket,
    sequence: u32,
    filter: Filter,
    buffer: Box<[u8]>,
    dumped: Dumped,
}

impl Dump {
    /// Asks for the entries of both families in the network namespace of this thread.
    ///
    /// # Errors
    /// Any.
    pub fn start(filter: &Filter) -> Result<Self, Error> {
        let socket = Socket::open()?;
        let sequence = socket.next_sequence();
        let request = Request::dump(filter, sequence).into_bytes();
        socket.send(&request).map_err(|error| Error::new(DUMP, error))?;
        let buffer = vec![0; BUFFER_BYTES].into_boxed_slice();
        Ok(Self { socket, sequence, filter: *filter, buffer, dumped: Dumped::default() })
    }

    /// Takes the next hundred entries or so from the kernel, which takes it some ten microseconds, and gives those that
    /// are wanted to `visit`. `Some` at the end, after which it must not be called again.
    ///
    /// With a filter that the kernel applies itself one step may walk the whole table.
    ///
    /// # Errors
    /// Any but [`Error::Open`].
    pub fn step(&mut self, mut visit: impl FnMut(&Entry)) -> Result<Option<Dumped>, Error> {
        let Self { socket, sequence, filter, buffer, dumped } = self;
        let bytes = socket.receive(buffer).map_err(|error| Error::new(DUMP, error))?;
        for message in Messages::new(bytes) {
            let message = message.map_err(|reason| Error::Senseless { action: DUMP, reason })?;
            if message.sequence != *sequence {
                continue;
            }
            dumped.interrupted |= message.flags & wire::NLM_F_DUMP_INTR != 0;
            match message.kind {
                wire::CT_NEW => take(&message, filter, dumped, &mut visit),
                wire::NLMSG_DONE | wire::NLMSG_ERROR => return ended(&message).map(|()| Some(*dumped)),
                _ => dumped.unreadable += 1,
            }
        }
        Ok(None)
    }
}

fn take(message: &Message<'_>, filter: &Filter, dumped: &mut Dumped, visit: &mut impl FnMut(&Entry)) {
    dumped.told += 1;
    let entry = match RawEntry::parse(message.payload) {
        Ok(raw) if !filter.passes(&raw) => return,
        Ok(raw) => raw.entry(),
        Err(malformed) => Err(malformed),
    };
    match entry {
        Ok(entry) => {
            dumped.visited += 1;
            visit(&entry);
        }
        Err(Malformed::ZoneOfOneDirection) => dumped.zone_of_one_direction += 1,
        Err(_) => dumped.unreadable += 1,
    }
}

/// Whether the message that ends a dump says that all went well.
fn ended(message: &Message<'_>) -> Result<(), Error> {
    match message.status() {
        // Kernels before 4.15 may leave the number out where it is 0.
        Some(0) | None => Ok(()),
        Some(number) => Err(Error::new(DUMP, io::Error::from_raw_os_error(number))),
    }
}
