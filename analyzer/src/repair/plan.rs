//! Which entries are meant, and what is to be done about each.

use super::rules::{Action, Refusal, Rules, judge};
use super::{Outcome, Repair};
use crate::engine::pins::{Pin, ZoneOwner};
use crate::engine::standing::Standing;
use crate::output::remedy::Datapath;
use crate::types::{MacAddr, Timestamp, Tuple};

/// Which entries are meant. Where several are given, an entry must fit all of them; where none is, all that are stale are.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Selection {
    /// Those of a flow, in either direction.
    pub flow: Option<Tuple>,
    /// Those whose label holds the MAC.
    pub mac: Option<MacAddr>,
    /// Those of a zone.
    pub zone: Option<u16>,
}

impl Selection {
    /// Whether the entry is meant. By a flow or a MAC entries are named one by one, so that something is said even where
    /// nothing is wrong with one; else those are meant that OVN would apply, or may, and whose MAC is no next hop's.
    fn means(&self, pin: &Pin) -> bool {
        let connection = &pin.connection;
        let is_of = |flow: Tuple| {
            let named: Vec<Tuple> = flow.tracked_as().flat_map(|flow| [flow, flow.reversed()]).collect();
            [connection.orig, connection.reply].iter().any(|tuple| named.contains(tuple))
        };
        let fits = self.flow.is_none_or(is_of)
            && self.mac.is_none_or(|mac| pin.reply.eth == mac)
            && self.zone.is_none_or(|zone| connection.zone == zone);
        let is_named = self.flow.is_some() || self.mac.is_some();
        let is_nothing_wrong = matches!(pin.standing, Standing::Nexthop(_) | Standing::NotPinned)
            || self.zone.is_none() && pin.owner == ZoneOwner::Other;
        fits && (is_named || !is_nothing_wrong)
    }
}

/// An entry, and what is to be done about it.
#[derive(Clone, PartialEq, Debug)]
pub struct Step {
    /// The entry.
    pub pin: Pin,
    /// What is to be done, or why nothing is.
    pub verdict: Result<Action, Refusal>,
}

impl Step {
    /// The step as what came of it.
    pub fn into_repair(self, rules: &Rules, datapath: Option<Datapath>, at: Timestamp, outcome: Outcome) -> Repair {
        Repair { at, method: rules.method, datapath, pin: self.pin, outcome }
    }
}

/// What is to be done about the entries that are meant. Where more than `max` would be changed, none is.
pub fn plan(
    pins: Vec<Pin>,
    selection: &Selection,
    rules: &Rules,
    max: usize,
    datapath: Option<Datapath>,
    at: Timestamp,
) -> Vec<Step> {
    let meant = pins.into_iter().filter(|pin| selection.means(pin));
    let mut steps: Vec<Step> = meant.map(|pin| Step { verdict: judge(&pin, rules, datapath, at), pin }).collect();
    let count = steps.iter().filter(|step| step.verdict.is_ok()).count();
    if count > max {
        for step in steps.iter_mut().filter(|step| step.verdict.is_ok()) {
            step.verdict = Err(Refusal::TooMany { count, max });
        }
    }
    steps
}
