//! Flows that conform and whose requests come in by another next hop.
//!
//! Nobody is asked of such flows one by one: the kernel program passes their packets by itself. It samples those that
//! leave and those that come in, and here the two are put together, rarely.

use std::time::Duration;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use analyzer_ebpf::abi::Direction;

use super::effect::Effect;
use super::{Daemon, RARELY};
use crate::bpf::counted::Request;
use crate::engine::bounded::{Flow, flow_of};
use crate::engine::finding::Finding;
use crate::engine::observation::Observation;
use crate::engine::verdict::{Info, Verdict};
use crate::types::{MacAddr, Timestamp, Tuple};

/// Flows that are judged at a time at most.
const MAX_JUDGED: usize = 1_000;
/// How long packets of another direction are known.
const REQUESTED: Duration = Duration::from_secs(600);

impl Daemon {
    /// Tells of sampled flows whose requests came in by another next hop, as far as samples show it.
    pub(crate) fn look_at_replies(&mut self) {
        let Some(requests) = self.kernel.requests(&mut self.voice) else { return };
        let conforming = self.conforming();
        let mut by_tuple: HashMap<Tuple, Vec<Request>> = HashMap::new();
        for request in requests {
            by_tuple.entry(request.tuple).or_default().push(request);
        }
        // What was counted of a flow under earlier sets was judged by these, whatever holds since.
        let mut told: HashMap<(Flow, MacAddr), (Observation, Finding)> = HashMap::new();
        let mut judged = 0;
        // Each time others come first, so that all have their turn.
        let first = (self.ticks / RARELY) as usize * MAX_JUDGED % conforming.len().max(1);
        for sample in conforming[first..].iter().chain(&conforming[..first]) {
            if !self.kernel.is_known(&sample.key) {
                continue;
            }
            let seen = Observation { packets: sample.counts.packets, ..self.kernel.observation(sample) };
            let Some(requests) = by_tuple.get(&seen.tuple.reversed()) else { continue };
            let come_by_own = requests.iter().all(|request| request.eth_src == seen.eth_dst);
            if come_by_own || judged == MAX_JUDGED {
                continue;
            }
            judged += 1;
            let requests: Vec<Observation> = requests.iter().map(|request| self.came_in(&seen, request)).collect();
            let Some(finding) = self.engine.assess(&seen, &requests).finding else { continue };
            if finding.verdict != Verdict::Info(Info::AsymmetricReply) {
                continue;
            }
            match told.entry((flow_of(&seen), seen.eth_dst)) {
                Entry::Occupied(mut entry) => join(&mut entry.get_mut().1, finding),
                Entry::Vacant(place) => _ = place.insert((seen, finding)),
            }
        }
        for (seen, mut finding) in told.into_values() {
            finding.estimated = self.settings.changing.sample != 1;
            if let Some(news) = self.ledger.remark(&seen, finding) {
                self.voice.ask(Effect::Finding(Box::new(news)));
            }
        }
    }

    /// Forgets packets of other directions that sockets counted long ago.
    pub(crate) fn forget_requests(&mut self) {
        let before = self.kernel.axis().monotonic(self.now.saturating_sub(REQUESTED));
        if let Some(mirrored) = self.kernel.mirrored() {
            mirrored.forget_requests(before);
        }
    }

    /// A request, as the engine is told of it.
    pub(crate) fn came_in(&self, seen: &Observation, request: &Request) -> Observation {
        let time = |nanos: u64| -> Timestamp { self.kernel.axis().at(nanos) };
        Observation {
            tags: seen.tags.with_direction(Direction::Inbound),
            eth_src: request.eth_src,
            eth_dst: seen.eth_src,
            tuple: request.tuple,
            packets: request.counts.packets,
            bytes: request.counts.bytes,
            first: time(request.counts.first_ns),
            last: time(request.counts.last_ns),
            ..*seen
        }
    }
}

/// Adds what was counted of the same flow under another set. The later one tells of the next hops.
fn join(told: &mut Finding, other: Finding) {
    let (packets, bytes) = (told.packets + other.packets, told.bytes + other.bytes);
    let (first_seen, last_seen) = (told.first_seen.min(other.first_seen), told.last_seen.max(other.last_seen));
    if other.last_seen > told.last_seen {
        *told = other;
    }
    (told.packets, told.bytes) = (packets, bytes);
    (told.first_seen, told.last_seen) = (first_seen, last_seen);
}
