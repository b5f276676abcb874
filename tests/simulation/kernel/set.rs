//! The maps that a set is written to.

use std::io;
use std::rc::Rc;

use analyzer::bpf::counted::MapUse;
use analyzer::bpf::error::BpfError;
use analyzer::bpf::set_maps::{Place, SetMap, SetMaps, Stopped, octets4, octets6};
use analyzer::bpf::sizes::Sizes;
use analyzer::types::{IpPrefix, MacAddr};
use analyzer_ebpf::maps::{ClassEntry, Config, Outcome, OutcomeKey, mac_to_u64, name};

use super::Faults;
use super::prog::tables::Tables;

/// Tables of the kernel, as one who writes a set sees them.
pub(super) struct SetTables {
    tables: Rc<Tables>,
    faults: Rc<Faults>,
    sizes: Sizes,
}

impl SetTables {
    pub(super) fn new(tables: Rc<Tables>, faults: Rc<Faults>, sizes: &Sizes) -> Self {
        Self { tables, faults, sizes: *sizes }
    }

    fn size_of(&self, map: &str) -> u32 {
        self.sizes.maps().into_iter().find(|(name, _)| *name == map).map_or(1, |(_, size)| size)
    }

    /// One write, unless it is to fail.
    fn write(&self, map: &'static str, write: impl FnOnce(&Tables) -> Result<(), i32>) -> Result<(), BpfError> {
        match self.faults.writes_left.get() {
            Some(0) => {
                let source = io::Error::from(io::ErrorKind::OutOfMemory);
                return Err(BpfError::Map { map, operation: "write", source });
            }
            left => self.faults.writes_left.set(left.map(|left| left - 1)),
        }
        let max_entries = self.size_of(map);
        write(&self.tables).map_err(|_| BpfError::Full { map, entries: None, max_entries })
    }
}

/// Writes one entry after the other, up to one that fails.
fn write_all<T>(entries: &[T], mut write: impl FnMut(&T) -> Result<(), BpfError>) -> Result<(), Stopped> {
    entries.iter().enumerate().try_for_each(|(done, entry)| write(entry).map_err(|error| (done, error)))
}

impl SetMaps for SetTables {
    fn max_entries(&self, map: SetMap) -> u32 {
        self.size_of(map.name())
    }

    fn map_use(&self, map: SetMap, entries: usize) -> MapUse {
        let (name, max_entries) = (map.name(), self.max_entries(map));
        MapUse { name, entries: Some(entries), max_entries, memory_bytes: None }
    }

    fn nexthops_len(&self) -> u32 {
        self.size_of(name::NEXTHOPS)
    }

    fn write_config(&mut self, config: &Config) -> Result<(), BpfError> {
        self.write(name::CONFIG, |tables| {
            tables.config.set(0, *config);
            Ok(())
        })
    }

    fn write_prefixes(&mut self, place: Place, entries: &[(IpPrefix, ClassEntry)]) -> Result<(), Stopped> {
        write_all(entries, |&(prefix, entry)| {
            let (v4, v6, len) = (octets4(prefix), octets6(prefix), prefix.prefix_len());
            self.write(place.name(), |tables| match place {
                Place::HostSources4 => tables.host_sources4.insert(&v4, entry),
                Place::HostSources6 => tables.host_sources6.insert(&v6, entry),
                Place::Sources4 => tables.sources4.insert(len, v4, entry),
                Place::Sources6 => tables.sources6.insert(len, v6, entry),
                Place::Destinations4 => tables.destinations4.insert(len, v4, entry),
                Place::Destinations6 => tables.destinations6.insert(len, v6, entry),
            })
        })
    }

    fn delete_prefix(&mut self, place: Place, prefix: IpPrefix) -> Result<(), BpfError> {
        let (v4, v6, len) = (octets4(prefix), octets6(prefix), prefix.prefix_len());
        self.write(place.name(), |tables| {
            match place {
                Place::HostSources4 => drop(tables.host_sources4.remove(&v4)),
                Place::HostSources6 => drop(tables.host_sources6.remove(&v6)),
                Place::Sources4 => tables.sources4.remove(len, v4),
                Place::Sources6 => tables.sources6.remove(len, v6),
                Place::Destinations4 => tables.destinations4.remove(len, v4),
                Place::Destinations6 => tables.destinations6.remove(len, v6),
            }
            Ok(())
        })
    }

    fn write_outcomes(&mut self, entries: &[(OutcomeKey, Outcome)]) -> Result<(), Stopped> {
        write_all(entries, |(key, outcome)| self.write(name::OUTCOMES, |tables| tables.outcomes.insert(key, *outcome)))
    }

    fn delete_outcome(&mut self, key: &OutcomeKey) -> Result<(), BpfError> {
        self.write(name::OUTCOMES, |tables| {
            tables.outcomes.remove(key);
            Ok(())
        })
    }

    fn write_legal_mac(&mut self, mac: MacAddr) -> Result<(), BpfError> {
        self.write(name::LEGAL_MACS, |tables| tables.legal_macs.insert(&mac_to_u64(mac.0), 1))
    }

    fn delete_legal_mac(&mut self, mac: MacAddr) -> Result<(), BpfError> {
        self.write(name::LEGAL_MACS, |tables| {
            tables.legal_macs.remove(&mac_to_u64(mac.0));
            Ok(())
        })
    }

    // One packet is judged after the other here, and none while a set is written.
    fn switched(&mut self) {}

    fn wait_for_switch(&mut self) -> Result<(), BpfError> {
        Ok(())
    }

    fn wait(&self) -> Result<(), BpfError> {
        Ok(())
    }
}
