//! Remarks on what labelled entries of a flow say of a MAC that is no active next hop's.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::case::Case;
use crate::zones::Owner;

/// Remarks on the flow's labelled entries.
pub(super) fn remarks(case: &Case<'_, '_>) -> Vec<String> {
    let Some(mac) = case.seen.eth_dst() else { return Vec::new() };
    let labelled = &case.flow().labelled;
    let (is_carried, has_carriers) = (case.is_carried(mac), case.carriers(mac).next().is_some());
    let mut remarks = Vec::new();
    if is_carried && case.carriers(mac).all(|entry| entry.owner == Owner::Unknown) {
        remarks.push("no dump names the owner of the entry's zone".to_owned());
    }
    if has_carriers && !is_carried {
        let remark = if !case.decided().is_symmetric {
            "a labelled entry holds the MAC, but no route with symmetric reply applies to the flow"
        } else {
            "a labelled entry holds the MAC, but its port is not that of the flow's symmetric route"
        };
        remarks.push(remark.to_owned());
    }
    for entry in labelled.iter().filter(|entry| !entry.believed && entry.reply.eth == mac) {
        let zone = entry.connection.zone;
        remarks.push(if entry.reply.port == 0 {
            format!("an entry in zone {zone} holds the MAC, but its port field is 0: OVN does not honour it")
        } else {
            format!(
                "an entry in zone {zone} holds the MAC, but the zone is not the router's own: OVN does not honour it"
            )
        });
    }
    if let Some(entry) = labelled.iter().find(|entry| entry.believed && entry.reply.eth != mac)
        && !has_carriers
    {
        remarks.push(format!("the flow's entry in zone {} holds {}", entry.connection.zone, entry.reply.eth));
    }
    if labelled.is_empty() && case.knowledge.connections.are_told() {
        remarks.push("no labelled conntrack entry of the flow is in the dumps".to_owned());
    }
    remarks
}
