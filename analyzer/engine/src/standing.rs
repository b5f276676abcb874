//! How a labelled conntrack entry stands: whether OVN sends its flow to the MAC in it, and whether that MAC is right.
//!
//! This is the one judgement of an entry. Listings, latent entries, repair and the explanation of a flow are projections
//! of it. It asks for the routes that decide a packet of the flow, and calls an entry stale only if the verdict on a packet
//! to its MAC would blame it.

mod proof;

use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::OnceCell;
use core::net::IpAddr;

use analyzer_ebpf::abi::{Direction, LinkTags};
use hashbrown::{HashMap, HashSet};

pub use self::proof::Left;
use super::behaviour::{Applies, Behaviour};
use super::bfd::Liveness;
use super::case::Case;
use super::context::{Context, Remembered};
use super::decided::{Decided, Outcome};
use super::epoch::Epochs;
use super::fact::{BfdRef, Connection, Gap, Scope};
use super::finding::{CitedConnection, CtDirection};
use super::flow::Flow;
use super::gaps::Packet;
use super::knowledge::{Hop, Knowledge};
use super::labelled::{Labelled, Leaving, labelled};
use super::lookalike;
use super::observation::Observation;
use super::symmetric::{Symmetric, Symmetrics};
use super::table;
use super::verdict::{Undetermined, Verdict};
use super::watch::Watched;
use super::zones::Owner;
use crate::types::{MacAddr, Timestamp, Tuple};

/// How a labelled entry stands. The texts say why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Standing {
    /// The MAC is no next hop's, and OVN would send the flow there.
    Stale,
    /// Whether the MAC is a next hop's cannot be told.
    Undetermined(&'static str),
    /// The MAC is no next hop's, and whether OVN applies the entry cannot be told.
    MayApply(&'static str),
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
            Self::Undetermined(_) | Self::MayApply(_) | Self::Blind => "undetermined",
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
            Self::Undetermined(why) | Self::MayApply(why) | Self::Unused(why) => Some(why),
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
        matches!(self, Self::Undetermined(_) | Self::MayApply(_) | Self::Blind)
    }

    /// Place in listings: what needs attention comes first.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Stale => 0,
            Self::Undetermined(_) | Self::MayApply(_) | Self::Blind => 1,
            Self::Unused(_) => 2,
            Self::NotPinned | Self::NotHonoured => 3,
            Self::Allowed | Self::VirtualRouter => 4,
            Self::Nexthop(_) => 5,
        }
    }
}

const UNREADABLE: &str = "what was given and could not be read may make the MAC right, or another entry count";
const UNRESOLVED: &str = "a next hop of the flow has no known MAC, so this may be its";
const TRANSLATED: &str = "the source is a translated one, and nothing tells whose packets these are";

/// Addresses by which the state and the MACs of a next hop are found.
fn found_by(hop: &Hop<'_>) -> impl Iterator<Item = IpAddr> + use<> {
    let peer = match &hop.route.bfd {
        BfdRef::Session { dst_ip, .. } => Some(*dst_ip),
        BfdRef::None | BfdRef::Attached | BfdRef::Status(_) | BfdRef::Unread => None,
    };
    core::iter::once(hop.ip).chain(peer)
}

/// The sender of packets that nobody has seen.
const NOBODY: MacAddr = MacAddr([0; 6]);

/// What was asked for entries of one flow, of which there may be one in each zone.
#[derive(Default)]
struct Asked<'a> {
    /// What decides the flow's packets, by their sender.
    decided: HashMap<MacAddr, Rc<Decided<'a>>>,
    /// How entries stand that OVN applies, by sender and destination of their packets.
    blamed: HashMap<(MacAddr, MacAddr), Standing>,
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
    /// Gaps that have a word in it.
    pub(super) gaps: Vec<&'a Gap>,
    /// Whether it stands so for want of any word on which OVN this is.
    pub(super) rests_on_version: bool,
}

/// How entries stand at one time, with what they have in common.
#[derive(Debug)]
pub(super) struct Standings<'a> {
    knowledge: &'a Knowledge,
    at: Timestamp,
    behaviour: Behaviour<'a>,
    symmetrics: Symmetrics<'a>,
    context: Context<'a>,
}

impl<'a> Standings<'a> {
    pub(super) fn new(knowledge: &'a Knowledge, epochs: &'a Epochs, at: Timestamp) -> Self {
        let (behaviour, context) = (Behaviour::new(knowledge, at), Context::new(epochs));
        Self { knowledge, at, behaviour, symmetrics: Symmetrics::default(), context }
    }

    /// Visits all labelled entries, flow by flow, with the answers that they share.
    pub(super) fn each(mut self, mut visit: impl FnMut(&mut Remembered, Pinned<'a>)) {
        let mut leaving = Leaving::new(self.knowledge, self.at);
        let mut seen = HashSet::new();
        for connection in self.knowledge.connections.all() {
            let tuple = leaving.of(connection);
            if !seen.insert(tuple) {
                continue;
            }
            for pinned in self.of_flow(tuple, None) {
                // An entry without ports stands for several flows, and has a tuple of its own.
                if leaving.of(pinned.connection()) == tuple {
                    visit(&mut self.context.remembered, pinned);
                }
            }
        }
    }

    /// Judges one labelled entry, of whose flow these were the last packets; `None` where it holds no MAC.
    pub(super) fn of(&mut self, connection: &'a Connection, last: Option<Left>) -> Option<Pinned<'a>> {
        let leaving = Leaving::new(self.knowledge, self.at).of(connection);
        self.of_flow(leaving, last).into_iter().find(|pinned| core::ptr::eq(pinned.connection(), connection))
    }

    /// Whether the entry, were it its flow's only one, may hold a MAC outside the set.
    pub(super) fn watched(&mut self, connection: &'a Connection) -> Watched {
        let leaving = Leaving::new(self.knowledge, self.at).of(connection);
        let is_orig = connection.orig == leaving;
        let direction = if is_orig { CtDirection::Orig } else { CtDirection::Reply };
        let Some(entry) = Labelled::new(self.knowledge, connection, direction, leaving, self.at) else {
            return Watched::default();
        };
        if self.out_of_question(&entry).is_some() {
            return Watched::default();
        }
        let flow = Flow::labelled(self.knowledge, self.at, leaving, vec![entry.clone()]);
        let decided = flow.decided(&mut self.context, NOBODY);
        let symmetric = self.symmetrics.of(self.knowledge, leaving, Some(&entry.owner), self.at);
        let pinned = Pinned::new(entry, leaving, symmetric);
        let is_outside = self.rightness(&pinned, &decided).is_none();
        let routes = match &decided.outcome {
            Outcome::Routes(routes) => Some([&routes.all.hops, &routes.after.hops]),
            Outcome::Elsewhere(_) => None,
        };
        let hops = routes.into_iter().flatten().chain([&pinned.symmetric.way.hops]).flatten();
        Watched { is_outside, hops: hops.flat_map(found_by).collect() }
    }

    /// Judges the entries of the flow that leaves with `leaving`, the believed ones first. Where one holds the MAC that the
    /// flow's last packets left to, they prove that OVN reads the port where the entry has it.
    pub(super) fn of_flow(&mut self, leaving: Tuple, last: Option<Left>) -> Vec<Pinned<'a>> {
        let entries = labelled(self.knowledge, leaving, self.at);
        if entries.is_empty() {
            return Vec::new();
        }
        let flow = Flow::labelled(self.knowledge, self.at, leaving, entries);
        let mut asked = Asked::default();
        let judged = |entry: &Labelled<'a>| {
            let followed = last.filter(|last| entry.believed && last.eth_dst == entry.reply.eth);
            self.judge(&flow, &mut asked, entry.clone(), followed)
        };
        flow.labelled.iter().map(judged).collect()
    }

    fn judge(
        &mut self,
        flow: &Flow<'a>,
        asked: &mut Asked<'a>,
        entry: Labelled<'a>,
        followed: Option<Left>,
    ) -> Pinned<'a> {
        let leaving = flow.inner;
        let router = Some(&entry.owner).filter(|owner| !matches!(owner, Owner::Other { .. }));
        let symmetric = self.symmetrics.of(self.knowledge, leaving, router, self.at);
        let mut pinned = Pinned::new(entry, leaving, symmetric);
        pinned.standing = self.standing(flow, asked, &mut pinned, followed);
        if pinned.standing == Standing::Stale && !self.is_proved(&pinned, followed) {
            let applies = self.behaviour.applies(&pinned.entry, leaving, &pinned.symmetric);
            pinned.rests_on_version = applies == Applies::Untold;
            pinned.standing = self.applied(applies);
        }
        pinned
    }

    /// How an entry stands if OVN reads its port, whatever its release is.
    fn standing(
        &mut self,
        flow: &Flow<'a>,
        asked: &mut Asked<'a>,
        pinned: &mut Pinned<'a>,
        followed: Option<Left>,
    ) -> Standing {
        if let Some(standing) = self.out_of_question(&pinned.entry) {
            return standing;
        }
        let eth_src = followed.map_or(NOBODY, |left| left.eth_src);
        let decided = asked.decided.entry(eth_src).or_insert_with(|| flow.decided(&mut self.context, eth_src));
        let decided = Rc::clone(decided);
        if let Some(standing) = self.rightness(pinned, &decided) {
            return standing;
        }
        if !self.knowledge.gaps.is_empty() && self.is_in_gap(flow, &decided, pinned) {
            return Standing::Undetermined(UNREADABLE);
        }
        if let Some(why) = self.unused(pinned, followed.is_some()) {
            return Standing::Unused(why);
        }
        let key = (eth_src, pinned.mac());
        asked.blamed.entry(key).or_insert_with(|| self.blamed(flow, decided, key)).clone()
    }

    /// How an entry stands whose MAC need not be looked at.
    fn out_of_question(&self, entry: &Labelled<'_>) -> Option<Standing> {
        if entry.reply.port == 0 {
            Some(Standing::NotPinned)
        } else if matches!(entry.owner, Owner::Other { .. }) {
            Some(Standing::NotHonoured)
        } else {
            self.knowledge.blind.holds(self.at).then_some(Standing::Blind)
        }
    }

    /// What is known of the MAC; `None` where it is no next hop's of the routes that decide the flow's packets.
    fn rightness(&self, pinned: &Pinned<'a>, decided: &Decided<'a>) -> Option<Standing> {
        let (mac, symmetric) = (pinned.mac(), &pinned.symmetric);
        let (deciding, all) = match &decided.outcome {
            Outcome::Routes(routes) => (Some(&routes.deciding), Some(&routes.all)),
            Outcome::Elsewhere(_) => (None, None),
        };
        let legal: Vec<IpAddr> = deciding.into_iter().flat_map(|way| way.legal(mac)).map(|hop| hop.ip).collect();
        let is_watched = || all.is_some_and(|way| way.having(mac).any(|hop| hop.liveness == Liveness::Unknown));
        if !legal.is_empty() {
            Some(Standing::Nexthop(legal))
        } else if self.knowledge.settings.allowed.contains(&mac) {
            Some(Standing::Allowed)
        } else if lookalike::is_virtual_router(mac) {
            Some(Standing::VirtualRouter)
        } else if self.knowledge.routes.is_empty() {
            Some(Standing::Undetermined("nothing tells routes"))
        } else if is_watched() || symmetric.may_all_be_down {
            Some(Standing::Undetermined("a BFD session watches a next hop of the flow, and nothing tells its state"))
        } else if all.is_some_and(|way| way.unresolved().is_some()) {
            Some(Standing::Undetermined(UNRESOLVED))
        } else if all.is_some_and(|way| way.may_be(mac)) {
            Some(Standing::Undetermined(
                "a next hop of the flow is a port of OVN's own, and nothing tells its MAC for certain",
            ))
        } else if symmetric.is_empty() && self.knowledge.may_be_translated(pinned.leaving.src, self.at) {
            Some(Standing::Undetermined(TRANSLATED))
        } else {
            None
        }
    }

    /// Whether what could not be read may decide how the entry stands, by the set as it is now.
    fn is_in_gap(&self, flow: &Flow<'a>, decided: &Decided<'a>, pinned: &mut Pinned<'a>) -> bool {
        let routes = match &decided.outcome {
            Outcome::Routes(routes) => Some(routes),
            Outcome::Elsewhere(_) => None,
        };
        let packet = Packet {
            knowledge: self.knowledge,
            tuples: [flow.wire, flow.inner],
            at: self.at,
            since: self.at,
            mac: pinned.mac(),
            is_heard: false,
            way: routes.map(|routes| &*routes.all),
            is_pinned: true,
            is_open: pinned.symmetric.is_empty() && routes.is_some_and(|routes| routes.by_destination),
            labelled: core::slice::from_ref(&pinned.entry),
            candidates: OnceCell::new(),
        };
        let packet = packet.since_it_matters();
        let is_decided = packet.entry_decided_by(&pinned.entry).next().is_some();
        pinned.gaps = packet.touched_by().collect();
        is_decided
    }

    /// How an entry stands if OVN applies it, by the verdict on a packet from `eth_src` to its MAC.
    fn blamed(&mut self, flow: &Flow<'a>, decided: Rc<Decided<'a>>, (eth_src, mac): (MacAddr, MacAddr)) -> Standing {
        let packet = Observation {
            nic: 0,
            tags: LinkTags::NONE.with_direction(Direction::Outbound),
            eth_src,
            eth_dst: mac,
            tuple: flow.wire,
            packets: 1,
            bytes: 0,
            first: self.at,
            last: self.at,
        };
        let carriers = flow.labelled.iter().filter(|entry| entry.reply.eth == mac).cloned().collect();
        let flow = Flow::labelled(self.knowledge, self.at, flow.wire, carriers);
        let case = Case::new(self.knowledge, &mut self.context, &packet).of_flow(flow, decided);
        let judgement = table::judge_case(case);
        match judgement.verdict {
            Verdict::Violating(_) | Verdict::Grace => Standing::Stale,
            Verdict::Conforming => Standing::Nexthop(judgement.legal_for),
            Verdict::Undetermined(Undetermined::NexthopUnresolved) => Standing::Undetermined(UNRESOLVED),
            Verdict::Undetermined(Undetermined::TranslatedSource) => Standing::Undetermined(TRANSLATED),
            Verdict::Undetermined(Undetermined::UnreadableInput) => Standing::Undetermined(UNREADABLE),
            Verdict::Undetermined(_) => {
                Standing::Undetermined("nothing tells for certain what decides the flow's packets")
            }
            Verdict::NotCovered(_) | Verdict::Info(_) => {
                Standing::Unused("no route of ours decides the flow's packets")
            }
        }
    }

    /// How an entry stands that would be stale if this OVN applied it.
    fn applied(&self, applies: Applies) -> Standing {
        let is_lost = || self.knowledge.gaps.holding(self.at).any(|gap| gap.scope == Scope::Behaviour);
        match applies {
            Applies::Yes | Applies::Untold if is_lost() => {
                Standing::MayApply("what tells of this OVN's behaviour could not be read")
            }
            Applies::Yes | Applies::Untold => Standing::Stale,
            Applies::May(why) => Standing::MayApply(why),
            Applies::No(why) => Standing::Unused(why),
        }
    }

    /// Why OVN does not apply the entry to the flow, whatever its release is.
    fn unused(&self, pinned: &Pinned<'a>, is_followed: bool) -> Option<&'static str> {
        let (reply, symmetric) = (pinned.entry.reply, &pinned.symmetric);
        if symmetric.is_empty() {
            Some("no route with symmetric reply applies to the flow")
        } else if symmetric.is_down && !is_followed {
            // northd leaves out routes whose session is down (`parsed_routes_add_static`), and with the last its flows go.
            Some("all next hops of the flow's routes with symmetric reply are down")
        } else if !symmetric.leaves_by(reply.port) {
            Some("the port in the entry is not that of the flow's symmetric route")
        } else if !pinned.entry.believed {
            Some("the flow has an entry in a router's own zone, which is the one that OVN reads")
        } else {
            None
        }
    }
}

impl<'a> Pinned<'a> {
    /// One that nobody has judged.
    fn new(entry: Labelled<'a>, leaving: Tuple, symmetric: Rc<Symmetric<'a>>) -> Self {
        Self { entry, leaving, symmetric, standing: Standing::Stale, gaps: Vec::new(), rests_on_version: false }
    }

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
