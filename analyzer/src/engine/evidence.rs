//! Findings from judgements: everything that a ticket needs, put into words and rows.

use super::fact::BindingKind;
use super::finding::{CitedConnection, ExpectedNexthop, Finding, KnownAs};
use super::judge::Judgement;
use super::knowledge::{Hop, Knowledge};
use super::labelled::Labelled;
use super::observation::Observation;
use crate::types::{MacAddr, Timestamp};

/// The finding that a judgement on an observation amounts to.
pub(super) fn finding(knowledge: &Knowledge, observation: &Observation, judgement: Judgement<'_>) -> Finding {
    let eth_dst = observation.eth_dst();
    Finding {
        verdict: judgement.verdict,
        nic: observation.nic,
        tuple: observation.tuple,
        estimated: false,
        later_fragments: observation.tags.is_later_fragment(),
        vlan: observation.tags.outer().into_iter().chain(observation.tags.inner()).collect(),
        eth_src: observation.eth_src,
        eth_dst,
        packets: observation.packets,
        bytes: observation.bytes,
        first_seen: observation.first,
        last_seen: observation.last,
        routes: judgement.ids(),
        expected: expected(&judgement.hops),
        conntrack: cited(&judgement.labelled, eth_dst),
        last_legal: judgement.last_legal,
        heard: judgement.heard,
        known_as: eth_dst.map(|mac| known_as(knowledge, mac)).unwrap_or_default(),
        evidence: judgement.remarks,
    }
}

/// Every configured next hop once for each of its MACs.
pub(super) fn expected(hops: &[Hop<'_>]) -> Vec<ExpectedNexthop> {
    let mut expected: Vec<ExpectedNexthop> = hops.iter().flat_map(Hop::expected).collect();
    expected.sort();
    expected.dedup();
    expected
}

/// The believed entries of the flow that hold the MAC; where none does, those that hold another.
fn cited(labelled: &[Labelled<'_>], eth_dst: Option<MacAddr>) -> Vec<CitedConnection> {
    let believed: Vec<&Labelled<'_>> = labelled.iter().filter(|entry| entry.believed).collect();
    let carries = |entry: &&&Labelled<'_>| Some(entry.reply.eth) == eth_dst;
    let carriers: Vec<CitedConnection> = believed.iter().filter(carries).map(|entry| entry.cite()).collect();
    match carriers.is_empty() {
        true => believed.iter().map(|entry| entry.cite()).collect(),
        false => carriers,
    }
}

impl Labelled<'_> {
    /// The entry as output shows it.
    pub(super) fn cite(&self) -> CitedConnection {
        CitedConnection {
            orig: self.connection.orig,
            reply: self.connection.reply,
            zone: self.connection.zone,
            zone_name: self.owner.name().cloned(),
            direction: self.direction,
            label: self.connection.label,
            mark: self.connection.mark,
            reply_eth: self.reply.eth,
            reply_port: self.reply.port,
        }
    }
}

/// Rows of what knows a MAC that one finding shows at most: a central database may have a row on the port of each node,
/// and a history many of each.
const MAX_KNOWN_AS: usize = 32;

/// What knows the MAC, the latest rows first to be kept.
pub(super) fn known_as(knowledge: &Knowledge, mac: MacAddr) -> Vec<KnownAs> {
    let bindings = knowledge.neighbours.of_mac(mac).map(|binding| KnownAs {
        source: binding_source(binding.kind).into(),
        ip: Some(binding.ip),
        logical_port: binding.logical_port.clone(),
        owner: None,
        validity: KnownAs::bounds(binding.validity),
    });
    let heard = knowledge.neighbours.heard_as(mac).map(|(ip, last)| KnownAs {
        source: binding_source(BindingKind::Heard).into(),
        ip: Some(ip),
        logical_port: None,
        owner: None,
        validity: Some((None, Some(last))),
    });
    let ports = knowledge.ports.all().filter(|port| port.mac == Some(mac)).map(|port| KnownAs {
        source: "Port_Binding".into(),
        ip: port.addresses.first().copied(),
        logical_port: Some(port.name.clone()),
        owner: None,
        validity: KnownAs::bounds(port.validity),
    });
    let owners = knowledge.mac_owners.get(&mac).into_iter().flatten().map(|owner| KnownAs {
        source: owner.origin.clone(),
        ip: owner.ips.first().copied(),
        logical_port: None,
        owner: Some(owner.owner.clone()),
        validity: None,
    });
    let mut known: Vec<KnownAs> = bindings.chain(heard).chain(ports).chain(owners).collect();
    known.sort_unstable_by(|a, b| {
        is_past(a).cmp(&is_past(b)).then_with(|| ended(b).cmp(&ended(a))).then_with(|| a.cmp(b))
    });
    known.dedup();
    known.truncate(MAX_KNOWN_AS);
    known.sort();
    known
}

fn ended(known: &KnownAs) -> Option<Timestamp> {
    known.validity.and_then(|(_, until)| until)
}

fn is_past(known: &KnownAs) -> bool {
    ended(known).is_some()
}

/// The name under which output shows a kind of binding.
pub(super) fn binding_source(kind: BindingKind) -> &'static str {
    match kind {
        BindingKind::MacBinding => "MAC_Binding",
        BindingKind::StaticMacBinding { .. } => "Static_MAC_Binding",
        BindingKind::NexthopsToml => "nexthops.toml",
        BindingKind::Neighbour => "neighbour",
        BindingKind::Heard => "heard",
    }
}
