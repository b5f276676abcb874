//! Classes of addresses: addresses for which the same routes are looked up share one.
//!
//! The verdict on a plain flow follows from the prefixes that hold its two addresses, from its MACs and from the time.
//! Thousands of pods have routes that differ in nothing but the prefix, so a handful of classes stands for all of them,
//! and a verdict on one flow holds for every flow of the same [`Combination`].

mod classifier;
mod ids;
mod signature;

use core::net::IpAddr;

use analyzer_ebpf::abi::Direction;
use hashbrown::HashMap;

pub use self::classifier::{ClassChange, Classifier};
use crate::lookalike;
use crate::observation::Observation;
use crate::types::{IpPrefix, MacAddr, Tuple};

/// The class of addresses that found no id, because too many are in use. It never has outcomes: each of its flows must
/// be judged by itself.
pub const NO_OUTCOMES: u16 = u16::MAX;

/// The classes of all addresses. Ids start at 1, for IPv4 and IPv6 each; 0 is the class of addresses that no prefix
/// holds, and of all destinations behind a final class of source; [`NO_OUTCOMES`] is given where ids have run out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Classes {
    /// Classes of sources: prefixes of routes by source, past ones included, and single addresses that sources may be
    /// translated to. The longest prefix that holds an address tells its class, that of shorter ones included.
    pub sources: HashMap<IpPrefix, SourceClass>,
    /// Classes of destinations: prefixes of routes by destination and connected networks, likewise.
    pub destinations: HashMap<IpPrefix, u16>,
}

impl Classes {
    /// What a flow has in common with all that share its verdict: the look-up that the kernel program does.
    pub fn combination(&self, tuple: &Tuple, eth_src: MacAddr, eth_dst: MacAddr) -> Combination {
        let source = longest(&self.sources, tuple.src);
        let destination = match source.is_some_and(|source| source.is_final) {
            true => 0,
            false => longest(&self.destinations, tuple.dst).unwrap_or(0),
        };
        let source = source.map_or(0, |source| source.id);
        Combination { source, destination, eth_src, eth_dst, is_ipv4: tuple.src.is_ipv4() }
    }

    /// Whether all flows of the combination that a flow is of share its verdict, where one of them has a plain one. Not so
    /// where frames tell more than addresses and MACs do: control traffic, tunnels, group and link-local addresses, and
    /// frames to a routed address whose direction nobody tells.
    pub fn tell_all_of(&self, seen: &Observation) -> bool {
        let Tuple { dst, .. } = seen.tuple;
        let may_come_in = seen.direction() == Direction::Unknown && self.knows_source(dst);
        !(lookalike::is_group(seen.eth_dst(), dst)
            || lookalike::is_control(&seen.tuple)
            || lookalike::is_link_local(dst)
            || lookalike::is_tunnel(&seen.tuple)
            || may_come_in)
    }

    /// Whether a prefix of sources holds the address.
    pub fn knows_source(&self, addr: IpAddr) -> bool {
        longest(&self.sources, addr).is_some()
    }
}

impl Combination {
    /// Whether a verdict may be remembered for it.
    pub fn may_have_outcome(&self) -> bool {
        self.source != NO_OUTCOMES && self.destination != NO_OUTCOMES
    }
}

/// What is known for the longest prefix that holds `addr`.
fn longest<T: Copy>(prefixes: &HashMap<IpPrefix, T>, addr: IpAddr) -> Option<T> {
    let longest_first = (0..=IpPrefix::host(addr).prefix_len()).rev().filter_map(|len| IpPrefix::new(addr, len));
    longest_first.filter_map(|prefix| prefixes.get(&prefix)).next().copied()
}

/// Class of a source.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SourceClass {
    /// Its id.
    pub id: u16,
    /// Whether no destination changes what decides: the destination's class counts as 0.
    pub is_final: bool,
    /// Whether a route by source knows the address.
    pub is_routed: bool,
}

/// What plain flows that share a verdict have in common.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Combination {
    /// Class of the source.
    pub source: u16,
    /// Class of the destination; 0 where the source's class is final.
    pub destination: u16,
    /// Source MAC.
    pub eth_src: MacAddr,
    /// Destination MAC.
    pub eth_dst: MacAddr,
    /// Whether the addresses are IPv4.
    pub is_ipv4: bool,
}
