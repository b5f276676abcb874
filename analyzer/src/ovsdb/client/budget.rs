//! How much memory the rows of databases may take.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Memory for rows, shared by those who follow several databases.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    used: AtomicUsize,
}

impl Budget {
    /// Rows may take so many bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, used: AtomicUsize::new(0) }
    }

    /// Bytes that rows may take.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Bytes that nobody uses.
    pub(super) fn room(&self) -> usize {
        self.limit.saturating_sub(self.used.load(Ordering::Relaxed))
    }
}

/// What one database uses of a budget. It is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Share {
    budget: Arc<Budget>,
    used: usize,
}

impl Share {
    pub(super) fn new(budget: Arc<Budget>) -> Self {
        Self { budget, used: 0 }
    }

    pub(super) fn budget(&self) -> &Budget {
        &self.budget
    }

    pub(super) fn take(&mut self, bytes: usize) {
        self.used += bytes;
        self.budget.used.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn give_back(&mut self, bytes: usize) {
        self.used -= bytes;
        self.budget.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give_back(self.used);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_one_budget() {
        let budget = Arc::new(Budget::new(100));
        let (mut one, mut other) = (Share::new(Arc::clone(&budget)), Share::new(Arc::clone(&budget)));
        one.take(60);
        other.take(50);
        assert_eq!(budget.room(), 0);
        one.give_back(20);
        assert_eq!(one.budget().room(), 10);
        drop(other);
        assert_eq!(budget.room(), 60);
    }
}
