//! Labelled entries whose MAC is outside the set while no packet to that MAC was seen.

use hashbrown::{HashMap, HashSet};

use super::finding::{CtDirection, Finding, Latent, LatentState};
use super::judge::Remembered;
use super::knowledge::Knowledge;
use super::label::{self, EcmpReply, PortForm};
use super::labelled::{Labelled, each_labelled};
use super::lookalike;
use super::symmetric::{Symmetric, Symmetrics};
use super::zones::Owner;
use crate::types::{MacAddr, Timestamp, Tuple};

/// The latent entries at `at`, the end of the run.
///
/// `last_seen` holds when each labelled flow was last seen, and the MAC that it left to, where that was legal.
pub(super) fn latent(
    knowledge: &Knowledge,
    remembered: &mut Remembered,
    findings: &[Finding],
    last_seen: &HashMap<Tuple, (Timestamp, Option<MacAddr>)>,
    at: Timestamp,
) -> Vec<Latent> {
    let cited: HashSet<(Tuple, u16, MacAddr)> = findings
        .iter()
        .flat_map(|finding| finding.conntrack.iter().map(move |entry| (finding, entry)))
        .filter(|(finding, entry)| finding.eth_dst == Some(entry.reply_eth))
        .map(|(_, entry)| (entry.orig, entry.zone, entry.reply_eth))
        .collect();
    let marks_count = do_marks_count(knowledge, at);
    let mut symmetrics = Symmetrics::default();
    let mut latent: Vec<Latent> = Vec::new();
    each_labelled(knowledge, at, |leaving, entry| {
        let key = (entry.connection.orig, entry.connection.zone, entry.reply.eth);
        if !entry.believed || cited.contains(&key) {
            return;
        }
        let seen = last_seen.get(&leaving).and_then(|seen| seen.1);
        let symmetric = symmetrics.of(knowledge, leaving, Some(&entry.owner), at);
        let flow = Leaving { tuple: leaving, symmetric: &symmetric, seen };
        latent.extend(judge(knowledge, remembered, entry, flow, marks_count, at));
    });
    latent.sort_by_key(|latent| (latent.state, latent.connection.zone, latent.connection.orig));
    latent
}

/// Whether OVN reads ports in the mark: northd matches the port in one place at a time, and moves to the mark for good.
pub(super) fn do_marks_count(knowledge: &Knowledge, at: Timestamp) -> bool {
    let may_be_router = |zone: u16| !matches!(knowledge.zones.owner(zone, at), Owner::Other { .. });
    let is_told = knowledge.connections.all().iter().any(|connection| {
        let in_mark = |reply: EcmpReply| reply.form == PortForm::Mark;
        label::decode(connection.label, connection.mark).is_some_and(in_mark) && may_be_router(connection.zone)
    });
    is_told || knowledge.mark_zones.iter().any(|&zone| may_be_router(zone))
}

/// Why OVN does not apply an entry to the flow that has these symmetric routes.
pub(super) fn unused(reply: EcmpReply, symmetric: &Symmetric<'_>, marks_count: bool) -> Option<&'static str> {
    if symmetric.is_empty() {
        Some("no route with symmetric reply applies to the flow")
    } else if !symmetric.leaves_by(reply.port) {
        Some("the port in the entry is not that of the flow's symmetric route")
    } else if reply.form == PortForm::Label && marks_count {
        Some("its port stands in the label, where OVN no longer reads it: other entries have theirs in the mark")
    } else {
        None
    }
}

/// The flow of an entry as it leaves the node.
struct Leaving<'a> {
    tuple: Tuple,
    symmetric: &'a Symmetric<'a>,
    /// The legal MAC that it was last seen leaving to.
    seen: Option<MacAddr>,
}

fn judge(
    knowledge: &Knowledge,
    remembered: &mut Remembered,
    entry: Labelled<'_>,
    Leaving { tuple: leaving, symmetric, seen }: Leaving<'_>,
    marks_count: bool,
    at: Timestamp,
) -> Option<Latent> {
    let mac = entry.reply.eth;
    let is_fine = symmetric.way.legal(mac).next().is_some() || knowledge.settings.allowed.contains(&mac);
    // Whether a MAC is outside a set that is not fully known cannot be told.
    if is_fine || lookalike::is_virtual_router(mac) || symmetric.is_open {
        return None;
    }
    let mut remarks = Vec::new();
    let state = if let Some(why) = unused(entry.reply, symmetric, marks_count) {
        remarks.push(why.to_owned());
        LatentState::Unused
    } else if let Some(seen) = seen.filter(|&seen| seen != mac) {
        remarks.push(format!("the flow was seen leaving to {seen}, a legal next hop, while so labelled"));
        LatentState::Unused
    } else {
        remarks.push("a packet of this flow would leave to the MAC".to_owned());
        LatentState::Armed
    };
    if entry.connection.offloaded {
        remarks.push("the entry is offloaded: a capture on the NIC may not show its packets".to_owned());
    }
    let direction = if entry.connection.orig == leaving { CtDirection::Orig } else { CtDirection::Reply };
    let mut connection = entry.cite();
    connection.direction = direction;
    Some(Latent {
        state,
        connection,
        routes: symmetric.way.ids(&mut remembered.lists),
        expected: symmetric.way.expected(&mut remembered.lists, Some(mac)),
        last_legal: symmetric.last_legal(knowledge, remembered, mac, at),
        known_as: remembered.known_as(knowledge, mac),
        evidence: remembered.lists.evidence(remarks),
    })
}
