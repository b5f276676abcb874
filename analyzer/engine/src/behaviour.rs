//! Whether this OVN applies a label: it has a flow that reads the port of the entry, and no condition keeps it from it.
//!
//! What OVN does changed over its releases (docs/verdicts.md, "Whether OVN applies a label"). Evidence is asked in the
//! order of its strength: the router's own logical flows; else what chassis can do, entries in the table, and northd's
//! release. A release below the first one with a change says nothing for certain, as distributors port changes back.

mod alone;
mod flows;
mod releases;
pub(super) mod told;

use alloc::sync::Arc;
use alloc::vec::Vec;

use hashbrown::HashSet;

use self::told::OvnTold;
use super::fact::{Connection, PortRead};
use super::knowledge::Knowledge;
use super::label::{self, PortForm};
use super::labelled::Labelled;
use super::symmetric::Symmetric;
use super::zones::Owner;
use crate::types::{Release, Timestamp, Tuple, tuple::proto};

/// Whether OVN applies an entry to the packets of its flow. The texts say why.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Applies {
    /// It does.
    Yes,
    /// Nothing tells. A standing that rests on it takes for granted that OVN does.
    Untold,
    /// Releases like this one do or do not.
    May(&'static str),
    /// It does not.
    No(&'static str),
}

/// What is known of this OVN at one time.
#[derive(Debug)]
pub(super) struct Behaviour<'a> {
    knowledge: &'a Knowledge,
    at: Timestamp,
    /// northd's releases.
    northd: Vec<Release>,
    /// Whether each chassis that is told can do without masked labels; `None` where none is told.
    all_do_without_masked_labels: Option<bool>,
    /// Entries have their ports in the mark. northd matches the port in one place at a time, and moves to the mark for good.
    has_marks: bool,
}

/// Whether anything tells which OVN this is.
pub(super) fn is_told(knowledge: &Knowledge, at: Timestamp) -> bool {
    let told = &knowledge.ovn;
    told.northd(at).next().is_some() || told.all_flows().any(|flows| flows::may_learn(flows, at).is_some())
}

/// An entry that is asked about.
struct Asked<'a> {
    entry: &'a Labelled<'a>,
    /// The tuple of the direction that leaves the node.
    leaving: Tuple,
    /// Whether the flow may have one next hop alone that gets symmetric replies.
    is_alone: bool,
}

impl<'a> Behaviour<'a> {
    pub(super) fn new(knowledge: &'a Knowledge, at: Timestamp) -> Self {
        Self {
            knowledge,
            at,
            northd: knowledge.ovn.northd(at).collect(),
            all_do_without_masked_labels: knowledge.ovn.no_masked_label(at).reduce(|all, one| all && one),
            has_marks: has_marks(knowledge, at),
        }
    }

    /// Whether OVN applies the entry to packets that leave with `leaving`.
    pub(super) fn applies(&self, entry: &Labelled<'_>, leaving: Tuple, symmetric: &Symmetric<'_>) -> Applies {
        let look = || alone::may_be_alone(self.knowledge, &symmetric.way.groups, leaving, self.at);
        let asked = Asked { entry, leaving, is_alone: *symmetric.may_be_alone.get_or_init(look) };
        self.by_flows(&asked, symmetric).unwrap_or_else(|| releases::applies(self, &asked))
    }

    /// Whether this OVN may apply a label by a flow that it learned, which is gone some time after the last packet from outside.
    pub(super) fn may_learn(&self) -> bool {
        let mut told = self.knowledge.ovn.all_flows().filter_map(|flows| flows::may_learn(flows, self.at)).peekable();
        match told.peek() {
            Some(_) => told.any(|may| may),
            None => !releases::never_learns(self),
        }
    }

    /// What the logical flows of the routers say that have a symmetric route for the flow; `None` where they are not told.
    fn by_flows(&self, asked: &Asked<'_>, symmetric: &Symmetric<'_>) -> Option<Applies> {
        let told: &OvnTold = &self.knowledge.ovn;
        let owner = match &asked.entry.owner {
            Owner::RouterDnat { router, .. } => router.as_ref(),
            Owner::Other { .. } | Owner::Unknown => None,
        };
        let groups = symmetric.way.groups.iter();
        let routers: HashSet<Option<&Arc<str>>> =
            groups.map(|group| group.routes[0].router.as_ref().or(owner)).collect();
        if routers.contains(&None) {
            // Any router may be meant.
            let mut answers = told.all_flows().filter_map(|flows| flows::applies(flows, asked, self.at));
            let first = answers.next()?;
            return answers.all(|answer| answer == first).then_some(first);
        }
        let answer = |router: Option<&Arc<str>>| flows::applies(told.flows(&router.cloned())?, asked, self.at);
        let answers: Vec<Applies> = routers.into_iter().map(answer).collect::<Option<_>>()?;
        let first = *answers.first()?;
        Some(match answers.iter().all(|&answer| answer == first) {
            true => first,
            false => Applies::May("several routers have a route for the flow, and not all apply its label"),
        })
    }
}

impl Asked<'_> {
    /// Whether a logical flow is for the entry's port, in the form in which the entry has it.
    fn has_port(&self, read: &PortRead) -> bool {
        self.port(read.form) == Some(read.port)
    }

    /// The entry's port in that form.
    fn port(&self, form: PortForm) -> Option<u16> {
        label::port(form, self.entry.connection.label, self.entry.connection.mark)
    }

    /// Whether the direction that leaves is the one that opened the flow.
    fn leaves_as_opener(&self) -> bool {
        self.entry.connection.orig == self.leaving
    }

    /// Whether OVN can learn flows of the protocol.
    fn is_learned(&self) -> bool {
        matches!(self.leaving.nw_proto, proto::TCP | proto::UDP | proto::SCTP)
    }
}

/// Whether an entry of a router's has its port in the mark.
fn has_marks(knowledge: &Knowledge, at: Timestamp) -> bool {
    let may_be_router = |zone: u16| !matches!(knowledge.zones.owner(zone, at), Owner::Other { .. });
    let in_mark = |connection: &Connection| {
        label::decode(connection.label, connection.mark).is_some_and(|reply| reply.form == PortForm::Mark)
    };
    let mut entries = knowledge.connections.all().iter();
    entries.any(|connection| in_mark(connection) && may_be_router(connection.zone))
        || knowledge.mark_zones.iter().any(|&zone| may_be_router(zone))
}
