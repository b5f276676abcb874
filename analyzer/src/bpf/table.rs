//! The set that packets are judged by: classes of addresses and outcomes of their combinations, of one generation
//! after the other.
//!
//! The next generation is written beside the present one, then one word is set ([`Config::generation`]), and each
//! packet reads that word once. Two waits make this exact. Entries have room for two generations, so before the place
//! of the last but one is used again, packets that still run with it must have ended: that wait starts with each switch,
//! on a thread of its own, and is mostly over when the next set comes. And a CPU that reorders loads might see the new
//! word before the new entries; where there are such CPUs, we wait before the word is set too.

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;

use analyzer_ebpf::maps::{ClassEntry, Config, Outcome, OutcomeKey, name};
use aya::Ebpf;
use hashbrown::{HashMap, HashSet};

use super::counted::MapUse;
use super::error::BpfError;
use super::kernel_maps::KernelMaps;
use super::plan::{PrefixSet, Side};
use super::set_maps::{Place, SetMap, SetMaps};
use crate::engine::classes::{Classes, Combination};
use crate::types::{IpPrefix, MacAddr};

/// The set that packets are judged by.
#[derive(Debug)]
pub struct Table<M = KernelMaps> {
    maps: M,
    /// What the maps hold for all packets.
    written_config: Config,
    sources: Side,
    destinations: Side,
    /// What the map of outcomes holds.
    written_outcomes: HashMap<OutcomeKey, Outcome>,
    /// What the map of legal MACs holds.
    written_macs: HashSet<MacAddr>,
    /// The last generation that was begun, whether or not it came into force.
    last: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    Source,
    Destination,
}

impl Table {
    pub(super) fn in_kernel(object: &mut Ebpf) -> Result<Self, BpfError> {
        Ok(Self::new(KernelMaps::new(object)?))
    }

    /// The maps that packets are judged by, by name.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = (&'static str, BorrowedFd<'_>)> {
        self.maps.descriptors()
    }
}

impl<M: SetMaps> Table<M> {
    /// Begins with maps that nothing is written in.
    pub fn new(maps: M) -> Self {
        Self {
            maps,
            written_config: Config::default(),
            sources: Side::default(),
            destinations: Side::default(),
            written_outcomes: HashMap::new(),
            written_macs: HashSet::new(),
            last: 0,
        }
    }

    /// The generation in force; 0 where no set is loaded.
    pub fn generation(&self) -> u32 {
        self.written_config.generation
    }

    /// The generation that a flow key's epoch stands for, the newest with these low bits; `None` where no set was
    /// loaded, and for what no generation had.
    pub fn generation_of(&self, epoch: u16) -> Option<u32> {
        let age = (self.last as u16).wrapping_sub(epoch);
        // The low bits of a generation are never all zero.
        if epoch == 0 { None } else { self.last.checked_sub(u32::from(age)) }
    }

    /// Sets which share of conforming packets is sampled (one in `sample_every`, 0 for none), and how many events a CPU
    /// may raise in a second.
    ///
    /// # Errors
    /// The kernel refuses the write.
    pub fn set_rates(&mut self, sample_every: u32, events_per_second: u32) -> Result<(), BpfError> {
        self.write_config(Config { sample_every, events_per_second, ..self.written_config })
    }

    /// Brings a new set into force and returns its generation. All packets are judged by the present set until the
    /// new one is written whole.
    ///
    /// The first set waits for a grace period of the kernel, some tens of milliseconds; a set that comes so soon after
    /// another waits for what is left of it. On CPUs that reorder loads each set waits for a whole one.
    ///
    /// # Errors
    /// The set is larger than the maps, or the kernel has no memory: the present set stays in force.
    pub fn install(
        &mut self,
        classes: &Classes,
        outcomes: impl IntoIterator<Item = (Combination, Outcome)>,
        legal_macs: &HashSet<MacAddr>,
    ) -> Result<u32, BpfError> {
        let sources = PrefixSet::of_sources(classes);
        let destinations = PrefixSet::of_destinations(classes);
        let generation = self.next_generation();
        let outcomes: HashMap<OutcomeKey, Outcome> = outcomes
            .into_iter()
            .map(|(combination, outcome)| (outcome_key(generation, &combination), outcome))
            .collect();
        self.check_sizes(&sources, &destinations, &outcomes, legal_macs)?;

        // From here on the maps change, but nothing that a packet of the present generation finds in them.
        self.last = generation;
        self.maps.wait_for_switch()?;
        self.delete_old_outcomes()?;
        let parity = (generation & 1) as usize;
        self.write_side(Role::Source, &sources, parity)?;
        self.write_side(Role::Destination, &destinations, parity)?;
        self.write_outcomes(outcomes)?;
        self.add_legal_macs(legal_macs)?;
        let flags = self.flags();
        self.write_config(Config { flags: self.written_config.flags | flags, ..self.written_config })?;
        if cfg!(not(target_arch = "x86_64")) {
            self.maps.wait_for_switch()?;
        }

        self.write_config(Config { generation, flags, ..self.written_config })?;
        self.maps.switched();
        self.sources.switched(sources);
        self.destinations.switched(destinations);
        self.delete_macs_but(legal_macs);
        Ok(generation)
    }

    /// The generation behind the last one, and of the other parity than the one in force: where an install failed half-way
    /// the two are not neighbours.
    fn next_generation(&self) -> u32 {
        let next = next_generation(self.last);
        let present = self.generation();
        if present != 0 && (next ^ present) & 1 == 0 { next_generation(next) } else { next }
    }

    /// Adds an outcome to the generation that it was reached for. Returns whether it counts: false where another
    /// generation is in force by now.
    ///
    /// # Errors
    /// The map is full, or the kernel has no memory: packets of the combination stay suspect.
    pub fn add_outcome(
        &mut self,
        generation: u32,
        combination: &Combination,
        outcome: Outcome,
    ) -> Result<bool, BpfError> {
        if generation == 0 || generation != self.generation() {
            return Ok(false);
        }
        self.check_nexthop(outcome)?;
        let key = outcome_key(generation, combination);
        if self.written_outcomes.get(&key) != Some(&outcome) {
            self.maps.write_outcomes(&[(key, outcome)]).map_err(|(_, error)| error)?;
            self.written_outcomes.insert(key, outcome);
        }
        Ok(true)
    }

    /// No set is in force any more: packets are sampled and nothing is suspect.
    ///
    /// # Errors
    /// The kernel refuses the write.
    pub fn unload(&mut self) -> Result<(), BpfError> {
        self.write_config(Config { generation: 0, ..self.written_config })
    }

    /// Waits for programs that were detached and still run: behind it nothing counts any more.
    ///
    /// # Errors
    /// The kernel will not say; some packets may be counted yet.
    pub fn settle(&self) -> Result<(), BpfError> {
        self.maps.wait()
    }

    /// How full the maps of the set are.
    pub fn map_uses(&self) -> Vec<MapUse> {
        let places = self.sources.written().map(Place::of_source);
        let entries = counted(places.chain(self.destinations.written().map(Place::of_destination)));
        let prefixes = Place::ALL.map(|place| (SetMap::Prefixes(place), entries.get(&place).copied().unwrap_or(0)));
        let others = [(SetMap::Outcomes, self.written_outcomes.len()), (SetMap::LegalMacs, self.written_macs.len())];
        prefixes.into_iter().chain(others).map(|(map, entries)| self.maps.map_use(map, entries)).collect()
    }

    fn check_sizes(
        &self,
        sources: &PrefixSet,
        destinations: &PrefixSet,
        outcomes: &HashMap<OutcomeKey, Outcome>,
        legal_macs: &HashSet<MacAddr>,
    ) -> Result<(), BpfError> {
        let places = self.sources.prefixes_with(sources).map(Place::of_source);
        let needed = counted(places.chain(self.destinations.prefixes_with(destinations).map(Place::of_destination)));
        for (place, entries) in needed {
            self.check_size(SetMap::Prefixes(place), entries)?;
        }
        let present = self.written_outcomes.keys().filter(|key| key.generation == self.generation()).count();
        self.check_size(SetMap::Outcomes, outcomes.len() + present)?;
        self.check_size(SetMap::LegalMacs, self.written_macs.union(legal_macs).count())?;
        outcomes.values().try_for_each(|&outcome| self.check_nexthop(outcome))
    }

    fn check_size(&self, map: SetMap, entries: usize) -> Result<(), BpfError> {
        let (name, max_entries) = (map.name(), self.maps.max_entries(map));
        match entries > max_entries as usize {
            true => Err(BpfError::Full { map: name, entries: Some(entries), max_entries }),
            false => Ok(()),
        }
    }

    fn check_nexthop(&self, outcome: Outcome) -> Result<(), BpfError> {
        let max_entries = self.maps.nexthops_len();
        match outcome.nexthop() {
            Some(index) if index >= max_entries => {
                Err(BpfError::NexthopIndex { index, map: name::NEXTHOPS, max_entries })
            }
            _ => Ok(()),
        }
    }

    fn write_side(&mut self, role: Role, next: &PrefixSet, parity: usize) -> Result<(), BpfError> {
        let (side, place_of) = match role {
            Role::Source => (&mut self.sources, Place::of_source as fn(IpPrefix) -> Place),
            Role::Destination => (&mut self.destinations, Place::of_destination as fn(IpPrefix) -> Place),
        };
        let changes = side.changes(next, parity);
        for prefix in changes.deletions {
            self.maps.delete_prefix(place_of(prefix), prefix)?;
            side.deleted(prefix);
        }
        let mut by_place = BTreeMap::<Place, Vec<(IpPrefix, ClassEntry)>>::new();
        for (prefix, entry) in changes.writes {
            by_place.entry(place_of(prefix)).or_default().push((prefix, entry));
        }
        for (place, writes) in by_place {
            let result = self.maps.write_prefixes(place, &writes);
            let done = result.as_ref().map_or_else(|(done, _)| *done, |()| writes.len());
            writes[..done].iter().for_each(|&(prefix, entry)| side.wrote(prefix, entry));
            result.map_err(|(_, error)| error)?;
        }
        Ok(())
    }

    fn write_outcomes(&mut self, outcomes: HashMap<OutcomeKey, Outcome>) -> Result<(), BpfError> {
        let entries: Vec<_> = outcomes.into_iter().collect();
        let result = self.maps.write_outcomes(&entries);
        let done = result.as_ref().map_or_else(|(done, _)| *done, |()| entries.len());
        self.written_outcomes.extend(entries.into_iter().take(done));
        result.map_err(|(_, error)| error)
    }

    /// Deletes outcomes of all generations but the present one; no packet runs with any other.
    fn delete_old_outcomes(&mut self) -> Result<(), BpfError> {
        let present = self.generation();
        let old: Vec<_> = self.written_outcomes.keys().filter(|key| key.generation != present).copied().collect();
        for key in old {
            self.maps.delete_outcome(&key)?;
            self.written_outcomes.remove(&key);
        }
        Ok(())
    }

    fn add_legal_macs(&mut self, legal_macs: &HashSet<MacAddr>) -> Result<(), BpfError> {
        for &mac in legal_macs {
            if !self.written_macs.contains(&mac) {
                self.maps.write_legal_mac(mac)?;
                self.written_macs.insert(mac);
            }
        }
        Ok(())
    }

    /// The set is in force by now, so a failure here is none of the installation; the next one tries again.
    fn delete_macs_but(&mut self, legal_macs: &HashSet<MacAddr>) {
        let maps = &mut self.maps;
        self.written_macs.retain(|&mac| legal_macs.contains(&mac) || maps.delete_legal_mac(mac).is_err());
    }

    /// Which tries have entries.
    fn flags(&self) -> u32 {
        let sources = self.sources.written().map(Place::of_source);
        sources
            .chain(self.destinations.written().map(Place::of_destination))
            .fold(0, |flags, place| flags | place.flag())
    }

    fn write_config(&mut self, config: Config) -> Result<(), BpfError> {
        if config != self.written_config {
            self.maps.write_config(&config)?;
            self.written_config = config;
        }
        Ok(())
    }
}

/// The generation after `last`: of the other parity, and with low 16 bits that are not all zero, as in a flow key these
/// mean that no set is loaded.
fn next_generation(last: u32) -> u32 {
    let next = last.wrapping_add(1);
    if next as u16 == 0 { next.wrapping_add(2) } else { next }
}

fn outcome_key(generation: u32, combination: &Combination) -> OutcomeKey {
    OutcomeKey {
        generation,
        source: combination.source,
        destination: combination.destination,
        eth_src: combination.eth_src.0,
        eth_dst: combination.eth_dst.0,
        is_ipv4: combination.is_ipv4.into(),
    }
}

/// How often each place occurs.
fn counted(places: impl Iterator<Item = Place>) -> HashMap<Place, usize> {
    let mut counts = HashMap::new();
    places.for_each(|place| *counts.entry(place).or_default() += 1);
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_alternate_and_never_look_unloaded() {
        for last in [0, 1, 0xfffe, 0xffff, 0x1_0001, u32::MAX - 1, u32::MAX] {
            let next = next_generation(last);
            assert_ne!(next & 1, last & 1, "{last:#x}");
            assert_ne!(next as u16, 0, "{last:#x}");
        }
    }
}
