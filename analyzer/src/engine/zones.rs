//! Conntrack zones and their owners.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::fact::{Datapath, Zone};
use crate::types::Timestamp;

/// Zone in which OVN-Kubernetes' br-ex tracks, and the four behind it (host and OVN masquerade, NodePort, reassembly).
const BR_EX_ZONES: std::ops::RangeInclusive<u16> = 64000..=64004;

/// All zone names that were told, past ones included.
#[derive(Debug, Default)]
pub(super) struct Zones {
    by_zone: HashMap<u16, Vec<Zone>>,
    datapaths: HashMap<Arc<str>, Datapath>,
    routers: HashSet<Arc<str>>,
}

/// Who tracks in a zone.
#[derive(Clone, PartialEq, Eq, Debug)]
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
        let zones = self.by_zone.entry(zone.zone).or_default();
        if !zones.contains(&zone) {
            zones.push(zone);
        }
    }

    pub(super) fn add_datapath(&mut self, datapath: Datapath) {
        if datapath.is_router {
            self.routers.insert(datapath.name.clone());
        }
        self.datapaths.insert(datapath.uuid.clone(), datapath);
    }

    pub(super) fn add_router(&mut self, name: &Arc<str>) {
        if !self.routers.contains(name) {
            self.routers.insert(name.clone());
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Zone> {
        self.by_zone.values().flatten()
    }

    /// Who tracks in `zone` at `at`.
    pub(super) fn owner(&self, zone: u16, at: Timestamp) -> Owner {
        let names = self.by_zone.get(&zone).into_iter().flatten();
        let named: Vec<&Zone> = names.filter(|named| named.validity.holds(at)).collect();
        // The host tracks in zone 0, whoever shares it; it is never a router's DNAT zone.
        if zone == 0 || BR_EX_ZONES.contains(&zone) {
            return Owner::Other { name: named.first().map(|named| named.name.clone()) };
        }
        let owners = named.iter().map(|named| self.owner_of_name(&named.name));
        owners
            .reduce(|best, other| if matches!(best, Owner::RouterDnat { .. }) { best } else { other })
            .unwrap_or(Owner::Unknown)
    }

    /// Up to OVN 23.06.0 zones of a router are named by the UUID of its SB datapath, later by its name. Names of ports
    /// hold underscores and may end in anything, so the part before the suffix must be a router that is known; where
    /// none is known at all, the suffix has to do.
    fn owner_of_name(&self, name: &Arc<str>) -> Owner {
        let other = || Owner::Other { name: Some(name.clone()) };
        let Some(datapath) = name.strip_suffix("_dnat") else {
            let snat = name.strip_suffix("_snat").and_then(|uuid| self.datapaths.get(uuid));
            return match snat {
                Some(datapath) => Owner::Other { name: Some(format!("{}_snat", datapath.name).into()) },
                None => other(),
            };
        };
        if let Some(datapath) = self.datapaths.get(datapath) {
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
