//! Conntrack zones and their owners.

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use hashbrown::{HashMap, HashSet};

use super::fact::{Datapath, Zone};
use super::versions::{End, Versions};
use crate::types::{Timestamp, Validity};

/// Zone in which OVN-Kubernetes' br-ex tracks, and the four behind it (host and OVN masquerade, NodePort, reassembly).
const BR_EX_ZONES: core::ops::RangeInclusive<u16> = 64000..=64004;

/// All zone names that were told, past ones included.
#[derive(Debug, Default)]
pub(super) struct Zones {
    by_zone: HashMap<u16, Versions<Zone>>,
    /// By UUID. Of several rows the last one told counts.
    datapaths: HashMap<Arc<str>, Versions<Datapath>>,
    routers: HashSet<Arc<str>>,
}

/// Who tracks in a zone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(super) enum Owner {
    /// A router, for destination NAT and, with it, the labels of ECMP replies.
    RouterDnat {
        /// The zone's name, with the router's name in place of a UUID where that is known.
        name: Arc<str>,
        /// The router, where its name is known.
        router: Option<Arc<str>>,
    },
    /// Something that never writes such labels: a router's source NAT, a port, the host, br-ex.
    Other {
        /// The zone's name, where it has one.
        name: Option<Arc<str>>,
    },
    /// No dump names the zone.
    Unknown,
}

impl Zones {
    pub(super) fn add(&mut self, zone: Zone) {
        self.by_zone.entry(zone.zone).or_default().push_new(zone);
    }

    pub(super) fn add_datapath(&mut self, datapath: Datapath) {
        self.note_datapath(&datapath);
        let told = self.datapaths.entry(datapath.uuid.clone()).or_default();
        if let Some(number) = told.latest(&datapath, datapath.validity.until, |known| *known == datapath) {
            told.remove(number);
        }
        told.push(datapath);
    }

    fn note_datapath(&mut self, datapath: &Datapath) {
        if datapath.is_router {
            self.routers.insert(datapath.name.clone());
        }
    }

    pub(super) fn begin(&mut self, zone: Zone) {
        self.by_zone.entry(zone.zone).or_default().begin(zone);
    }

    pub(super) fn begin_datapath(&mut self, datapath: Datapath) {
        self.note_datapath(&datapath);
        self.datapaths.entry(datapath.uuid.clone()).or_default().begin(datapath);
    }

    pub(super) fn end(&mut self, zone: &Zone, at: Timestamp) -> End {
        self.by_zone.get_mut(&zone.zone).map_or(End::Unknown, |zones| zones.end(zone, at))
    }

    pub(super) fn end_datapath(&mut self, datapath: &Datapath, at: Timestamp) -> End {
        let told = self.datapaths.get_mut(&datapath.uuid);
        told.map_or(End::Unknown, |told| told.end(datapath, at))
    }

    /// Forgets names, and all routers: those that are left are to be told anew.
    pub(super) fn forget(&mut self, is_forgotten: impl Fn(Validity) -> bool) {
        self.by_zone.retain(|_, zones| {
            zones.retain(|zone| !is_forgotten(zone.validity));
            !zones.is_empty()
        });
        self.datapaths.retain(|_, told| {
            told.retain(|datapath| !is_forgotten(datapath.validity));
            !told.is_empty()
        });
        let routers = self.all_datapaths().filter(|datapath| datapath.is_router).map(|datapath| datapath.name.clone());
        self.routers = routers.collect();
    }

    pub(super) fn all_datapaths(&self) -> impl Iterator<Item = &Datapath> {
        self.datapaths.values().flat_map(Versions::iter)
    }

    fn datapath(&self, uuid: &str) -> Option<&Datapath> {
        self.datapaths.get(uuid)?.iter().next_back()
    }

    pub(super) fn add_router(&mut self, name: &Arc<str>) {
        if !self.routers.contains(name) {
            self.routers.insert(name.clone());
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Zone> {
        self.by_zone.values().flat_map(Versions::iter)
    }

    fn named(&self, zone: u16, at: Timestamp) -> impl Iterator<Item = &Zone> {
        self.by_zone.get(&zone).into_iter().flat_map(move |named| named.holding(at))
    }

    /// Whether a zone is the host's or br-ex's, whoever else tracks in it.
    pub(super) fn is_shared(zone: u16) -> bool {
        zone == 0 || BR_EX_ZONES.contains(&zone)
    }

    /// Who tracks in `zone` at `at`.
    pub(super) fn owner(&self, zone: u16, at: Timestamp) -> Owner {
        let named: Vec<&Zone> = self.named(zone, at).collect();
        // The host tracks in zone 0, whoever shares it; it is never a router's DNAT zone.
        if Self::is_shared(zone) {
            return Owner::Other { name: named.first().map(|named| named.name.clone()) };
        }
        let owners = named.iter().map(|named| self.owner_of_name(&named.name));
        owners
            .reduce(|best, other| if matches!(best, Owner::RouterDnat { .. }) { best } else { other })
            .unwrap_or(Owner::Unknown)
    }

    /// Whether names of `zone` that hold at `at` tell of different owners, so that it may be another's than
    /// [`Zones::owner`] says.
    pub(super) fn is_contested(&self, zone: u16, at: Timestamp) -> bool {
        let owners: Vec<Owner> = self.named(zone, at).map(|named| self.owner_of_name(&named.name)).collect();
        let mut routers = owners.iter().filter_map(|owner| match owner {
            Owner::RouterDnat { router, .. } => router.as_ref(),
            _ => None,
        });
        let first = routers.next();
        let is_mixed = owners.iter().any(Owner::is_router) && !owners.iter().all(Owner::is_router);
        routers.any(|router| Some(router) != first) || is_mixed
    }

    /// When the owner of `zone` last became what it is at `at`; `None` where it has been so for as long as is known.
    pub(super) fn changed(&self, zone: u16, at: Timestamp) -> Option<Timestamp> {
        let now = self.owner(zone, at);
        let names = self.by_zone.get(&zone).into_iter().flat_map(Versions::iter);
        let moments = names.flat_map(|named| [named.validity.from, named.validity.until]).flatten();
        let mut moments: Vec<Timestamp> = moments.filter(|&moment| moment <= at).collect();
        moments.sort_unstable();
        moments.dedup();
        let is_change = |moment: &Timestamp| {
            let before = Timestamp::from_nanos(moment.as_nanos().saturating_sub(1));
            self.owner(zone, before) != now
        };
        moments.into_iter().rev().find(is_change)
    }

    /// Up to OVN 23.06.0 zones of a router are named by the UUID of its SB datapath, later by its name. Names of ports
    /// hold underscores and may end in anything, so the part before the suffix must be a router that is known; where
    /// none is known at all, the suffix has to do.
    fn owner_of_name(&self, name: &Arc<str>) -> Owner {
        let other = || Owner::Other { name: Some(name.clone()) };
        let Some(datapath) = name.strip_suffix("_dnat") else {
            let snat = name.strip_suffix("_snat").and_then(|uuid| self.datapath(uuid));
            return match snat {
                Some(datapath) => Owner::Other { name: Some(format!("{}_snat", datapath.name).into()) },
                None => other(),
            };
        };
        if let Some(datapath) = self.datapath(datapath) {
            let name = format!("{}_dnat", datapath.name).into();
            return match datapath.is_router {
                true => Owner::RouterDnat { name, router: Some(datapath.name.clone()) },
                false => Owner::Other { name: Some(name) },
            };
        }
        if let Some(router) = self.routers.get(datapath) {
            return Owner::RouterDnat { name: name.clone(), router: Some(router.clone()) };
        }
        if is_uuid(datapath) {
            return Owner::RouterDnat { name: name.clone(), router: None };
        }
        match self.routers.is_empty() || datapath.starts_with("GR_") {
            true => Owner::RouterDnat { name: name.clone(), router: Some(datapath.into()) },
            false => other(),
        }
    }
}

impl Owner {
    /// Whether the owner may be the router, as far as both are named.
    pub(super) fn may_be(&self, router: Option<&Arc<str>>) -> bool {
        match (self, router) {
            (Self::RouterDnat { router: Some(owner), .. }, Some(router)) => owner == router,
            (Self::RouterDnat { .. } | Self::Unknown, _) => true,
            (Self::Other { .. }, _) => false,
        }
    }

    pub(super) fn is_router(&self) -> bool {
        matches!(self, Self::RouterDnat { .. })
    }

    /// The zone's name.
    pub(super) fn name(&self) -> Option<&Arc<str>> {
        match self {
            Self::RouterDnat { name, .. } => Some(name),
            Self::Other { name } => name.as_ref(),
            Self::Unknown => None,
        }
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
