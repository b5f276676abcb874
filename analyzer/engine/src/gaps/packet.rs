//! A packet before the gaps: which of them may decide it.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::OnceCell;
use core::net::IpAddr;

use crate::decided::Way;
use crate::fact::{BfdRef, BindingKind, Gap, LostEntry, Route, Scope};
use crate::finding::RouteId;
use crate::knowledge::Knowledge;
use crate::labelled::Labelled;
use crate::routes;
use crate::types::{IpPrefix, MacAddr, Timestamp, Tuple, Validity};
use crate::zones::{Owner, Zones};

/// A packet, or one that an entry would send.
pub(crate) struct Packet<'q, 'a> {
    pub(crate) knowledge: &'a Knowledge,
    /// The 5-tuple on the wire, and the one that the router saw.
    pub(crate) tuples: [Tuple; 2],
    pub(crate) at: Timestamp,
    /// From when on what was matters to the verdict: a grace period ago, or ever.
    pub(crate) since: Timestamp,
    pub(crate) mac: MacAddr,
    /// The routes that decide, as far as they are known.
    pub(crate) way: Option<&'q Way<'a>>,
    /// Whether packets of the other direction came from the MAC. Older evidence for a next hop keeps row 10 from applying where
    /// no label holds the MAC.
    pub(crate) is_heard: bool,
    /// Whether a label sends it past tables and policies.
    pub(crate) is_pinned: bool,
    /// Whether the lost part may tell which way the packet goes, or whose it is: then it need not be one of its own route.
    pub(crate) is_open: bool,
    /// Labelled entries of the flow.
    pub(crate) labelled: &'q [Labelled<'a>],
    /// Rows of routes that it matches, once asked for.
    pub(crate) candidates: OnceCell<Vec<&'a Route>>,
}

impl<'a> Packet<'_, 'a> {
    /// The same where all that ever was matters to a MAC that frames alone tell: whether it came back or was left behind follows
    /// from the bindings that were before. What was before the history matters to nobody.
    pub(crate) fn since_it_matters(mut self) -> Self {
        let is_told_by_frames = self.candidates().any(|route| self.is_told_by_frames(route));
        let since = if is_told_by_frames { Timestamp::default() } else { self.since };
        let since = since.max(self.knowledge.history.unwrap_or_default());
        if since != self.since {
            (self.since, self.candidates) = (since, OnceCell::new());
        }
        self
    }

    /// The gaps that may make right what looks wrong.
    pub(crate) fn decided_by(&self) -> impl Iterator<Item = &'a Gap> {
        self.gaps().filter(|gap| self.is_decided_by(gap))
    }

    /// The gaps that may make right what looks wrong with the entry that would send it, or that may tell of another entry which
    /// counts in its place.
    pub(crate) fn entry_decided_by(&self, entry: &Labelled<'_>) -> impl Iterator<Item = &'a Gap> {
        let is_nameless = entry.owner == Owner::Unknown;
        let is_another_possible = is_nameless && self.knowledge.zones.all().next().is_some();
        self.gaps().filter(move |gap| match &gap.scope {
            Scope::Connections(lost) => is_another_possible && self.may_be_of(lost),
            _ => self.is_decided_by(gap),
        })
    }

    /// The gaps that have a word in the verdict.
    pub(crate) fn touched_by(&self) -> impl Iterator<Item = &'a Gap> {
        self.gaps().filter(|gap| self.is_touched_by(gap))
    }

    fn gaps(&self) -> impl Iterator<Item = &'a Gap> + use<'a> {
        self.knowledge.gaps.within(self.since, self.at)
    }

    fn is_decided_by(&self, gap: &Gap) -> bool {
        match &gap.scope {
            Scope::Routes { router, prefix, .. } => self.may_match(router.as_ref(), *prefix),
            Scope::Bindings { ip: Some(ip) } => self.is_open || self.may_be_bound(Some(*ip), overrides),
            Scope::Bindings { ip: None } => self.is_open || self.may_be_bound(None, is_told_beside),
            Scope::StaticBindings { ip: Some(ip) } => self.is_open || self.may_be_bound(Some(*ip), |_| false),
            Scope::StaticBindings { ip: None } => self.is_open || self.may_be_bound(None, is_static),
            Scope::Bfd { peer } => self.is_open || self.candidates().any(|route| self.may_be_watched(route, *peer)),
            Scope::Ports => true,
            Scope::Policies => !self.is_pinned || self.is_open,
            Scope::Connections(lost) => {
                let is_weaker = || self.is_heard && self.is_older();
                self.may_be_of(lost) && (is_weaker() || !self.is_routed() || self.may_be_pinned_elsewhere())
            }
            Scope::Zones => self.has_zone_of_nobody(),
            Scope::Behaviour => false,
            Scope::End { bears } => *bears,
        }
    }

    fn is_touched_by(&self, gap: &Gap) -> bool {
        match &gap.scope {
            Scope::Connections(lost) => self.may_be_of(lost),
            Scope::End { .. } => true,
            // As older evidence for a next hop it keeps row 10 from applying, whatever counts before it.
            Scope::Bindings { ip } => self.is_decided_by(gap) || self.is_heard && self.may_be_bound(*ip, |_| false),
            _ => self.is_decided_by(gap),
        }
    }

    /// Whether a lost route may be for the packet: by its prefix, and by the router that sends the packet.
    fn may_match(&self, router: Option<&Arc<str>>, prefix: Option<IpPrefix>) -> bool {
        let is_for = |tuple: &Tuple, prefix: IpPrefix| prefix.contains(tuple.src) || prefix.contains(tuple.dst);
        let fits = prefix.is_none_or(|prefix| self.tuples.iter().any(|tuple| is_for(tuple, prefix)));
        self.is_open || fits && router.is_none_or(|router| self.may_be_sent_by(router))
    }

    /// Whether the router may send it: it is one of those that decide, or any other may be.
    fn may_be_sent_by(&self, router: &Arc<str>) -> bool {
        let Some(way) = self.way else { return true };
        let is_of = |owner: &Option<Arc<str>>| owner.as_ref().is_none_or(|owner| owner == router);
        let believed = self.labelled.iter().filter(|entry| entry.believed);
        let mut tracking = believed.filter_map(|entry| match &entry.owner {
            Owner::RouterDnat { router, .. } => router.as_ref(),
            _ => None,
        });
        way.routers.iter().any(is_of) || tracking.clone().next().is_none() || tracking.any(|owner| owner == router)
    }

    /// Rows of routes that a packet of the flow matches, or matched since what was matters.
    fn candidates(&self) -> impl Iterator<Item = &'a Route> {
        // There may be many gaps to ask for them, and many versions of a route.
        let candidates = self.candidates.get_or_init(|| {
            let [_, inner] = self.tuples;
            let versions = self.knowledge.routes.versions_for(inner.src, inner.dst);
            versions.filter(|route| route.validity.overlaps(self.since, self.at)).collect()
        });
        candidates.iter().copied()
    }

    /// Whether a frame that was heard tells of the next hop's MAC what no binding does.
    fn is_told_by_frames(&self, route: &Route) -> bool {
        let Some(nexthop) = route.nexthop else { return false };
        let neighbours = &self.knowledge.neighbours;
        let port = routes::output_port(&self.knowledge.ports, route, self.at);
        let last = neighbours.heard(nexthop).filter(|&(_, first, _)| first <= self.at).last();
        let is_bound = |mac| neighbours.holding(nexthop, port, self.at).any(|told| told.mac == Some(mac));
        last.is_some_and(|(mac, ..)| !is_bound(mac))
    }

    /// Whether a next hop of the packet may have another MAC by a lost binding of `ip`, or of any address. Where one stands
    /// that the lost one can be none beside, or that counts before it, it may not.
    fn may_be_bound(&self, ip: Option<IpAddr>, stands_for: fn(BindingKind) -> bool) -> bool {
        let is_open = |route: &Route| {
            let Some(nexthop) = route.nexthop else { return false };
            ip.is_none_or(|ip| ip == nexthop) && !self.is_settled(route, nexthop, stands_for)
        };
        self.candidates().any(is_open)
    }

    fn is_settled(&self, route: &Route, nexthop: IpAddr, stands_for: fn(BindingKind) -> bool) -> bool {
        let port = routes::output_port(&self.knowledge.ports, route, self.at);
        // Tables of bindings have one row for an address on a port.
        let is_its = |told: &Option<Arc<str>>, kind| {
            kind == BindingKind::NexthopsToml || port.is_some() && told.as_ref() == port && stands_for(kind)
        };
        let mut told = self.knowledge.neighbours.of(nexthop, port);
        told.any(|told| is_its(&told.logical_port, told.kind) && self.covers(told.validity))
    }

    /// Whether a lost session may watch the next hop of the route. There is one for a peer on a port.
    fn may_be_watched(&self, route: &Route, peer: Option<IpAddr>) -> bool {
        let (port, watched) = match (&route.bfd, route.nexthop) {
            (BfdRef::Session { logical_port, dst_ip }, _) => (Some(logical_port), *dst_ip),
            (BfdRef::Attached | BfdRef::Unread, Some(nexthop)) => (route.output_port.as_ref(), nexthop),
            (BfdRef::Attached | BfdRef::Unread, None) => return true,
            (BfdRef::None | BfdRef::Status(_), _) => return false,
        };
        let is_known =
            || port.is_some() && self.knowledge.bfd.with(watched, port).any(|told| self.covers(told.validity));
        peer.is_none_or(|peer| peer == watched) && !is_known()
    }

    /// Whether something held for all the time that matters.
    fn covers(&self, validity: Validity) -> bool {
        validity.from.is_none_or(|from| from <= self.since) && !validity.ended(self.at)
    }

    fn may_be_of(&self, lost: &LostEntry) -> bool {
        self.tuples.iter().any(|&tuple| lost.may_be_of(tuple))
    }

    /// Whether the packet's source is known as a pod's: no entry has to tell whose it is.
    fn is_routed(&self) -> bool {
        self.knowledge.routes.is_routed_source(self.tuples[0].src) && !self.is_open
    }

    /// Whether older evidence for a next hop names the MAC.
    fn is_older(&self) -> bool {
        let named = |way: &Way<'_>| way.naming(self.mac).any(|hop| hop.lladdrs.older.contains(&self.mac));
        self.way.is_some_and(named)
    }

    /// Whether a labelled entry's zone may be a router's though its name does not say so: where names were lost, the one that it
    /// has may be half of one.
    fn has_zone_of_nobody(&self) -> bool {
        self.labelled.iter().any(|entry| !entry.owner.is_router() && !Zones::is_shared(entry.connection.zone))
    }

    /// Whether an entry may send the packet by a route that is not among those that decide, and whose next hops the MAC may
    /// be, or may have been.
    fn may_be_pinned_elsewhere(&self) -> bool {
        let Some(way) = self.way else { return true };
        let is_known = |route: &Route| way.groups.iter().any(|group| group.id() == RouteId::of(route));
        let is_other = |route: &&Route| route.symmetric_reply || !way.routers.contains(&route.router);
        self.candidates().filter(is_other).any(|route| !is_known(route) && self.may_have_mac(route))
    }

    fn may_have_mac(&self, route: &Route) -> bool {
        let Some(hop) = self.knowledge.hop(route, self.at) else { return false };
        let lladdrs = &hop.lladdrs;
        let mut named = lladdrs.current.iter().chain(&lladdrs.older).chain(&hop.maybe);
        let mut told = self.knowledge.neighbours.of(hop.ip, None).filter_map(|told| told.mac);
        let mut heard = self.knowledge.neighbours.heard(hop.ip).map(|(mac, ..)| mac);
        hop.is_open()
            || named.any(|&mac| mac == self.mac)
            || told.any(|mac| mac == self.mac)
            || heard.any(|mac| mac == self.mac)
    }
}

fn overrides(kind: BindingKind) -> bool {
    matches!(kind, BindingKind::StaticMacBinding { override_dynamic_mac: true })
}

fn is_told_beside(kind: BindingKind) -> bool {
    kind == BindingKind::MacBinding || overrides(kind)
}

fn is_static(kind: BindingKind) -> bool {
    matches!(kind, BindingKind::StaticMacBinding { .. })
}
