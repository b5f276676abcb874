//! Labelled entries, one by one, with all that bears on whether they may be repaired.
//!
//! [`Engine::latent`] and [`Engine::connections`] tell people what stands how; here stands what a change of an entry has to
//! know beforehand. Where something is not known it says so: a repair on a guess would cut flows that are fine.

use alloc::vec::Vec;
use core::net::IpAddr;

use hashbrown::{HashMap, HashSet};

use super::Engine;
use super::assumes::{self, Assumes};
use super::bfd::Liveness;
use super::context::Remembered;
use super::epoch::Epochs;
use super::fact::{BindingKind, Connection};
use super::finding::{CitedConnection, ExpectedNexthop, KnownAs, LastLegal, Listed, RouteId};
use super::knowledge::{Hop, Knowledge};
use super::label::EcmpReply;
use super::plain::{self, Prefixes};
use super::routes::{self, Decision, Group};
use super::standing::{Left, Pinned, Standing, Standings};
use super::zones::Owner;
use crate::types::{MacAddr, Timestamp, Tuple};

/// A labelled entry: a flow that OVN pins to a MAC.
#[derive(Clone, PartialEq, Debug)]
pub struct Pin {
    /// The entry as it was told.
    pub connection: Connection,
    /// The same, as output shows it; `direction` is that of the tuple that leaves the node.
    pub cited: CitedConnection,
    /// What label and mark say.
    pub reply: EcmpReply,
    /// Who tracks in the entry's zone.
    pub owner: ZoneOwner,
    /// How the entry stands.
    pub standing: Standing,
    /// What is not known of the flow's next hops, though the MAC is none's as far as is known: reason enough to change
    /// nothing.
    pub doubt: Option<&'static str>,
    /// When a router with the MAC was last heard, if that was within the window that the settings have and after the MAC
    /// left the set.
    pub heard: Option<Timestamp>,
    /// When the next hops of the flow, or the owner of its zone, last became what they are; `None` where they have been so
    /// for as long as is known.
    pub changed: Option<Timestamp>,
    /// The symmetric routes of the flow.
    pub routes: Vec<RouteId>,
    /// Their next hops.
    pub expected: Listed<ExpectedNexthop>,
    /// When the MAC was last legal for one of these routes.
    pub last_legal: Option<LastLegal>,
    /// What the standing takes for granted.
    pub assumes: Assumes,
    /// What else knows the MAC.
    pub known_as: Listed<KnownAs>,
    /// The MAC that the next hop has now whose MAC the label holds.
    pub moved: Moved,
}

/// Who tracks in a zone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ZoneOwner {
    /// A router, for destination NAT: OVN honours labels there.
    Router,
    /// Something else, by its name or its number.
    Other,
    /// Nothing tells, or names tell of several.
    Unknown,
}

/// The MAC that a next hop has now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moved {
    /// This one.
    To {
        /// The next hop.
        nexthop: IpAddr,
        /// Its MAC.
        lladdr: MacAddr,
    },
    /// It cannot be told. The text tells why.
    Unknown(&'static str),
}

impl Engine {
    /// All labelled entries that were told, with how they stand at `at`: by zone and tuple.
    pub fn pins(&self, at: Timestamp) -> Vec<Pin> {
        let knowledge = &self.knowledge;
        let (epochs, mut answers) = (Epochs::default(), Answers::default());
        let mut pins: Vec<Pin> = Vec::new();
        Standings::new(knowledge, &epochs, at).each(|remembered, pinned| {
            pins.push(pin(knowledge, remembered, &mut answers, pinned, at));
        });
        pins.sort_by_key(|pin| (pin.connection.zone, pin.connection.orig));
        pins
    }

    /// The labelled entry of a zone that has this original tuple. `last` are the last packets of its flow, where these are
    /// known: those that left to the MAC in the label prove that OVN applies it.
    pub fn pin(&self, orig: Tuple, zone: u16, last: Option<Left>, at: Timestamp) -> Option<Pin> {
        let knowledge = &self.knowledge;
        let mut own = knowledge.connections.matching(orig).map(|(connection, _)| connection);
        let entry = own.find(|entry| entry.orig == orig && entry.zone == zone)?;
        let epochs = Epochs::default();
        let pinned = Standings::new(knowledge, &epochs, at).of(entry, last)?;
        Some(pin(knowledge, &mut Remembered::default(), &mut Answers::default(), pinned, at))
    }
}

/// What the entries of one look have in common.
#[derive(Default)]
struct Answers {
    /// When the next hops last became what they are, by the prefixes that hold a flow's addresses.
    changed: HashMap<Prefixes, Option<Timestamp>>,
    /// Whether the MAC of a next hop has aged out that the flow has unpinned, likewise.
    aged: HashMap<Prefixes, bool>,
    /// When the owners of zones last became what they are.
    owners_changed: HashMap<u16, Option<Timestamp>>,
}

impl Answers {
    /// Whether the MAC of a next hop that the flow has where no label pins it has aged out.
    fn has_aged(&mut self, knowledge: &Knowledge, leaving: Tuple, at: Timestamp) -> bool {
        let look = || unpinned(knowledge, leaving, at).any(|hop| hop.lladdrs.aged);
        match plain::prefixes(knowledge, leaving.src, leaving.dst) {
            Some(prefixes) => *self.aged.entry(prefixes).or_insert_with(look),
            None => look(),
        }
    }

    /// When what decides the flow, or who owns its zone, last became what it is at `at`.
    fn changed(&mut self, knowledge: &Knowledge, leaving: Tuple, zone: u16, at: Timestamp) -> Option<Timestamp> {
        let changed = match plain::prefixes(knowledge, leaving.src, leaving.dst) {
            Some(prefixes) => *self.changed.entry(prefixes).or_insert_with(|| changed(knowledge, leaving, at)),
            None => changed(knowledge, leaving, at),
        };
        changed.max(*self.owners_changed.entry(zone).or_insert_with(|| knowledge.zones.changed(zone, at)))
    }
}

fn pin(
    knowledge: &Knowledge,
    remembered: &mut Remembered,
    answers: &mut Answers,
    pinned: Pinned<'_>,
    at: Timestamp,
) -> Pin {
    let (connection, leaving, mac) = (pinned.connection(), pinned.leaving, pinned.mac());
    let (symmetric, reply) = (&pinned.symmetric, pinned.entry.reply);
    let hops = &symmetric.way.hops;
    let mut routes: Vec<RouteId> = symmetric.way.groups.iter().map(Group::id).collect();
    routes.sort();
    routes.dedup();
    let last_legal = symmetric.last_legal(knowledge, remembered, mac, at);
    let owner = match pinned.entry.owner {
        _ if knowledge.zones.is_contested(connection.zone, at) => ZoneOwner::Unknown,
        Owner::RouterDnat { .. } => ZoneOwner::Router,
        Owner::Other { .. } => ZoneOwner::Other,
        Owner::Unknown => ZoneOwner::Unknown,
    };
    let heard_since = last_legal.as_ref().map_or(Timestamp::default(), |last| last.until);
    let is_down = symmetric.way.having(mac).any(|hop| hop.liveness == Liveness::Down);
    let (expected, known_as) =
        (symmetric.way.expected(&mut remembered.lists, Some(mac)), remembered.known_as(knowledge, mac));
    Pin {
        connection: connection.clone(),
        cited: pinned.cite(),
        reply,
        owner,
        doubt: doubt(hops).or_else(|| answers.has_aged(knowledge, leaving, at).then_some(AGED)),
        assumes: assumes::of_entry(knowledge, &pinned, pinned.rests_on_version),
        // A session that watches the next hop tells better than a frame whether it forwards.
        heard: if is_down { None } else { heard(knowledge, mac, heard_since, at) },
        changed: answers.changed(knowledge, leaving, connection.zone, at),
        moved: moved(knowledge, reply, leaving, last_legal.as_ref(), hops, at),
        routes,
        expected,
        known_as,
        last_legal,
        standing: pinned.standing,
    }
}

const AGED: &str = "the last known MAC of a next hop of the flow has aged out, so this may be its";

fn doubt(hops: &[Hop<'_>]) -> Option<&'static str> {
    if hops.iter().any(|hop| hop.liveness == Liveness::Unknown) {
        Some("a BFD session watches a next hop of the flow, and nothing tells its state")
    } else if hops.iter().any(|hop| hop.lladdrs.aged) {
        Some(AGED)
    } else {
        None
    }
}

/// When a router with the MAC was last heard, by its own frames, by packets that it forwarded to us or by the kernel's
/// neighbour table, later than `since` and within the window before `at`.
fn heard(knowledge: &Knowledge, mac: MacAddr, since: Timestamp, at: Timestamp) -> Option<Timestamp> {
    let frames = knowledge.neighbours.heard_as(mac).map(|(_, last)| last);
    let confirmed = knowledge
        .neighbours
        .of_mac(mac)
        .filter(|binding| binding.kind == BindingKind::Neighbour && binding.validity.holds(at))
        .filter_map(|binding| binding.confirmed);
    let from = since.max(at.saturating_sub(knowledge.settings.heard_window));
    let forwarded = knowledge.senders.get(&mac).copied();
    frames.chain(forwarded).chain(confirmed).filter(|&last| last > from && last <= at).max()
}

/// Next hops of the routes that the flow takes where no label pins it.
fn unpinned(knowledge: &Knowledge, leaving: Tuple, at: Timestamp) -> impl Iterator<Item = Hop<'_>> {
    let decided = knowledge.lookups(leaving, at).into_iter().filter_map(|lookup| match lookup.decision {
        Decision::Route(group) => Some(group),
        Decision::Connected | Decision::Elsewhere | Decision::Nothing => None,
    });
    decided.flat_map(move |group| knowledge.hops(&group, at))
}

/// When what decides the flow last became what it is at `at`.
fn changed(knowledge: &Knowledge, leaving: Tuple, at: Timestamp) -> Option<Timestamp> {
    let set = |at: Timestamp| {
        let pinned = Group { routes: knowledge.symmetric(leaving.src, leaving.dst, at) };
        let mut hops: Vec<_> = knowledge
            .hops(&pinned, at)
            .into_iter()
            .chain(unpinned(knowledge, leaving, at))
            .map(|hop| {
                let mut macs = hop.lladdrs.current.clone();
                macs.sort_unstable();
                (hop.ip, hop.liveness == Liveness::Up, macs)
            })
            .collect();
        hops.sort();
        hops.dedup();
        hops
    };
    let now = set(at);
    // A source that merely confirms what it told changes nothing.
    let versions = knowledge.routes.versions_for(leaving.src, leaving.dst);
    let moments = knowledge.changes(versions, at);
    let sighted = knowledge.blind.last_end(at);
    let is_change = |moment: &Timestamp| {
        let before = Timestamp::from_nanos(moment.as_nanos().saturating_sub(1));
        knowledge.blind.holds(before) || set(before) != now
    };
    moments.into_iter().find(is_change).max(sighted)
}

/// The MAC that the next hop has whose MAC it was.
fn moved(
    knowledge: &Knowledge,
    reply: EcmpReply,
    leaving: Tuple,
    last: Option<&LastLegal>,
    hops: &[Hop<'_>],
    at: Timestamp,
) -> Moved {
    let mac = reply.eth;
    let had = had(knowledge, mac, leaving, last);
    let ip = match (&had[..], last) {
        (&[ip], _) => ip,
        ([], _) => return Moved::Unknown("nothing tells which next hop's MAC it was"),
        _ => return Moved::Unknown("it was the MAC of several next hops of the flow"),
    };
    let fits = |hop: &&Hop<'_>| routes::port_key(&knowledge.ports, hop.route, at).is_none_or(|key| key == reply.port);
    let own: Vec<&Hop<'_>> = hops.iter().filter(|hop| hop.ip == ip).filter(fits).collect();
    let Some(hop) = own.first() else {
        return Moved::Unknown("the next hop whose MAC it was is none of the flow's by this port any more");
    };
    let is_same = |other: &&Hop<'_>| {
        let (mut macs, mut others) = (hop.lladdrs.current.clone(), other.lladdrs.current.clone());
        macs.sort_unstable();
        others.sort_unstable();
        (hop.liveness, hop.lladdrs.aged, macs) == (other.liveness, other.lladdrs.aged, others)
    };
    if !own.iter().all(is_same) {
        return Moved::Unknown("the next hop whose MAC it was is known differently by several ports or routes");
    }
    match (hop.liveness, hop.lladdrs.current.as_slice(), hop.lladdrs.aged) {
        (Liveness::Up, &[lladdr], false) if lladdr != mac => Moved::To { nexthop: hop.ip, lladdr },
        (Liveness::Up, &[_], false) => Moved::Unknown("the next hop still has this MAC"),
        (Liveness::Down, ..) => Moved::Unknown("the next hop whose MAC it was is down"),
        (Liveness::Unknown, ..) => Moved::Unknown("nothing tells whether the next hop whose MAC it was is up"),
        (Liveness::Up, ..) => Moved::Unknown("the next hop whose MAC it was has no MAC now, or several"),
    }
}

/// Next hops, past ones too, of the flow's symmetric routes that have, or had, the MAC. The entry does not tell when it was
/// made, so any of them may be meant.
fn had(knowledge: &Knowledge, mac: MacAddr, leaving: Tuple, last: Option<&LastLegal>) -> Vec<IpAddr> {
    let versions = knowledge.routes.versions_for(leaving.src, leaving.dst).filter(|route| route.symmetric_reply);
    let nexthops: HashSet<IpAddr> = versions.filter_map(|route| route.nexthop).collect();
    let bound = knowledge.neighbours.of_mac(mac).map(|binding| binding.ip);
    let heard = knowledge.neighbours.heard_as(mac).map(|(ip, _)| ip);
    let mut had: Vec<IpAddr> = bound.chain(heard).filter(|ip| nexthops.contains(ip)).collect();
    had.extend(last.map(|last| last.nexthop));
    had.sort_unstable();
    had.dedup();
    had
}
