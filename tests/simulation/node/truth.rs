//! The observer that knows all: which MACs are right for the packets of each pod, and until when others were.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use analyzer::types::MacAddr;

use super::happening::{Neighbour, Ns, Truth};
use super::standing::Standing;

/// What is right for packets of a source by one router.
#[derive(Clone, PartialEq, Debug, Default)]
struct Right {
    is_covered: bool,
    macs: BTreeSet<MacAddr>,
    are_all_known: bool,
    is_some_aged: bool,
}

impl Right {
    fn of(standing: &Standing, router: usize, source: IpAddr) -> Self {
        let hops = standing.deciding(router, source);
        let macs: Vec<Option<MacAddr>> = hops.iter().map(|&hop| standing.last_mac(hop)).collect();
        Self {
            is_covered: standing.covers(router, source),
            are_all_known: macs.iter().all(Option::is_some),
            is_some_aged: hops.iter().any(|&hop| standing.resolved(hop).is_none()),
            macs: macs.into_iter().flatten().collect(),
        }
    }
}

/// What is right for a source, since when, and until when other MACs were.
#[derive(Clone, Debug, Default)]
struct Watched {
    right: Right,
    since: Ns,
    left: BTreeMap<MacAddr, Ns>,
}

/// The observer.
#[derive(Clone, Debug, Default)]
pub(super) struct Observer(BTreeMap<Neighbour, Watched>);

impl Observer {
    /// Takes note of what stands from now on for these sources, each of one router.
    pub(super) fn note(&mut self, standing: &Standing, sources: impl Iterator<Item = Neighbour>, now: Ns) {
        for (router, source) in sources {
            let right = Right::of(standing, router, source);
            let watched = self.0.entry((router, source)).or_default();
            if watched.right != right {
                watched.left.extend(watched.right.macs.difference(&right.macs).map(|&mac| (mac, now)));
                (watched.right, watched.since) = (right, now);
            }
        }
    }

    /// What there is to say of packets of a source to a MAC. Nothing is known of a source that is no pod's.
    pub(super) fn truth(&self, router: usize, source: IpAddr, mac: MacAddr, is_alive: bool) -> Truth {
        let nothing = Watched::default();
        let Watched { right, since, left } = self.0.get(&(router, source)).unwrap_or(&nothing);
        let is_legal = right.macs.contains(&mac);
        Truth {
            is_covered: right.is_covered,
            is_legal,
            legal_until: left.get(&mac).copied().filter(|_| !is_legal),
            are_all_known: right.are_all_known,
            is_some_aged: right.is_some_aged,
            is_alive,
            since: *since,
        }
    }
}
