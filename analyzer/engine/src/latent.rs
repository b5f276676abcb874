//! Labelled entries whose MAC is outside the set while no packet to that MAC was seen.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use hashbrown::{HashMap, HashSet};

use super::assumes;
use super::context::Remembered;
use super::epoch::Epochs;
use super::finding::{Finding, Latent, LatentState};
use super::knowledge::Knowledge;
use super::standing::{Pinned, Standing, Standings};
use crate::types::{MacAddr, Timestamp, Tuple};

/// The latent entries at `at`, the end of the run.
///
/// `last_seen` holds when each labelled flow was last seen, and the MAC that it left to, where that was legal.
pub(super) fn latent(
    knowledge: &Knowledge,
    epochs: &Epochs,
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
    let mut latent: Vec<Latent> = Vec::new();
    Standings::new(knowledge, epochs, at).each(|remembered, pinned| {
        let connection = pinned.connection();
        if pinned.entry.believed && !cited.contains(&(connection.orig, connection.zone, pinned.mac())) {
            let seen = last_seen.get(&pinned.leaving).and_then(|&(seen, mac)| Some((seen, mac?)));
            latent.extend(of_pinned(knowledge, remembered, &pinned, seen, at));
        }
    });
    latent.sort_by_key(|latent| (latent.state, latent.connection.zone, latent.connection.orig));
    latent
}

/// The entry as a latent one, if its MAC is outside a set that is fully known. `seen` is when the flow was seen last, and
/// the MAC that it left to, where that was legal.
fn of_pinned(
    knowledge: &Knowledge,
    remembered: &mut Remembered,
    pinned: &Pinned<'_>,
    seen: Option<(Timestamp, MacAddr)>,
    at: Timestamp,
) -> Option<Latent> {
    let mac = pinned.mac();
    if !matches!(pinned.standing, Standing::Unused(_) | Standing::MayApply(_) | Standing::Stale) {
        return None;
    }
    let last_legal = pinned.symmetric.last_legal(knowledge, remembered, mac, at);
    let (state, remark) = match (&pinned.standing, seen) {
        (Standing::Unused(why), _) => (LatentState::Unused, (*why).to_owned()),
        (_, Some((_, seen))) if seen != mac => {
            let remark = format!("the flow was seen leaving to {seen}, a legal next hop, while so labelled");
            (LatentState::Unused, remark)
        }
        (Standing::MayApply(_), _) => return None,
        // Packets that conform say that the MAC is right, unless it left the set after them.
        (_, Some((seen, _))) if last_legal.as_ref().is_none_or(|last| last.until <= seen) => return None,
        _ => (LatentState::Armed, "a packet of this flow would leave to the MAC".to_owned()),
    };
    let mut remarks = vec![remark];
    if pinned.connection().offloaded {
        remarks.push("the entry is offloaded: a capture on the NIC may not show its packets".to_owned());
    }
    let way = &pinned.symmetric.way;
    Some(Latent {
        state,
        connection: pinned.cite(),
        routes: way.ids(&mut remembered.lists),
        expected: way.expected(&mut remembered.lists, Some(mac)),
        last_legal,
        assumes: assumes::of_entry(knowledge, pinned, pinned.rests_on_version && state == LatentState::Armed),
        known_as: remembered.known_as(knowledge, mac),
        evidence: remembered.lists.evidence(remarks),
    })
}
