//! The verdict on one observation.
//!
//! The rules stand in the order in which they are asked; the first that applies decides. Each is a sentence of the
//! decision table in docs/verdicts.md.

use std::net::IpAddr;
use std::rc::Rc;

use analyzer_ebpf::abi::Direction;
use hashbrown::HashMap;

use super::decided::{Decisions, Time, Way};
use super::direction::Directions;
use super::epoch::Epochs;
use super::evidence::Lists;
use super::finding::{Heard, KnownAs, LastLegal, Listed};
use super::flow::Flow;
use super::inbound::Inbound;
use super::knowledge::{Inward, Knowledge};
use super::labelled::Labelled;
use super::last_legal::LastLegals;
use super::lookalike;
use super::observation::Observation;
use super::plain::{PlainKey, PlainVerdicts};
use super::translated::Candidates;
use super::verdict::{NotCovered, Undetermined, Verdict, Violating};
use crate::types::MacAddr;

/// What is known beyond the facts: who is heard, and which way packets go.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) epochs: &'a Epochs,
    pub(super) inbound: Inbound,
    pub(super) directions: Directions,
    pub(super) remembered: Remembered,
    /// Verdicts that many flows share. A judgement by one of them names no next hops: the first did.
    plain: PlainVerdicts,
    /// What decides flows that are decided alike.
    pub(super) decisions: Decisions<'a>,
    /// Destinations that routers reach inside the cluster.
    pub(super) inward: HashMap<Time, Inward<'a>>,
    /// Whether every judgement must name its next hops.
    pub(super) in_full: bool,
}

/// Answers that hold as long as no fact is told.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    pub(super) last_legal: LastLegals,
    pub(super) known_as: HashMap<MacAddr, Listed<KnownAs>>,
    pub(super) lists: Lists,
    /// MACs that are legal for some route by source, by epoch.
    pub(super) legal_by_source: HashMap<u16, HashMap<MacAddr, Vec<IpAddr>>>,
    /// What routes by source say of packets from translated sources.
    pub(super) candidates: HashMap<Time, Candidates>,
}

impl Remembered {
    pub(super) fn clear(&mut self) {
        self.last_legal.clear();
        self.known_as.clear();
        self.legal_by_source.clear();
        self.candidates.clear();
    }
}

impl<'a> Context<'a> {
    pub(super) fn new(epochs: &'a Epochs) -> Self {
        Self {
            epochs,
            inbound: Inbound::default(),
            directions: Directions::default(),
            remembered: Remembered::default(),
            plain: PlainVerdicts::default(),
            decisions: Decisions::default(),
            inward: HashMap::new(),
            in_full: false,
        }
    }

    /// The same for single flows: each is judged in full, with the answers to earlier ones at hand.
    pub(super) fn with(self, remembered: Remembered) -> Self {
        Self { remembered, in_full: true, ..self }
    }

    /// The key under which the verdict on a plain flow is remembered; `None` for a flow that is not plain.
    fn plain_key(&self, knowledge: &Knowledge, seen: &Observation) -> Option<PlainKey> {
        let is_plain = !self.in_full && !self.inbound.has_requests_from_others(seen.tuple, seen.eth_dst);
        if is_plain { PlainKey::new(knowledge, self.epochs, seen) } else { None }
    }
}

/// A verdict, and what it rests on.
#[derive(Debug)]
pub(super) struct Judgement<'a> {
    pub(super) verdict: Verdict,
    /// The routes that decide, with those that would if their next hops were up, and their next hops; `None` where none
    /// do, or where the first of the flows that share the verdict named them.
    pub(super) way: Option<Rc<Way<'a>>>,
    /// The next hops that make the MAC legal.
    pub(super) legal_for: Vec<IpAddr>,
    /// Labelled entries of the flow.
    pub(super) labelled: Vec<Labelled<'a>>,
    pub(super) last_legal: Option<LastLegal>,
    pub(super) heard: Option<Heard>,
    /// Remarks.
    pub(super) remarks: Vec<String>,
}

impl<'a> Judgement<'a> {
    pub(super) fn new(verdict: Verdict) -> Self {
        Self {
            verdict,
            way: None,
            legal_for: Vec::new(),
            labelled: Vec::new(),
            last_legal: None,
            heard: None,
            remarks: Vec::new(),
        }
    }
}

impl From<NotCovered> for Verdict {
    fn from(reason: NotCovered) -> Self {
        Self::NotCovered(reason)
    }
}

impl From<Undetermined> for Verdict {
    fn from(missing: Undetermined) -> Self {
        Self::Undetermined(missing)
    }
}

impl From<Violating> for Verdict {
    fn from(reason: Violating) -> Self {
        Self::Violating(reason)
    }
}

/// Judges the packets of one observation. All of them lie in one epoch, so the first stands for all.
pub(super) fn judge<'a>(
    knowledge: &'a Knowledge,
    context: &mut Context<'a>,
    observation: &Observation,
) -> Judgement<'a> {
    if let Some(reason) = look_alike(knowledge, observation) {
        return Judgement::new(reason.into());
    }
    if let Some(remark) = without_data(knowledge, observation) {
        let mut judgement = Judgement::new(Undetermined::NoNexthopData.into());
        judgement.remarks.extend(remark.map(str::to_owned));
        return judgement;
    }
    let key = context.plain_key(knowledge, observation);
    if let Some(verdict) = key.and_then(|key| context.plain.get(&key)) {
        return Judgement::new(verdict);
    }
    let judgement = Flow::new(knowledge, observation).judge(context, observation);
    // A remark tells that something beyond the key decided: whether the source is a translated address.
    if let Some(key) = key
        && judgement.remarks.is_empty()
    {
        context.plain.remember(key, judgement.verdict);
    }
    judgement
}

/// Whether nothing is known of the next hops at the time of the packets, and a remark on it.
pub(super) fn without_data(knowledge: &Knowledge, observation: &Observation) -> Option<Option<&'static str>> {
    if knowledge.blind.holds(observation.first) {
        Some(Some("the next hops were not known then: a source was not synchronised, or its facts were too old"))
    } else if knowledge.routes.is_empty() {
        Some(None)
    } else if knowledge.history.is_some_and(|start| observation.first < start) {
        Some(Some("the packets are older than the history of the next hops"))
    } else {
        None
    }
}

/// Traffic that no route of ours decides, told without routes.
pub(super) fn look_alike(knowledge: &Knowledge, observation: &Observation) -> Option<NotCovered> {
    let tuple = &observation.tuple;
    let eth_dst = observation.eth_dst();
    if lookalike::is_group(eth_dst, tuple.dst) {
        return Some(NotCovered::Group);
    }
    if lookalike::is_control(tuple) {
        return Some(NotCovered::Control);
    }
    if lookalike::is_link_local(tuple.dst) {
        return Some(NotCovered::OnLink);
    }
    if is_inbound(knowledge, observation) {
        return Some(NotCovered::Inbound);
    }
    if lookalike::is_tunnel(tuple) && !knowledge.routes.is_routed_source(tuple.src) {
        return Some(NotCovered::Tunnel);
    }
    None
}

/// Whether the node received the packets: told by the capture; else sent to a router's own MAC by none, or sent to an
/// address that routes by source know as one of the pods behind the node.
///
/// A central database tells the routers of all nodes. What goes from one node's router to another node's has left, and
/// the other may be the gateway.
pub(super) fn is_inbound(knowledge: &Knowledge, observation: &Observation) -> bool {
    let tuple = &observation.tuple;
    match observation.direction() {
        Direction::Inbound => true,
        Direction::Outbound => false,
        Direction::Unknown => {
            is_for_router(knowledge, observation)
                || (knowledge.routes.is_routed_source(tuple.dst) && !knowledge.routes.is_routed_source(tuple.src))
        }
    }
}

/// Whether the packets go to a router's own MAC and come from none.
pub(super) fn is_for_router(knowledge: &Knowledge, observation: &Observation) -> bool {
    let is_router = |mac| knowledge.ports.has_mac(mac);
    observation.eth_dst().is_some_and(is_router) && !is_router(observation.eth_src)
}
