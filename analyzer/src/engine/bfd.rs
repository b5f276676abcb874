//! BFD sessions and what they say of next hops.

use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashMap;

use super::fact::{Bfd, BfdRef, BfdStatus, Route};
use super::versions::{self, End};
use crate::types::{Timestamp, Validity};

/// All states of sessions that were told, past ones included.
#[derive(Debug, Default)]
pub(super) struct BfdSessions {
    by_peer: HashMap<IpAddr, Vec<Bfd>>,
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
        let sessions = self.by_peer.entry(bfd.dst_ip).or_default();
        if !sessions.contains(&bfd) {
            sessions.push(bfd);
        }
    }

    pub(super) fn begin(&mut self, bfd: Bfd) {
        versions::begin(self.by_peer.entry(bfd.dst_ip).or_default(), bfd);
    }

    pub(super) fn end(&mut self, bfd: &Bfd, at: Timestamp) -> End {
        self.by_peer.get_mut(&bfd.dst_ip).map_or(End::Unknown, |sessions| versions::end(sessions, bfd, at))
    }

    pub(super) fn forget(&mut self, is_forgotten: impl Fn(Validity) -> bool) {
        self.by_peer.retain(|_, sessions| {
            sessions.retain(|bfd| !is_forgotten(bfd.validity));
            !sessions.is_empty()
        });
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Bfd> {
        self.by_peer.values().flatten()
    }

    /// States of the sessions with a peer, past ones included.
    pub(super) fn with(&self, peer: IpAddr) -> impl Iterator<Item = &Bfd> {
        self.by_peer.get(&peer).into_iter().flatten()
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
        }
    }

    fn of_session(&self, port: Option<&Arc<str>>, dst_ip: IpAddr, at: Timestamp) -> Liveness {
        let meant = |bfd: &&Bfd| bfd.validity.holds(at) && port.is_none_or(|port| *port == bfd.logical_port);
        let mut states = self.with(dst_ip).filter(meant).map(|bfd| of_status(bfd.status));
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
