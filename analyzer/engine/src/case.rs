//! A case under judgement: what the rows of the decision table ask for of one observation's packets.
//!
//! Each answer is looked up once, and only when a row asks: most packets conform, and need none of what explains a wrong
//! MAC. There are no verdicts here.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{OnceCell, RefCell, RefMut};
use core::cmp::max_by_key;
use core::net::IpAddr;

use analyzer_ebpf::abi::Direction;

use super::bfd::Liveness;
use super::context::Context;
use super::decided::{Decided, Outcome, Routes, Time, Way};
use super::fact::EvidenceKind;
use super::finding::{Heard, LastLegal};
use super::flow::Flow;
use super::gaps::Packet;
use super::knowledge::{Hop, Knowledge};
use super::labelled::Labelled;
use super::observation::Observation;
use super::routes::Group;
use crate::types::{MacAddr, Timestamp};

/// Times for which it is remembered what lies inside the cluster.
const MAX_TIMES: usize = 64;

/// The packets of one observation. All of them lie in one epoch, so the first stands for all.
#[derive(Debug)]
pub(super) struct Case<'a, 'c> {
    pub(super) knowledge: &'a Knowledge,
    pub(super) seen: &'c Observation,
    context: RefCell<&'c mut Context<'a>>,
    /// Whether conntrack entries of the flow are left out of account.
    is_plain: bool,
    flow: OnceCell<Flow<'a>>,
    decided: OnceCell<Rc<Decided<'a>>>,
    unknown_sender: OnceCell<Option<&'static str>>,
    last_legal: OnceCell<Option<LastLegal>>,
    heard: OnceCell<Option<Heard>>,
}

/// What the rows asked for that a finding shows.
pub(super) struct Asked<'a> {
    pub(super) labelled: Vec<Labelled<'a>>,
    pub(super) last_legal: Option<LastLegal>,
    pub(super) heard: Option<Heard>,
}

impl<'a, 'c> Case<'a, 'c> {
    pub(super) fn new(knowledge: &'a Knowledge, context: &'c mut Context<'a>, seen: &'c Observation) -> Self {
        Self {
            knowledge,
            seen,
            context: RefCell::new(context),
            is_plain: false,
            flow: OnceCell::new(),
            decided: OnceCell::new(),
            unknown_sender: OnceCell::new(),
            last_legal: OnceCell::new(),
            heard: OnceCell::new(),
        }
    }

    /// The same as if no conntrack entry of the flow were known.
    pub(super) fn without_entries(self) -> Self {
        Self { is_plain: true, ..self }
    }

    /// The same where the flow, and what decides it, are known beforehand.
    pub(super) fn of_flow(self, flow: Flow<'a>, decided: Rc<Decided<'a>>) -> Self {
        Self { flow: OnceCell::from(flow), decided: OnceCell::from(decided), ..self }
    }

    /// What is known beyond the facts. No two of these may live at a time.
    pub(super) fn context(&self) -> RefMut<'_, &'c mut Context<'a>> {
        self.context.borrow_mut()
    }

    pub(super) fn at(&self) -> Timestamp {
        self.seen.first
    }

    /// The flow and its labelled entries.
    pub(super) fn flow(&self) -> &Flow<'a> {
        self.flow.get_or_init(|| match self.is_plain {
            true => Flow::without_entries(self.knowledge, self.at(), self.seen.tuple),
            false => Flow::new(self.knowledge, self.seen),
        })
    }

    /// Whether the source is one that routes by source know.
    pub(super) fn is_routed_source(&self) -> bool {
        self.knowledge.routes.is_routed_source(self.seen.tuple.src)
    }

    /// Whether the flow's entries tell that the host itself sends it.
    pub(super) fn is_host_traffic(&self) -> bool {
        !self.is_plain && self.knowledge.connections.is_host_traffic(self.seen.tuple)
    }

    /// What decides the packets.
    pub(super) fn decided(&self) -> &Decided<'a> {
        self.decided.get_or_init(|| self.flow().decided(&mut self.context(), self.seen.eth_src))
    }

    /// The routes that decide the packets; `None` where none of ours do.
    pub(super) fn routes(&self) -> Option<&Routes<'a>> {
        match &self.decided().outcome {
            Outcome::Elsewhere(_) => None,
            Outcome::Routes(routes) => Some(routes),
        }
    }

    /// Whether the packets go to a MAC that is, or was, that of a next hop of these routes.
    pub(super) fn goes_to_one_of(&self, way: &Way<'a>) -> bool {
        let Some(mac) = self.seen.eth_dst() else { return false };
        // What a rule puts behind another MAC says nothing of a time before.
        let names = |hop: &Hop<'a>| !hop.lladdrs.overruled.contains(&mac);
        let last_legal = &mut self.context().remembered.last_legal;
        let mut was_legal =
            |group: &Group<'a>| last_legal.of_route(self.knowledge, &group.id(), mac, self.at()).is_some();
        way.naming(mac).any(names) || self.knowledge.knows(mac) && way.groups.iter().any(&mut was_legal)
    }

    /// The MAC that the flow's latest request came from.
    pub(super) fn requester(&self) -> Option<MacAddr> {
        self.context().inbound.requester(self.seen.tuple, self.seen.last)
    }

    /// Whether the source may be a translated one, and a route by destination decides, which holds for all sources.
    pub(super) fn may_be_of_any_source(&self) -> bool {
        let flow = self.flow();
        flow.inner == flow.wire && self.routes().is_some_and(|routes| routes.by_destination)
    }

    /// Whether a router port or a NAT rule is known that gives the source's address.
    pub(super) fn is_translated(&self) -> bool {
        self.knowledge.may_be_translated(self.seen.tuple.src, self.at())
    }

    /// Whether the routers' ports, and so their networks, are known.
    pub(super) fn are_ports_told(&self) -> bool {
        !self.knowledge.ports.is_empty()
    }

    /// The next hops for which the MAC is legal for some route by source.
    pub(super) fn legal_by_source(&self, mac: MacAddr) -> Option<Vec<IpAddr>> {
        let mut context = self.context();
        let epoch = context.epochs.at(self.at()).id;
        let by_source = &mut context.remembered.legal_by_source;
        by_source.entry(epoch).or_insert_with(|| self.knowledge.legal_by_source(self.at())).get(&mac).cloned()
    }

    /// Why it cannot be told who sent the packets; `None` where the source is the sender's own.
    pub(super) fn unknown_sender(&self) -> Option<&'static str> {
        *self.unknown_sender.get_or_init(|| {
            let deciding = &self.routes()?.deciding;
            let is_told = self.are_ports_told();
            if self.is_translated() || !is_told && deciding.may_share_link(self.seen.tuple.src) {
                Some("the source is the node's or a translated one, and no conntrack entry tells whose packet it is")
            } else if is_told && self.is_outside(deciding) {
                Some("the source is behind no inner port of the router: a host's, a service's or a translated one")
            } else {
                None
            }
        })
    }

    /// Whether none of the routers has the source behind it, as far as they are known.
    fn is_outside(&self, way: &Way<'a>) -> bool {
        let mut context = self.context();
        let time = Time::new(context.epochs, self.at());
        if context.inward.len() >= MAX_TIMES {
            context.inward.clear();
        }
        let inward = context.inward.entry(time).or_insert_with(|| self.knowledge.inward(self.at()));
        let src = self.seen.tuple.src;
        way.routers.iter().all(|router| self.knowledge.is_outside(inward, router, src, self.at()))
    }

    /// When the MAC was last legal for the packets: for the routes that decide, for one that decided before, or for one to
    /// which a label pinned the flow, though no row may tell it any longer.
    pub(super) fn last_legal(&self, mac: MacAddr) -> Option<&LastLegal> {
        let look = || {
            let way = &self.routes()?.all;
            let flow = self.flow();
            let ends = (flow.inner.src, flow.inner.dst);
            let last_legal = &mut self.context().remembered.last_legal;
            way.last_legal(mac, || {
                let decided = last_legal.of(self.knowledge, &way.groups, ends, mac, self.at());
                let pinned = last_legal.of_routes(self.knowledge, &flow.ever_pinned(), mac, self.at());
                max_by_key(pinned, decided, |found| found.as_ref().map(|last| last.until))
            })
        };
        self.last_legal.get_or_init(look).as_ref()
    }

    /// Labelled entries of the flow that hold the MAC, of those that OVN reads.
    pub(super) fn carriers(&self, mac: MacAddr) -> impl Iterator<Item = &Labelled<'a>> {
        self.flow().labelled.iter().filter(move |entry| entry.believed && entry.reply.eth == mac)
    }

    /// Whether OVN would honour one of them.
    pub(super) fn is_carried(&self, mac: MacAddr) -> bool {
        self.carriers(mac).any(|entry| self.decided().applies(entry))
    }

    /// Whether older evidence for a next hop that is up names the MAC.
    pub(super) fn is_older(&self, mac: MacAddr) -> bool {
        let is_older =
            |way: &Way<'a>| way.naming(mac).any(|hop| hop.liveness == Liveness::Up && hop.lladdrs.older.contains(&mac));
        self.routes().is_some_and(|routes| is_older(&routes.all))
    }

    /// Packets of the flow's other direction that came from the MAC within the window and after it left the set; where
    /// nothing tells when that was, all of them.
    pub(super) fn heard(&self, mac: MacAddr) -> Option<Heard> {
        *self.heard.get_or_init(|| {
            let (seen, window) = (self.seen, self.knowledge.settings.heard_window);
            let since = seen.last.saturating_sub(window).max(self.outside_since(mac).unwrap_or_default());
            let context = self.context();
            let heard = |since, until| context.inbound.heard(seen.tuple, mac, since, until);
            heard(since, seen.last).or_else(|| heard(self.still_sends_from(mac)?, seen.last.saturating_add(window)))
        })
    }

    /// Whether the packets heard show that the MAC's owner was alive after it left the set. Where nothing tells when that
    /// was, it has to send still as the last packet leaves to it.
    pub(super) fn is_alive(&self, mac: MacAddr) -> bool {
        let until = self.seen.last.saturating_add(self.knowledge.settings.heard_window);
        let still_sends = |since| self.context().inbound.heard(self.seen.tuple, mac, since, until).is_some();
        self.heard(mac).is_some() && self.still_sends_from(mac).is_none_or(still_sends)
    }

    /// From when on packets from the MAC show that its owner was alive as the last packet left, where nothing tells since
    /// when the MAC is outside the set.
    fn still_sends_from(&self, mac: MacAddr) -> Option<Timestamp> {
        self.outside_since(mac).is_none().then(|| self.seen.last.saturating_sub(self.knowledge.settings.still))
    }

    /// From when on the MAC is known to be outside the set: it left it then, or the set is known from then on.
    fn outside_since(&self, mac: MacAddr) -> Option<Timestamp> {
        let left = self.last_legal(mac).map(|last| last.until);
        left.max(self.knowledge.dated_from()).max(self.knowledge.blind.last_end(self.at()))
    }

    /// Whether packets of the flow's other direction were seen, or would have been.
    pub(super) fn is_other_direction_seen(&self) -> bool {
        self.knowledge.given.contains(EvidenceKind::BothDirections)
            || self.context().inbound.is_complete(self.seen.tuple)
    }

    /// The packet as gaps are held against it. Where its receiver was heard, it matters what the MAC ever was.
    pub(super) fn packet(&self, mac: MacAddr) -> Packet<'_, 'a> {
        let ever = Timestamp::default();
        let is_heard = self.context().inbound.heard(self.seen.tuple, mac, ever, Timestamp::MAX).is_some();
        let since = if is_heard { ever } else { self.at().saturating_sub(self.knowledge.settings.grace) };
        let flow = self.flow();
        let packet = Packet {
            knowledge: self.knowledge,
            tuples: [flow.wire, flow.inner],
            at: self.at(),
            since,
            mac,
            is_heard,
            way: self.routes().map(|routes| &*routes.all),
            is_pinned: !self.decided().applying.is_empty(),
            is_open: self.may_be_of_any_source() || self.may_be_received(),
            labelled: &flow.labelled,
            candidates: OnceCell::new(),
        };
        packet.since_it_matters()
    }

    /// Whether packets of these addresses may come in as well as leave.
    pub(super) fn may_arrive(&self) -> bool {
        self.routes().is_some_and(|routes| routes.by_destination)
            || self.knowledge.routes.is_routed_source(self.seen.tuple.dst)
    }

    /// Whether it is the next hops' MACs that tell whether the packets were sent.
    fn may_be_received(&self) -> bool {
        let is_router = |mac| self.knowledge.ports.has_mac(mac);
        let is_told = is_router(self.seen.eth_src) || is_router(self.seen.eth_dst);
        !is_told && self.seen.direction() == Direction::Unknown && self.may_arrive()
    }

    /// What was asked for.
    pub(super) fn into_asked(self) -> Asked<'a> {
        Asked {
            labelled: self.flow.into_inner().map(|flow| flow.labelled).unwrap_or_default(),
            last_legal: self.last_legal.into_inner().flatten(),
            heard: self.heard.into_inner().flatten(),
        }
    }
}
