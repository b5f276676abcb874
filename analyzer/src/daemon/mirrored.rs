//! Flows that AF_XDP sockets counted: in user space what the map of suspects is in the kernel.
//!
//! Every flow has an entry here, those that conform too. Where room runs out, only flows get one that the engine finds
//! nothing harmless in; of the others packets are counted all the same, and no flow.

use analyzer_ebpf::maps::{Counter, FlowCounts};
use hashbrown::hash_map::Entry;
use hashbrown::{DefaultHashBuilder, HashMap};

use super::packets::Counters;
use crate::bpf::counted::{Axis, Counted, Heard, Key, Request};
use crate::engine::observation::{Counts, Observation};
use crate::mirror::{Losses, Taken};
use crate::replay::Flow;
use crate::types::{MacAddr, Tuple};

/// Flows of the other direction that are noted at most.
const MAX_REQUESTS: usize = 65_536;

/// What sockets counted.
#[derive(Debug)]
pub struct Mirrored {
    flows: HashMap<Key, Held>,
    /// Entries of IPv4 and of IPv6.
    held: [usize; 2],
    /// How many each may have.
    most: usize,
    /// Packets to addresses that a route knows as sources.
    requests: HashMap<(Tuple, MacAddr), FlowCounts>,
    counters: Counters,
    lost: Losses,
    /// What each socket had lost when it was told last.
    told: HashMap<u64, Losses>,
    /// Packets of flows that have no entry.
    unlisted: u64,
    /// Flows of other directions that newer ones pushed out.
    evicted_requests: u64,
    /// Whether flows were taken away that may come again, and are counted as others then.
    has_given_way: bool,
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
pub(crate) enum Added {
    /// They were added to those of the flow.
    Known,
    /// They are the first of the flow.
    New,
    /// They are the first, and there is little room: nothing is counted yet.
    Crowded {
        /// Whether they go to an address that a route knows as a source.
        is_request: bool,
    },
}

impl Mirrored {
    /// Keeps `most` flows of each IP version.
    pub(crate) fn new(most: usize, hasher: DefaultHashBuilder) -> Self {
        Self {
            flows: HashMap::with_hasher(hasher),
            held: [0; 2],
            most,
            requests: HashMap::new(),
            counters: Counters::default(),
            lost: Losses::default(),
            told: HashMap::new(),
            unlisted: 0,
            evicted_requests: 0,
            has_given_way: false,
        }
    }

    /// Takes over all of a batch but its flows. Returns neighbours that were heard.
    pub(crate) fn take(&mut self, taken: &Taken) -> Vec<Heard> {
        let totals = &taken.batch.totals;
        self.count(Counter::Seen, totals.packets, totals.bytes);
        self.count(Counter::NotIp, totals.skipped.not_ip, 0);
        self.count(Counter::Truncated, totals.skipped.truncated, 0);
        self.count(Counter::Malformed, totals.skipped.unparsed, 0);
        self.count(Counter::SuspectsFull, totals.untracked_packets, 0);
        self.count(Counter::HeardFull, taken.batch.heard_omitted, 0);
        let before = self.told.insert(taken.socket, taken.losses).unwrap_or_default();
        self.lost.add_since(&taken.losses, &before);
        if taken.is_last {
            self.told.remove(&taken.socket);
        }
        let heard = taken.batch.heard.iter();
        heard
            .map(|it| Heard { ip: it.ip, mac: it.mac, first_ns: it.at.as_nanos(), last_ns: it.at.as_nanos() })
            .collect()
    }

    /// Adds packets of a flow, and notes them where `is_request` says so of it, which is asked when it is new.
    pub(crate) fn add(&mut self, flow: &Counted, axis: Axis, is_request: impl Fn(&Observation) -> bool) -> Added {
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
            Entry::Vacant(_) if self.held[version(&flow.key)] * 5 > self.most * 4 => {
                let is_request = is_request(&flow.observation(axis));
                (Added::Crowded { is_request }, is_request)
            }
            Entry::Vacant(place) => {
                let held = place.insert(Held { counts: flow.counts, is_request: is_request(&flow.observation(axis)) });
                self.held[version(&flow.key)] += 1;
                (Added::New, held.is_request)
            }
        };
        if is_request {
            let seen = flow.observation(axis);
            self.note_request(seen.tuple, seen.eth_src, &flow.counts);
        }
        if !matches!(added, Added::Crowded { .. }) {
            self.count(Counter::Suspect, packets, bytes);
        }
        added
    }

    /// Adds the first packets of a flow for which there is little room, as something is to be said of it. Returns whether
    /// there was any; else they are lost.
    pub(crate) fn squeeze(&mut self, flow: &Counted, is_request: bool) -> bool {
        let FlowCounts { packets, bytes, .. } = flow.counts;
        let held = &mut self.held[version(&flow.key)];
        let has_room = *held < self.most;
        if has_room {
            *held += 1;
            self.flows.insert(flow.key, Held { counts: flow.counts, is_request });
        }
        self.count(if has_room { Counter::Suspect } else { Counter::SuspectsFull }, packets, bytes);
        has_room
    }

    /// Counts packets of a harmless flow for which there is little room.
    pub(crate) fn pass(&mut self, flow: &Counted) {
        self.count(Counter::Suspect, flow.counts.packets, flow.counts.bytes);
        self.unlisted += flow.counts.packets;
    }

    fn note_request(&mut self, tuple: Tuple, eth_src: MacAddr, counts: &FlowCounts) {
        if self.requests.len() >= MAX_REQUESTS && !self.requests.contains_key(&(tuple, eth_src)) {
            self.forget_oldest_requests();
        }
        match self.requests.entry((tuple, eth_src)) {
            Entry::Occupied(mut entry) => join(entry.get_mut(), counts),
            Entry::Vacant(place) => _ = place.insert(*counts),
        }
    }

    /// Makes room for those that come: the quarter that was silent for longest goes.
    fn forget_oldest_requests(&mut self) {
        let mut last: Vec<u64> = self.requests.values().map(|counts| counts.last_ns).collect();
        let quarter = last.len() / 4;
        let (_, &mut oldest_kept, _) = last.select_nth_unstable(quarter);
        let before = self.requests.len();
        self.forget_requests(oldest_kept);
        if self.requests.len() == before {
            // All are of one moment.
            self.requests.clear();
        }
        self.evicted_requests += (before - self.requests.len()) as u64;
    }

    /// What was counted of a flow.
    pub(crate) fn flow(&self, key: Key) -> Option<Counted> {
        self.flows.get(&key).map(|held| Counted { key, counts: held.counts })
    }

    /// All flows.
    pub(crate) fn flows(&self) -> impl Iterator<Item = Counted> {
        self.flows.iter().map(|(&key, held)| Counted { key, counts: held.counts })
    }

    /// Takes away a flow of which no packet has come since it was read.
    pub(crate) fn remove(&mut self, flow: &Counted) -> Option<Counted> {
        let counts = self.flows.get(&flow.key)?.counts;
        if counts.last_ns > flow.counts.last_ns {
            return None;
        }
        self.has_given_way |= self.held[version(&flow.key)] * 5 > self.most * 4;
        self.flows.remove(&flow.key);
        self.held[version(&flow.key)] -= 1;
        Some(Counted { key: flow.key, counts })
    }

    /// Packets of a flow that came from this MAC.
    pub(crate) fn request(&self, tuple: Tuple, eth_src: MacAddr) -> Option<Request> {
        self.requests.get(&(tuple, eth_src)).map(|&counts| Request { tuple, eth_src, counts })
    }

    /// All packets of other directions.
    pub(crate) fn requests(&self) -> impl Iterator<Item = Request> {
        self.requests.iter().map(|(&(tuple, eth_src), &counts)| Request { tuple, eth_src, counts })
    }

    /// Forgets packets of other directions of which none came since this time, in nanoseconds of CLOCK_MONOTONIC.
    pub(crate) fn forget_requests(&mut self, before_ns: u64) {
        self.requests.retain(|_, counts| counts.last_ns >= before_ns);
    }

    /// What was counted, as the kernel program counts.
    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Frames that were not counted.
    pub(crate) fn losses(&self) -> Losses {
        self.lost
    }

    /// Flows of other directions that newer ones pushed out.
    pub(crate) fn evicted_requests(&self) -> u64 {
        self.evicted_requests
    }

    /// Whether numbers of flows are no more than estimates, as there was no room for all of them at once.
    pub(crate) fn is_estimated(&self) -> bool {
        self.unlisted > 0 || self.has_given_way || self.counters[Counter::SuspectsFull as usize].packets > 0
    }

    /// Packets of flows that have no entry.
    pub(crate) fn unlisted(&self) -> u64 {
        self.unlisted
    }

    fn count(&mut self, counter: Counter, packets: u64, bytes: u64) {
        let count = &mut self.counters[counter as usize];
        count.packets += packets;
        count.bytes += bytes;
    }
}

/// A flow of a batch, as the kernel program would have counted it.
pub(crate) fn counted((flow, counts): (Flow, Counts)) -> Counted {
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
        mirrored.add(flow, Axis { offset_ns: 0 }, |_| true)
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
                Added::Crowded { .. } if number == 11 => mirrored.pass(&flow),
                Added::Crowded { is_request } => assert_eq!(mirrored.squeeze(&flow, is_request), number == 9),
                Added::New => assert!(number < 9),
                Added::Known => assert!(number == 0 || epoch == 0),
            }
        }
        let of = |counter: Counter| mirrored.counters()[counter as usize].packets;
        assert_eq!(of(Counter::Suspect) + of(Counter::SuspectsFull) + of(Counter::Unloaded), sent);
        assert_eq!((of(Counter::SuspectsFull), of(Counter::Unloaded), mirrored.unlisted()), (11, 13, 12));
        assert_eq!(mirrored.flows().map(|flow| flow.counts.packets).sum::<u64>(), (1..=10).sum::<u64>() + 1);
    }

    /// Who came by whom is known of each flow, whether it found room easily or not.
    #[test]
    fn requests_go_on_to_be_noted() {
        let mut mirrored = Mirrored::new(2, DefaultHashBuilder::default());
        for round in 1..=3 {
            for number in 0..2 {
                let flow = counted(number, 1, 1, round);
                if let Added::Crowded { is_request } = add(&mut mirrored, &flow) {
                    assert!(mirrored.squeeze(&flow, is_request));
                }
            }
        }
        let noted: Vec<u64> = mirrored.requests().map(|request| request.counts.packets).collect();
        assert_eq!(noted, [3, 3]);
    }

    #[test]
    fn requests_that_come_push_out_those_that_were_silent_for_longest() {
        let mut mirrored = Mirrored::new(8, DefaultHashBuilder::default());
        let tuple = |port: u16| Tuple { tp_src: port, ..counted(1, 1, 1, 1).observation(Axis { offset_ns: 0 }).tuple };
        let counts = |last_ns: u64| FlowCounts { packets: 1, bytes: 94, first_ns: last_ns, last_ns };
        for port in 0..=u16::MAX {
            mirrored.note_request(tuple(port), MacAddr([1; 6]), &counts(u64::from(port)));
        }
        mirrored.note_request(tuple(7), MacAddr([2; 6]), &counts(70_000));
        assert!(
            mirrored.request(tuple(7), MacAddr([2; 6])).is_some()
                && mirrored.request(tuple(7), MacAddr([1; 6])).is_none()
        );
        assert_eq!(
            (mirrored.evicted_requests(), mirrored.request(tuple(60_000), MacAddr([1; 6])).is_some()),
            (16_384, true)
        );
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
