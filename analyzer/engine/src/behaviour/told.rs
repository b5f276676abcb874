//! What was told of OVN itself, by what it is asked for.

use alloc::sync::Arc;

use hashbrown::HashMap;

use crate::fact::{Ovn, OvnSays, Policy, PortRead, ReplyFlow};
use crate::prefixes::PrefixSet;
use crate::types::{IpPrefix, Release, Timestamp, Tuple, Validity};
use crate::versions::{End, Versions};

/// All that was told, past facts included.
#[derive(Debug, Default)]
pub(crate) struct OvnTold {
    northd: Versions<Ovn>,
    chassis: HashMap<Arc<str>, Versions<Ovn>>,
    routers: HashMap<Option<Arc<str>>, RouterFlows>,
}

/// Logical flows of a router. One for each pod is among them.
#[derive(Debug, Default)]
pub(crate) struct RouterFlows {
    /// Those that are not for one prefix: a few.
    others: Versions<Ovn>,
    by_prefix: HashMap<(Policy, IpPrefix), Versions<Ovn>>,
    prefixes: PrefixSet,
}

impl OvnTold {
    pub(crate) fn add(&mut self, ovn: Ovn) {
        self.of(&ovn.says).push_new(ovn);
    }

    pub(crate) fn begin(&mut self, ovn: Ovn) {
        self.of(&ovn.says).begin(ovn);
    }

    pub(crate) fn end(&mut self, ovn: &Ovn, at: Timestamp) -> End {
        self.of(&ovn.says).end(ovn, at)
    }

    /// Where facts that say such things are.
    fn of(&mut self, says: &OvnSays) -> &mut Versions<Ovn> {
        match says {
            OvnSays::Northd(_) => &mut self.northd,
            OvnSays::Chassis { name, .. } => self.chassis.entry(name.clone()).or_default(),
            OvnSays::Flow { router, flow } => self.routers.entry(router.clone()).or_default().of(flow),
        }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Ovn> {
        let chassis = self.chassis.values().flat_map(Versions::iter);
        self.northd.iter().chain(chassis).chain(self.routers.values().flat_map(RouterFlows::iter))
    }

    pub(crate) fn forget(&mut self, is_forgotten: impl Fn(Validity) -> bool) {
        self.northd.retain(|ovn| !is_forgotten(ovn.validity));
        self.chassis.retain(|_, told| {
            told.retain(|ovn| !is_forgotten(ovn.validity));
            !told.is_empty()
        });
        self.routers.retain(|_, flows| {
            flows.forget(&is_forgotten);
            flows.iter().next().is_some()
        });
    }

    /// northd's releases at `at`: one, but while two databases tell of an upgrade at different times.
    pub(super) fn northd(&self, at: Timestamp) -> impl Iterator<Item = Release> {
        self.northd.holding(at).filter_map(|ovn| match ovn.says {
            OvnSays::Northd(release) => Some(release),
            _ => None,
        })
    }

    /// Of each chassis at `at`, whether it can do without masked labels.
    pub(super) fn no_masked_label(&self, at: Timestamp) -> impl Iterator<Item = bool> {
        let held = self.chassis.values().flat_map(move |told| told.holding(at));
        held.filter_map(|ovn| match ovn.says {
            OvnSays::Chassis { no_masked_label, .. } => Some(no_masked_label),
            _ => None,
        })
    }

    /// The flows of a router.
    pub(super) fn flows(&self, router: &Option<Arc<str>>) -> Option<&RouterFlows> {
        self.routers.get(router)
    }

    /// The flows of every router.
    pub(super) fn all_flows(&self) -> impl Iterator<Item = &RouterFlows> {
        self.routers.values()
    }
}

impl RouterFlows {
    fn of(&mut self, flow: &ReplyFlow) -> &mut Versions<Ovn> {
        let &ReplyFlow::Routes { policy, prefix, .. } = flow else { return &mut self.others };
        self.by_prefix.entry((policy, prefix)).or_insert_with(|| {
            self.prefixes.insert(prefix);
            Versions::default()
        })
    }

    fn iter(&self) -> impl Iterator<Item = &Ovn> {
        self.others.iter().chain(self.by_prefix.values().flat_map(Versions::iter))
    }

    fn forget(&mut self, is_forgotten: impl Fn(Validity) -> bool) {
        self.others.retain(|ovn| !is_forgotten(ovn.validity));
        let prefixes = &mut self.prefixes;
        self.by_prefix.retain(|&(_, prefix), told| {
            told.retain(|ovn| !is_forgotten(ovn.validity));
            if told.is_empty() {
                prefixes.remove(prefix);
            }
            !told.is_empty()
        });
    }

    /// The flows that are for no prefix.
    pub(super) fn others(&self, at: Timestamp) -> impl Iterator<Item = &ReplyFlow> {
        self.others.holding(at).filter_map(flow)
    }

    /// What the flows read that send packets of `tuple` out of a port.
    pub(super) fn routing(&self, tuple: Tuple, at: Timestamp) -> impl Iterator<Item = &PortRead> {
        let by_source = self.prefixes.around(tuple.src).map(|prefix| (Policy::SrcIp, prefix));
        let by_destination = self.prefixes.around(tuple.dst).map(|prefix| (Policy::DstIp, prefix));
        let told = by_source.chain(by_destination).filter_map(|key| self.by_prefix.get(&key));
        told.flat_map(move |told| told.holding(at)).filter_map(flow).filter_map(|flow| match flow {
            ReplyFlow::Routes { read, .. } => Some(read),
            _ => None,
        })
    }
}

fn flow(ovn: &Ovn) -> Option<&ReplyFlow> {
    match &ovn.says {
        OvnSays::Flow { flow, .. } => Some(flow),
        _ => None,
    }
}
