//! Flows that conform and whose requests come in by another next hop.
//!
//! Nobody is asked of such flows one by one: the kernel program passes their packets by itself. It samples those that
//! leave and those that come in, and here the two are put together, rarely.

use hashbrown::HashMap;

use analyzer_ebpf::abi::Direction;

use super::daemon::Daemon;
use crate::bpf::readings::Request;
use crate::engine::observation::Observation;
use crate::engine::verdict::{Info, Verdict};
use crate::types::{Timestamp, Tuple};

/// Flows that are judged at a time at most.
const MAX_JUDGED: usize = 1_000;

impl Daemon {
    /// Tells of sampled flows whose requests came in by another next hop, as far as samples show it.
    pub(super) fn look_at_replies(&mut self) {
        let (samples, requests) = match (self.readings.samples(), self.readings.requests()) {
            (Ok(samples), Ok(requests)) => (samples, requests),
            (Err(error), _) | (_, Err(error)) => return self.failed(&error),
        };
        let mut by_tuple: HashMap<Tuple, Vec<Request>> = HashMap::new();
        for request in requests {
            by_tuple.entry(request.tuple).or_default().push(request);
        }
        let mut judged = 0;
        for sample in &samples {
            if !self.is_present(&sample.key) {
                continue;
            }
            let seen = Observation { packets: sample.counts.packets, ..self.observation(sample) };
            let Some(requests) = by_tuple.get(&seen.tuple.reversed()) else { continue };
            let comes_by_own = requests.iter().any(|request| request.eth_src == seen.eth_dst);
            if comes_by_own || judged == MAX_JUDGED {
                continue;
            }
            judged += 1;
            let requests: Vec<Observation> = requests.iter().map(|request| self.came_in(&seen, request)).collect();
            let assessment = self.engine.assess(&seen, &requests);
            let Some(mut finding) = assessment.finding else { continue };
            if finding.verdict != Verdict::Info(Info::AsymmetricReply) {
                continue;
            }
            finding.estimated = self.config.sample != 1;
            if let Some(news) = self.ledger.remark(&seen, finding) {
                self.news.finding(&news);
            }
        }
    }

    /// A request, as the engine is told of it.
    pub(super) fn came_in(&self, seen: &Observation, request: &Request) -> Observation {
        let time = |nanos: u64| -> Timestamp { self.clock.of_monotonic(nanos) };
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
