//! Lists that findings show: bounded, and shared by all that show the same.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hash::Hash;
use core::ops::Deref;

use hashbrown::HashSet;

/// The first members of a list, and how many it has besides.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed<T> {
    shown: Arc<[T]>,
    left_out: u64,
}

impl<T> Listed<T> {
    /// The first `max` members.
    pub fn cut(mut all: Vec<T>, max: usize) -> Self {
        let left_out = all.len().saturating_sub(max) as u64;
        all.truncate(max);
        Self { shown: all.into(), left_out }
    }

    /// Members that are shown, and how many there are besides.
    pub fn of(shown: Vec<T>, left_out: u64) -> Self {
        Self { shown: shown.into(), left_out }
    }

    /// How many members are not shown.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { shown: Arc::from([]), left_out: 0 }
    }
}

impl<T> Deref for Listed<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.shown
    }
}

impl<'a, T> IntoIterator for &'a Listed<T> {
    type Item = &'a T;
    type IntoIter = core::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.shown.iter()
    }
}

/// All members are shown.
impl<T> From<Vec<T>> for Listed<T> {
    fn from(all: Vec<T>) -> Self {
        Self { shown: all.into(), left_out: 0 }
    }
}

/// Lists that were shown, so that equal ones share their memory.
#[derive(Debug)]
pub(super) struct Shared<T> {
    lists: HashSet<Arc<[T]>>,
}

/// Lists of one kind that are remembered at most.
const MAX_SHARED: usize = 4096;

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self { lists: HashSet::new() }
    }
}

impl<T: Hash + Eq> Shared<T> {
    /// The list itself, or an equal one that was given before.
    pub(super) fn share(&mut self, list: Listed<T>) -> Listed<T> {
        if self.lists.len() >= MAX_SHARED {
            self.lists.clear();
        }
        let shown = Arc::clone(self.lists.get_or_insert(list.shown));
        Listed { shown, left_out: list.left_out }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_cut_and_says_so() {
        let list = Listed::cut(vec![1, 2, 3, 4, 5], 3);
        assert_eq!((&*list, list.left_out()), (&[1, 2, 3][..], 2));
        assert_eq!(Listed::cut(vec![1], 3), vec![1].into());
    }

    #[test]
    fn equal_lists_are_one() {
        let mut shared = Shared::default();
        let first = shared.share(Listed::cut(vec![1, 2, 3], 2));
        let second = shared.share(Listed::cut(vec![1, 2], 2));
        assert!(Arc::ptr_eq(&first.shown, &second.shown));
        assert_eq!((first.left_out(), second.left_out()), (1, 0));
    }
}
