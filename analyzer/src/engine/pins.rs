//! Labelled entries, one by one, with all that bears on whether they may be repaired.
//!
//! [`Engine::latent`] and [`Engine::connections`] tell people what stands how; here stands what a change of an entry has to
//! know beforehand. Where something is not known it says so: a repair on a guess would cut flows that are fine.

use std::net::IpAddr;

use hashbrown::{HashMap, HashSet};

use super::Engine;
use super::bfd::Liveness;
use super::fact::{BindingKind, Connection};
use super::finding::{CitedConnection, CtDirection, ExpectedNexthop, KnownAs, LastLegal, Listed, RouteId};
use super::judge::Remembered;
use super::knowledge::{Hop, Knowledge};
use super::label::{self, EcmpReply};
use super::labelled::{Labelled, Leaving};
use super::latent;
use super::lookalike;
use super::plain::{self, Prefixes};
use super::routes::{self, Group};
use super::symmetric::{Symmetric, Symmetrics};
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
    /// How the MAC stands to the next hops of the flow.
    pub standing: PinStanding,
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

/// How the MAC of an entry stands to the next hops of its flow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PinStanding {
    /// It is none's, and OVN would send the flow there.
    Stale,
    /// It is none's, but OVN does not apply the entry. The text tells why.
    Unused(&'static str),
    /// It is that of these active next hops.
    Nexthop(Vec<IpAddr>),
    /// It is on the list of MACs that are never a violation.
    Allowed,
    /// It is a virtual router's (VRRP, HSRP).
    VirtualRouter,
    /// Whether it is a next hop's cannot be told. The text tells why.
    Undetermined(&'static str),
    /// What the next hops are is not known now: a source has not told, or is lost for too long.
    Blind,
    /// The port is not set in either form: OVN does not apply the MAC.
    NotPinned,
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
        let marks_count = latent::do_marks_count(knowledge, at);
        let entries = knowledge.connections.all().iter();
        let mut answers = Answers::default();
        let mut pins: Vec<Pin> =
            entries.filter_map(|entry| pin(knowledge, &mut answers, entry, marks_count, at)).collect();
        pins.sort_by_key(|pin| (pin.connection.zone, pin.connection.orig));
        pins
    }

    /// The labelled entry of a zone that has this original tuple.
    pub fn pin(&self, orig: Tuple, zone: u16, at: Timestamp) -> Option<Pin> {
        let knowledge = &self.knowledge;
        let mut own = knowledge.connections.matching(orig).map(|(connection, _)| connection);
        let entry = own.find(|entry| entry.orig == orig && entry.zone == zone)?;
        pin(knowledge, &mut Answers::default(), entry, latent::do_marks_count(knowledge, at), at)
    }
}

/// What the entries of one look have in common.
#[derive(Default)]
struct Answers<'a> {
    remembered: Remembered,
    symmetrics: Symmetrics<'a>,
    leaving: Option<Leaving<'a>>,
    /// When the next hops last became what they are, by the prefixes that hold a flow's addresses.
    changed: HashMap<Prefixes, Option<Timestamp>>,
    /// When the owners of zones last became what they are.
    owners_changed: HashMap<u16, Option<Timestamp>>,
}

impl Answers<'_> {
    /// When what decides the flow, or who owns its zone, last became what it is at `at`.
    fn changed(&mut self, knowledge: &Knowledge, leaving: Tuple, zone: u16, at: Timestamp) -> Option<Timestamp> {
        let changed = match plain::prefixes(knowledge, leaving.src, leaving.dst) {
            Some(prefixes) => *self.changed.entry(prefixes).or_insert_with(|| changed(knowledge, leaving, at)),
            None => changed(knowledge, leaving, at),
        };
        changed.max(*self.owners_changed.entry(zone).or_insert_with(|| knowledge.zones.changed(zone, at)))
    }
}

fn pin<'a>(
    knowledge: &'a Knowledge,
    answers: &mut Answers<'a>,
    connection: &'a Connection,
    marks_count: bool,
    at: Timestamp,
) -> Option<Pin> {
    let reply = label::decode(connection.label, connection.mark)?;
    let owner = knowledge.zones.owner(connection.zone, at);
    let leaving = answers.leaving.get_or_insert_with(|| Leaving::new(knowledge, at)).of(connection);
    let router = Some(&owner).filter(|owner| !matches!(owner, Owner::Other { .. }));
    let symmetric = answers.symmetrics.of(knowledge, leaving, router, at);
    let hops = &symmetric.way.hops;
    let mut routes: Vec<RouteId> = symmetric.way.groups.iter().map(Group::id).collect();
    routes.sort();
    routes.dedup();
    let mac = reply.eth;
    let remembered = &mut answers.remembered;
    let last_legal = symmetric.last_legal(knowledge, remembered, mac, at);
    let direction = if connection.orig == leaving { CtDirection::Orig } else { CtDirection::Reply };
    let kind = match owner {
        _ if knowledge.zones.is_contested(connection.zone, at) => ZoneOwner::Unknown,
        Owner::RouterDnat { .. } => ZoneOwner::Router,
        Owner::Other { .. } => ZoneOwner::Other,
        Owner::Unknown => ZoneOwner::Unknown,
    };
    let labelled = Labelled { connection, direction, reply, owner, believed: true };
    let standing = match knowledge.blind.holds(at) {
        true => PinStanding::Blind,
        false => standing(knowledge, &labelled, leaving, &symmetric, marks_count, at),
    };
    let heard_since = last_legal.as_ref().map_or(Timestamp::default(), |last| last.until);
    let is_down = symmetric.way.having(mac).any(|hop| hop.liveness == Liveness::Down);
    let (expected, known_as) =
        (symmetric.way.expected(&mut remembered.lists, Some(mac)), remembered.known_as(knowledge, mac));
    Some(Pin {
        connection: connection.clone(),
        cited: labelled.cite(),
        reply,
        owner: kind,
        standing,
        // A session that watches the next hop tells better than a frame whether it forwards.
        heard: if is_down { None } else { heard(knowledge, mac, heard_since, at) },
        changed: answers.changed(knowledge, leaving, connection.zone, at),
        moved: moved(knowledge, reply, leaving, last_legal.as_ref(), hops, at),
        routes,
        expected,
        known_as,
        last_legal,
    })
}

fn standing(
    knowledge: &Knowledge,
    entry: &Labelled<'_>,
    leaving: Tuple,
    symmetric: &Symmetric<'_>,
    marks_count: bool,
    at: Timestamp,
) -> PinStanding {
    let mac = entry.reply.eth;
    let hops = &symmetric.way.hops;
    let legal: Vec<IpAddr> = symmetric.way.legal(mac).map(|hop| hop.ip).collect();
    if knowledge.routes.is_empty() {
        PinStanding::Undetermined("nothing tells routes")
    } else if entry.reply.port == 0 {
        PinStanding::NotPinned
    } else if !legal.is_empty() {
        PinStanding::Nexthop(legal)
    } else if knowledge.settings.allowed.contains(&mac) {
        PinStanding::Allowed
    } else if lookalike::is_virtual_router(mac) {
        PinStanding::VirtualRouter
    } else if hops.iter().any(|hop| hop.liveness == Liveness::Unknown) {
        PinStanding::Undetermined("a BFD session watches a next hop of the flow, and nothing tells its state")
    } else if symmetric.is_open {
        PinStanding::Undetermined("a next hop of the flow that is up has no known MAC, so this may be its")
    } else if hops.iter().any(|hop| hop.lladdrs.aged) {
        PinStanding::Undetermined("the last known MAC of a next hop of the flow has aged out, so this may be its")
    } else if symmetric.is_empty() && knowledge.may_be_translated(leaving.src, at) {
        PinStanding::Undetermined("the source is a translated one, and nothing tells whose packets these are")
    } else if let Some(why) = latent::unused(entry.reply, symmetric, marks_count) {
        PinStanding::Unused(why)
    } else {
        PinStanding::Stale
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

/// When what decides the flow last became what it is at `at`.
fn changed(knowledge: &Knowledge, leaving: Tuple, at: Timestamp) -> Option<Timestamp> {
    let set = |at: Timestamp| {
        let group = Group { routes: knowledge.routes.symmetric(leaving.src, leaving.dst, at) };
        let mut hops: Vec<_> = knowledge
            .hops(&group, at)
            .into_iter()
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
