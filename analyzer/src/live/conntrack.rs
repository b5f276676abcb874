//! The conntrack entries of this node: asked for one by one, read as a whole, and followed as they change.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc};

use super::clock::Clock;
use super::config::Sources;
use crate::conntrack::index::LabelledIndex;
use crate::daemon::entries::{Entries, MAX_ENTRIES, Way, Zones};
use crate::daemon::event::{Begun, Event, Reading};
use crate::daemon::senders::Senders;
use crate::engine::fact::Connection;
use crate::netlink::conntrack::events::Events;
use crate::netlink::conntrack::{self, Table};
use crate::types::{Timestamp, Tuple};
use crate::unixctl::UnixctlError;
use crate::unixctl::conntrack::{Pacing, UserspaceTable};

/// Room in the kernel for events that were not read yet, in bytes.
const EVENT_BYTES: usize = 8 << 20;
/// Shortest wait for ovs-vswitchd's turn: the timer's own resolution.
const TICK: Duration = Duration::from_millis(1);

/// The table of this node's datapath.
#[derive(Debug)]
pub(super) struct Conntrack {
    sources: Sources,
    pacing: Pacing,
    clock: Clock,
    place: Place,
    /// The kernel's table, to ask for single entries.
    table: Option<Table>,
    /// Where readings and changes are told; nowhere for who asks once.
    events: Option<mpsc::Sender<Event>>,
}

/// Where the table is, once that is known.
#[derive(Clone, Debug)]
enum Place {
    Nowhere,
    Kernel,
    Userspace(Arc<Mutex<UserspaceTable>>),
}

impl Conntrack {
    /// A table that is not opened yet. `pacing` is for ovs-vswitchd.
    pub(super) fn new(sources: &Sources, pacing: Pacing, clock: Clock, events: Option<mpsc::Sender<Event>>) -> Self {
        Self { sources: sources.clone(), pacing, clock, place: Place::Nowhere, table: None, events }
    }

    /// All labelled entries; of ovs-vswitchd, those in `zones`, and there those that tell who sends.
    ///
    /// # Errors
    /// The table cannot be read, in words.
    pub(super) async fn all(&self, zones: Zones) -> Result<Reading, String> {
        read(self.place.clone(), zones, self.socket(), self.clock).await
    }

    /// The control socket of ovs-vswitchd as it is by now: a daemon that was started anew has another.
    fn socket(&self) -> Result<PathBuf, String> {
        self.sources.vswitchd_socket()
    }
}

impl Entries for Conntrack {
    fn open(&mut self, way: Way) -> Result<(), String> {
        self.place = match way {
            Way::Kernel => {
                let table = Table::open().map_err(|error| error.to_string())?;
                if let Some(events) = &self.events {
                    match Events::open(EVENT_BYTES) {
                        Ok(listening) => drop(tokio::spawn(forward(listening, events.clone()))),
                        // Single entries can be asked for all the same, and the readings at an interval go on.
                        Err(error) => drop(events.try_send(Event::ConntrackLost(error.to_string()))),
                    }
                }
                self.table = Some(table);
                Place::Kernel
            }
            Way::Userspace => {
                let table = UserspaceTable::new(self.socket()?, None, self.pacing);
                Place::Userspace(Arc::new(Mutex::new(table)))
            }
            Way::Open | Way::None => Place::Nowhere,
        };
        Ok(())
    }

    fn get(&self, tuple: Tuple, zone: u16) -> Result<Option<Connection>, String> {
        let Some(table) = &self.table else { return Ok(None) };
        let entry = table.get(tuple, zone).map_err(|error| error.to_string())?;
        Ok(entry.map(|entry| entry.connection))
    }

    fn read(&mut self, zones: Zones) {
        let Some(events) = self.events.clone() else { return };
        let (place, socket, clock) = (self.place.clone(), self.socket(), self.clock);
        tokio::spawn(async move {
            let reading = read(place, zones, socket, clock).await;
            // Nobody waits for it any more where this fails.
            let _ = events.send(Event::Labelled(Box::new(reading))).await;
        });
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

async fn read(place: Place, zones: Zones, socket: Result<PathBuf, String>, clock: Clock) -> Result<Reading, String> {
    match place {
        Place::Nowhere => Err("conntrack entries are not asked for".to_owned()),
        // Half a million entries take a second, which packets do not wait for.
        Place::Kernel => match tokio::task::spawn_blocking(move || read_kernel(clock.now())).await {
            Ok(reading) => reading.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        },
        Place::Userspace(table) => {
            if let Ok(socket) = socket {
                table.lock().await.go_to(socket);
            }
            read_userspace(&table, &zones, clock).await
        }
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
