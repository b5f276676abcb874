//! The maps of a set in the kernel.

use std::os::fd::BorrowedFd;

use analyzer_ebpf::maps::{ClassEntry, Config, Outcome, OutcomeKey, mac_to_u64, name};
use aya::Ebpf;

use super::counted::MapUse;
use super::error::BpfError;
use super::grace_period::GracePeriod;
use super::map::Map;
use super::places::PrefixMaps;
use super::programs::{nexthops_len, take};
use super::set_maps::{Place, SetMap, SetMaps, Stopped};
use crate::types::{IpPrefix, MacAddr};

/// The maps of a set in the kernel.
#[derive(Debug)]
pub struct KernelMaps {
    config: Map<u32, Config>,
    prefixes: PrefixMaps,
    outcomes: Map<OutcomeKey, Outcome>,
    legal_macs: Map<u64, u32>,
    nexthops_len: u32,
    /// That of the last switch.
    grace_period: GracePeriod,
}

impl KernelMaps {
    pub(super) fn new(object: &mut Ebpf) -> Result<Self, BpfError> {
        Ok(Self {
            config: take(object, name::CONFIG)?,
            prefixes: PrefixMaps::new(object)?,
            outcomes: take(object, name::OUTCOMES)?,
            legal_macs: take(object, name::LEGAL_MACS)?,
            nexthops_len: nexthops_len(object)?,
            grace_period: GracePeriod::new().map_err(BpfError::Quiescence)?,
        })
    }

    /// The maps that packets are judged by, by name.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = (&'static str, BorrowedFd<'_>)> {
        [self.config.descriptor(), self.outcomes.descriptor()].into_iter().chain(self.prefixes.descriptors())
    }
}

impl SetMaps for KernelMaps {
    fn max_entries(&self, map: SetMap) -> u32 {
        match map {
            SetMap::Prefixes(place) => self.prefixes.max_entries(place),
            SetMap::Outcomes => self.outcomes.max_entries(),
            SetMap::LegalMacs => self.legal_macs.max_entries(),
        }
    }

    fn map_use(&self, map: SetMap, entries: usize) -> MapUse {
        match map {
            SetMap::Prefixes(place) => self.prefixes.map_use(place, entries),
            SetMap::Outcomes => MapUse::of(&self.outcomes, Some(entries)),
            SetMap::LegalMacs => MapUse::of(&self.legal_macs, Some(entries)),
        }
    }

    fn nexthops_len(&self) -> u32 {
        self.nexthops_len
    }

    fn write_config(&mut self, config: &Config) -> Result<(), BpfError> {
        self.config.update(&0, config)
    }

    fn write_prefixes(&mut self, place: Place, entries: &[(IpPrefix, ClassEntry)]) -> Result<(), Stopped> {
        self.prefixes.write(place, entries)
    }

    fn delete_prefix(&mut self, place: Place, prefix: IpPrefix) -> Result<(), BpfError> {
        self.prefixes.delete(place, prefix)
    }

    fn write_outcomes(&mut self, entries: &[(OutcomeKey, Outcome)]) -> Result<(), Stopped> {
        self.outcomes.update_all(entries)
    }

    fn delete_outcome(&mut self, key: &OutcomeKey) -> Result<(), BpfError> {
        self.outcomes.delete(key)
    }

    fn write_legal_mac(&mut self, mac: MacAddr) -> Result<(), BpfError> {
        self.legal_macs.update(&mac_to_u64(mac.0), &1)
    }

    fn delete_legal_mac(&mut self, mac: MacAddr) -> Result<(), BpfError> {
        self.legal_macs.delete(&mac_to_u64(mac.0))
    }

    fn switched(&mut self) {
        self.grace_period.begin();
    }

    fn wait_for_switch(&mut self) -> Result<(), BpfError> {
        self.grace_period.end().map_err(BpfError::Quiescence)
    }

    fn wait(&self) -> Result<(), BpfError> {
        self.grace_period.wait().map_err(BpfError::Quiescence)
    }
}
