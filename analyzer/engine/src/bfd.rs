//! BFD sessions and what they say of next hops.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::net::IpAddr;

use hashbrown::HashMap;

use super::fact::{Bfd, BfdRef, BfdStatus, Route};
use super::versions::{End, Versions};
use crate::types::{Timestamp, Validity};

/// All states of sessions that were told, past ones included.
#[derive(Debug, Default)]
pub(super) struct BfdSessions {
    /// By peer, and by port: a gateway is the peer of every node.
    by_peer: HashMap<IpAddr, BTreeMap<Arc<str>, Versions<Bfd>>>,
}

/// Whether a next hop may carry traffic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Liveness {
    /// No session watches it, or the session is up or being set up: northd leaves out those that are down, no others
    /// (`parsed_routes_add_static`, northd.c).
    Up,
    /// The session is down.
    Down,
    /// A session watches it, and nothing tells its state.
    Unknown,
}

impl BfdSessions {
    pub(super) fn add(&mut self, bfd: Bfd) {
        self.of(&bfd).push_new(bfd);
    }

    fn of(&mut self, bfd: &Bfd) -> &mut Versions<Bfd> {
        self.by_peer.entry(bfd.dst_ip).or_default().entry(bfd.logical_port.clone()).or_default()
    }

    pub(super) fn begin(&mut self, bfd: Bfd) {
        self.of(&bfd).begin(bfd);
    }

    pub(super) fn end(&mut self, bfd: &Bfd, at: Timestamp) -> End {
        let sessions = self.by_peer.get_mut(&bfd.dst_ip).and_then(|ports| ports.get_mut(&bfd.logical_port));
        sessions.map_or(End::Unknown, |sessions| sessions.end(bfd, at))
    }

    pub(super) fn forget(&mut self, is_forgotten: impl Fn(Validity) -> bool) {
        self.by_peer.retain(|_, ports| {
            ports.retain(|_, sessions| {
                sessions.retain(|bfd| !is_forgotten(bfd.validity));
                !sessions.is_empty()
            });
            !ports.is_empty()
        });
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Bfd> {
        self.by_peer.values().flat_map(BTreeMap::values).flat_map(Versions::iter)
    }

    /// States of the sessions with a peer, past ones included: of those on a port, or of all.
    pub(super) fn with<'a>(&'a self, peer: IpAddr, port: Option<&'a Arc<str>>) -> impl Iterator<Item = &'a Bfd> {
        self.sessions(peer, port).flat_map(Versions::iter)
    }

    fn sessions<'a>(
        &'a self,
        peer: IpAddr,
        port: Option<&'a Arc<str>>,
    ) -> impl Iterator<Item = &'a Versions<Bfd>> + 'a {
        let ports = self.by_peer.get(&peer);
        let own = port.and_then(|port| ports?.get(port));
        let all = ports.filter(|_| port.is_none()).into_iter().flat_map(BTreeMap::values);
        own.into_iter().chain(all)
    }

    /// What BFD says of a route's next hop at `at`.
    pub(super) fn liveness(&self, route: &Route, at: Timestamp) -> Liveness {
        match &route.bfd {
            BfdRef::None => Liveness::Up,
            BfdRef::Status(status) => of_status(*status),
            BfdRef::Session { logical_port, dst_ip } => self.of_session(Some(logical_port), *dst_ip, at),
            BfdRef::Attached => match route.nexthop {
                Some(nexthop) => self.of_session(route.output_port.as_ref(), nexthop, at),
                None => Liveness::Unknown,
            },
            BfdRef::Unread => {
                let state = route.nexthop.map(|nexthop| self.of_session(route.output_port.as_ref(), nexthop, at));
                if state == Some(Liveness::Up) { Liveness::Up } else { Liveness::Unknown }
            }
        }
    }

    fn of_session(&self, port: Option<&Arc<str>>, dst_ip: IpAddr, at: Timestamp) -> Liveness {
        let holding = self.sessions(dst_ip, port).flat_map(|sessions| sessions.holding(at));
        let mut states = holding.map(|bfd| of_status(bfd.status));
        let Some(first) = states.next() else { return Liveness::Unknown };
        // Sessions with one peer on several ports that disagree: which is meant is not known.
        if states.all(|state| state == first) { first } else { Liveness::Unknown }
    }
}

fn of_status(status: BfdStatus) -> Liveness {
    match status {
        BfdStatus::Up | BfdStatus::Init => Liveness::Up,
        BfdStatus::Down | BfdStatus::AdminDown => Liveness::Down,
    }
}
