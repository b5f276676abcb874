//! The connections that are open: a bounded number, the newest wins.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::task::AbortHandle;

/// Connections that are open at most.
pub(super) const MAX_CONNECTIONS: usize = 64;

/// Connections that are open, the oldest first. A scrape takes milliseconds: where all places are taken, the oldest
/// connection is one that somebody only holds, and has to go.
#[derive(Debug, Default)]
pub(super) struct Places {
    open: VecDeque<AbortHandle>,
    displaced: Arc<AtomicU64>,
}

impl Places {
    /// Connections that had to go, as they are counted.
    pub(super) fn displaced(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.displaced)
    }

    /// Gives a place to a connection.
    pub(super) fn take(&mut self, connection: AbortHandle) {
        self.open.retain(|connection| !connection.is_finished());
        if self.open.len() >= MAX_CONNECTIONS
            && let Some(oldest) = self.open.pop_front()
        {
            oldest.abort();
            self.displaced.fetch_add(1, Ordering::Relaxed);
        }
        self.open.push_back(connection);
    }
}
