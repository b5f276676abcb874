//! Sets of next hops, brought into force without a daemon, so that nothing else runs while packets are measured.

use analyzer::bpf::attach::Nic;
use analyzer::bpf::programs::{Parts, load};
use analyzer::bpf::sizes::Sizes;
use analyzer::engine::classes::{Classes, Combination, SourceClass};
use analyzer::types::{IpPrefix, MacAddr};
use analyzer_ebpf::maps::Outcome;
use anyhow::Result;
use hashbrown::HashSet;

use crate::sender::ifindex;
use crate::traffic::{Addresses, NEXTHOPS, Traffic, WORKER, nexthop_mac};

/// Events that a CPU may raise in a second, as with the daemon.
const EVENTS_PER_SECOND: u32 = 10_000;

/// Everything loaded with the sizes that `analyzer live` has by default.
pub(crate) fn loaded(sample_every: u32) -> Result<Parts> {
    let sizes = Sizes { hosts: 65_536, prefixes: 65_536, suspects: 262_144, samples: 65_536, ..Sizes::default() };
    let mut parts = load(&sizes)?;
    parts.table.set_rates(sample_every, EVENTS_PER_SECOND)?;
    Ok(parts)
}

/// A NIC of this network namespace.
pub(crate) fn nic(name: &str) -> Result<Nic> {
    Ok(Nic { name: name.to_owned(), ifindex: ifindex(name)?, index: 1 })
}

/// A route for each pod, all to its own next hop; pods with the same next hop share a class.
pub(crate) struct Set {
    pub(crate) classes: Classes,
    pub(crate) outcomes: Vec<(Combination, Outcome)>,
    pub(crate) legal_macs: HashSet<MacAddr>,
}

impl Set {
    pub(crate) fn new(traffic: &Traffic) -> Self {
        let mut classes = Classes::default();
        let is_final = traffic.addresses != Addresses::Prefixes;
        for pod in 0..traffic.pods {
            let id = (pod % NEXTHOPS + 1) as u16;
            let addr = traffic.pod(pod);
            // As the engine has it: a destination may change what decides for all but host routes.
            let prefix = if is_final { Some(IpPrefix::host(addr)) } else { IpPrefix::new(addr, 24) };
            classes.sources.extend(prefix.map(|prefix| (prefix, SourceClass { id, is_final, is_routed: true })));
        }
        if !is_final {
            for (id, prefix) in ["0.0.0.0/0", "10.0.0.0/8", "100.64.0.0/16", "198.51.100.0/24"].iter().enumerate() {
                classes.destinations.extend(prefix.parse::<IpPrefix>().map(|prefix| (prefix, id as u16 + 1)));
            }
        }
        let destination = if is_final { 0 } else { 4 };
        let is_ipv4 = traffic.addresses != Addresses::Hosts6;
        let outcome = |nexthop: u32| {
            let (source, eth_dst) = ((nexthop + 1) as u16, nexthop_mac(nexthop));
            let combination = Combination { source, destination, eth_src: WORKER, eth_dst, is_ipv4 };
            (combination, Outcome::conforming(nexthop))
        };
        Self {
            classes,
            outcomes: (0..NEXTHOPS).map(outcome).collect(),
            legal_macs: (0..NEXTHOPS).map(nexthop_mac).collect(),
        }
    }

    /// Brings the set into force.
    pub(crate) fn install(&self, parts: &mut Parts) -> Result<()> {
        parts.table.install(&self.classes, self.outcomes.iter().copied(), &self.legal_macs)?;
        Ok(())
    }
}
