//! Flows that conform and whose requests come in by another next hop.
//!
//! Nobody is asked of such flows one by one: the kernel program passes their packets by itself. It samples those that
//! leave and those that come in, and here the two are put together, rarely.

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use super::around::Around;
use super::suspects::Suspects;
use crate::bpf::counted::Request;
use crate::engine::bounded::{Flow, flow_of};
use crate::engine::finding::Finding;
use crate::engine::observation::Observation;
use crate::engine::verdict::{Info, Verdict};
use crate::types::{MacAddr, Tuple};

/// Flows that are judged at a time at most.
const MAX_JUDGED: usize = 1_000;

/// Tells of sampled flows whose requests came in by another next hop, as far as samples show it. `turn` counts how often
/// this was done, and one in `sample` packets is sampled.
pub(super) fn look_at_replies(suspects: &mut Suspects, around: &mut Around<'_>, turn: u64, sample: u32) {
    let Around { kernel, engine, voice, .. } = around;
    let Some(requests) = kernel.requests(voice) else { return };
    let conforming = suspects.conforming(kernel, voice);
    let mut by_tuple: HashMap<Tuple, Vec<Request>> = HashMap::new();
    for request in requests {
        by_tuple.entry(request.tuple).or_default().push(request);
    }
    // What was counted of a flow under earlier sets was judged by these, whatever holds since.
    let mut told: HashMap<(Flow, MacAddr), (Observation, Finding)> = HashMap::new();
    let mut judged = 0;
    // Each time others come first, so that all have their turn.
    let first = turn as usize * MAX_JUDGED % conforming.len().max(1);
    for sample in conforming[first..].iter().chain(&conforming[..first]) {
        if !kernel.is_known(&sample.key) {
            continue;
        }
        let seen = Observation { packets: sample.counts.packets, ..kernel.observation(sample) };
        let Some(requests) = by_tuple.get(&seen.tuple.reversed()) else { continue };
        let come_by_own = requests.iter().all(|request| request.eth_src == seen.eth_dst);
        if come_by_own || judged == MAX_JUDGED {
            continue;
        }
        judged += 1;
        let requests: Vec<Observation> = requests.iter().map(|request| kernel.came_in(&seen, request)).collect();
        let Some(finding) = engine.assess(&seen, &requests).finding else { continue };
        if finding.verdict != Verdict::Info(Info::AsymmetricReply) {
            continue;
        }
        match told.entry((flow_of(&seen), seen.eth_dst)) {
            Entry::Occupied(mut entry) => join(&mut entry.get_mut().1, finding),
            Entry::Vacant(place) => _ = place.insert((seen, finding)),
        }
    }
    // In the order of their packets, whatever the order of the table.
    let mut told: Vec<_> = told.into_iter().collect();
    told.sort_unstable_by_key(|((flow, mac), (seen, _))| (seen.last, *flow, *mac));
    for (_, (seen, mut finding)) in told {
        finding.estimated = sample != 1;
        suspects.remark(&seen, finding, voice);
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
