//! Facts of one thing, past ones included.
//!
//! Most things have a version or two, and there are a hundred thousand of them, so these are gone through one by one. A
//! thing that changed a hundred thousand times has an index: by time, and by what its versions say.
//!
//! What a live source tells is never put together with what another one tells, so that the one can end while the other
//! goes on. Only where a fact is told again at the very moment at which it ended, it has never ended.

mod sorted;

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::hash::{BuildHasher, Hasher};

use hashbrown::{DefaultHashBuilder, HashMap};

use self::sorted::Sorted;
use super::fact::{Bfd, Datapath, Gap, Nat, Ovn, ReroutePolicy, Route, Router, RouterPort, SwitchPort, Zone};
use super::timeline::Timeline;
use crate::types::{Timestamp, Validity};

/// Versions that are gone through without index at most; so few in tests that these see both ways.
pub(super) const FEW: usize = if cfg!(test) { 2 } else { 16 };

/// A fact that holds for some time.
pub(super) trait Dated {
    fn validity(&self) -> Validity;

    fn validity_mut(&mut self) -> &mut Validity;

    /// Whether both say the same, whenever each of them holds.
    fn says_same(&self, other: &Self) -> bool;

    /// Hashes what it says: the same for facts that say the same.
    fn hash_words(&self, state: &mut impl Hasher);
}

macro_rules! dated {
    ($($fact:ty),*) => {
        $(impl Dated for $fact {
            fn validity(&self) -> Validity {
                self.validity
            }

            fn validity_mut(&mut self) -> &mut Validity {
                &mut self.validity
            }

            fn says_same(&self, other: &Self) -> bool {
                #[cfg(test)]
                crate::types::work::step();
                *self == Self { validity: self.validity, ..other.clone() }
            }

            fn hash_words(&self, state: &mut impl core::hash::Hasher) {
                let words = Self { validity: Validity::ALWAYS, ..self.clone() };
                core::hash::Hash::hash(&words, state);
            }
        })*
    };
}

pub(super) use dated;

dated!(Route, Bfd, Router, RouterPort, SwitchPort, Nat, ReroutePolicy, Zone, Datapath, Ovn, Gap);

/// What became of a fact that was to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// No such fact holds.
    Unknown,
    /// It has ended.
    Ended,
    /// It began at the moment at which it ended: it has never held, and is gone.
    Vanished,
}

/// Facts of one thing, in the order in which they were told.
#[derive(Debug)]
pub(super) struct Versions<T> {
    /// By number. Where there is an index, numbers of facts that are gone stay empty.
    told: Vec<Option<T>>,
    index: Option<Box<Index>>,
}

/// Where many facts are found.
#[derive(Debug, Default)]
struct Index {
    times: Timeline,
    /// End and number, by a hash of what they say.
    by_words: HashMap<u64, Sorted<Ending>>,
    /// The number told last, by the same hash.
    last: HashMap<u64, u32>,
    /// Those that end, by when.
    ends: BTreeSet<Ending>,
    hasher: DefaultHashBuilder,
}

/// When a fact ends, and its number.
type Ending = (Option<Timestamp>, u32);

impl<T> Default for Versions<T> {
    fn default() -> Self {
        Self { told: Vec::new(), index: None }
    }
}

impl<T: Dated> Versions<T> {
    pub(super) fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// All versions, in the order in which they were told.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.told.iter().flatten()
    }

    /// All versions, in the order in which they were told.
    pub(super) fn into_iter(self) -> impl Iterator<Item = T> {
        self.told.into_iter().flatten()
    }

    /// All versions with their numbers.
    pub(super) fn numbered(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..).zip(&self.told).filter_map(|(number, told)| Some((number, told.as_ref()?)))
    }

    /// Number of versions, up to those that left an empty place.
    pub(super) fn len(&self) -> usize {
        self.told.len()
    }

    /// Those that hold at `at`, in the order in which they were told.
    pub(super) fn holding(&self, at: Timestamp) -> impl Iterator<Item = &T> {
        let (few, many) = match &self.index {
            Some(index) => (None, Some(index.times.at(at))),
            None => (Some(&self.told), None),
        };
        let few = few.into_iter().flatten().flatten().filter(move |fact| fact.validity().holds(at));
        let found = few.chain(many.into_iter().flatten().filter_map(|number| self.told[number as usize].as_ref()));
        #[cfg(test)]
        let found = found.inspect(|_| crate::types::work::step());
        found
    }

    /// Adds a fact and returns its number.
    pub(super) fn push(&mut self, fact: T) -> u32 {
        let number = self.told.len() as u32;
        self.told.push(Some(fact));
        match &mut self.index {
            Some(index) => index.note(number, self.told[number as usize].as_ref()),
            None if self.told.len() > FEW => self.reindex(),
            None => {}
        }
        number
    }

    /// Adds a fact, unless it was told.
    pub(super) fn push_new(&mut self, fact: T)
    where
        T: PartialEq,
    {
        if self.latest(&fact, fact.validity().until, |told| *told == fact).is_none() {
            self.push(fact);
        }
    }

    pub(super) fn get(&self, number: u32) -> Option<&T> {
        self.told.get(number as usize)?.as_ref()
    }

    /// Changes a fact.
    pub(super) fn update(&mut self, number: u32, change: impl FnOnce(&mut T)) {
        let Some(fact) = self.told.get_mut(number as usize).and_then(Option::as_mut) else { return };
        if let Some(index) = &mut self.index {
            index.hide(number, fact);
        }
        change(fact);
        if let Some(index) = &mut self.index {
            index.note(number, Some(fact));
        }
    }

    /// Number of the version told last that says the same as `fact`, ends at `until` and is meant.
    pub(super) fn latest(&self, fact: &T, until: Option<Timestamp>, is_meant: impl Fn(&T) -> bool) -> Option<u32> {
        let found = |number: &u32| {
            let told = self.told[*number as usize].as_ref();
            told.is_some_and(|told| told.validity().until == until && told.says_same(fact) && is_meant(told))
        };
        match &self.index {
            Some(index) => {
                let told = index.by_words.get(&index.hash(fact))?;
                told.range((until, 0)..=(until, u32::MAX)).rev().map(|(_, number)| number).find(found)
            }
            None => (0..self.told.len() as u32).rev().find(found),
        }
    }

    /// Number of the version told last that says the same as `fact` and is meant.
    pub(super) fn last(&self, fact: &T, is_meant: impl Fn(&T) -> bool) -> Option<u32> {
        let found = |number: &u32| self.get(*number).is_some_and(|told| told.says_same(fact) && is_meant(told));
        let last = self.index.as_ref().and_then(|index| index.last.get(&index.hash(fact)).copied());
        match (&self.index, last) {
            (Some(_), None) => None,
            (_, last) => last.filter(found).or_else(|| (0..self.told.len() as u32).rev().find(found)),
        }
    }

    /// All versions that say the same as `fact`, by when they end, those without end first.
    pub(super) fn saying(&self, fact: T) -> impl Iterator<Item = &T> {
        let (few, many) = match &self.index {
            Some(index) => (None, index.by_words.get(&index.hash(&fact))),
            None => (Some(self.iter()), None),
        };
        let many = many.into_iter().flat_map(|told| told.range((None, 0)..=(Some(Timestamp::MAX), u32::MAX)));
        let all = few.into_iter().flatten().chain(many.filter_map(|(_, number)| self.get(number)));
        all.filter(move |told| told.says_same(&fact))
    }

    /// Whether a version that says the same as `fact` had ended at `at`.
    pub(super) fn has_ended(&self, fact: &T, at: Timestamp) -> bool {
        match &self.index {
            Some(index) => index.by_words.get(&index.hash(fact)).is_some_and(|told| {
                let mut ended = told.range((Some(Timestamp::default()), 0)..=(Some(at), u32::MAX));
                ended.any(|(_, number)| self.get(number).is_some_and(|told| told.says_same(fact)))
            }),
            None => self.iter().any(|told| told.validity().ended(at) && told.says_same(fact)),
        }
    }

    /// The versions that had ended at `at`, the one that ended last first; of several the one told last.
    pub(super) fn ended(&self, at: Timestamp) -> impl Iterator<Item = &T> {
        let (few, many) = match &self.index {
            Some(index) => (None, Some(index.ends.range(..=(Some(at), u32::MAX)).rev())),
            None => {
                let mut ended: Vec<(u32, &T)> = self.numbered().filter(|(_, told)| told.validity().ended(at)).collect();
                ended.sort_by_key(|(number, told)| Reverse((told.validity().until, *number)));
                (Some(ended), None)
            }
        };
        let few = few.into_iter().flatten().map(|(_, told)| told);
        few.chain(many.into_iter().flatten().filter_map(|&(_, number)| self.get(number)))
    }

    /// Number of the version that goes on as `fact`: it says the same and ended as this one begins.
    pub(super) fn continued_by(&self, fact: &T) -> Option<u32> {
        let from = fact.validity().from?;
        self.latest(fact, Some(from), |_| true)
    }

    /// Adds a fact of a live source. One that says the same and ended as this one begins goes on instead.
    pub(super) fn begin(&mut self, fact: T) {
        match self.continued_by(&fact) {
            Some(number) => self.update(number, |told| told.validity_mut().until = None),
            None => drop(self.push(fact)),
        }
    }

    /// Ends the fact that says the same as `fact` and holds without end; of several the one told last.
    pub(super) fn end(&mut self, fact: &T, at: Timestamp) -> End {
        match self.latest(fact, None, |_| true) {
            Some(number) => self.end_at(number, at),
            None => End::Unknown,
        }
    }

    /// Ends a fact that holds without end.
    pub(super) fn end_at(&mut self, number: u32, at: Timestamp) -> End {
        let Some(fact) = self.get(number) else { return End::Unknown };
        if fact.validity().from.is_some_and(|from| from >= at) {
            self.remove(number);
            return End::Vanished;
        }
        self.update(number, |fact| fact.validity_mut().until = Some(at));
        End::Ended
    }

    /// Takes a fact out.
    pub(super) fn remove(&mut self, number: u32) {
        let Some(index) = &mut self.index else {
            self.told.remove(number as usize);
            return;
        };
        if let Some(fact) = self.told[number as usize].take() {
            index.hide(number, &fact);
        }
        while self.told.pop_if(|last| last.is_none()).is_some() {}
    }

    /// Keeps the facts that are meant.
    pub(super) fn retain(&mut self, mut is_meant: impl FnMut(&T) -> bool) {
        let before = self.told.len();
        self.told.retain(|fact| fact.as_ref().is_some_and(&mut is_meant));
        if self.told.len() < before {
            self.index = None;
            self.told.shrink_to_fit();
            if self.told.len() > FEW {
                self.reindex();
            }
        }
    }

    fn reindex(&mut self) {
        let mut index = Box::<Index>::default();
        (0..).zip(&self.told).for_each(|(number, fact)| index.note(number, fact.as_ref()));
        self.index = Some(index);
    }
}

impl Index {
    fn hash(&self, fact: &impl Dated) -> u64 {
        let mut state = self.hasher.build_hasher();
        fact.hash_words(&mut state);
        state.finish()
    }

    fn note(&mut self, number: u32, fact: Option<&impl Dated>) {
        let Some(fact) = fact else { return };
        let (hash, ending) = (self.hash(fact), (fact.validity().until, number));
        self.times.insert(fact.validity(), number);
        self.by_words.entry(hash).or_default().insert(ending);
        self.ends.extend(ending.0.map(|_| ending));
        let last = self.last.entry(hash).or_insert(number);
        *last = number.max(*last);
    }

    fn hide(&mut self, number: u32, fact: &impl Dated) {
        let (hash, ending) = (self.hash(fact), (fact.validity().until, number));
        self.times.remove(fact.validity(), number);
        self.ends.remove(&ending);
        if let Some(told) = self.by_words.get_mut(&hash) {
            told.remove(ending);
            if told.is_empty() {
                self.by_words.remove(&hash);
                self.last.remove(&hash);
            }
        }
    }
}

#[cfg(test)]
mod tests;
