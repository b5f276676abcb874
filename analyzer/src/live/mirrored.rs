//! Flows that AF_XDP sockets counted: in user space what the map of suspects is in the kernel.
//!
//! Every flow has an entry here, those that conform too. Where room runs out, only flows get one that the engine finds
//! nothing harmless in; of the others packets are counted all the same, and no flow.

use analyzer_ebpf::maps::{Counter, FlowCounts};
use hashbrown::hash_map::Entry;
use hashbrown::{DefaultHashBuilder, HashMap};

use super::kernel::Counters;
use crate::bpf::readings::{Counted, Heard, Key, Request};
use crate::engine::observation::{Counts, Observation};
use crate::mirror::{Losses, Taken};
use crate::replay::Flow;
use crate::types::{MacAddr, Tuple};

/// Flows of the other direction that are noted at most.
const MAX_REQUESTS: usize = 65_536;

/// What sockets counted.
#[derive(Debug)]
pub(super) struct Mirrored {
    flows: HashMap<Key, Held>,
    /// Entries of IPv4 and of IPv6.
    held: [usize; 2],
    /// How many each may have.
    most: usize,
    /// Packets to addresses that a route knows as sources.
    requests: HashMap<(Tuple, MacAddr), FlowCounts>,
    counters: Counters,
    lost: Losses,
    /// What each queue had lost when it was told last.
    told: HashMap<(u32, u32), Losses>,
    /// Packets of flows that have no entry.
    unlisted: u64,
}

/// What is known of a flow.
#[derive(Clone, Copy, Debug)]
struct Held {
    counts: FlowCounts,
    /// Whether it goes to an address that a route knows as a source: it may be the other direction of one that is judged.
    is_request: bool,
}

/// What became of packets of a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Added {
    /// They were added to those of the flow.
    Known,
    /// They are the first of the flow.
    New,
    /// They are the first, and there is little room: nothing is counted yet.
    Crowded,
}

impl Mirrored {
    /// Keeps `most` flows of each IP version.
    pub(super) fn new(most: usize, hasher: DefaultHashBuilder) -> Self {
        Self {
            flows: HashMap::with_hasher(hasher),
            held: [0; 2],
            most,
            requests: HashMap::new(),
            counters: Counters::default(),
            lost: Losses::default(),
            told: HashMap::new(),
            unlisted: 0,
        }
    }

    /// Takes over all of a batch but its flows. Returns neighbours that were heard.
    pub(super) fn take(&mut self, taken: &Taken) -> Vec<Heard> {
        let totals = &taken.batch.totals;
        self.count(Counter::Seen, totals.packets, totals.bytes);
        self.count(Counter::NotIp, totals.skipped.not_ip, 0);
        self.count(Counter::Truncated, totals.skipped.truncated, 0);
        self.count(Counter::Malformed, totals.skipped.unparsed, 0);
        self.count(Counter::SuspectsFull, totals.untracked_packets, 0);
        self.count(Counter::HeardFull, taken.batch.heard_omitted, 0);
        let before = self.told.insert((taken.ifindex, taken.queue), taken.losses).unwrap_or_default();
        self.lost.add_since(&taken.losses, &before);
        let heard = taken.batch.heard.iter();
        heard
            .map(|it| Heard { ip: it.ip, mac: it.mac, first_ns: it.at.as_nanos(), last_ns: it.at.as_nanos() })
            .collect()
    }

    /// Adds packets of a flow, and notes them where `is_request` says so of it.
    pub(super) fn add(&mut self, flow: &Counted, seen: &Observation, is_request: impl FnOnce() -> bool) -> Added {
        let FlowCounts { packets, bytes, .. } = flow.counts;
        if flow.key.epoch() == 0 {
            self.count(Counter::Unloaded, packets, bytes);
            return Added::Known;
        }
        let (added, is_request) = match self.flows.entry(flow.key) {
            Entry::Occupied(mut entry) => {
                join(&mut entry.get_mut().counts, &flow.counts);
                (Added::Known, entry.get().is_request)
            }
            // From here on harmless flows that pause are taken away.
            Entry::Vacant(_) if self.held[version(&flow.key)] * 5 > self.most * 4 => (Added::Crowded, is_request()),
            Entry::Vacant(place) => {
                let held = place.insert(Held { counts: flow.counts, is_request: is_request() });
                self.held[version(&flow.key)] += 1;
                (Added::New, held.is_request)
            }
        };
        if is_request {
            self.note_request(seen.tuple, seen.eth_src, &flow.counts);
        }
        if added != Added::Crowded {
            self.count(Counter::Suspect, packets, bytes);
        }
        added
    }

    /// Adds the first packets of a flow for which there is little room, as something is to be said of it. Returns whether
    /// there was any; else they are lost.
    pub(super) fn squeeze(&mut self, flow: &Counted) -> bool {
        let FlowCounts { packets, bytes, .. } = flow.counts;
        let held = &mut self.held[version(&flow.key)];
        let has_room = *held < self.most;
        if has_room {
            *held += 1;
            self.flows.insert(flow.key, Held { counts: flow.counts, is_request: false });
        }
        self.count(if has_room { Counter::Suspect } else { Counter::SuspectsFull }, packets, bytes);
        has_room
    }

    /// Counts packets of a harmless flow for which there is little room.
    pub(super) fn pass(&mut self, flow: &Counted) {
        self.count(Counter::Suspect, flow.counts.packets, flow.counts.bytes);
        self.unlisted += flow.counts.packets;
    }

    fn note_request(&mut self, tuple: Tuple, eth_src: MacAddr, counts: &FlowCounts) {
        let is_full = self.requests.len() >= MAX_REQUESTS;
        match self.requests.entry((tuple, eth_src)) {
            Entry::Occupied(mut entry) => join(entry.get_mut(), counts),
            Entry::Vacant(_) if is_full => self.count(Counter::RequestsFull, counts.packets, counts.bytes),
            Entry::Vacant(place) => _ = place.insert(*counts),
        }
    }

    /// What was counted of a flow.
    pub(super) fn flow(&self, key: Key) -> Option<Counted> {
        self.flows.get(&key).map(|held| Counted { key, counts: held.counts })
    }

    /// All flows.
    pub(super) fn flows(&self) -> impl Iterator<Item = Counted> {
        self.flows.iter().map(|(&key, held)| Counted { key, counts: held.counts })
    }

    /// Takes away a flow of which no packet has come since it was read.
    pub(super) fn remove(&mut self, flow: &Counted) -> Option<Counted> {
        let counts = self.flows.get(&flow.key)?.counts;
        if counts.last_ns > flow.counts.last_ns {
            return None;
        }
        self.flows.remove(&flow.key);
        self.held[version(&flow.key)] -= 1;
        Some(Counted { key: flow.key, counts })
    }

    /// Packets of a flow that came from this MAC.
    pub(super) fn request(&self, tuple: Tuple, eth_src: MacAddr) -> Option<Request> {
        self.requests.get(&(tuple, eth_src)).map(|&counts| Request { tuple, eth_src, counts })
    }

    /// All packets of other directions.
    pub(super) fn requests(&self) -> impl Iterator<Item = Request> {
        self.requests.iter().map(|(&(tuple, eth_src), &counts)| Request { tuple, eth_src, counts })
    }

    /// Forgets packets of other directions of which none came since this time, in nanoseconds of CLOCK_MONOTONIC.
    pub(super) fn forget_requests(&mut self, before_ns: u64) {
        self.requests.retain(|_, counts| counts.last_ns >= before_ns);
    }

    /// What was counted, as the kernel program counts.
    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Frames that were not counted.
    pub(super) fn losses(&self) -> Losses {
        self.lost
    }

    /// Packets of flows that have no entry.
    pub(super) fn unlisted(&self) -> u64 {
        self.unlisted
    }

    fn count(&mut self, counter: Counter, packets: u64, bytes: u64) {
        let count = &mut self.counters[counter as usize];
        count.packets += packets;
        count.bytes += bytes;
    }
}

/// A flow of a batch, as the kernel program would have counted it.
pub(super) fn counted((flow, counts): (Flow, Counts)) -> Counted {
    let key = match flow {
        Flow::V4(key) => Key::V4(key),
        Flow::V6(key) => Key::V6(key),
    };
    let Counts { packets, bytes, first, last } = counts;
    let counts = FlowCounts { packets, bytes, first_ns: first.as_nanos(), last_ns: last.as_nanos() };
    Counted { key, counts }
}

fn version(key: &Key) -> usize {
    match key {
        Key::V4(_) | Key::Reserve4(_) => 0,
        Key::V6(_) | Key::Reserve6(_) => 1,
    }
}

fn join(known: &mut FlowCounts, more: &FlowCounts) {
    known.packets += more.packets;
    known.bytes += more.bytes;
    known.first_ns = known.first_ns.min(more.first_ns);
    known.last_ns = known.last_ns.max(more.last_ns);
}

#[cfg(test)]
mod tests {
    use analyzer_ebpf::abi::{FlowKey, LinkTags};

    use super::*;
    use crate::bpf::readings::Axis;

    fn counted(number: u8, epoch: u16, packets: u64, last_ns: u64) -> Counted {
        let key = FlowKey {
            src: [10, 0, 0, number],
            dst: [10, 0, 1, 1],
            eth_dst: [2; 6],
            eth_src: [4; 6],
            tags: LinkTags::NONE,
            tp_src: 1,
            tp_dst: 2,
            epoch,
            nw_proto: 17,
            nic: 0,
        };
        Counted { key: Key::V4(key), counts: FlowCounts { packets, bytes: packets * 94, first_ns: last_ns, last_ns } }
    }

    fn add(mirrored: &mut Mirrored, flow: &Counted) -> Added {
        mirrored.add(flow, &flow.observation(Axis { offset_ns: 0 }), || true)
    }

    #[test]
    fn each_packet_is_in_one_count() {
        let mut mirrored = Mirrored::new(10, DefaultHashBuilder::default());
        let mut sent = 0;
        // Flows up to 8 find room, 9 is squeezed in, 10 is lost, 11 is harmless, 12 came before there was a set.
        for (number, epoch) in (0..12).chain([0]).map(|number| (number, 1)).chain([(12, 0)]) {
            let flow = counted(number, epoch, u64::from(number) + 1, 5);
            sent += flow.counts.packets;
            match add(&mut mirrored, &flow) {
                Added::Crowded if number == 11 => mirrored.pass(&flow),
                Added::Crowded => assert_eq!(mirrored.squeeze(&flow), number == 9),
                Added::New => assert!(number < 9),
                Added::Known => assert!(number == 0 || epoch == 0),
            }
        }
        let of = |counter: Counter| mirrored.counters()[counter as usize].packets;
        assert_eq!(of(Counter::Suspect) + of(Counter::SuspectsFull) + of(Counter::Unloaded), sent);
        assert_eq!((of(Counter::SuspectsFull), of(Counter::Unloaded), mirrored.unlisted()), (11, 13, 12));
        assert_eq!(mirrored.flows().map(|flow| flow.counts.packets).sum::<u64>(), (1..=10).sum::<u64>() + 1);
    }

    #[test]
    fn a_flow_that_goes_on_stays() {
        let mut mirrored = Mirrored::new(8, DefaultHashBuilder::default());
        add(&mut mirrored, &counted(0, 1, 1, 5));
        let read = mirrored.flow(counted(0, 1, 0, 0).key).unwrap();
        add(&mut mirrored, &counted(0, 1, 1, 6));
        assert_eq!(mirrored.remove(&read), None);
        let read = mirrored.flow(read.key).unwrap();
        assert_eq!((read.counts.packets, mirrored.remove(&read)), (2, Some(read)));
        assert_eq!(add(&mut mirrored, &counted(0, 1, 1, 7)), Added::New);
        assert_eq!(mirrored.requests().map(|request| request.counts.packets).sum::<u64>(), 3);
    }
}
