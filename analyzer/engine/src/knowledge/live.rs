//! Facts that begin, end and are forgotten.

use alloc::vec::Vec;

use super::Knowledge;
use crate::fact::Fact;
use crate::journal::{Change, HopChange};
use crate::types::{Timestamp, Validity};
use crate::versions::{End, Versions};

impl Knowledge {
    /// Adds a fact of a live source.
    pub(crate) fn begin(&mut self, fact: Fact) {
        self.note_change(&fact);
        match fact {
            Fact::Route(route) => {
                self.note_route(&route);
                self.routes.begin(route);
            }
            Fact::Binding(binding) => self.neighbours.begin(binding),
            Fact::Bfd(bfd) => self.bfd.begin(bfd),
            Fact::Router(router) => self.routers.entry(router.name.clone()).or_default().begin(router),
            Fact::SwitchPort(port) => self.switch_ports.begin(port),
            Fact::RouterPort(port) => {
                port.router.iter().for_each(|router| self.zones.add_router(router));
                self.ports.begin(port);
            }
            Fact::Nat(nat) => self.nats_of(&nat).begin(nat),
            Fact::ReroutePolicy(policy) => self.reroute_policies.begin(policy),
            Fact::Zone(zone) => self.zones.begin(zone),
            Fact::Datapath(datapath) => self.zones.begin_datapath(datapath),
            Fact::Ovn(ovn) => self.ovn.begin(ovn),
            Fact::Gap(gap) => self.gaps.begin(gap),
            Fact::Connection(_) | Fact::MacOwner(_) => self.add(fact),
        }
    }

    /// Ends a fact that holds without end.
    pub(crate) fn end(&mut self, fact: &Fact, at: Timestamp) -> End {
        let ended = match fact {
            Fact::Route(route) => self.routes.end(route, at),
            Fact::Binding(binding) => self.neighbours.end(binding, at),
            Fact::Bfd(bfd) => self.bfd.end(bfd, at),
            Fact::Router(router) => {
                let told = self.routers.get_mut(&router.name);
                told.map_or(End::Unknown, |told| told.end(router, at))
            }
            Fact::SwitchPort(port) => self.switch_ports.end(port, at),
            Fact::RouterPort(port) => self.ports.end(port, at),
            Fact::Nat(nat) => self.nats_of(nat).end(nat, at),
            Fact::ReroutePolicy(policy) => self.reroute_policies.end(policy, at),
            Fact::Zone(zone) => self.zones.end(zone, at),
            Fact::Datapath(datapath) => self.zones.end_datapath(datapath, at),
            Fact::Ovn(ovn) => self.ovn.end(ovn, at),
            Fact::Gap(gap) => self.gaps.end(gap, at),
            Fact::MacOwner(owner) => {
                let owners = self.mac_owners.entry(owner.mac).or_default();
                let found = owners.iter().rposition(|told| told == owner);
                found.map_or(End::Unknown, |index| {
                    owners.remove(index);
                    End::Vanished
                })
            }
            Fact::Connection(_) => End::Unknown,
        };
        if ended != End::Unknown {
            self.note_change(fact);
        }
        ended
    }

    /// Moments at which a verdict may change because `fact` begins or ends at `at`, without the grace period.
    pub(crate) fn moments_of(&self, fact: &Fact, at: Option<Timestamp>) -> Vec<Timestamp> {
        let mut moments: Vec<Timestamp> = at.into_iter().collect();
        match fact {
            Fact::Binding(binding) if !self.is_nexthop(binding.ip) => moments.clear(),
            Fact::Binding(binding) => moments.extend(binding.confirmed),
            // Of the ports of a switch those count that lead to routers, and those that are next hops.
            Fact::SwitchPort(port)
                if !port.is_withheld
                    && port.router_port.is_none()
                    && !port.addresses.iter().any(|&(ip, _)| self.is_nexthop(ip)) =>
            {
                moments.clear();
            }
            // Bindings and machines of an address count once it is a next hop's.
            Fact::Route(route) => {
                let new = route.nexthop.filter(|&nexthop| !self.is_nexthop(nexthop));
                for machine in new.into_iter().flat_map(|nexthop| self.switch_ports.versions_with(nexthop)) {
                    let Validity { from, until } = machine.validity;
                    moments.extend([from, until].into_iter().flatten());
                }
                for binding in new.into_iter().flat_map(|nexthop| self.neighbours.of(nexthop, None)) {
                    let Validity { from, until } = binding.validity;
                    moments.extend([from, until, binding.confirmed].into_iter().flatten());
                }
            }
            Fact::Datapath(_) | Fact::Ovn(_) | Fact::Connection(_) | Fact::MacOwner(_) => moments.clear(),
            _ => {}
        }
        moments
    }

    /// The time around `at` in which nothing that was told begins or ends, and no evidence of a MAC is dated.
    pub(crate) fn unchanged_around(&self, at: Timestamp) -> Validity {
        let bounds = self.validities().flat_map(|Validity { from, until }| from.into_iter().chain(until));
        let confirmed = self.nexthop_bindings().filter_map(|binding| binding.confirmed);
        let heard = self.nexthop_ips().flat_map(|ip| self.neighbours.heard_starts(ip));
        let mut time = Validity::ALWAYS;
        for moment in bounds.chain(confirmed).chain(heard) {
            if moment <= at {
                time.from = time.from.max(Some(moment));
            } else {
                time.until = Some(time.until.map_or(moment, |until| until.min(moment)));
            }
        }
        time
    }

    /// Drops facts that ended by `before` and, if more than `keep` that ended are left, the oldest of them.
    pub(crate) fn forget(&mut self, before: Timestamp, keep: usize) {
        let mut ends: Vec<Timestamp> = self.validities().filter_map(|validity| validity.until).collect();
        let excess = ends.len().saturating_sub(keep);
        let cut = match excess.checked_sub(1) {
            Some(last) => before.max(*ends.select_nth_unstable(last).1),
            None => before,
        };
        let is_forgotten = |validity: Validity| validity.until.is_some_and(|until| until <= cut);
        if self.validities().any(is_forgotten) {
            self.drop_facts(is_forgotten, before);
        }
        self.blind.forget(before);
    }

    fn drop_facts(&mut self, is_forgotten: impl Fn(Validity) -> bool, before: Timestamp) {
        self.journal.note(Change::All);
        self.hops_journal.note(HopChange::Any);
        self.changes += 1;
        self.routes.forget(&is_forgotten);
        self.nexthop_ips = self.routes.all().filter_map(|route| route.nexthop).collect();
        let nexthop_ips = &self.nexthop_ips;
        self.neighbours.forget(&is_forgotten, |ip| nexthop_ips.contains(&ip), before);
        self.bfd.forget(&is_forgotten);
        self.ports.forget(&is_forgotten);
        self.switch_ports.forget(&is_forgotten);
        self.routers.retain(|_, told| {
            told.retain(|router| !is_forgotten(router.validity));
            !told.is_empty()
        });
        self.nats.retain(|_, rules| {
            rules.retain(|_, nats| {
                nats.retain(|nat| !is_forgotten(nat.validity));
                !nats.is_empty()
            });
            !rules.is_empty()
        });
        self.reroute_policies.forget(&is_forgotten);
        self.zones.forget(&is_forgotten);
        self.ovn.forget(&is_forgotten);
        self.gaps.forget(&is_forgotten);
        let of_routes = self.routes.all().map(|route| &route.router);
        let routers = of_routes.chain(self.ports.all().map(|port| &port.router)).flatten();
        routers.for_each(|router| self.zones.add_router(router));
    }

    /// When each fact holds that can end.
    fn validities(&self) -> impl Iterator<Item = Validity> {
        (self.routes.all().map(|route| route.validity))
            .chain(self.neighbours.all().map(|binding| binding.validity))
            .chain(self.bfd.all().map(|bfd| bfd.validity))
            .chain(self.ports.all().map(|port| port.validity))
            .chain(self.switch_ports.validities())
            .chain(self.routers.values().flat_map(Versions::iter).map(|router| router.validity))
            .chain(self.all_nats().map(|nat| nat.validity))
            .chain(self.reroute_policies.iter().map(|policy| policy.validity))
            .chain(self.zones.all().map(|zone| zone.validity))
            .chain(self.zones.all_datapaths().map(|datapath| datapath.validity))
            .chain(self.ovn.all().map(|ovn| ovn.validity))
            .chain(self.gaps.all().map(|gap| gap.validity))
    }
}
