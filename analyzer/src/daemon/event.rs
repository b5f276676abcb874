//! All that can happen to the daemon.

use std::collections::{BTreeMap, BTreeSet};

use super::databases::Role;
use super::flows::Answer;
use super::guarded::Findings;
use super::senders::Senders;
use crate::bpf::counted;
use crate::conntrack::index::LabelledIndex;
use crate::engine::fact::{Connection, Delta};
use crate::engine::label::{self, PortForm};
use crate::netlink::{conntrack, route};
use crate::ovsdb::client;
use crate::repair::Repair;
use crate::types::{Release, Timestamp};

/// When a reading began, of ovs-vswitchd zone by zone: what changed later it may not know.
#[derive(Clone, Default, Debug)]
pub struct Begun {
    /// The first request.
    pub first: Timestamp,
    /// Those of single zones, where each is asked for by itself.
    pub zones: BTreeMap<u16, Timestamp>,
}

impl Begun {
    /// When the entries of a zone were asked for.
    pub(crate) fn of(&self, zone: u16) -> Timestamp {
        self.zones.get(&zone).copied().unwrap_or(self.first)
    }

    /// When the last request was made.
    pub(crate) fn last(&self) -> Timestamp {
        self.zones.values().copied().fold(self.first, Timestamp::max)
    }
}

impl From<Timestamp> for Begun {
    fn from(first: Timestamp) -> Self {
        Self { first, zones: BTreeMap::new() }
    }
}

impl Reading {
    /// A reading without loss.
    pub fn new(begun: Begun, index: LabelledIndex, senders: Senders) -> Self {
        let is_in_mark = |entry: &Connection| {
            let reply = label::decode(entry.label, entry.mark);
            reply.is_some_and(|reply| reply.form == PortForm::Mark)
        };
        let mark_zones = index.iter().filter(is_in_mark).map(|entry| entry.zone).collect();
        Self { begun, index, senders, mark_zones, is_interrupted: false, unreadable: 0, failure: None, ovs: None }
    }
}

/// Something happened.
#[derive(Debug)]
pub enum Event {
    /// A database tells something.
    Database(Role, client::Event),
    /// A file of next hops was read, or could not be: its number, and what changed or why.
    File(usize, Result<Delta, String>),
    /// The kernel tells something of links, routes or neighbours.
    Kernel(route::Event),
    /// The kernel's routes cannot be followed any more.
    KernelLost(String),
    /// The kernel program asks for a look.
    Noticed(counted::Event),
    /// It was looked whether anybody else uses the NICs that frames are taken from.
    Guarded(Findings),
    /// A conntrack entry came, changed or went.
    Conntrack(conntrack::events::Event),
    /// Events of conntrack entries are told no more.
    ConntrackLost(String),
    /// Logical flows were asked for.
    LogicalFlows(Answer),
    /// All labelled conntrack entries were read, or could not be.
    Labelled(Box<Result<Reading, String>>),
    /// A repair came to its end.
    Repaired(Box<Repair>),
    /// A second has passed.
    Tick,
}

/// A reading of all labelled conntrack entries.
#[derive(Debug)]
pub struct Reading {
    /// When it began.
    pub begun: Begun,
    /// The entries.
    pub index: LabelledIndex,
    /// Entries that tell who sends; none of the kernel's, which is asked flow by flow.
    pub senders: Senders,
    /// Zones in which an entry has its port in the mark.
    pub mark_zones: BTreeSet<u16>,
    /// Whether the table changed while it was read, so that entries may be missing.
    pub is_interrupted: bool,
    /// Entries that could not be read.
    pub unreadable: u64,
    /// Why those that tell who sends could not all be read.
    pub failure: Option<String>,
    /// Release of the ovs-vswitchd that was asked, where it told.
    pub ovs: Option<Release>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_zone_has_a_beginning_of_its_own() {
        let at = Timestamp::from_nanos;
        let mut begun = Begun::from(at(5));
        assert_eq!((begun.of(35), begun.last()), (at(5), at(5)));
        begun.zones.extend([(35, at(7)), (36, at(17))]);
        assert_eq!([35, 36, 37].map(|zone| begun.of(zone)), [at(7), at(17), at(5)]);
        assert_eq!(begun.last(), at(17));
    }
}
