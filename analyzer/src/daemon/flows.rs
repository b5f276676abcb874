//! Logical flows of this chassis' routers: when they are asked for, and what was told of them last.
//!
//! They are asked for once all sources have told their first set, and again where something changed that northd makes them
//! of: its release, what chassis can do, the routers, routes with symmetric reply, BFD sessions. From the change to the next
//! answer they tell nothing ([`ReplyFlow::Outdated`]), and northd has its time before they are asked for. Each question has
//! a central database look through all flows of the cluster, so that one is asked rarely; what chassis and northd's release
//! say holds meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::fact::{Delta, Fact, Ovn, OvnSays, ReplyFlow};
use crate::net::backoff::SplitMix64;
use crate::ovn::follow::difference;
use crate::ovn::follow::flows::Routers;
use crate::ovsdb::client::Remote;
use crate::types::{Timestamp, Validity};

/// How long northd may take to write flows anew.
const NORTHD: Duration = Duration::from_secs(10);
/// Time between two questions to a database of the node's own, at least.
const SPACING: Duration = Duration::from_secs(10);
/// The same for a central one.
const CENTRAL_SPACING: Duration = Duration::from_secs(600);
/// Time in which the nodes of a cluster ask a central database at first, once northd had its time, each at its own moment.
const CENTRAL_START: Duration = Duration::from_secs(30);

/// What is known of the logical flows of this chassis' routers.
#[derive(Debug)]
pub(crate) struct LogicalFlows {
    /// Moments at which a central database is asked, so that not all nodes do so at one.
    moments: SplitMix64,
    /// The routers that there are.
    routers: Routers,
    /// What was told last.
    told: Vec<Fact>,
    /// What says of the routers that what was told is over.
    outdated: Vec<Fact>,
    /// When something changed last that flows are made of.
    changed: Option<Timestamp>,
    /// When they are to be asked for.
    due: Option<Timestamp>,
    /// Until when nothing is asked, whatever is due.
    spared: Timestamp,
    /// Whether they were asked for, and whether they are being asked for.
    was_asked: bool,
    is_asking: bool,
    /// Why there was no answer, as was told.
    failure: Option<String>,
}

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Asks {
    /// A command, which cannot wait: what it is told first is taken for what northd has written already.
    Once,
    /// A daemon. A central database is spared: all nodes ask it.
    Often { is_central: bool },
}

/// What is to be asked, and of whom.
#[derive(Clone, Debug)]
pub struct Question {
    /// The server.
    pub remote: Remote,
    /// The routers.
    pub routers: Routers,
    /// When.
    pub asked: Timestamp,
}

/// What came of a question: the facts, or why there are none.
#[derive(Debug)]
pub struct Answer {
    /// What the flows say.
    pub flows: Result<Vec<Fact>, String>,
    /// When they were asked for.
    pub asked: Timestamp,
}

impl LogicalFlows {
    /// Nothing is known yet. `seed` is another on each node.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            moments: SplitMix64(seed),
            routers: Routers::default(),
            told: Vec::new(),
            outdated: Vec::new(),
            changed: None,
            due: None,
            spared: Timestamp::default(),
            was_asked: false,
            is_asking: false,
            failure: None,
        }
    }

    /// Takes note at `now` of what a source tells; `is_first` says that it has not told its first set before. Returns the
    /// facts that this makes begin.
    pub(crate) fn note(&mut self, delta: &Delta, is_first: bool, now: Timestamp) -> Vec<Fact> {
        match delta.ended.iter().chain(&delta.begun).any(makes_flows) {
            true => self.outdate(is_first, now),
            false => Vec::new(),
        }
    }

    /// What was told is over, and is asked for again. Returns the facts that this makes begin.
    fn outdate(&mut self, is_first: bool, now: Timestamp) -> Vec<Fact> {
        // What a source tells first was so before; only what was asked for without it may be over.
        if is_first && !self.was_asked {
            return Vec::new();
        }
        (self.changed, self.due) = (Some(now), Some(now));
        self.end_trust()
    }

    /// The database is there, again unless `is_first`, and what changed meanwhile is not known. Returns the facts that this
    /// makes begin.
    pub(crate) fn reconnected(&mut self, is_central: bool, is_first: bool, now: Timestamp) -> Vec<Fact> {
        if is_central && !is_first {
            // All nodes of a cluster lose a central one at a time. What changes meanwhile does not bring them together.
            let moment = self.moments.up_to(CENTRAL_SPACING);
            self.spare(now.saturating_add(moment));
        }
        self.outdate(is_first, now)
    }

    /// Asks nothing until then.
    fn spare(&mut self, until: Timestamp) {
        self.spared = self.spared.max(until);
    }

    /// Says of each router, where it is not said yet, that what was told is over. Returns the facts that say so.
    fn end_trust(&mut self) -> Vec<Fact> {
        if self.told.is_empty() {
            return Vec::new();
        }
        let names: BTreeSet<&Arc<str>> = self.routers.values().collect();
        let outdated = |name: &Arc<str>| {
            let says = OvnSays::Flow { router: Some(Arc::clone(name)), flow: ReplyFlow::Outdated };
            Fact::Ovn(Ovn { says, validity: Validity::ALWAYS })
        };
        let news: Vec<Fact> = names.into_iter().map(outdated).filter(|fact| !self.outdated.contains(fact)).collect();
        self.outdated.extend_from_slice(&news);
        news
    }

    /// What is to be asked at `now` of the routers that there are, if it is time to.
    pub(crate) fn question(
        &mut self,
        routers: Routers,
        remote: &Remote,
        asks: Asks,
        now: Timestamp,
    ) -> Option<Question> {
        if routers != self.routers {
            (self.routers, self.due) = (routers, Some(now));
            if !self.was_asked
                && let Asks::Often { is_central } = asks
            {
                // What changed just before the start is not known.
                self.changed = Some(now);
                if is_central {
                    let moment = NORTHD + self.moments.up_to(CENTRAL_START);
                    self.spare(now.saturating_add(moment));
                }
            }
        }
        let is_northd_busy = self.changed.is_some_and(|changed| changed.saturating_add(NORTHD) > now);
        let is_due = self.due.is_some_and(|due| due <= now) && self.spared <= now && !is_northd_busy;
        if self.is_asking || self.routers.is_empty() || !is_due {
            return None;
        }
        let spacing = match asks {
            Asks::Often { is_central: true } => CENTRAL_SPACING + self.moments.up_to(CENTRAL_SPACING),
            _ => SPACING,
        };
        (self.due, self.spared) = (None, now.saturating_add(spacing));
        (self.was_asked, self.is_asking) = (true, true);
        Some(Question { remote: remote.clone(), routers: self.routers.clone(), asked: now })
    }

    /// Takes an answer over. Returns what it changes, and what is to be said of it.
    pub(crate) fn answered(&mut self, answer: Answer, now: Timestamp) -> (Delta, Option<String>) {
        self.is_asking = false;
        let (told, message) = match answer.flows {
            Ok(told) => {
                self.failure = None;
                (told, None)
            }
            Err(failure) => {
                self.due = self.due.or(Some(now.saturating_add(CENTRAL_SPACING)));
                let is_news = self.failure.as_ref() != Some(&failure);
                self.failure = Some(failure.clone());
                let message = format!(
                    "sb tells no logical flows: {failure}; what OVN does with a labelled entry is told by what chassis can \
                     do and by northd's release"
                );
                (Vec::new(), is_news.then_some(message))
            }
        };
        let mut delta = difference(std::mem::take(&mut self.told), told.clone());
        self.told = told;
        match self.changed.is_some_and(|changed| changed.saturating_add(NORTHD) > answer.asked) {
            // What changed while it was on its way may not be in it, and is due to be asked for.
            true => delta.begun.extend(self.end_trust()),
            false => delta.ended.append(&mut self.outdated),
        }
        (delta, message)
    }
}

/// Whether northd makes flows of it that bear on symmetric replies.
fn makes_flows(fact: &Fact) -> bool {
    match fact {
        Fact::Route(route) => route.symmetric_reply,
        Fact::Bfd(_) => true,
        // A chassis that can do it changes nothing for the others.
        Fact::Ovn(Ovn { says: OvnSays::Northd(_) | OvnSays::Chassis { no_masked_label: false, .. }, .. }) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
