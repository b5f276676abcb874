//! What counts packets, as the daemon has it: the set that it judges by, and what it counted.
//!
//! What it refuses is said by the [`Voice`] that is given, once for each reason, and counts; then nothing was read.

use std::net::IpAddr;
use std::time::Duration;

use analyzer_ebpf::abi::Direction;
use analyzer_ebpf::maps::{Counter, PacketCount};
use hashbrown::HashMap;

use super::mirrored::{Added, Mirrored};
use super::packets::{Counters, Packets, Refused};
use super::set::Set;
use super::voice::{Trouble, Voice};
use crate::bpf::counted::{Axis, Counted, Heard, Key, MapUse, Request};
use crate::engine::Engine;
use crate::engine::observation::{HeardNeighbour, Observation};
use crate::engine::verdict::Verdict;
use crate::mirror::{self, Taken};
use crate::types::{MacAddr, Timestamp};

/// How long packets of another direction are known, where sockets counted them.
const REQUESTED: Duration = Duration::from_secs(600);

/// Keys that newer ones pushed out of maps.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Evicted {
    pub(crate) samples: u64,
    pub(crate) requests: u64,
    pub(crate) neighbours: u64,
}

/// What counts packets.
pub(crate) struct Kernel {
    packets: Box<dyn Packets>,
    axis: Axis,
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
    pub(crate) fn new(packets: Box<dyn Packets>, axis: Axis) -> Self {
        Self {
            packets,
            axis,
            set: Set::default(),
            refused: None,
            heard_until_ns: 0,
            counted: Counters::default(),
            evicted: Evicted::default(),
        }
    }

    /// Tells it what holds now, or that next hops are not known. Where it will not take it, packets are judged by nothing
    /// rather than by what no longer holds.
    pub(crate) fn switch(
        &mut self,
        engine: &mut Engine,
        is_sighted: bool,
        at: Timestamp,
        tick: u64,
        voice: &mut Voice,
    ) {
        let switched = match is_sighted {
            true => self.set.switch(engine, &mut *self.packets, at),
            false => self.set.unload(&mut *self.packets),
        };
        self.refused = switched.is_err().then_some(tick);
        if let Err(error) = switched {
            voice.failed(Trouble::KernelProgram, &error);
            said(self.set.unload(&mut *self.packets), voice);
        }
    }

    /// Takes over all of a socket's batch but its flows. Returns neighbours that were heard.
    pub(crate) fn take_mirrored(&mut self, taken: &Taken) -> Vec<Heard> {
        self.packets.mirrored_mut().map(|mirrored| mirrored.take(taken)).unwrap_or_default()
    }

    /// Frames that sockets did not count, and packets of flows that found no room to be listed.
    pub(crate) fn mirrored_losses(&self) -> (mirror::Losses, u64) {
        let mirrored = self.packets.mirrored();
        mirrored.map_or_else(Default::default, |mirrored| (mirrored.losses(), mirrored.unlisted()))
    }

    /// Flows that sockets counted, where they count them and not the kernel program.
    pub(crate) fn mirrored(&self) -> Option<&Mirrored> {
        self.packets.mirrored()
    }

    /// The same, to be written to.
    pub(crate) fn mirrored_mut(&mut self) -> Option<&mut Mirrored> {
        self.packets.mirrored_mut()
    }

    /// Adds packets of a flow that a socket counted.
    pub(crate) fn add_mirrored(&mut self, flow: &Counted) -> Added {
        let (set, axis) = (&self.set, self.axis);
        // As the kernel program, which notes few of those that come by a next hop: they tell nothing of who else is alive.
        let is_request = |seen: &Observation| set.knows_source(seen.tuple.dst) && !set.is_legal(seen.eth_src);
        self.packets.mirrored_mut().map_or(Added::Known, |mirrored| mirrored.add(flow, axis, is_request))
    }

    /// Whether packets are judged by nothing, as it did not take the set.
    pub(crate) fn has_refused(&self) -> bool {
        self.refused.is_some()
    }

    /// Whether it did not take the set at an earlier tick than this, so that it is tried again.
    pub(crate) fn is_to_be_tried(&self, tick: u64) -> bool {
        self.refused.is_some_and(|tried| tried != tick)
    }

    /// How often it was told another set.
    pub(crate) fn switches(&self) -> u64 {
        self.set.switches()
    }

    /// The verdict that the flow shares with all of its combination, where there is one.
    pub(crate) fn plain(
        &mut self,
        engine: &mut Engine,
        key: &Key,
        seen: &Observation,
        voice: &mut Voice,
    ) -> Option<Verdict> {
        let is_present = self.is_present(key);
        let (plain, told) = self.set.plain(engine, &mut *self.packets, seen, is_present);
        said(told, voice);
        plain
    }

    /// Whether a key is of the set that holds now.
    pub(crate) fn is_present(&self, key: &Key) -> bool {
        self.set.present().is_some_and(|(generation, _)| generation as u16 == key.epoch())
    }

    /// Whether the set is still known by which packets of a key were judged.
    pub(crate) fn is_known(&self, key: &Key) -> bool {
        self.set.span(key.epoch()).is_some()
    }

    /// What was counted under a key, on the run's axis of time, as of the time in which its generation was in force.
    pub(crate) fn observation(&self, counted: &Counted) -> Observation {
        let seen = counted.observation(self.axis);
        self.set.span(counted.key.epoch()).map_or(seen, |span| span.place(seen))
    }

    /// A neighbour that was heard, as the engine is told of it.
    pub(crate) fn neighbour(&self, heard: &Heard) -> HeardNeighbour {
        heard.neighbour(self.axis)
    }

    /// The run's axis of time.
    pub(crate) fn axis(&self) -> Axis {
        self.axis
    }

    /// Neighbours of whom frames came since this was asked last, as of now: the last frame tells whose the address is.
    pub(crate) fn heard_since(&mut self, voice: &mut Voice) -> Vec<Heard> {
        let mut heard = said(self.packets.heard(), voice).unwrap_or_default();
        heard.retain(|heard| heard.last_ns > self.heard_until_ns);
        heard.sort_by_key(|heard| heard.last_ns);
        if let Some(last) = heard.last() {
            self.heard_until_ns = last.last_ns;
        }
        heard.into_iter().map(|heard| Heard { first_ns: heard.last_ns, ..heard }).collect()
    }

    /// What is counted under a key of a suspect. It may have been taken away meanwhile.
    pub(crate) fn suspect(&self, key: Key, voice: &mut Voice) -> Option<Counted> {
        let counts = said(self.packets.suspect(&key), voice).flatten()?;
        Some(Counted { key, counts })
    }

    /// The same of a suspect that came just now, which is in the reserve where it found no room among the others.
    pub(crate) fn new_suspect(&self, key: Key, voice: &mut Voice) -> Option<Counted> {
        match said(self.packets.suspect(&key), voice)? {
            Some(counts) => Some(Counted { key, counts }),
            None if key.is_in_reserve() => None,
            None => self.suspect(key.in_reserve(), voice),
        }
    }

    /// All suspects; `None` where they cannot be read.
    pub(crate) fn suspects(&self, voice: &mut Voice) -> Option<Vec<Counted>> {
        said(self.packets.suspects(), voice)
    }

    /// Takes away those of which no packet has come since they were read. Returns them.
    pub(crate) fn remove(&mut self, suspects: &[Counted], voice: &mut Voice) -> Vec<Counted> {
        let (removed, done) = self.packets.remove(suspects);
        said(done, voice);
        removed
    }

    /// Tells how many flows the reserve holds for each MAC.
    pub(crate) fn clear_reserve(&mut self, held: &HashMap<MacAddr, u64>, voice: &mut Voice) {
        said(self.packets.clear_reserve(held), voice);
    }

    /// Waits until what was detached runs on no CPU any more.
    pub(crate) fn settle(&self, voice: &mut Voice) {
        said(self.packets.settle(), voice);
    }

    /// What was sampled of flows that conform. What was sampled while no set was loaded was judged by nobody and is left
    /// out.
    pub(crate) fn samples(&self, voice: &mut Voice) -> Vec<Counted> {
        let mut samples = said(self.packets.samples(), voice).unwrap_or_default();
        samples.retain(|sample| sample.key.epoch() != 0);
        samples
    }

    /// Packets of the flow's other direction that came from the MAC that it leaves to, as the engine is told of them.
    pub(crate) fn requests_of(&self, seen: &Observation, voice: &mut Voice) -> Vec<Observation> {
        let (tuple, eth_src) = (seen.tuple.reversed(), seen.eth_dst);
        let counts = said(self.packets.request(&tuple, eth_src), voice).flatten();
        counts.map(|counts| self.came_in(seen, &Request { tuple, eth_src, counts })).into_iter().collect()
    }

    /// A request of the flow, as the engine is told of it.
    pub(crate) fn came_in(&self, seen: &Observation, request: &Request) -> Observation {
        Observation {
            tags: seen.tags.with_direction(Direction::Inbound),
            eth_src: request.eth_src,
            eth_dst: seen.eth_src,
            tuple: request.tuple,
            packets: request.counts.packets,
            bytes: request.counts.bytes,
            first: self.axis.at(request.counts.first_ns),
            last: self.axis.at(request.counts.last_ns),
            ..*seen
        }
    }

    /// All packets that came in; `None` where they cannot be read.
    pub(crate) fn requests(&self, voice: &mut Voice) -> Option<Vec<Request>> {
        said(self.packets.requests(), voice)
    }

    /// MACs that packets came in from, and when the last one did; `None` where that cannot be read.
    pub(crate) fn senders(&self, voice: &mut Voice) -> Option<HashMap<MacAddr, Timestamp>> {
        let mut senders: HashMap<MacAddr, Timestamp> = HashMap::new();
        for request in self.requests(voice)? {
            let last = self.axis.at(request.counts.last_ns);
            senders.entry(request.eth_src).and_modify(|known| *known = last.max(*known)).or_insert(last);
        }
        Some(senders)
    }

    /// Forgets packets of other directions that sockets counted long ago.
    pub(crate) fn forget_requests(&mut self, now: Timestamp) {
        let before = self.axis.monotonic(now.saturating_sub(REQUESTED));
        if let Some(mirrored) = self.packets.mirrored_mut() {
            mirrored.forget_requests(before);
        }
    }

    /// Conforming packets by MAC, with the next hops whose it was at first.
    pub(crate) fn nexthops(&self, voice: &mut Voice) -> Vec<(&(MacAddr, Vec<IpAddr>), PacketCount)> {
        let known = self.set.nexthops();
        let counted = self.packets.nexthops(u32::try_from(known.len()).unwrap_or(u32::MAX));
        known.iter().zip(said(counted, voice).unwrap_or_default()).collect()
    }

    /// What it counted.
    pub(crate) fn counters(&mut self, voice: &mut Voice) -> Counters {
        if let Some(counters) = said(self.packets.counters(), voice) {
            self.counted = counters;
        }
        self.counted
    }

    /// Packets that it has counted as suspect.
    pub(crate) fn suspect_packets(&mut self, voice: &mut Voice) -> u64 {
        self.counters(voice)[Counter::Suspect as usize].packets
    }

    /// What it had counted when it was asked last.
    pub(crate) fn counted(&self) -> Counters {
        self.counted
    }

    /// Counts the keys that are in the maps against those that ever came. Takes some ten milliseconds.
    pub(crate) fn count_evicted(&mut self, voice: &mut Voice) {
        // Keys that come while the maps are read are in them and not in the counts, which then errs to fewer.
        let counters = self.counters(voice);
        let present = self.packets.present();
        let new = [Counter::SamplesNew, Counter::RequestsNew, Counter::HeardNew];
        let mut evicted = [0; 3];
        for ((counter, present), evicted) in new.into_iter().zip(present).zip(&mut evicted) {
            if let Some(present) = said(present, voice) {
                *evicted = counters[counter as usize].packets.saturating_sub(present as u64);
            }
        }
        let [samples, mut requests, neighbours] = evicted;
        requests += self.packets.mirrored().map_or(0, Mirrored::evicted_requests);
        let known = self.evicted;
        self.evicted = Evicted {
            samples: known.samples.max(samples),
            requests: known.requests.max(requests),
            neighbours: known.neighbours.max(neighbours),
        };
    }

    /// Keys that were pushed out of the maps, as they were counted last.
    pub(crate) fn evicted(&self) -> Evicted {
        self.evicted
    }

    /// Its maps.
    pub(crate) fn map_uses(&self) -> Vec<MapUse> {
        self.packets.map_uses()
    }
}

/// The answer, where there was one.
fn said<T>(answer: Result<T, Refused>, voice: &mut Voice) -> Option<T> {
    answer.map_err(|error| voice.failed(Trouble::KernelProgram, &error)).ok()
}
