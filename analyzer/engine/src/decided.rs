//! What decides packets, worked out once for all flows that it is the same for.
//!
//! A central database tells the routers of all nodes, and each of them may know the packet. Flows whose addresses lie in
//! the same prefixes, from one sender, at one time and pinned alike, are decided alike.

use alloc::rc::Rc;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::{OnceCell, RefCell};
use core::net::IpAddr;

use hashbrown::{HashMap, HashSet};

use super::bfd::Liveness;
use super::epoch::Epochs;
use super::evidence::Lists;
use super::fact::Policy;
use super::finding::{ExpectedNexthop, LastLegal, RouteId};
use super::knowledge::{Hop, link_prefix};
use super::listed::Listed;
use super::plain::Prefixes;
use super::routes::Group;
use super::translated::Said;
use super::verdict::NotCovered;
use super::zones::Owner;
use crate::types::{IpPrefix, MacAddr, Timestamp};

/// What decides the packets of a flow.
#[derive(Debug)]
pub(super) struct Decided<'a> {
    /// Whether the packets match a route with a symmetric reply by which they may have come in.
    pub(super) is_symmetric: bool,
    /// Owner of the zone and port of those entries that force the packets out of a symmetric route's port.
    pub(super) applying: HashSet<(Owner, u16)>,
    pub(super) outcome: Outcome<'a>,
}

/// What decides.
#[derive(Debug)]
pub(super) enum Outcome<'a> {
    /// No route of ours.
    Elsewhere(NotCovered),
    /// These routes.
    Routes(Routes<'a>),
}

/// Routes that decide.
#[derive(Debug)]
pub(super) struct Routes<'a> {
    /// Those that decide.
    pub(super) deciding: Rc<Way<'a>>,
    /// With those that would decide if their next hops were up: they name the MACs of the dead.
    pub(super) all: Rc<Way<'a>>,
    /// Where no route with an active next hop is left but the packet has another way, it is one of ours only if it goes to
    /// a dead next hop; else this.
    pub(super) unless_dead: Option<NotCovered>,
    /// Next hops of routes that decide if those before them are down, which nothing tells.
    pub(super) after: Rc<Way<'a>>,
    /// Whether the packet goes elsewhere if they are.
    pub(super) may_be_elsewhere: bool,
    /// Whether all routes, inactive ones included, are by destination.
    pub(super) by_destination: bool,
}

/// Routes and their next hops.
#[derive(Debug, Default)]
pub(super) struct Way<'a> {
    pub(super) groups: Vec<Group<'a>>,
    pub(super) hops: Vec<Hop<'a>>,
    /// Indices of the next hops that a MAC is, or was, that of.
    by_mac: HashMap<MacAddr, Vec<usize>>,
    pub(super) routers: HashSet<Option<Arc<str>>>,
    /// MACs that next hops have, which are not down, if something holds that no source tells.
    pub(super) maybe: HashSet<MacAddr>,
    /// Index of the first next hop that is up, or may be, and has no known MAC.
    unresolved: Option<usize>,
    /// Whether a route has a symmetric reply.
    pub(super) is_symmetric: bool,
    /// When MACs were last legal for packets that go this way.
    last_legal: RefCell<HashMap<MacAddr, Option<LastLegal>>>,
    ids: OnceCell<Listed<RouteId>>,
    expected: RefCell<HashMap<Option<MacAddr>, Listed<ExpectedNexthop>>>,
    links: OnceCell<HashSet<IpPrefix>>,
    said: OnceCell<Said>,
    /// Whether all routes that may decide packets from a translated source say the same.
    agrees: RefCell<HashMap<IpAddr, bool>>,
}

/// MACs and sources of which answers are remembered, for each way.
const MAX_KNOWN: usize = 4096;

impl<'a> Way<'a> {
    pub(super) fn new(groups: Vec<Group<'a>>, hops: Vec<Hop<'a>>) -> Self {
        let mut by_mac: HashMap<MacAddr, Vec<usize>> = HashMap::new();
        for (index, hop) in hops.iter().enumerate() {
            let macs = hop.lladdrs.current.iter().chain(&hop.lladdrs.older);
            macs.for_each(|&mac| by_mac.entry(mac).or_default().push(index));
        }
        let not_down = hops.iter().filter(|hop| hop.liveness != Liveness::Down);
        Self {
            routers: groups.iter().map(|group| group.routes[0].router.clone()).collect(),
            maybe: not_down.flat_map(|hop| &hop.maybe).copied().collect(),
            unresolved: hops.iter().position(Hop::is_unresolved),
            is_symmetric: hops.iter().any(|hop| hop.route.symmetric_reply),
            by_mac,
            groups,
            hops,
            ..Self::default()
        }
    }

    /// Next hops that the MAC is, or was, that of.
    pub(super) fn naming(&self, mac: MacAddr) -> impl Iterator<Item = &Hop<'a>> {
        self.by_mac.get(&mac).into_iter().flatten().map(|&index| &self.hops[index])
    }

    /// Next hops whose MAC it is.
    pub(super) fn having(&self, mac: MacAddr) -> impl Iterator<Item = &Hop<'a>> {
        self.naming(mac).filter(move |hop| hop.lladdrs.current.contains(&mac))
    }

    /// Whether evidence for a next hop that is not down names the MAC: it explains a packet to it.
    pub(super) fn explains(&self, mac: MacAddr) -> bool {
        self.naming(mac).any(|hop| hop.liveness != Liveness::Down)
    }

    /// Next hops for which a packet may rightly go to the MAC.
    pub(super) fn legal(&self, mac: MacAddr) -> impl Iterator<Item = &Hop<'a>> {
        self.naming(mac).filter(move |hop| hop.is_legal(mac))
    }

    /// The first next hop that is up, or may be, and has no known MAC.
    pub(super) fn unresolved(&self) -> Option<&Hop<'a>> {
        self.hops.get(self.unresolved?)
    }

    /// Whether packets may rightly go to the MAC, as far as sources tell.
    pub(super) fn may_be(&self, mac: MacAddr) -> bool {
        self.unresolved.is_some()
            || self.maybe.contains(&mac)
            || self.having(mac).any(|hop| hop.liveness != Liveness::Down)
    }

    /// When the MAC was last legal for packets that go this way, which is looked for once.
    pub(super) fn last_legal(&self, mac: MacAddr, look: impl FnOnce() -> Option<LastLegal>) -> Option<LastLegal> {
        let mut known = self.last_legal.borrow_mut();
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.entry(mac).or_insert_with(look).clone()
    }

    /// What the routes say, which is looked for once.
    pub(super) fn said(&self, look: impl FnOnce(&[Group<'a>]) -> Said) -> &Said {
        self.said.get_or_init(|| look(&self.groups))
    }

    /// Whether all routes that may decide packets from that translated source say the same, which is looked for once.
    pub(super) fn agrees(&self, src: IpAddr, look: impl FnOnce() -> bool) -> bool {
        let mut known = self.agrees.borrow_mut();
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        *known.entry(src).or_insert_with(look)
    }

    /// The names of the routes, as findings show them.
    pub(super) fn ids(&self, lists: &mut Lists) -> Listed<RouteId> {
        self.ids.get_or_init(|| lists.routes(self.groups.iter().map(Group::id).collect())).clone()
    }

    /// The next hops, as findings of that MAC show them.
    pub(super) fn expected(&self, lists: &mut Lists, mac: Option<MacAddr>) -> Listed<ExpectedNexthop> {
        // A MAC that none of them names changes nothing.
        let mac = mac.filter(|mac| self.by_mac.contains_key(mac));
        let mut known = self.expected.borrow_mut();
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.entry(mac).or_insert_with(|| lists.expected(&self.hops, mac)).clone()
    }

    /// Whether a next hop lies so near that it may share a link with `addr`, where nothing tells the connected networks.
    pub(super) fn may_share_link(&self, addr: IpAddr) -> bool {
        let links = || {
            let nexthops = self.groups.iter().flat_map(|group| &group.routes).filter_map(|route| route.nexthop);
            nexthops.filter_map(link_prefix).collect()
        };
        let links: &HashSet<IpPrefix> = self.links.get_or_init(links);
        link_prefix(addr).is_some_and(|link| links.contains(&link))
    }
}

impl<'a> Routes<'a> {
    pub(super) fn new(deciding: Way<'a>, inactive: Way<'a>, after: Way<'a>) -> Self {
        let is_by_destination = |group: &Group<'_>| group.routes[0].policy == Policy::DstIp;
        let by_destination = deciding.groups.iter().chain(&inactive.groups).all(is_by_destination);
        let deciding = Rc::new(deciding);
        let all = match inactive.groups.is_empty() {
            true => Rc::clone(&deciding),
            false => {
                let groups = deciding.groups.iter().cloned().chain(inactive.groups);
                let hops = deciding.hops.iter().cloned().chain(inactive.hops);
                Rc::new(Way::new(groups.collect(), hops.collect()))
            }
        };
        let after = Rc::new(after);
        Self { deciding, all, unless_dead: None, after, may_be_elsewhere: false, by_destination }
    }
}

/// What flows that are decided alike have in common.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct DecidedKey {
    prefixes: Prefixes,
    is_ipv4: bool,
    eth_src: MacAddr,
    time: Time,
    /// Owner of the zone and port of the entries that pin the flow.
    pins: Vec<(Owner, u16)>,
}

/// A time in which nothing changes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Time {
    Epoch(u16),
    /// Where there are too many changes for each to start an epoch.
    Moment(Timestamp),
}

impl Time {
    pub(super) fn new(epochs: &Epochs, at: Timestamp) -> Self {
        match epochs.unsplit() {
            0 => Self::Epoch(epochs.at(at).id),
            _ => Self::Moment(at),
        }
    }
}

impl DecidedKey {
    pub(super) fn new<'a>(
        prefixes: Prefixes,
        is_ipv4: bool,
        eth_src: MacAddr,
        time: Time,
        pins: impl Iterator<Item = (&'a Owner, u16)>,
    ) -> Self {
        let mut pins: Vec<(&Owner, u16)> = pins.collect();
        pins.sort_unstable();
        pins.dedup();
        let pins = pins.into_iter().map(|(owner, port)| (owner.clone(), port)).collect();
        Self { prefixes, is_ipv4, eth_src, time, pins }
    }
}

/// Next hops remembered at most, those of all that was decided together.
const MAX_HOPS: usize = 1 << 18;

/// What was decided.
#[derive(Debug, Default)]
pub(super) struct Decisions<'a> {
    by_key: HashMap<DecidedKey, Rc<Decided<'a>>>,
    hops: usize,
}

impl<'a> Decisions<'a> {
    /// What decides flows of that key.
    pub(super) fn get(&mut self, key: DecidedKey, decide: impl FnOnce() -> Decided<'a>) -> Rc<Decided<'a>> {
        if let Some(known) = self.by_key.get(&key) {
            return Rc::clone(known);
        }
        let decided = Rc::new(decide());
        let hops = match &decided.outcome {
            Outcome::Elsewhere(_) => 1,
            Outcome::Routes(routes) => 1 + routes.all.hops.len() + routes.after.hops.len(),
        };
        self.hops += hops;
        if self.hops > MAX_HOPS {
            self.by_key.clear();
            self.hops = hops;
        }
        self.by_key.insert(key, Rc::clone(&decided));
        decided
    }
}
