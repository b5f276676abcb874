//! Which entries a flow has.
//!
//! Most flows have one or two entries, and a node has a hundred thousand of them: one number stands for each. A flow that
//! is tracked in thousands of zones has an index of its own, so that it costs no other flow anything.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::hash::BuildHasher;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};

use crate::fact::Connection;
use crate::finding::CtDirection;
use crate::types::Tuple;

/// Where an entry stands, and which of its tuples it is found by: twice its index, and 1 for the reply.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Place(u32);

/// Entries that have places at most.
pub(super) const MAX_ENTRIES: usize = 1 << 30;

/// What stands for a flow: the place of its only entry, or with this bit the number of its crowd.
#[derive(Clone, Copy, Debug)]
struct Slot(u32);

const CROWD: u32 = 1 << 31;

/// Entries of one flow, by zone.
type Crowd = BTreeSet<(u16, Place)>;

/// Places of entries, by the flow that they are found by.
#[derive(Debug, Default)]
pub(super) struct ByFlow {
    slots: HashTable<Slot>,
    crowds: Vec<Crowd>,
    /// Numbers of crowds that are empty.
    free: Vec<u32>,
    hasher: DefaultHashBuilder,
}

impl Place {
    pub(super) fn new(index: usize, direction: CtDirection) -> Self {
        // `MAX_ENTRIES` entries have places that fit.
        Self((index as u32) << 1 | u32::from(direction == CtDirection::Reply))
    }

    pub(super) fn index(self) -> usize {
        (self.0 >> 1) as usize
    }

    fn entry(self, entries: &[Connection]) -> &Connection {
        &entries[self.index()]
    }

    fn flow(self, entries: &[Connection]) -> Tuple {
        #[cfg(test)]
        crate::types::work::step();
        let connection = self.entry(entries);
        flow(if self.0 & 1 == 0 { connection.orig } else { connection.reply })
    }

    /// The place with the zone of its entry, as crowds are sorted.
    fn with_zone(self, entries: &[Connection]) -> (u16, Self) {
        (self.entry(entries).zone, self)
    }
}

/// What the tuples of both directions of a flow have in common.
pub(super) fn flow(tuple: Tuple) -> Tuple {
    tuple.min(tuple.reversed())
}

impl Slot {
    fn crowd(self) -> Option<usize> {
        (self.0 & CROWD != 0).then_some((self.0 & !CROWD) as usize)
    }

    fn flow(self, crowds: &[Crowd], entries: &[Connection]) -> Option<Tuple> {
        let place = match self.crowd() {
            Some(crowd) => crowds[crowd].first()?.1,
            None => Place(self.0),
        };
        Some(place.flow(entries))
    }
}

impl ByFlow {
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Adds the place of an entry that is found by `flow`.
    pub(super) fn insert(&mut self, flow: Tuple, place: Place, entries: &[Connection]) {
        let Self { slots, crowds, free, hasher } = self;
        let is_own = |slot: &Slot| slot.flow(crowds, entries) == Some(flow);
        // Each flow has one slot, and that has an entry.
        let rehash = |slot: &Slot| slot.flow(crowds, entries).map_or(0, |flow| hasher.hash_one(flow));
        match slots.entry(hasher.hash_one(flow), is_own, rehash) {
            Entry::Vacant(slot) => drop(slot.insert(Slot(place.0))),
            Entry::Occupied(mut slot) => {
                let slot = slot.get_mut();
                let crowd = slot.crowd().unwrap_or_else(|| {
                    let first = Place(slot.0).with_zone(entries);
                    let number = free.pop().unwrap_or_else(|| {
                        crowds.push(Crowd::new());
                        (crowds.len() - 1) as u32
                    });
                    crowds[number as usize].insert(first);
                    *slot = Slot(CROWD | number);
                    number as usize
                });
                crowds[crowd].insert(place.with_zone(entries));
            }
        }
    }

    /// Takes the place of an entry out.
    pub(super) fn remove(&mut self, flow: Tuple, place: Place, entries: &[Connection]) {
        let Self { slots, crowds, free, hasher } = self;
        let is_own = |slot: &Slot| slot.flow(crowds, entries) == Some(flow);
        let Ok(mut found) = slots.find_entry(hasher.hash_one(flow), is_own) else { return };
        let Some(crowd) = found.get().crowd() else {
            found.remove();
            return;
        };
        crowds[crowd].remove(&place.with_zone(entries));
        if crowds[crowd].len() == 1
            && let Some((_, last)) = crowds[crowd].pop_first()
        {
            *found.get_mut() = Slot(last.0);
            free.push(crowd as u32);
        }
    }

    /// Places of the flow's entries: by zone, then in the order in which they stand.
    pub(super) fn of(&self, flow: Tuple, entries: &[Connection]) -> impl Iterator<Item = Place> + '_ {
        self.within(flow, None, entries)
    }

    /// Places of the flow's entries in one zone.
    pub(super) fn in_zone(&self, flow: Tuple, zone: u16, entries: &[Connection]) -> impl Iterator<Item = Place> + '_ {
        self.within(flow, Some(zone), entries)
    }

    fn within(&self, flow: Tuple, zone: Option<u16>, entries: &[Connection]) -> impl Iterator<Item = Place> + '_ {
        let slot = self.find(flow, entries);
        let crowd = slot.and_then(Slot::crowd).map(|crowd| &self.crowds[crowd]);
        let alone = slot.filter(|_| crowd.is_none()).map(|slot| Place(slot.0));
        let alone = alone.filter(|place| zone.is_none_or(|zone| place.entry(entries).zone == zone));
        let zones = zone.map_or(0..=u16::MAX, |zone| zone..=zone);
        let bounds = (*zones.start(), Place(0))..=(*zones.end(), Place(u32::MAX));
        alone
            .into_iter()
            .chain(crowd.into_iter().flat_map(move |crowd| crowd.range(bounds.clone())).map(|&(_, place)| place))
    }

    /// Whether the flow has an entry.
    pub(super) fn has(&self, flow: Tuple, entries: &[Connection]) -> bool {
        self.find(flow, entries).is_some()
    }

    fn find(&self, flow: Tuple, entries: &[Connection]) -> Option<Slot> {
        let is_own = |slot: &Slot| slot.flow(&self.crowds, entries) == Some(flow);
        self.slots.find(self.hasher.hash_one(flow), is_own).copied()
    }
}
