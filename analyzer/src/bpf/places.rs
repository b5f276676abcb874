//! The maps of prefixes in the kernel.

use std::os::fd::BorrowedFd;

use analyzer_ebpf::maps::{ClassEntry, name};
use aya::Ebpf;
use aya::maps::lpm_trie::Key;

use super::counted::MapUse;
use super::error::BpfError;
use super::map::Map;
use super::programs::take;
use super::set_maps::{Place, Stopped, octets4, octets6};
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

    /// Entries that a map holds at most. The kernel is not asked.
    pub(super) fn max_entries(&self, place: Place) -> u32 {
        match place {
            Place::HostSources4 => self.host_sources4.max_entries(),
            Place::HostSources6 => self.host_sources6.max_entries(),
            Place::Sources4 => self.sources4.max_entries(),
            Place::Sources6 => self.sources6.max_entries(),
            Place::Destinations4 => self.destinations4.max_entries(),
            Place::Destinations6 => self.destinations6.max_entries(),
        }
    }

    /// A map, and how much of it is in use.
    pub(super) fn map_use(&self, place: Place, entries: usize) -> MapUse {
        match place {
            Place::HostSources4 => MapUse::of(&self.host_sources4, Some(entries)),
            Place::HostSources6 => MapUse::of(&self.host_sources6, Some(entries)),
            Place::Sources4 => MapUse::of(&self.sources4, Some(entries)),
            Place::Sources6 => MapUse::of(&self.sources6, Some(entries)),
            Place::Destinations4 => MapUse::of(&self.destinations4, Some(entries)),
            Place::Destinations6 => MapUse::of(&self.destinations6, Some(entries)),
        }
    }

    /// Writes entries of one map. Where it fails, tells beside the error how many were written, from the first on.
    pub(super) fn write(&self, place: Place, writes: &[(IpPrefix, ClassEntry)]) -> Result<(), Stopped> {
        fn write_all<K: aya::Pod>(
            map: &Map<K, ClassEntry>,
            key: impl Fn(IpPrefix) -> K,
            writes: &[(IpPrefix, ClassEntry)],
        ) -> Result<(), Stopped> {
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

fn key4(prefix: IpPrefix) -> Key<[u8; 4]> {
    Key::new(prefix.prefix_len().into(), octets4(prefix))
}

fn key6(prefix: IpPrefix) -> Key<[u8; 16]> {
    Key::new(prefix.prefix_len().into(), octets6(prefix))
}
