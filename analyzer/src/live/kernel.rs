//! The kernel program, as the daemon has it: the set that it judges by, and what it counted.
//!
//! What the kernel refuses is said by the [`Voice`] that is given, once for each reason, and counts; then nothing was read.

use std::net::IpAddr;

use analyzer_ebpf::maps::{Counter, PacketCount};
use hashbrown::{DefaultHashBuilder, HashMap};

use super::clock::Clock;
use super::mirrored::{Added, Mirrored};
use super::set::Set;
use super::voice::{Trouble, Voice};
use crate::bpf::attach::{AttachOptions, Attachment, Nic};
use crate::bpf::counted::{Axis, Counted, Heard, Key, MapUse, Request};
use crate::bpf::error::BpfError;
use crate::bpf::programs::Programs;
use crate::bpf::readings::Readings;
use crate::bpf::table::Table;
use crate::engine::Engine;
use crate::engine::observation::{HeardNeighbour, Observation};
use crate::engine::verdict::Verdict;
use crate::mirror::{self, MirrorError, Port, Taken};
use crate::types::{MacAddr, Timestamp, Tuple};

/// Events that a CPU may raise in a second. What is beyond is found by the next sweep.
const EVENTS_PER_SECOND: u32 = 10_000;

/// What the kernel program counted, by [`Counter`].
pub(super) type Counters = [PacketCount; Counter::COUNT as usize];

/// Keys that newer ones pushed out of the kernel's maps.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Evicted {
    pub(super) samples: u64,
    pub(super) requests: u64,
    pub(super) neighbours: u64,
}

/// AF_XDP sockets in the place of programs: how they are made, and what they counted.
#[derive(Debug)]
pub(super) struct Sockets {
    /// `None` once they are closed.
    settings: Option<mirror::Settings>,
    mirrored: Mirrored,
}

impl Sockets {
    /// Keeps `most` flows of each IP version.
    pub(super) fn new(settings: mirror::Settings, most: usize, hasher: DefaultHashBuilder) -> Self {
        Self { settings: Some(settings), mirrored: Mirrored::new(most, hasher) }
    }
}

/// What holds a NIC.
#[derive(Debug)]
pub(super) enum Held {
    Programs(Attachment),
    Port(Box<Port>),
}

impl Held {
    /// What is attached.
    pub(super) fn attachment(&self) -> &Attachment {
        match self {
            Self::Programs(attachment) => attachment,
            Self::Port(port) => port.attachment(),
        }
    }

    /// Frames that passed sockets by: those of queues without one, and those that the NIC had no room for.
    pub(super) fn passed_by(&self) -> (u64, u64) {
        match self {
            Self::Programs(_) => (0, 0),
            Self::Port(port) => (port.passed(), port.missed()),
        }
    }
}

/// The loaded kernel program.
#[derive(Debug)]
pub(super) struct Kernel {
    programs: Programs,
    table: Table,
    readings: Readings,
    /// Where frames of mirror ports are taken by sockets: then the program is at no NIC.
    sockets: Option<Sockets>,
    clock: Clock,
    set: Set,
    /// Whether it did not take the set, and at which tick that was tried last.
    refused: Option<u64>,
    /// Time of the last packet of neighbours that were listened to, in nanoseconds of CLOCK_MONOTONIC.
    heard_until_ns: u64,
    /// What was counted when that could be read last: counts never fall.
    counted: Counters,
    /// As they were counted last.
    evicted: Evicted,
}

impl Kernel {
    pub(super) fn new(
        programs: Programs,
        table: Table,
        readings: Readings,
        sockets: Option<Sockets>,
        clock: Clock,
    ) -> Self {
        Self {
            programs,
            table,
            readings,
            sockets,
            clock,
            set: Set::default(),
            refused: None,
            heard_until_ns: 0,
            counted: Counters::default(),
            evicted: Evicted::default(),
        }
    }

    /// Watches a NIC, by programs or by sockets.
    ///
    /// # Errors
    /// It cannot be watched; nothing stays attached.
    pub(super) fn attach(&mut self, nic: &Nic, options: &AttachOptions) -> Result<Held, MirrorError> {
        match self.sockets.as_ref().and_then(|sockets| sockets.settings.as_ref()) {
            Some(settings) => Ok(Held::Port(Box::new(Port::open(nic, &self.programs, settings)?))),
            None => Ok(Held::Programs(self.programs.attach(nic, options)?)),
        }
    }

    /// Sets that one of `sample` conforming packets is sampled.
    ///
    /// # Errors
    /// When the map cannot be written.
    pub(super) fn set_sample(&mut self, sample: u32) -> Result<(), BpfError> {
        self.table.set_rates(sample, EVENTS_PER_SECOND)
    }

    /// Tells it what holds now, or that next hops are not known. Where it will not take it, packets are judged by nothing
    /// rather than by what no longer holds.
    pub(super) fn switch(
        &mut self,
        engine: &mut Engine,
        is_sighted: bool,
        at: Timestamp,
        tick: u64,
        voice: &mut Voice,
    ) {
        let switched = match is_sighted {
            true => self.set.switch(engine, &mut self.table, at),
            false => self.set.unload(&mut self.table),
        };
        self.refused = switched.is_err().then_some(tick);
        if let Err(error) = switched {
            voice.failed(Trouble::KernelProgram, &error);
            said(self.set.unload(&mut self.table), voice);
        }
        if let Some(settings) = self.sockets.as_ref().and_then(|sockets| sockets.settings.as_ref()) {
            // Flow keys hold the low bits of it.
            settings.enter(self.set.present().map_or(0, |(generation, _)| generation as u16));
        }
    }

    /// Takes over all of a socket's batch but its flows. Returns neighbours that were heard.
    pub(super) fn take_mirrored(&mut self, taken: &Taken) -> Vec<Heard> {
        self.sockets.as_mut().map(|sockets| sockets.mirrored.take(taken)).unwrap_or_default()
    }

    /// No NIC is watched by sockets from here on.
    pub(super) fn close_sockets(&mut self) {
        if let Some(sockets) = &mut self.sockets {
            sockets.settings = None;
        }
    }

    /// Frames that sockets did not count, and packets of flows that found no room to be listed.
    pub(super) fn mirrored_losses(&self) -> (mirror::Losses, u64) {
        let mirrored = self.sockets.as_ref().map(|sockets| &sockets.mirrored);
        mirrored.map_or_else(Default::default, |mirrored| (mirrored.losses(), mirrored.unlisted()))
    }

    /// Flows that sockets counted, where there are sockets.
    pub(super) fn mirrored(&mut self) -> Option<&mut Mirrored> {
        self.sockets.as_mut().map(|sockets| &mut sockets.mirrored)
    }

    /// Adds packets of a flow that a socket counted.
    pub(super) fn add_mirrored(&mut self, flow: &Counted) -> Added {
        let (set, axis) = (&self.set, self.axis());
        // As the kernel program, which notes few of those that come by a next hop: they tell nothing of who else is alive.
        let is_request = |seen: &Observation| set.knows_source(seen.tuple.dst) && !set.is_legal(seen.eth_src);
        self.sockets.as_mut().map_or(Added::Known, |sockets| sockets.mirrored.add(flow, axis, is_request))
    }

    /// Whether packets are judged by nothing, as it did not take the set.
    pub(super) fn has_refused(&self) -> bool {
        self.refused.is_some()
    }

    /// Whether it did not take the set at an earlier tick than this, so that it is tried again.
    pub(super) fn is_to_be_tried(&self, tick: u64) -> bool {
        self.refused.is_some_and(|tried| tried != tick)
    }

    /// How often it was told another set.
    pub(super) fn switches(&self) -> u64 {
        self.set.switches()
    }

    /// The verdict that the flow shares with all of its combination, where there is one.
    pub(super) fn plain(
        &mut self,
        engine: &mut Engine,
        key: &Key,
        seen: &Observation,
        voice: &mut Voice,
    ) -> Option<Verdict> {
        let is_present = self.is_present(key);
        let (plain, told) = self.set.plain(engine, &mut self.table, seen, is_present);
        said(told, voice);
        plain
    }

    /// Whether a key is of the set that holds now.
    pub(super) fn is_present(&self, key: &Key) -> bool {
        self.set.present().is_some_and(|(generation, _)| generation as u16 == key.epoch())
    }

    /// Whether the set is still known by which packets of a key were judged.
    pub(super) fn is_known(&self, key: &Key) -> bool {
        self.set.span(key.epoch()).is_some()
    }

    /// What was counted under a key, on the run's axis of time, as of the time in which its generation was in force.
    pub(super) fn observation(&self, counted: &Counted) -> Observation {
        let seen = counted.observation(self.axis());
        self.set.span(counted.key.epoch()).map_or(seen, |span| span.place(seen))
    }

    /// A neighbour that was heard, as the engine is told of it.
    pub(super) fn neighbour(&self, heard: &Heard) -> HeardNeighbour {
        heard.neighbour(self.axis())
    }

    fn axis(&self) -> Axis {
        Axis { offset_ns: self.clock.offset() }
    }

    /// Neighbours of whom frames came since this was asked last, as of now: the last frame tells whose the address is.
    pub(super) fn heard_since(&mut self, voice: &mut Voice) -> Vec<Heard> {
        let mut heard = said(self.readings.heard(), voice).unwrap_or_default();
        heard.retain(|heard| heard.last_ns > self.heard_until_ns);
        heard.sort_by_key(|heard| heard.last_ns);
        if let Some(last) = heard.last() {
            self.heard_until_ns = last.last_ns;
        }
        heard.into_iter().map(|heard| Heard { first_ns: heard.last_ns, ..heard }).collect()
    }

    /// What is counted under a key of a suspect. It may have been taken away meanwhile.
    pub(super) fn suspect(&self, key: Key, voice: &mut Voice) -> Option<Counted> {
        if let Some(sockets) = &self.sockets {
            return sockets.mirrored.flow(key);
        }
        let counts = said(self.readings.suspect(&key), voice).flatten()?;
        Some(Counted { key, counts })
    }

    /// The same of a suspect that came just now, which is in the reserve where it found no room among the others.
    pub(super) fn new_suspect(&self, key: Key, voice: &mut Voice) -> Option<Counted> {
        if let Some(sockets) = &self.sockets {
            return sockets.mirrored.flow(key);
        }
        match said(self.readings.suspect(&key), voice)? {
            Some(counts) => Some(Counted { key, counts }),
            None if key.is_in_reserve() => None,
            None => self.suspect(key.in_reserve(), voice),
        }
    }

    /// All suspects; `None` where they cannot be read.
    pub(super) fn suspects(&self, voice: &mut Voice) -> Option<Vec<Counted>> {
        if let Some(sockets) = &self.sockets {
            return Some(sockets.mirrored.flows().collect());
        }
        said(self.readings.suspects(), voice)
    }

    /// Takes away those of which no packet has come since they were read. Returns them.
    pub(super) fn remove(&mut self, suspects: &[Counted], voice: &mut Voice) -> Vec<Counted> {
        if let Some(sockets) = &mut self.sockets {
            return suspects.iter().filter_map(|suspect| sockets.mirrored.remove(suspect)).collect();
        }
        let (removed, done) = self.readings.remove(suspects);
        said(done, voice);
        removed
    }

    /// Tells how many flows the reserve holds for each MAC.
    pub(super) fn clear_reserve(&self, held: &HashMap<MacAddr, u64>, voice: &mut Voice) {
        said(self.readings.clear_reserve(held), voice);
    }

    /// Waits until what was detached runs on no CPU any more.
    pub(super) fn settle(&self, voice: &mut Voice) {
        said(self.table.settle(), voice);
    }

    /// What was sampled of flows that conform. What was sampled while no set was loaded was judged by nobody and is left
    /// out.
    pub(super) fn samples(&self, voice: &mut Voice) -> Vec<Counted> {
        let mut samples = said(self.readings.samples(), voice).unwrap_or_default();
        samples.retain(|sample| sample.key.epoch() != 0);
        samples
    }

    /// Packets of the other direction that came from this MAC.
    pub(super) fn request(&self, tuple: Tuple, eth_src: MacAddr, voice: &mut Voice) -> Option<Request> {
        if let Some(sockets) = &self.sockets {
            return sockets.mirrored.request(tuple, eth_src);
        }
        let counts = said(self.readings.request(&tuple, eth_src), voice).flatten()?;
        Some(Request { tuple, eth_src, counts })
    }

    /// All packets that came in; `None` where they cannot be read.
    pub(super) fn requests(&self, voice: &mut Voice) -> Option<Vec<Request>> {
        if let Some(sockets) = &self.sockets {
            return Some(sockets.mirrored.requests().collect());
        }
        said(self.readings.requests(), voice)
    }

    /// Conforming packets by MAC, with the next hops whose it was at first.
    pub(super) fn nexthops(&self, voice: &mut Voice) -> Vec<(&(MacAddr, Vec<IpAddr>), PacketCount)> {
        let known = self.set.nexthops();
        let counted = self.readings.nexthops(u32::try_from(known.len()).unwrap_or(u32::MAX));
        known.iter().zip(said(counted, voice).unwrap_or_default()).collect()
    }

    /// What it counted.
    pub(super) fn counters(&mut self, voice: &mut Voice) -> Counters {
        if let Some(mut counters) = said(self.readings.counters(), voice) {
            if let Some(sockets) = &self.sockets {
                for (count, mirrored) in counters.iter_mut().zip(sockets.mirrored.counters()) {
                    count.packets += mirrored.packets;
                    count.bytes += mirrored.bytes;
                }
            }
            self.counted = counters;
        }
        self.counted
    }

    /// What it had counted when it was asked last.
    pub(super) fn counted(&self) -> Counters {
        self.counted
    }

    /// Counts the keys that are in the maps against those that ever came. Takes some ten milliseconds.
    pub(super) fn count_evicted(&mut self, voice: &mut Voice) {
        // Keys that come while the maps are read are in them and not in the counts, which then errs to fewer.
        let counters = self.counters(voice);
        let present = [
            self.readings.samples().map(|samples| samples.len()),
            self.readings.requests().map(|requests| requests.len()),
            self.readings.heard().map(|heard| heard.len()),
        ];
        let new = [Counter::SamplesNew, Counter::RequestsNew, Counter::HeardNew];
        let mut evicted = [0; 3];
        for ((counter, present), evicted) in new.into_iter().zip(present).zip(&mut evicted) {
            if let Some(present) = said(present, voice) {
                *evicted = counters[counter as usize].packets.saturating_sub(present as u64);
            }
        }
        let [samples, mut requests, neighbours] = evicted;
        requests += self.sockets.as_ref().map_or(0, |sockets| sockets.mirrored.evicted_requests());
        let known = self.evicted;
        self.evicted = Evicted {
            samples: known.samples.max(samples),
            requests: known.requests.max(requests),
            neighbours: known.neighbours.max(neighbours),
        };
    }

    /// Keys that were pushed out of the maps, as they were counted last.
    pub(super) fn evicted(&self) -> Evicted {
        self.evicted
    }

    /// Its maps.
    pub(super) fn map_uses(&self) -> impl Iterator<Item = MapUse> {
        self.table.map_uses().into_iter().chain(self.readings.map_uses())
    }
}

/// The answer, where the kernel gave one.
fn said<T>(answer: Result<T, BpfError>, voice: &mut Voice) -> Option<T> {
    answer.map_err(|error| voice.failed(Trouble::KernelProgram, &error)).ok()
}
