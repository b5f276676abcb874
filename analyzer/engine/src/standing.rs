//! How a labelled conntrack entry stands: whether OVN sends its flow to the MAC in it, and whether that MAC is right.
//!
//! This is the one judgement of an entry. Listings, latent entries, repair and the explanation of a flow are projections
//! of it; the verdict on a packet asks for the same port and routes, and lets the packet itself prove the rest.

use std::net::IpAddr;
use std::rc::Rc;

use super::bfd::Liveness;
use super::fact::Connection;
use super::finding::{CitedConnection, CtDirection};
use super::knowledge::Knowledge;
use super::label::{self, PortForm};
use super::labelled::{Labelled, Leaving, each_labelled, labelled};
use super::lookalike;
use super::symmetric::{Symmetric, Symmetrics};
use super::zones::Owner;
use crate::types::{MacAddr, Timestamp, Tuple};

/// How a labelled entry stands. The texts say why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Standing {
    /// The MAC is no next hop's, and OVN would send the flow there.
    Stale,
    /// Whether the MAC is a next hop's cannot be told.
    Undetermined(&'static str),
    /// What the next hops are is not known now: a source has not told, or is lost for too long.
    Blind,
    /// The MAC is no next hop's, but OVN does not apply the entry.
    Unused(&'static str),
    /// The port field is 0 in either form: OVN does not apply the MAC.
    NotPinned,
    /// The zone is not one in which OVN reads such labels.
    NotHonoured,
    /// The MAC is on the list of MACs that are never a violation.
    Allowed,
    /// The MAC is a virtual router's (VRRP, HSRP).
    VirtualRouter,
    /// The MAC is that of these active next hops.
    Nexthop(Vec<IpAddr>),
}

impl Standing {
    /// The standing's stable name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Stale => "stale",
            Self::Undetermined(_) | Self::Blind => "undetermined",
            Self::Unused(_) => "unused",
            Self::NotPinned | Self::NotHonoured => "not-honoured",
            Self::Allowed => "allowed",
            Self::VirtualRouter => "virtual-router",
            Self::Nexthop(_) => "nexthop",
        }
    }

    /// Why the entry stands so, where its name does not say it.
    pub fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Undetermined(why) | Self::Unused(why) => Some(why),
            Self::Blind => Some("the next hops are not known now"),
            Self::NotPinned => Some("the port field of the entry is 0"),
            Self::NotHonoured => Some("the zone is not a router's own"),
            Self::Stale | Self::Allowed | Self::VirtualRouter | Self::Nexthop(_) => None,
        }
    }

    /// The active next hops whose MAC it is.
    pub fn nexthops(&self) -> &[IpAddr] {
        match self {
            Self::Nexthop(nexthops) => nexthops,
            _ => &[],
        }
    }

    /// Whether OVN would send the flow to a MAC that is no next hop's.
    pub fn is_stale(&self) -> bool {
        *self == Self::Stale
    }

    /// Whether it is not known how the entry stands.
    pub fn is_undetermined(&self) -> bool {
        matches!(self, Self::Undetermined(_) | Self::Blind)
    }

    /// Place in listings: what needs attention comes first.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Stale => 0,
            Self::Undetermined(_) | Self::Blind => 1,
            Self::Unused(_) => 2,
            Self::NotPinned | Self::NotHonoured => 3,
            Self::Allowed | Self::VirtualRouter => 4,
            Self::Nexthop(_) => 5,
        }
    }
}

/// What OVN does with labels, as far as it is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Behaviour {
    /// Ports are read in the mark. northd matches the port in one place at a time, and moves to the mark for good.
    ports_are_in_marks: bool,
}

impl Behaviour {
    /// What the entries that are known tell of it.
    pub(super) fn new(knowledge: &Knowledge, at: Timestamp) -> Self {
        let may_be_router = |zone: u16| !matches!(knowledge.zones.owner(zone, at), Owner::Other { .. });
        let in_mark = |connection: &Connection| {
            label::decode(connection.label, connection.mark).is_some_and(|reply| reply.form == PortForm::Mark)
        };
        let mut entries = knowledge.connections.all().iter();
        let ports_are_in_marks = entries.any(|connection| in_mark(connection) && may_be_router(connection.zone))
            || knowledge.mark_zones.iter().any(|&zone| may_be_router(zone));
        Self { ports_are_in_marks }
    }
}

/// A labelled entry with all that its standing rests on.
#[derive(Debug)]
pub(super) struct Pinned<'a> {
    pub(super) entry: Labelled<'a>,
    /// The tuple of the direction that leaves the node.
    pub(super) leaving: Tuple,
    /// Symmetric routes of the flow on the router that tracks in the entry's zone.
    pub(super) symmetric: Rc<Symmetric<'a>>,
    pub(super) standing: Standing,
}

/// How entries stand at one time, with what they have in common.
#[derive(Debug)]
pub(super) struct Standings<'a> {
    knowledge: &'a Knowledge,
    at: Timestamp,
    behaviour: Behaviour,
    symmetrics: Symmetrics<'a>,
}

impl<'a> Standings<'a> {
    pub(super) fn new(knowledge: &'a Knowledge, at: Timestamp) -> Self {
        Self { knowledge, at, behaviour: Behaviour::new(knowledge, at), symmetrics: Symmetrics::default() }
    }

    /// Visits all labelled entries.
    pub(super) fn each(mut self, mut visit: impl FnMut(Pinned<'a>)) {
        each_labelled(self.knowledge, self.at, |leaving, entry| visit(self.judge(entry, leaving, false)));
    }

    /// Judges one labelled entry; `None` where it holds no MAC.
    pub(super) fn of(&mut self, connection: &'a Connection) -> Option<Pinned<'a>> {
        let leaving = Leaving::new(self.knowledge, self.at).of(connection);
        let mut entries = labelled(self.knowledge, leaving, self.at).into_iter();
        let entry = entries.find(|entry| std::ptr::eq(entry.connection, connection))?;
        Some(self.judge(entry, leaving, false))
    }

    /// Judges an entry of the flow that leaves with `leaving`. `is_followed` says that the flow's last packets left to the
    /// entry's MAC, which proves that OVN reads the port where the entry has it.
    pub(super) fn judge(&mut self, entry: Labelled<'a>, leaving: Tuple, is_followed: bool) -> Pinned<'a> {
        let router = Some(&entry.owner).filter(|owner| !matches!(owner, Owner::Other { .. }));
        let symmetric = self.symmetrics.of(self.knowledge, leaving, router, self.at);
        let mut pinned = Pinned { entry, leaving, symmetric, standing: Standing::Stale };
        pinned.standing = self.standing(&pinned, is_followed);
        pinned
    }

    fn standing(&self, pinned: &Pinned<'a>, is_followed: bool) -> Standing {
        if pinned.entry.reply.port == 0 {
            return Standing::NotPinned;
        }
        if matches!(pinned.entry.owner, Owner::Other { .. }) {
            return Standing::NotHonoured;
        }
        if self.knowledge.blind.holds(self.at) {
            return Standing::Blind;
        }
        match self.rightness(pinned) {
            Some(standing) => standing,
            None => self.unused(pinned, is_followed).map_or(Standing::Stale, Standing::Unused),
        }
    }

    /// What is known of the MAC; `None` where it is surely no next hop's.
    fn rightness(&self, pinned: &Pinned<'a>) -> Option<Standing> {
        let (mac, symmetric, way) = (pinned.mac(), &pinned.symmetric, &pinned.symmetric.way);
        let legal: Vec<IpAddr> = way.legal(mac).map(|hop| hop.ip).collect();
        let is_watched = way.having(mac).any(|hop| hop.liveness == Liveness::Unknown);
        if !legal.is_empty() {
            Some(Standing::Nexthop(legal))
        } else if self.knowledge.settings.allowed.contains(&mac) {
            Some(Standing::Allowed)
        } else if lookalike::is_virtual_router(mac) {
            Some(Standing::VirtualRouter)
        } else if self.knowledge.routes.is_empty() {
            Some(Standing::Undetermined("nothing tells routes"))
        } else if is_watched || symmetric.may_all_be_down {
            Some(Standing::Undetermined("a BFD session watches a next hop of the flow, and nothing tells its state"))
        } else if way.unresolved().is_some() {
            Some(Standing::Undetermined("a next hop of the flow has no known MAC, so this may be its"))
        } else if way.may_be(mac) {
            Some(Standing::Undetermined(
                "a next hop of the flow is a port of OVN's own, and nothing tells its MAC for certain",
            ))
        } else if symmetric.is_empty() && self.knowledge.may_be_translated(pinned.leaving.src, self.at) {
            Some(Standing::Undetermined("the source is a translated one, and nothing tells whose packets these are"))
        } else {
            None
        }
    }

    /// Why OVN does not apply the entry to the flow.
    fn unused(&self, pinned: &Pinned<'a>, is_followed: bool) -> Option<&'static str> {
        let (reply, symmetric) = (pinned.entry.reply, &pinned.symmetric);
        let is_unread = reply.form == PortForm::Label && self.behaviour.ports_are_in_marks;
        if symmetric.is_empty() {
            Some("no route with symmetric reply applies to the flow")
        } else if symmetric.is_down && !is_followed {
            // northd leaves out routes whose session is down (`parsed_routes_add_static`), and with the last its flows go.
            Some("all next hops of the flow's routes with symmetric reply are down")
        } else if !symmetric.leaves_by(reply.port) {
            Some("the port in the entry is not that of the flow's symmetric route")
        } else if is_unread && !is_followed {
            Some("its port stands in the label, where OVN no longer reads it: other entries have theirs in the mark")
        } else if !pinned.entry.believed {
            Some("the flow has an entry in a router's own zone, which is the one that OVN reads")
        } else {
            None
        }
    }
}

impl<'a> Pinned<'a> {
    pub(super) fn mac(&self) -> MacAddr {
        self.entry.reply.eth
    }

    pub(super) fn connection(&self) -> &'a Connection {
        self.entry.connection
    }

    /// The entry as output shows it, told in the direction that leaves.
    pub(super) fn cite(&self) -> CitedConnection {
        let direction = match self.connection().orig == self.leaving {
            true => CtDirection::Orig,
            false => CtDirection::Reply,
        };
        CitedConnection { direction, ..self.entry.cite() }
    }
}
