//! What must be written so that the next generation's classes stand beside the present ones.
//!
//! A lookup takes the longest prefix that is in the map, of whatever generation it is. So each entry holds, for both
//! generations, the class that its prefix has in that generation's set: its own there, or else that of the longest
//! prefix around it. Entries of the next set can then be added one by one without a packet of the present generation
//! seeing a difference, and entries that are in neither set can be deleted likewise.

use analyzer_ebpf::maps::{ClassEntry, class_flag};
use hashbrown::{HashMap, HashSet};

use crate::engine::classes::{Classes, SourceClass};
use crate::types::IpPrefix;

/// Class and flags of a prefix in one generation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Class {
    id: u16,
    flags: u16,
}

/// A set of prefixes of one generation.
#[derive(Clone, Debug, Default)]
pub(super) struct PrefixSet {
    classes: HashMap<IpPrefix, Class>,
    /// Lengths of the prefixes, each bit one, for IPv4 and IPv6.
    lengths: [[u64; 3]; 2],
}

/// The classes of sources or of destinations: what the maps hold, and what is meant.
#[derive(Debug, Default)]
pub(super) struct Side {
    written: HashMap<IpPrefix, ClassEntry>,
    present: PrefixSet,
}

/// What is to be written for the next generation, in this order.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) deletions: Vec<IpPrefix>,
    pub(super) writes: Vec<(IpPrefix, ClassEntry)>,
}

impl PrefixSet {
    pub(super) fn of_sources(classes: &Classes) -> Self {
        classes.sources.iter().map(|(&prefix, &class)| (prefix, class.into())).collect()
    }

    pub(super) fn of_destinations(classes: &Classes) -> Self {
        let class = |id| Class { id, flags: 0 };
        classes.destinations.iter().map(|(&prefix, &id)| (prefix, class(id))).collect()
    }

    /// The class of a prefix: its own, or else that of the longest prefix around it.
    fn class_of(&self, prefix: IpPrefix) -> Class {
        if let Some(class) = self.classes.get(&prefix) {
            return *class;
        }
        let lengths = &self.lengths[usize::from(prefix.addr().is_ipv4())];
        let shorter =
            (0..prefix.prefix_len()).rev().filter(|&len| lengths[usize::from(len / 64)] >> (len % 64) & 1 != 0);
        let around = shorter.filter_map(|len| self.classes.get(&IpPrefix::new(prefix.addr(), len)?)).next();
        around.copied().unwrap_or_default()
    }
}

impl FromIterator<(IpPrefix, Class)> for PrefixSet {
    fn from_iter<I: IntoIterator<Item = (IpPrefix, Class)>>(prefixes: I) -> Self {
        let mut set = Self::default();
        for (prefix, class) in prefixes {
            let len = prefix.prefix_len();
            set.lengths[usize::from(prefix.addr().is_ipv4())][usize::from(len / 64)] |= 1 << (len % 64);
            set.classes.insert(prefix, class);
        }
        set
    }
}

impl From<SourceClass> for Class {
    fn from(class: SourceClass) -> Self {
        let flag = |is_set, flag| if is_set { flag } else { 0 };
        let flags = flag(class.is_final, class_flag::FINAL) | flag(class.is_routed, class_flag::ROUTED);
        Self { id: class.id, flags }
    }
}

impl Side {
    /// What must be written for `next`, whose generation has the given lowest bit.
    pub(super) fn changes(&self, next: &PrefixSet, parity: usize) -> Changes {
        let mut changes = Changes::default();
        let is_known =
            |prefix: &IpPrefix| next.classes.contains_key(prefix) || self.present.classes.contains_key(prefix);
        changes.deletions.extend(self.written.keys().filter(|prefix| !is_known(prefix)));
        let gone = self.written.keys().filter(|prefix| is_known(prefix) && !next.classes.contains_key(*prefix));
        for &prefix in next.classes.keys().chain(gone) {
            let old = self.written.get(&prefix).copied();
            let mut entry = old.unwrap_or_else(|| {
                let mut entry = ClassEntry::default();
                set(&mut entry, parity ^ 1, self.present.class_of(prefix));
                entry
            });
            set(&mut entry, parity, next.class_of(prefix));
            if old != Some(entry) {
                changes.writes.push((prefix, entry));
            }
        }
        changes
    }

    /// Prefixes that the maps will hold when `next` is written, beyond those that will be deleted.
    pub(super) fn prefixes_with<'a>(&'a self, next: &'a PrefixSet) -> impl Iterator<Item = IpPrefix> + 'a {
        let staying = self.present.classes.keys().filter(|prefix| self.written.contains_key(*prefix));
        let both: HashSet<IpPrefix> = next.classes.keys().chain(staying).copied().collect();
        both.into_iter()
    }

    /// Prefixes that the maps hold.
    pub(super) fn written(&self) -> impl Iterator<Item = IpPrefix> {
        self.written.keys().copied()
    }

    pub(super) fn wrote(&mut self, prefix: IpPrefix, entry: ClassEntry) {
        self.written.insert(prefix, entry);
    }

    pub(super) fn deleted(&mut self, prefix: IpPrefix) {
        self.written.remove(&prefix);
    }

    /// The next set is in force.
    pub(super) fn switched(&mut self, next: PrefixSet) {
        self.present = next;
    }
}

fn set(entry: &mut ClassEntry, parity: usize, class: Class) {
    entry.class[parity] = class.id;
    entry.flags[parity] = class.flags;
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use proptest::prelude::*;

    use super::*;

    /// The class of an address by what is in the maps, as the kernel program finds it.
    fn lookup(map: &HashMap<IpPrefix, ClassEntry>, addr: IpAddr, parity: usize) -> Class {
        let longest =
            map.iter().filter(|(prefix, _)| prefix.contains(addr)).max_by_key(|(prefix, _)| prefix.prefix_len());
        longest.map_or(Class::default(), |(_, entry)| Class { id: entry.class[parity], flags: entry.flags[parity] })
    }

    /// Prefixes of lengths 26 to 32 in 192.0.2.0/26, many of them within others.
    fn sets() -> impl Strategy<Value = Vec<PrefixSet>> {
        let prefix = (0u8..64, 26u8..=32)
            .prop_map(|(host, len)| IpPrefix::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, host)), len).unwrap());
        let class = (1u16..5, 0u16..4).prop_map(|(id, flags)| Class { id, flags });
        let set = prop::collection::vec((prefix, class), 0..12).prop_map(PrefixSet::from_iter);
        prop::collection::vec(set, 1..8)
    }

    fn addresses() -> impl Iterator<Item = IpAddr> {
        (0..64).map(|host| IpAddr::V4(Ipv4Addr::new(192, 0, 2, host)))
    }

    proptest! {
        /// Whatever was written so far, and wherever a writing ends early, packets of the present generation find what
        /// its set says; once all is written, those of the next find what the next says.
        #[test]
        fn each_generation_finds_its_own_classes(sets in sets(), early in prop::collection::vec(0usize..40, 8)) {
            let mut side = Side::default();
            let mut map = HashMap::new();
            let mut generation = 0usize;
            for (next, early) in sets.into_iter().zip(early) {
                let is_right = |map: &_, set: &PrefixSet, parity| {
                    addresses().all(|addr| lookup(map, addr, parity) == set.class_of(IpPrefix::host(addr)))
                };
                // An attempt that ends early, as when a map is full, then a whole one.
                for limit in [early, usize::MAX] {
                    let parity = (generation + 1) & 1;
                    let changes = side.changes(&next, parity);
                    for prefix in changes.deletions.into_iter().take(limit) {
                        map.remove(&prefix);
                        side.deleted(prefix);
                        prop_assert!(is_right(&map, &side.present, generation & 1));
                    }
                    for (prefix, entry) in changes.writes.into_iter().take(limit) {
                        map.insert(prefix, entry);
                        side.wrote(prefix, entry);
                        prop_assert!(is_right(&map, &side.present, generation & 1));
                    }
                }
                let held: HashSet<IpPrefix> = side.prefixes_with(&next).collect();
                prop_assert_eq!(held, map.keys().copied().collect::<HashSet<_>>());
                generation += 1;
                prop_assert!(is_right(&map, &next, generation & 1));
                side.switched(next);
            }
        }
    }
}
