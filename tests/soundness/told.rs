//! A world as the engine is told it: rows with their dates, the conntrack table at the end, frames. One kind of evidence may
//! be left out.

use analyzer_engine::assumes::Assumption;
use analyzer_engine::fact::{
    self, Bfd, BfdRef, BfdStatus, BindingKind, Connection, Datapath, EvidenceKind, EvidenceKinds, Fact, Policy,
    RouteOrigin, RouterPort, Source, Zone,
};
use analyzer_engine::observation::HeardNeighbour;
use analyzer_engine::types::{Timestamp, Validity};

use crate::addresses;
use crate::damage::{Damage, damaged};
use crate::model::{Entry, Frame, Played};
use crate::numbers::mix;
use crate::ovn;
use crate::world::{Decoy, Flow, Kind, Life, Route, Secs, Session, Status, World};

/// A kind of evidence that is left out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Omitted {
    /// `MAC_Binding`.
    Bindings,
    /// `Static_MAC_Binding`.
    StaticBindings,
    /// `BFD`.
    Bfd,
    /// `Logical_Router_Port` and `Port_Binding`.
    Ports,
    /// Names of conntrack zones.
    Zones,
    /// The conntrack table.
    Conntrack,
    /// Dates: rows as they stand at the end.
    History,
    /// Frames that came in.
    OtherDirection,
    /// ARP and neighbour discovery in the capture.
    Neighbours,
    /// Learned routes, which `lr-route-list` does not print.
    LearnedRoutes,
    /// Every fifth row of the routes.
    SomeRoutes,
    /// What OVN itself is and does: logical flows, chassis, northd's release.
    Ovn,
}

impl Omitted {
    /// Every kind.
    pub(crate) const ALL: [Self; 12] = [
        Self::Bindings,
        Self::StaticBindings,
        Self::Bfd,
        Self::Ports,
        Self::Zones,
        Self::Conntrack,
        Self::History,
        Self::OtherDirection,
        Self::Neighbours,
        Self::LearnedRoutes,
        Self::SomeRoutes,
        Self::Ovn,
    ];

    /// The kinds that are left out of a world, one after another: two of them, so that many worlds are tried.
    pub(crate) fn of(world: &World) -> [Self; 2] {
        let first = mix(world.seed ^ 0x0717) as usize % Self::ALL.len();
        [first, (first + Self::ALL.len() / 2) % Self::ALL.len()].map(|index| Self::ALL[index])
    }
}

/// What of the evidence the engine is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Given {
    /// All.
    Whole,
    /// All but one kind.
    Without(Omitted),
    /// All but rows that are lost.
    Damaged(Damage),
}

impl Given {
    /// The kind that is left out.
    pub(crate) fn omitted(self) -> Option<Omitted> {
        match self {
            Self::Without(omitted) => Some(omitted),
            Self::Whole | Self::Damaged(_) => None,
        }
    }

    /// What is told of a world.
    pub(crate) fn facts(self, world: &World, played: &Played) -> Vec<Fact> {
        let facts = facts(world, played, self.omitted());
        match self {
            Self::Damaged(damage) => damaged(world, facts, damage),
            Self::Whole | Self::Without(_) => facts,
        }
    }
}

impl Omitted {
    /// What a finding then says that it takes for granted.
    pub(crate) fn codes(self) -> &'static [Assumption] {
        match self {
            Self::Bindings => &[Assumption::NoBindings],
            Self::StaticBindings => &[Assumption::NoStaticBindings],
            Self::Bfd => &[Assumption::NoBfd],
            Self::Ports => &[Assumption::NoPorts],
            Self::Zones => &[Assumption::NoZoneOwners],
            Self::Conntrack => &[Assumption::NoConntrack],
            Self::History => &[Assumption::NoHistory],
            Self::OtherDirection => &[Assumption::OneDirection],
            Self::Neighbours => &[Assumption::NoNeighbours, Assumption::OneDirection],
            Self::Ovn => &[Assumption::VersionUnknown],
            Self::LearnedRoutes | Self::SomeRoutes => &[Assumption::RoutesMaybePartial],
        }
    }
}

/// Kinds of evidence of which the engine is told all.
pub(crate) fn kinds(omitted: Option<Omitted>) -> EvidenceKinds {
    let kinds = [
        (EvidenceKind::WholeRoutes, [Omitted::LearnedRoutes, Omitted::SomeRoutes].as_slice()),
        (EvidenceKind::Policies, &[]),
        (EvidenceKind::Bfd, &[Omitted::Bfd]),
        (EvidenceKind::Bindings, &[Omitted::Bindings]),
        (EvidenceKind::StaticBindings, &[Omitted::StaticBindings]),
        (EvidenceKind::Connections, &[Omitted::Conntrack]),
        (EvidenceKind::History, &[Omitted::History]),
        (EvidenceKind::BothDirections, &[Omitted::OtherDirection, Omitted::Neighbours]),
        (EvidenceKind::Neighbours, &[Omitted::Neighbours]),
    ];
    let is_told = |of_kind: &[Omitted]| omitted.is_none_or(|omitted| !of_kind.contains(&omitted));
    kinds.into_iter().filter(|(_, of_kind)| is_told(of_kind)).map(|(kind, _)| kind).collect()
}

/// A second of the world as the engine has it.
pub(crate) fn at(t: Secs) -> Timestamp {
    Timestamp::from_millis(1_000_000_000_000 + u64::from(t) * 1000)
}

/// The facts of a world, without what is left out.
pub(crate) fn facts(world: &World, played: &Played, omitted: Option<Omitted>) -> Vec<Fact> {
    let told = |kind| omitted != Some(kind);
    let mut facts = Vec::new();
    for (index, row) in world.routes.iter().enumerate() {
        let is_left_out = (row.kind == Kind::Learned && !told(Omitted::LearnedRoutes))
            || (!told(Omitted::SomeRoutes) && (index as u64 + world.seed).is_multiple_of(5));
        if !is_left_out {
            facts.push(route(world, row));
        }
    }
    if told(Omitted::Bfd) {
        facts.extend(world.sessions.iter().map(|row| session(world, row)));
    }
    if told(Omitted::Bindings) {
        facts.extend(bindings(world));
    }
    if told(Omitted::StaticBindings) {
        facts.extend(static_bindings(world));
    }
    if told(Omitted::Ports) {
        (0..world.routers.len()).for_each(|router| facts.extend(ports(world, router)));
    }
    if told(Omitted::Zones) {
        facts.extend(zones(world));
    }
    if told(Omitted::Ovn) {
        let says = |(says, life)| Fact::Ovn(fact::Ovn { says, validity: validity(life) });
        facts.extend(ovn::told(world).into_iter().map(says));
    }
    if told(Omitted::Conntrack) {
        facts.extend(connections(world, played));
    }
    if told(Omitted::History) { since_the_start(facts, world) } else { at_the_end(facts, played) }
}

/// What a database tells whose history starts later: rows that stood then, from then on.
fn since_the_start(mut facts: Vec<Fact>, world: &World) -> Vec<Fact> {
    let start = at(world.history_start);
    facts.retain(|fact| fact.validity().is_none_or(|validity| validity.until.is_none_or(|until| until > start)));
    let validities = facts.iter_mut().filter_map(Fact::validity_mut);
    validities.for_each(|validity| validity.from = validity.from.max(Some(start)));
    facts
}

/// What stands at the end, without dates.
fn at_the_end(mut facts: Vec<Fact>, played: &Played) -> Vec<Fact> {
    let end = at(played.frames.last().map_or(0, |frame| frame.at));
    facts.retain(|fact| fact.validity().is_none_or(|validity| validity.holds(end)));
    facts.iter_mut().filter_map(Fact::validity_mut).for_each(|validity| *validity = Validity::ALWAYS);
    facts
}

/// Neighbours that the capture hears.
pub(crate) fn heard(world: &World, omitted: Option<Omitted>) -> Vec<HeardNeighbour> {
    let mut heard = world.heard.clone();
    heard.retain(|_| omitted != Some(Omitted::Neighbours));
    heard.sort_by_key(|heard| heard.at);
    heard.iter().map(|heard| HeardNeighbour { ip: heard.ip, mac: heard.mac, at: at(heard.at) }).collect()
}

fn validity(life: Life) -> Validity {
    Validity { from: Some(at(life.from)), until: life.until.map(at) }
}

fn route(world: &World, row: &Route) -> Fact {
    let router = &world.routers[row.router];
    let port = if row.is_inner { router.inner_port() } else { router.outer_port() };
    // A reference to a session that is gone is no reference (ovn-facts 3.1).
    let has_session = world.sessions.iter().any(|other| (other.router, other.peer) == (row.router, row.nexthop));
    Fact::Route(fact::Route {
        router: Some(router.name.into()),
        route_table: row.table.into(),
        policy: if matches!(row.kind, Kind::Source { .. }) { Policy::SrcIp } else { Policy::DstIp },
        prefix: row.prefix,
        nexthop: Some(row.nexthop),
        output_port: Some(port.as_str().into()),
        symmetric_reply: row.kind == Kind::Source { is_symmetric: true },
        override_connected: row.kind == Kind::Destination { overrides_connected: true },
        origin: if row.kind == Kind::Learned { RouteOrigin::Learned } else { RouteOrigin::Static },
        bfd: match row.has_bfd && has_session {
            true => BfdRef::Session { logical_port: port.into(), dst_ip: row.nexthop },
            false => BfdRef::None,
        },
        port_key: None,
        source: Source::Ovn,
        validity: validity(row.life),
    })
}

fn session(world: &World, row: &Session) -> Fact {
    Fact::Bfd(Bfd {
        logical_port: world.routers[row.router].outer_port().into(),
        dst_ip: row.peer,
        status: match row.status {
            Status::Up => BfdStatus::Up,
            Status::Init => BfdStatus::Init,
            Status::Down => BfdStatus::Down,
            Status::AdminDown => BfdStatus::AdminDown,
        },
        validity: validity(row.life),
    })
}

fn bindings(world: &World) -> impl Iterator<Item = Fact> {
    world.bindings.iter().map(|row| {
        Fact::Binding(fact::Binding {
            logical_port: Some(world.routers[row.router].outer_port().into()),
            ip: row.ip,
            mac: Some(row.mac),
            kind: BindingKind::MacBinding,
            confirmed: None,
            validity: validity(row.life),
        })
    })
}

fn static_bindings(world: &World) -> impl Iterator<Item = Fact> {
    world.statics.iter().map(|row| {
        Fact::Binding(fact::Binding {
            logical_port: Some(world.routers[row.router].outer_port().into()),
            ip: row.ip,
            mac: Some(row.mac),
            kind: BindingKind::StaticMacBinding { override_dynamic_mac: row.overrides },
            confirmed: None,
            validity: validity(Life::ALL),
        })
    })
}

/// UUID of a router's datapath.
fn uuid(router: usize) -> String {
    format!("00000000-0000-4000-8000-{router:012}")
}

fn ports(world: &World, router: usize) -> [Fact; 2] {
    let row = &world.routers[router];
    let outer = RouterPort {
        router: Some(row.name.into()),
        datapath: Some(uuid(router).into()),
        name: row.outer_port().into(),
        mac: Some(row.mac),
        addresses: vec![row.address],
        networks: vec![row.network],
        port_key: Some(row.key),
        route_table: Some("".into()),
        validity: validity(Life::ALL),
    };
    let inner = RouterPort {
        name: row.inner_port().into(),
        mac: Some(addresses::mac(0, 0x10 + router as u8)),
        addresses: Vec::new(),
        networks: vec![addresses::inside_network(world.is_v6)],
        port_key: Some(1),
        route_table: Some(row.table.into()),
        ..outer.clone()
    };
    [Fact::RouterPort(outer), Fact::RouterPort(inner)]
}

fn zones(world: &World) -> Vec<Fact> {
    let zone = |zone, name: String| Fact::Zone(Zone { zone, name: name.into(), validity: validity(Life::ALL) });
    let mut facts = vec![zone(50, "default_pod-5".to_owned())];
    for (index, router) in world.routers.iter().enumerate() {
        let user = if world.version.names_zones_by_uuid { uuid(index) } else { router.name.to_owned() };
        facts.push(zone(router.zone, format!("{user}_dnat")));
        facts.push(zone(0, format!("{user}_snat")));
        facts.push(Fact::Datapath(Datapath {
            uuid: uuid(index).into(),
            name: router.name.into(),
            is_router: true,
            validity: validity(Life::ALL),
        }));
    }
    facts
}

/// The conntrack table at the end.
fn connections(world: &World, played: &Played) -> Vec<Fact> {
    let own = played.entries.iter().enumerate().filter_map(|(flow, entry)| {
        let (entry, flow) = ((*entry)?, &world.flows[flow]);
        Some(own_entry(world, flow, entry))
    });
    let decoys = world.decoys.iter().map(|decoy| decoy_entry(&world.flows[decoy.flow], decoy));
    own.chain(decoys).map(Fact::Connection).collect()
}

/// The entry in the router's zone: MAC at label[32..79], port key at label[80..95] or mark[16..31] (ovn-facts 1.1).
fn own_entry(world: &World, flow: &Flow, entry: Entry) -> Connection {
    let router = &world.routers[flow.router];
    let (mut label, mut mark) = (0, 0);
    if let Some(mac) = entry.mac {
        label = u128::from(mac.to_bits()) << 32;
        match world.version.is_mark_form {
            true => mark = u32::from(router.key) << 16,
            false => label |= u128::from(router.key) << 80,
        }
    }
    let (pod, client) = (flow.tuple, flow.tuple.reversed());
    let (orig, reply) = if entry.is_opened_by_client { (client, pod) } else { (pod, client) };
    Connection { orig, reply, zone: router.zone, mark, label, id: None, offloaded: false, dying: false }
}

fn decoy_entry(flow: &Flow, decoy: &Decoy) -> Connection {
    let (pod, client) = (flow.tuple, flow.tuple.reversed());
    let (orig, reply) = if flow.is_of_host { (pod, client) } else { (client, pod) };
    let (zone, mark, label) = (decoy.zone, decoy.mark, decoy.label);
    Connection { orig, reply, zone, mark, label, id: None, offloaded: false, dying: false }
}

/// Whether the engine is shown the frame.
pub(crate) fn is_shown(frame: &Frame, omitted: Option<Omitted>) -> bool {
    omitted != Some(Omitted::OtherDirection) || frame.is_sent()
}
