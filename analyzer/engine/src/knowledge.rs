//! All that the engine was told, and what follows from it for a route at a time.

mod live;

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;

use hashbrown::{HashMap, HashSet};

use super::behaviour::told::OvnTold;
use super::bfd::{BfdSessions, Liveness};
use super::blind::Blind;
use super::connections::Connections;
use super::epoch::Epochs;
use super::fact::{BfdRef, Binding, EvidenceKinds, Fact, MacOwner, Nat, Policy, Route, Router, Source};
use super::finding::{ExpectedNexthop, NexthopState};
use super::gaps::Gaps;
use super::journal::{Change, HopChange, Journal};
use super::neighbours::{Lladdrs, Neighbours};
use super::own_ports::Resolved;
use super::ports::Ports;
use super::prefixes::PrefixSet;
use super::reroute::ReroutePolicies;
use super::routes::{self, Group, Lookup, Routes};
use super::settings::Settings;
use super::switch_ports::SwitchPorts;
use super::versions::Versions;
use super::zones::{Owner, Zones};
use crate::types::{IpPrefix, MacAddr, Timestamp, Tuple, Validity};

/// Facts, by what they are asked for.
#[derive(Debug, Default)]
pub(super) struct Knowledge {
    pub(super) routes: Routes,
    pub(super) routers: HashMap<Arc<str>, Versions<Router>>,
    pub(super) ports: Ports,
    pub(super) switch_ports: SwitchPorts,
    pub(super) neighbours: Neighbours,
    pub(super) bfd: BfdSessions,
    pub(super) zones: Zones,
    /// What OVN itself is and does.
    pub(super) ovn: OvnTold,
    pub(super) connections: Connections,
    /// NAT rules by their address outside: a router has one for each pod.
    pub(super) nats: HashMap<IpAddr, HashMap<IpPrefix, Versions<Nat>>>,
    pub(super) reroute_policies: ReroutePolicies,
    pub(super) mac_owners: HashMap<MacAddr, Vec<MacOwner>>,
    /// What was told and could not be read.
    pub(super) gaps: Gaps,
    /// Zones in which any entry of the table has its port in the mark, as far as that was told apart from the entries.
    pub(super) mark_zones: BTreeSet<u16>,
    /// MACs that packets came in from, and when the last one did.
    pub(super) senders: HashMap<MacAddr, Timestamp>,
    pub(super) settings: Settings,
    /// Kinds of evidence of which all was told.
    pub(super) given: EvidenceKinds,
    /// Start of the next-hop history; `None` where facts hold without bound.
    pub(super) history: Option<Timestamp>,
    /// Whether routes were told that no user wrote down, of which more may be.
    pub(super) is_beyond_toml: bool,
    /// Whether next hops were told without dates, which may have been others at other times.
    pub(super) is_undated: bool,
    /// Times for which the next hops are not known.
    pub(super) blind: Blind,
    /// What changed of that which classes follow from.
    pub(super) journal: Journal<Change>,
    /// What changed of next hops.
    pub(super) hops_journal: Journal<HopChange>,
    /// Number of facts that were told, ended or forgotten.
    pub(super) changes: u64,
    nexthop_ips: HashSet<IpAddr>,
}

/// A next hop of a route at some time.
#[derive(Clone, Debug)]
pub(super) struct Hop<'a> {
    pub(super) route: &'a Route,
    pub(super) ip: IpAddr,
    pub(super) liveness: Liveness,
    pub(super) lladdrs: Lladdrs,
    /// Other MACs that it has if something holds that no source tells.
    pub(super) maybe: Vec<MacAddr>,
    /// Whether the MAC that it has is guessed.
    pub(super) is_guess: bool,
}

/// What the state and the MACs of a route's next hop follow from.
pub(super) type HopKey<'a> = (IpAddr, &'a Option<Arc<str>>, &'a Option<Arc<str>>, &'a BfdRef, Source);

/// The key of a route's next hop; `None` where the route has none. Routes that share it have one next hop.
pub(super) fn hop_key(route: &Route) -> Option<HopKey<'_>> {
    Some((route.nexthop?, &route.router, &route.output_port, &route.bfd, route.source))
}

/// Destinations that routers reach inside the cluster.
pub(super) type Inward<'a> = HashMap<&'a Option<Arc<str>>, PrefixSet>;

impl Knowledge {
    pub(super) fn new(settings: Settings) -> Self {
        Self { connections: Connections::new(settings.followed), settings, ..Self::default() }
    }

    pub(super) fn add(&mut self, fact: Fact) {
        self.note_change(&fact);
        self.is_undated |=
            matches!(fact, Fact::Route(_) | Fact::Binding(_)) && fact.validity() == Some(Validity::ALWAYS);
        match fact {
            Fact::Route(route) => {
                self.note_route(&route);
                self.routes.add(route);
            }
            Fact::Binding(binding) => self.neighbours.add(binding),
            Fact::Bfd(bfd) => self.bfd.add(bfd),
            Fact::Router(router) => drop(self.routers.entry(router.name.clone()).or_default().push(router)),
            Fact::SwitchPort(port) => self.switch_ports.add(port),
            Fact::RouterPort(port) => {
                port.router.iter().for_each(|router| self.zones.add_router(router));
                self.ports.add(port);
            }
            Fact::Nat(nat) => drop(self.nats_of(&nat).push(nat)),
            Fact::ReroutePolicy(policy) => self.reroute_policies.add(policy),
            Fact::Zone(zone) => self.zones.add(zone),
            Fact::Datapath(datapath) => self.zones.add_datapath(datapath),
            Fact::Ovn(ovn) => self.ovn.add(ovn),
            Fact::Connection(connection) => self.connections.add(connection),
            Fact::MacOwner(owner) => self.mac_owners.entry(owner.mac).or_default().push(owner),
            Fact::Gap(gap) => self.gaps.add(gap),
        }
    }

    /// From when on all next hops are known with their dates.
    pub(super) fn dated_from(&self) -> Option<Timestamp> {
        self.history.filter(|_| !self.is_undated)
    }

    /// Notes what a fact changes that begins or ends.
    fn note_change(&mut self, fact: &Fact) {
        self.changes += 1;
        Change::by(fact).into_iter().for_each(|change| self.journal.note(change));
        HopChange::by(fact).into_iter().for_each(|change| self.hops_journal.note(change));
    }

    fn note_route(&mut self, route: &Route) {
        self.nexthop_ips.extend(route.nexthop);
        self.is_beyond_toml |= route.source != Source::NexthopsToml;
        route.router.iter().for_each(|router| self.zones.add_router(router));
    }

    fn nats_of(&mut self, nat: &Nat) -> &mut Versions<Nat> {
        self.nats.entry(nat.external_ip).or_default().entry(nat.logical_ip).or_default()
    }

    /// All NAT rules that were told, past ones included.
    pub(super) fn all_nats(&self) -> impl Iterator<Item = &Nat> {
        self.nats.values().flat_map(HashMap::values).flat_map(Versions::iter)
    }

    /// Whether the address is, or was, that of a next hop.
    pub(super) fn is_nexthop(&self, ip: IpAddr) -> bool {
        self.nexthop_ips.contains(&ip)
    }

    /// Moments at which a verdict may change: a fact begins or ends, and the grace period after that is over.
    pub(super) fn epochs(&self) -> Epochs {
        let bindings = || self.nexthop_bindings();
        let validities = (self.routes.all().map(|route| route.validity))
            .chain(bindings().map(|told| told.validity))
            .chain(self.bfd.all().map(|bfd| bfd.validity))
            .chain(self.ports.all().map(|port| port.validity))
            .chain(self.own_port_validities())
            .chain(self.all_nats().map(|nat| nat.validity))
            .chain(self.reroute_policies.iter().map(|policy| policy.validity))
            .chain(self.zones.all().map(|zone| zone.validity))
            .chain(self.gaps.all().map(|gap| gap.validity))
            .chain(self.blind.intervals());
        let moments = validities.flat_map(|Validity { from, until }| from.into_iter().chain(until));
        let confirmed = bindings().filter_map(|binding| binding.confirmed);
        let heard = self.nexthop_ips.iter().flat_map(|&ip| self.neighbours.heard_starts(ip));
        Epochs::new(
            moments
                .chain(confirmed)
                .chain(heard)
                .chain(self.history)
                .flat_map(|moment| [moment, moment.saturating_add(self.settings.grace)]),
        )
    }

    /// All addresses that are, or were, next hops'.
    pub(super) fn nexthop_ips(&self) -> impl Iterator<Item = IpAddr> {
        self.nexthop_ips.iter().copied()
    }

    /// Bindings of all addresses that are, or were, next hops'.
    pub(super) fn nexthop_bindings(&self) -> impl Iterator<Item = &Binding> {
        self.nexthop_ips().flat_map(|ip| self.neighbours.of(ip, None))
    }

    /// Next hops of a route at `at`; those that discard are none.
    pub(super) fn hops<'a>(&'a self, group: &Group<'a>, at: Timestamp) -> Vec<Hop<'a>> {
        group.routes.iter().filter_map(|&route| self.hop(route, at)).collect()
    }

    /// The next hop of one row of a route at `at`.
    pub(super) fn hop<'a>(&'a self, route: &'a Route, at: Timestamp) -> Option<Hop<'a>> {
        #[cfg(test)]
        crate::types::work::step();
        let ip = route.nexthop?;
        let port = routes::output_port(&self.ports, route, at);
        let liveness = self.bfd.liveness(route, at);
        let Resolved { lladdrs, maybe, is_guess } = self.resolve(route, ip, port, at);
        Some(Hop { route, ip, liveness, lladdrs, maybe, is_guess })
    }

    /// What decides a packet at `at`, for each router and route table.
    pub(super) fn lookups(&self, tuple: Tuple, at: Timestamp) -> Vec<Lookup<'_>> {
        self.routes.decide(&self.ports, tuple.src, tuple.dst, at, |route| self.bfd.liveness(route, at))
    }

    /// Routes with a symmetric reply that packets from `src` to `dst` match, in tables that packets enter.
    pub(super) fn symmetric(&self, src: IpAddr, dst: IpAddr, at: Timestamp) -> Vec<&Route> {
        let mut routes = self.routes.symmetric(src, dst, at);
        routes.retain(|route| routes::is_entered(&self.ports, route.router.as_ref(), &route.route_table, at));
        routes
    }

    /// Whether the owner of a zone may track the flow, and label it: a router that has a route for the flow, or one that
    /// nobody names. Where routes name no router, any router may.
    pub(super) fn may_track(&self, owner: &Owner, tuple: Tuple, at: Timestamp) -> bool {
        match owner {
            Owner::Other { .. } => false,
            Owner::Unknown | Owner::RouterDnat { router: None, .. } => true,
            Owner::RouterDnat { router: Some(owner), .. } => {
                let routes = self.routes.matching(tuple.src, tuple.dst, at);
                let mut routers = routes.map(|route| route.router.as_ref()).peekable();
                routers.peek().is_none() || routers.any(|router| router.is_none_or(|router| router == owner))
            }
        }
    }

    /// The 5-tuple that the router saw: before source translation, where that is known.
    pub(super) fn before_translation(&self, wire: Tuple) -> Tuple {
        match self.routes.is_routed_source(wire.src) {
            true => wire,
            false => self.connections.before_translation(wire).unwrap_or(wire),
        }
    }

    /// Moments up to `at` at which next hops of these routes changed, the latest first.
    pub(super) fn changes<'a>(&self, routes: impl Iterator<Item = &'a Route>, at: Timestamp) -> Vec<Timestamp> {
        let mut moments = Vec::new();
        let mut nexthops = HashSet::new();
        for route in routes {
            moments.extend([route.validity.from, route.validity.until]);
            let Some(nexthop) = route.nexthop else { continue };
            if !nexthops.insert((nexthop, &route.output_port, &route.router, route.source)) {
                continue;
            }
            for binding in self.neighbours.of(nexthop, route.output_port.as_ref()) {
                moments.extend([binding.validity.from, binding.validity.until, binding.confirmed]);
            }
            moments.extend(self.own_port_moments(route, nexthop).map(Some));
            moments.extend(self.neighbours.heard_starts(nexthop).map(Some));
            for bfd in self.bfd.with(nexthop, None) {
                moments.extend([bfd.validity.from, bfd.validity.until]);
            }
        }
        let mut moments: Vec<Timestamp> = moments.into_iter().flatten().filter(|&moment| moment <= at).collect();
        moments.sort_unstable_by(|a, b| b.cmp(a));
        moments.dedup();
        moments
    }

    /// Moments at which the state or the MACs of a route's next hop may change while the route holds.
    pub(super) fn changes_of_hop(&self, route: &Route) -> Vec<Timestamp> {
        let Some(nexthop) = route.nexthop else { return Vec::new() };
        let peer = match &route.bfd {
            BfdRef::Session { logical_port, dst_ip } => Some((*dst_ip, Some(logical_port))),
            BfdRef::Attached | BfdRef::Unread => Some((nexthop, route.output_port.as_ref())),
            BfdRef::None | BfdRef::Status(_) => None,
        };
        let sessions = peer.into_iter().flat_map(|(peer, port)| self.bfd.with(peer, port)).map(|bfd| bfd.validity);
        let bindings = || self.neighbours.of(nexthop, route.output_port.as_ref());
        // Where the route names no port, it follows from the ports' networks.
        let ports = route.output_port.is_none().then(|| self.ports.ever_of(route.router.as_ref()));
        let ports = ports.into_iter().flatten().map(|port| port.validity);
        let validities = sessions.chain(bindings().map(|binding| binding.validity)).chain(ports);
        let bounds = validities.flat_map(|Validity { from, until }| from.into_iter().chain(until));
        let confirmed = bindings().filter_map(|binding| binding.confirmed);
        let own = self.own_port_moments(route, nexthop);
        bounds.chain(confirmed).chain(own).chain(self.neighbours.heard_starts(nexthop)).collect()
    }

    /// Destinations that each router reaches inside the cluster at `at`.
    pub(super) fn inward(&self, at: Timestamp) -> Inward<'_> {
        let mut inward = Inward::new();
        for route in self.routes.inward(&self.ports, at) {
            inward.entry(&route.router).or_default().insert(route.prefix);
        }
        inward
    }

    /// Whether the router is known not to have `addr` behind it: it has routes into the cluster, and `addr` is in none of
    /// them and in no network of an inner port.
    pub(super) fn is_outside(
        &self,
        inward: &Inward<'_>,
        router: &Option<Arc<str>>,
        addr: IpAddr,
        at: Timestamp,
    ) -> bool {
        inward.get(router).is_some_and(|own| own.has_family(addr.is_ipv4()) && own.around(addr).next().is_none())
            && !routes::is_behind_inner_port(&self.ports, router.as_ref(), addr, at)
    }

    /// Whether sources may be translated to `addr`: it is a router port's own, or a NAT rule gives it.
    pub(super) fn may_be_translated(&self, addr: IpAddr, at: Timestamp) -> bool {
        self.ports.has_address(addr) || self.is_translated_address(addr, at)
    }

    /// Whether sources with routes of their own may be translated to `addr`: what decides such a packet does not show on
    /// the wire.
    pub(super) fn hides_routed(&self, addr: IpAddr, at: Timestamp) -> bool {
        let mut rules = self.nats.get(&addr).into_iter().flatten();
        rules.any(|(&inside, nats)| {
            let is_routed = match inside.is_host() {
                true => self.routes.is_routed_source(inside.addr()),
                false => self.routes.has_sources(inside.addr().is_ipv4()),
            };
            is_routed && nats.holding(at).any(|nat| nat.translates_source)
        })
    }

    fn is_translated_address(&self, addr: IpAddr, at: Timestamp) -> bool {
        let mut rules = self.nats.get(&addr).into_iter().flat_map(HashMap::values);
        rules.any(|nats| nats.holding(at).any(|nat| nat.translates_source))
    }

    /// MACs that are legal for some route by source at `at`, and the next hops that make them so.
    pub(super) fn legal_by_source(&self, at: Timestamp) -> HashMap<MacAddr, Vec<IpAddr>> {
        self.legal(at, |route| route.policy == Policy::SrcIp)
    }

    /// MACs that are legal at `at` for some of the routes that are meant, and the next hops that make them so.
    pub(super) fn legal(&self, at: Timestamp, is_meant: impl Fn(&Route) -> bool) -> HashMap<MacAddr, Vec<IpAddr>> {
        let meant = self.routes.all().filter(|route| is_meant(route) && route.validity.holds(at));
        // Thousands of pods share a few next hops.
        let mut seen = HashSet::new();
        let distinct = meant.filter(|route| hop_key(route).is_some_and(|key| seen.insert(key)));
        let mut legal: HashMap<MacAddr, Vec<IpAddr>> = HashMap::new();
        for hop in self.hops(&Group { routes: distinct.collect() }, at) {
            if hop.liveness == Liveness::Up {
                hop.lladdrs.current.iter().for_each(|&mac| legal.entry(mac).or_default().push(hop.ip));
            }
        }
        legal
    }
}

impl Hop<'_> {
    /// Whether a packet may rightly go to `mac` for this next hop.
    pub(super) fn is_legal(&self, mac: MacAddr) -> bool {
        self.liveness == Liveness::Up && self.lladdrs.current.contains(&mac)
    }

    /// Whether its state or its MAC is not known.
    pub(super) fn is_open(&self) -> bool {
        match self.liveness {
            Liveness::Down => false,
            Liveness::Unknown => true,
            Liveness::Up => self.lladdrs.current.is_empty() || !self.maybe.is_empty(),
        }
    }

    /// Whether it is up, or may be, and has no known MAC, or one that is guessed.
    pub(super) fn is_unresolved(&self) -> bool {
        self.liveness != Liveness::Down && (self.lladdrs.current.is_empty() || self.is_guess)
    }

    /// The next hop as output shows it, a row for each MAC.
    pub(super) fn expected(&self) -> Vec<ExpectedNexthop> {
        let state = match (self.liveness, self.lladdrs.current.is_empty(), self.lladdrs.aged) {
            (Liveness::Down, ..) => NexthopState::Down,
            (Liveness::Unknown, ..) => NexthopState::Unknown,
            (Liveness::Up, true, _) => NexthopState::Unresolved,
            (Liveness::Up, false, true) => NexthopState::Aged,
            (Liveness::Up, false, false) => NexthopState::Active,
        };
        let row = |lladdr| ExpectedNexthop { nexthop: self.ip, lladdr, state };
        match self.lladdrs.current.as_slice() {
            [] => vec![row(None)],
            macs => macs.iter().map(|&mac| row(Some(mac))).collect(),
        }
    }
}

/// The addresses that may share a link with `addr`, where nothing tells the connected networks: the same /24, or the same
/// /64.
pub(super) fn link_prefix(addr: IpAddr) -> Option<IpPrefix> {
    IpPrefix::new(addr, if addr.is_ipv4() { 24 } else { 64 })
}
