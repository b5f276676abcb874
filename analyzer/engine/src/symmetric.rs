//! Routes with a symmetric reply that a labelled entry's flow has, worked out once for all entries that share them.

use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::OnceCell;

use hashbrown::{HashMap, HashSet};

use super::bfd::Liveness;
use super::context::Remembered;
use super::decided::Way;
use super::finding::LastLegal;
use super::knowledge::{Hop, Knowledge};
use super::plain::{self, Prefixes};
use super::routes::{self, Group};
use super::zones::Owner;
use crate::types::{MacAddr, Timestamp, Tuple};

/// The symmetric routes of a flow, each by itself, and what the entries of the flow are held against.
#[derive(Debug)]
pub(super) struct Symmetric<'a> {
    pub(super) way: Way<'a>,
    /// Tunnel keys of the ports by which they leave.
    port_keys: HashSet<Option<u16>>,
    /// Whether all next hops are down.
    pub(super) is_down: bool,
    /// Whether all next hops may be down: no session is known to be up, and the state of one is not known.
    pub(super) may_all_be_down: bool,
    /// Whether there may be one next hop alone: of few flows that is asked.
    pub(super) may_be_alone: OnceCell<bool>,
}

impl<'a> Symmetric<'a> {
    /// The symmetric routes of a flow; of those of other routers than `owner` none, where one is given.
    fn new(knowledge: &'a Knowledge, tuple: Tuple, owner: Option<&Owner>, at: Timestamp) -> Self {
        let mut routes = knowledge.symmetric(tuple.src, tuple.dst, at);
        routes.retain(|route| owner.is_none_or(|owner| owner.may_be(route.router.as_ref())));
        let hops: Vec<Hop<'a>> = routes.iter().filter_map(|&route| knowledge.hop(route, at)).collect();
        let port_keys = routes.iter().map(|route| routes::port_key(&knowledge.ports, route, at)).collect();
        let is = |liveness| move |hop: &Hop<'_>| hop.liveness == liveness;
        let is_down = hops.iter().all(is(Liveness::Down));
        let may_all_be_down = hops.iter().any(is(Liveness::Unknown)) && !hops.iter().any(is(Liveness::Up));
        let groups = routes.into_iter().map(|route| Group { routes: vec![route] }).collect();
        Self { way: Way::new(groups, hops), port_keys, is_down, may_all_be_down, may_be_alone: OnceCell::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.way.groups.is_empty()
    }

    /// Whether one of the routes leaves by the port, as far as is known.
    pub(super) fn leaves_by(&self, port: u16) -> bool {
        self.port_keys.contains(&None) || self.port_keys.contains(&Some(port))
    }

    /// When the MAC was last legal for one of the routes.
    pub(super) fn last_legal(
        &self,
        knowledge: &Knowledge,
        remembered: &mut Remembered,
        mac: MacAddr,
        at: Timestamp,
    ) -> Option<LastLegal> {
        let ids: HashSet<_> = self.way.groups.iter().map(Group::id).collect();
        self.way.last_legal(mac, || remembered.last_legal.of_routes(knowledge, &ids, mac, at))
    }
}

/// The symmetric routes of flows at one time.
#[derive(Debug, Default)]
pub(super) struct Symmetrics<'a> {
    known: HashMap<(Prefixes, Option<Owner>), Rc<Symmetric<'a>>>,
}

impl<'a> Symmetrics<'a> {
    /// Those of the flow. All flows of one call are asked for at the same time.
    pub(super) fn of(
        &mut self,
        knowledge: &'a Knowledge,
        tuple: Tuple,
        owner: Option<&Owner>,
        at: Timestamp,
    ) -> Rc<Symmetric<'a>> {
        let new = || Rc::new(Symmetric::new(knowledge, tuple, owner, at));
        match plain::prefixes(knowledge, tuple.src, tuple.dst) {
            Some(prefixes) => Rc::clone(self.known.entry((prefixes, owner.cloned())).or_insert_with(new)),
            None => new(),
        }
    }
}
