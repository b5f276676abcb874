//! What changed of that which classes of addresses follow from.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::fact::{Fact, Policy};
use crate::types::IpPrefix;

/// Changes kept at most. Who has not read those that are gone has to look at everything.
const MAX_CHANGES: usize = 4096;

/// The latest changes of one kind.
#[derive(Debug)]
pub(super) struct Journal<C> {
    changes: VecDeque<C>,
    /// Number of changes that are gone.
    gone: u64,
}

impl<C> Default for Journal<C> {
    fn default() -> Self {
        Self { changes: VecDeque::new(), gone: 0 }
    }
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

/// What changed of next hops, beside the routes that name them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HopChange {
    /// What has that address: its MAC, or the session that watches it.
    Of(IpAddr),
    /// Anything, or who tracks in a zone.
    Any,
}

impl Change {
    /// What a fact changes that begins or ends.
    pub(super) fn by(fact: &Fact) -> Option<Self> {
        match fact {
            Fact::Route(route) if route.policy == Policy::SrcIp => Some(Self::Source(route.prefix)),
            Fact::Route(route) => Some(Self::Destination(route.prefix)),
            Fact::RouterPort(_) => Some(Self::All),
            Fact::Nat(nat) => Some(Self::Translation(nat.external_ip)),
            _ => None,
        }
    }
}

impl HopChange {
    /// What a fact changes that begins or ends. Of the ports of a switch those count that lead to routers, and those that
    /// may be next hops.
    pub(super) fn by(fact: &Fact) -> Vec<Self> {
        match fact {
            Fact::Binding(binding) => vec![Self::Of(binding.ip)],
            Fact::Bfd(bfd) => vec![Self::Of(bfd.dst_ip)],
            Fact::SwitchPort(port) if port.router_port.is_none() && !port.is_withheld => {
                port.addresses.iter().map(|&(ip, _)| Self::Of(ip)).collect()
            }
            Fact::SwitchPort(_)
            | Fact::RouterPort(_)
            | Fact::Router(_)
            | Fact::Zone(_)
            | Fact::Datapath(_)
            | Fact::Ovn(_) => vec![Self::Any],
            Fact::Route(_)
            | Fact::Nat(_)
            | Fact::ReroutePolicy(_)
            | Fact::Connection(_)
            | Fact::MacOwner(_)
            | Fact::Gap(_) => Vec::new(),
        }
    }
}

impl<C: Copy> Journal<C> {
    pub(super) fn note(&mut self, change: C) {
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
    pub(super) fn since(&self, number: u64) -> Option<impl Iterator<Item = C> + '_> {
        let skipped = usize::try_from(number.checked_sub(self.gone)?).ok()?;
        Some(self.changes.iter().skip(skipped).copied())
    }
}
