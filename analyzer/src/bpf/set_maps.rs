//! The maps that a set stands in: those of the kernel, or what stands for them where no kernel is.

use std::net::IpAddr;

use analyzer_ebpf::maps::{ClassEntry, Config, Outcome, OutcomeKey, config_flag, mapped, name};

use super::counted::MapUse;
use super::error::BpfError;
use crate::types::{IpPrefix, MacAddr};

/// Where several entries were to be written: how many were, from the first on, and why no more.
pub type Stopped = (usize, BpfError);

/// The maps that packets are judged by.
pub trait SetMaps {
    /// Entries that a map holds at most.
    fn max_entries(&self, map: SetMap) -> u32;
    /// A map, and how much of it is in use where it has so many entries.
    fn map_use(&self, map: SetMap, entries: usize) -> MapUse;
    /// How many next hops can be counted.
    fn nexthops_len(&self) -> u32;

    /// Writes what holds for all packets.
    ///
    /// # Errors
    /// The map cannot be written to, or holds no more; likewise below.
    fn write_config(&mut self, config: &Config) -> Result<(), BpfError>;
    /// Writes classes of prefixes.
    fn write_prefixes(&mut self, place: Place, entries: &[(IpPrefix, ClassEntry)]) -> Result<(), Stopped>;
    /// Deletes the class of a prefix.
    fn delete_prefix(&mut self, place: Place, prefix: IpPrefix) -> Result<(), BpfError>;
    /// Writes outcomes.
    fn write_outcomes(&mut self, entries: &[(OutcomeKey, Outcome)]) -> Result<(), Stopped>;
    /// Deletes an outcome.
    fn delete_outcome(&mut self, key: &OutcomeKey) -> Result<(), BpfError>;
    /// Writes a MAC that is a legal next hop.
    fn write_legal_mac(&mut self, mac: MacAddr) -> Result<(), BpfError>;
    /// Deletes such a MAC.
    fn delete_legal_mac(&mut self, mac: MacAddr) -> Result<(), BpfError>;

    /// A set was brought into force: packets that are under way may still be judged by the one before.
    fn switched(&mut self);
    /// Waits for the packets that were under way at the last switch.
    ///
    /// # Errors
    /// Nobody will say when they are through; likewise below.
    fn wait_for_switch(&mut self) -> Result<(), BpfError>;
    /// Waits for the packets that are under way now.
    fn wait(&self) -> Result<(), BpfError>;
}

/// A map of the set.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SetMap {
    /// Classes of addresses.
    Prefixes(Place),
    /// Outcomes of combinations.
    Outcomes,
    /// MACs that are legal next hops.
    LegalMacs,
}

/// The map that a prefix stands in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Place {
    /// [`name::HOST_SOURCES4`]
    HostSources4,
    /// [`name::HOST_SOURCES6`]
    HostSources6,
    /// [`name::SOURCES4`]
    Sources4,
    /// [`name::SOURCES6`]
    Sources6,
    /// [`name::DESTINATIONS4`]
    Destinations4,
    /// [`name::DESTINATIONS6`]
    Destinations6,
}

impl SetMap {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prefixes(place) => place.name(),
            Self::Outcomes => name::OUTCOMES,
            Self::LegalMacs => name::LEGAL_MACS,
        }
    }
}

impl Place {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::HostSources4,
        Self::HostSources6,
        Self::Sources4,
        Self::Sources6,
        Self::Destinations4,
        Self::Destinations6,
    ];

    pub(super) fn of_source(prefix: IpPrefix) -> Self {
        match (prefix.is_host(), prefix.addr().is_ipv4()) {
            (true, true) => Self::HostSources4,
            (true, false) => Self::HostSources6,
            (false, true) => Self::Sources4,
            (false, false) => Self::Sources6,
        }
    }

    pub(super) fn of_destination(prefix: IpPrefix) -> Self {
        if prefix.addr().is_ipv4() { Self::Destinations4 } else { Self::Destinations6 }
    }

    /// Name of the map.
    pub fn name(self) -> &'static str {
        match self {
            Self::HostSources4 => name::HOST_SOURCES4,
            Self::HostSources6 => name::HOST_SOURCES6,
            Self::Sources4 => name::SOURCES4,
            Self::Sources6 => name::SOURCES6,
            Self::Destinations4 => name::DESTINATIONS4,
            Self::Destinations6 => name::DESTINATIONS6,
        }
    }

    /// The bit that says of a trie that it has entries.
    pub(super) fn flag(self) -> u32 {
        match self {
            Self::HostSources4 | Self::HostSources6 => 0,
            Self::Sources4 => config_flag::SOURCES4,
            Self::Sources6 => config_flag::SOURCES6,
            Self::Destinations4 => config_flag::DESTINATIONS4,
            Self::Destinations6 => config_flag::DESTINATIONS6,
        }
    }
}

/// The address of a prefix as it stands in the maps of IPv6; an IPv4 one is mapped.
pub fn octets6(prefix: IpPrefix) -> [u8; 16] {
    match prefix.addr() {
        IpAddr::V4(addr) => mapped(addr.octets()),
        IpAddr::V6(addr) => addr.octets(),
    }
}

/// The address of a prefix as it stands in the maps of IPv4.
pub fn octets4(prefix: IpPrefix) -> [u8; 4] {
    let [.., a, b, c, d] = octets6(prefix);
    [a, b, c, d]
}
