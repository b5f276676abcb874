//! Which map a prefix stands in, and the maps.

use std::net::IpAddr;
use std::os::fd::BorrowedFd;

use analyzer_ebpf::maps::{ClassEntry, config_flag, mapped, name};
use aya::Ebpf;
use aya::maps::lpm_trie::Key;
use hashbrown::HashMap;

use super::counted::MapUse;
use super::error::BpfError;
use super::map::Map;
use super::programs::take;
use crate::types::IpPrefix;

/// The maps of prefixes.
#[derive(Debug)]
pub(super) struct PrefixMaps {
    host_sources4: Map<[u8; 4], ClassEntry>,
    host_sources6: Map<[u8; 16], ClassEntry>,
    sources4: Map<Key<[u8; 4]>, ClassEntry>,
    sources6: Map<Key<[u8; 16]>, ClassEntry>,
    destinations4: Map<Key<[u8; 4]>, ClassEntry>,
    destinations6: Map<Key<[u8; 16]>, ClassEntry>,
}

/// The map that a prefix stands in, by its place in [`PrefixMaps`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Place {
    HostSources4,
    HostSources6,
    Sources4,
    Sources6,
    Destinations4,
    Destinations6,
}

/// How often each place occurs.
pub(super) fn counted(places: impl Iterator<Item = Place>) -> HashMap<Place, usize> {
    let mut counts = HashMap::new();
    places.for_each(|place| *counts.entry(place).or_default() += 1);
    counts
}

impl PrefixMaps {
    pub(super) fn new(object: &mut Ebpf) -> Result<Self, BpfError> {
        Ok(Self {
            host_sources4: take(object, name::HOST_SOURCES4)?,
            host_sources6: take(object, name::HOST_SOURCES6)?,
            sources4: take(object, name::SOURCES4)?,
            sources6: take(object, name::SOURCES6)?,
            destinations4: take(object, name::DESTINATIONS4)?,
            destinations6: take(object, name::DESTINATIONS6)?,
        })
    }

    /// The maps by name.
    pub(super) fn descriptors(&self) -> [(&'static str, BorrowedFd<'_>); 6] {
        [
            self.host_sources4.descriptor(),
            self.host_sources6.descriptor(),
            self.sources4.descriptor(),
            self.sources6.descriptor(),
            self.destinations4.descriptor(),
            self.destinations6.descriptor(),
        ]
    }

    /// How full the maps are, where `entries` tells the entries by map.
    pub(super) fn map_uses(&self, entries: &HashMap<Place, usize>) -> Vec<MapUse> {
        let count = |place| Some(entries.get(&place).copied().unwrap_or(0));
        vec![
            MapUse::of(&self.host_sources4, count(Place::HostSources4)),
            MapUse::of(&self.host_sources6, count(Place::HostSources6)),
            MapUse::of(&self.sources4, count(Place::Sources4)),
            MapUse::of(&self.sources6, count(Place::Sources6)),
            MapUse::of(&self.destinations4, count(Place::Destinations4)),
            MapUse::of(&self.destinations6, count(Place::Destinations6)),
        ]
    }

    pub(super) fn name_and_size(&self, place: Place) -> (&'static str, u32) {
        match place {
            Place::HostSources4 => (self.host_sources4.name(), self.host_sources4.max_entries()),
            Place::HostSources6 => (self.host_sources6.name(), self.host_sources6.max_entries()),
            Place::Sources4 => (self.sources4.name(), self.sources4.max_entries()),
            Place::Sources6 => (self.sources6.name(), self.sources6.max_entries()),
            Place::Destinations4 => (self.destinations4.name(), self.destinations4.max_entries()),
            Place::Destinations6 => (self.destinations6.name(), self.destinations6.max_entries()),
        }
    }

    /// Writes entries of one map. Where it fails, tells beside the error how many were written, from the first on.
    pub(super) fn write(&self, place: Place, writes: &[(IpPrefix, ClassEntry)]) -> Result<(), (usize, BpfError)> {
        fn write_all<K: aya::Pod>(
            map: &Map<K, ClassEntry>,
            key: impl Fn(IpPrefix) -> K,
            writes: &[(IpPrefix, ClassEntry)],
        ) -> Result<(), (usize, BpfError)> {
            let entries: Vec<_> = writes.iter().map(|&(prefix, entry)| (key(prefix), entry)).collect();
            map.update_all(&entries)
        }
        match place {
            Place::HostSources4 => write_all(&self.host_sources4, octets4, writes),
            Place::HostSources6 => write_all(&self.host_sources6, octets6, writes),
            Place::Sources4 => write_all(&self.sources4, key4, writes),
            Place::Sources6 => write_all(&self.sources6, key6, writes),
            Place::Destinations4 => write_all(&self.destinations4, key4, writes),
            Place::Destinations6 => write_all(&self.destinations6, key6, writes),
        }
    }

    pub(super) fn delete(&self, place: Place, prefix: IpPrefix) -> Result<(), BpfError> {
        match place {
            Place::HostSources4 => self.host_sources4.delete(&octets4(prefix)),
            Place::HostSources6 => self.host_sources6.delete(&octets6(prefix)),
            Place::Sources4 => self.sources4.delete(&key4(prefix)),
            Place::Sources6 => self.sources6.delete(&key6(prefix)),
            Place::Destinations4 => self.destinations4.delete(&key4(prefix)),
            Place::Destinations6 => self.destinations6.delete(&key6(prefix)),
        }
    }
}

impl Place {
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

/// The address, an IPv4 one mapped.
fn octets6(prefix: IpPrefix) -> [u8; 16] {
    match prefix.addr() {
        IpAddr::V4(addr) => mapped(addr.octets()),
        IpAddr::V6(addr) => addr.octets(),
    }
}

fn octets4(prefix: IpPrefix) -> [u8; 4] {
    let [.., a, b, c, d] = octets6(prefix);
    [a, b, c, d]
}

fn key4(prefix: IpPrefix) -> Key<[u8; 4]> {
    Key::new(prefix.prefix_len().into(), octets4(prefix))
}

fn key6(prefix: IpPrefix) -> Key<[u8; 16]> {
    Key::new(prefix.prefix_len().into(), octets6(prefix))
}
