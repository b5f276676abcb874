//! Packets of a few flows, seen at NICs as they leave: which way flows go after they were healed.
//!
//! The kernel program counts every packet while it has no set to judge by; who asks judges what was seen.

use std::time::Duration;

use anyhow::Context;
use hashbrown::{HashMap, HashSet};
use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, SocketType, socket};
use tokio::time::{Instant, interval};

use super::clock::Clock;
use crate::bpf::attach::{AttachOptions, Attachment, Ingress, Nic};
use crate::bpf::counted::Axis;
use crate::bpf::programs::{self, Parts};
use crate::bpf::sizes::Sizes;
use crate::engine::observation::Observation;
use crate::types::{Timestamp, Tuple};

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// How long what was on its way when the last entry was changed may take to the NIC.
const ON_THE_WAY: Duration = Duration::from_millis(100);

/// Programs at NICs that see what leaves, until this is dropped.
pub struct Lookout {
    parts: Parts,
    _attached: Vec<Attachment>,
    clock: Clock,
}

/// What was seen of flows.
#[derive(Debug)]
pub struct Seen {
    /// Of each flow its packets to each MAC. A flow of which nothing was seen is not in it.
    pub packets: HashMap<Tuple, Vec<Observation>>,
    /// How long they were watched.
    pub watched: Duration,
}

impl Lookout {
    /// Attaches to NICs.
    ///
    /// # Errors
    /// No rights, a NIC that is not there, or a kernel that refuses.
    pub fn start(nics: &[String]) -> anyhow::Result<Self> {
        let mut parts = programs::load(&Sizes { suspects: 1, reserve: 1, ..Sizes::default() })?;
        parts.table.set_rates(1, 0)?;
        let any = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
        let options = AttachOptions { ingress: Ingress::Nowhere, ..AttachOptions::default() };
        let mut attached = Vec::new();
        for (index, name) in (0..).zip(nics) {
            let ifindex = name_to_index(&any, name).with_context(|| format!("cannot watch {name}"))?;
            attached.push(parts.programs.attach(&Nic { name: name.clone(), ifindex, index }, &options)?);
        }
        Ok(Self { parts, _attached: attached, clock: Clock::new() })
    }

    /// What is seen of each flow from now on: its packets to each MAC, as soon as there is one, or nothing after `patience`
    /// or once `is_over`.
    ///
    /// # Errors
    /// The kernel does not let its maps be read.
    pub fn wait(&self, flows: &HashSet<Tuple>, patience: Duration, is_over: impl Fn() -> bool) -> anyhow::Result<Seen> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        runtime.block_on(async {
            let since = self.clock.now().saturating_add(ON_THE_WAY);
            let begun = Instant::now() + ON_THE_WAY;
            let mut looks = interval(LOOK);
            let mut packets = HashMap::new();
            loop {
                looks.tick().await;
                self.look(flows, since, &mut packets)?;
                let watched = begun.elapsed().min(patience);
                if is_over() || watched == patience || flows.iter().all(|flow| packets.contains_key(flow)) {
                    return Ok(Seen { packets, watched });
                }
            }
        })
    }

    /// Adds what was seen since then of flows of which nothing was.
    fn look(
        &self,
        flows: &HashSet<Tuple>,
        since: Timestamp,
        seen: &mut HashMap<Tuple, Vec<Observation>>,
    ) -> anyhow::Result<()> {
        let axis = Axis { offset_ns: self.clock.offset() };
        let mut new: HashMap<Tuple, Vec<Observation>> = HashMap::new();
        for sample in self.parts.readings.samples()? {
            let observation = sample.observation(axis);
            let Observation { tuple, last, .. } = observation;
            if last < since {
                continue;
            }
            // Those before may have left otherwise.
            let next = Observation { first: last, packets: 1, ..observation };
            for flow in tuple.tracked_as().filter(|flow| flows.contains(flow) && !seen.contains_key(flow)) {
                new.entry(flow).or_default().push(next);
            }
        }
        seen.extend(new);
        Ok(())
    }
}
