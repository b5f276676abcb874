//! What changed of that which classes of addresses follow from.

use std::collections::VecDeque;
use std::net::IpAddr;

use super::fact::{Fact, Policy};
use crate::types::IpPrefix;

/// Changes kept at most. Who has not read those that are gone has to look at everything.
const MAX_CHANGES: usize = 4096;

/// The latest changes.
#[derive(Debug, Default)]
pub(super) struct Journal {
    changes: VecDeque<Change>,
    /// Number of changes that are gone.
    gone: u64,
}

/// What changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Change {
    /// A route by source with that prefix.
    Source(IpPrefix),
    /// A route by destination with that prefix.
    Destination(IpPrefix),
    /// A NAT rule with that external address.
    Translation(IpAddr),
    /// Anything.
    All,
}

impl Journal {
    pub(super) fn note_fact(&mut self, fact: &Fact) {
        let change = match fact {
            Fact::Route(route) if route.policy == Policy::SrcIp => Change::Source(route.prefix),
            Fact::Route(route) => Change::Destination(route.prefix),
            Fact::RouterPort(_) => Change::All,
            Fact::Nat(nat) => Change::Translation(nat.external_ip),
            _ => return,
        };
        self.note(change);
    }

    pub(super) fn note(&mut self, change: Change) {
        self.changes.push_back(change);
        if self.changes.len() > MAX_CHANGES {
            self.changes.pop_front();
            self.gone += 1;
        }
    }

    /// Number of changes so far.
    pub(super) fn len(&self) -> u64 {
        self.gone + self.changes.len() as u64
    }

    /// The changes from the one of that number on; `None` where some of them are gone.
    pub(super) fn since(&self, number: u64) -> Option<impl Iterator<Item = Change> + '_> {
        let skipped = usize::try_from(number.checked_sub(self.gone)?).ok()?;
        Some(self.changes.iter().skip(skipped).copied())
    }
}
