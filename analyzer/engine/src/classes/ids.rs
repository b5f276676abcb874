//! Ids of classes, which stay as long as a prefix is of the class.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hash::Hash;

use hashbrown::{HashMap, HashSet};

use super::NO_OUTCOMES;
use crate::types::IpPrefix;

/// Prefixes of one family, the signature of each, and an id for each signature.
#[derive(Debug)]
pub(super) struct Ids<S> {
    by_prefix: HashMap<IpPrefix, Arc<S>>,
    slots: HashMap<Arc<S>, Slot>,
    /// Ids whose class is gone, in the order in which they became free, so that one is not soon given to another class.
    free: VecDeque<u16>,
    /// The last id given out that had never been given out before.
    last: u16,
}

/// What is known of a class.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Slot {
    pub(super) id: u16,
    pub(super) is_final: bool,
}

impl<S> Default for Ids<S> {
    fn default() -> Self {
        Self { by_prefix: HashMap::new(), slots: HashMap::new(), free: VecDeque::new(), last: 0 }
    }
}

impl<S: Hash + Eq> Ids<S> {
    /// Sets the signature of a prefix; `None` where it is no longer of any class.
    pub(super) fn set(&mut self, prefix: IpPrefix, signature: Option<S>) {
        let Some(signature) = signature else {
            self.by_prefix.remove(&prefix);
            return;
        };
        let shared = match self.slots.get_key_value(&signature) {
            Some((known, _)) => Arc::clone(known),
            None => {
                let signature = Arc::new(signature);
                let id = self.free_id();
                self.slots.insert(Arc::clone(&signature), Slot { id, is_final: false });
                signature
            }
        };
        self.by_prefix.insert(prefix, shared);
    }

    fn free_id(&mut self) -> u16 {
        if self.last < NO_OUTCOMES - 1 {
            self.last += 1;
            self.last
        } else {
            self.free.pop_front().unwrap_or(NO_OUTCOMES)
        }
    }

    /// Gives up the ids of classes that no prefix is of any longer.
    pub(super) fn sweep(&mut self) {
        let free = &mut self.free;
        self.slots.retain(|signature, slot| {
            let is_used = Arc::strong_count(signature) > 1;
            free.extend(Some(slot.id).filter(|&id| !is_used && id != NO_OUTCOMES));
            is_used
        });
    }

    /// Says anew which classes are final. Returns the prefixes of those for which that changed.
    pub(super) fn judge_final(&mut self, is_final: impl Fn(&S) -> bool) -> Vec<IpPrefix> {
        let mut changed = HashSet::new();
        for (signature, slot) in &mut self.slots {
            let is_final = is_final(signature);
            if slot.is_final != is_final {
                slot.is_final = is_final;
                changed.insert(Arc::as_ptr(signature));
            }
        }
        if changed.is_empty() {
            return Vec::new();
        }
        let of_changed = self.by_prefix.iter().filter(|(_, signature)| changed.contains(&Arc::as_ptr(signature)));
        of_changed.map(|(&prefix, _)| prefix).collect()
    }

    /// Class and signature of a prefix.
    pub(super) fn of(&self, prefix: IpPrefix) -> Option<(Slot, &S)> {
        let signature = self.by_prefix.get(&prefix)?;
        Some((*self.slots.get(signature)?, signature))
    }

    pub(super) fn prefixes(&self) -> impl Iterator<Item = IpPrefix> + '_ {
        self.by_prefix.keys().copied()
    }

    /// Number of classes.
    pub(super) fn count(&self) -> usize {
        self.slots.len()
    }

    /// Number of prefixes for which ids had run out.
    pub(super) fn without_id(&self) -> usize {
        let without = self.slots.iter().filter(|(_, slot)| slot.id == NO_OUTCOMES);
        without.map(|(signature, _)| Arc::strong_count(signature) - 1).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(number: u32) -> IpPrefix {
        IpPrefix::host(core::net::Ipv4Addr::from_bits(number).into())
    }

    #[test]
    fn ids_stay_run_out_and_come_back() {
        let mut ids: Ids<u32> = Ids::default();
        for number in 0..65_536 {
            ids.set(prefix(number), Some(number));
        }
        let id = |ids: &Ids<u32>, number| ids.of(prefix(number)).unwrap().0.id;
        assert_eq!((id(&ids, 0), id(&ids, 65_533)), (1, NO_OUTCOMES - 1));
        assert_eq!((id(&ids, 65_534), ids.without_id()), (NO_OUTCOMES, 2));
        ids.set(prefix(7), None);
        ids.set(prefix(9), Some(3));
        ids.sweep();
        assert_eq!((id(&ids, 9), ids.count()), (4, 65_534));
        ids.set(prefix(70_000), Some(70_000));
        assert!([8, 10].contains(&id(&ids, 70_000)));
    }
}
