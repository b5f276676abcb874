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

use tokio::time::timeout;

use crate::engine::fact::{Delta, Fact, Ovn, OvnSays, ReplyFlow};
use crate::net::backoff::SplitMix64;
use crate::ovn::follow::flows::{self, Group, Routers};
use crate::ovn::follow::{Database, difference};
use crate::ovsdb::client::select::{Limits, SelectError, Session};
use crate::ovsdb::client::{Remote, TlsFiles};
use crate::types::{Timestamp, Validity};

/// What an answer may take.
const LIMITS: Limits = Limits { bytes: 4 << 20, wait: Duration::from_secs(10) };
/// Routers that are asked for at most: each costs the server a look through all flows.
const MAX_ROUTERS: usize = 64;
/// Questions on groups of datapaths at most.
const MAX_OF_GROUPS: usize = 1024;
/// How often it is tried at most, where groups of datapaths go while they are asked for.
const TRIES: usize = 3;
/// How long northd may take to write flows anew.
const NORTHD: Duration = Duration::from_secs(10);
/// Time between two questions to a database of the node's own, at least.
const SPACING: Duration = Duration::from_secs(10);
/// The same for a central one.
const CENTRAL_SPACING: Duration = Duration::from_secs(600);
/// Time in which the nodes of a cluster ask a central database at first, once northd had its time, each at its own moment.
const CENTRAL_START: Duration = Duration::from_secs(30);

/// What is known of the logical flows of this chassis' routers.
#[derive(Debug, Default)]
pub(super) struct LogicalFlows {
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
pub(super) enum Asks {
    /// A command, which cannot wait: what it is told first is taken for what northd has written already.
    Once,
    /// A daemon. A central database is spared: all nodes ask it.
    Often { is_central: bool },
}

/// What is to be asked, and of whom.
pub(super) struct Question {
    remote: Remote,
    tls: Option<TlsFiles>,
    routers: Routers,
    asked: Timestamp,
}

/// What came of a question.
#[derive(Debug)]
pub(super) struct Answer {
    flows: Result<Vec<Fact>, NoFlows>,
    asked: Timestamp,
}

/// Why flows are not known.
#[derive(Debug, thiserror::Error)]
enum NoFlows {
    #[error(transparent)]
    Select(#[from] SelectError),
    #[error("{0} gateway routers are more than are asked for ({MAX_ROUTERS})")]
    TooManyRouters(usize),
    #[error("the flows are shared by {0} groups of datapaths, which are more than are asked for")]
    TooManyGroups(usize),
    #[error("groups of datapaths go while they are asked for")]
    Restless,
}

impl Question {
    /// Asks.
    pub(super) async fn ask(self) -> Answer {
        let silent = |_| Err(SelectError::Silent(LIMITS.wait).into());
        Answer { flows: timeout(LIMITS.wait, self.flows()).await.unwrap_or_else(silent), asked: self.asked }
    }

    async fn flows(&self) -> Result<Vec<Fact>, NoFlows> {
        if self.routers.len() > MAX_ROUTERS {
            return Err(NoFlows::TooManyRouters(self.routers.len()));
        }
        let database = Database::Southbound { with_northbound: true }.name();
        let mut session = Session::open(database, &self.remote, self.tls.as_ref(), LIMITS).await?;
        for _ in 0..TRIES {
            let mut rows = session.select(&flows::own(&self.routers)).await?.concat();
            let shared = match session.select(&flows::shared()).await {
                // Before 20.12 there are no groups.
                Err(SelectError::Refused(why)) if why.contains("logical_dp_group") => Vec::new(),
                shared => shared?.concat(),
            };
            if let Some(groups) = self.groups(&mut session, Group::of(&shared)).await? {
                rows.extend(shared);
                return Ok(flows::facts(rows, &groups, &self.routers));
            }
        }
        Err(NoFlows::Restless)
    }

    /// Which routers are in the groups; `None` where one of these is gone.
    async fn groups(&self, session: &mut Session, groups: Vec<Group>) -> Result<Option<Vec<Group>>, NoFlows> {
        let selects: Vec<Vec<_>> = groups.iter().map(|group| group.selects(&self.routers)).collect();
        if selects.iter().map(Vec::len).sum::<usize>() > MAX_OF_GROUPS {
            return Err(NoFlows::TooManyGroups(groups.len()));
        }
        let told = session.select(&selects.concat()).await?;
        let each = told.chunks(1 + self.routers.len());
        Ok(groups.into_iter().zip(each).map(|(group, told)| group.answered(&self.routers, told)).collect())
    }
}

impl LogicalFlows {
    /// Takes note at `now` of what a source tells; `is_first` says that it has not told its first set before. Returns the
    /// facts that this makes begin.
    pub(super) fn note(&mut self, delta: &Delta, is_first: bool, now: Timestamp) -> Vec<Fact> {
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
    pub(super) fn reconnected(&mut self, is_central: bool, is_first: bool, now: Timestamp) -> Vec<Fact> {
        if is_central && !is_first {
            // All nodes of a cluster lose a central one at a time. What changes meanwhile does not bring them together.
            self.spare(now.saturating_add(SplitMix64::random().up_to(CENTRAL_SPACING)));
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
    pub(super) fn question(
        &mut self,
        routers: Routers,
        remote: &Remote,
        tls: Option<TlsFiles>,
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
                    self.spare(now.saturating_add(NORTHD + SplitMix64::random().up_to(CENTRAL_START)));
                }
            }
        }
        let is_northd_busy = self.changed.is_some_and(|changed| changed.saturating_add(NORTHD) > now);
        let is_due = self.due.is_some_and(|due| due <= now) && self.spared <= now && !is_northd_busy;
        if self.is_asking || self.routers.is_empty() || !is_due {
            return None;
        }
        let spacing = match asks {
            Asks::Often { is_central: true } => CENTRAL_SPACING + SplitMix64::random().up_to(CENTRAL_SPACING),
            _ => SPACING,
        };
        (self.due, self.spared) = (None, now.saturating_add(spacing));
        (self.was_asked, self.is_asking) = (true, true);
        Some(Question { remote: remote.clone(), tls, routers: self.routers.clone(), asked: now })
    }

    /// Takes an answer over. Returns what it changes, and what is to be said of it.
    pub(super) fn answered(&mut self, answer: Answer, now: Timestamp) -> (Delta, Option<String>) {
        self.is_asking = false;
        let (told, message) = match answer.flows {
            Ok(told) => {
                self.failure = None;
                (told, None)
            }
            Err(error) => {
                self.due = self.due.or(Some(now.saturating_add(CENTRAL_SPACING)));
                let failure = error.to_string();
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
