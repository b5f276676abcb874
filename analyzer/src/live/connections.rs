//! When labelled conntrack entries are read as a whole, and by which way.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc};

use super::clock::Clock;
use super::config::{Config, Sources as Asked};
use super::event::{Begun, Event, Reading};
use super::evidence::{Evidence, Zones};
use super::senders::Senders;
use crate::cli::ConntrackSource;
use crate::conntrack::index::LabelledIndex;
use crate::engine::fact::Connection;
use crate::netlink::conntrack::events::{self, Events};
use crate::netlink::conntrack::{self, Table};
use crate::output::remedy::Datapath;
use crate::ovn::local::{DatapathType, Node};
use crate::types::Timestamp;
use crate::unixctl::UnixctlError;
use crate::unixctl::conntrack::{Pacing, UserspaceTable};

/// Labelled entries that are kept.
pub(super) const MAX_ENTRIES: usize = 4_000_000;
/// Events that are kept for the end of a reading. After more of them there is another one.
const MAX_MEANWHILE: usize = 65_536;
/// Room in the kernel for events that were not read yet, in bytes.
const EVENT_BYTES: usize = 8 << 20;
/// Shortest wait for ovs-vswitchd's turn: the timer's own resolution.
const TICK: Duration = Duration::from_millis(1);

/// Readings of labelled entries.
#[derive(Debug)]
pub(super) struct Connections {
    way: Way,
    inbox: mpsc::Sender<Event>,
    clock: Clock,
    is_reading: bool,
    wanted: Wanted,
    /// What the kernel told while entries are read: the reading may be past an entry when that changes.
    meanwhile: Vec<events::Event>,
    last: Option<Timestamp>,
    pub(super) overruns: u64,
    pub(super) interrupted: u64,
    pub(super) unreadable: u64,
}

/// Moments at which readings are to begin, or later.
#[derive(Clone, Copy, Default, Debug)]
struct Wanted {
    /// The first of them.
    first: Option<Timestamp>,
    /// The last.
    last: Timestamp,
}

impl Wanted {
    fn add(&mut self, at: Timestamp) {
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        self.last = self.last.max(at);
    }

    fn is_due(&self, now: Timestamp) -> bool {
        self.first.is_some_and(|first| first <= now)
    }

    /// A reading begins at `now`. For all that are left one will do, at the last of them.
    fn begin(&mut self, now: Timestamp) {
        self.first = Some(self.last).filter(|&last| last > now);
    }
}

/// By which way entries are read.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// Not chosen yet: the node's own database has not told which datapath it has.
    Open,
    /// From the kernel.
    Kernel,
    /// From ovs-vswitchd.
    Userspace(Arc<Mutex<UserspaceTable>>),
    /// Not at all.
    None,
}

impl Way {
    /// Where the entries live, once it is known.
    pub(super) fn datapath(&self) -> Option<Datapath> {
        match self {
            Self::Kernel => Some(Datapath::Kernel),
            Self::Userspace(_) => Some(Datapath::Userspace),
            Self::Open | Self::None => None,
        }
    }

    /// Chooses the way, by what is asked for or by what the node's own database tells of its datapath. `pacing` is for
    /// ovs-vswitchd.
    ///
    /// # Errors
    /// The control socket of ovs-vswitchd is not found: the message says where it was looked for.
    pub(super) fn choose(
        source: ConntrackSource,
        asked: &Asked,
        node: Option<&Node>,
        pacing: Pacing,
    ) -> Result<Self, String> {
        let is_userspace = match source {
            ConntrackSource::None => return Ok(Self::None),
            ConntrackSource::Kernel => false,
            ConntrackSource::Userspace => true,
            ConntrackSource::Auto => node.is_some_and(|node| node.datapath == DatapathType::Netdev),
        };
        if !is_userspace {
            return Ok(Self::Kernel);
        }
        let table = UserspaceTable::new(asked.vswitchd_socket()?, None, pacing);
        Ok(Self::Userspace(Arc::new(Mutex::new(table))))
    }
}

impl Connections {
    pub(super) fn new(inbox: mpsc::Sender<Event>, clock: Clock) -> Self {
        Self {
            way: Way::Open,
            inbox,
            clock,
            is_reading: false,
            wanted: Wanted { first: Some(Timestamp::default()), last: Timestamp::default() },
            meanwhile: Vec::new(),
            last: None,
            overruns: 0,
            interrupted: 0,
            unreadable: 0,
        }
    }

    /// The way that was chosen.
    pub(super) fn way(&self) -> &Way {
        &self.way
    }

    /// Whether a way was chosen.
    pub(super) fn is_chosen(&self) -> bool {
        !matches!(self.way, Way::Open)
    }

    /// Goes this way from now on.
    ///
    /// # Errors
    /// The kernel's table or its events cannot be opened.
    pub(super) fn go(&mut self, way: Way, evidence: &mut Evidence) -> Result<(), String> {
        evidence.ask(&way)?;
        if matches!(way, Way::Kernel) {
            let listening = Events::open(EVENT_BYTES).map_err(|error| error.to_string())?;
            tokio::spawn(forward(listening, self.inbox.clone()));
        }
        self.way = way;
        Ok(())
    }

    /// Asks for a reading before the interval is over.
    pub(super) fn want(&mut self) {
        self.want_from(Timestamp::default());
    }

    /// Asks for a reading that begins at `at` or later.
    pub(super) fn want_from(&mut self, at: Timestamp) {
        self.wanted.add(at);
    }

    /// Takes over what the kernel says of one entry.
    pub(super) fn note(&mut self, event: events::Event, evidence: &mut Evidence) {
        if event == events::Event::Overrun {
            self.overruns += 1;
            self.want();
        }
        if self.is_reading && self.meanwhile.len() < MAX_MEANWHILE {
            self.meanwhile.push(event.clone());
        } else if self.is_reading {
            self.want();
        }
        evidence.note(event);
    }

    /// Starts a reading if it is time for one.
    pub(super) fn tick(&mut self, config: &Config, zones: Zones) {
        let now = self.clock.now();
        let is_due = |last: Timestamp| config.conntrack_interval.is_some_and(|interval| now.since(last) >= interval);
        if self.is_reading || !(self.wanted.is_due(now) || self.last.is_none_or(is_due)) {
            return;
        }
        if matches!(self.way, Way::Open | Way::None) {
            return;
        }
        let (way, inbox, clock) = (self.way.clone(), self.inbox.clone(), self.clock);
        let socket = config.sources.vswitchd_socket();
        tokio::spawn(async move {
            if let (Way::Userspace(table), Ok(socket)) = (&way, socket) {
                table.lock().await.go_to(socket);
            }
            let reading = read(&way, zones, clock).await;
            // Nobody waits for it any more where this fails.
            let _ = inbox.send(Event::Labelled(Box::new(reading))).await;
        });
        self.is_reading = true;
        self.wanted.begin(now);
    }

    /// Takes note that a reading is over. Returns what the kernel told meanwhile.
    pub(super) fn done(&mut self, reading: &Result<Reading, String>) -> Vec<events::Event> {
        self.is_reading = false;
        self.last = Some(self.clock.now());
        if let Ok(reading) = reading {
            self.interrupted += u64::from(reading.is_interrupted);
            self.unreadable += reading.unreadable;
        }
        std::mem::take(&mut self.meanwhile)
    }
}

async fn forward(mut listening: Events, inbox: mpsc::Sender<Event>) {
    loop {
        let event = match listening.next().await {
            Ok(event) => Event::Conntrack(event),
            Err(error) => {
                // The readings at an interval go on.
                let _ = inbox.send(Event::ConntrackLost(error.to_string())).await;
                return;
            }
        };
        if inbox.send(event).await.is_err() {
            return;
        }
    }
}

/// Reads all labelled entries; of ovs-vswitchd, those in `zones`, and there those that tell who sends.
///
/// # Errors
/// The table cannot be read, in words.
pub(super) async fn read(way: &Way, zones: Zones, clock: Clock) -> Result<Reading, String> {
    match way {
        Way::Open | Way::None => Err("conntrack entries are not asked for".to_owned()),
        // Half a million entries take a second, which packets do not wait for.
        Way::Kernel => match tokio::task::spawn_blocking(move || read_kernel(clock.now())).await {
            Ok(reading) => reading.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        },
        Way::Userspace(table) => read_userspace(table, &zones, clock).await,
    }
}

fn read_kernel(begun: Timestamp) -> Result<Reading, conntrack::Error> {
    let (index, dumped) = Table::open()?.labelled(MAX_ENTRIES)?;
    let reading = Reading::new(begun.into(), index, Senders::default());
    Ok(Reading { is_interrupted: dumped.interrupted, unreadable: dumped.unreadable, ..reading })
}

async fn read_userspace(table: &Mutex<UserspaceTable>, zones: &Zones, clock: Clock) -> Result<Reading, String> {
    let mut table = table.lock().await;
    let mut begun = Begun::from(clock.now());
    let (mut index, mut senders, mut unreadable) = (LabelledIndex::new(MAX_ENTRIES), Senders::default(), 0);
    for &zone in &zones.routers {
        let insert = |connection: &Connection| {
            index.insert(connection);
        };
        let (asked, more) = read_zone(&mut table, zone, clock, insert).await?;
        begun.zones.insert(zone, asked);
        unreadable += more;
    }
    let mut failure = None;
    for &zone in &zones.senders {
        // These zones may hold far more entries: that one cannot be read leaves the others as they are.
        match read_zone(&mut table, zone, clock, |connection| senders.insert(connection)).await {
            Ok((_, more)) => unreadable += more,
            Err(error) => failure = Some(format!("zone {zone}: {error}")),
        }
    }
    let ovs = table.release().await;
    Ok(Reading { unreadable, failure, ovs, ..Reading::new(begun, index, senders) })
}

/// Reads a zone. Gives the moment at which it was asked for, and the number of its entries that could not be read.
async fn read_zone(
    table: &mut UserspaceTable,
    zone: u16,
    clock: Clock,
    mut sink: impl FnMut(&Connection),
) -> Result<(Timestamp, u64), String> {
    loop {
        let asked = clock.now();
        match table.dump(zone, || clock.now(), &mut sink).await {
            // Of several zones each waits until the daemon was left alone for long enough after the one before.
            Err(UnixctlError::TooSoon { until, .. }) => tokio::time::sleep(until.since(clock.now()).max(TICK)).await,
            Ok(read) => return Ok((asked, read.unreadable as u64)),
            Err(error) => return Err(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_reading_serves_all_that_were_asked_for_meanwhile() {
        let at = Timestamp::from_nanos;
        let mut wanted = Wanted::default();
        assert!(!wanted.is_due(at(5)));
        for moment in [12, 10, 14] {
            wanted.add(at(moment));
        }
        assert!(!wanted.is_due(at(9)) && wanted.is_due(at(10)));
        wanted.begin(at(10));
        assert!(!wanted.is_due(at(13)) && wanted.is_due(at(14)));
        wanted.begin(at(15));
        assert!(!wanted.is_due(at(100)));
        // What is asked for while a reading goes on is another one.
        wanted.add(at(0));
        assert!(wanted.is_due(at(15)));
    }
}
