//! Findings from judgements: everything that a ticket needs, put into words and rows.

use alloc::string::String;
use alloc::vec::Vec;

use super::context::Remembered;
use super::fact::BindingKind;
use super::finding::{CitedConnection, ExpectedNexthop, Finding, KnownAs, Listed, RouteId};
use super::judgement::Judgement;
use super::knowledge::{Hop, Knowledge};
use super::labelled::Labelled;
use super::listed::Shared;
use super::observation::Observation;
use crate::types::{MacAddr, Timestamp};

/// Rows of what knows a MAC that one finding shows at most: a central database may have a row on the port of each node,
/// and a history many of each.
const MAX_KNOWN_AS: usize = 32;
/// Routes, next hops, entries and remarks that one finding shows at most: as many as OVN gives next hops to a route.
const MAX_SHOWN: usize = 64;

/// Lists that findings share.
#[derive(Debug, Default)]
pub(super) struct Lists {
    routes: Shared<RouteId>,
    expected: Shared<ExpectedNexthop>,
    evidence: Shared<String>,
}

impl Lists {
    /// The routes, in order.
    pub(super) fn routes(&mut self, mut ids: Vec<RouteId>) -> Listed<RouteId> {
        ids.sort();
        ids.dedup();
        self.routes.share(Listed::cut(ids, MAX_SHOWN))
    }

    pub(super) fn expected(&mut self, hops: &[Hop<'_>], mac: Option<MacAddr>) -> Listed<ExpectedNexthop> {
        self.expected.share(expected(hops, mac))
    }

    pub(super) fn evidence(&mut self, remarks: Vec<String>) -> Listed<String> {
        self.evidence.share(Listed::cut(remarks, MAX_SHOWN))
    }
}

/// The finding that a judgement on an observation amounts to.
pub(super) fn finding(
    knowledge: &Knowledge,
    remembered: &mut Remembered,
    observation: &Observation,
    judgement: Judgement<'_>,
) -> Finding {
    let eth_dst = observation.eth_dst();
    let known_as = eth_dst.map(|mac| remembered.known_as(knowledge, mac)).unwrap_or_default();
    let lists = &mut remembered.lists;
    let way = judgement.way.as_deref();
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
        routes: way.map(|way| way.ids(lists)).unwrap_or_default(),
        expected: way.map(|way| way.expected(lists, eth_dst)).unwrap_or_default(),
        conntrack: cited(&judgement.labelled, eth_dst),
        last_legal: judgement.last_legal,
        heard: judgement.heard,
        assumes: judgement.assumes,
        known_as,
        evidence: lists.evidence(judgement.remarks),
    }
}

/// Every configured next hop once for each of its MACs.
pub(super) fn all_expected(hops: &[Hop<'_>]) -> Vec<ExpectedNexthop> {
    let mut expected: Vec<ExpectedNexthop> = hops.iter().flat_map(Hop::expected).collect();
    expected.sort();
    expected.dedup();
    expected
}

/// The same as a finding of `mac` shows them. Where they are too many, those that have `mac` come first, then
/// those that are nearest to being up.
fn expected(hops: &[Hop<'_>], mac: Option<MacAddr>) -> Listed<ExpectedNexthop> {
    let mut expected = all_expected(hops);
    if expected.len() > MAX_SHOWN {
        expected.sort_by_key(|hop| (mac.is_none() || hop.lladdr != mac, hop.state));
        let (shown, _) = expected.split_at_mut(MAX_SHOWN);
        shown.sort();
    }
    Listed::cut(expected, MAX_SHOWN)
}

/// The believed entries of the flow that hold the MAC; where none does, those that hold another.
fn cited(labelled: &[Labelled<'_>], eth_dst: Option<MacAddr>) -> Listed<CitedConnection> {
    let believed = || labelled.iter().filter(|entry| entry.believed);
    let carriers: Vec<&Labelled<'_>> = believed().filter(|entry| Some(entry.reply.eth) == eth_dst).collect();
    let meant = if carriers.is_empty() { believed().collect() } else { carriers };
    let left_out = meant.len().saturating_sub(MAX_SHOWN) as u64;
    let shown: Vec<CitedConnection> = meant.into_iter().take(MAX_SHOWN).map(Labelled::cite).collect();
    Listed::of(shown, left_out)
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

impl Remembered {
    /// What knows the MAC, the latest rows first to be kept. Findings of one MAC share the list.
    pub(super) fn known_as(&mut self, knowledge: &Knowledge, mac: MacAddr) -> Listed<KnownAs> {
        if self.known_as.len() >= MAX_MACS {
            self.known_as.clear();
        }
        self.known_as.entry(mac).or_insert_with(|| known_as(knowledge, mac)).clone()
    }
}

/// MACs of which it is remembered what knows them.
const MAX_MACS: usize = 4096;

/// What knows the MAC.
fn known_as(knowledge: &Knowledge, mac: MacAddr) -> Listed<KnownAs> {
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
    let ports = knowledge.ports.with_mac(mac).map(|port| KnownAs {
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
    let left_out = known.len().saturating_sub(MAX_KNOWN_AS) as u64;
    known.truncate(MAX_KNOWN_AS);
    known.sort();
    Listed::of(known, left_out)
}

fn ended(known: &KnownAs) -> Option<Timestamp> {
    known.validity.and_then(|(_, until)| until)
}

fn is_past(known: &KnownAs) -> bool {
    ended(known).is_some()
}

/// The name under which output shows that a next hop is a port of OVN's own, whose MAC northd writes into the router.
pub(super) const OWN_PORT: &str = "ovn-port";

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
