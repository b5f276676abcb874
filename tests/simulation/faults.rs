//! What goes wrong, and when: each kind by numbers of its own, so that without one kind the others come as they did.

use crate::node::Ns;
use crate::numbers::{Numbers, mix};

pub(crate) const SECOND: Ns = 1_000_000_000;

/// Something that goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Fault {
    /// A database is lost for some time.
    DatabaseLost,
    /// A database is converted: all clients come anew, and are told only what changed.
    DatabaseConverted,
    /// A database tells what it has with a delay beyond the grace period.
    DatabaseSlow,
    /// Events of conntrack are lost, which is told.
    EntriesOverrun,
    /// conntrack does not answer.
    EntriesRefused,
    /// Readings of all entries take long.
    ReadingsSlow,
    /// A reading of all entries fails.
    ReadingFails,
    /// The ring of the kernel program's events is not read.
    RingFull,
    /// The kernel program's maps cannot be read.
    MapsRefused,
    /// They cannot be written.
    SetRefused,
    /// Somebody removes the programs from the NICs.
    TornOff,
    /// The daemon does not run for a while.
    Stall,
    /// More flows come than there is room for.
    Flood,
    /// The daemon is ended and started again.
    Restart,
    /// It is killed, and what it was about to save is lost.
    Kill,
    /// It is killed, and its files are cut.
    KillInSave,
    /// It is started again for other NICs, with the same files.
    OtherNics,
    /// The wall clock is set, and the daemon is started again.
    ClockSet,
}

impl Fault {
    pub(crate) const ALL: [Self; 18] = [
        Self::DatabaseLost,
        Self::DatabaseConverted,
        Self::DatabaseSlow,
        Self::EntriesOverrun,
        Self::EntriesRefused,
        Self::ReadingsSlow,
        Self::ReadingFails,
        Self::RingFull,
        Self::MapsRefused,
        Self::SetRefused,
        Self::TornOff,
        Self::Stall,
        Self::Flood,
        Self::Restart,
        Self::Kill,
        Self::KillInSave,
        Self::OtherNics,
        Self::ClockSet,
    ];

    /// Its name on the command line.
    pub(crate) fn name(self) -> String {
        format!("{self:?}")
    }

    /// The fault of this name.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }

    /// Seconds between two of them, on average.
    fn every(self) -> u32 {
        match self {
            Self::Restart | Self::Kill | Self::KillInSave | Self::OtherNics | Self::ClockSet => 7200,
            Self::DatabaseSlow | Self::Stall | Self::Flood | Self::TornOff => 3600,
            _ => 2400,
        }
    }

    /// How long it lasts, in seconds: from and to.
    fn lasts(self) -> (u32, u32) {
        match self {
            Self::DatabaseLost => (1, 120),
            Self::DatabaseSlow => (20, 120),
            Self::ReadingsSlow => (30, 200),
            Self::Stall => (1, 12),
            Self::Restart | Self::Kill | Self::KillInSave | Self::OtherNics | Self::ClockSet => (0, 40),
            Self::DatabaseConverted | Self::ReadingFails | Self::TornOff | Self::Flood => (0, 1),
            _ => (1, 15),
        }
    }
}

/// The faults of one kind.
struct Kind {
    fault: Fault,
    numbers: Numbers,
    next: Ns,
}

/// All that is to go wrong.
pub(crate) struct Faults(Vec<Kind>);

impl Faults {
    /// Those of a seed, without some kinds.
    pub(crate) fn new(seed: u64, without: &[Fault], start: Ns) -> Self {
        let kinds = Fault::ALL.into_iter().enumerate().filter(|(_, fault)| !without.contains(fault));
        let kind = |(number, fault): (usize, Fault)| {
            let mut numbers = Numbers::new(mix(seed ^ mix(number as u64 + 1)));
            let next = start + pause(&mut numbers, fault);
            Kind { fault, numbers, next }
        };
        Self(kinds.map(kind).collect())
    }

    /// When the next one comes.
    pub(crate) fn next(&self) -> Option<Ns> {
        self.0.iter().map(|kind| kind.next).min()
    }

    /// Takes the next one: what it is, how long it lasts, and a number to choose by.
    pub(crate) fn take(&mut self) -> Option<(Fault, Ns, u64)> {
        let kind = self.0.iter_mut().min_by_key(|kind| kind.next)?;
        let (from, to) = kind.fault.lasts();
        let milliseconds = kind.numbers.between(from * 1000, to * 1000);
        let lasts = Ns::from(milliseconds) * 1_000_000;
        let choice = kind.numbers.next();
        kind.next += lasts + pause(&mut kind.numbers, kind.fault);
        Some((kind.fault, lasts, choice))
    }
}

fn pause(numbers: &mut Numbers, fault: Fault) -> Ns {
    let every = fault.every();
    Ns::from(numbers.between(every / 10, every * 2 - every / 10)) * SECOND
}
