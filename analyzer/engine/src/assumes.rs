//! What a finding takes for granted: evidence that nobody gave and that could turn it.
//!
//! docs/verdicts.md has the codes and what each stands for. Gaps stand beside them: what was given and could not be read,
//! where it may decide a packet that conforms by the rest.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use super::behaviour;
use super::bfd::Liveness;
use super::case::Case;
use super::decided::Way;
use super::fact::{BfdRef, EvidenceKind, Gap, Policy, Route, Scope, Source};
use super::knowledge::Knowledge;
use super::labelled::Labelled;
use super::standing::Pinned;
use super::verdict::{Verdict, Violating};
use super::zones::Owner;
use crate::types::{MacAddr, Place, Tuple};

/// Something that is taken for granted. In the order of the codes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Assumption {
    /// A BFD session whose state nobody told is not down.
    NoBfd,
    /// Next hops have the MACs that something else than `MAC_Binding` tells.
    NoBindings,
    /// No entry pins the flow or translates it.
    NoConntrack,
    /// What stands in the dumps stood for the whole capture.
    NoHistory,
    /// No frame would have told another MAC of a next hop.
    NoNeighbours,
    /// No policy reroutes the packets.
    NoPolicies,
    /// No connected network, route table or port of a router decides otherwise.
    NoPorts,
    /// No static binding tells the MAC of a next hop.
    NoStaticBindings,
    /// The entry's zone is the router's own.
    NoZoneOwners,
    /// Nothing of the flow came in by the MAC, and what was captured was sent.
    OneDirection,
    /// Every route and every next hop is in the text.
    RoutesMaybePartial,
    /// Nothing changed after the end of a database's file, which is torn.
    TornEnd,
    /// This OVN applies the label: nothing tells which it is.
    VersionUnknown,
}

impl Assumption {
    /// All, by their codes.
    pub const ALL: [Self; 13] = [
        Self::NoBfd,
        Self::NoBindings,
        Self::NoConntrack,
        Self::NoHistory,
        Self::NoNeighbours,
        Self::NoPolicies,
        Self::NoPorts,
        Self::NoStaticBindings,
        Self::NoZoneOwners,
        Self::OneDirection,
        Self::RoutesMaybePartial,
        Self::TornEnd,
        Self::VersionUnknown,
    ];

    /// Whether a look at the running system just now answers it: what is now needs no history, and who is alive is heard.
    fn is_answered_by_looking(self) -> bool {
        matches!(self, Self::NoHistory | Self::NoNeighbours | Self::OneDirection | Self::TornEnd)
    }

    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoBfd => "no-bfd",
            Self::NoBindings => "no-bindings",
            Self::NoConntrack => "no-conntrack",
            Self::NoHistory => "no-history",
            Self::NoNeighbours => "no-neighbours",
            Self::NoPolicies => "no-policies",
            Self::NoPorts => "no-ports",
            Self::NoStaticBindings => "no-static-bindings",
            Self::NoZoneOwners => "no-zone-owners",
            Self::OneDirection => "one-direction",
            Self::RoutesMaybePartial => "routes-maybe-partial",
            Self::TornEnd => "torn-end",
            Self::VersionUnknown => "version-unknown",
        }
    }
}

/// Gaps that one finding names at most.
const MAX_GAPS: usize = 16;

/// All that a finding takes for granted.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Assumes {
    plain: u32,
    /// Where the gaps are, in order.
    gaps: Vec<Place>,
}

impl Assumes {
    fn insert_if(&mut self, assumption: Assumption, is_assumed: bool) {
        self.plain |= u32::from(is_assumed) << assumption as u32;
    }

    fn insert_gap(&mut self, gap: &Gap) {
        match gap.scope {
            Scope::End { .. } => self.insert_if(Assumption::TornEnd, true),
            _ => self.insert_place(&gap.place),
        }
    }

    fn insert_place(&mut self, place: &Place) {
        if self.gaps.len() < MAX_GAPS
            && let Err(index) = self.gaps.binary_search(place)
        {
            self.gaps.insert(index, place.clone());
        }
    }

    /// Whether this is taken for granted.
    pub fn contains(&self, assumption: Assumption) -> bool {
        self.plain & 1 << assumption as u32 != 0
    }

    /// Where the gaps are that may decide it.
    pub fn gaps(&self) -> &[Place] {
        &self.gaps
    }

    /// Adds what another finding takes for granted.
    pub fn insert_all(&mut self, other: &Self) {
        self.plain |= other.plain;
        other.gaps.iter().for_each(|place| self.insert_place(place));
    }

    /// Whether nothing is taken for granted.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What both take for granted.
    #[must_use]
    pub fn common(&self, other: &Self) -> Self {
        let gaps = self.gaps.iter().filter(|place| other.gaps.contains(place));
        Self { plain: self.plain & other.plain, gaps: gaps.cloned().collect() }
    }

    /// What this takes for granted and the other does not.
    #[must_use]
    pub fn beside(&self, other: &Self) -> Self {
        let gaps = self.gaps.iter().filter(|place| !other.gaps.contains(place));
        Self { plain: self.plain & !other.plain, gaps: gaps.cloned().collect() }
    }

    /// What is left of it where sources of the running system were asked just now. What could not be read is left: a look
    /// reads it no better.
    #[must_use]
    pub fn after_looking(&self) -> Self {
        let all = Assumption::ALL.into_iter().filter(|&assumption| self.contains(assumption));
        let left = all.filter(|assumption| !assumption.is_answered_by_looking()).collect();
        Self { gaps: self.gaps.clone(), ..left }
    }

    /// The codes, sorted.
    pub fn codes(&self) -> impl Iterator<Item = Cow<'static, str>> + '_ {
        let plain = Assumption::ALL.into_iter().filter(|&assumption| self.contains(assumption));
        let mut codes: Vec<Cow<'static, str>> = plain.map(|assumption| assumption.code().into()).collect();
        codes.extend(self.gaps.iter().map(|place| Gap::code(place).into()));
        codes.sort_unstable();
        codes.into_iter()
    }
}

impl FromIterator<Assumption> for Assumes {
    fn from_iter<I: IntoIterator<Item = Assumption>>(assumptions: I) -> Self {
        let mut all = Self::default();
        assumptions.into_iter().for_each(|assumption| all.insert_if(assumption, true));
        all
    }
}

/// What `verdict` on `case` takes for granted. One that says what is not known takes nothing so.
pub(super) fn of_verdict(case: &Case<'_, '_>, verdict: Verdict) -> Assumes {
    let mut assumes = match verdict {
        Verdict::Info(_) | Verdict::Violating(_) => of_finding(case, verdict),
        Verdict::Conforming => Assumes::default(),
        Verdict::NotCovered(_) | Verdict::Grace | Verdict::Undetermined(_) => return Assumes::default(),
    };
    if !case.knowledge.gaps.is_empty()
        && let Some(mac) = case.seen.eth_dst()
    {
        case.packet(mac).touched_by().for_each(|gap| assumes.insert_gap(gap));
    }
    assumes
}

fn of_finding(case: &Case<'_, '_>, verdict: Verdict) -> Assumes {
    let (Some(routes), Some(mac)) = (case.routes(), case.seen.eth_dst()) else { return Assumes::default() };
    let knowledge = case.knowledge;
    // Who sends to next hops is the node.
    let is_sent = knowledge.ports.has_mac(case.seen.eth_src) || case.context().directions.is_sender(case.seen.eth_src);
    let mut assumes = of_way(knowledge, &routes.all, mac, is_sent && case.is_carried(mac));
    let is_bfd_open = !knowledge.given.contains(EvidenceKind::Bfd)
        && (has_open_session(&routes.after) || was_watched(knowledge, case.flow().inner));
    assumes.insert_if(Assumption::NoBfd, assumes.contains(Assumption::NoBfd) || is_bfd_open);
    assumes.insert_if(Assumption::NoZoneOwners, has_nameless_zone(&case.flow().labelled));
    let is_one_direction = matches!(verdict, Verdict::Violating(_)) && !case.is_other_direction_seen();
    assumes.insert_if(Assumption::OneDirection, is_one_direction);
    // Else the packets themselves show that OVN applies the label.
    let rests_on_version = verdict == Verdict::Violating(Violating::StaleConntrack)
        && !behaviour::is_told(knowledge, case.at())
        && routes.all.explains(mac);
    assumes.insert_if(Assumption::VersionUnknown, rests_on_version);
    if is_one_direction {
        // Frames of neighbours come in, too.
        assumes.plain &= !(1 << Assumption::NoNeighbours as u32);
    }
    assumes
}

/// What is taken for granted by what is said of a labelled entry. `rests_on_version` is whether it is said because nothing
/// tells which OVN this is.
pub(super) fn of_entry(knowledge: &Knowledge, pinned: &Pinned<'_>, rests_on_version: bool) -> Assumes {
    let entry = &pinned.entry;
    let mut assumes = of_way(knowledge, &pinned.symmetric.way, entry.reply.eth, false);
    assumes.insert_if(Assumption::VersionUnknown, rests_on_version);
    assumes.insert_if(Assumption::NoZoneOwners, has_nameless_zone(core::slice::from_ref(entry)));
    pinned.gaps.iter().for_each(|gap| assumes.insert_gap(gap));
    assumes
}

/// What is taken for granted where a packet goes to `mac` and these routes decide. `is_proved` is whether the packet itself
/// proves that a label pins it: no other route, port or table decided it then.
fn of_way(knowledge: &Knowledge, way: &Way<'_>, mac: MacAddr, is_proved: bool) -> Assumes {
    let is_missing = |kind| !knowledge.given.contains(kind);
    // Of what a user writes down, and of the kernel's routes, there is no more than is told.
    let is_ovn = match way.hops.is_empty() {
        true => knowledge.is_beyond_toml,
        false => way.hops.iter().any(|hop| matches!(hop.route.source, Source::Ovn | Source::LrRouteList)),
    };
    let is_ovn_missing = |kind| is_ovn && is_missing(kind);
    // A next hop whose row is missing has the MAC only if something binds it to an address of that family.
    let may_be_hops = || {
        let is_of_family = |is_ipv4| way.hops.iter().any(|hop| hop.ip.is_ipv4() == is_ipv4);
        let bound = knowledge.neighbours.of_mac(mac).map(|binding| binding.ip);
        bound.chain(knowledge.neighbours.heard_as(mac).map(|(ip, _)| ip)).any(|ip| is_of_family(ip.is_ipv4()))
    };
    let is_missing_route = is_ovn_missing(EvidenceKind::WholeRoutes) && (!is_proved || may_be_hops());
    // Of routes by source a user says all there is to say.
    let is_open_to_ports = is_ovn || way.hops.iter().any(|hop| hop.route.policy == Policy::DstIp);
    let are_connections_missing = is_missing(EvidenceKind::Connections) && !knowledge.connections.are_told();
    let mut assumes = Assumes::default();
    for (assumption, is_assumed) in [
        (Assumption::NoBfd, is_missing(EvidenceKind::Bfd) && has_open_session(way)),
        (Assumption::NoBindings, is_ovn_missing(EvidenceKind::Bindings)),
        (Assumption::NoConntrack, are_connections_missing),
        (Assumption::NoHistory, is_missing(EvidenceKind::History) && knowledge.dated_from().is_none()),
        (Assumption::NoNeighbours, is_ovn_missing(EvidenceKind::Neighbours)),
        (Assumption::NoPolicies, is_ovn_missing(EvidenceKind::Policies)),
        (Assumption::NoPorts, !is_proved && is_open_to_ports && knowledge.ports.is_empty()),
        (Assumption::NoStaticBindings, is_ovn_missing(EvidenceKind::StaticBindings)),
        (Assumption::RoutesMaybePartial, is_missing_route),
    ] {
        assumes.insert_if(assumption, is_assumed);
    }
    assumes
}

/// Whether a BFD session watches a next hop whose state nothing tells.
fn has_open_session(way: &Way<'_>) -> bool {
    way.hops.iter().any(|hop| hop.liveness == Liveness::Unknown)
}

/// Whether a session watches, or watched, a next hop of a route of the flow: when it was down bears on what was legal when.
fn was_watched(knowledge: &Knowledge, tuple: Tuple) -> bool {
    let is_watched = |route: &Route| matches!(route.bfd, BfdRef::Session { .. } | BfdRef::Attached | BfdRef::Unread);
    knowledge.routes.versions_for(tuple.src, tuple.dst).any(is_watched)
}

/// Whether nothing names the owner of the zone of an entry that is believed.
fn has_nameless_zone(labelled: &[Labelled<'_>]) -> bool {
    labelled.iter().any(|entry| entry.believed && entry.owner == Owner::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_and_each_stands_for_one() {
        let all: Assumes = Assumption::ALL.into_iter().collect();
        let codes: Vec<_> = all.codes().collect();
        assert_eq!(codes.len(), Assumption::ALL.len());
        assert!(codes.is_sorted_by(|a, b| a < b), "{codes:?}");
        assert!(Assumption::ALL.is_sorted());
    }
}
